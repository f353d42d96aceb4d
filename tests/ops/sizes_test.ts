import { assert, assertEquals } from "@std/assert";
import { conv2d, ones, read, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";
import { valueDifference } from "../golden/compare.ts";

/** Around the 65,535 trips after which some drivers stop a loop in silence, and the 65,535 workgroups of one dim. */
const sizes = [65_535, 65_536, 70_000];

/** Multiples of 1/4 without pattern, so that every sum is exact. */
function pattern(size: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: size }, (_, i) => (((i * 7919) % 13) - 6) / 4);
}

/** What is checked at each size: the tensor's result against plain arithmetic on the values. */
interface LongRow {
  readonly run: (x: Tensor) => Tensor;
  readonly expected: (values: Float64Array) => ArrayLike<number>;
}

const total = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

const longRows: Readonly<Record<string, LongRow>> = {
  sum: { run: (x) => x.sum(), expected: (values) => [total(values)] },
  "sum of ones": { run: (x) => x.onesLike().sum(), expected: (values) => [values.length] },
  "sum over columns": {
    run: (x) => x.unsqueeze(1).expand([x.size, 2]).sum(0),
    expected: (values) => [total(values), total(values)],
  },
  mean: { run: (x) => x.mean(), expected: (values) => [total(values) / values.length] },
  max: { run: (x) => x.add(x.size / 4).max(), expected: (values) => [1.5 + values.length / 4] },
  min: { run: (x) => x.min(), expected: () => [-1.5] },
  prod: { run: (x) => x.zerosLike().add(1).prod(), expected: () => [1] },
  argmax: { run: (x) => x.flip().cumsum(0).argmax(), expected: (values) => [lastOfRunningMaximum(values)] },
  any: { run: (x) => x.eq(1e9).any(), expected: () => [0] },
  all: { run: (x) => x.lt(1e9).all(), expected: () => [1] },
  norm: { run: (x) => x.norm(), expected: (values) => [Math.sqrt(total(values.map((value) => value * value)))] },
  var: { run: (x) => x.var(), expected: (values) => [variance(values)] },
  logsumexp: { run: (x) => x.logsumexp(), expected: (values) => [Math.log(total(values.map((value) => Math.exp(value))))] },
  softmax: {
    run: (x) => x.softmax(0).slice(0, { step: 997 }),
    expected: softmaxOf,
  },
  cumsum: { run: (x) => x.cumsum(0), expected: runningTotals },
  sort: { run: (x) => x.sort().values, expected: (values) => values.toSorted() },
  gather: {
    run: (x) => x.gather(0, x.mul(4).add(6).to("int32").mul(Math.floor(x.size / 13))),
    expected: (values) => values.map((value) => values[(value * 4 + 6) * Math.floor(values.length / 13)]!),
  },
  scatterAdd: {
    run: (x) => x.newZeros([13]).scatterAdd(0, x.mul(4).add(6).to("int32"), x.onesLike()),
    expected: (values) => Array.from({ length: 13 }, (_, place) => values.filter((value) => value * 4 + 6 === place).length),
  },
  "scatterAdd into many places": {
    run: (x) => x.zerosLike().scatterAdd(0, x.onesLike().to("int32").cumsum(0).sub(1), x),
    expected: (values) => values,
  },
  "matmul over K": {
    run: (x) => x.reshape([1, -1]).matmul(x.reshape([-1, 1])).reshape([1]),
    expected: (values) => [total(values.map((value) => value * value))],
  },
  "matmul of many rows": {
    run: (x) => x.reshape([-1, 1]).matmul(x.newFull([1, 1], 2)).flatten(),
    expected: (values) => values.map((value) => value * 2),
  },
};

for (const device of ["cpu", "webgpu"]) {
  for (const [name, { run, expected }] of Object.entries(longRows)) {
    Deno.test({
      name: `${name} is right for rows of ${sizes.join(", ")} on ${device}`,
      ignore: device === "webgpu" && ignoreWebgpu,
      async fn() {
        for (const size of sizes) {
          using _ = scope();
          const values = pattern(size);
          const got = await run(tensor(values, { dtype: "float32", device })).data();
          const wrong = valueDifference(got, Array.from(expected(values)), { absolute: 1e-7, relative: 1e-5, least: 0 });
          assert(wrong === undefined, `${size}: ${wrong}`);
        }
      },
    });
  }

  Deno.test({
    name: `sum() of a million ones and matmul() over K = 100,000 are exact on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const row = ones([1, 100_000], { device });
      const [million, product] = await read(ones([1_000_000], { device }).sum(), row.matmul(row.mT));
      assertEquals([million![0], product![0]], [1_000_000, 100_000]);
    },
  });

  Deno.test({
    name: `conv2d() has the right weight gradient over 100,352 positions on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const values = pattern(2 * 224 * 224);
      const x = tensor(values, { shape: [2, 1, 224, 224], dtype: "float32", device });
      const weight = ones([1, 1, 1, 1], { device, requiresGrad: true });
      conv2d(x, weight).sum().backward();
      assertEquals(await weight.grad!.flatten().toArray(), [total(values)]);
      weight.grad = null;
      conv2d(x, weight).square().sum().backward();
      assertEquals(await weight.grad!.flatten().toArray(), [2 * total(values.map((value) => value * value))]);
    },
  });
}

/** The place of the greatest running total of the reversed values. */
function lastOfRunningMaximum(values: Float64Array): number {
  const totals = runningTotals(values.toReversed());
  return totals.indexOf(totals.reduce((a, b) => Math.max(a, b), -Infinity));
}

function runningTotals(values: Float64Array): Float64Array {
  let sum = 0;
  return values.map((value) => sum += value);
}

function everyNth(values: Float64Array, step: number): Float64Array {
  return values.filter((_, i) => i % step === 0);
}

function variance(values: Float64Array): number {
  const mean = total(values) / values.length;
  return total(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
}

function softmaxOf(values: Float64Array): Float64Array {
  const sum = total(values.map((value) => Math.exp(value)));
  return everyNth(values.map((value) => Math.exp(value) / sum), 997);
}
