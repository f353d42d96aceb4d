/**
 * Writing pieces of work down: calls of generated functions as lists of numbers, and playing them on this thread.
 *
 * @module
 */
import { sourceOf, type WasmFunction } from "./wasm/encoder.ts";
import type { Recorder, ScratchHeap } from "./wasm/scratch.ts";
import { mostFunctions, scratchMark } from "./worker.ts";

/** A module whose functions threads make themselves. */
export interface SharedModule {
  /** The encoded module. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where it lies in the heap. */
  readonly pointer: number;
  /** Whether it was copied there. */
  isWritten: boolean;
}

/** A function that threads do not know yet. */
export interface NewFunction {
  /** Its number in calls. */
  readonly number: number;
  /** Where it comes from. */
  readonly module: SharedModule;
  /** Its place among the module's exports. */
  readonly place: number;
}

/** What a recorder needs of a heap. */
export type Allocator = Pick<ScratchHeap, "alloc" | "free">;

/** A job may bring this many new functions; the table is emptied before that could pass its end. */
const reservedFunctions = 512;

/** Notes the calls of one job after the other. */
export class CallRecorder implements Recorder {
  /** The heap on which pieces write their calls. */
  readonly heap: ScratchHeap;
  /** Changes when functions are numbered anew. */
  epoch = 0;
  /** Bytes of scratch memory that each thread needs. */
  arenaBytes = 0;
  readonly #allocator: Allocator;
  #calls = new Float64Array(1024);
  #length = 0;
  readonly #areas = new Map<string, { offset: number; bytes: number }>();
  readonly #numbers = new Map<WasmFunction, number>();
  readonly #functions: WasmFunction[] = [];
  readonly #modules = new Map<Uint8Array, SharedModule>();
  readonly #noting = new WeakMap<Record<string, WasmFunction>, Record<string, WasmFunction>>();
  #told = 0;

  /** Makes a recorder for functions on a memory. */
  constructor(memory: WebAssembly.Memory, allocator: Allocator) {
    this.#allocator = allocator;
    this.heap = { memory, alloc: (bytes) => allocator.alloc(bytes), free: (pointer) => allocator.free(pointer), recorder: this };
  }

  /** How many numbers the calls so far take. */
  get length(): number {
    return this.#length;
  }

  /** The calls so far: number of the function, number of arguments, arguments. */
  get calls(): Float64Array<ArrayBuffer> {
    return this.#calls.subarray(0, this.#length);
  }

  /** Starts a new job. */
  begin(): void {
    this.#length = 0;
    this.arenaBytes = 0;
    this.#areas.clear();
    if (this.#functions.length <= mostFunctions - reservedFunctions) return;
    for (const { pointer } of this.#modules.values()) this.#allocator.free(pointer);
    this.#modules.clear();
    this.#numbers.clear();
    this.#functions.length = 0;
    this.#told = 0;
    this.epoch++;
  }

  /** Stands for the address of scratch memory of the thread that will make the calls. */
  scratch(purpose: string, bytes: number): number {
    let area = this.#areas.get(purpose);
    if (area === undefined || area.bytes < bytes) {
      this.#areas.set(purpose, area = { offset: this.arenaBytes, bytes });
      this.arenaBytes += Math.ceil(bytes / 64) * 64;
    }
    return scratchMark + area.offset;
  }

  /** Notes one call. */
  note(fn: WasmFunction, ...args: number[]): number {
    return this.#append(this.#numberOf(fn), args);
  }

  /** Functions that note their calls. */
  noting(functions: Record<string, WasmFunction>): Record<string, WasmFunction> {
    let noting = this.#noting.get(functions);
    if (noting === undefined) {
      const entries = Object.entries(functions).map(([name, fn]) => [name, this.#notingOne(fn)] as const);
      this.#noting.set(functions, noting = Object.fromEntries(entries));
    }
    return noting;
  }

  #notingOne(fn: WasmFunction): WasmFunction {
    let number = 0;
    let epoch = -1;
    return (...args: number[]) => {
      if (epoch !== this.epoch) {
        number = this.#numberOf(fn);
        epoch = this.epoch;
      }
      return this.#append(number, args);
    };
  }

  #numberOf(fn: WasmFunction): number {
    let number = this.#numbers.get(fn);
    if (number === undefined) {
      number = this.#functions.push(fn) - 1;
      this.#numbers.set(fn, number);
    }
    return number;
  }

  #append(number: number, args: readonly number[]): number {
    const end = this.#length + 2 + args.length;
    if (end > this.#calls.length) {
      const before = this.#calls;
      this.#calls = new Float64Array(2 * end);
      this.#calls.set(before);
    }
    const calls = this.#calls;
    calls[this.#length] = number;
    calls[this.#length + 1] = args.length;
    for (let at = 0; at < args.length; at++) calls[this.#length + 2 + at] = args[at]!;
    this.#length = end;
    return 0;
  }

  /** The functions noted for the first time since the last call, with room for their modules. */
  takeSources(): NewFunction[] {
    const added: NewFunction[] = [];
    for (; this.#told < this.#functions.length; this.#told++) {
      const { bytes, place } = sourceOf(this.#functions[this.#told]!)!;
      let module = this.#modules.get(bytes);
      if (module === undefined) {
        this.#modules.set(bytes, module = { bytes, pointer: this.#allocator.alloc(bytes.length), isWritten: false });
      }
      added.push({ number: this.#told, module, place });
    }
    return added;
  }

  /** Makes the calls from one place in the list to another on this thread, whose scratch memory lies at `arena`. */
  play(from: number, to: number, arena: number): void {
    const calls = this.#calls;
    for (let at = from; at < to;) {
      const fn = this.#functions[calls[at]!]!;
      const end = at + 2 + calls[at + 1]!;
      const args: number[] = [];
      for (at += 2; at < end; at++) args.push(calls[at]! < scratchMark / 2 ? calls[at]! : calls[at]! - scratchMark + arena);
      fn(...args);
    }
  }
}
