/**
 * Normalisation: batch norm and layer norm, as functions and layers.
 *
 * @module
 */
import { checkList, checkOptions, listOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { apply as op, cast, input, scalar } from "../tensor/expr.ts";
import { normalize } from "../tensor/functions.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { tidy } from "../tensor/scope.ts";
import { sizeOf } from "../tensor/shape.ts";
import { normalizeBy } from "../tensor/ops/normalize_by.ts";
import { apply, checkTensors, type Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { ones } from "./init.ts";
import { buffer, checkInputs, Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** [C], updated in place when training; needed in evaluation. */
  readonly runningMean?: Tensor | null;
  /** [C], updated in place when training; needed in evaluation. */
  readonly runningVar?: Tensor | null;
  /** [C]. */
  readonly weight?: Tensor | null;
  /** [C]. */
  readonly bias?: Tensor | null;
  /** Normalise with the batch's own statistics, rather than the running ones. Default false. */
  readonly training?: boolean;
  /** The part of the batch's statistics that enters the running ones. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/**
 * (x - mean) / √(variance + ε) · weight + bias per channel (dim 1). Training takes the batch's mean and biased variance and moves the
 * running ones, the variance unbiased, by `momentum` towards them.
 *
 * @param x [N, C] or [N, C, ...].
 * @throws ShapeError for sizes that do not fit, or one value per channel in training; ArgumentError for missing running statistics.
 * Source: Ioffe and Szegedy 2015.
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
  checkOptions(options, "batchNorm", ["runningMean", "runningVar", "weight", "bias", "training", "momentum", "eps"]);
  const { runningMean = null, runningVar = null, weight = null, bias = null, training = false, momentum = 0.1, eps = 1e-5 } = options;
  checkTensors("batchNorm", { x }, { runningMean, runningVar, weight, bias });
  if (x.rank < 2) refuseShape("batchNorm", [x], "[N, C] or [N, C, ...] is needed");
  const channels = x.shape[1]!;
  for (const part of [runningMean, runningVar, weight, bias]) {
    if (part !== null && (part.rank !== 1 || part.shape[0] !== channels)) {
      refuseShape("batchNorm", [x, part], `running statistics, weight and bias of [${channels}] are needed`);
    }
  }
  if (!training) return normalizeWith(x, { runningMean, runningVar, weight, bias, eps });
  const count = x.size / Math.max(channels, 1);
  if (count === 1) refuseShape("batchNorm", [x], "more than one value per channel is needed in training");
  return tidy(() => {
    const along = x.shape.map((_, dim) => dim === 1 ? channels : 1);
    const affine = weight !== null && bias !== null ? { weight: weight.reshape(along), bias: bias.reshape(along) } : {};
    const dims = along.flatMap((_, dim) => dim === 1 ? [] : [dim]);
    const { y, mean, variance } = normalize(x, { dims, epsilon: eps, ...affine });
    if (runningMean !== null && runningVar !== null) {
      noGrad(() => {
        updateInPlace(runningKernels(`${runningMean.dtype} ${mean.dtype}`), {
          inputs: [runningMean, runningVar, mean.reshape([channels]), variance.reshape([channels])],
          targets: [runningMean, runningVar],
          scalars: [1 - momentum, momentum, momentum * count / (count - 1)],
        });
      });
    }
    if (weight !== null && bias === null) return y.mul(weight.reshape(along));
    return weight === null && bias !== null ? y.add(bias.reshape(along)) : y;
  });
}

/** Evaluation: every channel by its running statistics. */
function normalizeWith(
  x: Tensor,
  { runningMean, runningVar, weight, bias, eps }: Required<Omit<BatchNormOptions, "training" | "momentum">>,
) {
  if (runningMean === null || runningVar === null) {
    throw new ArgumentError("Cannot batchNorm in evaluation: runningMean and runningVar are needed, got null");
  }
  const along = x.shape.map((_, dim) => dim === 1 ? x.shape[1]! : 1);
  return tidy(() => {
    const statistics = [runningMean.reshape(along), runningVar.reshape(along)];
    const affine = weight !== null || bias !== null
      ? [(weight ?? runningMean.onesLike()).reshape(along), (bias ?? runningMean.zerosLike()).reshape(along)]
      : [];
    const computed = computeType(x.dtype);
    return apply(normalizeBy, [x, ...statistics, ...affine].map((part) => part.to(computed)), { epsilon: eps })[0]!.to(x.dtype);
  });
}

/** Inputs: running mean and variance, batch mean and variance; scalars: what stays, what enters of the mean and of the variance. */
const runningKernels = memoize((key: string): MapKernel => {
  const [dtype, batchType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const blend = (slot: number) =>
    cast(
      op(
        "add",
        op("mul", scalar(0, computed), input(slot, dtype)),
        op("mul", scalar(1 + slot, computed), cast(input(2 + slot, batchType), computed)),
      ),
      dtype,
    );
  return updateKernel([blend(0), blend(1)]);
});

/** Options of {@link BatchNorm1d}, {@link BatchNorm2d} and {@link BatchNorm3d}. */
export interface BatchNormLayerOptions extends LayerOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** The part of the batch's statistics that enters the running ones; null for their mean over all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Whether there are weight and bias. Default true. */
  readonly affine?: boolean;
  /** Whether running statistics are kept; without them evaluation uses the batch's own. Default true. */
  readonly trackRunningStats?: boolean;
}

/** What batch norms of all ranks share. */
export abstract class BatchNorm extends Module {
  /** [C], ones at the start, or null. */
  readonly weight: Tensor | null;
  /** [C], zeros at the start, or null. */
  readonly bias: Tensor | null;
  /** [C], zeros at the start, or null. */
  readonly runningMean: Tensor | null;
  /** [C], ones at the start, or null. */
  readonly runningVar: Tensor | null;
  /** int32 []: how many batches were seen in training, or null. */
  readonly numBatchesTracked: Tensor | null;
  /** Added to the variance. */
  readonly eps: number;
  /** The part of the batch's statistics that enters the running ones; null for their mean over all batches. */
  readonly momentum: number | null;
  readonly #ranks: readonly number[];

  /** Makes the layer for C = `features` and inputs of the given numbers of dims. */
  constructor(features: number, ranks: readonly number[], options: BatchNormLayerOptions) {
    super();
    checkOptions(options, `make ${this.constructor.name}`, ["eps", "momentum", "affine", "trackRunningStats", ...layerOptions]);
    checkCounts("BatchNorm", { features });
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    this.eps = eps;
    this.momentum = momentum;
    this.#ranks = ranks;
    this.weight = affine ? parameter(ones(blank([features], options))) : null;
    this.bias = affine ? parameter(blank([features], options)) : null;
    this.runningMean = trackRunningStats ? buffer(blank([features], options)) : null;
    this.runningVar = trackRunningStats ? buffer(ones(blank([features], options))) : null;
    this.numBatchesTracked = trackRunningStats ? buffer(blank([], { device: options.device, dtype: "int32" })) : null;
  }

  /** Normalises each channel (dim 1). */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    if (!this.#ranks.includes(x.rank)) {
      refuseShape(this.constructor.name, [x], `a tensor of ${this.#ranks.join(" or ")} dims is needed`);
    }
    const { weight, bias, runningMean, runningVar, numBatchesTracked: seen, eps } = this;
    const tracking = this.training && runningMean !== null && runningVar !== null && seen !== null;
    if (tracking) noGrad(() => seen.add_(1));
    if (tracking && this.momentum === null) return this.#average(x, { runningMean, runningVar, seen });
    const training = this.training || runningMean === null;
    return batchNorm(x, { weight, bias, runningMean, runningVar, training, momentum: this.momentum ?? 0.1, eps });
  }

  /** Training with the mean over all batches: the part that enters is 1 / count, which only the device knows. */
  #average(x: Tensor, { runningMean, runningVar, seen }: { runningMean: Tensor; runningVar: Tensor; seen: Tensor }): Tensor {
    return tidy(() => {
      const batchMean = runningMean.zerosLike();
      const batchVar = runningVar.zerosLike();
      const { weight, bias, eps } = this;
      const y = batchNorm(x, { weight, bias, runningMean: batchMean, runningVar: batchVar, training: true, momentum: 1, eps });
      noGrad(() => {
        const part = seen.to(runningMean.dtype).reciprocal();
        runningMean.add_(batchMean.sub(runningMean).mul(part));
        runningVar.add_(batchVar.sub(runningVar).mul(part));
      });
      return y;
    });
  }
}

/** Batch norm of [N, C] or [N, C, L]; see {@link batchNorm}. */
export class BatchNorm1d extends BatchNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: BatchNormLayerOptions = {}) {
    super(features, [2, 3], options);
  }
}

