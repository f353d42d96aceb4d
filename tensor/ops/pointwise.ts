/**
 * Elementwise operations on signs, parts and odds of numbers.
 *
 * @module
 */
import { isFloat } from "../dtype.ts";
import { apply, type Value } from "../expr.ts";
import type { KernelOp } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { constantLike } from "./arithmetic.ts";
import { binary, type NumberOperand } from "./binary.ts";
import { unary } from "./unary.ts";

type Unary = KernelOp<readonly number[]>;
type Binary = KernelOp<NumberOperand>;

/** Below 0, or the 0 whose reciprocal is -Infinity. */
function isNegative(x: Value): Value {
  if (!isFloat(x.dtype)) return apply("lt", x, 0);
  return apply("or", apply("lt", x, 0), apply("and", apply("eq", x, 0), apply("lt", apply("div", 1, x), 0)));
}

export const signbit: Unary = unary("signbit", { expr: isNegative, vjp: null, type: "bool", refuses: ["bool"] });

/** |a| with b's sign. */
export const copysign: Binary = binary("copysign", {
  expr: (a, b) => {
    const size = apply("abs", a);
    return apply("where", isNegative(b), apply("neg", size), size);
  },
  vjp: ({ dy, a, y, needsA, needsB }) => [needsA ? dy.mul((a as Tensor).sign()).mul(y().sign()) : null, needsB ? dy.zerosLike() : null],
  saves: "inputs and output",
  type: "float",
});

/** 1 above 0, b at 0, else 0, also for NaN. */
export const heaviside: Binary = binary("heaviside", {
  expr: (a, b) => apply("where", apply("eq", a, 0), b, apply("where", apply("gt", a, 0), constantLike(a, 1), constantLike(a, 0))),
  vjp: null,
  refuses: ["bool"],
});

/** The greater or lesser number, NaN only where both are; at a tie the gradient is the first one's, as in PyTorch. */
function ofNumbers(name: "fmax" | "fmin", compare: "ge" | "le"): Binary {
  return binary(name, {
    expr: (a, b) => {
      if (!isFloat(a.dtype)) return apply(name === "fmax" ? "max" : "min", a, b);
      return apply("where", apply("or", apply(compare, a, b), apply("isNaN", b)), a, b);
    },
    vjp: ({ dy, a, b, needsA, needsB }) => {
      const [x, other] = [a as Tensor, b];
      const first = typeof other === "number" ? x[compare](other) : x[compare](other).logicalOr(other.isNaN());
      return [needsA ? first.where(dy, 0) : null, needsB ? first.where(0, dy) : null];
    },
    saves: "inputs",
  });
}

export const fmax: Binary = ofNumbers("fmax", "ge");
export const fmin: Binary = ofNumbers("fmin", "le");

/** 2^x. */
export const exp2: Unary = unary("exp2", {
  expr: (x) => apply("pow", constantLike(x, 2), x),
  vjp: ({ dy, y }) => [dy.mul(y(0)).mul(Math.LN2)],
  saves: "output",
});

/** What stands behind the point, with x's sign. */
export const frac: Unary = unary("frac", { expr: (x) => apply("sub", x, apply("trunc", x)), vjp: ({ dy }) => [dy] });

/** The coefficients of the slope of sin(a) / a, from a on every other power. */
const slopeSeries = [-1 / 3, 1 / 30, -1 / 840, 1 / 45360, -1 / 3991680, 1 / 518918400, -1 / 93405312000];

/** sin(πx) / (πx), and 1 at 0. */
export const sinc: Unary = unary("sinc", {
  expr: (x) => {
    const angle = apply("mul", x, Math.PI);
    return apply("where", apply("eq", x, 0), 1, apply("div", apply("sin", angle), angle));
  },
  vjp: ({ dy, x }) => {
    const angle = x(0).mul(Math.PI);
    const near = angle.abs().lt(1);
    const held = near.where(1, angle);
    const far = held.cos().mul(held).sub(held.sin()).div(held.square());
    // Near 0 the two terms cancel: there Σ (-1)^k 2k a^(2k - 1) / (2k + 1)!.
    const square = near.where(angle.square(), 0);
    const series = slopeSeries.reduceRight((sum: Tensor | number, term) => square.mul(sum).add(term), 0) as Tensor;
    return [dy.mul(near.where(series.mul(angle), far)).mul(Math.PI)];
  },
  saves: "input",
});

/** log(x / (1 - x)). */
export const logit: Unary = unary("logit", {
  expr: (x) => apply("log", apply("div", x, apply("sub", 1, x))),
  vjp: ({ dy, x }) => {
    const outside = x(0).lt(0).logicalOr(x(0).gt(1));
    return [outside.where(NaN, dy.div(x(0).mul(x(0).neg().add(1))))];
  },
  saves: "input",
});
