/**
 * Golden operations as calls of this library.
 *
 * @module
 */
import { normalizeRows } from "../../losses/mod.ts";
import { batchNorm, embedding, layerNorm } from "../../nn/mod.ts";
import {
  adaptiveAvgPool2d,
  arange,
  avgPool2d,
  cat,
  conv1d,
  conv2d,
  type ConvOptions,
  convTranspose2d,
  type ConvTransposeOptions,
  einsum,
  linear,
  maxPool2d,
  normalize,
  type PoolOptions,
  stack,
  type Tensor,
} from "../../tensor/mod.ts";
import { maxPool } from "../../tensor/ops/matmul.ts";
import { apply } from "../../tensor/tensor.ts";
import type { Parameters } from "./format.ts";
import type { Runner, Runners } from "./run.ts";

/** A method without arguments. */
function unary(run: (x: Tensor) => Tensor): Runner {
  return ({ input }) => run(input!);
}

/** A method of two tensors. */
function binary(run: (a: Tensor, b: Tensor) => Tensor): Runner {
  return ({ a, b }) => run(a!, b!);
}

/** A parameter that is a number. */
function number(params: Parameters, name: string): number {
  return params[name] as number;
}

/** A parameter that lists numbers, or a single one. */
function list(params: Parameters, name: string): readonly number[] {
  return params[name] as readonly number[];
}

interface Reduction {
  readonly dim: readonly number[] | number | undefined;
  readonly keepDim: boolean;
}

function reduction(run: (x: Tensor, options: Reduction) => Tensor): Runner {
  return ({ input }, { dim, keepdim }) =>
    run(input!, { dim: dim === null ? undefined : dim as Exclude<Reduction["dim"], undefined>, keepDim: (keepdim ?? false) as boolean });
}

const elementwise: Runners = {
  geluErf: unary((x) => x.gelu()),
  geluTanh: unary((x) => x.gelu({ approximate: "tanh" })),
  relu: unary((x) => x.relu()),
  leakyRelu: ({ input }, params) => input!.leakyRelu(number(params, "slope")),
  elu: ({ input }, params) => input!.elu(number(params, "alpha")),
  silu: unary((x) => x.silu()),
  softplus: ({ input }, params) => input!.softplus({ beta: number(params, "beta"), threshold: number(params, "threshold") }),
  sigmoid: unary((x) => x.sigmoid()),
  logSigmoid: unary((x) => x.logSigmoid()),
  tanh: unary((x) => x.tanh()),
  erf: unary((x) => x.erf()),
  exp: unary((x) => x.exp()),
  expm1: unary((x) => x.expm1()),
  log: unary((x) => x.log()),
  log1p: unary((x) => x.log1p()),
  sqrt: unary((x) => x.sqrt()),
  rsqrt: unary((x) => x.rsqrt()),
  reciprocal: unary((x) => x.reciprocal()),
  abs: unary((x) => x.abs()),
  neg: unary((x) => x.neg()),
  square: unary((x) => x.square()),
  sin: unary((x) => x.sin()),
  cos: unary((x) => x.cos()),
  powScalar: ({ input }, params) => input!.pow(number(params, "exponent")),
  powFrac: ({ input }, params) => input!.pow(number(params, "exponent")),
  clamp: ({ input }, params) => input!.clamp({ min: number(params, "min"), max: number(params, "max") }),
  hardtanh: ({ input }, params) => input!.clamp({ min: number(params, "min"), max: number(params, "max") }),
  add: binary((a, b) => a.add(b)),
  sub: binary((a, b) => a.sub(b)),
  mul: binary((a, b) => a.mul(b)),
  div: binary((a, b) => a.div(b)),
  maximum: binary((a, b) => a.maximum(b)),
  minimum: binary((a, b) => a.minimum(b)),
  pow: binary((a, b) => a.pow(b)),
  where: ({ a, b, cond }) => cond!.where(a!, b!),
  reused_twice: unary((x) => x.mul(x).add(x)),
};

