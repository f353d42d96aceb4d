/**
 * Operations of several tensors that layers are made of: products with a bias, convolution, pooling, normalisation.
 *
 * @module
 */
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import * as ops from "./ops/matmul.ts";
import { pairLogSumExp as pairOp } from "./ops/pairs.ts";
import * as rows from "./ops/softmax.ts";
import { tidy } from "./scope.ts";
import { normalizeDims, sizeOf } from "./shape.ts";
import { tensor } from "./create.ts";
import { apply, type Dims, type Tensor } from "./tensor.ts";

/**
 * x wᵀ + b.
 *
 * @param x [..., K].
 * @param weight [N, K].
 * @param options `bias` [N], may be left out.
 * @returns [..., N].
 * @throws ShapeError when sizes do not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { linear, tensor } from "./mod.ts";
 *
 * const y = linear(tensor([[1, 2]]), tensor([[3, 4]]), { bias: tensor([5]) });
 * assertEquals(await y.toArray(), [[16]]);
 * ```
 */
export function linear(x: Tensor, weight: Tensor, { bias }: { readonly bias?: Tensor } = {}): Tensor {
  if (x.rank === 0 || weight.rank !== 2 || x.shape.at(-1) !== weight.shape[1]) {
    throw new ShapeError(`Cannot linear ${formatShapes([x.shape, weight.shape])}: [..., K] and [N, K] are needed`, {
      op: "linear",
      shapes: [x.shape, weight.shape],
    });
  }
  if (bias === undefined) return tidy(() => x.matmul(weight.mT));
  if (x.rank === 2) return apply(ops.linear, [x, weight, bias], {})[0]!;
  return tidy(() => {
    const lead = x.shape.slice(0, -1);
    const flat = x.reshape([sizeOf(lead), x.shape.at(-1)!]);
    return apply(ops.linear, [flat, weight, bias], {})[0]!.reshape([...lead, weight.shape[0]!]);
  });
}

/** One number for every spatial dim, or one each. */
export type PerDim = number | readonly number[];

/** The geometry of {@link conv1d} and {@link conv2d}, in elements. */
export interface ConvOptions {
  /** [O], added to every output position. */
  readonly bias?: Tensor;
  /** Default 1. */
  readonly stride?: PerDim;
  /** Zeros on both sides. Default 0. */
  readonly padding?: PerDim;
  /** The distance between kernel elements. Default 1. */
  readonly dilation?: PerDim;
  /** The number of groups that channels are split into. Default 1. */
  readonly groups?: number;
}

/**
 * Cross-correlation over one dim.
 *
 * @param x [N, C, L].
 * @param weight [O, C / groups, K].
 * @returns [N, O, ⌊(L + 2 padding - dilation (K - 1) - 1) / stride⌋ + 1].
 * @throws ShapeError when sizes do not fit; ArgumentError for a geometry that is no whole number.
 */
export function conv1d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv(x, weight, options, 1);
}

/**
 * Cross-correlation over two dims.
 *
 * @param x [N, C, H, W].
 * @param weight [O, C / groups, KH, KW].
 * @returns [N, O, OH, OW] with OH = ⌊(H + 2 padding - dilation (KH - 1) - 1) / stride⌋ + 1.
 * @throws ShapeError when sizes do not fit; ArgumentError for a geometry that is no whole number.
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv(x, weight, options, 2);
}

function conv(x: Tensor, weight: Tensor, options: ConvOptions, dims: number): Tensor {
  const { bias, groups = 1 } = options;
  const op = `conv${dims}d`;
  if (x.rank !== dims + 2 || weight.rank !== dims + 2) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape, weight.shape])}: two ${dims + 2}-d tensors are needed`, {
      op,
      shapes: [x.shape, weight.shape],
    });
  }
  if (!Number.isInteger(groups) || groups < 1) throw new ArgumentError(`Cannot ${op}: positive whole groups are needed, got ${groups}`);
  const attributes = {
    stride: perDim(options.stride ?? 1, dims, { op, name: "stride", least: 1 }),
    padding: perDim(options.padding ?? 0, dims, { op, name: "padding", least: 0 }),
    dilation: perDim(options.dilation ?? 1, dims, { op, name: "dilation", least: 1 }),
    groups,
  };
  return apply(ops.conv, bias === undefined ? [x, weight] : [x, weight, bias], attributes)[0]!;
}

/** The geometry of {@link convTranspose1d} and {@link convTranspose2d}, in elements. */
export interface ConvTransposeOptions extends ConvOptions {
  /** Added to one side of the output, below the stride: which of the sizes that the convolution maps to the input's is meant. Default 0. */
  readonly outputPadding?: PerDim;
}

