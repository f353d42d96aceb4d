/**
 * Transformer layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { checkInputs, Module } from "./module.ts";
import { LayerNorm } from "./normalization.ts";
import { checkCounts, forLayers, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link TransformerEncoderLayer} and {@link TransformerDecoderLayer}. */
export interface TransformerLayerOptions extends LayerOptions {
  /** The width within the feed-forward part. Default 2048. */
  readonly feedforward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** Default "relu". */
  readonly activation?: "relu" | "gelu";
  /** Normalise before each part rather than after. Default false. */
  readonly normFirst?: boolean;
  /** Added to variances. Default 1e-5. */
  readonly eps?: number;
  /** Whether inputs are [N, L, E] rather than [L, N, E]. Default false, as in PyTorch. */
  readonly batchFirst?: boolean;
}

const transformerOptions = ["feedforward", "dropout", "activation", "normFirst", "eps", "batchFirst", ...layerOptions] as const;

/** What must not be seen; masks are true (or -Infinity) where a position is left out. */
export interface SequenceMasks {
  /** bool, or numbers to add: [L, L], or [N · heads, L, L]. */
  readonly mask?: Tensor;
  /** bool [N, L]: positions that are only padding. */
  readonly keyPaddingMask?: Tensor;
  /** Whether position i sees only 0 … i. Default false. */
  readonly causal?: boolean;
}

const sequenceMasks = ["mask", "keyPaddingMask", "causal"] as const;

/** What encoder and decoder layers share: the feed-forward part and how parts are joined. */
export abstract class TransformerLayer extends Module {
  /** Attention among the positions of the sequence. */
  readonly selfAttn: MultiheadAttention;
  /** [feedforward, E]. */
  readonly linear1: Linear;
  /** Within the feed-forward part. */
  readonly dropout: Dropout;
  /** [E, feedforward]. */
  readonly linear2: Linear;
  /** Around the first part. */
  readonly norm1: LayerNorm;
  /** Around the second part. */
  readonly norm2: LayerNorm;
  /** After the parts. */
  readonly dropout1: Dropout;
  /** "relu" or "gelu". */
  readonly activation: "relu" | "gelu";
  /** Whether normalisation comes first. */
  readonly normFirst: boolean;

  /** Makes the parts for inputs of width E = `width`. */
  constructor(width: number, heads: number, options: TransformerLayerOptions) {
    super();
    checkOptions(options, `make ${this.constructor.name}`, transformerOptions);
    const { feedforward = 2048, dropout = 0.1, activation = "relu", normFirst = false, eps = 1e-5, batchFirst = false } = options;
    this.selfAttn = new MultiheadAttention(width, heads, { ...forLayers(options), dropout, batchFirst });
    this.linear1 = new Linear(width, feedforward, forLayers(options));
    this.dropout = new Dropout({ p: dropout, generator: options.generator });
    this.linear2 = new Linear(feedforward, width, forLayers(options));
    this.norm1 = new LayerNorm(width, { ...forLayers(options), eps });
    this.norm2 = new LayerNorm(width, { ...forLayers(options), eps });
    this.dropout1 = new Dropout({ p: dropout, generator: options.generator });
    this.activation = activation;
    this.normFirst = normFirst;
  }

  /** x plus a part of it, normalised before or after. */
  protected join(x: Tensor, norm: LayerNorm, part: (x: Tensor) => Tensor): Tensor {
    if (this.normFirst) return x.add(this.dropout1.forward(part(norm.forward(x))));
    return norm.forward(x.add(this.dropout1.forward(part(x))));
  }

  /** The feed-forward part. */
  protected feed(x: Tensor): Tensor {
    const hidden = this.linear1.forward(x);
    return this.linear2.forward(this.dropout.forward(this.activation === "gelu" ? hidden.gelu() : hidden.relu()));
  }
}

/**
 * Self-attention and a feed-forward part, each added to what goes in. Source: Vaswani et al. 2017.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { TransformerEncoderLayer } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new TransformerEncoderLayer(8, 2, { feedforward: 16, batchFirst: true });
 * assertEquals(layer.forward(ones([3, 5, 8]), { causal: true }).shape, [3, 5, 8]);
 * ```
 */
export class TransformerEncoderLayer extends TransformerLayer {
  /** Makes the layer for inputs of width E = `width`. */
  constructor(width: number, heads: number, options: TransformerLayerOptions = {}) {
    super(width, heads, options);
  }

  /** [L, N, E] (or [N, L, E]) → the same shape. */
  override forward(x: Tensor, masks: SequenceMasks = {}): Tensor {
    checkInputs(this, { x });
    checkOptions(masks, `run ${this.constructor.name}`, sequenceMasks);
    return tidy(() => {
      const attended = this.join(x, this.norm1, (part) => this.selfAttn.forward(part, masks));
      return this.join(attended, this.norm2, (part) => this.feed(part));
    });
  }
}

