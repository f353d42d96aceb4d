/**
 * Dropout, as a function and a layer.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { dropout as dropoutOp } from "../tensor/ops/dropout.ts";
import { defaultGenerator, drawKey, type Generator } from "../tensor/random.ts";
import { tidy } from "../tensor/scope.ts";
import { apply, checkTensors, type Tensor } from "../tensor/tensor.ts";
import { checkInputs, Module } from "./module.ts";

/** Options of {@link dropout} and {@link Dropout}. */
export interface DropoutOptions {
  /** The probability with which an element becomes 0. Default 0.5. */
  readonly p?: number;
  /** Where the masks come from. Default: the default generator. */
  readonly generator?: Generator | undefined;
}

/**
 * Sets elements to 0 with probability p and multiplies the others by 1 / (1 - p), so that means stay.
 *
 * @throws ArgumentError for a p outside 0 … 1. Source: Srivastava et al. 2014.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dropout } from "./mod.ts";
 * import { Generator, ones } from "../tensor/mod.ts";
 *
 * const y = dropout(ones([100]), { p: 0.5, generator: new Generator(1) });
 * assertEquals(new Set(await y.data()), new Set([0, 2]));
 * ```
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  checkTensors("dropout", { x });
  const { p = 0.5, generator = defaultGenerator } = checkOptions(options, "dropout", ["p", "generator"]);
  checkProbability(p);
  return p === 0 ? x.alias() : apply(dropoutOp, [x], { key: drawKey(generator), probability: p })[0]!;
}

/** Dropout in training, nothing in evaluation; see {@link dropout}. */
export class Dropout extends Module {
  /** The probability with which an element becomes 0. */
  readonly p: number;
  /** Where the masks come from. */
  readonly generator: Generator;

  /** Makes the layer. */
  constructor(options: DropoutOptions = {}) {
    super();
    const { p = 0.5, generator = defaultGenerator } = checkOptions(options, "make Dropout", ["p", "generator"]);
    checkProbability(p);
    this.p = p;
    this.generator = generator;
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    return this.training ? dropout(x, { p: this.p, generator: this.generator }) : x;
  }
}

/** What dropout of whole channels [N, C, ...] shares: set to 0 in training, nothing in evaluation. Source: Tompson et al. 2015. */
export abstract class ChannelDropout extends Dropout {
  /** Same shape. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    if (!this.training) return x;
    return tidy(() => {
      const mask = x.newFull(x.shape.map((size, dim) => dim < 2 ? size : 1), 1);
      return x.mul(dropout(mask, { p: this.p, generator: this.generator }));
    });
  }
}

/** Whole channels of [N, C, L] set to 0 in training, nothing in evaluation. */
export class Dropout1d extends ChannelDropout {}

/** Whole channels of [N, C, H, W] set to 0 in training, nothing in evaluation. */
export class Dropout2d extends ChannelDropout {}

/** Whole channels of [N, C, D, H, W] set to 0 in training, nothing in evaluation. */
export class Dropout3d extends ChannelDropout {}

function checkProbability(p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`Cannot dropout: a p from 0 to 1 is needed, got ${p}`);
}
