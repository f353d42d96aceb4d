/**
 * Decompositions of one matrix in plain TypeScript, in float64: what the linear algebra operations run on the CPU.
 *
 * Matrices are row-major. Each function allocates what it returns.
 *
 * @module
 */

/** A row-major matrix. */
export type Matrix = Float64Array;

/** The LU decomposition with row exchanges: both triangles in one matrix, and the order of rows. */
export interface Factors {
  /** L below the diagonal (its own is 1), U from it on. */
  readonly lu: Matrix;
  /** The original row at each position. */
  readonly rows: Int32Array;
  /** 1 for an even number of exchanges, else -1. */
  readonly parity: number;
  /** Whether a pivot is 0. */
  readonly singular: boolean;
}

/** Gaussian elimination, the largest element of the column as the pivot. */
export function factorize(a: ArrayLike<number>, n: number): Factors {
  const lu = Float64Array.from(a);
  const rows = Int32Array.from({ length: n }, (_, row) => row);
  let parity = 1;
  let singular = false;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(lu[row * n + column]!) > Math.abs(lu[pivot * n + column]!)) pivot = row;
    }
    if (lu[pivot * n + column] === 0) {
      singular = true;
      continue;
    }
    if (pivot !== column) {
      exchangeRows(lu, n, pivot, column);
      [rows[pivot], rows[column]] = [rows[column]!, rows[pivot]!];
      parity = -parity;
    }
    for (let row = column + 1; row < n; row++) {
      const factor = lu[row * n + column]! / lu[column * n + column]!;
      lu[row * n + column] = factor;
      for (let k = column + 1; k < n; k++) lu[row * n + k]! -= factor * lu[column * n + k]!;
    }
  }
  return { lu, rows, parity, singular };
}

function exchangeRows(a: Matrix, width: number, first: number, second: number): void {
  for (let k = 0; k < width; k++) {
    const held = a[first * width + k]!;
    a[first * width + k] = a[second * width + k]!;
    a[second * width + k] = held;
  }
}

/** X [n, k] with A X = B, from A's factors. */
export function solveFactored({ lu, rows }: Factors, b: ArrayLike<number>, n: number, k: number): Matrix {
  const x = new Float64Array(n * k);
  for (let column = 0; column < k; column++) {
    for (let row = 0; row < n; row++) {
      let value = b[rows[row]! * k + column]!;
      for (let j = 0; j < row; j++) value -= lu[row * n + j]! * x[j * k + column]!;
      x[row * k + column] = value;
    }
    for (let row = n - 1; row >= 0; row--) {
      let value = x[row * k + column]!;
      for (let j = row + 1; j < n; j++) value -= lu[row * n + j]! * x[j * k + column]!;
      x[row * k + column] = value / lu[row * n + row]!;
    }
  }
  return x;
}

/** The lower triangle L with L Lᵀ = A, read from A's lower triangle; undefined when A is not positive definite. */
export function choleskyFactor(a: ArrayLike<number>, n: number): Matrix | undefined {
  const l = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      let value = a[row * n + column]!;
      for (let k = 0; k < column; k++) value -= l[row * n + k]! * l[column * n + k]!;
      if (row !== column) l[row * n + column] = value / l[column * n + column]!;
      else if (value > 0) l[row * n + row] = Math.sqrt(value);
      else return undefined;
    }
  }
  return l;
}

/** Q [m, k] and R [k, n], k = min(m, n), by Householder reflections, R's diagonal with LAPACK's signs. */
export function qrFactors(a: ArrayLike<number>, m: number, n: number): { q: Matrix; r: Matrix } {
  const k = Math.min(m, n);
  const work = Float64Array.from(a);
  const reflectors: { v: Float64Array; scale: number }[] = [];
  for (let column = 0; column < k; column++) {
    const v = Float64Array.from({ length: m }, (_, row) => row < column ? 0 : work[row * n + column]!);
    const norm = Math.hypot(...v);
    let tail = 0;
    for (let row = column + 1; row < m; row++) tail = Math.max(tail, Math.abs(v[row]!));
    // A column that is already upper triangular is left alone, sign included.
    const scale = tail === 0 ? 0 : reflector(v, column, norm);
    reflectors.push({ v, scale });
    reflect(work, m, n, v, scale);
  }
  const q = new Float64Array(m * k);
  for (let i = 0; i < k; i++) q[i * k + i] = 1;
  for (const { v, scale } of reflectors.reverse()) reflect(q, m, k, v, scale);
  const r = new Float64Array(k * n);
  for (let row = 0; row < k; row++) for (let column = row; column < n; column++) r[row * n + column] = work[row * n + column]!;
  return { q, r };
}

/** Turns a column into the vector of the reflection I - scale v vᵀ that maps it to a multiple of one axis. */
function reflector(v: Float64Array, axis: number, norm: number): number {
  v[axis]! += v[axis]! >= 0 ? norm : -norm;
  let square = 0;
  for (const value of v) square += value * value;
  return 2 / square;
}

function reflect(a: Matrix, m: number, n: number, v: Float64Array, scale: number): void {
  if (scale === 0) return;
  for (let column = 0; column < n; column++) {
    let dot = 0;
    for (let row = 0; row < m; row++) dot += v[row]! * a[row * n + column]!;
    for (let row = 0; row < m; row++) a[row * n + column]! -= scale * dot * v[row]!;
  }
}

