/**
 * Linear algebra on batches of matrices [..., m, n] in float32 and float64, computed in float64 on the CPU. (On WebGPU these functions
 * throw: move the tensor with `toDevice("cpu")`.)
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { cat } from "./create.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import * as linear from "./ops/linalg.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes, normalizeDims } from "./shape.ts";
import { apply, checkTensors, type Dims, type KeepDimOptions, type Tensor } from "./tensor.ts";

/**
 * X with A X = B, batch dims broadcast.
 *
 * @param a [..., n, n].
 * @param b [..., n, k], or [n] for one vector.
 * @throws ShapeError when sizes do not fit; ArgumentError for a singular matrix.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { solve, tensor } from "./mod.ts";
 *
 * const x = solve(tensor([[2, 0], [0, 4]]), tensor([6, 8]));
 * assertEquals(await x.toArray(), [3, 2]);
 * ```
 */
export function solve(a: Tensor, b: Tensor): Tensor {
  checkTensors("solve", { a, b });
  if (b.rank === 1) return tidy(() => solve(a, b.unsqueeze(1)).squeeze(-1));
  if (a.rank < 2 || b.rank < 2) throw refuse("solve", [a, b], "[..., n, n] and [..., n, k] are needed");
  return tidy(() => {
    const lead = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)], "solve");
    return apply(linear.solve, [a.expand([...lead, ...a.shape.slice(-2)]), b.expand([...lead, ...b.shape.slice(-2)])], {})[0]!;
  });
}

/**
 * A⁻¹.
 *
 * @throws ShapeError unless square; ArgumentError for a singular matrix.
 */
export function inverse(a: Tensor): Tensor {
  checkTensors("inverse", { a });
  if (a.rank < 2 || a.shape.at(-1) !== a.shape.at(-2)) throw refuse("inverse", [a], "square matrices are needed");
  return tidy(() => apply(linear.solve, [a, linear.identityLike(a)], {})[0]!);
}

/** The determinant of square matrices. */
export function det(a: Tensor): Tensor {
  return apply(linear.determinant, [a], {})[0]!;
}

/** What {@link slogdet} returns. */
export interface LogDeterminant {
  /** -1, 0 or 1. */
  readonly sign: Tensor;
  /** log |det A|, -Infinity for singular matrices. */
  readonly logAbsDet: Tensor;
}

/** The determinant as its sign and the logarithm of its size. */
export function slogdet(a: Tensor): LogDeterminant {
  checkTensors("slogdet", { a });
  const [sign, logAbsDet] = apply(linear.logDeterminant, [a], {});
  const plain = sign!.detach();
  sign!.dispose();
  return { sign: plain, logAbsDet: logAbsDet! };
}

/**
 * The lower triangle L with L Lᵀ = A of symmetric positive definite matrices; only A's lower triangle is read.
 *
 * @throws ArgumentError when a matrix is not positive definite.
 */
export function cholesky(a: Tensor): Tensor {
  return apply(linear.cholesky, [a], {})[0]!;
}

/** What {@link qr} returns. */
export interface QRFactors {
  /** Orthonormal columns, [..., m, k]. */
  readonly q: Tensor;
  /** An upper triangle, [..., k, n]. */
  readonly r: Tensor;
}

/** A = Q R with k = min(m, n) columns in Q. */
export function qr(a: Tensor): QRFactors {
  checkTensors("qr", { a });
  const [rows, columns] = a.shape.slice(-2) as [number, number];
  if (a.rank < 2 || rows >= columns) {
    const [q, r] = apply(linear.qr, [a], {});
    return { q: q!, r: r! };
  }
  // The first m columns settle Q, and Qᵀ turns the others: so there is a gradient.
  const [q, r] = tidy(() => {
    const square = qr(a.narrow(-1, { start: 0, length: rows }));
    const others = square.q.mT.matmul(a.narrow(-1, { start: rows, length: columns - rows }));
    return [square.q, cat([square.r, others], { dim: -1 })];
  });
  return { q: q!, r: r! };
}

/** What {@link svd} returns. */
export interface SingularValueFactors {
  /** Orthonormal columns, [..., m, k]. */
  readonly u: Tensor;
  /** The singular values, decreasing, [..., k]. */
  readonly s: Tensor;
  /** Orthonormal rows, [..., k, n]. */
  readonly vh: Tensor;
}

/** A = U diag(S) Vᵀ with k = min(m, n); gradients through U and V need distinct singular values. */
export function svd(a: Tensor): SingularValueFactors {
  checkTensors("svd", { a });
  const [u, s, v] = apply(linear.svd, [a], {});
  return { u: u!, s: s!, vh: v!.mT };
}

/** What {@link eigh} returns. */
export interface Eigen {
  /** The eigenvalues, increasing, [..., n]. */
  readonly values: Tensor;
  /** The eigenvectors as columns, [..., n, n]. */
  readonly vectors: Tensor;
}

/** Eigenvalues and eigenvectors of symmetric matrices (of A's symmetric part); gradients through vectors need distinct values. */
export function eigh(a: Tensor): Eigen {
  checkTensors("eigh", { a });
  if (a.rank < 2 || a.shape.at(-1) !== a.shape.at(-2)) throw refuse("eigh", [a], "square matrices are needed");
  const [values, vectors] = tidy(() => apply(linear.eigh, [a.add(a.mT).mul(0.5)], {}));
  return { values: values!, vectors: vectors! };
}

