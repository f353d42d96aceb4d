/**
 * Golden losses as calls of this library.
 *
 * @module
 */
import {
  bceWithLogits,
  crossEntropy,
  type CrossEntropyOptions,
  eSupCon,
  type ESupConOptions,
  extendedContrastiveCrossEntropy,
  type ExtendedOptions,
  mseLoss,
  nllLoss,
  ntXent,
  type ReductionOptions,
  smoothL1Loss,
  spce,
  type SpceOptions,
  supCon,
  type SupConOptions,
} from "../../losses/mod.ts";
import type { Runners } from "./run.ts";

/** The losses by the name a case gives. */
export const losses: Runners = {
  crossEntropy: ({ logits, labels, weight }, params) =>
    crossEntropy(logits!, labels!, { ...params as CrossEntropyOptions, ...(weight === undefined ? {} : { weight }) }),
  crossEntropySoft: ({ logits, target }, params) => crossEntropy(logits!, target!, params as CrossEntropyOptions),
  bceWithLogits: ({ logits, target }, params) => bceWithLogits(logits!, target!, params as ReductionOptions),
  nllLoss: ({ logProbs, labels }, params) => nllLoss(logProbs!, labels!, params as ReductionOptions),
  mseLoss: ({ pred, target }, params) => mseLoss(pred!, target!, params as ReductionOptions),
  smoothL1Loss: ({ pred, target }, params) => smoothL1Loss(pred!, target!, params as ReductionOptions),
  spce: ({ embeddings, labels }, params) => spce(embeddings!, labels!, params as unknown as SpceOptions),
  espce: ({ embeddings, labels, prototypes }, { numClasses: _, ...params }) =>
    extendedContrastiveCrossEntropy(embeddings!, labels!, { ...params as ExtendedOptions, prototypes: prototypes! }),
  supCon: ({ features, labels }, params) => supCon(features!, labels ?? null, params as SupConOptions),
  ntXent: ({ z1, z2 }, params) => ntXent(z1!, z2!, params),
  eSupCon: ({ embeddings, labels, prototypes }, params) =>
    eSupCon(embeddings!, labels!, { ...params as ESupConOptions, prototypes: prototypes! }),
};
