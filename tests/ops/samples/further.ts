/**
 * Samples of signs, parts and odds, comparisons, statistics without NaN, integrals, patches, and of what splits, joins and places.
 *
 * @module
 */
import {
  blockDiag,
  broadcastTensors,
  cartesianProd,
  combinations,
  cumulativeTrapezoid,
  dstack,
  fold,
  gradient,
  hstack,
  type Tensor,
  trapezoid,
  unfold,
  vander,
  vstack,
} from "../../../tensor/mod.ts";
import type * as pointwise from "../../../tensor/ops/pointwise.ts";
import { type Domain, given, type Input, type OpsOf, positive, real, type Sample, type Samples, truth, whole } from "../sample.ts";

function of(shape: readonly number[], run: (x: Tensor) => Tensor | readonly Tensor[], domain: Domain = {}): Sample {
  return { inputs: [real(shape, domain)], run };
}

function each(run: (x: Tensor) => Tensor, domain: Domain = {}): Sample {
  return { inputs: [real([2, 3], domain)], run, elementwise: true };
}

function fixed(run: (x: Tensor) => Tensor | readonly Tensor[], values: readonly number[]): Sample {
  return { inputs: [given([values.length], values)], run: (x) => run(x.detach()), order: 0 };
}

function pair(run: (a: Tensor, b: Tensor) => Tensor | readonly Tensor[], a: Input, b: Input, order: Sample["order"] = 2): Sample {
  return { inputs: [a, b], run: (x, y) => run(x, y!), order };
}

/** Both operands from the same numbers, which meet in every combination. */
function grid(run: (a: Tensor, b: Tensor) => Tensor, values: readonly number[]): Sample {
  const [column, row] = [given([values.length, 1], values), given([values.length], values)];
  return { inputs: [column, row], run: (a, b) => run(a.detach(), b!.detach()), order: 0 };
}

const special = [0, 1.5, -2, Infinity, -Infinity, NaN];

export const pointwiseSamples: Samples<OpsOf<typeof pointwise>> = {
  signbit: [fixed((x) => x.signbit(), [0, 1, -1, Infinity, -Infinity, 1e-30]), {
    inputs: [whole([3], [0, -4, 5])],
    run: (x) => x.signbit(),
    order: 0,
  }],
  copysign: [
    pair((a, b) => a.copysign(b), real([2, 3]), real([3], { seed: 1 })),
    of([4], (x) => x.copysign(-1)),
    grid((a, b) => a.copysign(b), [0, 1.5, -2, Infinity, -Infinity]),
  ],
  heaviside: [
    grid((a, b) => a.heaviside(b), special),
    { inputs: [real([2, 3])], run: (x) => x.detach().heaviside(0.5), order: 0 },
    pair((a, b) => a.heaviside(b), whole([3], [-1, 0, 2]), whole([3], [5, 6, 7]), 0),
  ],
  fmax: [pair((a, b) => a.fmax(b), real([2, 3]), real([3], { seed: 1 })), grid((a, b) => a.fmax(b), special), of([4], (x) => x.fmax(0.1))],
  fmin: [pair((a, b) => a.fmin(b), real([2, 3]), real([3], { seed: 1 })), grid((a, b) => a.fmin(b), special), of([4], (x) => x.fmin(0.1))],
  exp2: [each((x) => x.exp2()), fixed((x) => x.exp2(), [...special, 10, -10])],
  frac: [each((x) => x.frac(), { low: -3.9, high: 3.9 }), fixed((x) => x.frac(), [0, 1.5, -2.25, 1e9])],
  sinc: [
    each((x) => x.sinc(), { low: 0.2, high: 3 }),
    of([4], (x) => x.sinc(), { low: -3, high: -0.2 }),
    fixed((x) => x.sinc(), [0, 1, -2.5, NaN]),
  ],
  logit: [
    each((x) => x.logit(), { low: 0.1, high: 0.9 }),
    of([5], (x) => x.logit({ eps: 0.2 }), { low: 0.05, high: 0.95 }),
    fixed((x) => x.logit(), [0, 1, 0.5, -1, 2, NaN]),
  ],
};

/** Methods composed of others. */
export type FurtherMethod =
  | "isin"
  | "isclose"
  | "nansum"
  | "nanmean"
  | "nanmedian"
  | "nanquantile"
  | "countNonzero"
  | "cov"
  | "corrcoef"
  | "renorm"
  | "tensorSplit"
  | "unbind"
  | "movedim"
  | "unflatten"
  | "rot90"
  | "indexAdd"
  | "indexCopy"
  | "indexFill"
  | "maskedScatter";

