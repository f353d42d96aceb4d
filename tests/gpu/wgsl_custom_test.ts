import { assertEquals, assertRejects } from "@std/assert";
import { ArgumentError } from "../../tensor/errors.ts";
import type { CustomKernel } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest } from "./families.ts";

const sumOfSquares: CustomKernel = {
  kind: "custom",
  key: "sum of squares",
  cpu: ([a, b], [y]) => y!.data.forEach((_, i) => y!.data[i] = a!.data[i]! ** 2 + b!.data[i]! ** 2),
  wgsl: (_inputs, outputs) => ({
    source: `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < ${sizeOf(outputs[0]!.shape)}u) { y[id.x] = a[id.x] * a[id.x] + b[id.x] * b[id.x]; }
}`,
    workgroups: [Math.ceil(sizeOf(outputs[0]!.shape) / 64), 1, 1],
  }),
};

gpuTest("planCustom hands the user's source contiguous inputs", async () => {
  await compareOnGpu(sumOfSquares, [random(20, 30), permuted(random(30, 20), 1, 0)], [{ shape: [20, 30] }]);
  const tail = { ...filled("float32", [10], (at) => at), shape: [4], offset: 6 };
  const [squares] = await run(gpu(), sumOfSquares, [tail, tail], [{ shape: [4] }]);
  assertEquals([...squares!], [72, 98, 128, 162]);
});

gpuTest("planCustom runs nothing for no workgroups and refuses a kernel without WGSL", async () => {
  await compareOnGpu(sumOfSquares, [random(0), random(0)], [{ shape: [0] }]);
  const { wgsl: _wgsl, ...silent } = sumOfSquares;
  await assertRejects(() => run(gpu(), { ...silent, key: "silent" }, [random(2), random(2)], [{ shape: [2] }]), ArgumentError);
});
