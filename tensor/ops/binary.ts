/**
 * Elementwise operations on two or three operands, with broadcasting and promotion.
 *
 * @module
 */
import { computeType, type DType, floatType, isFloat, isHeld, isInteger, notHeld, promote, promoteNumber } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { apply, cast, expression, input, scalar, type Value } from "../expr.ts";
import type { MapKernel, View } from "../kernel.ts";
import { expandView, type KernelOp, memoize, type Meta, type Saves, type Vjp, type VjpContext } from "../op.ts";
import { broadcastShapes } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** The operand that is a plain number, if one is: then the only tensor is the other one. */
export interface NumberOperand {
  readonly left?: number;
  readonly right?: number;
}

/** What a binary gradient rule sees: both operands, as tensors or numbers. */
export interface BinaryContext {
  readonly dy: Tensor;
  readonly a: Tensor | number;
  readonly b: Tensor | number;
  readonly y: () => Tensor;
  readonly needsA: boolean;
  readonly needsB: boolean;
}

/** How an elementwise operation on two operands is declared. */
export interface BinaryDeclaration {
  readonly expr: (a: Value, b: Value) => Value;
  /** The gradients of a and b; the one that is not needed may be null. */
  readonly vjp: ((context: BinaryContext) => readonly [Tensor | null, Tensor | null]) | null;
  readonly saves?: "inputs" | "inputs and output";
  /** "same": the promoted type; "number": the same, and float32 for bool; "float": at least float32; "bool": comparisons. */
  readonly type?: "same" | "number" | "float" | "bool";
  readonly refuses?: readonly DType[];
}

const noNumbers: NumberOperand = {};

/** An elementwise operation on two operands, broadcast and promoted; one may be a number. */
export function binary(name: string, { expr, vjp, saves, type = "same", refuses = [] }: BinaryDeclaration): KernelOp<NumberOperand> {
  /** The type in which the operands meet. */
  function commonType(inputs: readonly { readonly dtype: DType }[], { left, right }: NumberOperand): DType {
    const number = left ?? right;
    const met = number === undefined ? promote(inputs[0]!.dtype, inputs[1]!.dtype, name) : promoteNumber(inputs[0]!.dtype, number);
    return type === "float" || (type === "number" && !isInteger(met)) ? floatType(met) : met;
  }
  const kernels = memoize((form: Form, common: DType, first: DType, second: DType | undefined): MapKernel => {
    const value = expression([cast(expr(...operands(form, common, [first, second])), type === "bool" ? "bool" : common)]);
    return { kind: "map", key: `map ${value.key}`, expr: value };
  });
  function gradient(context: VjpContext<NumberOperand>): (Tensor | null)[] {
    const { left, right } = context.attributes;
    const saved = saves !== undefined;
    const operand = (position: number): Tensor | number => saved ? context.x(position) : 0;
    const [da, db] = vjp!({
      dy: context.dy,
      a: left ?? operand(0),
      b: right ?? operand(left === undefined ? 1 : 0),
      y: () => context.y(0),
      needsA: left === undefined && context.needs(0),
      needsB: right === undefined && context.needs(left === undefined ? 1 : 0),
    });
    return left !== undefined ? [db] : right !== undefined ? [da] : [da, db];
  }
  const savedPlaces: Saves = saves === undefined ? {} : saves === "inputs" ? { inputs: "all" } : { inputs: "all", outputs: [0] };
  return {
    kind: "kernel",
    name,
    vjp: vjp === null ? null : gradient as Vjp<NumberOperand>,
    saves: savedPlaces,
    infer: (inputs, numbers) => {
      const common = commonType(inputs, numbers);
      if (refuses.includes(common)) throw new DTypeError(`Cannot ${name} ${common} tensors: cast one with .to(...) first`, { op: name });
      const shape = inputs.length === 1 ? inputs[0]!.shape : broadcastShapes(inputs.map((meta) => meta.shape), name);
      return [{ dtype: type === "bool" ? "bool" : common, shape }];
    },
    launch: (inputs, outputs, numbers) => {
      const number = numbers.left ?? numbers.right;
      return {
        kernel: kernels(formOf(numbers), commonType(inputs, numbers), inputs[0]!.dtype, inputs[1]?.dtype),
        inputs: expandAll(inputs, outputs[0]!.shape),
        outputs,
        scalars: number === undefined ? noScalars : [number],
      };
    },
  };
}

