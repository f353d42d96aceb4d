/**
 * Maximum and average pooling in WGSL, forward and backward. Backward is deterministic: each input position visits the windows that
 * cover it, so nothing is added by several invocations.
 *
 * @module
 */
import type { PoolKernel, View } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { functionSource } from "./functions.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  type BufferUse,
  computeElement,
  dotPosition,
  elementDispatch,
  elementOf,
  emptyPlan,
  readInput,
  temporary,
  tripBudget,
  u32,
  writeOutput,
} from "./shader.ts";
import { floatLiteral } from "./types.ts";

/** The dispatches of a {@link PoolKernel}. */
export function planPool(kernel: PoolKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const output = outputs[0]!;
  if (sizeOf(output.shape) === 0) return emptyPlan;
  const cells = kernel.direction === "forward" ? kernel.size : coveringWindows(kernel, inputs[0]!);
  const trips = cells[0]! * cells[1]!;
  const parts = Math.max(1, Math.ceil(trips / tripBudget));
  const dispatches: Dispatch[] = [];
  for (let part = 0; part < parts; part++) {
    const range = {
      first: part * tripBudget,
      last: Math.min((part + 1) * tripBudget, trips),
      begins: part === 0,
      ends: part === parts - 1,
    };
    dispatches.push(poolDispatch(kernel, inputs, outputs, { cells, ...range }, limits));
  }
  return { temporaries: parts === 1 ? [] : [sizeOf(output.shape) * 4], dispatches };
}

/** How many windows can cover one position, per dim. */
function coveringWindows({ size, dilation, stride }: PoolKernel, dy: View): [number, number] {
  const count = (dim: 0 | 1) => Math.min(dy.shape[dim + 2]!, Math.floor((size[dim]! - 1) * dilation[dim]! / stride[dim]!) + 1);
  return [count(0), count(1)];
}

/** Cells `first` … `last` of the windows; partial values pass from one dispatch to the next in a temporary. */
interface Part {
  readonly cells: readonly number[];
  readonly first: number;
  readonly last: number;
  readonly begins: boolean;
  readonly ends: boolean;
}

function poolDispatch(kernel: PoolKernel, inputs: readonly View[], outputs: readonly View[], part: Part, limits: Limits): Dispatch {
  const output = outputs[0]!;
  const type = computeElement(output.dtype);
  const maximum = kernel.mode === "max";
  const uses: BufferUse[] = [readInput("x", 0, inputs[0]!)];
  if (maximum && kernel.direction === "backward") uses.push(readInput("positions", 1, inputs[1]!));
  if (maximum && kernel.direction === "forward") uses.push(writeOutput("positions", 1, outputs[1]!));
  if (!part.begins || !part.ends) uses.push(temporary("partial", 0, elementOf(type), "read_write"));
  if (part.ends) uses.push(writeOutput("y", 0, output));
  const buffers = bindBuffers(uses);
  const body = kernel.direction === "forward"
    ? forwardBody(kernel, inputs[0]!, outputs, part, buffers)
    : backwardBody(kernel, inputs, output, part, buffers);
  const countAlong = kernel.mode === "average" ? countSource : "";
  return elementDispatch({
    label: `${kernel.mode} pool ${kernel.direction}`,
    buffers,
    size: sizeOf(output.shape),
    declarations: functionSource(["isNaN32"]) + countAlong,
    body: `${coordinates(output.shape)}\n${body}`,
  }, limits);
}

/** `image`, `channel`, `row`, `column` of the output element. */
function coordinates(shape: readonly number[]): string {
  const [, channels, height, width] = shape as [number, number, number, number];
  return `  let column = element % ${u32(width)};
  let row = element / ${u32(width)} % ${u32(height)};
  let channel = element / ${u32(height * width)} % ${u32(channels)};
  let image = element / ${u32(channels * height * width)};`;
}

