import { assertEquals } from "@std/assert";
import type { SortKernel } from "../../tensor/kernel.ts";
import { flipped, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, whole } from "./families.ts";

function sort(descending: boolean): SortKernel {
  return { kind: "sort", key: `sort ${descending}`, descending };
}

const directions = [false, true];
const exact = { tolerance: 0 };

gpuTest("planSort sorts rows of any length, stably, both ways", async () => {
  for (const descending of directions) {
    for (const shape of [[1], [3, 5], [4, 1000], [2, 3000], [0, 4]]) {
      const x = filled("float32", shape, () => whole(50) - 25);
      await compareOnGpu(sort(descending), [x], [{ shape }, { shape, dtype: "int32" }], exact);
    }
  }
});

gpuTest("planSort gives only as many of the first as there is room for", async () => {
  for (const descending of directions) {
    for (const [rows, length] of [[3, 5], [4, 1000], [2, 1025], [3, 3000], [1, 9217]] as const) {
      const x = filled("float32", [rows, length], () => whole(400) - 200);
      for (const wanted of [0, 1, 5, 300, 1024, 1500, length - 1]) {
        if (wanted > length) continue;
        const shape = [rows, wanted];
        await compareOnGpu(sort(descending), [x], [{ shape }, { shape, dtype: "int32" }], exact);
      }
    }
  }
});

gpuTest("planSort sorts 70,000 whole numbers with many ties", async () => {
  for (const descending of directions) {
    const x = filled("int32", [70000], () => whole(100) - 50);
    await compareOnGpu(sort(descending), [x], [{ shape: [70000], dtype: "int32" }, { shape: [70000], dtype: "int32" }], exact);
  }
});

gpuTest(
  "planSort puts NaN last when ascending and first when descending, infinities at the ends, and keeps signed zeros in place",
  async () => {
    const x = filled("float32", [9], (at) => [1, NaN, -0, 0, -Infinity, NaN, Infinity, -0, -1][at]!);
    const outputs = [{ shape: [9] }, { shape: [9], dtype: "int32" }] as const;
    const [, ascending] = await run(gpu(), sort(false), [x], outputs);
    assertEquals([...ascending!], [4, 8, 2, 3, 7, 0, 6, 1, 5]);
    const [, descending] = await run(gpu(), sort(true), [x], outputs);
    assertEquals([...descending!], [1, 5, 6, 0, 2, 3, 7, 8, 4]);
  },
);

gpuTest("planSort reads strided rows, uint32 and float16", async () => {
  const shape = [6, 40];
  for (const x of [permuted(random(40, 6), 1, 0), flipped(random(6, 40), 1)]) {
    await compareOnGpu(sort(false), [x], [{ shape }, { shape, dtype: "int32" }], exact);
  }
  const words = filled("uint32", [2000], (at) => Math.imul(at, 2654435761) >>> 0);
  await compareOnGpu(sort(true), [words], [{ shape: [2000], dtype: "uint32" }, { shape: [2000], dtype: "int32" }], exact);
  if (!gpu().supports("float16")) return;
  const halves = filled("float16", [30], () => whole(9) / 4);
  await compareOnGpu(sort(true), [halves], [{ shape: [30], dtype: "float16" }, { shape: [30], dtype: "int32" }], exact);
});
