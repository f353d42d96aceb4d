/**
 * Blocked matrix products on the heap: operands of any strides are packed block by block, never copied whole.
 *
 * @module
 */
import type { WasmFunction } from "./encoder.ts";
import {
  type BlockTiles,
  emitBlocks,
  emitCopies,
  emitLoosePacker,
  emitPacker,
  type PackLayout,
  tileColumns,
  tileRows,
} from "./gemm_kernels.ts";
import { functionsOn, type ScratchHeap, scratchPointer } from "./scratch.ts";
import { forEachRange, piecesFor } from "./tasks.ts";
import { emitVectorProducts } from "./vector_kernels.ts";

/** Where a matrix lies: byte address and byte strides along its own dim (M of A, N of B) and along k. */
export interface Operand {
  /** The address of its first element. */
  readonly pointer: number;
  /** Bytes along its own dim. */
  readonly across: number;
  /** Bytes along k. */
  readonly along: number;
}

/** The sizes of C[M, N] = A[M, K] · B[K, N], and where C lies: contiguous rows, `stride` bytes apart. */
export interface Product {
  /** A. */
  readonly a: Operand;
  /** B. */
  readonly b: Operand;
  /** The address of C. */
  readonly pointer: number;
  /** Bytes between rows of C. */
  readonly stride: number;
  /** M. */
  readonly rows: number;
  /** N. */
  readonly columns: number;
  /** K. */
  readonly depth: number;
  /** Whether the product is added to what C holds. */
  readonly accumulate?: boolean;
}

/** Depth of a block when there are several, and how much one block may hold: a panel of each operand stays in the first-level cache. */
const usualDepth = 384;
const mostDepth = 512;

/** Depth between two additions to y in matrix-vector products, so that rounding errors of long sums stay small. */
const vectorDepth = 1024;

/** `copy` and `clear` (see {@link emitCopies}) on a heap's memory. */
export function copyFunctions(heap: ScratchHeap): Record<string, WasmFunction> {
  return functionsOn(heap, "copy", emitCopies);
}

/** Nanoseconds from which a product keeps all threads busy. */
export const longProduct = 1_000_000;

const blockKeys: string[] = [];

/**
 * The function for blocks of a product, all of whose blocks but the last ones hold whole panels. It knows the tiles that they need; every
 * function that knows a tile gives the same bits.
 */
export function blockFunction(heap: ScratchHeap, { rows, columns }: Pick<Product, "rows" | "columns">): WasmFunction {
  const [lastRows, lastColumns] = [rows % tileRows, columns % tileColumns];
  const rest = lastColumns === 0 ? 0 : lastColumns <= 4 ? 4 : 8;
  const [full, tall] = [columns >= tileColumns, rows >= tileRows];
  const key = (lastRows * 16 + rest) * 4 + (full ? 2 : 0) + (tall ? 1 : 0);
  return functionsOn(heap, blockKeys[key] ??= `gemm block ${key}`, (module) => {
    const heights = [...tall ? [tileRows] : [], ...lastRows > 0 ? [lastRows] : []];
    emitBlocks(module, { heights, full, rest } satisfies BlockTiles);
  })["block"]!;
}

/** Multiplies two matrices. Any depth is allowed; depth 0 gives zeros. C must not overlap A or B. */
export function multiply(heap: ScratchHeap, product: Product): void {
  const { rows, columns, depth } = product;
  if (rows === 0 || columns === 0) return;
  if (depth === 0) {
    if (product.accumulate !== true) clearRows(heap, product);
  } else if (!multiplyVector(heap, product)) {
    multiplyInParts(heap, product);
  }
}

/** What a product takes on one thread, in nanoseconds, roughly. */
export function duration({ rows, columns, depth }: Pick<Product, "rows" | "columns" | "depth">): number {
  return rows * columns * depth * nanosecondsPerProduct;
}

/** A multiplication and an addition, and moving one float. */
export const nanosecondsPerProduct = 0.035;
export const nanosecondsPerFloat = 0.5;

/** The same where the matrix is read only once. */
const nanosecondsPerVectorProduct = 0.2;