function forwardBody(kernel: PoolKernel, x: View, outputs: readonly View[], part: Part, buffers: Buffers): string {
  const [height, width] = x.shape.slice(2) as [number, number];
  const { stride, padding, dilation, size } = kernel;
  const type = computeElement(x.dtype);
  const maximum = kernel.mode === "max";
  const start = maximum ? (type === "f32" ? floatLiteral(-Infinity) : type === "i32" ? "(-2147483647i - 1i)" : "0u") : `${type}(0)`;
  const positionAt = offsetBy("element", outputs[1]?.offset ?? 0);
  // The first element inside the image is taken whatever it is, so that a window of -Infinity has a position.
  const better = type === "f32" ? "position < 0i || item > value || (isNaN32(item) && !isNaN32(value))" : "position < 0i || item > value";
  const take = maximum
    ? `if (${better}) {
        value = item;
        position = y * ${width}i + x;
      }`
    : "value += item;";
  const known = part.begins || !maximum ? "-1i" : buffers.load("positions", positionAt);
  return `  let y0 = i32(row) * ${stride[0]}i - ${padding[0]}i;
  let x0 = i32(column) * ${stride[1]}i - ${padding[1]}i;
  var value = ${part.begins ? start : buffers.load("partial", "element")};
${maximum ? `  var position = ${known};\n` : ""}  for (var cell = ${u32(part.first)}; cell < ${u32(part.last)}; cell++) {
    let y = y0 + i32(cell / ${u32(size[1]!)}) * ${dilation[0]}i;
    let x = x0 + i32(cell % ${u32(size[1]!)}) * ${dilation[1]}i;
    if (y >= 0i && y < ${height}i && x >= 0i && x < ${width}i) {
      let item = ${buffers.load("x", dotPosition(["image", "channel", "u32(y)", "u32(x)"], x.strides, x.offset))};
      ${take}
    }
  }
${maximum ? `  ${buffers.store("positions", positionAt, part.ends ? "max(position, 0i)" : "position")}\n` : ""}${
    part.ends
      ? `  ${
        buffers.store(
          "y",
          offsetBy("element", outputs[0]!.offset),
          maximum ? "value" : `value / ${divisor(kernel, [height, width], "y0", "x0")}`,
        )
      }`
      : `  ${buffers.store("partial", "element", "value")}`
  }`;
}

/** How many of a window's cells lie inside the (padded) image, an f32. */
function divisor({ size, padding, dilation, countPadding }: PoolKernel, image: readonly number[], y0: string, x0: string): string {
  const along = (dim: 0 | 1, start: string) => {
    const border = countPadding ? padding[dim]! : 0;
    return `count_along(${start} + ${border}i, ${size[dim]}i, ${dilation[dim]}i, ${image[dim]! + 2 * border}i)`;
  };
  return `f32(${along(0, y0)} * ${along(1, x0)})`;
}

const countSource = `fn count_along(start: i32, size: i32, dilation: i32, extent: i32) -> i32 {
  let first = (max(-start, 0i) + dilation - 1i) / dilation;
  let last = select((extent - 1i - start) / dilation, -1i, start >= extent);
  return max(min(last, size - 1i) - first + 1i, 0i);
}
`;

function backwardBody(kernel: PoolKernel, inputs: readonly View[], dx: View, part: Part, buffers: Buffers): string {
  const dy = inputs[0]!;
  const { stride, padding, dilation, size } = kernel;
  const [height, width] = dx.shape.slice(2) as [number, number];
  const [rows, columns] = dy.shape.slice(2) as [number, number];
  const at = ["image", "channel", "u32(window_row)", "u32(window_column)"];
  const gradient = buffers.load("x", dotPosition(at, dy.strides, dy.offset));
  const add = kernel.mode === "max"
    ? `if (${buffers.load("positions", dotPosition(at, inputs[1]!.strides, inputs[1]!.offset))} == i32(row * ${
      u32(width)
    } + column)) { value += ${gradient}; }`
    : `value += ${gradient} / ${
      divisor(kernel, [height, width], `window_row * ${stride[0]}i - ${padding[0]}i`, `window_column * ${stride[1]}i - ${padding[1]}i`)
    };`;
  const first = (dim: 0 | 1, position: string) => {
    const reach = (size[dim]! - 1) * dilation[dim]!;
    return `(max(${position} - ${reach}i, 0i) + ${stride[dim]! - 1}i) / ${stride[dim]}i`;
  };
  const covers = (dim: 0 | 1, distance: string) => {
    const reach = (size[dim]! - 1) * dilation[dim]!;
    const aligned = dilation[dim] === 1 ? "" : ` && ${distance} % ${dilation[dim]}i == 0i`;
    return `${distance} >= 0i && ${distance} <= ${reach}i${aligned}`;
  };
  const type = computeElement(dx.dtype);
  return `  let y = i32(row) + ${padding[0]}i;
  let x = i32(column) + ${padding[1]}i;
  let first_row = ${first(0, "y")};
  let first_column = ${first(1, "x")};
  var value = ${part.begins ? `${type}(0)` : buffers.load("partial", "element")};
  for (var cell = ${u32(part.first)}; cell < ${u32(part.last)}; cell++) {
    let window_row = first_row + i32(cell / ${u32(part.cells[1]!)});
    let window_column = first_column + i32(cell % ${u32(part.cells[1]!)});
    let down = y - window_row * ${stride[0]}i;
    let across = x - window_column * ${stride[1]}i;
    if (window_row < ${rows}i && window_column < ${columns}i && ${covers(0, "down")} && ${covers(1, "across")}) {
      ${add}
    }
  }
  ${part.ends ? buffers.store("y", offsetBy("element", dx.offset), "value") : buffers.store("partial", "element", "value")}`;
}

function offsetBy(position: string, offset: number): string {
  return offset === 0 ? position : `${position} + ${u32(offset)}`;
}
