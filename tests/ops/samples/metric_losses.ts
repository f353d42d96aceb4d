/**
 * Samples of the losses of likelihoods, margins, proxies and mined pairs.
 *
 * @module
 */
import * as losses from "../../../losses/mod.ts";
import { given, positive, real, type Sample, type Samples, whole } from "../sample.ts";

const labels = whole([5], [0, 2, 0, 1, 2]);
const embeddings = real([5, 3]);
const prototypes = real([3, 3], { seed: 3 });
const signs = given([4], [1, -1, -1, 1]);
const chances = real([2, 3], { low: 0.1, high: 0.9 });
const targets = real([2, 3], { low: 0.1, high: 0.9, seed: 1 });

function pair(run: Sample["run"]): Sample {
  return { inputs: [real([4, 3]), real([4, 3], { seed: 1 })], run };
}

function classified(run: Sample["run"]): Sample {
  return { inputs: [embeddings, labels], run };
}

function proxied(run: Sample["run"]): Sample {
  return { inputs: [embeddings, labels, prototypes], run };
}

/** The names of these losses. */
export type MetricLoss =
  | "bceLoss"
  | "klDivLoss"
  | "poissonNllLoss"
  | "gaussianNllLoss"
  | "focalLoss"
  | "l1Loss"
  | "huberLoss"
  | "hingeEmbeddingLoss"
  | "multiMarginLoss"
  | "softMarginLoss"
  | "multilabelMarginLoss"
  | "multilabelSoftMarginLoss"
  | "marginRankingLoss"
  | "cosineEmbeddingLoss"
  | "tripletMarginLoss"
  | "infoNceLoss"
  | "minedTripletLoss"
  | "multiSimilarityLoss"
  | "arcFaceLoss"
  | "cosFaceLoss"
  | "proxyNcaLoss"
  | "proxyAnchorLoss";

export const metricLossSamples: Samples<MetricLoss> = {
  softMarginLoss: [{ inputs: [real([4]), signs], run: (x, t) => losses.softMarginLoss(x, t!) }],
  multilabelMarginLoss: [
    {
      inputs: [real([2, 4]), whole([2, 4], [2, 0, -1, 3, 1, -1, 0, 2])],
      run: (x, t) => losses.multilabelMarginLoss(x, t!, { reduction: "none" }),
    },
    { inputs: [real([3]), whole([3], [-1, 0, 1])], run: (x, t) => losses.multilabelMarginLoss(x, t!) },
  ],
  multilabelSoftMarginLoss: [
    { inputs: [real([2, 3]), targets], run: (x, t) => losses.multilabelSoftMarginLoss(x, t!) },
    {
      inputs: [real([2, 3]), targets, positive([3])],
      run: (x, t, weight) => losses.multilabelSoftMarginLoss(x, t!, { weight: weight!, reduction: "sum" }),
    },
  ],
  bceLoss: [{ inputs: [chances, targets], run: (p, t) => losses.bceLoss(p, t!) }],
  klDivLoss: [
    { inputs: [real([2, 3]), targets], run: (x, t) => losses.klDivLoss(x, t!, { reduction: "batchmean" }) },
    { inputs: [real([2, 3]), real([2, 3], { seed: 1 })], run: (x, t) => losses.klDivLoss(x, t!, { logTarget: true }) },
  ],
  poissonNllLoss: [
    { inputs: [real([2, 3]), targets], run: (x, t) => losses.poissonNllLoss(x, t!) },
    { inputs: [positive([2, 3]), targets], run: (x, t) => losses.poissonNllLoss(x, t!, { logInput: false, reduction: "sum" }) },
  ],
  gaussianNllLoss: [{
    inputs: [real([2, 3]), real([2, 3], { seed: 1 }), positive([2, 3], { seed: 2 })],
    run: (x, t, variance) => losses.gaussianNllLoss(x, t!, { variance: variance!, full: true }),
  }],
  focalLoss: [
    classified((x, y) => losses.focalLoss(x, y!)),
    { inputs: [real([2, 3]), given([2, 3], [1, 0, 0, 1, 1, 0])], run: (x, t) => losses.focalLoss(x, t!, { gamma: 1.5, alpha: 0.25 }) },
  ],
  l1Loss: [pair((a, b) => losses.l1Loss(a, b!))],
  huberLoss: [pair((a, b) => losses.huberLoss(a, b!, { delta: 0.7 }))],
  hingeEmbeddingLoss: [{ inputs: [real([4]), signs], run: (x, t) => losses.hingeEmbeddingLoss(x, t!.detach()) }],
  multiMarginLoss: [classified((x, y) => losses.multiMarginLoss(x, y!)), classified((x, y) => losses.multiMarginLoss(x, y!, { p: 2 }))],
  marginRankingLoss: [{
    inputs: [real([4]), real([4], { seed: 1 }), signs],
    run: (a, b, target) => losses.marginRankingLoss(a, b!, { target: target!, margin: 0.3 }),
  }],
  cosineEmbeddingLoss: [{
    inputs: [real([4, 3]), real([4, 3], { seed: 1 }), whole([4], [1, -1, -1, 1])],
    run: (a, b, target) => losses.cosineEmbeddingLoss(a, b!, { target: target!, margin: -0.5 }),
  }],
  tripletMarginLoss: [
    {
      inputs: [real([4, 3]), real([4, 3], { seed: 1 }), real([4, 3], { seed: 2 })],
      run: (a, p, n) => losses.tripletMarginLoss(a, p!, { negative: n!, margin: 3 }),
    },
    {
      inputs: [real([4, 3]), real([4, 3], { seed: 1 }), real([4, 3], { seed: 2 })],
      run: (a, p, n) => losses.tripletMarginLoss(a, p!, { negative: n!, margin: 3, swap: true, reduction: "none" }),
    },
  ],
  infoNceLoss: [
    pair((a, b) => losses.infoNceLoss(a, b!, { temperature: 0.5, symmetric: true })),
    {
      inputs: [real([3, 3]), real([3, 3], { seed: 1 }), real([4, 3], { seed: 2 })],
      run: (q, k, negatives) => losses.infoNceLoss(q, k!, { negatives: negatives!, temperature: 0.5 }),
    },
  ],
  minedTripletLoss: [
    classified((z, y) => losses.minedTripletLoss(z, y!, { margin: 1 })),
    classified((z, y) => losses.minedTripletLoss(z, y!, { mining: "all", margin: 1 })),
  ],
  multiSimilarityLoss: [classified((z, y) => losses.multiSimilarityLoss(z, y!, { beta: 5 }))],
  arcFaceLoss: [proxied((z, y, w) => losses.arcFaceLoss(z, y!, { prototypes: w!, scale: 4, margin: 0.3 }))],
  cosFaceLoss: [proxied((z, y, w) => losses.cosFaceLoss(z, y!, { prototypes: w!, scale: 4 }))],
  proxyNcaLoss: [
    proxied((z, y, w) => losses.proxyNcaLoss(z, y!, { prototypes: w! })),
    proxied((z, y, w) => losses.proxyNcaLoss(z, y!, { prototypes: w!, includePositive: true })),
  ],
  proxyAnchorLoss: [proxied((z, y, w) => losses.proxyAnchorLoss(z, y!, { prototypes: w!, alpha: 4 }))],
};
