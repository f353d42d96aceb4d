import { assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import { scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, type Place, reference } from "../devices.ts";

const places: readonly Place[] = [
  { device: "cpu", dtype: "float32" },
  { device: "cpu", dtype: "float64" },
  { device: reference, dtype: "float32" },
  { device: "webgpu", dtype: "float32" },
];

const special = [-Infinity, -1.5, -0, 0, 2, Infinity, NaN];

/** What PyTorch gives for the special values. */
const unary: Readonly<Record<string, readonly [(x: Tensor) => Tensor, readonly number[]]>> = {
  neg: [(x) => x.neg(), [Infinity, 1.5, 0, -0, -2, -Infinity, NaN]],
  abs: [(x) => x.abs(), [Infinity, 1.5, 0, 0, 2, Infinity, NaN]],
  floor: [(x) => x.floor(), [-Infinity, -2, -0, 0, 2, Infinity, NaN]],
  ceil: [(x) => x.ceil(), [-Infinity, -1, -0, 0, 2, Infinity, NaN]],
  sqrt: [(x) => x.sqrt(), [NaN, NaN, -0, 0, Math.fround(Math.SQRT2), Infinity, NaN]],
  reciprocal: [(x) => x.reciprocal(), [-0, Math.fround(-1 / 1.5), -Infinity, Infinity, 0.5, 0, NaN]],
  exp: [(x) => x.mul(0).exp(), [NaN, 1, 1, 1, 1, NaN, NaN]],
  "exp of the ends": [(x) => x.eq(2).where(0, x.eq(-1.5).where(0, x)).exp(), [0, 1, 1, 1, 1, Infinity, NaN]],
  log: [(x) => x.eq(2).where(1, x).log(), [NaN, NaN, -Infinity, -Infinity, 0, Infinity, NaN]],
  tanh: [(x) => x.isInf().logicalOr(x.eq(0)).where(x, 0).tanh(), [-1, 0, -0, 0, 0, 1, 0]],
  sigmoid: [(x) => x.isInf().where(x, 0).sigmoid(), [0, 0.5, 0.5, 0.5, 0.5, 1, 0.5]],
  relu: [(x) => x.relu(), [0, 0, -0, 0, 2, Infinity, NaN]],
  clamp: [(x) => x.clamp({ min: -1, max: 1 }), [-1, -1, -0, 0, 1, 1, NaN]],
  isNaN: [(x) => x.isNaN(), [0, 0, 0, 0, 0, 0, 1]],
  isInf: [(x) => x.isInf(), [1, 0, 0, 0, 0, 1, 0]],
  "x - x": [(x) => x.sub(x), [NaN, 0, 0, 0, 0, NaN, NaN]],
  "x - a copy of x": [(x) => x.sub(x.clone()), [NaN, 0, 0, 0, 0, NaN, NaN]],
  "x · 0": [(x) => x.abs().mul(0), [NaN, 0, 0, 0, 0, NaN, NaN]],
  "x / 0": [(x) => x.div(0), [-Infinity, -Infinity, NaN, NaN, Infinity, Infinity, NaN]],
  "x^0": [(x) => x.pow(0), [1, 1, 1, 1, 1, 1, 1]],
  "x²": [(x) => x.pow(2), [Infinity, 2.25, 0, 0, 4, Infinity, NaN]],
  "(-1)^x": [(x) => x.zerosLike().sub(1).pow(x.isInf().where(x, 0)), [1, 1, 1, 1, 1, 1, 1]],
  "x³": [(x) => x.pow(3), [-Infinity, -3.375, -0, 0, 8, Infinity, NaN]],
  "max(x, 1)": [(x) => x.maximum(1), [1, 1, 1, 1, 2, Infinity, NaN]],
  "min(x, 1)": [(x) => x.minimum(1), [-Infinity, -1.5, -0, 0, 1, 1, NaN]],
  "x < 1": [(x) => x.lt(1), [1, 1, 1, 1, 0, 0, 0]],
  "x ≥ 1": [(x) => x.ge(1), [0, 0, 0, 0, 1, 1, 0]],
  "x = x": [(x) => x.eq(x), [1, 1, 1, 1, 1, 1, 0]],
  "x ≠ x": [(x) => x.ne(x), [0, 0, 0, 0, 0, 0, 1]],
  "0 = -0": [(x) => x.eq(0), [0, 0, 1, 1, 0, 0, 0]],
  "as bool": [(x) => x.to("bool"), [1, 1, 0, 0, 1, 1, 1]],
  "as int32": [(x) => x.to("int32"), [-2147483648, -1, 0, 0, 2, 2147483647, 0]],
  sort: [(x) => x.sort().values, [-Infinity, -1.5, -0, 0, 2, Infinity, NaN]],
  "sort descending": [(x) => x.sort(0, { descending: true }).values, [NaN, Infinity, 2, -0, 0, -1.5, -Infinity]],
};

const reductions: Readonly<Record<string, readonly [(x: Tensor) => Tensor, number]>> = {
  "max with NaN": [(x) => x.max(), NaN],
  "min with NaN": [(x) => x.min(), NaN],
  "argmax with NaN": [(x) => x.argmax(), 6],
  "argmin with NaN": [(x) => x.argmin(), 6],
  "sum of both infinities": [(x) => x.slice(0, { end: 6 }).sum(), NaN],
  "mean of nothing": [(x) => x.slice(0, { end: 0 }).mean(), NaN],
  "var of nothing": [(x) => x.slice(0, { end: 0 }).var(), NaN],
  "sum of nothing": [(x) => x.slice(0, { end: 0 }).sum(), 0],
  "prod of nothing": [(x) => x.slice(0, { end: 0 }).prod(), 1],
  "any of nothing": [(x) => x.slice(0, { end: 0 }).any(), 0],
  "all of nothing": [(x) => x.slice(0, { end: 0 }).all(), 1],
  "logsumexp of -Infinity": [(x) => x.slice(0, { end: 1 }).logsumexp(), -Infinity],
  "logsumexp of Infinity": [(x) => x.slice(0, { start: 4, end: 6 }).logsumexp(), Infinity],
  "logsumexp of nothing": [(x) => x.slice(0, { end: 0 }).logsumexp(), -Infinity],
  "softmax beside -Infinity": [(x) => x.slice(0, { end: 2 }).softmax(0).select(0, 0), 0],
  "softmax of -Infinity alone": [(x) => x.slice(0, { end: 1 }).softmax(0).sum(), NaN],
  "var of one": [(x) => x.slice(0, { start: 4, end: 5 }).var(), NaN],
  "norm of an infinity": [(x) => x.slice(0, { end: 3 }).norm(), Infinity],
  "0 times an infinity in a product": [(x) => x.slice(0, { end: 1 }).reshape([1, 1]).matmul(x.newZeros([1, 1])).sum(), NaN],
};

/** The same special value, or a number that rounding alone sets apart; WGSL may drop the sign of 0. */
function assertSame(got: number, expected: number, { where, signedZero }: { where: string; signedZero: boolean }): void {
  if (expected === 0 && !signedZero) return assertEquals(got, 0, where);
  if (expected === 0 || !Number.isFinite(expected)) return assertStrictEquals(got, expected, where);
  assertAlmostEquals(got, expected, 1e-6 * Math.abs(expected), where);
}

for (const place of places) {
  const ignore = place.device === "webgpu" && ignoreWebgpu;
  Deno.test({
    name: `NaN, infinities and signed zeros go through elementwise operations as in PyTorch on ${place.device} in ${place.dtype}`,
    ignore,
    async fn(t) {
      for (const [name, [run, expected]] of Object.entries(unary)) {
        await t.step(name, async () => {
          using _ = scope();
          const got = Array.from(await run(tensor(special, place)).data());
          got.forEach((value, i) =>
            assertSame(value, expected[i]!, { where: `${special[i]} gives ${got}`, signedZero: place.device !== "webgpu" })
          );
        });
      }
    },
  });
  Deno.test({
    name: `NaN, infinities and empty rows are reduced as in PyTorch on ${place.device} in ${place.dtype}`,
    ignore,
    async fn(t) {
      for (const [name, [run, expected]] of Object.entries(reductions)) {
        await t.step(name, async () => {
          using _ = scope();
          assertEquals(await run(tensor(special, place)).item(), expected);
        });
      }
    },
  });
}
