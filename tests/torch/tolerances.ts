/**
 * How far a replay may be off: torch.testing's tolerances of float32, and the looser ones, each with its reason.
 *
 * @module
 */

/** |got - expected| ≤ absolute + relative · |expected|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** A tolerance above torch.testing's. */
interface Looser extends Tolerance {
  readonly reason: string;
}

/** What is compared where. */
export interface Place {
  readonly operator: string;
  readonly gradient: boolean;
  readonly device: string;
}

/** torch.testing.assert_close's own for float32. */
const usual: Tolerance = { absolute: 1e-5, relative: 1.3e-6 };

/** By operator, then "gradient" added for what holds only backward. */
const cancels: Looser = {
  absolute: 1e-4,
  relative: 1e-5,
  reason: "sums of products up to 81 each nearly cancel; both sides round each product in float32, in different orders",
};
const conditioned: Looser = {
  absolute: 1e-4,
  relative: 2e-5,
  reason: "a division by small differences magnifies PyTorch's float32 rounding; we compute in float64",
};
const looser: Readonly<Record<string, Looser>> = {
  matmul: cancels,
  __rmatmul__: cancels,
  "linalg.multi_dot": { ...cancels, absolute: 1e-3 },
  "nn.functional.conv2d": cancels,
  "nn.functional.conv_transpose1d": cancels,
  "nn.functional.conv_transpose2d": cancels,
  "nn.functional.conv_transpose3d": cancels,
  "masked.normalize gradient": cancels,
  "ldexp gradient": cancels,
  "nn.functional.grid_sample gradient": cancels,
  "pow gradient": {
    absolute: 1e-5,
    relative: 1e-5,
    reason: "a product of a power, the exponent and a logarithm: four roundings each side",
  },
  "xlogy gradient": { absolute: 1e-5, relative: 1e-5, reason: "PyTorch multiplies by a rounded reciprocal, we divide" },
  "erfinv gradient": {
    absolute: 1e-5,
    relative: 5e-5,
    reason: "near ±1 the exponential of a square magnifies its rounding; against float64 PyTorch is off by 3e-5, we by 1e-6",
  },
  "sinc gradient": {
    absolute: 2e-4,
    relative: 1e-5,
    reason: "near 0 the terms of PyTorch's formula cancel; ours is a series there, which agrees with float64",
  },
  "digamma gradient": {
    absolute: 1e-5,
    relative: 5e-4,
    reason: "near a pole PyTorch's trigamma is off by 4e-4 against float64 (at -8.0015), ours by 1e-6",
  },
  "svd gradient": conditioned,
  "linalg.svd gradient": conditioned,
  "symeig gradient": conditioned,
  "triangular_solve gradient": conditioned,
  "__rdiv__ gradient": { absolute: 1e-5, relative: 1e-5, reason: "PyTorch multiplies by a rounded reciprocal, we divide" },
};

/** The tolerance of an operator's outputs or gradients. */
export function toleranceOf({ operator, gradient }: Place): Tolerance {
  return (gradient ? looser[`${operator} gradient`] : undefined) ?? looser[operator] ?? usual;
}
