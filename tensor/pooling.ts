/**
 * Pooling over one, two and three dims. The kernels know two: a dim of size 1 stands before the one, and the first of three is pooled
 * after the others, which gives the same maxima and the same means.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { tensor } from "./create.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { type PerDim, perDim } from "./functions.ts";
import * as ops from "./ops/matmul.ts";
import { mixAlong } from "./products.ts";
import { tidy } from "./scope.ts";
import { sameShape, sizeOf } from "./shape.ts";
import { apply, checkTensors, type Tensor } from "./tensor.ts";

/** The geometry of pooling, in elements. */
export interface PoolOptions {
  /** Default: the window's size. */
  readonly stride?: PerDim;
  /** At most half the window. Default 0. */
  readonly padding?: PerDim;
  /** Round the number of windows up. Default false. */
  readonly ceilMode?: boolean;
}

/** Options of {@link maxPool1d}, {@link maxPool2d} and {@link maxPool3d}. */
export interface MaxPoolOptions extends PoolOptions {
  /** The distance between window elements. Default 1. */
  readonly dilation?: PerDim;
}

/** Options of {@link avgPool1d}, {@link avgPool2d} and {@link avgPool3d}. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor. Default true. */
  readonly countIncludePad?: boolean;
  /** What the sum of every window is divided by, in place of the number of its cells. */
  readonly divisorOverride?: number;
}

const maxPoolOptions = ["stride", "padding", "ceilMode", "dilation"] as const;
const avgPoolOptions = ["stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"] as const;

/**
 * The greatest value in each window of `size` over one dim.
 *
 * @param x [N, C, L].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function maxPool1d(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): Tensor {
  return pool("max", x, size, { ...checkOptions(options, "maxPool1d", maxPoolOptions), dims: 1 })[0]!;
}

/**
 * The greatest value in each window of `size`.
 *
 * @param x [N, C, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function maxPool2d(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): Tensor {
  return pool("max", x, size, { ...checkOptions(options, "maxPool2d", maxPoolOptions), dims: 2 })[0]!;
}

/**
 * The greatest value in each window of `size` over three dims.
 *
 * @param x [N, C, D, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, maxPool3d } from "./mod.ts";
 *
 * assertEquals(await maxPool3d(arange(8, { dtype: "float32" }).reshape([1, 1, 2, 2, 2]), 2).toArray(), [[[[[7]]]]]);
 * ```
 */
export function maxPool3d(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): Tensor {
  return pool("max", x, size, { ...checkOptions(options, "maxPool3d", maxPoolOptions), dims: 3 })[0]!;
}

/**
 * The mean of each window of `size` over one dim.
 *
 * @param x [N, C, L].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function avgPool1d(x: Tensor, size: PerDim, options: AvgPoolOptions = {}): Tensor {
  return average(x, size, { ...checkOptions(options, "avgPool1d", avgPoolOptions), dims: 1 });
}

/**
 * The mean of each window of `size`.
 *
 * @param x [N, C, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function avgPool2d(x: Tensor, size: PerDim, options: AvgPoolOptions = {}): Tensor {
  return average(x, size, { ...checkOptions(options, "avgPool2d", avgPoolOptions), dims: 2 });
}

/**
 * The mean of each window of `size` over three dims.
 *
 * @param x [N, C, D, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, avgPool3d } from "./mod.ts";
 *
 * assertEquals(await avgPool3d(arange(8, { dtype: "float32" }).reshape([1, 1, 2, 2, 2]), 2).toArray(), [[[[[3.5]]]]]);
 * ```
 */
export function avgPool3d(x: Tensor, size: PerDim, options: AvgPoolOptions = {}): Tensor {
  return average(x, size, { ...checkOptions(options, "avgPool3d", avgPoolOptions), dims: 3 });
}

type Mode = "max" | "average";

interface AnyPoolOptions extends MaxPoolOptions, AvgPoolOptions {
  readonly dims: number;
  /** Whether the positions of maxima are wanted too. Default false. */
  readonly indices?: boolean;
}

