/**
 * Linear algebra on batches of matrices: custom kernels for the CPU, with gradients in tensor operations.
 *
 * @module
 */
import { choleskyFactor, factorize, qrFactors, singularValues, solveFactored, symmetricEigen } from "../decompositions.ts";
import { ArgumentError, DTypeError, formatShapes, GradientError, ShapeError } from "../errors.ts";
import type { CustomKernel, HostView } from "../kernel.ts";
import type { KernelOp, Meta } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import type { NoAttributes } from "./matmul.ts";

type LinearOp = KernelOp<NoAttributes>;

/** Works on one matrix of a batch: its part of each input, and the sizes of all inputs' matrices in a row. */
type PerMatrix = (inputs: readonly ArrayLike<number>[], fill: Fill, sizes: readonly number[]) => void;

/** Writes one output of the matrix at hand. */
type Fill = (output: number, values: ArrayLike<number>) => void;

/** A kernel that walks over the batch; `ranks` are the dims of each input and output that are not batch. */
function batched(name: string, inputRanks: readonly number[], outputRanks: readonly number[], run: PerMatrix): CustomKernel {
  const stepOf = ({ shape }: HostView, rank: number): number =>
    shape.slice(shape.length - rank).reduce((product, size) => product * size, 1);
  return {
    kind: "custom",
    key: `linalg ${name}`,
    cpu: (inputs, outputs) => {
      const lead = inputs[0]!.shape.slice(0, inputs[0]!.shape.length - inputRanks[0]!);
      const count = lead.reduce((product, size) => product * size, 1);
      const inputSteps = inputs.map((view, position) => stepOf(view, inputRanks[position]!));
      const outputSteps = outputs.map((view, position) => stepOf(view, outputRanks[position]!));
      for (let matrix = 0; matrix < count; matrix++) {
        const parts = inputs.map(({ data }, position) => {
          const step = inputSteps[position]!;
          return data.subarray(matrix * step, (matrix + 1) * step) as ArrayLike<number>;
        });
        const fill: Fill = (output, values) => outputs[output]!.data.set(values, matrix * outputSteps[output]!);
        run(parts, fill, inputs.flatMap(({ shape }, position) => shape.slice(shape.length - inputRanks[position]!)));
      }
    },
  };
}

