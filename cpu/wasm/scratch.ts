/**
 * Working memory that kernels keep between calls, by purpose.
 *
 * @module
 */

/** What scratch memory needs of a heap. */
export interface ScratchHeap {
  /** The memory WebAssembly functions see. */
  readonly memory: WebAssembly.Memory;
  /** Takes bytes, aligned to 16; gives their address. */
  alloc(bytes: number): number;
  /** Gives an address back. */
  free(pointer: number): void;
}

const areas = new WeakMap<ScratchHeap, Map<string, { pointer: number; bytes: number }>>();

/** The address of at least `bytes` bytes kept for a purpose; the content lasts until the same purpose asks for more. */
export function scratchPointer(heap: ScratchHeap, purpose: string, bytes: number): number {
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
