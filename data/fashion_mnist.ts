/**
 * Fashion-MNIST: 70,000 pictures of clothes of 28×28 pixels.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import type { InMemoryDataset } from "./dataset.ts";
import { loadIdxFolder } from "./idx.ts";
import type { MnistOptions } from "./mnist.ts";

/** Where Debian's package `dataset-fashion-mnist` puts the files. */
export const fashionMnistFolder = "/usr/share/datasets/fashion-mnist";

const classes: readonly string[] = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

/**
 * Loads Fashion-MNIST: images `[1, 28, 28]` with values from 0 to 1. Needs permission to read the folder, by default the
 * one of Debian's package.
 *
 * Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms".
 *
 * @throws DataError when a file is missing or malformed.
 */
export async function fashionMnist(options: Partial<MnistOptions> = {}): Promise<InMemoryDataset> {
  checkOptions(options, "fashionMnist", ["dir", "split", "mean", "std"]);
  return await loadIdxFolder({
    dir: fashionMnistFolder,
    ...options,
    classes,
    remedy: "fetch it by `apt-get install dataset-fashion-mnist`",
  });
}
