/**
 * The WebAssembly of gather and scatter: an outer and an inner loop over addresses and byte strides.
 *
 * @module
 */
import type { DType } from "../../../tensor/dtype.ts";
import type { ScatterKernel } from "../../../tensor/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../encoder.ts";
import { emitCountdown } from "../loops.ts";

/** Bytes of the elements that are moved. */
export type ElementBytes = 2 | 4 | 8;

/** Rows shorter than this, in bytes, are copied here: calling the engine's copy costs more. */
const shortRow = 1024;

/**
 * `outside` (index, count, byte stride, size, flag): whether an index is none of 0 … size-1; then it sets the flag, if one is given. `group` (index, byte stride, count,
 * places, starts, order): the positions of equal indices one behind another, each in its order; those of place p stand from `starts[p]` to
 * `starts[p + 1]` in `order`; starts has places + 2 words, all 0 before.
 */
export function emitIndexChecks(module: ModuleBuilder): void {
  emitOutside(module);
  emitGroup(module);
}

function emitOutside(module: ModuleBuilder): void {
  const fn = module.function("outside", { params: ["i32", "i32", "i32", "i32", "i32"], results: ["i32"] });
  const [index, count, step, size, flag] = fn.parameters as [Local, Local, Local, Local, Local];
  const [worst, counter, found] = [fn.local("v128"), fn.local("i32"), fn.local("i32")];
  // Read as unsigned, negative indices are beyond every size.
  fn.get(step).i32(4).op("i32.eq").if(() => {
    fn.get(count).i32(-4).op("i32.and");
    emitCountdown(fn, counter, 4, () => {
      fn.get(index).load("v128.load").get(worst).op("i32x4.max_u").set(worst).increment(index, 16);
    });
    fn.get(worst).get(size).op("i32x4.splat").op("i32x4.ge_u").op("v128.any_true").set(found);
    fn.get(count).i32(3).op("i32.and").set(count);
  });
  fn.get(count);
  emitCountdown(fn, counter, 1, () => {
    fn.get(index).load("i32.load").get(size).op("i32.ge_u").get(found).op("i32.or").set(found);
    fn.get(index).get(step).op("i32.add").set(index);
  });
  fn.get(found).get(flag).i32(0).op("i32.ne").op("i32.and").if(() => fn.get(flag).i32(1).store("i32.store"));
  fn.get(found);
}

function emitGroup(module: ModuleBuilder): void {
  const fn = module.function("group", { params: ["i32", "i32", "i32", "i32", "i32", "i32"] });
  const [index, step, count, places, starts, order] = fn.parameters as [Local, Local, Local, Local, Local, Local];
  const [at, counter, from, total] = [fn.local("i32"), fn.local("i32"), fn.local("i32"), fn.local("i32")];
  const place = (): FunctionBuilder => fn.get(from).load("i32.load").i32(2).op("i32.shl").get(starts).op("i32.add").tee(at);
  fn.get(index).set(from).get(count);
  emitCountdown(fn, counter, 1, () => {
    place().get(at).load("i32.load", 8).i32(1).op("i32.add").store("i32.store", 8);
    fn.get(from).get(step).op("i32.add").set(from);
  });
  fn.get(starts).set(at).get(places);
  emitCountdown(fn, counter, 1, () => {
    fn.get(at).get(at).load("i32.load", 8).get(total).op("i32.add").tee(total).store("i32.store", 8).increment(at, 4);
  });
  const position = total;
  fn.get(index).set(from).i32(0).set(position).get(count);
  emitCountdown(fn, counter, 1, () => {
    place().load("i32.load", 4).i32(2).op("i32.shl").get(order).op("i32.add").get(position).store("i32.store");
    fn.get(at).get(at).load("i32.load", 4).i32(1).op("i32.add").store("i32.store", 4);
    fn.get(from).get(step).op("i32.add").set(from).increment(position, 1);
  });
}

type Locals = [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];

