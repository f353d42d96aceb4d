/**
 * Embedding, as a function and a layer.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { arange } from "../tensor/create.ts";
import { isInteger } from "../tensor/dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { tidy } from "../tensor/scope.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { normal } from "./init.ts";
import { checkInputs, Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/**
 * The rows of a table that whole numbers name.
 *
 * @param index int32 of any shape, in 0 … rows - 1.
 * @param weight [rows, D].
 * @param options `paddingIdx`: a row that gets no gradient.
 * @returns [...index, D].
 * @throws IndexError for a row that does not exist (on a GPU: at the next read); ShapeError, DTypeError for arguments that do not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { embedding } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const index = tensor([2, 0], { dtype: "int32" });
 * assertEquals(await embedding(index, tensor([[1], [2], [3]])).toArray(), [[3], [1]]);
 * ```
 */
export function embedding(index: Tensor, weight: Tensor, options: { readonly paddingIdx?: number | undefined } = {}): Tensor {
  checkTensors("embedding", { index, weight });
  const { paddingIdx } = checkOptions(options, "embedding", ["paddingIdx"]);
  if (weight.rank !== 2) {
    throw new ShapeError(`Cannot embedding ${formatShapes([weight.shape])}: a table [rows, D] is needed`, {
      op: "embedding",
      shapes: [weight.shape],
    });
  }
  if (!isInteger(index.dtype)) {
    throw new DTypeError(`Cannot embedding: whole numbers are needed as the index, got ${index.dtype}`, { op: "embedding" });
  }
  return tidy(() => {
    const rows = index.to("int32");
    const out = weight.indexSelect(0, rows.reshape([index.size])).reshape([...index.shape, weight.shape[1]!]);
    if (paddingIdx === undefined || !out.requiresGrad) return out;
    return rows.ne(resolvePadding(paddingIdx, weight.shape[0]!)).unsqueeze(-1).where(out, out.detach());
  });
}

/** Options of {@link Embedding}. */
export interface EmbeddingOptions extends LayerOptions {
  /** A row that is zero at the start and gets no gradient; negative counts from the end. */
  readonly paddingIdx?: number;
}

/** A table of vectors, standard normal at the start; see {@link embedding}. */
export class Embedding extends Module {
  /** [count, size]. */
  readonly weight: Tensor;
  /** The row that is not trained, if any. */
  readonly paddingIdx: number | undefined;

  /** Makes a table of `count` vectors of `size`. */
  constructor(count: number, size: number, options: EmbeddingOptions = {}) {
    super();
    checkOptions(options, "make Embedding", ["paddingIdx", ...layerOptions]);
    checkCounts("Embedding", { count, size });
    this.paddingIdx = options.paddingIdx === undefined ? undefined : resolvePadding(options.paddingIdx, count);
    this.weight = parameter(normal(blank([count, size], options), options));
    if (this.paddingIdx === undefined) return;
    const row = this.paddingIdx;
    noGrad(() => {
      using padding = this.weight.select(0, row);
      padding.zero_();
    });
  }

  /** int32 [...] → [..., size]. */
  override forward(index: Tensor): Tensor {
    return embedding(index, this.weight, { paddingIdx: this.paddingIdx });
  }
}

