/**
 * Stable sorting and selecting in WebAssembly: a radix sort of the elements' bits, rows or parts of a row on several threads.
 *
 * The order of elements is unique, so it does not matter how the work is cut.
 *
 * @module
 */
import { byteSize, type DType } from "../../../tensor/dtype.ts";
import type { SortKernel, View } from "../../../tensor/kernel.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { Accelerator } from "../../accelerator.ts";
import { address } from "../block.ts";
import type { WasmFunction } from "../encoder.ts";
import { functionsOn, type ScratchHeap, scratchPointer, withMemory } from "../scratch.ts";
import { forEachRange, pieceLength, piecesFor } from "../tasks.ts";
import { onContiguous } from "./planes.ts";
import { counterBytes, type DigitBits, emitSort, type KeyKind, mostCompared, passesOf, sortScratch } from "./sort_kernels.ts";

/** What one element takes, roughly: sorted, selected by its leading digit, compared with the worst of the best. */
const nanoseconds = { sort: 8, many: 3, few: 0.5 };

/** Longer rows are sorted by all threads together. */
const longestRow = 65536;

/** The most pieces of a long row: each needs counters for every digit. */
const mostPieces = 8;

/** The accelerator of sort kernels on a heap, for elements of 32 bits. */
export function createSortAccelerator(heap: ScratchHeap, map: Accelerator<"map">): Accelerator<"sort"> {
  return (kernel, [x], outputs) => {
    if (byteSize[x!.dtype] !== 4) return false;
    const [values, places] = outputs as [View, View];
    if (sizeOf(values.shape) === 0) return true;
    const count = x!.shape.at(-1) ?? 1;
    const wanted = values.shape.at(-1) ?? 1;
    const rows = sizeOf(x!.shape) / count;
    const sort: Sort = { heap, kernel, dtype: x!.dtype, rows, count, wanted, values: address(values), places: address(places) };
    const isLong = count > longestRow && wanted > mostCompared;
    return onContiguous(heap, map, x!, (pointer) => isLong ? sortLong(sort, pointer) : sortShort(sort, pointer));
  };
}

interface Sort {
  readonly heap: ScratchHeap;
  readonly kernel: SortKernel;
  readonly dtype: DType;
  readonly rows: number;
  readonly count: number;
  /** How many of the first of each row are given. */
  readonly wanted: number;
  readonly values: number;
  readonly places: number;
}

function functionsOf(heap: ScratchHeap, { dtype }: Sort, bits: DigitBits): Record<string, WasmFunction> {
  const kind: KeyKind = dtype === "float32" ? "float" : dtype === "int32" ? "signed" : "unsigned";
  return functionsOn(heap, `sort ${kind} ${bits}`, (module) => emitSort(module, kind, bits));
}

/** Each row by one thread. */
function sortShort(sort: Sort, x: number): void {
  const { heap, kernel, rows, count, wanted, values, places } = sort;
  const way = wanted <= mostCompared ? "few" : wanted <= count / 4 ? "many" : "sort";
  const name = { few: "selectFew", many: "selectMany", sort: "sortRows" }[way];
  const bits = way === "sort" && count >= 8192 ? 11 : 8;
  const flip = kernel.descending ? -1 : 0;
  const time = rows * count * nanoseconds[way];
  forEachRange(heap, time, rows, piecesFor(heap, time, rows), 1, (on, from, to) => {
    const scratch = scratchPointer(on, "sort", way === "few" ? wanted * 8 : sortScratch(count, bits));
    const [first, result] = [x + from * count * 4, from * wanted * 4];
    functionsOf(on, sort, bits)[name]!(first, count * 4, values + result, places + result, to - from, count, wanted, flip, scratch);
  });
}

/** One row after the other, its parts by several threads: they are counted, then each knows where its pairs of a digit go. */
function sortLong(sort: Sort, x: number): void {
  const { heap, kernel, rows, count, wanted } = sort;
  const bits = 11;
  const flip = kernel.descending ? -1 : 0;
  const time = count * nanoseconds.sort / passesOf(bits);
  const pieces = Math.min(mostPieces, piecesFor(heap, time, count));
  const length = pieceLength(count, pieces, 1);
  const parts = Math.ceil(count / length);
  withMemory(heap, 16 * count + parts * counterBytes(bits), (pairs) => {
    const other = pairs + 8 * count;
    const counters = other + 8 * count;
    const each = (size: number, body: (functions: Record<string, WasmFunction>, from: number, size: number, part: number) => void) =>
      forEachRange(heap, time, size, pieces, 1, (on, from, to) => body(functionsOf(on, sort, bits), from, to - from, from / length));
    for (let row = 0; row < rows; row++) {
      const first = x + row * count * 4;
      each(count, ({ fill }, from, size) => fill!(first + from * 4, size, from, pairs + from * 8, flip));
      let [source, target] = [pairs, other];
      for (let pass = 0; pass < passesOf(bits); pass++) {
        new Int32Array(heap.memory.buffer, counters, parts << bits).fill(0);
        const at = (part: number) => counters + part * counterBytes(bits);
        each(count, (functions, from, size, part) => functions["count"]!(source + from * 8, size, pass * bits, at(part)));
        placeDigits(new Int32Array(heap.memory.buffer, counters, parts << bits), parts, 1 << bits, target);
        each(count, (functions, from, size, part) => functions["distribute"]!(source + from * 8, size, pass * bits, at(part)));
        [source, target] = [target, source];
      }
      const result = row * wanted * 4;
      each(wanted, ({ write }, from, size) => {
        const to = result + from * 4;
        write!(source + from * 8, size, first, sort.values + to, sort.places + to, flip);
      });
    }
  });
}

/** From how many pairs of each digit each part has to where the first of them goes. */
function placeDigits(counters: Int32Array, parts: number, digits: number, target: number): void {
  let place = target;
  for (let digit = 0; digit < digits; digit++) {
    for (let part = 0; part < parts; part++) {
      const at = part * digits + digit;
      const count = counters[at]!;
      counters[at] = place;
      place += count * 8;
    }
  }
}