const reductions: Runners = {
  sum: reduction((x, { dim, keepDim }) => x.sum(dim, { keepDim })),
  mean: reduction((x, { dim, keepDim }) => x.mean(dim, { keepDim })),
  prod: reduction((x, { dim, keepDim }) => x.prod(dim, { keepDim })),
  max: reduction((x, { dim, keepDim }) => x.max(dim, { keepDim })),
  min: reduction((x, { dim, keepDim }) => x.min(dim, { keepDim })),
  normL1: reduction((x, { dim, keepDim }) => x.norm(dim, { p: 1, keepDim })),
  normL2: reduction((x, { dim, keepDim }) => x.norm(dim, { keepDim })),
  normInf: reduction((x, { dim, keepDim }) => x.norm(dim, { p: Infinity, keepDim })),
  varBiased: reduction((x, { dim, keepDim }) => x.var(dim, { correction: 0, keepDim })),
  varUnbiased: reduction((x, { dim, keepDim }) => x.var(dim, { keepDim })),
  stdBiased: reduction((x, { dim, keepDim }) => x.std(dim, { correction: 0, keepDim })),
  stdUnbiased: reduction((x, { dim, keepDim }) => x.std(dim, { keepDim })),
  logsumexp: reduction((x, { dim, keepDim }) => x.logsumexp(dim, { keepDim })),
  softmax: ({ input }, params) => input!.softmax(number(params, "dim")),
  logSoftmax: ({ input }, params) => input!.logSoftmax(number(params, "dim")),
  argmax: ({ input }, params) => input!.argmax(number(params, "dim")),
  argmin: ({ input }, params) => input!.argmin(number(params, "dim")),
};

const products: Runners = {
  matmul: binary((a, b) => a.matmul(b)),
  einsum: (inputs, { equation }) => einsum(equation as string, Object.values(inputs)),
  linear: ({ input, weight, bias }) => linear(input!, weight!, bias === undefined ? {} : { bias }),
  scaledDotProductAttention: ({ q, k, v }, params) => {
    const scores = q!.matmul(k!.mT).mul(number(params, "scale"));
    return (params.masked === true ? hideFuture(scores) : scores).softmax(-1).matmul(v!);
  },
  conv1d: ({ input, weight, bias }, params) => conv1d(input!, weight!, { ...params as ConvOptions, ...(bias && { bias }) }),
  convTranspose2d: ({ input, weight, bias }, params) =>
    convTranspose2d(input!, weight!, { ...params as ConvTransposeOptions, ...(bias && { bias }) }),
  conv2d: ({ input, weight, bias }, params) => conv2d(input!, weight!, { ...params as ConvOptions, ...(bias && { bias }) }),
};

/** A query sees the keys up to the one after its own position. */
function hideFuture(scores: Tensor): Tensor {
  const [queries, keys] = scores.shape.slice(-2) as [number, number];
  const options = { device: scores.device };
  return scores.maskedFill(arange(keys, options).gt(arange(queries, options).add(1).unsqueeze(1)), -Infinity);
}

const pools: Runners = {
  maxPool2d: ({ input }, params) => {
    const [stride, padding] = [list(params, "stride"), list(params, "padding")];
    const options = { stride, padding, dilation: number(params, "dilation"), ceilMode: params.ceilMode as boolean };
    const size = list(params, "kernel");
    const { dilation, ceilMode } = options;
    const attributes = { size, stride, padding, dilation: [dilation, dilation], ceil: ceilMode, countPadding: false };
    return { output: maxPool2d(input!, size, options), indices: apply(maxPool, [input!], attributes)[1]! };
  },
  avgPool2d: ({ input }, params) => {
    const { kernel: _, ...options } = params;
    return avgPool2d(input!, list(params, "kernel"), options as PoolOptions);
  },
  adaptiveAvgPool2d: ({ input }, params) => adaptiveAvgPool2d(input!, list(params, "outputSize")),
};

