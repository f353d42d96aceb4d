/**
 * Strided windows on typed arrays, and walks over them.
 *
 * @module
 */
import { type DType, type TypedArray, typedArray } from "../../tensor/dtype.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";

/** A strided window on a typed array; offset and strides count elements. */
export interface Strided {
  readonly data: TypedArray | Float64Array;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Sizes and, per array, strides: dims that lie behind each other in every array are merged, dims of size 1 dropped. */
export interface Walk {
  readonly shape: number[];
  readonly strides: number[][];
}

/** Merges dims where every array allows it, keeping row-major order. */
export function mergeDims(shape: readonly number[], strides: readonly (readonly number[])[]): Walk {
  const outShape: number[] = [];
  const outStrides: number[][] = strides.map(() => []);
  for (let dim = 0; dim < shape.length; dim++) {
    const size = shape[dim]!;
    if (size === 1) continue;
    const last = outShape.length - 1;
    const joins = last >= 0 && strides.every((list, at) => outStrides[at]![last] === list[dim]! * size);
    if (joins) {
      outShape[last]! *= size;
      strides.forEach((list, at) => outStrides[at]![last] = list[dim]!);
    } else {
      outShape.push(size);
      strides.forEach((list, at) => outStrides[at]!.push(list[dim]!));
    }
  }
  return { shape: outShape, strides: outStrides };
}

/**
 * Calls `visit` for each line (run along the last dim) in row-major order, with the position of its first element in each array.
 * The positions array is reused. A shape without dims is one line of one element; a shape with a size of 0 has no line.
 */
export function eachLine(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  offsets: readonly number[],
  visit: (positions: number[], line: number) => void,
): void {
  const rank = Math.max(shape.length - 1, 0);
  const lines = sizeOf(shape.slice(0, rank));
  if (lines === 0 || shape[rank] === 0) return;
  const positions = [...offsets];
  const counter = new Array<number>(rank).fill(0);
  for (let line = 0;; line++) {
    visit(positions, line);
    let dim = rank - 1;
    for (; dim >= 0; dim--) {
      counter[dim]!++;
      if (counter[dim]! < shape[dim]!) {
        for (let at = 0; at < positions.length; at++) positions[at]! += strides[at]![dim]!;
        break;
      }
      for (let at = 0; at < positions.length; at++) positions[at]! -= strides[at]![dim]! * (shape[dim]! - 1);
      counter[dim] = 0;
    }
    if (dim < 0) return;
  }
}

/** The elements in row-major order, as float64, which holds every other type. */
export function toFloat64(view: Strided): Float64Array {
  const values = new Float64Array(sizeOf(view.shape));
  const { shape, strides } = mergeDims(view.shape, [view.strides]);
  const count = shape[shape.length - 1] ?? 1;
  const step = strides[0]![shape.length - 1] ?? 0;
  const { data } = view;
  eachLine(values.length === 0 ? [0] : shape, strides, [view.offset], ([start], line) => {
    for (let k = 0, from = start!, to = line * count; k < count; k++, from += step) values[to++] = data[from]!;
  });
  return values;
}

/** Stores row-major values, rounded or wrapped by the element type of the view. */
export function store(values: Float64Array | TypedArray, view: Strided): void {
  if (values.length === 0) return;
  const { shape, strides } = mergeDims(view.shape, [view.strides]);
  const count = shape[shape.length - 1] ?? 1;
  const step = strides[0]![shape.length - 1] ?? 0;
  const { data } = view;
  eachLine(shape, strides, [view.offset], ([start], line) => {
    for (let k = 0, to = start!, from = line * count; k < count; k++, to += step) data[to] = values[from++]!;
  });
}

/** A contiguous copy in the view's own element type. */
export function toContiguous(view: Strided): TypedArray {
  const size = sizeOf(view.shape);
  const copy = typedArray(view.dtype, new ArrayBuffer(size * bytesOf(view.data)));
  store(toFloat64(view), { data: copy, dtype: view.dtype, shape: view.shape, strides: contiguousStrides(view.shape), offset: 0 });
  return copy;
}

function bytesOf(data: TypedArray): number {
  return data.BYTES_PER_ELEMENT;
}
