/**
 * Layers of two inputs: bilinear, and how near rows are.
 *
 * @module
 */
import { checkList, checkOptions } from "../tensor/arguments.ts";
import { cosineSimilarity, pairwiseDistance } from "../tensor/products.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { uniform } from "./init.ts";
import { checkInputs, Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** The cosine of the angle between rows along one dim. */
export class CosineSimilarity extends Module {
  /** The dim of a row. */
  readonly dim: number;
  /** The least length. */
  readonly eps: number;

  /** Makes the layer, for rows along dim 1 unless told; eps default 1e-8. */
  constructor(options: { readonly dim?: number; readonly eps?: number } = {}) {
    super();
    const { dim = 1, eps = 1e-8 } = checkOptions(options, "make CosineSimilarity", ["dim", "eps"]);
    this.dim = dim;
    this.eps = eps;
  }

  /** The inputs' shape without the dim. */
  override forward(a: Tensor, b: Tensor): Tensor {
    return cosineSimilarity(a, b, { dim: this.dim, epsilon: this.eps });
  }
}

/** Options of {@link PairwiseDistance}. */
export interface PairwiseDistanceLayerOptions {
  /** The order of the norm. Default 2. */
  readonly p?: number;
  /** Added to every difference. Default 1e-6. */
  readonly eps?: number;
  /** Whether the last dim stays as 1. Default false. */
  readonly keepDim?: boolean;
}

/** The norm of the difference of rows [..., D]. */
export class PairwiseDistance extends Module {
  /** The norm, and how it is made. */
  readonly options: PairwiseDistanceLayerOptions;

  /** Makes the layer. */
  constructor(options: PairwiseDistanceLayerOptions = {}) {
    super();
    checkOptions(options, "make PairwiseDistance", ["p", "eps", "keepDim"]);
    this.options = options;
  }

  /** [..., D], [..., D] → [...]. */
  override forward(a: Tensor, b: Tensor): Tensor {
    const { p = 2, eps = 1e-6, keepDim = false } = this.options;
    return pairwiseDistance(a, b, { p, epsilon: eps, keepDim });
  }
}

/** Options of {@link Bilinear}. */
export interface BilinearOptions extends LayerOptions {
  /** Whether there is a bias. Default true. */
  readonly bias?: boolean;
}

/** y_o = aᵀ W_o b + bias_o, with weight [out, in1, in2] uniform in ±1/√in1 at the start. */
export class Bilinear extends Module {
  /** [out, in1, in2]. */
  readonly weight: Tensor;
  /** [out], or null. */
  readonly bias: Tensor | null;

  /** Makes the layer for the two widths in, and out. */
  constructor(inFeatures: readonly [number, number], outFeatures: number, options: BilinearOptions = {}) {
    super();
    const [in1Features, in2Features] = checkList(inFeatures, "make Bilinear", "new Bilinear([3, 4], 5)") as readonly [number, number];
    checkOptions(options, "make Bilinear", ["bias", ...layerOptions]);
    checkCounts("Bilinear", { in1Features, in2Features, outFeatures });
    const bound = 1 / Math.sqrt(in1Features);
    const range = { low: -bound, high: bound, generator: options.generator };
    this.weight = parameter(uniform(blank([outFeatures, in1Features, in2Features], options), range));
    this.bias = options.bias === false ? null : parameter(uniform(blank([outFeatures], options), range));
  }

  /** [..., in1], [..., in2] → [..., out]. */
  override forward(a: Tensor, b: Tensor): Tensor {
    checkInputs(this, { a, b });
    return tidy(() => {
      const [out, in1, in2] = this.weight.shape as [number, number, number];
      const folded = a.matmul(this.weight.permute([1, 0, 2]).reshape([in1, out * in2])).reshape([...a.shape.slice(0, -1), out, in2]);
      const y = folded.mul(b.unsqueeze(-2)).sum(-1);
      return this.bias === null ? y : y.add(this.bias);
    });
  }
}