const norms: Runners = {
  batchNorm: ({ input, runningMean, runningVar, weight, bias }, params) => {
    const affine = weight === undefined ? {} : { weight, bias: bias! };
    const rates = { momentum: number(params, "momentum"), eps: number(params, "eps"), training: params.training as boolean };
    const output = batchNorm(input!, { runningMean: runningMean!, runningVar: runningVar!, ...affine, ...rates });
    return { output, runningMean: runningMean!, runningVar: runningVar! };
  },
  layerNorm: ({ input, weight, bias }, params) => {
    const affine = weight === undefined ? {} : { weight, bias: bias! };
    return layerNorm(input!, { normalizedShape: list(params, "normalizedShape"), eps: number(params, "eps"), ...affine });
  },
  groupNorm: ({ input, weight, bias }, params) => {
    const [samples, , ...spatial] = input!.shape as [number, number];
    const grouped = input!.reshape([samples, number(params, "groups"), -1]);
    const { y } = normalize(grouped, { dims: 2, epsilon: number(params, "eps") });
    const perChannel = [-1, ...spatial.map(() => 1)];
    return y.reshape(input!.shape).mul(weight!.reshape(perChannel)).add(bias!.reshape(perChannel));
  },
  l2Normalize: unary(normalizeRows),
};

const indexed: Runners = {
  embedding: ({ weight, indices }, { paddingIdx }) =>
    embedding(indices!, weight!, paddingIdx === null ? {} : { paddingIdx: paddingIdx as number }),
  gather: ({ input, index }, params) => input!.gather(number(params, "dim"), index!),
  scatterAdd: ({ input, index, src }, params) => input!.scatterAdd(number(params, "dim"), index!, src!),
  scatter: ({ input, index, src }, params) => input!.scatter(number(params, "dim"), { index: index!, src: src! }),
  indexSelect: ({ input, index }, params) => input!.indexSelect(number(params, "dim"), index!),
  cumsum: ({ input }, params) => input!.cumsum(number(params, "dim")),
  cumprod: ({ input }, params) => input!.cumprod(number(params, "dim")),
  sort: ({ input }, params) => ({ ...input!.sort(number(params, "dim"), { descending: params.descending as boolean }) }),
  topk: ({ input }, params) => ({
    ...input!.topk(number(params, "k"), { dim: number(params, "dim"), largest: params.largest as boolean }),
  }),
};

const shapes: Runners = {
  transpose: ({ input }, params) => input!.transpose(...list(params, "dims") as [number, number]),
  permute: ({ input }, params) => input!.permute(list(params, "dims")),
  reshape: ({ input }, params) => input!.reshape(list(params, "shape")),
  reshape_of_transpose: ({ input }, params) => {
    const [first, second] = list(params, "dims") as [number, number];
    return input!.transpose(first, second).reshape(list(params, "shape"));
  },
  expand: ({ input }, params) => input!.expand(list(params, "shape")),
  concat: ({ a, b }, params) => cat([a!, b!], { dim: number(params, "dim") }),
  stack: ({ a, b }, params) => stack([a!, b!], { dim: number(params, "dim") }),
  slice: ({ input }, params) =>
    (params.slices as (number | null)[][]).reduce((x, [start, end, step], dim) =>
      x.slice(dim, {
        ...(start === null ? {} : { start: start! }),
        ...(end === null ? {} : { end: end! }),
        step: step ?? 1,
      }), input!),
  narrow: ({ input }, params) => input!.narrow(number(params, "dim"), { start: number(params, "start"), length: number(params, "length") }),
  select: ({ input }, params) => input!.select(number(params, "dim"), number(params, "index")),
  padConst: ({ input }, params) => input!.pad([...params.pad as number[][]].reverse().flat(), { value: number(params, "value") }),
  squeeze: ({ input }, params) => input!.squeeze(number(params, "dim")),
  unsqueeze: ({ input }, params) => input!.unsqueeze(number(params, "dim")),
  flip: ({ input }, params) => input!.flip(list(params, "dims")),
  tril: ({ input }, params) => input!.tril(number(params, "diagonal")),
  triu: ({ input }, params) => input!.triu(number(params, "diagonal")),
  diagonal: unary((x) => x.diagonal()),
  repeat: ({ input }, params) => input!.repeat(list(params, "repeats")),
  repeatInterleave: ({ input }, params) => input!.repeatInterleave(number(params, "repeats"), { dim: number(params, "dim") }),
  roll: ({ input }, params) => input!.roll(number(params, "shift"), number(params, "dim")),
  maskedFill: ({ input, mask }, params) => input!.maskedFill(mask!, number(params, "value")),
};

/** The operations by the name a case gives. */
export const ops: Runners = { ...elementwise, ...reductions, ...products, ...pools, ...norms, ...indexed, ...shapes };
