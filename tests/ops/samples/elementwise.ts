/**
 * Samples of the operations that act on each element alone.
 *
 * @module
 */
import type { Tensor } from "../../../tensor/mod.ts";
import { where } from "../../../tensor/mod.ts";
import type * as binary from "../../../tensor/ops/binary.ts";
import type * as unary from "../../../tensor/ops/unary.ts";
import { type Domain, given, type Input, type OpsOf, real, type Sample, type Samples, truth, whole } from "../sample.ts";

function one(run: (x: Tensor) => Tensor, domain: Domain = {}, order: Sample["order"] = 2): Sample[] {
  return [{ inputs: [real([2, 3], domain)], run, order, elementwise: true }];
}

/** Operations without a gradient. */
function flat(run: (x: Tensor) => Tensor, input: Input = real([2, 3])): Sample[] {
  return [{ inputs: [input], run, order: 0, elementwise: true }];
}

export const unarySamples: Samples<OpsOf<typeof unary>> = {
  neg: one((x) => x.neg()),
  abs: one((x) => x.abs()),
  sign: one((x) => x.sign()),
  floor: one((x) => x.floor()),
  ceil: one((x) => x.ceil()),
  round: one((x) => x.round(), { low: -3.9, high: 3.9 }),
  trunc: one((x) => x.trunc()),
  square: one((x) => x.square()),
  sqrt: one((x) => x.sqrt(), { low: 0.1, high: 4 }),
  rsqrt: one((x) => x.rsqrt(), { low: 0.2, high: 4 }),
  rootPower: one((x) => x.pow(0.5), { low: 0.1, high: 4 }),
  inverseRootPower: one((x) => x.pow(-0.5), { low: 0.2, high: 4 }),
  reciprocal: one((x) => x.reciprocal(), { low: 0.3, high: 3 }),
  exp: one((x) => x.exp()),
  expm1: one((x) => x.expm1()),
  log: one((x) => x.log(), { low: 0.2, high: 4 }),
  log1p: one((x) => x.log1p(), { low: -0.8, high: 3 }),
  log2: one((x) => x.log2(), { low: 0.2, high: 4 }),
  log10: one((x) => x.log10(), { low: 0.2, high: 4 }),
  sin: one((x) => x.sin(), { low: -4, high: 4 }),
  cos: one((x) => x.cos(), { low: -4, high: 4 }),
  tan: one((x) => x.tan(), { low: -1.2, high: 1.2 }),
  asin: one((x) => x.asin(), { low: -0.9, high: 0.9 }),
  acos: one((x) => x.acos(), { low: -0.9, high: 0.9 }),
  atan: one((x) => x.atan()),
  sinh: one((x) => x.sinh()),
  cosh: one((x) => x.cosh()),
  tanh: one((x) => x.tanh()),
  erf: one((x) => x.erf()),
  sigmoid: one((x) => x.sigmoid(), { low: -6, high: 6 }),
  isNaN: flat((x) => x.isNaN(), given([5], [0, NaN, Infinity, -Infinity, 1])),
  isInf: flat((x) => x.isInf(), given([5], [0, NaN, Infinity, -Infinity, 1])),
  logicalNot: flat((x) => x.logicalNot(), given([4], [0, 1, -2, 0])),
  bitwiseNot: flat((x) => x.bitwiseNot(), whole([4], [0, 1, -7, 12345])),
  relu: one((x) => x.relu()),
  leakyRelu: one((x) => x.leakyRelu(0.2)),
  elu: one((x) => x.elu(1.5)),
  silu: one((x) => x.silu()),
  gelu: one((x) => x.gelu()),
  geluTanh: one((x) => x.gelu({ approximate: "tanh" })),
  softplus: [
    { inputs: [real([2, 3])], run: (x) => x.softplus(), elementwise: true },
    { inputs: [real([2, 3])], run: (x) => x.softplus({ beta: 2, threshold: 3 }) },
  ],
  logSigmoid: one((x) => x.logSigmoid(), { low: -6, high: 6 }),
  clamp: [
    { inputs: [real([2, 3])], run: (x) => x.clamp({ min: -0.75, max: 1.25 }), elementwise: true },
    { inputs: [real([2, 3])], run: (x) => x.clamp({ min: 0.25 }) },
  ],
};

/** Both operands as tensors of equal and of broadcast shapes, and each as a number. */
function two(run: (a: Tensor, b: Tensor | number) => Tensor, rest: { readonly domain?: Domain; readonly number?: number } = {}): Sample[] {
  const { domain = {}, number = 1.75 } = rest;
  const pair = (a: readonly number[], b: readonly number[]): Sample => ({
    inputs: [real(a, domain), real(b, { ...domain, seed: 1 })],
    run,
  });
  return [
    { ...pair([2, 3], [2, 3]), elementwise: true },
    pair([2, 3], [3]),
    pair([2, 1], [1, 3]),
    pair([], [2, 2]),
    pair([3], []),
    pair([0, 1], [1, 3]),
    { inputs: [real([2, 3], domain)], run: (x) => run(x, number) },
  ];
}

