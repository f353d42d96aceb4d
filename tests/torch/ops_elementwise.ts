/**
 * Elementwise operators of op_db as Tandem calls.
 *
 * @module
 */
import type { Tensor } from "../../tensor/mod.ts";
import { type Arguments, Unsupported } from "./arguments.ts";
import { allComposed, asTensor, binary, composed, row, type Rows, unary } from "./row.ts";

const functions: Rows = {
  abs: unary((x) => x.abs()),
  acos: unary((x) => x.acos()),
  asin: unary((x) => x.asin()),
  atan: unary((x) => x.atan()),
  ceil: unary((x) => x.ceil()),
  cos: unary((x) => x.cos()),
  cosh: unary((x) => x.cosh()),
  erf: unary((x) => x.erf()),
  exp: unary((x) => x.exp()),
  expm1: unary((x) => x.expm1()),
  floor: unary((x) => x.floor()),
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
  logical_not: unary((x) => x.logicalNot()),
  "round/decimals_0": row("input", (a) => {
    if (a.number("decimals", 0) !== 0) throw new Unsupported("decimals");
    return a.tensor("input").round();
  }),
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
  "nn.functional.gelu": row("input", (a) => a.tensor("input").gelu({ approximate: a.text<"none" | "tanh">("approximate", "none") })),
};

const composedFunctions: Rows = allComposed({
  positive: unary((x) => x.alias()),
  real: unary((x) => x.alias()),
  conj: unary((x) => x.alias()),
  conj_physical: unary((x) => x.alias()),
  resolve_conj: unary((x) => x.alias()),
  resolve_neg: unary((x) => x.alias()),
  isfinite: unary((x) => x.isNaN().logicalOr(x.isInf()).logicalNot()),
  isposinf: unary((x) => x.eq(Infinity)),
  isneginf: unary((x) => x.eq(-Infinity)),
  frac: unary((x) => x.sub(x.trunc())),
  exp2: unary((x) => x.newFull([], 2).pow(x)),
  deg2rad: unary((x) => x.mul(Math.PI / 180)),
  rad2deg: unary((x) => x.mul(180 / Math.PI)),
  "nn.functional.selu": row("input", (a) => a.ignore("inplace").tensor("input").elu(1.6732632423543772).mul(1.0507009873554805)),
  "nn.functional.celu": row("input alpha", (a) => {
    const alpha = a.ignore("inplace").number("alpha", 1);
    return a.tensor("input").div(alpha).elu().mul(alpha);
  }),
  "nn.functional.hardtanh": row("input min_val max_val", (a) => {
    return between(a.ignore("inplace").tensor("input"), a.number("min_val", -1), a.number("max_val", 1));
  }),
  "nn.functional.relu6": row("input", (a) => between(a.ignore("inplace").tensor("input"), 0, 6)),
  "nn.functional.softsign": unary((x) => x.div(x.abs().add(1))),
  "nn.functional.tanhshrink": unary((x) => x.sub(x.tanh())),
  "nn.functional.mish": unary((x) => x.mul(x.softplus().tanh())),
  "nn.functional.hardsigmoid": row("input", (a) => a.ignore("inplace").tensor("input").add(3).clamp({ min: 0, max: 6 }).div(6)),
  "nn.functional.hardswish": row("input", (a) => {
    const x = a.ignore("inplace").tensor("input");
    return x.mul(x.add(3).clamp({ min: 0, max: 6 })).div(6);
  }),
  "nn.functional.threshold": row("input threshold value", (a) => {
    const x = a.ignore("inplace").tensor("input");
    return x.le(a.number("threshold")).where(a.number("value"), x);
  }),
  "nn.functional.hardshrink": row("input lambd", (a) => {
    const x = a.tensor("input");
    const width = a.number("lambd", 0.5);
    return x.maskedFill(x.ge(-width).logicalAnd(x.le(width)), 0);
  }),
  "nn.functional.softshrink": row("input lambd", (a) => {
    const x = a.tensor("input");
    const width = a.number("lambd", 0.5);
    return x.gt(width).where(x.sub(width), x.lt(-width).where(x.add(width), 0));
  }),
  "nn.functional.prelu": row("input weight", (a) => {
    const [x, weight] = [a.tensor("input"), a.tensor("weight")];
    if (weight.rank > 1 || (weight.rank === 1 && weight.size > 1 && weight.size !== x.shape[1])) throw new Unsupported("prelu's checks");
    const slope = weight.size === 1 ? weight.reshape([]) : weight.reshape(x.shape.map((_, dim) => dim === 1 ? -1 : 1));
    return x.gt(0).where(x, x.mul(slope));
  }),
});

/** Held between bounds, without a gradient at a bound (clamp has one there). */
function between(x: Tensor, min: number, max: number): Tensor {
  const raised = x.le(min).where(min, x);
  return raised.ge(max).where(max, raised);
}

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
  addcmul: composed("input tensor1 tensor2", (a) => {
    const product = a.tensor("tensor1").mul(a.tensor("tensor2"));
    return a.tensor("input").add(product.mul(a.number("value", 1)));
  }),
  addcdiv: composed("input tensor1 tensor2", (a) => {
    const quotient = a.tensor("tensor1").mul(a.number("value", 1)).div(a.tensor("tensor2"));
    return a.tensor("input").add(quotient);
  }),
  lerp: composed("input end weight", (a) => {
    const x = a.tensor("input");
    return x.add(a.tensor("end").sub(x).mul(a.operand("weight")));
  }),
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
  fmax: composed("input other", (a) => {
    const [x, other] = [a.tensor("input"), a.tensor("other")];
    return x.ge(other).logicalOr(other.isNaN()).where(x, other);
  }),
  fmin: composed("input other", (a) => {
    const [x, other] = [a.tensor("input"), a.tensor("other")];
    return x.le(other).logicalOr(other.isNaN()).where(x, other);
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
