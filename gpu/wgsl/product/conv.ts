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
import type { ConvKernel, View } from "../../../tensor/kernel.ts";
import { type Buffers, dotPosition, u32 } from "../shader.ts";
import type { Coordinate, OperandAccess, TiledProduct } from "./access.ts";

/** A {@link ConvKernel} as a product. */
export function convProduct(kernel: ConvKernel, inputs: readonly View[], outputs: readonly View[]): TiledProduct {
  const [a, b, ...extra] = inputs as [View, View, ...View[]];
  const output = outputs[0]!;
  const geometry = geometryOf(kernel, a, b, output);
  const { groups, images, inChannels, outChannels, image, result, cells } = geometry;
  const family = `conv ${kernel.direction}`;
  const label = `${family} ${a.shape.join("×")} ${b.shape.join("×")}`;
  const common = { family, label, operands: [a, b] as const, output, extra, epilogue: kernel.epilogue, batch: groups };
  const cellCount = cells.shape[0] * cells.shape[1];
  const imageSize = image.shape[0] * image.shape[1];
  const resultSize = result.shape[0] * result.shape[1];
  switch (kernel.direction) {
    case "forward":
      return {
        ...common,
        rows: outChannels,
        columns: images * resultSize,
        depth: inChannels * cellCount,
        left: weightOperand(geometry, "row"),
        right: imageOperand(geometry, "depth"),
        fourAcross: resultSize % 4 === 0,
        position: `((column / ${u32(resultSize)} * ${u32(groups)} + batch) * ${u32(outChannels)} + row) * ${u32(resultSize)} + column % ${
          u32(resultSize)
        }`,
      };
    case "input":
      return {
        ...common,
        rows: inChannels,
        columns: images * imageSize,
        depth: outChannels * cellCount,
        left: weightOperand(geometry, "depth"),
        right: gradientOperand(geometry),
        fourAcross: imageSize % 4 === 0,
        position: `((column / ${u32(imageSize)} * ${u32(groups)} + batch) * ${u32(inChannels)} + row) * ${u32(imageSize)} + column % ${
          u32(imageSize)
        }`,
      };
    case "weight":
      return {
        ...common,
        rows: outChannels,
        columns: inChannels * cellCount,
        depth: images * resultSize,
        left: resultOperand(geometry),
        right: imageOperand(geometry, "across"),
        fourAcross: inChannels * cellCount % 4 === 0,
        position: `(batch * ${u32(outChannels)} + row) * ${u32(inChannels * cellCount)} + column`,
      };
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

/** Statements that take `index` apart into a channel and a kernel cell and return what the three contribute. */
function cellCoordinate({ cells: { shape: [height, width] } }: Geometry, type: Coordinate["type"], value: string): Coordinate {
  return {
    type,
    body: `  let channel = index / ${u32(height * width)};
  let cell_row = index / ${u32(width)} % ${u32(height)};
  let cell_column = index % ${u32(width)};
  return ${value};`,
  };
}

/** Statements that take `index` apart into an image and the position `y`, `x` in a plane and return what the three contribute. */
function positionCoordinate({ shape: [height, width] }: Plane, type: Coordinate["type"], value: string): Coordinate {
  return {
    type,
    body: `  let image = index / ${u32(height * width)};
  let y = index / ${u32(width)} % ${u32(height)};
  let x = index % ${u32(width)};
  return ${value};`,
  };
}

/** A place in a plane, which may lie outside: what channel or image contribute to the position, then row and column. */
function place(start: string, row: string, column: string): string {
  return `vec3<i32>(i32(${start}), ${row}, ${column})`;
}

/** The weights: the output channel from the row or with the cell from the depth, the input channel from the other. */
function weightOperand({ cells, outChannels, ...geometry }: Geometry, outChannelFrom: "row" | "depth"): OperandAccess {
  const [outStride, inStride] = cells.strides;
  const [channel, other] = outChannelFrom === "row" ? [inStride, outStride] : [outStride, inStride];
  const cell = dotPosition(["channel", "cell_row", "cell_column"], [channel, cells.strides[2], cells.strides[3]]);
  return {
    buffer: "b",
    start: dotPosition(["batch"], [outChannels * outStride], cells.offset),
    across: { type: "u32", body: `  return ${dotPosition(["index"], [other])};` },
    depth: cellCoordinate({ cells, outChannels, ...geometry }, "u32", cell),
    element: (buffers: Buffers) => `  return ${buffers.load("b", "start + across + depth")};`,
    alongDepth: outChannelFrom === "row",
  };
}

/** The image under a window, 0 in the padding: channel and cell from one index, image and output position from the other. */
function imageOperand(geometry: Geometry, cellFrom: "across" | "depth"): OperandAccess {
  const { image, result, inChannels, stride, padding, dilation } = geometry;
  const [imageStride, channelStride] = image.strides;
  const under = (start: string, dim: 0 | 1) => `i32(${start} * ${u32(dilation[dim])}) - ${padding[dim]}i`;
  const cell = cellCoordinate(
    geometry,
    "vec3<i32>",
    place(dotPosition(["channel"], [channelStride]), under("cell_row", 0), under("cell_column", 1)),
  );
  const window = positionCoordinate(
    result,
    "vec3<i32>",
    place(dotPosition(["image"], [imageStride]), `i32(y * ${u32(stride[0])})`, `i32(x * ${u32(stride[1])})`),
  );
  return {
    buffer: "a",
    start: dotPosition(["batch"], [inChannels * channelStride], image.offset),
    across: cellFrom === "across" ? cell : window,
    depth: cellFrom === "across" ? window : cell,
    element: (buffers: Buffers) =>
      `  let place = across + depth;
${insideLine(image, "place", padding)}  return ${buffers.load("a", positionIn(image, "place"))};`,
    alongDepth: cellFrom === "across",
  };
}

/** The result's gradient at the window in which a kernel cell covers an image position, 0 where there is none. */
function gradientOperand(geometry: Geometry): OperandAccess {
  const { image, result, outChannels, stride, padding, dilation } = geometry;
  const [imageStride, channelStride] = result.strides;
  const cell = cellCoordinate(
    geometry,
    "vec3<i32>",
    place(
      dotPosition(["channel"], [channelStride]),
      `-i32(cell_row * ${u32(dilation[0])})`,
      `-i32(cell_column * ${u32(dilation[1])})`,
    ),
  );
  const covered = positionCoordinate(
    image,
    "vec3<i32>",
    place(dotPosition(["image"], [imageStride]), `i32(y + ${u32(padding[0])})`, `i32(x + ${u32(padding[1])})`),
  );
  const steps = stride.some((step) => step !== 1);
  const aligned = `  if (reach.y < 0i || reach.z < 0i || reach.y % ${stride[0]}i != 0i || reach.z % ${stride[1]}i != 0i) { return 0; }
  let place = vec3<i32>(reach.x, reach.y / ${stride[0]}i, reach.z / ${stride[1]}i);
`;
  return {
    buffer: "a",
    start: dotPosition(["batch"], [outChannels * channelStride], result.offset),
    across: covered,
    depth: cell,
    element: (buffers: Buffers) =>
      `  let ${steps ? "reach" : "place"} = across + depth;
${steps ? aligned : ""}${insideLine(result, "place")}  return ${buffers.load("a", positionIn(result, "place"))};`,
    alongDepth: false,
  };
}

/** The statement that returns 0 outside a plane; a negative number, as unsigned, is beyond every size. Without padding none is outside. */
function insideLine({ shape: [height, width] }: Plane, name: string, padding: readonly number[] = [1, 1]): string {
  if (padding.every((cells) => cells === 0)) return "";
  return `  if (u32(${name}.y) >= ${u32(height)} || u32(${name}.z) >= ${u32(width)}) { return 0; }
`;
}

/** The position in memory of a place inside a plane. */
function positionIn({ strides }: Plane, name: string): string {
  return dotPosition(["start", `u32(${name}.x)`, `u32(${name}.y)`, `u32(${name}.z)`], [1, 1, strides[2], strides[3]]);
}

/** The result's gradient with rows of output channels and depth over images and positions. */
function resultOperand({ result, outChannels }: Geometry): OperandAccess {
  const [imageStride, channelStride, rowStride, columnStride] = result.strides;
  return {
    buffer: "b",
    start: dotPosition(["batch"], [outChannels * channelStride], result.offset),
    across: { type: "u32", body: `  return ${dotPosition(["index"], [channelStride])};` },
    depth: positionCoordinate(result, "u32", dotPosition(["image", "y", "x"], [imageStride, rowStride, columnStride])),
    element: (buffers: Buffers) => `  return ${buffers.load("b", "start + across + depth")};`,
    alongDepth: true,
  };
}
