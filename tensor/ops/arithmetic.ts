/**
 * Elementwise arithmetic beyond the everyday: inverse hyperbolic functions, remainders, shifts, logarithms of sums.
 *
 * @module
 */
import { type DType, isFloat } from "../dtype.ts";
import { apply, cast, type Value } from "../expr.ts";
import type { KernelOp } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { binary, type NumberOperand, truncatedRemainder } from "./binary.ts";
import { unary } from "./unary.ts";

type Unary = KernelOp<readonly number[]>;
type Binary = KernelOp<NumberOperand>;

const noFloats: readonly DType[] = ["float16", "float32", "float64"];

/** Where the argument is so large that 1 beside its square is lost, the logarithm of twice the argument is the answer. */
function largeOr(size: Value, small: Value): Value {
  return apply("where", apply("gt", size, 1e8), apply("add", apply("log", size), Math.LN2), small);
}

function withSignOf(x: Value, value: Value): Value {
  return apply("where", apply("lt", x, 0), apply("neg", value), apply("where", apply("eq", x, 0), x, value));
}

/** log(|x| + √(x² + 1)) with x's sign, by log1p so that it is exact near 0. */
export const asinh: Unary = unary("asinh", {
  expr: (x) => {
    const size = apply("abs", x);
    const square = apply("mul", size, size);
    const small = apply("log1p", apply("add", size, apply("div", square, apply("add", apply("sqrt", apply("add", square, 1)), 1))));
    return withSignOf(x, largeOr(size, small));
  },
  vjp: ({ dy, x }) => [dy.mul(x(0).square().add(1).rsqrt())],
  saves: "input",
});

/** log(x + √(x² - 1)), NaN below 1, by log1p so that it is exact near 1. */
export const acosh: Unary = unary("acosh", {
  expr: (x) => {
    const above = apply("sub", x, 1);
    const root = apply("sqrt", apply("mul", above, apply("add", above, 2)));
    // Far below 1 the square overflows or is lost beside the argument: only the comparison says NaN there.
    return apply("where", apply("lt", x, 1), constantLike(x, NaN), largeOr(x, apply("log1p", apply("add", above, root))));
  },
  vjp: ({ dy, x }) => [dy.mul(x(0).square().sub(1).rsqrt())],
  saves: "input",
});

/** log((1 + x) / (1 - x)) / 2; ±Infinity at ±1, NaN beyond. */
export const atanh: Unary = unary("atanh", {
  expr: (x) => {
    const size = apply("abs", x);
    const ratio = apply("div", apply("add", size, size), apply("sub", 1, size));
    return withSignOf(x, apply("mul", apply("log1p", ratio), 0.5));
  },
  vjp: ({ dy, x }) => [dy.div(x(0).square().neg().add(1))],
  saves: "input",
});

/** Attributes: what stands for NaN, Infinity and -Infinity. */
export const nanToNum: Unary = unary("nanToNum", {
  expr: (x, nan, high, low) => {
    if (!isFloat(x.dtype)) return x;
    const infinite = apply("where", apply("gt", x, 0), high!, low!);
    return apply("where", apply("isNaN", x), nan!, apply("where", apply("isInf", x), infinite, x));
  },
  vjp: ({ dy, x }) => [x(0).isFinite().where(dy, 0)],
  saves: "input",
  type: "same",
});

export const isFinite: Unary = unary("isFinite", {
  expr: (x) => isFloat(x.dtype) ? apply("not", apply("or", apply("isNaN", x), apply("isInf", x))) : apply("eq", x, x),
  vjp: null,
  type: "bool",
});

/** log(e^a + e^b), without overflow. */
export const logaddexp: Binary = binary("logaddexp", {
  expr: (a, b) => {
    const distance = apply("abs", apply("sub", a, b));
    const sum = apply("add", apply("max", a, b), apply("log1p", apply("exp", apply("neg", distance))));
    // Equal infinities have no distance.
    return apply("where", apply("eq", a, b), apply("add", a, Math.LN2), sum);
  },
  vjp: ({ dy, a, b, needsA, needsB }) => {
    // Equal infinities share the gradient as equal numbers do; what is NaN stays NaN.
    const same = typeof a === "number" ? (b as Tensor).eq(a) : a.eq(b);
    const known = same.where(0, difference(a, b));
    return [needsA ? dy.mul(known.sigmoid()) : null, needsB ? dy.mul(known.neg().sigmoid()) : null];
  },
  saves: "inputs",
  type: "float",
});

