/**
 * Memory of the CPU backend: one WebAssembly memory, shared between threads where the engine allows it, and an allocator on it.
 *
 * Small blocks (up to 32 KiB) come from slabs of one size class each, four classes per octave. Large blocks are whole pages: freed ones
 * wait by size for an equal request, and are merged with their neighbours before the memory grows.
 *
 * @module
 */
import { ArgumentError, OutOfMemoryError } from "../tensor/errors.ts";

/** What a {@link Heap} can be told. */
export interface HeapOptions {
  /** Bytes that may be in use at once; by default all that WebAssembly addresses, 4 GiB. */
  readonly budget?: number;
  /** Whether threads may share the memory; by default where SharedArrayBuffer exists. */
  readonly shared?: boolean;
}

interface Slab {
  readonly start: number;
  readonly blockBytes: number;
  /** The free blocks of its size class, in every slab. */
  readonly free: FreeBlocks;
  /** 1 for each block handed out. */
  readonly used: Uint8Array;
  inUse: number;
}

/** The free blocks of one size class. */
interface FreeBlocks {
  /** A stack of addresses. It never shrinks: an array that follows its length would be reallocated over and over. */
  readonly pointers: number[];
  count: number;
  /** The part of the latest slab that was never handed out: it goes to the stack some blocks at a time, and writing all 4,096 takes long. */
  fresh: number;
  end: number;
}

interface Range {
  start: number;
  bytes: number;
}

const pageShift = 12;
const pageBytes = 1 << pageShift;
const slabShift = 18;
const slabBytes = 1 << slabShift;
const wasmPageBytes = 65536;
const maximumPages = 65536;
const initialPages = 256;
const smallestBlock = 64;
const largestSmallBlock = 32768;
const smallClasses = sizeClassUp(largestSmallBlock) + 1;
const growthBytes = 8 * 1048576;
/** Blocks that go to the stack at a time. */
const freshBlocks = 32;

/**
 * A heap on one WebAssembly memory. Addresses are byte offsets, aligned to 16 bytes (from 256 bytes on to 64), never 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Heap } from "./heap.ts";
 *
 * const heap = new Heap();
 * const pointer = heap.alloc(12);
 * heap.f32[pointer / 4] = 1.5;
 * assertEquals(heap.f32[pointer / 4], 1.5);
 * heap.free(pointer);
 * assertEquals(heap.bytes, 0);
 * ```
 */
export class Heap {
  /** The memory that WebAssembly functions import: shared, with a maximum of 65,536 pages. */
  readonly memory: WebAssembly.Memory;
  /** Whether threads can share the memory. */
  readonly shared: boolean;
  /** Bytes that may be in use at once. */
  readonly budget: number;
  /** The whole memory as float32; like every view a new object after growth. */
  f32!: Float32Array;
  /** The whole memory as float64. */
  f64!: Float64Array;
  /** The whole memory as float16. */
  f16!: Float16Array;
  /** The whole memory as int32. */
  i32!: Int32Array;
  /** The whole memory as uint32. */
  u32!: Uint32Array;
  /** The whole memory as bytes. */
  u8!: Uint8Array;
  #bytes = 0;
  #reserved = 0;
  /** Free blocks of each small size class. */
  readonly #small: readonly FreeBlocks[] = Array.from({ length: smallClasses }, () => ({ pointers: [], count: 0, fresh: 0, end: 0 }));
  /** The slab at each 256 KiB of the memory. */
  readonly #slabs: (Slab | undefined)[] = new Array(maximumPages * wasmPageBytes / slabBytes).fill(undefined);
  /** Pages of the large block that starts at each page; 0 where none does. */
  #pages = new Uint32Array(0);
  /** Freed large blocks by their number of pages. */
  readonly #waiting = new Map<number, number[]>();
  #waitingBytes = 0;
  /** Free ranges in increasing order, merged. */
  #ranges: Range[];

