/**
 * Convolutions in WGSL as implicit matrix products: the operands of a tiled product are looked up in the images, which are
 * never unfolded in memory.
 *
 * | direction | rows | columns | depth |
 * |---|---|---|---|
 * | `forward` | output channels | images × output positions | input channels × kernel cells |
 * | `input` | input channels | images × input positions | output channels × kernel cells |
 * | `weight` | output channels | input channels × kernel cells | images × output positions |
 *
 * Groups are the product's batch. One spatial dim is two, of which the first has size 1.
 *
 * @module
 */
import type { ConvKernel, View } from "../../tensor/kernel.ts";
import type { Limits, Plan } from "./program.ts";
import { type Buffers, dotPosition, u32 } from "./shader.ts";
import { type OperandAccess, planTiledProduct } from "./tiled.ts";

/** The dispatches of a {@link ConvKernel}. */
export function planConv(kernel: ConvKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const [a, b, ...extra] = inputs as [View, View, ...View[]];
  const output = outputs[0]!;
  const geometry = geometryOf(kernel, a, b, output);
  const { groups, images, inChannels, outChannels, image, result, cells } = geometry;
  const common = { operands: [a, b] as const, output, extra, epilogue: kernel.epilogue, batch: groups };
  const label = `conv ${kernel.direction} ${a.shape.join("×")} ${b.shape.join("×")}`;
  const cellCount = cells.shape[0] * cells.shape[1];
  const imageSize = image.shape[0] * image.shape[1];
  const resultSize = result.shape[0] * result.shape[1];
  switch (kernel.direction) {
    case "forward":
      return planTiledProduct({
        ...common,
        label,
        rows: outChannels,
        columns: images * resultSize,
        depth: inChannels * cellCount,
        left: weightOperand(geometry, "b", "row", "depth", true),
        right: imageOperand(geometry, "a", "depth", "column", false),
        position: `((column / ${u32(resultSize)} * ${u32(groups)} + batch) * ${u32(outChannels)} + row) * ${u32(resultSize)} + column % ${
          u32(resultSize)
        }`,
      }, limits);
    case "input":
      return planTiledProduct({
        ...common,
        label,
        rows: inChannels,
        columns: images * imageSize,
        depth: outChannels * cellCount,
        left: weightOperand(geometry, "b", "depth", "row", false),
        right: gradientOperand(geometry),
        position: `((column / ${u32(imageSize)} * ${u32(groups)} + batch) * ${u32(inChannels)} + row) * ${u32(imageSize)} + column % ${
          u32(imageSize)
        }`,
      }, limits);
    case "weight":
      return planTiledProduct({
        ...common,
        // The gradient is the left operand, but input 0 is the image: accesses name their buffers, so order does not matter.
        label,
        rows: outChannels,
        columns: inChannels * cellCount,
        depth: images * resultSize,
        left: resultOperand(geometry),
        right: imageOperand(geometry, "a", "column", "depth", true),
        position: `(batch * ${u32(outChannels)} + row) * ${u32(inChannels * cellCount)} + column`,
      }, limits);
  }
}

/** A view with two spatial dims, as its strides. */
interface Plane {
  readonly shape: readonly [number, number];
  readonly strides: readonly [number, number, number, number];
  readonly offset: number;
}

