/**
 * Losses: cross entropy, the contrastive losses, and the joint ones that learn a classifier with the representation.
 *
 * @module
 */
export { crossEntropy, type CrossEntropyOptions } from "./cross_entropy.ts";
export { eSupCon, type ESupConOptions } from "./e_sup_con.ts";
export { extendedContrastiveCrossEntropy, type ExtendedOptions } from "./extended_contrastive_cross_entropy.ts";
export { type AnchorReduction, type Reduction } from "./reduction.ts";
export {
  bceWithLogits,
  type BceWithLogitsOptions,
  mseLoss,
  nllLoss,
  type NllOptions,
  type ReductionOptions,
  smoothL1Loss,
} from "./regression.ts";
export { type Centre, spce, type SpceOptions } from "./spce.ts";
export { ESupCon, ExtendedContrastiveCrossEntropy, PrototypeLoss, type PrototypeOptions } from "./modules.ts";
export { normalizeRows } from "./similarity.ts";
export { ntXent, type NtXentOptions, supCon, type SupConOptions } from "./sup_con.ts";
export {
  bceLoss,
  focalLoss,
  type FocalOptions,
  gaussianNllLoss,
  type GaussianNllOptions,
  klDivLoss,
  type KlDivOptions,
  poissonNllLoss,
  type PoissonNllOptions,
} from "./divergence.ts";
export {
  cosineEmbeddingLoss,
  type Distance,
  hingeEmbeddingLoss,
  huberLoss,
  l1Loss,
  type MarginOptions,
  marginRankingLoss,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
  type MultiMarginOptions,
  type PairTargetOptions,
  softMarginLoss,
  tripletMarginLoss,
  type TripletMarginOptions,
} from "./margin.ts";
export { CrossBatchMemory, type CrossBatchMemoryOptions, infoNceLoss, type InfoNceOptions, type ReferenceLoss } from "./memory.ts";
export {
  minedTripletLoss,
  type MinedTripletOptions,
  multiSimilarityLoss,
  type MultiSimilarityOptions,
  type References,
  type TripletDistance,
} from "./mined.ts";
export {
  type AngularMarginOptions,
  arcFaceLoss,
  cosFaceLoss,
  proxyAnchorLoss,
  type ProxyAnchorOptions,
  proxyNcaLoss,
  type ProxyNcaOptions,
} from "./proxies.ts";
