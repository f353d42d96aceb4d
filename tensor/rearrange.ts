/**
 * Repeating, rolling and cutting: methods of {@link Tensor} that are composed of views and copies, and grids of coordinates.
 *
 * @module
 */
import { checkList, checkOptions, listOf } from "./arguments.ts";
import { cat } from "./create.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import * as diagonals from "./ops/diagonal.ts";
import { tidy } from "./scope.ts";
import { checkSizes, normalizeDim, normalizeDims, sizeOf } from "./shape.ts";
import { apply, checkTensorList, type Dims, type Tensor } from "./tensor.ts";

/** Which diagonal of which dims. */
export interface DiagonalOptions {
  /** How far to the right of the main diagonal; negative is below. Default 0. */
  readonly offset?: number;
  /** The dim of rows. Default 0. */
  readonly dim1?: number;
  /** The dim of columns. Default 1. */
  readonly dim2?: number;
}

/** Options of {@link Tensor.diff}. */
export interface DiffOptions {
  /** How often the difference is taken. Default 1. */
  readonly n?: number;
  /** The dim along which. Default the last. */
  readonly dim?: number;
  /** Values put before the first. */
  readonly prepend?: Tensor;
  /** Values put after the last. */
  readonly append?: Tensor;
}

/** Internal: see {@link Tensor.tril} and {@link Tensor.triu}. */
export function triangle(x: Tensor, side: "lower" | "upper", offset: number): Tensor {
  const op = side === "lower" ? "tril" : "triu";
  if (x.rank < 2) throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape])}: at least 2-d is needed`, { op, shapes: [x.shape] });
  checkWhole(offset, op, "diagonal");
  return apply(diagonals.triangle, [x], { side, offset })[0]!;
}

/** Internal: see {@link Tensor.diagonal}. */
export function diagonal(x: Tensor, options: DiagonalOptions): Tensor {
  const { offset = 0, dim1 = 0, dim2 = 1 } = checkOptions(options, "diagonal", ["offset", "dim1", "dim2"]);
  const [first, second] = planeOf(x.rank, dim1, dim2, "diagonal");
  checkWhole(offset, "diagonal", "offset");
  return apply(diagonals.diagonal, [x], { offset, dim1: first, dim2: second })[0]!;
}

/** Internal: see {@link Tensor.diagEmbed}. */
export function diagEmbed(x: Tensor, options: DiagonalOptions): Tensor {
  const { offset = 0, dim1 = -2, dim2 = -1 } = checkOptions(options, "diagEmbed", ["offset", "dim1", "dim2"]);
  if (x.rank === 0) throw new ShapeError("Cannot diagEmbed []: at least 1-d is needed", { op: "diagEmbed", shapes: [x.shape] });
  const rank = x.rank + 1;
  const [first, second] = planeOf(rank, dim1, dim2, "diagEmbed");
  checkWhole(offset, "diagEmbed", "offset");
  const size = x.shape.at(-1)! + Math.abs(offset);
  let lead = 0;
  const shape = Array.from({ length: rank }, (_, dim) => dim === first || dim === second ? size : x.shape[lead++]!);
  return apply(diagonals.placeDiagonal, [x], { offset, dim1: first, dim2: second, shape })[0]!;
}

/** Internal: see {@link Tensor.diag}. */
export function diag(x: Tensor, offset: number): Tensor {
  if (x.rank === 1) return diagEmbed(x, { offset });
  if (x.rank === 2) return diagonal(x, { offset });
  throw new ShapeError(`Cannot diag ${formatShapes([x.shape])}: a vector or a matrix is needed`, { op: "diag", shapes: [x.shape] });
}

/** Internal: see {@link Tensor.trace}. */
export function trace(x: Tensor): Tensor {
  if (x.rank !== 2) throw new ShapeError(`Cannot trace ${formatShapes([x.shape])}: a matrix is needed`, { op: "trace", shapes: [x.shape] });
  return tidy(() => diagonal(x, {}).sum());
}

/** Internal: see {@link Tensor.unbind}. */
export function unbind(x: Tensor, dim: number): Tensor[] {
  const at = normalizeDim(dim, x.rank, "unbind");
  if (x.rank === 0) throw new ShapeError("Cannot unbind []: at least 1-d is needed", { op: "unbind", shapes: [x.shape] });
  return Array.from({ length: x.shape[at]! }, (_, position) => x.select(at, position));
}

/** Internal: see {@link Tensor.tensorSplit}. */
export function tensorSplit(x: Tensor, parts: number | readonly number[], dim: number): Tensor[] {
  const at = normalizeDim(dim, x.rank, "tensorSplit");
  const size = x.shape[at];
  if (size === undefined) throw new ShapeError("Cannot tensorSplit []: at least 1-d is needed", { op: "tensorSplit", shapes: [x.shape] });
  if (typeof parts === "number") {
    if (!Number.isInteger(parts) || parts < 1) {
      throw new ArgumentError(`Cannot tensorSplit: a positive whole count is needed, got ${parts}`);
    }
    const [least, larger] = [Math.floor(size / parts), size % parts];
    return x.split(Array.from({ length: parts }, (_, n) => least + (n < larger ? 1 : 0)), { dim: at });
  }
  return [...checkList(parts, "tensorSplit", "x.tensorSplit([1, 2])"), size].map((end, n) =>
    x.slice(at, { start: n === 0 ? 0 : parts[n - 1]!, end })
  );
}

/** Internal: see {@link Tensor.movedim}. */
export function movedim(x: Tensor, source: Dims, destination: Dims): Tensor {
  const [from, to] = [source, destination].map((dims) => listOf(dims, "movedim", "x.movedim(0, -1)")) as [number[], number[]];
  if (from.length !== to.length) {
    throw new ArgumentError(`Cannot movedim: as many places as dims are needed, got [${from.join(", ")}] and [${to.join(", ")}]`);
  }
  const [moved, places] = [from, to].map((dims) => {
    normalizeDims(dims, x.rank, "movedim");
    return dims.map((dim) => normalizeDim(dim, x.rank, "movedim"));
  }) as [number[], number[]];
  const order = new Array<number>(x.rank).fill(-1);
  places.forEach((place, n) => order[place] = moved[n]!);
  const rest = x.shape.map((_, dim) => dim).filter((dim) => !moved.includes(dim));
  return x.permute(order.map((dim) => dim < 0 ? rest.shift()! : dim));
}

/** Internal: see {@link Tensor.unflatten}. */
export function unflatten(x: Tensor, dim: number, sizes: readonly number[]): Tensor {
  const at = normalizeDim(dim, x.rank, "unflatten");
  if (checkList(sizes, "unflatten", "x.unflatten(0, [2, 3])").length === 0) {
    throw new ArgumentError("Cannot unflatten: at least one size is needed, got none");
  }
  const known = sizes.reduce((product, size) => size === -1 ? product : product * size, 1);
  const full = sizes.map((size) => size === -1 ? x.shape[at]! / known : size);
  if (sizes.filter((size) => size === -1).length > 1 || sizeOf(full) !== x.shape[at] || full.some((size) => !Number.isInteger(size))) {
    throw new ShapeError(
      `Cannot unflatten ${formatShapes([x.shape])}: sizes of ${x.shape[at]} in all are needed, got [${sizes.join(", ")}]`,
      {
        op: "unflatten",
        shapes: [x.shape],
      },
    );
  }
  return x.reshape([...x.shape.slice(0, at), ...full, ...x.shape.slice(at + 1)]);
}

/** Internal: see {@link Tensor.rot90}. */
export function rot90(x: Tensor, k: number, dims: readonly [number, number]): Tensor {
  checkWhole(k, "rot90", "k");
  if (checkList(dims, "rot90", "x.rot90(1, [0, 1])").length !== 2) {
    throw new ArgumentError(`Cannot rot90: two dims are needed, got ${(dims as readonly number[]).length}`);
  }
  const [first, second] = planeOf(x.rank, dims[0], dims[1], "rot90");
  return tidy(() => {
    switch (((k % 4) + 4) % 4) {
      case 1:
        return x.flip(second).transpose(first, second);
      case 2:
        return x.flip([first, second]);
      case 3:
        return x.flip(first).transpose(first, second);
      default:
        return x.clone();
    }
  });
}

/** Windows along a dim, see {@link Tensor.unfold}. */
export interface WindowOptions {
  /** How many elements each has. */
  readonly size: number;
  /** How far apart they begin. Default 1. */
  readonly step?: number;
}

/** Internal: see {@link Tensor.unfold}. */
export function unfold(x: Tensor, dim: number, options: WindowOptions): Tensor {
  const { size, step = 1 } = checkOptions(options, "unfold", ["size", "step"]);
  const at = normalizeDim(dim, x.rank, "unfold");
  const length = x.shape[at] ?? 1;
  if (!Number.isInteger(size) || size < 0 || size > length || !Number.isInteger(step) || step < 1) {
    throw new ArgumentError(`Cannot unfold: a size from 0 to ${length} and a positive whole step are needed, got ${size} and ${step}`);
  }
  return tidy(() => {
    const source = x.rank === 0 ? x.reshape([1]) : x;
    const reach = Math.floor((length - size) / step) * step + 1;
    const parts = Array.from({ length: size }, (_, place) => source.slice(at, { start: place, end: place + reach, step }).unsqueeze(-1));
    const windows = parts.length > 0
      ? cat(parts, { dim: -1 })
      : source.slice(at, { end: reach, step }).unsqueeze(-1).narrow(-1, { start: 0, length: 0 });
    return x.rank === 0 ? windows.squeeze(0) : windows;
  });
}

/** Internal: see {@link Tensor.roll}. */
export function roll(x: Tensor, shifts: number | readonly number[], dims: number | readonly number[] | undefined): Tensor {
  const amounts = listOf(shifts, "roll", "x.roll(1) or x.roll([1, 2], [0, 1])");
  for (const amount of amounts) checkWhole(amount, "roll", "shift");
  if (dims === undefined) {
    if (amounts.length !== 1) throw new ArgumentError(`Cannot roll: one shift is needed where no dims are given, got ${amounts.length}`);
    return tidy(() => rollOne(x.flatten(), amounts[0]!, 0).reshape(x.shape));
  }
  const along = listOf(dims, "roll", "x.roll([1, 2], [0, 1])").map((dim) => normalizeDim(dim, x.rank, "roll"));
  if (along.length !== amounts.length || along.length === 0) {
    throw new ArgumentError(`Cannot roll: one shift per dim is needed, got ${amounts.length} for ${along.length}`);
  }
  return tidy(() => along.reduce((rolled, dim, position) => rollOne(rolled, amounts[position]!, dim), x).alias());
}

function rollOne(x: Tensor, shift: number, dim: number): Tensor {
  const size = x.shape[dim] ?? 1;
  if (x.size === 0 || x.rank === 0) return x.clone();
  const start = ((-shift % size) + size) % size;
  if (start === 0) return x.clone();
  return cat([x.narrow(dim, { start, length: size - start }), x.narrow(dim, { start: 0, length: start })], { dim });
}

/** Internal: see {@link Tensor.repeat}. */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
  checkSizes(repeats, "repeat");
  if (repeats.length < x.rank) {
    throw new ShapeError(`Cannot repeat ${formatShapes([x.shape])}: at least ${x.rank} counts are needed, got [${repeats.join(", ")}]`, {
      op: "repeat",
      shapes: [x.shape],
    });
  }
  const shape = [...new Array<number>(repeats.length - x.rank).fill(1), ...x.shape];
  return tidy(() =>
    x.reshape(shape.flatMap((size) => [1, size])).expand(shape.flatMap((size, dim) => [repeats[dim]!, size]))
      .contiguous().reshape(shape.map((size, dim) => size * repeats[dim]!))
  );
}

/** Internal: see {@link Tensor.tile}. */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  checkSizes(repeats, "tile");
  return repeat(x, [...new Array<number>(Math.max(0, x.rank - repeats.length)).fill(1), ...repeats]);
}

/** Internal: see {@link Tensor.repeatInterleave}. */
export function repeatInterleave(x: Tensor, repeats: number | readonly number[], dim: number | undefined): Tensor {
  if (dim === undefined) return tidy(() => repeatInterleave(x.flatten(), repeats, 0));
  const at = normalizeDim(dim, x.rank, "repeatInterleave");
  const size = x.shape[at] ?? 1;
  checkSizes(typeof repeats === "number" ? [repeats] : repeats, "repeatInterleave");
  if (typeof repeats === "number" || repeats.length === 1) {
    const count = typeof repeats === "number" ? repeats : repeats[0]!;
    const shape = x.rank === 0 ? [1] : x.shape;
    return tidy(() =>
      x.reshape(shape).unsqueeze(at + 1).expand([...shape.slice(0, at + 1), count, ...shape.slice(at + 1)])
        .contiguous().reshape(shape.map((length, d) => d === at ? length * count : length))
    );
  }
  if (repeats.length !== size) {
    throw new ShapeError(`Cannot repeatInterleave ${formatShapes([x.shape])}: ${size} counts are needed, got ${repeats.length}`, {
      op: "repeatInterleave",
      shapes: [x.shape],
    });
  }
  return tidy(() => {
    const parts = repeats.map((count, position) => {
      const shape = x.shape.map((length, d) => d === at ? count : length);
      return x.narrow(at, { start: position, length: 1 }).expand(shape);
    });
    return parts.length === 0 ? x.clone() : cat(parts, { dim: at });
  });
}

/** Internal: see {@link Tensor.diff}. */
export function diff(x: Tensor, options: DiffOptions): Tensor {
  const { n = 1, dim = -1, prepend, append } = checkOptions(options, "diff", ["n", "dim", "prepend", "append"]);
  const at = normalizeDim(dim, x.rank, "diff");
  if (x.rank === 0) throw new ShapeError("Cannot diff []: at least 1-d is needed", { op: "diff", shapes: [x.shape] });
  if (!Number.isInteger(n) || n < 0) throw new ArgumentError(`Cannot diff: a whole n from 0 is needed, got ${n}`);
  return tidy(() => {
    const parts = [prepend, x, append].filter((part) => part !== undefined);
    let y = parts.length === 1 || n === 0 ? x.alias() : cat(parts, { dim: at });
    for (let round = 0; round < n && y.shape[at]! > 0; round++) {
      const later = y.slice(at, { start: 1 });
      const earlier = y.slice(at, { end: y.shape[at]! - 1 });
      y = y.dtype === "bool" ? later.logicalXor(earlier) : later.sub(earlier);
    }
    return y;
  });
}

/**
 * Coordinates of a grid: one tensor per axis, each of the grid's shape, as views.
 *
 * @param axes Vectors or single numbers.
 * @param options `indexing` "ij" (default): the first axis runs along the first dim; "xy": the first two dims are swapped.
 * @throws ShapeError for an axis of more than one dim; ArgumentError for none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { meshgrid, tensor } from "./mod.ts";
 *
 * const [rows, columns] = meshgrid([tensor([1, 2]), tensor([3, 4, 5])]);
 * assertEquals(await rows!.toArray(), [[1, 1, 1], [2, 2, 2]]);
 * assertEquals(await columns!.toArray(), [[3, 4, 5], [3, 4, 5]]);
 * ```
 */
