/**
 * Initialisation: fills tensors in place with seeded random numbers, PyTorch's rules.
 *
 * @module
 */
import { noGrad } from "../autograd/tape.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type Generator, rand, randn } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Where random numbers come from. */
export interface InitOptions {
  /** Default: the default generator. */
  readonly generator?: Generator | undefined;
}

/** Options of {@link uniform}. */
export interface UniformOptions extends InitOptions {
  /** Default 0. */
  readonly low?: number;
  /** Default 1. */
  readonly high?: number;
}

/** Options of {@link normal}. */
export interface NormalOptions extends InitOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Default 1. */
  readonly std?: number;
}

/** Options of {@link xavierUniform} and {@link xavierNormal}. */
export interface XavierOptions extends InitOptions {
  /** See {@link calculateGain}. Default 1. */
  readonly gain?: number;
}

/** What follows a layer. */
export type Nonlinearity = "linear" | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

/** Options of {@link kaimingUniform} and {@link kaimingNormal}. */
export interface KaimingOptions extends InitOptions {
  /** Keep the variance of values ("fanIn", the default) or of gradients ("fanOut"). */
  readonly mode?: "fanIn" | "fanOut";
  /** Default "leakyRelu". */
  readonly nonlinearity?: Nonlinearity;
  /** The slope below 0 of leakyRelu. Default 0. */
  readonly a?: number;
}

/** Fills with numbers uniform in [low, high). */
export function uniform(tensor: Tensor, { low = 0, high = 1, generator }: UniformOptions = {}): Tensor {
  return fill(tensor, (made) => rand(tensor.shape, { ...made, low, high }), generator);
}

/** Fills with normal numbers. */
export function normal(tensor: Tensor, { mean = 0, std = 1, generator }: NormalOptions = {}): Tensor {
  return fill(tensor, (made) => randn(tensor.shape, { ...made, mean, std }), generator);
}

/** Fills with one value. */
export function constant(tensor: Tensor, value: number): Tensor {
  return noGrad(() => tensor.fill_(value));
}

/** Fills with zeros. */
export function zeros(tensor: Tensor): Tensor {
  return constant(tensor, 0);
}

/** Fills with ones. */
export function ones(tensor: Tensor): Tensor {
  return constant(tensor, 1);
}

/** Uniform in ±gain √(6 / (fanIn + fanOut)). Source: Glorot and Bengio 2010. */
export function xavierUniform(tensor: Tensor, { gain = 1, generator }: XavierOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierDeviation(tensor.shape, gain);
  return uniform(tensor, { low: -bound, high: bound, generator });
}

/** Normal with deviation gain √(2 / (fanIn + fanOut)). Source: Glorot and Bengio 2010. */
export function xavierNormal(tensor: Tensor, { gain = 1, generator }: XavierOptions = {}): Tensor {
  return normal(tensor, { std: xavierDeviation(tensor.shape, gain), generator });
}

/** Uniform in ±gain √(3 / fan). Source: He et al. 2015. */
export function kaimingUniform(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingDeviation(tensor.shape, options);
  return uniform(tensor, { low: -bound, high: bound, generator: options.generator });
}

/** Normal with deviation gain / √fan. Source: He et al. 2015. */
export function kaimingNormal(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  return normal(tensor, { std: kaimingDeviation(tensor.shape, options), generator: options.generator });
}

/** PyTorch's default for the bias of a layer with this weight: uniform in ±1 / √fanIn. */
export function defaultBias(bias: Tensor, weightShape: Shape, { generator }: InitOptions = {}): Tensor {
  const { fanIn } = calculateFan(weightShape);
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return uniform(bias, { low: -bound, high: bound, generator });
}

/** PyTorch's default for the weight of a linear or convolution layer: {@link kaimingUniform} with a = √5, which is ±1 / √fanIn. */
export function defaultWeight(weight: Tensor, { generator }: InitOptions = {}): Tensor {
  return kaimingUniform(weight, { a: Math.sqrt(5), generator });
}

/** The factor by which a nonlinearity shrinks deviations, inverted: √2 for relu, 5/3 for tanh, √(2 / (1 + a²)) for leakyRelu. */
export function calculateGain(nonlinearity: Nonlinearity, { a = 0.01 }: { readonly a?: number } = {}): number {
  switch (nonlinearity) {
    case "linear":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + a * a));
    case "selu":
      return 3 / 4;
    default:
      throw new ArgumentError(
        `Cannot calculateGain: one of linear, sigmoid, tanh, relu, leakyRelu, selu is needed, got ${JSON.stringify(nonlinearity)}`,
      );
  }
}

/** How many values enter and leave one unit of a weight [out, in, ...kernel]. */
export interface Fan {
  /** Values that enter one unit. */
  readonly fanIn: number;
  /** Values that one input reaches. */
  readonly fanOut: number;
}

/**
 * How many values enter and leave one unit of a weight [out, in, ...kernel].
 *
 * @throws ShapeError below two dims.
 */
export function calculateFan(shape: Shape): Fan {
  if (shape.length < 2) {
    throw new ShapeError(`Cannot calculateFan ${formatShapes([shape])}: a weight of at least two dims is needed`, {
      op: "calculateFan",
      shapes: [shape],
    });
  }
  const field = sizeOf(shape.slice(2));
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

function xavierDeviation(shape: Shape, gain: number): number {
  const { fanIn, fanOut } = calculateFan(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

function kaimingDeviation(shape: Shape, { mode = "fanIn", nonlinearity = "leakyRelu", a = 0 }: KaimingOptions): number {
  if (mode !== "fanIn" && mode !== "fanOut") {
    throw new ArgumentError(`Cannot initialise: mode "fanIn" or "fanOut" is needed, got ${JSON.stringify(mode)}`);
  }
  const fan = calculateFan(shape)[mode];
  return fan > 0 ? calculateGain(nonlinearity, { a }) / Math.sqrt(fan) : 0;
}

/** Draws on the tensor's device, always in float32, so that a seed gives the same numbers whatever the tensor's type. */
function fill(
  tensor: Tensor,
  draw: (made: { readonly device: string; readonly generator?: Generator }) => Tensor,
  generator: Generator | undefined,
): Tensor {
  using drawn = draw(generator === undefined ? { device: tensor.device } : { device: tensor.device, generator });
  return noGrad(() => tensor.copy_(drawn));
}
