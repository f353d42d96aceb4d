/**
 * Blocked matrix products on the heap: operands of any strides are packed block by block, never copied whole.
 *
 * @module
 */
import { instantiateOnce, type WasmFunction } from "./encoder.ts";
import { emitGemm, tileColumns, tileRows } from "./gemm_kernels.ts";
import { type ScratchHeap, scratchPointer } from "./scratch.ts";

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
const usualDepth = 256;
const mostDepth = 384;

/** Rows of a packed block of A, which stays in the second-level cache. */
const blockRows = 24 * tileRows;

/** Columns of a packed block of B. */
const blockColumns = 128 * tileColumns;

/** Depth between two additions to y in matrix-vector products, so that rounding errors of long sums stay small. */
const vectorDepth = 1024;

/** The functions of {@link emitGemm} on a heap's memory. */
export function gemmFunctions(heap: ScratchHeap): Record<string, WasmFunction> {
  return instantiateOnce(heap.memory, "gemm", emitGemm);
}

/** Multiplies two matrices. Any depth is allowed; depth 0 gives zeros. C must not overlap A or B. */
export function multiply(heap: ScratchHeap, product: Product): void {
  const { rows, columns, depth } = product;
  if (rows === 0 || columns === 0) return;
  if (depth === 0) {
    if (product.accumulate !== true) clearRows(heap, product);
  } else if (!multiplyVector(heap, product)) {
    multiplyBlocks(heap, product);
  }
}

/** The depth of blocks into which a product is cut: blocks of nearly equal depth, so that no short one is left over. */
export function blockDepth(depth: number): number {
  return depth <= mostDepth ? depth : Math.ceil(depth / Math.ceil(depth / usualDepth) / 8) * 8;
}

/** Bytes by which tiles may read past the end of packed rows. */
export const packedSlack = 16;

function clearRows(heap: ScratchHeap, { pointer, stride, rows, columns }: Product): void {
  const bytes = new Uint8Array(heap.memory.buffer);
  for (let row = 0; row < rows; row++) bytes.fill(0, pointer + row * stride, pointer + row * stride + columns * 4);
}

function multiplyBlocks(heap: ScratchHeap, { a, b, pointer, stride, rows, columns, depth, accumulate }: Product): void {
  const { block } = gemmFunctions(heap);
  const deep = blockDepth(depth);
  const packedA = scratchPointer(heap, "gemm a", Math.min(rows, blockRows) * deep * 4 + packedSlack);
  const packedB = scratchPointer(heap, "gemm b", Math.min(columns + tileColumns, blockColumns) * deep * 4);
  const tile = scratchPointer(heap, "gemm tile", tileRows * tileColumns * 4);
  for (let column = 0; column < columns; column += blockColumns) {
    const width = Math.min(blockColumns, columns - column);
    for (let k = 0; k < depth; k += deep) {
      const span = Math.min(deep, depth - k);
      packPanels(heap, "columns", { ...b, pointer: b.pointer + column * b.across + k * b.along }, packedB, width, span);
      for (let row = 0; row < rows; row += blockRows) {
        const height = Math.min(blockRows, rows - row);
        packPanels(heap, "rows", { ...a, pointer: a.pointer + row * a.across + k * a.along }, packedA, height, span);
        const target = pointer + row * stride + column * 4;
        block!(packedA, packedB, height, width, span, target, stride, k > 0 || accumulate === true ? 1 : 0, tile);
      }
    }
  }
}

/** Packs rows of A or columns of B into panels: full ones, then a narrow one for the rest (see `emitBlock`). */
export function packPanels(
  heap: ScratchHeap,
  what: "rows" | "columns",
  operand: Operand,
  target: number,
  count: number,
  depth: number,
): void {
  const functions = gemmFunctions(heap);
  const width = what === "rows" ? tileRows : tileColumns;
  const panels = Math.floor(count / width);
  const rest = count - panels * width;
  if (panels > 0) {
    const pack = what === "rows" ? functions["packRows"]! : functions["packColumns"]!;
    pack(operand.pointer, target, panels, depth, operand.along, operand.across);
  }
  if (rest > 0) {
    const narrow = what === "rows" ? rest : rest <= 4 ? 4 : tileColumns;
    const source = operand.pointer + panels * width * operand.across;
    functions["packLoose"]!(source, target + panels * width * depth * 4, depth, rest, narrow, operand.along, operand.across);
  }
}

/** One row or one column: read the matrix once, in its own order, without packing. False where that does not apply. */
function multiplyVector(heap: ScratchHeap, product: Product): boolean {
  const { a, b, pointer, stride, rows, columns, depth, accumulate } = product;
  if (rows !== 1 && columns !== 1) return false;
  const [matrix, vector, count, step] = rows === 1 ? [b, a, columns, 4] : [a, b, rows, stride];
  const functions = gemmFunctions(heap);
  const byDots = matrix.along === 4 && vector.along === 4;
  const byRows = matrix.across === 4 && step === 4;
  if (!byDots && !byRows) return false;
  for (let k = 0; k < depth; k += vectorDepth) {
    const span = Math.min(vectorDepth, depth - k);
    const from = matrix.pointer + k * matrix.along;
    const weights = vector.pointer + k * vector.along;
    const add = k > 0 || accumulate === true ? 1 : 0;
    if (byDots) functions["dots"]!(from, matrix.across, weights, pointer, step, count, span, add);
    else functions["combine"]!(from, matrix.along, weights, vector.along, pointer, count, span, add);
  }
  return true;
}
