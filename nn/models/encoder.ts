/**
 * What ready models have in common: features of a known size, to which a head is joined.
 *
 * @module
 */
import { checkOptions, kindOf } from "../../tensor/arguments.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { tidy } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Linear } from "../linear.ts";
import { checkInputs, type Layer, Module } from "../module.ts";
import { forLayers, type LayerOptions, layerOptions } from "../options.ts";

/** A model that turns a batch of inputs into features [N, featureSize]. */
export interface Encoder extends Layer {
  /** The size of one feature vector. */
  readonly featureSize: number;
}

/** Options of {@link ProjectionHead}. */
export interface ProjectionHeadOptions extends LayerOptions {
  /** The size of the layer between. Default: that of the input. */
  readonly hiddenSize?: number;
  /** The size of the output. Default 128. */
  readonly outputSize?: number;
}

/**
 * Linear, ReLU, linear: brings features to the space in which a contrastive loss compares them. Source: Chen et al. 2020.
 */
export class ProjectionHead extends Module implements Encoder {
  /** The first layer. */
  readonly hidden: Linear;
  /** The second layer. */
  readonly output: Linear;
  /** The size of one projection. */
  readonly featureSize: number;

  /** Makes the head for features of `inputSize`. */
  constructor(inputSize: number, options: ProjectionHeadOptions = {}) {
    super();
    checkOptions(options, "make ProjectionHead", ["hiddenSize", "outputSize", ...layerOptions]);
    const { hiddenSize = inputSize, outputSize = 128 } = options;
    this.hidden = new Linear(inputSize, hiddenSize, forLayers(options));
    this.output = new Linear(hiddenSize, outputSize, forLayers(options));
    this.featureSize = outputSize;
  }

  /** [N, inputSize] → [N, outputSize]. */
  override forward(x: Tensor): Tensor {
    return tidy(() => this.output.forward(this.hidden.forward(x).relu()));
  }
}

/**
 * An encoder and a head on its features: a projection for contrastive losses, or a linear classifier.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EncoderWithHead, MLP, ProjectionHead } from "../mod.ts";
 * import { ones } from "../../tensor/mod.ts";
 *
 * const encoder = new MLP(64, { hiddenSizes: [32] });
 * const model = new EncoderWithHead(encoder, new ProjectionHead(encoder.featureSize, { outputSize: 16 }));
 * assertEquals(model.features(ones([5, 64])).shape, [5, 32]);
 * assertEquals(model.forward(ones([5, 64])).shape, [5, 16]);
 * ```
 */
export class EncoderWithHead extends Module {
  /** What makes features. */
  readonly encoder: Encoder;
  /** What is computed from them. */
  readonly head: Layer;

  /** Joins the two. */
  constructor(encoder: Encoder, head: Layer) {
    super();
    for (const part of [encoder, head]) {
      if (!(part instanceof Module)) throw new ArgumentError(`Cannot make EncoderWithHead: modules are needed, got ${kindOf(part)}`);
    }
    this.encoder = encoder;
    this.head = head;
  }

  /** [N, ...] → [N, encoder.featureSize]: what is left when the head is thrown away. */
  features(x: Tensor): Tensor {
    checkInputs(this, { x });
    return this.encoder.forward(x);
  }

  /** [N, ...] → what the head makes of the features. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return tidy(() => this.head.forward(this.features(x)));
  }
}