/** The pooled values, and where they stand in each image if that is wanted. */
function pool(mode: Mode, x: Tensor, size: PerDim, options: AnyPoolOptions): Tensor[] {
  const { dims, indices = false } = options;
  const op = `${mode === "max" ? "max" : "avg"}Pool${dims}d`;
  checkTensors(op, { x });
  const attributes = attributesOf(op, size, options);
  if (dims === 2) return poolPlanes(mode, x, attributes, indices);
  const shape = ops.pooledShape(x, attributes, op);
  return tidy(() => {
    if (dims === 1) {
      return poolPlanes(mode, x.unsqueeze(2), geometryOf(attributes, ["new", 0]), indices).map((part) => part.squeeze(2));
    }
    const [samples, channels, depth, height, width] = x.shape as [number, number, number, number, number];
    const area = shape[3]! * shape[4]!;
    const images = x.reshape([samples, channels * depth, height, width]);
    const [planes, within] = poolPlanes(mode, images, geometryOf(attributes, [1, 2]), indices);
    const columns = planes!.reshape([samples, channels, depth, area]);
    const [values, places] = poolPlanes(mode, columns, geometryOf(attributes, [0, "new"]), indices);
    if (!indices) return [values!.reshape(shape)];
    // The second pooling chooses among the planes' maxima: where each of them stands is looked up.
    const chosen = places!.reshape([samples, channels, shape[2]! * area]);
    const inPlane = within!.reshape([samples, channels, depth * area]).gather(2, chosen);
    return [values!.reshape(shape), chosen.floorDivide(area).mul(height * width).add(inPlane).reshape(shape)];
  });
}

/** The means of windows, or their sums over a divisor of one's own. */
function average(x: Tensor, size: PerDim, options: AnyPoolOptions): Tensor {
  const { divisorOverride: divisor, dims } = options;
  if (divisor === undefined) return pool("average", x, size, options)[0]!;
  if (!Number.isFinite(divisor) || divisor === 0) {
    throw new ArgumentError(`Cannot avgPool${dims}d: a divisorOverride other than 0 is needed, got ${divisor}`);
  }
  return tidy(() => {
    const [means] = pool("average", x, size, { ...options, countIncludePad: true });
    const { size: window, stride, padding } = attributesOf(`avgPool${dims}d`, size, options);
    const sums = window.reduce((product, cells, dim) => {
      // A last window may run past the padded end: the kernel divided by the cells before it.
      const end = x.shape[dim + 2]! + 2 * padding[dim]!;
      const counts = Array.from({ length: means!.shape[dim + 2]! }, (_, i) => Math.min(cells, end - i * stride[dim]!));
      if (counts.every((count) => count === cells)) return product.mul(cells);
      const shape = [counts.length, ...window.slice(dim + 1).map(() => 1)];
      return product.mul(tensor(Float64Array.from(counts), { shape, dtype: x.dtype, device: x.device }));
    }, means!);
    return sums.div(divisor);
  });
}

function attributesOf(op: string, size: PerDim, options: AnyPoolOptions): ops.PoolAttributes {
  const { dims } = options;
  const window = perDim(size, dims, { op, name: "size", least: 1 });
  const padding = perDim(options.padding ?? 0, dims, { op, name: "padding", least: 0 });
  if (padding.some((pad, dim) => pad > window[dim]! / 2)) {
    throw new ArgumentError(
      `Cannot ${op}: padding of at most half the window [${window.join(", ")}] is needed, got [${padding.join(", ")}]`,
    );
  }
  return {
    size: window,
    stride: options.stride === undefined ? window : perDim(options.stride, dims, { op, name: "stride", least: 1 }),
    padding,
    dilation: perDim(options.dilation ?? 1, dims, { op, name: "dilation", least: 1 }),
    ceil: options.ceilMode ?? false,
    countPadding: op.startsWith("avg") && (options.countIncludePad ?? true),
  };
}