/** Checks for floats of at least two dims, square ones where that is needed. */
function checkMatrix({ shape, dtype }: Meta, op: string, square: boolean): void {
  if (dtype !== "float32" && dtype !== "float64") {
    throw new DTypeError(`Cannot ${op} a ${dtype} tensor: float32 or float64 is needed`, { op, shapes: [shape] });
  }
  if (shape.length < 2 || (square && shape.at(-1) !== shape.at(-2))) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([shape])}: ${square ? "square matrices are" : "a matrix is"} needed`, {
      op,
      shapes: [shape],
    });
  }
}

const solveKernel = batched("solve", [2, 2], [2], ([a, b], fill, [n, , , k]) => {
  const factors = factorize(a!, n!);
  if (factors.singular) throw new ArgumentError(`Cannot solve: regular matrices are needed, got a singular one of ${n}×${n}`);
  fill(0, solveFactored(factors, b!, n!, k!));
});

/** Inputs A [..., n, n] and B [..., n, k] of the same batch; X with A X = B. */
export const solve: LinearOp = {
  kind: "kernel",
  name: "solve",
  saves: { inputs: [0], outputs: [0] },
  vjp: ({ dy, x, y, apply: run }) => {
    const [db] = run(solve, [x(0).mT, dy], {});
    return [db!.matmul(y(0).mT).neg(), db!];
  },
  infer: ([a, b]) => {
    checkMatrix(a!, "solve", true);
    checkMatrix(b!, "solve", false);
    if (a!.shape.at(-1) !== b!.shape.at(-2) || a!.dtype !== b!.dtype) {
      throw new ShapeError(`Cannot solve ${formatShapes([a!.shape, b!.shape])}: [..., n, n] and [..., n, k] of one type are needed`, {
        op: "solve",
        shapes: [a!.shape, b!.shape],
      });
    }
    return [b!];
  },
  launch: (inputs, outputs) => ({ kernel: solveKernel, inputs, outputs }),
};

const logDeterminantKernel = batched("slogdet", [2], [0, 0], ([a], fill, [n]) => {
  const { lu, parity } = factorize(a!, n!);
  let [sign, log] = [parity, 0];
  for (let i = 0; i < n!; i++) {
    sign *= Math.sign(lu[i * n! + i]!);
    log += Math.log(Math.abs(lu[i * n! + i]!));
  }
  fill(0, [sign]);
  fill(1, [log]);
});

/** The sign of the determinant and the logarithm of its size (-Infinity for singular matrices). */
export const logDeterminant: LinearOp = {
  kind: "kernel",
  name: "slogdet",
  saves: { inputs: [0] },
  vjp: ({ dys, x, apply: run }) => {
    if (dys[1] === undefined) return [null];
    const [inverse] = run(solve, [x(0).mT, identityLike(x(0))], {});
    return [dys[1].unsqueeze(-1).unsqueeze(-1).mul(inverse!)];
  },
  infer: ([a]) => {
    checkMatrix(a!, "slogdet", true);
    const one = { dtype: a!.dtype, shape: a!.shape.slice(0, -2) };
    return [one, one];
  },
  launch: (inputs, outputs) => ({ kernel: logDeterminantKernel, inputs, outputs }),
};

/** Identity matrices in a tensor's shape. */
export function identityLike(x: Tensor): Tensor {
  const size = x.shape.at(-1)!;
  return x.newFull([size], 1).diagEmbed().expand(x.shape);
}

const determinantKernel = batched("det", [2], [0], ([a], fill, [n]) => fill(0, [determinantOf(a!, n!)]));

function determinantOf(a: ArrayLike<number>, n: number): number {
  const { lu, parity } = factorize(a, n);
  let product = parity;
  for (let i = 0; i < n; i++) product *= lu[i * n + i]!;
  return product;
}

/** The determinant. Its gradient, the cofactors, exists for singular matrices too. */
export const determinant: LinearOp = {
  kind: "kernel",
  name: "det",
  saves: { inputs: [0] },
  vjp: ({ dy, x, apply: run }) => [dy.unsqueeze(-1).unsqueeze(-1).mul(run(cofactors, [x(0)], {})[0]!)],
  infer: ([a]) => {
    checkMatrix(a!, "det", true);
    return [{ dtype: a!.dtype, shape: a!.shape.slice(0, -2) }];
  },
  launch: (inputs, outputs) => ({ kernel: determinantKernel, inputs, outputs }),
};

/** det(A) A⁻ᵀ, for singular matrices as well: det(U) det(V) U diag(Π_{j ≠ i} s_j) Vᵀ. */
const cofactorKernel = batched("cofactors", [2], [2], ([a], fill, [n]) => {
  const size = n!;
  const { u, s, v } = singularValues(a!, size, size);
  const sign = Math.sign(determinantOf(u, size) * determinantOf(v, size));
  const others = s.map((_, i) => s.reduce((product, value, j) => j === i ? product : product * value, sign));
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let k = 0; k < size; k++) out[i * size + j]! += u[i * size + k]! * others[k]! * v[j * size + k]!;
    }
  }
  fill(0, out);
});

/**
 * The matrix of cofactors C = det(A) A⁻ᵀ. With M = A⁻¹ its own gradient is Σ(dC·C) Mᵀ - Mᵀ dCᵀ C, for regular matrices.
 */
export const cofactors: LinearOp = {
  kind: "kernel",
  name: "cofactors",
  saves: { inputs: [0], outputs: [0] },
  vjp: ({ dy, x, y, apply: run }) => {
    const [inverse] = run(solve, [x(0).mT, identityLike(x(0))], {});
    const total = dy.mul(y(0)).sum([-2, -1], { keepDim: true });
    return [total.mul(inverse!).sub(inverse!.matmul(dy.mT).matmul(y(0)))];
  },
  infer: ([a]) => [a!],
  launch: (inputs, outputs) => ({ kernel: cofactorKernel, inputs, outputs }),
};

const choleskyKernel = batched("cholesky", [2], [2], ([a], fill, [n]) => {
  const l = choleskyFactor(a!, n!);
  if (l === undefined) throw new ArgumentError(`Cannot cholesky: positive definite matrices are needed, got another one of ${n}×${n}`);
  fill(0, l);
});

/** L with L Lᵀ = A. dA = L⁻ᵀ Φ(Lᵀ dL) L⁻¹ made symmetric, Φ the lower triangle with its diagonal halved. */
export const cholesky: LinearOp = {
  kind: "kernel",
  name: "cholesky",
  saves: { outputs: [0] },
  vjp: ({ dy, y, apply: run }) => {
    const l = y(0);
    const product = l.mT.matmul(dy.tril());
    const phi = product.tril().sub(product.diagonal({ dim1: -2, dim2: -1 }).diagEmbed().mul(0.5));
    const left = run(solve, [l.mT, phi], {})[0]!;
    const both = run(solve, [l.mT, left.mT], {})[0]!;
    return [both.add(both.mT).mul(0.5)];
  },
  infer: ([a]) => {
    checkMatrix(a!, "cholesky", true);
    return [a!];
  },
  launch: (inputs, outputs) => ({ kernel: choleskyKernel, inputs, outputs }),
};

const qrKernel = batched("qr", [2], [2, 2], ([a], fill, [m, n]) => {
  const { q, r } = qrFactors(a!, m!, n!);
  fill(0, q);
  fill(1, r);
});

/** Q [..., m, k] and R [..., k, n]. The gradient needs m ≥ n. Source: Walter and Lehmann 2018. */
export const qr: LinearOp = {
  kind: "kernel",
  name: "qr",
  saves: { outputs: [0, 1] },
  vjp: ({ dys, y, inputs, apply: run }) => {
    const [m, n] = inputs[0]!.shape.slice(-2) as [number, number];
    if (m < n) throw new GradientError(`Cannot compute the gradient of qr: at least as many rows as columns are needed, got ${m} and ${n}`);
    const [q, r] = [y(0), y(1)];
    const [dq, dr] = [dys[0] ?? q.zerosLike(), dys[1] ?? r.zerosLike()];
    const inner = r.matmul(dr.mT).sub(dq.mT.matmul(q));
    const symmetric = inner.tril().add(inner.tril(-1).mT);
    const right = dq.add(q.matmul(symmetric));
    return [run(solve, [r, right.mT], {})[0]!.mT];
  },
  infer: ([a]) => {
    checkMatrix(a!, "qr", false);
    const [m, n] = a!.shape.slice(-2) as [number, number];
    const lead = a!.shape.slice(0, -2);
    const k = Math.min(m, n);
    return [{ dtype: a!.dtype, shape: [...lead, m, k] }, { dtype: a!.dtype, shape: [...lead, k, n] }];
  },
  launch: (inputs, outputs) => ({ kernel: qrKernel, inputs, outputs }),
};

const eighKernel = batched("eigh", [2], [1, 2], ([a], fill, [n]) => {
  refuseUnbounded(a!, "eigh");
  const { values, vectors } = symmetricEigen(a!, n!);
  fill(0, values);
  fill(1, vectors);
});

function refuseUnbounded(a: ArrayLike<number>, op: string): void {
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i])) throw new ArgumentError(`Cannot ${op}: finite numbers are needed, got ${a[i]}`);
  }
}

/** Eigenvalues, increasing, and eigenvectors as columns, of symmetric matrices. */
export const eigh: LinearOp = {
  kind: "kernel",
  name: "eigh",
  saves: { outputs: [0, 1] },
  vjp: ({ dys, y }) => {
    const [w, v] = [y(0), y(1)];
    let inner = (dys[0] ?? w.zerosLike()).diagEmbed();
    if (dys[1] !== undefined) inner = inner.add(v.mT.matmul(dys[1]).mul(inverseGaps(w)));
    return [v.matmul(inner).matmul(v.mT)];
  },
  infer: ([a]) => {
    checkMatrix(a!, "eigh", true);
    return [{ dtype: a!.dtype, shape: a!.shape.slice(0, -1) }, a!];
  },
  launch: (inputs, outputs) => ({ kernel: eighKernel, inputs, outputs }),
};

/** 1 / (w_j - w_i), and 0 on the diagonal. */
function inverseGaps(w: Tensor): Tensor {
  const gaps = w.unsqueeze(-2).sub(w.unsqueeze(-1));
  const diagonal = identityLike(gaps).eq(1);
  return diagonal.where(0, diagonal.where(1, gaps).reciprocal());
}

const svdKernel = batched("svd", [2], [2, 1, 2], ([a], fill, [m, n]) => {
  refuseUnbounded(a!, "svd");
  const { u, s, v } = singularValues(a!, m!, n!);
  fill(0, u);
  fill(1, s);
  fill(2, v);
});

/** U [..., m, k], S [..., k] decreasing and V [..., n, k], with A = U diag(S) Vᵀ. */
export const svd: LinearOp = {
  kind: "kernel",
  name: "svd",
  saves: { outputs: [0, 1, 2] },
  vjp: ({ dys, y }) => {
    const [u, s, v] = [y(0), y(1), y(2)];
    const [row, column] = [s.unsqueeze(-2), s.unsqueeze(-1)];
    let inner = (dys[1] ?? s.zerosLike()).diagEmbed();
    const gaps = inverseGaps(s.square());
    if (dys[0] !== undefined) inner = inner.add(skew(u.mT.matmul(dys[0])).mul(gaps).mul(row));
    if (dys[2] !== undefined) inner = inner.add(skew(v.mT.matmul(dys[2])).mul(gaps).mul(column));
    let da = u.matmul(inner).matmul(v.mT);
    if (dys[0] !== undefined && u.shape.at(-2)! > s.shape.at(-1)!) {
      const outside = dys[0].sub(u.matmul(u.mT.matmul(dys[0])));
      da = da.add(outside.div(row).matmul(v.mT));
    }
    if (dys[2] !== undefined && v.shape.at(-2)! > s.shape.at(-1)!) {
      const outside = dys[2].sub(v.matmul(v.mT.matmul(dys[2])));
      da = da.add(u.matmul(outside.div(row).mT));
    }
    return [da];
  },
  infer: ([a]) => {
    checkMatrix(a!, "svd", false);
    const [m, n] = a!.shape.slice(-2) as [number, number];
    const lead = a!.shape.slice(0, -2);
    const k = Math.min(m, n);
    return [[m, k], [k], [n, k]].map((shape) => ({ dtype: a!.dtype, shape: [...lead, ...shape] }));
  },
  launch: (inputs, outputs) => ({ kernel: svdKernel, inputs, outputs }),
};

function skew(x: Tensor): Tensor {
  return x.sub(x.mT);
}
