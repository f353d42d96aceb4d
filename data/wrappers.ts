/**
 * Datasets made of other datasets: parts of them, and the same data made harder in a controlled way.
 *
 * @module
 */
import { checkNumbers, checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { checkDataset, checkIndex, type Dataset } from "./dataset.ts";
import { HostRandom } from "./random.ts";
import { checkCount, membersOf } from "./samplers.ts";

/** A dataset that shows some samples of another one, in a given order. */
export class Subset implements Dataset {
  /** How many samples are shown. */
  readonly size: number;
  /** The shape of one sample. */
  readonly shape: Shape;
  /** The names of all classes of the source, also of those that are not shown. */
  readonly classes: readonly string[];
  /** The label of every sample shown. */
  readonly labels: Int32Array;
  /** Where each sample stands in the source. */
  readonly indices: Int32Array;
  readonly #source: Dataset;

  /**
   * Shows the samples of `source` at `indices`.
   *
   * @throws IndexError for an index that is not a sample of the source.
   */
  constructor(source: Dataset, indices: ArrayLike<number>) {
    checkDataset(source, "make Subset");
    checkNumbers(indices, "make Subset", "a list of indices");
    for (let i = 0; i < indices.length; i++) checkIndex(indices[i]!, source.size);
    this.#source = source;
    this.indices = Int32Array.from(indices);
    this.size = this.indices.length;
    this.shape = source.shape;
    this.classes = source.classes;
    this.labels = this.indices.map((index) => source.labels[index]!);
  }

  /** Writes the values of one sample shown. */
  read(index: number, into: Float32Array, at = 0): void {
    checkIndex(index, this.size);
    this.#source.read(this.indices[index]!, into, at);
  }
}

/** A dataset with other labels than its source's. */
export class RelabelledDataset implements Dataset {
  /** How many samples there are. */
  readonly size: number;
  /** The shape of one sample. */
  readonly shape: Shape;
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** The new labels. */
  readonly labels: Int32Array;
  /** The source's labels, to compare with. */
  readonly originalLabels: Int32Array;
  readonly #source: Dataset;

  /**
   * Gives `source` new labels.
   *
   * @throws ArgumentError when their number is not the source's size, or one is not a class.
   */
  constructor(source: Dataset, labels: ArrayLike<number>) {
    checkDataset(source, "relabel a dataset");
    checkNumbers(labels, "relabel a dataset", "a list of labels");
    if (labels.length !== source.size) {
      throw new ArgumentError(`Cannot relabel a dataset: ${source.size} labels are needed, got ${labels.length}`);
    }
    this.#source = source;
    this.size = source.size;
    this.shape = source.shape;
    this.classes = source.classes;
    this.labels = Int32Array.from(labels);
    this.originalLabels = source.labels;
    for (const label of this.labels) {
      if (label < 0 || label >= this.classes.length) {
        throw new ArgumentError(`Cannot relabel a dataset: labels from 0 to ${this.classes.length - 1} are needed, got ${label}`);
      }
    }
  }

  /** Writes the source's values. */
  read(index: number, into: Float32Array, at = 0): void {
    this.#source.read(index, into, at);
  }
}

/** Separates the random streams of the wrappers from each other and from the samplers'. */
const streams = { labelNoise: 11, fewSamples: 12, imbalance: 13, split: 14 } as const;

/** How {@link labelNoise} makes labels wrong. */
export interface LabelNoiseOptions {
  /** The fraction of samples whose label becomes wrong, from 0 to 1. */
  readonly rate: number;
  /** Names the random choice. Default 0. */
  readonly seed?: number;
  /** `symmetric`: any other class, equally likely; `pair`: the next class, the last becoming the first. Default "symmetric". */
  readonly kind?: "symmetric" | "pair";
}

/**
 * Makes the labels of exactly `round(rate · size)` random samples wrong: each of them gets a class that is not its own.
 *
 * @throws ArgumentError for a rate outside [0, 1], or with fewer than two classes.
 *
 * @example A quarter wrong
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { blobs } from "./synthetic.ts";
 * import { labelNoise } from "./wrappers.ts";
 *
 * const noisy = labelNoise(blobs({ samples: 40, classes: 4 }), { rate: 0.25, seed: 3 });
 * assertEquals(noisy.labels.filter((label, index) => label !== noisy.originalLabels[index]).length, 10);
 * ```
 */
export function labelNoise(dataset: Dataset, options: LabelNoiseOptions): RelabelledDataset {
  checkDataset(dataset, "labelNoise");
  const { rate, seed = 0, kind = "symmetric" } = checkOptions(options, "labelNoise", ["rate", "seed", "kind"]);
  const classes = dataset.classes.length;
  if (!(rate >= 0 && rate <= 1)) throw new ArgumentError(`Cannot add label noise: a rate from 0 to 1 is needed, got ${rate}`);
  if (classes < 2) throw new ArgumentError(`Cannot add label noise: at least 2 classes are needed, got ${classes}`);
  if (kind !== "symmetric" && kind !== "pair") {
    throw new ArgumentError(`Cannot add label noise: kind "symmetric" or "pair" is needed, got "${kind}"`);
  }
  const random = new HostRandom(seed, streams.labelNoise);
  const labels = dataset.labels.slice();
  for (const index of random.permutation(dataset.size).subarray(0, Math.round(rate * dataset.size))) {
    const step = kind === "pair" ? 1 : 1 + random.integer(classes - 1);
    labels[index] = (labels[index]! + step) % classes;
  }
  return new RelabelledDataset(dataset, labels);
}

/** How {@link imbalance} thins classes out. */
export interface ImbalanceOptions {
  /** What the last class keeps in proportion to the first, in (0, 1]: 0.01 is "imbalance ratio 100". */
  readonly factor: number;
  /** Names the random choice. Default 0. */
  readonly seed?: number;
}

/**
 * Makes an exponential long tail: of class k's n samples, `max(1, round(n · factor^(k / (K - 1))))` random ones stay,
 * in their order, where K is the number of classes. Class 0 keeps all, class K - 1 keeps n · factor.
 *
 * Source: Cui et al. 2019, "Class-balanced loss based on effective number of samples".
 *
 * @throws ArgumentError for a factor outside (0, 1].
 */
export function imbalance(dataset: Dataset, options: ImbalanceOptions): Subset {
  checkDataset(dataset, "imbalance");
  const { factor, seed = 0 } = checkOptions(options, "imbalance", ["factor", "seed"]);
  if (!(factor > 0 && factor <= 1)) {
    throw new ArgumentError(`Cannot make a dataset imbalanced: a factor above 0 and at most 1 is needed, got ${factor}`);
  }
  const last = Math.max(1, dataset.classes.length - 1);
  return chooseFromClasses(dataset, new HostRandom(seed, streams.imbalance), (count, label) => {
    return Math.max(1, Math.round(count * factor ** (label / last)));
  });
}

/** How many samples {@link fewSamples} keeps. */
export interface FewSamplesOptions {
  /** How many samples of each class stay. */
  readonly perClass: number;
  /** Names the random choice. Default 0. */
  readonly seed?: number;
}

/**
 * Keeps `perClass` random samples of each class, in their order.
 *
 * @throws ArgumentError when a class has fewer.
 */
export function fewSamples(dataset: Dataset, options: FewSamplesOptions): Subset {
  checkDataset(dataset, "fewSamples");
  const { perClass, seed = 0 } = checkOptions(options, "fewSamples", ["perClass", "seed"]);
  checkCount("keep few samples", "perClass", perClass, 1);
  return chooseFromClasses(dataset, new HostRandom(seed, streams.fewSamples), (count, label) => {
    if (count < perClass) {
      throw new ArgumentError(`Cannot keep few samples: ${perClass} of each class are needed, got ${count} of class ${label}`);
    }
    return perClass;
  });
}

/** Keeps as many random samples of each class as `keep` says, in the dataset's order. */
function chooseFromClasses(dataset: Dataset, random: HostRandom, keep: (count: number, label: number) => number): Subset {
  const chosen: number[] = [];
  for (const members of membersOf(dataset.labels)) {
    const count = keep(members.length, dataset.labels[members[0]!]!);
    for (const index of random.shuffle(members).subarray(0, count)) chosen.push(index);
  }
  return new Subset(dataset, chosen.sort((a, b) => a - b));
}

/**
 * The samples at the given indices, in that order; an index may come twice.
 *
 * @throws IndexError for an index that is not a sample.
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Subset {
  return new Subset(dataset, indices);
}

/** How {@link split} divides. */
export interface SplitOptions {
  /** The fraction of samples that goes into the second part, in (0, 1). */
  readonly fraction: number;
  /** Names the random choice. Default 0. */
  readonly seed?: number;
}

/**
 * Divides a dataset at random into two parts that share no sample and have the classes in the same proportions
 * (stratified). The second part has exactly `round(fraction · size)` samples: each class gives its share rounded down,
 * and the classes with the largest remainders give one more.
 *
 * @throws ArgumentError for a fraction outside (0, 1).
 *
 * @example Four fifths and one fifth
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { classCounts } from "./dataset.ts";
 * import { moons } from "./synthetic.ts";
 * import { split } from "./wrappers.ts";
 *
 * const [train, test] = split(moons({ samples: 100 }), { fraction: 0.2 });
 * assertEquals([train.size, test.size], [80, 20]);
 * assertEquals(classCounts(test), Int32Array.of(10, 10));
 * ```
 */
export function split(dataset: Dataset, options: SplitOptions): [Subset, Subset] {
  checkDataset(dataset, "split");
  const { fraction, seed = 0 } = checkOptions(options, "split", ["fraction", "seed"]);
  if (!(fraction > 0 && fraction < 1)) {
    throw new ArgumentError(`Cannot split a dataset: a fraction between 0 and 1 is needed, got ${fraction}`);
  }
  const random = new HostRandom(seed, streams.split);
  const classes = membersOf(dataset.labels).map((members) => random.shuffle(members));
  const shares = apportion(classes.map((members) => members.length), Math.round(fraction * dataset.size));
  const first: number[] = [];
  const second: number[] = [];
  classes.forEach((members, position) => {
    members.forEach((index, place) => (place < shares[position]! ? second : first).push(index));
  });
  return [new Subset(dataset, first.sort((a, b) => a - b)), new Subset(dataset, second.sort((a, b) => a - b))];
}

/** Divides `total` among counts in proportion to them, the largest remainders rounded up. */
function apportion(counts: readonly number[], total: number): number[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  const exact = counts.map((count) => count * total / Math.max(1, sum));
  const shares = exact.map(Math.floor);
  const missing = total - shares.reduce((a, b) => a + b, 0);
  const byRemainder = exact.map((_, position) => position).sort((a, b) => (exact[b]! - shares[b]!) - (exact[a]! - shares[a]!) || a - b);
  for (const position of byRemainder.slice(0, missing)) shares[position]! += 1;
  return shares;
}
