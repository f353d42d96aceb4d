/**
 * The cases of fixtures/special_values.json as calls of this library, and how a result is compared with PyTorch's.
 *
 * @module
 */
import {
  bceLoss,
  bceWithLogits,
  cosineEmbeddingLoss,
  crossEntropy,
  gaussianNllLoss,
  hingeEmbeddingLoss,
  huberLoss,
  klDivLoss,
  l1Loss,
  marginRankingLoss,
  mseLoss,
  nllLoss,
  poissonNllLoss,
  smoothL1Loss,
  tripletMarginLoss,
} from "../../losses/mod.ts";
import { batchNorm, groupNorm, layerNorm } from "../../nn/mod.ts";
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool2d,
  cdist,
  celu,
  conv2d,
  convTranspose2d,
  cosineSimilarity,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  linear,
  maxPool2d,
  mish,
  pairwiseDistance,
  prelu,
  relu6,
  selu,
  softmin,
  softshrink,
  softsign,
  tanhshrink,
  type Tensor,
  tensor,
  threshold,
  unitVectors,
} from "../../tensor/mod.ts";

/** A case's inputs in, its results out. */
export type Call = (a: Tensor, b: Tensor) => Tensor | readonly Tensor[];

const points: Readonly<Record<string, Call>> = {
  abs: (x) => x.abs(),
  neg: (x) => x.neg(),
  sign: (x) => x.sign(),
  floor: (x) => x.floor(),
  ceil: (x) => x.ceil(),
  round: (x) => x.round(),
  trunc: (x) => x.trunc(),
  square: (x) => x.square(),
  sqrt: (x) => x.sqrt(),
  rsqrt: (x) => x.rsqrt(),
  reciprocal: (x) => x.reciprocal(),
  exp: (x) => x.exp(),
  expm1: (x) => x.expm1(),
  log: (x) => x.log(),
  log1p: (x) => x.log1p(),
  log2: (x) => x.log2(),
  log10: (x) => x.log10(),
  sin: (x) => x.sin(),
  cos: (x) => x.cos(),
  tan: (x) => x.tan(),
  asin: (x) => x.asin(),
  acos: (x) => x.acos(),
  atan: (x) => x.atan(),
  sinh: (x) => x.sinh(),
  cosh: (x) => x.cosh(),
  tanh: (x) => x.tanh(),
  asinh: (x) => x.asinh(),
  acosh: (x) => x.acosh(),
  atanh: (x) => x.atanh(),
  erf: (x) => x.erf(),
  erfc: (x) => x.erfc(),
  erfinv: (x) => x.erfinv(),
  lgamma: (x) => x.lgamma(),
  digamma: (x) => x.digamma(),
  sigmoid: (x) => x.sigmoid(),
  relu: (x) => x.relu(),
  leakyRelu: (x) => x.leakyRelu(),
  elu: (x) => x.elu(),
  silu: (x) => x.silu(),
  gelu: (x) => x.gelu(),
  geluTanh: (x) => x.gelu({ approximate: "tanh" }),
  softplus: (x) => x.softplus(),
  logSigmoid: (x) => x.logSigmoid(),
  isNaN: (x) => x.isNaN(),
  isInf: (x) => x.isInf(),
  isFinite: (x) => x.isFinite(),
  logicalNot: (x) => x.logicalNot(),
  nanToNum: (x) => x.nanToNum(),
  "nanToNum given": (x) => x.nanToNum({ nan: 1, posInf: 2, negInf: -3 }),
  clamp: (x) => x.clamp({ min: -1, max: 2 }),
  "clamp min": (x) => x.clamp({ min: 0 }),
  "clamp max": (x) => x.clamp({ max: 0 }),
  "clamp crossed": (x) => x.clamp({ min: 2, max: -1 }),
  relu6,
  hardtanh: (x) => hardtanh(x),
  hardsigmoid,
  hardswish,
  softsign,
  mish,
  selu,
  celu: (x) => celu(x, { alpha: 1.5 }),
  tanhshrink,
  softshrink: (x) => softshrink(x),
  hardshrink: (x) => hardshrink(x),
  threshold: (x) => threshold(x, { threshold: 0.5, value: 7 }),
  "to bool": (x) => x.to("bool"),
  "to float32": (x) => x.to("float32"),
  "where not taken": (x) => x.gt(0).where(x.log(), 0),
  "masked square root": (x) => x.gt(0).where(x, 1).sqrt(),
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, Infinity, -Infinity, NaN].map((power) =>
      [`pow ${textOf(power)}`, (x) => x.pow(power)] satisfies [string, Call]
    ),
  ),
  ...Object.fromEntries(
    [0, 1, -1, 2, -2, Infinity].map((base) => [`${textOf(base)} pow`, (x) => x.newFull([], base).pow(x)] satisfies [string, Call]),
  ),
  ...Object.fromEntries([0, NaN, -Infinity].flatMap((bound): [string, Call][] => [
    [`maximum ${textOf(bound)}`, (x) => x.maximum(bound)],
    [`minimum ${textOf(bound)}`, (x) => x.minimum(bound)],
    [`lt ${textOf(bound)}`, (x) => x.lt(bound)],
    [`ge ${textOf(bound)}`, (x) => x.ge(bound)],
    [`eq ${textOf(bound)}`, (x) => x.eq(bound)],
    [`ne ${textOf(bound)}`, (x) => x.ne(bound)],
  ])),
};

