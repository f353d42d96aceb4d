/**
 * Whole numbers that stand for fractions: x ≈ (q - zero point) · scale.
 *
 * @module
 */
import type { Tensor } from "../../../mod.ts";
import { type Call, type Operator, positive } from "./call.ts";
import { convolve } from "./images/convolution.ts";

/** A number per channel along a dim of x, or one for all. */
function along(part: Tensor, x: Tensor, axis: number): Tensor {
  if (part.size === 1) return part.reshape([]);
  return part.reshape(x.shape.map((size, dim) => dim === positive(axis, x.rank) ? size : 1));
}

/** The type of a zero point: int8 (3 in ONNX's numbering) or uint8, which is also what none means. */
function rangeOf(call: Call, zeroPoint: number): { min: number; max: number } {
  return call.init.elementTypes[zeroPoint] === 3 ? { min: -128, max: 127 } : { min: 0, max: 255 };
}

/** x as floats, less its zero point. */
function centred(call: Call, index: number, zeroPoint: number, axis = 1): Tensor {
  const x = call.x(index);
  const zero = call.maybe(zeroPoint);
  const values = x.to("float32");
  return zero === undefined ? values : values.sub(along(zero, x, axis));
}

interface Target {
  readonly scale: Tensor;
  readonly zero: Tensor | undefined;
  readonly range: { readonly min: number; readonly max: number };
}

function quantize(x: Tensor, { scale, zero, range }: Target): Tensor {
  const steps = x.div(scale).round();
  return (zero === undefined ? steps : steps.add(zero)).clamp(range).to("int32");
}

const quantizeLinear: Operator = (call) => {
  const [x, axis, zero] = [call.x(0), call.number("axis", 1), call.maybe(2)];
  return quantize(x, { scale: along(call.x(1), x, axis), zero: zero && along(zero, x, axis), range: rangeOf(call, 2) });
};

const dequantizeLinear: Operator = (call) => {
  const axis = call.number("axis", 1);
  return centred(call, 0, 2, axis).mul(along(call.x(1), call.x(0), axis));
};

/** To uint8, by the least and greatest of the values and 0. */
const dynamicQuantizeLinear: Operator = (call) => {
  const x = call.x();
  const [least, greatest] = [x.min().minimum(0), x.max().maximum(0)];
  const scale = greatest.sub(least).div(255);
  const zero = least.neg().div(scale).round().clamp({ min: 0, max: 255 }).to("int32");
  return { outputs: [quantize(x, { scale, zero, range: { min: 0, max: 255 } }), scale, zero] };
};

// Sums of products of 8-bit numbers are exact in float32 up to 2^24.

const matMulInteger: Operator = (call) => centred(call, 0, 2, -2).matmul(centred(call, 1, 3, -1)).to("int32");

const convInteger: Operator = (call) => convolve(call, centred(call, 0, 2), centred(call, 1, 3, 0)).to("int32");

/**
 * Inputs: a, its scale and zero point, b, its scale and zero point, the result's scale and zero point. `axis` is the result's dim that b's
 * scales are for.
 */
function requantized(product: (call: Call) => Tensor, axis: number): Operator {
  return (call) => {
    const y = product(call);
    const values = y.mul(call.x(1).reshape([])).mul(along(call.x(4), y, axis));
    return quantize(values, { scale: call.x(6).reshape([]), zero: call.maybe(7)?.reshape([]), range: rangeOf(call, 7) });
  };
}

/** Operators on quantised numbers. */
export const quantization: Readonly<Record<string, Operator>> = {
  ConvInteger: convInteger,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matMulInteger,
  QLinearConv: requantized((call) => convolve(call, centred(call, 0, 2), centred(call, 3, 5, 0)), 1),
  QLinearMatMul: requantized((call) => centred(call, 0, 2, -2).matmul(centred(call, 3, 5, -1)), -1),
  QuantizeLinear: quantizeLinear,
};
