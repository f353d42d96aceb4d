/**
 * Recipes: the settings that suit a dataset and a loss, for all that the command line leaves open.
 *
 * @module
 */
import type { DatasetName } from "../datasets.ts";
import type { Choices, LossName } from "./options.ts";

/** All settings of a run. */
export type Settings = Required<Omit<Choices, "samplesPerClass">> & {
  /** 0: all samples. */
  readonly samplesPerClass: number;
};

type Recipe = Pick<Settings, "model" | "epochs" | "batchSize" | "lr" | "optimizer" | "schedule" | "views">;

const points: Recipe = { model: "mlp", epochs: 30, batchSize: 64, lr: 3e-3, optimizer: "adam", schedule: "cosine", views: 1 };

const digits: Recipe = { model: "cnn", epochs: 30, batchSize: 64, lr: 3e-3, optimizer: "adam", schedule: "cosine", views: 1 };

const handwriting: Recipe = { model: "cnn", epochs: 3, batchSize: 128, lr: 3e-3, optimizer: "adam", schedule: "cosine", views: 1 };

const photographs: Recipe = { model: "resnet18", epochs: 30, batchSize: 128, lr: 0.1, optimizer: "sgd", schedule: "cosine", views: 2 };

const recipes: Readonly<Record<DatasetName, Recipe>> = {
  digits,
  mnist: handwriting,
  "fashion-mnist": { ...handwriting, epochs: 10 },
  idx: { ...handwriting, epochs: 10 },
  cifar10: photographs,
  cifar100: photographs,
  blobs: points,
  moons: points,
  spirals: { ...points, epochs: 60 },
};

/** τ: unit rows need a small one; cross entropy against free weights has none. */
const temperatures: Readonly<Record<LossName, number>> = { ce: 1, espce: 0.1, supcon: 0.1, esupcon: 0.1 };

/** Fills in what the command line left open. */
export function settle(choices: Choices): Settings {
  const { dataset, loss, ...rest } = choices;
  return { dataset, loss, ...recipes[dataset], temperature: temperatures[loss], samplesPerClass: 0, ...rest };
}