/** Which operand is a number. */
type Form = "left" | "right" | "tensors";

function formOf({ left, right }: NumberOperand): Form {
  return left !== undefined ? "left" : right !== undefined ? "right" : "tensors";
}

/** Both operands in the type they meet in; `firstSlot` is the kernel input of the first tensor. */
function operands(form: Form, common: DType, types: readonly [DType, DType | undefined], firstSlot = 0): [Value, Value] {
  const computed = computeType(common);
  const first = cast(input(firstSlot, types[0]), computed);
  if (form === "left") return [scalar(0, computed), first];
  if (form === "right") return [first, scalar(0, computed)];
  return [first, cast(input(firstSlot + 1, types[1]!), computed)];
}

const noScalars: readonly number[] = [];

function expandAll(inputs: readonly View[], shape: readonly number[]): View[] {
  return inputs.map((view) => expandView(view, shape));
}

const noBool: readonly DType[] = ["bool"];
const floats: readonly DType[] = ["float16", "float32", "float64"];

export const add = binary("add", {
  expr: (a, b) => a.dtype === "bool" ? apply("or", a, b) : apply("add", a, b),
  vjp: ({ dy }) => [dy, dy],
});
export const sub = binary("sub", {
  expr: (a, b) => apply("sub", a, b),
  vjp: ({ dy, needsB }) => [dy, needsB ? dy.neg() : null],
  refuses: noBool,
});
export const mul = binary("mul", {
  expr: (a, b) => a.dtype === "bool" ? apply("and", a, b) : apply("mul", a, b),
  vjp: ({ dy, a, b, needsA, needsB }) => [needsA ? dy.mul(b) : null, needsB ? dy.mul(a) : null],
  saves: "inputs",
});
export const div = binary("div", {
  expr: (a, b) => apply("div", a, b),
  vjp: ({ dy, b, y, needsA, needsB }) => [needsA ? dy.div(b) : null, needsB ? dy.mul(y()).div(b).neg() : null],
  saves: "inputs and output",
  type: "float",
});
export const floorDivide = binary("floorDivide", {
  expr: (a, b) => isFloat(a.dtype) ? floorQuotient(a, b) : apply("floorDiv", a, b),
  vjp: null,
  refuses: noBool,
});

/**
 * ⌊a / b⌋ as Python has it: from the exact remainder, so that a quotient rounded up to a whole number does not count. What is left of a
 * when the remainder is taken off is a multiple of b, but for rounding.
 */
function floorQuotient(a: Value, b: Value): Value {
  const rest = truncatedRemainder(a, b);
  const whole = apply("round", apply("div", apply("sub", a, rest), b));
  const crossed = apply("and", apply("ne", rest, 0), apply("ne", apply("lt", rest, 0), apply("lt", b, 0)));
  const floored = apply("where", crossed, apply("sub", whole, 1), whole);
  const quotient = apply("div", a, b);
  // 0 has the quotient's sign.
  const signed = apply("where", apply("eq", floored, 0), apply("mul", quotient, 0), floored);
  return apply("where", apply("eq", b, 0), quotient, signed);
}

/** The exact remainder with the dividend's sign (but for a remainder of 0). */
export function truncatedRemainder(a: Value, b: Value): Value {
  const size = apply("mod", apply("abs", a), apply("abs", b));
  return apply("where", apply("lt", a, 0), apply("neg", size), size);
}

