/**
 * What a dataset is, and the one that lives in memory.
 *
 * @module
 */
import { checkNumbers, checkOptions, kindOf } from "../tensor/arguments.ts";
import { ArgumentError, IndexError, ShapeError } from "../tensor/errors.ts";
import { checkSizes, type Shape, sizeOf } from "../tensor/shape.ts";

/**
 * Labelled samples of one shape, on the host. Anything with these five members can be loaded in batches, wrapped and
 * sampled; data that does not fit into memory reads its file in {@link Dataset.read}.
 */
export interface Dataset {
  /** How many samples there are. */
  readonly size: number;
  /** The shape of one sample: `[channels, height, width]` for images, `[features]` for points. */
  readonly shape: Shape;
  /** The names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** The label of every sample, `size` of them. Not to be written to. */
  readonly labels: Int32Array;
  /**
   * Writes one sample's values.
   *
   * @param index The sample, from 0 to `size` - 1.
   * @param into Where its values go, row-major.
   * @param at The position in `into` of the first value.
   * @throws IndexError when there is no such sample.
   */
  read(index: number, into: Float32Array, at?: number): void;
}

/** One sample, copied out of its dataset. */
export interface Sample {
  /** The values, row-major in the dataset's shape. */
  readonly data: Float32Array;
  /** The class, as an index into the dataset's `classes`. */
  readonly label: number;
}

/** What an {@link InMemoryDataset} is made of. */
export interface InMemoryOptions {
  /** All values, sample after sample: raw bytes stay bytes, so MNIST takes 47 MB rather than 188. */
  readonly data: Uint8Array | Float32Array;
  /** The label of each sample; its length is the number of samples. */
  readonly labels: Int32Array | Uint8Array | readonly number[];
  /** The shape of one sample. */
  readonly shape: Shape;
  /** The names of the classes. Default: "0", "1", … up to the largest label. */
  readonly classes?: readonly string[];
  /** What each raw value is multiplied by: 1 / 255 brings bytes to [0, 1]. Default 1. */
  readonly scale?: number;
  /** Subtracted after scaling: one number per channel (the first dim), or one for all. Default 0. */
  readonly mean?: readonly number[];
  /** Divided by after subtracting: one number per channel, or one for all. Default 1. */
  readonly std?: readonly number[];
}

/**
 * A dataset held in one typed array. A sample reads as `(data · scale - mean) / std`.
 *
 * @throws ShapeError when data, labels, shape, mean or std do not fit together.
 * @throws ArgumentError for a label without a class or a std that is not positive.
 *
 * @example Two grey images of 1×2 bytes
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { InMemoryDataset, sample } from "./dataset.ts";
 *
 * const dataset = new InMemoryDataset({ data: new Uint8Array([0, 255, 51, 0]), labels: [1, 0], shape: [1, 1, 2], scale: 1 / 255 });
 * assertEquals(dataset.size, 2);
 * assertEquals(dataset.classes, ["0", "1"]);
 * assertEquals(sample(dataset, 0), { data: new Float32Array([0, 1]), label: 1 });
 * ```
 */
export class InMemoryDataset implements Dataset {
  /** How many samples there are. */
  readonly size: number;
  /** The shape of one sample. */
  readonly shape: Shape;
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** The label of every sample. */
  readonly labels: Int32Array;
  readonly #data: Uint8Array | Float32Array;
  readonly #channels: readonly Channel[];
  readonly #channelSize: number;

  /** Checks that everything fits together, and keeps `data` without a copy. */
  constructor(options: InMemoryOptions) {
    checkOptions(options, "make InMemoryDataset", ["data", "labels", "shape", "classes", "scale", "mean", "std"]);
    const { data, shape, scale = 1 } = options;
    this.labels = Int32Array.from(checkNumbers(options.labels, "make a dataset", "a list of labels"));
    checkNumbers(data, "make a dataset", "a typed array of data");
    checkSizes(shape, "make a dataset");
    this.size = this.labels.length;
    this.shape = [...shape];
    if (data.length !== this.size * sizeOf(shape)) {
      throw new ShapeError(
        `Cannot make a dataset of samples [${shape.join(", ")}]: ${this.size * sizeOf(shape)} values are needed for ${this.size} labels, ` +
          `got ${data.length}`,
        { op: "dataset", shapes: [shape] },
      );
    }
    this.classes = options.classes ?? numberedClasses(this.labels);
    checkLabels(this.labels, this.classes.length);
    this.#data = data;
    this.#channels = channelsOf(shape[0] ?? 1, scale, options.mean ?? [0], options.std ?? [1]);
    this.#channelSize = sizeOf(shape) / this.#channels.length;
  }

