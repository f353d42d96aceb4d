/**
 * Samples of what goes beyond the everyday: further arithmetic, activations, rearranging, running values, order statistics, products.
 *
 * @module
 */
import * as activations from "../../../tensor/activations.ts";
import {
  bucketize,
  cdist,
  cosineSimilarity,
  einsum,
  meshgrid,
  pairwiseDistance,
  searchsorted,
  type Tensor,
  tensordot,
  unitVectors,
} from "../../../tensor/mod.ts";
import type * as activation from "../../../tensor/ops/activation.ts";
import type * as arithmetic from "../../../tensor/ops/arithmetic.ts";
import type * as diagonals from "../../../tensor/ops/diagonal.ts";
import type * as scans from "../../../tensor/ops/scan.ts";
import * as special from "../../../tensor/ops/special.ts";
import { apply } from "../../../tensor/tensor.ts";
import { type Domain, given, type Input, type OpsOf, positive, real, type Sample, type Samples, truth, whole } from "../sample.ts";

function of(shape: readonly number[], run: (x: Tensor) => Tensor | readonly Tensor[], domain: Domain = {}): Sample {
  return { inputs: [real(shape, domain)], run };
}

function each(run: (x: Tensor) => Tensor, domain: Domain = {}): Sample[] {
  return [{ inputs: [real([2, 3], domain)], run, elementwise: true }];
}

/** Values at and beyond the ends of a function's domain, compared between devices only. */
function edges(run: (x: Tensor) => Tensor, values: readonly number[]): Sample {
  return { inputs: [given([values.length], values)], run: (x) => run(x.detach()), order: 0 };
}

function pair(run: (a: Tensor, b: Tensor) => Tensor | readonly Tensor[], a: Input, b: Input, order: Sample["order"] = 2): Sample {
  return { inputs: [a, b], run: (x, y) => run(x, y!), order };
}

/** Equal and broadcast shapes, and a number. */
function two(run: (a: Tensor, b: Tensor | number) => Tensor, domain: Domain = {}): Sample[] {
  return [
    { ...pair(run, real([2, 3], domain), real([2, 3], { ...domain, seed: 1 })), elementwise: true },
    pair(run, real([2, 1], domain), real([3], { ...domain, seed: 2 })),
    of([2, 3], (x) => run(x, 1.75), domain),
  ];
}

const infinite = [0, 1, -1, Infinity, -Infinity, NaN];

export const arithmeticSamples: Samples<OpsOf<typeof arithmetic>> = {
  asinh: [...each((x) => x.asinh()), edges((x) => x.asinh(), [...infinite, 1e-6, -1e-6, 1e9, -3e18])],
  acosh: [...each((x) => x.acosh(), { low: 1.2, high: 4 }), edges((x) => x.acosh(), [1, 1.0001, 0.5, 1e9, 3e18, Infinity, NaN])],
  atanh: [...each((x) => x.atanh(), { low: -0.9, high: 0.9 }), edges((x) => x.atanh(), [0, 1, -1, 1e-6, -1e-6, 1.5, NaN])],
  nanToNum: [
    { inputs: [given([5], [1.5, NaN, Infinity, -Infinity, -2])], run: (x) => x.nanToNum({ nan: 7, negInf: -9 }), order: 0 },
    of([2, 3], (x) => x.nanToNum()),
  ],
  isFinite: [
    { inputs: [given([6], infinite)], run: (x) => x.isFinite(), order: 0 },
    { inputs: [whole([2], [3, 4])], run: (x) => x.isFinite(), order: 0 },
  ],
  logaddexp: [
    ...two((a, b) => a.logaddexp(b)),
    pair(
      (a, b) => a.detach().logaddexp(b.detach()),
      given([5], [Infinity, -Infinity, -Infinity, 100, 1]),
      given([5], [Infinity, -Infinity, 2, -100, 1]),
      0,
    ),
  ],
  hypot: [
    ...two((a, b) => a.hypot(b)),
    pair((a, b) => a.detach().hypot(b.detach()), given([5], [0, Infinity, 3e19, -3, NaN]), given([5], [0, NaN, 4e19, 4, 1]), 0),
  ],
  fmod: [
    pair((a, b) => a.fmod(b), real([2, 3]), real([2, 3], { low: 0.5, high: 0.9, seed: 1 })),
    of([5], (x) => x.fmod(-0.75)),
    pair((a, b) => a.fmod(b), whole([4], [7, -7, 7, -7]), whole([4], [3, 3, -3, -3]), 0),
  ],
  xlogy: [
    ...two((a, b) => a.xlogy(b), { low: 0.25, high: 3 }),
    pair((a, b) => a.detach().xlogy(b.detach()), given([3], [0, 0, 1]), given([3], [0, NaN, 2]), 0),
  ],
  bitwiseLeftShift: [pair((a, b) => a.bitwiseLeftShift(b), whole([4], [1, -1, 5, 123456]), whole([4], [0, 4, 31, 20]), 0)],
  bitwiseRightShift: [
    pair((a, b) => a.bitwiseRightShift(b), whole([5], [1, -1, -5, 123456, -2147483648]), whole([5], [0, 4, 1, 3, 31]), 0),
  ],
};

