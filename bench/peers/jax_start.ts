/**
 * From a process's start to its first result in jax-js: `time deno run -A --config bench/peers/deno.json bench/peers/jax_start.ts jit|eager`.
 *
 * @module
 */
import { type Array as Numbers, defaultDevice, init, jit, numpy as np } from "@jax-js/jax";
import { printFirstProduct } from "../harness.ts";

const [mode = "jit"] = Deno.args;
const product = (a: Numbers, b: Numbers) => np.matmul(a, b);
await init("wasm");
defaultDevice("wasm");
await printFirstProduct(`jax-${mode}`, async (a, b, shape) => {
  const multiply = mode === "jit" ? jit(product) : product;
  return await multiply(np.array(a, { shape: [...shape] }), np.array(b, { shape: [...shape] })).data();
});
Deno.exit(0);