/** What a decoder reads besides its own sequence. */
export interface DecoderOptions extends SequenceMasks {
  /** [S, N, E] (or [N, S, E]): the encoder's result. */
  readonly memory: Tensor;
  /** bool, or numbers to add: [L, S], or [N · heads, L, S]. */
  readonly memoryMask?: Tensor;
  /** bool [N, S]: positions of the memory that are only padding. */
  readonly memoryKeyPaddingMask?: Tensor;
}

/** Self-attention, attention to a memory and a feed-forward part, each added to what goes in. Source: Vaswani et al. 2017. */
export class TransformerDecoderLayer extends TransformerLayer {
  /** Attention to the memory. */
  readonly multiheadAttn: MultiheadAttention;
  /** Around the third part. */
  readonly norm3: LayerNorm;

  /** Makes the layer for inputs of width E = `width`. */
  constructor(width: number, heads: number, options: TransformerLayerOptions = {}) {
    super(width, heads, options);
    const { dropout = 0.1, eps = 1e-5, batchFirst = false } = options;
    this.multiheadAttn = new MultiheadAttention(width, heads, { ...forLayers(options), dropout, batchFirst });
    this.norm3 = new LayerNorm(width, { ...forLayers(options), eps });
  }

  /** [L, N, E] (or [N, L, E]) → the same shape. */
  override forward(x: Tensor, options: DecoderOptions): Tensor {
    checkOptions(options, `run ${this.constructor.name}`, [...sequenceMasks, "memory", "memoryMask", "memoryKeyPaddingMask"]);
    const { memory, memoryMask, memoryKeyPaddingMask, ...masks } = options;
    checkInputs(this, { x, memory });
    const seen = { key: memory, mask: memoryMask, keyPaddingMask: memoryKeyPaddingMask };
    return tidy(() => {
      const attended = this.join(x, this.norm1, (part) => this.selfAttn.forward(part, masks));
      const read = this.join(attended, this.norm2, (part) => this.multiheadAttn.forward(part, seen));
      return this.join(read, this.norm3, (part) => this.feed(part));
    });
  }
}

/** Options of {@link TransformerEncoder} and {@link TransformerDecoder}. */
export interface TransformerOptions extends TransformerLayerOptions {
  /** The number of layers. */
  readonly layers: number;
  /** Whether a layer norm stands at the end. Default false. */
  readonly norm?: boolean;
}

/** Encoder layers one after the other, named layers.0, layers.1, …, and norm. */
export class TransformerEncoder extends Module {
  /** The layers in order. */
  readonly layers: readonly TransformerEncoderLayer[];
  /** The normalisation at the end, or null. */
  readonly norm: LayerNorm | null;

  /** Makes the layers for inputs of width E = `width`. */
  constructor(width: number, heads: number, options: TransformerOptions) {
    super();
    const { layers, norm, ...rest } = checkOptions(options, "make TransformerEncoder", ["layers", "norm", ...transformerOptions]);
    checkCounts("TransformerEncoder", { layers });
    this.layers = Array.from({ length: layers }, () => new TransformerEncoderLayer(width, heads, rest));
    this.norm = norm === true ? new LayerNorm(width, forLayers(options)) : null;
  }

  /** [L, N, E] (or [N, L, E]) → the same shape. */
  override forward(x: Tensor, masks: SequenceMasks = {}): Tensor {
    checkInputs(this, { x });
    checkOptions(masks, `run ${this.constructor.name}`, sequenceMasks);
    return tidy(() => {
      const out = this.layers.reduce((value, layer) => layer.forward(value, masks), x);
      return this.norm === null ? out : this.norm.forward(out);
    });
  }
}

/** Decoder layers one after the other, named layers.0, layers.1, …, and norm. */
export class TransformerDecoder extends Module {
  /** The layers in order. */
  readonly layers: readonly TransformerDecoderLayer[];
  /** The normalisation at the end, or null. */
  readonly norm: LayerNorm | null;

  /** Makes the layers for inputs of width E = `width`. */
  constructor(width: number, heads: number, options: TransformerOptions) {
    super();
    const { layers, norm, ...rest } = checkOptions(options, "make TransformerDecoder", ["layers", "norm", ...transformerOptions]);
    checkCounts("TransformerDecoder", { layers });
    this.layers = Array.from({ length: layers }, () => new TransformerDecoderLayer(width, heads, rest));
    this.norm = norm === true ? new LayerNorm(width, forLayers(options)) : null;
  }

  /** [L, N, E] (or [N, L, E]) → the same shape. */
  override forward(x: Tensor, options: DecoderOptions): Tensor {
    checkInputs(this, { x });
    return tidy(() => {
      const out = this.layers.reduce((value, layer) => layer.forward(value, options), x);
      return this.norm === null ? out : this.norm.forward(out);
    });
  }
}
