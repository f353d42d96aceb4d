/**
 * Picking and placing by tensors of positions: methods of {@link Tensor}, and {@link searchsorted}.
 *
 * @module
 */
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes, normalizeDim, sameShape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** What is put where by {@link Tensor.indexPut}. */
export interface IndexPutOptions {
  /** Broadcast to what {@link Tensor.index} gives. */
  readonly values: Tensor;
  /** Add to what is there (and among each other) instead of replacing it. Default false. */
  readonly accumulate?: boolean;
}

/** Where several dims are picked from at once. */
interface Picked {
  /** The dims that have an index, and those that have none. */
  readonly dims: readonly number[];
  readonly rest: readonly number[];
  /** The positions in the flattened indexed dims, in the indices' common shape. */
  readonly positions: Tensor;
  /** The sizes of `dims` and `rest`. */
  readonly sizes: readonly number[];
  readonly restSizes: readonly number[];
  /** Where the indices' dims stand in the result. */
  readonly at: number;
}

/** Internal: see {@link Tensor.index}. */
export function index(x: Tensor, indices: readonly (Tensor | null)[]): Tensor {
  return tidy(() => {
    const picked = pick(x, indices, "index");
    const { dims, rest, sizes, restSizes, positions } = picked;
    const rows = x.permute([...dims, ...rest]).reshape([sizeOf(sizes), sizeOf(restSizes)]);
    const taken = rows.indexSelect(0, positions.flatten()).reshape([...positions.shape, ...restSizes]);
    return taken.permute(resultOrder(picked));
  });
}

/** Internal: see {@link Tensor.indexPut}. */
export function indexPut(x: Tensor, indices: readonly (Tensor | null)[], { values, accumulate = false }: IndexPutOptions): Tensor {
  return tidy(() => {
    const picked = pick(x, indices, "indexPut");
    const { dims, rest, sizes, restSizes, positions } = picked;
    const order = resultOrder(picked);
    const taken = [...positions.shape, ...restSizes];
    // From the result's order of dims back to positions first.
    const placed = values.expand(order.map((dim) => taken[dim]!)).permute(taken.map((_, dim) => order.indexOf(dim)));
    const [count, width] = [positions.size, sizeOf(restSizes)];
    const rows = x.permute([...dims, ...rest]).reshape([sizeOf(sizes), width]);
    const at = positions.reshape([count, 1]).expand([count, width]);
    const written = rows.scatter(0, { index: at, src: placed.reshape([count, width]), combine: accumulate ? "sum" : "replace" });
    const back = [...dims, ...rest];
    return written.reshape([...sizes, ...restSizes]).permute(back.map((_, dim) => back.indexOf(dim)));
  });
}

function pick(x: Tensor, indices: readonly (Tensor | null)[], op: string): Picked {
  const given = indices.flatMap((positions, dim) => positions === null ? [] : [{ positions, dim }]);
  if (given.length === 0 || indices.length > x.rank) {
    throw new ArgumentError(`Cannot ${op} ${formatShapes([x.shape])}: 1 to ${x.rank} indices are needed, got ${indices.length}`);
  }
  const stray = given.find(({ positions }) => positions.dtype !== "int32");
  if (stray !== undefined) {
    throw new DTypeError(
      `Cannot ${op}: int32 positions are needed, got ${stray.positions.dtype}; for a bool mask use maskedSelect, maskedFill or where`,
      { op },
    );
  }
  const shape = broadcastShapes(given.map(({ positions }) => positions.shape), op);
  const dims = given.map(({ dim }) => dim);
  const rest = x.shape.flatMap((_, dim) => dims.includes(dim) ? [] : [dim]);
  const sizes = dims.map((dim) => x.shape[dim]!);
  let flat: Tensor | undefined;
  let valid: Tensor | undefined;
  given.forEach(({ positions }, nth) => {
    const size = sizes[nth]!;
    const inside = positions.ge(-size).logicalAnd(positions.lt(size));
    const wrapped = positions.lt(0).where(positions.add(size), positions);
    flat = flat === undefined ? wrapped : flat.mul(size).add(wrapped);
    valid = valid === undefined ? inside : valid.logicalAnd(inside);
  });
  // Behind the last row, so that the gather or scatter refuses it.
  const positions = valid!.where(flat!, sizeOf(sizes)).expand(shape);
  const together = dims.every((dim, nth) => dim === dims[0]! + nth);
  const at = together ? rest.filter((dim) => dim < dims[0]!).length : 0;
  return { dims, rest, positions, sizes, restSizes: rest.map((dim) => x.shape[dim]!), at };
}