const holes = given([3, 4], [1, NaN, 3, -2, NaN, NaN, NaN, NaN, 0.5, 2, -1, 4]);
const without: Sample["order"] = 0;

export const furtherSamples: Samples<FurtherMethod> = {
  isin: [
    pair((x, values) => x.isin(values), given([2, 3], [1, 2, NaN, -1, 5, 0]), given([4], [5, 1, NaN, 1]), without),
    pair((x, values) => x.isin(values, { invert: true }), whole([4], [3, 1, 4, 1]), whole([2], [1, 5]), without),
    pair((x, values) => x.isin(values), whole([3], [3, 1, 4]), whole([0], []), without),
  ],
  isclose: [
    grid((a, b) => a.isclose(b), [...special, 1.500001]),
    grid((a, b) => a.isclose(b, { equalNaN: true, rtol: 0.5, atol: 0 }), [...special, 1]),
    pair((a, b) => a.isclose(b, { rtol: 0, atol: 1 }), whole([3], [1, 5, -2]), whole([3], [2, 3, -2]), without),
  ],
  nansum: [{ inputs: [holes], run: (x) => x.nansum(1), order: 1 }, of([2, 3], (x) => x.nansum()), {
    inputs: [whole([2], [1, 2])],
    run: (x) => x.nansum(),
    order: 0,
  }],
  nanmean: [{ inputs: [holes], run: (x) => x.detach().nanmean(1, { keepDim: true }), order: 0 }, of([2, 3], (x) => x.nanmean(0))],
  nanmedian: [
    { inputs: [holes], run: (x) => Object.values(x.nanmedian(1)), order: 0 },
    { inputs: [holes], run: (x) => x.nanmedian().values, order: 0 },
    of([2, 5], (x) => Object.values(x.nanmedian(0, { keepDim: true }))),
  ],
  nanquantile: [
    ...(["linear", "lower", "higher", "midpoint", "nearest"] as const).map((interpolation): Sample => ({
      inputs: [holes],
      run: (x) => x.detach().nanquantile([0.1, 0.5, 0.62], { dim: 1, interpolation }),
      order: 0,
    })),
    of([2, 5], (x) => x.nanquantile(0.3, { dim: 1, keepDim: true })),
  ],
  countNonzero: [
    { inputs: [given([2, 3], [0, 1, NaN, -0, 2, 0])], run: (x) => x.countNonzero(1), order: 0 },
    { inputs: [truth([4])], run: (x) => x.countNonzero(), order: 0 },
  ],
  cov: [
    of([3, 5], (x) => x.cov()),
    of([5], (x) => x.cov({ correction: 0 })),
    {
      inputs: [real([2, 4]), whole([4], [1, 3, 0, 2]), positive([4])],
      run: (x, frequencies, weights) => x.cov({ frequencies: frequencies!, weights: weights! }),
    },
    { inputs: [real([2, 4]), positive([4])], run: (x, weights) => x.cov({ weights: weights!, correction: 0 }) },
  ],
  corrcoef: [{ ...of([3, 5], (x) => x.corrcoef()), order: 1 }],
  renorm: [of([3, 4], (x) => x.renorm({ dim: 0, maxNorm: 1.5 })), of([2, 3, 2], (x) => x.renorm({ dim: 1, maxNorm: 2, p: 1 }))],
  tensorSplit: [
    of([7, 2], (x) => x.tensorSplit(3)),
    of([2, 5], (x) => x.tensorSplit([1, 3], { dim: 1 })),
    of([3], (x) => x.tensorSplit([2, 1, 9])),
  ],
  unbind: [of([2, 3], (x) => x.unbind(1)), of([3], (x) => x.unbind())],
  movedim: [of([2, 3, 4], (x) => x.movedim(0, -1)), of([2, 3, 4], (x) => x.movedim([0, 2], [1, 0]))],
  unflatten: [of([2, 6], (x) => x.unflatten(1, [2, -1])), of([6], (x) => x.unflatten(0, [3, 2]))],
  rot90: [0, 1, 2, 3, -1].map((k) => of([2, 3, 2], (x) => x.rot90(k, [0, 2]))),
  indexAdd: [
    {
      inputs: [real([3, 4]), whole([3], [2, 0, 2]), real([3, 4], { seed: 1 })],
      run: (x, index, source) => x.indexAdd(0, { index: index!, source: source!, alpha: 2 }),
    },
    {
      inputs: [real([2, 4]), whole([2], [3, 1]), real([2, 2], { seed: 1 })],
      run: (x, index, source) => x.indexAdd(1, { index: index!, source: source! }),
    },
  ],
  indexCopy: [
    {
      inputs: [real([3, 2]), whole([2], [2, 0]), real([2, 2], { seed: 1 })],
      run: (x, index, source) => x.indexCopy(0, { index: index!, source: source! }),
    },
  ],
  indexFill: [{ inputs: [real([3, 2]), whole([2], [2, 0])], run: (x, index) => x.indexFill(0, index!, 1.5) }],
  maskedScatter: [
    { inputs: [real([2, 3]), truth([2, 3]), real([4], { seed: 1 })], run: (x, mask, source) => x.maskedScatter(mask!, source!) },
    { inputs: [real([2, 3]), truth([3]), real([4], { seed: 1 })], run: (x, mask, source) => x.maskedScatter(mask!, source!) },
  ],
};

