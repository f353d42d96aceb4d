/**
 * From a process's start to its first result in TensorFlow.js:
 * `time deno run -A --config bench/peers/deno.json bench/peers/tfjs_start.ts wasm|cpu`.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { printFirstProduct } from "../harness.ts";

const [backend = "wasm"] = Deno.args;
if (backend === "wasm") {
  const binary = import.meta.resolve("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm");
  setWasmPaths(decodeURIComponent(new URL(".", binary).pathname));
}
if (!await tf.setBackend(backend)) throw new Error(`TensorFlow.js has no backend ${backend} here`);
await printFirstProduct(`tfjs-${backend}`, async (values, shape) => {
  const x = tf.tensor2d(values, [...shape]);
  return await tf.matMul(x, x).data();
});
Deno.exit(0);
