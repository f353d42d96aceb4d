/**
 * One row per scalar operation: how it is written in WGSL, for every type it takes.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { ScalarOp } from "../../tensor/scalar.ts";
import type { FunctionName } from "./functions.ts";
import { floatLiteral } from "./types.ts";

/** An argument: the name of its value, its type, and its value where that is known while the code is written. */
export interface Operand {
  readonly text: string;
  readonly dtype: DType;
  readonly constant?: number;
}

/** A WGSL expression and the functions it calls. */
export interface Emitted {
  readonly text: string;
  readonly calls: readonly FunctionName[];
}

/** A row: writes the operation on its arguments; `dtype` is the result's type. */
export type WgslRow = (args: readonly Operand[], dtype: DType) => Emitted;

function plain(text: string, ...calls: FunctionName[]): Emitted {
  return { text, calls };
}

/** Calls a function of the table on float32 arguments. */
function float(name: FunctionName): WgslRow {
  return (args) => plain(`${name}(${args.map((arg) => arg.text).join(", ")})`, name);
}

/** Applies a built-in function that is exact on every driver. */
function builtin(name: string): WgslRow {
  return ([x]) => plain(`${name}(${x!.text})`);
}

type Texts = (a: string, b: string) => string;

/** An operation of two arguments of one type, written for each kind of type. */
function binary(
  forms: { readonly float: WgslRow; readonly int: Texts | FunctionName; readonly uint: Texts | FunctionName; readonly bool: Texts },
): WgslRow {
  return (args, dtype) => {
    const [a, b] = args as [Operand, Operand];
    if (a.dtype === "float32") return forms.float(args, dtype);
    const form = a.dtype === "int32" ? forms.int : a.dtype === "uint32" ? forms.uint : forms.bool;
    return typeof form === "function" ? plain(form(a.text, b.text)) : plain(`${form}(${a.text}, ${b.text})`, form);
  };
}

/** An operation of one argument, written for each kind of type. */
function unary(forms: { readonly float: WgslRow; readonly int: (x: string) => string; readonly uint: (x: string) => string }): WgslRow {
  return (args, dtype) => {
    const [x] = args as [Operand];
    if (x.dtype === "float32") return forms.float(args, dtype);
    return plain(x.dtype === "int32" ? forms.int(x.text) : x.dtype === "uint32" ? forms.uint(x.text) : x.text);
  };
}

/** `NaN` compares false with everything, which a compiler that assumes there is none forgets when it negates a comparison. */
function compare(operator: string, bools: Texts): WgslRow {
  return ([a, b]) => {
    if (a!.dtype === "bool") return plain(bools(a!.text, b!.text));
    const text = `${a!.text} ${operator} ${b!.text}`;
    if (a!.dtype !== "float32") return plain(text);
    const checks = [a!, b!].filter((arg) => arg.constant === undefined || Number.isNaN(arg.constant)).map((arg) => `isNaN32(${arg.text})`);
    if (checks.length === 0) return plain(text);
    const nan = checks.join(" || ");
    return plain(operator === "!=" ? `${text} || ${nan}` : `${text} && !(${nan})`, "isNaN32");
  };
}

const multiply: WgslRow = ([a, b]) => {
  if (a!.constant === 0) return plain(signedZero(b!, a!), "timesZero32");
  if (b!.constant === 0) return plain(signedZero(a!, b!), "timesZero32");
  return plain(`${a!.text} * ${b!.text}`);
};

function signedZero(x: Operand, zero: Operand): string {
  return Object.is(zero.constant, -0) ? `timesZero32(-${x.text})` : `timesZero32(${x.text})`;
}

const subtract: WgslRow = ([a, b]) => {
  if (a!.text === b!.text) return plain(`abs(timesZero32(${a!.text}))`, "timesZero32");
  return plain(`${a!.text} - ${b!.text}`);
};

const divide: WgslRow = ([a, b]) => {
  if (a!.text === b!.text || a!.constant === 0) {
    const nan = floatLiteral(NaN);
    const one = a!.text === b!.text ? `select(1f, ${nan}, isNaN32(timesZero32(${a!.text})) || ${a!.text} == 0f)` : undefined;
    return plain(one ?? `select(${a!.text} / ${b!.text}, ${nan}, isNaN32(${b!.text}) || ${b!.text} == 0f)`, "isNaN32", "timesZero32");
  }
  return plain(`${a!.text} / ${b!.text}`);
};

