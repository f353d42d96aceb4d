/**
 * Cutting the calls of map and row code: each piece has an argument block of its own, with a part of one dim.
 *
 * @module
 */
import type { ArgumentBlock } from "./block.ts";
import type { WasmFunction } from "./encoder.ts";
import type { ScratchHeap } from "./scratch.ts";
import { forEachPiece, pieceLength, piecesFor, runnerOf } from "./tasks.ts";

/** What is known of the block of one call. */
export interface BlockLayout {
  /** Operands: their addresses follow each other from word `pointers` on, the byte strides of the vectors' dim from word `strides` on. */
  readonly operands: number;
  readonly pointers: number;
  readonly strides: number;
  /** The word where the odometer of the outer dims starts, and how many dims it has. */
  readonly odometer: number;
  readonly dims: number;
  /** Words in all. */
  readonly words: number;
  /** Whether the vectors' dim (its size in word 0) may be cut. */
  readonly cutsVectors: boolean;
}

/** Fewer parts than this of the outermost dim are too few when the vectors' dim gives more. */
const enoughParts = 8;

/** Vectors' dims are cut at whole cache lines. */
const lineElements = 16;

/**
 * Runs `fn` on pieces of what the block describes; false when it cannot be cut.
 *
 * @param patch Called with each piece's words, where they start, and the position of the piece in elements of the dim that is cut.
 */
export function runInPieces(
  heap: ScratchHeap,
  block: ArgumentBlock,
  fn: WasmFunction,
  nanoseconds: number,
  layout: BlockLayout,
  patch: (words: Int32Array, pointer: number, from: number) => void,
): boolean {
  const cut = chooseCut(block.words, layout);
  const pieces = piecesFor(heap, nanoseconds, cut.size / cut.multiple);
  if (pieces === 1) return false;
  const length = pieceLength(cut.size, pieces, cut.multiple);
  const count = Math.ceil(cut.size / length);
  const bytes = Math.ceil(layout.words / 16) * 64;
  const pointer = runnerOf(heap)!.blocks(count, bytes);
  for (let index = 0; index < count; index++) {
    const from = index * length;
    const words = new Int32Array(heap.memory.buffer, pointer + index * bytes, layout.words);
    words.set(block.words.subarray(0, layout.words));
    words[cut.word] = Math.min(length, cut.size - from);
    for (let k = 0; k < layout.operands; k++) words[layout.pointers + k]! += from * cut.strides[k]!;
    patch(words, pointer + index * bytes, from);
  }
  forEachPiece(heap, nanoseconds, count, (on, index) => {
    if (on.recorder === undefined) fn(pointer + index * bytes);
    else on.recorder.note(fn, pointer + index * bytes);
  });
  return true;
}

interface Cut {
  /** The word that holds the size. */
  readonly word: number;
  readonly size: number;
  /** What pieces have to be a multiple of. */
  readonly multiple: number;
  /** Bytes from one position to the next, by operand. */
  readonly strides: readonly number[];
}

function chooseCut(words: Int32Array<ArrayBufferLike>, layout: BlockLayout): Cut {
  const { operands, strides, odometer, dims, cutsVectors } = layout;
  const outermost = odometer + (dims - 1) * (2 + operands);
  const parts = dims > 0 ? words[outermost]! : 1;
  if (cutsVectors && parts < enoughParts && words[0]! > parts * lineElements) {
    return { word: 0, size: words[0]!, multiple: lineElements, strides: Array.from({ length: operands }, (_, k) => words[strides + k]!) };
  }
  return { word: outermost, size: parts, multiple: 1, strides: outermostStrides(words, layout) };
}

/** The byte strides of the odometer's last dim: what it adds, and what the dims inside it have moved before. */
function outermostStrides(words: Int32Array<ArrayBufferLike>, { operands, odometer, dims }: BlockLayout): number[] {
  return Array.from({ length: operands }, (_, k) => {
    let moved = 0;
    let stride = 0;
    for (let dim = 0; dim < dims; dim++) {
      const at = odometer + dim * (2 + operands);
      stride = words[at + 2 + k]! + moved;
      moved += (words[at]! - 1) * stride;
    }
    return stride;
  });
}
