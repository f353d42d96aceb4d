import { assert, assertEquals } from "@std/assert";
import {
  candidateTiles,
  fits,
  hardwareTiles,
  isTile,
  productClass,
  type ProductSize,
  softwareTiles,
} from "../../gpu/wgsl/product/choice.ts";
import type { Limits, Tile } from "../../gpu/mod.ts";
import { apply, expression, input, result } from "../../tensor/expr.ts";
import type { ConvKernel, MatmulKernel } from "../../tensor/kernel.ts";
import { expanded, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpuTest, gpuWith } from "./families.ts";

const matmul: MatmulKernel = { kind: "matmul", key: "matmul" };
const allTiles = [...hardwareTiles, ...softwareTiles];
const limits: Limits = {
  workgroupInvocations: 256,
  workgroupMemory: 32768,
  workgroupsPerDimension: 65535,
  storageBuffers: 8,
  f16: true,
  software: false,
};

function nameOf({ threads, results, strip, shared }: Tile): string {
  return `${threads} × ${results} by ${strip}${shared ? "" : " in registers"}`;
}

function withTile(tile: Tile) {
  return gpuWith({ software: false, tileOf: () => tile });
}

/** Any value through sum + input 2, negative ones through 0. */
const sum = apply("add", result(0, "float32"), input(2, "float32"));
const biased: MatmulKernel = { ...matmul, key: "bias relu", epilogue: expression([apply("where", apply("lt", sum, 0), 0, sum)]) };

for (const tile of allTiles) {
  gpuTest(`tile ${nameOf(tile)} multiplies, with vectors and without, with edges everywhere`, async () => {
    const backend = withTile(tile);
    const bias = expanded(random(68), 0, 70);
    await compareOnGpu(biased, [random(70, 40), random(40, 68), bias], [{ shape: [70, 68] }], { backend });
    const turned = [permuted(random(37, 131), 1, 0), permuted(random(66, 37), 1, 0)];
    await compareOnGpu(matmul, turned, [{ shape: [131, 66] }], { backend });
  });
}

gpuTest("a tile of 128 × 128 splits a depth of 100,000 and sums it exactly where sums are exact", async () => {
  const backend = withTile(hardwareTiles[0]!);
  const inputs = [filled("float32", [3, 100000], () => 1), filled("float32", [100000, 4], (at) => at % 4)];
  const [sums] = await run(backend, matmul, inputs, [{ shape: [3, 4] }]);
  assertEquals([...sums!], [0, 1, 2, 3].flatMap((c) => [c]).concat([0, 1, 2, 3], [0, 1, 2, 3]).map((c) => c * 100000));
});

gpuTest("a tile takes a long epilogue in a loop, batches, float16 and whole numbers", async () => {
  const backend = withTile(hardwareTiles[0]!);
  const long = ["tanh", "exp", "neg", "sigmoid", "abs", "neg", "exp", "tanh"] as const;
  const chain = long.reduce((value, op) => apply(op, value), sum);
  const kernel: MatmulKernel = { ...matmul, key: "long", epilogue: expression([chain]) };
  const bias = expanded(expanded(random(72), 0, 33), 0, 2);
  await compareOnGpu(kernel, [random(2, 33, 20), random(2, 20, 72), bias], [{ shape: [2, 33, 72] }], { backend });
  const whole = [filled("int32", [30, 40], (at) => at % 7 - 3), filled("int32", [40, 20], (at) => at % 5 - 2)];
  await compareOnGpu(matmul, whole, [{ shape: [30, 20], dtype: "int32" }], { backend, tolerance: 0 });
  if (!backend.supports("float16")) return;
  const halves = [filled("float16", [40, 64], () => 1), filled("float16", [64, 40], (at) => at % 2)];
  const [products] = await run(backend, matmul, halves, [{ shape: [40, 40], dtype: "float16" }]);
  assertEquals([...products!], Array.from({ length: 1600 }, (_, at) => 64 * (at % 2)));
});

