/**
 * The weight gradient of convolutions.
 *
 * @module
 */
import type { View } from "../../../tensor/kernel.ts";
import { address } from "../block.ts";
import { copyFunctions, nanosecondsPerFloat, packPanels } from "../gemm.ts";
import { tileColumns } from "../gemm_kernels.ts";
import { type ScratchHeap, scratchPointer } from "../scratch.ts";
import { forEachRange, piecesFor } from "../tasks.ts";
import { convFunctions } from "./correlation.ts";
import { blockPositions, clear, convDuration, type Geometry, paddedInput, tapTable } from "./geometry.ts";
import { blockBytes, tapRows } from "./kernels.ts";
import { type PaddedImages, type Planes, planesOf } from "./padded_image.ts";

/** Bytes of padded images, and of packed dy, that threads share at once: they stay in the last-level cache. */
const sharedBytes = 4 * 1048576;

/** Bytes of a copied float with its share of the clearing, in nanoseconds. */
const nanosecondsPerCopy = 0.3;

/** Units of taps that keep threads of unequal speed busy to the end; more than so many pieces would read dy too often. */
const enoughUnits = 8;
const mostPieces = 16;

/** Positions of some images whose products are added up at once. */
interface Block {
  /** The first image, counted among those that are padded at once, and how many there are. */
  readonly slot: number;
  readonly images: number;
  readonly row: number;
  readonly height: number;
  readonly column: number;
  readonly width: number;
}

/**
 * dw transposed, [(channel, kernel position), filters] = Σ over images and positions of x shifted times dy.
 *
 * Threads pad images and pack dy together, then each sums over all positions for some of the taps, so that the order of the sums is the same
 * for any number of them.
 */
export function weightGradient(heap: ScratchHeap, sizes: Geometry, x: View, dy: View, dw: View): void {
  const { batch, output } = sizes;
  const positions = output[0] * output[1];
  if (batch * positions === 0) return clear(heap, dw);
  const time = convDuration(sizes);
  const shared = piecesFor(heap, time, Infinity) > 1;
  const atOnce = Math.max(1, Math.min(batch, Math.floor(blockPositions / positions)));
  const padded = shared ? Math.floor(sharedBytes / (paddedInput(sizes, 1).image * atOnce)) : 1;
  const image = paddedInput(sizes, Math.min(batch, atOnce * Math.max(1, padded)));
  const sums = new TapSums(heap, sizes, image, planesOf(dy), time / (batch * positions));
  const images = image.take(heap);
  const count = Math.min(batch, atOnce * Math.max(1, padded));
  const planes = planesOf(x);
  for (let item = 0; item < batch; item += count) {
    const here = Math.min(count, batch - item);
    const copying = here * image.image / 4 * nanosecondsPerCopy;
    forEachRange(heap, copying, here, piecesFor(heap, copying, here), 1, (on, from, to) => {
      const pointer = images + from * image.image;
      if (item === 0) image.clear(on, pointer, to - from);
      image.fill(on, pointer, planes, { item: item + from, images: to - from });
    });
    const blocks = blocksOf(here, atOnce, output, planesOf(dy).isFlat);
    const together = shared ? Math.max(1, Math.floor(sharedBytes / sums.panelBytes)) : 1;
    for (let first = 0; first < blocks.length; first += together) sums.add(item, images, blocks.slice(first, first + together));
  }
  sums.store(address(dw));
}

/** Cuts images into blocks of up to {@link blockPositions} positions whose dy has one stride. */
function blocksOf(images: number, atOnce: number, output: readonly [number, number], isFlat: boolean): Block[] {
  const blocks: Block[] = [];
  const rows = isFlat ? Math.max(1, Math.floor(blockPositions / output[1])) : 1;
  for (let slot = 0; slot < images; slot += atOnce) {
    for (let row = 0; row < output[0]; row += rows) {
      for (let column = 0; column < output[1]; column += blockPositions) {
        blocks.push({
          slot,
          images: Math.min(atOnce, images - slot),
          row,
          height: Math.min(rows, output[0] - row),
          column,
          width: Math.min(blockPositions, output[1] - column),
        });
      }
    }
  }
  return blocks;
}

/** The sums of all groups, [(channel, kernel position), filters rounded up to whole panels] each. */
class TapSums {
  /** Bytes of the packed dy of one block. */
  readonly panelBytes: number;
  readonly #heap: ScratchHeap;
  readonly #sizes: Geometry;
  readonly #image: PaddedImages;
  readonly #dy: Planes;
  readonly #nanoseconds: number;
  readonly #taps: number;
  readonly #columns: number;
  readonly #table: number;
  readonly #sums: number;
  #started = false;

