/**
 * Plain losses: negative log-likelihood, squared and smooth absolute differences, binary cross entropy.
 *
 * @module
 */
import { ArgumentError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { reduceLoss, type Reduction } from "./reduction.ts";

/** Options of losses that only reduce. */
export interface ReductionOptions {
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/**
 * The negative log-likelihood -x_{n,y_n} of log-probabilities.
 *
 * @param logProbs [N, K].
 * @param targets int32 [N] in 0 … K-1.
 * @throws IndexError for a class outside 0 … K-1 (on a GPU: at the next read).
 */
export function nllLoss(logProbs: Tensor, targets: Tensor, { reduction = "mean" }: ReductionOptions = {}): Tensor {
  return tidy(() => reduceLoss(logProbs.gather(1, targets.unsqueeze(1)).squeeze(1).neg(), reduction, "nllLoss"));
}

/** (x - y)², for tensors of one shape. */
export function mseLoss(input: Tensor, target: Tensor, { reduction = "mean" }: ReductionOptions = {}): Tensor {
  return tidy(() => reduceLoss(input.sub(target).square(), reduction, "mseLoss"));
}

/**
 * d²/(2β) for |d| < β, else |d| - β/2, with d = x - y.
 *
 * @throws ArgumentError unless β > 0.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: ReductionOptions & { readonly beta?: number } = {}): Tensor {
  const { reduction = "mean", beta = 1 } = options;
  if (!(beta > 0)) throw new ArgumentError(`Cannot smoothL1Loss: a beta above 0 is needed, got ${beta}`);
  return tidy(() => {
    const difference = input.sub(target);
    const size = difference.abs();
    return reduceLoss(size.lt(beta).where(difference.square().div(2 * beta), size.sub(beta / 2)), reduction, "smoothL1Loss");
  });
}

/** Binary cross entropy of logits x and targets t in [0, 1]: max(x, 0) - x t + log(1 + e^-|x|). */
export function bceWithLogits(logits: Tensor, targets: Tensor, { reduction = "mean" }: ReductionOptions = {}): Tensor {
  return tidy(() => reduceLoss(logits.neg().logSigmoid().neg().sub(logits.mul(targets)), reduction, "bceWithLogits"));
}
