/**
 * The WebAssembly of sorting and selecting elements of 32 bits, by keys whose unsigned order is the wanted one.
 *
 * A pair is 64 bits: a key above its position. No two are equal, so the order of pairs is the stable order of elements.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../encoder.ts";
import { emitCountdown } from "../loops.ts";

/** How the bits of elements are ordered. */
export type KeyKind = "float" | "signed" | "unsigned";

/** Up to so many pairs are sorted by insertion: clearing counters would cost more than comparing. */
const fewPairs = 48;

/** Bits by which pairs are told apart in one pass. */
export type DigitBits = 8 | 11;

/** Passes over 32 bits of key. */
export function passesOf(bits: DigitBits): number {
  return Math.ceil(32 / bits);
}

/** Bytes of the counters of one pass. */
export function counterBytes(bits: DigitBits): number {
  return 4 << bits;
}

/** Elements from this number on are selected by counting leading digits; fewer by comparing with the worst of those so far. */
export const mostCompared = 32;

/** The leading bits by which {@link emitSort}'s `selectMany` counts. */
const leadingBits = 11;
const leadingShift = 32 - leadingBits;

/** Bytes of scratch memory that `sortRows` and `selectMany` need for rows of `count` elements. */
export function sortScratch(count: number, bits: DigitBits): number {
  return 16 * count + Math.max(passesOf(bits) * counterBytes(bits), 4 << leadingBits);
}

/**
 * Adds the functions to a module. In all of them `flip` is 0 or, for the reverse order, -1.
 * - `fill` (x, count, first position, pairs, flip): pairs of contiguous elements.
 * - `count` (pairs, count, shift, counters): adds to the counter of each digit.
 * - `distribute` (pairs, count, shift, places): moves each pair to the address at its digit, which moves on.
 * - `write` (pairs, count, x, values, places, flip): the elements and positions of sorted pairs.
 * - `sortRows`, `selectMany`, `selectFew` (x, row step, values, places, rows, count, wanted, flip, scratch): the first `wanted` of each row, in
 *   order; values and places follow each other. `sortRows` sorts everything, `selectMany` what may be among them, `selectFew` needs scratch
 *   memory for `wanted` pairs only.
 */
export function emitSort(module: ModuleBuilder, kind: KeyKind, bits: DigitBits): void {
  const write = emitWrite(module, kind);
  const insert = emitInsert(module);
  emitFew(module, kind, insert, write);
  const fill = emitFill(module, kind);
  emitCount(module, bits);
  const distribute = emitDistribute(module, bits);
  const sortPairs = emitSortPairs(module, bits, insert, distribute);
  emitSortRows(module, fill, sortPairs, write);
  emitMany(module, kind, sortPairs, write);
}

type Locals = [Local, Local, Local, Local, Local, Local, Local, Local, Local];

/** Emits turning the bits in a local into a key: NaN last, -0 as 0. */
function emitKey(fn: FunctionBuilder, kind: KeyKind, bits: Local, flip: Local): void {
  if (kind === "float") {
    fn.get(bits).op("f32.reinterpret_i32").f32(0).op("f32.add").op("i32.reinterpret_f32").set(bits);
    fn.i32(-1).get(bits).get(bits).i32(31).op("i32.shr_s").i32(-2147483648).op("i32.or").op("i32.xor");
    fn.get(bits).i32(0x7fffffff).op("i32.and").i32(0x7f800000).op("i32.gt_u").op("select");
  } else {
    fn.get(bits);
    if (kind === "signed") fn.i32(-2147483648).op("i32.xor");
  }
  fn.get(flip).op("i32.xor");
}

/** Emits pushing the pair of a key (on the stack) and a position. */
function emitPair(fn: FunctionBuilder, position: Local): void {
  fn.op("i64.extend_i32_u").i64(32n).op("i64.shl").get(position).op("i64.extend_i32_u").op("i64.or");
}

