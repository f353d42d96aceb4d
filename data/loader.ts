/**
 * The loader: a dataset's batches as tensors.
 *
 * @module
 */
import { checkOptions, kindOf } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type DeviceName, type Tensor, tensor } from "../tensor/mod.ts";
import { type BatchOptions, batchOptions, BatchSource, type HostBatch } from "./batches.ts";
import type { Dataset } from "./dataset.ts";
import { checkCount } from "./samplers.ts";

/** How a {@link DataLoader} makes batches. */
export interface DataLoaderOptions extends BatchOptions {
  /** How many batches are prepared ahead on the host, while the program waits for a device. Default 1. */
  readonly prefetch?: number;
  /** Where the tensors live. Default: the default device. */
  readonly device?: DeviceName;
}

/** Where in the epochs to begin. */
export interface BatchPosition {
  /** How many batches of the epoch to pass over, without preparing them. Default 0. */
  readonly skip?: number;
}

/** A batch of samples as tensors. `using` frees them at the block's end. */
export class Batch implements Disposable {
  /** The values, float32: `[N, ...sample]`, or `[N, views, ...sample]` with more than one view. */
  readonly x: Tensor;
  /** The labels, int32 `[N]`. */
  readonly y: Tensor;
  /** Where each of the N samples stands in the dataset. */
  readonly indices: Int32Array;

  /** Puts a batch of the host onto a device. */
  constructor(batch: HostBatch, device?: DeviceName) {
    if (!(batch?.data instanceof Float32Array)) {
      throw new ArgumentError(`Cannot make Batch: a batch of a BatchSource is needed, got ${kindOf(batch)}`);
    }
    const options = device === undefined ? {} : { device };
    this.x = tensor(batch.data, { shape: batch.shape, ...options });
    this.y = tensor(batch.labels, { shape: [batch.labels.length], ...options });
    this.indices = batch.indices;
  }

  /** How many samples the batch holds. */
  get size(): number {
    return this.indices.length;
  }

  /** Frees both tensors. */
  [Symbol.dispose](): void {
    this.x.dispose();
    this.y.dispose();
  }
}

/**
 * Loads a dataset in batches. Each loop over the loader is one epoch and moves it on to the next; seed and epoch fix
 * order and transforms, so that a run that is resumed with {@link DataLoader.setEpoch} sees what it would have seen.
 *
 * @throws ArgumentError for options that do not fit together.
 *
 * @example Two epochs
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { digits } from "./digits.ts";
 * import { DataLoader } from "./loader.ts";
 *
 * const loader = new DataLoader(digits({ split: "test" }), { batchSize: 100, shuffle: true, seed: 1 });
 * const sizes: number[] = [];
 * for await (using batch of loader) sizes.push(batch.x.shape[0]!);
 * assertEquals(sizes, [100, 100, 100, 60]);
 * assertEquals(loader.epoch, 1);
 * ```
 */
export class DataLoader implements AsyncIterable<Batch> {
  /** Where the samples come from. */
  readonly dataset: Dataset;
  /** How many batches an epoch has. */
  readonly length: number;
  readonly #source: BatchSource;
  readonly #prefetch: number;
  readonly #device: DeviceName | undefined;
  #epoch = 0;

  /** Checks the options; reads nothing yet. */
  constructor(dataset: Dataset, options: DataLoaderOptions) {
    const { prefetch = 1, device, ...batches } = checkOptions(options, "make DataLoader", ["prefetch", "device", ...batchOptions]);
    this.#source = new BatchSource(dataset, batches);
    this.#prefetch = checkCount("load batches", "prefetch", prefetch, 0);
    this.#device = device;
    this.dataset = dataset;
    this.length = this.#source.length;
  }

  /** The epoch that the next loop loads, from 0. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The shape of one sample after the transform, without batch and views: what a model takes. */
  get sampleShape(): readonly number[] {
    return this.#source.sampleShape;
  }

  /**
   * Chooses the epoch that the next loop loads.
   *
   * @throws ArgumentError unless it is a whole number that is not negative.
   */
  setEpoch(epoch: number): void {
    this.#epoch = checkCount("set the epoch", "epoch", epoch, 0);
  }

  /** One epoch's batches, as tensors. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, void> {
    return this.batches();
  }

  /**
   * One epoch's batches, as tensors, from the middle of the epoch if asked.
   *
   * @throws ArgumentError for a position behind the epoch's end.
   */
  batches(position: BatchPosition = {}): AsyncGenerator<Batch, void, void> {
    return this.#onDevice(this.hostBatches(position));
  }

  /**
   * One epoch's batches, as typed arrays on the host.
   *
   * @throws ArgumentError for a position behind the epoch's end.
   */
  hostBatches(position: BatchPosition = {}): AsyncGenerator<HostBatch, void, void> {
    const { skip: given = 0 } = checkOptions(position, "skip batches", ["skip"]);
    const skip = checkCount("skip batches", "number", given, 0);
    if (skip > this.length) throw new ArgumentError(`Cannot skip batches: at most ${this.length} are needed, got ${skip}`);
    const epoch = this.#epoch++;
    return prepareAhead(skip, this.length, this.#prefetch, (number) => this.#source.batch(epoch, number));
  }

  async *#onDevice(batches: AsyncGenerator<HostBatch, void, void>): AsyncGenerator<Batch, void, void> {
    for await (const batch of batches) yield new Batch(batch, this.#device);
  }
}

/**
 * Makes the batches from `start` to `end`, up to `ahead` of them before they are asked for: in turns of the event loop
 * that the consumer spends waiting. One that is not ready when it is asked for is made at once, so nothing is ever late.
 */
async function* prepareAhead(
  start: number,
  end: number,
  ahead: number,
  make: (number: number) => HostBatch,
): AsyncGenerator<HostBatch, void, void> {
  const ready: HostBatch[] = [];
  let next = start;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const prepare = () => {
    timer = undefined;
    try {
      ready.push(make(next));
      next += 1;
    } catch {
      return; // it is made again, and fails again, where the consumer can catch it
    }
    schedule();
  };
  const schedule = () => {
    if (timer === undefined && next < end && ready.length < ahead) timer = setTimeout(prepare);
  };
  try {
    for (let number = start; number < end; number++) {
      const batch = ready.shift() ?? make(next++);
      schedule();
      yield batch;
    }
  } finally {
    clearTimeout(timer);
  }
}