function difference(a: Tensor | number, b: Tensor | number): Tensor {
  return typeof a === "number" ? (b as Tensor).neg().add(a) : a.sub(b);
}

/** √(a² + b²), without overflow. */
export const hypot: Binary = binary("hypot", {
  expr: (a, b) => {
    const [x, y] = [apply("abs", a), apply("abs", b)];
    const large = apply("max", x, y);
    const ratio = apply("div", apply("min", x, y), large);
    const root = apply("mul", large, apply("sqrt", apply("add", apply("mul", ratio, ratio), 1)));
    const plain = apply("where", apply("eq", large, 0), large, root);
    const infinite = apply("or", apply("isInf", a), apply("isInf", b));
    return apply("where", infinite, constantLike(x, Infinity), plain);
  },
  vjp: ({ dy, a, b, y, needsA, needsB }) => {
    const share = dy.div(y());
    return [needsA ? share.mul(a) : null, needsB ? share.mul(b) : null];
  },
  saves: "inputs and output",
  type: "float",
});

/** A number of the same type. */
export function constantLike(like: Value, value: number): Value {
  return { dtype: like.dtype, node: { kind: "constant", value, dtype: like.dtype }, args: [] };
}

/** The remainder with the dividend's sign, as C's fmod. */
export const fmod: Binary = binary("fmod", {
  expr: (a, b) => {
    const rest = truncatedRemainder(a, b);
    // A remainder of 0 has the dividend's sign, which a comparison does not see.
    return isFloat(a.dtype) ? apply("where", apply("eq", rest, 0), apply("mul", a, 0), rest) : rest;
  },
  vjp: ({ dy, a, b, needsB }) => {
    if (!needsB) return [dy, null];
    const quotient = typeof a === "number" ? (b as Tensor).reciprocal().mul(a) : a.div(b);
    return [dy, dy.mul(quotient.trunc()).neg()];
  },
  saves: "inputs",
  refuses: ["bool"],
});

/** a log b, and 0 where a is 0 (unless b is NaN). */
export const xlogy: Binary = binary("xlogy", {
  expr: (a, b) => {
    const product = apply("mul", a, apply("log", b));
    return apply("where", apply("isNaN", b), b, apply("where", apply("eq", a, 0), 0, product));
  },
  vjp: ({ dy, a, b, needsA, needsB }) => [
    needsA ? (a as Tensor).eq(0).logicalAnd(typeof b === "number" ? (a as Tensor).eq(0) : b.le(0)).where(0, dy.mul(logarithm(b))) : null,
    needsB ? dy.mul(typeof a === "number" ? (b as Tensor).reciprocal().mul(a) : a.div(b)) : null,
  ],
  saves: "inputs",
  type: "float",
});

function logarithm(x: Tensor | number): Tensor | number {
  return typeof x === "number" ? Math.log(x) : x.log();
}

/** Shifts the bits; what leaves is lost. Distances are taken modulo 32. */
function shift(name: string, direction: (bits: Value, distance: Value, signed: boolean) => Value): Binary {
  return binary(name, {
    expr: (a, b) => cast(direction(cast(a, "uint32"), cast(b, "uint32"), a.dtype === "int32"), a.dtype),
    vjp: null,
    refuses: [...noFloats, "bool"],
  });
}

export const bitwiseLeftShift: Binary = shift("bitwiseLeftShift", (bits, distance) => apply("shl", bits, apply("and", distance, 31)));

/** Signed numbers keep their sign. */
export const bitwiseRightShift: Binary = shift("bitwiseRightShift", (bits, distance, signed) => {
  const by = apply("and", distance, 31);
  const plain = apply("shr", bits, by);
  if (!signed) return plain;
  return apply("where", apply("ge", bits, 0x80000000), apply("not", apply("shr", apply("not", bits), by)), plain);
});