const cast: WgslRow = ([x], to) => {
  const { text, dtype: from } = x!;
  if (from === to) return plain(text);
  if (from === "float16") return cast([{ text: `f32(${text})`, dtype: "float32" }], to);
  if (to === "bool") {
    return plain(from === "float32" ? `((bitcast<u32>(${text}) & 0x7fffffffu) != 0u)` : `(${text} != ${from === "int32" ? "0i" : "0u"})`);
  }
  if (from === "bool") return plain(`select(${zeroOne(to)}, ${text})`);
  if (to === "float16") return plain(from === "float32" ? `f16(${text})` : `f16(f32(${text}))`);
  if (to === "float32") return plain(`f32(${text})`);
  if (from === "float32") return to === "int32" ? plain(`toInt32(${text})`, "toInt32") : plain(`toUint32(${text})`, "toUint32");
  return plain(`bitcast<${to === "int32" ? "i32" : "u32"}>(${text})`);
};

function zeroOne(dtype: DType): string {
  if (dtype === "float16") return "f16(0f), f16(1f)";
  return dtype === "int32" ? "0i, 1i" : dtype === "uint32" ? "0u, 1u" : "0f, 1f";
}

const infix = (operator: string): Texts => (a, b) => `${a} ${operator} ${b}`;
/** Whatever is left over from nothing is not a number, and what is not 0 is true. */
const boolRemainder: Texts = (_, b) => `!${b}`;

/** The table: a scalar operation without a row does not compile. */
export const scalarRows: Readonly<Record<ScalarOp, WgslRow>> = {
  neg: unary({ float: ([x]) => plain(`-${x!.text}`), int: (x) => `-${x}`, uint: (x) => `0u - ${x}` }),
  abs: unary({ float: builtin("abs"), int: (x) => `abs(${x})`, uint: (x) => x }),
  sign: unary({ float: float("sign32"), int: (x) => `sign(${x})`, uint: (x) => `min(${x}, 1u)` }),
  floor: builtin("floor"),
  ceil: builtin("ceil"),
  round: builtin("round"),
  trunc: builtin("trunc"),
  sqrt: float("sqrt32"),
  rsqrt: float("rsqrt32"),
  exp: float("exp32"),
  expm1: float("expm132"),
  log: float("log32"),
  log1p: float("log1p32"),
  sin: float("sin32"),
  cos: float("cos32"),
  tan: float("tan32"),
  asin: float("asin32"),
  acos: float("acos32"),
  atan: float("atan32"),
  sinh: float("sinh32"),
  cosh: float("cosh32"),
  tanh: float("tanh32"),
  sigmoid: float("sigmoid32"),
  erf: float("erf32"),
  isNaN: float("isNaN32"),
  isInf: float("isInf32"),
  not: ([x]) => plain(x!.dtype === "bool" ? `!${x!.text}` : `~${x!.text}`),
  cast,
  add: binary({ float: ([a, b]) => plain(`${a!.text} + ${b!.text}`), int: infix("+"), uint: infix("+"), bool: infix("||") }),
  sub: binary({ float: subtract, int: infix("-"), uint: infix("-"), bool: infix("!=") }),
  mul: binary({ float: multiply, int: infix("*"), uint: infix("*"), bool: infix("&&") }),
  div: divide,
  floorDiv: binary({ float: divide, int: "floorDivI32", uint: "floorDivU32", bool: infix("&&") }),
  mod: binary({ float: float("mod32"), int: "modI32", uint: "modU32", bool: boolRemainder }),
  pow: float("pow32"),
  atan2: float("atan232"),
  max: binary({ float: float("max32"), int: (a, b) => `max(${a}, ${b})`, uint: (a, b) => `max(${a}, ${b})`, bool: infix("||") }),
  min: binary({ float: float("min32"), int: (a, b) => `min(${a}, ${b})`, uint: (a, b) => `min(${a}, ${b})`, bool: infix("&&") }),
  lt: compare("<", (a, b) => `!${a} && ${b}`),
  le: compare("<=", (a, b) => `!${a} || ${b}`),
  gt: compare(">", (a, b) => `${a} && !${b}`),
  ge: compare(">=", (a, b) => `${a} || !${b}`),
  eq: compare("==", (a, b) => `${a} == ${b}`),
  ne: compare("!=", (a, b) => `${a} != ${b}`),
  and: binary({ float: multiply, int: infix("&"), uint: infix("&"), bool: infix("&&") }),
  or: binary({ float: multiply, int: infix("|"), uint: infix("|"), bool: infix("||") }),
  xor: binary({ float: multiply, int: infix("^"), uint: infix("^"), bool: infix("!=") }),
  shl: ([a, b]) => plain(`${a!.text} << (${b!.text} & 31u)`),
  shr: ([a, b]) => plain(`${a!.text} >> (${b!.text} & 31u)`),
  where: ([condition, a, b]) => plain(`select(${b!.text}, ${a!.text}, ${condition!.text})`),
  threefry: float("threefry"),
};
