/**
 * Samples of reductions, rows and scans.
 *
 * @module
 */
import { type Dims, normalize, type Tensor } from "../../../tensor/mod.ts";
import type * as normalizing from "../../../tensor/ops/normalize_by.ts";
import { normalizeBy } from "../../../tensor/ops/normalize_by.ts";
import type * as reduction from "../../../tensor/ops/reduce.ts";
import type * as rows from "../../../tensor/ops/softmax.ts";
import { apply } from "../../../tensor/tensor.ts";
import { given, type Input, type OpsOf, positive, real, type Sample, type Samples, truth, whole } from "../sample.ts";

type Reduce = (x: Tensor, dim: Dims | undefined, options: { readonly keepDim?: boolean }) => Tensor;

/** Over all, one, several and kept dims; over one element and none. */
function over(
  run: Reduce,
  { input = real, empty = true }: { input?: (shape: readonly number[]) => Input; empty?: boolean } = {},
): Sample[] {
  const along = (shape: readonly number[], dim?: Dims, keepDim = false): Sample => ({
    inputs: [input(shape)],
    run: (x) => run(x, dim, { keepDim }),
  });
  return [
    along([2, 3]),
    along([2, 3], 0),
    along([2, 3], -1, true),
    along([2, 3, 2], [0, 2]),
    along([2, 3, 2], [2, 1], true),
    along([2, 3], []),
    along([]),
    along([4, 1], 1),
    along([0, 3], 1),
    ...(empty ? [along([2, 0], 1), along([0]), along([0, 3], 0, true)] : []),
  ];
}

/** Positions have no gradients. */
function positions(run: (x: Tensor, dim?: number) => Tensor): Sample[] {
  const inputs = [given([2, 4], [3, 1, 3, 2, -1, -1, -5, 0])];
  return [
    { inputs, run: (x) => run(x), order: 0 },
    { inputs, run: (x) => run(x, 0), order: 0 },
    { inputs, run: (x) => run(x, -1), order: 0 },
    { inputs: [given([4], [1, NaN, 3, NaN])], run: (x) => run(x), order: 0 },
    { inputs: [real([])], run: (x) => run(x), order: 0 },
    { inputs: [whole([4], [4, 9, -2, 9])], run: (x) => run(x), order: 0 },
  ];
}

function truths(run: (x: Tensor, dim?: Dims) => Tensor): Sample[] {
  return [
    { inputs: [truth([3, 4])], run: (x) => run(x), order: 0 },
    { inputs: [truth([3, 4])], run: (x) => run(x, 0), order: 0 },
    { inputs: [given([2, 2], [0, 0, 2, NaN])], run: (x) => run(x, 1), order: 0 },
    { inputs: [truth([2, 0])], run: (x) => run(x, 1), order: 0 },
  ];
}

/** Rows of zeros have a kink: only the backends are compared there, and PyTorch's values in the golden cases. */
const norms: Sample[] = [
  ...over((x, dim, options) => x.norm(dim, options), { empty: false }),
  ...[1, 3, 2.5, Infinity, -Infinity].map((p): Sample => ({ inputs: [real([3, 4])], run: (x) => x.norm(1, { p }) })),
];

export const reduceSamples: Samples<OpsOf<typeof reduction>> = {
  sum: [...over((x, dim, options) => x.sum(dim, options)), { inputs: [truth([3, 4])], run: (x) => x.sum(0), order: 0 }],
  mean: [
    ...over((x, dim, options) => x.mean(dim, options), { empty: false }),
    { inputs: [whole([3], [1, 2, 4])], run: (x) => x.mean(), order: 0 },
    { inputs: [real([2, 0])], run: (x) => x.mean(1), order: 0 },
  ],
  prod: [
    ...over((x, dim, options) => x.prod(dim, options)),
    { inputs: [given([3, 3], [0, 2, 3, 0, 5, 0, 1, 2, 4])], run: (x) => x.prod(1) },
    { inputs: [given([2, 5], [0, 2, 3, 0, -1, 0, 5, 0, 0, 0.5])], run: (x) => x.prod() },
  ],
  max: over((x, dim, options) => x.max(dim, options), { empty: false }),
  min: over((x, dim, options) => x.min(dim, options), { empty: false }),
  argmax: positions((x, dim) => x.argmax(dim)),
  argmin: positions((x, dim) => x.argmin(dim)),
  any: truths((x, dim) => x.any(dim)),
  all: truths((x, dim) => x.all(dim)),
  norm2: norms,
  variance: [
    ...over((x, dim, options) => x.var(dim, { ...options, correction: 0 }), { empty: false }),
    { inputs: [real([3, 4])], run: (x) => x.var(1) },
    { inputs: [real([3, 4])], run: (x) => x.std([0, 1]) },
    { inputs: [real([3, 4])], run: (x) => x.std(0, { correction: 0, keepDim: true }) },
  ],
  logsumexp: [
    ...over((x, dim, options) => x.logsumexp(dim, options), { empty: false }),
    { inputs: [given([2, 3], [-Infinity, 1, 2, 0, -Infinity, 3])], run: (x) => x.logsumexp(1), order: 0 },
  ],
};

