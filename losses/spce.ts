/**
 * The contrastive approximation of cross entropy (SPCE).
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { checkTemperature } from "./reduction.ts";
import { classSums, flattenViews, normalizeRows } from "./similarity.ts";

/** What a class's centre is divided by: the batch size ("batch", as in the literature) or the class's count ("class": its mean). */
export type Centre = "batch" | "class";

/** Options of {@link spce}. */
export interface SpceOptions {
  /** K; a class absent from the batch has the centre 0. */
  readonly numClasses: number;
  /** τ > 0. Default 1. */
  readonly temperature?: number;
  /** Normalise rows first. Default false. */
  readonly normalize?: boolean;
  /** Default "batch". */
  readonly centre?: Centre;
}

/**
 * Cross entropy against the classes' own centres: CE(Z Cᵀ / τ, y) with C = onehotᵀ Z / N, which equals
 * -1/N² Σ_i Σ_{j: y_j=y_i} z_i·z_j + 1/N Σ_i log Σ_k exp(1/N Σ_{j: y_j=k} z_i·z_j) without the cancellation of its two terms. Gradients flow
 * through both factors. It learns no classifier.
 *
 * @param embeddings [N, D], or [N, V, D] whose views are further samples.
 * @param labels int32 [N] in 0 … K-1.
 * @returns One number.
 * @throws ShapeError, DTypeError, ArgumentError when arguments do not fit; IndexError for a label outside 0 … K-1.
 * Source: Boudiaf et al. 2020, arXiv 2003.08983.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { spce } from "./mod.ts";
 * import { tensor, zeros } from "../tensor/mod.ts";
 *
 * const loss = spce(zeros([4, 3]), tensor([0, 1, 0, 1], { dtype: "int32" }), { numClasses: 2 });
 * assertAlmostEquals(await loss.item(), Math.log(2), 1e-6); // all similarities equal
 * ```
 */
export function spce(embeddings: Tensor, labels: Tensor, options: SpceOptions): Tensor {
  checkTensors("spce", { embeddings, labels });
  checkOptions(options, "spce", ["numClasses", "temperature", "normalize", "centre"]);
  const { numClasses, temperature = 1, normalize = false, centre = "batch" } = options;
  checkTemperature(temperature, "spce");
  return tidy(() => {
    const flat = flattenViews(embeddings, labels, "spce");
    const rows = normalize ? normalizeRows(flat.rows) : flat.rows;
    const centres = classCentres(rows, flat.labels!, { numClasses, centre });
    return crossEntropy(rows.matmul(centres.mT).div(temperature), flat.labels!);
  });
}

/** C [K, D]: class sums divided by N or by the class's count. */
export function classCentres(rows: Tensor, labels: Tensor, { numClasses, centre }: { numClasses: number; centre: Centre }): Tensor {
  const { sums, counts } = classSums(rows, labels, numClasses);
  return centre === "batch" ? sums.div(rows.shape[0]!) : sums.div(counts.maximum(1).unsqueeze(1));
}
