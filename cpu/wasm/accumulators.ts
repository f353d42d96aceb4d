/**
 * What a reduction keeps while it runs: several ways side by side, so that one addition need not wait for the one before.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { Combine } from "../../tensor/kernel.ts";
import type { Local } from "./encoder.ts";
import type { PlainOp } from "./opcodes.ts";
import type { Term, Terms } from "./terms.ts";

/** Elements (or rows) after which float sums are moved to float64: short enough that float32 loses little. */
export const chunkVectors = 64;

/** The state of one reduction; each way is a vector. */
export interface Accumulator {
  /** Starts a new reduction. */
  start(): void;
  /** Joins a vector in one way. Lanes outside `valid` are left out; `index` gives the elements' positions, for arg reductions. */
  add(way: number, value: Term, valid: Term | undefined, index: () => Term): void;
  /** Called at least every {@link chunkVectors} additions per way. */
  flush(): void;
  /** The result of each lane of a way, where ways and lanes are separate reductions. */
  lanes(way: number): Term;
  /** The result over all ways and lanes, in every lane. */
  total(): Term;
}

/** Whether several ways may be used at once in one reduction. */
export function manyWays(combine: Combine): boolean {
  return combine !== "argmax" && combine !== "argmin";
}

/** An accumulator for a combine and a type; with `separate` each way is a reduction of its own. */
export function createAccumulator(e: Terms, combine: Combine, dtype: DType, ways: number, separate: boolean): Accumulator {
  const float = dtype === "float32" || dtype === "float16";
  if (combine === "argmax" || combine === "argmin") return new ArgAccumulator(e, dtype, combine === "argmax", ways);
  if (float && combine === "sum") return new FloatSum(e, ways, separate);
  if (float && combine === "prod") return new FloatProduct(e, ways);
  if (float) return new FloatExtreme(e, combine === "max", ways);
  return new WholeAccumulator(e, combine, dtype, ways);
}

function locals(e: Terms, count: number): Local[] {
  return Array.from({ length: count }, () => e.f.local("v128"));
}

function assign(e: Terms, local: Local, value: Term): void {
  value.write(e.f);
  e.f.set(local);
}

/** All lanes joined by an instruction that may take them in any order. */
function acrossLanes(e: Terms, value: Term, join: (a: Term, b: Term) => Term): Term {
  const x = e.keep(value);
  const pairs = e.keep(join(x, e.shuffle(x, x, [2, 3, 0, 1])));
  return e.keep(join(pairs, e.shuffle(pairs, pairs, [1, 0, 3, 2])));
}

/** The terms joined two by two. */
function tree(terms: readonly Term[], join: (a: Term, b: Term) => Term): Term {
  if (terms.length === 1) return terms[0]!;
  const half = terms.length >> 1;
  return join(tree(terms.slice(0, half), join), tree(terms.slice(half), join));
}

/** Sums of float32: in float32 for a chunk, in float64 over chunks. */
class FloatSum implements Accumulator {
  readonly #e: Terms;
  readonly #ways: Local[];
  readonly #low: Local[];
  readonly #high: Local[];

  constructor(e: Terms, ways: number, separate: boolean) {
    this.#e = e;
    this.#ways = locals(e, ways);
    this.#low = locals(e, separate ? ways : 1);
    this.#high = locals(e, separate ? ways : 1);
  }

