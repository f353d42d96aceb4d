/**
 * Embedding, as a function and a layer.
 *
 * @module
 */
import { noGrad } from "../autograd/tape.ts";
import { isInteger } from "../tensor/dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { normal } from "./init.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions } from "./options.ts";

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
export function embedding(index: Tensor, weight: Tensor, { paddingIdx }: { readonly paddingIdx?: number | undefined } = {}): Tensor {
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
