import { assert, assertEquals, assertRejects } from "@std/assert";
import { IndexError } from "../../tensor/errors.ts";
import type { GatherKernel, ScatterKernel } from "../../tensor/kernel.ts";
import { expanded, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, gpuWith, whole } from "./families.ts";

function gather(dim: number): GatherKernel {
  return { kind: "gather", key: `gather ${dim}`, dim };
}

function scatter(dim: number, combine: ScatterKernel["combine"]): ScatterKernel {
  return { kind: "scatter", key: `scatter ${dim} ${combine}`, dim, combine };
}

const combines = ["sum", "prod", "max", "min", "replace"] as const;

gpuTest("planGather picks along any dim from strided inputs", async () => {
  const x = permuted(random(6, 5, 4), 2, 1, 0);
  await compareOnGpu(gather(1), [x, filled("int32", [3, 7, 6], () => whole(5))], [{ shape: [3, 7, 6] }]);
  await compareOnGpu(gather(0), [x, filled("int32", [9, 5, 2], () => whole(4))], [{ shape: [9, 5, 2] }]);
  await compareOnGpu(gather(0), [random(50, 8), expanded(filled("int32", [30], () => whole(50)), 1, 8)], [{ shape: [30, 8] }]);
  const words = filled("uint32", [9], (at) => at * 3);
  await compareOnGpu(gather(0), [words, filled("int32", [4], () => whole(9))], [{ shape: [4], dtype: "uint32" }]);
});

gpuTest("planGather takes 70,000 and 4,300,000 indices, also in a folded grid", async () => {
  for (const [size, workgroupsPerDimension] of [[70000, 65535], [70000, 40], [4300000, 1000]] as const) {
    const index = filled("int32", [size], (at) => (at * 7) % 1000);
    const output = { shape: [size], dtype: "int32" as const };
    const backend = gpuWith({ workgroupsPerDimension });
    await compareOnGpu(gather(0), [filled("int32", [1000], (at) => at * at), index], [output], { backend });
  }
});

gpuTest("planGather and planScatter report indices out of range at the next read", async () => {
  const outside = [filled("int32", [3], (at) => [0, -1, 9][at]!), random(3)];
  await assertRejects(() => run(gpu(), gather(0), [random(4), outside[0]!], [{ shape: [3] }]), IndexError);
  await assertRejects(() => run(gpu(), scatter(0, "sum"), outside, [{ shape: [4] }]), IndexError);
  const valid = () => run(gpu(), gather(0), [random(4), filled("int32", [3], () => 1)], [{ shape: [3] }]);
  await valid();
  await assertRejects(async () => {
    await run(gpu(), scatter(0, "sum"), outside, [{ shape: [0] }]);
    await valid();
  }, IndexError);
});

gpuTest("planScatter combines in increasing position along any dim", async () => {
  for (const combine of combines) {
    const initial = Float32Array.from({ length: 28 }, () => 1);
    const inputs = [filled("int32", [40, 3], () => whole(7)), random(40, 3)];
    await compareOnGpu(scatter(0, combine), inputs, [{ shape: [7, 4], initial }]);
    const counts = [filled("int32", [3, 40], () => whole(9)), filled("int32", [3, 40], () => whole(5) - 2)];
    await compareOnGpu(scatter(1, combine), counts, [{ shape: [3, 9], dtype: "int32", initial: new Int32Array(27).fill(1) }]);
  }
});

gpuTest("planScatter takes 70,000 indices along one dim, searched or walked", async () => {
  for (const size of [11, 5000]) {
    const inputs = [filled("int32", [70000], () => whole(size)), filled("float32", [70000], () => whole(3))];
    await compareOnGpu(scatter(0, "sum"), inputs, [{ shape: [size], initial: new Float32Array(size) }], { tolerance: 0 });
  }
});

gpuTest("planScatter splits a long search for few sums, and leaves what no index names", async () => {
  const backend = gpuWith({ software: false });
  const initial = Float32Array.from({ length: 44 }, (_, at) => at === 3 ? -0 : at);
  const rows = [filled("int32", [3000, 4], () => 1 + whole(10)), filled("float32", [3000, 4], () => whole(9) - 4)];
  const [sums] = await compareOnGpu(scatter(0, "sum"), rows, [{ shape: [11, 4], initial }], { backend, tolerance: 0 });
  assert(Object.is(sums![3], -0));
  const columns = [filled("int32", [3, 3000], () => whole(9)), filled("int32", [3, 3000], () => whole(5) - 2)];
  const ones = new Int32Array(36).fill(1);
  await compareOnGpu(scatter(1, "sum"), columns, [{ shape: [4, 9], dtype: "int32", initial: ones }], { backend, tolerance: 0 });
  const long = [filled("int32", [300_000], () => whole(3)), filled("float32", [300_000], () => 1)];
  await compareOnGpu(scatter(0, "sum"), long, [{ shape: [3], initial: new Float32Array(3) }], { backend, tolerance: 0 });
  const outside = [filled("int32", [3000], (at) => at === 2999 ? 5 : 0), random(3000)];
  await assertRejects(() => run(backend, scatter(0, "sum"), outside, [{ shape: [5] }]), IndexError, "0 … 4 is needed, got 5");
  if (!backend.supports("float16")) return;
  const halves = [filled("int32", [4096], (at) => at % 2), filled("float16", [4096], () => 1)];
  const [counted] = await run(backend, scatter(0, "sum"), halves, [{ shape: [2], dtype: "float16", initial: new Float16Array(2) }]);
  assertEquals([...counted!], [2048, 2048]);
});

gpuTest("planScatter leaves NaN in maxima", async () => {
  const source = filled("float32", [4], (at) => [1, NaN, 3, 2][at]!);
  const index = filled("int32", [4], (at) => [0, 0, 0, 1][at]!);
  for (const combine of ["max", "min"] as const) {
    await compareOnGpu(scatter(0, combine), [index, source], [{ shape: [2], initial: new Float32Array(2) }]);
  }
});
