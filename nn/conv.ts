/**
 * Convolution layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { conv1d, conv2d, conv3d, type ConvPadding, convSides, type PerDim, perDim } from "../tensor/functions.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defaultBias, defaultWeight } from "./init.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";
import { pad } from "./padding.ts";

/** What padding around an image holds: zeros, or what pad's modes of these names put there. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** Options of {@link Conv1d}, {@link Conv2d} and {@link Conv3d}. */
export interface ConvLayerOptions extends LayerOptions {
  /** The window's size, one number for all dims or one each. */
  readonly kernelSize: PerDim;
  /** Default 1. */
  readonly stride?: PerDim;
  /** What stands around an image. Default 0. */
  readonly padding?: ConvPadding;
  /** What padding holds; see pad. Default "zeros". */
  readonly paddingMode?: PaddingMode;
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
  /** Zeros around an image. */
  readonly padding: ConvPadding;
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
  /** What padding holds. */
  readonly paddingMode: PaddingMode;
  /** How much stands there, from the last dim backwards. */
  readonly #frame: readonly number[];

  /** Makes the layer of one to three dims, for channels in and out. */
  constructor(dims: number, channels: readonly [number, number], options: ConvLayerOptions) {
    super();
    const [inChannels, outChannels] = channels;
    const layer = `Conv${dims}d`;
    checkOptions(options, `make ${layer}`, [
      "kernelSize",
      "stride",
      "padding",
      "paddingMode",
      "dilation",
      "groups",
      "bias",
      ...layerOptions,
    ]);
    const { stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = "zeros" } = options;
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
    const { before, after } = convSides(padding, {
      op: layer,
      kernel,
      stride: perDim(stride, dims, { op: layer, name: "stride", least: 1 }),
      dilation: perDim(dilation, dims, { op: layer, name: "dilation", least: 1 }),
    });
    this.paddingMode = paddingMode;
    this.#frame = before.flatMap((_, n) => [before[dims - 1 - n]!, after[dims - 1 - n]!]);
    this.geometry = { stride, padding: paddingMode === "zeros" ? padding : 0, dilation, groups };
  }

  /** The convolution of an image with what stands around it. */
  protected convolve(x: Tensor, convolution: typeof conv2d): Tensor {
    const { weight, bias, geometry, paddingMode } = this;
    const options = bias === null ? geometry : { ...geometry, bias };
    if (paddingMode === "zeros") return convolution(x, weight, options);
    return tidy(() => convolution(pad(x, this.#frame, { mode: paddingMode }), weight, options));
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
    return this.convolve(x, conv1d);
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
    return this.convolve(x, conv2d);
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
    return this.convolve(x, conv3d);
  }
}
