/**
 * The scalar vocabulary: every operation on single numbers that a kernel may contain, with its arity, its dtype rule
 * and a reference function in plain TypeScript (float64). The backends hold tables typed by {@link ScalarOp}, so that
 * a missing row does not compile.
 *
 * @module
 */
import type { DType } from "./dtype.ts";

/**
 * How the result's type follows from the arguments'.
 * - `same`: the arguments' common type; `float`: the same, and it must be float32 or float64;
 * - `integer`: the same, and it must be int32, uint32 or bool; `compare`: bool; `select`: the second argument's type;
 * - `cast`: whatever the node says (the only row that meets float16); `bits`: uint32 in, uint32 out; `test`: float in, bool out.
 */
export type TypeRule = "same" | "float" | "integer" | "compare" | "select" | "cast" | "bits" | "test";

interface ScalarRow {
  readonly arity: number;
  readonly type: TypeRule;
  /** The value in float64. Integer results are wrapped to 32 bits by {@link wrap}; comparisons give 0 or 1. */
  readonly reference: (...args: number[]) => number;
}

function row(arity: number, type: TypeRule, reference: ScalarRow["reference"]): ScalarRow {
  return { arity, type, reference };
}

/** Rounds to the nearest whole number, halves to even, as PyTorch does. */
function roundHalfEven(x: number): number {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : (nearest === 0 && (x < 0 || Object.is(x, -0)) ? -0 : nearest);
}

/**
 * The error function, to about 1e-15: a Taylor series near zero and a continued fraction for the complement beyond.
 * Source: Abramowitz and Stegun, 7.1.6 and 7.1.14.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 120; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      sum += term;
      if (term < sum * 1e-17) break;
    }
    return Math.sign(x) * sum * Math.exp(-a * a) * 2 / Math.sqrt(Math.PI);
  }
  if (a > 6.5) return Math.sign(x);
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = (k / 2) / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)));
}

/**
 * One 32-bit word of Threefry-2x32 with 20 rounds: a keyed, counter-based generator, so that element i of a random
 * tensor depends on the key and i alone. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 */
export function threefry(key0: number, key1: number, counter: number): number {
  // Written out: with arrays and loops drawing a model's weights takes many times as long.
  const key2 = key0 ^ key1 ^ 0x1bd11bda;
  let x0 = (counter + key0) | 0;
  let x1 = key1 | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + key1) | 0;
  x1 = (x1 + key2 + 1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + key2) | 0;
  x1 = (x1 + key0 + 2) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + key0) | 0;
  x1 = (x1 + key1 + 3) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + key1) | 0;
  x1 = (x1 + key2 + 4) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + key2) | 0;
  x1 = (x1 + key0 + 5) | 0;
  return x0 >>> 0;
}

/** The rotation of each of Threefry's rounds, repeating after eight. */
export const threefryRotations: readonly number[] = [13, 15, 26, 6, 17, 29, 16, 24];

/** JavaScript's exact remainder, moved to the divisor's sign; a remainder of 0 keeps the dividend's. */
function flooredRemainder(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && (rest < 0) !== (b < 0) ? rest + b : rest;
}

/** Maximum that lets NaN through. */
function maximum(a: number, b: number): number {
  return Math.max(a, b);
}

/** Minimum that lets NaN through. */
function minimum(a: number, b: number): number {
  return Math.min(a, b);
}