/** The remainder with the divisor's sign, as Python's %. */
export const remainder = binary("remainder", {
  expr: (a, b) => apply("mod", a, b),
  vjp: ({ dy, a, b, needsB }) => {
    if (!needsB) return [dy, null];
    const dividend = typeof a === "number" ? (b as Tensor).newFull([], a) : a;
    return [dy, dy.mul(dividend.floorDivide(b)).neg()];
  },
  saves: "inputs",
  refuses: noBool,
});
export const pow = binary("pow", {
  expr: (a, b) => isInteger(a.dtype) ? wholePower(a, b) : apply("pow", a, b),
  vjp: ({ dy, a, b, y, needsA, needsB }) => [
    needsA ? powerBaseGradient(dy, a as Tensor, b) : null,
    needsB ? powerExponentGradient(dy, a, b as Tensor, y()) : null,
  ],
  saves: "inputs and output",
  type: "number",
});

/** By squaring, one bit of the exponent after the other, so that it is exact and wraps around; 1/a rounds towards 0. */
function wholePower(base: Value, exponent: Value): Value {
  const isOdd = (value: Value) => apply("ne", apply("and", value, 1), 0);
  let power = apply("where", isOdd(exponent), base, 1);
  let factor = base;
  let bits = cast(exponent, "uint32");
  for (let bit = 1; bit < 32; bit++) {
    factor = apply("mul", factor, factor);
    bits = apply("shr", bits, 1);
    power = apply("where", isOdd(bits), apply("mul", power, factor), power);
  }
  if (base.dtype === "uint32") return power;
  const isUnit = apply("or", apply("eq", base, 1), apply("eq", base, -1));
  const inverse = apply("where", isUnit, apply("where", isOdd(exponent), base, 1), 0);
  return apply("where", apply("lt", exponent, 0), inverse, power);
}

/** d(a^b)/da = b a^(b-1), and 0 where b is 0, whatever a is. */
function powerBaseGradient(dy: Tensor, a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number") return b === 0 ? dy.zerosLike() : dy.mul(a.pow(b - 1)).mul(b);
  return b.eq(0).where(0, dy.mul(b).mul(a.pow(b.sub(1))));
}

/** d(a^b)/db = a^b log a, and 0 where a is 0 and b is not negative. */
function powerExponentGradient(dy: Tensor, a: Tensor | number, b: Tensor, y: Tensor): Tensor {
  if (typeof a === "number") return a === 0 ? b.ge(0).where(0, dy.mul(y).mul(-Infinity)) : dy.mul(y).mul(Math.log(a));
  return a.eq(0).logicalAnd(b.ge(0)).where(0, dy.mul(y).mul(a.log()));
}

/** Half the gradient each where the operands are equal, all of it to both where one is NaN, as in PyTorch. */
function extremum(name: "maximum" | "minimum", op: "max" | "min"): KernelOp<NumberOperand> {
  const wins = (a: Tensor | number, b: Tensor | number): [Tensor, Tensor] => {
    const [greater, less] = typeof a === "number" ? [(b as Tensor).lt(a), (b as Tensor).gt(a)] : [a.gt(b), a.lt(b)];
    return op === "max" ? [greater, less] : [less, greater];
  };
  const meets = (a: Tensor | number, b: Tensor | number): Tensor => typeof a === "number" ? (b as Tensor).eq(a) : a.eq(b);
  return binary(name, {
    expr: (a, b) => apply(op, a, b),
    vjp: ({ dy, a, b, needsA, needsB }) => {
      const [first, second] = wins(a, b);
      const shared = meets(a, b).where(dy.mul(0.5), dy);
      return [needsA ? second.where(0, shared) : null, needsB ? first.where(0, shared) : null];
    },
    saves: "inputs",
    refuses: noBool,
  });
}