/**
 * `rows` and `elements` (x, index, y, count, x step, index step, y step, inner count, x step, index step, y step, along): for each position
 * of both loops y = x[index · along], where all but counts are in bytes. `rows` is for contiguous inner x and y with one index for all.
 */
export function emitGather(module: ModuleBuilder, bytes: ElementBytes): void {
  emitGatherLoops(module, "rows", (fn, { x, index, y, along, inner }) => {
    const [from, to, rest] = [fn.local("i32"), fn.local("i32"), fn.local("i32")];
    fn.get(index).load("i32.load").get(along).op("i32.mul").get(x).op("i32.add").set(from);
    fn.get(y).set(to).get(inner).i32(bytes).op("i32.mul").set(rest);
    emitRowCopy(fn, from, to, rest, bytes);
  });
  emitGatherLoops(module, "elements", (fn, { x, index, y, along, inner, xStep, indexStep, yStep }) => {
    const [from, at, to, counter] = [fn.local("i32"), fn.local("i32"), fn.local("i32"), fn.local("i32")];
    fn.get(x).set(from).get(index).set(at).get(y).set(to);
    const move = (nth: number): void => {
      fn.get(to).get(at).load("i32.load", nth * 4).get(along).op("i32.mul").get(from).op("i32.add");
      emitMove(fn, bytes, nth * bytes);
    };
    // One row of x, indices and results that follow each other: four at a time with fixed distances.
    fn.get(xStep).i32(0).op("i32.eq").get(indexStep).i32(4).op("i32.eq").op("i32.and").get(yStep).i32(bytes).op("i32.eq").op("i32.and");
    fn.if(() => {
      fn.get(inner).i32(-4).op("i32.and");
      emitCountdown(fn, counter, 4, () => {
        for (let nth = 0; nth < 4; nth++) move(nth);
        fn.increment(at, 16).increment(to, 4 * bytes);
      });
      fn.get(inner).i32(3).op("i32.and").set(counter);
    }, () => fn.get(inner).set(counter));
    fn.get(counter);
    emitCountdown(fn, counter, 1, () => {
      move(0);
      fn.get(from).get(xStep).op("i32.add").set(from);
      fn.get(at).get(indexStep).op("i32.add").set(at);
      fn.get(to).get(yStep).op("i32.add").set(to);
    });
  });
}

/** The locals of a gather's loops. */
interface GatherLocals {
  readonly x: Local;
  readonly index: Local;
  readonly y: Local;
  readonly inner: Local;
  readonly xStep: Local;
  readonly indexStep: Local;
  readonly yStep: Local;
  readonly along: Local;
}

function emitGatherLoops(module: ModuleBuilder, name: string, body: (fn: FunctionBuilder, locals: GatherLocals) => void): void {
  const fn = module.function(name, { params: new Array(12).fill("i32") });
  const [x, index, y, count, xOuter, indexOuter, yOuter, inner, xStep, indexStep, yStep, along] = fn.parameters as Locals;
  fn.get(count);
  emitCountdown(fn, count, 1, () => {
    body(fn, { x, index, y, inner, xStep, indexStep, yStep, along });
    for (const [pointer, step] of [[x, xOuter], [index, indexOuter], [y, yOuter]] as const) {
      fn.get(pointer).get(step).op("i32.add").set(pointer);
    }
  });
}

/** Emits a copy of `rest` bytes, a multiple of `bytes`; all three locals are used up. */
function emitRowCopy(fn: FunctionBuilder, from: Local, to: Local, rest: Local, bytes: ElementBytes): void {
  const steps = (width: number, copy: () => void): void => {
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(rest).i32(width).op("i32.lt_s").branchIf(done);
        copy();
        fn.increment(from, width).increment(to, width).increment(rest, -width).branch(next);
      });
    });
  };
  fn.get(rest).i32(shortRow).op("i32.ge_s").if(() => {
    fn.get(to).get(from).get(rest).copy();
  }, () => {
    steps(64, () => {
      for (let at = 0; at < 64; at += 16) fn.get(to).get(from).load("v128.load", at).store("v128.store", at);
    });
    steps(16, () => fn.get(to).get(from).load("v128.load").store("v128.store"));
    steps(bytes, () => {
      fn.get(to).get(from);
      emitMove(fn, bytes, 0);
    });
  });
}