const rows = {
  neg: row(1, "same", (x) => -x),
  abs: row(1, "same", (x) => Math.abs(x)),
  /** -1, 0 or 1; NaN stays NaN. */
  sign: row(1, "same", (x) => Math.sign(x)),
  floor: row(1, "float", (x) => Math.floor(x)),
  ceil: row(1, "float", (x) => Math.ceil(x)),
  /** Halves to even. */
  round: row(1, "float", roundHalfEven),
  trunc: row(1, "float", (x) => Math.trunc(x)),
  sqrt: row(1, "float", (x) => Math.sqrt(x)),
  rsqrt: row(1, "float", (x) => 1 / Math.sqrt(x)),
  exp: row(1, "float", (x) => Math.exp(x)),
  expm1: row(1, "float", (x) => Math.expm1(x)),
  log: row(1, "float", (x) => Math.log(x)),
  log1p: row(1, "float", (x) => Math.log1p(x)),
  sin: row(1, "float", (x) => Math.sin(x)),
  cos: row(1, "float", (x) => Math.cos(x)),
  tan: row(1, "float", (x) => Math.tan(x)),
  asin: row(1, "float", (x) => Math.asin(x)),
  acos: row(1, "float", (x) => Math.acos(x)),
  atan: row(1, "float", (x) => Math.atan(x)),
  sinh: row(1, "float", (x) => Math.sinh(x)),
  cosh: row(1, "float", (x) => Math.cosh(x)),
  tanh: row(1, "float", (x) => Math.tanh(x)),
  sigmoid: row(1, "float", (x) => 1 / (1 + Math.exp(-x))),
  erf: row(1, "float", erf),
  isNaN: row(1, "test", (x) => Number.isNaN(x) ? 1 : 0),
  isInf: row(1, "test", (x) => Math.abs(x) === Infinity ? 1 : 0),
  not: row(1, "integer", (x) => ~x),
  cast: row(1, "cast", (x) => x),
  add: row(2, "same", (a, b) => a + b),
  sub: row(2, "same", (a, b) => a - b),
  mul: row(2, "same", (a, b) => a * b),
  div: row(2, "float", (a, b) => a / b),
  /** Whole-number division towards minus infinity; by zero gives 0, so that no backend traps. */
  floorDiv: row(2, "integer", (a, b) => b === 0 ? 0 : Math.floor(a / b)),
  /** The remainder with the divisor's sign, as Python's %, exact for every quotient; whole numbers by zero give 0. */
  mod: row(2, "same", flooredRemainder),
  /** 1 for 1 to any power, for any number to the power 0, and for -1 to ±Infinity, as in C. */
  pow: row(2, "float", (a, b) => a === 1 || b === 0 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b)),
  atan2: row(2, "float", (a, b) => Math.atan2(a, b)),
  /** NaN if either is NaN. */
  max: row(2, "same", maximum),
  /** NaN if either is NaN. */
  min: row(2, "same", minimum),
  lt: row(2, "compare", (a, b) => a < b ? 1 : 0),
  le: row(2, "compare", (a, b) => a <= b ? 1 : 0),
  gt: row(2, "compare", (a, b) => a > b ? 1 : 0),
  ge: row(2, "compare", (a, b) => a >= b ? 1 : 0),
  eq: row(2, "compare", (a, b) => a === b ? 1 : 0),
  /** True if either is NaN. */
  ne: row(2, "compare", (a, b) => a !== b ? 1 : 0),
  and: row(2, "integer", (a, b) => a & b),
  or: row(2, "integer", (a, b) => a | b),
  xor: row(2, "integer", (a, b) => a ^ b),
  shl: row(2, "bits", (a, b) => a << b),
  shr: row(2, "bits", (a, b) => a >>> b),
  where: row(3, "select", (condition, a, b) => condition !== 0 ? a : b),
  threefry: row(3, "bits", threefry),
} satisfies Record<ScalarOp, ScalarRow>;

/** The name of a scalar operation. */
export type ScalarOp =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "sqrt"
  | "rsqrt"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "isNaN"
  | "isInf"
  | "not"
  | "cast"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floorDiv"
  | "mod"
  | "pow"
  | "atan2"
  | "max"
  | "min"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "eq"
  | "ne"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | "where"
  | "threefry";

/** The table of scalar operations. */
export const scalarOps: Readonly<Record<ScalarOp, ScalarRow>> = rows;

/**
 * Brings a reference value into the range of `dtype`, as a store to memory would: float32 and float16 round, whole
 * numbers wrap to 32 bits (from floats they are truncated and clamped, NaN giving 0), bool is 0 or 1.
 */
export function wrap(value: number, dtype: DType): number {
  switch (dtype) {
    case "float64":
      return value;
    case "float32":
      return Math.fround(value);
    case "float16":
      return Math.f16round(value);
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    case "bool":
      return value !== 0 ? 1 : 0;
  }
}

/**
 * The value of a cast: floats to whole numbers are truncated and clamped to the range (NaN gives 0), whole numbers wrap,
 * anything but 0 is true.
 */
export function castValue(value: number, from: DType, to: DType): number {
  if ((from === "float32" || from === "float64" || from === "float16") && (to === "int32" || to === "uint32")) {
    const low = to === "int32" ? -2147483648 : 0;
    const high = to === "int32" ? 2147483647 : 4294967295;
    return Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)));
  }
  return wrap(value, to);
}

/**
 * One scalar operation on reference numbers: the row's function, with whole numbers multiplied and negated in 32 bits and
 * the result brought into the range of `dtype`.
 *
 * @param op The operation.
 * @param args Its arguments.
 * @param argType The type of the (last) argument.
 * @param dtype The type of the result.
 */
export function evaluate(op: ScalarOp, args: readonly number[], argType: DType, dtype: DType): number {
  if (op === "cast") return castValue(args[0]!, argType, dtype);
  if (op === "mul" && (dtype === "int32" || dtype === "uint32")) return wrap(Math.imul(args[0]!, args[1]!), dtype);
  if (op === "not" && dtype === "bool") return args[0] === 0 ? 1 : 0;
  return wrap(rows[op].reference(...(args as [number, number, number])), dtype);
}
