/**
 * The argument block: sizes, strides, addresses and scalars of one call, laid out in memory so that generated code serves every shape.
 *
 * @module
 */
import { byteSize, type DType, isFloat } from "../../tensor/dtype.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { View } from "../../tensor/kernel.ts";
import type { CpuStorage } from "../accelerator.ts";
import { type ScratchHeap, scratchPointer } from "./scratch.ts";
import type { Local } from "./encoder.ts";
import type { Step } from "./operands.ts";
import type { Term, Terms } from "./terms.ts";

const blockBytes = 8192;

/** One call's arguments in the heap's memory, written as 32-bit words. All kernels of a heap share one block, since calls do not overlap. */
export class ArgumentBlock {
  /** The block's byte address. */
  readonly pointer: number;
  readonly #heap: ScratchHeap;
  #words: Int32Array<ArrayBufferLike>;
  #floats: Float32Array<ArrayBufferLike>;

  /** Takes a block from the heap, or the one taken before. */
  constructor(heap: ScratchHeap) {
    this.#heap = heap;
    this.pointer = scratchPointer(heap, "arguments", blockBytes);
    this.#words = new Int32Array(0);
    this.#floats = new Float32Array(0);
  }

  /** The words, as whole numbers; made again where memory that is not shared has grown. */
  get words(): Int32Array<ArrayBufferLike> {
    if (this.#words.length === 0) this.#view();
    return this.#words;
  }

  /** The same words, as float32. */
  get floats(): Float32Array<ArrayBufferLike> {
    if (this.#floats.length === 0) this.#view();
    return this.#floats;
  }

  #view(): void {
    this.#words = new Int32Array(this.#heap.memory.buffer, this.pointer, blockBytes / 4);
    this.#floats = new Float32Array(this.#heap.memory.buffer, this.pointer, blockBytes / 4);
  }

  /** Writes scalars from word `at` on, each in its type. */
  writeScalars(at: number, slots: readonly ScalarSlot[], scalars: readonly number[]): void {
    for (let i = 0; i < slots.length; i++) {
      const { slot, dtype } = slots[i]!;
      const value = scalars[slot]!;
      if (isFloat(dtype)) this.floats[at + i] = value;
      else this.words[at + i] = dtype === "bool" ? (value !== 0 ? 1 : 0) : value | 0;
    }
  }
}

/** Whether a block holds the words a kernel may need. */
export function fitsBlock(words: number): boolean {
  return words * 4 <= blockBytes;
}

/** The byte address of a view's first element. */
export function address(view: View): number {
  return (view.storage as CpuStorage).pointer + view.offset * byteSize[view.dtype];
}

/** Kernels beyond this number push the oldest out: an expression with a changing constant must not fill the memory with code. */
const cachedKernels = 2048;

/** What is known of kernels, by key, for the latest of them. */
export class KernelCache<Plan> {
  readonly #plans = new Map<string, Plan>();

  /** The plan of a key, if it is still kept. */
  get(key: string): Plan | undefined {
    return this.#plans.get(key);
  }

