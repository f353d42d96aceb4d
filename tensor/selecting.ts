/**
 * Order statistics along a dim: methods of {@link Tensor}.
 *
 * @module
 */
import { checkOptions, listOf } from "./arguments.ts";
import { stack, tensor } from "./create.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { isFloat } from "./dtype.ts";
import { tidy } from "./scope.ts";
import { normalizeDim } from "./shape.ts";
import type { KeepDimOptions, Sorted, Tensor } from "./tensor.ts";

/** How a quantile between two elements is found. */
export type Interpolation = "linear" | "lower" | "higher" | "midpoint" | "nearest";

/** Options of {@link Tensor.quantile}. */
export interface QuantileOptions extends KeepDimOptions {
  /** The dim along which; default all elements. */
  readonly dim?: number;
  /** Default "linear". */
  readonly interpolation?: Interpolation;
}

/** Options of {@link Tensor.histc}. */
export interface HistogramOptions {
  /** The number of bins. Default 100. */
  readonly bins?: number;
  /** The lower end. With both ends 0 (the default) the least and greatest element. */
  readonly min?: number;
  /** The upper end. */
  readonly max?: number;
}

/** The least and the greatest values, see {@link Tensor.aminmax}. */
export interface Extrema {
  /** The least. */
  readonly min: Tensor;
  /** The greatest. */
  readonly max: Tensor;
}

/** Internal: see {@link Tensor.median}. */
export function median(x: Tensor, dim: number | undefined, options: KeepDimOptions): Sorted {
  checkOptions(options, "median", ["keepDim"]);
  return alongRow(x, dim, options, "median", (row) => {
    const size = row.shape.at(-1)!;
    const { indices } = row.detach().sort();
    const nans = row.isNaN().sum(-1, { keepDim: true });
    // NaN, sorted behind all others, takes the median's place.
    const place = nans.gt(0).where(nans.neg().add(size), Math.floor((size - 1) / 2));
    return indices.gather(-1, place);
  });
}

/** Internal: see {@link Tensor.nanmedian}. */
export function nanmedian(x: Tensor, dim: number | undefined, options: KeepDimOptions): Sorted {
  checkOptions(options, "nanmedian", ["keepDim"]);
  return alongRow(x, dim, options, "nanmedian", (row) => {
    // NaN is sorted behind all numbers.
    const count = row.isNaN().logicalNot().sum(-1, { keepDim: true });
    return row.detach().sort().indices.gather(-1, count.sub(1).maximum(0).floorDivide(2));
  });
}

/** Internal: see {@link Tensor.kthvalue}. */
export function kthvalue(x: Tensor, k: number, options: KeepDimOptions & { readonly dim?: number }): Sorted {
  const { dim = -1 } = checkOptions(options, "kthvalue", ["keepDim", "dim"]);
  const size = x.shape[normalizeDim(dim, x.rank, "kthvalue")] ?? 1;
  if (!Number.isInteger(k) || k < 1 || k > size) {
    throw new ArgumentError(`Cannot kthvalue ${formatShapes([x.shape])}: k from 1 to ${size} is needed, got ${k}`);
  }
  return alongRow(
    x,
    dim,
    options,
    "kthvalue",
    (row) => row.detach().topk(k, { largest: false }).indices.narrow(-1, { start: k - 1, length: 1 }),
  );
}

/** Internal: see {@link Tensor.mode}. */
export function mode(x: Tensor, dim: number, options: KeepDimOptions): Sorted {
  checkOptions(options, "mode", ["keepDim"]);
  return alongRow(x, dim, options, "mode", (row) => {
    const { values, indices } = row.detach().sort();
    const size = row.shape.at(-1)!;
    const places = tensor(Int32Array.from({ length: size }, (_, i) => i), { device: row.device });
    const same = size === 1 ? values.newZeros([...values.shape.slice(0, -1), 0], "bool") : values.slice(-1, { start: 1 })
      .eq(values.slice(-1, { end: size - 1 }));
    // Where a run of equals starts; later places in the run take the latest start before them.
    const starts = same.to("int32").pad([1, 0]).eq(0).where(places, 0).cummax(-1).values;
    const longest = places.sub(starts).argmax(-1, { keepDim: true });
    return indices.gather(-1, longest);
  });
}

