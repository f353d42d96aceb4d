/**
 * Shapes: new tensors, views, joining and splitting.
 *
 * @module
 */
import { arange, cat, eye, full, pad as framed, type Tensor } from "../../../mod.ts";
import { dtypeOf } from "../model.ts";
import { upload } from "../values.ts";
import { type Call, type Operator, positive, product } from "./call.ts";

const constant: Operator = (call) => {
  const stored = call.stored("value");
  if (stored !== undefined) return upload(stored, call.init.device) as Tensor;
  if (call.has("value_int")) return call.make([call.number("value_int")], [], "int32");
  if (call.has("value_float")) return call.make([call.number("value_float")], [], "float32");
  if (call.has("value_ints")) return call.make(call.ints("value_ints"), [call.ints("value_ints").length], "int32");
  if (call.has("value_floats")) return call.make(call.ints("value_floats"), [call.ints("value_floats").length], "float32");
  return call.refuse("a tensor of numbers is needed");
};

const constantOfShape: Operator = async (call) => {
  const value = call.stored("value");
  const shape = await call.numbers(0) ?? [];
  return full(shape, value?.values[0] ?? 0, { dtype: value?.dtype ?? "float32", device: call.init.device });
};

const reshape: Operator = async (call) => {
  const x = call.x();
  const wanted = await call.numbersOf(1, "shape") ?? [];
  const copied = call.number("allowzero", 0) === 1 ? wanted : wanted.map((size, dim) => size === 0 ? x.shape[dim]! : size);
  return x.reshape(copied);
};

const flatten: Operator = (call) => {
  const x = call.x();
  const axis = positive(call.number("axis", 1), x.rank);
  return x.reshape([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
};

const transpose: Operator = (call) => {
  const x = call.x();
  return x.permute(call.ints("perm", x.shape.map((_, dim) => x.rank - 1 - dim)));
};

const squeeze: Operator = async (call) => call.x().squeeze(await call.numbersOf(1, "axes"));

const unsqueeze: Operator = async (call) => {
  const axes = await call.numbersOf(1, "axes") ?? [];
  const rank = call.x().rank + axes.length;
  const sorted = axes.map((axis) => positive(axis, rank)).sort((a, b) => a - b);
  return sorted.reduce((x, axis) => x.unsqueeze(axis), call.x());
};

/** Broadcasts both ways: a size of 1 in the wanted shape keeps the tensor's own. */
const expand: Operator = async (call) => {
  const x = call.x();
  const wanted = await call.numbers(1) ?? [];
  const rank = Math.max(x.rank, wanted.length);
  const sizes = Array.from({ length: rank }, (_, dim) => {
    const [own, other] = [x.shape[dim - rank + x.rank] ?? 1, wanted[dim - rank + wanted.length] ?? 1];
    return other === 1 ? own : other;
  });
  return x.expand(sizes);
};

/** Attributes below version 10, inputs from then on. */
const slice: Operator = async (call) => {
  const starts = await call.numbersOf(1, "starts") ?? [];
  const ends = await call.numbersOf(2, "ends") ?? [];
  const axes = await call.numbersOf(3, "axes") ?? starts.map((_, index) => index);
  const steps = await call.numbers(4) ?? starts.map(() => 1);
  return axes.reduce((x, axis, index) => sliceOne(x, axis, { start: starts[index]!, end: ends[index]!, step: steps[index]! }), call.x());
};

function sliceOne(x: Tensor, axis: number, { start, end, step }: { start: number; end: number; step: number }): Tensor {
  // An end before the first element, which is how ONNX includes it when running backwards, is what leaving the end out means.
  const beyond = step < 0 && end < -x.shape.at(axis)!;
  return x.slice(axis, beyond ? { start, step } : { start, end, step });
}

const split: Operator = async (call) => {
  const [x, dim] = [call.x(), call.number("axis", 0)];
  const total = x.shape.at(dim)!;
  const equal = Math.ceil(total / call.init.outputCount);
  const sizes = await call.numbersOf(1, "split") ??
    Array.from({ length: call.init.outputCount }, (_, part) => Math.min(equal, total - part * equal));
  return { outputs: x.split(sizes, { dim }) };
};

const shapeOf: Operator = (call) => {
  const { shape, rank } = call.x();
  const clamp = (value: number) => Math.min(rank, Math.max(0, positive(value, rank)));
  const sizes = shape.slice(clamp(call.number("start", 0)), clamp(call.number("end", rank)));
  return call.make(sizes, [sizes.length], "int32");
};

/** Attributes below version 11, inputs from then on: all the starts, then all the ends. */
const pad: Operator = async (call) => {
  const x = call.x();
  const pads = await call.numbersOf(1, "pads") ?? [];
  const value = await call.scalar(2) ?? call.number("value", 0);
  const padding = x.shape.flatMap((_, dim) => {
    const at = x.rank - 1 - dim;
    return [pads[at]!, pads[at + x.rank]!];
  });
  const mode = call.text("mode", "constant");
  if (mode === "constant") return x.pad(padding, { value });
  return framed(x, padding, { mode: mode === "edge" ? "replicate" : "reflect" });
};

const tile: Operator = async (call) => call.x().tile(await call.numbers(1) ?? []);

const range: Operator = async (call) => {
  const [[start], [end], [step]] = [await call.numbers(0), await call.numbers(1), await call.numbers(2)] as [number[], number[], number[]];
  const { dtype } = call.x();
  if ((end! - start!) * step! <= 0) return call.make([], [0], dtype);
  return arange(end!, { start: start!, step: step!, dtype, device: call.init.device });
};

const eyeLike: Operator = (call) => {
  const x = call.x();
  const [rows, columns] = x.shape as [number, number];
  const dtype = call.has("dtype") ? dtypeOf(call.number("dtype")) : x.dtype;
  const offset = call.number("k", 0);
  // Element (i, j) is 1 where i + k = j: the identity from row k on, or from column -k.
  const [top, left] = offset >= 0 ? [offset, 0] : [0, -offset];
  const identity = eye(rows + top, { m: columns + left, dtype, device: call.init.device });
  return identity.slice(0, { start: top }).slice(1, { start: left });
};

const trilu: Operator = async (call) => {
  const offset = await call.scalar(1) ?? 0;
  return call.number("upper", 1) === 1 ? call.x().triu(offset) : call.x().tril(offset);
};

const depthToSpace: Operator = (call) => {
  const x = call.x();
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const b = call.number("blocksize");
  const parts = call.text("mode", "DCR") === "DCR"
    ? x.reshape([n, b, b, c / (b * b), h, w]).permute([0, 3, 4, 1, 5, 2])
    : x.reshape([n, c / (b * b), b, b, h, w]).permute([0, 1, 4, 2, 5, 3]);
  return parts.reshape([n, c / (b * b), h * b, w * b]);
};

const spaceToDepth: Operator = (call) => {
  const x = call.x();
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const b = call.number("blocksize");
  return x.reshape([n, c, h / b, b, w / b, b]).permute([0, 3, 5, 1, 2, 4]).reshape([n, c * b * b, h / b, w / b]);
};

const concat: Operator = (call: Call) => {
  const all = call.all();
  return cat(all, { dim: call.number("axis", 1) });
};

/** Operators that move elements. */
export const shaping: Readonly<Record<string, Operator>> = {
  Concat: concat,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  DepthToSpace: depthToSpace,
  Expand: expand,
  EyeLike: eyeLike,
  Flatten: flatten,
  Pad: pad,
  Range: range,
  Reshape: reshape,
  Shape: shapeOf,
  Size: (call) => call.make([call.x().size], [], "int32"),
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: unsqueeze,
};
