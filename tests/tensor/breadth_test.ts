import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ArgumentError,
  cdist,
  celu,
  DTypeError,
  einsum,
  hardswish,
  IndexError,
  mish,
  searchsorted,
  selu,
  ShapeError,
  svd,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";
import fixture from "./fixtures/breadth.json" with { type: "json" };

type Nested = number | string | readonly Nested[];

/** Numbers of a nested list, "nan" and "inf" read back. */
function flat(values: Nested): number[] {
  if (typeof values === "number") return [values];
  if (typeof values === "string") return [values === "nan" ? NaN : values === "inf" ? Infinity : -Infinity];
  return values.flatMap(flat);
}

const double = { dtype: "float64" } as const;
const x = tensor(Float64Array.from(flat(fixture.x)), { shape: [3, 5], ...double });
const clean = tensor(fixture.clean, double);
const s = tensor(fixture.s, double);
const u = tensor(fixture.u, double);

/** Each function of the fixture as a call of this library. */
const calls: Readonly<Record<keyof typeof fixture.cases, () => Tensor[] | Promise<Tensor[]>>> = {
  cummax: () => Object.values(x.cummax(1)),
  cummin: () => Object.values(x.cummin(1)),
  logcumsumexp: () => [clean.logcumsumexp(1)],
  median: () => [x.median(1).values],
  mode: () => [clean.mode(1).values],
  quantile: () => [x.quantile([0.1, 0.6], { dim: 1 })],
  nearest: () => [clean.quantile([0.1, 0.6, 0.625], { dim: 1, interpolation: "nearest" })],
  histc: () => [clean.histc({ bins: 4, min: -1, max: 4 })],
  searchsorted: () => [searchsorted(tensor([1, 2, 2, 5]), tensor([0, 2, 5, 6, NaN]), { right: true })],
  erfc: () => [s.erfc()],
  lgamma: () => [s.lgamma()],
  digamma: () => [s.digamma()],
  erfinv: () => [u.erfinv()],
  mish: () => [mish(s)],
  hardswish: () => [hardswish(s)],
  selu: () => [selu(s)],
  celu: () => [celu(s, { alpha: 1.5 })],
  fmod: () => [s.fmod(-0.75)],
  asinh: () => [s.asinh()],
  cdist: () => [cdist(clean, clean, { p: 3 })],
  unique: async () => Object.values(await clean.unique()),
  svd: () => [svd(clean).s],
};

for (const [name, call] of Object.entries(calls)) {
  Deno.test(`${name} gives PyTorch's values`, async () => {
    const expected = fixture.cases[name as keyof typeof fixture.cases] as readonly Nested[];
    for (const [position, got] of (await call()).entries()) {
      const values = Array.from(await got.data());
      const wanted = flat(expected[position]!);
      assertEquals(values.length, wanted.length);
      values.forEach((value, i) => {
        if (Number.isNaN(wanted[i]!)) assertEquals(value, NaN);
        else assertAlmostEquals(value, wanted[i]!, 1e-10 * Math.max(1, Math.abs(wanted[i]!)), `${name} ${position} ${i}`);
      });
    }
  });
}

Deno.test("nonzero() lists places row-major, and none of an empty tensor", async () => {
  assertEquals(await (await tensor([[0, 2, 0], [3, 0, NaN]]).nonzero()).toArray(), [[0, 1], [1, 0], [1, 2]]);
  assertEquals((await tensor([[0, 0]]).nonzero()).shape, [0, 2]);
  assertEquals((await tensor(5).nonzero()).shape, [1, 0]);
});

Deno.test("maskedSelect() broadcasts, and its gradient goes back to the places chosen", async () => {
  const values = tensor([[1, 2], [3, 4]], { requiresGrad: true });
  const chosen = await values.maskedSelect(tensor([true, false]));
  assertEquals(await chosen.toArray(), [1, 3]);
  chosen.mul(tensor([5, 7])).sum().backward();
  assertEquals(await values.grad!.toArray(), [[5, 0], [7, 0]]);
  await assertRejects(() => values.maskedSelect(tensor([1, 0])), DTypeError, "bool mask");
});

Deno.test("unique() of a dim sorts slices and counts them", async () => {
  const { values, inverse, counts } = await tensor([[2, 1], [1, 5], [2, 1]]).unique({ dim: 0 });
  assertEquals(await values.toArray(), [[1, 5], [2, 1]]);
  assertEquals(await inverse.toArray(), [1, 0, 1]);
  assertEquals(await counts.toArray(), [1, 2]);
});

Deno.test("bincount() counts, weighs and fills up, and refuses what has no bin", async () => {
  const places = tensor([0, 2, 2], { dtype: "int32" });
  assertEquals(await (await places.bincount({ minLength: 4 })).toArray(), [1, 0, 2, 0]);
  assertEquals(await (await places.bincount({ weights: tensor([0.5, 1, 2]) })).toArray(), [0.5, 0, 3]);
  await assertRejects(() => tensor([-1], { dtype: "int32" }).bincount(), ArgumentError, "from 0");
  await assertRejects(() => tensor([0.5]).bincount(), DTypeError, "whole numbers");
});

Deno.test("aminmax() gives both ends", async () => {
  const { min, max } = clean.aminmax(1);
  assertEquals([await min.toArray(), await max.toArray()], [[0.5, 1, -2], [3, 5, 7]]);
});

Deno.test("einsum() names what an equation lacks", () => {
  const a = tensor([[1, 2], [3, 4]]);
  assertThrows(() => einsum("ij,jk->ik", [a]), ArgumentError, "one operand per comma-separated part");
  assertThrows(() => einsum("ijk->i", [a]), ShapeError, "one letter per dim");
  assertThrows(() => einsum("ij->ik", [a]), ArgumentError, 'got "k"');
  assertThrows(() => einsum("ij->ii", [a]), ArgumentError, "at most once");
  assertThrows(() => einsum("ij,jk->ik", [a, tensor([[1], [2], [3]])]), ShapeError, 'one size is needed for "j"');
  assertThrows(() => einsum("i!->i", [a]), ArgumentError, "letters");
});

Deno.test("index(), repeat() and their like refuse what does not fit by typed errors", () => {
  const a = tensor([[1, 2], [3, 4]]);
  assertThrows(() => a.index([tensor([2], { dtype: "int32" })]), IndexError);
  assertThrows(() => a.index([tensor([0], { dtype: "int32" }), tensor([-3], { dtype: "int32" })]), IndexError);
  assertThrows(() => a.index([tensor([true, false])]), DTypeError, "maskedSelect");
  assertThrows(() => a.repeat([2]), ShapeError, "at least 2 counts");
  assertThrows(() => tensor([1]).tril(), ShapeError, "at least 2-d");
  assertThrows(() => a.roll([1, 2], [0]), ArgumentError, "one shift per dim");
  assertThrows(() => a.quantile(1.5), ArgumentError, "from 0 to 1");
  assertThrows(() => a.cross(a), ShapeError, "a size of 3");
});
