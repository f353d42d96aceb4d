/**
 * Strided windows on typed arrays, and walks over them.
 *
 * @module
 */
import { type DType, type TypedArray, typedArray } from "../../tensor/dtype.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";

/** A strided window on a typed array; offset and strides count elements. */
export interface Strided {
  readonly data: TypedArray;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** A shape and the strides of several arrays that are walked together. */
export interface Walk {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** Merges dims that lie behind each other in every array, and drops dims of size 1; the row-major order stays. */
export function mergeDims(shape: readonly number[], strides: readonly (readonly number[])[]): Walk {
  const mergedShape: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let dim = 0; dim < shape.length; dim++) {
    const size = shape[dim]!;
    if (size === 1) continue;
    const last = mergedShape.length - 1;
    if (last >= 0 && strides.every((list, at) => merged[at]![last] === list[dim]! * size)) {
      mergedShape[last]! *= size;
      for (let at = 0; at < strides.length; at++) merged[at]![last] = strides[at]![dim]!;
    } else {
      mergedShape.push(size);
      for (let at = 0; at < strides.length; at++) merged[at]!.push(strides[at]![dim]!);
    }
  }
  return { shape: mergedShape, strides: merged };
}

/**
 * Visits the elements of the first `rank` dims in row-major order, with each array's position. The positions array is reused. Without
 * dims there is one element; with a size of 0 none.
 */
export function eachPosition(
  { shape, strides }: Walk,
  rank: number,
  offsets: readonly number[],
  visit: (positions: readonly number[], index: number) => void,
): void {
  const positions = [...offsets];
  const counter = new Array<number>(rank).fill(0);
  for (let dim = 0; dim < rank; dim++) if (shape[dim] === 0) return;
  for (let index = 0;; index++) {
    visit(positions, index);
    let dim = rank - 1;
    while (dim >= 0 && ++counter[dim]! === shape[dim]!) {
      for (let at = 0; at < positions.length; at++) positions[at]! -= strides[at]![dim]! * (shape[dim]! - 1);
      counter[dim--] = 0;
    }
    if (dim < 0) return;
    for (let at = 0; at < positions.length; at++) positions[at]! += strides[at]![dim]!;
  }
}

/** What {@link eachLine} needs to know of a walk: `count` elements per line, and each array's step along it. */
export interface Line {
  readonly count: number;
  readonly steps: readonly number[];
}

/** The lines along the last dim of a walk; without dims a line of one element. */
export function lineOf({ shape, strides }: Walk): Line {
  const last = shape.length - 1;
  return { count: shape[last] ?? 1, steps: strides.map((list) => list[last] ?? 0) };
}

/** Visits every line (run along the last dim) that has elements, with the position of its first element in each array. */
export function eachLine(walk: Walk, offsets: readonly number[], visit: (positions: readonly number[], line: number) => void): void {
  const rank = walk.shape.length;
  if (rank > 0 && walk.shape[rank - 1] === 0) return;
  eachPosition(walk, Math.max(rank - 1, 0), offsets, visit);
}

/** The elements in row-major order, as float64, which holds every other type. */
export function toFloat64(view: Strided): Float64Array {
  const values = new Float64Array(sizeOf(view.shape));
  copy(view, values);
  return values;
}

/** A contiguous copy in the view's own element type. */
export function toContiguous(view: Strided): TypedArray {
  const size = sizeOf(view.shape);
  const values = typedArray(view.dtype, new ArrayBuffer(size * view.data.BYTES_PER_ELEMENT));
  copy(view, values);
  return values;
}

function copy({ data, shape, strides, offset }: Strided, target: TypedArray): void {
  const walk = mergeDims(shape, [strides]);
  const { count, steps } = lineOf(walk);
  const step = steps[0]!;
  eachLine(walk, [offset], ([start], line) => {
    for (let k = 0, from = start!, to = line * count; k < count; k++, from += step) target[to++] = data[from]!;
  });
}

/** Stores row-major values, rounded or wrapped by the element type of the view. */
export function store(values: TypedArray, { data, shape, strides, offset }: Strided): void {
  const walk = mergeDims(shape, [strides]);
  const { count, steps } = lineOf(walk);
  const step = steps[0]!;
  eachLine(walk, [offset], ([start], line) => {
    for (let k = 0, to = start!, from = line * count; k < count; k++, to += step) data[to] = values[from++]!;
  });
}

/** A contiguous view of row-major values. */
export function contiguous(data: TypedArray, dtype: DType, shape: readonly number[]): Strided {
  return { data, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
}