/**
 * Transposed convolution over one dim: what conv1d of the same geometry does to a gradient.
 *
 * @param x [N, C, L].
 * @param weight [C, O / groups, K].
 * @returns [N, O, (L - 1) stride - 2 padding + dilation (K - 1) + outputPadding + 1].
 * @throws ShapeError, DTypeError when tensors do not fit; ArgumentError for a geometry that is no whole number.
 */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose(x, weight, options, 1);
}

/**
 * Transposed convolution over two dims: what conv2d of the same geometry does to a gradient.
 *
 * @param x [N, C, H, W].
 * @param weight [C, O / groups, KH, KW].
 * @returns [N, O, OH, OW] with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + outputPadding + 1.
 * @throws ShapeError, DTypeError when tensors do not fit; ArgumentError for a geometry that is no whole number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { convTranspose2d, ones } from "./mod.ts";
 *
 * assertEquals(convTranspose2d(ones([1, 2, 4, 4]), ones([2, 3, 2, 2]), { stride: 2 }).shape, [1, 3, 8, 8]);
 * ```
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose(x, weight, options, 2);
}

function convTranspose(x: Tensor, weight: Tensor, options: ConvTransposeOptions, dims: number): Tensor {
  const { bias, groups = 1 } = options;
  const op = `convTranspose${dims}d`;
  const shapes = [x.shape, weight.shape, ...(bias === undefined ? [] : [bias.shape])];
  if (!Number.isInteger(groups) || groups < 1) throw new ArgumentError(`Cannot ${op}: positive whole groups are needed, got ${groups}`);
  const channels = groups * (weight.shape[1] ?? 0);
  const fits = x.rank === dims + 2 && weight.rank === dims + 2 && x.shape[1] === weight.shape[0] && x.shape[1]! % groups === 0 &&
    (bias === undefined || (bias.rank === 1 && bias.shape[0] === channels));
  if (!fits) {
    throw new ShapeError(
      `Cannot ${op} ${formatShapes(shapes)}: [N, C, ...S], [C, O / groups, ...K] and [O] are needed with groups ${groups}`,
      {
        op,
        shapes,
      },
    );
  }
  if (x.dtype !== weight.dtype || !isFloat(x.dtype)) {
    throw new DTypeError(`Cannot ${op} ${x.dtype} and ${weight.dtype}: one floating type is needed`, { op, shapes });
  }
  const stride = perDim(options.stride ?? 1, dims, { op, name: "stride", least: 1 });
  const padding = perDim(options.padding ?? 0, dims, { op, name: "padding", least: 0 });
  const dilation = perDim(options.dilation ?? 1, dims, { op, name: "dilation", least: 1 });
  const extra = perDim(options.outputPadding ?? 0, dims, { op, name: "outputPadding", least: 0 });
  if (extra.some((n, dim) => n >= stride[dim]!)) {
    throw new ArgumentError(`Cannot ${op}: outputPadding below the stride [${stride.join(", ")}] is needed, got [${extra.join(", ")}]`);
  }
  const spatial = stride.map((step, dim) =>
    (x.shape[dim + 2]! - 1) * step - 2 * padding[dim]! + dilation[dim]! * (weight.shape[dim + 2]! - 1) + extra[dim]! + 1
  );
  if (spatial.some((size) => size < 1)) {
    throw new ShapeError(
      `Cannot ${op} ${formatShapes(shapes)}: an output of at least one position is needed, got [${spatial.join(", ")}]`,
      {
        op,
        shapes,
      },
    );
  }
  return tidy(() => {
    const y = apply(ops.convInput, [x, weight], { stride, padding, dilation, groups, shape: [x.shape[0]!, channels, ...spatial] })[0]!;
    return bias === undefined ? y : y.add(bias.reshape([channels, ...spatial.map(() => 1)]));
  });
}

/** The geometry of pooling, in elements. */
export interface PoolOptions {
  /** Default: the window's size. */
  readonly stride?: PerDim;
  /** At most half the window. Default 0. */
  readonly padding?: PerDim;
  /** Round the number of windows up. Default false. */
  readonly ceilMode?: boolean;
}

