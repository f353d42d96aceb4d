/**
 * Shapes and strides: pure arithmetic, no storage.
 *
 * @module
 */
import { checkList, checkNumber, listOf } from "./arguments.ts";
import { ArgumentError, formatShapes, IndexError, ShapeError } from "./errors.ts";

/** The size of each dimension; `[]` is a single number. */
export type Shape = readonly number[];

/** The number of elements: the product of the sizes, 1 for `[]`. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Row-major strides. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    strides[dim] = stride;
    stride *= shape[dim]!;
  }
  return strides;
}

/** Whether strides are row-major without gaps (dims of size 1 do not matter; empty shapes are contiguous). */
export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let stride = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    const size = shape[dim]!;
    if (size !== 1 && strides[dim] !== stride) return shape.includes(0);
    stride *= size;
  }
  return true;
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let dim = 0; dim < a.length; dim++) if (a[dim] !== b[dim]) return false;
  return true;
}

/**
 * The shape two or more shapes broadcast to: aligned at the right, sizes equal or 1.
 *
 * @throws ShapeError naming `op` when they do not fit.
 */
export function broadcastShapes(shapes: readonly Shape[], op: string): Shape {
  const first = shapes[0]!;
  if (shapes.every((shape) => sameShape(shape, first))) return first;
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let dim = 0; dim < shape.length; dim++) {
      const at = rank - shape.length + dim;
      const size = shape[dim]!;
      if (size === 1 || out[at] === size) continue;
      if (out[at] !== 1) {
        throw new ShapeError(
          `Cannot ${op} ${formatShapes(shapes)}: sizes that are equal or 1 are needed in each dim, got ${out[at]} and ${size} in dim ${
            at - rank
          }`,
          { op, shapes },
        );
      }
      out[at] = size;
    }
  }
  return out;
}

/** Strides that expand a view to a larger shape: 0 in every dimension that is stretched. */
export function expandStrides(shape: Shape, strides: readonly number[], to: Shape): number[] {
  const lead = to.length - shape.length;
  return to.map((size, dim) => {
    if (dim < lead) return 0;
    return shape[dim - lead] === size ? strides[dim - lead]! : 0;
  });
}

/**
 * Turns a possibly negative dim into its position.
 *
 * @throws IndexError when it lies outside -rank … rank-1 (a 0-d tensor takes 0 and -1, as in PyTorch); ArgumentError for what is no number.
 */
export function normalizeDim(dim: number, rank: number, op: string): number {
  const span = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -span || dim >= span) {
    checkNumber(dim, op, "a dim");
    throw new IndexError(`Cannot ${op}: a dim in ${-span} … ${span - 1} is needed, got ${dim}`);
  }
  return dim < 0 ? dim + span : dim;
}

/**
 * Turns one dim, several, or none (meaning all) into increasing distinct positions.
 *
 * @throws IndexError outside the rank; ArgumentError when one dim is named twice.
 */
export function normalizeDims(dims: number | readonly number[] | undefined, rank: number, op: string): number[] {
  if (dims === undefined) return Array.from({ length: rank }, (_, dim) => dim);
  const list = listOf(dims, op, "x.sum(1) or x.sum([0, 1])").map((dim) => normalizeDim(dim, rank, op));
  if (new Set(list).size !== list.length) throw new ArgumentError(`Cannot ${op}: distinct dims are needed, got [${list.join(", ")}]`);
  return (rank === 0 ? [] : list).sort((a, b) => a - b);
}

/**
 * Strides of the same elements under another shape without a copy, or undefined when a copy is needed.
 * Dims are grouped so that each group of old dims, contiguous among themselves, covers a group of new dims.
 */
export function reshapeStrides(shape: Shape, strides: readonly number[], to: Shape): number[] | undefined {
  if (sizeOf(to) === 0) return contiguousStrides(to);
  const old = shape.map((size, dim) => ({ size, stride: strides[dim]! })).filter(({ size }) => size !== 1);
  const out = new Array<number>(to.length).fill(1);
  let oldEnd = old.length;
  let newEnd = to.length;
  while (oldEnd > 0) {
    let oldStart = oldEnd - 1;
    let newStart = newEnd - 1;
    while (newStart > 0 && to[newStart] === 1) newStart--;
    let oldSize = old[oldStart]!.size;
    let newSize = to[newStart] ?? 1;
    while (oldSize !== newSize) {
      if (newSize < oldSize) newSize *= to[--newStart]!;
      else oldSize *= old[--oldStart]!.size;
    }
    for (let dim = oldStart; dim < oldEnd - 1; dim++) {
      if (old[dim]!.stride !== old[dim + 1]!.stride * old[dim + 1]!.size) return undefined;
    }
    let stride = old[oldEnd - 1]!.stride;
    for (let dim = newEnd - 1; dim >= newStart; dim--) {
      out[dim] = stride;
      stride *= to[dim]!;
    }
    oldEnd = oldStart;
    newEnd = newStart;
  }
  return out;
}

/**
 * Checks sizes given by a user and fills in one -1.
 *
 * @throws ShapeError when sizes are not whole, more than one is -1, or the number of elements differs from `size`.
 */
export function resolveSizes(sizes: Shape, from: Shape, op: string): number[] {
  const size = sizeOf(from);
  const open = checkList(sizes, op, "x.reshape([2, 3])").indexOf(-1);
  const rest = sizes.filter((_, dim) => dim !== open);
  if (rest.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([from])}: whole sizes with at most one -1 are needed, got [${sizes.join(", ")}]`, {
      op,
      shapes: [from],
    });
  }
  const known = sizeOf(rest);
  const out = [...sizes];
  if (open >= 0 && known > 0 && size % known === 0) out[open] = size / known;
  if (out.includes(-1) || sizeOf(out) !== size) {
    throw new ShapeError(
      `Cannot ${op} ${formatShapes([from])}: a shape of ${size} elements is needed, got [${sizes.join(", ")}]`,
      { op, shapes: [from, sizes] },
    );
  }
  return out;
}

/**
 * Checks the sizes of a new tensor.
 *
 * @throws ShapeError unless every size is a whole number from 0.
 */
export function checkSizes(shape: Shape, op: string): void {
  if (checkList(shape, op, "zeros([2, 3])").some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ShapeError(`Cannot ${op} [${shape}]: whole sizes from 0 are needed, got [${shape}]`, { op, shapes: [] });
  }
}
