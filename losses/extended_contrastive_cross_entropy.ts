/**
 * The extended contrastive cross entropy: SPCE that learns the classifier jointly.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { checkTemperature } from "./reduction.ts";
import { checkPrototypes, flattenViews, normalizeRows } from "./similarity.ts";
import { type Centre, classCentres } from "./spce.ts";

/** Options of {@link extendedContrastiveCrossEntropy} besides the prototypes. */
export interface ExtendedOptions {
  /** "sum": CE against centres plus β times CE against prototypes; "joint": CE against their sum. Default "sum". */
  readonly mode?: "sum" | "joint";
  /** β, in mode "sum". Default 1. */
  readonly beta?: number;
  /** τ > 0. Default 1. */
  readonly temperature?: number;
  /** Normalise rows and prototypes first. Default false. */
  readonly normalize?: boolean;
  /** Default "batch". */
  readonly centre?: Centre;
}

/** The names of {@link ExtendedOptions}. */
export const extendedOptions = ["mode", "beta", "temperature", "normalize", "centre"] as const;

/**
 * Cross entropy against class centres and learned prototypes W:
 * - mode "sum": L = CE(Z Cᵀ / τ, y) + β CE(Z Wᵀ / τ, y), which with β = 0 is SPCE;
 * - mode "joint": L = CE(Z (C + W)ᵀ / τ, y), which with W = 0 is SPCE.
 *
 * The classifier is p(y|x) = softmax(z Wᵀ / τ). Derived from the paper's description, whose equations were not at hand.
 *
 * @param embeddings [N, D], or [N, V, D] whose views are further samples.
 * @param labels int32 [N] in 0 … K-1.
 * @param options `prototypes` [K, D], and how they are used.
 * @returns One number.
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit; IndexError for a label outside 0 … K-1.
 * Source: Aljundi et al. 2022, arXiv 2211.03646.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { extendedContrastiveCrossEntropy } from "./mod.ts";
 * import { tensor, zeros } from "../tensor/mod.ts";
 *
 * const labels = tensor([0, 1], { dtype: "int32" });
 * const loss = extendedContrastiveCrossEntropy(zeros([2, 3]), labels, { prototypes: zeros([2, 3]) });
 * assertAlmostEquals(await loss.item(), 2 * Math.log(2), 1e-6);
 * ```
 */
export function extendedContrastiveCrossEntropy(
  embeddings: Tensor,
  labels: Tensor,
  options: ExtendedOptions & { readonly prototypes: Tensor },
): Tensor {
  checkOptions(options, "extendedContrastiveCrossEntropy", [...extendedOptions, "prototypes"]);
  const { prototypes, mode = "sum", beta = 1, temperature = 1, normalize = false, centre = "batch" } = options;
  checkTensors("extendedContrastiveCrossEntropy", { embeddings, labels, prototypes });
  const op = "extendedContrastiveCrossEntropy";
  checkTemperature(temperature, op);
  if (mode !== "sum" && mode !== "joint") {
    throw new ArgumentError(`Cannot ${op}: mode "sum" or "joint" is needed, got ${JSON.stringify(mode)}`);
  }
  return tidy(() => {
    const flat = flattenViews(embeddings, labels, op);
    checkPrototypes(flat.rows, prototypes, op);
    const rows = normalize ? normalizeRows(flat.rows) : flat.rows;
    const weights = normalize ? normalizeRows(prototypes) : prototypes;
    const centres = classCentres(rows, flat.labels!, { numClasses: prototypes.shape[0]!, centre });
    const against = (vectors: Tensor): Tensor => crossEntropy(rows.matmul(vectors.mT).div(temperature), flat.labels!);
    return mode === "joint" ? against(centres.add(weights)) : against(centres).add(against(weights).mul(beta));
  });
}
