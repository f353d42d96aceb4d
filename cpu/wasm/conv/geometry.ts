/**
 * The sizes of a convolution, and how its images are cut into units of work.
 *
 * @module
 */
import type { ConvKernel, View } from "../../../tensor/kernel.ts";
import { address } from "../block.ts";
import { copyFunctions, duration } from "../gemm.ts";
import { type ScratchHeap, scratchPointer } from "../scratch.ts";
import { forEachRange, piecesFor } from "../tasks.ts";
import { PaddedImages, planesOf } from "./padded_image.ts";

/** Two numbers: of rows and of columns, or from and to. */
export type Pair = readonly [number, number];

/** Sizes of a convolution in two dims, those of one dim having height 1. */
export interface Geometry {
  readonly batch: number;
  readonly groups: number;
  /** Input and output channels of one group. */
  readonly channels: number;
  readonly filters: number;
  /** Height and width of the input, the output and the kernel. */
  readonly input: Pair;
  readonly output: Pair;
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
}

/** The sizes of a kernel on an input, weights and an output. */
export function geometryOf({ groups, stride, padding, dilation }: ConvKernel, x: View, w: View, y: View): Geometry {
  const pair = (values: readonly number[], missing: number): Pair => values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
  const sizes: Geometry = {
    batch: x.shape[0]!,
    groups,
    channels: w.shape[1]!,
    filters: w.shape[0]! / groups,
    input: pair(x.shape.slice(2), 1),
    output: pair(y.shape.slice(2), 1),
    size: pair(w.shape.slice(2), 1),
    stride: pair(stride, 1),
    padding: pair(padding, 0),
    dilation: pair(dilation, 1),
  };
  return isPointwise(sizes) && planesOf(x).isFlat && planesOf(y).isFlat ? flattened(sizes) : sizes;
}

function isPointwise({ size, stride, padding }: Geometry): boolean {
  return size[0] * size[1] === 1 && stride[0] * stride[1] === 1 && padding[0] + padding[1] === 0;
}

/** A kernel of size 1 sees an image as one long row. */
function flattened(sizes: Geometry): Geometry {
  return { ...sizes, input: [1, sizes.input[0] * sizes.input[1]], output: [1, sizes.output[0] * sizes.output[1]] };
}

/** What any direction of a convolution takes on one thread, in nanoseconds, roughly. */
export function convDuration({ batch, groups, channels, filters, output, size }: Geometry): number {
  return duration({ rows: filters * groups, columns: batch * output[0] * output[1], depth: channels * size[0] * size[1] });
}

/** Fills an output with zeros. */
export function clear(heap: ScratchHeap, view: View): void {
  copyFunctions(heap)["clear"]!(address(view), view.shape.reduce((size, n) => size * n, 4));
}

/** The padded input that the forward pass and the weight gradient read, with room for so many images. */
export function paddedInput({ channels, groups, input, output, size, stride, padding, dilation }: Geometry, count: number): PaddedImages {
  const extent = (dim: 0 | 1) => (output[dim] - 1) * stride[dim] + (size[dim] - 1) * dilation[dim] + 1;
  return new PaddedImages({
    count,
    channels: channels * groups,
    input,
    padding,
    extent: [extent(0), extent(1)],
    phases: stride[1],
  });
}

/** The address of a table with the byte offset in a padded input of each (channel, kernel position). */
export function tapTable(heap: ScratchHeap, { channels, size, dilation }: Geometry, image: PaddedImages): number {
  const offsets: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < size[0]; row++) {
      for (let column = 0; column < size[1]; column++) {
        offsets.push(image.offset(channel, row * dilation[0], column * dilation[1]));
      }
    }
  }
  return writeTable(heap, offsets);
}

/** Writes byte offsets to scratch memory and gives their address. */
export function writeTable(heap: ScratchHeap, offsets: readonly number[]): number {
  const pointer = scratchPointer(heap, "conv table", (offsets.length + 1) * 4);
  new Int32Array(heap.memory.buffer, pointer, offsets.length).set(offsets);
  return pointer;
}

/**
 * Positions worked on at once: a panel of dy for a weight gradient stays in the first-level cache, and packed weights are used often
 * enough before the next come that reading them does not count.
 */
export const blockPositions = 512;

/** Units that keep threads of unequal speed busy to the end, and the positions that a unit has at least to have, if there are several images. */
const enoughUnits = 8;
const fewestPositions = 128;

/** How many images of so many positions are worked on at once; fewer where threads share the work and would have too few units. */
export function imagesAtOnce(heap: ScratchHeap, nanoseconds: number, batch: number, positions: number): number {
  const most = Math.max(1, Math.min(batch, Math.floor(blockPositions / positions)));
  if (piecesFor(heap, nanoseconds, Infinity) === 1) return most;
  return Math.min(most, Math.max(Math.ceil(batch / enoughUnits), Math.ceil(fewestPositions / positions)));
}

/** Images that are worked on at once, or a part of their positions. */
export interface Unit {
  /** The first image, and how many there are. */
  readonly item: number;
  readonly images: number;
  /** From where to where the unit goes in so many rows or columns. */
  rows(count: number): Pair;
  columns(count: number): Pair;
}

/** What {@link forEachUnit} cuts: images, some at once, each of some rows and columns. */
interface Cuttable {
  readonly batch: number;
  readonly atOnce: number;
  readonly size: Pair;
  /** Whether a single row may be cut. */
  readonly cutsColumns: boolean;
}

/** The fewest rows or columns of a part: what parts share is read for each of them. */
const fewestRows = 4;
const fewestColumns = 64;

/** Runs all units, in pieces that threads share. What is computed for one position must not depend on its unit. */
export function forEachUnit(
  heap: ScratchHeap,
  nanoseconds: number,
  { batch, atOnce, size: [height, width], cutsColumns }: Cuttable,
  run: (heap: ScratchHeap, units: readonly Unit[]) => void,
): void {
  const blocks = Math.ceil(batch / atOnce);
  const wanted = piecesFor(heap, nanoseconds, Infinity) === 1 ? 1 : Math.ceil(enoughUnits / blocks);
  const down = Math.max(1, Math.min(wanted, Math.floor(height / fewestRows)));
  const across = height === 1 && cutsColumns ? Math.max(1, Math.min(wanted, Math.floor(width / fewestColumns))) : 1;
  const parts = down * across;
  const unit = (number: number): Unit => {
    const item = Math.floor(number / parts) * atOnce;
    const part = number % parts;
    return {
      item,
      images: Math.min(atOnce, batch - item),
      rows: (count) => down === 1 ? [0, count] : share(count, part, parts, 1),
      columns: (count) => across === 1 ? [0, count] : share(count, part, parts, 8),
    };
  };
  forEachRange(heap, nanoseconds, blocks * parts, piecesFor(heap, nanoseconds, blocks * parts), 1, (on, from, to) => {
    run(on, Array.from({ length: to - from }, (_, at) => unit(from + at)));
  });
}

/** Part number `part` of `parts` nearly equal ones, cut at multiples. */
function share(count: number, part: number, parts: number, multiple: number): Pair {
  const at = (number: number) => Math.min(count, Math.floor(count * number / parts / multiple) * multiple);
  return [at(part), part === parts - 1 ? count : at(part + 1)];
}