/** Emits moving one element: where to and where from are on the stack. */
function emitMove(fn: FunctionBuilder, bytes: ElementBytes, offset: number): void {
  if (bytes === 2) fn.load("i32.load16_u").store("i32.store16", offset);
  else if (bytes === 4) fn.load("i32.load").store("i32.store", offset);
  else fn.load("i64.load").store("i64.store", offset);
}

/** The element types that scatter combines; float16 is only moved. */
export type CombinedType = Exclude<DType, "float16">;

/** The arguments of {@link emitScatter}'s function, in order: addresses, counts, and byte strides of target, index and source. */
export const scatterArguments = [
  "target",
  "index",
  "source",
  ...["outer", "targetOuter", "indexOuter", "sourceOuter"],
  ...["inner", "targetInner", "indexInner", "sourceInner"],
  ...["count", "indexStep", "sourceStep"],
  ...["along", "places", "sums"],
] as const;

/** Values for {@link scatterArguments}. */
export type ScatterArguments = Readonly<Record<typeof scatterArguments[number], number>>;

/**
 * `scatter` ({@link scatterArguments}): for each position of the outer loop, for each of `count` indices in their order, for each position of
 * the inner loop, target[index · along] is combined with the source. With `wide`, float32 is combined in float64: the places of one outer
 * position (`places` · `inner`) are kept in `sums` and rounded once.
 */
export function emitScatter(
  module: ModuleBuilder,
  dtype: CombinedType | "float16",
  combine: ScatterKernel["combine"],
  wide: boolean,
): void {
  const fn = module.function("scatter", { params: scatterArguments.map(() => "i32") });
  const a = Object.fromEntries(scatterArguments.map((name, at) => [name, fn.parameters[at]!])) as Record<keyof ScatterArguments, Local>;
  const [counter, rest, at, to, from] = [fn.local("i32"), fn.local("i32"), fn.local("i32"), fn.local("i32"), fn.local("i32")];
  const [base, along] = wide ? [a.sums, fn.local("i32")] : [a.target, a.along];
  const step = wide ? fn.local("i32") : a.targetInner;
  if (wide) fn.i32(8).set(step).get(a.inner).i32(3).op("i32.shl").set(along);
  const join = (): void => {
    fn.get(to);
    if (combine !== "replace") fn.get(to);
    emitCombination(fn, dtype, combine, wide, () => fn.get(from));
  };
  const move = (pointer: Local, by: Local): FunctionBuilder => fn.get(pointer).get(by).op("i32.add").set(pointer);
  const [indices, sources] = [fn.local("i32"), fn.local("i32")];
  const place = (index: Local): FunctionBuilder => fn.get(index).load("i32.load").get(along).op("i32.mul");
  const left = fn.local("i32");
  fn.get(a.outer);
  emitCountdown(fn, a.outer, 1, () => {
    if (wide) emitSums(fn, a, "load");
    fn.get(a.index).set(indices).get(a.source).set(sources);
    fn.get(a.inner).i32(1).op("i32.eq").if(() => {
      fn.get(a.count);
      emitCountdown(fn, counter, 1, () => {
        place(indices).get(base).op("i32.add").set(to).get(sources).set(from);
        join();
        move(indices, a.indexStep);
        move(sources, a.sourceStep);
      });
    }, () => {
      fn.get(a.count);
      emitCountdown(fn, counter, 1, () => {
        fn.get(indices).set(at).get(sources).set(from).get(base).set(rest).get(a.inner);
        emitCountdown(fn, left, 1, () => {
          place(at).get(rest).op("i32.add").set(to);
          join();
          move(at, a.indexInner);
          move(from, a.sourceInner);
          move(rest, step);
        });
        move(indices, a.indexStep);
        move(sources, a.sourceStep);
      });
    });
    if (wide) emitSums(fn, a, "store");
    move(a.target, a.targetOuter);
    move(a.index, a.indexOuter);
    move(a.source, a.sourceOuter);
  });
}

