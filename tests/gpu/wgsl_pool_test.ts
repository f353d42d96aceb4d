import type { PoolKernel } from "../../tensor/kernel.ts";
import { permuted, random, run, type Sample } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest } from "./families.ts";

/** The shape of x, that of the result's plane, and the windows. */
interface Case {
  readonly x: Sample;
  readonly plane: readonly number[];
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

const odd = random(2, 3, 9, 10);
odd.data.set([NaN, -Infinity, Infinity], 20);
const cases: readonly Case[] = [
  { x: odd, plane: [5, 9], size: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 1] },
  { x: permuted(random(12, 12, 2, 3), 2, 3, 0, 1), plane: [7, 6], size: [2, 3], stride: [2, 2], padding: [1, 1], dilation: [2, 1] },
  // 60,000 cells: more than the trips one dispatch may make.
  { x: random(1, 2, 300, 200), plane: [1, 1], size: [300, 200], stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
  { x: random(1, 1, 1, 1), plane: [1, 1], size: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
];

function kernelOf(one: Case, mode: PoolKernel["mode"], direction: PoolKernel["direction"], countPadding: boolean): PoolKernel {
  const { size, stride, padding, dilation } = one;
  const key = `pool ${mode} ${direction} ${countPadding} ${size} ${stride} ${padding} ${dilation}`;
  return { kind: "pool", key, mode, direction, countPadding, size, stride, padding, dilation };
}

gpuTest("planPool finds maxima and their positions, and sends gradients back to them", async () => {
  for (const one of cases) {
    const y = [...one.x.shape.slice(0, 2), ...one.plane];
    const [, positions] = await compareOnGpu(kernelOf(one, "max", "forward", false), [one.x], [{ shape: y }, { shape: y, dtype: "int32" }]);
    const picked: Sample = { ...filled("int32", y, () => 0), data: positions! };
    await compareOnGpu(kernelOf(one, "max", "backward", false), [random(...y), picked], [{ shape: one.x.shape }]);
  }
});

gpuTest("planPool averages with and without the padding, forward and backward", async () => {
  for (const one of cases) {
    if (one.x === odd) continue;
    const y = [...one.x.shape.slice(0, 2), ...one.plane];
    for (const countPadding of [true, false]) {
      await compareOnGpu(kernelOf(one, "average", "forward", countPadding), [one.x], [{ shape: y }]);
      await compareOnGpu(kernelOf(one, "average", "backward", countPadding), [random(...y)], [{ shape: one.x.shape }]);
    }
  }
});

gpuTest("planPool computes nothing for no images", async () => {
  const one: Case = { ...cases[3]!, x: random(0, 1, 1, 1) };
  await run(gpu(), kernelOf(one, "average", "forward", true), [one.x], [{ shape: [0, 1, 1, 1] }]);
});