export function meshgrid(axes: readonly Tensor[], options: { readonly indexing?: "ij" | "xy" } = {}): Tensor[] {
  checkTensorList("meshgrid", axes, "meshgrid([x, y])");
  const { indexing = "ij" } = checkOptions(options, "meshgrid", ["indexing"]);
  if (axes.length === 0) throw new ArgumentError("Cannot meshgrid: at least one axis is needed, got none");
  const shapes = axes.map(({ shape }) => shape);
  if (axes.some(({ rank }) => rank > 1)) {
    throw new ShapeError(`Cannot meshgrid ${formatShapes(shapes)}: vectors are needed`, { op: "meshgrid", shapes });
  }
  const sizes = shapes.map(sizeOf);
  const swapped = indexing === "xy" && axes.length > 1;
  return tidy(() =>
    axes.map((axis, position) => {
      const grid = axis.reshape(sizes.map((size, dim) => dim === position ? size : 1)).expand(sizes);
      return swapped ? grid.transpose(0, 1) : grid;
    })
  );
}

/** Two distinct dims. */
function planeOf(rank: number, dim1: number, dim2: number, op: string): [number, number] {
  if (rank < 2) throw new ShapeError(`Cannot ${op}: at least 2-d is needed, got ${rank}-d`, { op });
  const [first, second] = [normalizeDim(dim1, rank, op), normalizeDim(dim2, rank, op)];
  if (first === second) throw new ArgumentError(`Cannot ${op}: two distinct dims are needed, got ${dim1} and ${dim2}`);
  return [first, second];
}

function checkWhole(value: number, op: string, name: string): void {
  if (!Number.isInteger(value)) throw new ArgumentError(`Cannot ${op}: a whole ${name} is needed, got ${value}`);
}
