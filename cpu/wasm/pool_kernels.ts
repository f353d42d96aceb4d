/**
 * The WebAssembly of pooling over planes of one geometry, which is part of the code.
 *
 * Windows that lie inside the image from left to right are computed four neighbours at a time; the others one by one.
 *
 * @module
 */
import type { PoolKernel } from "../../tensor/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./encoder.ts";
import { emitCountdown } from "./loops.ts";

/** The sizes of a pooling in two dims. */
export interface PoolGeometry extends Pick<PoolKernel, "size" | "stride" | "padding" | "dilation"> {
  /** Height and width of the image's planes. */
  readonly image: readonly [number, number];
  /** Height and width of the pooled planes. */
  readonly pooled: readonly [number, number];
}

/** Whether an element is a window's first, comes after another, or may be either. */
type Order = "first" | "later" | "unknown";

/** How the elements of a window become one, for four windows or for one. */
interface Fold {
  /** Emits the state before the first element. */
  start(lanes: 1 | 4): void;
  /** Emits taking an element (on the stack) at a position in the plane: lane 0's position in the locals plus a constant. */
  take(lanes: 1 | 4, rowStart: Local, column: Local, offset: number, order: Order): void;
  /** Emits storing the results of the windows from `column` on. */
  finish(lanes: 1 | 4): void;
}

/** `maxForward` (x, y, positions, planes): maxima and where they lie. */
export function emitMaxForward(module: ModuleBuilder, geometry: PoolGeometry): void {
  const fn = module.function("maxForward", { params: ["i32", "i32", "i32", "i32"] });
  const [x, y, positions, planes] = fn.parameters as [Local, Local, Local, Local];
  const vector = { value: fn.local("v128"), best: fn.local("v128"), place: fn.local("v128") };
  const single = { value: fn.local("f32"), best: fn.local("f32"), place: fn.local("i32"), taken: fn.local("i32") };
  const steps = fn.constant(new Int32Array([0, 1, 2, 3].map((lane) => lane * geometry.stride[1]!)));
  const none = fn.constant(new Int32Array(4).fill(-1));
  const lowest = fn.constant(new Float32Array(4).fill(-Infinity));
  emitWindows(fn, geometry, { x, planes, advance: [y, positions] }, {
    start(lanes) {
      if (lanes === 4) fn.get(lowest).set(vector.best).get(none).set(vector.place);
      else fn.f32(-Infinity).set(single.best).i32(-1).set(single.place);
    },
    take(lanes, rowStart, column, offset, order) {
      const position = (): FunctionBuilder => fn.get(rowStart).get(column).op("i32.add").i32(offset).op("i32.add");
      const positions = (): FunctionBuilder => position().op("i32x4.splat").get(steps).op("i32x4.add");
      if (lanes === 4) {
        const { value, best, place } = vector;
        if (order === "first") {
          fn.set(best);
          positions().set(place);
          return;
        }
        // Taken when greater or NaN, unless the best is NaN already, and always when nothing was taken before.
        fn.set(value).get(value).get(best).op("f32x4.le").op("v128.not").get(best).get(best).op("f32x4.eq").op("v128.and");
        if (order === "unknown") fn.get(place).get(none).op("i32x4.eq").op("v128.or");
        const taken = fn.local("v128");
        fn.set(taken).get(value).get(best).get(taken).op("v128.bitselect").set(best);
        positions().get(place).get(taken).op("v128.bitselect").set(place);
        fn.release(taken);
      } else {
        const { value, best, place, taken } = single;
        if (order === "first") {
          fn.set(best);
          position().set(place);
          return;
        }
        fn.set(value).get(value).get(best).op("f32.le").op("i32.eqz").get(best).get(best).op("f32.eq").op("i32.and");
        if (order === "unknown") fn.get(place).i32(-1).op("i32.eq").op("i32.or");
        fn.set(taken).get(value).get(best).get(taken).op("select").set(best);
        position().get(place).get(taken).op("select").set(place);
      }
    },
    finish(lanes) {
      if (lanes === 4) fn.get(y).get(vector.best).store("v128.store").get(positions).get(vector.place).store("v128.store");
      else fn.get(y).get(single.best).store("f32.store").get(positions).get(single.place).store("i32.store");
    },
  });
}

/** `averageForward` (x, y, divisors, planes): sums divided by the table of divisors of one plane. */
export function emitAverageForward(module: ModuleBuilder, geometry: PoolGeometry): void {
  const fn = module.function("averageForward", { params: ["i32", "i32", "i32", "i32"] });
  const [x, y, divisors, planes] = fn.parameters as [Local, Local, Local, Local];
  const sums = { 4: fn.local("v128"), 1: fn.local("f32") };
  const divisor = fn.local("i32");
  emitWindows(fn, geometry, { x, planes, advance: [y, divisor], planeStart: () => fn.get(divisors).set(divisor) }, {
    start: (lanes) => void (lanes === 4 ? fn.f32x4(0) : fn.f32(0)).set(sums[lanes]),
    take: (lanes) => void fn.get(sums[lanes]).op(lanes === 4 ? "f32x4.add" : "f32.add").set(sums[lanes]),
    finish(lanes) {
      fn.get(y).get(sums[lanes]).get(divisor);
      if (lanes === 4) fn.load("v128.load").op("f32x4.div").store("v128.store");
      else fn.load("f32.load").op("f32.div").store("f32.store");
    },
  });
}