gpuTest("tiles of hardware compute convolutions in all directions, strided, padded, grouped or with vectors", async () => {
  const cases = [
    { x: [4, 20, 16, 16], w: [40, 20, 3, 3], y: [4, 40, 16, 16], stride: [1, 1], padding: [1, 1], groups: 1 },
    { x: [3, 8, 11, 9], w: [6, 4, 3, 3], y: [3, 6, 6, 5], stride: [2, 2], padding: [1, 1], groups: 2 },
    { x: [2, 16, 8, 8], w: [12, 16, 1, 1], y: [2, 12, 8, 8], stride: [1, 1], padding: [0, 0], groups: 1 },
    { x: [2, 6, 9, 9], w: [10, 6, 3, 3], y: [2, 10, 4, 4], stride: [2, 2], padding: [0, 0], groups: 1 },
  ];
  for (const tile of [hardwareTiles[0]!, hardwareTiles[5]!]) {
    const backend = withTile(tile);
    for (const { x, w, y, stride, padding, groups } of cases) {
      const kernel = (direction: ConvKernel["direction"]): ConvKernel => {
        return { kind: "conv", key: `${direction} ${x} ${w}`, direction, stride, padding, dilation: [1, 1], groups };
      };
      await compareOnGpu(kernel("forward"), [random(...x), random(...w)], [{ shape: y }], { backend });
      await compareOnGpu(kernel("input"), [random(...y), random(...w)], [{ shape: x }], { backend });
      await compareOnGpu(kernel("weight"), [random(...x), random(...y)], [{ shape: w }], { backend });
    }
  }
});

gpuTest("what stands beyond a tile's edge or past the depth does not reach a result, be it NaN or Infinity", async () => {
  for (const tile of [hardwareTiles[0]!, hardwareTiles.at(-1)!]) {
    const a = filled("float32", [17, 19], (at) => at % 19 === 18 ? Infinity : 1);
    const b = filled("float32", [19, 20], (at) => at === 18 * 20 + 3 ? NaN : at === 18 * 20 + 4 ? 0 : 1);
    await compareOnGpu(matmul, [a, b], [{ shape: [17, 20] }], { backend: withTile(tile) });
  }
});

Deno.test("candidateTiles prefers large tiles for large products and small ones where there would be too few", () => {
  const size = (rows: number, columns: number, depth: number): ProductSize => {
    return { family: "matmul", dtype: "float32", batch: 1, rows, columns, depth, layout: "dv" };
  };
  const area = ({ threads, results }: Tile) => threads[0] * threads[1] * results[0] * results[1];
  const best = (rows: number, columns: number, depth: number) => candidateTiles(size(rows, columns, depth), limits)[0]!;
  assertEquals(area(best(4096, 4096, 4096)), 128 * 128);
  assert(area(best(256, 256, 64)) <= 32 * 64);
  const [height] = [best(32, 100_000, 576)].map(({ threads, results }) => threads[0] * results[0]);
  assert(height! <= 32);
  for (const tile of candidateTiles(size(512, 512, 512), { ...limits, workgroupMemory: 16384 })) {
    assert(fits(tile, { ...limits, workgroupMemory: 16384 }));
  }
});

Deno.test("isTile accepts every tile of the tables, and nothing malformed from a file", () => {
  assert(allTiles.every((tile) => isTile(JSON.parse(JSON.stringify(tile)))));
  const good = hardwareTiles[0]!;
  const bad = [null, 1, {}, { ...good, threads: [16] }, { ...good, results: [3, 8] }, { ...good, strip: 0 }, { ...good, unroll: 3 }, {
    ...good,
    shared: "yes",
  }];
  assertEquals(bad.map(isTile), bad.map(() => false));
});

Deno.test("productClass rounds sizes up to powers of two", () => {
  const size: ProductSize = { family: "matmul", dtype: "float32", batch: 1, rows: 100, columns: 128, depth: 129, layout: "dv" };
  assertEquals(productClass(size), "matmul float32 dv 1×128×128×256");
});
