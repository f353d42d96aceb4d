/**
 * Results whose size depends on values: they have to be waited for. Methods of {@link Tensor}.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { tensor } from "./create.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { isFloat } from "./dtype.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes, contiguousStrides, normalizeDim, sameShape, sizeOf } from "./shape.ts";
import { checkTensors, type Tensor } from "./tensor.ts";

/** Options of {@link Tensor.bincount}. */
export interface BincountOptions {
  /** What each element counts for, in its shape. Default 1. */
  readonly weights?: Tensor;
  /** The least number of bins. Default 0. */
  readonly minLength?: number;
}

/** What {@link Tensor.unique} returns. */
export interface Unique {
  /** The distinct values, increasing (or slices, in lexical order). */
  readonly values: Tensor;
  /** int32: for each element its place among the values. */
  readonly inverse: Tensor;
  /** int32: how often each value occurs. */
  readonly counts: Tensor;
}

/** Internal: see {@link Tensor.nonzero}. */
export async function nonzero(x: Tensor): Promise<Tensor> {
  const places = positionsOf(await x.data());
  const strides = contiguousStrides(x.shape);
  const coordinates = new Int32Array(places.length * x.rank);
  places.forEach((place, row) =>
    strides.forEach((stride, dim) => coordinates[row * x.rank + dim] = Math.floor(place / stride) % x.shape[dim]!)
  );
  return tensor(coordinates, { shape: [places.length, x.rank], device: x.device });
}

/** Internal: see {@link Tensor.maskedSelect}. */
export async function maskedSelect(x: Tensor, mask: Tensor): Promise<Tensor> {
  checkTensors("maskedSelect", { mask });
  if (mask.dtype !== "bool") throw new DTypeError(`Cannot maskedSelect: a bool mask is needed, got ${mask.dtype}`, { op: "maskedSelect" });
  const shape = broadcastShapes([x.shape, mask.shape], "maskedSelect");
  const places = Int32Array.from(positionsOf(await tidy(() => mask.expand(shape).contiguous()).data()));
  return tidy(() => x.expand(shape).flatten().gather(0, tensor(places, { device: x.device })));
}

function positionsOf(values: ArrayLike<number>): number[] {
  const places: number[] = [];
  for (let place = 0; place < values.length; place++) if (values[place] !== 0) places.push(place);
  return places;
}

/** Internal: see {@link Tensor.bincount}. */
export async function bincount(x: Tensor, options: BincountOptions): Promise<Tensor> {
  const { weights, minLength = 0 } = checkOptions(options, "bincount", ["weights", "minLength"]);
  checkTensors("bincount", {}, { weights });
  if (isFloat(x.dtype) || x.dtype === "bool") {
    throw new DTypeError(`Cannot bincount a ${x.dtype} tensor: whole numbers are needed`, { op: "bincount" });
  }
  if (x.rank !== 1 || (weights !== undefined && !sameShape(weights.shape, x.shape))) {
    const shapes = [x.shape, ...(weights === undefined ? [] : [weights.shape])];
    throw new ShapeError(`Cannot bincount ${formatShapes(shapes)}: a vector, and weights of its shape, are needed`, {
      op: "bincount",
      shapes,
    });
  }
  if (!Number.isInteger(minLength) || minLength < 0) {
    throw new ArgumentError(`Cannot bincount: a whole minLength from 0 is needed, got ${minLength}`);
  }
  const values = await x.data();
  let size = minLength;
  for (const value of values) {
    if (value < 0) throw new ArgumentError(`Cannot bincount: whole numbers from 0 are needed, got ${value}`);
    size = Math.max(size, value + 1);
  }
  return tidy(() => {
    const counted = weights ?? x.newFull(x.shape, 1, "int32");
    return counted.newZeros([size]).scatterAdd(0, x.to("int32"), counted);
  });
}

/** Internal: see {@link Tensor.unique}, and {@link Tensor.uniqueConsecutive} for neighbours alone. */
export async function unique(x: Tensor, by: { readonly dim?: number }, neighbours = false): Promise<Unique> {
  const { dim } = checkOptions(by, neighbours ? "uniqueConsecutive" : "unique", ["dim"]);
  if (x.dtype === "float16") throw new DTypeError("Cannot unique a float16 tensor: cast it to float32 first", { op: "unique" });
  const at = dim === undefined ? 0 : normalizeDim(dim, x.rank, "unique");
  const whole = dim === undefined || x.rank === 0;
  const rows = tidy(() => whole ? x.detach().reshape([x.size, 1]) : rowsOf(x.detach(), at));
  const [count, width] = rows.shape as [number, number];
  const values = await rows.data();
  rows.dispose();
  const order = Array.from({ length: count }, (_, row) => row);
  if (!neighbours) order.sort((a, b) => compareRows(values, a, b, width));
  const firsts: number[] = [];
  const counts: number[] = [];
  const inverse = new Int32Array(count);
  order.forEach((row, nth) => {
    const isNew = nth === 0 || !equalRows(values, order[nth - 1]!, row, width);
    if (isNew) firsts.push(row);
    counts[firsts.length - 1] = isNew ? 1 : counts[firsts.length - 1]! + 1;
    inverse[row] = firsts.length - 1;
  });
  const options = { device: x.device };
  const chosen = tidy(() => {
    const index = tensor(Int32Array.from(firsts), options);
    return whole ? x.detach().flatten().gather(0, index) : x.detach().indexSelect(at, index);
  });
  return {
    values: chosen,
    inverse: tensor(inverse, { ...options, shape: whole ? x.shape : [count] }),
    counts: tensor(Int32Array.from(counts), options),
  };
}

/** One row per position of a dim. */
function rowsOf(x: Tensor, dim: number): Tensor {
  const size = x.shape[dim]!;
  return x.transpose(0, dim).reshape([size, sizeOf(x.shape) / Math.max(size, 1)]);
}

/** Lexical order; NaN behind everything. */
function compareRows(values: ArrayLike<number>, a: number, b: number, width: number): number {
  for (let column = 0; column < width; column++) {
    const [left, right] = [values[a * width + column]!, values[b * width + column]!];
    if (left < right) return -1;
    if (left > right) return 1;
    if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1;
  }
  return a - b;
}

/** NaN differs from NaN, as in PyTorch. */
function equalRows(values: ArrayLike<number>, a: number, b: number, width: number): boolean {
  for (let column = 0; column < width; column++) if (values[a * width + column] !== values[b * width + column]) return false;
  return true;
}
