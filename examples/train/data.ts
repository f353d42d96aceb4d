/**
 * The main job's data: a dataset, made harder if asked, and its loaders.
 *
 * @module
 */
import {
  compose,
  DataLoader,
  type Dataset,
  fewSamples,
  gaussianNoise,
  imbalance,
  labelNoise,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  type Transform,
} from "../../mod.ts";
import { type DatasetName, openDataset, type TrainAndTest } from "../datasets.ts";
import type { Settings } from "./recipe.ts";

/** Opens the dataset and changes its training part as the settings say: first few samples, then imbalance, then label noise. */
export async function openData(settings: Settings, dataDir?: string): Promise<TrainAndTest> {
  const { dataset, seed, samplesPerClass, labelNoise: rate, imbalance: factor } = settings;
  const { train, test } = await openDataset(dataset, { seed, ...(dataDir === undefined ? {} : { dir: dataDir }) });
  let changed: Dataset = train;
  if (samplesPerClass > 0) changed = fewSamples(changed, { perClass: samplesPerClass, seed });
  if (factor < 1) changed = imbalance(changed, { factor, seed });
  if (rate > 0) changed = labelNoise(changed, { rate, seed });
  return { train: changed, test };
}

/** Full batches in random order, changed at random, for training; which samples are left over is another choice in each epoch. */
export function trainingLoader(dataset: Dataset, { dataset: name, batchSize, seed, views }: Settings): DataLoader {
  return new DataLoader(dataset, { ...shuffled(dataset, batchSize, seed), views, transform: augmentation(name, dataset.shape) });
}

/** Batches of learned features in random order, as they are. */
export function featureLoader(dataset: Dataset, { batchSize, seed }: Settings): DataLoader {
  return new DataLoader(dataset, shuffled(dataset, batchSize, seed));
}

function shuffled(dataset: Dataset, most: number, seed: number) {
  const batchSize = Math.min(most, dataset.size);
  return { batchSize, shuffle: true, seed, dropLast: true };
}

/** Batches in order, as they are. Contrastive losses grow with the batch, so those that are compared need one size. */
export function testLoader(dataset: Dataset, batchSize = 256): DataLoader {
  return new DataLoader(dataset, { batchSize });
}

/** Changes that keep the class: handwriting may be moved, photographs also mirrored and partly hidden, points shaken. */
function augmentation(name: DatasetName, shape: readonly number[]): Transform {
  const [, height = 1, width = 1] = shape;
  if (shape.length !== 3) return gaussianNoise({ std: 0.02 });
  const moved = randomCrop([height, width], { padding: Math.max(1, Math.round(width / 14)) });
  if (name !== "cifar10" && name !== "cifar100") return moved;
  return compose([moved, randomHorizontalFlip(), randomErasing({ probability: 0.25 })]);
}