const gammaEdges = [0, -1, -2.5, 1, 2, 0.25, 3.5, 7.9, 8.1, 30, Infinity, NaN];

export const specialSamples: Samples<OpsOf<typeof special>> = {
  erfc: [...each((x) => x.erfc(), { low: -3, high: 3 }), edges((x) => x.erfc(), [...infinite, 4, 9, 11, -9])],
  erfinv: [...each((x) => x.erfinv(), { low: -0.95, high: 0.95 }), edges((x) => x.erfinv(), [0, 1, -1, 2, NaN, 0.9999, 1e-6])],
  lgamma: [
    ...each((x) => x.lgamma(), { low: 0.2, high: 12 }),
    of([6], (x) => x.lgamma(), { low: -2.9, high: -2.1 }),
    edges((x) => x.lgamma(), gammaEdges),
  ],
  digamma: [
    ...each((x) => x.digamma(), { low: 0.2, high: 12 }),
    of([6], (x) => x.digamma(), { low: -2.9, high: -2.1 }),
    edges((x) => x.digamma(), gammaEdges),
  ],
  trigamma: [
    { inputs: [real([6], { low: 0.3, high: 12 })], run: (x) => apply(special.trigamma, [x], []), order: 1 },
    { inputs: [real([6], { low: -2.9, high: -2.1 })], run: (x) => apply(special.trigamma, [x], []), order: 1 },
  ],
  tetragamma: [{ inputs: [real([6], { low: 0.3, high: 12 })], run: (x) => apply(special.tetragamma, [x], []), order: 0 }],
};

const wide: Domain = { low: -5, high: 5 };

export const activationSamples: Samples<OpsOf<typeof activation>> = {
  celu: [...each((x) => activations.celu(x, { alpha: 1.5 })), of([5], (x) => activations.celu(x, { alpha: -2 }))],
  selu: each(activations.selu),
  hardtanh: [...each((x) => activations.hardtanh(x, { min: -0.75, max: 1.25 })), edges(activations.hardtanh, infinite)],
  hardsigmoid: [...each(activations.hardsigmoid, wide), edges(activations.hardsigmoid, infinite)],
  hardswish: each(activations.hardswish, wide),
  softsign: each(activations.softsign),
  mish: [...each(activations.mish, wide), edges(activations.mish, [-100, -20, 0, 20, 25, 100])],
  tanhshrink: each(activations.tanhshrink),
  threshold: each((x) => activations.threshold(x, { threshold: 0.25, value: -3 })),
  softshrink: [...each((x) => activations.softshrink(x)), edges(activations.softshrink, infinite)],
  hardshrink: [...each((x) => activations.hardshrink(x)), edges(activations.hardshrink, infinite)],
};

/** The functions that are no single operation. */
export const activationFunctionSamples: Samples<"relu6" | "softmin" | "glu" | "prelu"> = {
  relu6: each(activations.relu6, { low: -3, high: 9 }),
  softmin: [of([2, 3], (x) => activations.softmin(x, 1))],
  glu: [of([2, 4], (x) => activations.glu(x)), of([4, 3], (x) => activations.glu(x, { dim: 0 })), of([2, 0], (x) => activations.glu(x))],
  prelu: [
    pair(activations.prelu, real([2, 3, 2]), real([3], { seed: 1 })),
    pair(activations.prelu, real([4]), real([1], { seed: 1 })),
  ],
};

const diagonalsOf: Sample[] = [
  of([3, 4], (x) => x.diagonal()),
  of([3, 4], (x) => x.diagonal({ offset: -1 })),
  of([2, 3, 4], (x) => x.diagonal({ offset: 1, dim1: 0, dim2: -1 })),
  of([3, 2], (x) => x.diagonal({ offset: 5 })),
];

