/**
 * Linear algebra of op_db as Tandem calls.
 *
 * @module
 */
import {
  cholesky,
  det,
  eigh,
  inverse,
  matrixNorm,
  type MatrixNormOptions,
  matrixPower,
  pinverse,
  qr,
  slogdet,
  solve,
  svd,
  type Tensor,
  vectorNorm,
} from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import { composed, row, type Rows, typed } from "./row.ts";

const factors: Rows = {
  cholesky: row("input upper", (a) => triangle(a)),
  "linalg.cholesky": row("input", (a) => triangle(a)),
  "linalg.cholesky_ex": composed("input", (a) => [triangle(a), done(a, 2)]),
  qr: row("input some", (a) => {
    if (!a.flag("some", true)) throw new Unsupported("full matrices");
    return reduced(a);
  }),
  "linalg.qr": row("input mode", (a) => {
    const mode = a.text<"reduced" | "complete" | "r">("mode", "reduced");
    if (mode !== "reduced") throw new Unsupported(`mode ${mode}`);
    return reduced(a);
  }),
  svd: {
    ...row("input some", (a) => {
      const { u, s, vh } = thin(a.tensor("input"), !a.flag("some", true));
      return [u, s, vh.mT];
    }),
    align: ([u, s, v], [, , theirs]) => {
      const sign = agreement(v!, theirs!);
      return [u!.mul(sign), s!, v!.mul(sign)];
    },
  },
  "linalg.svd": {
    ...row("input full_matrices", (a) => {
      const { u, s, vh } = thin(a.tensor("input"), a.flag("full_matrices", true));
      return [u, s, vh];
    }),
    align: ([u, s, vh], [, , theirs]) => {
      const sign = agreement(vh!.mT, theirs!.mT);
      return [u!.mul(sign), s!, vh!.mul(sign.mT)];
    },
  },
  "linalg.svdvals": composed("input", (a) => svd(a.tensor("input")).s),
  "linalg.eigh": {
    ...row("input UPLO", (a) => {
      const { values, vectors } = eigh(mirrored(a.tensor("input"), a.text<"L" | "U">("UPLO", "L")));
      return [values, vectors];
    }),
    align: ([values, vectors], [, theirs]) => [values!, vectors!.mul(agreement(vectors!, theirs!))],
  },
  "linalg.eigvalsh": composed("input UPLO", (a) => eigh(mirrored(a.tensor("input"), a.text<"L" | "U">("UPLO", "L"))).values),
  symeig: {
    ...composed("input eigenvectors upper", (a) => {
      if (!a.flag("eigenvectors")) throw new Unsupported("values alone");
      const { values, vectors } = eigh(mirrored(a.tensor("input"), a.flag("upper", true) ? "U" : "L"));
      return [values, vectors];
    }),
    align: ([values, vectors], [, theirs]) => [values!, vectors!.mul(agreement(vectors!, theirs!))],
  },
};

function triangle(a: Arguments): Tensor {
  const lower = cholesky(a.tensor("input"));
  return a.flag("upper") ? lower.mT : lower;
}

function reduced(a: Arguments): Tensor[] {
  const { q, r } = qr(a.tensor("input"));
  return [q, r];
}

function thin(x: Tensor, full: boolean): ReturnType<typeof svd> {
  if (full && x.shape.at(-1) !== x.shape.at(-2)) throw new Unsupported("full matrices");
  return svd(x);
}

/** Vectors are known up to their sign: 1 or -1 for each column, such that ours times it points where theirs does. */
function agreement(ours: Tensor, theirs: Tensor): Tensor {
  return ours.detach().mul(theirs).sum(-2, { keepDim: true }).lt(0).where(-1, theirs.newFull([], 1));
}

/**
 * PyTorch reads one triangle of a symmetric matrix, we its symmetric part: the triangle mirrored. The gradient is passed on as if the whole
 * matrix had been read, as PyTorch's is.
 */
function mirrored(x: Tensor, half: "L" | "U"): Tensor {
  const fixed = x.detach();
  const strict = half === "L" ? fixed.tril(-1) : fixed.triu(1);
  return x.add(strict.add(strict.mT).add(fixed.tril().triu()).sub(fixed));
}

/** LAPACK's report of success. */
function done(a: Arguments, ranks: number): Tensor {
  const { shape } = a.tensor("input");
  return a.tensor("input").newZeros(shape.slice(0, shape.length - ranks), "int32");
}

