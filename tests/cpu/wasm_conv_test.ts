import { apply, expression, input, result } from "../../tensor/expr.ts";
import type { ConvKernel } from "../../tensor/kernel.ts";
import { compare, expanded, flipped, permuted, random, type Sample, stepped } from "./compare.ts";

interface Setting {
  readonly batch?: number;
  readonly groups?: number;
  /** Channels and filters of one group. */
  readonly channels?: number;
  readonly filters?: number;
  readonly image: readonly number[];
  readonly size: readonly number[];
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
}

type Direction = ConvKernel["direction"];

function geometry({ batch = 2, groups = 1, channels = 3, filters = 4, image, size, stride = 1, padding = 0, dilation = 1 }: Setting) {
  const repeat = (value: number) => image.map(() => value);
  const output = image.map((n, dim) => Math.floor((n + 2 * padding - dilation * (size[dim]! - 1) - 1) / stride) + 1);
  const kernel = (direction: Direction): ConvKernel => ({
    kind: "conv",
    key: `conv ${direction} ${groups} ${stride} ${padding} ${dilation}`,
    direction,
    groups,
    stride: repeat(stride),
    padding: repeat(padding),
    dilation: repeat(dilation),
  });
  const shapes = {
    x: [batch, channels * groups, ...image],
    w: [filters * groups, channels, ...size],
    y: [batch, filters * groups, ...output],
  };
  return { kernel, shapes };
}

/** Compares all three directions, with inputs as `vary` gives them for a shape. */
async function check(setting: Setting, vary: (shape: number[]) => Sample = (shape) => random(...shape)): Promise<void> {
  const { kernel, shapes } = geometry(setting);
  if (shapes.y.some((n) => n < 0)) return;
  const name = JSON.stringify(setting);
  await compare(kernel("forward"), [vary(shapes.x), vary(shapes.w)], [{ shape: shapes.y }], { name: `forward ${name}` });
  await compare(kernel("input"), [vary(shapes.y), vary(shapes.w)], [{ shape: shapes.x }], { name: `input ${name}` });
  await compare(kernel("weight"), [vary(shapes.x), vary(shapes.y)], [{ shape: shapes.w }], { name: `weight ${name}` });
}

Deno.test("conv in WebAssembly agrees with the reference for strides, paddings, dilations and sizes in two dims", async () => {
  for (const size of [[1, 1], [3, 3], [2, 3], [5, 1]]) {
    for (const stride of [1, 2, 3]) {
      for (const padding of [0, 1, 2]) {
        for (const dilation of [1, 2]) await check({ image: [9, 11], size, stride, padding, dilation });
      }
    }
  }
});

Deno.test("conv in WebAssembly agrees with the reference in one dim", async () => {
  for (const size of [1, 2, 4]) {
    for (const stride of [1, 2, 3]) {
      for (const padding of [0, 2]) {
        for (const dilation of [1, 3]) await check({ image: [23], size: [size], stride, padding, dilation, groups: 2 });
      }
    }
  }
});

Deno.test("conv in WebAssembly agrees with the reference for every edge of the tiles", async () => {
  for (const width of [1, 2, 3, 4, 5, 7, 8, 9, 12, 13]) await check({ image: [3, width], size: [3, 3], padding: 1 });
  for (const filters of [1, 2, 5, 6, 7, 8, 9, 12, 13, 17]) await check({ image: [4, 6], size: [3, 3], padding: 1, filters });
  for (const channels of [1, 2, 5, 6, 7, 8, 9, 13]) await check({ image: [4, 6], size: [2, 2], channels });
});

Deno.test("conv in WebAssembly agrees with the reference for groups and depthwise kernels", async () => {
  for (const groups of [2, 3, 8]) {
    for (const [channels, filters] of [[1, 1], [1, 2], [4, 3], [2, 9]] as const) {
      await check({ image: [7, 8], size: [3, 3], padding: 1, groups, channels, filters });
      await check({ image: [7, 8], size: [3, 2], stride: 2, groups, channels, filters });
    }
  }
});

