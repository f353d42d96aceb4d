/**
 * Matrix products and convolutions of the CPU backend; prints GFLOP/s at the end, best and median.
 *
 * @module
 */
import { CpuBackend } from "../cpu/backend.ts";
import type { ConvKernel, Kernel, View } from "../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../tensor/shape.ts";

const backend = new CpuBackend();
const results = new Map<string, { flops: number; milliseconds: number[] }>();

function view(shape: readonly number[], strides: readonly number[] = contiguousStrides(shape)): View {
  const storage = backend.alloc(sizeOf(shape) * 4);
  backend.write(storage, 0, new Float32Array(sizeOf(shape)).map((_, at) => Math.sin(at)));
  return { storage, dtype: "float32", shape, strides, offset: 0 };
}

function bench(group: string, name: string, flops: number, kernel: Kernel, inputs: View[], output: View): void {
  const milliseconds: number[] = [];
  results.set(name, { flops, milliseconds });
  Deno.bench({
    group,
    name,
    fn: (context) => {
      const from = performance.now();
      context.start();
      backend.run(kernel, inputs, [output], []);
      context.end();
      milliseconds.push(performance.now() - from);
    },
  });
}

function benchMatmul(rows: number, depth: number, columns: number, layout: "plain" | "b transposed" | "a transposed" = "plain"): void {
  const a = layout === "a transposed" ? view([rows, depth], [1, rows]) : view([rows, depth]);
  const b = layout === "b transposed" ? view([depth, columns], [1, depth]) : view([depth, columns]);
  const name = `[${rows}, ${depth}] x [${depth}, ${columns}]${layout === "plain" ? "" : `, ${layout}`}`;
  bench("matmul", name, 2 * rows * depth * columns, { kind: "matmul", key: "matmul" }, [a, b], view([rows, columns]));
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
    bench("conv", name, flops, kernel, [a, b], c);
  }
}

for (const size of [256, 512, 1024]) benchMatmul(size, size, size);
benchLinear(128, 784, 512);
benchLinear(64, 3136, 128);
benchLinear(64, 128, 10);
benchMatmul(1, 784, 512);
benchMatmul(1, 784, 512, "b transposed");
benchConv([64, 1, 28, 28], 32, 3);
benchConv([64, 32, 14, 14], 64, 3);
benchConv([32, 16, 32, 32], 32, 3);
benchConv([16, 64, 32, 32], 128, 3, 2);
benchConv([16, 256, 8, 8], 256, 1);

globalThis.addEventListener("unload", () => {
  const rate = (flops: number, milliseconds: number) => (flops / milliseconds / 1e6).toFixed(1).padStart(8);
  console.log("\nGFLOP/s    best   median      ms");
  for (const [name, { flops, milliseconds }] of results) {
    if (milliseconds.length === 0) continue;
    const sorted = milliseconds.sort((a, b) => a - b);
    const [best, median] = [sorted[0]!, sorted[sorted.length >> 1]!];
    console.log(`       ${rate(flops, best)} ${rate(flops, median)} ${best.toFixed(3).padStart(7)}  ${name}`);
  }
});
