/**
 * Transposed convolution layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { convTranspose1d, convTranspose2d, convTranspose3d, type PerDim, perDim } from "../tensor/functions.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvGeometry, ConvLayerOptions } from "./conv.ts";
import { defaultBias, defaultWeight } from "./init.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, layerOptions } from "./options.ts";

/** Options of {@link ConvTranspose1d}, {@link ConvTranspose2d} and {@link ConvTranspose3d}. */
export interface ConvTransposeLayerOptions extends Omit<ConvLayerOptions, "padding" | "paddingMode"> {
  /** What is cut off both sides of the output. Default 0. */
  readonly padding?: PerDim;
  /** Added to one side of the output, below the stride. Default 0. */
  readonly outputPadding?: PerDim;
}

/** What transposed convolution layers share: weight [in, out / groups, ...kernel] and bias [out]. */
export abstract class ConvTranspose extends Module {
  /** [in, out / groups, ...kernel]. */
  readonly weight: Tensor;
  /** [out], or null. */
  readonly bias: Tensor | null;
  /** How the window moves. */
  protected readonly geometry: Omit<ConvGeometry, "padding"> & Record<"padding" | "outputPadding", PerDim>;

  /** Makes the layer of one to three dims, for channels in and out. */
  constructor(dims: number, channels: readonly [number, number], options: ConvTransposeLayerOptions) {
    super();
    const [inChannels, outChannels] = channels;
    const layer = `ConvTranspose${dims}d`;
    checkOptions(options, `make ${layer}`, [
      "padding",
      "outputPadding",
      "kernelSize",
      "stride",
      "dilation",
      "groups",
      "bias",
      ...layerOptions,
    ]);
    const { stride = 1, padding = 0, dilation = 1, groups = 1, outputPadding = 0 } = options;
    checkCounts(layer, { inChannels, outChannels, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(
        `Cannot make ${layer}: channels that are multiples of ${groups} groups are needed, got ${inChannels} and ${outChannels}`,
      );
    }
    const kernel = perDim(options.kernelSize, dims, { op: layer, name: "kernelSize", least: 1 });
    const shape = [inChannels, outChannels / groups, ...kernel];
    this.weight = parameter(defaultWeight(blank(shape, options), options));
    this.bias = options.bias === false ? null : parameter(defaultBias(blank([outChannels], options), shape, options));
    this.geometry = { stride, padding, dilation, groups, outputPadding };
  }
}

/** Transposed convolution over one dim, with weight [in, out / groups, kernel] and bias [out]. */
export class ConvTranspose1d extends ConvTranspose {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvTransposeLayerOptions) {
    super(1, [inChannels, outChannels], options);
  }

  /** [N, in, L] → [N, out, L']. */
  override forward(x: Tensor): Tensor {
    return convTranspose1d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}

/**
 * Transposed convolution over two dims, with weight [in, out / groups, KH, KW] and bias [out].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ConvTranspose2d } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new ConvTranspose2d(8, 3, { kernelSize: 2, stride: 2 });
 * assertEquals(layer.forward(ones([2, 8, 5, 5])).shape, [2, 3, 10, 10]);
 * ```
 */
export class ConvTranspose2d extends ConvTranspose {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvTransposeLayerOptions) {
    super(2, [inChannels, outChannels], options);
  }

  /** [N, in, H, W] → [N, out, H', W']. */
  override forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}

/** Transposed convolution over three dims, with weight [in, out / groups, KD, KH, KW] and bias [out]. */
export class ConvTranspose3d extends ConvTranspose {
  /** Makes the layer for `inChannels` channels in and `outChannels` out. */
  constructor(inChannels: number, outChannels: number, options: ConvTransposeLayerOptions) {
    super(3, [inChannels, outChannels], options);
  }

  /** [N, in, D, H, W] → [N, out, D', H', W']. */
  override forward(x: Tensor): Tensor {
    return convTranspose3d(x, this.weight, this.bias === null ? this.geometry : { ...this.geometry, bias: this.bias });
  }
}
