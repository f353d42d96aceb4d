/**
 * Linear layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { linear } from "../tensor/functions.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defaultBias, defaultWeight } from "./init.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link Linear}. */
export interface LinearOptions extends LayerOptions {
  /** Whether there is a bias. Default true. */
  readonly bias?: boolean;
}

/**
 * y = x wᵀ + b, with weight [out, in] and bias [out], both uniform in ±1/√in at the start.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * assertEquals(new Linear(3, 2).forward(ones([5, 3])).shape, [5, 2]);
 * ```
 */
export class Linear extends Module {
  /** [out, in]. */
  readonly weight: Tensor;
  /** [out], or null. */
  readonly bias: Tensor | null;

  /** Makes the layer for `inFeatures` values in and `outFeatures` out. */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkOptions(options, "make Linear", ["bias", ...layerOptions]);
    checkCounts("Linear", { inFeatures, outFeatures });
    const shape = [outFeatures, inFeatures];
    this.weight = parameter(defaultWeight(blank(shape, options), options));
    this.bias = options.bias === false ? null : parameter(defaultBias(blank([outFeatures], options), shape, options));
  }

  /** [..., in] → [..., out]. */
  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias === null ? {} : { bias: this.bias });
  }
}