/** `maxBackward` (dy, positions, dx, planes): dx, which holds zeros, gets each dy at its position. */
export function emitMaxBackward(module: ModuleBuilder, { image, pooled }: PoolGeometry): void {
  const fn = module.function("maxBackward", { params: ["i32", "i32", "i32", "i32"] });
  const [dy, positions, dx, planes] = fn.parameters as [Local, Local, Local, Local];
  const cells = fn.local("i32");
  const to = fn.local("i32");
  fn.get(planes);
  emitCountdown(fn, planes, 1, () => {
    fn.i32(pooled[0] * pooled[1]);
    emitCountdown(fn, cells, 1, () => {
      fn.get(positions).load("i32.load").tee(to).i32(0).op("i32.ge_s").if(() => {
        fn.get(to).i32(2).op("i32.shl").get(dx).op("i32.add").tee(to);
        fn.get(to).load("f32.load").get(dy).load("f32.load").op("f32.add").store("f32.store");
      });
      fn.increment(dy, 4).increment(positions, 4);
    });
    fn.increment(dx, image[0] * image[1] * 4);
  });
}

/** `averageBackward` (dx, dy, divisors, planes): dx, which holds zeros, gets each dy over its divisor all over its window. */
export function emitAverageBackward(module: ModuleBuilder, geometry: PoolGeometry): void {
  const fn = module.function("averageBackward", { params: ["i32", "i32", "i32", "i32"] });
  const [dx, dy, divisors, planes] = fn.parameters as [Local, Local, Local, Local];
  const share = fn.local("f32");
  const divisor = fn.local("i32");
  const to = fn.local("i32");
  const target = { x: dx, planes, advance: [dy, divisor], planeStart: () => fn.get(divisors).set(divisor), address: to };
  emitWindows(fn, geometry, target, {
    start: () => void fn.get(dy).load("f32.load").get(divisor).load("f32.load").op("f32.div").set(share),
    take: () => void fn.get(to).get(to).load("f32.load").get(share).op("f32.add").store("f32.store"),
    finish: () => {},
  });
}

/** Elements of windows that are written out one by one. */
const mostUnrolled = 16;

/** The locals of a walk over all windows of all planes. */
interface Walk {
  /** The plane's address, moved on by the walk. */
  readonly x: Local;
  readonly planes: Local;
  /** Addresses that move on with each window. */
  readonly advance: readonly Local[];
  /** Emits what happens before each plane. */
  readonly planeStart?: () => void;
  /** Where to leave an element's address instead of pushing the element; then windows go one by one. */
  readonly address?: Local;
}

/** Emits the loops over planes, rows and columns of windows around a fold of each window. */
function emitWindows(fn: FunctionBuilder, geometry: PoolGeometry, walk: Walk, fold: Fold): void {
  const { image, pooled, size, stride, padding, dilation } = geometry;
  const row = fn.local("i32");
  const column = fn.local("i32");
  const top = fn.local("i32");
  const left = fn.local("i32");
  // Windows from `first` to `last` have all their columns inside the image.
  const first = Math.min(pooled[1], Math.ceil(padding[1]! / stride[1]!));
  const last = Math.max(
    first,
    Math.min(pooled[1], Math.floor((image[1] - 1 - (size[1]! - 1) * dilation[1]! + padding[1]!) / stride[1]!) + 1),
  );
  const window = new WindowWriter(fn, geometry, walk, fold, top, left);
  const columns = (to: number, lanes: 1 | 4, isInside: boolean): void => {
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(column).i32(to - lanes).op("i32.gt_s").branchIf(done);
        fn.get(column).i32(stride[1]!).op("i32.mul").i32(padding[1]!).op("i32.sub").set(left);
        window.emit(lanes, isInside);
        for (const pointer of walk.advance) fn.increment(pointer, lanes * 4);
        fn.increment(column, lanes).branch(next);
      });
    });
  };
  fn.get(walk.planes);
  emitCountdown(fn, walk.planes, 1, () => {
    walk.planeStart?.();
    fn.i32(-padding[0]!).set(top).i32(pooled[0]);
    emitCountdown(fn, row, 1, () => {
      fn.i32(0).set(column);
      if (first > 0) columns(first, 1, false);
      const byVectors = last - first >= 4 && walk.address === undefined;
      if (byVectors) columns(last, 4, true);
      if (byVectors && (last - first) % 4 > 0) {
        // The last windows once more together with those before them: cheaper than one by one.
        const back = (last - first) % 4 - 4;
        for (const pointer of walk.advance) fn.increment(pointer, back * 4);
        fn.increment(column, back);
        columns(last, 4, true);
      }
      if (last > first && !byVectors) columns(last, 1, true);
      if (pooled[1] > last) columns(pooled[1], 1, false);
      fn.increment(top, stride[0]!);
    });
    fn.increment(walk.x, image[0] * image[1] * 4);
  });
}