  /** Makes room for them; `nanoseconds` is what one position takes. */
  constructor(heap: ScratchHeap, sizes: Geometry, image: PaddedImages, dy: Planes, nanoseconds: number) {
    const { groups, channels, filters, size } = sizes;
    [this.#heap, this.#sizes, this.#image, this.#dy, this.#nanoseconds] = [heap, sizes, image, dy, nanoseconds];
    this.#taps = channels * size[0] * size[1];
    const rest = filters % tileColumns;
    this.#columns = filters - rest + (rest === 0 ? 0 : rest <= 4 ? 4 : tileColumns);
    this.panelBytes = groups * this.#columns * blockPositions * 4;
    this.#table = tapTable(heap, sizes, image);
    this.#sums = scratchPointer(heap, "conv sums", groups * this.#taps * this.#columns * 4);
  }

  /** Adds what blocks give, whose images lie padded at `images`; the first of them is `item` of the batch. */
  add(item: number, images: number, blocks: readonly Block[]): void {
    const panels = scratchPointer(this.#heap, "conv packed", blocks.length * this.panelBytes);
    this.#pack(item, panels, blocks);
    const { groups, channels, stride } = this.#sizes;
    const { image, plane, pitch } = this.#image;
    const list = this.#list(panels, blocks);
    const bands = Math.ceil(this.#taps / tapRows);
    const parts = this.#parts(groups * bands);
    const time = this.#nanoseconds * blocks.reduce((sum, { images, height, width }) => sum + images * height * width, 0);
    const units = groups * parts * bands;
    const add = this.#started ? 1 : 0;
    forEachRange(this.#heap, time, units, piecesFor(this.#heap, time, Math.min(units, mostPieces)), 1, (on, from, to) => {
      const { blockSums } = convFunctions(on);
      // Units count taps fastest, then parts of the filters, then groups: a run of them is several runs of taps.
      for (let unit = from; unit < to;) {
        const [line, band] = [Math.floor(unit / bands), unit % bands];
        const [group, part] = [Math.floor(line / parts), line % parts];
        const length = Math.min(to - unit, bands - band);
        const [firstTap, filter] = [band * tapRows, this.#firstFilter(part, parts)];
        const filters = this.#firstFilter(part + 1, parts) - filter;
        const taps = Math.min(length * tapRows, this.#taps - firstTap);
        const walk = [images + group * channels * plane, image, stride[0] * pitch];
        const target = this.#sums + ((group * this.#taps + firstTap) * this.#columns + filter) * 4;
        const table = this.#table + firstTap * 4;
        blockSums!(list, blocks.length, group, filter, table, taps, filters, ...walk, target, this.#columns * 4, add);
        unit += length;
      }
    });
    this.#started = true;
  }

  /** Writes down for `blockSums` where blocks and their panels lie. */
  #list(panels: number, blocks: readonly Block[]): number {
    const pointer = scratchPointer(this.#heap, "conv blocks", blocks.length * blockBytes);
    const words = new Int32Array(this.#heap.memory.buffer, pointer, blocks.length * blockBytes / 4);
    const { image, pitch } = this.#image;
    blocks.forEach(({ slot, images, row, height, column, width }, number) => {
      const from = slot * image + row * this.#sizes.stride[0] * pitch + column * 4;
      words.set([from, panels + number * this.panelBytes, images, height, width], number * blockBytes / 4);
    });
    return pointer;
  }

  /** Writes the sums, turned, to an address. */
  store(pointer: number): void {
    const { groups, filters } = this.#sizes;
    const taps = this.#taps;
    const time = groups * filters * taps * nanosecondsPerFloat * 2;
    forEachRange(this.#heap, time, groups * filters, piecesFor(this.#heap, time, groups * filters), 1, (on, from, to) => {
      const { copy } = copyFunctions(on);
      for (let filter = from; filter < to;) {
        const group = Math.floor(filter / filters);
        const count = Math.min(to, (group + 1) * filters) - filter;
        const source = this.#sums + (group * taps * this.#columns + filter % filters) * 4;
        copy!(source, pointer + filter * taps * 4, 1, count, taps, 0, 4, this.#columns * 4, 0, taps * 4, 4);
        filter += count;
      }
    });
  }

  #pack(item: number, panels: number, blocks: readonly Block[]): void {
    const { groups, filters } = this.#sizes;
    const dy = this.#dy;
    const rowBytes = dy.isFlat ? this.#sizes.output[1] * dy.column : dy.row;
    const time = blocks.reduce((sum, { images, height, width }) => sum + images * height * width, 0) * groups * filters *
      nanosecondsPerFloat;
    forEachRange(this.#heap, time, blocks.length, piecesFor(this.#heap, time, blocks.length), 1, (on, from, to) => {
      for (let number = from; number < to; number++) {
        const { slot, images, row, height, column, width } = blocks[number]!;
        const panelStep = this.#columns * height * width * 4;
        const start = dy.pointer + (item + slot) * dy.batch + row * rowBytes + column * dy.column;
        for (let group = 0; group < groups; group++) {
          for (let image = 0; image < images; image++) {
            const source = { pointer: start + group * filters * dy.channel + image * dy.batch, across: dy.channel, along: dy.column };
            const target = panels + number * this.panelBytes + (group * images + image) * panelStep;
            packPanels(on, "columns", source, target, filters, height * width);
          }
        }
      }
    });
  }

  /** Into how many parts the filters are cut, when the taps alone give too few units. */
  #parts(units: number): number {
    return Math.max(1, Math.min(Math.ceil(enoughUnits / units), Math.ceil(this.#columns / tileColumns)));
  }

  /** The first filter of a part, at a whole panel; that of the part after the last is the number of filters. */
  #firstFilter(part: number, parts: number): number {
    const panels = Math.ceil(this.#columns / tileColumns);
    return Math.min(this.#sizes.filters, Math.floor(panels * part / parts) * tileColumns);
  }
}
