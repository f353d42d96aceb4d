/**
 * Activations beyond the methods of {@link Tensor}, as functions.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import * as activation from "./ops/activation.ts";
import { tidy } from "./scope.ts";
import { normalizeDim } from "./shape.ts";
import { apply, checkTensors, type Tensor } from "./tensor.ts";

/** x above 0, alpha (e^(x / alpha) - 1) below. Source: Barron 2017. */
export function celu(x: Tensor, options: { readonly alpha?: number } = {}): Tensor {
  checkTensors("celu", { x });
  const { alpha = 1 } = checkOptions(options, "celu", ["alpha"]);
  if (!(alpha !== 0)) throw new ArgumentError("Cannot celu: an alpha other than 0 is needed, got 0");
  return apply(activation.celu, [x], [alpha])[0]!;
}

/** λ x above 0, λ α (e^x - 1) below, with the constants that keep mean 0 and variance 1. Source: Klambauer et al. 2017. */
export function selu(x: Tensor): Tensor {
  return apply(activation.selu, [x], [])[0]!;
}

/**
 * x held between `min` and `max`, without slope at the bounds.
 *
 * @throws ArgumentError when min > max.
 */
export function hardtanh(x: Tensor, options: { readonly min?: number; readonly max?: number } = {}): Tensor {
  checkTensors("hardtanh", { x });
  const { min = -1, max = 1 } = checkOptions(options, "hardtanh", ["min", "max"]);
  if (!(min <= max)) throw new ArgumentError(`Cannot hardtanh: min ≤ max is needed, got ${min} and ${max}`);
  return apply(activation.hardtanh, [x], [min, max])[0]!;
}

/** x held between 0 and 6. */
export function relu6(x: Tensor): Tensor {
  return apply(activation.hardtanh, [x], [0, 6])[0]!;
}

/** (x + 3) / 6 held between 0 and 1. */
export function hardsigmoid(x: Tensor): Tensor {
  return apply(activation.hardsigmoid, [x], [])[0]!;
}

/** x times {@link hardsigmoid} of x. Source: Howard et al. 2019. */
export function hardswish(x: Tensor): Tensor {
  return apply(activation.hardswish, [x], [])[0]!;
}

/** x / (1 + |x|). */
export function softsign(x: Tensor): Tensor {
  return apply(activation.softsign, [x], [])[0]!;
}

/** x tanh(log(1 + e^x)). Source: Misra 2019. */
export function mish(x: Tensor): Tensor {
  return apply(activation.mish, [x], [])[0]!;
}

/** x - tanh(x). */
export function tanhshrink(x: Tensor): Tensor {
  return apply(activation.tanhshrink, [x], [])[0]!;
}

/** x where it is above `threshold`, `value` elsewhere. */
export function threshold(x: Tensor, options: { readonly threshold: number; readonly value: number }): Tensor {
  checkOptions(options, "threshold", ["threshold", "value"]);
  return apply(activation.threshold, [x], [options.threshold, options.value])[0]!;
}

/**
 * x moved towards 0 by `lambda`, and 0 within it.
 *
 * @throws ArgumentError for a negative lambda.
 */
export function softshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
  checkTensors("softshrink", { x });
  const { lambda = 0.5 } = checkOptions(options, "softshrink", ["lambda"]);
  if (!(lambda >= 0)) throw new ArgumentError(`Cannot softshrink: a lambda from 0 is needed, got ${lambda}`);
  return apply(activation.softshrink, [x], [lambda])[0]!;
}

/** x, and 0 where |x| ≤ lambda. */
export function hardshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
  const { lambda = 0.5 } = checkOptions(options, "hardshrink", ["lambda"]);
  return apply(activation.hardshrink, [x], [lambda])[0]!;
}

/** softmax(-x) along `dim`. */
export function softmin(x: Tensor, dim: number): Tensor {
  checkTensors("softmin", { x });
  return tidy(() => x.neg().softmax(dim));
}

/**
 * The first half of `dim` times the sigmoid of the second half. Source: Dauphin et al. 2017.
 *
 * @throws ShapeError when the size of the dim is odd.
 */
export function glu(x: Tensor, options: { readonly dim?: number } = {}): Tensor {
  checkTensors("glu", { x });
  const { dim = -1 } = checkOptions(options, "glu", ["dim"]);
  const at = normalizeDim(dim, x.rank, "glu");
  const size = x.shape[at];
  if (size === undefined || size % 2 !== 0) {
    throw new ShapeError(`Cannot glu ${formatShapes([x.shape])}: an even size of dim ${dim} is needed`, { op: "glu", shapes: [x.shape] });
  }
  return tidy(() => {
    const [values, gates] = x.split(size / 2 || 1, { dim: at });
    return values!.mul((gates ?? values)!.sigmoid());
  });
}

/**
 * x above 0, weight · x below, the weight learned.
 *
 * @param x [N, C, ...] (or [C] or less).
 * @param weight One number, or one per channel [C].
 * @throws ShapeError when the weight fits neither.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  checkTensors("prelu", { x, weight });
  const channels = x.rank >= 2 ? x.shape[1]! : 1;
  if (weight.rank > 1 || (weight.size !== 1 && weight.size !== channels)) {
    throw new ShapeError(`Cannot prelu ${formatShapes([x.shape, weight.shape])}: a weight of 1 or ${channels} is needed`, {
      op: "prelu",
      shapes: [x.shape, weight.shape],
    });
  }
  return tidy(() => {
    const slope = weight.size === 1 ? weight.reshape([]) : weight.reshape([channels, ...x.shape.slice(2).map(() => 1)]);
    return x.gt(0).where(x, x.mul(slope));
  });
}