/** The sizes of a convolution; channels are those of one group. */
interface Geometry {
  readonly groups: number;
  readonly images: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly image: Plane;
  readonly cells: Plane;
  readonly result: Plane;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

function geometryOf(kernel: ConvKernel, a: View, b: View, output: View): Geometry {
  const [x, w, y] = kernel.direction === "forward" ? [a, b, output] : kernel.direction === "input" ? [output, b, a] : [a, output, b];
  return {
    groups: kernel.groups,
    images: x.shape[0]!,
    inChannels: w.shape[1]!,
    outChannels: w.shape[0]! / kernel.groups,
    image: planeOf(x),
    cells: planeOf(w),
    result: planeOf(y),
    stride: pair(kernel.stride, 1),
    padding: pair(kernel.padding, 0),
    dilation: pair(kernel.dilation, 1),
  };
}

function pair(values: readonly number[], missing: number): readonly [number, number] {
  return values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
}

function planeOf({ shape, strides, offset }: View): Plane {
  const flat = shape.length === 3;
  return {
    shape: flat ? [1, shape[2]!] : [shape[2]!, shape[3]!],
    strides: flat ? [strides[0]!, strides[1]!, 0, strides[2]!] : [strides[0]!, strides[1]!, strides[2]!, strides[3]!],
    offset,
  };
}

/** `let`s that take a number apart into a channel and the kernel cell `cell_row`, `cell_column`. */
function splitCell({ cells: { shape: [height, width] } }: Geometry, from: string): string {
  return `  let channel = ${from} / ${u32(height * width)};
  let cell_row = ${from} / ${u32(width)} % ${u32(height)};
  let cell_column = ${from} % ${u32(width)};`;
}

/** `let`s that take a number apart into an image and the position `y`, `x` in a plane. */
function splitPosition({ shape: [height, width] }: Plane, from: string): string {
  return `  let image = ${from} / ${u32(height * width)};
  let y = ${from} / ${u32(width)} % ${u32(height)};
  let x = ${from} % ${u32(width)};`;
}

/** The weights, with the output channel from one index and, with the cell, either the input or the output channel from the other. */
function weightOperand(geometry: Geometry, name: string, row: string, depth: string, alongDepth: boolean): OperandAccess {
  const { cells, outChannels } = geometry;
  const inner = row === "row";
  const outChannel = `(start + ${inner ? "row" : "channel"})`;
  const inChannel = inner ? "channel" : depth;
  const position = dotPosition([outChannel, inChannel, "cell_row", "cell_column"], cells.strides, cells.offset);
  return {
    alongDepth,
    start: `batch * ${u32(outChannels)}`,
    body: (buffers: Buffers) =>
      `${splitCell(geometry, "depth")}
  return ${buffers.load(name, position)};`,
  };
}

/** The image under a window, 0 in the padding: channel and cell from one index, image and output position from the other. */
function imageOperand(geometry: Geometry, name: string, cell: string, place: string, alongDepth: boolean): OperandAccess {
  const { image, result, inChannels, stride, padding, dilation } = geometry;
  const channel = "(start + channel)";
  const position = dotPosition(["image", channel, "u32(image_row)", "u32(image_column)"], image.strides, image.offset);
  return {
    alongDepth,
    start: `batch * ${u32(inChannels)}`,
    body: (buffers: Buffers) =>
      `${splitCell(geometry, cell)}
${splitPosition(result, place)}
  let image_row = i32(y * ${u32(stride[0])} + cell_row * ${u32(dilation[0])}) - ${padding[0]}i;
  let image_column = i32(x * ${u32(stride[1])} + cell_column * ${u32(dilation[1])}) - ${padding[1]}i;
  if (image_row < 0i || image_row >= ${image.shape[0]}i || image_column < 0i || image_column >= ${image.shape[1]}i) { return 0; }
  return ${buffers.load(name, position)};`,
  };
}

/** The result's gradient at the window in which a kernel cell covers an image position, 0 where there is none. */
function gradientOperand(geometry: Geometry): OperandAccess {
  const { image, result, outChannels, stride, padding, dilation } = geometry;
  const channel = "(start + channel)";
  const position = dotPosition(["image", channel, "u32(window_row)", "u32(window_column)"], result.strides, result.offset);
  const aligned = stride.every((step) => step === 1) ? "" : ` || down % ${stride[0]}i != 0i || across % ${stride[1]}i != 0i`;
  return {
    alongDepth: false,
    start: `batch * ${u32(outChannels)}`,
    body: (buffers: Buffers) =>
      `${splitCell(geometry, "depth")}
${splitPosition(image, "column")}
  let down = i32(y + ${u32(padding[0])}) - i32(cell_row * ${u32(dilation[0])});
  let across = i32(x + ${u32(padding[1])}) - i32(cell_column * ${u32(dilation[1])});
  let window_row = down / ${stride[0]}i;
  let window_column = across / ${stride[1]}i;
  if (down < 0i || across < 0i${aligned} || window_row >= ${result.shape[0]}i || window_column >= ${result.shape[1]}i) { return 0; }
  return ${buffers.load("a", position)};`,
  };
}

/** The result's gradient with rows of output channels and depth over images and positions. */
function resultOperand(geometry: Geometry): OperandAccess {
  const { result, outChannels } = geometry;
  const position = dotPosition(["image", "(start + row)", "y", "x"], result.strides, result.offset);
  return {
    alongDepth: true,
    start: `batch * ${u32(outChannels)}`,
    body: (buffers: Buffers) =>
      `${splitPosition(result, "depth")}
  return ${buffers.load("b", position)};`,
  };
}
