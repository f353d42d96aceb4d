/**
 * Losses: cross entropy, the contrastive losses, and the joint ones that learn a classifier with the representation.
 *
 * @module
 */
export { crossEntropy, type CrossEntropyOptions } from "./cross_entropy.ts";
export { eSupCon, type ESupConOptions } from "./e_sup_con.ts";
export { extendedContrastiveCrossEntropy, type ExtendedOptions } from "./extended_contrastive_cross_entropy.ts";
export { type AnchorReduction, type Reduction } from "./reduction.ts";
export { bceWithLogits, mseLoss, nllLoss, type NllOptions, type ReductionOptions, smoothL1Loss } from "./regression.ts";
export { type Centre, spce, type SpceOptions } from "./spce.ts";
export { ESupCon, ExtendedContrastiveCrossEntropy, PrototypeLoss, type PrototypeOptions } from "./modules.ts";
export { normalizeRows } from "./similarity.ts";
export { ntXent, type NtXentOptions, supCon, type SupConOptions } from "./sup_con.ts";
