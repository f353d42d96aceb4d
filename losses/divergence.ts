/**
 * Losses from likelihoods: binary cross entropy of probabilities, Kullback–Leibler, Poisson, Gauss, focal.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { customFunction } from "../autograd/custom.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { reduceLoss, type Reduction } from "./reduction.ts";
import type { ReductionOptions } from "./regression.ts";

/** The least logarithm that {@link bceLoss} takes, as in PyTorch. */
const leastLog = -100;

/**
 * Binary cross entropy of probabilities: -(t log x + (1 - t) log(1 - x)), with logarithms from -100. bceWithLogits is more exact.
 *
 * @param probabilities In 0 … 1.
 * @param targets In 0 … 1, of the same shape.
 * @param options `weight`, broadcast to the losses, and the reduction.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bceLoss } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * assertAlmostEquals(await bceLoss(tensor([0.5, 0]), tensor([1, 0])).item(), Math.log(2) / 2, 1e-6);
 * ```
 */
export function bceLoss(probabilities: Tensor, targets: Tensor, options: ReductionOptions & { readonly weight?: Tensor } = {}): Tensor {
  const { reduction = "mean", weight } = checkOptions(options, "bceLoss", ["reduction", "weight"]);
  checkTensors("bceLoss", { probabilities, targets }, { weight });
  checkShapes("bceLoss", probabilities, targets);
  // The gradient is not that of the held logarithms, but steep where a certainty was wrong: (x - t) / (x (1 - x)), divided by 1e-12 at least.
  const losses = customFunction({
    name: "bceLoss",
    forward: (x, t) => t.sub(1).mul(heldLog(x.neg().add(1))).sub(t.mul(heldLog(x))),
    vjp: ({ dys: [dy], inputs: [x, t] }) => [
      dy!.mul(x!.sub(t!)).div(x!.neg().add(1).mul(x!).clamp({ min: 1e-12 })),
      targets.requiresGrad ? dy!.mul(heldLog(x!.neg().add(1)).sub(heldLog(x!))) : null,
    ],
  });
  return tidy(() => {
    const [each] = losses(probabilities, targets);
    return reduceLoss(weight === undefined ? each! : each!.mul(weight), reduction, "bceLoss");
  });
}

/** log x, -100 where it would be less. */
function heldLog(x: Tensor): Tensor {
  const gone = x.le(Math.exp(leastLog));
  return x.maskedFill(gone, 1).log().maskedFill(gone, leastLog);
}

/** Options of {@link klDivLoss}. */
export interface KlDivOptions {
  /** "batchmean" divides the sum by the first dim's size, which is the divergence proper; "mean", the default, by all elements. */
  readonly reduction?: Reduction | "batchmean";
  /** Whether targets are logarithms too. Default false. */
  readonly logTarget?: boolean;
}

/** Kullback–Leibler divergence of log-probabilities x from targets t: t (log t - x), 0 where t is 0. */
export function klDivLoss(logProbs: Tensor, targets: Tensor, options: KlDivOptions = {}): Tensor {
  checkTensors("klDivLoss", { logProbs, targets });
  const { reduction = "mean", logTarget = false } = checkOptions(options, "klDivLoss", ["reduction", "logTarget"]);
  checkShapes("klDivLoss", logProbs, targets);
  return tidy(() => {
    const losses = logTarget ? targets.exp().mul(targets.sub(logProbs)) : timesLog(targets).sub(targets.mul(logProbs));
    if (reduction !== "batchmean") return reduceLoss(losses, reduction, "klDivLoss");
    return losses.sum().div(logProbs.shape[0] ?? 1);
  });
}

/** t log t, 0 at 0. */
function timesLog(t: Tensor): Tensor {
  const zero = t.eq(0);
  return t.mul(t.maskedFill(zero, 1).log());
}

/** Options of {@link poissonNllLoss}. */
export interface PoissonNllOptions extends ReductionOptions {
  /** Whether x is the logarithm of the rate. Default true. */
  readonly logInput?: boolean;
  /** Whether to add Stirling's form of log t! (for t > 1). Default false. */
  readonly full?: boolean;
  /** Added to the rate in its logarithm. Default 1e-8. */
  readonly eps?: number;
}

/** The negative log-likelihood of counts t under a Poisson rate: eˣ - t x, or x - t log(x + ε) without `logInput`. */
export function poissonNllLoss(input: Tensor, targets: Tensor, options: PoissonNllOptions = {}): Tensor {
  checkTensors("poissonNllLoss", { input, targets });
  checkOptions(options, "poissonNllLoss", ["logInput", "full", "eps", "reduction"]);
  const { reduction = "mean", logInput = true, full = false, eps = 1e-8 } = options;
  checkShapes("poissonNllLoss", input, targets);
  return tidy(() => {
    const losses = logInput ? input.exp().sub(targets.mul(input)) : input.sub(targets.mul(input.add(eps).log()));
    if (!full) return reduceLoss(losses, reduction, "poissonNllLoss");
    const small = targets.le(1);
    const counts = targets.maskedFill(small, 1);
    const stirling = counts.mul(counts.log()).sub(counts).add(counts.mul(2 * Math.PI).log().mul(0.5));
    return reduceLoss(losses.add(stirling.maskedFill(small, 0)), reduction, "poissonNllLoss");
  });
}

/** Options of {@link gaussianNllLoss}. */
export interface GaussianNllOptions extends ReductionOptions {
  /** The variance, of the input's shape or with the last dim 1 or left out. */
  readonly variance: Tensor;
  /** Whether to add the constant log(2π) / 2. Default false. */
  readonly full?: boolean;
  /** The least variance; below it the gradient stays. Default 1e-6. */
  readonly eps?: number;
}

