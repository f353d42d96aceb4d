/**
 * Vector expressions over a {@link FunctionBuilder}: terms are written as nested calls and turn into instructions when they are kept.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./encoder.ts";
import type { PlainOp } from "./opcodes.ts";

/**
 * A vector value: a local, or instructions that push it. The instructions are repeated at every use, so what is used twice is kept
 * ({@link Terms.keep}) first.
 */
export interface Term {
  /** Appends the instructions that push the value. */
  readonly write: (f: FunctionBuilder) => void;
  /** Where the value is, once kept. */
  readonly local?: Local;
  /** The number, when all lanes are one constant. */
  readonly constant?: number;
}

/** The floating vector shapes. */
export type LaneShape = "f32x4" | "f64x2";

/** Builds terms in one function. */
export class Terms {
  /** The function being written. */
  readonly f: FunctionBuilder;
  /** Its module, for helper functions. */
  readonly module: ModuleBuilder;
  /** Whether fused multiply-add may be used. */
  readonly relaxed: boolean;
  /** Arithmetic on four float32. */
  readonly single: Lanes;
  /** Arithmetic on two float64. */
  readonly double: Lanes;
  #kept: Local[] = [];
  readonly #helpers: Map<string, FunctionBuilder>;

  /** Terms for function `f` of `module`; helper functions are shared between the functions through `helpers`. */
  constructor(module: ModuleBuilder, f: FunctionBuilder, relaxed: boolean, helpers: Map<string, FunctionBuilder> = new Map()) {
    this.module = module;
    this.f = f;
    this.relaxed = relaxed;
    this.#helpers = helpers;
    this.single = new Lanes(this, "f32x4");
    this.double = new Lanes(this, "f64x2");
  }

  /** A local as a term. */
  of(local: Local): Term {
    return { write: (f) => f.get(local), local };
  }

  /** An instruction on terms. */
  op(name: PlainOp, ...args: readonly Term[]): Term {
    return {
      write: (f) => {
        for (const arg of args) arg.write(f);
        f.op(name);
      },
    };
  }

  /** A vector shift by a constant count. */
  shift(name: "i32x4.shl" | "i32x4.shr_s" | "i32x4.shr_u" | "i64x2.shl" | "i64x2.shr_s" | "i64x2.shr_u", value: Term, count: number): Term {
    return {
      write: (f) => {
        value.write(f);
        f.i32(count).op(name);
      },
    };
  }

  /** Four 32-bit lanes out of two vectors (a: 0–3, b: 4–7). */
  shuffle(a: Term, b: Term, lanes: readonly number[]): Term {
    return {
      write: (f) => {
        a.write(f);
        b.write(f);
        f.shuffle32(lanes);
      },
    };
  }

  /** `a` in the lanes where `mask` is all ones, else `b`. */
  select(mask: Term, a: Term, b: Term): Term {
    return this.op("v128.bitselect", a, b, mask);
  }

  /** Four equal whole numbers. */
  whole(value: number): Term {
    return { ...this.of(this.f.constant(new Int32Array(4).fill(value))), constant: value };
  }

  /** Two equal 64-bit patterns. */
  wide(value: bigint): Term {
    return this.of(this.f.constant(new BigInt64Array(2).fill(BigInt.asIntN(64, value))));
  }

  /** Computes the value now, into a local; a local or constant is left as it is. */
  keep(term: Term): Term {
    if (term.local !== undefined) return term;
    term.write(this.f);
    const local = this.f.local("v128");
    this.f.set(local);
    this.#kept.push(local);
    return this.of(local);
  }

  /** Copies into a fresh local, even what is kept already, so that the original may change. */
  keepNew(term: Term): Term {
    return this.keep({ write: term.write });
  }

  /** Keeps only where the value is used more than once. */
  keepIf(often: boolean, term: Term): Term {
    return often ? this.keep(term) : term;
  }

  /** Keeps the result of `body` and releases every local it kept on the way. */
  scoped(body: () => Term): Term {
    const outer = this.#kept;
    this.#kept = [];
    const result = this.keep(body());
    const inner = this.#kept;
    this.#kept = outer;
    for (const local of inner) {
      if (local === result.local) outer.push(local);
      else this.f.release(local);
    }
    return result;
  }

  /** Releases everything `body` kept, whose results are no longer needed after it. */
  block(body: () => void): void {
    const outer = this.#kept;
    this.#kept = [];
    body();
    for (const local of this.#kept) this.f.release(local);
    this.#kept = outer;
  }

  /** A helper function of the module, made at its first use. */
  helper(name: string, build: (module: ModuleBuilder) => FunctionBuilder): FunctionBuilder {
    let helper = this.#helpers.get(name);
    if (helper === undefined) this.#helpers.set(name, helper = build(this.module));
    return helper;
  }
}

/** Floating arithmetic of one lane shape. */
export class Lanes {
  readonly #terms: Terms;
  readonly #shape: LaneShape;

