/**
 * One output element per input element: arithmetic, comparisons, activations, casts.
 *
 * @module
 */
import { celu, hardshrink, hardswish, prelu, promote, selu, softsign, type Tensor, threshold, where } from "../../../mod.ts";
import { dtypeOf, UnsupportedError } from "../model.ts";
import type { Call, Operator } from "./call.ts";

const isWhole = (x: Tensor) => x.dtype === "int32" || x.dtype === "uint32";

function unary(name: Unary): Operator {
  return (call) => call.x()[name]();
}

type Unary =
  | "abs"
  | "acos"
  | "acosh"
  | "asin"
  | "asinh"
  | "atan"
  | "atanh"
  | "ceil"
  | "cos"
  | "cosh"
  | "erf"
  | "exp"
  | "floor"
  | "isNaN"
  | "log"
  | "logicalNot"
  | "neg"
  | "reciprocal"
  | "relu"
  | "round"
  | "sigmoid"
  | "sign"
  | "sin"
  | "sinh"
  | "sqrt"
  | "tan"
  | "tanh";

type Binary = "add" | "sub" | "mul" | "lt" | "le" | "gt" | "ge" | "eq" | "logicalAnd" | "logicalOr" | "logicalXor";

/** Below version 7 the second operand lies along the first from `axis` on. */
function pair(call: Call): [Tensor, Tensor] {
  const [a, b] = [call.x(0), call.x(1)];
  if (call.opset >= 7 || !call.has("axis")) return [a, b];
  const trailing = a.rank - call.number("axis") - b.rank;
  return [a, b.reshape([...b.shape, ...new Array<number>(Math.max(0, trailing)).fill(1)])];
}

function binary(name: Binary): Operator {
  return (call) => {
    const [a, b] = pair(call);
    return a[name](b);
  };
}

/** Whole numbers divide towards zero. */
const div: Operator = (call) => {
  const [a, b] = pair(call);
  return isWhole(a) ? a.sub(a.fmod(b)).floorDivide(b) : a.div(b);
};

const pow: Operator = (call) => {
  const [base, exponent] = pair(call);
  return isWhole(base) && !isWhole(exponent) ? base.pow(exponent).to(base.dtype) : base.pow(exponent.to(base.dtype));
};

function fold(step: (a: Tensor, b: Tensor) => Tensor): Operator {
  return (call) => call.all().reduce(step);
}

const mean: Operator = (call) => call.all().reduce((a, b) => a.add(b)).div(call.inputCount);

const mod: Operator = (call) => call.number("fmod", 0) === 1 ? call.x(0).fmod(call.x(1)) : call.x(0).remainder(call.x(1));

const bitShift: Operator = (call) =>
  call.text("direction", "") === "LEFT" ? call.x(0).bitwiseLeftShift(call.x(1)) : call.x(0).bitwiseRightShift(call.x(1));

/** The bounds are attributes below version 11, scalars from then on. */
const clip: Operator = async (call) => {
  const min = await call.scalar(1) ?? (call.has("min") ? call.number("min") : undefined);
  const max = await call.scalar(2) ?? (call.has("max") ? call.number("max") : undefined);
  return call.x().clamp({ ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) });
};

const cast: Operator = (call) => castTo(call.x(), dtypeOf(call.number("to")));

function castTo(x: Tensor, dtype: Tensor["dtype"]): Tensor {
  return dtype === "bool" ? x.ne(0) : x.to(dtype);
}

const isInf: Operator = (call) => {
  const x = call.x();
  const [negative, above] = [call.number("detect_negative", 1) === 1, call.number("detect_positive", 1) === 1];
  const found = x.isInf();
  if (negative && above) return found;
  return negative ? found.logicalAnd(x.lt(0)) : above ? found.logicalAnd(x.gt(0)) : found.logicalAnd(found.logicalNot());
};