/** Writes the code of one window, or of four neighbours, whose upper left corner the locals `top` and `left` hold. */
class WindowWriter {
  readonly #fn: FunctionBuilder;
  readonly #geometry: PoolGeometry;
  readonly #walk: Walk;
  readonly #fold: Fold;
  readonly #top: Local;
  readonly #left: Local;
  readonly #line: Local;
  readonly #rowStart: Local;
  readonly #from: Local;
  readonly #inner: Local;
  readonly #outer: Local;

  constructor(fn: FunctionBuilder, geometry: PoolGeometry, walk: Walk, fold: Fold, top: Local, left: Local) {
    [this.#fn, this.#geometry, this.#walk, this.#fold, this.#top, this.#left] = [fn, geometry, walk, fold, top, left];
    [this.#line, this.#rowStart, this.#from, this.#inner, this.#outer] = Array.from({ length: 5 }, () => fn.local("i32")) as [
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
  }

  emit(lanes: 1 | 4, isInside: boolean): void {
    const { size, dilation, image } = this.#geometry;
    const fn = this.#fn;
    if (isInside && this.#hasAllRows && size[0]! * size[1]! <= mostUnrolled) this.#unrolled(lanes);
    else {
      this.#fold.start(lanes);
      fn.get(this.#top).set(this.#line).i32(size[0]!);
      emitCountdown(fn, this.#outer, 1, () => {
        // A negative row is a large unsigned one.
        fn.get(this.#line).i32(image[0]).op("i32.lt_u").if(() => {
          fn.get(this.#line).i32(image[1]).op("i32.mul").set(this.#rowStart);
          this.#startRow();
          this.#row(lanes, isInside);
        });
        fn.increment(this.#line, dilation[0]!);
      });
    }
    this.#fold.finish(lanes);
  }

  /** Whether all rows of every window lie in the image. */
  get #hasAllRows(): boolean {
    const { image, pooled, size, stride, padding, dilation } = this.#geometry;
    return padding[0] === 0 && (pooled[0] - 1) * stride[0]! + (size[0]! - 1) * dilation[0]! < image[0];
  }

  /** Sets the address of the row's first element. */
  #startRow(): void {
    this.#fn.get(this.#rowStart).get(this.#left).op("i32.add").i32(2).op("i32.shl").get(this.#walk.x).op("i32.add").set(this.#from);
  }

  /** A whole window without loops. */
  #unrolled(lanes: 1 | 4): void {
    const { size, dilation, image } = this.#geometry;
    this.#fold.start(lanes);
    for (let row = 0; row < size[0]!; row++) {
      this.#fn.get(this.#top).i32(row * dilation[0]!).op("i32.add").i32(image[1]).op("i32.mul").set(this.#rowStart);
      this.#startRow();
      for (let at = 0; at < size[1]!; at++) {
        this.#load(lanes, at * dilation[1]! * 4);
        this.#fold.take(lanes, this.#rowStart, this.#left, at * dilation[1]!, row + at === 0 ? "first" : "later");
      }
    }
  }

  /** One row of the window: unrolled where it is short and inside, else a loop that checks each column. */
  #row(lanes: 1 | 4, isInside: boolean): void {
    const { size, dilation, image } = this.#geometry;
    const fn = this.#fn;
    if (isInside && size[1]! <= 8) {
      for (let at = 0; at < size[1]!; at++) {
        this.#load(lanes, at * dilation[1]! * 4);
        this.#fold.take(lanes, this.#rowStart, this.#left, at * dilation[1]!, "unknown");
      }
      return;
    }
    const column = fn.local("i32");
    fn.get(this.#left).set(column).i32(size[1]!);
    emitCountdown(fn, this.#inner, 1, () => {
      fn.get(column).i32(image[1]).op("i32.lt_u").if(() => {
        this.#load(lanes, 0);
        this.#fold.take(lanes, this.#rowStart, column, 0, "unknown");
      });
      fn.increment(column, dilation[1]!).increment(this.#from, dilation[1]! * 4);
    });
    fn.release(column);
  }

  /** Pushes an element, or those of four windows; or leaves the address where the walk wants it. */
  #load(lanes: 1 | 4, offset: number): void {
    const fn = this.#fn.get(this.#from);
    const step = this.#geometry.stride[1]! * 4;
    if (this.#walk.address !== undefined) {
      fn.i32(offset).op("i32.add").set(this.#walk.address);
    } else if (lanes === 1) {
      fn.load("f32.load", offset);
    } else if (step === 4) {
      fn.load("v128.load", offset);
    } else if (step === 8) {
      // The second load starts one element early, so as not to pass the last window.
      fn.load("v128.load", offset).get(this.#from).load("v128.load", offset + 12).shuffle32([0, 2, 5, 7]);
    } else {
      const vector = fn.local("v128");
      fn.load("v128.load32_zero", offset).set(vector);
      for (let lane = 1; lane < 4; lane++) {
        fn.get(this.#from).get(vector).laneMemory("v128.load32_lane", lane, offset + lane * step).set(vector);
      }
      fn.get(vector).release(vector);
    }
  }
}
