/**
 * Picking and placing by tensors of positions: methods of {@link Tensor}, and {@link searchsorted}.
 *
 * @module
 */
import { checkList, checkOptions } from "./arguments.ts";
import { type DType, integerRange, isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes, normalizeDim, sameShape, sizeOf } from "./shape.ts";
import { checkTensorList, checkTensors, type ScatterOptions, type Tensor } from "./tensor.ts";

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
export function indexPut(x: Tensor, indices: readonly (Tensor | null)[], options: IndexPutOptions): Tensor {
  const { values, accumulate = false } = checkOptions(options, "indexPut", ["values", "accumulate"]);
  checkTensors("indexPut", { values });
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
  checkList(indices, op, `x.${op}([rows, null])`);
  const given = indices.flatMap((positions, dim) => positions === null ? [] : [{ positions, dim }]);
  if (given.length === 0 || indices.length > x.rank) {
    throw new ArgumentError(`Cannot ${op} ${formatShapes([x.shape])}: 1 to ${x.rank} indices are needed, got ${indices.length}`);
  }
  checkTensorList(op, given.map(({ positions }) => positions), "");
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

/** Internal: {@link Tensor.scatter} without the tensor's own values at the places that others come to. */
export function scatterFresh(
  x: Tensor,
  dim: number,
  { index, src, combine }: ScatterOptions & { readonly combine: "sum" | "prod" | "max" | "min" },
): Tensor {
  const neutral = { sum: 0, prod: 1, max: least(x.dtype), min: greatest(x.dtype) }[combine];
  return tidy(() => x.scatter(dim, { index, src: x.newFull(index.shape, neutral) }).scatter(dim, { index, src, combine }));
}

/** Internal: the mean of what comes to a place and, unless told otherwise, what was there. */
export function scatterMean(x: Tensor, dim: number, { index, src, includeSelf = true }: ScatterOptions): Tensor {
  return tidy(() => {
    const sums = x.scatter(dim, { index, src, combine: "sum", includeSelf });
    const ones = x.newFull(index.shape, 1, "int32");
    const counts = x.newFull(x.shape, includeSelf ? 1 : 0, "int32").scatterAdd(dim, index, ones).maximum(1);
    return isFloat(x.dtype) ? sums.div(counts) : sums.floorDivide(counts);
  });
}

function least(dtype: DType): number {
  return isFloat(dtype) ? -Infinity : dtype === "bool" ? 0 : integerRange(dtype as "int32" | "uint32")[0];
}

function greatest(dtype: DType): number {
  return isFloat(dtype) ? Infinity : dtype === "bool" ? 1 : integerRange(dtype as "int32" | "uint32")[1];
}

/** Slices and where they go, see {@link Tensor.indexAdd} and {@link Tensor.indexCopy}. */
export interface IndexSlices {
  /** int32 [N] positions along the dim. */
  readonly index: Tensor;
  /** The tensor's shape with N along the dim. */
  readonly source: Tensor;
}

/** Internal: see {@link Tensor.indexAdd} and {@link Tensor.indexCopy}. */
export function placeSlices(
  x: Tensor,
  dim: number,
  { index, source, combine }: IndexSlices & { readonly combine: "sum" | "replace" },
  op: string,
): Tensor {
  const at = normalizeDim(dim, x.rank, op);
  const shape = x.rank === 0 ? [1] : x.shape;
  const wanted = shape.map((size, d) => d === at ? index.size : size);
  const given = source.rank === 0 ? [1] : source.shape;
  if (index.rank > 1 || !sameShape(given, wanted)) {
    throw new ShapeError(
      `Cannot ${op} ${formatShapes([x.shape, index.shape, source.shape])}: positions [N] and a source [${
        shape.map((size, d) => d === at ? "N" : size).join(", ")
      }] are needed`,
      { op, shapes: [x.shape, index.shape, source.shape] },
    );
  }
  return tidy(() => {
    const places = index.reshape(wanted.map((_, d) => d === at ? -1 : 1)).expand(wanted);
    return x.reshape(shape).scatter(at, { index: places, src: source.reshape(wanted), combine }).reshape(x.shape);
  });
}

/** Internal: see {@link Tensor.indexFill}. */
export function indexFill(x: Tensor, dim: number, index: Tensor, value: number): Tensor {
  checkTensors("indexFill", { index });
  const at = normalizeDim(dim, x.rank, "indexFill");
  return tidy(() => {
    const source = x.newFull((x.rank === 0 ? [1] : x.shape).map((size, d) => d === at ? index.size : size), value);
    return placeSlices(x, dim, { index, source, combine: "replace" }, "indexFill");
  });
}

/** Internal: see {@link Tensor.maskedScatter}. */
export function maskedScatter(x: Tensor, mask: Tensor, source: Tensor): Tensor {
  checkTensors("maskedScatter", { mask, source });
  if (mask.dtype !== "bool") {
    throw new DTypeError(`Cannot maskedScatter: a bool mask is needed, got ${mask.dtype}`, { op: "maskedScatter" });
  }
  if (source.dtype !== x.dtype) {
    throw new DTypeError(`Cannot maskedScatter ${source.dtype} into ${x.dtype}: one type is needed`, { op: "maskedScatter" });
  }
  return tidy(() => {
    const shape = broadcastShapes([x.shape, mask.shape], "maskedScatter");
    const open = mask.expand(shape).flatten();
    const base = x.expand(shape);
    if (open.size === 0) return base.clone();
    // The n-th true element takes the n-th of the source, or the gather refuses; the others look at what is there for them.
    const values = source.size === 0 ? source.newZeros([1]) : source.flatten();
    const places = open.where(open.cumsum(0).sub(source.size === 0 ? 0 : 1), 0);
    return open.where(values.gather(0, places), base.flatten()).reshape(shape);
  });
}

/** Internal: see {@link Tensor.takeAlongDim}. */
export function takeAlongDim(x: Tensor, positions: Tensor, dim: number | undefined): Tensor {
  checkTensors("takeAlongDim", { positions });
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
export function searchsorted(sorted: Tensor, values: Tensor, options: { readonly right?: boolean } = {}): Tensor {
  checkTensors("searchsorted", { sorted, values });
  const { right = false } = checkOptions(options, "searchsorted", ["right"]);
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
  checkTensors("bucketize", { values, boundaries });
  checkOptions(options, "bucketize", ["right"]);
  return searchsorted(boundaries, values, options);
}
