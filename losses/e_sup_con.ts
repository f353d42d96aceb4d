/**
 * ESupCon: representation and classifier from one contrastive objective.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { cat, type Tensor, tidy } from "../tensor/mod.ts";
import { type AnchorReduction, checkTemperature, reduceAnchors } from "./reduction.ts";
import { candidateLogSumExp, checkPrototypes, classSums, flattenViews, normalizeRows, rowDots } from "./similarity.ts";

/** Options of {@link eSupCon} besides the prototypes. */
export interface ESupConOptions {
  /** τ > 0. Default 0.1. */
  readonly temperature?: number;
  /** Normalise embeddings and prototypes first. Default true. */
  readonly normalize?: boolean;
  /** Which rows are anchors. Default "samples+prototypes". */
  readonly anchors?: "samples" | "prototypes" | "samples+prototypes";
  /** Whether sample anchors see prototypes; false makes them plain SupCon. Default true. */
  readonly prototypeCandidates?: boolean;
  /** Whether prototype anchors see the other prototypes; true makes the whole exactly SupCon on the union. Default false. */
  readonly prototypePairs?: boolean;
  /** "mean-valid" divides by the anchors that have a positive, "mean" by all. Default "mean-valid". */
  readonly reduction?: AnchorReduction;
}

/** The names of {@link ESupConOptions}. */
export const eSupConOptions = ["temperature", "normalize", "anchors", "prototypeCandidates", "prototypePairs", "reduction"] as const;

/**
 * The joint supervised contrastive loss. Anchors are the N samples and the K prototypes; s = dot products / τ:
 * - sample i: l_i = LSE({s_ij}_{j≠i}, {s_ik}_k) - (1/N_{y_i}) (Σ_{j≠i, y_j=y_i} s_ij + s_{i,y_i});
 * - prototype k of a class in the batch: l_k = LSE_j s_jk - (1/N_k) Σ_{j: y_j=k} s_jk;
 *
 * L = (Σ_i l_i + Σ_k l_k) / (N + K'), K' the number of classes present. The classifier is p(k|x) = softmax_k(z·w_k / τ): no second stage. Its
 * minimum is not 0: l_i ≥ log |P(i)|. Derived from the paper's description, whose equations were not at hand; the options cover the readings
 * that the text leaves open.
 *
 * @param embeddings [N, D], or [N, V, D] whose views are further samples.
 * @param labels int32 [N] in 0 … K-1.
 * @param options `prototypes` [K, D], and how they take part.
 * @returns One number; with reduction "none" one per anchor, samples first, then prototypes.
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit; IndexError for a label outside 0 … K-1.
 * Source: Aljundi et al. 2022, arXiv 2211.03646.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { eSupCon } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * // One sample, samples as anchors: plain cross entropy against the prototypes.
 * const prototypes = tensor([[1, 0], [0, 1]]);
 * const labels = tensor([0], { dtype: "int32" });
 * const loss = eSupCon(tensor([[2, 0]]), labels, { prototypes, anchors: "samples", temperature: 1 });
 * assertAlmostEquals(await loss.item(), Math.log(Math.E + 1) - 1, 1e-6);
 * ```
 */
export function eSupCon(embeddings: Tensor, labels: Tensor, options: ESupConOptions & { readonly prototypes: Tensor }): Tensor {
  checkOptions(options, "eSupCon", [...eSupConOptions, "prototypes"]);
  const { prototypes, temperature = 0.1, normalize = true, anchors = "samples+prototypes", reduction = "mean-valid" } = options;
  checkTensors("eSupCon", { embeddings, labels, prototypes });
  checkTemperature(temperature, "eSupCon");
  if (!["samples", "prototypes", "samples+prototypes"].includes(anchors)) {
    throw new ArgumentError(
      `Cannot eSupCon: anchors "samples", "prototypes" or "samples+prototypes" are needed, got ${JSON.stringify(anchors)}`,
    );
  }
  return tidy(() => {
    const flat = flattenViews(embeddings, labels, "eSupCon");
    checkPrototypes(flat.rows, prototypes, "eSupCon");
    const z = normalize ? normalizeRows(flat.rows) : flat.rows;
    const batch: Batch = {
      z,
      w: normalize ? normalizeRows(prototypes) : prototypes,
      labels: flat.labels!,
      scale: 1 / temperature,
      ...classSums(z, flat.labels!, prototypes.shape[0]!),
    };
    const parts: Anchors[] = [];
    if (anchors !== "prototypes") parts.push(sampleAnchors(batch, options.prototypeCandidates ?? true));
    if (anchors !== "samples") parts.push(prototypeAnchors(batch, options.prototypePairs ?? false));
    const losses = parts.map(({ losses, valid }) => valid.where(losses, 0));
    return reduceAnchors(cat(losses), cat(parts.map(({ valid }) => valid)), { reduction, op: "eSupCon" });
  });
}

/** One batch's rows z [N, D], prototypes w [K, D], labels [N], 1/τ, and the rows' sums and counts by class. */
interface Batch {
  readonly z: Tensor;
  readonly w: Tensor;
  readonly labels: Tensor;
  readonly scale: number;
  readonly sums: Tensor;
  readonly counts: Tensor;
}

/** One loss per anchor, and whether the anchor has a positive. */
interface Anchors {
  readonly losses: Tensor;
  readonly valid: Tensor;
}

function sampleAnchors({ z, w, labels, scale, sums, counts }: Batch, prototypeCandidates: boolean): Anchors {
  const others = sums.indexSelect(0, labels).sub(z);
  const count = counts.indexSelect(0, labels);
  const amongSamples = candidateLogSumExp(z, z, { scale, excludeDiagonal: true });
  if (!prototypeCandidates) {
    const mean = rowDots(z, others).mul(scale).div(count.sub(1).maximum(1));
    return { losses: amongSamples.sub(mean), valid: count.gt(1) };
  }
  const amongPrototypes = candidateLogSumExp(z, w, { scale });
  const positives = rowDots(z, others.add(w.indexSelect(0, labels))).mul(scale).div(count);
  return { losses: logAddExp(amongPrototypes, amongSamples).sub(positives), valid: count.gt(0) };
}

function prototypeAnchors({ z, w, scale, sums, counts }: Batch, prototypePairs: boolean): Anchors {
  const amongSamples = candidateLogSumExp(w, z, { scale });
  const candidates = prototypePairs ? logAddExp(amongSamples, candidateLogSumExp(w, w, { scale, excludeDiagonal: true })) : amongSamples;
  const positives = rowDots(w, sums).mul(scale).div(counts.maximum(1));
  return { losses: candidates.sub(positives), valid: counts.gt(0) };
}

/** log(e^a + e^b) with a finite: a + softplus(b - a), so that b may be -Infinity. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  return a.add(b.sub(a).softplus());
}
