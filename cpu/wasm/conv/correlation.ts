/**
 * The product of packed weights with shifted images, which both the forward pass and the input gradient are.
 *
 * @module
 */
import { blockDepth, type Operand, packTogether } from "../gemm.ts";
import { tileColumns, tileRows } from "../gemm_kernels.ts";
import { functionsOn, type ScratchHeap, scratchPointer } from "../scratch.ts";
import type { WasmFunction } from "../encoder.ts";
import type { Pair } from "./geometry.ts";
import { emitConvolution } from "./kernels.ts";

/** Rows of packed weights that one pass over the image uses, so that they stay in the second-level cache. */
const passRows = 48 * tileRows;

/** The functions of {@link emitConvolution} on a heap's memory. */
export function convFunctions(heap: ScratchHeap): Record<string, WasmFunction> {
  return functionsOn(heap, "convolution", emitConvolution);
}

/** Packs A for every block of the depth, one after the other. */
export function packWeights(heap: ScratchHeap, a: Operand, target: number, rows: number, depth: number): void {
  packTogether(heap, "rows", a, { target, count: rows, room: rows, depth, deep: blockDepth(depth) });
}

/** One product of packed weights with shifted images. */
export interface Correlation {
  readonly packed: number;
  readonly rows: number;
  readonly table: number;
  readonly depth: number;
  readonly images: number;
  /** Where the first image lies, and the bytes to the next image and to the image row of the next output row. */
  readonly image: number;
  readonly imageStep: number;
  readonly rowStep: number;
  readonly output: Pair;
  /** Where the output lies, and the bytes between its images, its rows of C and its rows of pixels. */
  readonly pointer: number;
  readonly outputStep: number;
  readonly stride: number;
  readonly step: number;
}

/** C[rows, positions] = packed weights · shifted images. */
export function correlate(heap: ScratchHeap, pass: Correlation): void {
  const { packed, rows, table, depth, images, image, imageStep, rowStep, output, pointer, outputStep, stride, step } = pass;
  const functions = convFunctions(heap);
  const tile = scratchPointer(heap, "gemm tile", tileRows * tileColumns * 4);
  const deep = blockDepth(depth);
  for (let k = 0; k < depth; k += deep) {
    const span = Math.min(deep, depth - k);
    for (let row = 0; row < rows; row += passRows) {
      const a = packed + (k * rows + row * span) * 4;
      const height = Math.min(passRows, rows - row);
      const add = k > 0 ? 1 : 0;
      for (let item = 0; item < images; item++) {
        const from = image + item * imageStep;
        const to = pointer + item * outputStep + row * stride;
        functions["correlate"]!(a, height, table + k * 4, span, from, rowStep, output[0], output[1], to, stride, step, add, tile);
      }
    }
  }
}
