/**
 * How a loss per element becomes one number.
 *
 * @module
 */
import { ArgumentError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/mod.ts";

/** The reductions of losses with one value per element. */
export type Reduction = "mean" | "sum" | "none";

/** The reductions of contrastive losses: "mean" over all anchors, "mean-valid" over anchors that have a positive. */
export type AnchorReduction = Reduction | "mean-valid";

/**
 * Reduces a loss per element.
 *
 * @throws ArgumentError for an unknown reduction.
 */
export function reduceLoss(values: Tensor, reduction: Reduction, op: string): Tensor {
  switch (reduction) {
    case "mean":
      return values.mean();
    case "sum":
      return values.sum();
    case "none":
      return values;
    default:
      throw new ArgumentError(`Cannot ${op}: reduction "mean", "sum" or "none" is needed, got ${JSON.stringify(reduction)}`);
  }
}

/**
 * Reduces a loss per anchor; `valid` (bool) says which anchors have a positive. Without any, "mean-valid" gives 0.
 *
 * @throws ArgumentError for an unknown reduction.
 */
export function reduceAnchors(values: Tensor, valid: Tensor, { reduction, op }: { reduction: AnchorReduction; op: string }): Tensor {
  if (reduction !== "mean-valid") return reduceLoss(values, reduction, op);
  return values.sum().div(valid.sum().maximum(1).to(values.dtype));
}

/**
 * Refuses a temperature that is not above 0.
 *
 * @throws ArgumentError
 */
export function checkTemperature(temperature: number, op: string): void {
  if (!(temperature > 0) || temperature === Infinity) {
    throw new ArgumentError(`Cannot ${op}: a finite temperature above 0 is needed, got ${temperature}`);
  }
}