/**
 * Batch norm of [N, C, H, W]; see {@link batchNorm}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { BatchNorm2d } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new BatchNorm2d(3);
 * assertEquals(layer.forward(ones([2, 3, 4, 4])).shape, [2, 3, 4, 4]);
 * assertEquals(await layer.numBatchesTracked!.item(), 1);
 * ```
 */
export class BatchNorm2d extends BatchNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: BatchNormLayerOptions = {}) {
    super(features, [4], options);
  }
}

/** Batch norm of [N, C, D, H, W]; see {@link batchNorm}. */
export class BatchNorm3d extends BatchNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: BatchNormLayerOptions = {}) {
    super(features, [5], options);
  }
}

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** The sizes of the last dims, which are normalised together. */
  readonly normalizedShape: readonly number[];
  /** Of the normalised shape. */
  readonly weight?: Tensor | null;
  /** Of the normalised shape. */
  readonly bias?: Tensor | null;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/**
 * (x - mean) / √(variance + ε) · weight + bias over the last dims, with the biased variance.
 *
 * @throws ShapeError when x does not end in the normalised shape. Source: Ba et al. 2016.
 */
export function layerNorm(x: Tensor, options: LayerNormOptions): Tensor {
  checkOptions(options, "layerNorm", ["normalizedShape", "weight", "bias", "eps"]);
  const { normalizedShape, weight = null, bias = null, eps = 1e-5 } = options;
  checkTensors("layerNorm", { x }, { weight, bias });
  const lead = x.rank - checkList(normalizedShape, "layerNorm", "{ normalizedShape: [3, 4] }").length;
  if (normalizedShape.length === 0 || lead < 0 || normalizedShape.some((size, dim) => size !== x.shape[lead + dim])) {
    refuseShape("layerNorm", [x], `a shape that ends in [${normalizedShape.join(", ")}] is needed`);
  }
  for (const part of [weight, bias]) {
    if (part !== null && (part.size !== sizeOf(normalizedShape) || part.rank !== normalizedShape.length)) {
      refuseShape("layerNorm", [x, part], `weight and bias of [${normalizedShape.join(", ")}] are needed`);
    }
  }
  const dims = normalizedShape.map((_, dim) => lead + dim);
  return tidy(() => {
    const affine = weight !== null && bias !== null ? { weight, bias } : {};
    const { y } = normalize(x, { dims, epsilon: eps, ...affine });
    if (weight !== null && bias === null) return y.mul(weight);
    return weight === null && bias !== null ? y.add(bias) : y;
  });
}

