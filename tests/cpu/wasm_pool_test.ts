import { assertEquals } from "@std/assert";
import type { PoolKernel } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { compare, flipped, nextRandom, permuted, random, reference, run, type Sample, stepped, whole } from "./compare.ts";

interface Setting {
  readonly image: readonly [number, number];
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly padding?: readonly number[];
  readonly dilation?: readonly number[];
  readonly ceil?: boolean;
  readonly planes?: readonly [number, number];
}

function setUp({ image, size, stride, padding = [0, 0], dilation = [1, 1], ceil = false, planes = [2, 3] }: Setting) {
  const rounded = ceil ? Math.ceil : Math.floor;
  const pooled = image.map((n, dim) => rounded((n + 2 * padding[dim]! - dilation[dim]! * (size[dim]! - 1) - 1) / stride[dim]!) + 1);
  const kernel = (mode: PoolKernel["mode"], direction: PoolKernel["direction"], countPadding = false): PoolKernel => ({
    kind: "pool",
    key: `pool ${mode} ${direction} ${countPadding}`,
    mode,
    direction,
    size,
    stride,
    padding,
    dilation,
    countPadding,
  });
  return { kernel, x: [...planes, ...image], y: [...planes, ...pooled] };
}

async function check(setting: Setting, vary: (shape: number[]) => Sample = (shape) => random(...shape)): Promise<void> {
  const { kernel, x, y } = setUp(setting);
  if (y.some((n) => n < 0)) return;
  const name = JSON.stringify(setting);
  const image = vary(x);
  const dy = vary(y);
  await compare(kernel("max", "forward"), [image], [{ shape: y }, { shape: y, dtype: "int32" }], { tolerance: 0, name });
  const [, places] = await run(reference, kernel("max", "forward"), [image], [{ shape: y }, { shape: y, dtype: "int32" }]);
  await compare(kernel("max", "backward"), [dy, whole([...places!], ...y)], [{ shape: x }], { name });
  for (const countPadding of [false, true]) {
    await compare(kernel("average", "forward", countPadding), [image], [{ shape: y }], { name });
    await compare(kernel("average", "backward", countPadding), [dy], [{ shape: x }], { name });
  }
}

Deno.test("pool in WebAssembly agrees with the reference for sizes, strides, paddings and dilations", async () => {
  for (const size of [[2, 2], [3, 3], [1, 1], [2, 3], [3, 9]]) {
    for (const stride of [[1, 1], [2, 2], [3, 3], [1, 2]]) {
      for (const padding of [[0, 0], [1, 1]]) {
        for (const dilation of [[1, 1], [2, 2]]) {
          for (const ceil of [false, true]) await check({ image: [9, 21], size, stride, padding, dilation, ceil });
        }
      }
    }
  }
});

Deno.test("pool in WebAssembly agrees with the reference at small and empty images", async () => {
  for (const image of [[1, 1], [2, 5], [4, 4], [1, 9]] as const) {
    await check({ image, size: [2, 2], stride: [2, 2], padding: [1, 1] });
    await check({ image, size: [1, 2], stride: [1, 1], padding: [0, 1] });
    await check({ image, size: image, stride: [1, 1] });
    await check({ image, size: [1, 1], stride: [2, 3], planes: [0, 3] });
  }
  await check({ image: [3, 3], size: [2, 2], stride: [4, 4], padding: [3, 3] });
});

Deno.test("pool in WebAssembly takes the first of equal maxima, and NaN before all", async () => {
  const { kernel, x, y } = setUp({ image: [8, 17], size: [3, 3], stride: [1, 1], padding: [1, 1] });
  const outputs = [{ shape: y }, { shape: y, dtype: "int32" as const }];
  const equal = random(...x);
  for (let at = 0; at < equal.data.length; at++) equal.data[at] = Math.round(nextRandom() * 2);
  const odd = random(...x);
  for (let at = 0; at < odd.data.length; at++) if (nextRandom() > 0.6) odd.data[at] = nextRandom() > 0 ? NaN : -Infinity;
  for (const image of [equal, odd]) await compare(kernel("max", "forward"), [image], outputs, { tolerance: 0 });
  const lowest = { ...equal, data: new Float32Array(sizeOf(x)).fill(-Infinity) };
  await compare(kernel("max", "forward"), [lowest], outputs, { tolerance: 0 });
});

Deno.test("pool in WebAssembly reads views of any strides", async () => {
  const setting: Setting = { image: [5, 12], size: [2, 2], stride: [2, 2] };
  for (let dim = 0; dim < 4; dim++) await check(setting, (shape) => flipped(random(...shape), dim));
  await check(setting, ([n, c, h, w]) => permuted(random(n!, h!, w!, c!), 0, 3, 1, 2));
  await check(setting, ([n, c, h, w]) => stepped(random(n!, c!, h!, w! * 2), 3, 2));
});

Deno.test("pool in WebAssembly pools a training batch", async () => {
  const { kernel, x, y } = setUp({ image: [28, 28], size: [2, 2], stride: [2, 2], planes: [4, 8] });
  assertEquals(y, [4, 8, 14, 14]);
  await compare(kernel("max", "forward"), [random(...x)], [{ shape: y }, { shape: y, dtype: "int32" }], { tolerance: 0 });
});
