/**
 * Samples of the losses, every option once.
 *
 * @module
 */
import * as losses from "../../../losses/mod.ts";
import { given, positive, real, type Sample, type Samples, type TensorFunctionsOf, whole } from "../sample.ts";
import type { MetricLoss } from "./metric_losses.ts";

const labels = whole([5], [0, 2, 0, 1, 2]);
const lonely = whole([5], [0, 1, 2, 1, 4]);
const embeddings = real([5, 3]);
const views = real([3, 2, 3]);
const viewLabels = whole([3], [0, 1, 0]);
const prototypes = real([3, 3], { seed: 3 });
const probabilities = given([2, 3], [0.25, 0.5, 0.25, 0.125, 0.125, 0.75]);

function crossEntropy(options: losses.CrossEntropyOptions = {}): Sample {
  return { inputs: [real([5, 3], { low: -3, high: 3 }), labels], run: (x, y) => losses.crossEntropy(x, y!, options) };
}

function eSupCon(options: losses.ESupConOptions): Sample {
  return { inputs: [embeddings, labels, prototypes], run: (z, y, w) => losses.eSupCon(z, y!, { ...options, prototypes: w! }) };
}

function supCon(options: losses.SupConOptions): Sample {
  return { inputs: [embeddings, labels], run: (z, y) => losses.supCon(z, y!, options) };
}

function extended(options: losses.ExtendedOptions): Sample {
  return {
    inputs: [embeddings, labels, prototypes],
    run: (z, y, w) => losses.extendedContrastiveCrossEntropy(z, y!, { ...options, prototypes: w! }),
  };
}

function regression(run: Sample["run"]): Sample {
  return { inputs: [real([2, 3]), real([2, 3], { seed: 1 })], run };
}

export const lossSamples: Samples<Exclude<TensorFunctionsOf<typeof losses>, MetricLoss>> = {
  crossEntropy: [
    crossEntropy(),
    crossEntropy({ reduction: "sum", labelSmoothing: 0.2 }),
    crossEntropy({ reduction: "none", ignoreIndex: 2 }),
    {
      inputs: [real([5, 3]), labels, positive([3])],
      run: (x, y, weight) => losses.crossEntropy(x, y!, { weight: weight!, labelSmoothing: 0.1 }),
    },
    { inputs: [real([2, 3, 2]), whole([2, 2], [0, 2, 1, 1])], run: (x, y) => losses.crossEntropy(x, y!) },
    { inputs: [real([2, 3]), probabilities], run: (x, p) => losses.crossEntropy(x, p!, { labelSmoothing: 0.1 }) },
  ],
  nllLoss: [{ inputs: [real([5, 3]), labels], run: (x, y) => losses.nllLoss(x, y!) }],
  mseLoss: [regression((x, y) => losses.mseLoss(x, y!)), regression((x, y) => losses.mseLoss(x, y!, { reduction: "sum" }))],
  smoothL1Loss: [regression((x, y) => losses.smoothL1Loss(x, y!, { beta: 0.7 }))],
  bceWithLogits: [
    { inputs: [real([2, 3]), probabilities], run: (x, p) => losses.bceWithLogits(x, p!, { reduction: "none" }) },
    {
      inputs: [real([2, 3]), probabilities, real([2, 1], { low: 0.5 }), real([3], { low: 0.5, seed: 1 })],
      run: (x, p, weight, posWeight) => losses.bceWithLogits(x, p!, { weight: weight!, posWeight: posWeight! }),
    },
  ],
  spce: [
    { inputs: [embeddings, labels], run: (z, y) => losses.spce(z, y!, { numClasses: 3 }) },
    {
      inputs: [embeddings, labels],
      run: (z, y) => losses.spce(z, y!, { numClasses: 4, temperature: 0.5, normalize: true, centre: "class" }),
    },
  ],
  extendedContrastiveCrossEntropy: [
    extended({}),
    extended({ mode: "joint", normalize: true, temperature: 0.25, centre: "class" }),
    extended({ beta: 0.5, normalize: true }),
  ],
  supCon: [
    supCon({}),
    supCon({ kind: "in", temperature: 0.5, baseTemperature: 0.07, reduction: "mean-valid" }),
    supCon({ normalize: false, temperature: 1, reduction: "none" }),
    { inputs: [views, viewLabels], run: (z, y) => losses.supCon(z, y!, { contrastMode: "one", reduction: "sum" }) },
    { inputs: [views], run: (z) => losses.supCon(z, null) },
    { inputs: [embeddings, lonely], run: (z, y) => losses.supCon(z, y!, { reduction: "mean-valid" }) },
  ],
  ntXent: [
    { inputs: [real([3, 3]), real([3, 3], { seed: 1 })], run: (a, b) => losses.ntXent(a, b!) },
    {
      inputs: [real([3, 3]), real([3, 3], { seed: 1 })],
      run: (a, b) => losses.ntXent(a, b!, { temperature: 1, normalize: false }),
    },
  ],
  eSupCon: [
    eSupCon({}),
    eSupCon({ anchors: "samples", temperature: 0.5 }),
    eSupCon({ anchors: "prototypes", reduction: "mean" }),
    eSupCon({ prototypeCandidates: false, reduction: "sum" }),
    eSupCon({ prototypePairs: true, reduction: "none" }),
    eSupCon({ normalize: false, temperature: 1 }),
    { inputs: [views, viewLabels, prototypes], run: (z, y, w) => losses.eSupCon(z, y!, { prototypes: w! }) },
  ],
  normalizeRows: [
    { inputs: [real([3, 4])], run: (x) => losses.normalizeRows(x) },
    { inputs: [real([2, 2, 3])], run: (x) => losses.normalizeRows(x) },
  ],
};
