/**
 * Where results at special values differ from PyTorch 1.13's on purpose, or because PyTorch's are not what it promises, each with the
 * reason. One that never occurs fails the test, except those of WebGPU, which depend on the adapter and are reported.
 *
 * @module
 */
import type { Place } from "../devices.ts";

/** One element that differs. */
export interface Mismatch {
  readonly place: Place;
  /** The name of the case. */
  readonly name: string;
  readonly part: "output" | "gradient";
  /** The inputs: the element of each for elementwise cases, else the row. */
  readonly inputs: readonly number[];
  readonly got: number;
  readonly wanted: number;
}

/** A set of mismatches that are accepted. */
export interface Deviation {
  readonly names: readonly string[];
  readonly part: Mismatch["part"];
  readonly where: (mismatch: Mismatch) => boolean;
  readonly reason: string;
  /** Occurs on some adapters only. */
  readonly adapter?: true;
}

const maxima = ["maximum 0", "maximum nan", "maximum -inf", "minimum 0", "minimum nan", "minimum -inf", "maximum", "minimum"];
const selections = ["max", "min", "max of all", "aminmax", "topk", "topk least", "median", "kthvalue", "quantile"];
const exponentials = ["elu", "selu", "celu"];

const zeros = ({ got, wanted }: Mismatch) => got === 0 && wanted === 0;
const finiteBeside = ({ got, wanted }: Mismatch) => Number.isFinite(got) && !Number.isFinite(wanted);
const single = ({ place }: Mismatch) => place.dtype === "float32";
const whole = ([x]: readonly number[]) => x! <= 0 && Math.round(x!) === x;