/** Emits reading the places of one outer position into `sums`, or storing them rounded. */
function emitSums(fn: FunctionBuilder, a: Record<keyof ScatterArguments, Local>, direction: "load" | "store"): void {
  const [row, element, sum, place, counter] = Array.from({ length: 5 }, () => fn.local("i32")) as [Local, Local, Local, Local, Local];
  const line = (count: Local, step: Local): void => {
    fn.get(step).i32(4).op("i32.eq").if(() => {
      if (direction === "load") emitRowToSums(fn, row, sum, count);
      else emitSumsToRow(fn, sum, row, count);
      fn.get(count).i32(3).op("i32.shl").get(sum).op("i32.add").set(sum);
    }, () => {
      fn.get(row).set(element).get(count);
      emitCountdown(fn, counter, 1, () => {
        if (direction === "load") fn.get(sum).get(element).load("f32.load").op("f64.promote_f32").store("f64.store");
        else fn.get(element).get(sum).load("f64.load").op("f32.demote_f64").store("f32.store");
        fn.get(element).get(step).op("i32.add").set(element).increment(sum, 8);
      });
    });
  };
  fn.get(a.target).set(row).get(a.sums).set(sum).get(a.inner).i32(1).op("i32.eq").if(() => line(a.places, a.along), () => {
    fn.get(a.places);
    emitCountdown(fn, place, 1, () => {
      line(a.inner, a.targetInner);
      fn.get(row).get(a.along).op("i32.add").set(row);
    });
  });
  for (const local of [row, element, sum, place, counter]) fn.release(local);
}

/** Emits combining and storing: the target's address is on the stack, once, or twice where its value is needed. */
function emitCombination(
  fn: FunctionBuilder,
  dtype: CombinedType | "float16",
  combine: ScatterKernel["combine"],
  wide: boolean,
  source: () => FunctionBuilder,
): void {
  if (combine === "replace") {
    source();
    return emitMove(fn, dtype === "float16" ? 2 : dtype === "float64" ? 8 : 4, 0);
  }
  const ops = { sum: "add", prod: "mul", max: "max", min: "min" } as const;
  if (wide) {
    fn.load("f64.load");
    source().load("f32.load").op("f64.promote_f32").op(`f64.${ops[combine]}`).store("f64.store");
  } else if (dtype === "float32") {
    fn.load("f32.load");
    source().load("f32.load").op(`f32.${ops[combine]}`).store("f32.store");
  } else if (dtype === "float64") {
    fn.load("f64.load");
    source().load("f64.load").op(`f64.${ops[combine]}`).store("f64.store");
  } else if (combine === "max" || combine === "min") {
    const [old, added] = [fn.local("i32"), fn.local("i32")];
    fn.load("i32.load").set(old);
    source().load("i32.load").set(added).get(old).get(added).get(old).get(added);
    fn.op(`i32.${combine === "max" ? "gt" : "lt"}_${dtype === "int32" ? "s" : "u"}`).op("select").store("i32.store");
    fn.release(old);
    fn.release(added);
  } else {
    fn.load("i32.load");
    const op = dtype === "bool" ? (combine === "sum" ? "i32.or" : "i32.and") : combine === "sum" ? "i32.add" : "i32.mul";
    source().load("i32.load").op(op).store("i32.store");
  }
}

/** The two ways of adding rows: place by place, or row by row where the sums of all places stay in cache. */
export function emitRowSums(module: ModuleBuilder): void {
  emitAddPlaces(module);
  emitAddRows(module);
}

/** Rows that are looked at before the first of them is needed, so that they come from memory together. */
const rowsAhead = 8;

/**
 * `addPlaces` (target, source, starts, order, first place, last place, along, source step, count, sums): to each contiguous row of `count`
 * float32 at target + place · along, the source's rows that `order` lists for the place are added in their order, in float64 (`sums`, with
 * room for `count`), and rounded once.
 */