/** The depth of blocks into which a product is cut: blocks of nearly equal depth, so that no short one is left over. */
export function blockDepth(depth: number): number {
  return depth <= mostDepth ? depth : Math.ceil(depth / Math.ceil(depth / usualDepth) / 8) * 8;
}

function clearRows(heap: ScratchHeap, { pointer, stride, rows, columns }: Product): void {
  const { clear } = copyFunctions(heap);
  for (let row = 0; row < rows; row++) clear!(pointer + row * stride, columns * 4);
}

/** How much of the smaller operand is packed at once: rows or columns, and elements in all. It stays in the last-level cache. */
const commonLength = 102 * tileRows * 4;
const commonElements = 2_500_000;

/** Rows or columns of the larger operand that a piece packs at once, which stay in the second-level cache: whole tiles of both. */
const ownLength = 6 * tileRows * 4;

/** The least rows and columns of a piece, and its shortest time in nanoseconds: less would read the smaller operand too often. */
const leastLength = { rows: 4 * tileRows, columns: 2 * tileColumns };
const shortestPiece = 40_000;

/** Multiplies part after part of the smaller operand with all of the larger one. */
function multiplyInParts(heap: ScratchHeap, product: Product): void {
  const { a, b, pointer, stride, rows, columns, depth, accumulate } = product;
  const deep = blockDepth(depth);
  const length = Math.min(rows, columns, commonLength);
  const most = deep * Math.max(1, Math.floor(commonElements / (length * deep)));
  for (let k = 0; k < depth; k += most) {
    for (let from = 0; from < Math.min(rows, columns); from += length) {
      const [row, column] = columns >= rows ? [from, 0] : [0, from];
      multiplyPart(heap, {
        a: { ...a, pointer: a.pointer + row * a.across + k * a.along },
        b: { ...b, pointer: b.pointer + column * b.across + k * b.along },
        pointer: pointer + row * stride + column * 4,
        stride,
        rows: columns >= rows ? Math.min(length, rows - row) : rows,
        columns: columns >= rows ? columns : Math.min(length, columns - column),
        depth: Math.min(most, depth - k),
        accumulate: k > 0 || accumulate === true,
      }, deep);
    }
  }
}

/**
 * Packs the smaller operand, then multiplies piece by piece of the larger one, which is packed by who multiplies it: so it is still in the
 * nearest cache, and threads wait for each other only once.
 */
function multiplyPart(heap: ScratchHeap, { a, b, pointer, stride, rows, columns, depth, accumulate }: Product, deep: number): void {
  const byColumns = columns >= rows;
  const room = byColumns ? rows : Math.ceil(columns / tileColumns) * tileColumns;
  const packed = scratchPointer(heap, "gemm common", room * depth * 4);
  if (byColumns) packTogether(heap, "rows", a, { target: packed, count: rows, room, depth, deep });
  else packTogether(heap, "columns", b, { target: packed, count: columns, room, depth, deep });
  const [own, operand, size, multiple] = byColumns ? ["columns", b, columns, tileColumns] as const : ["rows", a, rows, tileRows] as const;
  const time = duration({ rows, columns, depth }) + size * depth * nanosecondsPerFloat;
  const pieces = piecesFor(heap, time, Math.min(size / leastLength[own], time / shortestPiece));
  forEachRange(heap, time, size, pieces, multiple, (on, first, last) => {
    const block = blockFunction(on, { rows, columns });
    const tile = scratchPointer(on, "gemm tile", tileRows * tileColumns * 4);
    const panels = scratchPointer(on, "gemm own", Math.min(ownLength, last - first + multiple) * Math.min(deep, depth) * 4);
    for (let from = first; from < last; from += ownLength) {
      const length = Math.min(ownLength, last - from);
      const target = pointer + (byColumns ? from * 4 : from * stride);
      for (let k = 0; k < depth; k += deep) {
        const span = Math.min(deep, depth - k);
        packPanels(on, own, { ...operand, pointer: operand.pointer + from * operand.across + k * operand.along }, panels, length, span);
        const common = packed + k * room * 4;
        const add = k > 0 || accumulate === true ? 1 : 0;
        if (byColumns) block(common, panels, rows, length, span, target, stride, add, tile);
        else block(panels, common, length, columns, span, target, stride, add, tile);
      }
    }
  });
}

