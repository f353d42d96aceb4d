/**
 * How well an embedding's neighbours are of the same class: what metric learning is judged by.
 *
 * Source: Musgrave et al. 2020, "A Metric Learning Reality Check".
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/mod.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { arange, cat, stack, type Tensor, tidy, unitVectors } from "../tensor/mod.ts";

/** Rows and their classes. */
export interface Labelled {
  /** [M, D]. */
  readonly embeddings: Tensor;
  /** int32 [M]. */
  readonly labels: Tensor;
}

/** Among what neighbours are looked for, and what near means. */
export interface NeighbourOptions {
  /** The rows that are searched. Default: the queries themselves, each without itself. */
  readonly references?: Labelled;
  /** "cosine" compares directions, "euclidean" places. Default "cosine". */
  readonly distance?: "cosine" | "euclidean";
  /** How many queries are compared with all references at once. Default 1024. */
  readonly batchSize?: number;
}

/** Options of {@link retrievalMetrics}. */
export interface RetrievalOptions extends NeighbourOptions {
  /**
   * The most references of one class that a query has, where that is known: no more of the nearest are put in order, which for a tenth of the
   * references takes a third of the time. The results are NaN where a query has more. Default: any number.
   */
  readonly mostRelevant?: number;
}

/** What {@link retrievalMetrics} returns, each one number from 0 to 1. */
export interface RetrievalMetrics {
  /** The fraction of queries whose nearest reference is of their class. */
  readonly precisionAt1: Tensor;
  /** The mean over queries of r / R: r of the R nearest are of the query's class, where R is how many references are. */
  readonly rPrecision: Tensor;
  /** The mean over queries of 1/R Σ_{k ≤ R} P(k), where P(k) is the precision among the k nearest if the k-th is relevant, and else 0. */
  readonly mapAtR: Tensor;
}

/**
 * Precision at 1, R-precision and mean average precision at R. Queries without any reference of their class do not count; equally near
 * references stand in their own order.
 *
 * @param embeddings [N, D].
 * @param labels int32 [N].
 * @returns NaN where no query counts, or an embedding is NaN.
 * @throws ShapeError when rows and labels do not fit; ArgumentError for a batch size or `mostRelevant` that is no whole number from 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { retrievalMetrics } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const embeddings = tensor([[1, 0], [0.9, 0.1], [0.7, 0.7], [0, 1]]);
 * const labels = tensor([0, 0, 1, 1], { dtype: "int32" });
 * const { precisionAt1 } = retrievalMetrics(embeddings, labels);
 * assertEquals(await precisionAt1.item(), 0.75);
 * ```
 */
export function retrievalMetrics(embeddings: Tensor, labels: Tensor, options: RetrievalOptions = {}): RetrievalMetrics {
  checkTensors("retrievalMetrics", { embeddings, labels });
  checkOptions(options, "retrievalMetrics", ["references", "distance", "batchSize", "mostRelevant"]);
  checkReferences("retrievalMetrics", options);
  const { mostRelevant = Infinity } = options;
  if (mostRelevant !== Infinity && (!Number.isInteger(mostRelevant) || mostRelevant < 1)) {
    throw new ArgumentError(`Cannot retrievalMetrics: a whole mostRelevant from 1 is needed, got ${mostRelevant}`);
  }
  const [precisionAt1, rPrecision, mapAtR] = noGrad(() =>
    tidy(() => {
      const sums = searchEach("retrievalMetrics", { embeddings, labels }, options, (search) => precisionSums(search, mostRelevant));
      const total = stack(sums).sum(0);
      const count = total.select(0, 3);
      const valid = count.gt(0).logicalAnd(total.select(0, 4).eq(0)).logicalAnd(isSound(embeddings, options));
      return [0, 1, 2].map((metric) => valid.where(total.select(0, metric).div(count.clamp({ min: 1 })), NaN));
    })
  ) as [Tensor, Tensor, Tensor];
  return { precisionAt1, rPrecision, mapAtR };
}

/**
 * [5]: the sums over some queries of precision at 1, R-precision and average precision at R, how many queries count, and how many have more
 * relevant references than were put in order.
 */
function precisionSums({ nearness, labels, references, itself }: Search, mostRelevant: number): Tensor {
  const own = labels.unsqueeze(1);
  const same = own.eq(references.unsqueeze(0)).sum(1, { keepDim: true });
  const total = itself === undefined ? same : same.sub(1);
  const { indices } = nearness.topk(Math.min(mostRelevant, references.shape[0]!), { dim: 1 });
  const alike = references.take(indices).eq(own);
  const ranked = (itself === undefined ? alike : alike.logicalAnd(indices.ne(itself))).to("float32");
  const places = arange(ranked.shape[1]!, { device: ranked.device, dtype: "float32" });
  const within = ranked.mul(places.lt(total));
  const perQuery = (sum: Tensor) => sum.div(total.squeeze(1).clamp({ min: 1 })).sum();
  return stack([
    ranked.narrow(1, { start: 0, length: 1 }).sum(),
    perQuery(within.sum(1)),
    perQuery(within.mul(ranked.cumsum(1).div(places.add(1))).sum(1)),
    total.gt(0).sum().to("float32"),
    total.gt(ranked.shape[1]!).sum().to("float32"),
  ]);
}

