/**
 * Some images of a batch with zeros around them, their columns sorted so that those a stride apart are neighbours.
 *
 * @module
 */
import type { View } from "../../../tensor/kernel.ts";
import { address } from "../block.ts";
import { copyFunctions } from "../gemm.ts";
import { type ScratchHeap, scratchPointer } from "../scratch.ts";

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

/** Vector loads of up to 8 columns may pass the last row's end by this many bytes; what they find there is thrown away. */
const slack = 64;

/** What padded images are made of. */
export interface PaddedShape {
  /** Images at once. */
  readonly count: number;
  /** Channels of an image. */
  readonly channels: number;
  /** Height and width of an image. */
  readonly input: readonly [number, number];
  /** Rows above it and columns left of it. */
  readonly padding: readonly [number, number];
  /** Rows and columns in all; what lies beyond is cut. */
  readonly extent: readonly [number, number];
  /** The stride of the columns that become neighbours. */
  readonly phases: number;
}

/** Rows and columns of padded images, each from and to. */
export interface Window {
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

/** Images of a batch, some at once: `item` and those after it. */
export interface Images {
  readonly item: number;
  readonly images: number;
}

/** The layout of scratch images; every thread has its own memory for them. */
export class PaddedImages {
  /** Bytes from an image to the next. */
  readonly image: number;
  /** Bytes from a channel to the next. */
  readonly plane: number;
  /** Bytes from a row to the next. */
  readonly pitch: number;
  readonly #shape: PaddedShape;
  readonly #phase: number;

  /** Lays images out. */
  constructor(shape: PaddedShape) {
    this.#shape = shape;
    this.pitch = Math.ceil(shape.extent[1] / shape.phases) * 4;
    this.#phase = this.pitch * shape.extent[0];
    this.plane = this.#phase * shape.phases;
    this.image = this.plane * shape.channels;
  }

  /** The byte offset of a padded position in an image. */
  offset(channel: number, row: number, column: number): number {
    const { phases } = this.#shape;
    const phase = column % phases;
    return channel * this.plane + phase * this.#phase + row * this.pitch + (column - phase) / phases * 4;
  }

  /** The address of scratch memory for the images, of which there is one for all; its content is undefined. */
  take(heap: ScratchHeap): number {
    return scratchPointer(heap, "conv image", this.image * this.#shape.count + slack);
  }

  /** Fills so many images at an address with zeros. */
  clear(heap: ScratchHeap, pointer: number, count: number): void {
    copyFunctions(heap)["clear"]!(pointer, count * this.image);
  }

  /** Copies images, or what a window shows of them, to an address; what lies around them stays as it is. */
  fill(heap: ScratchHeap, pointer: number, source: Planes, { item, images }: Images, window?: Window): void {
    const { extent } = this.#shape;
    const { rows, columns } = window ?? { rows: [0, extent[0]], columns: [0, extent[1]] };
    for (let slot = 0; slot < images; slot++) {
      this.#fillOne(
        heap,
        pointer + slot * this.image,
        { ...source, pointer: source.pointer + (item + slot) * source.batch },
        rows,
        columns,
      );
    }
  }

  #fillOne(heap: ScratchHeap, pointer: number, source: Planes, rows: Window["rows"], columns: Window["columns"]): void {
    const { copy } = copyFunctions(heap);
    const { channels, input, padding: [top, left], extent, phases } = this.#shape;
    const [firstRow, lastRow] = [Math.max(top, rows[0]), Math.min(top + input[0], extent[0], rows[1])];
    const [start, end] = [Math.max(left, columns[0]), Math.min(left + input[1], extent[1], columns[1])];
    if (firstRow >= lastRow) return;
    const rowStep = input[0] === 1 ? 0 : source.row;
    for (let column = start; column < Math.min(start + phases, end); column++) {
      const from = source.pointer + (firstRow - top) * rowStep + (column - left) * source.column;
      const count = Math.ceil((end - column) / phases);
      const step = phases * source.column;
      const to = pointer + this.offset(0, firstRow, column);
      copy!(from, to, channels, lastRow - firstRow, count, source.channel, rowStep, step, this.plane, this.pitch, 4);
    }
  }
}
