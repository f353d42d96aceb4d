/**
 * A fully connected encoder.
 *
 * @module
 */
import { checkOptions } from "../../tensor/arguments.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { tidy } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Linear } from "../linear.ts";
import { checkInputs, Module } from "../module.ts";
import { forLayers, type LayerOptions, layerOptions } from "../options.ts";
import type { Encoder } from "./encoder.ts";

/** Options of {@link MLP}. */
export interface MLPOptions extends LayerOptions {
  /** The sizes of the layers; the last is that of the features. Default [256, 128]. */
  readonly hiddenSizes?: readonly number[];
}

/** Linear layers, each followed by ReLU. Inputs of any shape are flattened but for the batch. */
export class MLP extends Module implements Encoder {
  /** The linear layers in order. */
  readonly layers: readonly Linear[];
  /** The size of the last layer. */
  readonly featureSize: number;

  /** Makes the encoder for inputs of `inputSize` values each. */
  constructor(inputSize: number, options: MLPOptions = {}) {
    super();
    const { hiddenSizes = [256, 128] } = checkOptions(options, "make MLP", ["hiddenSizes", ...layerOptions]);
    const last = hiddenSizes.at(-1);
    if (last === undefined) throw new ArgumentError("Cannot make MLP: at least one hidden size is needed, got none");
    this.layers = hiddenSizes.map((size, position) => new Linear(hiddenSizes[position - 1] ?? inputSize, size, forLayers(options)));
    this.featureSize = last;
  }

  /** [N, ...] → [N, featureSize]. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return tidy(() => this.layers.reduce<Tensor>((value, layer) => layer.forward(value).relu(), x.flatten(1)));
  }
}