function emitFill(module: ModuleBuilder, kind: KeyKind): FunctionBuilder {
  const fn = module.function("fill", { params: ["i32", "i32", "i32", "i32", "i32"] });
  const [x, count, position, pairs, flip] = fn.parameters as Locals;
  const bits = fn.local("i32");
  fn.get(count);
  emitCountdown(fn, count, 1, () => {
    fn.get(x).load("i32.load").set(bits).get(pairs);
    emitKey(fn, kind, bits, flip);
    emitPair(fn, position);
    fn.store("i64.store").increment(x, 4).increment(pairs, 8).increment(position, 1);
  });
  return fn;
}

/** Emits pushing the address of the counter of the digit of a key, which is on the stack; the shift is a local or a number. */
function emitCounter(fn: FunctionBuilder, bits: DigitBits, shift: Local | number, counters: Local, offset = 0): void {
  if (typeof shift === "number") fn.i32(shift);
  else fn.get(shift);
  fn.op("i32.shr_u").i32((1 << bits) - 1).op("i32.and").i32(2).op("i32.shl").get(counters).op("i32.add");
  if (offset > 0) fn.i32(offset).op("i32.add");
}

function emitCount(module: ModuleBuilder, bits: DigitBits): void {
  const fn = module.function("count", { params: ["i32", "i32", "i32", "i32"] });
  const [pairs, count, shift, counters] = fn.parameters as Locals;
  const at = fn.local("i32");
  fn.get(count);
  emitCountdown(fn, count, 1, () => {
    fn.get(pairs).load("i32.load", 4);
    emitCounter(fn, bits, shift, counters);
    fn.tee(at).get(at).load("i32.load").i32(1).op("i32.add").store("i32.store").increment(pairs, 8);
  });
}

function emitDistribute(module: ModuleBuilder, bits: DigitBits): FunctionBuilder {
  const fn = module.function("distribute", { params: ["i32", "i32", "i32", "i32"] });
  const [pairs, count, shift, places] = fn.parameters as Locals;
  const [at, to, pair] = [fn.local("i32"), fn.local("i32"), fn.local("i64")];
  fn.get(count);
  emitCountdown(fn, count, 1, () => {
    fn.get(pairs).load("i64.load").tee(pair).i64(32n).op("i64.shr_u").op("i32.wrap_i64");
    emitCounter(fn, bits, shift, places);
    fn.tee(at).load("i32.load").tee(to).get(pair).store("i64.store");
    fn.get(at).get(to).i32(8).op("i32.add").store("i32.store").increment(pairs, 8);
  });
  return fn;
}

/** `sortPairs` (pairs, as much memory, counters, count): gives which of both holds the sorted pairs. */
function emitSortPairs(module: ModuleBuilder, bits: DigitBits, insert: FunctionBuilder, distribute: FunctionBuilder): FunctionBuilder {
  const fn = module.function("sortPairs", { params: ["i32", "i32", "i32", "i32"], results: ["i32"] });
  const [pairs, other, counters, count] = fn.parameters as Locals;
  const [from, key, at, counter, total, end, seen] = Array.from({ length: 7 }, () => fn.local("i32")) as Locals;
  const swap = (): void => void fn.get(pairs).get(other).set(pairs).set(other);
  const passes = Array.from({ length: passesOf(bits) }, (_, pass) => pass);
  fn.get(count).i32(fewPairs).op("i32.le_u").if(() => {
    fn.i32(1).set(counter);
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(counter).get(count).op("i32.ge_u").branchIf(done);
        fn.get(pairs).get(counter).get(pairs).get(counter).i32(3).op("i32.shl").op("i32.add").load("i64.load").call(insert);
        fn.increment(counter, 1).branch(next);
      });
    });
  }, () => {
    fn.get(counters).i32(0).i32(passes.length * counterBytes(bits)).fill();
    fn.get(pairs).set(from).get(count);
    emitCountdown(fn, counter, 1, () => {
      fn.get(from).load("i32.load", 4).set(key);
      for (const pass of passes) {
        fn.get(key);
        emitCounter(fn, bits, pass * bits, counters);
        fn.tee(at).get(at).load("i32.load", pass * counterBytes(bits)).i32(1).op("i32.add").store("i32.store", pass * counterBytes(bits));
      }
      fn.increment(from, 8);
    });
    for (const pass of passes) {
      // A digit that all keys share orders nothing.
      fn.get(pairs).load("i32.load", 4);
      emitCounter(fn, bits, pass * bits, counters);
      fn.load("i32.load", pass * counterBytes(bits)).get(count).op("i32.ne").if(() => {
        fn.get(other).set(total).get(counters).i32(counterBytes(bits)).op("i32.add").set(end).get(counters).set(at);
        fn.loop((next) => {
          fn.get(at).load("i32.load", pass * counterBytes(bits)).set(seen);
          fn.get(at).get(total).store("i32.store", pass * counterBytes(bits));
          fn.get(seen).i32(3).op("i32.shl").get(total).op("i32.add").set(total);
          fn.increment(at, 4).get(at).get(end).op("i32.ne").branchIf(next);
        });
        fn.get(pairs).get(count).i32(pass * bits).get(counters).i32(pass * counterBytes(bits)).op("i32.add").call(distribute);
        swap();
      });
    }
  });
  fn.get(pairs);
  return fn;
}

