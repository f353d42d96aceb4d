import * as losses from "../../../losses/mod.ts";
import { Linear, parameter } from "../../../nn/mod.ts";
import { SGD } from "../../../optim/mod.ts";
import { arange, rand, type Tensor, tidy } from "../../../tensor/mod.ts";
import { ignoreWebgpu } from "../../devices.ts";
import { assertSame, batches, threeWays, type Training } from "./three_ways.ts";

const classes = 3;

/** What a loss may be made of. */
interface Parts {
  /** [12, 3]: what the model says. */
  readonly z: Tensor;
  /** int32 [12] in 0 … 2. */
  readonly y: Tensor;
  /** [3, 3], trained along. */
  readonly prototypes: Tensor;
}

/** What `losses` exports that gives a loss. */
type LossName = Exclude<keyof typeof losses, "PrototypeLoss" | "normalizeRows">;

const oneHot = ({ y }: Parts): Tensor => y.oneHot(classes, { dtype: "float32" });
const halves = ({ z }: Parts): [Tensor, Tensor] => [z.narrow(0, { start: 0, length: 6 }), z.narrow(0, { start: 6, length: 6 })];
const signs = (n: number): Tensor => arange(n).remainder(2).mul(2).sub(1).to("float32");
const spread = ({ z }: Parts): Tensor => z.square().add(0.5);
const memory = () => {
  const kept = new losses.CrossBatchMemory(losses.multiSimilarityLoss, { size: 20, dim: classes });
  return (parts: Parts) => kept.forward(parts.z, parts.y);
};
const withPrototypes = (make: () => losses.PrototypeLoss) => () => {
  const loss = make();
  return Object.assign((parts: Parts) => loss.forward(parts.z, parts.y), { state: loss.parameters() });
};

/** A loss made ready; `state` is what it trains itself. */
type Loss = ((parts: Parts) => Tensor) & { readonly state?: readonly Tensor[] };