  /** Makes an empty heap; memory is taken from the system as it is written to. */
  constructor({ budget = maximumPages * wasmPageBytes, shared = typeof SharedArrayBuffer !== "undefined" }: HeapOptions = {}) {
    this.shared = shared;
    this.budget = budget;
    this.memory = new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages, shared });
    this.#ranges = [{ start: pageBytes, bytes: initialPages * wasmPageBytes - pageBytes }];
    this.refresh();
  }

  /** Bytes in blocks that are in use, as handed out (rounded up to their size class). */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes kept for reuse: taken from the free memory once, and free now. */
  get pooledBytes(): number {
    return this.#reserved - this.#bytes;
  }

  /** Makes the views again after the memory grew, which also a WebAssembly function or another thread may have done. */
  refresh(): void {
    const { buffer } = this.memory;
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.f16 = new Float16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u8 = new Uint8Array(buffer);
    const pages = new Uint32Array(buffer.byteLength / pageBytes);
    pages.set(this.#pages);
    this.#pages = pages;
  }

  /**
   * Takes a block; its content is undefined. Zero bytes give a block of their own.
   *
   * @throws OutOfMemoryError beyond the budget or 4 GiB.
   */
  alloc(bytes: number): number {
    if (!(bytes <= largestSmallBlock)) return this.#allocLarge(bytes);
    const sizeClass = sizeClassUp(bytes);
    const free = this.#small[sizeClass]!;
    if (free.count === 0) this.#addBlocks(sizeClass, free, bytes);
    const pointer = free.pointers[free.count - 1]!;
    const slab = this.#slabs[pointer >>> slabShift]!;
    const { blockBytes } = slab;
    if (this.#bytes + blockBytes > this.budget) throw this.#outOfMemory(bytes);
    free.count--;
    slab.used[(pointer - slab.start) / blockBytes] = 1;
    slab.inUse++;
    this.#bytes += blockBytes;
    return pointer;
  }

  /**
   * Gives a block back.
   *
   * @throws ArgumentError when no block in use starts there: a double free, or not an address from {@link alloc}.
   */
  free(pointer: number): void {
    const slab = this.#slabs[pointer >>> slabShift];
    if (slab === undefined) return this.#freeLarge(pointer);
    const { blockBytes, used, free } = slab;
    const block = (pointer - slab.start) / blockBytes;
    if (used[block] !== 1) throw notInUse(pointer);
    used[block] = 0;
    slab.inUse--;
    this.#bytes -= blockBytes;
    free.pointers[free.count++] = pointer;
  }

  /** Merges everything that is free, so that it can serve any request; WebAssembly memory itself never shrinks. */
  trim(): void {
    const empty = new Set<number>();
    this.#slabs.forEach((slab, at) => {
      if (slab === undefined || slab.inUse > 0) return;
      this.#slabs[at] = undefined;
      empty.add(at);
    });
    if (empty.size > 0) {
      for (const free of this.#small) {
        const kept = free.pointers.slice(0, free.count).filter((pointer) => !empty.has(pointer >>> slabShift));
        kept.forEach((pointer, at) => free.pointers[at] = pointer);
        free.count = kept.length;
        if (empty.has(free.fresh >>> slabShift)) free.fresh = free.end = 0;
      }
      this.#release([...empty].map((at) => ({ start: at * slabBytes, bytes: slabBytes })));
    }
    this.#merge();
  }

  #addBlocks(sizeClass: number, free: FreeBlocks, bytes: number): void {
    const blockBytes = classBytes(sizeClass);
    if (free.fresh === free.end) this.#addSlab(blockBytes, free, bytes);
    const blocks = Math.min(freshBlocks, (free.end - free.fresh) / blockBytes);
    for (let block = blocks - 1; block >= 0; block--) free.pointers[free.count++] = free.fresh + block * blockBytes;
    free.fresh += blocks * blockBytes;
  }

  #addSlab(blockBytes: number, free: FreeBlocks, bytes: number): void {
    const start = this.#take(slabBytes, slabBytes);
    if (start === 0) throw this.#outOfMemory(bytes);
    const blocks = Math.floor(slabBytes / blockBytes);
    this.#slabs[start >>> slabShift] = { start, blockBytes, free, used: new Uint8Array(blocks), inUse: 0 };
    free.fresh = start;
    free.end = start + blocks * blockBytes;
  }

  #allocLarge(bytes: number): number {
    if (!(bytes <= maximumPages * wasmPageBytes)) throw this.#outOfMemory(bytes);
    const size = largeBytes(bytes);
    if (this.#bytes + size > this.budget) throw this.#outOfMemory(bytes);
    const pages = size / pageBytes;
    const waiting = this.#waiting.get(pages);
    let pointer = 0;
    if (waiting !== undefined && waiting.length > 0) {
      pointer = waiting.pop()!;
      this.#waitingBytes -= size;
    } else {
      pointer = this.#take(size, pageBytes);
      if (pointer === 0) throw this.#outOfMemory(bytes);
    }
    this.#pages[pointer >>> pageShift] = pages;
    this.#bytes += size;
    return pointer;
  }

  #freeLarge(pointer: number): void {
    const pages = pointer % pageBytes === 0 ? this.#pages[pointer >>> pageShift] ?? 0 : 0;
    if (pages === 0) throw notInUse(pointer);
    this.#pages[pointer >>> pageShift] = 0;
    const size = pages * pageBytes;
    this.#bytes -= size;
    this.#waitingBytes += size;
    const waiting = this.#waiting.get(pages);
    if (waiting === undefined) this.#waiting.set(pages, [pointer]);
    else waiting.push(pointer);
  }

  /** Takes a range from the free ones, merging or growing as needed; 0 when there is no room. */
  #take(bytes: number, alignment: number): number {
    let start = this.#fit(bytes, alignment);
    // Merging costs a sort, so it waits until enough has gathered to be worth it.
    if (start === 0 && this.#waitingBytes >= Math.max(bytes, this.memory.buffer.byteLength / 8)) {
      this.#merge();
      start = this.#fit(bytes, alignment);
    }
    if (start === 0 && this.#grow(bytes + alignment)) start = this.#fit(bytes, alignment);
    if (start === 0) {
      this.trim();
      start = this.#fit(bytes, alignment);
    }
    if (start !== 0) this.#reserved += bytes;
    return start;
  }

  /** The best fit among the free ranges. */
  #fit(bytes: number, alignment: number): number {
    let best = -1;
    let bestBytes = Infinity;
    for (let at = 0; at < this.#ranges.length; at++) {
      const range = this.#ranges[at]!;
      if (range.bytes >= bestBytes) continue;
      const skipped = roundUp(range.start, alignment) - range.start;
      if (range.bytes - skipped < bytes) continue;
      best = at;
      bestBytes = range.bytes;
    }
    if (best < 0) return 0;
    const range = this.#ranges[best]!;
    const start = roundUp(range.start, alignment);
    const rest: Range[] = [];
    if (start > range.start) rest.push({ start: range.start, bytes: start - range.start });
    const end = start + bytes;
    if (range.start + range.bytes > end) rest.push({ start: end, bytes: range.start + range.bytes - end });
    this.#ranges.splice(best, 1, ...rest);
    return start;
  }

  #grow(bytes: number): boolean {
    const before = this.memory.buffer.byteLength;
    const room = maximumPages * wasmPageBytes - before;
    const wanted = Math.min(room, roundUp(Math.max(bytes, growthBytes, Math.floor(before / 4)), wasmPageBytes));
    if (wanted === 0) return false;
    try {
      this.memory.grow(wanted / wasmPageBytes);
    } catch {
      return false;
    }
    this.refresh();
    this.#insert([{ start: before, bytes: wanted }]);
    return true;
  }

  #merge(): void {
    const freed: Range[] = [];
    for (const [pages, starts] of this.#waiting) for (const start of starts) freed.push({ start, bytes: pages * pageBytes });
    this.#waiting.clear();
    this.#waitingBytes = 0;
    if (freed.length > 0) this.#release(freed);
  }

  #release(freed: readonly Range[]): void {
    for (const { bytes } of freed) this.#reserved -= bytes;
    this.#insert(freed);
  }

  #insert(freed: readonly Range[]): void {
    const sorted = [...this.#ranges, ...freed].sort((a, b) => a.start - b.start);
    const merged: Range[] = [];
    for (const { start, bytes } of sorted) {
      const last = merged[merged.length - 1];
      if (last !== undefined && last.start + last.bytes === start) last.bytes += bytes;
      else merged.push({ start, bytes });
    }
    this.#ranges = merged;
  }

  #outOfMemory(bytes: number): OutOfMemoryError {
    return new OutOfMemoryError(
      `Cannot allocate ${bytes} bytes: at most ${this.budget} in use are allowed, got ${this.#bytes} in use; ` +
        `free tensors with scope() or dispose(), or use smaller batches`,
    );
  }
}

/** The class of the smallest block that holds `bytes`: 64, 80, 96, 112, 128, 160 …, four per octave. */
function sizeClassUp(bytes: number): number {
  if (bytes <= smallestBlock) return 0;
  // Between 2^e and 2^(e+1) the classes are 2^e (1 + q/4): the three highest bits of the last byte's number.
  const octave = 31 - Math.clz32(bytes - 1);
  return (octave - 6) * 4 + ((bytes - 1) >>> (octave - 2)) - 3;
}

function classBytes(sizeClass: number): number {
  return 2 ** (6 + (sizeClass >> 2)) * (1 + (sizeClass & 3) / 4);
}

/** The size of a large block: whole pages, sixteen sizes per octave, so that nearly equal requests share blocks at little waste. */
function largeBytes(bytes: number): number {
  return roundUp(bytes, Math.max(pageBytes, 2 ** (27 - Math.clz32(bytes - 1))));
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function notInUse(pointer: number): ArgumentError {
  return new ArgumentError(`Cannot free address ${pointer}: the start of a block in use is needed, got one that is free or unknown`);
}