/** Options of {@link maxPool2d}. */
export interface MaxPoolOptions extends PoolOptions {
  /** The distance between window elements. Default 1. */
  readonly dilation?: PerDim;
}

/** Options of {@link avgPool2d}. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor. Default true. */
  readonly countIncludePad?: boolean;
}

/**
 * The greatest value in each window of `size`.
 *
 * @param x [N, C, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function maxPool2d(x: Tensor, size: PerDim, options: MaxPoolOptions = {}): Tensor {
  const attributes = poolAttributes("maxPool2d", size, options);
  const dilation = perDim(options.dilation ?? 1, 2, { op: "maxPool2d", name: "dilation", least: 1 });
  const [values, positions] = apply(ops.maxPool, [x], { ...attributes, dilation, countPadding: false });
  positions!.dispose();
  return values!;
}

/**
 * The mean of each window of `size`.
 *
 * @param x [N, C, H, W].
 * @throws ShapeError when no window fits; ArgumentError for padding above half the window.
 */
export function avgPool2d(x: Tensor, size: PerDim, options: AvgPoolOptions = {}): Tensor {
  const attributes = poolAttributes("avgPool2d", size, options);
  return apply(ops.avgPool, [x], { ...attributes, dilation: [1, 1], countPadding: options.countIncludePad ?? true })[0]!;
}

function poolAttributes(op: string, size: PerDim, options: PoolOptions): Omit<ops.PoolAttributes, "dilation" | "countPadding"> {
  const window = perDim(size, 2, { op, name: "size", least: 1 });
  const padding = perDim(options.padding ?? 0, 2, { op, name: "padding", least: 0 });
  if (padding.some((pad, dim) => pad > window[dim]! / 2)) {
    throw new ArgumentError(
      `Cannot ${op}: padding of at most half the window [${window.join(", ")}] is needed, got [${padding.join(", ")}]`,
    );
  }
  const stride = options.stride === undefined ? window : perDim(options.stride, 2, { op, name: "stride", least: 1 });
  return { size: window, stride, padding, ceil: options.ceilMode ?? false };
}

/**
 * Means over windows chosen so that the output has the given size: output i covers ⌊i H / OH⌋ … ⌈(i + 1) H / OH⌉. Written as two matrix
 * products, since windows differ in size where H is no multiple of OH.
 *
 * @param x [N, C, H, W].
 * @param size The output's [OH, OW], or one number for both.
 */
export function adaptiveAvgPool2d(x: Tensor, size: PerDim): Tensor {
  const [height, width] = perDim(size, 2, { op: "adaptiveAvgPool2d", name: "size", least: 1 }) as [number, number];
  if (x.rank !== 4) {
    throw new ShapeError(`Cannot adaptiveAvgPool2d ${formatShapes([x.shape])}: [N, C, H, W] is needed`, {
      op: "adaptiveAvgPool2d",
      shapes: [x.shape],
    });
  }
  const [, , fromHeight, fromWidth] = x.shape as [number, number, number, number];
  if (height === 1 && width === 1) return x.mean([2, 3], { keepDim: true });
  if (fromHeight % height === 0 && fromWidth % width === 0) return avgPool2d(x, [fromHeight / height, fromWidth / width]);
  return tidy(() => averaging(x, fromHeight, height).matmul(x).matmul(averaging(x, fromWidth, width).mT));
}

