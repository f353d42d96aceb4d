/**
 * What each loss trains: its modules, the stages they are trained in, and the classifier that comes out.
 *
 * @module
 */
import {
  accuracy,
  type Batch,
  crossEntropy,
  type Dataset,
  type Encoder,
  ESupCon,
  ExtendedContrastiveCrossEntropy,
  InMemoryDataset,
  Linear,
  MLP,
  type Module,
  noGrad,
  ProjectionHead,
  ResNet18,
  scope,
  SmallCNN,
  supCon,
  type Tensor,
  type TrainingStepResult,
} from "../../mod.ts";
import { testLoader } from "./data.ts";
import type { Settings } from "./recipe.ts";

/** A part of the training, with its own modules, epochs and optimizer. */
export interface Stage {
  readonly name: "joint" | "contrastive" | "linear";
  readonly epochs: number;
  /** What is trained. */
  readonly modules: readonly Module[];
  /** What is trained on: images, or the features that the stage before has learned. */
  readonly input: "images" | "features";
  /** What the learning rate is multiplied by. Default 1. */
  readonly lrFactor?: number;
  /** Computes a batch's loss, from images or features [N, ...] or, with several views, [N, V, ...]. */
  readonly step: (batch: Batch) => TrainingStepResult;
}

/** A loss with everything it needs. */
export interface Method {
  /** All modules by name, as they are saved. */
  readonly modules: Readonly<Record<string, Module>>;
  readonly stages: readonly Stage[];
  /** Brings images into the space that the classifier divides: [N, ...] → [N, D]. */
  readonly embed: (x: Tensor) => Tensor;
  /** [N, D] → [N, K]. */
  readonly logits: (embeddings: Tensor) => Tensor;
  /** The classifier's vectors in that space, [K, D]. */
  readonly prototypes: () => Tensor;
}

/** Makes the modules, from the default random generator, and says how they are trained. */
export function makeMethod(settings: Settings, data: Pick<Dataset, "shape" | "classes">): Method {
  const plan: Plan = { ...settings, encoder: makeEncoder(settings, data.shape), classes: data.classes.length, rank: data.shape.length };
  switch (settings.loss) {
    case "ce":
      return crossEntropyMethod(plan);
    case "supcon":
      return supConMethod(plan);
    case "espce":
    case "esupcon":
      return prototypeMethod(plan);
  }
}

interface Plan extends Settings {
  readonly encoder: Encoder;
  readonly classes: number;
  /** The number of a sample's dims. */
  readonly rank: number;
}

/** The width of the space in which contrastive losses compare. */
const dim = 64;

function makeEncoder({ model }: Settings, shape: readonly number[]): Encoder {
  const [channels = 1, height = 1, width = 1] = shape;
  switch (model) {
    case "mlp":
      return new MLP(channels * height * width, { hiddenSizes: [256, 128] });
    case "cnn":
      return new SmallCNN({ inChannels: channels, imageSize: [height, width] });
    case "resnet18":
      return new ResNet18({ inChannels: channels });
  }
}

/** An encoder and a linear classifier on its features. */
function crossEntropyMethod({ encoder, classes, rank, epochs, temperature }: Plan): Method {
  const classifier = new Linear(encoder.featureSize, classes);
  const embed = (x: Tensor) => encoder.forward(x);
  const logits = (z: Tensor) => classifier.forward(z).div(temperature);
  const step = (batch: Batch): TrainingStepResult => {
    const { images, labels } = flattenViews(batch, rank);
    return classified(logits(embed(images)), labels);
  };
  const modules = { encoder, classifier };
  const stage: Stage = { name: "joint", epochs, modules: Object.values(modules), input: "images", step };
  return { modules, stages: [stage], embed, logits, prototypes: () => classifier.weight };
}

/** An encoder, a projection and a loss whose prototypes are the classifier. */
function prototypeMethod({ encoder, classes, rank, loss: name, epochs, temperature }: Plan): Method {
  const projection = new ProjectionHead(encoder.featureSize, { outputSize: dim });
  const options = { numClasses: classes, dim, temperature, normalize: true };
  const loss = name === "espce" ? new ExtendedContrastiveCrossEntropy({ ...options, centre: "class" }) : new ESupCon(options);
  const embed = (x: Tensor) => projection.forward(encoder.forward(x));
  const step = (batch: Batch): TrainingStepResult => {
    const { images, labels } = flattenViews(batch, rank);
    const z = embed(images);
    return { loss: loss.forward(z, labels), metrics: { accuracy: noGrad(() => accuracy(loss.logits(z), labels)) } };
  };
  const modules = { encoder, projection, loss };
  const stage: Stage = { name: "joint", epochs, modules: Object.values(modules), input: "images", step };
  return { modules, stages: [stage], embed, logits: (z) => loss.logits(z), prototypes: () => loss.prototypes };
}

/** First an encoder and a projection without any classifier; then a linear classifier on the encoder's features, which stay as they are. */
function supConMethod({ encoder, classes, rank, epochs, temperature }: Plan): Method {
  const projection = new ProjectionHead(encoder.featureSize, { outputSize: dim });
  const classifier = new Linear(encoder.featureSize, classes);
  const linearEpochs = Math.max(1, Math.round(epochs / 4));
  const contrastive = (batch: Batch): TrainingStepResult => {
    const { images, labels } = flattenViews(batch, rank);
    return { loss: supCon(projection.forward(encoder.forward(images)), labels, { temperature, numClasses: classes }) };
  };
  const stages: Stage[] = [
    {
      name: "contrastive",
      epochs: Math.max(1, epochs - linearEpochs),
      modules: [encoder, projection],
      input: "images",
      step: contrastive,
    },
    {
      name: "linear",
      epochs: linearEpochs,
      modules: [classifier],
      input: "features",
      lrFactor: 5, // one layer alone bears more than a deep model
      step: ({ x, y }) => classified(classifier.forward(x), y),
    },
  ];
  return {
    modules: { encoder, projection, classifier },
    stages,
    embed: (x) => encoder.forward(x),
    logits: (z) => classifier.forward(z),
    prototypes: () => classifier.weight,
  };
}

function classified(logits: Tensor, labels: Tensor): TrainingStepResult {
  return { loss: crossEntropy(logits, labels), metrics: { accuracy: accuracy(logits, labels) } };
}

/** Views are further samples: [N, V, ...] → [N V, ...], each with its sample's label; `rank` is that of one sample. */
function flattenViews({ x, y }: Batch, rank: number): { images: Tensor; labels: Tensor } {
  if (x.rank === rank + 1) return { images: x, labels: y };
  return { images: x.flatten(0, 1), labels: y.unsqueeze(1).expand([y.size, x.shape[1]!]).flatten() };
}

/** What the stages before have learned to see: each sample's embedding instead of its values. */
export async function embedDataset(dataset: Dataset, { embed, modules }: Method): Promise<Dataset> {
  for (const module of Object.values(modules)) module.eval();
  let data = new Float32Array(0);
  let at = 0;
  let width = 0;
  for await (using batch of testLoader(dataset)) {
    using _ = scope();
    const embeddings = noGrad(() => embed(batch.x));
    if (at === 0) {
      width = embeddings.shape[1]!;
      data = new Float32Array(dataset.size * width);
    }
    data.set(await embeddings.data(), at);
    at += embeddings.size;
  }
  return new InMemoryDataset({ data, labels: dataset.labels, classes: dataset.classes, shape: [width] });
}
