/**
 * Convolutions of float32 views: forward, input gradient and weight gradient, in one or two dims, as products with a padded image.
 *
 * @module
 */
import type { ConvKernel, View } from "../../tensor/kernel.ts";
import { address } from "./block.ts";
import { emitConvolution } from "./conv_kernels.ts";
import { instantiateOnce, type WasmFunction } from "./encoder.ts";
import { canRunInPlace, runEpilogue } from "./epilogue.ts";
import { blockDepth, gemmFunctions, packedSlack, packPanels } from "./gemm.ts";
import { tileColumns, tileRows } from "./gemm_kernels.ts";
import type { Accelerator } from "../accelerator.ts";
import { PaddedImages, planesOf } from "./padded_image.ts";
import { type ScratchHeap, scratchPointer } from "./scratch.ts";

/** Rows of packed weights that one pass over the image uses, so that they stay in the second-level cache. */
const passRows = 48 * tileRows;

/**
 * Positions worked on at once: a panel of dy for a weight gradient stays in the first-level cache, and packed weights are used often
 * enough before the next come that reading them does not count.
 */
const blockPositions = 512;

/** The accelerator of conv kernels on a heap; `map` runs their epilogues. */
export function createConvAccelerator(heap: ScratchHeap, map: Accelerator<"map">): Accelerator<"conv"> {
  return (kernel, inputs, outputs, scalars) => {
    if (!canRunInPlace(kernel.epilogue)) return false;
    const [a, b, c] = [inputs[0]!, inputs[1]!, outputs[0]!];
    if (a.dtype !== "float32" || b.dtype !== "float32" || c.dtype !== "float32") return false;
    if (c.shape.includes(0)) return true;
    switch (kernel.direction) {
      case "forward":
        forward(heap, geometry(kernel, a, b, c), a, b, c);
        break;
      case "input":
        inputGradient(heap, geometry(kernel, c, b, a), a, b, c);
        break;
      case "weight":
        weightGradient(heap, geometry(kernel, a, c, b), a, b, c);
        break;
    }
    return kernel.epilogue === undefined || runEpilogue(map, kernel.epilogue, inputs, c, scalars);
  };
}

/** Sizes of a convolution in two dims, those of one dim having height 1. */
interface Geometry {
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

type Pair = readonly [number, number];

function geometry({ groups, stride, padding, dilation }: ConvKernel, x: View, w: View, y: View): Geometry {
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

function functionsOf(heap: ScratchHeap): Record<string, WasmFunction> {
  return instantiateOnce(heap.memory, "convolution", emitConvolution);
}

/** Fills an output with zeros. */
function clear(heap: ScratchHeap, view: View): void {
  const floats = view.shape.reduce((size, n) => size * n, 1);
  new Float32Array(heap.memory.buffer, address(view), floats).fill(0);
}

/** The padded input that the forward pass and the weight gradient read, and the byte offset of each (channel, kernel position). */
function paddedInput(heap: ScratchHeap, sizes: Geometry): { image: PaddedImages; table: number } {
  const { batch, channels, groups, input, output, size, stride, padding, dilation } = sizes;
  const extent = (dim: 0 | 1) => (output[dim] - 1) * stride[dim] + (size[dim] - 1) * dilation[dim] + 1;
  const image = new PaddedImages(heap, imagesAtOnce(batch, output[0] * output[1]), channels * groups, input, padding, [
    extent(0),
    extent(1),
  ], stride[1]);
  const offsets: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < size[0]; row++) {
      for (let column = 0; column < size[1]; column++) {
        offsets.push(image.offset(channel, row * dilation[0], column * dilation[1]));
      }
    }
  }
  return { image, table: writeTable(heap, offsets) };
}

/** How many images of so many positions make a block. */
function imagesAtOnce(batch: number, positions: number): number {
  return Math.max(1, Math.min(batch, Math.floor(blockPositions / positions)));
}

function writeTable(heap: ScratchHeap, offsets: readonly number[]): number {
  const pointer = scratchPointer(heap, "conv table", (offsets.length + 1) * 4);
  new Int32Array(heap.memory.buffer, pointer, offsets.length).set(offsets);
  return pointer;
}

