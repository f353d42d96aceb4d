/**
 * Random changes of images, and what goes with them. A transform never writes to the image it is given.
 *
 * @module
 */
import { checkFunction, checkList, checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, ShapeError } from "../tensor/errors.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { HostRandom } from "./random.ts";

/** A sample's values on the host. */
export interface HostImage {
  /** The values, row-major in `shape`. */
  readonly data: Float32Array;
  /** `[channels, height, width]` for images. */
  readonly shape: Shape;
}

/** Makes an image out of an image. All chance comes from `random`, so the same stream gives the same image. */
export type Transform = (image: HostImage, random: HostRandom) => HostImage;

/** A height and a width, or one number for both. */
export type Size = number | readonly [number, number];

/**
 * Applies transforms one after the other.
 *
 * @example Flip, then normalise
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { HostRandom } from "./random.ts";
 * import { compose, normalizeChannels, randomHorizontalFlip } from "./transforms.ts";
 *
 * const transform = compose([randomHorizontalFlip({ probability: 1 }), normalizeChannels({ mean: [1], std: [2] })]);
 * const image = { data: new Float32Array([1, 3, 5]), shape: [1, 1, 3] };
 * assertEquals(transform(image, new HostRandom(0)).data, new Float32Array([2, 1, 0]));
 * ```
 */
export function compose(transforms: readonly Transform[]): Transform {
  for (const transform of checkList(transforms, "compose", "compose([first, second])")) checkFunction(transform, "compose", "a transform");
  return (image, random) => transforms.reduce((current, transform) => transform(current, random), image);
}

/** How a {@link randomCrop} is taken. */
export interface RandomCropOptions {
  /** Pixels added on each side before cropping. Default 0. */
  readonly padding?: number;
  /** The value of added pixels. Default 0. */
  readonly fill?: number;
}

/**
 * Cuts out a random part of a fixed size, after padding.
 *
 * @throws ShapeError for an image that is smaller than the part, padding included.
 */
export function randomCrop(size: Size, options: RandomCropOptions = {}): Transform {
  checkOptions(options, "randomCrop", ["padding", "fill"]);
  const [height, width] = heightAndWidth(size, "randomCrop");
  const { padding = 0, fill = 0 } = options;
  if (!Number.isInteger(padding) || padding < 0) {
    throw new ArgumentError(`Cannot randomCrop: a whole padding that is not negative is needed, got ${padding}`);
  }
  return (image, random) => {
    const [channels, fromHeight, fromWidth] = imageShape(image, "randomCrop");
    const spareHeight = fromHeight + 2 * padding - height;
    const spareWidth = fromWidth + 2 * padding - width;
    if (spareHeight < 0 || spareWidth < 0) {
      throw new ShapeError(
        `Cannot randomCrop [${image.shape.join(", ")}]: at least ${height}×${width} pixels are needed with a padding of ${padding}, ` +
          `got ${fromHeight + 2 * padding}×${fromWidth + 2 * padding}`,
        { op: "randomCrop", shapes: [image.shape] },
      );
    }
    const top = random.integer(spareHeight + 1) - padding;
    const left = random.integer(spareWidth + 1) - padding;
    const data = new Float32Array(channels * height * width).fill(fill);
    const firstColumn = Math.max(0, -left);
    const endColumn = Math.min(width, fromWidth - left);
    for (let channel = 0; channel < channels; channel++) {
      for (let row = Math.max(0, -top); row < Math.min(height, fromHeight - top); row++) {
        const from = (channel * fromHeight + row + top) * fromWidth + left;
        data.set(image.data.subarray(from + firstColumn, from + endColumn), (channel * height + row) * width + firstColumn);
      }
    }
    return { data, shape: [channels, height, width] };
  };
}

