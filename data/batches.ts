/**
 * Batches on the host: which samples an epoch's batches hold, and their values.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, ShapeError } from "../tensor/errors.ts";
import { sameShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { checkDataset, type Dataset } from "./dataset.ts";
import { checkSeed, HostRandom } from "./random.ts";
import { checkCount, RandomSampler, type Sampler, SequentialSampler } from "./samplers.ts";
import type { Transform } from "./transforms.ts";

/** How samples become batches. */
export interface BatchOptions {
  /** How many samples a batch holds. */
  readonly batchSize: number;
  /** Whether each epoch has a new random order. Default false: the dataset's order. */
  readonly shuffle?: boolean;
  /** Chooses the samples instead of `shuffle`. */
  readonly sampler?: Sampler;
  /** Names the random order and the random changes. Default 0. */
  readonly seed?: number;
  /** Whether a last batch that is not full is left out. Default false. */
  readonly dropLast?: boolean;
  /** Changes each sample; an array gives each view its own. Default: none. */
  readonly transform?: Transform | readonly Transform[];
  /** How many differently transformed copies of each sample a batch holds. Default: one, or one for each transform of an array. */
  readonly views?: number;
}

/** A batch of samples as plain typed arrays. */
export interface HostBatch {
  /** The values, row-major in `shape`. */
  readonly data: Float32Array;
  /** `[N, ...sample]`, or `[N, views, ...sample]` with more than one view. */
  readonly shape: Shape;
  /** The label of each of the N samples. */
  readonly labels: Int32Array;
  /** Where each of them stands in the dataset. */
  readonly indices: Int32Array;
}

/** The names of {@link BatchOptions}. */
export const batchOptions = ["batchSize", "shuffle", "sampler", "seed", "dropLast", "transform", "views"] as const;

/** Separates the transforms' random stream from the samplers'. */
const transformStream = 2;

/**
 * Prepares any batch of any epoch, in any order: what batch b of epoch e holds depends on the options and on nothing
 * that was prepared before.
 *
 * @throws ArgumentError for options that do not fit together.
 */
export class BatchSource {
  /** Where the samples come from. */
  readonly dataset: Dataset;
  /** How many batches an epoch has. */
  readonly length: number;
  readonly #batchSize: number;
  readonly #sampler: Sampler;
  readonly #seed: number;
  readonly #transforms: readonly Transform[];
  readonly #views: number;
  #sampleShape: Shape | undefined;
  #order: { readonly epoch: number; readonly indices: Int32Array } | undefined;

  /** Checks the options; prepares nothing yet. */
  constructor(dataset: Dataset, options: BatchOptions) {
    checkOptions(options, "make BatchSource", batchOptions);
    const { batchSize, shuffle = false, seed = 0, dropLast = false, transform = [] } = options;
    checkDataset(dataset, "load batches");
    this.dataset = dataset;
    this.#batchSize = checkCount("load batches", "batchSize", batchSize, 1);
    this.#seed = checkSeed(seed);
    this.#sampler = options.sampler ?? (shuffle ? new RandomSampler(dataset.size, { seed }) : new SequentialSampler(dataset.size));
    this.#transforms = typeof transform === "function" ? [transform] : transform;
    this.#views = checkCount("load batches", "number of views", options.views ?? Math.max(1, this.#transforms.length), 1);
    this.length = (dropLast ? Math.floor : Math.ceil)(this.#sampler.length / batchSize);
    if (shuffle && options.sampler) {
      throw new ArgumentError("Cannot load batches: either shuffle or a sampler is needed, got both");
    }
    if (this.#sampler.batchSize !== undefined && this.#sampler.batchSize !== batchSize) {
      throw new ArgumentError(`Cannot load batches: the sampler's batch size ${this.#sampler.batchSize} is needed, got ${batchSize}`);
    }
    if (this.#transforms.length > 1 && this.#transforms.length !== this.#views) {
      throw new ArgumentError(
        `Cannot load batches: one transform or one for each of ${this.#views} views is needed, got ${this.#transforms.length}`,
      );
    }
  }

  /** The shape of one sample after the transform, without batch and views. */
  get sampleShape(): Shape {
    if (this.#transforms.length === 0 || this.dataset.size === 0) return this.dataset.shape;
    return this.#sampleShape ??= this.#transformed(0, 0, 0, 0).shape;
  }

  /** The samples of an epoch, in order. */
  indices(epoch: number): Int32Array {
    checkCount("load batches", "epoch", epoch, 0);
    if (this.#order?.epoch !== epoch) this.#order = { epoch, indices: this.#sampler.indices(epoch) };
    return this.#order.indices;
  }

  /**
   * Prepares one batch.
   *
   * @throws ShapeError when a transform gives images of different shapes.
   */
  batch(epoch: number, number: number): HostBatch {
    const start = number * this.#batchSize;
    const indices = this.indices(epoch).slice(start, start + this.#batchSize);
    const size = sizeOf(this.sampleShape);
    const data = new Float32Array(indices.length * this.#views * size);
    let at = 0;
    indices.forEach((index, place) => {
      for (let view = 0; view < this.#views; view++, at += size) {
        if (this.#transforms.length === 0) this.dataset.read(index, data, at);
        else data.set(this.#checked(index, epoch, start + place, view), at);
      }
    });
    const shape = [indices.length, ...(this.#views > 1 ? [this.#views] : []), ...this.sampleShape];
    return { data, shape, labels: indices.map((index) => this.dataset.labels[index]!), indices };
  }

  #checked(index: number, epoch: number, position: number, view: number): Float32Array {
    const image = this.#transformed(index, epoch, position, view);
    if (!sameShape(image.shape, this.sampleShape) || image.data.length !== sizeOf(image.shape)) {
      throw new ShapeError(
        `Cannot load batches of [${this.sampleShape.join(", ")}]: transformed samples of one shape are needed, ` +
          `got [${image.shape.join(", ")}] for sample ${index}`,
        { op: "batch", shapes: [this.sampleShape, image.shape] },
      );
    }
    return image.data;
  }

  /** The random stream is named by the sample's position in the epoch, so that one drawn twice is changed in two ways. */
  #transformed(index: number, epoch: number, position: number, view: number) {
    const data = new Float32Array(sizeOf(this.dataset.shape));
    this.dataset.read(index, data);
    const transform = this.#transforms[this.#transforms.length > 1 ? view : 0]!;
    return transform({ data, shape: this.dataset.shape }, new HostRandom(this.#seed, transformStream, epoch, position, view));
  }
}
