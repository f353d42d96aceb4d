/**
 * Layers made of layers, and those that only pass on or reshape.
 *
 * @module
 */
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Layer, Module } from "./module.ts";

/**
 * Layers one after the other, named by position in the state dictionary ("0.weight"). What lies between the layers is freed as soon as
 * nothing needs it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear, ReLU, Sequential } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const model = new Sequential([new Linear(4, 8), new ReLU(), new Linear(8, 2)]);
 * assertEquals(model.forward(ones([3, 4])).shape, [3, 2]);
 * assertEquals([...model.namedParameters().keys()], ["0.weight", "0.bias", "2.weight", "2.bias"]);
 * ```
 */
export class Sequential extends Module {
  /** The layers in order. */
  readonly layers: Layer[];

  /** Takes the layers in order. */
  constructor(layers: readonly Layer[]) {
    super();
    this.layers = [...layers];
  }

  /** The layers under their positions. */
  override fields(): object {
    return this.layers;
  }

  /** Runs the layers in order. */
  override forward(x: Tensor): Tensor {
    return tidy(() => this.layers.reduce((value, layer) => layer.forward(value), x));
  }
}

/** Gives back its input. */
export class Identity extends Module {
  /** The same tensor. */
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** All dims from `start` (default 1, so that the batch stays) to `end` (default the last) as one. */
export class Flatten extends Module {
  /** The first dim that is merged. */
  readonly start: number;
  /** The last dim that is merged. */
  readonly end: number;

  /** Makes the layer. */
  constructor({ start = 1, end = -1 }: { readonly start?: number; readonly end?: number } = {}) {
    super();
    this.start = start;
    this.end = end;
  }

  /** [N, ...] → [N, rest]. */
  override forward(x: Tensor): Tensor {
    return x.flatten(this.start, this.end);
  }
}
