/**
 * Samples of PyTorch 1.13 on which Tandem differs on purpose or PyTorch is wrong or at odds with itself, by position, each with the reason.
 * A sample that is listed here and agrees fails the test.
 *
 * @module
 */

/** What is compared. */
export type Kind = "forward" | "gradient" | "error";

interface Deviation {
  readonly operator: string;
  readonly kind: Kind;
  readonly positions: readonly number[];
  readonly reason: string;
}

const nan = "at NaN PyTorch's vectorised and scalar loops differ, and its formula for each function";
const lone = "a row of one element is its own mean: the result is the bias, where PyTorch leaves a rounding error times 1 / √ε";
const numbers = "a number is as good as a tensor here";
const dims = "PyTorch's limit of 64 dims is not ours";
const index = "int32 is our index type";
const casts = "PyTorch leaves the cast of NaN, infinities and great numbers to the processor; we clamp, and NaN is 0";

const lost = "NaN stays NaN, where PyTorch's comparisons turn it into 0";
const crossed = "a least value above the greatest is refused, as nn.Hardtanh does and later versions of PyTorch do here too";
const pole =
  "beside and at a pole PyTorch's float32 trigamma is off by up to all its digits (at -1 it is finite); ours agrees with float64";
const fractions = "fractions are plain numbers here, so they have no gradient";
const values = "values on a device are not looked at before computing; a negative weight makes the result NaN";
const channels = "images without channels have windows without channels";
const lacking = "a 1-d input without a single element has no channels here";
const whole = "20.0 is the whole number 20";
const mean = "the mean of whole numbers is a float here";

/** One row per operator and kind. */
const deviations: readonly Deviation[] = [
  { operator: "nn.functional.softshrink", kind: "forward", positions: [13, 14, 28, 29], reason: lost },
  { operator: "nn.functional.hardtanh", kind: "forward", positions: [0, 16], reason: crossed },
  { operator: "nn.functional.hardtanh", kind: "gradient", positions: [0, 16], reason: crossed },
  {
    operator: "nn.functional.softsign",
    kind: "gradient",
    positions: [11, 24],
    reason: "at ±∞ the slope is 0, where PyTorch's formula gives NaN",
  },
  { operator: "copysign", kind: "gradient", positions: [43, 44, 88, 89], reason: nan },
  { operator: "nanquantile", kind: "gradient", positions: [37, 44, 51], reason: fractions },
  { operator: "quantile", kind: "gradient", positions: [37, 44, 51], reason: fractions },
  { operator: "digamma", kind: "gradient", positions: [9, 10, 12, 16, 22, 23, 25], reason: pole },
  { operator: "logcumsumexp", kind: "gradient", positions: [0, 1], reason: "PyTorch's is off by 7e-4; ours agrees with float64" },
  { operator: "native_layer_norm", kind: "forward", positions: [8, 9, 10, 11], reason: lone },
  { operator: "nn.functional.layer_norm", kind: "forward", positions: [2], reason: lone },
  { operator: "nn.functional.batch_norm", kind: "forward", positions: [3, 4], reason: lacking },
  { operator: "int", kind: "forward", positions: [12, 13, 14, 27, 28, 29], reason: casts },
  { operator: "clamp_max", kind: "gradient", positions: [38, 39, 78, 79], reason: nan },
  { operator: "clamp_min", kind: "gradient", positions: [38, 39, 78, 79], reason: nan },
  { operator: "native_layer_norm", kind: "gradient", positions: [8, 10], reason: lone },
  { operator: "nn.functional.layer_norm", kind: "gradient", positions: [2], reason: lone },
  { operator: "nn.functional.elu", kind: "gradient", positions: [12], reason: nan },
  { operator: "nn.functional.celu", kind: "gradient", positions: [11, 24, 25], reason: nan },
  { operator: "nn.functional.selu", kind: "gradient", positions: [11, 24, 25], reason: nan },
  { operator: "nn.functional.batch_norm", kind: "gradient", positions: [3, 4], reason: lacking },
  { operator: "nn.functional.softshrink", kind: "gradient", positions: [13, 28, 29], reason: nan },
  { operator: "nn.functional.hardshrink", kind: "gradient", positions: [14, 30, 31], reason: nan },
  { operator: "nn.functional.hardtanh", kind: "gradient", positions: [14, 30, 31], reason: nan },
  { operator: "nn.functional.relu6", kind: "gradient", positions: [11, 24, 25], reason: nan },
  { operator: "atan2", kind: "error", positions: [0], reason: numbers },
  { operator: "linspace", kind: "error", positions: [1], reason: whole },
  { operator: "logspace", kind: "error", positions: [1], reason: whole },
  { operator: "heaviside", kind: "error", positions: [0], reason: numbers },
  { operator: "cov", kind: "error", positions: [7, 8], reason: values },
  { operator: "nn.functional.max_pool1d", kind: "error", positions: [4, 15], reason: channels },
  { operator: "nn.functional.max_pool3d", kind: "error", positions: [4], reason: channels },
  { operator: "linalg.cross", kind: "error", positions: [1], reason: "vectors of different ranks are broadcast as everywhere" },
  { operator: "hypot", kind: "error", positions: [0], reason: numbers },
  { operator: "max/binary", kind: "error", positions: [0], reason: numbers },
  { operator: "maximum", kind: "error", positions: [0], reason: numbers },
  { operator: "min/binary", kind: "error", positions: [0], reason: numbers },
  { operator: "minimum", kind: "error", positions: [0], reason: numbers },
  { operator: "aminmax", kind: "error", positions: [1, 2], reason: dims },
  { operator: "gather", kind: "error", positions: [1], reason: index },
  { operator: "scatter", kind: "error", positions: [1], reason: index },
  { operator: "scatter_add", kind: "error", positions: [1], reason: index },
  { operator: "amax", kind: "error", positions: [1, 2], reason: dims },
  { operator: "amin", kind: "error", positions: [1, 2], reason: dims },
  { operator: "mean", kind: "error", positions: [0, 1], reason: mean },
];

/** Why a sample differs, or undefined. */
export function deviationOf(operator: string, kind: Kind, position: number): string | undefined {
  return deviations.find((row) => row.operator === operator && row.kind === kind && row.positions.includes(position))?.reason;
}