/** Options of {@link LayerNorm}. */
export interface LayerNormLayerOptions extends LayerOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are weight and bias. Default true. */
  readonly affine?: boolean;
}

/** Layer norm over the last dims; see {@link layerNorm}. */
export class LayerNorm extends Module {
  /** Of the normalised shape, ones at the start, or null. */
  readonly weight: Tensor | null;
  /** Of the normalised shape, zeros at the start, or null. */
  readonly bias: Tensor | null;
  /** The sizes of the last dims. */
  readonly normalizedShape: readonly number[];
  /** Added to the variance. */
  readonly eps: number;

  /** Makes the layer for the sizes of the last dims (one number for one dim). */
  constructor(normalizedShape: number | readonly number[], options: LayerNormLayerOptions = {}) {
    super();
    checkOptions(options, "make LayerNorm", ["eps", "affine", ...layerOptions]);
    this.normalizedShape = [...listOf(normalizedShape, "make LayerNorm", "new LayerNorm([3, 4])")];
    checkCounts("LayerNorm", Object.fromEntries(this.normalizedShape.map((size, dim) => [`size of dim ${dim}`, size])));
    this.eps = options.eps ?? 1e-5;
    const affine = options.affine ?? true;
    this.weight = affine ? parameter(ones(blank(this.normalizedShape, options))) : null;
    this.bias = affine ? parameter(blank(this.normalizedShape, options)) : null;
  }

  /** [..., normalised shape] → the same shape. */
  override forward(x: Tensor): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    return layerNorm(x, { normalizedShape, weight, bias, eps });
  }
}

function refuseShape(op: string, tensors: readonly Tensor[], needed: string): never {
  const shapes = tensors.map(({ shape }) => shape);
  throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: ${needed}`, { op, shapes });
}