/** Two dims of a geometry, where "new" is one that windows do not reach across. */
function geometryOf({ size, stride, padding, dilation, ...rest }: ops.PoolAttributes, dims: readonly (number | "new")[]) {
  const pick = (values: readonly number[], missing: number) => dims.map((dim) => dim === "new" ? missing : values[dim]!);
  return { ...rest, size: pick(size, 1), stride: pick(stride, 1), padding: pick(padding, 0), dilation: pick(dilation, 1) };
}

function poolPlanes(mode: Mode, x: Tensor, attributes: ops.PoolAttributes, indices: boolean): Tensor[] {
  if (mode === "average") return apply(ops.avgPool, [x], attributes);
  const [values, positions] = apply(ops.maxPool, [x], attributes) as [Tensor, Tensor];
  if (indices) return [values, positions];
  positions.dispose();
  return [values];
}

/** What {@link maxPool2dWithIndices} and its kin for other dims return. */
export interface MaxPooled {
  /** The greatest value in each window. */
  readonly values: Tensor;
  /** int32, in the values' shape: where each of them stands in its flattened image. */
  readonly indices: Tensor;
}

/** {@link maxPool1d}, and where the values stand; see {@link maxPool2dWithIndices}. */
export function maxPool1dWithIndices(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): MaxPooled {
  return withIndices(x, size, { ...checkOptions(options, "maxPool1dWithIndices", maxPoolOptions), dims: 1 });
}

/**
 * {@link maxPool2d}, and where the values stand in each H · W plane: PyTorch's max_pool2d with return_indices.
 *
 * @param x [N, C, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { maxPool2dWithIndices, maxUnpool2d, tensor } from "./mod.ts";
 *
 * const { values, indices } = maxPool2dWithIndices(tensor([[[[1, 4], [3, 2]]]]), 2);
 * assertEquals([await values.toArray(), await indices.toArray()], [[[[[4]]]], [[[[1]]]]]);
 * assertEquals(await maxUnpool2d(values, 2, { indices }).toArray(), [[[[0, 4], [0, 0]]]]);
 * ```
 */
export function maxPool2dWithIndices(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): MaxPooled {
  return withIndices(x, size, { ...checkOptions(options, "maxPool2dWithIndices", maxPoolOptions), dims: 2 });
}

/** {@link maxPool3d}, and where the values stand in each D · H · W volume; see {@link maxPool2dWithIndices}. */
export function maxPool3dWithIndices(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): MaxPooled {
  return withIndices(x, size, { ...checkOptions(options, "maxPool3dWithIndices", maxPoolOptions), dims: 3 });
}

function withIndices(x: Tensor, size: PerDim, options: AnyPoolOptions): MaxPooled {
  const [values, indices] = pool("max", x, size, { ...options, indices: true });
  return { values: values!, indices: indices! };
}

/** Options of {@link maxUnpool1d}, {@link maxUnpool2d} and {@link maxUnpool3d}: the pooling's, and what it gave. */
export interface MaxUnpoolOptions {
  /** int32 positions in x's shape. */
  readonly indices: Tensor;
  /** Default: the window's size. */
  readonly stride?: PerDim;
  /** Default 0. */
  readonly padding?: PerDim;
  /** The output's spatial sizes, which several inputs of a pooling share. Default: the least that such a pooling can have. */
  readonly outputSize?: readonly number[];
}

/** Values [N, C, L'] put back where a pooling found them, zeros elsewhere: [N, C, L]; see {@link maxUnpool2d}. */
export function maxUnpool1d(x: Tensor, size: PerDim, options: MaxUnpoolOptions): Tensor {
  return unpool(x, size, options, 1);
}

