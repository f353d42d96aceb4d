/**
 * Clusters of an embedding, and how much they tell about classes.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/mod.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { cat, defaultGenerator, type Generator, rand, randint, type Tensor, tidy } from "../tensor/mod.ts";
import { confusionMatrix } from "./metrics.ts";

/** Options of {@link kMeans}. */
export interface KMeansOptions {
  /** How many clusters, at most as many as rows. */
  readonly clusters: number;
  /** How often rows are assigned and centroids moved. Default 50. */
  readonly iterations?: number;
  /** Where the first centroids come from. Default: the default generator. */
  readonly generator?: Generator;
}

/** What {@link kMeans} returns. */
export interface Clusters {
  /** int32 [N]: the nearest centroid of each row. */
  readonly assignments: Tensor;
  /** [K, D]: the means of the clusters. */
  readonly centroids: Tensor;
}

/**
 * Lloyd's algorithm from centroids that are rows far from each other: each is drawn with a probability in proportion to its squared distance
 * from those before. A cluster that loses its last row stays where it is. Nothing is read on the way.
 *
 * @param rows float32 [N, D].
 * @throws ShapeError unless rows are a matrix; ArgumentError for a number of clusters or iterations out of range.
 * Source: Lloyd 1982; Arthur and Vassilvitskii 2007 (k-means++).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kMeans } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const { centroids } = kMeans(tensor([[0], [9], [1], [10]]), { clusters: 2 });
 * assertEquals((await centroids.data()).toSorted(), new Float32Array([0.5, 9.5]));
 * ```
 */
export function kMeans(rows: Tensor, options: KMeansOptions): Clusters {
  checkTensors("kMeans", { rows });
  checkOptions(options, "kMeans", ["clusters", "iterations", "generator"]);
  const { clusters, iterations = 50, generator = defaultGenerator } = options;
  if (rows.rank !== 2) {
    throw new ShapeError(`Cannot kMeans ${formatShapes([rows.shape])}: rows [N, D] are needed`, { op: "kMeans", shapes: [rows.shape] });
  }
  if (!Number.isInteger(clusters) || clusters < 1 || clusters > rows.shape[0]!) {
    throw new ArgumentError(`Cannot kMeans: from 1 to ${rows.shape[0]} clusters are needed, got ${clusters}`);
  }
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new ArgumentError(`Cannot kMeans: iterations from 1 are needed, got ${iterations}`);
  }
  const [assignments, centroids] = noGrad(() =>
    tidy(() => {
      // Centred, so that the difference of squares in distances loses no more than it must.
      const centre = rows.mean(0, { keepDim: true });
      const centred = rows.sub(centre);
      let centroids = scattered(centred, clusters, generator);
      for (let n = 0; n < iterations; n++) centroids = tidy(() => moved(centred, centroids));
      return [nearest(centred, centroids), centroids.add(centre)];
    })
  ) as [Tensor, Tensor];
  return { assignments, centroids };
}

/** Rows far from each other. */
function scattered(rows: Tensor, count: number, generator: Generator): Tensor {
  const size = rows.shape[0]!;
  const { device } = rows;
  const chosen = [rows.indexSelect(0, randint(0, size, { shape: [1], device, generator }))];
  let distances = rows.newFull([size], Infinity);
  for (let n = 1; n < count; n++) {
    distances = tidy(() => distances.minimum(rows.sub(chosen.at(-1)!).square().sum(1)));
    // The place of the greatest of log weights with Gumbel noise is drawn in proportion to the weights.
    chosen.push(tidy(() => {
      const noise = rand([size], { device, generator }).clamp({ min: 1e-12 }).log().neg().log().neg();
      const index = distances.clamp({ min: 1e-30 }).log().add(noise).argmax(0, { keepDim: true });
      return rows.indexSelect(0, index);
    }));
  }
  return cat(chosen);
}

/** The position of each row's nearest centroid. */
function nearest(rows: Tensor, centroids: Tensor): Tensor {
  return tidy(() => centroids.square().sum(1).sub(rows.matmul(centroids.mT).mul(2)).argmin(1));
}

/** The means of the rows nearest to each centroid. */
function moved(rows: Tensor, centroids: Tensor): Tensor {
  const members = nearest(rows, centroids).oneHot(centroids.shape[0]!, { dtype: rows.dtype });
  const counts = members.sum(0).unsqueeze(1);
  return counts.gt(0).where(members.mT.matmul(rows).div(counts.clamp({ min: 1 })), centroids);
}

/**
 * What two labellings of the same rows tell about each other: I(a; b) / ((H(a) + H(b)) / 2), from 0 for nothing to 1 for all. Two labellings
 * with one label each tell all.
 *
 * @param a int32 [N] in 0 … clusters-1, such as the assignments of {@link kMeans}.
 * @param b int32 [N] in 0 … classes-1.
 * @returns One number; NaN for no rows.
 * @throws ShapeError when they do not fit; IndexError for a label outside (on a GPU: at the next read).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { normalizedMutualInformation } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const clusters = tensor([1, 1, 0, 0], { dtype: "int32" });
 * const labels = tensor([0, 0, 1, 1], { dtype: "int32" });
 * assertAlmostEquals(await normalizedMutualInformation(clusters, labels, { clusters: 2, classes: 2 }).item(), 1, 1e-6);
 * ```
 */
export function normalizedMutualInformation(
  a: Tensor,
  b: Tensor,
  options: { readonly clusters: number; readonly classes: number },
): Tensor {
  checkTensors("normalizedMutualInformation", { a, b });
  const { clusters, classes } = checkOptions(options, "normalizedMutualInformation", ["clusters", "classes"]);
  return noGrad(() =>
    tidy(() => {
      const most = Math.max(clusters, classes);
      const joint = confusionMatrix(a, b, { classes: most }).div(a.size);
      const entropy = (parts: Tensor) => parts.mul(parts.clamp({ min: 1e-30 }).log()).sum().neg();
      const [of, both] = [entropy(joint.sum(0)).add(entropy(joint.sum(1))), entropy(joint)];
      // I = H(a) + H(b) - H(a, b).
      const information = of.sub(both).clamp({ min: 0 });
      return of.gt(1e-6).where(information.div(of.div(2).clamp({ min: 1e-30 })), a.size === 0 ? NaN : 1);
    })
  );
}