const embeddings: Sample[] = [
  of([3], (x) => x.diagEmbed()),
  of([2, 3], (x) => x.diagEmbed({ offset: -1 })),
  of([2, 3], (x) => x.diagEmbed({ offset: 1, dim1: 0, dim2: 2 })),
];

const lower: Sample[] = [
  of([3, 4], (x) => x.tril()),
  of([2, 3, 3], (x) => x.tril(-1)),
  of([3, 2], (x) => x.tril(1)),
  of([0, 2], (x) => x.tril()),
];
const upper: Sample[] = [of([3, 4], (x) => x.triu()), of([2, 3, 3], (x) => x.mT.triu(1)), {
  inputs: [truth([3, 3])],
  run: (x) => x.triu(-1),
  order: 0,
}];

export const diagonalSamples: Samples<OpsOf<typeof diagonals>> = {
  diagonal: diagonalsOf,
  placeDiagonal: embeddings,
  triangle: [...lower, ...upper],
};

const zeros = given([2, 5], [1, 2, 0, 3, 0.5, 0, -1, 0, 2, 0]);

const products: Sample[] = [
  of([2, 4], (x) => x.cumprod(-1)),
  of([3, 2], (x) => x.cumprod(0)),
  { inputs: [zeros], run: (x) => x.cumprod(1) },
  of([], (x) => x.cumprod(0)),
  of([2, 0], (x) => x.cumprod(1)),
  { inputs: [whole([4], [2, 3, 0, 5])], run: (x) => x.cumprod(0), order: 0 },
];
const runs: Input = given([2, 5], [1, 3, 2, 3, 4, 5, NaN, 7, NaN, 1]);

export const scanSamples: Samples<OpsOf<typeof scans>> = {
  cumprod: products,
  runningMax: [
    of([2, 5], (x) => Object.values(x.cummax(1))),
    of([4, 2], (x) => Object.values(x.cummax(0))),
    { inputs: [runs], run: (x) => Object.values(x.cummax(1)), order: 0 },
    of([], (x) => x.cummax(0).values),
  ],
  runningMin: [
    of([2, 5], (x) => Object.values(x.cummin(1))),
    { inputs: [runs], run: (x) => Object.values(x.cummin(1)), order: 0 },
    { inputs: [whole([5], [3, 1, 1, 2, 0])], run: (x) => Object.values(x.cummin(0)), order: 0 },
  ],
};

/** Methods that are composed of others. */
export type BreadthMethod =
  | "lerp"
  | "addcmul"
  | "addcdiv"
  | "median"
  | "mode"
  | "kthvalue"
  | "quantile"
  | "histc"
  | "cummax"
  | "cummin"
  | "logcumsumexp"
  | "diff"
  | "outer"
  | "kron"
  | "cross"
  | "tril"
  | "triu"
  | "diagEmbed"
  | "diag"
  | "trace"
  | "roll"
  | "repeat"
  | "tile"
  | "repeatInterleave"
  | "index"
  | "indexPut"
  | "takeAlongDim"
  | "take";

const at = whole([2, 2], [0, -1, 2, 0]);

