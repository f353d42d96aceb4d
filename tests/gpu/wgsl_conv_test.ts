import { assertEquals } from "@std/assert";
import { apply, expression, input, result } from "../../tensor/expr.ts";
import type { ConvKernel } from "../../tensor/kernel.ts";
import { expanded, permuted, random, run, type Sample } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest } from "./families.ts";

/** A convolution: the shapes of x and w, and the geometry. */
interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

const cases: readonly Case[] = [
  { x: [2, 3, 9, 8], w: [5, 3, 3, 2], stride: [1, 1], padding: [1, 0], dilation: [1, 1], groups: 1 },
  { x: [3, 4, 11, 9], w: [6, 2, 3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 2 },
  { x: [2, 4, 12], w: [8, 1, 3], stride: [2], padding: [2], dilation: [2], groups: 4 },
  { x: [2, 6, 7, 7], w: [6, 1, 3, 3], stride: [1, 2], padding: [2, 1], dilation: [2, 1], groups: 6 },
  { x: [4, 20, 16, 16], w: [40, 20, 3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 },
  { x: [1, 1, 1, 1], w: [1, 1, 1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 },
];

function kernelOf({ stride, padding, dilation, groups }: Case, direction: ConvKernel["direction"]): ConvKernel {
  return {
    kind: "conv",
    key: `conv ${direction} ${stride} ${padding} ${dilation} ${groups}`,
    direction,
    stride,
    padding,
    dilation,
    groups,
  };
}

function resultShape({ x, w, stride, padding, dilation }: Case): number[] {
  const spatial = stride.map((step, dim) =>
    Math.floor((x[dim + 2]! + 2 * padding[dim]! - dilation[dim]! * (w[dim + 2]! - 1) - 1) / step) + 1
  );
  return [x[0]!, w[0]!, ...spatial];
}

gpuTest("planConv computes forward, input and weight directions as the reference does", async () => {
  for (const one of cases) {
    const y = resultShape(one);
    await compareOnGpu(kernelOf(one, "forward"), [random(...one.x), random(...one.w)], [{ shape: y }]);
    await compareOnGpu(kernelOf(one, "input"), [random(...y), random(...one.w)], [{ shape: one.x }]);
    await compareOnGpu(kernelOf(one, "weight"), [random(...one.x), random(...y)], [{ shape: one.w }]);
  }
});

gpuTest("planConv takes permuted images and an epilogue with a bias per channel", async () => {
  const one = cases[4]!;
  const sum = apply("add", result(0, "float32"), input(2, "float32"));
  const kernel: ConvKernel = {
    ...kernelOf(one, "forward"),
    key: "conv relu",
    epilogue: expression([apply("where", apply("lt", sum, 0), 0, sum)]),
  };
  const image: Sample = permuted(random(16, 16, 4, 20), 2, 3, 0, 1);
  const bias = expanded(expanded(expanded(random(40), 0, 4), 2, 16), 3, 16);
  await compareOnGpu(kernel, [image, random(...one.w), bias], [{ shape: [4, 40, 16, 16] }]);
});

gpuTest("planConv takes the epilogues of gradients, as of an activation before the convolution", async () => {
  const value = result(0, "float32");
  const epilogue = expression([apply("where", apply("le", input(2, "float32"), 0), 0, apply("add", value, input(3, "float32")))]);
  for (const one of cases) {
    const y = resultShape(one);
    const masked = (direction: "input" | "weight"): ConvKernel => ({
      ...kernelOf(one, direction),
      key: `conv ${direction} masked`,
      epilogue,
    });
    await compareOnGpu(masked("input"), [random(...y), random(...one.w), random(...one.x), random(...one.x)], [{ shape: one.x }]);
    await compareOnGpu(masked("weight"), [random(...one.x), random(...y), random(...one.w), random(...one.w)], [{ shape: one.w }]);
  }
});

gpuTest("planConv sums a weight gradient over 100,352 positions exactly where sums are exact", async () => {
  const one: Case = { x: [128, 1, 28, 28], w: [2, 1, 3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
  const ones = (shape: readonly number[]) => filled("float32", shape, () => 1);
  const [dw] = await run(gpu(), kernelOf(one, "weight"), [ones(one.x), ones(resultShape(one))], [{ shape: one.w }]);
  const inside = (cell: number) => cell === 1 ? 28 : 27;
  const expected = Array.from({ length: 18 }, (_, at) => 128 * inside(Math.floor(at / 3) % 3) * inside(at % 3));
  assertEquals([...dw!], expected);
});

gpuTest("planConv computes nothing for no images, and zero weight gradients", async () => {
  const one: Case = { ...cases[0]!, x: [0, 3, 9, 8] };
  const y = resultShape(one);
  await compareOnGpu(kernelOf(one, "forward"), [random(...one.x), random(...one.w)], [{ shape: y }]);
  const [dw] = await run(gpu(), kernelOf(one, "weight"), [random(...one.x), random(...y)], [{ shape: one.w }]);
  assertEquals(dw!.every((value) => value === 0), true);
});
