/**
 * Losses of op_db as Tandem calls.
 *
 * @module
 */
import {
  bceLoss,
  bceWithLogits,
  cosineEmbeddingLoss,
  crossEntropy,
  gaussianNllLoss,
  hingeEmbeddingLoss,
  huberLoss,
  klDivLoss,
  l1Loss,
  marginRankingLoss,
  mseLoss,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
  nllLoss,
  type PairTargetOptions,
  poissonNllLoss,
  type Reduction,
  smoothL1Loss,
  softMarginLoss,
  tripletMarginLoss,
} from "../../../losses/mod.ts";
import type { Tensor } from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import { row, type Rows } from "./row.ts";

function reductionOf(a: Arguments): { readonly reduction: Reduction } {
  return { reduction: a.text<Reduction>("reduction", "mean") };
}

const basic: Rows = {
  "nn.functional.mse_loss": row("input target", (a) => mseLoss(a.tensor("input"), a.tensor("target"), reductionOf(a))),
  "nn.functional.smooth_l1_loss": row("input target", (a) => {
    return smoothL1Loss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), beta: a.number("beta", 1) });
  }),
  "nn.functional.nll_loss": row("input target", (a) => {
    const [x, target, weight] = [a.tensor("input"), a.tensor("target"), a.optional("weight")];
    const lone = x.rank === 1;
    const options = { ...reductionOf(a), ignoreIndex: a.number("ignore_index", -100), ...(weight && { weight }) };
    const loss = nllLoss(lone ? x.unsqueeze(0) : x, lone ? target.reshape([1]) : target, options);
    return lone && options.reduction === "none" ? loss.squeeze(0) : loss;
  }),
  "nn.functional.binary_cross_entropy_with_logits": row("input target", (a) => {
    const [weight, posWeight] = [a.optional("weight"), a.optional("pos_weight")];
    const weights = { ...(weight && { weight }), ...(posWeight && { posWeight }) };
    return bceWithLogits(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), ...weights });
  }),
  "nn.functional.cross_entropy": row("input target", (a) => {
    const [x, target, weight] = [a.tensor("input"), a.tensor("target"), a.optional("weight")];
    const lone = x.rank === 1;
    const options = {
      ...reductionOf(a),
      labelSmoothing: a.number("label_smoothing", 0),
      ignoreIndex: a.number("ignore_index", -100),
      ...(weight && { weight }),
    };
    const loss = crossEntropy(lone ? x.unsqueeze(0) : x, lone ? target.unsqueeze(0) : target, options);
    return lone && options.reduction === "none" ? loss.squeeze(0) : loss;
  }),
  "nn.functional.l1_loss": row("input target", (a) => l1Loss(a.tensor("input"), a.tensor("target"), reductionOf(a))),
  "nn.functional.huber_loss": row("input target", (a) => {
    return huberLoss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), delta: a.number("delta", 1) });
  }),
  "nn.functional.binary_cross_entropy": row("input target weight", (a) => {
    const weight = a.optional("weight");
    return bceLoss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), ...(weight && { weight }) });
  }),
  "nn.functional.kl_div": row("input target", (a) => {
    const reduction = a.text<Reduction | "batchmean">("reduction", "mean");
    return klDivLoss(a.tensor("input"), a.tensor("target"), { reduction, logTarget: a.flag("log_target") });
  }),
  "nn.functional.poisson_nll_loss": row("input target", (a) => {
    const options = { ...reductionOf(a), logInput: a.flag("log_input", true), full: a.flag("full"), eps: a.number("eps", 1e-8) };
    return poissonNllLoss(a.tensor("input"), a.tensor("target"), options);
  }),
  "nn.functional.gaussian_nll_loss": row("input target var", (a) => {
    const options = { ...reductionOf(a), variance: a.tensor("var"), full: a.flag("full"), eps: a.number("eps", 1e-6) };
    return gaussianNllLoss(a.tensor("input"), a.tensor("target"), options);
  }),
};

const margins: Rows = {
  "nn.functional.hinge_embedding_loss": row("input target", (a) => {
    return hingeEmbeddingLoss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), margin: a.number("margin", 1) });
  }),
  "nn.functional.margin_ranking_loss": row("input1 input2 target", (a) => {
    return marginRankingLoss(a.tensor("input1"), a.tensor("input2"), pairs(a));
  }),
  "nn.functional.cosine_embedding_loss": row("input1 input2 target", (a) => {
    return cosineEmbeddingLoss(a.tensor("input1"), a.tensor("input2"), pairs(a));
  }),
  "nn.functional.multi_margin_loss": row("input target", (a) => {
    const [x, target, weight] = [a.tensor("input"), a.tensor("target"), a.optional("weight")];
    const options = {
      ...reductionOf(a),
      p: a.number("p", 1) as 1 | 2,
      margin: a.number("margin", 1),
      ...(weight && { weight }),
    };
    return multiMarginLoss(x.rank < 2 ? x.reshape([1, -1]) : x, target.flatten(), options);
  }),
  "nn.functional.soft_margin_loss": row("input target", (a) => softMarginLoss(a.tensor("input"), a.tensor("target"), reductionOf(a))),
  "nn.functional.multilabel_margin_loss": row("input target", (a) => {
    return multilabelMarginLoss(a.tensor("input"), a.tensor("target"), reductionOf(a));
  }),
  "nn.functional.multilabel_soft_margin_loss": row("input target", (a) => {
    const weight = a.optional("weight");
    return multilabelSoftMarginLoss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), ...(weight && { weight }) });
  }),
  "nn.functional.triplet_margin_loss": row("anchor positive negative", triplet),
  "nn.functional.triplet_margin_with_distance_loss": row("anchor positive negative", triplet),
};

function pairs(a: Arguments): PairTargetOptions {
  return { ...reductionOf(a), margin: a.number("margin", 0), target: a.tensor("target") };
}

/** op_db's own distance is PyTorch's PairwiseDistance, which is the default. */
function triplet(a: Arguments): Tensor {
  const options = {
    ...reductionOf(a),
    margin: a.number("margin", 1),
    negative: a.tensor("negative"),
    p: a.number("p", 2),
    swap: a.flag("swap"),
  };
  const given = a.raw("distance_function") as { other?: string } | undefined;
  if (given !== undefined && given.other !== "PairwiseDistance") throw new Unsupported("distance_function");
  return tripletMarginLoss(a.tensor("anchor"), a.tensor("positive"), options);
}

/** Losses. */
export const losses: Rows = { ...basic, ...margins };
