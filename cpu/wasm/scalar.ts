/**
 * The scalar vocabulary in WebAssembly: one row per operation, four 32-bit lanes at a time.
 *
 * In registers float32 fills f32x4, int32 and uint32 i32x4, and bool is a mask of all ones or zeros per lane. float16 is held as the float32
 * numbers it can represent.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { Expr } from "../../tensor/expr.ts";
import { type ScalarOp, threefryRotations } from "../../tensor/scalar.ts";
import type { PlainOp } from "./opcodes.ts";
import type { Term, Terms } from "./terms.ts";
import * as transcendental from "./transcendental.ts";

/** The types of the (last) argument and of the result. */
interface RowTypes {
  readonly from: DType;
  readonly to: DType;
}

/** Writes one operation; the arguments are kept, so that they may be used more than once. */
type ScalarWriter = (e: Terms, args: readonly Term[], types: RowTypes) => Term;

const writers: Record<ScalarOp, ScalarWriter> = {
  neg: unary({ float: "f32x4.neg", whole: "i32x4.neg" }),
  abs: byType({ float: (e, [x]) => e.single.abs(x!), int: (e, [x]) => e.op("i32x4.abs", x!), uint: same, bool: same }),
  sign: byType({
    float: (e, [x]) => {
      const s = e.single;
      const flat = e.op("v128.or", s.eq(x!, s.number(0)), s.ne(x!, x!));
      return e.select(flat, x!, s.copySign(s.number(1), x!));
    },
    int: (e, [x]) => e.op("i32x4.sub", e.op("i32x4.lt_s", x!, e.whole(0)), e.op("i32x4.gt_s", x!, e.whole(0))),
    uint: (e, [x]) => e.op("v128.and", e.op("i32x4.ne", x!, e.whole(0)), e.whole(1)),
    bool: same,
  }),
  floor: (e, [x]) => e.op("f32x4.floor", x!),
  ceil: (e, [x]) => e.op("f32x4.ceil", x!),
  round: (e, [x]) => e.op("f32x4.nearest", x!),
  trunc: (e, [x]) => e.op("f32x4.trunc", x!),
  sqrt: (e, [x]) => e.single.sqrt(x!),
  rsqrt: (e, [x]) => e.single.div(e.single.number(1), e.single.sqrt(x!)),
  exp: (e, [x]) => transcendental.exp(e, x!),
  expm1: (e, [x]) => transcendental.expm1(e, x!),
  log: (e, [x]) => transcendental.log(e, x!),
  log1p: (e, [x]) => transcendental.log1p(e, x!),
  sin: (e, [x]) => transcendental.trigonometric(e, x!, "sin"),
  cos: (e, [x]) => transcendental.trigonometric(e, x!, "cos"),
  tan: (e, [x]) => transcendental.trigonometric(e, x!, "tan"),
  asin: (e, [x]) => transcendental.asin(e, x!),
  acos: (e, [x]) => transcendental.acos(e, x!),
  atan: (e, [x]) => transcendental.atan(e, x!),
  sinh: (e, [x]) => transcendental.sinh(e, x!),
  cosh: (e, [x]) => transcendental.cosh(e, x!),
  tanh: (e, [x]) => transcendental.tanh(e, x!),
  sigmoid: (e, [x]) => transcendental.sigmoid(e, x!),
  erf: (e, [x]) => transcendental.erf(e, x!),
  isNaN: (e, [x]) => e.single.ne(x!, x!),
  isInf: (e, [x]) => e.single.eq(e.single.abs(x!), e.single.number(Infinity)),
  not: (e, [x]) => e.op("v128.not", x!),
  cast: (e, [x], { from, to }) => castTerm(e, x!, from, to),
  add: binary({ float: "f32x4.add", whole: "i32x4.add", bool: "v128.or" }),
  sub: binary({ float: "f32x4.sub", whole: "i32x4.sub", bool: "v128.xor" }),
  mul: binary({ float: "f32x4.mul", whole: "i32x4.mul", bool: "v128.and" }),
  div: binary({ float: "f32x4.div" }),
  floorDiv: byType({ int: floorDivision, uint: floorDivision, bool: (e, [a, b]) => e.op("v128.and", a!, b!) }),
  mod: byType({
    float: (e, [a, b]) => transcendental.remainder(e, a!, b!),
    int: wholeRemainder,
    uint: wholeRemainder,
    bool: (e, [, b]) => e.op("v128.not", b!),
  }),
  pow: (e, [a, b]) => transcendental.pow(e, a!, b!),
  atan2: (e, [a, b]) => transcendental.atan2(e, a!, b!),
  max: binary({ float: "f32x4.max", int: "i32x4.max_s", uint: "i32x4.max_u", bool: "v128.or" }),
  min: binary({ float: "f32x4.min", int: "i32x4.min_s", uint: "i32x4.min_u", bool: "v128.and" }),
  lt: binary({ float: "f32x4.lt", int: "i32x4.lt_s", uint: "i32x4.lt_u", bool: "i32x4.lt_u" }),
  le: binary({ float: "f32x4.le", int: "i32x4.le_s", uint: "i32x4.le_u", bool: "i32x4.le_u" }),
  gt: binary({ float: "f32x4.gt", int: "i32x4.gt_s", uint: "i32x4.gt_u", bool: "i32x4.gt_u" }),
  ge: binary({ float: "f32x4.ge", int: "i32x4.ge_s", uint: "i32x4.ge_u", bool: "i32x4.ge_u" }),
  eq: binary({ float: "f32x4.eq", whole: "i32x4.eq", bool: "i32x4.eq" }),
  ne: binary({ float: "f32x4.ne", whole: "i32x4.ne", bool: "i32x4.ne" }),
  and: (e, [a, b]) => e.op("v128.and", a!, b!),
  or: (e, [a, b]) => e.op("v128.or", a!, b!),
  xor: (e, [a, b]) => e.op("v128.xor", a!, b!),
  shl: (e, [a, b]) => shift(e, a!, b!, "shl"),
  shr: (e, [a, b]) => shift(e, a!, b!, "shr_u"),
  where: (e, [condition, a, b]) => e.select(condition!, a!, b!),
  threefry,
};

