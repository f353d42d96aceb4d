/**
 * Seeded random tensors: counter-based (Threefry), so that the same seed gives the same bits on every device.
 *
 * @module
 */
import { checkOptions, kindOf, tensorOptions } from "./arguments.ts";
import { eachStep, refuseInCapture } from "./capture.ts";
import { tensor, type TensorOptions } from "./create.ts";
import { getDevice } from "./device.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import * as random from "./ops/random.ts";
import { threefry } from "./scalar.ts";
import { tidy } from "./scope.ts";
import { checkSizes, sizeOf } from "./shape.ts";
import { apply, checkTensors, type Tensor } from "./tensor.ts";

/** The state of a {@link Generator}: all that is needed to go on from where it was. */
export interface GeneratorState {
  /** What the stream was started with. */
  readonly seed: number;
  /** How many keys were drawn since. */
  readonly calls: number;
}

/**
 * A stream of random tensors. Each tensor takes one key, made of the seed and the number of tensors before it; each element depends on
 * the key and its position alone.
 */
export class Generator {
  #seed = 0;
  #calls = 0;

  /** Starts a stream. `seed` is a whole number from 0 to 2³² - 1. */
  constructor(seed = 0) {
    this.seed(seed);
  }

  /** Starts again from a seed. */
  seed(seed: number): void {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new ArgumentError(`Cannot seed: a whole number from 0 to 4294967295 is needed, got ${seed}`);
    }
    this.#seed = seed;
    this.#calls = 0;
  }

  /** The key of the next tensor. */
  nextKey(): readonly [number, number] {
    return [this.#seed, this.#calls++];
  }

  /** Where the stream is; saved in checkpoints. */
  get state(): GeneratorState {
    return { seed: this.#seed, calls: this.#calls };
  }

  /** Puts the stream where it was. */
  set state({ seed, calls }: GeneratorState) {
    this.seed(seed);
    this.#calls = calls;
  }
}

/** The stream used where no generator is given. */
export const defaultGenerator: Generator = new Generator();

/** Seeds the default generator. */
export function manualSeed(seed: number): void {
  defaultGenerator.seed(seed);
}

/** Where a random tensor is made, and from which stream. */
export interface RandomOptions extends TensorOptions {
  /** Default: {@link defaultGenerator}. */
  readonly generator?: Generator;
}

const randomOptions = ["generator", ...tensorOptions] as const;

/**
 * Uniform in [low, high) (default [0, 1)), 24 random bits each.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { manualSeed, rand } from "./mod.ts";
 *
 * manualSeed(7);
 * const first = await rand([3]).toArray();
 * manualSeed(7);
 * assertEquals(await rand([3]).toArray(), first);
 * ```
 */
export function rand(shape: readonly number[], options: RandomOptions & { readonly low?: number; readonly high?: number } = {}): Tensor {
  const { low = 0, high = 1 } = checkOptions(options, "rand", [...randomOptions, "low", "high"]);
  if (!(low <= high)) throw new ArgumentError(`Cannot rand: low ≤ high is needed, got ${low} and ${high}`);
  return finish(
    tidy(() => {
      const unit = launch(random.uniform, { shape: checked(shape), key: drawKey(options.generator ?? defaultGenerator) }, options);
      return low === 0 && high === 1 ? unit : unit.mul(high - low).add(low);
    }),
    options,
  );
}

/**
 * Normal with the given mean and standard deviation (default 0 and 1). Made on the host in float64, by Box and Muller's method, and
 * rounded, since no two devices' logarithms agree to the last bit.
 */
export function randn(shape: readonly number[], options: RandomOptions & { readonly mean?: number; readonly std?: number } = {}): Tensor {
  const { mean = 0, std = 1, generator, ...rest } = checkOptions(options, "randn", [...randomOptions, "mean", "std"]);
  refuseInCapture("draw normal numbers", "they are made on the host; draw outside, or use rand or bernoulli");
  const [key0, key1] = keyOf(generator);
  const size = sizeOf(checked(shape));
  const values = new Float64Array(size);
  for (let i = 0; i < size; i += 2) {
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - threefry(key0, key1, i) / 2 ** 32));
    const angle = 2 * Math.PI * (threefry(key0, key1, i + 1) / 2 ** 32);
    values[i] = mean + std * radius * Math.cos(angle);
    if (i + 1 < size) values[i + 1] = mean + std * radius * Math.sin(angle);
  }
  return tensor(values, { ...rest, shape, dtype: options.dtype ?? "float32" });
}