/** y[filters, positions] = w[filters, (channel, kernel position)] · x shifted. */
function forward(heap: ScratchHeap, sizes: Geometry, x: View, w: View, y: View): void {
  const { batch, groups, channels, filters, output, size, stride } = sizes;
  const depth = channels * size[0] * size[1];
  if (depth === 0) return clear(heap, y);
  const { image, table } = paddedInput(heap, sizes);
  const source = contiguousWeights(heap, w, depth);
  const packed = scratchPointer(heap, "conv packed", groups * filters * depth * 4 + packedSlack);
  for (let group = 0; group < groups; group++) {
    const at = group * filters * depth * 4;
    packWeights(heap, { pointer: source + at, across: depth * 4, along: 4 }, packed + at, filters, depth);
  }
  const area = output[0] * output[1] * 4;
  const planes = planesOf(x);
  for (let item = 0; item < batch; item += image.count) {
    const images = Math.min(image.count, batch - item);
    image.fill(planes, item, images);
    for (let group = 0; group < groups; group++) {
      correlate(heap, {
        packed: packed + group * filters * depth * 4,
        rows: filters,
        table,
        depth,
        images,
        image: image.pointer + group * channels * image.plane,
        imageStep: image.image,
        rowStep: stride[0] * image.pitch,
        output,
        pointer: address(y) + (item * groups + group) * filters * area,
        outputStep: groups * filters * area,
        stride: area,
        step: output[1] * 4,
      });
    }
  }
}

/** The weights' address when each filter is one run, else that of a copy. */
function contiguousWeights(heap: ScratchHeap, w: View, depth: number): number {
  const { batch, channel, row, column, size } = planesOf(w);
  const dense = column === 4 && (size[0] === 1 || row === size[1] * 4) && (w.shape[1] === 1 || channel === size[0] * size[1] * 4);
  if (dense && batch === depth * 4) return address(w);
  const { copy } = gemmFunctions(heap);
  const target = scratchPointer(heap, "conv weights", w.shape[0]! * depth * 4);
  for (let filter = 0; filter < w.shape[0]!; filter++) {
    const from = address(w) + filter * batch;
    const to = target + filter * depth * 4;
    copy!(from, to, w.shape[1]!, size[0], size[1], channel, row, column, size[0] * size[1] * 4, size[1] * 4, 4);
  }
  return target;
}

/** Packs A for every block of the depth, one after the other. */
function packWeights(
  heap: ScratchHeap,
  a: { pointer: number; across: number; along: number },
  target: number,
  rows: number,
  depth: number,
): void {
  const deep = blockDepth(depth);
  for (let k = 0; k < depth; k += deep) {
    packPanels(heap, "rows", { ...a, pointer: a.pointer + k * a.along }, target + k * rows * 4, rows, Math.min(deep, depth - k));
  }
}