const solutions: Rows = {
  "linalg.solve": row("input other", (a) => solution(a)),
  "linalg.solve_ex": composed("input other", (a) => [solution(a), done(a, 2)]),
  "linalg.inv": row("input", (a) => inverse(a.tensor("input"))),
  "linalg.inv_ex": composed("input", (a) => [inverse(a.tensor("input")), done(a, 2)]),
  "linalg.pinv": row("input", (a) => {
    if (a.has("rtol") && typeof a.raw("rtol") !== "number") throw new Unsupported("rtol of several numbers");
    return pinverse(a.tensor("input"), { tolerance: a.number("rtol", defaultTolerance(a.tensor("input"))) });
  }),
  pinverse: row("input rcond", (a) => pinverse(a.tensor("input"), { tolerance: a.number("rcond", 1e-15) })),
  "linalg.matrix_power": row("input n", (a) => matrixPower(a.tensor("input"), a.number("n"))),
  "linalg.det": row("input", (a) => det(a.tensor("input"))),
  "linalg.det/singular": row("input", (a) => det(a.tensor("input"))),
  "linalg.slogdet": row("input", (a) => {
    const { sign, logAbsDet } = slogdet(a.tensor("input"));
    return [sign, logAbsDet];
  }),
  logdet: composed("input", (a) => {
    const { sign, logAbsDet } = slogdet(a.tensor("input"));
    return sign.lt(0).where(NaN, logAbsDet);
  }),
  "linalg.solve_triangular": composed("input B", (a) => {
    const [x, b, upper] = [a.tensor("input"), a.tensor("B"), a.flag("upper")];
    const half = upper ? x.triu(1) : x.tril(-1);
    const matrix = half.add(a.flag("unitriangular") ? x.onesLike().tril().triu() : x.tril().triu());
    return a.flag("left", true) ? solve(matrix, b) : solve(matrix.mT, b.mT).mT;
  }),
  triangular_solve: composed("b A upper transpose unitriangular", (a) => {
    const [b, x] = [a.tensor("b"), a.tensor("A")];
    const half = a.flag("upper", true) ? x.triu(1) : x.tril(-1);
    const matrix = half.add(a.flag("unitriangular") ? x.onesLike().tril().triu() : x.tril().triu());
    return [solve(a.flag("transpose") ? matrix.mT : matrix, b), x.clone()];
  }),
  cholesky_inverse: composed("input upper", (a) => inverse(gram(a.tensor("input"), a.flag("upper")))),
  cholesky_solve: composed("input input2 upper", (a) => solve(gram(a.tensor("input2"), a.flag("upper")), a.tensor("input"))),
};

/** The matrix whose triangle is given. */
function gram(x: Tensor, upper: boolean): Tensor {
  return upper ? x.mT.matmul(x) : x.matmul(x.mT);
}

/** PyTorch's: the greater size times the type's precision. */
function defaultTolerance({ shape }: Tensor): number {
  return Math.max(...shape.slice(-2)) * 2 ** -23;
}

/** Vectors count as such where B has the shape of A's rows. */
function solution(a: Arguments): Tensor {
  const [x, b] = [a.tensor("input"), a.tensor("other")];
  if (!a.flag("left", true)) throw new Unsupported("left");
  const vectors = b.rank > 1 && b.rank === x.rank - 1 && b.shape.every((size, dim) => size === x.shape[dim]);
  return vectors ? solve(x, b.unsqueeze(-1)).squeeze(-1) : solve(x, b);
}

const norms: Rows = {
  "linalg.matrix_norm": row("input ord dim keepdim", (a) => {
    const dim = (a.has("dim") ? a.list("dim") : [-2, -1]) as [number, number];
    return matrixNorm(typed(a), { order: orderOfMatrix(a, "fro"), dim, keepDim: a.flag("keepdim") });
  }),
  "linalg.norm": composed("input ord dim keepdim", anyNorm),
  "linalg.norm/subgradients_at_zero": composed("input ord dim keepdim", anyNorm),
  "norm/nuc": composed("input p dim keepdim", (a) => {
    const dim = (a.has("dim") ? a.list("dim") : [-2, -1]) as [number, number];
    a.ignore("p");
    return matrixNorm(a.tensor("input"), { order: "nuc", dim, keepDim: a.flag("keepdim") });
  }),
  "linalg.cond": composed("input", (a) => {
    const { s } = svd(a.tensor("input"));
    return s.max(-1).div(s.min(-1));
  }),
};

function orderOfMatrix(a: Arguments, fallback: "fro"): NonNullable<MatrixNormOptions["order"]> {
  const order = a.raw("ord") ?? fallback;
  return typeof order === "string" ? order as "fro" | "nuc" : a.number("ord");
}

/** Of vectors or of matrices, as the number of dims says. */
function anyNorm(a: Arguments): Tensor {
  const x = typed(a);
  const dim = a.has("dim") ? a.list("dim") : undefined;
  const keepDim = a.ignore("dim").flag("keepdim");
  if (!a.has("ord")) return vectorNorm(x, { ...(dim && { dim }), keepDim });
  const dims = dim ?? x.shape.map((_, place) => place);
  if (dims.length === 2) return matrixNorm(x, { order: orderOfMatrix(a, "fro"), dim: dims as [number, number], keepDim });
  return vectorNorm(x, { order: a.number("ord"), dim: dims, keepDim });
}

/** Linear algebra. */
export const linearAlgebra: Rows = { ...factors, ...solutions, ...norms };