/** Along every dim, of one element and of none. */
function along(run: (x: Tensor, dim: number) => Tensor): Sample[] {
  return [
    { inputs: [real([2, 4])], run: (x) => run(x, -1) },
    { inputs: [real([3, 2, 2])], run: (x) => run(x, 0) },
    { inputs: [real([2, 3, 2])], run: (x) => run(x, 1) },
    { inputs: [real([3, 1])], run: (x) => run(x, 1) },
    { inputs: [real([])], run: (x) => run(x, 0) },
    { inputs: [real([0, 3])], run: (x) => run(x, 1) },
    { inputs: [real([3, 0])], run: (x) => run(x, 1) },
  ];
}

export const rowSamples: Samples<OpsOf<typeof rows>> = {
  softmax: along((x, dim) => x.softmax(dim)),
  logSoftmax: along((x, dim) => x.logSoftmax(dim)),
  normalize: [
    { inputs: [real([3, 5])], run: (x) => normalize(x, { dims: 1 }).y },
    { inputs: [real([2, 3, 2])], run: (x) => normalize(x, { dims: [1, 2], epsilon: 0.1 }).y },
    {
      inputs: [real([3, 4]), real([4], { seed: 1 }), real([4], { seed: 2 })],
      run: (x, weight, bias) => normalize(x, { dims: -1, weight: weight!, bias: bias! }).y,
    },
    {
      inputs: [real([3, 2, 2]), real([2, 1], { seed: 1 }), real([2, 1], { seed: 2 })],
      run: (x, weight, bias) => normalize(x, { dims: [0, 2], weight: weight!, bias: bias! }).y,
    },
    // One factor per row, as batch norm has it.
    {
      inputs: [real([3, 2, 2]), real([1, 2, 1], { seed: 1 }), real([1, 2, 1], { seed: 2 })],
      run: (x, weight, bias) => normalize(x, { dims: [0, 2], weight: weight!, bias: bias! }).y,
    },
    {
      inputs: [real([3, 4])],
      run: (x) => {
        const { mean, variance } = normalize(x, { dims: 0 });
        return [mean, variance];
      },
      order: 0,
    },
  ],
};

export const normalizeBySamples: Samples<OpsOf<typeof normalizing>> = {
  normalizeBy: [
    {
      inputs: [real([3, 2]), real([2], { seed: 1 }), positive([2], { seed: 2 })],
      run: (...inputs) => apply(normalizeBy, inputs, { epsilon: 0.1 }),
    },
    {
      inputs: [
        real([3, 2, 2]),
        real([2, 1], { seed: 1 }),
        positive([2, 1], { seed: 2 }),
        real([2, 1], { seed: 3 }),
        real([2, 1], { seed: 4 }),
      ],
      run: (...inputs) => apply(normalizeBy, inputs, { epsilon: 1e-5 }),
    },
  ],
};

/** Methods composed of reductions. */
export const reduceMethodSamples: Samples<"norm" | "var" | "std"> = {
  norm: norms,
  var: [{ inputs: [positive([2, 3])], run: (x) => x.var() }],
  std: [
    { inputs: [positive([2, 3])], run: (x) => x.std(1, { keepDim: true }) },
    { inputs: [positive([4, 2])], run: (x) => x.std(0, { correction: 0 }) },
  ],
};
