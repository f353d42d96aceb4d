/**
 * Convolution layers.
 *
 * @module
 */
import { ArgumentError } from "../tensor/errors.ts";
import { conv1d, conv2d, conv3d, type PerDim, perDim } from "../tensor/functions.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defaultBias, defaultWeight } from "./init.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions } from "./options.ts";

/** Options of {@link Conv1d}, {@link Conv2d} and {@link Conv3d}. */
export interface ConvLayerOptions extends LayerOptions {
  /** The window's size, one number for all dims or one each. */
  readonly kernelSize: PerDim;
  /** Default 1. */
  readonly stride?: PerDim;
  /** Zeros on both sides. Default 0. */
  readonly padding?: PerDim;
  /** The distance between window elements. Default 1. */
  readonly dilation?: PerDim;
  /** The number of groups that channels are split into. Default 1. */
  readonly groups?: number;
  /** Whether there is a bias. Default true. */
  readonly bias?: boolean;
}

/** The geometry that stays after construction. */
export interface ConvGeometry {
  /** How far the window moves. */
  readonly stride: PerDim;
  /** Zeros on both sides. */
  readonly padding: PerDim;
  /** The distance between window elements. */
  readonly dilation: PerDim;
  /** The number of groups that channels are split into. */
  readonly groups: number;
}

/** What convolution layers of one to three dims share: weight [out, in / groups, ...kernel] and bias [out], uniform in ±1/√fanIn. */
export abstract class Conv extends Module {
  /** [out, in / groups, ...kernel]. */
  readonly weight: Tensor;
  /** [out], or null. */
  readonly bias: Tensor | null;
  /** How the window moves. */
  protected readonly geometry: ConvGeometry;

  /** Makes the layer of one to three dims, for channels in and out. */
  constructor(dims: number, channels: readonly [number, number], options: ConvLayerOptions) {
    super();
    const [inChannels, outChannels] = channels;
    const layer = `Conv${dims}d`;
    const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    checkCounts(layer, { inChannels, outChannels, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(
        `Cannot make ${layer}: channels that are multiples of ${groups} groups are needed, got ${inChannels} and ${outChannels}`,
      );
    }
    const kernel = perDim(options.kernelSize, dims, { op: layer, name: "kernelSize", least: 1 });
    const shape = [outChannels, inChannels / groups, ...kernel];
    this.weight = parameter(defaultWeight(blank(shape, options), options));
    this.bias = options.bias === false ? null : parameter(defaultBias(blank([outChannels], options), shape, options));
    this.geometry = { stride, padding, dilation, groups };
  }
}

/**
 * Cross-correlation over one dim, with weight [out, in / groups, kernel] and bias [out].
 */
export class Conv1d extends Conv {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvLayerOptions) {
    super(1, [inChannels, outChannels], options);
  }

  /** [N, in, L] → [N, out, L']. */
  override forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}

/**
 * Cross-correlation over two dims, with weight [out, in / groups, KH, KW] and bias [out].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Conv2d } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new Conv2d(3, 8, { kernelSize: 3, padding: 1 });
 * assertEquals(layer.forward(ones([2, 3, 5, 5])).shape, [2, 8, 5, 5]);
 * ```
 */
export class Conv2d extends Conv {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvLayerOptions) {
    super(2, [inChannels, outChannels], options);
  }

  /** [N, in, H, W] → [N, out, H', W']. */
  override forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}

/**
 * Cross-correlation over three dims, with weight [out, in / groups, KD, KH, KW] and bias [out].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Conv3d } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new Conv3d(3, 8, { kernelSize: 3, padding: 1, stride: [1, 2, 2] });
 * assertEquals(layer.forward(ones([2, 3, 4, 6, 6])).shape, [2, 8, 4, 3, 3]);
 * ```
 */
export class Conv3d extends Conv {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvLayerOptions) {
    super(3, [inChannels, outChannels], options);
  }

  /** [N, in, D, H, W] → [N, out, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return conv3d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}
