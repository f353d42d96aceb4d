/**
 * The supervised contrastive loss and NT-Xent.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { arange, pairLogSumExp, stack, type Tensor, tidy } from "../tensor/mod.ts";
import { type AnchorReduction, checkTemperature, reduceAnchors } from "./reduction.ts";
import {
  candidateLogSumExp,
  classCounts,
  classSums,
  denseLabels,
  diagonal,
  dotProducts,
  flattenViews,
  normalizeRows,
  rowDots,
  sameLabel,
  shouldStream,
} from "./similarity.ts";

/** Options of {@link supCon}. */
export interface SupConOptions {
  /** τ > 0. Default 0.1. */
  readonly temperature?: number;
  /** The loss is multiplied by τ / τ_base when given. */
  readonly baseTemperature?: number | null;
  /** Normalise rows first. Default true. */
  readonly normalize?: boolean;
  /** Anchors: every view ("all") or the first ("one"). Default "all". */
  readonly contrastMode?: "all" | "one";
  /** Whether the mean over positives stands outside or inside the logarithm. Default "out". */
  readonly kind?: "out" | "in";
  /** "mean" over all anchors, as in the paper; "mean-valid" over those with a positive. Default "mean". */
  readonly reduction?: AnchorReduction;
  /**
   * The number of classes, when labels lie in 0 … numClasses-1. Large batches (over 4 million pairs, float32) are streamed, and nothing
   * N×N is stored; knowing the classes spares them the sorting of labels.
   */
  readonly numClasses?: number;
}

const supConOptions = ["temperature", "baseTemperature", "normalize", "contrastMode", "kind", "reduction", "numClasses"] as const;

/**
 * The supervised contrastive loss. With anchors i, candidates A(i) (every row but i) and positives P(i) (those of i's class):
 * - "out": l_i = LSE_{A(i)} s_ia - mean_{P(i)} s_ip;
 * - "in": l_i = LSE_{A(i)} s_ia - LSE_{P(i)} s_ip + log |P(i)|;
 *
 * l_i = 0 where P(i) is empty; s_ij = z_i·z_j / τ.
 *
 * @param features [N, V, D], V views of each sample, or [N, D].
 * @param labels int32 [N], or null: each sample is its own class (SimCLR).
 * @returns One number; with reduction "none" one per anchor, view after view.
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit.
 * Source: Khosla et al. 2020, arXiv 2004.11362.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { supCon } from "./mod.ts";
 * import { ones, tensor } from "../tensor/mod.ts";
 *
 * const loss = supCon(ones([4, 2]), tensor([0, 0, 1, 1], { dtype: "int32" }));
 * assertAlmostEquals(await loss.item(), Math.log(3), 1e-5); // all similarities equal: log of the candidates' number
 * ```
 */
export function supCon(features: Tensor, labels: Tensor | null, options: SupConOptions = {}): Tensor {
  checkTensors("supCon", { features }, { labels });
  checkOptions(options, "supCon", supConOptions);
  const { temperature = 0.1, baseTemperature = null, normalize = true, contrastMode = "all", kind = "out", reduction = "mean" } = options;
  checkTemperature(temperature, "supCon");
  if (kind !== "out" && kind !== "in") throw new ArgumentError(`Cannot supCon: kind "out" or "in" is needed, got ${JSON.stringify(kind)}`);
  if (contrastMode !== "all" && contrastMode !== "one") {
    throw new ArgumentError(`Cannot supCon: contrastMode "all" or "one" is needed, got ${JSON.stringify(contrastMode)}`);
  }
  return tidy(() => {
    const samples = features.shape[0]!;
    const own = labels ?? arange(samples, { device: features.device });
    const flat = flattenViews(features, own, "supCon");
    const rows = normalize ? normalizeRows(flat.rows) : flat.rows;
    const count = contrastMode === "one" ? samples : rows.shape[0]!;
    const anchors = count === rows.shape[0] ? rows : rows.narrow(0, { start: 0, length: count });
    const pairs: Pairs = { anchors, rows, labels: flat.labels!, scale: 1 / temperature };
    const { losses, valid } = shouldStream(anchors, rows)
      ? byStreams(pairs, kind, labels === null ? samples : options.numClasses)
      : byMatrix(pairs, kind);
    const scaled = valid.where(losses, 0).mul(baseTemperature === null ? 1 : temperature / baseTemperature);
    return reduceAnchors(scaled, valid, { reduction, op: "supCon" });
  });
}

