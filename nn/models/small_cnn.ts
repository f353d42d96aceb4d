/**
 * A small convolutional encoder.
 *
 * @module
 */
import { checkOptions } from "../../tensor/arguments.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { tidy } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { maxPool2d } from "../../tensor/pooling.ts";
import { Conv2d } from "../conv.ts";
import { Linear } from "../linear.ts";
import { checkInputs, Module } from "../module.ts";
import { BatchNorm2d } from "../normalization.ts";
import { forLayers, type LayerOptions, layerOptions } from "../options.ts";
import type { Encoder } from "./encoder.ts";

/** Options of {@link SmallCNN}. */
export interface SmallCNNOptions extends LayerOptions {
  /** The height and width of images, each at least 4. Default [28, 28]. */
  readonly imageSize?: readonly [number, number];
  /** Channels of the images. Default 1. */
  readonly inChannels?: number;
  /** Channels of the two convolutions. Default [16, 32]. */
  readonly channels?: readonly [number, number];
  /** The size of the features. Default 128. */
  readonly featureSize?: number;
}

/**
 * Two blocks of 3×3 convolution, batch norm, ReLU and 2×2 max pooling, then a linear layer and ReLU; from 8×8 digits to small photographs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SmallCNN } from "../mod.ts";
 * import { ones } from "../../tensor/mod.ts";
 *
 * const digits = new SmallCNN({ imageSize: [8, 8], featureSize: 64 });
 * assertEquals(digits.forward(ones([2, 1, 8, 8])).shape, [2, 64]);
 * ```
 */
export class SmallCNN extends Module implements Encoder {
  /** [N, inChannels, H, W] → [N, channels[0], H, W]. */
  readonly conv1: Conv2d;
  /** Of the first convolution. */
  readonly bn1: BatchNorm2d;
  /** [N, channels[0], H/2, W/2] → [N, channels[1], H/2, W/2]. */
  readonly conv2: Conv2d;
  /** Of the second convolution. */
  readonly bn2: BatchNorm2d;
  /** [N, channels[1] · H/4 · W/4] → [N, featureSize]. */
  readonly fc: Linear;
  /** The size of the features. */
  readonly featureSize: number;

  /** Makes the encoder. */
  constructor(options: SmallCNNOptions = {}) {
    super();
    checkOptions(options, "make SmallCNN", ["imageSize", "inChannels", "channels", "featureSize", ...layerOptions]);
    const { imageSize: [height, width] = [28, 28], inChannels = 1, channels: [first, second] = [16, 32], featureSize = 128 } = options;
    if (!(height >= 4 && width >= 4)) {
      throw new ArgumentError(`Cannot make SmallCNN: images of at least 4 × 4 are needed, got ${height} × ${width}`);
    }
    const common = forLayers(options);
    const convolution = { ...common, kernelSize: 3, padding: 1, bias: false };
    this.conv1 = new Conv2d(inChannels, first, convolution);
    this.bn1 = new BatchNorm2d(first, common);
    this.conv2 = new Conv2d(first, second, convolution);
    this.bn2 = new BatchNorm2d(second, common);
    const pooled = (size: number) => Math.floor(Math.floor(size / 2) / 2);
    this.fc = new Linear(second * pooled(height) * pooled(width), featureSize, common);
    this.featureSize = featureSize;
  }

  /** [N, inChannels, H, W] → [N, featureSize]. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return tidy(() => {
      const first = maxPool2d(this.bn1.forward(this.conv1.forward(x)).relu(), 2);
      const second = maxPool2d(this.bn2.forward(this.conv2.forward(first)).relu(), 2);
      return this.fc.forward(second.flatten(1)).relu();
    });
  }
}