/** Positions' dims stand where the first index stood when the indexed dims are neighbours, else in front, as in PyTorch. */
function resultOrder({ positions, rest, at }: Picked): number[] {
  const front = positions.shape.map((_, dim) => dim);
  const others = rest.map((_, dim) => positions.rank + dim);
  return [...others.slice(0, at), ...front, ...others.slice(at)];
}

/** Internal: see {@link Tensor.takeAlongDim}. */
export function takeAlongDim(x: Tensor, positions: Tensor, dim: number | undefined): Tensor {
  if (dim === undefined) return tidy(() => x.flatten().gather(0, positions.flatten()));
  const at = normalizeDim(dim, x.rank, "takeAlongDim");
  if (positions.rank !== x.rank) {
    throw new ShapeError(`Cannot takeAlongDim ${formatShapes([x.shape, positions.shape])}: an index of the same rank is needed`, {
      op: "takeAlongDim",
      shapes: [x.shape, positions.shape],
    });
  }
  const open = (shape: readonly number[]): number[] => shape.map((size, d) => d === at ? 1 : size);
  const common = broadcastShapes([open(x.shape), open(positions.shape)], "takeAlongDim");
  const full = (shape: readonly number[]): number[] => common.map((size, d) => d === at ? shape[at]! : size);
  return tidy(() => x.expand(full(x.shape)).gather(at, positions.expand(full(positions.shape))));
}

/**
 * Where values would have to be inserted into sorted rows to keep them sorted.
 *
 * @param sorted [..., N], each row increasing; or [N] for values of any shape.
 * @param values [..., M], with the rows' leading dims.
 * @param options `right`: behind equal elements instead of before them. Default false.
 * @returns int32 positions 0 … N in the values' shape.
 * @throws ShapeError when leading dims differ.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { searchsorted, tensor } from "./mod.ts";
 *
 * assertEquals(await searchsorted(tensor([1, 3, 5]), tensor([3, 4, 9])).toArray(), [1, 2, 3]);
 * ```
 */
export function searchsorted(sorted: Tensor, values: Tensor, { right = false }: { readonly right?: boolean } = {}): Tensor {
  const shapes = [sorted.shape, values.shape];
  if (sorted.rank === 0 || (sorted.rank > 1 && !sameShape(sorted.shape.slice(0, -1), values.shape.slice(0, -1)))) {
    throw new ShapeError(`Cannot searchsorted ${formatShapes(shapes)}: one row, or rows with the values' leading dims, are needed`, {
      op: "searchsorted",
      shapes,
    });
  }
  return tidy(() => {
    const size = sorted.shape.at(-1)!;
    const rows = sorted.rank === 1 ? values.flatten() : values;
    let low = rows.newZeros(rows.shape, "int32");
    let high = rows.newFull(rows.shape, size, "int32");
    for (let reach = size; reach > 0 && rows.size > 0; reach = Math.floor(reach / 2)) {
      const open = low.lt(high);
      const middle = low.add(high).floorDivide(2);
      const met = sorted.detach().gather(-1, middle.minimum(size - 1));
      // Asked this way round, NaN stands behind everything else.
      const beyond = open.logicalAnd((right ? met.gt(rows) : met.ge(rows)).logicalNot());
      high = open.logicalAnd(beyond.logicalNot()).where(middle, high);
      low = beyond.where(middle.add(1), low);
    }
    return low.reshape(values.shape);
  });
}

/**
 * The number of the bucket of each value between increasing boundaries: {@link searchsorted} with the arguments in PyTorch's order.
 *
 * @param values Any shape.
 * @param boundaries [N], increasing.
 * @param options `right`: a value that equals a boundary belongs behind it. Default false.
 */
export function bucketize(values: Tensor, boundaries: Tensor, options: { readonly right?: boolean } = {}): Tensor {
  return searchsorted(boundaries, values, options);
}