/** `insert` (pairs, count, pair): puts a pair among `count` sorted ones. */
function emitInsert(module: ModuleBuilder): FunctionBuilder {
  const fn = module.function("insert", { params: ["i32", "i32", "i64"] });
  const [pairs, count, pair] = fn.parameters as Locals;
  const [at, before] = [fn.local("i32"), fn.local("i64")];
  fn.get(count).i32(3).op("i32.shl").get(pairs).op("i32.add").set(at);
  fn.block((done) => {
    fn.loop((next) => {
      fn.get(at).get(pairs).op("i32.eq").branchIf(done);
      fn.get(at).i32(8).op("i32.sub").load("i64.load").tee(before).get(pair).op("i64.lt_u").branchIf(done);
      fn.get(at).get(before).store("i64.store").increment(at, -8).branch(next);
    });
  });
  fn.get(at).get(pair).store("i64.store");
  return fn;
}

function emitWrite(module: ModuleBuilder, kind: KeyKind): FunctionBuilder {
  const fn = module.function("write", { params: ["i32", "i32", "i32", "i32", "i32", "i32"] });
  const [pairs, count, x, values, places, flip] = fn.parameters as Locals;
  const [key, position] = [fn.local("i32"), fn.local("i32")];
  fn.get(count);
  emitCountdown(fn, count, 1, () => {
    fn.get(places).get(pairs).load("i32.load").tee(position).store("i32.store");
    fn.get(pairs).load("i32.load", 4).get(flip).op("i32.xor").set(key).get(values);
    if (kind === "float") {
      // NaN and zeros of both signs share a key each.
      fn.get(key).i32(-1).op("i32.eq").get(key).i32(-2147483648).op("i32.eq").op("i32.or").if(
        () => fn.get(position).i32(2).op("i32.shl").get(x).op("i32.add").load("i32.load"),
        () => fn.get(key).get(key).i32(31).op("i32.shr_s").i32(-1).op("i32.xor").i32(-2147483648).op("i32.or").op("i32.xor"),
        "i32",
      );
    } else {
      fn.get(key);
      if (kind === "signed") fn.i32(-2147483648).op("i32.xor");
    }
    fn.store("i32.store").increment(pairs, 8).increment(values, 4).increment(places, 4);
  });
  return fn;
}

/** The locals of a function that goes over rows. */
interface RowLocals {
  readonly x: Local;
  readonly values: Local;
  readonly places: Local;
  readonly count: Local;
  readonly wanted: Local;
  readonly flip: Local;
  readonly scratch: Local;
}

/** Adds a function over rows; the body leaves the address of the sorted pairs on the stack. */
function emitRows(
  module: ModuleBuilder,
  name: string,
  write: FunctionBuilder,
  body: (fn: FunctionBuilder, locals: RowLocals) => void,
): void {
  const fn = module.function(name, { params: new Array(9).fill("i32") });
  const [x, step, values, places, rows, count, wanted, flip, scratch] = fn.parameters as Locals;
  const bytes = fn.local("i32");
  fn.get(wanted).i32(2).op("i32.shl").set(bytes).get(rows);
  emitCountdown(fn, rows, 1, () => {
    body(fn, { x, values, places, count, wanted, flip, scratch });
    fn.get(wanted).get(x).get(values).get(places).get(flip).call(write);
    fn.get(x).get(step).op("i32.add").set(x);
    fn.get(values).get(bytes).op("i32.add").set(values).get(places).get(bytes).op("i32.add").set(places);
  });
}

