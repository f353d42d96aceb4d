/**
 * Losses of all pairs and triplets within a batch, or between a batch and references: mined triplets, multi-similarity.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { cat, eye, type Tensor, tidy } from "../tensor/mod.ts";
import { type AnchorReduction, reduceAnchors } from "./reduction.ts";
import { flattenViews, normalizeRows, sameLabel } from "./similarity.ts";

/** Rows that a batch is compared with besides itself; they get a gradient if they ask for one. */
export interface References {
  /** [M, D]. */
  readonly embeddings: Tensor;
  /** int32 [M]; rows with a label below 0 do not count. */
  readonly labels: Tensor;
}

/** Which pairs (anchor, candidate) are of one class and of two; a row and itself are neither. */
interface Pairs {
  /** [N, D], normalised or not. */
  readonly anchors: Tensor;
  /** [N + M, D]: the anchors first. */
  readonly candidates: Tensor;
  /** bool [N, N + M]. */
  readonly positive: Tensor;
  /** bool [N, N + M]. */
  readonly negative: Tensor;
}

function pairsOf(
  embeddings: Tensor,
  labels: Tensor,
  { op, normalize, references }: { op: string; normalize: boolean; references: References | undefined },
): Pairs {
  const flat = flattenViews(embeddings, labels, op);
  const [rows, own] = [flat.rows, flat.labels!];
  if (references !== undefined) {
    checkTensors(op, { "references.embeddings": references.embeddings, "references.labels": references.labels });
  }
  if (references !== undefined && (references.embeddings.rank !== 2 || references.embeddings.shape[1] !== rows.shape[1])) {
    const shapes = [rows.shape, references.embeddings.shape];
    throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: references [M, D] as wide as the rows are needed`, { op, shapes });
  }
  const prepare = (part: Tensor) => normalize ? normalizeRows(part) : part;
  const anchors = prepare(rows);
  const candidates = references === undefined ? anchors : cat([anchors, prepare(references.embeddings)]);
  const candidateLabels = references === undefined ? own : cat([own, references.labels]);
  const same = sameLabel(own, candidateLabels);
  const self = eye(rows.shape[0]!, { m: candidates.shape[0]!, dtype: "bool", device: rows.device });
  if (references === undefined) return { anchors, candidates, positive: same.logicalXor(self), negative: same.logicalNot() };
  const used = cat([own.eq(own), references.labels.ge(0)]).unsqueeze(0);
  return {
    anchors,
    candidates,
    positive: same.logicalAnd(self.logicalNot()).logicalAnd(used),
    negative: same.logicalNot().logicalAnd(used),
  };
}

/** How {@link minedTripletLoss} measures. */
export type TripletDistance = "euclidean" | "squared" | "cosine";

/** Options of {@link minedTripletLoss}. */
export interface MinedTripletOptions {
  /**
   * "hard": for each anchor the farthest positive and the nearest negative. "semi-hard": for each anchor and positive the nearest negative
   * that is farther than the positive, or the farthest of all where none is. "all": every triplet that is not yet right by the margin.
   * Default "hard".
   */
  readonly mining?: "hard" | "semi-hard" | "all";
  /** Default 0.2. */
  readonly margin?: number;
  /** "cosine" is 1 - cos. Default "euclidean". */
  readonly distance?: TripletDistance;
  /** Normalise rows first. Default true. */
  readonly normalize?: boolean;
  /** "mean-valid", the default, averages over what was mined; "mean" over all anchors (or pairs); "none" gives one value for each. */
  readonly reduction?: AnchorReduction;
  /** More rows to find positives and negatives among. */
  readonly references?: References;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) over triplets chosen on the device within a batch. "semi-hard" and "all" hold
 * arrays of N³.
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @returns One number, 0 without any triplet; with reduction "none" [N] for "hard" and [N, N + M] (anchor, positive) for the others.
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit.
 * Sources: Schroff et al. 2015 (semi-hard), Hermans et al. 2017 (hard).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { minedTripletLoss } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const rows = tensor([[0], [1], [3]]);
 * const loss = minedTripletLoss(rows, tensor([0, 0, 1], { dtype: "int32" }), { margin: 2, normalize: false });
 * assertAlmostEquals(await loss.item(), (0 + 1) / 2, 1e-6); // 1 - 3 + 2 and 1 - 2 + 2
 * ```
 */
export function minedTripletLoss(embeddings: Tensor, labels: Tensor, options: MinedTripletOptions = {}): Tensor {
  checkTensors("minedTripletLoss", { embeddings, labels });
  checkOptions(options, "minedTripletLoss", ["mining", "margin", "distance", "normalize", "reduction", "references"]);
  const { mining = "hard", margin = 0.2, distance = "euclidean", normalize = true, reduction = "mean-valid", references } = options;
  if (!["hard", "semi-hard", "all"].includes(mining)) {
    throw new ArgumentError(`Cannot minedTripletLoss: mining "hard", "semi-hard" or "all" is needed, got ${JSON.stringify(mining)}`);
  }
  return tidy(() => {
    const pairs = pairsOf(embeddings, labels, { op: "minedTripletLoss", normalize, references });
    const distances = distancesOf(pairs, distance);
    const { near, far, valid } = mining === "hard" ? hardest(pairs, distances) : semiHardest(pairs, distances);
    if (mining === "all") return everyTriplet(pairs, distances, { margin, reduction });
    const losses = near.sub(far).add(margin).relu().maskedFill(valid.logicalNot(), 0);
    return reduceAnchors(losses, valid, { reduction, op: "minedTripletLoss" });
  });
}

/** [N, N + M]. */
function distancesOf({ anchors, candidates }: Pairs, distance: TripletDistance): Tensor {
  const products = anchors.matmul(candidates.mT);
  if (distance === "cosine") return products.neg().add(1);
  const squares = anchors.square().sum(1).unsqueeze(1).add(candidates.square().sum(1).unsqueeze(0)).sub(products.mul(2)).relu();
  if (distance === "squared") return squares;
  if (distance !== "euclidean") {
    throw new ArgumentError(
      `Cannot minedTripletLoss: a distance "euclidean", "squared" or "cosine" is needed, got ${JSON.stringify(distance)}`,
    );
  }
  // The root's slope at 0 is infinite: equal rows get distance 0 and no gradient.
  const equal = squares.le(0);
  return squares.maskedFill(equal, 1).sqrt().maskedFill(equal, 0);
}

/** For each row of the mask the element of `values` that is greatest (or least) there. */
function pick(values: Tensor, mask: Tensor, extreme: "greatest" | "least"): Tensor {
  const held = values.detach().maskedFill(mask.logicalNot(), extreme === "greatest" ? -Infinity : Infinity);
  const position = extreme === "greatest" ? held.argmax(-1, { keepDim: true }) : held.argmin(-1, { keepDim: true });
  return values.gather(values.rank - 1, position).squeeze(-1);
}

interface Mined {
  readonly near: Tensor;
  readonly far: Tensor;
  readonly valid: Tensor;
}

function hardest({ positive, negative }: Pairs, distances: Tensor): Mined {
  return {
    near: pick(distances, positive, "greatest"),
    far: pick(distances, negative, "least"),
    valid: positive.any(1).logicalAnd(negative.any(1)),
  };
}

/** For each anchor and candidate as its positive. */
function semiHardest({ positive, negative }: Pairs, distances: Tensor): Mined {
  const [anchors, count] = distances.shape as [number, number];
  const cube = distances.unsqueeze(1).expand([anchors, count, count]);
  const farther = negative.unsqueeze(1).logicalAnd(distances.unsqueeze(1).gt(distances.unsqueeze(2)));
  const nearest = pick(cube, farther, "least");
  const farthest = pick(distances, negative, "greatest").unsqueeze(1).expand([anchors, count]);
  return {
    near: distances,
    far: farther.any(2).where(nearest, farthest),
    valid: positive.logicalAnd(negative.any(1).unsqueeze(1)),
  };
}

/** Every triplet; "mean-valid" averages over those with a loss. */
function everyTriplet(
  { positive, negative }: Pairs,
  distances: Tensor,
  { margin, reduction }: { margin: number; reduction: AnchorReduction },
): Tensor {
  const triplet = positive.unsqueeze(2).logicalAnd(negative.unsqueeze(1));
  const losses = distances.unsqueeze(2).sub(distances.unsqueeze(1)).add(margin).relu().maskedFill(triplet.logicalNot(), 0);
  if (reduction === "none") return losses.sum(2);
  const counted = reduction === "mean-valid" ? losses.detach().gt(0) : triplet;
  const sum = losses.sum();
  return reduction === "sum" ? sum : sum.div(counted.sum().maximum(1).to(losses.dtype));
}

/** Options of {@link multiSimilarityLoss}. */
export interface MultiSimilarityOptions {
  /** How sharply positives are weighted. Default 2. */
  readonly alpha?: number;
  /** How sharply negatives are weighted. Default 50. */
  readonly beta?: number;
  /** λ: the similarity around which pairs are weighted. Default 0.5. */
  readonly base?: number;
  /** ε: how near a pair must come to the hardest of the other kind to count; null takes all pairs. Default 0.1. */
  readonly epsilon?: number | null;
  /** Normalise rows first. Default true. */
  readonly normalize?: boolean;
  /** Default "mean": over all anchors. */
  readonly reduction?: AnchorReduction;
  /** More rows to find positives and negatives among. */
  readonly references?: References;
}

/**
 * The multi-similarity loss: for each anchor log(1 + Σ_P e^(-α (s - λ))) / α + log(1 + Σ_N e^(β (s - λ))) / β over the positives with
 * s < max_N s + ε and the negatives with s > min_P s - ε. Anchors that lack either kind count 0.
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit. Source: Wang et al. 2019.
 */
export function multiSimilarityLoss(embeddings: Tensor, labels: Tensor, options: MultiSimilarityOptions = {}): Tensor {
  checkTensors("multiSimilarityLoss", { embeddings, labels });
  checkOptions(options, "multiSimilarityLoss", ["alpha", "beta", "base", "epsilon", "normalize", "reduction", "references"]);
  const { alpha = 2, beta = 50, base = 0.5, epsilon = 0.1, normalize = true, reduction = "mean", references } = options;
  if (!(alpha > 0) || !(beta > 0)) {
    throw new ArgumentError(`Cannot multiSimilarityLoss: alpha and beta above 0 are needed, got ${alpha} and ${beta}`);
  }
  return tidy(() => {
    const pairs = pairsOf(embeddings, labels, { op: "multiSimilarityLoss", normalize, references });
    const similarities = pairs.anchors.matmul(pairs.candidates.mT);
    const valid = pairs.positive.any(1).logicalAnd(pairs.negative.any(1));
    let { positive, negative } = pairs;
    if (epsilon !== null) {
      const still = similarities.detach();
      const hardestNegative = still.maskedFill(negative.logicalNot(), -Infinity).max(1, { keepDim: true });
      const hardestPositive = still.maskedFill(positive.logicalNot(), Infinity).min(1, { keepDim: true });
      positive = positive.logicalAnd(still.lt(hardestNegative.add(epsilon)));
      negative = negative.logicalAnd(still.gt(hardestPositive.sub(epsilon)));
    }
    const shifted = similarities.sub(base);
    const pull = logOnePlusSum(shifted.mul(-alpha), positive, 1).div(alpha);
    const push = logOnePlusSum(shifted.mul(beta), negative, 1).div(beta);
    return reduceAnchors(pull.add(push).maskedFill(valid.logicalNot(), 0), valid, { reduction, op: "multiSimilarityLoss" });
  });
}

/** log(1 + Σ e^x) along a dim of a matrix, over what the mask lets through. */
export function logOnePlusSum(x: Tensor, mask: Tensor, dim: 0 | 1): Tensor {
  const shape = dim === 0 ? [1, x.shape[1]!] : [x.shape[0]!, 1];
  return cat([x.maskedFill(mask.logicalNot(), -Infinity), x.newZeros(shape)], { dim }).logsumexp(dim);
}
