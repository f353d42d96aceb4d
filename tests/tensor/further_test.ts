import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ArgumentError,
  blockDiag,
  combinations,
  DTypeError,
  fold,
  Generator,
  gradient,
  IndexError,
  logspace,
  multinomial,
  ones,
  rand,
  ShapeError,
  tensor,
  trapezoid,
  unfold,
  vander,
} from "../../tensor/mod.ts";

Deno.test("allclose() and equal() answer with a truth value", async () => {
  const x = tensor([1, 2, NaN]);
  assertEquals(await x.allclose(tensor([1, 2.000001, NaN])), false);
  assertEquals(await x.allclose(tensor([1, 2.000001, NaN]), { equalNaN: true }), true);
  assertEquals(await tensor([1e10]).allclose(tensor([Infinity])), false);
  assertEquals(await tensor([Infinity]).allclose(tensor([Infinity])), true);
  assertEquals(await tensor([1, 2]).equal(tensor([1, 2])), true);
  assertEquals(await tensor([1, 2]).equal(tensor([[1, 2]])), false);
  assertEquals(await x.equal(x), false);
  assertEquals(await ones([0]).equal(ones([0])), true);
});

Deno.test("uniqueConsecutive() keeps the order and every run once", async () => {
  const { values, inverse, counts } = await tensor([2, 2, 1, 3, 3, 3, 1]).uniqueConsecutive();
  assertEquals(await values.toArray(), [2, 1, 3, 1]);
  assertEquals(await inverse.toArray(), [0, 0, 1, 2, 2, 2, 3]);
  assertEquals(await counts.toArray(), [2, 1, 3, 1]);
});

Deno.test("multinomial() draws as often as the weights say, and each position once without replacement", async () => {
  const weights = tensor([[1, 0, 3], [0, 1, 0]]);
  const count = 4000;
  const drawn = await (await multinomial(weights, { count, replacement: true, generator: new Generator(3) })).toArray() as number[][];
  const [first, second] = drawn as [number[], number[]];
  assert(second.every((place) => place === 1));
  assertEquals(first.includes(1), false);
  // Within five standard deviations of 3/4.
  assertAlmostEquals(first.filter((place) => place === 2).length / count, 0.75, 5 * Math.sqrt(0.1875 / count));
  const rows = await Promise.all(Array.from({ length: 2000 }, async (_, seed) => {
    const row = await multinomial(tensor([1, 2, 0, 3]), { count: 3, generator: new Generator(seed) });
    return await row.toArray() as number[];
  }));
  assert(rows.every((row) => new Set(row).size === 3 && !row.includes(2)));
  // The first of a draw without replacement follows the weights: 3 of 6.
  assertAlmostEquals(rows.filter(([place]) => place === 3).length / 2000, 0.5, 5 * Math.sqrt(0.25 / 2000));
  const again = () => multinomial(weights, { count: 5, replacement: true, generator: new Generator(9) });
  assertEquals(await (await again()).toArray(), await (await again()).toArray());
});

Deno.test("fold() is what unfold() does to a gradient", async () => {
  const x = rand([2, 3, 5, 4], { generator: new Generator(1), dtype: "float64", requiresGrad: true });
  const options = { stride: [2, 1], padding: [1, 0], dilation: [1, 2] };
  const columns = unfold(x, [2, 2], options);
  const dy = rand(columns.shape, { generator: new Generator(2), dtype: "float64" });
  columns.backward({ gradient: dy });
  assertEquals(await x.grad!.toArray(), await fold(dy, [2, 2], { ...options, outputSize: [5, 4] }).toArray());
});

Deno.test("Further functions refuse what does not fit by a typed error", async () => {
  const x = ones([2, 3]);
  assertThrows(() => x.isclose(tensor([1, 2, 3], { dtype: "int32" })), DTypeError, "one type");
  assertThrows(() => x.isclose(x, { rtol: -1 }), ArgumentError, "tolerances from 0");
  assertThrows(() => ones([2, 3, 4]).cov(), ShapeError, "[variables, observations]");
  assertThrows(() => x.cov({ frequencies: ones([3]) }), DTypeError, "int32 frequencies");
  assertThrows(() => x.round({ decimals: 0.5 }), ArgumentError, "whole decimals");
  assertThrows(() => x.unflatten(1, [2, -1]), ShapeError, "sizes of 3 in all");
  assertThrows(() => x.movedim([0, 1], [0]), ArgumentError, "as many places");
  assertThrows(() => x.rot90(1, [1, 1]), ArgumentError, "distinct dims");
  assertThrows(() => x.unfold(1, { size: 4 }), ArgumentError, "a size from 0 to 3");
  assertThrows(() => x.tensorSplit(0), ArgumentError, "positive whole count");
  assertThrows(() => x.unbind(2), IndexError, "a dim in -2 … 1");
  assertThrows(() => x.indexAdd(0, { index: tensor([0], { dtype: "int32" }), source: ones([1, 2]) }), ShapeError, "a source [N, 3]");
  assertThrows(() => x.maskedScatter(ones([2, 3]), ones([6])), DTypeError, "a bool mask");
  assertThrows(() => x.renorm({ dim: 0, maxNorm: -1 }), ArgumentError, "maxNorm from 0");
  assertThrows(() => blockDiag([ones([1, 1, 1])]), ShapeError, "matrices");
  assertThrows(() => combinations(x), ShapeError, "a vector");
  assertThrows(() => vander(ones([])), ShapeError, "at least 1-d");
  assertThrows(() => logspace(0, 1, { steps: -1 }), ArgumentError, "whole steps");
  assertThrows(() => trapezoid(ones([3]), { x: ones([2]) }), ShapeError, "a place for each of 3");
  assertThrows(() => gradient(ones([2]), { edgeOrder: 2 }), ShapeError, "more than 2 samples");
  assertThrows(() => unfold(ones([1, 1, 2, 2]), 3), ShapeError, "room for a window");
  assertThrows(() => fold(ones([1, 4, 3]), 2, { outputSize: 3 }), ShapeError, "[N, C · 4, 4]");
  assertThrows(() => rand([2], { low: 1, high: 0 }), ArgumentError, "low ≤ high");
  await assertRejects(() => multinomial(tensor([0, 0]), { count: 1 }), ArgumentError, "above 0");
  await assertRejects(() => multinomial(tensor([1, NaN]), { count: 1, replacement: true }), ArgumentError, "got NaN");
  const all = tensor([1, 1, 1], { dtype: "bool" });
  assertThrows(() => ones([3]).maskedScatter(all, ones([2])), IndexError);
  assertThrows(() => ones([3]).maskedScatter(all, ones([0])), IndexError);
  assertEquals(await ones([3]).maskedScatter(all.logicalNot(), ones([0])).toArray(), [1, 1, 1]);
});
