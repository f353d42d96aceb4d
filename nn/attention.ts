/**
 * Attention, as a function and a layer of several heads.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { arange } from "../tensor/create.ts";
import { linear } from "../tensor/functions.ts";
import { defaultGenerator, type Generator } from "../tensor/random.ts";
import { tidy } from "../tensor/scope.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { dropout } from "./dropout.ts";
import { xavierUniform, zeros } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module, parameter } from "./module.ts";
import { blank, checkCounts, forLayers, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /** [..., S, V]: what is mixed. */
  readonly value: Tensor;
  /** Broadcast to [..., L, S]: bool, true where a key takes part, or numbers that are added to the scores. */
  readonly mask?: Tensor | undefined;
  /** Whether query i sees only keys 0 … i. Default false. */
  readonly causal?: boolean;
  /** What scores are multiplied by. Default 1/√E. */
  readonly scale?: number;
  /** The probability with which a weight becomes 0. Default 0. */
  readonly dropout?: number;
  /** Where dropout's masks come from. Default: the default generator. */
  readonly generator?: Generator;
}

/**
 * softmax(scale q kᵀ + mask) v: each query's mean of the values, weighted by how well its key fits. A query without any key gives NaN, as in
 * PyTorch.
 *
 * @param query [..., L, E].
 * @param key [..., S, E].
 * @returns [..., L, V].
 * @throws ShapeError when sizes do not fit. Source: Vaswani et al. 2017.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scaledDotProductAttention } from "./mod.ts";
 * import { tensor, zeros } from "../tensor/mod.ts";
 *
 * const value = tensor([[1], [3]]);
 * const y = scaledDotProductAttention(zeros([2, 4]), zeros([2, 4]), { value, causal: true });
 * assertEquals(await y.toArray(), [[1], [2]]);
 * ```
 */
export function scaledDotProductAttention(query: Tensor, key: Tensor, options: AttentionOptions): Tensor {
  checkTensors("scaledDotProductAttention", { query, key });
  const { value, mask } = checkOptions(options, "scaledDotProductAttention", ["value", "mask", "causal", "scale", "dropout", "generator"]);
  checkTensors("scaledDotProductAttention", { value }, { mask });
  return tidy(() => {
    const weights = attentionWeights(query, key, options);
    const { dropout: p = 0, generator } = options;
    return (p > 0 ? dropout(weights, { p, generator }) : weights).matmul(options.value);
  });
}

function attentionWeights(query: Tensor, key: Tensor, { value, mask, causal = false, scale }: AttentionOptions): Tensor {
  const shapes = [query.shape, key.shape, value.shape];
  const [width, keys] = [query.shape.at(-1), key.shape.at(-2)];
  if (shapes.some((shape) => shape.length < 2) || key.shape.at(-1) !== width || value.shape.at(-2) !== keys) {
    throw new ShapeError(`Cannot scaledDotProductAttention ${formatShapes(shapes)}: [..., L, E], [..., S, E] and [..., S, V] are needed`, {
      op: "scaledDotProductAttention",
      shapes,
    });
  }
  let scores = query.mul(scale ?? 1 / Math.sqrt(width!)).matmul(key.mT);
  if (causal) {
    const positions = (count: number) => arange(count, { device: query.device });
    scores = scores.maskedFill(positions(query.shape.at(-2)!).unsqueeze(1).lt(positions(keys!)), -Infinity);
  }
  if (mask !== undefined) scores = mask.dtype === "bool" ? scores.maskedFill(mask.logicalNot(), -Infinity) : scores.add(mask);
  return scores.softmax(-1);
}

/** Options of {@link MultiheadAttention}. */
export interface MultiheadAttentionOptions extends LayerOptions {
  /** The probability with which a weight becomes 0 in training. Default 0. */
  readonly dropout?: number;
  /** Whether projections have a bias. Default true. */
  readonly bias?: boolean;
  /** Whether inputs are [N, L, E] rather than [L, N, E]. Default false, as in PyTorch. */
  readonly batchFirst?: boolean;
  /** The width of keys. Default E. */
  readonly kdim?: number;
  /** The width of values. Default E. */
  readonly vdim?: number;
}

/** What a {@link MultiheadAttention} attends to, and what it must not see; masks are true (or -Infinity) where a key is left out. */
export interface AttendOptions {
  /** Default: the query. */
  readonly key?: Tensor;
  /** Default: the key. */
  readonly value?: Tensor;
  /** bool [N, S]: keys that are only padding. */
  readonly keyPaddingMask?: Tensor | undefined;
  /** bool, or numbers to add: [L, S], or [N · heads, L, S]. */
  readonly mask?: Tensor | undefined;
  /** Whether query i sees only keys 0 … i. Default false. */
  readonly causal?: boolean;
}

/** What {@link MultiheadAttention.attend} returns. */
export interface Attended {
  /** In the query's shape. */
  readonly output: Tensor;
  /** [N, heads, L, S], before dropout. */
  readonly weights: Tensor;
}

/**
 * Attention of several heads over projections of query, key and value, with PyTorch's names: in_proj_weight [3E, E], in_proj_bias,
 * out_proj; where keys or values have another width than E, q_proj_weight [E, E], k_proj_weight [E, kdim] and v_proj_weight [E, vdim] in
 * place of in_proj_weight.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MultiheadAttention } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const attention = new MultiheadAttention(8, 2, { batchFirst: true });
 * assertEquals(attention.forward(ones([3, 5, 8]), { causal: true }).shape, [3, 5, 8]);
 * ```
 */
