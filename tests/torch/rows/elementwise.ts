/**
 * Elementwise operators of op_db as Tandem calls.
 *
 * @module
 */
import {
  celu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  mish,
  prelu,
  relu6,
  selu,
  softshrink,
  softsign,
  tanhshrink,
  type Tensor,
  threshold,
} from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import { allComposed, asTensor, binary, composed, row, type Rows, unary } from "./row.ts";

const rounded = row("input", (a) => a.tensor("input").round({ decimals: a.number("decimals", 0) }));

const functions: Rows = {
  abs: unary((x) => x.abs()),
  acos: unary((x) => x.acos()),
  acosh: unary((x) => x.acosh()),
  asin: unary((x) => x.asin()),
  asinh: unary((x) => x.asinh()),
  atan: unary((x) => x.atan()),
  atanh: unary((x) => x.atanh()),
  ceil: unary((x) => x.ceil()),
  cos: unary((x) => x.cos()),
  cosh: unary((x) => x.cosh()),
  digamma: unary((x) => x.digamma()),
  erf: unary((x) => x.erf()),
  erfc: unary((x) => x.erfc()),
  erfinv: unary((x) => x.erfinv()),
  exp: unary((x) => x.exp()),
  expm1: unary((x) => x.expm1()),
  floor: unary((x) => x.floor()),
  lgamma: unary((x) => x.lgamma()),
  log: unary((x) => x.log()),
  log10: unary((x) => x.log10()),
  log1p: unary((x) => x.log1p()),
  log2: unary((x) => x.log2()),
  neg: unary((x) => x.neg()),
  reciprocal: unary((x) => x.reciprocal()),
  round: unary((x) => x.round()),
  rsqrt: unary((x) => x.rsqrt()),
  sigmoid: unary((x) => x.sigmoid()),
  sign: unary((x) => x.sign()),
  sin: unary((x) => x.sin()),
  sinh: unary((x) => x.sinh()),
  sqrt: unary((x) => x.sqrt()),
  square: unary((x) => x.square()),
  tan: unary((x) => x.tan()),
  tanh: unary((x) => x.tanh()),
  trunc: unary((x) => x.trunc()),
  isnan: unary((x) => x.isNaN()),
  isinf: unary((x) => x.isInf()),
  isfinite: unary((x) => x.isFinite()),
  logical_not: unary((x) => x.logicalNot()),
  nan_to_num: row("input nan posinf neginf", (a) => {
    return a.tensor("input").nanToNum({
      nan: a.number("nan", 0),
      ...(a.has("posinf") && { posInf: a.number("posinf") }),
      ...(a.has("neginf") && { negInf: a.number("neginf") }),
    });
  }),
  exp2: unary((x) => x.exp2()),
  frac: unary((x) => x.frac()),
  signbit: unary((x) => x.signbit()),
  sinc: unary((x) => x.sinc()),
  logit: row("input eps", (a) => a.tensor("input").logit(a.has("eps") ? { eps: a.number("eps") } : {})),
  "round/decimals_0": rounded,
  "round/decimals_3": rounded,
  "round/decimals_neg_3": rounded,
};

const activations: Rows = {
  "nn.functional.relu": row("input", (a) => a.ignore("inplace").tensor("input").relu()),
  "nn.functional.leaky_relu": row(
    "input negative_slope",
    (a) => a.ignore("inplace").tensor("input").leakyRelu(a.number("negative_slope", 0.01)),
  ),
  "nn.functional.elu": row("input alpha", (a) => a.ignore("inplace").tensor("input").elu(a.number("alpha", 1))),
  "nn.functional.silu": row("input", (a) => a.ignore("inplace").tensor("input").silu()),
  "nn.functional.logsigmoid": unary((x) => x.logSigmoid()),
  "nn.functional.softplus": row(
    "input beta threshold",
    (a) => a.tensor("input").softplus({ beta: a.number("beta", 1), threshold: a.number("threshold", 20) }),
  ),
  "nn.functional.selu": row("input", (a) => selu(a.ignore("inplace").tensor("input"))),
  "nn.functional.celu": row("input alpha", (a) => celu(a.ignore("inplace").tensor("input"), { alpha: a.number("alpha", 1) })),
  "nn.functional.hardtanh": row("input min_val max_val", (a) => {
    return hardtanh(a.ignore("inplace").tensor("input"), { min: a.number("min_val", -1), max: a.number("max_val", 1) });
  }),
  "nn.functional.relu6": row("input", (a) => relu6(a.ignore("inplace").tensor("input"))),
  "nn.functional.softsign": unary(softsign),
  "nn.functional.tanhshrink": unary(tanhshrink),
  "nn.functional.mish": unary(mish),
  "nn.functional.hardsigmoid": row("input", (a) => hardsigmoid(a.ignore("inplace").tensor("input"))),
  "nn.functional.hardswish": row("input", (a) => hardswish(a.ignore("inplace").tensor("input"))),
  "nn.functional.threshold": row("input threshold value", (a) => {
    return threshold(a.ignore("inplace").tensor("input"), { threshold: a.number("threshold"), value: a.number("value") });
  }),
  "nn.functional.hardshrink": row("input lambd", (a) => hardshrink(a.tensor("input"), { lambda: a.number("lambd", 0.5) })),
  "nn.functional.softshrink": row("input lambd", (a) => softshrink(a.tensor("input"), { lambda: a.number("lambd", 0.5) })),
  "nn.functional.prelu": row("input weight", (a) => prelu(a.tensor("input"), a.tensor("weight"))),
  "nn.functional.glu": row("input dim", (a) => glu(a.tensor("input"), { dim: a.number("dim", -1) })),
  "nn.functional.gelu": row("input", (a) => a.tensor("input").gelu({ approximate: a.text<"none" | "tanh">("approximate", "none") })),
};