/** Anchors [M, D] (the first of the rows), rows [N, D], the rows' labels, and 1/τ. */
interface Pairs {
  readonly anchors: Tensor;
  readonly rows: Tensor;
  readonly labels: Tensor;
  readonly scale: number;
}

/** One loss per anchor, and whether the anchor has a positive. */
interface AnchorLosses {
  readonly losses: Tensor;
  readonly valid: Tensor;
}

/** What belongs to the anchors of what belongs to all rows. */
function ofAnchors(each: Tensor, anchors: Tensor): Tensor {
  return each.narrow(0, { start: 0, length: anchors.shape[0]! });
}

/** With the similarities stored, both terms use the same numbers, so that an anchor whose only candidate is its positive has a loss of 0. */
function byMatrix({ anchors, rows, labels, scale }: Pairs, kind: "out" | "in"): AnchorLosses {
  const self = diagonal(anchors, rows);
  const similarities = dotProducts(anchors, rows).mul(scale);
  const all = similarities.maskedFill(self, -Infinity).logsumexp(1);
  const positive = sameLabel(ofAnchors(labels, anchors), labels).logicalAnd(self.logicalNot());
  const count = positive.sum(1);
  const divisor = count.maximum(1).to(anchors.dtype);
  const taken = kind === "out"
    ? positive.where(similarities, 0).sum(1).div(divisor)
    : positive.where(similarities, -Infinity).logsumexp(1).sub(divisor.log());
  return { losses: all.sub(taken), valid: count.gt(0) };
}

/**
 * Without an N×N matrix: mean_P s_ip = z_i · (sum of i's class - z_i) / (count - 1) / τ, and LSE_P as LSE_A over the rows of i's class alone.
 */
function byStreams({ anchors, rows, labels, scale }: Pairs, kind: "out" | "in", numClasses: number | undefined): AnchorLosses {
  const classes = numClasses === undefined ? denseLabels(labels) : labels;
  const own = ofAnchors(classes, anchors);
  const size = numClasses ?? rows.shape[0]!;
  const { sums, counts } = kind === "out" ? classSums(rows, classes, size) : { sums: undefined, counts: classCounts(rows, classes, size) };
  const others = counts.indexSelect(0, own).sub(1);
  const divisor = others.maximum(1);
  const all = candidateLogSumExp(anchors, rows, { scale, excludeDiagonal: true });
  const taken = sums === undefined
    ? pairLogSumExp(anchors, rows, { scale, excludeDiagonal: true, labels: [own, classes] }).sub(divisor.log())
    : rowDots(anchors, sums.indexSelect(0, own).sub(anchors)).mul(scale).div(divisor);
  return { losses: all.sub(taken), valid: others.gt(0) };
}

/** Options of {@link ntXent}. */
export interface NtXentOptions {
  /** τ > 0. Default 0.5. */
  readonly temperature?: number;
  /** Normalise rows first. Default true. */
  readonly normalize?: boolean;
}

/**
 * The normalised temperature-scaled cross entropy of SimCLR: {@link supCon} of two views without labels.
 *
 * @param z1 [N, D], the first views.
 * @param z2 [N, D], the second views.
 * @returns One number, the mean over 2N anchors.
 * @throws ShapeError when shapes differ; ArgumentError for a temperature not above 0.
 * Source: Chen et al. 2020, arXiv 2002.05709.
 */
export function ntXent(z1: Tensor, z2: Tensor, options: NtXentOptions = {}): Tensor {
  checkTensors("ntXent", { z1, z2 });
  const { temperature = 0.5, normalize = true } = checkOptions(options, "ntXent", ["temperature", "normalize"]);
  if (z1.rank !== 2 || z2.rank !== 2 || z1.shape[0] !== z2.shape[0] || z1.shape[1] !== z2.shape[1]) {
    throw new ShapeError(`Cannot ntXent ${formatShapes([z1.shape, z2.shape])}: two tensors [N, D] are needed`, {
      op: "ntXent",
      shapes: [z1.shape, z2.shape],
    });
  }
  return tidy(() => supCon(stack([z1, z2], { dim: 1 }), null, { temperature, normalize }));
}