/** How a {@link randomResizedCrop} is taken. */
export interface RandomResizedCropOptions {
  /** The range of the part's area in proportion to the image's. Default [0.08, 1]. */
  readonly scale?: readonly [number, number];
  /** The range of the part's width / height; its logarithm is drawn evenly. Default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number];
}

/**
 * Cuts out a part of random area and aspect and resizes it bilinearly (pixel centres aligned, no smoothing before
 * shrinking). When ten tries do not fit into the image, the largest centred part of an allowed aspect is taken.
 */
export function randomResizedCrop(size: Size, options: RandomResizedCropOptions = {}): Transform {
  checkOptions(options, "randomResizedCrop", ["scale", "ratio"]);
  const [height, width] = heightAndWidth(size, "randomResizedCrop");
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  checkRange("randomResizedCrop", "scale", scale);
  checkRange("randomResizedCrop", "ratio", ratio);
  return (image, random) => {
    const [, fromHeight, fromWidth] = imageShape(image, "randomResizedCrop");
    const box = randomBox(fromHeight, fromWidth, scale, ratio, random) ?? centredBox(fromHeight, fromWidth, ratio);
    return resizeBox(image, box, height, width);
  };
}

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A box of random area and aspect inside an image, or none when ten tries do not fit. */
function randomBox(height: number, width: number, scale: readonly number[], ratio: readonly number[], random: HostRandom): Box | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * random.uniform(scale[0], scale[1]);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]!), Math.log(ratio[1]!)));
    const boxWidth = Math.round(Math.sqrt(area * aspect));
    const boxHeight = Math.round(Math.sqrt(area / aspect));
    if (boxWidth > 0 && boxWidth <= width && boxHeight > 0 && boxHeight <= height) {
      const top = random.integer(height - boxHeight + 1);
      const left = random.integer(width - boxWidth + 1);
      return { top, left, height: boxHeight, width: boxWidth };
    }
  }
  return undefined;
}

function centredBox(height: number, width: number, ratio: readonly number[]): Box {
  const aspect = Math.min(ratio[1]!, Math.max(ratio[0]!, width / height));
  const boxWidth = Math.max(1, Math.min(width, Math.round(height * aspect)));
  const boxHeight = Math.max(1, Math.min(height, Math.round(width / aspect)));
  return { top: (height - boxHeight) >> 1, left: (width - boxWidth) >> 1, height: boxHeight, width: boxWidth };
}

function resizeBox(image: HostImage, box: Box, height: number, width: number): HostImage {
  const [channels, fromHeight, fromWidth] = imageShape(image, "resize");
  const rows = Array.from({ length: height }, (_, row) => neighbours(row, box.height, height));
  const columns = Array.from({ length: width }, (_, column) => neighbours(column, box.width, width));
  const data = new Float32Array(channels * height * width);
  let at = 0;
  for (let channel = 0; channel < channels; channel++) {
    const origin = (channel * fromHeight + box.top) * fromWidth + box.left;
    for (const row of rows) {
      const above = origin + row.low * fromWidth;
      const below = origin + row.high * fromWidth;
      for (const column of columns) {
        const top = blend(image.data[above + column.low]!, image.data[above + column.high]!, column.weight);
        const bottom = blend(image.data[below + column.low]!, image.data[below + column.high]!, column.weight);
        data[at++] = blend(top, bottom, row.weight);
      }
    }
  }
  return { data, shape: [channels, height, width] };
}

/** The two positions a resized one lies between, and how near it is to the second. */
function neighbours(position: number, from: number, to: number): { low: number; high: number; weight: number } {
  const exact = Math.max(0, (position + 0.5) * from / to - 0.5);
  const low = Math.min(from - 1, Math.floor(exact));
  return { low, high: Math.min(from - 1, low + 1), weight: exact - low };
}

function blend(a: number, b: number, weight: number): number {
  return a + (b - a) * weight;
}

/** How often a transform is applied. */
export interface ProbabilityOptions {
  /** The probability that an image is changed. Default 0.5. */
  readonly probability?: number;
}

/** Mirrors left and right. */
export function randomHorizontalFlip(options: ProbabilityOptions = {}): Transform {
  checkOptions(options, "randomHorizontalFlip", ["probability"]);
  const probability = checkProbability("randomHorizontalFlip", options.probability ?? 0.5);
  return (image, random) => {
    const [, , width] = imageShape(image, "randomHorizontalFlip");
    if (!random.chance(probability)) return image;
    const data = image.data.slice();
    for (let row = 0; row < data.length; row += width) data.subarray(row, row + width).reverse();
    return { data, shape: image.shape };
  };
}

