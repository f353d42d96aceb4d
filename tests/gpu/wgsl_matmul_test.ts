import { assert, assertEquals } from "@std/assert";
import { apply, expression, input, result, scalar } from "../../tensor/expr.ts";
import { foldGrid } from "../../gpu/wgsl/shader.ts";
import type { MatmulKernel, View } from "../../tensor/kernel.ts";
import { assertNear, expanded, flipped, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest } from "./families.ts";

const matmul: MatmulKernel = { kind: "matmul", key: "matmul" };

gpuTest("planMatmul multiplies tiles, their edges and every transposition", async () => {
  await compareOnGpu(matmul, [random(5, 7), random(7, 3)], [{ shape: [5, 3] }]);
  const [a, b] = [random(100, 130), random(130, 70)];
  const [aTurned, bTurned] = [permuted(random(130, 100), 1, 0), permuted(random(70, 130), 1, 0)];
  for (const left of [a, aTurned]) for (const right of [b, bTurned]) await compareOnGpu(matmul, [left, right], [{ shape: [100, 70] }]);
});

gpuTest("planMatmul takes batches, expanded and reversed operands", async () => {
  await compareOnGpu(matmul, [random(2, 3, 20, 33), expanded(random(3, 33, 40), 0, 2)], [{ shape: [2, 3, 20, 40] }]);
  await compareOnGpu(matmul, [flipped(random(40, 50), 0), flipped(random(50, 30), 1)], [{ shape: [40, 30] }]);
  await compareOnGpu(matmul, [random(70000, 1, 2), random(70000, 2, 1)], [{ shape: [70000, 1, 1] }]);
});

gpuTest("planMatmul sums 100,000 products exactly where sums are exact", async () => {
  const [sums] = await run(gpu(), matmul, [filled("float32", [2, 100000], () => 1), filled("float32", [100000, 3], (at) => at % 3)], [{
    shape: [2, 3],
  }]);
  assertEquals([...sums!], [0, 100000, 200000, 0, 100000, 200000]);
});

gpuTest("planMatmul splits a deep product of few tiles", async () => {
  await compareOnGpu(matmul, [random(20, 3000), random(3000, 40)], [{ shape: [20, 40] }]);
});

gpuTest("planMatmul gives the epilogue of 0 for a depth of 0, and nothing for no rows", async () => {
  const epilogue = expression([apply("add", result(0, "float32"), 3)]);
  const [sums] = await run(gpu(), { ...matmul, key: "plus 3", epilogue }, [random(2, 0), random(0, 2)], [{ shape: [2, 2] }]);
  assertEquals([...sums!], [3, 3, 3, 3]);
  await compareOnGpu(matmul, [random(0, 5), random(5, 4)], [{ shape: [0, 4] }]);
});

gpuTest("planMatmul applies an epilogue with a bias and a scalar, whole or split", async () => {
  const sum = apply("add", apply("mul", result(0, "float32"), scalar(0, "float32")), input(2, "float32"));
  const kernel: MatmulKernel = { ...matmul, key: "bias relu", epilogue: expression([apply("where", apply("lt", sum, 0), 0, sum)]) };
  for (const depth of [3, 65, 2000]) {
    const inputs = [random(40, depth), random(depth, 33), expanded(random(33), 0, 40)];
    await compareOnGpu(kernel, inputs, [{ shape: [40, 33] }], { scalars: [0.5] });
  }
});

gpuTest("planMatmul keeps NaN and infinities in their rows and columns", async () => {
  const a = filled("float32", [40, 40], (at) => at === 45 ? NaN : at === 90 ? Infinity : 1);
  const b = filled("float32", [40, 40], (at) => at % 3 - 1);
  await compareOnGpu(matmul, [a, b], [{ shape: [40, 40] }]);
});

gpuTest("planMatmul accumulates float16 in float32", async () => {
  if (!gpu().supports("float16")) return;
  const ones = (...shape: number[]) => filled("float16", shape, () => 1);
  const [sums] = await run(gpu(), matmul, [ones(3, 4096), ones(4096, 2)], [{ shape: [3, 2], dtype: "float16" }]);
  assertEquals([...sums!], new Array(6).fill(4096));
});

gpuTest("planMatmul multiplies whole numbers", async () => {
  const inputs = [filled("int32", [30, 40], (at) => at % 7 - 3), filled("int32", [40, 20], (at) => at % 5 - 2)];
  const [products] = await run(gpu(), matmul, inputs, [{ shape: [30, 20], dtype: "int32" }]);
  const expected = Int32Array.from({ length: 600 }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < 40; k++) sum += inputs[0]!.data[Math.floor(at / 20) * 40 + k]! * inputs[1]!.data[k * 20 + at % 20]!;
    return sum;
  });
  assertEquals(products, expected);
});

gpuTest("planMatmul binds a storage once when it is both operands", async () => {
  const sample = random(40, 50);
  const turned = permuted(sample, 1, 0);
  const [expected] = await run(gpu(), matmul, [sample, turned], [{ shape: [40, 40] }]);
  const storage = gpu().alloc(8000);
  gpu().write(storage, 0, sample.data);
  const y: View = { storage: gpu().alloc(6400), dtype: "float32", shape: [40, 40], strides: [40, 1], offset: 0 };
  gpu().run(matmul, [{ ...sample, storage }, { ...turned, storage }], [y], []);
  const [bytes] = await gpu().read([{ storage: y.storage, byteOffset: 0, byteLength: 6400 }]);
  assertNear(new Float32Array(bytes!), expected!, 0, "x times its transpose");
});

Deno.test("foldGrid covers any number of workgroups within the limit per dimension", () => {
  const limits = {
    workgroupInvocations: 256,
    workgroupMemory: 16384,
    workgroupsPerDimension: 65535,
    storageBuffers: 8,
    f16: true,
    software: true,
  };
  for (const count of [1, 65535, 65536, 70000, 65535 * 65535, 65535 * 65535 + 1]) {
    const { workgroups } = foldGrid(count, limits);
    assert(workgroups.every((size) => size >= 1 && size <= 65535));
    assert(workgroups[0] * workgroups[1] * workgroups[2] >= count);
  }
});