/** Eigenvalues, increasing, and eigenvectors as columns, of a symmetric matrix, by cyclic Jacobi rotations. */
export function symmetricEigen(a: ArrayLike<number>, n: number): { values: Float64Array; vectors: Matrix } {
  const s = Float64Array.from(a);
  const v = identity(n);
  for (let sweep = 0; sweep < maxSweeps; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const square = s[i * n + j]! ** 2;
        all += square;
        if (i !== j) off += square;
      }
    }
    if (!(off > all * 1e-32)) break;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotateSymmetric(s, v, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => s[i * n + i]! - s[j * n + j]!);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    for (let row = 0; row < n; row++) vectors[row * n + to] = v[row * n + from]!;
  });
  return { values: Float64Array.from(order, (i) => s[i * n + i]!), vectors };
}

const maxSweeps = 60;

function identity(n: number): Matrix {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) out[i * n + i] = 1;
  return out;
}

/** The rotation that clears one pair of off-diagonal elements. */
function rotateSymmetric(s: Matrix, v: Matrix, n: number, p: number, q: number): void {
  const off = s[p * n + q]!;
  if (off === 0) return;
  const theta = (s[q * n + q]! - s[p * n + p]!) / (2 * off);
  const tangent = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  rotateColumns(s, n, n, p, q, cosine, sine);
  for (let k = 0; k < n; k++) {
    const [x, y] = [s[p * n + k]!, s[q * n + k]!];
    s[p * n + k] = cosine * x - sine * y;
    s[q * n + k] = sine * x + cosine * y;
  }
  rotateColumns(v, n, n, p, q, cosine, sine);
}

function rotateColumns(a: Matrix, m: number, n: number, p: number, q: number, cosine: number, sine: number): void {
  for (let row = 0; row < m; row++) {
    const [x, y] = [a[row * n + p]!, a[row * n + q]!];
    a[row * n + p] = cosine * x - sine * y;
    a[row * n + q] = sine * x + cosine * y;
  }
}

/** U [m, k], S decreasing [k] and V [n, k], k = min(m, n), with A = U S Vᵀ. */
export interface SingularValues {
  readonly u: Matrix;
  readonly s: Float64Array;
  readonly v: Matrix;
}

/** The singular value decomposition by one-sided Jacobi rotations. */
export function singularValues(a: ArrayLike<number>, m: number, n: number): SingularValues {
  if (m < n) {
    const { u, s, v } = singularValues(transposed(a, m, n), n, m);
    return { u: v, s, v: u };
  }
  const work = Float64Array.from(a);
  const v = identity(n);
  for (let sweep = 0, rotated = true; rotated && sweep < maxSweeps; sweep++) {
    rotated = false;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotated = makeOrthogonal(work, v, m, n, p, q) || rotated;
  }
  const norms = Float64Array.from({ length: n }, (_, column) => columnNorm(work, m, n, column));
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => norms[j]! - norms[i]!);
  const u = new Float64Array(m * n);
  const vectors = new Float64Array(n * n);
  const least = (norms[order[0] ?? 0] ?? 0) * 1e-300;
  order.forEach((from, to) => {
    for (let row = 0; row < n; row++) vectors[row * n + to] = v[row * n + from]!;
    if (norms[from]! > least) { for (let row = 0; row < m; row++) u[row * n + to] = work[row * n + from]! / norms[from]!; }
    else completeColumn(u, m, n, to);
  });
  return { u, s: Float64Array.from(order, (i) => norms[i]!), v: vectors };
}

function transposed(a: ArrayLike<number>, m: number, n: number): Matrix {
  return Float64Array.from({ length: m * n }, (_, i) => a[(i % m) * n + Math.floor(i / m)]!);
}

function columnNorm(a: Matrix, m: number, n: number, column: number): number {
  let size = 0;
  for (let row = 0; row < m; row++) size = Math.hypot(size, a[row * n + column]!);
  return size;
}

/** Rotates two columns until they are orthogonal; false when they already are. */
function makeOrthogonal(a: Matrix, v: Matrix, m: number, n: number, p: number, q: number): boolean {
  let [alpha, beta, gamma] = [0, 0, 0];
  for (let row = 0; row < m; row++) {
    const [x, y] = [a[row * n + p]!, a[row * n + q]!];
    alpha += x * x;
    beta += y * y;
    gamma += x * y;
  }
  if (!(Math.abs(gamma) > 1e-15 * Math.sqrt(alpha * beta))) return false;
  const zeta = (beta - alpha) / (2 * gamma);
  const tangent = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(zeta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  rotateColumns(a, m, n, p, q, cosine, cosine * tangent);
  rotateColumns(v, n, n, p, q, cosine, cosine * tangent);
  return true;
}

/** Fills a column with a unit vector orthogonal to the columns before it: the axis that is left most of, made orthogonal twice. */
function completeColumn(u: Matrix, m: number, n: number, column: number): void {
  for (let axis = 0; axis < m; axis++) {
    const candidate = new Float64Array(m);
    candidate[axis] = 1;
    for (let round = 0; round < 2; round++) {
      for (let other = 0; other < column; other++) {
        let dot = 0;
        for (let row = 0; row < m; row++) dot += candidate[row]! * u[row * n + other]!;
        for (let row = 0; row < m; row++) candidate[row]! -= dot * u[row * n + other]!;
      }
    }
    const norm = Math.hypot(...candidate);
    if (norm * norm < 0.5 / m) continue;
    for (let row = 0; row < m; row++) u[row * n + column] = candidate[row]! / norm;
    return;
  }
}
