/**
 * In which order samples are drawn in an epoch.
 *
 * @module
 */
import { checkNumbers, checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { checkSeed, HostRandom } from "./random.ts";

/** Chooses an epoch's samples. The same epoch always gives the same order, so that a resumed run continues as it would have. */
export interface Sampler {
  /** How many samples an epoch draws. */
  readonly length: number;
  /** Where each batch is composed on purpose, the size the loader's batches must have. */
  readonly batchSize?: number;
  /** The indices of an epoch's samples, in order. */
  indices(epoch: number): Int32Array;
}

/** Separates a sampler's random stream from those of transforms and wrappers with the same seed. */
const orderStream = 1;

/** Draws every sample once, in the dataset's order. */
export class SequentialSampler implements Sampler {
  /** How many samples an epoch draws. */
  readonly length: number;

  /**
   * Draws from `size` samples.
   *
   * @throws ArgumentError unless `size` is a whole number that is not negative.
   */
  constructor(size: number) {
    this.length = checkCount("sample sequentially", "size", size, 0);
  }

  /** The indices 0, 1, …, in every epoch. */
  indices(_epoch: number): Int32Array {
    return Int32Array.from({ length: this.length }, (_, index) => index);
  }
}

/** How a {@link RandomSampler} draws. */
export interface RandomSamplerOptions {
  /** Names the random order. Default 0. */
  readonly seed?: number;
  /** Whether a sample may be drawn more than once in an epoch. Default false. */
  readonly replacement?: boolean;
  /** How many samples an epoch draws. Default: as many as there are. */
  readonly count?: number;
}

/**
 * Draws samples in an order that is random and new in each epoch.
 *
 * @throws ArgumentError when more samples are asked for than there are, without replacement.
 *
 * @example Every sample once
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RandomSampler } from "./samplers.ts";
 *
 * const sampler = new RandomSampler(4, { seed: 1 });
 * assertEquals([...sampler.indices(0)].sort(), [0, 1, 2, 3]);
 * assertEquals(sampler.indices(5), sampler.indices(5));
 * ```
 */
export class RandomSampler implements Sampler {
  /** How many samples an epoch draws. */
  readonly length: number;
  readonly #size: number;
  readonly #seed: number;
  readonly #replacement: boolean;

  /** Draws from `size` samples. */
  constructor(size: number, options: RandomSamplerOptions = {}) {
    const { seed = 0, replacement = false, count = size } = checkOptions(options, "make RandomSampler", ["seed", "replacement", "count"]);
    this.#size = checkCount("sample at random", "size", size, 0);
    this.length = checkCount("sample at random", "count", count, 0);
    this.#seed = checkSeed(seed);
    this.#replacement = replacement;
    if (count > (replacement ? (size > 0 ? Infinity : 0) : size)) {
      throw new ArgumentError(`Cannot sample at random: a count of at most ${size} is needed without replacement, got ${count}`);
    }
  }

  /** A random choice of indices, named by seed and epoch. */
  indices(epoch: number): Int32Array {
    const random = new HostRandom(this.#seed, orderStream, epoch);
    if (this.#replacement) return Int32Array.from({ length: this.length }, () => random.integer(this.#size));
    return random.permutation(this.#size).subarray(0, this.length);
  }
}

/** How a {@link WeightedSampler} draws. */
export interface WeightedSamplerOptions {
  /** Names the random order. Default 0. */
  readonly seed?: number;
  /** Whether a sample may be drawn more than once in an epoch. Default true. */
  readonly replacement?: boolean;
  /** How many samples an epoch draws. Default: as many as there are weights. */
  readonly count?: number;
}

/**
 * Draws sample i with probability wᵢ / Σw; a sample of weight 0 is never drawn.
 *
 * Without replacement, samples are ranked by log(u) / w with u uniform (Efraimidis and Spirakis 2006, "Weighted random
 * sampling with a reservoir"), which equals drawing one after the other in proportion to the remaining weights.
 *
 * @throws ArgumentError when a weight is negative or not finite, all are 0, or more are asked for than there are.
 */
export class WeightedSampler implements Sampler {
  /** How many samples an epoch draws. */
  readonly length: number;
  readonly #weights: Float64Array;
  readonly #seed: number;
  readonly #replacement: boolean;

  /** Draws from as many samples as there are weights. */
  constructor(weights: ArrayLike<number>, options: WeightedSamplerOptions = {}) {
    checkOptions(options, "make WeightedSampler", ["seed", "replacement", "count"]);
    checkNumbers(weights, "make WeightedSampler", "a list of weights");
    const { seed = 0, replacement = true, count = weights.length } = options;
    this.#weights = Float64Array.from(weights);
    this.length = checkCount("sample by weight", "count", count, 0);
    this.#seed = checkSeed(seed);
    this.#replacement = replacement;
    let positive = 0;
    for (const weight of this.#weights) {
      if (!(weight >= 0 && weight < Infinity)) {
        throw new ArgumentError(`Cannot sample by weight: finite weights that are not negative are needed, got ${weight}`);
      }
      if (weight > 0) positive += 1;
    }
    if (count > (replacement ? (positive > 0 ? Infinity : 0) : positive)) {
      throw new ArgumentError(
        `Cannot sample by weight: ${count} samples need ${replacement ? 1 : count} positive weights, got ${positive}`,
      );
    }
  }

  /** A random choice of indices, named by seed and epoch. */
  indices(epoch: number): Int32Array {
    const random = new HostRandom(this.#seed, orderStream, epoch);
    return this.#replacement ? this.#drawWithReplacement(random) : this.#drawOnce(random);
  }

  #drawWithReplacement(random: HostRandom): Int32Array {
    const cumulative = new Float64Array(this.#weights.length);
    let total = 0;
    this.#weights.forEach((weight, index) => cumulative[index] = total += weight);
    return Int32Array.from({ length: this.length }, () => firstAbove(cumulative, random.uniform() * total));
  }

  #drawOnce(random: HostRandom): Int32Array {
    const keys = this.#weights.map((weight) => {
      const key = Math.log((random.bits() + 0.5) / 2 ** 32);
      return weight > 0 ? key / weight : -Infinity;
    });
    const order = Int32Array.from({ length: keys.length }, (_, index) => index);
    return order.sort((a, b) => keys[a] === keys[b] ? a - b : keys[b]! - keys[a]!).subarray(0, this.length);
  }
}

/** The first position whose cumulative weight is above `value`; since it is above, its own weight is not 0. */
function firstAbove(cumulative: Float64Array, value: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The weight 1 / (samples of its class) for every sample: with {@link WeightedSampler} every class is drawn equally often. */
export function classBalancedWeights(labels: Int32Array): Float64Array {
  checkNumbers(labels, "classBalancedWeights", "a list of labels");
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Float64Array.from(labels, (label) => 1 / counts.get(label)!);
}

/** How an {@link MPerClassSampler} composes its batches. */
export interface MPerClassOptions {
  /** How many samples of a class stand in a batch, if any. */
  readonly perClass: number;
  /** The batch's size: a multiple of `perClass`. */
  readonly batchSize: number;
  /** How many batches an epoch has. Default: as many as the dataset fills. */
  readonly batches?: number;
  /** Names the random order. Default 0. */
  readonly seed?: number;
}

/**
 * Composes each batch of `batchSize / perClass` random classes with `perClass` different samples each, so that a
 * contrastive loss finds positives in every batch. A class is walked through in random order before it starts again.
 *
 * @throws ArgumentError when there are fewer classes than a batch needs, or a class has fewer samples than `perClass`.
 *
 * @example Two of each of two classes
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MPerClassSampler } from "./samplers.ts";
 *
 * const labels = Int32Array.of(0, 0, 0, 1, 1, 1);
 * const sampler = new MPerClassSampler(labels, { perClass: 2, batchSize: 4 });
 * assertEquals([...sampler.indices(0)].map((index) => labels[index]).sort(), [0, 0, 1, 1]);
 * ```
 */
export class MPerClassSampler implements Sampler {
  /** How many samples an epoch draws. */
  readonly length: number;
  /** The size the loader's batches must have. */
  readonly batchSize: number;
  readonly #members: readonly Int32Array[];
  readonly #perClass: number;
  readonly #seed: number;

  /** Draws from samples with the given labels. */
  constructor(labels: Int32Array, options: MPerClassOptions) {
    const { perClass, batchSize, seed = 0 } = checkOptions(options, "make MPerClassSampler", ["perClass", "batchSize", "batches", "seed"]);
    checkCount("sample per class", "perClass", perClass, 1);
    checkCount("sample per class", "batchSize", batchSize, 1);
    if (batchSize % perClass !== 0) {
      throw new ArgumentError(`Cannot sample per class: a batch size that is a multiple of ${perClass} is needed, got ${batchSize}`);
    }
    this.#members = membersOf(checkNumbers(labels, "make MPerClassSampler", "a list of labels"));
    this.#perClass = perClass;
    this.#seed = checkSeed(seed);
    this.batchSize = batchSize;
    const batches = checkCount("sample per class", "batches", options.batches ?? Math.floor(labels.length / batchSize), 0);
    this.length = batches * batchSize;
    if (this.#members.length < batchSize / perClass) {
      throw new ArgumentError(
        `Cannot sample per class: ${batchSize / perClass} classes are needed for ${perClass} in each batch of ${batchSize}, ` +
          `got ${this.#members.length}`,
      );
    }
    for (const members of this.#members) {
      if (members.length < perClass) {
        throw new ArgumentError(
          `Cannot sample per class: ${perClass} samples of each class are needed, got ${members.length} of class ${labels[members[0]!]}`,
        );
      }
    }
  }

  /** The batches of an epoch, one after the other. */
  indices(epoch: number): Int32Array {
    const random = new HostRandom(this.#seed, orderStream, epoch);
    const queues = this.#members.map((members) => ({ order: random.shuffle(members.slice()), next: 0 }));
    const indices = new Int32Array(this.length);
    let at = 0;
    while (at < this.length) {
      const classes = random.permutation(queues.length).subarray(0, this.batchSize / this.#perClass);
      for (const label of classes) {
        const queue = queues[label]!;
        // Starting again before the queue is empty keeps the samples of one batch different from each other.
        if (queue.next + this.#perClass > queue.order.length) {
          random.shuffle(queue.order);
          queue.next = 0;
        }
        indices.set(queue.order.subarray(queue.next, queue.next + this.#perClass), at);
        queue.next += this.#perClass;
        at += this.#perClass;
      }
    }
    return indices;
  }
}

/** The samples of each class that has any, in the order of the labels' values. */
export function membersOf(labels: Int32Array): Int32Array[] {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const list = members.get(label);
    if (list) list.push(index);
    else members.set(label, [index]);
  });
  return [...members.keys()].sort((a, b) => a - b).map((label) => Int32Array.from(members.get(label)!));
}

/** Refuses a number that is not whole or is below `least`. */
export function checkCount(action: string, name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError(`Cannot ${action}: a whole ${name} of at least ${least} is needed, got ${value}`);
  }
  return value;
}