const pairs: Readonly<Record<string, Call>> = {
  add: (a, b) => a.add(b),
  sub: (a, b) => a.sub(b),
  mul: (a, b) => a.mul(b),
  div: (a, b) => a.div(b),
  floorDivide: (a, b) => a.floorDivide(b),
  remainder: (a, b) => a.remainder(b),
  fmod: (a, b) => a.fmod(b),
  pow: (a, b) => a.pow(b),
  maximum: (a, b) => a.maximum(b),
  minimum: (a, b) => a.minimum(b),
  atan2: (a, b) => a.atan2(b),
  hypot: (a, b) => a.hypot(b),
  logaddexp: (a, b) => a.logaddexp(b),
  xlogy: (a, b) => a.xlogy(b),
  lt: (a, b) => a.lt(b),
  le: (a, b) => a.le(b),
  gt: (a, b) => a.gt(b),
  ge: (a, b) => a.ge(b),
  eq: (a, b) => a.eq(b),
  ne: (a, b) => a.ne(b),
  logicalAnd: (a, b) => a.logicalAnd(b),
  logicalOr: (a, b) => a.logicalOr(b),
  logicalXor: (a, b) => a.logicalXor(b),
  lerp: (a, b) => a.lerp(b, 0.25),
  where: (a, b) => a.gt(b).where(a, b),
  "where condition": (a, b) => a.to("bool").where(b, 1),
  addcdiv: (a, b) => a.addcdiv(a, b),
};

const rows: Readonly<Record<string, Call>> = {
  sum: (x) => x.sum(-1),
  mean: (x) => x.mean(-1),
  prod: (x) => x.prod(-1),
  max: (x) => x.max(-1),
  min: (x) => x.min(-1),
  argmax: (x) => x.argmax(-1),
  argmin: (x) => x.argmin(-1),
  any: (x) => x.any(-1),
  all: (x) => x.all(-1),
  var: (x) => x.var(-1),
  std: (x) => x.std(-1),
  "var uncorrected": (x) => x.var(-1, { correction: 0 }),
  "std uncorrected": (x) => x.std(-1, { correction: 0 }),
  norm: (x) => x.norm(-1),
  ...Object.fromEntries(
    [1, 3, Infinity, -Infinity, 0.5].map((p) => [`norm ${textOf(p)}`, (x) => x.norm(-1, { p })] satisfies [string, Call]),
  ),
  logsumexp: (x) => x.logsumexp(-1),
  softmax: (x) => x.softmax(-1),
  logSoftmax: (x) => x.logSoftmax(-1),
  cumsum: (x) => x.cumsum(-1),
  cumprod: (x) => x.cumprod(-1),
  logcumsumexp: (x) => x.logcumsumexp(-1),
  cummax: (x) => both(x.cummax(-1)),
  cummin: (x) => both(x.cummin(-1)),
  sort: (x) => both(x.sort(-1)),
  "sort descending": (x) => both(x.sort(-1, { descending: true })),
  topk: (x) => x.topk(Math.min(2, x.shape.at(-1)!)).values,
  "topk least": (x) => x.topk(Math.min(2, x.shape.at(-1)!), { largest: false }).values,
  median: (x) => x.median(-1).values,
  kthvalue: (x) => x.kthvalue(1).values,
  quantile: (x) => x.quantile(0.5, { dim: -1 }),
  aminmax: (x) => {
    const { min, max } = x.aminmax(-1);
    return [min, max];
  },
  normalize: (x) => unitVectors(x, { dim: -1 }),
  "max of all": (x) => x.max(),
  "argmin of all": (x) => x.argmin(),
  "logsumexp of all": (x) => x.logsumexp(),
};

const none = { reduction: "none" } as const;

function classes(x: Tensor): Tensor {
  return tensor(Int32Array.from({ length: x.shape[0]! }, (_, row) => row % 4), { device: x.device });
}