/**
 * The fraction of rows that the majority of their `k` nearest references classify rightly; of classes with equally many the first wins.
 *
 * @param embeddings [N, D].
 * @param labels int32 [N] in 0 … classes-1, as those of references.
 * @returns One number from 0 to 1; NaN where an embedding is NaN.
 * @throws ShapeError when rows and labels do not fit; ArgumentError unless there are `k` references from 1; IndexError for a class outside
 * (on a GPU: at the next read).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { knnAccuracy } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const references = { embeddings: tensor([[1, 0], [0.9, 0.1], [0, 1]]), labels: tensor([0, 0, 1], { dtype: "int32" }) };
 * const options = { k: 1, classes: 2, references };
 * assertEquals(await knnAccuracy(tensor([[2, 1], [1, 2]]), tensor([0, 0], { dtype: "int32" }), options).item(), 0.5);
 * ```
 */
export function knnAccuracy(
  embeddings: Tensor,
  labels: Tensor,
  options: NeighbourOptions & { readonly k: number; readonly classes: number },
): Tensor {
  checkTensors("knnAccuracy", { embeddings, labels });
  const { k, classes, ...neighbours } = checkOptions(options, "knnAccuracy", ["references", "distance", "batchSize", "k", "classes"]);
  checkReferences("knnAccuracy", neighbours);
  const available = neighbours.references?.embeddings.shape[0] ?? embeddings.shape[0]! - 1;
  if (!Number.isInteger(k) || k < 1 || k > available) {
    throw new ArgumentError(`Cannot knnAccuracy: a whole k from 1 to ${available}, the number of references, is needed, got ${k}`);
  }
  return noGrad(() =>
    tidy(() => {
      const hits = searchEach("knnAccuracy", { embeddings, labels }, neighbours, ({ nearness, references, labels: own }) => {
        const voters = references.take(nearness.topk(k, { dim: 1 }).indices);
        return voters.oneHot(classes).sum(1).argmax(1).eq(own);
      });
      return isSound(embeddings, neighbours).where(cat(hits).mean(), NaN);
    })
  );
}

function checkReferences(op: string, { references }: NeighbourOptions): void {
  if (references === undefined) return;
  checkTensors(op, { "references.embeddings": references.embeddings, "references.labels": references.labels });
}

/** Some queries among all references. */
interface Search {
  /** [B, M]: greater is nearer; -Infinity between a row and itself. */
  readonly nearness: Tensor;
  /** [B]. */
  readonly labels: Tensor;
  /** [M]: the references' labels. */
  readonly references: Tensor;
  /** [B, 1]: where the queries themselves stand among the references, if they do. */
  readonly itself?: Tensor;
}

/** What `find` makes of some queries after the others; no more is kept, so that memory grows with the batch only. */
function searchEach(
  op: string,
  { embeddings, labels }: Labelled,
  options: NeighbourOptions,
  find: (search: Search) => Tensor,
): Tensor[] {
  const { references = { embeddings, labels }, distance = "cosine", batchSize = 1024 } = options;
  checkRows(op, { embeddings, labels }, embeddings);
  checkRows(op, references, embeddings);
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`Cannot ${op}: a whole batchSize from 1 is needed, got ${batchSize}`);
  }
  const centre = distance === "cosine" ? undefined : references.embeddings.mean(0, { keepDim: true });
  // Centred, so that the difference of squares below loses no more than it must.
  const prepare = (rows: Tensor) => centre === undefined ? unitVectors(rows, { dim: 1 }) : rows.sub(centre);
  const searched = prepare(references.embeddings);
  const queries = references.embeddings === embeddings ? searched : prepare(embeddings);
  const penalty = distance === "cosine" ? undefined : searched.square().sum(1).div(2);
  const starts = Array.from({ length: Math.ceil(embeddings.shape[0]! / batchSize) }, (_, batch) => batch * batchSize);
  return starts.map((start) =>
    tidy(() => {
      const length = Math.min(batchSize, embeddings.shape[0]! - start);
      const own = labels.narrow(0, { start, length });
      const products = queries.narrow(0, { start, length }).matmul(searched.mT);
      const nearness = penalty === undefined ? products : products.sub(penalty);
      const search = { nearness, labels: own, references: references.labels };
      if (options.references !== undefined) return find(search);
      const itself = arange(start + length, { start, device: embeddings.device }).unsqueeze(1);
      const others = nearness.scatter(1, { index: itself, src: nearness.newFull([length, 1], -Infinity) });
      return find({ ...search, nearness: others, itself });
    })
  );
}

function checkRows(op: string, { embeddings, labels }: Labelled, like: Tensor): void {
  const fits = embeddings.rank === 2 && labels.rank === 1 && embeddings.shape[0] === labels.shape[0] &&
    embeddings.shape[1] === like.shape[1] && embeddings.shape[0]! > 0;
  if (fits) return;
  const shapes = [embeddings.shape, labels.shape];
  throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: at least one row [N, ${like.shape[1] ?? "D"}] and labels [N] are needed`, {
    op,
    shapes,
  });
}

/** Whether no embedding is NaN: the order of what compares with nothing would pass for a result. */
function isSound(embeddings: Tensor, { references }: NeighbourOptions): Tensor {
  const sound = (rows: Tensor) => rows.isNaN().any().logicalNot();
  return references === undefined ? sound(embeddings) : sound(embeddings).logicalAnd(sound(references.embeddings));
}