function twoFlat(run: (a: Tensor, b: Tensor | number) => Tensor): Sample[] {
  return two(run, { number: 0.5 }).map((sample) => ({ ...sample, order: 0 }));
}

const small = [given([6], [1, 2, 3, -1, 0, 2]), given([6], [1, 3, 2, -1, 0, -2])];

function comparison(run: (a: Tensor, b: Tensor | number) => Tensor): Sample[] {
  return [...twoFlat(run), { inputs: small, run, order: 0 }, { inputs: [small[0]!], run: (x) => run(x, 2), order: 0 }];
}

function logical(run: (a: Tensor, b: Tensor) => Tensor): Sample[] {
  return [
    { inputs: [truth([2, 3]), truth([3])], run, order: 0 },
    { inputs: [given([4], [0, 1, 0, 2]), given([4], [0, 0, -1, 3])], run, order: 0 },
  ];
}

function bitwise(run: (a: Tensor, b: Tensor | number) => Tensor): Sample[] {
  return [
    { inputs: [whole([4], [0, 1, -7, 12345]), whole([4], [5, 3, 6, -2])], run, order: 0 },
    { inputs: [whole([4], [0, 1, -7, 12345])], run: (x) => run(x, 6), order: 0 },
    { inputs: [truth([5]), truth([5])], run, order: 0 },
  ];
}

const away: Domain = { low: 0.4, high: 3 };

export const binarySamples: Samples<OpsOf<typeof binary>> = {
  add: two((a, b) => a.add(b)),
  sub: two((a, b) => a.sub(b)),
  mul: two((a, b) => a.mul(b)),
  div: two((a, b) => a.div(b), { domain: away }),
  floorDivide: [
    ...twoFlat((a, b) => a.floorDivide(b)),
    { inputs: [whole([6], [7, -7, 7, -7, 5, 0]), whole([6], [2, 2, -2, -2, 0, 3])], run: (a, b) => a.floorDivide(b!), order: 0 },
  ],
  remainder: [
    {
      inputs: [given([7], [1e20, -1e20, 1e38, 5, -5, 0.75, 3]), given([7], [501, -501, 1.5e-3, Infinity, Infinity, -0.25, 0])],
      run: (a, b) => a.detach().remainder(b!.detach()),
      order: 0,
    },
    ...two((a, b) => a.remainder(b), { domain: away }),
    { inputs: [whole([6], [7, -7, 7, -7, 5, 0]), whole([6], [2, 2, -2, -2, 0, 3])], run: (a, b) => a.remainder(b!), order: 0 },
  ],
  pow: [
    ...two((a, b) => a.pow(b), { domain: away }),
    // A negative base and whole exponents, and a base of 0.
    { inputs: [real([4], { low: -2, high: -0.5 })], run: (x) => x.pow(3) },
    { inputs: [real([4], { low: -2, high: -0.5 })], run: (x) => x.pow(2) },
    { inputs: [given([3], [0, 1, 2])], run: (x) => x.pow(2) },
    { inputs: [real([4])], run: (x) => x.pow(0) },
  ],
  maximum: two((a, b) => a.maximum(b), { number: 0.5 }),
  minimum: two((a, b) => a.minimum(b), { number: 0.5 }),
  atan2: two((a, b) => a.atan2(b)),
  lt: comparison((a, b) => a.lt(b)),
  le: comparison((a, b) => a.le(b)),
  gt: comparison((a, b) => a.gt(b)),
  ge: comparison((a, b) => a.ge(b)),
  eq: comparison((a, b) => a.eq(b)),
  ne: comparison((a, b) => a.ne(b)),
  logicalAnd: logical((a, b) => a.logicalAnd(b)),
  logicalOr: logical((a, b) => a.logicalOr(b)),
  logicalXor: logical((a, b) => a.logicalXor(b)),
  bitwiseAnd: bitwise((a, b) => a.bitwiseAnd(b)),
  bitwiseOr: bitwise((a, b) => a.bitwiseOr(b)),
  bitwiseXor: bitwise((a, b) => a.bitwiseXor(b)),
  where: [
    { inputs: [truth([2, 3]), real([2, 3]), real([2, 3], { seed: 1 })], run: (c, a, b) => c!.where(a!, b!) },
    { inputs: [truth([3]), real([2, 3]), real([2, 1], { seed: 1 })], run: (c, a, b) => where(c!, a!, b!) },
    { inputs: [truth([2, 3]), real([3])], run: (c, a) => c!.where(a!, 2.5) },
    { inputs: [truth([2, 3]), real([])], run: (c, a) => c!.where(-1, a!) },
    { inputs: [truth([0, 3]), real([0, 3]), real([3])], run: (c, a, b) => c!.where(a!, b!) },
  ],
};

/** Methods composed of elementwise operations. */
export const elementwiseMethodSamples: Samples<"maskedFill"> = {
  maskedFill: [
    { inputs: [real([2, 3]), truth([2, 3])], run: (x, mask) => x.maskedFill(mask!, -7) },
    { inputs: [real([2, 3]), truth([3])], run: (x, mask) => x.maskedFill(mask!, -Infinity).exp() },
  ],
};
