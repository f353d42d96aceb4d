/**
 * InfoNCE with given partners, and a memory of embeddings of earlier batches.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { buffer, Module } from "../nn/module.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { arange, cat, type DeviceName, type DType, full, type Tensor, tidy, zeros } from "../tensor/mod.ts";
import { crossEntropy } from "./cross_entropy.ts";
import type { References } from "./mined.ts";
import { checkTemperature, type Reduction } from "./reduction.ts";
import { normalizeRows } from "./similarity.ts";

/** Options of {@link infoNceLoss}. */
export interface InfoNceOptions {
  /** [M, D]: what every query should be far from, in place of the other keys. */
  readonly negatives?: Tensor;
  /** τ > 0. Default 0.1. */
  readonly temperature?: number;
  /** Normalise rows first. Default true. */
  readonly normalize?: boolean;
  /** Also find the query for each key, and take the mean of both; not with `negatives`. Default false. */
  readonly symmetric?: boolean;
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/**
 * Cross entropy of finding each query's own key among all keys (or among its own and the negatives) by the dot product over τ.
 *
 * @param queries [N, D].
 * @param keys [N, D]: key i belongs to query i.
 * @throws ShapeError, ArgumentError when arguments do not fit. Source: van den Oord et al. 2018.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { infoNceLoss } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * assertAlmostEquals(await infoNceLoss(ones([4, 2]), ones([4, 2])).item(), Math.log(4), 1e-5);
 * ```
 */
export function infoNceLoss(queries: Tensor, keys: Tensor, options: InfoNceOptions = {}): Tensor {
  checkOptions(options, "infoNceLoss", ["negatives", "temperature", "normalize", "symmetric", "reduction"]);
  const { negatives, temperature = 0.1, normalize = true, symmetric = false, reduction = "mean" } = options;
  checkTensors("infoNceLoss", { queries, keys }, { negatives });
  checkTemperature(temperature, "infoNceLoss");
  const shapes = [queries.shape, keys.shape, ...(negatives === undefined ? [] : [negatives.shape])];
  if (shapes.some((shape) => shape.length !== 2 || shape[1] !== shapes[0]![1]) || queries.shape[0] !== keys.shape[0]) {
    throw new ShapeError(`Cannot infoNceLoss ${formatShapes(shapes)}: queries and keys [N, D] and negatives [M, D] are needed`, {
      op: "infoNceLoss",
      shapes,
    });
  }
  if (symmetric && negatives !== undefined) throw new ArgumentError("Cannot infoNceLoss: symmetric or negatives are needed, got both");
  return tidy(() => {
    const prepare = (part: Tensor) => normalize ? normalizeRows(part) : part;
    const [q, k] = [prepare(queries), prepare(keys)];
    if (negatives !== undefined) {
      const own = q.mul(k).sum(1, { keepDim: true });
      const logits = cat([own, q.matmul(prepare(negatives).mT)], { dim: 1 }).div(temperature);
      return crossEntropy(logits, arangeLike(q).mul(0), { reduction });
    }
    const logits = q.matmul(k.mT).div(temperature);
    const forth = crossEntropy(logits, arangeLike(q), { reduction });
    return symmetric ? forth.add(crossEntropy(logits.mT, arangeLike(q), { reduction })).mul(0.5) : forth;
  });
}

function arangeLike({ shape, device }: Tensor): Tensor {
  return arange(shape[0]!, { device });
}

/** Options of {@link CrossBatchMemory}. */
export interface CrossBatchMemoryOptions {
  /** How many embeddings are remembered. */
  readonly size: number;
  /** D, their width. */
  readonly dim: number;
  /** The embeddings' type. Default float32. */
  readonly dtype?: DType;
  /** Default: the default device. */
  readonly device?: DeviceName;
}

/** A loss of a batch that can take references too, such as minedTripletLoss or multiSimilarityLoss. */
export type ReferenceLoss = (embeddings: Tensor, labels: Tensor, options: { readonly references: References }) => Tensor;

/**
 * Compares each batch with itself and with the embeddings of the batches before, which are kept without gradients, newest first. Labels
 * must be from 0. Source: Wang et al. 2020.
 *
 * @throws ArgumentError unless size and dim are positive whole numbers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CrossBatchMemory, multiSimilarityLoss } from "./mod.ts";
 * import { ones, tensor } from "../tensor/mod.ts";
 *
 * const memory = new CrossBatchMemory(multiSimilarityLoss, { size: 3, dim: 2 });
 * memory.forward(ones([2, 2]), tensor([0, 1], { dtype: "int32" }));
 * assertEquals(await memory.labels.toArray(), [0, 1, -1]);
 * ```
 */
export class CrossBatchMemory extends Module {
  /** [size, D]. */
  readonly embeddings: Tensor;
  /** int32 [size], -1 where nothing is remembered yet. */
  readonly labels: Tensor;
  readonly #loss: ReferenceLoss;

  /** Takes the loss and how much is remembered. */
  constructor(loss: ReferenceLoss, options: CrossBatchMemoryOptions) {
    super();
    const { size, dim, dtype = "float32", device } = checkOptions(options, "make CrossBatchMemory", ["size", "dim", "dtype", "device"]);
    if (![size, dim].every((n) => Number.isInteger(n) && n > 0)) {
      throw new ArgumentError(`Cannot make CrossBatchMemory: positive whole size and dim are needed, got ${size} and ${dim}`);
    }
    const place = device === undefined ? {} : { device };
    this.#loss = loss;
    this.embeddings = buffer(zeros([size, dim], { ...place, dtype }));
    this.labels = buffer(full([size], -1, { ...place, dtype: "int32" }));
  }

  /** The loss of embeddings [N, D] with int32 labels [N] against themselves and the memory; in training they are remembered after. */
  override forward(embeddings: Tensor, labels: Tensor): Tensor {
    return tidy(() => {
      // Copies: backward needs what was compared, and the memory changes in place.
      const references = noGrad(() => ({ embeddings: this.embeddings.clone(), labels: this.labels.clone() }));
      const loss = this.#loss(embeddings, labels, { references });
      if (this.training) this.push(embeddings, labels);
      return loss;
    });
  }

  /** Remembers embeddings [N, D] and labels [N], and forgets the oldest. */
  push(embeddings: Tensor, labels: Tensor): void {
    noGrad(() => {
      const size = this.labels.shape[0]!;
      for (const [kept, fresh] of [[this.embeddings, embeddings], [this.labels, labels]] as const) {
        tidy(() => kept.copy_(cat([fresh.detach().to(kept.dtype), kept]).narrow(0, { start: 0, length: size })));
      }
    });
  }
}