/** The pseudo-inverse V S⁺ Uᵀ; singular values up to `tolerance` times the greatest count as 0. Default 1e-15. */
export function pinverse(a: Tensor, options: { readonly tolerance?: number } = {}): Tensor {
  checkTensors("pinverse", { a });
  const { tolerance = 1e-15 } = checkOptions(options, "pinverse", ["tolerance"]);
  if (a.rank >= 2 && (a.shape.at(-1) === 0 || a.shape.at(-2) === 0)) return tidy(() => a.mT.clone());
  return tidy(() => {
    const { u, s, vh } = svd(a);
    const counts = s.gt(s.detach().max(-1, { keepDim: true }).mul(tolerance));
    const inverted = counts.where(counts.where(s, 1).reciprocal(), 0);
    return vh.mT.mul(inverted.unsqueeze(-2)).matmul(u.mT);
  });
}

/**
 * A multiplied with itself n times, by squaring; a negative n inverts first.
 *
 * @throws ArgumentError unless n is whole, or for a singular matrix and negative n.
 */
export function matrixPower(a: Tensor, n: number): Tensor {
  checkTensors("matrixPower", { a });
  if (a.rank < 2 || a.shape.at(-1) !== a.shape.at(-2)) throw refuse("matrixPower", [a], "square matrices are needed");
  if (!Number.isInteger(n)) throw new ArgumentError(`Cannot matrixPower: a whole exponent is needed, got ${n}`);
  return tidy(() => {
    let base = n < 0 ? inverse(a) : a;
    let power: Tensor | undefined;
    for (let rest = Math.abs(n); rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) power = power === undefined ? base : power.matmul(base);
      if (rest > 1) base = base.matmul(base);
    }
    return power?.alias() ?? linear.identityLike(a).clone();
  });
}

/** Options of {@link vectorNorm}. */
export interface VectorNormOptions extends KeepDimOptions {
  /** Any number or ±Infinity; 0 counts what is not 0. Default 2. */
  readonly order?: number;
  /** Default all elements. */
  readonly dim?: Dims;
}

/** (Σ |x|^order)^(1/order). */
export function vectorNorm(x: Tensor, options: VectorNormOptions = {}): Tensor {
  checkTensors("vectorNorm", { x });
  const { order = 2, dim, keepDim = false } = checkOptions(options, "vectorNorm", ["order", "dim", "keepDim"]);
  if (order === 0) return tidy(() => x.ne(0).to(x.dtype).sum(dim, { keepDim }));
  if (order > 0 || order === -Infinity) return x.norm(dim, { p: order, keepDim });
  return tidy(() => {
    // A vector with a 0 has the norm 0 of a negative order, and no slope there.
    const sizes = x.abs();
    const zero = sizes.eq(0);
    const none = zero.any(dim, { keepDim });
    const total = zero.where(1, sizes).pow(order).sum(dim, { keepDim }).pow(1 / order);
    return none.where(0, total);
  });
}

/** Options of {@link matrixNorm}. */
export interface MatrixNormOptions extends KeepDimOptions {
  /**
   * "fro": √Σ x²; "nuc": the sum of singular values; 2 and -2: the greatest and least of them; 1 and -1: the greatest and least column sum of
   * |x|; ±Infinity: the same of rows. Default "fro".
   */
  readonly order?: "fro" | "nuc" | number;
  /** The dims of rows and columns. Default the last two. */
  readonly dim?: readonly [number, number];
}

/** The norm of matrices. */
export function matrixNorm(x: Tensor, options: MatrixNormOptions = {}): Tensor {
  checkTensors("matrixNorm", { x });
  const { order = "fro", dim = [-2, -1], keepDim = false } = checkOptions(options, "matrixNorm", ["order", "dim", "keepDim"]);
  if (x.rank < 2) throw refuse("matrixNorm", [x], "a matrix is needed");
  normalizeDims(dim, x.rank, "matrixNorm");
  return tidy(() => {
    const rows = (dim[0] + x.rank) % x.rank;
    const columns = (dim[1] + x.rank) % x.rank;
    const others = x.shape.flatMap((_, d) => d === rows || d === columns ? [] : [d]);
    const norm = normOf(x.permute([...others, rows, columns]), order);
    return keepDim ? norm.reshape(x.shape.map((size, d) => d === rows || d === columns ? 1 : size)) : norm;
  });
}

function normOf(x: Tensor, order: "fro" | "nuc" | number): Tensor {
  switch (order) {
    case "fro":
      return x.norm([-2, -1]);
    case "nuc":
      return svd(x).s.sum(-1);
    case 2:
      return svd(x).s.max(-1);
    case -2:
      return svd(x).s.min(-1);
    case 1:
    case -1: {
      const sums = x.abs().sum(-2);
      return order > 0 ? sums.max(-1) : sums.min(-1);
    }
    case Infinity:
    case -Infinity: {
      const sums = x.abs().sum(-1);
      return order > 0 ? sums.max(-1) : sums.min(-1);
    }
    default:
      throw new ArgumentError(`Cannot matrixNorm: "fro", "nuc", ±1, ±2 or ±Infinity is needed, got ${JSON.stringify(order)}`);
  }
}

function refuse(op: string, tensors: readonly Tensor[], need: string): ShapeError {
  const shapes = tensors.map(({ shape }) => shape);
  return new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: ${need}`, { op, shapes });
}
