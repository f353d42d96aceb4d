/**
 * The losses that own prototypes, as modules: what they learn is the classifier.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { checkInputs, Module, parameter } from "../nn/module.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type Generator, randn, type Tensor, tidy } from "../tensor/mod.ts";
import { eSupCon, type ESupConOptions, eSupConOptions } from "./e_sup_con.ts";
import { extendedContrastiveCrossEntropy, type ExtendedOptions, extendedOptions } from "./extended_contrastive_cross_entropy.ts";
import { checkTemperature } from "./reduction.ts";
import { normalizeRows } from "./similarity.ts";

/** The prototypes' number and width. */
export interface PrototypeOptions {
  /** K. */
  readonly numClasses: number;
  /** D, the width of the embeddings. */
  readonly dim: number;
  /** Where the initial directions come from. Default: the default generator. */
  readonly generator?: Generator | undefined;
}

const prototypeOptions = ["numClasses", "dim", "generator"] as const;

/**
 * A loss with learned prototypes W [K, D] (random unit rows at first), which are also its classifier: p(k|z) = softmax_k(z·w_k / τ), with the
 * temperature and normalisation of training and no second stage.
 */
export abstract class PrototypeLoss extends Module {
  /** W [K, D]. */
  readonly prototypes: Tensor;
  /** τ. */
  readonly temperature: number;
  /** Whether embeddings and prototypes are normalised. */
  readonly normalize: boolean;

  /**
   * Draws the prototypes.
   *
   * @throws ArgumentError unless sizes are positive whole numbers and the temperature is above 0.
   */
  constructor({ numClasses, dim, generator }: PrototypeOptions, { temperature, normalize }: { temperature: number; normalize: boolean }) {
    super();
    if (![numClasses, dim].every((n) => Number.isInteger(n) && n > 0)) {
      throw new ArgumentError(`Cannot make prototypes: positive whole numClasses and dim are needed, got ${numClasses} and ${dim}`);
    }
    checkTemperature(temperature, "make prototypes");
    const drawn = tidy(() => normalizeRows(randn([numClasses, dim], generator === undefined ? {} : { generator })));
    this.prototypes = parameter(drawn);
    this.temperature = temperature;
    this.normalize = normalize;
  }

  /** The loss of embeddings [N, D] (or [N, V, D]) with int32 labels [N]. */
  abstract override forward(embeddings: Tensor, labels: Tensor): Tensor;

  /** z·w_k / τ: [N, D] → [N, K]. */
  logits(embeddings: Tensor): Tensor {
    checkInputs(this, { embeddings });
    return tidy(() => {
      const [z, w] = this.normalize ? [normalizeRows(embeddings), normalizeRows(this.prototypes)] : [embeddings, this.prototypes];
      return z.matmul(w.mT).div(this.temperature);
    });
  }

  /** p(k|z), each row adding up to 1: [N, D] → [N, K]. */
  probabilities(embeddings: Tensor): Tensor {
    return tidy(() => this.logits(embeddings).softmax(1));
  }

  /** The most probable class: [N, D] → int32 [N]. */
  predict(embeddings: Tensor): Tensor {
    return tidy(() => this.logits(embeddings).argmax(1));
  }
}

/**
 * {@link eSupCon} with prototypes of its own. Source: Aljundi et al. 2022, arXiv 2211.03646.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ESupCon } from "./mod.ts";
 * import { ones, tensor } from "../tensor/mod.ts";
 *
 * const loss = new ESupCon({ numClasses: 3, dim: 2 });
 * loss.forward(ones([2, 2]), tensor([0, 1], { dtype: "int32" })).backward();
 * assertEquals(loss.prototypes.grad!.shape, [3, 2]);
 * assertEquals(loss.predict(ones([2, 2])).shape, [2]);
 * ```
 */
export class ESupCon extends PrototypeLoss {
  /** How the loss is computed. */
  readonly options: ESupConOptions;

  /** Draws prototypes; `options` as in {@link eSupCon}. */
  constructor(options: PrototypeOptions & ESupConOptions) {
    const { numClasses, dim, generator, ...loss } = checkOptions(options, "make ESupCon", [...prototypeOptions, ...eSupConOptions]);
    super({ numClasses, dim, generator }, { temperature: loss.temperature ?? 0.1, normalize: loss.normalize ?? true });
    this.options = loss;
  }

  /** The joint loss. */
  override forward(embeddings: Tensor, labels: Tensor): Tensor {
    return eSupCon(embeddings, labels, { ...this.options, prototypes: this.prototypes });
  }
}

/** {@link extendedContrastiveCrossEntropy} with prototypes of its own. Source: Aljundi et al. 2022, arXiv 2211.03646. */
export class ExtendedContrastiveCrossEntropy extends PrototypeLoss {
  /** How the loss is computed. */
  readonly options: ExtendedOptions;

  /** Draws prototypes; `options` as in {@link extendedContrastiveCrossEntropy}. */
  constructor(options: PrototypeOptions & ExtendedOptions) {
    checkOptions(options, "make ExtendedContrastiveCrossEntropy", [...prototypeOptions, ...extendedOptions]);
    const { numClasses, dim, generator, ...loss } = options;
    super({ numClasses, dim, generator }, { temperature: loss.temperature ?? 1, normalize: loss.normalize ?? false });
    this.options = loss;
  }

  /** The extended contrastive cross entropy. */
  override forward(embeddings: Tensor, labels: Tensor): Tensor {
    return extendedContrastiveCrossEntropy(embeddings, labels, { ...this.options, prototypes: this.prototypes });
  }
}
