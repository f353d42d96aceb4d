/**
 * Activations beyond those that every network uses, one expression and one gradient each. At a kink they take PyTorch's side.
 *
 * @module
 */
import { apply, type Value } from "../expr.ts";
import type { KernelOp } from "../op.ts";
import { unary } from "./unary.ts";

/** Source: Klambauer et al. 2017, "Self-normalizing neural networks". */
const seluScale = 1.0507009873554804934193349852946;
const seluAlpha = 1.6732632423543772848170429916717;

type Activation = KernelOp<readonly number[]>;

function negativeExponential(x: Value, scale: Value | number, alpha: Value | number, divisor: Value | number): Value {
  const below = apply("mul", apply("expm1", apply("div", x, divisor)), alpha);
  return apply("mul", apply("where", apply("gt", x, 0), x, below), scale);
}

/** Attribute: alpha. */
export const celu: Activation = unary("celu", {
  expr: (x, alpha) => negativeExponential(x, 1, alpha!, alpha!),
  vjp: ({ dy, x, attributes: [alpha] }) => [dy.mul(x(0).gt(0).where(1, x(0).div(alpha!).exp()))],
  saves: "input",
});

export const selu: Activation = unary("selu", {
  expr: (x) => negativeExponential(x, seluScale, seluAlpha, 1),
  vjp: ({ dy, x }) => [dy.mul(x(0).gt(0).where(1, x(0).exp().mul(seluAlpha)).mul(seluScale))],
  saves: "input",
});

/** Attributes: the lower and the upper bound. Unlike `clamp` it has no slope at the bounds. */
export const hardtanh: Activation = unary("hardtanh", {
  expr: (x, low, high) => apply("where", apply("lt", x, low!), low!, apply("where", apply("gt", x, high!), high!, x)),
  vjp: ({ dy, x, attributes: [low, high] }) => [x(0).gt(low!).logicalAnd(x(0).lt(high!)).where(dy, 0)],
  saves: "input",
  type: "same",
  refuses: ["bool"],
});

function sixth(x: Value): Value {
  const shifted = apply("add", x, 3);
  const low = apply("where", apply("lt", shifted, 0), 0, shifted);
  return apply("div", apply("where", apply("gt", low, 6), 6, low), 6);
}

export const hardsigmoid: Activation = unary("hardsigmoid", {
  expr: sixth,
  vjp: ({ dy, x }) => [x(0).gt(-3).logicalAnd(x(0).lt(3)).where(dy.div(6), 0)],
  saves: "input",
});

export const hardswish: Activation = unary("hardswish", {
  expr: (x) => apply("mul", x, sixth(x)),
  vjp: ({ dy, x }) => [dy.mul(x(0).lt(-3).where(0, x(0).gt(3).where(1, x(0).div(3).add(0.5))))],
  saves: "input",
});

export const softsign: Activation = unary("softsign", {
  expr: (x) => apply("div", x, apply("add", apply("abs", x), 1)),
  vjp: ({ dy, x }) => [dy.div(x(0).abs().add(1).square())],
  saves: "input",
});

/** x tanh(log(1 + e^x)), the tangent written as n / (n + 2) with n = e^x (e^x + 2), which is 1 in every type beyond x = 20. */
export const mish: Activation = unary("mish", {
  expr: (x) => {
    const power = apply("exp", apply("min", x, 20));
    const n = apply("mul", power, apply("add", power, 2));
    return apply("mul", x, apply("div", n, apply("add", n, 2)));
  },
  vjp: ({ dy, x }) => {
    const power = x(0).minimum(20).exp();
    const n = power.mul(power.add(2));
    const tangent = n.div(n.add(2));
    return [dy.mul(tangent.add(x(0).mul(x(0).sigmoid()).mul(tangent.square().neg().add(1))))];
  },
  saves: "input",
});

export const tanhshrink: Activation = unary("tanhshrink", {
  expr: (x) => apply("sub", x, apply("tanh", x)),
  vjp: ({ dy, x }) => [dy.mul(x(0).tanh().square())],
  saves: "input",
});

/** Attributes: the threshold and the value that stands for what does not pass it. */
export const threshold: Activation = unary("threshold", {
  expr: (x, limit, value) => apply("where", apply("le", x, limit!), value!, x),
  // A gradient meets NaN as it meets what passes, as in PyTorch.
  vjp: ({ dy, x, attributes: [limit] }) => [dy.maskedFill(x(0).le(limit!), 0)],
  saves: "input",
  type: "same",
  refuses: ["bool"],
});

/** Attribute: the half-width of what becomes 0. */
export const softshrink: Activation = unary("softshrink", {
  expr: (x, width) => {
    const below = apply("where", apply("lt", x, apply("neg", width!)), apply("add", x, width!), apply("mul", x, 0));
    return apply("where", apply("gt", x, width!), apply("sub", x, width!), below);
  },
  vjp: ({ dy, x, attributes: [width] }) => [x(0).abs().gt(width!).where(dy, 0)],
  saves: "input",
});

/** Attribute: the half-width of what becomes 0. */
export const hardshrink: Activation = unary("hardshrink", {
  expr: (x, width) => apply("where", apply("le", apply("abs", x), width!), 0, x),
  vjp: ({ dy, x, attributes: [width] }) => [x(0).abs().gt(width!).where(dy, 0)],
  saves: "input",
});