/** Free functions. `unfold` is the method of windows along a dim too. */
export type FurtherFunction =
  | "blockDiag"
  | "broadcastTensors"
  | "cartesianProd"
  | "combinations"
  | "cumulativeTrapezoid"
  | "dstack"
  | "fold"
  | "gradient"
  | "hstack"
  | "trapezoid"
  | "unfold"
  | "vander"
  | "vstack";

const places = given([4], [0, 0.5, 2, 3.25]);

export const furtherFunctionSamples: Samples<FurtherFunction> = {
  blockDiag: [pair((a, b) => blockDiag([a, b]), real([2, 3]), real([2], { seed: 1 }))],
  broadcastTensors: [pair((a, b) => broadcastTensors([a, b]), real([2, 1]), real([3], { seed: 1 }))],
  cartesianProd: [pair((a, b) => cartesianProd([a, b]), real([2]), real([3], { seed: 1 }))],
  combinations: [of([4], (x) => combinations(x, { r: 3 })), of([3], (x) => combinations(x, { withReplacement: true }))],
  trapezoid: [
    of([2, 4], (y) => trapezoid(y, { dx: 0.5 })),
    pair((y, x) => trapezoid(y, { x }), real([2, 4]), places),
    pair((y, x) => trapezoid(y, { x, dim: 0 }), real([4, 2]), places),
  ],
  cumulativeTrapezoid: [
    pair((y, x) => cumulativeTrapezoid(y, { x }), real([2, 4]), places),
    of([4, 2], (y) => cumulativeTrapezoid(y, { dim: 0 })),
  ],
  gradient: [
    of([4, 3], (y) => gradient(y, { spacing: [0.5, 2] })),
    of([4, 3], (y) => gradient(y, { dim: 0, edgeOrder: 2 })),
    { inputs: [real([2, 4]), places], run: (y, x) => gradient(y, { spacing: [x!], dim: 1, edgeOrder: 2 }) },
  ],
  hstack: [
    pair((a, b) => hstack([a, b]), real([2, 1]), real([2, 3], { seed: 1 })),
    pair((a, b) => hstack([a, b]), real([]), real([2], { seed: 1 })),
  ],
  vstack: [pair((a, b) => vstack([a, b]), real([3]), real([2, 3], { seed: 1 }))],
  dstack: [
    pair((a, b) => dstack([a, b]), real([3]), real([1, 3], { seed: 1 })),
    pair((a, b) => dstack([a, b]), real([2, 3]), real([2, 3, 2], { seed: 1 })),
  ],
  unfold: [
    of([2, 5], (x) => x.unfold(1, { size: 3, step: 2 })),
    of([4, 2], (x) => x.unfold(0, { size: 2 })),
    of([1, 2, 4, 3], (x) => unfold(x, 2)),
    of([2, 1, 4, 5], (x) => unfold(x, [2, 3], { stride: [2, 1], padding: [1, 0], dilation: [2, 1] })),
  ],
  fold: [
    of([1, 8, 6], (x) => fold(x, 2, { outputSize: [4, 3] })),
    of([2, 6, 6], (x) => fold(x, [2, 3], { outputSize: [4, 5], stride: [2, 1], padding: [1, 0], dilation: [2, 1] })),
  ],
  vander: [of([3], (x) => vander(x)), of([2, 2], (x) => vander(x, { columns: 4, increasing: false }))],
};