/** int32 numbers, uniform in [low, high). */
export function randint(low: number, high: number, options: RandomOptions & { readonly shape: readonly number[] }): Tensor {
  checkOptions(options, "randint", [...randomOptions, "shape"]);
  const span = high - low;
  if (!Number.isInteger(low) || !Number.isInteger(high) || span < 1 || low < -2147483648 || high > 2147483648) {
    throw new ArgumentError(`Cannot randint: whole low < high within 32 bits are needed, got ${low} and ${high}`);
  }
  return finish(
    launch(random.integers, { shape: checked(options.shape), key: drawKey(options.generator ?? defaultGenerator), low, span }, options),
    options,
  );
}

/** The int32 numbers 0 … n-1 in random order: positions sorted by random keys, made on the host. */
export function randperm(n: number, options: RandomOptions = {}): Tensor {
  const { generator, ...rest } = checkOptions(options, "randperm", randomOptions);
  checkSizes([n], "randperm");
  refuseInCapture("draw a permutation", "it is made on the host; draw it outside");
  const [key0, key1] = keyOf(generator);
  const keys = Float64Array.from({ length: n }, (_, i) => threefry(key0, key1, i));
  // Equal keys keep their order: the sort is stable.
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
  return tensor(order, { ...rest, dtype: options.dtype ?? "int32" });
}

/** bool, true with the given probability. */
export function bernoulli(shape: readonly number[], options: RandomOptions & { readonly probability: number }): Tensor {
  const { probability } = checkOptions(options, "bernoulli", [...randomOptions, "probability"]);
  if (!(probability >= 0 && probability <= 1)) {
    throw new ArgumentError(`Cannot bernoulli: a probability from 0 to 1 is needed, got ${probability}`);
  }
  const drawn = launch(
    random.bernoulli,
    { shape: checked(shape), key: drawKey(options.generator ?? defaultGenerator), probability },
    options,
  );
  return options.dtype === undefined || options.dtype === "bool" ? drawn : finish(drawn, options);
}

/**
 * int32 positions drawn by weight, [count] or [rows, count].
 *
 * @param weights [K] or [rows, K], from 0 and not all 0; they need not add up to 1.
 * @param options `count`: how many to draw; `replacement`: whether a position may come again, default false.
 * @throws ShapeError for another number of dims; DTypeError for whole numbers; ArgumentError for a count that is not positive and whole, or
 * above the number of weights without replacement; on reading the weights (which it waits for): for one that is negative, infinite or NaN, a
 * sum of 0, or fewer positive ones than are drawn.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { multinomial, tensor } from "./mod.ts";
 *
 * assertEquals(await (await multinomial(tensor([0, 1, 0]), { count: 2, replacement: true })).toArray(), [1, 1]);
 * ```
 */
export async function multinomial(
  weights: Tensor,
  options: { readonly count: number; readonly replacement?: boolean; readonly generator?: Generator },
): Promise<Tensor> {
  checkTensors("multinomial", { weights });
  checkOptions(options, "multinomial", ["count", "replacement", "generator"]);
  const { count, replacement = false, generator = defaultGenerator } = options;
  checkDraw(weights, count, replacement);
  const { size, device } = weights;
  const width = weights.shape.at(-1)!;
  const rows = size / width;
  const values = Float64Array.from(await weights.data());
  const [key0, key1] = generator.nextKey();
  const drawn = new Int32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * width, (row + 1) * width);
    checkWeights(own, count, replacement);
    const perRow = replacement ? count : width;
    const uniform = (n: number): number => threefry(key0, key1, row * perRow + n) / 2 ** 32;
    drawn.set(replacement ? drawAgain(own, count, uniform) : drawOnce(own, count, uniform), row * count);
  }
  return tensor(drawn, { shape: weights.rank === 1 ? [count] : [rows, count], device });
}