/** How strongly {@link colorJitter} changes an image; each factor is drawn evenly from [max(0, 1 - s), 1 + s]. */
export interface ColorJitterOptions {
  /** Strength for brightness: all values times a factor. Default 0. */
  readonly brightness?: number;
  /** Strength for contrast: values blended with the mean of the grey image. Default 0. */
  readonly contrast?: number;
  /** Strength for saturation: values blended with the grey image. Grey images keep theirs. Default 0. */
  readonly saturation?: number;
}

/**
 * Changes brightness, then contrast, then saturation at random, keeping values in [0, 1]: so it stands before
 * {@link normalizeChannels}. Grey is 0.299 red + 0.587 green + 0.114 blue.
 *
 * @throws ShapeError for images that have neither one nor three channels.
 */
export function colorJitter(options: ColorJitterOptions): Transform {
  const { brightness = 0, contrast = 0, saturation = 0 } = checkOptions(options, "colorJitter", ["brightness", "contrast", "saturation"]);
  for (const strength of [brightness, contrast, saturation]) {
    if (!(strength >= 0 && strength < Infinity)) {
      throw new ArgumentError(`Cannot colorJitter: strengths that are not negative are needed, got ${strength}`);
    }
  }
  return (image, random) => {
    const [channels, height, width] = imageShape(image, "colorJitter");
    if (channels !== 1 && channels !== 3) {
      throw new ShapeError(`Cannot colorJitter [${image.shape.join(", ")}]: 1 or 3 channels are needed, got ${channels}`, {
        op: "colorJitter",
        shapes: [image.shape],
      });
    }
    const data = image.data.slice();
    const pixels = height * width;
    const factor = (strength: number) => random.uniform(Math.max(0, 1 - strength), 1 + strength);
    if (brightness > 0) towards(data, () => 0, factor(brightness));
    if (contrast > 0) {
      const mean = greyMean(data, channels, pixels);
      towards(data, () => mean, factor(contrast));
    }
    if (saturation > 0) {
      const strength = factor(saturation);
      if (channels === 3) {
        const grey = Float32Array.from({ length: pixels }, (_, pixel) => greyOf(data, channels, pixels, pixel));
        towards(data, (i) => grey[i % pixels]!, strength);
      }
    }
    return { data, shape: image.shape };
  };
}

/** Moves values away from (factor above 1) or towards (below 1) an anchor, and keeps them in [0, 1]. */
function towards(data: Float32Array, anchor: (index: number) => number, factor: number): void {
  for (let i = 0; i < data.length; i++) data[i] = Math.min(1, Math.max(0, blend(anchor(i), data[i]!, factor)));
}

function greyOf(data: Float32Array, channels: number, pixels: number, pixel: number): number {
  if (channels === 1) return data[pixel]!;
  return 0.299 * data[pixel]! + 0.587 * data[pixels + pixel]! + 0.114 * data[2 * pixels + pixel]!;
}

function greyMean(data: Float32Array, channels: number, pixels: number): number {
  let sum = 0;
  for (let pixel = 0; pixel < pixels; pixel++) sum += greyOf(data, channels, pixels, pixel);
  return sum / pixels;
}

/** What {@link randomErasing} erases. */
export interface RandomErasingOptions extends ProbabilityOptions {
  /** The range of the rectangle's area in proportion to the image's. Default [0.02, 0.33]. */
  readonly scale?: readonly [number, number];
  /** The range of the rectangle's width / height; its logarithm is drawn evenly. Default [0.3, 3.3]. */
  readonly ratio?: readonly [number, number];
  /** What is written instead. Default 0. */
  readonly value?: number;
}

/**
 * Overwrites a random rectangle. When ten tries do not fit into the image, it stays as it is.
 *
 * Source: Zhong et al. 2020, "Random erasing data augmentation".
 */
