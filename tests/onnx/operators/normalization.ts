/**
 * Normalisation and the losses on classes.
 *
 * @module
 */
import {
  batchNorm,
  crossEntropy,
  groupNorm,
  layerNorm,
  LocalResponseNorm,
  nllLoss,
  normalize,
  type Reduction,
  type Tensor,
} from "../../../mod.ts";
import { type Call, type Operator, positive } from "./call.ts";

/** In training the running variance takes the biased one, where PyTorch takes the unbiased. */
const batchNormalization: Operator = (call) => {
  const [x, weight, bias, runningMean, runningVar] = call.all() as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const eps = call.number("epsilon", 1e-5);
  if (call.number("training_mode", 0) === 0) {
    return { outputs: [batchNorm(x, { weight, bias, runningMean, runningVar, eps })] };
  }
  const dims = x.shape.flatMap((_, dim) => dim === 1 ? [] : [dim]);
  const momentum = call.number("momentum", 0.9);
  const blend = (running: Tensor, batch: Tensor) => running.mul(momentum).add(batch.mul(1 - momentum));
  return {
    outputs: [
      batchNorm(x, { weight, bias, training: true, eps }),
      blend(runningMean, x.mean(dims)),
      blend(runningVar, x.var(dims, { correction: 0 })),
    ],
  };
};

const instanceNormalization: Operator = (call) => {
  const [x, weight, bias] = call.all() as [Tensor, Tensor, Tensor];
  return groupNorm(x, { groups: x.shape[1]!, weight, bias, eps: call.number("epsilon", 1e-5) });
};

/** The result, each row's mean and the inverse of its standard deviation. */
const layerNormalization: Operator = (call) => {
  const [x, weight, bias] = [call.x(0), call.x(1), call.maybe(2) ?? null];
  const axis = positive(call.number("axis", -1), x.rank);
  const [normalizedShape, eps] = [x.shape.slice(axis), call.number("epsilon", 1e-5)];
  const y = layerNorm(x, { normalizedShape, weight, bias, eps });
  const { mean, variance } = normalize(x, { dims: normalizedShape.map((_, dim) => axis + dim), epsilon: eps });
  return { outputs: [y, mean, variance.add(eps).rsqrt()] };
};

/** Of an even number of channels ONNX has more behind, PyTorch more before: channels in reverse order say the same. */
const localResponse: Operator = (call) => {
  const size = call.number("size");
  const [alpha, beta, k] = [call.number("alpha", 1e-4), call.number("beta", 0.75), call.number("bias", 1)];
  const layer = new LocalResponseNorm(size, { alpha, beta, k });
  return size % 2 === 1 ? layer.forward(call.x()) : layer.forward(call.x().flip(1)).flip(1);
};

const meanVariance: Operator = (call) => {
  const x = call.x();
  const dims = [...call.ints("axes", [0, 2, 3])];
  // 1e-9 is added to the standard deviation.
  return x.sub(x.mean(dims, { keepDim: true })).div(x.std(dims, { correction: 0, keepDim: true }).add(1e-9));
};

function lossOptions(call: Call) {
  const weight = call.maybe(2);
  return {
    reduction: call.text("reduction", "mean") as Reduction,
    ...(weight === undefined ? {} : { weight }),
    ...(call.has("ignore_index") ? { ignoreIndex: call.number("ignore_index") } : {}),
  };
}

const softmaxCrossEntropy: Operator = (call) => {
  const loss = crossEntropy(call.x(0), call.x(1), lossOptions(call));
  return { outputs: [loss, call.init.outputCount > 1 ? call.x(0).logSoftmax(1) : undefined] };
};

/** Without training it is the identity, and everything is kept. */
const dropout: Operator = async (call) => {
  const x = call.x();
  const ratio = await call.scalar(1) ?? call.number("ratio", 0.5);
  if (await call.scalar(2) === 1 && ratio !== 0) call.refuse("no training is needed: what it drops is random");
  return { outputs: [x, x.onesLike().to("bool")] };
};

/** Operators that normalise, and losses. */
export const normalization: Readonly<Record<string, Operator>> = {
  BatchNormalization: batchNormalization,
  Dropout: dropout,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LRN: localResponse,
  MeanVarianceNormalization: meanVariance,
  NegativeLogLikelihoodLoss: (call) => nllLoss(call.x(0), call.x(1), lossOptions(call)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};