/** Every loss with the options that change its kernels most. */
const table: Readonly<Record<LossName, Readonly<Record<string, () => Loss>>>> = {
  crossEntropy: {
    "of classes": () => ({ z, y }) => losses.crossEntropy(z, y, { labelSmoothing: 0.1 }),
    "of rows": () => (parts) => losses.crossEntropy(parts.z, oneHot(parts)),
  },
  bceWithLogits: { "": () => (parts) => losses.bceWithLogits(parts.z, oneHot(parts)) },
  mseLoss: { "": () => (parts) => losses.mseLoss(parts.z, oneHot(parts)) },
  nllLoss: { "": () => ({ z, y }) => losses.nllLoss(z.logSoftmax(1), y) },
  smoothL1Loss: { "": () => (parts) => losses.smoothL1Loss(parts.z, oneHot(parts), { beta: 0.5 }) },
  bceLoss: { "": () => (parts) => losses.bceLoss(parts.z.sigmoid(), oneHot(parts)) },
  focalLoss: {
    "of classes": () => ({ z, y }) => losses.focalLoss(z, y),
    "of truth": () => (parts) => losses.focalLoss(parts.z, oneHot(parts), { alpha: 0.25 }),
  },
  gaussianNllLoss: { "": () => (parts) => losses.gaussianNllLoss(parts.z, oneHot(parts), { variance: spread(parts), full: true }) },
  klDivLoss: { "": () => (parts) => losses.klDivLoss(parts.z.logSoftmax(1), oneHot(parts), { reduction: "batchmean" }) },
  poissonNllLoss: { "": () => (parts) => losses.poissonNllLoss(parts.z, oneHot(parts), { full: true }) },
  l1Loss: { "": () => (parts) => losses.l1Loss(parts.z, oneHot(parts)) },
  huberLoss: { "": () => (parts) => losses.huberLoss(parts.z, oneHot(parts), { delta: 0.5 }) },
  hingeEmbeddingLoss: { "": () => ({ z }) => losses.hingeEmbeddingLoss(z, signs(3).expand(z.shape)) },
  multiMarginLoss: { "": () => ({ z, y }) => losses.multiMarginLoss(z, y) },
  marginRankingLoss: { "": () => (parts) => losses.marginRankingLoss(...halves(parts), { target: signs(3), margin: 0.1 }) },
  cosineEmbeddingLoss: { "": () => (parts) => losses.cosineEmbeddingLoss(...halves(parts), { target: signs(6) }) },
  softMarginLoss: { "": () => ({ z }) => losses.softMarginLoss(z, signs(3).expand(z.shape)) },
  multilabelMarginLoss: { "": () => ({ z, y }) => losses.multilabelMarginLoss(z, y.unsqueeze(1).expand(z.shape).contiguous()) },
  multilabelSoftMarginLoss: { "": () => (parts) => losses.multilabelSoftMarginLoss(parts.z, oneHot(parts)) },
  tripletMarginLoss: {
    "": () => (parts) => losses.tripletMarginLoss(...halves(parts), { negative: halves(parts)[1].flip(0), swap: true }),
  },
  infoNceLoss: {
    symmetric: () => (parts) => losses.infoNceLoss(...halves(parts), { symmetric: true }),
    "with negatives": () => (parts) => losses.infoNceLoss(...halves(parts), { negatives: parts.prototypes }),
  },
  CrossBatchMemory: { "": memory },
  minedTripletLoss: {
    hard: () => ({ z, y }) => losses.minedTripletLoss(z, y),
    "semi-hard": () => ({ z, y }) => losses.minedTripletLoss(z, y, { mining: "semi-hard" }),
    all: () => ({ z, y }) => losses.minedTripletLoss(z, y, { mining: "all", distance: "cosine" }),
  },
  multiSimilarityLoss: { "": () => ({ z, y }) => losses.multiSimilarityLoss(z, y) },
  arcFaceLoss: { "": () => ({ z, y, prototypes }) => losses.arcFaceLoss(z, y, { prototypes, scale: 8 }) },
  cosFaceLoss: { "": () => ({ z, y, prototypes }) => losses.cosFaceLoss(z, y, { prototypes, scale: 8 }) },
  proxyAnchorLoss: { "": () => ({ z, y, prototypes }) => losses.proxyAnchorLoss(z, y, { prototypes }) },
  proxyNcaLoss: { "": () => ({ z, y, prototypes }) => losses.proxyNcaLoss(z, y, { prototypes }) },
  spce: { "": () => ({ z, y }) => losses.spce(z, y, { numClasses: classes, normalize: true, temperature: 0.2 }) },
  extendedContrastiveCrossEntropy: {
    "": () => ({ z, y, prototypes }) =>
      losses.extendedContrastiveCrossEntropy(z, y, { prototypes, normalize: true, temperature: 0.2, centre: "class" }),
  },
  ExtendedContrastiveCrossEntropy: {
    "": withPrototypes(() => new losses.ExtendedContrastiveCrossEntropy({ numClasses: classes, dim: classes })),
  },
  supCon: {
    out: () => ({ z, y }) => losses.supCon(z, y),
    in: () => ({ z, y }) => losses.supCon(z, y, { kind: "in" }),
    "by class sums": () => ({ z, y }) => losses.supCon(z, y, { numClasses: classes }),
  },
  ntXent: { "": () => (parts) => losses.ntXent(...halves(parts)) },
  eSupCon: {
    "": () => ({ z, y, prototypes }) => losses.eSupCon(z, y, { prototypes }),
    "with prototype pairs": () => ({ z, y, prototypes }) => losses.eSupCon(z, y, { prototypes, prototypePairs: true }),
  },
  ESupCon: { "": withPrototypes(() => new losses.ESupCon({ numClasses: classes, dim: classes })) },
};

function training(make: () => Loss): Training {
  return {
    batch: batches([12, 6], classes),
    make() {
      const model = new Linear(6, classes);
      const prototypes = parameter(tidy(() => rand([classes, classes]).sub(0.5)));
      const loss = make();
      const state = [...model.parameters(), prototypes, ...loss.state ?? []];
      const optimizer = new SGD(state, { lr: 0.05 });
      const step = (x: Tensor, y: Tensor) => {
        optimizer.zeroGrad();
        const value = loss({ z: model.forward(x), y, prototypes });
        value.backward();
        optimizer.step();
        return { loss: value };
      };
      return { state, step };
    },
  };
}

for (const [name, forms] of Object.entries(table)) {
  for (const [form, make] of Object.entries(forms)) {
    Deno.test(`compile trains with ${name}${form && `, ${form},`} as the eager steps do`, async () => {
      assertSame(await threeWays(training(make)));
    });

    Deno.test({
      name: `compile on webgpu trains with ${name}${form && `, ${form},`} as the eager steps do`,
      ignore: ignoreWebgpu,
      async fn() {
        assertSame(await threeWays(training(make), { device: "webgpu" }));
      },
    });
  }
}
