/**
 * What the constructors of layers with parameters share.
 *
 * @module
 */
import { zeros } from "../tensor/create.ts";
import type { DeviceName } from "../tensor/device.ts";
import type { DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Generator } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Where and how a layer's parameters are made. */
export interface LayerOptions {
  /** The type of parameters. Default float32. */
  readonly dtype?: DType | undefined;
  /** The device of parameters. Default: the default device. */
  readonly device?: DeviceName | undefined;
  /** Where initial values come from. Default: the default generator. */
  readonly generator?: Generator | undefined;
}

/** The names of {@link LayerOptions}. */
export const layerOptions = ["dtype", "device", "generator"] as const;

/** Those of a model's options that its layers have too. */
export function forLayers({ dtype, device, generator }: LayerOptions): LayerOptions {
  return { dtype, device, generator };
}

/** A tensor to be initialised. */
export function blank(shape: readonly number[], { dtype, device }: LayerOptions): Tensor {
  return zeros(shape, { ...(dtype === undefined ? {} : { dtype }), ...(device === undefined ? {} : { device }) });
}

/**
 * Checks the sizes of a layer.
 *
 * @throws ArgumentError naming the layer and the size that is no positive whole number.
 */
export function checkCounts(layer: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1) {
      throw new ArgumentError(`Cannot make ${layer}: a positive whole ${name} is needed, got ${count}`);
    }
  }
}