  /** Writes one sample's values, scaled and normalised. */
  read(index: number, into: Float32Array, at = 0): void {
    checkIndex(index, this.size);
    checkNumbers(into, "read a sample", "a Float32Array");
    const data = this.#data;
    let from = index * this.#channelSize * this.#channels.length;
    for (const { factor, offset } of this.#channels) {
      for (let i = 0; i < this.#channelSize; i++) into[at++] = data[from++]! * factor + offset;
    }
  }
}

/** A channel's scale, mean and std as one multiplication and one addition. */
interface Channel {
  readonly factor: number;
  readonly offset: number;
}

function channelsOf(count: number, scale: number, mean: readonly number[], std: readonly number[]): Channel[] {
  for (const [name, values] of [["mean", mean], ["std", std]] as const) {
    if (values.length !== 1 && values.length !== count) {
      throw new ShapeError(`Cannot normalise a dataset: one ${name} or one for each of ${count} channels is needed, got ${values.length}`, {
        op: "dataset",
      });
    }
  }
  if (mean.length === 1 && std.length === 1) count = 1;
  return Array.from({ length: count }, (_, channel) => {
    const deviation = std[std.length === 1 ? 0 : channel]!;
    const centre = mean[mean.length === 1 ? 0 : channel]!;
    if (!(deviation > 0) || !Number.isFinite(scale) || !Number.isFinite(centre)) {
      throw new ArgumentError(
        `Cannot normalise a dataset: a finite scale and mean and a positive std are needed, got scale ${scale}, mean ${centre}, std ${deviation}`,
      );
    }
    return { factor: scale / deviation, offset: -centre / deviation };
  });
}

/** Copies one sample out of a dataset. */
export function sample(dataset: Dataset, index: number): Sample {
  checkDataset(dataset, "sample");
  const data = new Float32Array(sizeOf(dataset.shape));
  dataset.read(index, data);
  return { data, label: dataset.labels[index]! };
}

/** How many samples each class has, in the order of `classes`. */
export function classCounts(dataset: Dataset): Int32Array {
  checkDataset(dataset, "classCounts");
  const counts = new Int32Array(dataset.classes.length);
  for (const label of dataset.labels) counts[label]! += 1;
  return counts;
}

/** The mean and the standard deviation of each channel (the first dim) over a whole dataset, as normalisation needs them. */
export interface ChannelStatistics {
  /** One mean per channel. */
  readonly mean: readonly number[];
  /** One standard deviation per channel, with divisor n. */
  readonly std: readonly number[];
}

/**
 * Measures mean and standard deviation per channel, in float64.
 *
 * @throws ArgumentError for a dataset without values.
 */
export function channelStatistics(dataset: Dataset): ChannelStatistics {
  checkDataset(dataset, "channelStatistics");
  const values = new Float32Array(sizeOf(dataset.shape));
  const channels = dataset.shape.length > 1 ? dataset.shape[0]! : 1;
  const channelSize = values.length / channels;
  const count = dataset.size * channelSize;
  if (!(count > 0)) throw new ArgumentError("Cannot measure a dataset: at least one value is needed, got none");
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  for (let index = 0; index < dataset.size; index++) {
    dataset.read(index, values);
    for (let i = 0; i < values.length; i++) {
      const channel = Math.floor(i / channelSize);
      sums[channel]! += values[i]!;
      squares[channel]! += values[i]! ** 2;
    }
  }
  const mean = Array.from(sums, (sum) => sum / count);
  return { mean, std: mean.map((m, channel) => Math.sqrt(Math.max(0, squares[channel]! / count - m * m))) };
}

/** Refuses what is no dataset, which happens where types are not checked. */
export function checkDataset(dataset: Dataset, op: string): void {
  if (typeof dataset?.read !== "function" || typeof dataset.size !== "number") {
    throw new ArgumentError(`Cannot ${op}: a dataset is needed, got ${kindOf(dataset)}`);
  }
}

/** Refuses an index that is not a sample. */
export function checkIndex(index: number, size: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= size) {
    throw new IndexError(`Cannot read a sample: an index from 0 to ${size - 1} is needed, got ${index}`);
  }
}

function checkLabels(labels: Int32Array, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    if (labels[i]! < 0 || labels[i]! >= classes) {
      throw new ArgumentError(`Cannot make a dataset: labels from 0 to ${classes - 1} are needed, got ${labels[i]} for sample ${i}`);
    }
  }
}

function numberedClasses(labels: Int32Array): string[] {
  const largest = labels.reduce((max, label) => Math.max(max, label), -1);
  return Array.from({ length: largest + 1 }, (_, label) => String(label));
}