/** The elements at positions found along one dim (default: all elements as one row). */
function alongRow(
  x: Tensor,
  dim: number | undefined,
  { keepDim = false }: KeepDimOptions,
  op: string,
  find: (row: Tensor) => Tensor,
): Sorted {
  const at = dim === undefined ? 0 : normalizeDim(dim, x.rank, op);
  const [values, indices] = tidy(() => {
    const source = dim === undefined || x.rank === 0 ? x.flatten() : x.transpose(at, -1);
    if (source.shape.at(-1) === 0) {
      throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape])}: at least one element to choose from is needed, got none`, {
        op,
        shapes: [x.shape],
      });
    }
    const positions = find(source);
    return [source.gather(-1, positions), positions].map((part) => {
      if (dim === undefined || x.rank === 0) return part.reshape(keepDim ? x.shape.map(() => 1) : []);
      const placed = part.transpose(at, -1);
      return keepDim ? placed : placed.squeeze(at);
    });
  });
  return { values: values!, indices: indices! };
}

/** Internal: see {@link Tensor.quantile}, and {@link Tensor.nanquantile} for the numbers alone. */
export function quantile(x: Tensor, q: number | readonly number[], options: QuantileOptions, numbers = false): Tensor {
  const { dim, keepDim = false, interpolation = "linear" } = checkOptions(options, "quantile", ["dim", "keepDim", "interpolation"]);
  const list = listOf(q, "quantile", "x.quantile(0.5) or x.quantile([0.25, 0.75])");
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`Cannot quantile a ${x.dtype} tensor: a floating type is needed, cast it first`, { op: "quantile" });
  }
  const wrong = list.find((value) => !(value >= 0 && value <= 1));
  if (wrong !== undefined) throw new ArgumentError(`Cannot quantile: numbers from 0 to 1 are needed, got ${wrong}`);
  const at = dim === undefined ? 0 : normalizeDim(dim, x.rank, "quantile");
  return tidy(() => {
    const row = dim === undefined || x.rank === 0 ? x.flatten() : x.transpose(at, -1);
    const size = row.shape.at(-1)!;
    if (size === 0) {
      throw new ShapeError(`Cannot quantile ${formatShapes([x.shape])}: at least one element is needed, got none`, {
        op: "quantile",
        shapes: [x.shape],
      });
    }
    const sorted = row.sort().values;
    const nans = row.isNaN();
    const poisoned = nans.any(-1, { keepDim: true });
    const last = numbers ? nans.logicalNot().sum(-1, { keepDim: true }).sub(1).maximum(0).to(row.dtype) : undefined;
    const parts = list.map((value) => {
      const found = last === undefined
        ? poisoned.where(NaN, atRank(sorted, value * (size - 1), interpolation))
        : atRanks(sorted, last.mul(value), interpolation);
      if (dim === undefined || x.rank === 0) return found.reshape(keepDim ? x.shape.map(() => 1) : []);
      const placed = found.transpose(at, -1);
      return keepDim ? placed : placed.squeeze(at);
    });
    if (typeof q === "number") return parts[0]!;
    return parts.length === 0 ? x.newZeros([0]) : stack(parts);
  });
}

/** The value at one rank of every sorted row. */
function atRank(sorted: Tensor, rank: number, interpolation: Interpolation): Tensor {
  const [low, high, weight] = ranks(rank, interpolation);
  const lower = sorted.narrow(-1, { start: low, length: 1 });
  return weight === 0 ? lower : lower.lerp(sorted.narrow(-1, { start: high, length: 1 }), weight);
}

/** The values at ranks [..., 1] of sorted rows, each its own. */
function atRanks(sorted: Tensor, rank: Tensor, interpolation: Interpolation): Tensor {
  const [low, high] = [rank.floor(), rank.ceil()];
  const at = (place: Tensor): Tensor => sorted.gather(-1, place.to("int32"));
  switch (interpolation) {
    case "linear":
    case "midpoint": {
      const lower = at(low);
      const weight = interpolation === "linear" ? rank.sub(low) : low.eq(high).where(0, rank.newFull([], 0.5));
      // Of the same element there is nothing to blend, which keeps infinities.
      return low.eq(high).where(lower, lower.lerp(at(high), weight));
    }
    case "lower":
      return at(low);
    case "higher":
      return at(high);
    case "nearest":
      return at(rank.round());
    default:
      throw unknownInterpolation(interpolation);
  }
}

function unknownInterpolation(interpolation: never): ArgumentError {
  return new ArgumentError(`Cannot quantile: a known interpolation is needed, got ${JSON.stringify(interpolation)}`);
}

/** The elements on both sides of a rank and the weight of the second. */
function ranks(rank: number, interpolation: Interpolation): [number, number, number] {
  const [low, high] = [Math.floor(rank), Math.ceil(rank)];
  switch (interpolation) {
    case "linear":
      return [low, high, rank - low];
    case "midpoint":
      return [low, high, low === high ? 0 : 0.5];
    case "lower":
      return [low, low, 0];
    case "higher":
      return [high, high, 0];
    case "nearest": {
      const fraction = rank - low;
      const nearest = fraction === 0.5 ? low + low % 2 : Math.round(rank);
      return [nearest, nearest, 0];
    }
    default:
      throw unknownInterpolation(interpolation);
  }
}

/** Internal: see {@link Tensor.histc}. */
export function histc(x: Tensor, options: HistogramOptions): Tensor {
  const { bins = 100, min = 0, max = 0 } = checkOptions(options, "histc", ["bins", "min", "max"]);
  if (!Number.isInteger(bins) || bins < 1) throw new ArgumentError(`Cannot histc: a positive whole number of bins is needed, got ${bins}`);
  if (!Number.isFinite(min) || !Number.isFinite(max) || min > max) {
    throw new ArgumentError(`Cannot histc: finite ends with min ≤ max are needed, got ${min} and ${max}`);
  }
  return tidy(() => {
    const flat = x.flatten();
    if (flat.size === 0) return flat.newZeros([bins]);
    const low = min === 0 && max === 0 ? flat.min() : flat.newFull([], min);
    const high = min === 0 && max === 0 ? flat.max() : flat.newFull([], max);
    const single = low.eq(high);
    const from = single.where(low.sub(1), low);
    const to = single.where(high.add(1), high);
    const inside = flat.ge(from).logicalAnd(flat.le(to));
    const place = flat.sub(from).mul(bins).div(to.sub(from));
    const index = inside.where(place, 0).to("int32").minimum(bins - 1);
    return flat.newZeros([bins]).scatterAdd(0, index, inside.to(flat.dtype));
  });
}