export function randomErasing(options: RandomErasingOptions = {}): Transform {
  checkOptions(options, "randomErasing", ["scale", "ratio", "value", "probability"]);
  const { scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = options;
  const probability = checkProbability("randomErasing", options.probability ?? 0.5);
  checkRange("randomErasing", "scale", scale);
  checkRange("randomErasing", "ratio", ratio);
  return (image, random) => {
    const [channels, height, width] = imageShape(image, "randomErasing");
    if (!random.chance(probability)) return image;
    const box = randomBox(height, width, scale, ratio, random);
    if (!box) return image;
    const data = image.data.slice();
    for (let channel = 0; channel < channels; channel++) {
      for (let row = box.top; row < box.top + box.height; row++) {
        const from = (channel * height + row) * width + box.left;
        data.fill(value, from, from + box.width);
      }
    }
    return { data, shape: image.shape };
  };
}

/** How strong {@link gaussianNoise} is. */
export interface GaussianNoiseOptions {
  /** The standard deviation. */
  readonly std: number;
}

/** Adds normally distributed noise to each value; samples of any shape. */
export function gaussianNoise(options: GaussianNoiseOptions): Transform {
  const { std } = checkOptions(options, "gaussianNoise", ["std"]);
  if (!(std >= 0 && std < Infinity)) {
    throw new ArgumentError(`Cannot add gaussianNoise: a standard deviation that is not negative is needed, got ${std}`);
  }
  return (image, random) => ({ data: image.data.map((value) => value + random.normal(0, std)), shape: image.shape });
}

/** What {@link normalizeChannels} subtracts and divides by: one number per channel, or one for all. */
export interface NormalizeChannelsOptions {
  /** Subtracted. */
  readonly mean: readonly number[];
  /** Divided by. */
  readonly std: readonly number[];
}

/**
 * `(value - mean) / std` for each channel (the first dim); samples of any shape.
 *
 * @throws ShapeError when there are neither one nor as many numbers as channels.
 */
export function normalizeChannels(options: NormalizeChannelsOptions): Transform {
  const { mean, std } = checkOptions(options, "normalizeChannels", ["mean", "std"]);
  for (const list of [mean, std]) checkList(list, "normalizeChannels", "{ mean: [0.5], std: [0.5] }");
  for (const deviation of std) {
    if (!(deviation > 0)) throw new ArgumentError(`Cannot normalizeChannels: a positive std is needed, got ${deviation}`);
  }
  return ({ data, shape }) => {
    const channels = shape[0] ?? 1;
    if ((mean.length !== 1 && mean.length !== channels) || (std.length !== 1 && std.length !== channels)) {
      throw new ShapeError(
        `Cannot normalizeChannels [${
          shape.join(", ")
        }]: one mean and std, or ${channels}, are needed, got ${mean.length} and ${std.length}`,
        { op: "normalizeChannels", shapes: [shape] },
      );
    }
    const channelSize = sizeOf(shape) / channels;
    const result = data.map((value, i) => {
      const channel = Math.floor(i / channelSize);
      return (value - mean[mean.length === 1 ? 0 : channel]!) / std[std.length === 1 ? 0 : channel]!;
    });
    return { data: result, shape };
  };
}

function heightAndWidth(size: Size, op: string): readonly [number, number] {
  const [height, width] = typeof size === "number"
    ? [size, size]
    : checkList(size, op, `${op}(32) or ${op}([32, 32])`) as readonly [number, number];
  if (!Number.isInteger(height) || !Number.isInteger(width) || height < 1 || width < 1) {
    throw new ArgumentError(`Cannot ${op}: a whole, positive height and width are needed, got ${height} and ${width}`);
  }
  return [height, width];
}

function imageShape(image: HostImage, op: string): readonly [number, number, number] {
  const [channels, height, width] = image.shape;
  if (image.shape.length !== 3 || sizeOf(image.shape) === 0) {
    throw new ShapeError(
      `Cannot ${op} [${image.shape.join(", ")}]: an image [channels, height, width] is needed, got rank ${image.shape.length}`,
      {
        op,
        shapes: [image.shape],
      },
    );
  }
  return [channels!, height!, width!];
}

function checkRange(op: string, name: string, range: readonly [number, number]): void {
  const [low, high] = checkList(range, op, `{ ${name}: [0.5, 1] }`) as readonly [number, number];
  if (!(low > 0 && high >= low && high < Infinity)) {
    throw new ArgumentError(`Cannot ${op}: a ${name} from a positive number to a larger one is needed, got [${low}, ${high}]`);
  }
}

function checkProbability(op: string, probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new ArgumentError(`Cannot ${op}: a probability from 0 to 1 is needed, got ${probability}`);
  }
  return probability;
}