export class MultiheadAttention extends Module {
  /** [3E, E]: the projections of query, key and value, one under the other; null where they have three widths. */
  readonly inProjWeight: Tensor | null;
  /** [E, E], or null where all three have one width. */
  readonly qProjWeight: Tensor | null;
  /** [E, kdim], or null where all three have one width. */
  readonly kProjWeight: Tensor | null;
  /** [E, vdim], or null where all three have one width. */
  readonly vProjWeight: Tensor | null;
  /** [3E], or null. */
  readonly inProjBias: Tensor | null;
  /** The projection of the heads' results. */
  readonly outProj: Linear;
  /** The number of heads. */
  readonly heads: number;
  /** The probability with which a weight becomes 0 in training. */
  readonly dropout: number;
  /** Whether inputs are [N, L, E]. */
  readonly batchFirst: boolean;
  /** Where dropout's masks come from. */
  readonly generator: Generator;
  /** E, kdim and vdim. */
  readonly #widths: readonly [number, number, number];

  /**
   * Makes the layer for inputs of width E = `width`.
   *
   * @throws ArgumentError unless the width is a multiple of the heads.
   */
  constructor(width: number, heads: number, options: MultiheadAttentionOptions = {}) {
    super();
    checkOptions(options, "make MultiheadAttention", ["dropout", "bias", "batchFirst", "kdim", "vdim", ...layerOptions]);
    checkCounts("MultiheadAttention", { width, heads });
    if (width % heads !== 0) {
      throw new ArgumentError(`Cannot make MultiheadAttention: a width that is a multiple of ${heads} heads is needed, got ${width}`);
    }
    const { dropout = 0, bias = true, batchFirst = false, generator = defaultGenerator, kdim = width, vdim = width } = options;
    checkCounts("MultiheadAttention", { kdim, vdim });
    this.heads = heads;
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.generator = generator;
    this.#widths = [width, kdim, vdim];
    const project = (rows: number, columns: number) => parameter(xavierUniform(blank([rows, columns], options), options));
    const isOne = kdim === width && vdim === width;
    this.inProjWeight = isOne ? project(3 * width, width) : null;
    this.qProjWeight = isOne ? null : project(width, width);
    this.kProjWeight = isOne ? null : project(width, kdim);
    this.vProjWeight = isOne ? null : project(width, vdim);
    this.inProjBias = bias ? parameter(blank([3 * width], options)) : null;
    this.outProj = new Linear(width, width, { ...forLayers(options), bias });
    if (this.outProj.bias !== null) zeros(this.outProj.bias);
  }

  /** [L, N, E] (or [N, L, E]) → the same shape. */
  override forward(query: Tensor, options: AttendOptions = {}): Tensor {
    return tidy(() => this.attend(query, options).output);
  }

  /** The result with each head's weights. */
  attend(query: Tensor, options: AttendOptions = {}): Attended {
    const { key = query, value = key } = checkOptions(options, `run ${this.constructor.name}`, [
      "key",
      "value",
      "keyPaddingMask",
      "mask",
      "causal",
    ]);
    const { mask, keyPaddingMask } = options;
    checkTensors(`run ${this.constructor.name}`, { query, key, value }, { mask, keyPaddingMask });
    const [width] = this.#widths;
    const shapes = [query.shape, key.shape, value.shape];
    if (shapes.some((shape, n) => shape.length !== 3 || shape[2] !== this.#widths[n])) {
      const wanted = this.inProjWeight === null ? `widths ${this.#widths.join(", ")}` : `width ${width}`;
      throw new ShapeError(`Cannot attend ${formatShapes(shapes)}: 3-d tensors of ${wanted} are needed`, { op: "attend", shapes });
    }
    const [output, weights] = tidy(() => {
      const [q, k, v] = [query, key, value].map((part, n) => this.#project(part, n)) as [Tensor, Tensor, Tensor];
      const found = attentionWeights(q, k, { value: v, mask: this.#mask(q, k, options), causal: options.causal ?? false });
      const kept = this.training && this.dropout > 0 ? dropout(found, { p: this.dropout, generator: this.generator }) : found;
      const mixed = kept.matmul(v).transpose(1, 2);
      const joined = mixed.reshape([mixed.shape[0]!, mixed.shape[1]!, width]);
      return [this.outProj.forward(this.batchFirst ? joined : joined.transpose(0, 1)), found];
    });
    return { output: output!, weights: weights! };
  }

  /** Projection number n, split into heads: [N, heads, L, E / heads]. */
  #project(part: Tensor, n: number): Tensor {
    const [width] = this.#widths;
    const rows = { start: n * width, length: width };
    const bias = this.inProjBias === null ? {} : { bias: this.inProjBias.narrow(0, rows) };
    const weight = this.inProjWeight?.narrow(0, rows) ?? [this.qProjWeight, this.kProjWeight, this.vProjWeight][n]!;
    const projected = linear(this.batchFirst ? part : part.transpose(0, 1), weight, bias);
    const [samples, length] = projected.shape as [number, number];
    return projected.reshape([samples, length, this.heads, width / this.heads]).transpose(1, 2);
  }

  /** Both masks as numbers to add. */
  #mask(q: Tensor, k: Tensor, { keyPaddingMask, mask }: AttendOptions): Tensor | undefined {
    const asNumbers = (part: Tensor) => part.dtype === "bool" ? part.to(q.dtype).zerosLike().maskedFill(part, -Infinity) : part;
    const [samples, heads, length] = q.shape as [number, number, number];
    const shaped = mask?.rank === 3 ? mask.reshape([samples, heads, length, k.shape[2]!]) : mask;
    const added = shaped === undefined ? undefined : asNumbers(shaped);
    if (keyPaddingMask === undefined) return added;
    const padding = asNumbers(keyPaddingMask).unsqueeze(1).unsqueeze(1);
    return added === undefined ? padding : padding.add(added);
  }
}
