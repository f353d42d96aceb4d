/**
 * Pooling layers.
 *
 * @module
 */
import { formatShapes, ShapeError } from "../tensor/errors.ts";
import { stack } from "../tensor/create.ts";
import {
  adaptiveAvgPool2d,
  avgPool2d,
  type AvgPoolOptions,
  maxPool2d,
  type MaxPoolOptions,
  type PerDim,
  perDim,
} from "../tensor/functions.ts";
import { tidy } from "../tensor/scope.ts";
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

/** The options of pooling over one dim, as those of two with a dim of size 1 before it. */
function ofTwo<Options extends MaxPoolOptions & AvgPoolOptions>(options: Options, op: string): Options {
  const { stride, padding, dilation } = options;
  const one = (value: PerDim, name: string, least: number) => perDim(value, 1, { op, name, least })[0]!;
  return {
    ...options,
    ...(stride === undefined ? {} : { stride: [1, one(stride, "stride", 1)] }),
    ...(padding === undefined ? {} : { padding: [0, one(padding, "padding", 0)] }),
    ...(dilation === undefined ? {} : { dilation: [1, one(dilation, "dilation", 1)] }),
  };
}

/**
 * The greatest value in each window over one dim.
 *
 * @param x [N, C, L].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function maxPool1d(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): Tensor {
  const [window] = perDim(size, 1, { op: "maxPool1d", name: "size", least: 1 });
  refuseRank("maxPool1d", x, 3);
  return tidy(() => maxPool2d(x.unsqueeze(2), [1, window!], ofTwo(options, "maxPool1d")).squeeze(2));
}

/**
 * The mean of each window over one dim.
 *
 * @param x [N, C, L].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function avgPool1d(x: Tensor, size: PerDim, options: AvgPoolOptions = {}): Tensor {
  const [window] = perDim(size, 1, { op: "avgPool1d", name: "size", least: 1 });
  refuseRank("avgPool1d", x, 3);
  return tidy(() => avgPool2d(x.unsqueeze(2), [1, window!], ofTwo(options, "avgPool1d")).squeeze(2));
}

/**
 * The greatest values of windows chosen so that the output has the given size: output i covers ⌊i H / OH⌋ … ⌈(i + 1) H / OH⌉.
 *
 * @param x [N, C, H, W].
 * @param size The output's [OH, OW], or one number for both.
 * @throws ShapeError unless x is 4-d.
 */
export function adaptiveMaxPool2d(x: Tensor, size: PerDim): Tensor {
  const [height, width] = perDim(size, 2, { op: "adaptiveMaxPool2d", name: "size", least: 1 }) as [number, number];
  refuseRank("adaptiveMaxPool2d", x, 4);
  const [fromHeight, fromWidth] = x.shape.slice(2) as [number, number];
  if (fromHeight % height === 0 && fromWidth % width === 0) return maxPool2d(x, [fromHeight / height, fromWidth / width]);
  return tidy(() => greatest(greatest(x, 2, height), 3, width));
}

/** The greatest values of `to` windows along a dim. */
function greatest(x: Tensor, dim: number, to: number): Tensor {
  const from = x.shape[dim]!;
  const parts = Array.from({ length: to }, (_, i) => {
    const start = Math.floor((i * from) / to);
    return x.narrow(dim, { start, length: Math.ceil(((i + 1) * from) / to) - start }).max(dim);
  });
  return stack(parts, { dim });
}

function refuseRank(op: string, x: Tensor, rank: number): void {
  if (x.rank === rank) return;
  throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape])}: a ${rank}-d tensor [N, C, ...] is needed`, { op, shapes: [x.shape] });
}

/** The greatest value in each window over one dim. */
export class MaxPool1d extends Module {
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

  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window over one dim. */
export class AvgPool1d extends Module {
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

  /** [N, C, L] → [N, C, L']. */
  override forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** Greatest values of windows chosen so that the output has a given size, whatever the input's. */
export class AdaptiveMaxPool2d extends Module {
  /** The output's size. */
  readonly size: PerDim;

  /** Makes the layer for outputs of [OH, OW], or one number for both. */
  constructor(size: PerDim) {
    super();
    this.size = size;
  }

  /** [N, C, H, W] → [N, C, OH, OW]. */
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.size);
  }
}
