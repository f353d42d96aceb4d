/**
 * Work in pieces that threads may share. Pieces never depend on the number of threads, so neither do results.
 *
 * @module
 */
import type { ScratchHeap } from "./scratch.ts";

/** Writes piece number `index`: calls of generated functions, with the functions and the scratch memory of the heap it is given. */
export type Piece = (heap: ScratchHeap, index: number) => void;

/** Something that runs pieces on several threads. */
export interface TaskRunner {
  /** Runs all pieces and returns when all are done; false, before anything is done, when they should run here. */
  run(nanoseconds: number, count: number, piece: Piece): boolean;
  /** Addresses of `count` blocks of `bytes` bytes that stay as they are until the next pieces run. */
  blocks(count: number, bytes: number): number;
}

const runners = new WeakMap<ScratchHeap, TaskRunner>();

/** Makes a heap's work shared from now on. */
export function shareWork(heap: ScratchHeap, runner: TaskRunner): void {
  runners.set(heap, runner);
}

/** The runner of a heap whose work is shared. */
export function runnerOf(heap: ScratchHeap): TaskRunner | undefined {
  return runners.get(heap);
}

/** Work shorter than this stays on one thread: waking others and waiting for them takes some microseconds. */
export const worthSharing = 40_000;

/** The shortest piece, in nanoseconds, and the most pieces: enough to even out threads of unequal speed. */
const shortestPiece = 10_000;
const mostPieces = 32;

/** Into how many pieces work of an estimated duration is cut; 1 when it is too short or cannot be shared. */
export function piecesFor(heap: ScratchHeap, nanoseconds: number, most: number): number {
  if (nanoseconds < worthSharing || most < 2 || !runners.has(heap)) return 1;
  return fixedPieces(nanoseconds, most);
}

/** The same number whether or not there are threads, for work whose rounding depends on it. */
export function fixedPieces(nanoseconds: number, most: number): number {
  if (nanoseconds < worthSharing) return 1;
  return Math.max(1, Math.min(mostPieces, Math.floor(most), Math.floor(nanoseconds / shortestPiece)));
}

/** Runs pieces, on several threads where that is worth it. They must not depend on each other. */
export function forEachPiece(heap: ScratchHeap, nanoseconds: number, count: number, piece: Piece): void {
  if (count > 1 && nanoseconds >= worthSharing && runners.get(heap)?.run(nanoseconds, count, piece) === true) return;
  for (let index = 0; index < count; index++) piece(heap, index);
}

/** Runs pieces of a range: `count` of them, each but the last as long and a multiple of `multiple`. */
export function forEachRange(
  heap: ScratchHeap,
  nanoseconds: number,
  size: number,
  count: number,
  multiple: number,
  range: (heap: ScratchHeap, from: number, to: number) => void,
): void {
  const length = pieceLength(size, count, multiple);
  forEachPiece(heap, nanoseconds, Math.ceil(size / length), (on, index) => range(on, index * length, Math.min(size, (index + 1) * length)));
}

/** The length of pieces. */
export function pieceLength(size: number, count: number, multiple: number): number {
  return Math.max(multiple, Math.ceil(size / count / multiple) * multiple);
}
