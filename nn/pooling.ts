/**
 * Pooling layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import type { PerDim } from "../tensor/functions.ts";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type AdaptiveSize,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type AvgPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type MaxPoolOptions,
} from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** What layers of pooling over windows share. */
export abstract class Pool<Options extends object> extends Module {
  /** The window's size. */
  readonly kernelSize: PerDim;
  /** How the window moves. */
  readonly options: Options;

  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: Options) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }
}

/** What layers of pooling to a given size share. */
export abstract class AdaptivePool extends Module {
  /** The output's size. */
  readonly size: AdaptiveSize;

  /** Makes the layer for outputs of one size in every spatial dim, or one each, where null keeps the input's. */
  constructor(size: AdaptiveSize) {
    super();
    this.size = size;
  }
}

/** The greatest value in each window over one dim; see {@link maxPool1d}. */
export class MaxPool1d extends Pool<MaxPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make MaxPool1d", ["dilation", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** The greatest value in each window; see {@link maxPool2d}. */
export class MaxPool2d extends Pool<MaxPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make MaxPool2d", ["dilation", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** The greatest value in each window over three dims; see {@link maxPool3d}. */
export class MaxPool3d extends Pool<MaxPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make MaxPool3d", ["dilation", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, D, H, W] → [N, C, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return maxPool3d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window over one dim; see {@link avgPool1d}. */
export class AvgPool1d extends Pool<AvgPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make AvgPool1d", ["countIncludePad", "divisorOverride", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window; see {@link avgPool2d}. */
export class AvgPool2d extends Pool<AvgPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make AvgPool2d", ["countIncludePad", "divisorOverride", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window over three dims; see {@link avgPool3d}. */
export class AvgPool3d extends Pool<AvgPoolOptions> {
  /** Makes the layer; the stride is the window's size unless told. */
  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super(kernelSize, options);
    checkOptions(options, "make AvgPool3d", ["countIncludePad", "divisorOverride", "stride", "padding", "ceilMode"]);
  }

  /** [N, C, D, H, W] → [N, C, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return avgPool3d(x, this.kernelSize, this.options);
  }
}

/** Means over windows in one dim chosen so that the output has a given size, whatever the input's; see {@link adaptiveAvgPool1d}. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.size);
  }
}

/** Means over windows chosen so that the output has a given size, whatever the input's; see {@link adaptiveAvgPool2d}. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.size);
  }
}

/** Means over windows in three dims chosen so that the output has a given size, whatever the input's; see {@link adaptiveAvgPool3d}. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  /** [N, C, D, H, W] → [N, C, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool3d(x, this.size);
  }
}

/** Greatest values of windows in one dim chosen so that the output has a given size, whatever the input's; see {@link adaptiveMaxPool1d}. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool1d(x, this.size);
  }
}

/** Greatest values of windows chosen so that the output has a given size, whatever the input's; see {@link adaptiveMaxPool2d}. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  /** [N, C, H, W] → [N, C, H', W']. */
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.size);
  }
}

/** Greatest values of windows in three dims chosen so that the output has a given size, whatever the input's; see {@link adaptiveMaxPool3d}. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  /** [N, C, D, H, W] → [N, C, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool3d(x, this.size);
  }
}
