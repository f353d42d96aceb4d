/**
 * Plain losses: negative log-likelihood, squared and smooth absolute differences, binary cross entropy.
 *
 * @module
 */
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { classLoss } from "./cross_entropy.ts";
import { reduceLoss, type Reduction } from "./reduction.ts";

/** Options of losses that only reduce. */
export interface ReductionOptions {
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/** Options of {@link nllLoss}. */
export interface NllOptions extends ReductionOptions {
  /** Positions with this class count nothing. Default -100. */
  readonly ignoreIndex?: number;
  /** [K], one weight per class; "mean" divides by the kept positions' weights. */
  readonly weight?: Tensor;
}

/**
 * The negative log-likelihood -w[y_n] x_{n,y_n} of log-probabilities, with the class along dim 1.
 *
 * @param logProbs [N, K] or [N, K, d1, …].
 * @param targets int32 [N, d1, …] in 0 … K-1.
 * @returns One number; with reduction "none" [N, d1, …]. The mean over nothing is NaN, as in PyTorch.
 * @throws ShapeError when targets do not fit; IndexError for a class outside 0 … K-1 (on a GPU: at the next read).
 */
export function nllLoss(logProbs: Tensor, targets: Tensor, options: NllOptions = {}): Tensor {
  const wanted = logProbs.shape.filter((_, dim) => dim !== 1);
  if (logProbs.rank < 2 || wanted.length !== targets.rank || wanted.some((size, dim) => size !== targets.shape[dim])) {
    const shapes = [logProbs.shape, targets.shape];
    throw new ShapeError(
      `Cannot nllLoss ${formatShapes(shapes)}: log-probabilities [N, K, ...] with int32 classes [N, ...] are needed`,
      { op: "nllLoss", shapes },
    );
  }
  return tidy(() => classLoss(logProbs.neg(), targets, options, "nllLoss"));
}

/** (x - y)², for tensors of one shape. */
export function mseLoss(input: Tensor, target: Tensor, { reduction = "mean" }: ReductionOptions = {}): Tensor {
  return tidy(() => reduceLoss(input.sub(target).square(), reduction, "mseLoss"));
}

/**
 * d²/(2β) for |d| < β, else |d| - β/2, with d = x - y.
 *
 * @throws ArgumentError for a β below 0; β = 0 is the absolute difference.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: ReductionOptions & { readonly beta?: number } = {}): Tensor {
  const { reduction = "mean", beta = 1 } = options;
  if (!(beta >= 0)) throw new ArgumentError(`Cannot smoothL1Loss: a beta from 0 is needed, got ${beta}`);
  return tidy(() => {
    const difference = input.sub(target);
    const size = difference.abs();
    if (beta === 0) return reduceLoss(size, reduction, "smoothL1Loss");
    return reduceLoss(size.lt(beta).where(difference.square().div(2 * beta), size.sub(beta / 2)), reduction, "smoothL1Loss");
  });
}

/** Binary cross entropy of logits x and targets t in [0, 1]: max(x, 0) - x t + log(1 + e^-|x|). */
export function bceWithLogits(logits: Tensor, targets: Tensor, { reduction = "mean" }: ReductionOptions = {}): Tensor {
  return tidy(() => reduceLoss(logits.neg().logSigmoid().neg().sub(logits.mul(targets)), reduction, "bceWithLogits"));
}
