/**
 * Cross entropy with PyTorch's semantics.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { reduceLoss, type Reduction } from "./reduction.ts";

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** "mean" divides by the kept rows' weights. Default "mean". */
  readonly reduction?: Reduction;
  /** ε: the share of the target spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** Rows with this class count nothing. Default -100. */
  readonly ignoreIndex?: number;
  /** [K], one weight per class. */
  readonly weight?: Tensor;
}

/**
 * Cross entropy between logits and class numbers or probabilities, with the class along dim 1:
 * l_n = (1-ε) w[y_n] (LSE(x_n) - x_{n,y_n}) + ε/K Σ_c w[c] (LSE(x_n) - x_{n,c}).
 *
 * @param logits [N, K] or [N, K, d1, …].
 * @param targets int32 classes [N, d1, …], or probabilities in the logits' shape and type.
 * @returns One number; with reduction "none" [N, d1, …]. The mean over nothing is NaN, as in PyTorch.
 * @throws ShapeError, DTypeError when targets do not fit; IndexError for a class outside 0 … K-1 (on a GPU: at the next read).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { crossEntropy } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const loss = crossEntropy(tensor([[0, 0]]), tensor([1], { dtype: "int32" }));
 * assertAlmostEquals(await loss.item(), Math.log(2), 1e-6);
 * ```
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkOptions(options, "crossEntropy", ["reduction", "labelSmoothing", "ignoreIndex", "weight"]);
  checkTensors("crossEntropy", { logits, targets }, { weight: options.weight });
  checkTargets(logits, targets);
  return tidy(() => targets.dtype === "int32" ? fromClasses(logits, targets, options) : fromProbabilities(logits, targets, options));
}

function checkTargets(logits: Tensor, targets: Tensor): void {
  const shapes = [logits.shape, targets.shape];
  const wanted = targets.dtype === "int32" ? logits.shape.filter((_, dim) => dim !== 1) : logits.shape;
  if (logits.rank < 2 || wanted.length !== targets.rank || wanted.some((size, dim) => size !== targets.shape[dim])) {
    throw new ShapeError(
      `Cannot crossEntropy ${formatShapes(shapes)}: logits [N, K, ...] with int32 classes [N, ...] or probabilities [N, K, ...] are needed`,
      { op: "crossEntropy", shapes },
    );
  }
  if (targets.dtype !== "int32" && targets.dtype !== logits.dtype) {
    throw new DTypeError(`Cannot crossEntropy: int32 classes or ${logits.dtype} probabilities are needed, got ${targets.dtype}`, {
      op: "crossEntropy",
      shapes,
    });
  }
}

function fromClasses(logits: Tensor, targets: Tensor, options: CrossEntropyOptions): Tensor {
  return classLoss(logits.logSoftmax(1).neg(), targets, options, "crossEntropy");
}

/** The surprise at each target's own class, weighted, smoothed, without what is ignored, and reduced. */
export function classLoss(surprise: Tensor, targets: Tensor, options: CrossEntropyOptions, op: string): Tensor {
  const { reduction = "mean", labelSmoothing = 0, ignoreIndex = -100, weight } = options;
  const ignored = targets.eq(ignoreIndex);
  const classes = targets.maskedFill(ignored, 0);
  const own = surprise.gather(1, classes.unsqueeze(1)).squeeze(1);
  const rowWeight = weight?.indexSelect(0, classes.flatten()).reshape(classes.shape) ?? own.onesLike();
  let losses = own.mul(rowWeight);
  if (labelSmoothing > 0) {
    const spread = alongClasses(surprise, weight).sum(1).mul(labelSmoothing / surprise.shape[1]!);
    losses = losses.mul(1 - labelSmoothing).add(spread);
  }
  losses = losses.maskedFill(ignored, 0);
  if (reduction !== "mean") return reduceLoss(losses, reduction, op);
  return losses.sum().div(rowWeight.maskedFill(ignored, 0).sum());
}

function fromProbabilities(logits: Tensor, targets: Tensor, options: CrossEntropyOptions): Tensor {
  const { reduction = "mean", labelSmoothing = 0, weight } = options;
  const smooth = labelSmoothing > 0 ? targets.mul(1 - labelSmoothing).add(labelSmoothing / logits.shape[1]!) : targets;
  const losses = alongClasses(logits.logSoftmax(1).neg(), weight).mul(smooth).sum(1);
  return reduceLoss(losses, reduction, "crossEntropy");
}

/** Each class's values multiplied by its weight. */
function alongClasses(values: Tensor, weight: Tensor | undefined): Tensor {
  return weight === undefined ? values : values.mul(weight.reshape([weight.size, ...values.shape.slice(2).map(() => 1)]));
}