/** Emits pushing what `sortPairs` takes besides the pairs, which lie first in scratch memory with room for `count` of them. */
function emitSortArguments(fn: FunctionBuilder, { count, scratch }: RowLocals): FunctionBuilder {
  fn.get(scratch).get(count).i32(3).op("i32.shl").get(scratch).op("i32.add");
  return fn.get(count).i32(4).op("i32.shl").get(scratch).op("i32.add");
}

function emitSortRows(module: ModuleBuilder, fill: FunctionBuilder, sortPairs: FunctionBuilder, write: FunctionBuilder): void {
  emitRows(module, "sortRows", write, (fn, locals) => {
    fn.get(locals.x).get(locals.count).i32(0).get(locals.scratch).get(locals.flip).call(fill);
    emitSortArguments(fn, locals).get(locals.count).call(sortPairs);
  });
}

function emitMany(module: ModuleBuilder, kind: KeyKind, sortPairs: FunctionBuilder, write: FunctionBuilder): void {
  emitRows(module, "selectMany", write, (fn, locals) => {
    const { x, count, wanted, flip, scratch } = locals;
    const [counters, at, from, bits, position, total, key, to] = Array.from({ length: 8 }, () => fn.local("i32")) as Locals;
    fn.get(count).i32(4).op("i32.shl").get(scratch).op("i32.add").tee(counters).i32(0).i32(4 << leadingBits).fill();
    const elements = (body: () => void): void => {
      fn.get(x).set(from).i32(0).set(position);
      fn.loop((next) => {
        fn.get(from).load("i32.load").set(bits);
        emitKey(fn, kind, bits, flip);
        fn.set(key);
        body();
        fn.increment(from, 4).increment(position, 1).get(position).get(count).op("i32.lt_u").branchIf(next);
      });
    };
    elements(() => {
      fn.get(key).i32(leadingShift).op("i32.shr_u").i32(2).op("i32.shl").get(counters).op("i32.add");
      fn.tee(at).get(at).load("i32.load").i32(1).op("i32.add").store("i32.store");
    });
    // The last leading digit that is needed.
    fn.i32(0).set(total).get(counters).set(at);
    fn.loop((next) => {
      fn.get(at).load("i32.load").get(total).op("i32.add").tee(total).get(wanted).op("i32.lt_u").if(() => {
        fn.increment(at, 4).branch(next);
      });
    });
    fn.get(at).get(counters).op("i32.sub").i32(2).op("i32.shr_u").set(at).get(scratch).set(to);
    elements(() => {
      fn.get(key).i32(leadingShift).op("i32.shr_u").get(at).op("i32.le_u").if(() => {
        fn.get(to).get(key);
        emitPair(fn, position);
        fn.store("i64.store").increment(to, 8);
      });
    });
    emitSortArguments(fn, locals).get(total).call(sortPairs);
  });
}

/** Vectors that are compared at once. */
const vectorsAtOnce = 4;