function emitAddPlaces(module: ModuleBuilder): void {
  const fn = module.function("addPlaces", { params: new Array(10).fill("i32") });
  const [target, source, starts, order, first, last, along, step, count, sums] = fn.parameters as Locals;
  const [at, end, row, from, to, stop] = Array.from({ length: 6 }, () => fn.local("i32")) as Locals;
  const entry = (byte: number): FunctionBuilder => fn.get(at).load("i32.load", byte).i32(2).op("i32.shl").get(order).op("i32.add");
  const placeOf = (place: Local): FunctionBuilder => fn.get(place).i32(2).op("i32.shl").get(starts).op("i32.add").set(at);
  const rowOf = (listed: Local): FunctionBuilder =>
    fn.get(listed).load("i32.load").get(step).op("i32.mul").get(source).op("i32.add").set(from);
  const look = emitLooking(fn, { stop, from, count, rowOf });
  placeOf(last);
  entry(0).set(stop);
  fn.block((done) => {
    fn.loop((next) => {
      fn.get(first).get(last).op("i32.ge_s").branchIf(done);
      placeOf(first);
      entry(4).set(end);
      entry(0).set(at);
      fn.get(at).get(end).op("i32.ne").if(() => {
        look.ahead(at);
        fn.get(first).get(along).op("i32.mul").get(target).op("i32.add").set(row);
        fn.get(end).get(at).op("i32.sub").i32(4).op("i32.eq").if(() => {
          rowOf(at);
          fn.get(row).set(to);
          // One float32 added to another rounds once either way.
          emitLine(
            fn,
            count,
            [[from, 4], [to, 4]],
            () => fn.get(to).get(to).load("v128.load").get(from).load("v128.load").op("f32x4.add").store("v128.store"),
            () => fn.get(to).get(to).load("f32.load").get(from).load("f32.load").op("f32.add").store("f32.store"),
          );
        }, () => {
          emitRowToSums(fn, row, sums, count);
          fn.loop((again) => {
            rowOf(at);
            emitAddRow(fn, from, sums, count);
            fn.increment(at, 4).get(at).get(end).op("i32.ne").branchIf(again);
          });
          emitSumsToRow(fn, sums, row, count);
        });
      });
      fn.increment(first, 1).branch(next);
    });
  });
  // What was looked at has to be used for something.
  fn.get(sums).get(look.seen).store("i32.store");
}

/** Emits reading a word of each cache line of the listed rows that come next, once those before are used up. */
function emitLooking(
  fn: FunctionBuilder,
  { stop, from, count, rowOf }: { stop: Local; from: Local; count: Local; rowOf: (listed: Local) => FunctionBuilder },
): { ahead: (at: Local) => void; seen: Local } {
  const [next, seen, rows, bytes] = Array.from({ length: 4 }, () => fn.local("i32")) as [Local, Local, Local, Local];
  const ahead = (at: Local): void => {
    fn.get(at).get(next).op("i32.ge_u").if(() => {
      fn.get(at).set(next).i32(rowsAhead).set(rows);
      fn.loop((more) => {
        fn.get(next).get(stop).op("i32.lt_u").if(() => {
          rowOf(next);
          fn.get(count).i32(2).op("i32.shl").set(bytes);
          fn.loop((line) => {
            fn.get(from).load("i32.load").get(seen).op("i32.xor").set(seen).increment(from, 64).increment(bytes, -64);
            fn.get(bytes).i32(0).op("i32.gt_s").branchIf(line);
          });
          fn.increment(next, 4).increment(rows, -1).get(rows).branchIf(more);
        });
      });
    });
  };
  return { ahead, seen };
}

/**
 * `addRows` (target, source, index, index step, rows, places, along, source step, count, sums): the same row by row, with `sums` for all
 * places.
 */