/**
 * The negative log-likelihood under a normal distribution: (log v + (x - t)² / v) / 2, inputs and targets broadcast.
 *
 * @throws ArgumentError unless eps is above 0; ShapeError for sizes that do not fit.
 */
export function gaussianNllLoss(input: Tensor, targets: Tensor, options: GaussianNllOptions): Tensor {
  checkOptions(options, "gaussianNllLoss", ["variance", "full", "eps", "reduction"]);
  const { reduction = "mean", variance, full = false, eps = 1e-6 } = options;
  checkTensors("gaussianNllLoss", { input, targets, variance });
  if (!(eps > 0)) throw new ArgumentError(`Cannot gaussianNllLoss: an eps above 0 is needed, got ${eps}`);
  const fits = variance.rank === input.rank
    ? variance.shape.every((size, dim) => size === input.shape[dim] || (size === 1 && dim === input.rank - 1))
    : variance.rank === input.rank - 1 && variance.shape.every((size, dim) => size === input.shape[dim]);
  if (!fits) {
    const shapes = [input.shape, variance.shape];
    throw new ShapeError(
      `Cannot gaussianNllLoss ${formatShapes(shapes)}: a variance of the input's shape, its last dim 1 or left out, is needed`,
      {
        op: "gaussianNllLoss",
        shapes,
      },
    );
  }
  return tidy(() => {
    const spread = variance.rank === input.rank - 1 ? variance.unsqueeze(-1) : variance;
    const held = spread.add(spread.clamp({ min: eps }).sub(spread).detach());
    const losses = held.log().add(input.sub(targets).square().div(held)).mul(0.5);
    return reduceLoss(full ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses, reduction, "gaussianNllLoss");
  });
}

/** Options of {@link focalLoss}. */
export interface FocalOptions extends ReductionOptions {
  /** γ: how much what is already right is played down. Default 2. */
  readonly gamma?: number;
  /** α: the weight of positives, 1 - α that of negatives; with classes the weight of every sample. Default none. */
  readonly alpha?: number | null;
}

/**
 * (1 - p_t)^γ times the cross entropy, p_t the probability given to the truth.
 *
 * @param logits [N, K] for classes, or any shape for yes and no.
 * @param targets int32 classes [N] (softmax over K), or 0 … 1 in the logits' shape and type (sigmoid each).
 * @throws ShapeError, DTypeError when targets do not fit; ArgumentError for a γ below 0. Source: Lin et al. 2017.
 */
export function focalLoss(logits: Tensor, targets: Tensor, options: FocalOptions = {}): Tensor {
  checkTensors("focalLoss", { logits, targets });
  const { reduction = "mean", gamma = 2, alpha = null } = checkOptions(options, "focalLoss", ["gamma", "alpha", "reduction"]);
  if (!(gamma >= 0)) throw new ArgumentError(`Cannot focalLoss: a gamma from 0 is needed, got ${gamma}`);
  return tidy(() => {
    const losses = targets.dtype === "int32" ? focalOfClasses(logits, targets, gamma) : focalOfTruth(logits, targets, gamma);
    if (alpha === null) return reduceLoss(losses, reduction, "focalLoss");
    const weights = targets.dtype === "int32" ? alpha : targets.mul(2 * alpha - 1).add(1 - alpha);
    return reduceLoss(losses.mul(weights), reduction, "focalLoss");
  });
}

function focalOfClasses(logits: Tensor, targets: Tensor, gamma: number): Tensor {
  const shapes = [logits.shape, targets.shape];
  if (logits.rank !== 2 || targets.rank !== 1 || targets.shape[0] !== logits.shape[0]) {
    throw new ShapeError(`Cannot focalLoss ${formatShapes(shapes)}: logits [N, K] and int32 classes [N] are needed`, {
      op: "focalLoss",
      shapes,
    });
  }
  const own = logits.logSoftmax(1).gather(1, targets.unsqueeze(1)).squeeze(1);
  return damped(own.exp().neg().add(1), gamma).mul(own.neg());
}

function focalOfTruth(logits: Tensor, targets: Tensor, gamma: number): Tensor {
  checkShapes("focalLoss", logits, targets);
  if (targets.dtype !== logits.dtype) {
    throw new DTypeError(`Cannot focalLoss: int32 classes or ${logits.dtype} targets are needed, got ${targets.dtype}`, {
      op: "focalLoss",
    });
  }
  const p = logits.sigmoid();
  const surprise = logits.neg().logSigmoid().neg().sub(logits.mul(targets));
  const missed = p.add(targets).sub(p.mul(targets).mul(2));
  return damped(missed, gamma).mul(surprise);
}

/** (1 - p_t)^γ, whose slope at 0 would be infinite for γ below 1. */
function damped(missed: Tensor, gamma: number): Tensor {
  if (gamma === 0) return missed.onesLike();
  return gamma === 1 ? missed : gamma === 2 ? missed.square() : missed.clamp({ min: 1e-12 }).pow(gamma);
}

/**
 * Refuses tensors of two shapes.
 *
 * @throws ShapeError
 */
export function checkShapes(op: string, ...tensors: readonly Tensor[]): void {
  const shapes = tensors.map(({ shape }) => shape);
  if (shapes.some((shape) => shape.length !== shapes[0]!.length || shape.some((size, dim) => size !== shapes[0]![dim]))) {
    throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: tensors of one shape are needed`, { op, shapes });
  }
}
