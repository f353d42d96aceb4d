/**
 * Losses with a margin, of values, pairs and triplets that are given.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { checkShapes } from "./divergence.ts";
import { reduceLoss } from "./reduction.ts";
import { heldSquare, type ReductionOptions } from "./regression.ts";

/** |x - y|. */
export function l1Loss(input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor {
  checkTensors("l1Loss", { input, target });
  const { reduction = "mean" } = checkOptions(options, "l1Loss", ["reduction"]);
  return tidy(() => reduceLoss(input.sub(target).abs(), reduction, "l1Loss"));
}

/**
 * d²/2 for |d| ≤ δ, else δ (|d| - δ/2), with d = x - y.
 *
 * @throws ArgumentError unless δ > 0.
 */
export function huberLoss(input: Tensor, target: Tensor, options: ReductionOptions & { readonly delta?: number } = {}): Tensor {
  checkTensors("huberLoss", { input, target });
  const { reduction = "mean", delta = 1 } = checkOptions(options, "huberLoss", ["reduction", "delta"]);
  if (!(delta > 0)) throw new ArgumentError(`Cannot huberLoss: a delta above 0 is needed, got ${delta}`);
  return tidy(() => {
    return reduceLoss(heldSquare(input.sub(target), delta), reduction, "huberLoss");
  });
}

/** max(0, x) with the slope 1 at 0 and 0 at NaN, as PyTorch's margin losses have it. */
function fromZero(x: Tensor): Tensor {
  return x.clamp({ min: 0 });
}

/** Options of losses with a margin. */
export interface MarginOptions extends ReductionOptions {
  /** See the loss for its default. */
  readonly margin?: number;
}

/** x where the target is 1, max(0, margin - x) where it is -1 (and, as in PyTorch, their sum where it is neither), broadcast; margin default 1. */
export function hingeEmbeddingLoss(input: Tensor, targets: Tensor, options: MarginOptions = {}): Tensor {
  checkTensors("hingeEmbeddingLoss", { input, targets });
  const { reduction = "mean", margin = 1 } = checkOptions(options, "hingeEmbeddingLoss", ["margin", "reduction"]);
  return tidy(() => {
    const losses = targets.eq(-1).where(0, input).add(targets.eq(1).where(0, fromZero(input.neg().add(margin))));
    return reduceLoss(losses, reduction, "hingeEmbeddingLoss");
  });
}

/** Options of {@link multiMarginLoss}. */
export interface MultiMarginOptions extends MarginOptions {
  /** The power, 1 or 2. Default 1. */
  readonly p?: 1 | 2;
  /** [K], one weight per class. */
  readonly weight?: Tensor;
}

/**
 * The hinge over classes: Σ_{c ≠ y} max(0, margin - x_y + x_c)^p w[y] / K; margin default 1.
 *
 * @param input [N, K].
 * @param targets int32 [N].
 * @throws ShapeError when targets do not fit; ArgumentError for a p other than 1 or 2.
 */
export function multiMarginLoss(input: Tensor, targets: Tensor, options: MultiMarginOptions = {}): Tensor {
  checkOptions(options, "multiMarginLoss", ["p", "weight", "margin", "reduction"]);
  const { reduction = "mean", margin = 1, p = 1, weight } = options;
  checkTensors("multiMarginLoss", { input, targets }, { weight });
  const shapes = [input.shape, targets.shape];
  if (input.rank !== 2 || targets.rank !== 1 || input.shape[0] !== targets.shape[0]) {
    throw new ShapeError(`Cannot multiMarginLoss ${formatShapes(shapes)}: [N, K] and int32 classes [N] are needed`, {
      op: "multiMarginLoss",
      shapes,
    });
  }
  if (p !== 1 && p !== 2) throw new ArgumentError(`Cannot multiMarginLoss: p 1 or 2 is needed, got ${p}`);
  return tidy(() => {
    const classes = input.shape[1]!;
    const column = targets.unsqueeze(1);
    const short = input.sub(input.gather(1, column)).add(margin).relu();
    const powered = (p === 1 ? short : short.square()).maskedFill(targets.oneHot(classes, { dtype: "bool" }), 0);
    const losses = powered.sum(1).div(classes);
    return reduceLoss(weight === undefined ? losses : losses.mul(weight.indexSelect(0, targets)), reduction, "multiMarginLoss");
  });
}

/** log(1 + e^(-t x)) for targets 1 and -1, broadcast. */
export function softMarginLoss(input: Tensor, targets: Tensor, options: ReductionOptions = {}): Tensor {
  checkTensors("softMarginLoss", { input, targets });
  const { reduction = "mean" } = checkOptions(options, "softMarginLoss", ["reduction"]);
  return tidy(() => reduceLoss(targets.mul(input).logSigmoid().neg(), reduction, "softMarginLoss"));
}

/**
 * The hinge between every class named and every class not named: Σ_{j named, i not} max(0, 1 - (x_j - x_i)) / K.
 *
 * @param input [N, K], or [K] for one sample.
 * @param targets int32 of the same shape: the classes named, up to the first -1.
 * @throws ShapeError, DTypeError when targets do not fit; IndexError for a class from K on (on a GPU: at the next read).
 */
export function multilabelMarginLoss(input: Tensor, targets: Tensor, options: ReductionOptions = {}): Tensor {
  checkTensors("multilabelMarginLoss", { input, targets });
  const { reduction = "mean" } = checkOptions(options, "multilabelMarginLoss", ["reduction"]);
  checkShapes("multilabelMarginLoss", input, targets);
  if (targets.dtype !== "int32") {
    throw new DTypeError(`Cannot multilabelMarginLoss: int32 classes are needed, got ${targets.dtype}`, { op: "multilabelMarginLoss" });
  }
  return tidy(() => {
    const rows = input.rank < 2 ? input.reshape([1, -1]) : input;
    const [count, classes] = rows.shape as [number, number];
    const given = targets.reshape([count, classes]);
    const listed = given.lt(0).cumsum(1).eq(0);
    const places = listed.where(given, 0);
    // The places that are not listed add nothing to class 0.
    const named = rows.detach().zerosLike().scatterAdd(1, places, listed.to(rows.dtype)).gt(0);
    const hinges = rows.gather(1, places).unsqueeze(2).sub(rows.unsqueeze(1)).neg().add(1).relu();
    const counts = listed.unsqueeze(2).logicalAnd(named.logicalNot().unsqueeze(1));
    const losses = counts.where(hinges, 0).sum([1, 2]).div(classes);
    return reduceLoss(input.rank < 2 ? losses.squeeze(0) : losses, reduction, "multilabelMarginLoss");
  });
}

/**
 * The mean over classes of binary cross entropies of logits: -(t log σ(x) + (1 - t) log σ(-x)) w.
 *
 * @param input [..., K].
 * @param targets 0 or 1, of the same shape.
 * @param options `weight`: [K] or broadcast to the losses.
 * @throws ShapeError when shapes differ.
 */
export function multilabelSoftMarginLoss(
  input: Tensor,
  targets: Tensor,
  options: ReductionOptions & { readonly weight?: Tensor } = {},
): Tensor {
  const { reduction = "mean", weight } = checkOptions(options, "multilabelSoftMarginLoss", ["reduction", "weight"]);
  checkTensors("multilabelSoftMarginLoss", { input, targets }, { weight });
  checkShapes("multilabelSoftMarginLoss", input, targets);
  return tidy(() => {
    const hit = targets.mul(input.logSigmoid());
    const losses = hit.add(targets.neg().add(1).mul(input.neg().logSigmoid())).neg();
    return reduceLoss((weight === undefined ? losses : losses.mul(weight)).mean(-1), reduction, "multilabelSoftMarginLoss");
  });
}

/** Options of losses of two tensors and a third that says how they belong together. */
export interface PairTargetOptions extends MarginOptions {
  /** 1 or -1 each. */
  readonly target: Tensor;
}

/** max(0, -t (a - b) + margin): a should be greater where t is 1, b where it is -1; margin default 0. */
export function marginRankingLoss(a: Tensor, b: Tensor, options: PairTargetOptions): Tensor {
  const { reduction = "mean", margin = 0, target } = checkOptions(options, "marginRankingLoss", ["target", "margin", "reduction"]);
  checkTensors("marginRankingLoss", { a, b, target });
  return tidy(() => reduceLoss(fromZero(a.sub(b).mul(target.neg()).add(margin)), reduction, "marginRankingLoss"));
}

/** 1 - cos(a, b) for rows with target 1, max(0, cos(a, b) - margin) for those with -1; margin default 0. */
export function cosineEmbeddingLoss(a: Tensor, b: Tensor, options: PairTargetOptions): Tensor {
  const { reduction = "mean", margin = 0, target } = checkOptions(options, "cosineEmbeddingLoss", ["target", "margin", "reduction"]);
  checkTensors("cosineEmbeddingLoss", { a, b, target });
  checkShapes("cosineEmbeddingLoss", a, b);
  return tidy(() => {
    const lengths = a.square().sum(-1).add(1e-12).mul(b.square().sum(-1).add(1e-12)).sqrt();
    const cosine = a.mul(b).sum(-1).div(lengths);
    return reduceLoss(target.eq(1).where(cosine.neg().add(1), fromZero(cosine.sub(margin))), reduction, "cosineEmbeddingLoss");
  });
}

/** The distance of rows: [..., D], [..., D] → [...]. */
export type Distance = (a: Tensor, b: Tensor) => Tensor;

/** Options of {@link tripletMarginLoss}. */
export interface TripletMarginOptions extends MarginOptions {
  /** The rows that anchors should be far from. */
  readonly negative: Tensor;
  /** The order of the norm of the default distance. Default 2. */
  readonly p?: number;
  /** Added to every coordinate's difference in the default distance. Default 1e-6. */
  readonly eps?: number;
  /** Take the nearer of anchor and positive to the negative. Default false. */
  readonly swap?: boolean;
  /** Another distance. */
  readonly distance?: Distance;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) for rows [..., D]; margin default 1. For triplets chosen within a batch see
 * minedTripletLoss.
 *
 * @throws ShapeError for tensors of two shapes.
 */
export function tripletMarginLoss(anchor: Tensor, positive: Tensor, options: TripletMarginOptions): Tensor {
  checkOptions(options, "tripletMarginLoss", ["negative", "p", "eps", "swap", "distance", "margin", "reduction"]);
  const { reduction = "mean", margin = 1, negative, p = 2, eps = 1e-6, swap = false } = options;
  checkTensors("tripletMarginLoss", { anchor, positive, negative });
  const distance = options.distance ?? ((a: Tensor, b: Tensor) => a.sub(b).add(eps).norm(-1, { p }));
  checkShapes("tripletMarginLoss", anchor, positive, negative);
  return tidy(() => {
    const near = distance(anchor, positive);
    const direct = distance(anchor, negative);
    const far = swap ? direct.minimum(distance(positive, negative)) : direct;
    return reduceLoss(fromZero(near.sub(far).add(margin)), reduction, "tripletMarginLoss");
  });
}