/** Whether WebAssembly code can be made for an expression: every value has 32 bits, or is float16 on its way in or out. */
export function isSupported(expr: Expr): boolean {
  return expr.nodes.every((node) => node.dtype !== "float64");
}

/** What the leaves of an expression stand for. */
export interface Leaves {
  /** An input's element, a scalar, or a result. */
  readonly leaf: (kind: "input" | "scalar" | "result", slot: number, dtype: DType) => Term;
  /** The element's position. */
  readonly index: () => Term;
}

/** Writes single nodes of an expression, each value kept when more than one place needs it. */
export class ExpressionWriter {
  readonly #e: Terms;
  readonly #expr: Expr;
  readonly #values: (Term | undefined)[];
  readonly #uses: number[];

  /** A writer for one expression in one function. */
  constructor(e: Terms, expr: Expr) {
    this.#e = e;
    this.#expr = expr;
    this.#values = new Array(expr.nodes.length).fill(undefined);
    this.#uses = new Array(expr.nodes.length).fill(0);
    for (const node of expr.nodes) {
      if (node.kind === "op") { for (const arg of node.args) this.#uses[arg]!++; }
    }
    for (const output of expr.outputs) this.#uses[output]!++;
  }

  /**
   * Computes, once and before a loop, what does not change in it: `varies` says which leaves do.
   */
  hoist(varies: (kind: "input" | "scalar" | "result" | "index", slot: number) => boolean, leaves: Leaves): void {
    const varying: boolean[] = [];
    this.#expr.nodes.forEach((node, position) => {
      if (node.kind === "op") varying.push(node.args.some((arg) => varying[arg]));
      else if (node.kind === "index") varying.push(varies("index", 0));
      else varying.push(node.kind !== "constant" && varies(node.kind, node.slot));
      if (!varying[position] && this.#values[position] === undefined) this.#values[position] = this.#e.keep(this.#value(position, leaves));
    });
  }