export const breadthSamples: Samples<BreadthMethod> = {
  lerp: [
    pair((a, b) => a.lerp(b, 0.25), real([2, 3]), real([3], { seed: 1 })),
    { inputs: [real([3]), real([3], { seed: 1 }), real([3], { seed: 2 })], run: (a, b, w) => a.lerp(b!, w!) },
  ],
  addcmul: [{
    inputs: [real([3]), real([2, 3], { seed: 1 }), real([3], { seed: 2 })],
    run: (a, b, c) => a.addcmul(b!, c!, { value: 0.5 }),
  }],
  addcdiv: [{ inputs: [real([3]), real([2, 3], { seed: 1 }), positive([3])], run: (a, b, c) => a.addcdiv(b!, c!, { value: 2 }) }],
  median: [
    of([2, 5], (x) => Object.values(x.median(1))),
    of([4, 2], (x) => Object.values(x.median(0, { keepDim: true }))),
    of([3, 4], (x) => x.median().values),
    { inputs: [given([5], [3, NaN, 1, 2, NaN])], run: (x) => Object.values(x.median()), order: 0 },
  ],
  mode: [
    { inputs: [given([2, 6], [1, 2, 2, 3, 1, 0.5, 4, 4, 4, 1, 1, 1])], run: (x) => Object.values(x.mode()), order: 0 },
    of([3, 2], (x) => Object.values(x.mode(0, { keepDim: true }))),
  ],
  kthvalue: [of([2, 5], (x) => Object.values(x.kthvalue(2))), of([4, 2], (x) => Object.values(x.kthvalue(3, { dim: 0, keepDim: true })))],
  quantile: [
    of([2, 5], (x) => x.quantile(0.3, { dim: 1 })),
    of([2, 5], (x) => x.quantile([0, 0.5, 0.9])),
    ...(["lower", "higher", "midpoint", "nearest"] as const).map((interpolation) =>
      of([6], (x) => x.quantile([0.1, 0.62], { interpolation, keepDim: true }))
    ),
    { inputs: [given([2, 2], [1, NaN, 2, 3])], run: (x) => x.quantile(0.5, { dim: 1 }), order: 0 },
  ],
  histc: [
    { inputs: [real([30])], run: (x) => x.detach().histc({ bins: 5, min: -1, max: 1 }), order: 0 },
    { inputs: [real([30])], run: (x) => x.detach().histc({ bins: 4 }), order: 0 },
    { inputs: [given([3], [2, 2, 2])], run: (x) => x.detach().histc({ bins: 3 }), order: 0 },
  ],
  cummax: scanSamples.runningMax,
  cummin: scanSamples.runningMin,
  logcumsumexp: [
    of([2, 5], (x) => x.logcumsumexp(1)),
    of([3, 2], (x) => x.logcumsumexp(0)),
    edges((x) => x.logcumsumexp(0), [-Infinity, -Infinity, 1, 100, -100, Infinity, 2]),
  ],
  diff: [
    of([2, 5], (x) => x.diff()),
    of([4, 2], (x) => x.diff({ n: 2, dim: 0 })),
    pair((a, b) => a.diff({ prepend: b, append: b }), real([2, 3]), real([2, 1], { seed: 1 })),
    { inputs: [truth([5])], run: (x) => x.diff(), order: 0 },
  ],
  outer: [pair((a, b) => a.outer(b), real([3]), real([2], { seed: 1 }))],
  kron: [
    pair((a, b) => a.kron(b), real([2, 2]), real([2, 3], { seed: 1 })),
    pair((a, b) => a.kron(b), real([2]), real([2, 2], { seed: 1 })),
  ],
  cross: [
    pair((a, b) => a.cross(b), real([2, 3]), real([3], { seed: 1 })),
    pair((a, b) => a.cross(b, { dim: 0 }), real([3, 2]), real([3, 2], { seed: 1 })),
  ],
  tril: lower,
  triu: upper,
  diagEmbed: embeddings,
  diag: [of([3], (x) => x.diag(1)), of([3, 2], (x) => x.diag(-1))],
  trace: [of([3, 3], (x) => x.trace()), of([2, 3], (x) => x.trace())],
  roll: [
    of([2, 5], (x) => x.roll(2, 1)),
    of([2, 5], (x) => x.roll(-3)),
    of([2, 5], (x) => x.roll([1, 7], [0, 1])),
    of([3], (x) => x.roll(0, 0)),
  ],
  repeat: [of([2, 3], (x) => x.repeat([2, 1, 2])), of([], (x) => x.repeat([3])), of([2], (x) => x.repeat([0]))],
  tile: [of([2, 3], (x) => x.tile([2])), of([3], (x) => x.tile([2, 2]))],
  repeatInterleave: [
    of([2, 3], (x) => x.repeatInterleave(2, { dim: 1 })),
    of([2, 2], (x) => x.repeatInterleave(3)),
    of([3, 2], (x) => x.repeatInterleave([2, 0, 1], { dim: 0 })),
  ],
  index: [
    { inputs: [real([3, 4]), at], run: (x, index) => x.index([index!]) },
    { inputs: [real([2, 3, 4]), at, whole([2], [1, -2])], run: (x, i, j) => x.index([null, i!, j!]) },
    { inputs: [real([3, 2, 4]), at, whole([1], [1])], run: (x, i, j) => x.index([i!, null, j!]) },
  ],
  indexPut: [
    { inputs: [real([3, 4]), whole([2], [2, 0]), real([4], { seed: 1 })], run: (x, i, v) => x.indexPut([i!], { values: v! }) },
    {
      inputs: [real([2, 3, 4]), whole([2], [2, 0]), whole([2], [1, -1]), real([2, 2], { seed: 1 })],
      run: (x, i, j, v) => x.indexPut([null, i!, j!], { values: v! }),
    },
    {
      inputs: [real([3, 2]), whole([4], [2, 0, 2, -3]), real([4, 2], { seed: 1 })],
      run: (x, i, v) => x.indexPut([i!], { values: v!, accumulate: true }),
    },
  ],
  takeAlongDim: [
    { inputs: [real([2, 4]), whole([1, 3], [0, 3, 1])], run: (x, index) => x.takeAlongDim(index!, { dim: 1 }) },
    { inputs: [real([2, 4]), whole([3], [0, 7, 1])], run: (x, index) => x.takeAlongDim(index!) },
  ],
  take: [{ inputs: [real([2, 3]), whole([2, 2], [0, -1, 4, 4])], run: (x, index) => x.take(index!) }],
};

