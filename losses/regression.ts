/**
 * Plain losses: negative log-likelihood, squared and smooth absolute differences, binary cross entropy.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { checkShapes } from "./divergence.ts";
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
  checkOptions(options, "nllLoss", ["ignoreIndex", "weight", "reduction"]);
  checkTensors("nllLoss", { logProbs, targets }, { weight: options.weight });
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
export function mseLoss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  checkTensors("mseLoss", { input, target });
  const { reduction = "mean" } = checkOptions(options, "mseLoss", ["reduction"]);
  return tidy(() => reduceLoss(input.sub(target).square(), reduction, "mseLoss"));
}

/**
 * d²/(2β) for |d| < β, else |d| - β/2, with d = x - y.
 *
 * @throws ArgumentError for a β below 0; β = 0 is the absolute difference.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: ReductionOptions & { readonly beta?: number } = {}): Tensor {
  checkTensors("smoothL1Loss", { input, target });
  const { reduction = "mean", beta = 1 } = checkOptions(options, "smoothL1Loss", ["reduction", "beta"]);
  if (!(beta >= 0)) throw new ArgumentError(`Cannot smoothL1Loss: a beta from 0 is needed, got ${beta}`);
  return tidy(() => {
    const difference = input.sub(target);
    if (beta === 0) return reduceLoss(difference.abs(), reduction, "smoothL1Loss");
    return reduceLoss(heldSquare(difference, beta).div(beta), reduction, "smoothL1Loss");
  });
}

/**
 * Internal: d²/2 up to |d| = bound, and on along the tangent: c (d - c / 2) with c, d held within the bound. Its slope is c, of infinite
 * differences too.
 */
export function heldSquare(difference: Tensor, bound: number): Tensor {
  const held = difference.clamp({ min: -bound, max: bound });
  return held.mul(difference.sub(held.mul(0.5)));
}

/** Options of {@link bceWithLogits}. */
export interface BceWithLogitsOptions extends ReductionOptions {
  /** Broadcast to the losses, which it multiplies. */
  readonly weight?: Tensor;
  /** Broadcast to the losses: what positives count, as where they are rare, [K] for one number per class. */
  readonly posWeight?: Tensor;
}

/**
 * Binary cross entropy of logits x and targets t in [0, 1]: -w (p t log σ(x) + (1 - t) log(1 - σ(x))), without overflow for any x; the mean
 * divides by the number of losses, whatever their weights.
 *
 * @param logits Any shape.
 * @param targets The same shape, in 0 … 1.
 * @param options `weight` w and `posWeight` p, both 1 where left out.
 * @throws ShapeError when shapes do not fit.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bceWithLogits } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const loss = bceWithLogits(tensor([0, 0]), tensor([1, 0]), { posWeight: tensor([3]) });
 * assertAlmostEquals(await loss.item(), 2 * Math.log(2), 1e-6);
 * ```
 */
export function bceWithLogits(logits: Tensor, targets: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  const { reduction = "mean", weight, posWeight } = checkOptions(options, "bceWithLogits", ["weight", "posWeight", "reduction"]);
  checkTensors("bceWithLogits", { logits, targets }, { weight, posWeight });
  checkShapes("bceWithLogits", logits, targets);
  return tidy(() => {
    // Two summands of one sign: nothing cancels, however large the logits.
    const positives = posWeight === undefined ? targets : targets.mul(posWeight);
    const losses = logits.neg().logSigmoid().mul(targets.sub(1)).sub(logits.logSigmoid().mul(positives));
    return reduceLoss(weight === undefined ? losses : losses.mul(weight), reduction, "bceWithLogits");
  });
}