/**
 * Values put back where {@link maxPool2dWithIndices} found them, zeros elsewhere. Where windows overlap, one of their values stays.
 *
 * @param x [N, C, H', W'].
 * @param size The pooling's window.
 * @returns [N, C, H, W] with H = (H' - 1) stride - 2 padding + size, or `outputSize`.
 * @throws ShapeError, DTypeError for indices that do not fit; ArgumentError for an output size that no such pooling maps to x's;
 * IndexError for a position outside (on a GPU: at the next read).
 */
export function maxUnpool2d(x: Tensor, size: PerDim, options: MaxUnpoolOptions): Tensor {
  return unpool(x, size, options, 2);
}

/** Values [N, C, D', H', W'] put back where a pooling found them, zeros elsewhere: [N, C, D, H, W]; see {@link maxUnpool2d}. */
export function maxUnpool3d(x: Tensor, size: PerDim, options: MaxUnpoolOptions): Tensor {
  return unpool(x, size, options, 3);
}

function unpool(x: Tensor, size: PerDim, options: MaxUnpoolOptions, dims: number): Tensor {
  const op = `maxUnpool${dims}d`;
  const { indices, outputSize } = checkOptions(options, op, ["indices", "stride", "padding", "outputSize"]);
  checkTensors(op, { x, indices });
  const shapes = [x.shape, indices.shape];
  if (x.rank !== dims + 2 || !sameShape(x.shape, indices.shape)) {
    throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: a ${dims + 2}-d tensor and indices of its shape are needed`, {
      op,
      shapes,
    });
  }
  if (indices.dtype !== "int32") throw new DTypeError(`Cannot ${op}: int32 indices are needed, got ${indices.dtype}`, { op, shapes });
  const window = perDim(size, dims, { op, name: "size", least: 1 });
  const stride = options.stride === undefined ? window : perDim(options.stride, dims, { op, name: "stride", least: 1 });
  const padding = perDim(options.padding ?? 0, dims, { op, name: "padding", least: 0 });
  const least = window.map((length, dim) => (x.shape[dim + 2]! - 1) * stride[dim]! - 2 * padding[dim]! + length);
  const spatial = outputSize === undefined ? least : perDim(outputSize, dims, { op, name: "outputSize", least: 0 });
  if (spatial.some((length, dim) => length < 0 || Math.abs(length - least[dim]!) >= stride[dim]!)) {
    throw new ArgumentError(
      `Cannot ${op}: an outputSize within the stride of [${least.join(", ")}] is needed, got [${spatial.join(", ")}]`,
    );
  }
  const lead = x.shape.slice(0, 2);
  return tidy(() => {
    const empty = x.newZeros([...lead, sizeOf(spatial)]);
    return empty.scatter(2, { index: indices.flatten(2), src: x.flatten(2) }).reshape([...lead, ...spatial]);
  });
}

/** The output's size of adaptive pooling: one number for every spatial dim, or one each, where null keeps the input's. */
export type AdaptiveSize = number | readonly (number | null)[];

/** Means over windows chosen so that the output [N, C, L'] of an input [N, C, L] has the given size; see {@link adaptiveAvgPool2d}. */
export function adaptiveAvgPool1d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("average", x, size, 1);
}

/**
 * Means over windows chosen so that the output has the given size: output i covers ⌊i H / OH⌋ … ⌈(i + 1) H / OH⌉. Written as matrix
 * products where windows differ in size, since H is no multiple of OH.
 *
 * @param x [N, C, H, W].
 * @param size The output's [OH, OW], or one number for both.
 * @throws ShapeError unless x is 4-d with elements; ArgumentError for a size that is no whole number from 1.
 */
export function adaptiveAvgPool2d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("average", x, size, 2);
}

/** Means over windows chosen so that the output of an input [N, C, D, H, W] has the given size; see {@link adaptiveAvgPool2d}. */
export function adaptiveAvgPool3d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("average", x, size, 3);
}

/** The greatest values of windows chosen so that the output [N, C, L'] of an input [N, C, L] has the given size; see {@link adaptiveMaxPool2d}. */
export function adaptiveMaxPool1d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("max", x, size, 1);
}

/**
 * The greatest values of windows chosen so that the output has the given size: output i covers ⌊i H / OH⌋ … ⌈(i + 1) H / OH⌉. Of equal
 * values the first has the gradient.
 *
 * @param x [N, C, H, W].
 * @param size The output's [OH, OW], or one number for both.
 * @throws ShapeError unless x is 4-d with elements; ArgumentError for a size that is no whole number from 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adaptiveMaxPool2d, arange } from "./mod.ts";
 *
 * const x = arange(9, { dtype: "float32" }).reshape([1, 1, 3, 3]);
 * assertEquals(await adaptiveMaxPool2d(x, [2, 1]).toArray(), [[[[5], [8]]]]);
 * ```
 */
export function adaptiveMaxPool2d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("max", x, size, 2);
}

/** The greatest values of windows chosen so that the output of an input [N, C, D, H, W] has the given size; see {@link adaptiveMaxPool2d}. */
export function adaptiveMaxPool3d(x: Tensor, size: AdaptiveSize): Tensor {
  return adaptive("max", x, size, 3);
}

function adaptive(mode: Mode, x: Tensor, size: AdaptiveSize, dims: number): Tensor {
  const op = `adaptive${mode === "max" ? "Max" : "Avg"}Pool${dims}d`;
  checkTensors(op, { x });
  const from = x.shape.slice(2);
  if (x.rank !== dims + 2 || from.includes(0) || !isFloat(x.dtype)) {
    const spatial = dims === 1 ? "L" : ["D", "H", "W"].slice(-dims).join(", ");
    throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape])}: a floating [N, C, ${spatial}] is needed, got ${x.dtype}`, {
      op,
      shapes: [x.shape],
    });
  }
  const given = !Array.isArray(size) ? size as number : size.map((n, dim) => n ?? from[dim]!);
  const to = perDim(given, dims, { op, name: "size", least: 1 });
  if (mode === "average" && to.every((n) => n === 1)) return x.mean(to.map((_, dim) => dim + 2), { keepDim: true });
  if (to.every((n, dim) => from[dim]! % n === 0)) return pool(mode, x, from.map((n, dim) => n / to[dim]!), { dims })[0]!;
  const along = mode === "max" ? greatest : mean;
  // The last dim first, so that of equal maxima the first one in memory is found.
  return tidy(() => to.reduceRight((image, n, dim) => image.shape[dim + 2] === n ? image : along(image, dim + 2, n), x.alias()));
}

/** Where each of `to` windows over `from` positions starts and ends. */
function windowsOf(from: number, to: number): { start: number; end: number }[] {
  return Array.from({ length: to }, (_, i) => ({ start: Math.floor((i * from) / to), end: Math.ceil(((i + 1) * from) / to) }));
}

/** The means of `to` windows along a dim. */
function mean(x: Tensor, dim: number, to: number): Tensor {
  const from = x.shape[dim]!;
  const weights = new Float64Array(to * from);
  windowsOf(from, to).forEach(({ start, end }, i) => weights.fill(1 / (end - start), i * from + start, i * from + end));
  return mixAlong(x, weights, { dim, to });
}

/** The greatest values of `to` windows along a dim, the shorter ones filled up with their last element. */
function greatest(x: Tensor, dim: number, to: number): Tensor {
  const windows = windowsOf(x.shape[dim]!, to);
  const longest = Math.max(...windows.map(({ start, end }) => end - start));
  const positions = windows.flatMap(({ start, end }) => Array.from({ length: longest }, (_, k) => Math.min(start + k, end - 1)));
  const parts = x.indexSelect(dim, tensor(Int32Array.from(positions), { device: x.device }))
    .reshape([...x.shape.slice(0, dim), to, longest, ...x.shape.slice(dim + 1)]);
  return parts.gather(dim + 1, parts.detach().argmax(dim + 1, { keepDim: true })).squeeze(dim + 1);
}