/** Free functions of several tensors. */
export type BreadthFunction =
  | "einsum"
  | "meshgrid"
  | "cdist"
  | "pairwiseDistance"
  | "cosineSimilarity"
  | "unitVectors"
  | "tensordot"
  | "searchsorted"
  | "bucketize";

function equation(text: string, ...shapes: readonly (readonly number[])[]): Sample {
  return { inputs: shapes.map((shape, seed) => real(shape, { seed })), run: (...inputs) => einsum(text, inputs) };
}

const sorted = given([5], [-1, 0, 0.5, 0.5, 1]);

export const breadthFunctionSamples: Samples<BreadthFunction> = {
  einsum: [
    equation("ij,jk->ik", [2, 3], [3, 2]),
    equation("...ij,...jk", [2, 2, 3], [3, 2]),
    equation("ii->i", [3, 3]),
    equation("iij,jk->", [2, 2, 3], [3, 2]),
    equation("ij,jk,kl->il", [2, 3], [3, 2], [2, 4]),
    equation("b...d,bd...->...", [2, 3, 2], [2, 2, 3]),
    equation("i,j->ji", [2], [3]),
    equation("ij,ij->j", [1, 3], [2, 3]),
    equation("ij", [2, 3]),
    { inputs: [whole([2, 2], [1, 2, 3, 4]), whole([2], [5, -1])], run: (...inputs) => einsum("ij,j->i", inputs), order: 0 },
  ],
  meshgrid: [
    pair((a, b) => meshgrid([a, b]), real([2]), real([3], { seed: 1 })),
    pair((a, b) => meshgrid([a, b], { indexing: "xy" }), real([2]), real([3], { seed: 1 })),
  ],
  cdist: [
    pair((a, b) => cdist(a, b), real([3, 2]), real([2, 2], { seed: 1 })),
    pair((a, b) => cdist(a, b, { p: 1 }), real([2, 3, 2]), real([2, 2], { seed: 1 })),
    pair((a, b) => cdist(a, b, { p: Infinity }), real([3, 2]), real([2, 2], { low: -1.1, high: 1.7, seed: 4 })),
    pair((a, b) => cdist(a.detach(), b.detach(), { p: 0 }), given([2, 2], [1, 2, 3, 4]), given([1, 2], [1, 4]), 0),
  ],
  pairwiseDistance: [pair((a, b) => pairwiseDistance(a, b, { p: 3, keepDim: true }), real([3, 2]), real([2], { seed: 1 }))],
  cosineSimilarity: [
    pair((a, b) => cosineSimilarity(a, b), real([3, 2]), real([3, 2], { seed: 1 })),
    pair((a, b) => cosineSimilarity(a, b, { dim: 0 }), real([3, 2]), real([3, 1], { seed: 1 })),
  ],
  unitVectors: [of([2, 3], (x) => unitVectors(x)), of([2, 3], (x) => unitVectors(x, { p: 1, dim: 0 }))],
  tensordot: [
    pair((a, b) => tensordot(a, b), real([2, 3, 2]), real([3, 2, 2], { seed: 1 })),
    pair((a, b) => tensordot(a, b, { dims: [[0, 2], [1, 0]] }), real([2, 3, 2]), real([2, 2], { seed: 1 })),
  ],
  searchsorted: [
    pair((a, b) => searchsorted(a, b), sorted, given([2, 3], [-2, 0.5, 2, 0, NaN, 1]), 0),
    pair((a, b) => searchsorted(a, b, { right: true }), sorted, given([6], [-2, 0.5, 2, 0, NaN, 1]), 0),
    pair((a, b) => searchsorted(a, b), given([2, 3], [1, 2, 3, 10, 20, 30]), given([2, 2], [2, 4, 2, 25]), 0),
  ],
  bucketize: [pair((a, b) => bucketize(a, b), given([3], [0.2, -1, 5]), sorted, 0)],
};