/** On every device. */
export const deviations: readonly Deviation[] = [
  {
    names: [...maxima, ...selections],
    part: "output",
    where: zeros,
    reason:
      "PyTorch lets the order of operands and the width of its vectors decide between 0 and -0; here 0 is above -0, as IEEE 754 has it",
  },
  {
    names: ["log1p"],
    part: "output",
    where: ({ got, wanted }) => Number.isFinite(got) && wanted === Infinity,
    reason: "PyTorch's vector function overflows at the greatest numbers; the logarithm does not",
  },
  {
    names: ["sinh", "cosh"],
    part: "output",
    where: ({ got, wanted }) => Number.isFinite(got) && wanted === Infinity,
    reason: "PyTorch overflows where e^x does, though half of it is in range",
  },
  {
    names: exponentials,
    part: "output",
    where: ({ inputs: [x] }) => Math.abs(x!) < 1e-7,
    reason: "PyTorch subtracts 1 from e^x and loses x where it is small; here it is kept, and -0 with it",
  },
  {
    names: ["elu"],
    part: "gradient",
    where: ({ inputs: [x], got }) => Number.isNaN(x) && Number.isFinite(got),
    reason: "PyTorch passes the gradient on at NaN where it computes element by element, as here, and gives NaN where it uses vectors",
  },
  {
    names: ["digamma"],
    part: "gradient",
    where: ({ inputs, got }) => whole(inputs) ? got === Infinity : inputs[0]! < -0.999999,
    reason:
      "the poles of the trigamma function: Infinity, where PyTorch's rounded sine gives an arbitrary number, and a bad one beside them",
  },
  {
    names: ["gelu"],
    part: "output",
    where: zeros,
    reason: "PyTorch's float32 kernel (oneDNN) gives 0 for negative x; x Φ(x) is -0 there, as in its float64 kernel",
  },
  {
    names: ["gelu"],
    part: "gradient",
    where: ({ got, wanted }) => wanted === 0 && Math.abs(got) < 1e-20,
    reason: "PyTorch's float32 kernel flushes what is below 1e-20",
  },
  {
    names: ["hardswish"],
    part: "output",
    where: finiteBeside,
    reason: "PyTorch overflows before it divides by 6",
  },
  {
    names: ["hardswish"],
    part: "gradient",
    where: ({ inputs: [x] }) => x === 3,
    reason: "at the kink PyTorch's vectors take the slope above, its remaining elements the one below; here always the one below",
  },
  {
    names: ["softsign"],
    part: "gradient",
    where: ({ inputs: [x] }) => Math.abs(x!) > 700,
    reason: "PyTorch differentiates the quotient, whose terms cancel for large x and are NaN at infinities; here 1 / (1 + |x|)²",
  },
  {
    names: ["tanhshrink"],
    part: "gradient",
    where: ({ inputs: [x] }) => Math.abs(x!) < 0.01,
    reason: "PyTorch subtracts 1 - tanh² from 1, which cancels for small x; here tanh²",
  },
  {
    names: ["softshrink"],
    part: "output",
    where: ({ inputs: [x], got, wanted }) => Number.isNaN(x) || (got === 0 && wanted === 0),
    reason: "PyTorch 1.13 turns NaN into 0; since 2.0 it multiplies by 0 as here, which keeps NaN and the sign",
  },
  {
    names: ["floorDivide", "remainder", "fmod"],
    part: "output",
    where: ({ inputs: [a, b], wanted }) => Number.isNaN(wanted) && Math.abs(a! / b!) > 1e38,
    reason: "PyTorch's vector fmod gives NaN for quotients beyond its range; the remainder is exact here",
  },
  {
    names: ["remainder"],
    part: "gradient",
    where: ({ inputs: [a, b], wanted }) => Number.isNaN(wanted) && Math.abs(a! / b!) > 1e38,
    reason: "as the value",
  },
  {
    names: ["logcumsumexp"],
    part: "gradient",
    where: ({ inputs, got }) => inputs.length === 1 && Number.isNaN(inputs[0]!) && Number.isFinite(got),
    reason: "of one element it is that element, and the gradient passes; PyTorch takes it through logarithms",
  },
  {
    names: ["logaddexp", "logcumsumexp"],
    part: "gradient",
    where: ({ inputs, wanted }) => Number.isNaN(wanted) && inputs.some((x) => Math.abs(x) === Infinity),
    reason: "equal infinities share the gradient as equal numbers do; PyTorch subtracts them and gets NaN",
  },
  {
    names: ["logcumsumexp"],
    part: "gradient",
    where: ({ inputs, place }) => inputs.some((x) => Math.abs(place.dtype === "float32" ? Math.fround(x) : x) > 1e30),
    reason: "PyTorch adds the logarithm of the gradient to the elements, where it is lost",
  },
  {
    names: ["logcumsumexp"],
    part: "output",
    where: zeros,
    reason: "PyTorch's log of e^-0 is 0",
  },
  {
    names: ["logsumexp"],
    part: "gradient",
    where: ({ inputs, got, wanted }) => inputs.every((x) => x === -Infinity) && got === 0 && Number.isNaN(wanted),
    reason: "a row of -Infinity alone, as a mask leaves it, has no slope; PyTorch 1.13 subtracts the infinities and gets NaN",
  },
  {
    names: ["addcdiv"],
    part: "gradient",
    where: ({ inputs: [, b] }) => Math.abs(b!) >= 1e30 || Math.abs(b!) <= 1e-30,
    reason: "PyTorch squares the divisor, which overflows; here the quotient is divided once more",
  },
  {
    names: ["std", "std uncorrected"],
    part: "output",
    where: (m) => single(m) && m.inputs.some((x) => Math.abs(x) > 1e19 || (x !== 0 && Math.abs(x) < 1e-19)),
    reason: "squares leave float32 where the elements are beyond 1e19 or within 1e-19 of their mean; PyTorch's CPU sums in float64",
  },
  {
    names: ["std", "std uncorrected"],
    part: "gradient",
    where: (m) => single(m) && m.inputs.some((x) => Math.abs(x) > 1e19 || (x !== 0 && Math.abs(x) < 1e-19)),
    reason: "as the value",
  },
  {
    names: ["norm inf", "norm -inf"],
    part: "gradient",
    where: ({ inputs, got, wanted }) => inputs.some(Number.isNaN) && Number.isNaN(got) && wanted === 0,
    reason: "where the norm is NaN, so is its gradient, as that of max; PyTorch masks these two norms alone",
  },
  {
    names: ["norm 0.5"],
    part: "gradient",
    where: ({ inputs, wanted }) => !Number.isFinite(wanted) && inputs.some((x) => !(Math.abs(x) < 1e30)),
    reason:
      "PyTorch's formula goes through powers of the norm, which overflow; and an element of 0 has the gradient 0 beside infinities too",
  },
  {
    names: ["cumprod"],
    part: "gradient",
    where: ({ inputs, got }) => inputs.length === 1 && Number.isNaN(got),
    reason: "the gradient divides by the factor, and PyTorch makes an exception for rows of one element",
  },
  {
    names: ["quantile"],
    part: "output",
    where: ({ inputs, wanted }) => Number.isNaN(wanted) && inputs.length === 1,
    reason: "PyTorch interpolates between an infinity and itself; here a rank that is whole needs no interpolation",
  },
  {
    names: ["quantile"],
    part: "gradient",
    where: ({ inputs, got }) => got === 0 && inputs.some(Number.isNaN),
    reason: "a row's quantile that is NaN has no slope; PyTorch gives the gradient to the first NaN",
  },
  {
    names: ["bceWithLogits"],
    part: "output",
    where: ({ inputs: [x], got }) => x === -Infinity || (Math.fround(x!) === -Infinity && got === Infinity),
    reason: "an impossible logit of a possible class costs infinitely much; PyTorch subtracts two infinities and gets NaN",
  },
  {
    names: ["smoothL1Loss", "huberLoss", "layerNorm"],
    part: "output",
    where: zeros,
    reason: "the sign of 0 as a product or quotient of -0 has it; PyTorch's formula adds 0",
  },
  {
    names: ["layerNorm"],
    part: "output",
    where: ({ got, wanted }) => got === 0 && Math.abs(wanted) < 1e-30,
    reason: "an element equal to its row's mean is 0 from it; PyTorch rounds twice",
  },
  {
    names: ["layerNorm"],
    part: "gradient",
    where: ({ got, wanted }) => Math.abs(got - wanted) < 1e-6,
    reason: "the gradient of a row with one other element is the rounding error of terms that cancel, here and there",
  },
  {
    names: ["glu"],
    part: "gradient",
    where: ({ inputs, wanted }) => inputs.some((x) => x > 1e38) && wanted === 0,
    reason: "the gradient times 3e38 overflows before the sigmoid's slope, 0, meets it; PyTorch multiplies in another order",
  },
  {
    names: ["cdist 1"],
    part: "gradient",
    where: ({ wanted }) => Number.isNaN(wanted),
    reason: "the slope of |x| is 0 at NaN, as that of abs is in PyTorch too",
  },
  {
    names: ["bceLoss"],
    part: "gradient",
    where: ({ got, wanted }) => Math.abs(wanted) > Math.abs(got) && Math.abs(got) >= 100,
    reason: "of targets: with logarithms from -100, as the value has them; PyTorch's gradient alone does not hold them",
  },
  {
    names: ["klDivLoss"],
    part: "gradient",
    where: ({ inputs: [, t], wanted }) => t === 0 && Number.isNaN(wanted),
    reason: "of targets: t log t has no slope at 0 here, which leaves that of -t x; PyTorch divides 0 by 0",
  },
  {
    names: ["sinc"],
    part: "gradient",
    where: ({ inputs: [x] }) => Math.abs(x!) < 0.01,
    reason: "PyTorch subtracts sin from cos, which cancels for small x; here their series",
  },
  {
    names: ["copysign"],
    part: "gradient",
    where: ({ inputs: [x], wanted }) => Number.isNaN(wanted) && !Number.isFinite(x!),
    reason: "the slope is a sign, and 0 at NaN as that of abs; PyTorch divides the value by the argument",
  },
  {
    names: ["nanmean"],
    part: "gradient",
    where: ({ inputs, got }) => inputs.every(Number.isNaN) && got === 0,
    reason: "a mean of nothing has no slope; PyTorch divides 0 by 0",
  },
];

/** On WebGPU alone. Numbers below the normal ones, which an adapter may flush to 0, are left out by the comparison itself. */
export const webgpuDeviations: readonly Deviation[] = [
  {
    names: ["sum", "mean", "cumsum", "nansum", "nanmean"],
    part: "output",
    where: zeros,
    reason: "a sum of -0 alone starts from 0, and compilers leave out the addition of 0",
    adapter: true,
  },
  {
    names: ["cumsum"],
    part: "output",
    where: ({ inputs, got }) => got === Infinity && inputs.some((x) => x > 1e38),
    reason: "running sums overflow in float32; PyTorch's CPU sums in float64",
    adapter: true,
  },
];

/** The sets that a mismatch on a device may belong to. */
export function deviationsOn(device: string): readonly Deviation[] {
  return device === "webgpu" ? [...deviations, ...webgpuDeviations] : deviations;
}