const losses: Readonly<Record<"points" | "pairs" | "rows", Readonly<Record<string, Call>>>> = {
  points: {
    exp2: (x) => x.exp2(),
    frac: (x) => x.frac(),
    logit: (x) => x.logit(),
    "logit held": (x) => x.logit({ eps: 0.25 }),
    sinc: (x) => x.sinc(),
    signbit: (x) => x.signbit(),
    "round to tenths": (x) => x.round({ decimals: 1 }),
    "round to tens": (x) => x.round({ decimals: -1 }),
    bceWithLogits: (x) => bceWithLogits(x, x.newFull(x.shape, 0.25), none),
    poissonNllLoss: (x) => poissonNllLoss(x, x.newFull(x.shape, 2), none),
    prelu: (x) => prelu(x, x.newFull([1], 0.25)),
  },
  pairs: {
    fmax: (a, b) => a.fmax(b),
    fmin: (a, b) => a.fmin(b),
    copysign: (a, b) => a.copysign(b),
    heaviside: (a, b) => a.heaviside(b),
    isclose: (a, b) => a.isclose(b),
    "isclose with NaN": (a, b) => a.isclose(b, { equalNaN: true }),
    mseLoss: (a, b) => mseLoss(a, b, none),
    l1Loss: (a, b) => l1Loss(a, b, none),
    smoothL1Loss: (a, b) => smoothL1Loss(a, b, none),
    huberLoss: (a, b) => huberLoss(a, b, none),
    hingeEmbeddingLoss: (a) => hingeEmbeddingLoss(a, a.newFull(a.shape, -1), none),
    marginRankingLoss: (a, b) => marginRankingLoss(a, b, { ...none, target: a.onesLike() }),
  },
  rows: {
    nansum: (x) => x.nansum(-1),
    nanmean: (x) => x.nanmean(-1),
    nanmedian: (x) => x.nanmedian(-1).values,
    nanquantile: (x) => x.nanquantile(0.5, { dim: -1 }),
    countNonzero: (x) => x.countNonzero(-1),
    softmin: (x) => softmin(x, -1),
    layerNorm: (x) => layerNorm(x, { normalizedShape: [4] }),
    glu: (x) => glu(x),
    crossEntropy: (x) => crossEntropy(x, classes(x), none),
    "crossEntropy smoothed": (x) => crossEntropy(x, classes(x), { ...none, labelSmoothing: 0.1 }),
    nllLoss: (x) => nllLoss(x, classes(x), none),
    "nllLoss of nothing": (x) => nllLoss(x, classes(x).mul(0).sub(100)),
  },
};

const layers: Readonly<Record<string, Readonly<Record<string, Call>>>> = {
  matrices: {
    matmul: (a, b) => a.matmul(b),
    linear: (x, w) => linear(x, w, { bias: x.newZeros([3]) }),
    cdist: (a, b) => cdist(a, b),
    "cdist 1": (a, b) => cdist(a, b, { p: 1 }),
  },
  images: {
    conv2d: (x, w) => conv2d(x, w),
    "conv2d padded": (x, w) => conv2d(x, w, { padding: 1 }),
    "conv2d strided": (x, w) => conv2d(x, w, { stride: 2, padding: 1 }),
    convTranspose2d: (x, w) => convTranspose2d(x, w, { stride: 2 }),
    maxPool2d: (x) => maxPool2d(x, 2),
    "maxPool2d padded": (x) => maxPool2d(x, 3, { stride: 2, padding: 1 }),
    avgPool2d: (x) => avgPool2d(x, 2),
    "avgPool2d padded": (x) => avgPool2d(x, 3, { stride: 2, padding: 1, countIncludePad: false }),
    adaptiveMaxPool2d: (x) => adaptiveMaxPool2d(x, [2, 3]),
    adaptiveAvgPool2d: (x) => adaptiveAvgPool2d(x, [2, 3]),
  },
  vectors: {
    cosineSimilarity: (a, b) => cosineSimilarity(a, b),
    pairwiseDistance: (a, b) => pairwiseDistance(a, b),
    cdist: (a, b) => cdist(a, b),
    cosineEmbeddingLoss: (a, b) => {
      const target = tensor([1, -1, 1, -1, 1, -1], { device: a.device });
      return cosineEmbeddingLoss(a, b, { ...none, target });
    },
    tripletMarginLoss: (a, b) => tripletMarginLoss(a, b, { ...none, negative: a.roll(1, 0) }),
  },
  chances: { bceLoss: (p, t) => bceLoss(p, t, none) },
  logarithms: {
    klDivLoss: (x, t) => klDivLoss(x, t, none),
    "klDivLoss of logs": (x, t) => klDivLoss(x, t.log(), { ...none, logTarget: true }),
    gaussianNllLoss: (x, t) => gaussianNllLoss(x, x.onesLike(), { ...none, variance: t }),
  },
  channels: {
    batchNorm: (x) => batchNorm(x, { training: true }),
    groupNorm: (x) => groupNorm(x, { groups: 2 }),
    instanceNorm: (x) => groupNorm(x, { groups: 2 }),
  },
};

/** The call of each case by its group and name. */
export const calls: Readonly<Record<string, Readonly<Record<string, Call>>>> = {
  points: { ...points, ...losses.points },
  pairs: { ...pairs, ...losses.pairs },
  rows: { ...rows, ...losses.rows },
  singles: rows,
  twos: rows,
  none: rows,
  ...layers,
};

function both({ values, indices }: { readonly values: Tensor; readonly indices: Tensor }): Tensor[] {
  return [values, indices];
}

/** A number as Python prints it. */
function textOf(x: number): string {
  return Number.isNaN(x) ? "nan" : x === Infinity ? "inf" : x === -Infinity ? "-inf" : String(x);
}