function resolvePadding(paddingIdx: number, rows: number): number {
  if (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows) {
    throw new ArgumentError(`Cannot embedding: a paddingIdx in ${-rows} … ${rows - 1} is needed, got ${paddingIdx}`);
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/** Options of {@link EmbeddingBag}. */
export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** How the vectors of a bag become one. Default "mean". */
  readonly mode?: "sum" | "mean" | "max";
  /** Whether offsets end with the index's length, as one more than there are bags. Default false. */
  readonly includeLastOffset?: boolean;
}

/** What a bag is made of, besides its numbers. */
export interface BagOptions {
  /** int32 [B]: where each bag begins in a flat index, the first at 0; bags run to the next one's beginning. */
  readonly offsets?: Tensor;
  /** Factors in the index's shape; for mode "sum" alone. */
  readonly weights?: Tensor;
}

/**
 * A table of vectors of which bags are added up, averaged or compared. Empty bags give zeros, and rows with the number `paddingIdx` do not
 * count.
 */
export class EmbeddingBag extends Module {
  /** [count, size]. */
  readonly weight: Tensor;
  /** How the vectors of a bag become one. */
  readonly mode: "sum" | "mean" | "max";
  /** The number that does not count, if any. */
  readonly paddingIdx: number | undefined;
  /** Whether offsets end with the index's length. */
  readonly includeLastOffset: boolean;

  /** Makes a table of `count` vectors of `size`, standard normal at the start. */
  constructor(count: number, size: number, options: EmbeddingBagOptions = {}) {
    super();
    checkOptions(options, "make EmbeddingBag", ["mode", "includeLastOffset", "paddingIdx", ...layerOptions]);
    const { mode = "mean", includeLastOffset = false, ...rest } = options;
    if (!["sum", "mean", "max"].includes(mode)) {
      throw new ArgumentError(`Cannot make EmbeddingBag: mode "sum", "mean" or "max" is needed, got ${JSON.stringify(mode)}`);
    }
    const table = new Embedding(count, size, rest);
    this.weight = table.weight;
    this.paddingIdx = table.paddingIdx;
    this.mode = mode;
    this.includeLastOffset = includeLastOffset;
  }

  /** int32 [B, L], or [T] with offsets [B] (or [B + 1], ending with T, with `includeLastOffset`) → [B, size]. */
  override forward(index: Tensor, options: BagOptions = {}): Tensor {
    const { offsets: given, weights } = checkOptions(options, "run EmbeddingBag", ["offsets", "weights"]);
    checkInputs(this, { index });
    if (weights !== undefined && (this.mode !== "sum" || weights.rank !== index.rank)) {
      throw new ArgumentError(`Cannot embeddingBag: weights in the index's shape and mode "sum" are needed, got mode "${this.mode}"`);
    }
    if (index.rank !== (given === undefined ? 2 : 1) || (given !== undefined && (given.rank !== 1 || given.size === 0))) {
      throw new ShapeError(`Cannot embeddingBag ${formatShapes([index.shape])}: [B, L], or [T] with offsets [B] is needed`, {
        op: "embeddingBag",
        shapes: [index.shape],
      });
    }
    return tidy(() => {
      const offsets = this.includeLastOffset ? given?.narrow(0, { start: 0, length: given.shape[0]! - 1 }) : given;
      const rows = embedding(index, this.weight, { paddingIdx: this.paddingIdx });
      const counted = this.paddingIdx === undefined ? index.eq(index) : index.ne(this.paddingIdx);
      const factors = weights === undefined ? counted.to(rows.dtype) : weights.mul(counted.to(rows.dtype));
      if (this.mode === "max") return offsets === undefined ? greatestOf(rows, counted) : greatestFrom(rows, counted, offsets);
      const scaled = rows.mul(factors.unsqueeze(-1));
      const sums = offsets === undefined ? scaled.sum(1) : addUp(scaled, offsets);
      if (this.mode === "sum") return sums;
      const ones = factors.unsqueeze(-1);
      const counts = offsets === undefined ? ones.sum(1) : addUp(ones, offsets);
      return sums.div(counts.clamp({ min: 1 }));
    });
  }
}

/** The greatest of each bag's counted rows; zeros for a bag without. */
function greatestOf(rows: Tensor, counted: Tensor): Tensor {
  const empty = counted.any(1, { keepDim: true }).logicalNot();
  return rows.maskedFill(counted.logicalNot().unsqueeze(-1), -Infinity).max(1).maskedFill(empty, 0);
}

/** The same of rows [T, D] from each offset to the next. */
function greatestFrom(rows: Tensor, counted: Tensor, offsets: Tensor): Tensor {
  const bag = bagOf(rows, offsets);
  const src = rows.maskedFill(counted.logicalNot().unsqueeze(-1), -Infinity);
  const empty = rows.newZeros([offsets.shape[0]!]).scatterAdd(0, bag, counted.to(rows.dtype)).eq(0);
  const none = rows.newFull([offsets.shape[0]!, rows.shape[1]!], -Infinity);
  return none.scatter(0, { index: bag.unsqueeze(1).expand(rows.shape), src, combine: "max" }).maskedFill(empty.unsqueeze(-1), 0);
}

/** int32 [T]: the bag of each of T rows. */
function bagOf(rows: Tensor, offsets: Tensor): Tensor {
  return arange(rows.shape[0]!, { device: rows.device }).unsqueeze(1).ge(offsets.unsqueeze(0)).sum(1).sub(1).to("int32");
}

/** Rows [T, D] added up from each offset to the next. */
function addUp(rows: Tensor, offsets: Tensor): Tensor {
  return rows.newZeros([offsets.shape[0]!, rows.shape[1]!]).scatterAdd(0, bagOf(rows, offsets).unsqueeze(1).expand(rows.shape), rows);
}