function emitAddRows(module: ModuleBuilder): void {
  const fn = module.function("addRows", { params: new Array(10).fill("i32") });
  const [target, source, index, indexStep, rows, places, along, step, count, sums] = fn.parameters as Locals;
  const [row, sum, width, place, counter] = Array.from({ length: 5 }, () => fn.local("i32")) as Locals;
  const eachPlace = (body: () => void): void => {
    fn.get(target).set(row).get(sums).set(sum).get(places);
    emitCountdown(fn, place, 1, () => {
      body();
      fn.get(row).get(along).op("i32.add").set(row).get(sum).get(width).op("i32.add").set(sum);
    });
  };
  fn.get(count).i32(3).op("i32.shl").set(width);
  eachPlace(() => emitRowToSums(fn, row, sum, count));
  fn.get(rows);
  emitCountdown(fn, counter, 1, () => {
    fn.get(index).load("i32.load").get(width).op("i32.mul").get(sums).op("i32.add").set(sum);
    emitAddRow(fn, source, sum, count);
    fn.get(index).get(indexStep).op("i32.add").set(index).get(source).get(step).op("i32.add").set(source);
  });
  eachPlace(() => emitSumsToRow(fn, sum, row, count));
}

/** Emits a loop over `count` elements, four at a time, then one by one; the pointers move by as many bytes for each element. */
function emitLine(
  fn: FunctionBuilder,
  count: Local,
  pointers: readonly (readonly [Local, number])[],
  four: () => void,
  one: () => void,
): void {
  const counter = fn.local("i32");
  for (const [width, body] of [[4, four], [1, one]] as const) {
    fn.get(count).i32(width === 4 ? -4 : 3).op("i32.and");
    emitCountdown(fn, counter, width, () => {
      body();
      for (const [pointer, bytes] of pointers) fn.increment(pointer, width * bytes);
    });
  }
  fn.release(counter);
}

/** Emits {@link emitLine} between float32 at a copy of one pointer and float64 at a copy of the other. */
function emitWideLine(
  fn: FunctionBuilder,
  [row, sums, count]: readonly [Local, Local, Local],
  four: (x: Local, sum: Local) => void,
  one: (x: Local, sum: Local) => void,
): void {
  const [x, sum] = [fn.local("i32"), fn.local("i32")];
  fn.get(row).set(x).get(sums).set(sum);
  emitLine(fn, count, [[x, 4], [sum, 8]], () => four(x, sum), () => one(x, sum));
  fn.release(x);
  fn.release(sum);
}

function emitRowToSums(fn: FunctionBuilder, row: Local, sums: Local, count: Local): void {
  emitWideLine(fn, [row, sums, count], (x, sum) => {
    for (const half of [0, 1]) {
      fn.get(sum).get(x).load("v128.load64_zero", 8 * half).op("f64x2.promote_low_f32x4").store("v128.store", 16 * half);
    }
  }, (x, sum) => fn.get(sum).get(x).load("f32.load").op("f64.promote_f32").store("f64.store"));
}

function emitAddRow(fn: FunctionBuilder, row: Local, sums: Local, count: Local): void {
  emitWideLine(fn, [row, sums, count], (x, sum) => {
    for (const half of [0, 1]) {
      fn.get(sum).get(sum).load("v128.load", 16 * half);
      fn.get(x).load("v128.load64_zero", 8 * half).op("f64x2.promote_low_f32x4").op("f64x2.add").store("v128.store", 16 * half);
    }
  }, (x, sum) => fn.get(sum).get(sum).load("f64.load").get(x).load("f32.load").op("f64.promote_f32").op("f64.add").store("f64.store"));
}

function emitSumsToRow(fn: FunctionBuilder, sums: Local, row: Local, count: Local): void {
  emitWideLine(fn, [row, sums, count], (x, sum) => {
    fn.get(x).get(sum).load("v128.load").op("f32x4.demote_f64x2_zero").get(sum).load("v128.load", 16).op("f32x4.demote_f64x2_zero");
    fn.shuffle32([0, 1, 4, 5]).store("v128.store");
  }, (x, sum) => fn.get(x).get(sum).load("f64.load").op("f32.demote_f64").store("f32.store"));
}
