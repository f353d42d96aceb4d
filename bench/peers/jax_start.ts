/**
 * From a process's start to its first result in jax-js: `time deno run -A --config bench/peers/deno.json bench/peers/jax_start.ts jit|eager`.
 *
 * @module
 */
import { type Array as Numbers, defaultDevice, init, jit, numpy as np } from "@jax-js/jax";
import { printFirstProduct } from "../harness.ts";

const [mode = "jit"] = Deno.args;
await init("wasm");
defaultDevice("wasm");
await printFirstProduct(`jax-${mode}`, async (values, shape) => {
  const square = (x: Numbers) => np.matmul(x.ref, x);
  return await (mode === "jit" ? jit(square) : square)(np.array(values, { shape: [...shape] })).data();
});
Deno.exit(0);
