/**
 * The forward pass of convolutions.
 *
 * @module
 */
import type { View } from "../../../tensor/kernel.ts";
import { address } from "../block.ts";
import { copyFunctions } from "../gemm.ts";
import { type ScratchHeap, scratchPointer } from "../scratch.ts";
import { correlate, packWeights } from "./correlation.ts";
import { clear, convDuration, forEachUnit, type Geometry, imagesAtOnce, paddedInput, type Pair, tapTable } from "./geometry.ts";
import { planesOf } from "./padded_image.ts";

/** y[filters, positions] = w[filters, (channel, kernel position)] · x shifted. */
export function forward(heap: ScratchHeap, sizes: Geometry, x: View, w: View, y: View): void {
  const { batch, groups, channels, filters, output, size, stride, dilation } = sizes;
  const depth = channels * size[0] * size[1];
  if (depth === 0) return clear(heap, y);
  const time = convDuration(sizes);
  const atOnce = imagesAtOnce(heap, time, batch, output[0] * output[1]);
  const image = paddedInput(sizes, atOnce);
  const table = tapTable(heap, sizes, image);
  const source = contiguousWeights(heap, w, depth);
  const packed = scratchPointer(heap, "conv packed", groups * filters * depth * 4);
  for (let group = 0; group < groups; group++) {
    const at = group * filters * depth * 4;
    packWeights(heap, { pointer: source + at, across: depth * 4, along: 4 }, packed + at, filters, depth);
  }
  const area = output[0] * output[1] * 4;
  const rowStep = stride[0] * image.pitch;
  const planes = planesOf(x);
  const reach = (dim: 0 | 1, [from, to]: Pair): Pair => [from * stride[dim], (to - 1) * stride[dim] + (size[dim] - 1) * dilation[dim] + 1];
  const cuttable = { batch, atOnce, size: output, cutsColumns: stride[1] === 1 };
  forEachUnit(heap, time, cuttable, (on, units) => {
    const images = image.take(on);
    image.clear(on, images, atOnce);
    for (const unit of units) {
      const [rows, columns] = [unit.rows(output[0]), unit.columns(output[1])];
      image.fill(on, images, planes, unit, { rows: reach(0, rows), columns: reach(1, columns) });
      for (let group = 0; group < groups; group++) {
        correlate(on, {
          packed: packed + group * filters * depth * 4,
          rows: filters,
          table,
          depth,
          images: unit.images,
          image: images + group * channels * image.plane + rows[0] * rowStep + columns[0] * 4,
          imageStep: image.image,
          rowStep,
          output: [rows[1] - rows[0], columns[1] - columns[0]],
          pointer: address(y) + (unit.item * groups + group) * filters * area + (rows[0] * output[1] + columns[0]) * 4,
          outputStep: groups * filters * area,
          stride: area,
          step: output[1] * 4,
        });
      }
    }
  });
}

/** The weights' address when each filter is one run, else that of a copy. */
function contiguousWeights(heap: ScratchHeap, w: View, depth: number): number {
  const { batch, channel, row, column, size } = planesOf(w);
  const dense = column === 4 && (size[0] === 1 || row === size[1] * 4) && (w.shape[1] === 1 || channel === size[0] * size[1] * 4);
  if (dense && batch === depth * 4) return address(w);
  const { copy } = copyFunctions(heap);
  const target = scratchPointer(heap, "conv weights", w.shape[0]! * depth * 4);
  for (let filter = 0; filter < w.shape[0]!; filter++) {
    const from = address(w) + filter * batch;
    const to = target + filter * depth * 4;
    copy!(from, to, w.shape[1]!, size[0], size[1], channel, row, column, size[0] * size[1] * 4, size[1] * 4, 4);
  }
  return target;
}
