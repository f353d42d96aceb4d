/**
 * Random numbers on the host: which samples a batch holds and how its images are changed.
 *
 * @module
 */
import { checkNumbers } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { threefry } from "../tensor/scalar.ts";

/**
 * A stream of random numbers that is named by its keys: the same keys give the same numbers on every machine, and
 * streams whose keys differ are independent. So "sample 7 of epoch 3" always meets the same crop, whatever ran before it.
 *
 * Number n of a stream is Threefry-2x32 of the mixed keys at counter n: the generator that random tensors use.
 *
 * @example The same keys, the same numbers
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { HostRandom } from "./random.ts";
 *
 * assertEquals(new HostRandom(7, 1).permutation(5), new HostRandom(7, 1).permutation(5));
 * ```
 */
export class HostRandom {
  readonly #key0: number;
  readonly #key1: number;
  #counter = 0;
  #spare: number | undefined;

  /**
   * Opens the stream named by a seed and any number of further keys.
   *
   * @param keys Whole numbers of up to 53 bits: the seed first, then for example the epoch and the sample.
   * @throws ArgumentError for a key that is not a whole number.
   */
  constructor(...keys: readonly number[]) {
    let key0 = keys.length;
    let key1 = 0x9e3779b9;
    for (const key of keys) {
      checkSeed(key);
      const mixed = threefry(key0, key1, key | 0);
      key1 = threefry(key1, mixed, Math.floor(key / 2 ** 32) | 0);
      key0 = mixed;
    }
    this.#key0 = key0;
    this.#key1 = key1;
  }

  /** The next 32 random bits, as a whole number from 0 to 2^32 - 1. */
  bits(): number {
    return threefry(this.#key0, this.#key1, this.#counter++);
  }

  /** A number drawn evenly from [low, high), in steps of 2^-32 of the range. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.bits() / 2 ** 32);
  }

  /** A number drawn from the normal distribution, by Box and Muller's transform. */
  normal(mean = 0, std = 1): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return mean + std * value;
    }
    const radius = Math.sqrt(-2 * Math.log((this.bits() + 0.5) / 2 ** 32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return mean + std * radius * Math.cos(angle);
  }

  /**
   * A whole number drawn evenly from 0 to `count` - 1, without the bias of a plain remainder.
   *
   * @throws ArgumentError unless `count` is a whole number from 1 to 2^32.
   */
  integer(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > 2 ** 32) {
      throw new ArgumentError(`Cannot draw an integer: a count from 1 to 2^32 is needed, got ${count}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % count);
    let bits = this.bits();
    while (bits >= limit) bits = this.bits();
    return bits % count;
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** Brings the values into a random order, in place, and returns them. */
  shuffle<T extends Int32Array | number[]>(values: T): T {
    checkNumbers(values, "shuffle", "a list of numbers");
    for (let last = values.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const value = values[last]!;
      values[last] = values[other]!;
      values[other] = value;
    }
    return values;
  }

  /** The whole numbers from 0 to `count` - 1 in random order. */
  permutation(count: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: count }, (_, index) => index));
  }
}

/**
 * Refuses a seed, or another key of a random stream, that is not a whole number of up to 53 bits; returns it.
 *
 * @throws ArgumentError when it is not.
 */
export function checkSeed(seed: number): number {
  if (!Number.isSafeInteger(seed)) throw new ArgumentError(`Cannot seed a random stream: a whole number is needed, got ${seed}`);
  return seed;
}