  /** Made by {@link Terms}. */
  constructor(terms: Terms, shape: LaneShape) {
    this.#terms = terms;
    this.#shape = shape;
  }

  /** Equal numbers in all lanes. */
  number(value: number): Term {
    const lanes = this.#shape === "f32x4" ? new Float32Array(4).fill(value) : new Float64Array(2).fill(value);
    return { ...this.#terms.of(this.#terms.f.constant(lanes)), constant: value };
  }

  /** a + b. */
  add(a: Term, b: Term): Term {
    return this.#op("add", a, b);
  }

  /** a - b. */
  sub(a: Term, b: Term): Term {
    return this.#op("sub", a, b);
  }

  /** a·b. */
  mul(a: Term, b: Term): Term {
    return this.#op("mul", a, b);
  }

  /** a / b. */
  div(a: Term, b: Term): Term {
    return this.#op("div", a, b);
  }

  /** a·b + c. */
  madd(a: Term, b: Term, c: Term): Term {
    return this.#terms.relaxed ? this.#op("relaxed_madd", a, b, c) : this.add(this.mul(a, b), c);
  }

  /** c - a·b. */
  nmadd(a: Term, b: Term, c: Term): Term {
    return this.#terms.relaxed ? this.#op("relaxed_nmadd", a, b, c) : this.sub(c, this.mul(a, b));
  }

  /** c0 + x (c1 + x (c2 + …)); x must be kept. */
  polynomial(x: Term, coefficients: readonly number[]): Term {
    let value = this.number(coefficients.at(-1)!);
    for (let power = coefficients.length - 2; power >= 0; power--) value = this.madd(value, x, this.number(coefficients[power]!));
    return value;
  }

  /** The same by pairs of coefficients (Estrin's scheme), in half the steps that wait for each other; `square` is x², kept. */
  polynomialBySquares(x: Term, square: Term, coefficients: readonly number[]): Term {
    const pairs: Term[] = [];
    for (let power = 0; power < coefficients.length; power += 2) {
      const [low, high] = [this.number(coefficients[power]!), coefficients[power + 1]];
      pairs.push(high === undefined ? low : this.madd(this.number(high), x, low));
    }
    return pairs.reduceRight((value, pair) => this.madd(value, square, pair));
  }

  /** -a. */
  neg(a: Term): Term {
    return this.#op("neg", a);
  }

  /** |a|. */
  abs(a: Term): Term {
    return this.#op("abs", a);
  }

  /** √a. */
  sqrt(a: Term): Term {
    return this.#op("sqrt", a);
  }

  /** The nearest whole number, halves to even. */
  nearest(a: Term): Term {
    return this.#op("nearest", a);
  }

  /** ⌊a⌋. */
  floor(a: Term): Term {
    return this.#op("floor", a);
  }

  /** The smaller, NaN in `a` stays: one instruction, unlike min. */
  atMost(a: Term, limit: Term): Term {
    return this.#op("pmin", a, limit);
  }

  /** The greater, NaN in `a` stays. */
  atLeast(a: Term, limit: Term): Term {
    return this.#op("pmax", a, limit);
  }

  /** Mask of a < b. */
  lt(a: Term, b: Term): Term {
    return this.#op("lt", a, b);
  }

  /** Mask of a ≤ b. */
  le(a: Term, b: Term): Term {
    return this.#op("le", a, b);
  }

  /** Mask of a > b. */
  gt(a: Term, b: Term): Term {
    return this.#op("gt", a, b);
  }

  /** Mask of a = b. */
  eq(a: Term, b: Term): Term {
    return this.#op("eq", a, b);
  }

  /** Mask of a ≠ b, which NaN is even to itself. */
  ne(a: Term, b: Term): Term {
    return this.#op("ne", a, b);
  }

  /** The magnitude of `a` with the sign of `b`. */
  copySign(a: Term, b: Term): Term {
    return this.#terms.select(this.number(-0), b, a);
  }

  #op(
    name:
      | "add"
      | "sub"
      | "mul"
      | "div"
      | "neg"
      | "abs"
      | "sqrt"
      | "nearest"
      | "floor"
      | "pmin"
      | "pmax"
      | "lt"
      | "le"
      | "gt"
      | "eq"
      | "ne"
      | "relaxed_madd"
      | "relaxed_nmadd",
    ...args: Term[]
  ): Term {
    return this.#terms.op(`${this.#shape}.${name}`, ...args);
  }
}