/** What {@link packTogether} makes of an operand. */
export interface Packing {
  /** Where the packed blocks go. */
  readonly target: number;
  /** Rows of A or columns of B. */
  readonly count: number;
  /** How many of them a packed block has room for. */
  readonly room: number;
  /** The depth, and that of a block. */
  readonly depth: number;
  readonly deep: number;
}

/** Packs an operand for every block of the depth, one after the other; threads share it. */
export function packTogether(
  heap: ScratchHeap,
  what: "rows" | "columns",
  operand: Operand,
  { target, count, room, depth, deep }: Packing,
): void {
  const time = count * depth * nanosecondsPerFloat;
  const multiple = what === "rows" ? tileRows : tileColumns;
  forEachRange(heap, time, count, piecesFor(heap, time, count / multiple), multiple, (on, from, to) => {
    for (let k = 0; k < depth; k += deep) {
      const span = Math.min(deep, depth - k);
      const source = { ...operand, pointer: operand.pointer + from * operand.across + k * operand.along };
      packPanels(on, what, source, target + (k * room + from * span) * 4, to - from, span);
    }
  });
}

const packKeys = {
  rows: { across: "pack rows across", along: "pack rows along", strided: "pack rows strided" },
  columns: { across: "pack columns across", along: "pack columns along", strided: "pack columns strided" },
} as const;

/** Packs rows of A or columns of B into panels: full ones, then a narrow one for the rest (see `emitBlock`). */
export function packPanels(
  heap: ScratchHeap,
  what: "rows" | "columns",
  operand: Operand,
  target: number,
  count: number,
  depth: number,
): void {
  const width = what === "rows" ? tileRows : tileColumns;
  const panels = Math.floor(count / width);
  const rest = count - panels * width;
  if (panels > 0) {
    const layout: PackLayout = operand.across === 4 ? "across" : operand.along === 4 ? "along" : "strided";
    const pack = functionsOn(heap, packKeys[what][layout], (module) => emitPacker(module, width, layout))["pack"]!;
    pack(operand.pointer, target, panels, depth, operand.along, operand.across);
  }
  if (rest > 0) {
    const narrow = what === "rows" ? rest : rest <= 4 ? 4 : tileColumns;
    const source = operand.pointer + panels * width * operand.across;
    const pack = functionsOn(heap, "pack loose", emitLoosePacker)["packLoose"]!;
    pack(source, target + panels * width * depth * 4, depth, rest, narrow, operand.along, operand.across);
  }
}

/** One row or one column: read the matrix once, in its own order, without packing. False where that does not apply. */
function multiplyVector(heap: ScratchHeap, product: Product): boolean {
  const { a, b, pointer, stride, rows, columns, depth, accumulate } = product;
  if (rows !== 1 && columns !== 1) return false;
  const [matrix, vector, count, step] = rows === 1 ? [b, a, columns, 4] : [a, b, rows, stride];
  const byDots = matrix.along === 4 && vector.along === 4;
  const byRows = matrix.across === 4 && step === 4;
  if (!byDots && !byRows) return false;
  const time = count * depth * nanosecondsPerVectorProduct;
  // 32 columns share a tile, and what is left of them at the end is rounded otherwise: pieces end where tiles do.
  forEachRange(heap, time, count, piecesFor(heap, time, count / 32), 32, (on, from, to) => {
    const functions = functionsOn(on, "vector products", emitVectorProducts);
    for (let k = 0; k < depth; k += vectorDepth) {
      const span = Math.min(vectorDepth, depth - k);
      const first = matrix.pointer + from * matrix.across + k * matrix.along;
      const weights = vector.pointer + k * vector.along;
      const add = k > 0 || accumulate === true ? 1 : 0;
      const target = pointer + from * step;
      if (byDots) functions["dots"]!(first, matrix.across, weights, target, step, to - from, span, add);
      else functions["combine"]!(first, matrix.along, weights, vector.along, target, to - from, span, add);
    }
  });
  return true;
}
