/**
 * Matrix products and convolutions of the CPU backend; prints GFLOP/s at the end and what part that is of the rate of a loop of nothing but
 * multiply-adds on all threads, measured in the same process: the best run, the median and the ninth of ten.
 *
 * @module
 */
import { CpuBackend } from "../cpu/backend.ts";
import type { ModuleBuilder } from "../cpu/wasm/encoder.ts";
import { emitCountdown, emitMultiplyAdd } from "../cpu/wasm/loops.ts";
import { functionsOn } from "../cpu/wasm/scratch.ts";
import { forEachPiece } from "../cpu/wasm/tasks.ts";
import type { ConvKernel, Kernel, View } from "../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../tensor/shape.ts";

const backend = new CpuBackend();
backend.startThreads();
const results = new Map<string, { flops: number; milliseconds: number[] }>();

function view(shape: readonly number[], strides: readonly number[] = contiguousStrides(shape)): View {
  const storage = backend.alloc(sizeOf(shape) * 4);
  backend.write(storage, 0, new Float32Array(sizeOf(shape)).map((_, at) => Math.sin(at)));
  return { storage, dtype: "float32", shape, strides, offset: 0 };
}

function bench(group: string, name: string, flops: number, run: () => void): void {
  const milliseconds: number[] = [];
  results.set(name, { flops, milliseconds });
  Deno.bench({
    group,
    name,
    fn: (context) => {
      const from = performance.now();
      context.start();
      run();
      context.end();
      milliseconds.push(performance.now() - from);
    },
  });
}

function benchKernel(group: string, name: string, flops: number, kernel: Kernel, inputs: View[], output: View): void {
  bench(group, name, flops, () => backend.run(kernel, inputs, [output], []));
}

/** Independent sums: enough to hide that a multiply-add takes four cycles where two begin in each. */
const sums = 12;
const turns = 100_000;

/** `spin` (pointer): turns of multiply-adds of registers alone; their sum is written so that it is needed. */
function emitSpin(module: ModuleBuilder): void {
  const fn = module.function("spin", { params: ["i32"] });
  const [x, y, counter] = [fn.local("v128"), fn.local("v128"), fn.local("i32")];
  const totals = Array.from({ length: sums }, () => fn.local("v128"));
  fn.i32(turns);
  emitCountdown(fn, counter, 1, () => totals.forEach((total) => emitMultiplyAdd(fn, x, y, total)));
  for (const total of totals.slice(1)) fn.get(totals[0]!).get(total).op("f32x4.add").set(totals[0]!);
  fn.get(fn.parameters[0]!).get(totals[0]!).store("v128.store");
}

/** As many pieces of nothing but multiply-adds as shall run at once. */
function benchPeak(name: string, pieces: number): void {
  const pointer = backend.heap.alloc(16 * pieces);
  bench("peak", name, pieces * turns * sums * 8, () => {
    forEachPiece(backend.heap, pieces * 1e6, pieces, (on, piece) => functionsOn(on, "spin", emitSpin)["spin"]!(pointer + piece * 16));
  });
}

function benchMatmul(rows: number, depth: number, columns: number, layout: "plain" | "b transposed" | "a transposed" = "plain"): void {
  const a = layout === "a transposed" ? view([rows, depth], [1, rows]) : view([rows, depth]);
  const b = layout === "b transposed" ? view([depth, columns], [1, depth]) : view([depth, columns]);
  const name = `[${rows}, ${depth}] x [${depth}, ${columns}]${layout === "plain" ? "" : `, ${layout}`}`;
  benchKernel("matmul", name, 2 * rows * depth * columns, { kind: "matmul", key: "matmul" }, [a, b], view([rows, columns]));
}

/** A linear layer as training runs it: forward, input gradient, weight gradient. */
function benchLinear(batch: number, inputs: number, outputs: number): void {
  benchMatmul(batch, inputs, outputs, "b transposed");
  benchMatmul(batch, outputs, inputs);
  benchMatmul(outputs, batch, inputs, "a transposed");
}

function benchConv(x: number[], filters: number, size: number, stride = 1): void {
  const [batch, channels, height, width] = x as [number, number, number, number];
  const padding = (size - 1) / 2;
  const out = (n: number) => Math.floor((n + 2 * padding - size) / stride) + 1;
  const [image, weights, output] = [view(x), view([filters, channels, size, size]), view([batch, filters, out(height), out(width)])];
  const flops = 2 * sizeOf(output.shape) * channels * size * size;
  const both = (value: number) => [value, value];
  for (const direction of ["forward", "input", "weight"] as const) {
    const geometry = { groups: 1, stride: both(stride), padding: both(padding), dilation: both(1) };
    const kernel: ConvKernel = { kind: "conv", key: `conv ${direction} ${stride}`, direction, ...geometry };
    const [a, b, c] = direction === "forward"
      ? [image, weights, output]
      : direction === "input"
      ? [output, weights, image]
      : [image, output, weights];
    const name = `[${x.join(", ")}] * [${weights.shape.join(", ")}]${stride > 1 ? ` / ${stride}` : ""} ${direction}`;
    benchKernel("conv", name, flops, kernel, [a, b], c);
  }
}

const threads = Math.min(8, navigator.hardwareConcurrency);
const [oneThread, allThreads] = ["peak, one thread", "peak, all threads"];
benchPeak(oneThread, 1);
benchPeak(allThreads, threads);
for (const size of [256, 512, 1024, 2048]) benchMatmul(size, size, size);
// The multilayer perceptron's, and a linear layer's of the convolutional network.
benchLinear(128, 784, 512);
benchLinear(128, 512, 256);
benchLinear(64, 3136, 128);
benchLinear(128, 128, 10);
benchMatmul(32, 32, 32);
benchMatmul(1, 784, 512);
benchMatmul(1, 784, 512, "b transposed");
benchConv([64, 1, 28, 28], 32, 3);
benchConv([64, 32, 14, 14], 64, 3);
benchConv([32, 16, 32, 32], 32, 3);
// ResNet-18's, from stage to stage.
benchConv([16, 64, 32, 32], 64, 3);
benchConv([16, 64, 32, 32], 128, 3, 2);
benchConv([16, 128, 16, 16], 128, 3);
benchConv([16, 256, 8, 8], 256, 3);
benchConv([16, 512, 4, 4], 512, 3);
benchConv([16, 256, 8, 8], 512, 1, 2);

globalThis.addEventListener("unload", () => {
  // What threads reach together falls short of their number where another program runs beside them.
  const [alone, together] = [oneThread, allThreads].map((name) => results.get(name)!.flops / Math.min(...results.get(name)!.milliseconds));
  const fastest = Math.max(alone! * threads, together!);
  console.log("\nGFLOP/s       ms   % of peak: best  median  9 of 10");
  for (const [name, { flops, milliseconds }] of results) {
    if (milliseconds.length === 0) continue;
    const sorted = milliseconds.sort((a, b) => a - b);
    const [best, median, slow] = [0, 0.5, 0.9].map((part) => sorted[Math.floor(sorted.length * part)]!) as [number, number, number];
    const [ofPeak, ofPeakUsually, ofPeakSeldom] = [best, median, slow].map((time) => (flops / time / fastest * 100).toFixed(0).padStart(8));
    const rate = (flops / median / 1e6).toFixed(1).padStart(7);
    console.log(`${rate} ${median.toFixed(3).padStart(8)}        ${ofPeak}${ofPeakUsually} ${ofPeakSeldom}  ${name}`);
  }
});
