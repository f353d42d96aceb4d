/**
 * Normalisation within each sample: group, instance, root-mean-square and local response.
 *
 * @module
 */
import { checkOptions, listOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { normalize } from "../tensor/functions.ts";
import { avgPool2d } from "../tensor/pooling.ts";
import { tidy } from "../tensor/scope.ts";
import { sizeOf } from "../tensor/shape.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { ones } from "./init.ts";
import { buffer, checkInputs, Module, parameter } from "./module.ts";
import { batchNorm } from "./normalization.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  /** The number of groups that channels (dim 1) are split into. */
  readonly groups: number;
  /** [C]. */
  readonly weight?: Tensor | null;
  /** [C]. */
  readonly bias?: Tensor | null;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/**
 * (x - mean) / √(variance + ε) · weight + bias over each sample's groups of channels.
 *
 * @param x [N, C, ...].
 * @throws ShapeError for sizes that do not fit. Source: Wu and He 2018.
 */
export function groupNorm(x: Tensor, options: GroupNormOptions): Tensor {
  const { groups, weight = null, bias = null, eps = 1e-5 } = checkOptions(options, "groupNorm", ["groups", "weight", "bias", "eps"]);
  checkTensors("groupNorm", { x }, { weight, bias });
  const [samples = 0, channels = 0, ...spatial] = x.shape;
  if (x.rank < 2 || channels % groups !== 0) refuseShape("groupNorm", [x], `[N, C, ...] with C a multiple of ${groups} is needed`);
  for (const part of [weight, bias]) {
    if (part !== null && (part.rank !== 1 || part.shape[0] !== channels)) {
      refuseShape("groupNorm", [x, part], `weight and bias of [${channels}] are needed`);
    }
  }
  return tidy(() => {
    const within = channels / groups;
    const grouped = x.reshape([samples, groups, within, x.size / Math.max(1, samples * channels)]);
    const along = (part: Tensor) => part.reshape([1, groups, within, 1]);
    const affine = weight !== null && bias !== null ? { weight: along(weight), bias: along(bias) } : {};
    const { y } = normalize(grouped, { dims: [2, 3], epsilon: eps, ...affine });
    const scaled = weight !== null && bias === null ? y.mul(along(weight)) : weight === null && bias !== null ? y.add(along(bias)) : y;
    return scaled.reshape([samples, channels, ...spatial]);
  });
}

/** Options of {@link GroupNorm} and {@link RMSNorm}. */
export interface GroupNormLayerOptions extends LayerOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are weight and bias. Default true. */
  readonly affine?: boolean;
}

/** Group norm of [N, C, ...]; see {@link groupNorm}. */
export class GroupNorm extends Module {
  /** [C], ones at the start, or null. */
  readonly weight: Tensor | null;
  /** [C], zeros at the start, or null. */
  readonly bias: Tensor | null;
  /** The number of groups. */
  readonly groups: number;
  /** Added to the variance. */
  readonly eps: number;

  /** Makes the layer for C = `channels` in `groups` groups. */
  constructor(groups: number, channels: number, options: GroupNormLayerOptions = {}) {
    super();
    checkOptions(options, "make GroupNorm", ["eps", "affine", ...layerOptions]);
    checkCounts("GroupNorm", { groups, channels });
    if (channels % groups !== 0) {
      throw new ArgumentError(`Cannot make GroupNorm: channels that are a multiple of ${groups} groups are needed, got ${channels}`);
    }
    const { eps = 1e-5, affine = true } = options;
    this.groups = groups;
    this.eps = eps;
    this.weight = affine ? parameter(ones(blank([channels], options))) : null;
    this.bias = affine ? parameter(blank([channels], options)) : null;
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    const { groups, weight, bias, eps } = this;
    return groupNorm(x, { groups, weight, bias, eps });
  }
}

/** Options of {@link InstanceNorm1d}, {@link InstanceNorm2d} and {@link InstanceNorm3d}. */
export interface InstanceNormOptions extends LayerOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** The part of the batch's mean statistics that enters the running ones. Default 0.1. */
  readonly momentum?: number;
  /** Whether there are weight and bias. Default false. */
  readonly affine?: boolean;
  /** Whether running statistics are kept, which evaluation then uses. Default false. */
  readonly trackRunningStats?: boolean;
}

/** What instance norms of all ranks share. Source: Ulyanov et al. 2016. */
export abstract class InstanceNorm extends Module {
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
  /** The part that enters the running statistics. */
  readonly momentum: number;
  readonly #rank: number;

  /** Makes the layer for C = `features` and inputs of a number of dims. */
  constructor(features: number, rank: number, options: InstanceNormOptions) {
    super();
    checkOptions(options, `make ${this.constructor.name}`, [
      "eps",
      "momentum",
      "affine",
      "trackRunningStats",
      ...layerOptions,
    ]);
    checkCounts("InstanceNorm", { features });
    const { eps = 1e-5, momentum = 0.1, affine = false, trackRunningStats = false } = options;
    this.eps = eps;
    this.momentum = momentum;
    this.#rank = rank;
    this.weight = affine ? parameter(ones(blank([features], options))) : null;
    this.bias = affine ? parameter(blank([features], options)) : null;
    this.runningMean = trackRunningStats ? buffer(blank([features], options)) : null;
    this.runningVar = trackRunningStats ? buffer(ones(blank([features], options))) : null;
    this.numBatchesTracked = trackRunningStats ? buffer(blank([], { device: options.device, dtype: "int32" })) : null;
  }