Deno.test("conv in WebAssembly agrees with the reference across block borders", async () => {
  await check({ batch: 1, image: [6, 6], size: [3, 3], padding: 1, channels: 60, filters: 250 });
  await check({ batch: 1, image: [30, 40], size: [3, 3], padding: 1, stride: 2, channels: 30, filters: 30 });
  await check({ batch: 1, image: [2, 1100], size: [1, 3], channels: 2, filters: 3 });
  await check({ batch: 3, image: [40, 40], size: [1, 1], channels: 300, filters: 10 });
});

Deno.test("conv in WebAssembly agrees with the reference when the padding is wider than the image and the kernel as large", async () => {
  await check({ image: [2, 3], size: [3, 3], padding: 3 });
  await check({ image: [2, 3], size: [1, 1], padding: 4, stride: 3 });
  await check({ image: [5, 4], size: [5, 4] });
  await check({ image: [1, 1], size: [1, 1], batch: 1, channels: 1, filters: 1 });
  await check({ image: [4, 4], size: [2, 2], stride: 5 });
});

Deno.test("conv in WebAssembly gives zeros where nothing is summed and nothing for empty outputs", async () => {
  await check({ image: [4, 4], size: [3, 3], batch: 0 });
  await check({ image: [4, 4], size: [3, 3], channels: 0 });
  await check({ image: [4, 4], size: [3, 3], filters: 0 });
  await check({ image: [2, 4], size: [3, 3] });
});

Deno.test("conv in WebAssembly reads views of any strides", async () => {
  const setting: Setting = { image: [5, 6], size: [3, 2], padding: 1, stride: 2, groups: 2 };
  for (const at of [setting, { ...setting, stride: 1 }, { ...setting, size: [1, 1], padding: 0, stride: 1 }]) {
    for (let dim = 0; dim < 4; dim++) await check(at, (shape) => flipped(random(...shape), dim));
    await check(at, ([n, c, h, w]) => permuted(random(n!, h!, w!, c!), 0, 3, 1, 2));
    await check(at, ([n, c, h, w]) => permuted(random(w!, n!, h!, c!), 1, 3, 2, 0));
    await check(at, ([n, c, h, w]) => stepped(random(n!, c!, h!, w! * 2), 3, 2));
    await check(at, ([n, c, h, w]) => expanded(random(n!, h!, w!), 1, c!));
  }
});

Deno.test("conv in WebAssembly sums a weight gradient over 100,352 positions", async () => {
  await check({ batch: 128, image: [28, 28], size: [3, 3], padding: 1, channels: 1, filters: 2 });
  await check({ batch: 1, image: [100_354], size: [3], channels: 2, filters: 2 });
});

Deno.test("conv in WebAssembly applies its epilogue", async () => {
  const { kernel, shapes } = geometry({ image: [5, 6], size: [3, 3], padding: 1 });
  const biased = apply("add", result(0, "float32"), input(2, "float32"));
  const relu = expression([apply("where", apply("lt", biased, 0), 0, biased)]);
  const [n, c, h, w] = shapes.y as [number, number, number, number];
  const bias = expanded(expanded(expanded(random(c), 0, n), 2, h), 3, w);
  const forward: ConvKernel = { ...kernel("forward"), key: "conv bias relu", epilogue: relu };
  await compare(forward, [random(...shapes.x), random(...shapes.w), bias], [{ shape: shapes.y }]);
});

Deno.test("conv in WebAssembly applies the epilogues of gradients", async () => {
  const { kernel, shapes } = geometry({ image: [5, 6], size: [3, 3], padding: 1 });
  const epilogue = expression([apply("where", apply("le", input(2, "float32"), 0), 0, apply("add", result(0, "float32"), 1))]);
  const masked = (direction: "input" | "weight"): ConvKernel => ({ ...kernel(direction), key: `conv ${direction} masked`, epilogue });
  await compare(masked("input"), [random(...shapes.y), random(...shapes.w), random(...shapes.x)], [{ shape: shapes.x }]);
  await compare(masked("weight"), [random(...shapes.x), random(...shapes.y), random(...shapes.w)], [{ shape: shapes.w }]);
});