  /** Keeps a plan. */
  set(key: string, plan: Plan): void {
    if (this.#plans.size >= cachedKernels) this.#plans.delete(this.#plans.keys().next().value!);
    this.#plans.set(key, plan);
  }
}

/** A scalar an expression asks for. */
export interface ScalarSlot {
  /** Its number among the scalars of a run. */
  readonly slot: number;
  /** The type it is converted to. */
  readonly dtype: DType;
}

/** The distinct scalars of some expressions. */
export function scalarSlots(exprs: readonly Expr[]): ScalarSlot[] {
  const slots = new Map<string, ScalarSlot>();
  for (const expr of exprs) {
    for (const node of expr.nodes) {
      if (node.kind === "scalar") slots.set(`${node.slot}:${node.dtype}`, { slot: node.slot, dtype: node.dtype });
    }
  }
  return [...slots.values()];
}

/** Loads scalar `slot` of the list that starts at word `at`. */
export function loadScalar(e: Terms, block: Local, at: number, slots: readonly ScalarSlot[], slot: number, dtype: DType): Term {
  const position = slots.findIndex((entry) => entry.slot === slot && entry.dtype === dtype);
  const value = e.keepNew({ write: (f) => f.get(block).load("v128.load32_splat", (at + position) * 4) });
  return dtype === "bool" ? e.keep(e.op("i32x4.ne", value, e.whole(0))) : value;
}

/** A loop nest after dims of size 1 are dropped and dims that continue each other are joined, for all operands alike. */
export interface Nest {
  /** The sizes, outermost first. */
  readonly sizes: number[];
  /** The strides in elements: per operand, per dim. */
  readonly strides: number[][];
}

/** Joins the dims from `from` up to `to`, first brought into the order of falling strides of operand `leading`, if one is named. */
export function joinDims(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  from: number,
  to: number,
  leading?: number,
): Nest {
  const order: number[] = [];
  for (let dim = from; dim < to; dim++) if (shape[dim] !== 1) order.push(dim);
  if (leading !== undefined && order.length > 1) {
    const first = strides[leading]!;
    order.sort((a, b) => Math.abs(first[b]!) - Math.abs(first[a]!) || a - b);
  }
  const sizes: number[] = [];
  const joined: number[][] = strides.map(() => []);
  for (const dim of order) {
    const size = shape[dim]!;
    const last = sizes.length - 1;
    let continues = last >= 0;
    for (let k = 0; continues && k < strides.length; k++) continues = joined[k]![last] === strides[k]![dim]! * size;
    if (continues) {
      sizes[last]! *= size;
      for (let k = 0; k < strides.length; k++) joined[k]![last] = strides[k]![dim]!;
    } else {
      sizes.push(size);
      for (let k = 0; k < strides.length; k++) joined[k]!.push(strides[k]![dim]!);
    }
  }
  return { sizes, strides: joined };
}

/** How an operand with this inner stride moves. */
export function stepOf(stride: number): Step {
  return stride === 1 ? "contiguous" : stride === 0 ? "repeated" : "strided";
}

/**
 * Writes an odometer over the first `dims` dims of a nest at word `at`: per dim, innermost first, its size, a counter, and per operand the bytes
 * to move when this dim counts on and the dims inside it start again. Gives the word after it.
 */
export function writeOdometer(block: ArgumentBlock, at: number, nest: Nest, dims: number, bytes: readonly number[]): number {
  const { words } = block;
  let word = at;
  for (let dim = dims - 1; dim >= 0; dim--) {
    words[word++] = nest.sizes[dim]!;
    words[word++] = 0;
    for (let k = 0; k < bytes.length; k++) {
      const strides = nest.strides[k]!;
      let step = strides[dim]!;
      for (let inner = dim + 1; inner < dims; inner++) step -= (nest.sizes[inner]! - 1) * strides[inner]!;
      words[word++] = step * bytes[k]!;
    }
  }
  return word;
}

/**
 * Code that counts the odometer on and branches to `again` after moving `pointers`, or falls through when every dim is done.
 *
 * @param dims How many dims there are (i32).
 * @param start The byte address of the odometer (i32).
 */
export function countOn(e: Terms, dims: Local, start: Local, pointers: readonly Local[], again: () => void): void {
  const { f } = e;
  const place = f.local("i32");
  const rest = f.local("i32");
  const count = f.local("i32");
  f.get(dims).set(rest).get(start).set(place);
  f.block((done) => {
    f.loop((next) => {
      f.get(rest).op("i32.eqz").branchIf(done);
      f.get(place).load("i32.load", 4).i32(1).op("i32.add").tee(count).get(place).load("i32.load").op("i32.lt_s");
      f.if(() => {
        f.get(place).get(count).store("i32.store", 4);
        pointers.forEach((pointer, k) => f.get(pointer).get(place).load("i32.load", 8 + 4 * k).op("i32.add").set(pointer));
        again();
      });
      f.get(place).i32(0).store("i32.store", 4);
      f.increment(place, 8 + 4 * pointers.length);
      f.increment(rest, -1);
      f.branch(next);
    });
  });
  f.release(place);
  f.release(rest);
  f.release(count);
}