const seluOf: Operator = (call) => {
  if (!call.has("alpha") && !call.has("gamma")) return selu(call.x());
  const x = call.x();
  return where(x.gt(0), x, x.exp().sub(1).mul(call.number("alpha", 1.67326319217681884765625))).mul(
    call.number("gamma", 1.05070102214813232421875),
  );
};

const shrink: Operator = (call) => {
  const [x, lambda, bias] = [call.x(), call.number("lambd", 0.5), call.number("bias", 0)];
  if (bias === 0) return hardshrink(x, { lambda });
  return where(x.gt(lambda), x.sub(bias), where(x.lt(-lambda), x.add(bias), x.zerosLike()));
};

/** A slope for all, or (below version 7) one per channel, is PyTorch's; from then on it broadcasts. */
const parametricRelu: Operator = (call) => {
  const [x, slope] = [call.x(0), call.x(1)];
  return slope.size === 1 || call.opset < 7 ? prelu(x, slope.flatten()) : where(x.gt(0), x, x.mul(slope));
};

/** The type of two operands, as ONNX demands it: both the same. */
const whereOf: Operator = (call) => {
  const [a, b] = [call.x(1), call.x(2)];
  if (promote(a.dtype, b.dtype) !== a.dtype) throw new UnsupportedError("Cannot run Where: two operands of one type are needed");
  return where(call.x(0), a, b);
};

/** Operators that work element by element. */
export const elementwise: Readonly<Record<string, Operator>> = {
  Abs: unary("abs"),
  Acos: unary("acos"),
  Acosh: unary("acosh"),
  Add: binary("add"),
  And: binary("logicalAnd"),
  Asin: unary("asin"),
  Asinh: unary("asinh"),
  Atan: unary("atan"),
  Atanh: unary("atanh"),
  BitShift: bitShift,
  Cast: cast,
  CastLike: (call) => castTo(call.x(0), dtypeOf(call.init.elementTypes[1] ?? call.refuse("a known type is needed"))),
  Ceil: unary("ceil"),
  Celu: (call) => celu(call.x(), { alpha: call.number("alpha", 1) }),
  Clip: clip,
  Cos: unary("cos"),
  Cosh: unary("cosh"),
  Div: div,
  Elu: (call) => call.x().elu(call.number("alpha", 1)),
  Equal: binary("eq"),
  Erf: unary("erf"),
  Exp: unary("exp"),
  Floor: unary("floor"),
  Greater: binary("gt"),
  GreaterOrEqual: binary("ge"),
  HardSigmoid: (call) => call.x().mul(call.number("alpha", 0.2)).add(call.number("beta", 0.5)).clamp({ min: 0, max: 1 }),
  HardSwish: (call) => hardswish(call.x()),
  IsInf: isInf,
  IsNaN: unary("isNaN"),
  LeakyRelu: (call) => call.x().leakyRelu(call.number("alpha", 0.01)),
  Less: binary("lt"),
  LessOrEqual: binary("le"),
  Log: unary("log"),
  Max: fold((a, b) => a.maximum(b)),
  Mean: mean,
  Min: fold((a, b) => a.minimum(b)),
  Mod: mod,
  Mul: binary("mul"),
  Neg: unary("neg"),
  Not: unary("logicalNot"),
  Or: binary("logicalOr"),
  Pow: pow,
  PRelu: parametricRelu,
  Reciprocal: unary("reciprocal"),
  Relu: unary("relu"),
  Round: unary("round"),
  Selu: seluOf,
  Shrink: shrink,
  Sigmoid: unary("sigmoid"),
  Sign: unary("sign"),
  Sin: unary("sin"),
  Sinh: unary("sinh"),
  Softplus: (call) => call.x().softplus(),
  Softsign: (call) => softsign(call.x()),
  Sqrt: unary("sqrt"),
  Sub: binary("sub"),
  Sum: fold((a, b) => a.add(b)),
  Tan: unary("tan"),
  Tanh: unary("tanh"),
  ThresholdedRelu: (call) => threshold(call.x(), { threshold: call.number("alpha", 1), value: 0 }),
  Where: whereOf,
  Xor: binary("logicalXor"),
};