const composedFunctions: Rows = allComposed({
  positive: unary((x) => x.alias()),
  real: unary((x) => x.alias()),
  conj: unary((x) => x.alias()),
  conj_physical: unary((x) => x.alias()),
  resolve_conj: unary((x) => x.alias()),
  resolve_neg: unary((x) => x.alias()),
  isposinf: unary((x) => x.eq(Infinity)),
  isneginf: unary((x) => x.eq(-Infinity)),
  "special.ndtr": unary((x) => x.mul(-Math.SQRT1_2).erfc().mul(0.5)),
  deg2rad: unary((x) => x.mul(Math.PI / 180)),
  rad2deg: unary((x) => x.mul(180 / Math.PI)),
});

/** Calls with the other operand first. */
function reflected(call: (other: Tensor, x: Tensor) => Tensor) {
  return composed("input other", (a) => {
    const x = a.tensor("input");
    return call(asTensor(a.operand("other"), x), x);
  });
}

const arithmetic: Rows = {
  add: row("input other", (a) => scaled(a, (x, other) => x.add(other))),
  sub: row("input other", (a) => scaled(a, (x, other) => x.sub(other))),
  mul: binary((x, other) => x.mul(other)),
  "div/no_rounding_mode": binary((x, other) => x.div(other)),
  true_divide: binary((x, other) => x.div(other)),
  "div/floor_rounding": row("input other", divided),
  "div/trunc_rounding": row("input other", divided),
  floor_divide: binary((x, other) => x.floorDivide(other)),
  remainder: row("input other", (a) => asTensor(a.operand("input"), firstTensor(a)).remainder(a.operand("other"))),
  copysign: binary((x, other) => x.copysign(other)),
  heaviside: row("input values", (a) => a.tensor("input").heaviside(a.operand("values"))),
  ldexp: composed("input other", (a) => a.tensor("input").mul(a.tensor("other").exp2())),
  logaddexp2: composed("input other", (a) => {
    const [x, other] = [a.tensor("input").mul(Math.LN2), a.tensor("other").mul(Math.LN2)];
    return x.logaddexp(other).div(Math.LN2);
  }),
  float_power: composed("input exponent", (a) => {
    const [x, exponent] = [a.operand("input"), a.operand("exponent")];
    const wide = (value: Tensor | number) => typeof value === "number" ? value : value.to("float64");
    return asTensor(wide(x), wide(exponent) as Tensor).pow(wide(exponent));
  }),
  fmod: binary((x, other) => x.fmod(other)),
  hypot: binary((x, other) => x.hypot(other)),
  logaddexp: binary((x, other) => x.logaddexp(other)),
  xlogy: row("input other", (a) => asTensor(a.operand("input"), firstTensor(a)).xlogy(a.operand("other"))),
  pow: row("input exponent", (a) => a.tensor("input").pow(a.operand("exponent"))),
  atan2: binary((x, other) => x.atan2(other)),
  maximum: binary((x, other) => x.maximum(other)),
  minimum: binary((x, other) => x.minimum(other)),
  "max/binary": binary((x, other) => x.maximum(other)),
  "min/binary": binary((x, other) => x.minimum(other)),
  __radd__: reflected((other, x) => other.add(x)),
  __rsub__: reflected((other, x) => other.sub(x)),
  __rmul__: reflected((other, x) => other.mul(x)),
  __rdiv__: reflected((other, x) => other.div(x)),
  // PyTorch makes a new tensor of the base there, which has no gradient.
  __rpow__: reflected((other, x) => other.detach().pow(x)),
  __rmod__: reflected((other, x) => other.remainder(x)),
  rsub: composed("input other", (a) => {
    const x = a.tensor("input");
    return asTensor(a.operand("other"), x).sub(x.mul(a.number("alpha", 1)));
  }),
  addcmul: row("input tensor1 tensor2", (a) => {
    return a.tensor("input").addcmul(a.tensor("tensor1"), a.tensor("tensor2"), { value: a.number("value", 1) });
  }),
  addcdiv: row("input tensor1 tensor2", (a) => {
    return a.tensor("input").addcdiv(a.tensor("tensor1"), a.tensor("tensor2"), { value: a.number("value", 1) });
  }),
  lerp: row("input end weight", (a) => a.tensor("input").lerp(a.tensor("end"), a.operand("weight"))),
};

