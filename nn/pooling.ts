/**
 * Pooling layers.
 *
 * @module
 */
import { adaptiveAvgPool2d, avgPool2d, type AvgPoolOptions, maxPool2d, type MaxPoolOptions, type PerDim } from "../tensor/functions.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** The greatest value in each window. */
export class MaxPool2d extends Module {
  /** The window's size. */
  readonly kernelSize: PerDim;
  /** How the window moves. */
  readonly options: MaxPoolOptions;

  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }

  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window. */
export class AvgPool2d extends Module {
  /** The window's size. */
  readonly kernelSize: PerDim;
  /** How the window moves. */
  readonly options: AvgPoolOptions;

  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }

  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** Means over windows chosen so that the output has a given size, whatever the input's. */
export class AdaptiveAvgPool2d extends Module {
  /** The output's size. */
  readonly size: PerDim;

  /** Makes the layer for outputs of [OH, OW], or one number for both. */
  constructor(size: PerDim) {
    super();
    this.size = size;
  }

  /** [N, C, H, W] → [N, C, OH, OW]. */
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.size);
  }
}