  start(): void {
    for (const local of [...this.#ways, ...this.#low, ...this.#high]) assign(this.#e, local, this.#e.whole(0));
  }

  add(way: number, value: Term, valid: Term | undefined): void {
    const e = this.#e;
    const local = this.#ways[way]!;
    assign(e, local, e.single.add(e.of(local), valid === undefined ? value : e.op("v128.and", value, valid)));
  }

  flush(): void {
    const e = this.#e;
    const terms = this.#ways.map((local) => e.of(local));
    const sums = this.#low.length === 1 ? [tree(terms, (a, b) => e.single.add(a, b))] : terms;
    sums.forEach((term, way) => {
      const sum = e.keep(term);
      const [low, high] = [this.#low[way]!, this.#high[way]!];
      assign(e, low, e.double.add(e.of(low), e.op("f64x2.promote_low_f32x4", sum)));
      assign(e, high, e.double.add(e.of(high), e.op("f64x2.promote_low_f32x4", e.shuffle(sum, sum, [2, 3, 2, 3]))));
    });
    for (const local of this.#ways) assign(e, local, e.whole(0));
  }

  lanes(way: number): Term {
    const e = this.#e;
    const [low, high] = [this.#low[way]!, this.#high[way]!].map((local) => e.op("f32x4.demote_f64x2_zero", e.of(local)));
    return e.keep(e.shuffle(low!, high!, [0, 1, 4, 5]));
  }

  total(): Term {
    return totalOfHalves(this.#e, this.#low, this.#high, (a, b) => this.#e.double.add(a, b));
  }
}

function totalOfHalves(e: Terms, low: readonly Local[], high: readonly Local[], join: (a: Term, b: Term) => Term): Term {
  const both = e.keep(tree([...low, ...high].map((local) => e.of(local)), join));
  const rounded = e.keep(e.op("f32x4.demote_f64x2_zero", join(both, e.shuffle(both, both, [2, 3, 0, 1]))));
  return e.keep(e.shuffle(rounded, rounded, [0, 0, 0, 0]));
}

/** Products of float32, in float64, whose range keeps partial products from overflowing. */
class FloatProduct implements Accumulator {
  readonly #e: Terms;
  readonly #low: Local[];
  readonly #high: Local[];

  constructor(e: Terms, ways: number) {
    this.#e = e;
    this.#low = locals(e, ways);
    this.#high = locals(e, ways);
  }

  start(): void {
    for (const local of [...this.#low, ...this.#high]) assign(this.#e, local, this.#e.double.number(1));
  }

  add(way: number, value: Term, valid: Term | undefined): void {
    const e = this.#e;
    const x = e.keep(valid === undefined ? value : e.select(valid, value, e.single.number(1)));
    const [low, high] = [this.#low[way]!, this.#high[way]!];
    assign(e, low, e.double.mul(e.of(low), e.op("f64x2.promote_low_f32x4", x)));
    assign(e, high, e.double.mul(e.of(high), e.op("f64x2.promote_low_f32x4", e.shuffle(x, x, [2, 3, 2, 3]))));
  }

  flush(): void {}

  lanes(way: number): Term {
    const e = this.#e;
    const [low, high] = [this.#low[way]!, this.#high[way]!].map((local) => e.op("f32x4.demote_f64x2_zero", e.of(local)));
    return e.keep(e.shuffle(low!, high!, [0, 1, 4, 5]));
  }

  total(): Term {
    return totalOfHalves(this.#e, this.#low, this.#high, (a, b) => this.#e.double.mul(a, b));
  }
}

/** Maximum or minimum of float32. NaN is noted aside, which is quicker than instructions that let it through. */
class FloatExtreme implements Accumulator {
  readonly #e: Terms;
  readonly #greatest: boolean;
  readonly #ways: Local[];
  readonly #nans: Local[];

  constructor(e: Terms, greatest: boolean, ways: number) {
    this.#e = e;
    this.#greatest = greatest;
    this.#ways = locals(e, ways);
    this.#nans = locals(e, ways);
  }

  start(): void {
    for (const local of this.#ways) assign(this.#e, local, this.#neutral());
    for (const local of this.#nans) assign(this.#e, local, this.#e.whole(0));
  }

  add(way: number, value: Term, valid: Term | undefined): void {
    const e = this.#e;
    const x = e.keep(valid === undefined ? value : e.select(valid, value, this.#neutral()));
    const [best, nan] = [this.#ways[way]!, this.#nans[way]!];
    assign(e, best, this.#join(e.of(best), x));
    assign(e, nan, e.op("v128.or", e.of(nan), e.single.ne(x, x)));
  }

  flush(): void {}

  lanes(way: number): Term {
    const e = this.#e;
    return e.keep(e.select(e.of(this.#nans[way]!), e.single.number(NaN), e.of(this.#ways[way]!)));
  }

  total(): Term {
    const e = this.#e;
    const best = acrossLanes(e, tree(this.#ways.map((local) => e.of(local)), (a, b) => this.#join(a, b)), (a, b) => this.#join(a, b));
    const or = (a: Term, b: Term) => e.op("v128.or", a, b);
    const nan = acrossLanes(e, tree(this.#nans.map((local) => e.of(local)), or), or);
    return e.keep(e.select(nan, e.single.number(NaN), best));
  }

  #neutral(): Term {
    return this.#e.single.number(this.#greatest ? -Infinity : Infinity);
  }

  #join(a: Term, b: Term): Term {
    return this.#greatest ? this.#e.single.atLeast(a, b) : this.#e.single.atMost(a, b);
  }
}

/** Sums, products and extremes of whole numbers (wrapping) and bool (masks). */
class WholeAccumulator implements Accumulator {
  readonly #e: Terms;
  readonly #op: PlainOp;
  readonly #neutral: number;
  readonly #ways: Local[];

  constructor(e: Terms, combine: "sum" | "prod" | "max" | "min", dtype: DType, ways: number) {
    this.#e = e;
    const suffix = dtype === "int32" ? "s" : "u";
    if (dtype === "bool") {
      this.#op = combine === "sum" || combine === "max" ? "v128.or" : "v128.and";
      this.#neutral = combine === "sum" || combine === "max" ? 0 : -1;
    } else if (combine === "sum" || combine === "prod") {
      this.#op = combine === "sum" ? "i32x4.add" : "i32x4.mul";
      this.#neutral = combine === "sum" ? 0 : 1;
    } else {
      this.#op = `i32x4.${combine}_${suffix}`;
      const lowest = dtype === "int32" ? -2147483648 : 0;
      this.#neutral = combine === "max" ? lowest : ~lowest;
    }
    this.#ways = locals(e, ways);
  }

  start(): void {
    for (const local of this.#ways) assign(this.#e, local, this.#e.whole(this.#neutral));
  }

  add(way: number, value: Term, valid: Term | undefined): void {
    const e = this.#e;
    const local = this.#ways[way]!;
    const x = valid === undefined ? value : e.select(valid, value, e.whole(this.#neutral));
    assign(e, local, e.op(this.#op, e.of(local), x));
  }

  flush(): void {}

  lanes(way: number): Term {
    return this.#e.keepNew(this.#e.of(this.#ways[way]!));
  }

  total(): Term {
    const e = this.#e;
    const join = (a: Term, b: Term) => e.op(this.#op, a, b);
    return acrossLanes(e, tree(this.#ways.map((local) => e.of(local)), join), join);
  }
}

/**
 * Position of the first extreme. Values become whole numbers that order the same way, the wanted extreme greatest, NaN above all and
 * -0 equal to 0, so that one comparison decides.
 */
class ArgAccumulator implements Accumulator {
  readonly #e: Terms;
  readonly #dtype: DType;
  readonly #greatest: boolean;
  readonly #best: Local[];
  readonly #places: Local[];

  constructor(e: Terms, dtype: DType, greatest: boolean, ways: number) {
    this.#e = e;
    this.#dtype = dtype;
    this.#greatest = greatest;
    this.#best = locals(e, ways);
    this.#places = locals(e, ways);
  }

  start(): void {
    for (const local of this.#best) assign(this.#e, local, this.#e.whole(-2147483648));
    for (const local of this.#places) assign(this.#e, local, this.#e.whole(0));
  }

  add(way: number, value: Term, valid: Term | undefined, index: () => Term): void {
    const e = this.#e;
    const [best, place] = [this.#best[way]!, this.#places[way]!];
    const order = this.#order(value);
    const x = e.keep(valid === undefined ? order : e.select(valid, order, e.whole(-2147483648)));
    const better = e.keep(e.op("i32x4.gt_s", x, e.of(best)));
    assign(e, place, e.select(better, index(), e.of(place)));
    assign(e, best, e.op("i32x4.max_s", e.of(best), x));
  }

  flush(): void {}

  lanes(way: number): Term {
    return this.#e.keepNew(this.#e.of(this.#places[way]!));
  }

  total(): Term {
    const e = this.#e;
    const best = e.of(this.#best[0]!);
    const greatest = acrossLanes(e, best, (a, b) => e.op("i32x4.max_s", a, b));
    const candidates = e.select(e.op("i32x4.eq", best, greatest), e.of(this.#places[0]!), e.whole(-1));
    return acrossLanes(e, candidates, (a, b) => e.op("i32x4.min_u", a, b));
  }

  #order(value: Term): Term {
    const e = this.#e;
    if (this.#dtype === "bool") return this.#greatest ? e.op("v128.and", value, e.whole(1)) : value;
    if (this.#dtype === "int32" || this.#dtype === "uint32") {
      const signed = this.#dtype === "int32" ? value : e.op("v128.xor", value, e.whole(-2147483648));
      return this.#greatest ? signed : e.op("v128.not", signed);
    }
    const s = e.single;
    // Adding 0 turns -0 into 0; negative floats order backwards as whole numbers, which flipping their other bits undoes.
    const x = e.keep(s.add(this.#greatest ? value : s.neg(value), s.number(0)));
    const flipped = e.op("v128.xor", x, e.shift("i32x4.shr_u", e.shift("i32x4.shr_s", x, 31), 1));
    return e.select(s.ne(x, x), e.whole(2147483647), flipped);
  }
}