/** One product of packed weights with shifted images. */
interface Correlation {
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

function correlate(heap: ScratchHeap, pass: Correlation): void {
  const { packed, rows, table, depth, images, image, imageStep, rowStep, output, pointer, outputStep, stride, step } = pass;
  const functions = functionsOf(heap);
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

/** The input positions of equal remainder by the stride, in one dim: they see the same kernel positions. */
interface Phase {
  /** The first position and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Kernel positions with the shift from the phase's running number to the output position. */
  readonly taps: readonly { readonly at: number; readonly shift: number }[];
}

function phasesOf({ input, size, stride, padding, dilation }: Geometry, dim: 0 | 1): Phase[] {
  const phases: Phase[] = [];
  for (let first = 0; first < Math.min(stride[dim], input[dim]); first++) {
    const taps: { at: number; shift: number }[] = [];
    for (let at = 0; at < size[dim]; at++) {
      const distance = first + padding[dim] - at * dilation[dim];
      if (distance % stride[dim] === 0) taps.push({ at, shift: distance / stride[dim] });
    }
    phases.push({ first, count: Math.ceil((input[dim] - first) / stride[dim]), taps });
  }
  return phases;
}

/** dx[channels, positions of a phase] = w[channels, (kernel position, filter)] · dy shifted, phase by phase. */
function inputGradient(heap: ScratchHeap, sizes: Geometry, dy: View, w: View, dx: View): void {
  const { batch, groups, channels, filters, output } = sizes;
  const phases: [readonly Phase[], readonly Phase[]] = [phasesOf(sizes, 0), phasesOf(sizes, 1)];
  if (filters === 0 || phases.some((list) => list.some(({ taps }) => taps.length === 0))) clear(heap, dx);
  if (filters === 0) return;
  const bounds = [shiftBounds(phases[0]), shiftBounds(phases[1])] as const;
  const padding: Pair = [bounds[0].before, bounds[1].before];
  const count = imagesAtOnce(batch, phases[0][0]!.count * phases[1][0]!.count);
  const image = new PaddedImages(heap, count, filters * groups, output, padding, [bounds[0].extent, bounds[1].extent], 1);
  const passes = phases[0].flatMap((vertical) => phases[1].map((horizontal) => ({ vertical, horizontal })))
    .filter(({ vertical, horizontal }) => vertical.taps.length * horizontal.taps.length > 0);
  const offsets: number[] = [];
  const order: [number, number][] = [];
  const depths: number[] = [];
  for (const { vertical, horizontal } of passes) {
    depths.push(vertical.taps.length * horizontal.taps.length * filters);
    for (const v of vertical.taps) {
      for (const h of horizontal.taps) {
        order.push([v.at, h.at]);
        for (let filter = 0; filter < filters; filter++) offsets.push(image.offset(filter, v.shift + padding[0], h.shift + padding[1]));
      }
    }
  }
  const table = writeTable(heap, offsets);
  const packed = packTransposedWeights(heap, sizes, w, order, depths);
  const planes = planesOf(dy);
  for (let item = 0; item < batch; item += count) {
    const images = Math.min(count, batch - item);
    image.fill(planes, item, images);
    for (let group = 0; group < groups; group++) {
      const target = address(dx) + (item * groups + group) * channels * sizes.input[0] * sizes.input[1] * 4;
      let k = 0;
      passes.forEach(({ vertical, horizontal }, number) => {
        const depth = depths[number]!;
        correlatePhase(heap, sizes, vertical, horizontal, {
          packed: packed + (group * offsets.length + k) * channels * 4,
          rows: channels,
          table: table + k * 4,
          depth,
          images,
          image: image.pointer + group * filters * image.plane,
          imageStep: image.image,
          rowStep: image.pitch,
          output: [vertical.count, horizontal.count],
        }, target);
        k += depth;
      });
    }
  }
}

/** How far shifts reach before the image, and how many rows or columns they touch in all. */
function shiftBounds(phases: readonly Phase[]): { before: number; extent: number } {
  let before = 0;
  let last = 0;
  for (const { count, taps } of phases) {
    for (const { shift } of taps) {
      before = Math.max(before, -shift);
      last = Math.max(last, shift + count - 1);
    }
  }
  return { before, extent: before + last + 1 };
}

/** Packs w as [channels, (kernel position, filter)] per group, kernel positions in the given order, one pass after the other. */
function packTransposedWeights(
  heap: ScratchHeap,
  sizes: Geometry,
  w: View,
  order: readonly [number, number][],
  depths: readonly number[],
): number {
  const { groups, channels, filters } = sizes;
  const { copy } = gemmFunctions(heap);
  const strides = planesOf(w);
  const depth = order.length * filters;
  const transposed = scratchPointer(heap, "conv weights", depth * channels * 4);
  const packed = scratchPointer(heap, "conv packed", groups * depth * channels * 4 + packedSlack);
  for (let group = 0; group < groups; group++) {
    order.forEach(([row, column], tap) => {
      const from = address(w) + group * filters * strides.batch + row * strides.row + column * strides.column;
      const to = transposed + tap * filters * channels * 4;
      copy!(from, to, 1, filters, channels, 0, strides.batch, strides.channel, 0, channels * 4, 4);
    });
    let k = 0;
    for (const passDepth of depths) {
      const a = { pointer: transposed + k * channels * 4, across: 4, along: channels * 4 };
      packWeights(heap, a, packed + (group * depth + k) * channels * 4, channels, passDepth);
      k += passDepth;
    }
  }
  return packed;
}

/** Runs one phase; where its columns are not neighbours in dx it goes through a scratch image. */
function correlatePhase(
  heap: ScratchHeap,
  { channels, groups, input, stride }: Geometry,
  { first: top, count: height }: Phase,
  { first: left, count: width }: Phase,
  pass: Omit<Correlation, "pointer" | "outputStep" | "stride" | "step">,
  target: number,
): void {
  const area = input[0] * input[1] * 4;
  const pitch = input[1] * 4;
  const pointer = target + top * pitch + left * 4;
  const outputStep = groups * channels * area;
  if (stride[1] === 1) return correlate(heap, { ...pass, pointer, outputStep, stride: area, step: stride[0] * pitch });
  const plane = height * width * 4;
  const scratch = scratchPointer(heap, "conv phase", pass.images * channels * plane);
  correlate(heap, { ...pass, pointer: scratch, outputStep: channels * plane, stride: plane, step: width * 4 });
  const { copy } = gemmFunctions(heap);
  for (let item = 0; item < pass.images; item++) {
    const from = scratch + item * channels * plane;
    copy!(from, pointer + item * outputStep, channels, height, width, plane, width * 4, 4, area, stride[0] * pitch, stride[1] * 4);
  }
}

/** dw transposed, [(channel, kernel position), filters] = Σ over images and positions of x shifted times dy. */
function weightGradient(heap: ScratchHeap, sizes: Geometry, x: View, dy: View, dw: View): void {
  const { batch, groups, channels, filters, output, size, stride } = sizes;
  const taps = channels * size[0] * size[1];
  if (batch * output[0] * output[1] === 0) return clear(heap, dw);
  const { image, table } = paddedInput(heap, sizes);
  const { copy } = gemmFunctions(heap);
  const { tapSums } = functionsOf(heap);
  const rest = filters % tileColumns;
  const columns = filters - rest + (rest === 0 ? 0 : rest <= 4 ? 4 : tileColumns);
  const sums = scratchPointer(heap, "conv sums", groups * taps * columns * 4);
  const panels = scratchPointer(heap, "conv packed", columns * blockPositions * 4);
  const xPlanes = planesOf(x);
  const yPlanes = planesOf(dy);
  const rowBytes = output[1] * yPlanes.column;
  const rows = yPlanes.isFlat ? Math.max(1, Math.floor(blockPositions / output[1])) : 1;
  const rowStride = yPlanes.isFlat ? rowBytes : yPlanes.row;
  let add = 0;
  for (let item = 0; item < batch; item += image.count) {
    const images = Math.min(image.count, batch - item);
    image.fill(xPlanes, item, images);
    for (let row = 0; row < output[0]; row += rows) {
      const height = Math.min(rows, output[0] - row);
      for (let column = 0; column < output[1]; column += blockPositions) {
        const width = Math.min(blockPositions, output[1] - column);
        const at = row * stride[0] * image.pitch + column * 4;
        const panelStep = columns * height * width * 4;
        const from = address(dy) + item * yPlanes.batch + row * rowStride + column * yPlanes.column;
        for (let group = 0; group < groups; group++) {
          const operand = { pointer: from + group * filters * yPlanes.channel, across: yPlanes.channel, along: yPlanes.column };
          for (let slot = 0; slot < images; slot++) {
            const source = { ...operand, pointer: operand.pointer + slot * yPlanes.batch };
            packPanels(heap, "columns", source, panels + slot * panelStep, filters, height * width);
          }
          const origin = image.pointer + group * channels * image.plane + at;
          const target = sums + group * taps * columns * 4;
          const walk = [origin, image.image, stride[0] * image.pitch, images, height, width];
          tapSums!(table, taps, panels, panelStep, filters, ...walk, target, columns * 4, add);
        }
        add = 1;
      }
    }
  }
  for (let group = 0; group < groups; group++) {
    const target = address(dw) + group * filters * taps * 4;
    copy!(sums + group * taps * columns * 4, target, 1, filters, taps, 0, 4, columns * 4, 0, taps * 4, 4);
  }
}
