/**
 * Products and distances of vectors and matrices: methods of {@link Tensor}, and functions of two sets of vectors.
 *
 * @module
 */
import { checkList, checkOptions } from "./arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import { cat, tensor } from "./create.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes, normalizeDim, sizeOf } from "./shape.ts";
import { checkTensors, type Dims, type KeepDimOptions, type Tensor } from "./tensor.ts";

/** Internal: see {@link Tensor.outer}. */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkTensors("outer", { b });
  if (a.rank !== 1 || b.rank !== 1) throw refuse("outer", [a, b], "two vectors are needed");
  return tidy(() => a.unsqueeze(1).mul(b));
}

/** Internal: see {@link Tensor.kron}. */
export function kron(a: Tensor, b: Tensor): Tensor {
  checkTensors("kron", { b });
  const rank = Math.max(a.rank, b.rank);
  const padded = ({ shape }: Tensor): number[] => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [left, right] = [padded(a), padded(b)];
  return tidy(() =>
    a.reshape(left.flatMap((size) => [size, 1])).mul(b.reshape(right.flatMap((size) => [1, size])))
      .reshape(left.map((size, dim) => size * right[dim]!))
  );
}

/** Internal: see {@link Tensor.cross}. */
export function cross(a: Tensor, b: Tensor, dim: number): Tensor {
  checkTensors("cross", { b });
  const shape = broadcastShapes([a.shape, b.shape], "cross");
  const at = normalizeDim(dim, shape.length, "cross");
  const sizes = [a, b].map((x) => x.shape[at - shape.length + x.rank]);
  if (sizes.some((size) => size !== 3)) throw refuse("cross", [a, b], `a size of 3 in dim ${dim} of each is needed`);
  return tidy(() => {
    const [x, y] = [a.expand(shape), b.expand(shape)];
    return x.roll(-1, at).mul(y.roll(-2, at)).sub(x.roll(-2, at).mul(y.roll(-1, at)));
  });
}

/** The order of a distance. */
export interface DistanceOptions {
  /** 0 (count what differs), 1, 2, any positive number or Infinity. Default 2. */
  readonly p?: number;
}

/**
 * The distances of all pairs of rows, Σ_k |a_ik - b_jk|^p to the power 1/p. Stores a [..., M, N, D] tensor on the way.
 *
 * @param a [..., M, D].
 * @param b [..., N, D].
 * @returns [..., M, N].
 * @throws ShapeError when vectors differ in length; ArgumentError for a negative p.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cdist, tensor } from "./mod.ts";
 *
 * const d = cdist(tensor([[0, 0], [3, 0]]), tensor([[0, 4]]));
 * assertEquals(await d.toArray(), [[4], [5]]);
 * ```
 */
export function cdist(a: Tensor, b: Tensor, options: DistanceOptions = {}): Tensor {
  checkTensors("cdist", { a, b });
  const { p = 2 } = checkOptions(options, "cdist", ["p"]);
  if (a.rank < 2 || b.rank < 2 || a.shape.at(-1) !== b.shape.at(-1)) {
    throw refuse("cdist", [a, b], "[..., M, D] and [..., N, D] are needed");
  }
  return tidy(() => distance(a.unsqueeze(-2).sub(b.unsqueeze(-3)), p, {}));
}

/** Options of {@link pairwiseDistance}. */
export interface PairwiseDistanceOptions extends DistanceOptions, KeepDimOptions {
  /** Added to every difference. Default 1e-6. */
  readonly epsilon?: number;
}

/** The p-norm of a - b + ε over the last dim, broadcast. */
export function pairwiseDistance(a: Tensor, b: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
  checkTensors("pairwiseDistance", { a, b });
  const { p = 2, epsilon = 1e-6, keepDim = false } = checkOptions(options, "pairwiseDistance", ["epsilon", "p", "keepDim"]);
  return tidy(() => distance(a.sub(b).add(epsilon), p, { keepDim }));
}

function distance(difference: Tensor, p: number, options: KeepDimOptions): Tensor {
  if (!(p >= 0)) throw new ArgumentError(`Cannot take a distance: a p from 0 is needed, got ${p}`);
  if (p === 0) return difference.ne(0).to(difference.dtype).sum(-1, options);
  if (difference.shape.at(-1) === 0) return difference.sum(-1, options);
  return difference.norm(-1, { p, ...options });
}

/** Options of {@link cosineSimilarity}. */
export interface CosineOptions {
  /** The dim of the vectors. Default 1. */
  readonly dim?: number;
  /** The least norm that is divided by. Default 1e-8. */
  readonly epsilon?: number;
}

/** a·b / (max(‖a‖, ε) max(‖b‖, ε)) along a dim, broadcast. */
export function cosineSimilarity(a: Tensor, b: Tensor, options: CosineOptions = {}): Tensor {
  checkTensors("cosineSimilarity", { a, b });
  const { dim = 1, epsilon = 1e-8 } = checkOptions(options, "cosineSimilarity", ["dim", "epsilon"]);
  return tidy(() => {
    const shape = broadcastShapes([a.shape, b.shape], "cosineSimilarity");
    const unit = (x: Tensor): Tensor => unitVectors(x.expand(shape), { dim, epsilon });
    return unit(a).mul(unit(b)).sum(dim);
  });
}

