/**
 * What contrastive losses are made of: unit rows, class sums, and log-sum-exp over a matrix of similarities.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { customFunction } from "../autograd/custom.ts";
import { DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { cat, eye, pairLogSumExp, type Tensor, tidy } from "../tensor/mod.ts";

/** Rows shorter than this are divided by it instead of by their length. */
const shortest = 1e-12;

/** z / max(|z|, 1e-12) for each row of [..., D]. */
export function normalizeRows(rows: Tensor): Tensor {
  checkTensors("normalizeRows", { rows });
  return tidy(() => rows.div(rows.norm(-1, { keepDim: true }).clamp({ min: shortest })));
}

/** (dS + dSᵀ) · rows is one product, where the gradient of a product of two different factors is two. */
const selfProduct = customFunction({
  name: "similarities",
  forward: (rows) => rows.matmul(rows.mT),
  vjp: ({ dys: [dy], inputs: [rows] }) => [dy!.add(dy!.mT).matmul(rows!)],
});

/** All dot products of the rows of a [M, D] with those of b [N, D] → [M, N]; of one set with itself at two thirds of the cost. */
export function dotProducts(a: Tensor, b: Tensor): Tensor {
  return a === b ? selfProduct(a)[0]! : tidy(() => a.matmul(b.mT));
}

/** Which pairs count as candidates, and the factor 1/τ. */
export interface CandidateOptions {
  readonly scale: number;
  /** Leave out j = i. */
  readonly excludeDiagonal?: boolean;
}

/** Above this many pairs the similarities are streamed in tiles instead of being stored. */
const streamAbove = 2 ** 22;

/** Whether the similarities of a [M, D] and b [N, D] are too many to store; float64 is always stored. */
export function shouldStream(a: Tensor, b: Tensor): boolean {
  return a.dtype === "float32" && a.shape[0]! * b.shape[0]! > streamAbove;
}

/**
 * log Σ_j exp(scale a_i·b_j) over row i's candidates, with the maximum taken over candidates only; -Infinity where there are none.
 *
 * @param a [M, D].
 * @param b [N, D].
 * @returns [M].
 */
export function candidateLogSumExp(a: Tensor, b: Tensor, { scale, excludeDiagonal = false }: CandidateOptions): Tensor {
  if (shouldStream(a, b)) return pairLogSumExp(a, b, { scale, excludeDiagonal });
  return tidy(() => {
    const similarities = dotProducts(a, b).mul(scale);
    return (excludeDiagonal ? similarities.maskedFill(diagonal(a, b), -Infinity) : similarities).logsumexp(1);
  });
}

/** [M, N] bool: whether the labels of row and column are equal. */
export function sameLabel(rows: Tensor, columns: Tensor): Tensor {
  return tidy(() => rows.unsqueeze(1).eq(columns.unsqueeze(0)));
}

/** [M, N] bool: true where row and column have the same number. */
export function diagonal(a: Tensor, b: Tensor): Tensor {
  return eye(a.shape[0]!, { m: b.shape[0]!, dtype: "bool", device: a.device });
}

/** Labels [N] of any values → labels in 0 … N-1, equal where those are, in the order of their values. Reads nothing: N is bound enough. */
export function denseLabels(labels: Tensor): Tensor {
  return tidy(() => {
    const { values, indices } = labels.sort();
    const count = labels.shape[0]!;
    const changes = values.narrow(0, { start: 1, length: count - 1 }).ne(values.narrow(0, { start: 0, length: count - 1 }));
    const ranks = cat([labels.newZeros([1]), changes.to(labels.dtype)]).cumsum(0);
    return labels.newZeros([count]).scatterAdd(0, indices, ranks);
  });
}

/** The sum of the rows of each class, and how many there are. */
export interface ClassSums {
  /** [K, D]. */
  readonly sums: Tensor;
  /** [K], in the rows' type. */
  readonly counts: Tensor;
}

/**
 * Adds up rows [N, D] by class.
 *
 * @param labels int32 [N] in 0 … classes-1.
 * @throws IndexError for a label outside (on a GPU: at the next read).
 */
export function classSums(rows: Tensor, labels: Tensor, classes: number): ClassSums {
  const sums = tidy(() => rows.newZeros([classes, rows.shape[1]!]).scatterAdd(0, labels.unsqueeze(1).expand(rows.shape), rows));
  return { sums, counts: classCounts(rows, labels, classes) };
}

/** How many of the labels [N] are of each class, [K], in the rows' type. */
export function classCounts(rows: Tensor, labels: Tensor, classes: number): Tensor {
  return tidy(() => rows.newZeros([classes]).scatterAdd(0, labels, rows.newFull(labels.shape, 1)));
}

/** The dot product of each row of a with the same row of b: [N, D], [N, D] → [N]. */
export function rowDots(a: Tensor, b: Tensor): Tensor {
  return tidy(() => a.mul(b).sum(1));
}

/**
 * Checks embeddings and labels and flattens views: [N, D] with [N], or [N, V, D] with [N] → [V·N, D] with [V·N], view after view.
 *
 * @throws ShapeError, DTypeError when they do not fit.
 */
export function flattenViews(embeddings: Tensor, labels: Tensor | null, op: string): { rows: Tensor; labels: Tensor | null } {
  const { shape } = embeddings;
  if ((shape.length !== 2 && shape.length !== 3) || (labels !== null && (labels.rank !== 1 || labels.shape[0] !== shape[0]))) {
    const shapes = labels === null ? [shape] : [shape, labels.shape];
    throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: embeddings [N, D] or [N, V, D] and labels [N] are needed`, { op, shapes });
  }
  if (labels !== null && labels.dtype !== "int32") {
    throw new DTypeError(`Cannot ${op}: int32 labels are needed, got ${labels.dtype}`, { op, shapes: [labels.shape] });
  }
  if (shape.length === 2) return { rows: embeddings, labels };
  const [samples, views, width] = shape as [number, number, number];
  return {
    rows: tidy(() => embeddings.transpose(0, 1).reshape([views * samples, width])),
    labels: labels === null ? null : tidy(() => labels.unsqueeze(0).expand([views, samples]).reshape([views * samples])),
  };
}

/**
 * Checks prototypes [K, D] against rows [N, D].
 *
 * @throws ShapeError when they do not fit.
 */
export function checkPrototypes(rows: Tensor, prototypes: Tensor, op: string): void {
  if (prototypes.rank !== 2 || prototypes.shape[1] !== rows.shape[1]) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([rows.shape, prototypes.shape])}: rows [N, D] and prototypes [K, D] are needed`, {
      op,
      shapes: [rows.shape, prototypes.shape],
    });
  }
}