/** Each number falls into the weights laid end to end. */
function drawAgain(weights: Float64Array, count: number, uniform: (n: number) => number): Int32Array {
  const ends = new Float64Array(weights.length);
  weights.reduce((sum, weight, place) => ends[place] = sum + weight, 0);
  const last = weights.findLastIndex((weight) => weight > 0);
  return Int32Array.from({ length: count }, (_, n) => {
    const at = uniform(n) * ends.at(-1)!;
    let [low, high] = [0, last];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}

/** The least of exponential times, whose rates are the weights. Source: Efraimidis and Spirakis 2006. */
function drawOnce(weights: Float64Array, count: number, uniform: (n: number) => number): Int32Array {
  const times = weights.map((weight, place) => weight === 0 ? Infinity : -Math.log(1 - uniform(place)) / weight);
  return Int32Array.from(times.keys()).sort((a, b) => times[a]! < times[b]! ? -1 : times[a]! > times[b]! ? 1 : a - b).slice(0, count);
}

function checkDraw({ rank, shape, dtype }: Tensor, count: number, replacement: boolean): void {
  if (rank < 1 || rank > 2) {
    throw new ShapeError(`Cannot multinomial ${formatShapes([shape])}: weights [K] or [rows, K] are needed`, {
      op: "multinomial",
      shapes: [shape],
    });
  }
  if (!isFloat(dtype)) {
    throw new DTypeError(`Cannot multinomial: weights of a floating type are needed, got ${dtype}`, { op: "multinomial" });
  }
  const most = replacement ? Infinity : shape.at(-1)!;
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new ArgumentError(`Cannot multinomial: a whole count from 1 to ${most} is needed, got ${count}`);
  }
}

function checkWeights(weights: Float64Array, count: number, replacement: boolean): void {
  const wrong = weights.find((weight) => !(weight >= 0) || weight === Infinity);
  if (wrong !== undefined) throw new ArgumentError(`Cannot multinomial: finite weights from 0 are needed, got ${wrong}`);
  const positive = weights.filter((weight) => weight > 0).length;
  const least = replacement ? 1 : count;
  if (positive < least) throw new ArgumentError(`Cannot multinomial: at least ${least} weights above 0 are needed, got ${positive}`);
}

function launch<A>(op: Parameters<typeof apply<A>>[0], attributes: A, { device }: RandomOptions): Tensor {
  return apply(op, [], attributes, getDevice(device))[0]!;
}

function checkGenerator(generator: Generator): void {
  if (!(generator instanceof Generator)) throw new ArgumentError(`Cannot draw: a Generator is needed, got ${kindOf(generator)}`);
}

function keyOf(generator = defaultGenerator): readonly [number, number] {
  checkGenerator(generator);
  return generator.nextKey();
}

/** Internal: the next key of a stream, drawn now and anew at each replay of a compiled step. */
export function drawKey(generator: Generator): () => readonly [number, number] {
  checkGenerator(generator);
  let key: readonly [number, number] = [0, 0];
  eachStep(() => key = generator.nextKey());
  return () => key;
}

function checked(shape: readonly number[]): readonly number[] {
  checkSizes(shape, "rand");
  return shape;
}

function finish(made: Tensor, { dtype, requiresGrad = false }: RandomOptions): Tensor {
  const typed = dtype === undefined || dtype === made.dtype ? made : tidy(() => made.to(dtype));
  if (typed !== made) made.dispose();
  return requiresGrad ? typed.requiresGrad_() : typed;
}