export const maximum = extremum("maximum", "max");
export const minimum = extremum("minimum", "min");
export const atan2 = binary("atan2", {
  expr: (a, b) => apply("atan2", a, b),
  vjp: ({ dy, a, b, needsA, needsB }) => {
    const norm = typeof a === "number" ? (b as Tensor).square().add(a * a) : a.square().add(typeof b === "number" ? b * b : b.square());
    return [needsA ? dy.mul(b).div(norm) : null, needsB ? dy.mul(a).div(norm).neg() : null];
  },
  saves: "inputs",
  type: "float",
});

function comparison(op: "lt" | "le" | "gt" | "ge" | "eq" | "ne"): KernelOp<NumberOperand> {
  return binary(op, { expr: (a, b) => apply(op, a, b), vjp: null, type: "bool" });
}

export const lt = comparison("lt");
export const le = comparison("le");
export const gt = comparison("gt");
export const ge = comparison("ge");
export const eq = comparison("eq");
export const ne = comparison("ne");

function logical(name: string, op: "and" | "or" | "xor"): KernelOp<NumberOperand> {
  return binary(name, { expr: (a, b) => apply(op, apply("ne", a, 0), apply("ne", b, 0)), vjp: null, type: "bool" });
}

export const logicalAnd = logical("logicalAnd", "and");
export const logicalOr = logical("logicalOr", "or");
export const logicalXor = logical("logicalXor", "xor");

function bitwise(name: string, op: "and" | "or" | "xor"): KernelOp<NumberOperand> {
  return binary(name, { expr: (a, b) => apply(op, a, b), vjp: null, refuses: floats });
}

export const bitwiseAnd = bitwise("bitwiseAnd", "and");
export const bitwiseOr = bitwise("bitwiseOr", "or");
export const bitwiseXor = bitwise("bitwiseXor", "xor");

/** Inputs: the condition, then the tensors among the two values; a number stands in `left` (chosen) or `right` (otherwise). */
export const where: KernelOp<NumberOperand> = {
  kind: "kernel",
  name: "where",
  saves: { inputs: [0] },
  vjp: ({ dy, x, needs, attributes: { left, right } }) => {
    const chosen = left === undefined && needs(1) ? x(0).where(dy, 0) : null;
    const otherwise = right === undefined && needs(left === undefined ? 2 : 1) ? x(0).where(0, dy) : null;
    return left !== undefined ? [null, otherwise] : right !== undefined ? [null, chosen] : [null, chosen, otherwise];
  },
  infer: (inputs, numbers) => {
    if (inputs[0]!.dtype !== "bool") {
      throw new DTypeError(`Cannot where: a bool condition is needed, got ${inputs[0]!.dtype}`, { op: "where" });
    }
    const dtype = whereType(inputs, numbers);
    const number = numbers.left ?? numbers.right;
    if (number !== undefined && !isHeld(number, dtype)) throw notHeld("where", dtype, String(number));
    return [{ dtype, shape: broadcastShapes(inputs.map(({ shape }) => shape), "where") }];
  },
  launch: (inputs, outputs, numbers) => {
    const number = numbers.left ?? numbers.right;
    return {
      kernel: whereKernels(formOf(numbers), outputs[0]!.dtype, inputs[1]!.dtype, inputs[2]?.dtype),
      inputs: expandAll(inputs, outputs[0]!.shape),
      outputs,
      scalars: number === undefined ? noScalars : [number],
    };
  },
};

function whereType(inputs: readonly Meta[], { left, right }: NumberOperand): DType {
  const number = left ?? right;
  return number === undefined ? promote(inputs[1]!.dtype, inputs[2]!.dtype, "where") : promoteNumber(inputs[1]!.dtype, number);
}

const whereKernels = memoize((form: Form, common: DType, first: DType, second: DType | undefined): MapKernel => {
  const value = expression([cast(apply("where", input(0, "bool"), ...operands(form, common, [first, second], 1)), common)]);
  return { kind: "map", key: `map ${value.key}`, expr: value };
});

/** The operation with tensors only. */
export const tensorsOnly: NumberOperand = noNumbers;