/** Some of a rounding variant's samples leave the rounding out. */
function divided(a: Arguments): Tensor {
  const [x, other] = [a.tensor("input"), a.operand("other")];
  switch (a.text<"" | "floor" | "trunc">("rounding_mode", "")) {
    case "floor":
      return x.floorDivide(other);
    case "trunc":
      return x.div(other).trunc();
    case "":
      return x.div(other);
  }
}

function firstTensor(a: Arguments): Tensor {
  const other = a.operand("other");
  return typeof other === "number" ? a.tensor("input") : other;
}

function scaled(a: Arguments, call: (x: Tensor, other: Tensor | number) => Tensor): Tensor {
  const x = a.tensor("input");
  const other = a.operand("other");
  if (!a.has("alpha")) return call(x, other);
  const alpha = a.number("alpha");
  return call(x, typeof other === "number" ? other * alpha : other.mul(alpha));
}

const comparisons: Rows = {
  eq: binary((x, other) => x.eq(other)),
  ne: binary((x, other) => x.ne(other)),
  lt: binary((x, other) => x.lt(other)),
  le: binary((x, other) => x.le(other)),
  gt: binary((x, other) => x.gt(other)),
  ge: binary((x, other) => x.ge(other)),
  logical_and: row("input other", (a) => a.tensor("input").logicalAnd(a.tensor("other"))),
  logical_or: row("input other", (a) => a.tensor("input").logicalOr(a.tensor("other"))),
  logical_xor: row("input other", (a) => a.tensor("input").logicalXor(a.tensor("other"))),
  where: row("input condition other", (a) => a.tensor("condition").where(a.operand("input"), a.operand("other"))),
  masked_fill: row("input mask value", (a) => {
    const [x, mask, value] = [a.tensor("input"), a.tensor("mask"), a.operand("value")];
    if (typeof value === "number") return x.maskedFill(mask, value);
    if (value.rank > 0) throw new Unsupported("value of several elements");
    return mask.where(value, x);
  }),
  clamp: row("input min max", (a) => {
    const x = a.tensor("input");
    const [min, max] = [a.has("min") ? a.operand("min") : -Infinity, a.has("max") ? a.operand("max") : Infinity];
    if (typeof min === "number" && typeof max === "number") return x.clamp({ min, max });
    const raised = min === -Infinity ? x : atLeast(x, min);
    return max === Infinity ? raised : atMost(raised, max);
  }),
  clamp_min: row("input min", (a) => atLeast(a.tensor("input"), a.operand("min"))),
  clamp_max: row("input max", (a) => atMost(a.tensor("input"), a.operand("max"))),
  fmax: row("input other", (a) => a.tensor("input").fmax(a.tensor("other"))),
  fmin: row("input other", (a) => a.tensor("input").fmin(a.tensor("other"))),
  isclose: row("input other", (a) => {
    const options = { rtol: a.number("rtol", 1e-5), atol: a.number("atol", 1e-8), equalNaN: a.flag("equal_nan") };
    return a.tensor("input").isclose(a.tensor("other"), options);
  }),
  isin: row("elements test_elements", (a) => {
    return a.ignore("assume_unique").tensor("elements").isin(a.tensor("test_elements"), { invert: a.flag("invert") });
  }),
};

/** Tensors as bounds: at a bound the gradient is all x's. */
function atLeast(x: Tensor, bound: Tensor | number): Tensor {
  return typeof bound === "number" ? x.clamp({ min: bound }) : x.lt(bound).logicalOr(bound.isNaN()).where(bound, x);
}

function atMost(x: Tensor, bound: Tensor | number): Tensor {
  return typeof bound === "number" ? x.clamp({ max: bound }) : x.gt(bound).logicalOr(bound.isNaN()).where(bound, x);
}

/** Elementwise operators. */
export const elementwise: Rows = { ...functions, ...activations, ...composedFunctions, ...arithmetic, ...comparisons };