function emitFew(module: ModuleBuilder, kind: KeyKind, insert: FunctionBuilder, write: FunctionBuilder): void {
  const takeOne = emitTake(module, kind, insert);
  emitRows(module, "selectFew", write, (fn, { x, count, wanted, flip, scratch }) => {
    const [held, position, first, lanes] = Array.from({ length: 4 }, () => fn.local("i32")) as Locals;
    const [flips, worsts, vector, better] = Array.from({ length: 4 }, () => fn.local("v128")) as Locals;
    const take = (): FunctionBuilder =>
      fn.get(scratch).get(held).get(wanted).get(position).i32(2).op("i32.shl").get(x).op("i32.add").load("i32.load").get(position).get(flip)
        .call(takeOne).set(held);
    const findWorst = (): void => {
      fn.get(wanted).i32(3).op("i32.shl").get(scratch).op("i32.add").i32(4).op("i32.sub").load("i32.load");
      fn.i32(-2147483648).op("i32.xor").op("i32x4.splat").set(worsts);
    };
    fn.get(flip).op("i32x4.splat").set(flips).i32(0).set(held).i32(0).set(position);
    fn.loop((next) => {
      take();
      fn.increment(position, 1).get(position).get(wanted).op("i32.lt_u").branchIf(next);
    });
    findWorst();
    const compareVector = (at: number): void => {
      fn.get(position).i32(2).op("i32.shl").get(x).op("i32.add").load("v128.load", 16 * at).set(vector);
      emitSignedKeys(fn, kind, vector, flips);
      fn.get(worsts).op("i32x4.lt_s");
    };
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(position).i32(4 * vectorsAtOnce).op("i32.add").get(count).op("i32.gt_u").branchIf(done);
        for (let at = 0; at < vectorsAtOnce; at++) {
          compareVector(at);
          if (at > 0) fn.get(better).op("v128.or");
          fn.set(better);
        }
        fn.get(better).op("v128.any_true").if(() => {
          fn.get(position).set(first);
          for (let at = 0; at < vectorsAtOnce; at++) {
            compareVector(at);
            fn.op("i32x4.bitmask").set(lanes);
            fn.block((none) => {
              fn.loop((more) => {
                fn.get(lanes).op("i32.eqz").branchIf(none);
                fn.get(first).i32(4 * at).op("i32.add").get(lanes).op("i32.ctz").op("i32.add").set(position);
                take();
                fn.get(lanes).get(lanes).i32(1).op("i32.sub").op("i32.and").set(lanes).branch(more);
              });
            });
            fn.get(first).set(position);
          }
          findWorst();
        });
        fn.increment(position, 4 * vectorsAtOnce).branch(next);
      });
    });
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(position).get(count).op("i32.ge_u").branchIf(done);
        take();
        fn.increment(position, 1).branch(next);
      });
    });
    fn.get(scratch);
  });
}

/** `take` (pairs, held, wanted, bits, position, flip): puts an element among the best; gives how many are held. */
function emitTake(module: ModuleBuilder, kind: KeyKind, insert: FunctionBuilder): FunctionBuilder {
  const fn = module.function("take", { params: new Array(6).fill("i32"), results: ["i32"] });
  const [pairs, held, wanted, bits, position, flip] = fn.parameters as Locals;
  const [pair, isFull] = [fn.local("i64"), fn.local("i32")];
  emitKey(fn, kind, bits, flip);
  emitPair(fn, position);
  fn.set(pair).get(held).get(wanted).op("i32.eq").set(isFull);
  fn.block((refused) => {
    fn.get(isFull).if(() => {
      fn.get(held).i32(3).op("i32.shl").get(pairs).op("i32.add").i32(8).op("i32.sub").load("i64.load").get(pair).op("i64.lt_u");
      fn.branchIf(refused);
    });
    fn.get(pairs).get(held).get(isFull).op("i32.sub").get(pair).call(insert).get(held).i32(1).op("i32.add").get(isFull).op("i32.sub").set(
      held,
    );
  });
  fn.get(held);
  return fn;
}

/** Emits pushing the keys of four elements, less 2^31, so that their signed order is the wanted one. */
function emitSignedKeys(fn: FunctionBuilder, kind: KeyKind, vector: Local, flips: Local): void {
  if (kind === "float") {
    const positive = fn.constant(new Int32Array(4).fill(0x7fffffff));
    fn.get(vector).f32x4(0).op("f32x4.add").tee(vector).get(vector).i32(31).op("i32x4.shr_s").get(positive).op("v128.and").op("v128.xor");
    fn.get(positive).get(vector).get(vector).op("f32x4.eq").op("v128.bitselect");
  } else {
    fn.get(vector);
    if (kind === "unsigned") fn.i32x4(-2147483648).op("v128.xor");
  }
  fn.get(flips).op("v128.xor");
}
