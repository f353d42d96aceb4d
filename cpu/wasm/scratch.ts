/**
 * Working memory that kernels keep between calls, by purpose.
 *
 * @module
 */
import { instantiateOnce, type ModuleBuilder, type WasmFunction } from "./encoder.ts";

/** What scratch memory needs of a heap. */
export interface ScratchHeap {
  /** The memory WebAssembly functions see. */
  readonly memory: WebAssembly.Memory;
  /** Takes bytes, aligned to 16; gives their address. */
  alloc(bytes: number): number;
  /** Gives an address back. */
  free(pointer: number): void;
  /** Where calls are noted instead of made: then the thread that makes them supplies the scratch memory. */
  readonly recorder?: Recorder;
}

/** Notes calls for other threads. */
export interface Recorder {
  /** Stands for the address of scratch memory of the thread that will make the calls; offsets may be added, nothing else done with it. */
  scratch(purpose: string, bytes: number): number;
  /** Notes one call. */
  note(fn: WasmFunction, ...args: number[]): number;
  /** Functions that note their calls. */
  noting(functions: Record<string, WasmFunction>): Record<string, WasmFunction>;
}

const areas = new WeakMap<ScratchHeap, Map<string, { pointer: number; bytes: number }>>();

/** The address of at least `bytes` bytes kept for a purpose; the content lasts until the same purpose asks for more. */
export function scratchPointer(heap: ScratchHeap, purpose: string, bytes: number): number {
  if (heap.recorder !== undefined) return heap.recorder.scratch(purpose, bytes);
  let byPurpose = areas.get(heap);
  if (byPurpose === undefined) areas.set(heap, byPurpose = new Map());
  const known = byPurpose.get(purpose);
  if (known !== undefined && known.bytes >= bytes) return known.pointer;
  if (known !== undefined) {
    heap.free(known.pointer);
    byPurpose.delete(purpose);
  }
  const pointer = heap.alloc(bytes);
  byPurpose.set(purpose, { pointer, bytes });
  return pointer;
}

/** Memory for the time of a call. */
export function withMemory(heap: ScratchHeap, bytes: number, use: (pointer: number) => void): void {
  const pointer = heap.alloc(bytes);
  try {
    use(pointer);
  } finally {
    heap.free(pointer);
  }
}

/** The functions of the module `build` writes, to be called on a heap's memory. */
export function functionsOn(heap: ScratchHeap, key: string, build: (module: ModuleBuilder) => void): Record<string, WasmFunction> {
  const functions = instantiateOnce(heap.memory, key, build);
  return heap.recorder === undefined ? functions : heap.recorder.noting(functions);
}