/** Internal: see {@link Tensor.lerp}. Beyond the middle the way is measured from the end, so that the end is met exactly. */
export function lerp(start: Tensor, end: Tensor, weight: Tensor | number): Tensor {
  checkTensors("lerp", typeof weight === "number" ? { end } : { end, weight });
  return tidy(() => {
    const way = end.sub(start);
    const near = (): Tensor => start.add(way.mul(weight));
    const far = (): Tensor => end.sub(way.mul(typeof weight === "number" ? 1 - weight : weight.neg().add(1)));
    if (typeof weight === "number") return Math.abs(weight) < 0.5 ? near() : far();
    return weight.abs().lt(0.5).where(near(), far());
  });
}

/** Options of {@link unitVectors}. */
export interface UnitVectorOptions extends DistanceOptions {
  /** The dims of the vectors. Default 1. */
  readonly dim?: Dims;
  /** The least norm that is divided by. Default 1e-12. */
  readonly epsilon?: number;
}

/** x / max(‖x‖_p, ε) along dims: what PyTorch calls `functional.normalize`. */
export function unitVectors(x: Tensor, options: UnitVectorOptions = {}): Tensor {
  checkTensors("unitVectors", { x });
  const { p = 2, dim = 1, epsilon = 1e-12 } = checkOptions(options, "unitVectors", ["dim", "epsilon", "p"]);
  return tidy(() => x.div(x.norm(dim, { p, keepDim: true }).clamp({ min: epsilon })));
}

/**
 * The sum of products over the last `dims` dims of a and the first of b, or over the pairs of dims given.
 *
 * @throws ShapeError when sizes differ.
 */
export function tensordot(
  a: Tensor,
  b: Tensor,
  options: { readonly dims?: number | readonly [readonly number[], readonly number[]] } = {},
): Tensor {
  checkTensors("tensordot", { a, b });
  const { dims = 2 } = checkOptions(options, "tensordot", ["dims"]);
  if (typeof dims !== "number") {
    checkList(dims, "tensordot", "{ dims: [[0], [1]] }").forEach((part) => checkList(part, "tensordot", "{ dims: [[0], [1]] }"));
  }
  const count = typeof dims === "number" ? dims : dims[0].length;
  const left = typeof dims === "number" ? Array.from({ length: count }, (_, n) => a.rank - count + n) : dims[0];
  const right = typeof dims === "number" ? Array.from({ length: count }, (_, n) => n) : dims[1];
  if (left.length !== right.length || count > Math.min(a.rank, b.rank)) {
    throw refuse("tensordot", [a, b], "as many dims of each are needed");
  }
  const [mine, theirs] = [
    left.map((dim) => normalizeDim(dim, a.rank, "tensordot")),
    right.map((dim) => normalizeDim(dim, b.rank, "tensordot")),
  ];
  if (mine.some((dim, n) => a.shape[dim] !== b.shape[theirs[n]!])) {
    throw refuse("tensordot", [a, b], "equal sizes of the summed dims are needed");
  }
  const rows = a.shape.flatMap((_, dim) => mine.includes(dim) ? [] : [dim]);
  const columns = b.shape.flatMap((_, dim) => theirs.includes(dim) ? [] : [dim]);
  const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);
  const inner = product(mine.map((dim) => a.shape[dim]!));
  const shape = [...rows.map((dim) => a.shape[dim]!), ...columns.map((dim) => b.shape[dim]!)];
  return tidy(() => {
    const x = a.permute([...rows, ...mine]).reshape([product(rows.map((dim) => a.shape[dim]!)), inner]);
    const y = b.permute([...theirs, ...columns]).reshape([inner, product(columns.map((dim) => b.shape[dim]!))]);
    return x.matmul(y).reshape(shape);
  });
}

/**
 * The powers of each number as a matrix: column j holds x^j, or x^(columns - 1 - j) when decreasing.
 *
 * @param x [..., N].
 * @param options `columns`: default N; `increasing`: default true, as torch.linalg.vander.
 * @returns [..., N, columns].
 * @throws ShapeError for a single number; ArgumentError for columns that are no whole number from 0.
 */
export function vander(x: Tensor, options: { readonly columns?: number; readonly increasing?: boolean } = {}): Tensor {
  checkTensors("vander", { x });
  checkOptions(options, "vander", ["columns", "increasing"]);
  if (x.rank === 0) throw refuse("vander", [x], "at least 1-d is needed");
  const { columns = x.shape.at(-1)!, increasing = true } = options;
  if (!Number.isInteger(columns) || columns < 0) throw new ArgumentError(`Cannot vander: whole columns from 0 are needed, got ${columns}`);
  return tidy(() => {
    const ones = x.onesLike().unsqueeze(-1);
    const all = cat([ones, x.unsqueeze(-1).expand([...x.shape, Math.max(0, columns - 1)])], { dim: -1 }).cumprod(-1);
    const powers = all.narrow(-1, { start: 0, length: columns });
    return increasing ? powers : powers.flip(-1);
  });
}

/** Internal: what stands along a dim multiplied by the [to, size] matrix of the given numbers, row by row. */
export function mixAlong(x: Tensor, weights: Float64Array, { dim, to }: { readonly dim: number; readonly to: number }): Tensor {
  const size = x.shape[dim]!;
  const matrix = tensor(weights, { shape: [to, size], dtype: x.dtype, device: x.device });
  if (dim === x.rank - 1) return x.matmul(matrix.mT);
  const [lead, rest] = [x.shape.slice(0, dim), x.shape.slice(dim + 1)];
  return matrix.matmul(x.reshape([...lead, size, sizeOf(rest)])).reshape([...lead, to, ...rest]);
}

function refuse(op: string, tensors: readonly Tensor[], need: string): ShapeError {
  const shapes = tensors.map(({ shape }) => shape);
  return new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: ${need}`, { op, shapes });
}