  /** Normalises each channel of each sample. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    const { weight, bias, eps, runningMean, runningVar } = this;
    if (x.rank !== this.#rank) refuseShape(this.constructor.name, [x], `a ${this.#rank}-d tensor is needed`);
    if (!this.training && runningMean !== null) return batchNorm(x, { runningMean, runningVar, weight, bias, eps });
    const count = x.shape.slice(2).reduce((product, size) => product * size, 1);
    if (count === 1) refuseShape(this.constructor.name, [x], "more than one value per channel is needed");
    if (runningMean !== null && runningVar !== null) this.#track(x, count, runningMean, runningVar);
    return groupNorm(x, { groups: x.shape[1]!, weight, bias, eps });
  }

  #track(x: Tensor, count: number, runningMean: Tensor, runningVar: Tensor): void {
    noGrad(() =>
      tidy(() => {
        const dims = x.shape.slice(2).map((_, dim) => dim + 2);
        const { mean, variance } = normalize(x.detach(), { dims });
        const statistics = [mean.flatten(1).mean(0), variance.flatten(1).mean(0).mul(count / (count - 1))];
        [runningMean, runningVar].forEach((running, n) => running.mul_(1 - this.momentum).add_(statistics[n]!.mul(this.momentum)));
        this.numBatchesTracked?.add_(1);
        return [];
      })
    );
  }
}

/** Instance norm of [N, C, L]. */
export class InstanceNorm1d extends InstanceNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: InstanceNormOptions = {}) {
    super(features, 3, options);
  }
}

/** Instance norm of [N, C, H, W]. */
export class InstanceNorm2d extends InstanceNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: InstanceNormOptions = {}) {
    super(features, 4, options);
  }
}

/** Instance norm of [N, C, D, H, W]. */
export class InstanceNorm3d extends InstanceNorm {
  /** Makes the layer for C = `features`. */
  constructor(features: number, options: InstanceNormOptions = {}) {
    super(features, 5, options);
  }
}

/**
 * x / √(mean(x²) + ε) · weight over the last dims.
 *
 * @throws ShapeError when x does not end in the normalised shape. Source: Zhang and Sennrich 2019.
 */
export class RMSNorm extends Module {
  /** Of the normalised shape, ones at the start, or null. */
  readonly weight: Tensor | null;
  /** The sizes of the last dims. */
  readonly normalizedShape: readonly number[];
  /** Added to the mean square; null for the type's machine epsilon. */
  readonly eps: number | null;

  /** Makes the layer for the sizes of the last dims (one number for one dim); eps default the type's machine epsilon. */
  constructor(normalizedShape: number | readonly number[], options: GroupNormLayerOptions = {}) {
    super();
    checkOptions(options, "make RMSNorm", ["eps", "affine", ...layerOptions]);
    this.normalizedShape = [...listOf(normalizedShape, "make RMSNorm", "new RMSNorm([3, 4])")];
    checkCounts("RMSNorm", Object.fromEntries(this.normalizedShape.map((size, dim) => [`size of dim ${dim}`, size])));
    this.eps = options.eps ?? null;
    this.weight = options.affine ?? true ? parameter(ones(blank(this.normalizedShape, options))) : null;
  }

  /** [..., normalised shape] → the same shape. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    const lead = x.rank - this.normalizedShape.length;
    if (lead < 0 || this.normalizedShape.some((size, dim) => size !== x.shape[lead + dim])) {
      refuseShape("RMSNorm", [x], `a shape that ends in [${this.normalizedShape.join(", ")}] is needed`);
    }
    const eps = this.eps ?? (x.dtype === "float64" ? 2 ** -52 : 2 ** -23);
    return tidy(() => {
      const y = x.mul(x.square().mean(this.normalizedShape.map((_, dim) => lead + dim), { keepDim: true }).add(eps).rsqrt());
      return this.weight === null ? y : y.mul(this.weight);
    });
  }
}

/** Options of {@link LocalResponseNorm}. */
export interface LocalResponseOptions {
  /** Default 1e-4. */
  readonly alpha?: number;
  /** Default 0.75. */
  readonly beta?: number;
  /** Default 1. */
  readonly k?: number;
}

/** x / (k + α · mean of x² over `size` neighbouring channels)^β, channels beyond the edge counting as 0. Source: Krizhevsky et al. 2012. */
export class LocalResponseNorm extends Module {
  /** The number of neighbouring channels. */
  readonly size: number;
  /** α, β and k. */
  readonly options: LocalResponseOptions;

  /** Makes the layer. */
  constructor(size: number, options: LocalResponseOptions = {}) {
    super();
    checkOptions(options, "make LocalResponseNorm", ["alpha", "beta", "k"]);
    checkCounts("LocalResponseNorm", { size });
    this.size = size;
    this.options = options;
  }

  /** [N, C, ...] → the same shape. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    const { alpha = 1e-4, beta = 0.75, k = 1 } = this.options;
    if (x.rank < 3) refuseShape("LocalResponseNorm", [x], "[N, C, ...] of at least 3 dims is needed");
    return tidy(() => {
      const squares = x.square().reshape([x.shape[0]!, 1, x.shape[1]!, sizeOf(x.shape.slice(2))]);
      const padded = squares.pad([0, 0, Math.floor(this.size / 2), Math.floor((this.size - 1) / 2)]);
      const means = avgPool2d(padded, [this.size, 1], { stride: 1 }).reshape(x.shape);
      return x.div(means.mul(alpha).add(k).pow(beta));
    });
  }
}

function refuseShape(op: string, tensors: readonly Tensor[], needed: string): never {
  const shapes = tensors.map(({ shape }) => shape);
  throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: ${needed}`, { op, shapes });
}
