/**
 * Some images of a batch with zeros around them, their columns sorted so that those a stride apart are neighbours.
 *
 * @module
 */
import type { View } from "../../tensor/kernel.ts";
import { address } from "./block.ts";
import { gemmFunctions } from "./gemm.ts";
import { type ScratchHeap, scratchPointer } from "./scratch.ts";

/** Where a batch of images, [batch, channels, height, width] or without the height, lies: address and strides in bytes. */
export interface Planes {
  /** The address of the first element. */
  readonly pointer: number;
  /** Bytes from an image to the next. */
  readonly batch: number;
  /** Bytes from a channel to the next. */
  readonly channel: number;
  /** Bytes from a row to the next. */
  readonly row: number;
  /** Bytes from a column to the next. */
  readonly column: number;
  /** Height and width. */
  readonly size: readonly [number, number];
  /** Whether an image's rows follow each other with the columns' stride. */
  readonly isFlat: boolean;
}

/** Reads the strides of a view of rank 3 or 4. */
export function planesOf(view: View): Planes {
  const { shape, strides } = view;
  const flat = shape.length === 3;
  const [batch, channel] = [strides[0]! * 4, strides[1]! * 4];
  const [row, column] = flat ? [0, strides[2]! * 4] : [strides[2]! * 4, strides[3]! * 4];
  const size = flat ? [1, shape[2]!] as const : [shape[2]!, shape[3]!] as const;
  return { pointer: address(view), batch, channel, row, column, size, isFlat: size[0] === 1 || row === size[1] * column };
}

/** Vector loads of up to 8 columns may pass the last row's end by this many bytes. */
const slack = 64;

/** The scratch images. */
export class PaddedImages {
  /** The first image's address. */
  readonly pointer: number;
  /** Bytes from an image to the next. */
  readonly image: number;
  /** Bytes from a channel to the next. */
  readonly plane: number;
  /** Bytes from a row to the next. */
  readonly pitch: number;
  /** How many images there is room for. */
  readonly count: number;
  readonly #heap: ScratchHeap;
  readonly #channels: number;
  readonly #input: readonly [number, number];
  readonly #padding: readonly [number, number];
  readonly #extent: readonly [number, number];
  readonly #phases: number;
  readonly #phase: number;

  /**
   * Takes scratch memory, of which there is one for all.
   *
   * @param heap Where.
   * @param count Images at once.
   * @param channels Channels of an image.
   * @param input Height and width of an image.
   * @param padding Rows above it and columns left of it.
   * @param extent Rows and columns in all; what lies beyond is cut.
   * @param phases The stride of the columns that become neighbours.
   */
  constructor(
    heap: ScratchHeap,
    count: number,
    channels: number,
    input: readonly [number, number],
    padding: readonly [number, number],
    extent: readonly [number, number],
    phases: number,
  ) {
    this.#heap = heap;
    this.#channels = channels;
    this.#input = input;
    this.#padding = padding;
    this.#extent = extent;
    this.#phases = phases;
    this.pitch = Math.ceil(extent[1] / phases) * 4;
    this.#phase = this.pitch * extent[0];
    this.plane = this.#phase * phases;
    this.image = this.plane * channels;
    this.count = count;
    const bytes = this.image * count + slack;
    this.pointer = scratchPointer(heap, "conv image", bytes);
    new Uint8Array(heap.memory.buffer, this.pointer, bytes).fill(0);
  }

  /** The byte offset of a padded position in an image. */
  offset(channel: number, row: number, column: number): number {
    const phase = column % this.#phases;
    return channel * this.plane + phase * this.#phase + row * this.pitch + (column - phase) / this.#phases * 4;
  }

  /** Copies images of a batch in, `item` and those after it; what lies around them stays zero. */
  fill(source: Planes, item: number, count: number): void {
    for (let slot = 0; slot < count; slot++) this.#fillOne(source, item + slot, slot * this.image);
  }

  #fillOne(source: Planes, item: number, at: number): void {
    const { copy } = gemmFunctions(this.#heap);
    const [top, left] = this.#padding;
    const rows = Math.min(this.#input[0], this.#extent[0] - top);
    const end = Math.min(left + this.#input[1], this.#extent[1]);
    if (rows <= 0) return;
    const row = this.#input[0] === 1 ? 0 : source.row;
    for (let column = left; column < Math.min(left + this.#phases, end); column++) {
      const from = source.pointer + item * source.batch + (column - left) * source.column;
      const count = Math.ceil((end - column) / this.#phases);
      const step = this.#phases * source.column;
      const to = this.pointer + at + this.offset(0, top, column);
      copy!(from, to, this.#channels, rows, count, source.channel, row, step, this.plane, this.pitch, 4);
    }
  }
}