/** The [to, from] matrix that averages `from` positions into `to`. */
function averaging(like: Tensor, from: number, to: number): Tensor {
  const values = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const start = Math.floor((i * from) / to);
    const end = Math.ceil(((i + 1) * from) / to);
    values.fill(1 / (end - start), i * from + start, i * from + end);
  }
  return tensor(values, { shape: [to, from], dtype: like.dtype, device: like.device });
}

/** Options of {@link normalize}. */
export interface NormalizeOptions {
  /** The dims whose elements form one row. */
  readonly dims: Dims;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
  /** Multiplied after normalising, broadcast to x; given with `bias` or not at all. */
  readonly weight?: Tensor;
  /** Added last, broadcast to x. */
  readonly bias?: Tensor;
}

/** What {@link normalize} returns: the result, and each row's mean and biased variance (x's shape with `dims` as 1). */
export interface Normalized {
  /** The result, in x's shape. */
  readonly y: Tensor;
  /** Each row's mean. */
  readonly mean: Tensor;
  /** Each row's biased variance. */
  readonly variance: Tensor;
}

/**
 * (x - mean) / √(variance + ε) · weight + bias over `dims`, with the biased variance: layer, batch and group norm. Gradients flow through
 * `y` only.
 *
 * @throws ArgumentError when only one of weight and bias is given.
 */
export function normalize(x: Tensor, { dims, epsilon = 1e-5, weight, bias }: NormalizeOptions): Normalized {
  if ((weight === undefined) !== (bias === undefined)) {
    throw new ArgumentError("Cannot normalize: weight and bias together or neither are needed");
  }
  const inputs = weight === undefined ? [x] : [x, weight, bias!];
  const [y, mean, variance] = apply(rows.normalize, inputs, { dims: normalizeDims(dims, x.rank, "normalize"), epsilon });
  const statistics = { mean: mean!.detach(), variance: variance!.detach() };
  mean!.dispose();
  variance!.dispose();
  return { y: y!, ...statistics };
}

/** Options of {@link pairLogSumExp}. */
export interface PairOptions {
  /** Multiplies every dot product: 1/τ. */
  readonly scale: number;
  /** Leave out j = i. Default false. */
  readonly excludeDiagonal?: boolean;
  /** int32 labels of a [M] and b [N]: only pairs of equal labels count. */
  readonly labels?: readonly [Tensor, Tensor];
}

/**
 * log Σ_j exp(scale a_i·b_j) over the candidates j of each row i, streamed: no M×N matrix is stored, forward or backward.
 *
 * @param a float32 [M, D].
 * @param b float32 [N, D].
 * @returns [M]; -Infinity for a row without candidates.
 * @throws ShapeError, DTypeError when rows or labels do not fit.
 */
export function pairLogSumExp(a: Tensor, b: Tensor, { scale, excludeDiagonal = false, labels }: PairOptions): Tensor {
  return apply(pairOp, [a, b, ...(labels ?? [])], { scale, excludeDiagonal })[0]!;
}

/** Checks a geometry and gives one number per dim. */
export function perDim(value: PerDim, dims: number, { op, name, least }: { op: string; name: string; least: number }): number[] {
  const list = typeof value === "number" ? new Array<number>(dims).fill(value) : [...value];
  if (list.length !== dims || list.some((n) => !Number.isInteger(n) || n < least)) {
    throw new ArgumentError(`Cannot ${op}: a ${name} of ${dims} whole numbers from ${least} is needed, got [${list.join(", ")}]`);
  }
  return list;
}