  /** The outputs at one place, kept in locals. */
  outputs(leaves: Leaves): Term[] {
    const hoisted = [...this.#values];
    const terms = this.#expr.outputs.map((position) => this.#e.keep(this.#value(position, leaves)));
    hoisted.forEach((value, position) => this.#values[position] = value);
    return terms;
  }

  #value(position: number, leaves: Leaves): Term {
    const known = this.#values[position];
    if (known !== undefined) return known;
    const e = this.#e;
    const node = this.#expr.nodes[position]!;
    let value: Term;
    if (node.kind === "constant") {
      value = constantTerm(e, node.value, node.dtype);
    } else if (node.kind === "index") {
      value = leaves.index();
    } else if (node.kind !== "op") {
      value = leaves.leaf(node.kind, node.slot, node.dtype);
    } else {
      const args = node.args.map((arg) => e.keepIf(!simple.has(node.op), this.#value(arg, leaves)));
      value = writers[node.op](e, args, { from: this.#expr.nodes[node.args.at(-1)!]!.dtype, to: node.dtype });
    }
    if (this.#uses[position]! > 1) value = e.keep(value);
    this.#values[position] = value;
    return value;
  }
}

/** Operations whose rows use each argument once, so that it need not be kept. */
const simple: ReadonlySet<ScalarOp> = new Set(
  [
    ...[
      "neg",
      "floor",
      "ceil",
      "round",
      "trunc",
      "sqrt",
      "rsqrt",
      "isInf",
      "not",
      "add",
      "sub",
      "mul",
      "div",
      "max",
      "min",
      "lt",
      "le",
      "gt",
    ],
    ...["ge", "eq", "ne", "and", "or", "xor", "where", "exp", "log", "tanh", "sigmoid", "erf"],
  ] as ScalarOp[],
);

/** A number in all lanes, as registers hold its type. */
export function constantTerm(e: Terms, value: number, dtype: DType): Term {
  if (dtype === "bool") return e.whole(value !== 0 ? -1 : 0);
  if (dtype === "int32" || dtype === "uint32") return e.whole(value | 0);
  return e.single.number(value);
}

/** Converts between types in registers. */
function castTerm(e: Terms, x: Term, from: DType, to: DType): Term {
  if (from === to || (from === "float16" && to === "float32")) return x;
  const fromFloat = from === "float32" || from === "float16";
  switch (to) {
    case "float16":
    case "float32": {
      const wide = fromFloat
        ? x
        : from === "bool"
        ? e.op("v128.and", x, e.single.number(1))
        : e.op(from === "int32" ? "f32x4.convert_i32x4_s" : "f32x4.convert_i32x4_u", x);
      return to === "float16" ? toHalf(e, wide) : wide;
    }
    case "bool":
      return fromFloat ? e.single.ne(x, e.single.number(0)) : e.op("i32x4.ne", x, e.whole(0));
    case "int32":
    case "uint32":
      if (fromFloat) return e.op(to === "int32" ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f32x4_u", x);
      return from === "bool" ? e.op("v128.and", x, e.whole(1)) : x;
    case "float64":
      throw new RangeError("Cannot cast to float64 in WebAssembly: 32-bit lanes are needed, got float64");
  }
}

/** float32 numbers rounded to the nearest float16, halves to even. */
function toHalf(e: Terms, wide: Term): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(wide);
    const a = e.keep(s.abs(x));
    // Adding and subtracting a power of two 13 bits above the number's own (at least that of the subnormals) rounds it there.
    const exponent = e.op("v128.and", a, e.whole(0x7f800000));
    const guard = e.keep(e.op("i32x4.add", s.atLeast(exponent, s.number(2 ** -14)), e.whole(13 << 23)));
    const rounded = e.keep(s.sub(s.add(a, guard), guard));
    const finite = e.select(s.lt(rounded, s.number(65520)), rounded, s.number(Infinity));
    return s.copySign(e.select(s.ne(a, a), a, finite), x);
  });
}

/** Whole-number division in float64, whose quotients are exact enough to floor; the low 32 bits wrap. */
function floorDivision(e: Terms, args: readonly Term[], types: RowTypes): Term {
  return e.scoped(() => {
    const widen: PlainOp = types.from === "int32" ? "f64x2.convert_low_i32x4_s" : "f64x2.convert_low_i32x4_u";
    const [a, b] = args.map((arg) => e.keep(arg));
    const halves = [0, 2].map((lane) =>
      e.keep((() => {
        const [x, y] = [a!, b!].map((arg) => e.op(widen, e.shuffle(arg, arg, [lane, lane + 1, lane, lane + 1])));
        // The whole number stands in the low bits after adding 1.5·2^52.
        return e.double.add(e.double.floor(e.double.div(x!, y!)), e.double.number(6755399441055744));
      })())
    );
    const quotient = e.shuffle(halves[0]!, halves[1]!, [0, 2, 4, 6]);
    return e.op("v128.and", quotient, e.op("i32x4.ne", b!, e.whole(0)));
  });
}

/** a - b ⌊a / b⌋, 0 where b is 0. */
function wholeRemainder(e: Terms, args: readonly Term[], types: RowTypes): Term {
  return e.scoped(() => {
    const [a, b] = args.map((arg) => e.keep(arg));
    const rest = e.op("i32x4.sub", a!, e.op("i32x4.mul", b!, floorDivision(e, [a!, b!], types)));
    return e.op("v128.and", rest, e.op("i32x4.ne", b!, e.whole(0)));
  });
}

/** Shifts: one instruction by a constant, else lane by lane. */
function shift(e: Terms, a: Term, b: Term, name: "shl" | "shr_u"): Term {
  if (b.constant !== undefined) return e.shift(`i32x4.${name}`, a, b.constant & 31);
  const value = e.keep(a);
  const count = e.keep(b);
  return {
    write: (f) => {
      value.write(f);
      for (let lane = 0; lane < 4; lane++) {
        value.write(f);
        f.lane("i32x4.extract_lane", lane);
        count.write(f);
        f.lane("i32x4.extract_lane", lane).op(`i32.${name}`).lane("i32x4.replace_lane", lane);
      }
    },
  };
}

/** Threefry-2x32 with 20 rounds, four counters at a time. */
function threefry(e: Terms, [key0, key1, counter]: readonly Term[]): Term {
  return e.scoped(() => {
    const keys = [key0!, key1!, e.keep(e.op("v128.xor", e.op("v128.xor", key0!, key1!), e.whole(0x1bd11bda)))];
    const { f } = e;
    const x0 = f.local("v128");
    const x1 = f.local("v128");
    const [first, second] = [e.of(x0), e.of(x1)];
    e.op("i32x4.add", counter!, keys[0]!).write(f);
    f.set(x0);
    keys[1]!.write(f);
    f.set(x1);
    for (let round = 0; round < 20; round++) {
      const rotation = threefryRotations[round % 8]!;
      e.op("i32x4.add", first, second).write(f);
      f.set(x0);
      const rotated = e.op("v128.or", e.shift("i32x4.shl", second, rotation), e.shift("i32x4.shr_u", second, 32 - rotation));
      e.op("v128.xor", rotated, first).write(f);
      f.set(x1);
      if (round % 4 !== 3) continue;
      const injection = (round + 1) / 4;
      e.op("i32x4.add", first, keys[injection % 3]!).write(f);
      f.set(x0);
      e.op("i32x4.add", e.op("i32x4.add", second, keys[(injection + 1) % 3]!), e.whole(injection)).write(f);
      f.set(x1);
    }
    f.release(x1);
    const result = e.keep(e.op("v128.or", first, first));
    f.release(x0);
    return result;
  });
}

function same(_e: Terms, [x]: readonly Term[]): Term {
  return x!;
}

/** One writer per type of the arguments; a type that is not named cannot come (the expression's rules refuse it). */
function byType(rows: { float?: ScalarWriter; int?: ScalarWriter; uint?: ScalarWriter; bool?: ScalarWriter }): ScalarWriter {
  return (e, args, types) => {
    const { from } = types;
    const writer = from === "int32" ? rows.int : from === "uint32" ? rows.uint : from === "bool" ? rows.bool : rows.float;
    if (writer === undefined) throw new RangeError(`Cannot write a scalar operation: an argument type it takes is needed, got ${from}`);
    return writer(e, args, types);
  };
}

/** One instruction per type; `whole` stands for int32 and uint32. */
function binary(names: { float?: PlainOp; whole?: PlainOp; int?: PlainOp; uint?: PlainOp; bool?: PlainOp }): ScalarWriter {
  const write = (name: PlainOp | undefined): ScalarWriter => (e, args, { from }) => {
    if (name === undefined) throw new RangeError(`Cannot write a scalar operation: an argument type it takes is needed, got ${from}`);
    return e.op(name, ...args);
  };
  return byType({
    float: write(names.float),
    int: write(names.int ?? names.whole),
    uint: write(names.uint ?? names.whole),
    bool: write(names.bool),
  });
}

/** One instruction per type, and nothing to do for bool. */
function unary(names: { float: PlainOp; whole: PlainOp }): ScalarWriter {
  const instruction = binary(names);
  return (e, args, types) => types.from === "bool" ? args[0]! : instruction(e, args, types);
}
