/**
 * The workloads of bench/indexing.ts that TensorFlow.js has: `deno run -A --config bench/peers/deno.json bench/peers/indexing.ts wasm [pattern]`.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { measure, type Prepared, uniform } from "../harness.ts";

const [backend = "wasm", pattern = ""] = Deno.args;
if (backend === "wasm") {
  const binary = import.meta.resolve("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm");
  setWasmPaths(decodeURIComponent(new URL(".", binary).pathname));
}
if (!await tf.setBackend(backend)) throw new Error(`TensorFlow.js has no backend ${backend} here`);

const workloads: Readonly<Record<string, () => Prepared>> = {
  embedding: () => {
    const [table, index] = [values([50000, 128], 1), positions([65536], 50000, 2)];
    return pure(() => tf.gather(table, index), 12345);
  },
  embedding_backward: () => {
    const [gradient, index] = [values([65536, 128], 3), positions([65536], 50000, 2)];
    return pure(() => tf.unsortedSegmentSum(gradient, index as tf.Tensor1D, 50000), 12345);
  },
  class_sums: () => {
    const [x, index] = [values([65536, 128], 3), positions([65536], 10, 2)];
    return pure(() => tf.unsortedSegmentSum(x, index as tf.Tensor1D, 10), 130);
  },
  cumsum_dim1: () => unary([4096, 1024], (x) => tf.cumsum(x, 1)),
  cumsum_dim0: () => unary([4096, 1024], (x) => tf.cumsum(x, 0)),
  cumsum_4M: () => unary([4194304], (x) => tf.cumsum(x, 0)),
  cumprod_dim1: () => unary([4096, 1024], (x) => tf.cumprod(x, 1)),
  topk5_4096x1000: () => unary([4096, 1000], (x) => tf.topk(x, 5).values),
  topk100_4096x1000: () => unary([4096, 1000], (x) => tf.topk(x, 100).values),
  argmax_dim1: () => unary([4096, 1024], (x) => tf.argMax(x, 1)),
};

for (const [name, prepare] of Object.entries(workloads)) {
  if (new RegExp(pattern).test(name)) console.log(JSON.stringify(await measure(`tfjs-${backend}`, { name, prepare })));
}
Deno.exit(0);

function values(shape: number[], seed: number): tf.Tensor {
  return tf.tensor(uniform(shape.reduce((a, b) => a * b, 1), { seed }), shape);
}

function positions(shape: number[], size: number, seed: number): tf.Tensor {
  const numbers = uniform(shape.reduce((a, b) => a * b, 1), { seed });
  return tf.tensor(Int32Array.from(numbers, (x) => Math.min(size - 1, Math.floor((x + 1) / 2 * size))), shape, "int32");
}

function unary(shape: number[], f: (x: tf.Tensor) => tf.Tensor): Prepared {
  const x = values(shape, 4);
  return pure(() => f(x), 7);
}

function pure(f: () => tf.Tensor, at: number): Prepared {
  const check = async () => {
    const y = tf.tidy(f);
    const value = (await y.data())[at]!;
    y.dispose();
    return value;
  };
  return { run: () => void tf.tidy(f).dispose(), check };
}
