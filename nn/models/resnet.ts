/**
 * ResNet-18, for small images or with the stem for large ones.
 *
 * @module
 */
import { checkOptions } from "../../tensor/arguments.ts";
import { adaptiveAvgPool2d, maxPool2d } from "../../tensor/pooling.ts";
import { tidy } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Sequential } from "../container.ts";
import { Conv2d, type ConvLayerOptions } from "../conv.ts";
import { kaimingNormal } from "../init.ts";
import { Linear } from "../linear.ts";
import { checkInputs, Module } from "../module.ts";
import { BatchNorm2d } from "../normalization.ts";
import { forLayers, type LayerOptions, layerOptions } from "../options.ts";
import type { Encoder } from "./encoder.ts";

/** How the channels and the size change in a {@link BasicBlock}. */
export interface BasicBlockOptions extends LayerOptions {
  /** The stride of the first convolution. Default 1. */
  readonly stride?: number;
}

/** Two 3×3 convolutions with batch norm, added to their input (brought to shape by a 1×1 convolution where it differs). */
export class BasicBlock extends Module {
  /** Brings the input to the output's channels and size. */
  readonly conv1: Conv2d;
  /** Of the first convolution. */
  readonly bn1: BatchNorm2d;
  /** Keeps channels and size. */
  readonly conv2: Conv2d;
  /** Of the second convolution. */
  readonly bn2: BatchNorm2d;
  /** Brings the input itself to the output's channels and size, or null. */
  readonly downsample: Sequential | null;

  /** Makes the block. */
  constructor(inChannels: number, outChannels: number, options: BasicBlockOptions = {}) {
    super();
    const { stride = 1 } = checkOptions(options, "make BasicBlock", ["stride", ...layerOptions]);
    const common = forLayers(options);
    this.conv1 = convolution(inChannels, outChannels, { ...common, kernelSize: 3, padding: 1, stride });
    this.bn1 = new BatchNorm2d(outChannels, common);
    this.conv2 = convolution(outChannels, outChannels, { ...common, kernelSize: 3, padding: 1, stride: 1 });
    this.bn2 = new BatchNorm2d(outChannels, common);
    this.downsample = stride === 1 && inChannels === outChannels ? null : new Sequential([
      convolution(inChannels, outChannels, { ...common, kernelSize: 1, stride }),
      new BatchNorm2d(outChannels, common),
    ]);
  }

  /** [N, in, H, W] → [N, out, H / stride, W / stride]. */
  override forward(x: Tensor): Tensor {
    return tidy(() => {
      const first = this.bn1.forward(this.conv1.forward(x)).relu();
      const second = this.bn2.forward(this.conv2.forward(first));
      return second.add(this.downsample?.forward(x) ?? x).relu();
    });
  }
}

/** Options of {@link ResNet18}. */
export interface ResNet18Options extends LayerOptions {
  /** Channels of the images. Default 3. */
  readonly inChannels?: number;
  /** Channels of the first stage; each later one doubles them. Default 64. */
  readonly width?: number;
  /** Classes of a linear classifier on top; left out, the features themselves come out. */
  readonly numClasses?: number;
  /**
   * "small": a 3×3 convolution of stride 1; "large": torchvision's, a 7×7 convolution of stride 2 and max pooling of stride 2. Default
   * "small".
   */
  readonly stem?: "small" | "large";
}

/**
 * ResNet-18. State dictionaries have torchvision's names; with stem "large" and 1000 classes its files load.
 * Source: He et al. 2016.
 */
export class ResNet18 extends Module implements Encoder {
  /** The stem. */
  readonly conv1: Conv2d;
  /** Of the stem. */
  readonly bn1: BatchNorm2d;
  /** [N, width, H, W]. */
  readonly layer1: Sequential;
  /** [N, 2 width, H/2, W/2]. */
  readonly layer2: Sequential;
  /** [N, 4 width, H/4, W/4]. */
  readonly layer3: Sequential;
  /** [N, 8 width, H/8, W/8]. */
  readonly layer4: Sequential;
  /** The classifier, or null. */
  readonly fc: Linear | null;
  /** The size of the features: 8 width, 512 by default. */
  readonly featureSize: number;
  /** "small" or "large". */
  readonly stem: "small" | "large";

  /** Makes the model. */
  constructor(options: ResNet18Options = {}) {
    super();
    checkOptions(options, "make ResNet18", ["inChannels", "width", "numClasses", "stem", ...layerOptions]);
    const { inChannels = 3, width = 64, numClasses, stem = "small" } = options;
    const common = forLayers(options);
    this.stem = stem;
    const window = stem === "large" ? { kernelSize: 7, padding: 3, stride: 2 } : { kernelSize: 3, padding: 1 };
    this.conv1 = convolution(inChannels, width, { ...common, ...window });
    this.bn1 = new BatchNorm2d(width, common);
    this.layer1 = stage(width, width, { ...common, stride: 1 });
    this.layer2 = stage(width, 2 * width, { ...common, stride: 2 });
    this.layer3 = stage(2 * width, 4 * width, { ...common, stride: 2 });
    this.layer4 = stage(4 * width, 8 * width, { ...common, stride: 2 });
    this.featureSize = 8 * width;
    this.fc = numClasses === undefined ? null : new Linear(this.featureSize, numClasses, common);
  }

  /** [N, inChannels, H, W] → [N, featureSize]. */
  features(x: Tensor): Tensor {
    checkInputs(this, { x });
    return tidy(() => {
      const first = this.bn1.forward(this.conv1.forward(x)).relu();
      const stem = this.stem === "large" ? maxPool2d(first, 3, { stride: 2, padding: 1 }) : first;
      const last = [this.layer1, this.layer2, this.layer3, this.layer4].reduce<Tensor>((value, layer) => layer.forward(value), stem);
      return adaptiveAvgPool2d(last, 1).flatten(1);
    });
  }

  /** [N, inChannels, H, W] → [N, numClasses], or the features [N, featureSize] without a classifier. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return tidy(() => this.fc?.forward(this.features(x)) ?? this.features(x));
  }
}

function stage(inChannels: number, outChannels: number, options: BasicBlockOptions): Sequential {
  return new Sequential([
    new BasicBlock(inChannels, outChannels, options),
    new BasicBlock(outChannels, outChannels, { ...options, stride: 1 }),
  ]);
}

/** A convolution without a bias (the batch norm behind it has one), started for ReLU: {@link kaimingNormal} by fanOut. */
function convolution(inChannels: number, outChannels: number, options: ConvLayerOptions): Conv2d {
  const layer = new Conv2d(inChannels, outChannels, { ...options, bias: false });
  kaimingNormal(layer.weight, { mode: "fanOut", nonlinearity: "relu", generator: options.generator });
  return layer;
}
