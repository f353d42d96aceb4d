/**
 * Operations of several tensors that layers are made of: products with a bias, convolution, normalisation. Pooling: `pooling.ts`.
 *
 * @module
 */
import { checkOptions, kindOf } from "./arguments.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import * as ops from "./ops/matmul.ts";
import { pairLogSumExp as pairOp } from "./ops/pairs.ts";
import * as shaping from "./ops/shape.ts";
import * as rows from "./ops/softmax.ts";
import { tidy } from "./scope.ts";
import { normalizeDims, sizeOf } from "./shape.ts";
import { stack } from "./create.ts";
import { apply, checkTensorList, checkTensors, type Dims, type Tensor } from "./tensor.ts";

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
export function linear(x: Tensor, weight: Tensor, options: { readonly bias?: Tensor } = {}): Tensor {
  const { bias } = checkOptions(options, "linear", ["bias"]);
  checkTensors("linear", { x, weight }, { bias });
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

/**
 * What stands around an image: one number for every spatial dim or one each, on both sides; "valid" for nothing; "same" for what keeps the
 * image's size at stride 1, the odd one behind.
 */
export type ConvPadding = PerDim | "valid" | "same";

/** The geometry of {@link conv1d}, {@link conv2d} and {@link conv3d}, in elements. */
export interface ConvOptions {
  /** [O], added to every output position. */
  readonly bias?: Tensor;
  /** Default 1. */
  readonly stride?: PerDim;
  /** Zeros around the image. Default 0. */
  readonly padding?: ConvPadding;
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

/**
 * Cross-correlation over three dims: one over two, of windows over the depth laid out as channels. Stores KD times x on the way.
 *
 * @param x [N, C, D, H, W].
 * @param weight [O, C / groups, KD, KH, KW].
 * @returns [N, O, OD, OH, OW] with OD = ⌊(D + 2 padding - dilation (KD - 1) - 1) / stride⌋ + 1.
 * @throws ShapeError when sizes do not fit; ArgumentError for a geometry that is no whole number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { conv3d, ones } from "./mod.ts";
 *
 * const y = conv3d(ones([1, 1, 2, 2, 2]), ones([1, 1, 2, 1, 1]));
 * assertEquals(await y.toArray(), [[[[[2, 2], [2, 2]]]]]);
 * ```
 */
export function conv3d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return conv(x, weight, options, 3);
}

const convOptions = ["bias", "stride", "padding", "dilation", "groups"] as const;

function conv(x: Tensor, weight: Tensor, options: ConvOptions, dims: number): Tensor {
  const op = `conv${dims}d`;
  const { bias, groups = 1 } = checkOptions(options, op, convOptions);
  checkTensors(op, { x, weight }, { bias });
  if (x.rank !== dims + 2 || weight.rank !== dims + 2) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape, weight.shape])}: two ${dims + 2}-d tensors are needed`, {
      op,
      shapes: [x.shape, weight.shape],
    });
  }
  if (!Number.isInteger(groups) || groups < 1) throw new ArgumentError(`Cannot ${op}: positive whole groups are needed, got ${groups}`);
  const stride = perDim(options.stride ?? 1, dims, { op, name: "stride", least: 1 });
  const dilation = perDim(options.dilation ?? 1, dims, { op, name: "dilation", least: 1 });
  const { before, after } = convSides(options.padding ?? 0, { op, kernel: weight.shape.slice(2), stride, dilation });
  const run = (image: Tensor): Tensor => {
    const inputs = bias === undefined ? [image, weight] : [image, weight, bias];
    const attributes = { stride, padding: before, dilation, groups };
    return dims === 3 ? convDepth(inputs, attributes) : apply(ops.conv, inputs, attributes)[0]!;
  };
  const further = after.map((n, dim) => n - before[dim]!);
  return further.every((n) => n === 0) ? run(x) : tidy(() => run(x.pad(further.toReversed().flatMap((n) => [0, n]))));
}

/** Internal: how much stands before and after an image in each spatial dim. */
export function convSides(
  padding: ConvPadding,
  { op, kernel, stride, dilation }: { readonly op: string } & Record<"kernel" | "stride" | "dilation", readonly number[]>,
): { readonly before: readonly number[]; readonly after: readonly number[] } {
  if (padding !== "same") {
    const both = perDim(padding === "valid" ? 0 : padding, kernel.length, { op, name: "padding", least: 0 });
    return { before: both, after: both };
  }
  if (stride.some((step) => step !== 1)) {
    throw new ArgumentError(`Cannot ${op}: a stride of 1 is needed with padding "same", got [${stride.join(", ")}]`);
  }
  const whole = kernel.map((size, dim) => dilation[dim]! * (size - 1));
  return { before: whole.map((n) => Math.floor(n / 2)), after: whole.map((n) => Math.ceil(n / 2)) };
}

/** Inputs x, weight and perhaps a bias of three spatial dims: the images of one window over the depth are channels of one image. */
function convDepth([x, weight, ...bias]: readonly Tensor[], attributes: ops.ConvAttributes): Tensor {
  const shape = ops.conv.infer([x!, weight!, ...bias], attributes)[0]!.shape;
  const [samples, filters, positions, ...pooled] = shape as [number, number, number, number, number];
  const [, channels, , height, width] = x!.shape as [number, number, number, number, number];
  const [, within, size, ...kernel] = weight!.shape as [number, number, number, number, number];
  const [[step], [border], [spread]] = [attributes.stride, attributes.padding, attributes.dilation] as [[number], [number], [number]];
  return tidy(() => {
    const padded = x!.pad([0, 0, 0, 0, border, border]);
    const windows = Array.from({ length: size }, (_, at) => {
      const start = at * spread;
      return padded.slice(2, { start, end: start + (positions - 1) * step + 1, step }).transpose(1, 2);
    });
    const images = stack(windows, { dim: 3 }).reshape([samples * positions, channels * size, height, width]);
    const inputs = [images, weight!.reshape([filters, within * size, ...kernel]), ...bias];
    const y = apply(ops.conv, inputs, overPlane(attributes))[0]!;
    return y.reshape([samples, positions, filters, ...pooled]).transpose(1, 2);
  });
}

/** The geometry of three spatial dims without the first. */
function overPlane({ stride, padding, dilation, groups }: ops.ConvAttributes): ops.ConvAttributes {
  return { stride: stride.slice(1), padding: padding.slice(1), dilation: dilation.slice(1), groups };
}

/** The geometry of {@link convTranspose1d}, {@link convTranspose2d} and {@link convTranspose3d}, in elements. */
export interface ConvTransposeOptions extends Omit<ConvOptions, "padding"> {
  /** What is cut off both sides of the output, as the convolution would have padded. Default 0. */
  readonly padding?: PerDim;
  /** Added to one side of the output, below the stride or dilation: which of the sizes that the convolution maps to the input's is meant. Default 0. */
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

/**
 * Transposed convolution over three dims: what conv3d of the same geometry does to a gradient.
 *
 * @param x [N, C, D, H, W].
 * @param weight [C, O / groups, KD, KH, KW].
 * @returns [N, O, OD, OH, OW] with OD = (D - 1) stride - 2 padding + dilation (KD - 1) + outputPadding + 1.
 * @throws ShapeError, DTypeError when tensors do not fit; ArgumentError for a geometry that is no whole number.
 */
export function convTranspose3d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose(x, weight, options, 3);
}

function convTranspose(x: Tensor, weight: Tensor, options: ConvTransposeOptions, dims: number): Tensor {
  const op = `convTranspose${dims}d`;
  const { bias, groups = 1 } = checkOptions(options, op, [...convOptions, "outputPadding"]);
  checkTensors(op, { x, weight }, { bias });
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
  if (extra.some((n, dim) => n >= Math.max(stride[dim]!, dilation[dim]!))) {
    throw new ArgumentError(
      `Cannot ${op}: outputPadding below the stride [${stride.join(", ")}] or dilation [${dilation.join(", ")}] is needed, got [${
        extra.join(", ")
      }]`,
    );
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
  // An extra of a stride and more is as if zeros followed the input: then each output size belongs to one input size.
  const whole = extra.map((n, dim) => Math.floor(n / stride[dim]!));
  return tidy(() => {
    const source = whole.some((n) => n > 0) ? x.pad(whole.flatMap((n) => [n, 0]).reverse()) : x;
    const attributes = { stride, padding, dilation, groups, shape: [x.shape[0]!, channels, ...spatial] };
    const y = dims === 3 ? convTransposeDepth(source, weight, attributes) : apply(ops.convInput, [source, weight], attributes)[0]!;
    return bias === undefined ? y : y.add(bias.reshape([channels, ...spatial.map(() => 1)]));
  });
}

/** One transposed convolution over two dims gives an image per step of the kernel's depth; they are added where they lie in the output. */
function convTransposeDepth(x: Tensor, weight: Tensor, { shape, ...attributes }: ops.ConvGradientAttributes): Tensor {
  const [samples, filters, positions, ...plane] = shape as [number, number, number, number, number];
  const [, channels, depth, height, width] = x.shape as [number, number, number, number, number];
  const [, within, size, ...kernel] = weight.shape as [number, number, number, number, number];
  const [[step], [border], [spread]] = [attributes.stride, attributes.padding, attributes.dilation] as [[number], [number], [number]];
  const images = x.transpose(1, 2).reshape([samples * depth, channels, height, width]);
  const folded = weight.reshape([channels, within * size, ...kernel]);
  const y = apply(ops.convInput, [images, folded], { ...overPlane(attributes), shape: [samples * depth, filters * size, ...plane] })[0]!;
  const steps = y.reshape([samples, depth, filters, size, ...plane]).permute([3, 0, 2, 1, 4, 5]);
  // Room for the padding, which is cut off, and for what no window reaches.
  const room = [samples, filters, positions + 2 * border, ...plane];
  const placed = Array.from({ length: size }, (_, at) => {
    const places = { starts: [0, 0, at * spread, 0, 0], steps: [1, 1, step, 1, 1], sizes: [samples, filters, depth, ...plane] };
    return apply(shaping.place, [steps.select(0, at)], { ...places, shape: room, value: 0 })[0]!;
  });
  return placed.reduce((sum, part) => sum.add(part)).narrow(2, { start: border, length: positions });
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
  /** Each row's mean; float32 where x is float16. */
  readonly mean: Tensor;
  /** Each row's biased variance; float32 where x is float16. */
  readonly variance: Tensor;
}

/**
 * (x - mean) / √(variance + ε) · weight + bias over `dims`, with the biased variance: layer, batch and group norm. Gradients flow through
 * `y` only.
 *
 * @throws ArgumentError when only one of weight and bias is given; DTypeError when they are neither of x's type nor, beside a float16 x, float32.
 */
export function normalize(x: Tensor, options: NormalizeOptions): Normalized {
  checkTensors("normalize", { x });
  const { dims, epsilon = 1e-5, weight, bias } = checkOptions(options, "normalize", ["dims", "epsilon", "weight", "bias"]);
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
export function pairLogSumExp(a: Tensor, b: Tensor, options: PairOptions): Tensor {
  const { scale, excludeDiagonal = false, labels } = checkOptions(options, "pairLogSumExp", ["scale", "excludeDiagonal", "labels"]);
  if (labels !== undefined) checkTensorList("pairLogSumExp", labels, "{ labels: [mine, theirs] }");
  return apply(pairOp, [a, b, ...(labels ?? [])], { scale, excludeDiagonal })[0]!;
}

/** Checks a geometry and gives one number per dim. */
export function perDim(value: PerDim, dims: number, { op, name, least }: { op: string; name: string; least: number }): number[] {
  const list = typeof value === "number" ? new Array<number>(dims).fill(value) : Array.isArray(value) ? [...value] : [kindOf(value)];
  if (list.length !== dims || list.some((n) => !Number.isInteger(n) || n < least)) {
    throw new ArgumentError(`Cannot ${op}: a ${name} of ${dims} whole numbers from ${least} is needed, got [${list.join(", ")}]`);
  }
  return list;
}
