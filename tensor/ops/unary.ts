/**
 * Elementwise operations on one tensor: one expression and one gradient each.
 *
 * @module
 */
import { computeType, type DType, floatType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { apply, cast, expression, input, scalar, type Value } from "../expr.ts";
import type { MapKernel } from "../kernel.ts";
import { type KernelOp, memoize, type Saves, type Vjp } from "../op.ts";

/** How the result's type follows from the input's. */
export type ResultType = "float" | "same" | "bool";

/** How an elementwise operation is declared. */
export interface UnaryDeclaration {
  /** The value, given the element (already a float where `type` is "float") and the attributes in order. */
  readonly expr: (x: Value, ...parameters: Value[]) => Value;
  readonly vjp: Vjp<readonly number[]> | null;
  readonly saves?: "input" | "output";
  /** Default "float": whole numbers become float32 first. */
  readonly type?: ResultType;
  /** The types that are refused. */
  readonly refuses?: readonly DType[];
}

/** An elementwise operation. Attributes are numbers, handed to the expression in order. */
export function unary(name: string, { expr, vjp, saves, type = "float", refuses = [] }: UnaryDeclaration): KernelOp<readonly number[]> {
  const resultType = (dtype: DType): DType => type === "float" ? floatType(dtype) : type === "bool" ? "bool" : dtype;
  const kernels = memoize((dtype: DType, count: number): MapKernel => {
    const element = input(0, dtype);
    const argument = type === "float" ? cast(element, computeType(floatType(dtype))) : element;
    const parameters = Array.from({ length: count }, (_, slot) => scalar(slot, argument.dtype));
    const value = expression([cast(expr(argument, ...parameters), resultType(dtype))]);
    return { kind: "map", key: `map ${value.key}`, expr: value };
  });
  const saved: Saves | undefined = saves === "input" ? { inputs: [0] } : saves === "output" ? { outputs: [0] } : undefined;
  return {
    kind: "kernel",
    name,
    vjp,
    ...(saved === undefined ? {} : { saves: saved }),
    infer: ([x]) => {
      if (refuses.includes(x!.dtype)) {
        throw new DTypeError(`Cannot ${name} a ${x!.dtype} tensor: cast it with .to(...) first`, { op: name });
      }
      return [{ dtype: resultType(x!.dtype), shape: x!.shape }];
    },
    launch: (inputs, outputs, parameters) => ({
      kernel: kernels(inputs[0]!.dtype, parameters.length),
      inputs,
      outputs,
      scalars: parameters,
    }),
  };
}

/** An operation of the vocabulary itself. */
function direct(op: Parameters<typeof apply>[0], rest: Omit<UnaryDeclaration, "expr">): KernelOp<readonly number[]> {
  return unary(op, { expr: (x) => apply(op, x), ...rest });
}

const noBool: readonly DType[] = ["bool"];
const twoOverRootPi = 2 / Math.sqrt(Math.PI);
const rootHalf = Math.SQRT1_2;
const rootTwoOverPi = Math.sqrt(2 / Math.PI);
const geluCubic = 0.044715;

/** Types for which rounding changes nothing. */
function rounding(op: "floor" | "ceil" | "round" | "trunc"): KernelOp<readonly number[]> {
  return unary(op, {
    expr: (x) => isFloat(x.dtype) ? apply(op, x) : x,
    vjp: ({ dy }) => [dy.zerosLike()],
    type: "same",
    refuses: noBool,
  });
}

export const neg = direct("neg", { vjp: ({ dy }) => [dy.neg()], type: "same", refuses: noBool });
export const abs = direct("abs", { vjp: ({ dy, x }) => [dy.mul(x(0).sign())], saves: "input", type: "same", refuses: noBool });
/** NaN and -0 have the sign 0, as in PyTorch, so that abs has the gradient 0 there. */
export const sign = unary("sign", {
  expr: (x) => isFloat(x.dtype) ? apply("sub", cast(apply("gt", x, 0), x.dtype), cast(apply("lt", x, 0), x.dtype)) : apply("sign", x),
  vjp: ({ dy }) => [dy.zerosLike()],
  type: "same",
  refuses: noBool,
});
export const floor = rounding("floor");
export const ceil = rounding("ceil");
export const round = rounding("round");
export const trunc = rounding("trunc");
export const square = unary("square", {
  expr: (x) => apply("mul", x, x),
  vjp: ({ dy, x }) => [dy.mul(x(0)).mul(2)],
  saves: "input",
  type: "same",
  refuses: noBool,
});
export const sqrt = direct("sqrt", { vjp: ({ dy, y }) => [dy.div(y(0).mul(2))], saves: "output" });
export const rsqrt = direct("rsqrt", { vjp: ({ dy, y }) => [dy.mul(y(0).pow(3)).mul(-0.5)], saves: "output" });
/** x^½ and x^-½ with the gradients of powers, which differ from those of roots at -0 and -Infinity. */
export const rootPower = unary("pow", {
  expr: (x) => apply("sqrt", x),
  vjp: ({ dy, x }) => [dy.mul(x(0).pow(-0.5)).mul(0.5)],
  saves: "input",
});
export const inverseRootPower = unary("pow", {
  expr: (x) => apply("rsqrt", x),
  vjp: ({ dy, x }) => [dy.mul(x(0).pow(-1.5)).mul(-0.5)],
  saves: "input",
});
export const reciprocal = unary("reciprocal", {
  expr: (x) => apply("div", 1, x),
  vjp: ({ dy, y }) => [dy.mul(y(0).square()).neg()],
  saves: "output",
});
export const exp = direct("exp", { vjp: ({ dy, y }) => [dy.mul(y(0))], saves: "output" });
export const expm1 = direct("expm1", { vjp: ({ dy, y }) => [dy.mul(y(0).add(1))], saves: "output" });
export const log = direct("log", { vjp: ({ dy, x }) => [dy.div(x(0))], saves: "input" });
export const log1p = direct("log1p", { vjp: ({ dy, x }) => [dy.div(x(0).add(1))], saves: "input" });
export const log2 = unary("log2", {
  expr: (x) => apply("mul", apply("log", x), Math.LOG2E),
  vjp: ({ dy, x }) => [dy.div(x(0)).mul(Math.LOG2E)],
  saves: "input",
});
export const log10 = unary("log10", {
  expr: (x) => apply("mul", apply("log", x), Math.LOG10E),
  vjp: ({ dy, x }) => [dy.div(x(0)).mul(Math.LOG10E)],
  saves: "input",
});
export const sin = direct("sin", { vjp: ({ dy, x }) => [dy.mul(x(0).cos())], saves: "input" });
export const cos = direct("cos", { vjp: ({ dy, x }) => [dy.mul(x(0).sin()).neg()], saves: "input" });
export const tan = direct("tan", { vjp: ({ dy, y }) => [dy.mul(y(0).square().add(1))], saves: "output" });
export const asin = direct("asin", { vjp: ({ dy, x }) => [dy.mul(x(0).square().neg().add(1).rsqrt())], saves: "input" });
export const acos = direct("acos", { vjp: ({ dy, x }) => [dy.mul(x(0).square().neg().add(1).rsqrt()).neg()], saves: "input" });
export const atan = direct("atan", { vjp: ({ dy, x }) => [dy.div(x(0).square().add(1))], saves: "input" });
export const sinh = direct("sinh", { vjp: ({ dy, x }) => [dy.mul(x(0).cosh())], saves: "input" });
export const cosh = direct("cosh", { vjp: ({ dy, x }) => [dy.mul(x(0).sinh())], saves: "input" });
export const tanh = direct("tanh", { vjp: ({ dy, y }) => [dy.mul(y(0).square().neg().add(1))], saves: "output" });
export const erf = direct("erf", { vjp: ({ dy, x }) => [dy.mul(x(0).square().neg().exp()).mul(twoOverRootPi)], saves: "input" });
export const sigmoid = direct("sigmoid", { vjp: ({ dy, y }) => [dy.mul(y(0)).mul(y(0).neg().add(1))], saves: "output" });
export const isNaN = unary("isNaN", {
  expr: (x) => isFloat(x.dtype) ? apply("isNaN", x) : apply("ne", x, x),
  vjp: null,
  type: "bool",
});
export const isInf = unary("isInf", {
  expr: (x) => isFloat(x.dtype) ? apply("isInf", x) : apply("ne", x, x),
  vjp: null,
  type: "bool",
});
export const logicalNot = unary("logicalNot", { expr: (x) => apply("eq", x, 0), vjp: null, type: "bool" });
export const bitwiseNot = direct("not", { vjp: null, type: "same", refuses: ["float16", "float32", "float64"] });

/** Zero below zero: written with a comparison, so that NaN stays NaN on every backend. */
export const relu = unary("relu", {
  expr: (x) => apply("where", apply("lt", x, 0), 0, x),
  // A gradient meets NaN as it meets what is above zero, as in PyTorch.
  vjp: ({ dy, y }) => [dy.maskedFill(y(0).le(0), 0)],
  saves: "output",
  type: "same",
  refuses: noBool,
});
/** Attribute: the slope below zero. */
export const leakyRelu = unary("leakyRelu", {
  expr: (x, slope) => apply("where", apply("gt", x, 0), x, apply("mul", x, slope!)),
  vjp: ({ dy, x, attributes }) => [dy.mul(x(0).gt(0).where(x(0).onesLike(), attributes[0]!))],
  saves: "input",
});
/** Attribute: alpha, the limit (negated) at minus infinity. */
export const elu = unary("elu", {
  expr: (x, alpha) => apply("where", apply("gt", x, 0), x, apply("mul", apply("expm1", x), alpha!)),
  vjp: ({ dy, x, attributes }) => [x(0).le(0).where(dy.mul(x(0).exp()).mul(attributes[0]!), dy)],
  saves: "input",
});
export const silu = unary("silu", {
  expr: (x) => apply("mul", x, apply("sigmoid", x)),
  vjp: ({ dy, x }) => {
    const s = x(0).sigmoid();
    return [dy.mul(s.mul(x(0).mul(s.neg().add(1)).add(1)))];
  },
  saves: "input",
});
/** The exact form, x Φ(x). */
export const gelu = unary("gelu", {
  expr: (x) => apply("mul", apply("mul", x, 0.5), apply("add", apply("erf", apply("mul", x, rootHalf)), 1)),
  vjp: ({ dy, x }) => {
    const cdf = x(0).mul(rootHalf).erf().add(1).mul(0.5);
    const density = x(0).square().mul(-0.5).exp().mul(1 / Math.sqrt(2 * Math.PI));
    return [dy.mul(cdf.add(x(0).mul(density)))];
  },
  saves: "input",
});
/** The form with a hyperbolic tangent. */
export const geluTanh = unary("geluTanh", {
  expr: (x) => {
    const inner = apply("mul", apply("mul", x, rootTwoOverPi), apply("add", apply("mul", apply("mul", x, x), geluCubic), 1));
    return apply("mul", apply("mul", x, 0.5), apply("add", apply("tanh", inner), 1));
  },
  vjp: ({ dy, x }) => {
    const t = x(0).square().mul(geluCubic).add(1).mul(x(0)).mul(rootTwoOverPi).tanh();
    const slope = x(0).square().mul(3 * geluCubic).add(1).mul(rootTwoOverPi);
    const inner = x(0).mul(0.5).mul(t.square().neg().add(1)).mul(slope);
    return [dy.mul(t.add(1).mul(0.5).add(inner))];
  },
  saves: "input",
});
/** Attributes: beta and the threshold (on beta x) above which the function is the identity. */
export const softplus = unary("softplus", {
  expr: (x, beta, threshold) => {
    const scaled = apply("mul", x, beta!);
    const positive = apply("max", scaled, 0);
    const soft = apply("add", positive, apply("log1p", apply("exp", apply("neg", apply("abs", scaled)))));
    return apply("where", apply("gt", scaled, threshold!), x, apply("div", soft, beta!));
  },
  vjp: ({ dy, x, attributes: [beta, threshold] }) => {
    const scaled = x(0).mul(beta!);
    return [dy.mul(scaled.gt(threshold!).where(scaled.onesLike(), scaled.sigmoid()))];
  },
  saves: "input",
});
export const logSigmoid = unary("logSigmoid", {
  expr: (x) => apply("sub", apply("min", x, 0), apply("log1p", apply("exp", apply("neg", apply("abs", x))))),
  vjp: ({ dy, x }) => [dy.mul(x(0).neg().sigmoid())],
  saves: "input",
});
/** Attributes: the lower and the upper bound, which wins where it is the lesser; NaN stays NaN. */
export const clamp = unary("clamp", {
  expr: (x, low, high) => {
    const raised = apply("where", apply("lt", x, low!), low!, x);
    return apply("where", apply("gt", raised, high!), high!, raised);
  },
  vjp: ({ dy, x, attributes: [low, high] }) => [x(0).ge(low!).logicalAnd(x(0).le(high!)).where(dy, 0)],
  saves: "input",
  type: "same",
  refuses: noBool,
});
