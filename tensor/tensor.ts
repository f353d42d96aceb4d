/**
 * The tensor: n-dimensional numbers on a device, with one documented method per operation.
 *
 * This file is long because methods are written out: what an editor shows is what there is. Each method is one line on top of an
 * operation declared in `ops/`.
 *
 * @module
 */
import { backward as runBackward, type BackwardOptions, gradients } from "../autograd/backward.ts";
import { type Edge, enableGrad, type GradientHook, isGradEnabled, noGrad, TapeNode } from "../autograd/tape.ts";
import { currentRecorder, refuseInCapture, runKernel } from "./capture.ts";
import { type Device, type DeviceName, getDevice } from "./device.ts";
import {
  byteSize,
  type DType,
  floatType,
  integerRange,
  isFloat,
  isHeld,
  isInteger,
  notHeld,
  promoteNumber,
  type TypedArray,
  typedArray,
} from "./dtype.ts";
import { checkList, checkNumber, checkOptions, checkType, kindOf } from "./arguments.ts";
import { ArgumentError, DeviceError, DisposedError, DTypeError, formatShapes, GradientError, IndexError, ShapeError } from "./errors.ts";
import { describe, formatValues } from "./format.ts";
import type { View } from "./kernel.ts";
import { CountedStorage, needsTurn } from "./memory.ts";
import type { Layout, Op } from "./op.ts";
import * as comparing from "./comparing.ts";
import * as counting from "./counting.ts";
import * as cumulative from "./cumulative.ts";
import * as picking from "./indexing.ts";
import * as arithmetic from "./ops/arithmetic.ts";
import * as binary from "./ops/binary.ts";
import * as indexing from "./ops/index.ts";
import * as linear from "./ops/matmul.ts";
import * as reduction from "./ops/reduce.ts";
import * as shaping from "./ops/shape.ts";
import * as pointwise from "./ops/pointwise.ts";
import * as rows from "./ops/softmax.ts";
import * as special from "./ops/special.ts";
import * as unary from "./ops/unary.ts";
import * as products from "./products.ts";
import * as rearranging from "./rearrange.ts";
import { currentScope, type Scope, type Scoped, tidy } from "./scope.ts";
import * as selecting from "./selecting.ts";
import * as statistics from "./statistics.ts";
import {
  broadcastShapes,
  checkSizes,
  contiguousStrides,
  isContiguous,
  normalizeDim,
  normalizeDims,
  resolveSizes,
  sameShape,
  sizeOf,
} from "./shape.ts";

/** What a tensor's values are read into: bool arrives as bytes of 0 and 1. */
export type HostArray = TypedArray | Uint8Array<ArrayBuffer>;

/** Numbers nested in arrays, as deep as the tensor has dims. */
export type NestedNumbers = number | NestedNumbers[];

/** One dim, several, or (left out) all. */
export type Dims = number | readonly number[];

/** Whether reduced dims stay, with size 1. */
export interface KeepDimOptions {
  /** Default false. */
  readonly keepDim?: boolean;
}

/** Options of {@link Tensor.var} and {@link Tensor.std}. */
export interface VarianceOptions extends KeepDimOptions {
  /** The degrees of freedom taken off the count. Default 1. */
  readonly correction?: number;
}

/** Options of {@link Tensor.norm}. */
export interface NormOptions extends KeepDimOptions {
  /** The order: 1, 2, any positive number, Infinity or -Infinity. Default 2. */
  readonly p?: number;
}

/** Which elements of one dim; negative positions count from the end. */
export interface SliceOptions {
  /** The first position. Default: the beginning, or the end for a negative step. */
  readonly start?: number;
  /** The position before which to stop. Default: beyond the last. */
  readonly end?: number;
  /** The distance between positions; negative runs backwards. Default 1. */
  readonly step?: number;
}

/** The place and values of {@link Tensor.scatter}. */
export interface ScatterOptions {
  /** int32 positions along the dim, of the tensor's rank. */
  readonly index: Tensor;
  /** The values, of at least the index's shape. */
  readonly src: Tensor;
  /** What happens where values meet. Default "replace": the last one stays. */
  readonly combine?: "replace" | "sum" | "prod" | "max" | "min" | "mean";
  /** Whether the tensor's own values take part where others come to them. Default true. */
  readonly includeSelf?: boolean;
}

/** What {@link Tensor.sort} and {@link Tensor.topk} return. */
export interface Sorted {
  /** The values in order. */
  readonly values: Tensor;
  /** int32 positions along the dim. */
  readonly indices: Tensor;
}

/** What a new tensor is made of. Internal: users call `tensor`, `zeros` and the like. */
interface TensorInit extends Layout {
  readonly storage: CountedStorage;
  readonly dtype: DType;
}

/**
 * N-dimensional numbers of one type on one device.
 *
 * Operations give new tensors at once (the device may still be computing); only reading values is `await`ed. Free what you make with
 * `using _ = scope();`, `using t = …` or `t.dispose()`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "./mod.ts";
 *
 * const x = tensor([[1, 2], [3, 4]], { requiresGrad: true });
 * x.square().sum().backward();
 * assertEquals(await x.grad!.toArray(), [[2, 4], [6, 8]]);
 * ```
 */
export class Tensor implements Scoped, Disposable {
  /** The size of each dim. */
  readonly shape: readonly number[];
  /** The distance in elements between neighbours in each dim; 0 where expanded. */
  readonly strides: readonly number[];
  /** The position of the first element in the storage. */
  readonly offset: number;
  /** The type of the elements. */
  readonly dtype: DType;
  /** The scope that frees it, if any. */
  owner: Scope | undefined = undefined;
  #storage: CountedStorage;
  #freedBy: string | undefined;
  #requiresGrad = false;
  #edge: Edge | undefined;
  #grad: Tensor | null = null;

  /** Internal: wraps a storage. Use `tensor`, `zeros` and the like. */
  constructor({ storage, dtype, shape, strides, offset }: TensorInit, scoped = true) {
    storage.retain();
    this.#storage = storage;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    if (scoped) currentScope()?.add(this);
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The number of dims. */
  get rank(): number {
    return this.shape.length;
  }

  /** The name of the device it lives on. */
  get device(): string {
    return this.#storage.device.name;
  }

  /** Whether its elements lie row-major without gaps. */
  get isContiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  /** Whether it was freed. */
  get isDisposed(): boolean {
    return this.#freedBy !== undefined;
  }

  /** Whether operations on it are recorded for gradients. */
  get requiresGrad(): boolean {
    currentRecorder()?.observed(this, "requiresGrad", this.#requiresGrad);
    return this.#requiresGrad;
  }

  /** Whether it was made by hand, not by a recorded operation. */
  get isLeaf(): boolean {
    return this.#edge === undefined || this.#edge.node.leaf !== undefined;
  }

  /** The gradient that `backward()` has added up, of a leaf (or after {@link Tensor.retainGrad}). */
  get grad(): Tensor | null {
    currentRecorder()?.observed(this, "grad", this.#grad);
    return this.#grad;
  }

  /** Replaces the gradient; null drops it. The tensor given is owned by this one from now on. */
  set grad(gradient: Tensor | null) {
    if (gradient !== null) checkTensor("set grad", gradient);
    if (gradient !== null && !sameShape(gradient.shape, this.shape)) {
      throw new ShapeError(
        `Cannot set grad of ${formatShapes([this.shape])}: a tensor of the same shape is needed, got ${formatShapes([gradient.shape])}`,
        { op: "grad", shapes: [this.shape, gradient.shape] },
      );
    }
    this.adoptGrad(gradient);
  }

  // ---- lifetime -------------------------------------------------------------------------------------------------

  /**
   * Frees it now; views of the same storage stay. A second call does nothing.
   *
   * @param by What frees it, for the error that a later use meets.
   */
  dispose(by = "dispose()"): void {
    if (this.#freedBy !== undefined) return;
    this.#freedBy = by;
    this.owner?.remove(this);
    this.#storage.release();
    this.#grad?.dispose(by);
    this.#grad = null;
    this.#edge = undefined;
  }

  /** Frees it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Internal: no scope will free it, so the garbage collector must. */
  escaped(): void {
    if (this.#freedBy === undefined) this.#storage.watch();
  }

  // ---- reading --------------------------------------------------------------------------------------------------

  /** Reads the values, row-major. On a GPU this waits for all work so far (about 10 ms); read several at once with `read`. */
  async data(): Promise<HostArray> {
    return (await readTensors([this]))[0]!;
  }

  /**
   * Reads the one value of a tensor with a single element.
   *
   * @throws ShapeError for any other number of elements.
   */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`Cannot item ${formatShapes([this.shape])}: exactly one element is needed, got ${this.size}`, {
        op: "item",
        shapes: [this.shape],
      });
    }
    return (await this.data())[0]!;
  }

  /** Reads the values as nested arrays. */
  async toArray(): Promise<NestedNumbers> {
    return nest(await this.data(), this.shape);
  }

  /** Reads the values and prints them. */
  async print(): Promise<void> {
    console.log(formatValues(await this.data(), this));
  }

  /** What `console.log` shows: type, shape and device, never values, since those would have to be waited for. */
  toString(): string {
    return describe(this);
  }

  /** What Deno's `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return describe(this);
  }

  // ---- gradients ------------------------------------------------------------------------------------------------

  /**
   * Makes a leaf record what is done with it, or stop.
   *
   * @throws DTypeError for whole numbers and bool; GradientError for the result of a recorded operation.
   */
  requiresGrad_(value = true): this {
    if (!this.isLeaf) throw new GradientError("Cannot change requiresGrad: a leaf is needed, got the result of an operation; detach() it");
    if (value && !isFloat(this.dtype)) {
      throw new DTypeError(`Cannot require a gradient of a ${this.dtype} tensor: a floating type is needed`, { op: "requiresGrad" });
    }
    this.#requiresGrad = value;
    if (!value) this.#edge = undefined;
    return this;
  }

  /**
   * Computes the gradient of this tensor with respect to every leaf it depends on and adds it to each leaf's `.grad`.
   *
   * Frees what the forward saved, unless `retainGraph` or `createGraph` is set.
   *
   * @throws GradientError when nothing requires a gradient, when this is no single number and no `gradient` is given, or when the
   * graph was already freed.
   */
  backward(options: BackwardOptions = {}): void {
    const { gradient } = checkOptions(options, "backward", ["gradient", "retainGraph", "createGraph"]);
    checkTensors("backward", {}, { gradient });
    this.#alive("backward");
    runBackward([this], [options]);
  }

  /** The same elements, without history: what is done with the result is not recorded back to this tensor. */
  detach(): Tensor {
    this.#alive("detach");
    return new Tensor({ storage: this.#storage, dtype: this.dtype, shape: this.shape, strides: this.strides, offset: this.offset });
  }

  /** Keeps the gradient of the result of an operation in its `.grad`, as leaves do. */
  retainGrad(): this {
    if (this.isLeaf) return this;
    this.registerHook((gradient) => this.adoptGrad(noGrad(() => this.#grad === null ? gradient.clone() : this.#grad.add(gradient))));
    return this;
  }

  /**
   * Calls `hook` with this tensor's gradient during backward; what it returns (if anything) replaces the gradient.
   *
   * @returns A function that removes the hook.
   * @throws GradientError when the tensor requires no gradient.
   */
  registerHook(hook: GradientHook): () => void {
    const edge = this.gradientEdge();
    if (edge === undefined) throw new GradientError("Cannot register a hook: a tensor that requires a gradient is needed");
    const hooks = edge.node.hooks.get(edge.index) ?? new Set();
    edge.node.hooks.set(edge.index, hooks.add(hook));
    return () => void hooks.delete(hook);
  }

  /** Internal: where this tensor's gradient is collected. */
  gradientEdge(): Edge | undefined {
    if (this.#edge === undefined && this.#requiresGrad) {
      this.#edge = { node: new TapeNode("leaf", [], [], undefined, undefined, this), index: 0 };
    }
    return this.#edge;
  }

  /** Internal: makes `gradient` this tensor's own; it lives as long as the tensor. */
  adoptGrad(gradient: Tensor | null): void {
    currentRecorder()?.adopted(this);
    if (this.#grad === gradient) return;
    this.#grad?.dispose("zeroGrad() or another value of grad");
    this.#grad = gradient;
    if (gradient === null) return;
    gradient.owner?.remove(gradient);
    if (this.owner === undefined) gradient.escaped();
  }

  // ---- arithmetic -----------------------------------------------------------------------------------------------

  /** a + b, broadcast. On bool: or. */
  add(other: Tensor | number): Tensor {
    return combine(binary.add, this, other);
  }

  /** a - b, broadcast. */
  sub(other: Tensor | number): Tensor {
    return combine(binary.sub, this, other);
  }

  /** a · b, broadcast. On bool: and. */
  mul(other: Tensor | number): Tensor {
    return combine(binary.mul, this, other);
  }

  /** a / b, broadcast, in a floating type. */
  div(other: Tensor | number): Tensor {
    return combine(binary.div, this, other);
  }

  /** ⌊a / b⌋, broadcast; whole numbers divided by 0 give 0. Has no gradient. */
  floorDivide(other: Tensor | number): Tensor {
    return combine(binary.floorDivide, this, other);
  }

  /** a - b ⌊a / b⌋, broadcast: the remainder with the divisor's sign. */
  remainder(other: Tensor | number): Tensor {
    return combine(binary.remainder, this, other);
  }

  /**
   * a^b, broadcast; whole numbers have whole powers, which wrap around. By the numbers 0.5 and -0.5 it is the root and its inverse, NaN at
   * -Infinity, as in PyTorch.
   *
   * @throws ArgumentError for a whole number below 0 as the exponent of whole numbers, which in a tensor gives 0, but for 1 and -1;
   * DTypeError for one that they cannot hold.
   */
  pow(exponent: Tensor | number): Tensor {
    if (typeof exponent === "number" && isInteger(promoteNumber(this.dtype, exponent))) {
      if (exponent < 0) throw new ArgumentError(`Cannot pow ${this.dtype}: whole numbers have powers from 0 only, got ${exponent}`);
      requireHeld("pow", this.dtype, exponent);
    }
    if (exponent === 0.5) return one(unary.rootPower, this);
    if (exponent === -0.5) return one(unary.inverseRootPower, this);
    return combine(binary.pow, this, exponent);
  }

  /** The greater of a and b, broadcast; NaN if either is. */
  maximum(other: Tensor | number): Tensor {
    return combine(binary.maximum, this, other);
  }

  /** The lesser of a and b, broadcast; NaN if either is. */
  minimum(other: Tensor | number): Tensor {
    return combine(binary.minimum, this, other);
  }

  /** The angle of the point (other, this) in radians, broadcast. */
  atan2(other: Tensor | number): Tensor {
    return combine(binary.atan2, this, other);
  }

  /** a - b trunc(a / b), broadcast: the remainder with the dividend's sign. */
  fmod(other: Tensor | number): Tensor {
    return combine(arithmetic.fmod, this, other);
  }

  /** √(a² + b²), broadcast, without overflow. */
  hypot(other: Tensor | number): Tensor {
    return combine(arithmetic.hypot, this, other);
  }

  /** log(e^a + e^b), broadcast, without overflow. */
  logaddexp(other: Tensor | number): Tensor {
    return combine(arithmetic.logaddexp, this, other);
  }

  /** a log b, broadcast, and 0 where a is 0. */
  xlogy(other: Tensor | number): Tensor {
    return combine(arithmetic.xlogy, this, other);
  }

  /** The greater of a and b, broadcast; NaN only if both are. */
  fmax(other: Tensor | number): Tensor {
    return combine(pointwise.fmax, this, other);
  }

  /** The lesser of a and b, broadcast; NaN only if both are. */
  fmin(other: Tensor | number): Tensor {
    return combine(pointwise.fmin, this, other);
  }

  /** |a| with the sign of b, broadcast, that of -0 too. */
  copysign(other: Tensor | number): Tensor {
    return combine(pointwise.copysign, this, other);
  }

  /** 0 below 0 (and for NaN, as in PyTorch), 1 above, `values` at 0, broadcast. Has no gradient. */
  heaviside(values: Tensor | number): Tensor {
    return combine(pointwise.heaviside, this, values);
  }

  /** a + weight (end - a), broadcast; exactly `end` where the weight is 1. */
  lerp(end: Tensor, weight: Tensor | number): Tensor {
    return products.lerp(this, end, weight);
  }

  /** a + value · x · y, broadcast. */
  addcmul(x: Tensor, y: Tensor, options: { readonly value?: number } = {}): Tensor {
    checkTensors("addcmul", { x, y });
    const { value = 1 } = checkOptions(options, "addcmul", ["value"]);
    return tidy(() => this.add(x.mul(y).mul(value)));
  }

  /** a + value · x / y, broadcast. */
  addcdiv(x: Tensor, y: Tensor, options: { readonly value?: number } = {}): Tensor {
    checkTensors("addcdiv", { x, y });
    const { value = 1 } = checkOptions(options, "addcdiv", ["value"]);
    return tidy(() => this.add(x.div(y).mul(value)));
  }

  /** -x. */
  neg(): Tensor {
    return one(unary.neg, this);
  }

  /** |x|. */
  abs(): Tensor {
    return one(unary.abs, this);
  }

  /** -1, 0 or 1; 0 for NaN and -0. */
  sign(): Tensor {
    return one(unary.sign, this);
  }

  /** The greatest whole number not above x. */
  floor(): Tensor {
    return one(unary.floor, this);
  }

  /** The least whole number not below x. */
  ceil(): Tensor {
    return one(unary.ceil, this);
  }

  /**
   * The nearest whole number, halves to even; with `decimals` the nearest multiple of 10^-decimals.
   *
   * @throws ArgumentError for decimals that are no whole number.
   */
  round(options: { readonly decimals?: number } = {}): Tensor {
    const { decimals = 0 } = checkOptions(options, "round", ["decimals"]);
    if (decimals === 0) return one(unary.round, this);
    if (!Number.isInteger(decimals)) throw new ArgumentError(`Cannot round: whole decimals are needed, got ${decimals}`);
    const scale = 10 ** Math.abs(decimals);
    return tidy(() => decimals > 0 ? this.mul(scale).round().div(scale) : this.div(scale).round().mul(scale));
  }

  /** What stands behind the point, with x's sign. */
  frac(): Tensor {
    return one(pointwise.frac, this);
  }

  /** Whether it is below 0, or -0, as bool. */
  signbit(): Tensor {
    return one(pointwise.signbit, this);
  }

  /** x without its fraction. */
  trunc(): Tensor {
    return one(unary.trunc, this);
  }

  /** x². */
  square(): Tensor {
    return one(unary.square, this);
  }

  /** √x; NaN below 0. */
  sqrt(): Tensor {
    return one(unary.sqrt, this);
  }

  /** 1 / √x. */
  rsqrt(): Tensor {
    return one(unary.rsqrt, this);
  }

  /** 1 / x. */
  reciprocal(): Tensor {
    return one(unary.reciprocal, this);
  }

  /** e^x. */
  exp(): Tensor {
    return one(unary.exp, this);
  }

  /** 2^x. */
  exp2(): Tensor {
    return one(pointwise.exp2, this);
  }

  /** e^x - 1, exact near 0. */
  expm1(): Tensor {
    return one(unary.expm1, this);
  }

  /** The natural logarithm; -Infinity at 0, NaN below. */
  log(): Tensor {
    return one(unary.log, this);
  }

  /** log(1 + x), exact near 0. */
  log1p(): Tensor {
    return one(unary.log1p, this);
  }

  /** The logarithm to base 2. */
  log2(): Tensor {
    return one(unary.log2, this);
  }

  /** The logarithm to base 10. */
  log10(): Tensor {
    return one(unary.log10, this);
  }

  /** The sine of x radians. */
  sin(): Tensor {
    return one(unary.sin, this);
  }

  /** The cosine of x radians. */
  cos(): Tensor {
    return one(unary.cos, this);
  }

  /** The tangent of x radians. */
  tan(): Tensor {
    return one(unary.tan, this);
  }

  /** The angle in radians whose sine is x. */
  asin(): Tensor {
    return one(unary.asin, this);
  }

  /** The angle in radians whose cosine is x. */
  acos(): Tensor {
    return one(unary.acos, this);
  }

  /** The angle in radians whose tangent is x. */
  atan(): Tensor {
    return one(unary.atan, this);
  }

  /** The hyperbolic sine. */
  sinh(): Tensor {
    return one(unary.sinh, this);
  }

  /** The hyperbolic cosine. */
  cosh(): Tensor {
    return one(unary.cosh, this);
  }

  /** The hyperbolic tangent. */
  tanh(): Tensor {
    return one(unary.tanh, this);
  }

  /** The number whose hyperbolic sine is x. */
  asinh(): Tensor {
    return one(arithmetic.asinh, this);
  }

  /** The number from 0 whose hyperbolic cosine is x; NaN below 1. */
  acosh(): Tensor {
    return one(arithmetic.acosh, this);
  }

  /** The number whose hyperbolic tangent is x; NaN beyond ±1. */
  atanh(): Tensor {
    return one(arithmetic.atanh, this);
  }

  /** The error function 2/√π ∫₀ˣ exp(-t²) dt. */
  erf(): Tensor {
    return one(unary.erf, this);
  }

  /** 1 - erf x, exact where it is small. */
  erfc(): Tensor {
    return one(special.erfc, this);
  }

  /** The number whose error function is x; ±Infinity at ±1, NaN beyond. */
  erfinv(): Tensor {
    return one(special.erfinv, this);
  }

  /** sin(πx) / (πx), and 1 at 0. */
  sinc(): Tensor {
    return one(pointwise.sinc, this);
  }

  /** log(x / (1 - x)); with `eps` of x held between eps and 1 - eps first, without it NaN outside 0 … 1. */
  logit(options: { readonly eps?: number } = {}): Tensor {
    const { eps } = checkOptions(options, "logit", ["eps"]);
    return eps === undefined ? one(pointwise.logit, this) : tidy(() => this.clamp({ min: eps, max: 1 - eps }).logit());
  }

  /** log |Γ(x)|. In float32 its error near its roots below 0 is absolute, about 1e-6. */
  lgamma(): Tensor {
    return one(special.lgamma, this);
  }

  /** The derivative of log Γ(x). In float32 its error near its roots below 0 is absolute, about 1e-6. */
  digamma(): Tensor {
    return one(special.digamma, this);
  }

  /** 1 / (1 + e^-x). */
  sigmoid(): Tensor {
    return one(unary.sigmoid, this);
  }

  /** max(x, 0). */
  relu(): Tensor {
    return one(unary.relu, this);
  }

  /** x above 0, slope · x below (default 0.01). */
  leakyRelu(slope = 0.01): Tensor {
    return one(unary.leakyRelu, this, [slope]);
  }

  /** x above 0, alpha (e^x - 1) below (default 1). */
  elu(alpha = 1): Tensor {
    return one(unary.elu, this, [alpha]);
  }

  /** x · sigmoid(x). */
  silu(): Tensor {
    return one(unary.silu, this);
  }

  /** x Φ(x) with the normal distribution function Φ; `approximate: "tanh"` for the cheaper form. Source: Hendrycks and Gimpel 2016. */
  gelu(options: { readonly approximate?: "none" | "tanh" } = {}): Tensor {
    const { approximate = "none" } = checkOptions(options, "gelu", ["approximate"]);
    if (approximate !== "none" && approximate !== "tanh") {
      throw new ArgumentError(`Cannot gelu: approximate "none" or "tanh" is needed, got ${JSON.stringify(approximate)}`);
    }
    return one(approximate === "tanh" ? unary.geluTanh : unary.gelu, this);
  }

  /** log(1 + e^(beta x)) / beta, and x itself where beta x > threshold. */
  softplus(options: { readonly beta?: number; readonly threshold?: number } = {}): Tensor {
    const { beta = 1, threshold = 20 } = checkOptions(options, "softplus", ["beta", "threshold"]);
    return one(unary.softplus, this, [beta, threshold]);
  }

  /** log sigmoid(x). */
  logSigmoid(): Tensor {
    return one(unary.logSigmoid, this);
  }

  /**
   * x held between bounds; either may be left out, and all is `max` where min > max. NaN stays; whole numbers become float32 for a fraction.
   *
   * @throws DTypeError for a bound that x's whole numbers cannot hold.
   */
  clamp(options: { readonly min?: number; readonly max?: number }): Tensor {
    const { min = -Infinity, max = Infinity } = checkOptions(options, "clamp", ["min", "max"]);
    return isInteger(this.dtype) ? clampWhole(this, min, max) : one(unary.clamp, this, [min, max]);
  }

  // ---- comparisons and logic ------------------------------------------------------------------------------------

  /** a < b, broadcast, as bool. */
  lt(other: Tensor | number): Tensor {
    return combine(binary.lt, this, other);
  }

  /** a ≤ b, broadcast, as bool. */
  le(other: Tensor | number): Tensor {
    return combine(binary.le, this, other);
  }

  /** a > b, broadcast, as bool. */
  gt(other: Tensor | number): Tensor {
    return combine(binary.gt, this, other);
  }

  /** a ≥ b, broadcast, as bool. */
  ge(other: Tensor | number): Tensor {
    return combine(binary.ge, this, other);
  }

  /** a = b, broadcast, as bool; NaN equals nothing. */
  eq(other: Tensor | number): Tensor {
    return combine(binary.eq, this, other);
  }

  /** a ≠ b, broadcast, as bool. */
  ne(other: Tensor | number): Tensor {
    return combine(binary.ne, this, other);
  }

  /** Both are not 0, broadcast, as bool. */
  logicalAnd(other: Tensor): Tensor {
    return combine(binary.logicalAnd, this, other);
  }

  /** One or both are not 0, broadcast, as bool. */
  logicalOr(other: Tensor): Tensor {
    return combine(binary.logicalOr, this, other);
  }

  /** Exactly one is not 0, broadcast, as bool. */
  logicalXor(other: Tensor): Tensor {
    return combine(binary.logicalXor, this, other);
  }

  /** It is 0, as bool. */
  logicalNot(): Tensor {
    return one(unary.logicalNot, this);
  }

  /** Bitwise and of whole numbers or bool. */
  bitwiseAnd(other: Tensor | number): Tensor {
    return combine(binary.bitwiseAnd, this, other);
  }

  /** Bitwise or of whole numbers or bool. */
  bitwiseOr(other: Tensor | number): Tensor {
    return combine(binary.bitwiseOr, this, other);
  }

  /** Bitwise exclusive or of whole numbers or bool. */
  bitwiseXor(other: Tensor | number): Tensor {
    return combine(binary.bitwiseXor, this, other);
  }

  /** Bitwise complement of whole numbers or bool. */
  bitwiseNot(): Tensor {
    return one(unary.bitwiseNot, this);
  }

  /** Bits moved up by `distance` (modulo 32), broadcast; what leaves is lost. */
  bitwiseLeftShift(distance: Tensor | number): Tensor {
    return combine(arithmetic.bitwiseLeftShift, this, distance);
  }

  /** Bits moved down by `distance` (modulo 32), broadcast; int32 keeps its sign. */
  bitwiseRightShift(distance: Tensor | number): Tensor {
    return combine(arithmetic.bitwiseRightShift, this, distance);
  }

  /** Whether it is NaN, as bool. */
  isNaN(): Tensor {
    return one(unary.isNaN, this);
  }

  /** Whether it is Infinity or -Infinity, as bool. */
  isInf(): Tensor {
    return one(unary.isInf, this);
  }

  /** Whether it is neither NaN nor infinite, as bool. */
  isFinite(): Tensor {
    return one(arithmetic.isFinite, this);
  }

  /** With finite numbers for NaN (default 0), Infinity and -Infinity (default the greatest and least of the type). */
  nanToNum(options: { readonly nan?: number; readonly posInf?: number; readonly negInf?: number } = {}): Tensor {
    const { nan = 0, posInf, negInf } = checkOptions(options, "nanToNum", ["nan", "posInf", "negInf"]);
    const greatest = greatestFinite[this.dtype];
    return one(arithmetic.nanToNum, this, [nan, posInf ?? greatest, negInf ?? -greatest]);
  }

  /** Which elements are among `values`, as bool; with `invert`, which are not. NaN is among none. */
  isin(values: Tensor, options: { readonly invert?: boolean } = {}): Tensor {
    return comparing.isin(this, values, options);
  }

  /**
   * Whether |a - b| ≤ atol + rtol |b|, or a = b, broadcast, as bool.
   *
   * @throws DTypeError for two types; ArgumentError for a tolerance below 0.
   */
  isclose(other: Tensor, options: comparing.CloseOptions = {}): Tensor {
    return comparing.isclose(this, other, options);
  }

  /** Whether {@link isclose} holds everywhere. Waits for the values. */
  allclose(other: Tensor, options: comparing.CloseOptions = {}): Promise<boolean> {
    return comparing.allclose(this, other, options);
  }

  /** Whether shapes and all elements are equal. Waits for the values. */
  equal(other: Tensor): Promise<boolean> {
    return comparing.equal(this, other);
  }

  /** With this bool tensor as the condition: `a` where true, `b` where false, broadcast. */
  where(a: Tensor | number, b: Tensor | number): Tensor {
    if (typeof a === "number" && typeof b === "number") return this.where(scalarLike(this, a, b), b);
    if (typeof a === "number") return apply(binary.where, [this, b as Tensor], { left: a })[0]!;
    if (typeof b === "number") return apply(binary.where, [this, a], { right: b })[0]!;
    return apply(binary.where, [this, a, b], binary.tensorsOnly)[0]!;
  }

  /** The tensor with `value` wherever the bool mask is true, broadcast. */
  maskedFill(mask: Tensor, value: number): Tensor {
    checkTensors("maskedFill", { mask });
    return mask.where(value, this);
  }

  // ---- reductions -----------------------------------------------------------------------------------------------

  /** The sum over `dim` (default all); whole numbers and bool in int32. */
  sum(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.sum, this, dim, options);
  }

  /** The mean over `dim` (default all), in a floating type. */
  mean(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.mean, this, dim, options);
  }

  /** The product over `dim` (default all). */
  prod(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.prod, this, dim, options);
  }

  /** The greatest value over `dim` (default all); equal maxima share the gradient. Positions: {@link Tensor.argmax}. */
  max(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.max, this, dim, options);
  }

  /** The least value over `dim` (default all); equal minima share the gradient. Positions: {@link Tensor.argmin}. */
  min(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.min, this, dim, options);
  }

  /** The int32 position of the first greatest value along `dim`, or in the flattened tensor; NaN counts as greatest. */
  argmax(dim?: number, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.argmax, this, dim === undefined ? dim : normalizeDim(dim, this.rank, "argmax"), options);
  }

  /** The int32 position of the first least value along `dim`, or in the flattened tensor; NaN counts as least. */
  argmin(dim?: number, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.argmin, this, dim === undefined ? dim : normalizeDim(dim, this.rank, "argmin"), options);
  }

  /** Whether any element over `dim` (default all) is not 0. */
  any(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.any, this, dim, options);
  }

  /** Whether all elements over `dim` (default all) are not 0. */
  all(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.all, this, dim, options);
  }

  /** The variance over `dim` (default all), Σ (x - mean)² / (n - correction). */
  var(dim?: Dims, options: VarianceOptions = {}): Tensor {
    const { keepDim = false, correction = 1 } = checkOptions(options, "var", ["correction", "keepDim"]);
    checkNumber(correction, "var", "a number as correction");
    const dims = normalizeDims(dim, this.rank, "var");
    return apply(reduction.variance, [this], { dims, keepDim, correction, root: false })[0]!;
  }

  /** The standard deviation over `dim` (default all); its gradient is 0 where it is 0. */
  std(dim?: Dims, options: VarianceOptions = {}): Tensor {
    const { keepDim = false, correction = 1 } = checkOptions(options, "std", ["correction", "keepDim"]);
    checkNumber(correction, "std", "a number as correction");
    const dims = normalizeDims(dim, this.rank, "std");
    return apply(reduction.variance, [this], { dims, keepDim, correction, root: true })[0]!;
  }

  /** log Σ exp x over `dim` (default all), without overflow. */
  logsumexp(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return reduce(reduction.logsumexp, this, dim, options);
  }

  /** The p-norm (Σ |x|^p)^(1/p) over `dim` (default all); its gradient is 0 where it is 0. */
  norm(dim?: Dims, options: NormOptions = {}): Tensor {
    const { p = 2, ...rest } = checkOptions(options, "norm", ["p", "keepDim"]);
    if (p === 2) return reduce(reduction.norm2, this, dim, rest);
    if (p === 1) return tidy(() => this.abs().sum(dim, rest));
    if (p === Infinity) return tidy(() => this.abs().max(dim, rest));
    if (p === -Infinity) return tidy(() => this.abs().min(dim, rest));
    if (!(p > 0)) throw new ArgumentError(`Cannot norm: a positive p or -Infinity is needed, got ${p}`);
    return tidy(() => {
      // A root's slope at 0 is infinite; there the norm's own subgradient is 0. Below 1 the summands are roots as well.
      const total = (p < 1 ? powerFromZero(this.abs(), p) : this.abs().pow(p)).sum(dim, rest);
      return powerFromZero(total, 1 / p);
    });
  }

  /** The least and the greatest value over `dim` (default all). */
  aminmax(dim?: Dims, options: KeepDimOptions = {}): selecting.Extrema {
    checkOptions(options, "aminmax", ["keepDim"]);
    return { min: this.min(dim, options), max: this.max(dim, options) };
  }

  /** The median along `dim` (default of all), the lower one of two, and its position; NaN if any element is. */
  median(dim?: number, options: KeepDimOptions = {}): Sorted {
    return selecting.median(this, dim, options);
  }

  /** The most frequent value along `dim` (default the last), the least of several, and where it last stands. */
  mode(dim = -1, options: KeepDimOptions = {}): Sorted {
    return selecting.mode(this, dim, options);
  }

  /**
   * The k-th least value (k from 1) along `dim` (default the last) and its position.
   *
   * @throws ArgumentError when k is not from 1 to the size of the dim.
   */
  kthvalue(k: number, options: KeepDimOptions & { readonly dim?: number } = {}): Sorted {
    return selecting.kthvalue(this, k, options);
  }

  /**
   * The values below which the fractions `q` of the elements lie, NaN if any element is; several as a new first dim.
   *
   * @throws ArgumentError for a fraction outside 0 … 1; DTypeError for whole numbers.
   */
  quantile(q: number | readonly number[], options: selecting.QuantileOptions = {}): Tensor {
    return selecting.quantile(this, q, options);
  }

  /** {@link median} of the numbers, NaN left out: NaN where there are none. */
  nanmedian(dim?: number, options: KeepDimOptions = {}): Sorted {
    return selecting.nanmedian(this, dim, options);
  }

  /** {@link quantile} of the numbers, NaN left out: NaN where there are none. */
  nanquantile(q: number | readonly number[], options: selecting.QuantileOptions = {}): Tensor {
    return selecting.quantile(this, q, options, true);
  }

  /** The sum over `dim` (default all), NaN counting as 0. */
  nansum(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return statistics.nansum(this, dim, options);
  }

  /** The mean of the numbers over `dim` (default all), NaN left out: NaN where there are none. */
  nanmean(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    return statistics.nanmean(this, dim, options);
  }

  /** How many elements over `dim` (default all) are not 0, int32. */
  countNonzero(dim?: Dims, options: KeepDimOptions = {}): Tensor {
    checkOptions(options, "countNonzero", ["keepDim"]);
    return tidy(() => this.ne(0).sum(dim, options));
  }

  /**
   * The covariance of variables [V, N] as a matrix [V, V], or the variance of one [N]; NaN for a negative frequency or weight.
   *
   * @throws ShapeError for more than two dims, or frequencies and weights that are not one per observation.
   */
  cov(options: statistics.CovarianceOptions = {}): Tensor {
    return statistics.cov(this, options);
  }

  /** Pearson's correlation of variables [V, N], a matrix [V, V] from -1 to 1. */
  corrcoef(): Tensor {
    return statistics.corrcoef(this);
  }

  /** The slices of `dim` whose norm is above `maxNorm` scaled down to it. */
  renorm(options: statistics.RenormOptions): Tensor {
    return statistics.renorm(this, options);
  }

  /** How many elements fall into each of `bins` equal intervals of [min, max] (default: of the elements' own range). */
  histc(options: selecting.HistogramOptions = {}): Tensor {
    return selecting.histc(this, options);
  }

  /** exp(x) / Σ exp(x) along `dim`. */
  softmax(dim: number): Tensor {
    return apply(rows.softmax, [this], { dims: normalizeDims(checkNumber(dim, "softmax", "a dim"), this.rank, "softmax") })[0]!;
  }

  /** x - log Σ exp(x) along `dim`. */
  logSoftmax(dim: number): Tensor {
    return apply(rows.logSoftmax, [this], { dims: normalizeDims(checkNumber(dim, "logSoftmax", "a dim"), this.rank, "logSoftmax") })[0]!;
  }

  /** The running sum along `dim`; bool in int32. */
  cumsum(dim: number): Tensor {
    const x = this.dtype === "bool" ? this.to("int32") : this;
    return alongLast(x, dim, "cumsum", (moved) => apply(indexing.cumsum, [moved], {})[0]!);
  }

  /** The running product along `dim`; bool in int32. */
  cumprod(dim: number): Tensor {
    return cumulative.cumprod(this, dim);
  }

  /** The greatest value so far along `dim`, and where it stands (the last such place); NaN stays. */
  cummax(dim: number): Sorted {
    return cumulative.cumulativeExtremum(this, dim, "max");
  }

  /** The least value so far along `dim`, and where it stands (the last such place); NaN stays. */
  cummin(dim: number): Sorted {
    return cumulative.cumulativeExtremum(this, dim, "min");
  }

  /** log Σ exp of all elements so far along `dim`, without overflow. */
  logcumsumexp(dim: number): Tensor {
    return cumulative.logcumsumexp(this, dim);
  }

  /** Each element less the one before it along `dim` (default the last), n times. */
  diff(options: rearranging.DiffOptions = {}): Tensor {
    return rearranging.diff(this, options);
  }

  /** Sorted along `dim` (default the last), stable, NaN as the greatest; and where each value was. */
  sort(dim = -1, options: { readonly descending?: boolean } = {}): Sorted {
    const { descending = false } = checkOptions(options, "sort", ["descending"]);
    const at = normalizeDim(dim, this.rank, "sort");
    if (this.rank === 0) return { values: this.clone(), indices: this.newZeros([], "int32") };
    const [values, indices] = tidy(() =>
      apply(indexing.sort, [this.transpose(at, -1)], { descending }).map((sorted) => sorted.transpose(at, -1))
    );
    return { values: values!, indices: indices! };
  }

  /**
   * The k greatest (or least) values along `dim` (default the last), in order, and where they were.
   *
   * @throws ArgumentError when k is not a whole number from 0 to the size of the dim.
   */
  topk(k: number, options: { readonly dim?: number; readonly largest?: boolean } = {}): Sorted {
    const { dim = -1, largest = true } = checkOptions(options, "topk", ["dim", "largest"]);
    const at = normalizeDim(dim, this.rank, "topk");
    if (!Number.isInteger(k) || k < 0 || k > (this.shape[at] ?? 1)) {
      throw new ArgumentError(`Cannot topk ${formatShapes([this.shape])}: k from 0 to ${this.shape[at] ?? 1} is needed, got ${k}`);
    }
    if (this.rank === 0) return { values: this.clone(), indices: this.newZeros([], "int32") };
    const [values, indices] = tidy(() =>
      apply(indexing.sort, [this.transpose(at, -1)], { descending: largest, count: k }).map((sorted) => sorted.transpose(at, -1))
    );
    return { values: values!, indices: indices! };
  }

  // ---- products -------------------------------------------------------------------------------------------------

  /**
   * The matrix product [..., M, K] × [..., K, N] → [..., M, N]; batch dims broadcast, 1-d tensors are a row or a column as in PyTorch.
   *
   * @throws ShapeError for 0-d tensors or inner sizes that differ; DTypeError unless both have one floating type.
   */
  matmul(other: Tensor): Tensor {
    checkTensor("matmul", other);
    if (this.rank === 0 || other.rank === 0) {
      throw new ShapeError(`Cannot matmul ${formatShapes([this.shape, other.shape])}: at least 1-d tensors are needed`, {
        op: "matmul",
        shapes: [this.shape, other.shape],
      });
    }
    if (this.rank === 1) return tidy(() => this.unsqueeze(0).matmul(other).squeeze(other.rank === 1 ? 0 : -2));
    if (other.rank === 1) return tidy(() => this.matmul(other.unsqueeze(1)).squeeze(-1));
    if (this.rank > 2 && other.rank === 2) {
      // One tall product instead of many small ones.
      return tidy(() => {
        const lead = this.shape.slice(0, -1);
        return this.reshape([sizeOf(lead), this.shape.at(-1)!]).matmul(other).reshape([...lead, other.shape[1]!]);
      });
    }
    return apply(linear.matmul, [this, other], {})[0]!;
  }

  /** a_i b_j of two vectors. */
  outer(other: Tensor): Tensor {
    return products.outer(this, other);
  }

  /** The Kronecker product: this tensor with each element replaced by its product with `other`. */
  kron(other: Tensor): Tensor {
    return products.kron(this, other);
  }

  /** The vector product along a dim of size 3 (default the last), broadcast. */
  cross(other: Tensor, options: { readonly dim?: number } = {}): Tensor {
    const { dim = -1 } = checkOptions(options, "cross", ["dim"]);
    return products.cross(this, other, dim);
  }

  /** The transpose of the last two dims of a tensor, as a view. */
  get mT(): Tensor {
    return this.transpose(-2, -1);
  }

  // ---- shape ----------------------------------------------------------------------------------------------------

  /** The same elements in another shape; one size may be -1. A view where strides allow it, else a copy. */
  reshape(shape: readonly number[]): Tensor {
    const sizes = resolveSizes(shape, this.shape, "reshape");
    if (sameShape(sizes, this.shape)) return this.alias();
    if (shaping.canReshape(this, sizes)) return apply(shaping.reshapeView, [this], { shape: sizes })[0]!;
    return tidy(() => apply(shaping.reshapeView, [this.contiguous()], { shape: sizes })[0]!);
  }

  /** All dims from `start` to `end` (inclusive) as one. */
  flatten(start = 0, end = -1): Tensor {
    const from = normalizeDim(start, this.rank, "flatten");
    const to = normalizeDim(end, this.rank, "flatten");
    if (this.rank === 0) return this.reshape([1]);
    const { shape } = this;
    return this.reshape([...shape.slice(0, from), sizeOf(shape.slice(from, to + 1)), ...shape.slice(to + 1)]);
  }

  /** The dims in another order, as a view. */
  permute(order: readonly number[]): Tensor {
    const dims = checkList(order, "permute", "x.permute([1, 0])").map((dim) => normalizeDim(dim, this.rank, "permute"));
    if (dims.length !== this.rank || new Set(dims).size !== dims.length) {
      throw new ArgumentError(`Cannot permute ${formatShapes([this.shape])}: each dim once is needed, got [${order.join(", ")}]`);
    }
    return apply(shaping.permute, [this], { order: dims })[0]!;
  }

  /** Two dims swapped, as a view. */
  transpose(dim0: number, dim1: number): Tensor {
    const a = normalizeDim(dim0, this.rank, "transpose");
    const b = normalizeDim(dim1, this.rank, "transpose");
    return this.permute(this.shape.map((_, dim) => dim === a ? b : dim === b ? a : dim));
  }

  /**
   * Dims of size 1 stretched to a larger shape (-1 keeps a size), as a view with stride 0.
   *
   * @throws ShapeError when another size would have to change.
   */
  expand(shape: readonly number[]): Tensor {
    const lead = checkList(shape, "expand", "x.expand([4, -1])").length - this.rank;
    const sizes = shape.map((size, dim) => size === -1 && dim >= lead ? this.shape[dim - lead]! : size);
    const fits = lead >= 0 &&
      sizes.every((size, dim) =>
        Number.isInteger(size) && size >= 0 && (dim < lead || this.shape[dim - lead] === size || this.shape[dim - lead] === 1)
      );
    if (!fits) {
      throw new ShapeError(
        `Cannot expand ${formatShapes([this.shape])}: a shape that keeps all sizes but 1 is needed, got [${shape.join(", ")}]`,
        { op: "expand", shapes: [this.shape, shape] },
      );
    }
    return apply(shaping.expand, [this], { shape: sizes })[0]!;
  }

  /** Without dims of size 1: all of them, or `dim` where its size is 1. */
  squeeze(dim?: Dims): Tensor {
    const dims = normalizeDims(dim, this.rank, "squeeze");
    return this.reshape(this.shape.filter((size, d) => size !== 1 || !dims.includes(d)));
  }

  /** With a dim of size 1 inserted at `dim`. */
  unsqueeze(dim: number): Tensor {
    const at = normalizeDim(dim, this.rank + 1, "unsqueeze");
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  }

  /**
   * Every `step`-th element of `dim` from `start` up to, not including, `end`, as a view. Positions beyond the ends are cut off, as
   * in Python; a negative step runs backwards.
   */
  slice(dim: number, options: SliceOptions): Tensor {
    checkOptions(options, "slice", ["start", "end", "step"]);
    const at = normalizeDim(dim, this.rank, "slice");
    const range = resolveSlice(options, this.#sizeOfDim(at, "slice"));
    return apply(shaping.slice, [this], sliceOne(this.shape, at, range))[0]!;
  }

  /** `length` elements of `dim` from `start`, as a view. */
  narrow(dim: number, options: { readonly start: number; readonly length: number }): Tensor {
    const { start, length } = checkOptions(options, "narrow", ["start", "length"]);
    const at = normalizeDim(dim, this.rank, "narrow");
    const size = this.#sizeOfDim(at, "narrow");
    const from = start < 0 ? start + size : start;
    if (!Number.isInteger(from) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > size) {
      throw new IndexError(`Cannot narrow ${formatShapes([this.shape])}: a range within 0 … ${size} is needed, got ${start} + ${length}`);
    }
    return apply(shaping.slice, [this], sliceOne(this.shape, at, { start: from, step: 1, size: length }))[0]!;
  }

  /** The elements at one position of `dim`, without that dim, as a view. */
  select(dim: number, index: number): Tensor {
    const at = normalizeDim(dim, this.rank, "select");
    const size = this.#sizeOfDim(at, "select");
    if (!Number.isInteger(index) || index < -size || index >= size) {
      throw new IndexError(`Cannot select ${formatShapes([this.shape])}: a position in ${-size} … ${size - 1} is needed, got ${index}`);
    }
    return tidy(() => this.narrow(at, { start: index, length: 1 }).squeeze(at));
  }

  /** The order of elements reversed along `dim` (default all), as a view with negative strides. */
  flip(dim?: Dims): Tensor {
    const dims = normalizeDims(dim, this.rank, "flip");
    return apply(shaping.slice, [this], {
      starts: this.shape.map((size, d) => dims.includes(d) ? Math.max(size - 1, 0) : 0),
      steps: this.shape.map((_, d) => dims.includes(d) ? -1 : 1),
      sizes: this.shape,
    })[0]!;
  }

  /** Parts of `size` (the last may be smaller) or of the given sizes along `dim` (default 0), as views. */
  split(size: number | readonly number[], options: { readonly dim?: number } = {}): Tensor[] {
    const { dim = 0 } = checkOptions(options, "split", ["dim"]);
    const at = normalizeDim(dim, this.rank, "split");
    const total = this.#sizeOfDim(at, "split");
    if (typeof size === "number" && !(Number.isInteger(size) && size > 0)) {
      throw new ArgumentError(`Cannot split ${formatShapes([this.shape])}: a positive whole size is needed, got ${size}`);
    }
    const sizes = typeof size !== "number"
      ? checkList(size, "split", "x.split([1, 2])")
      : Array.from({ length: Math.max(1, Math.ceil(total / size)) }, (_, part) => Math.min(size, total - part * size));
    if (sizes.reduce((a, b) => a + b, 0) !== total) {
      throw new ShapeError(
        `Cannot split ${formatShapes([this.shape])}: sizes that add up to ${total} are needed, got [${sizes.join(", ")}]`,
        {
          op: "split",
          shapes: [this.shape],
        },
      );
    }
    let start = 0;
    return sizes.map((length) => {
      const part = this.narrow(at, { start, length });
      start += length;
      return part;
    });
  }

  /**
   * Parts along `dim` (default 0), as views: that many of nearly equal size, the first ones larger by one; or those between the given
   * positions, which work as slices' ends do.
   *
   * @throws ArgumentError for a count that is not positive and whole.
   */
  tensorSplit(parts: number | readonly number[], options: { readonly dim?: number } = {}): Tensor[] {
    const { dim = 0 } = checkOptions(options, "tensorSplit", ["dim"]);
    return rearranging.tensorSplit(this, parts, dim);
  }

  /** The slices of `dim` (default 0) without it, as views. */
  unbind(dim = 0): Tensor[] {
    return rearranging.unbind(this, dim);
  }

  /** At most `count` parts of equal size (the last may be smaller) along `dim` (default 0), as views. */
  chunk(count: number, options: { readonly dim?: number } = {}): Tensor[] {
    const { dim = 0 } = checkOptions(options, "chunk", ["dim"]);
    if (!Number.isInteger(count) || count < 1) throw new ArgumentError(`Cannot chunk: a positive whole count is needed, got ${count}`);
    const total = this.#sizeOfDim(normalizeDim(dim, this.rank, "chunk"), "chunk");
    return this.split(Math.max(1, Math.ceil(total / count)), { dim });
  }

  /**
   * With `value` around it: `padding` lists how many before and after, from the last dim backwards, as in PyTorch; negative numbers cut
   * off.
   */
  pad(padding: readonly number[], options: { readonly value?: number } = {}): Tensor {
    checkList(padding, "pad", "x.pad([1, 1])");
    const { value = 0 } = checkOptions(options, "pad", ["value"]);
    if (padding.length % 2 !== 0 || padding.length > 2 * this.rank || padding.some((n) => !Number.isInteger(n))) {
      throw new ArgumentError(
        `Cannot pad ${formatShapes([this.shape])}: whole pairs (before, after) for at most ${this.rank} dims are needed, got [${
          padding.join(", ")
        }]`,
      );
    }
    const pairs = this.shape.map((_, dim) => {
      const at = 2 * (this.rank - 1 - dim);
      return [padding[at] ?? 0, padding[at + 1] ?? 0] as const;
    });
    const sizes = this.shape.map((size, dim) => size + pairs[dim]![0] + pairs[dim]![1]);
    if (sizes.some((size) => size < 0)) {
      throw new ShapeError(`Cannot pad ${formatShapes([this.shape])}: no size below 0 is needed, got [${sizes.join(", ")}]`, {
        op: "pad",
        shapes: [this.shape],
      });
    }
    return tidy(() => {
      const cut = pairs.reduce<Tensor>((x, [before, after], dim) => {
        if (before >= 0 && after >= 0) return x;
        return x.slice(dim, { start: Math.max(0, -before), end: x.shape[dim]! + Math.min(0, after) });
      }, this);
      const starts = pairs.map(([before]) => Math.max(0, before));
      const steps = cut.shape.map(() => 1);
      return apply(shaping.place, [cut], { starts, steps, sizes: cut.shape, shape: sizes, value })[0]!;
    });
  }

  /** Zeros above a diagonal of the last two dims (default the main one; positive is to the right). */
  tril(diagonal = 0): Tensor {
    return rearranging.triangle(this, "lower", diagonal);
  }

  /** Zeros below a diagonal of the last two dims (default the main one; positive is to the right). */
  triu(diagonal = 0): Tensor {
    return rearranging.triangle(this, "upper", diagonal);
  }

  /** The diagonal of two dims (default the first two) as the last dim, as a view. */
  diagonal(options: rearranging.DiagonalOptions = {}): Tensor {
    return rearranging.diagonal(this, options);
  }

  /** Dims moved from places to others, the rest keeping their order, as a view. */
  movedim(source: Dims, destination: Dims): Tensor {
    return rearranging.movedim(this, source, destination);
  }

  /** A dim split into several; one size may be -1. */
  unflatten(dim: number, sizes: readonly number[]): Tensor {
    return rearranging.unflatten(this, dim, sizes);
  }

  /** Turned k times by 90° in the plane of two dims (default the first two), from the first towards the second. */
  rot90(k = 1, dims: readonly [number, number] = [0, 1]): Tensor {
    return rearranging.rot90(this, k, dims);
  }

  /**
   * Windows of `size` elements along `dim`, `step` (default 1) apart, each along a new last dim.
   *
   * @throws ArgumentError for a size or step that is not positive and whole, or a size above the dim's.
   */
  unfold(dim: number, options: rearranging.WindowOptions): Tensor {
    return rearranging.unfold(this, dim, options);
  }

  /** Zeros with the last dim along the diagonal of two new dims (default the last two). */
  diagEmbed(options: rearranging.DiagonalOptions = {}): Tensor {
    return rearranging.diagEmbed(this, options);
  }

  /** The diagonal of a matrix, or the matrix with this vector on its diagonal. */
  diag(offset = 0): Tensor {
    return rearranging.diag(this, offset);
  }

  /** The sum of a matrix's diagonal. */
  trace(): Tensor {
    return rearranging.trace(this);
  }

  /** Elements moved on by `shifts` along `dims`, what leaves coming back at the other end; without dims as if flattened. */
  roll(shifts: number | readonly number[], dims?: Dims): Tensor {
    return rearranging.roll(this, shifts, dims);
  }

  /**
   * Copies side by side, `repeats` per dim; more counts than dims add dims in front.
   *
   * @throws ShapeError for fewer counts than dims.
   */
  repeat(repeats: readonly number[]): Tensor {
    return rearranging.repeat(this, repeats);
  }

  /** Copies side by side; missing counts are 1, for the first dims. */
  tile(repeats: readonly number[]): Tensor {
    return rearranging.tile(this, repeats);
  }

  /** Each element several times in a row along `dim` (default: flattened); one count, or one per element. */
  repeatInterleave(repeats: number | readonly number[], options: { readonly dim?: number } = {}): Tensor {
    const { dim } = checkOptions(options, "repeatInterleave", ["dim"]);
    return rearranging.repeatInterleave(this, repeats, dim);
  }

  /** A view of the same elements under a new handle, recorded. */
  alias(): Tensor {
    return apply(shaping.alias, [this], {})[0]!;
  }

  /** This tensor if its elements lie row-major, else a copy that does. */
  contiguous(): Tensor {
    return this.isContiguous ? this.alias() : this.clone();
  }

  /** A copy. */
  clone(): Tensor {
    return apply(shaping.copy, [this], {})[0]!;
  }

  /**
   * The values in another type; the tensor itself when it already has it. Floats become whole numbers by truncation and clamping, NaN
   * becomes 0; whole numbers beyond the range wrap; anything but 0, NaN too, is true.
   *
   * @throws DTypeError for a type that there is not, or that the device does not have.
   */
  to(dtype: DType): Tensor {
    if (dtype === this.dtype) return this;
    checkType(dtype, "convert", "; toDevice(name) moves a tensor");
    return apply(shaping.castTo, [this], { dtype })[0]!;
  }

  /** A copy on another device (without history); the tensor itself when it is already there. Waits for the values. */
  async toDevice(device: DeviceName): Promise<Tensor> {
    const target = getDevice(device);
    if (target === this.#storage.device) return this;
    const values = await readRaw([this]);
    const out = fromBytes(target, this.dtype, this.shape, values[0]!);
    return this.#requiresGrad && this.isLeaf ? out.requiresGrad_() : out;
  }

  // ---- indexing -------------------------------------------------------------------------------------------------

  /**
   * out[i][j] = x[index[i][j]][j] for dim 0, and likewise for other dims; the index has x's rank and gives the shape.
   *
   * @throws IndexError for a position outside the dim (on a GPU: at the next read).
   */
  gather(dim: number, index: Tensor): Tensor {
    return apply(indexing.gather, [this, index], { dim: normalizeDim(dim, this.rank, "gather") })[0]!;
  }

  /** This tensor with `src` added at the places that `index` names along `dim`; deterministic. */
  scatterAdd(dim: number, index: Tensor, src: Tensor): Tensor {
    checkTensors("scatterAdd", { index, src });
    return this.scatter(dim, { index, src, combine: "sum" });
  }

  /** This tensor with `src` combined in at the places that `index` names along `dim`. */
  scatter(dim: number, options: ScatterOptions): Tensor {
    checkOptions(options, "scatter", ["index", "src", "combine", "includeSelf"]);
    const { index, src, combine = "replace", includeSelf = true } = options;
    if (combine === "mean") return picking.scatterMean(this, dim, options);
    if (!includeSelf && combine !== "replace") return picking.scatterFresh(this, dim, { ...options, combine });
    const op = combine === "replace" || combine === "sum" ? indexing.scatter : indexing.scatterReduce;
    return apply(op, [this, index, src], { dim: normalizeDim(dim, this.rank, "scatter"), combine })[0]!;
  }

  /** The slices of `dim` that a 1-d int32 index names, in its order. */
  indexSelect(dim: number, index: Tensor): Tensor {
    checkTensors("indexSelect", { index });
    const at = normalizeDim(dim, this.rank, "indexSelect");
    if (index.rank !== 1) {
      throw new ShapeError(`Cannot indexSelect ${formatShapes([this.shape, index.shape])}: a 1-d index is needed`, {
        op: "indexSelect",
        shapes: [this.shape, index.shape],
      });
    }
    return tidy(() => {
      const shape = this.shape.map((size, dim) => dim === at ? index.shape[0]! : size);
      return this.gather(at, index.reshape(shape.map((size, dim) => dim === at ? size : 1)).expand(shape));
    });
  }

  /**
   * The elements at int32 positions, one tensor (or null for all) per dim: x[indices[0], indices[1], …] in PyTorch's words. Indices
   * broadcast to one shape, which stands where the first of them stood, or in front when they are not neighbours. Negative positions
   * count from the end.
   *
   * @throws IndexError for a position outside its dim (on a GPU: at the next read).
   */
  index(indices: readonly (Tensor | null)[]): Tensor {
    return picking.index(this, indices);
  }

  /** This tensor with `values` at the places that {@link Tensor.index} would read. */
  indexPut(indices: readonly (Tensor | null)[], options: picking.IndexPutOptions): Tensor {
    return picking.indexPut(this, indices, options);
  }

  /** {@link Tensor.gather} with the other dims broadcast; without `dim` of the flattened tensor. */
  takeAlongDim(index: Tensor, options: { readonly dim?: number } = {}): Tensor {
    const { dim } = checkOptions(options, "takeAlongDim", ["dim"]);
    return picking.takeAlongDim(this, index, dim);
  }

  /** This tensor with `alpha` (default 1) times the slices of `source` added at the int32 positions [N] along `dim`. */
  indexAdd(dim: number, options: picking.IndexSlices & { readonly alpha?: number }): Tensor {
    const { index, source, alpha = 1 } = checkOptions(options, "indexAdd", ["index", "source", "alpha"]);
    checkTensors("indexAdd", { index, source });
    return tidy(() => picking.placeSlices(this, dim, { index, source: source.mul(alpha), combine: "sum" }, "indexAdd"));
  }

  /** This tensor with the slices of `source` in place of those at the int32 positions [N] along `dim`. */
  indexCopy(dim: number, slices: picking.IndexSlices): Tensor {
    const { index, source } = checkOptions(slices, "indexCopy", ["index", "source"]);
    checkTensors("indexCopy", { index, source });
    return picking.placeSlices(this, dim, { index, source, combine: "replace" }, "indexCopy");
  }

  /** This tensor with `value` in the slices at the int32 positions [N] along `dim`. */
  indexFill(dim: number, index: Tensor, value: number): Tensor {
    return picking.indexFill(this, dim, index, value);
  }

  /**
   * This tensor with the elements of `source`, in order, wherever the bool mask is true, broadcast.
   *
   * @throws IndexError when `source` has too few (on a GPU: at the next read).
   */
  maskedScatter(mask: Tensor, source: Tensor): Tensor {
    return picking.maskedScatter(this, mask, source);
  }

  /** The elements at int32 positions of the flattened tensor, in the index's shape. */
  take(index: Tensor): Tensor {
    checkTensors("take", { index });
    return tidy(() => this.flatten().index([index]));
  }

  /** The places of all elements that are not 0, int32 [count, rank], row-major. Waits for the values, since they decide the size. */
  nonzero(): Promise<Tensor> {
    return counting.nonzero(this);
  }

  /** The elements where the bool mask is true, broadcast, as a vector. Waits for the mask, since it decides the size. */
  maskedSelect(mask: Tensor): Promise<Tensor> {
    return counting.maskedSelect(this, mask);
  }

  /** The distinct elements (or slices of `dim`), sorted. Waits for the values, since they decide the size. */
  unique(options: { readonly dim?: number } = {}): Promise<counting.Unique> {
    return counting.unique(this, options);
  }

  /** {@link unique} of neighbours alone: every run of equal elements (or slices of `dim`) once, in order. */
  uniqueConsecutive(options: { readonly dim?: number } = {}): Promise<counting.Unique> {
    return counting.unique(this, options, true);
  }

  /** How often each whole number from 0 occurs in a vector. Waits for the values, since they decide the size. */
  bincount(options: counting.BincountOptions = {}): Promise<Tensor> {
    return counting.bincount(this, options);
  }

  /**
   * Class numbers as vectors: 1 at the class, 0 elsewhere, along a new last dim.
   *
   * @throws IndexError for a class outside 0 … classes-1 (on a GPU: at the next read).
   */
  oneHot(classes: number, options: { readonly dtype?: DType } = {}): Tensor {
    const { dtype = "float32" } = checkOptions(options, "oneHot", ["dtype"]);
    return tidy(() => {
      const index = this.to("int32").unsqueeze(-1);
      const shape = [...this.shape, classes];
      return this.newZeros(shape, dtype).scatter(-1, { index, src: this.newFull(index.shape, 1, dtype) });
    });
  }

  // ---- new tensors like this one --------------------------------------------------------------------------------

  /** Zeros on the same device, of the same type unless told. */
  newZeros(shape: readonly number[], dtype: DType = this.dtype): Tensor {
    return this.newFull(shape, 0, dtype);
  }

  /** One value everywhere, on the same device, of the same type unless told. */
  newFull(shape: readonly number[], value: number, dtype: DType = this.dtype): Tensor {
    checkSizes(shape, "newFull");
    return full(this.#storage.device, dtype, shape, value);
  }

  /** Zeros of the same shape, type and device. */
  zerosLike(): Tensor {
    return this.newZeros(this.shape);
  }

  /** Ones of the same shape, type and device. */
  onesLike(): Tensor {
    return this.newFull(this.shape, 1);
  }

  /** The sum over what broadcasting from `shape` to this tensor's shape stretched. */
  sumTo(shape: readonly number[]): Tensor {
    if (sameShape(this.shape, checkList(shape, "sumTo", "x.sumTo([3])"))) return this;
    const lead = this.rank - shape.length;
    const dims = this.shape.flatMap((size, dim) => dim < lead || (shape[dim - lead] === 1 && size !== 1) ? [dim] : []);
    return tidy(() => this.sum(dims, { keepDim: true }).reshape(shape));
  }

  // ---- in place, under noGrad -----------------------------------------------------------------------------------

  /** Adds in place. */
  add_(other: Tensor | number): this {
    return this.#inPlace(binary.add, other);
  }

  /** Subtracts in place. */
  sub_(other: Tensor | number): this {
    return this.#inPlace(binary.sub, other);
  }

  /** Multiplies in place. */
  mul_(other: Tensor | number): this {
    return this.#inPlace(binary.mul, other);
  }

  /** Divides in place. */
  div_(other: Tensor | number): this {
    return this.#inPlace(binary.div, other);
  }

  /** Overwrites with another tensor's values, broadcast and converted. */
  copy_(source: Tensor): this {
    checkTensor("copy_", source);
    const from = shaping.expand.view(source, { shape: broadcastShapes([this.shape, source.shape], "copy_") });
    this.#checkInPlace("copy_", from.shape, [source]);
    this.#withApart(source, (apart) => {
      const layout = apart === source ? from : shaping.expand.view(apart, { shape: from.shape });
      const launch = shaping.copyLaunch({ ...apart.view("copy_"), ...layout }, this.view("copy_"));
      runLaunches("copy_", this.#storage.device, launch);
    });
    this.#storage.version++;
    return this;
  }

  /** Overwrites with one value. */
  fill_(value: number): this {
    this.#checkInPlace("fill_", this.shape, []);
    requireHeld("fill_", this.dtype, value);
    runLaunches("fill_", this.#storage.device, shaping.fillLaunch(this.view("fill_"), value));
    this.#storage.version++;
    return this;
  }

  /** Overwrites with zeros. */
  zero_(): this {
    return this.fill_(0);
  }

  #inPlace(op: typeof binary.add, other: Tensor | number): this {
    if (typeof other !== "number") checkTensor(`${op.name}_`, other);
    const operands = typeof other === "number" ? [this] : [this, other];
    const attributes = typeof other === "number" ? { right: other } : binary.tensorsOnly;
    const [meta] = op.infer(operands, attributes);
    if (meta!.dtype !== this.dtype) {
      throw new DTypeError(`Cannot ${op.name}_ in place: a result of type ${this.dtype} is needed, got ${meta!.dtype}`, {
        op: `${op.name}_`,
      });
    }
    this.#checkInPlace(`${op.name}_`, meta!.shape, operands);
    this.#withApart(operands.at(-1)!, (apart) => {
      const views = operands.map((_, position) => (position === 0 ? this : apart).view(op.name));
      runLaunches(`${op.name}_`, this.#storage.device, op.launch(views, [views[0]!], attributes));
    });
    this.#storage.version++;
    return this;
  }

  /** Runs a write into this tensor with a source that it does not overlap: another layout of the same memory is copied first. */
  #withApart(source: Tensor, write: (apart: Tensor) => void): void {
    const { shape, strides, offset } = source;
    const same = offset === this.offset && sameShape(shape, this.shape) && sameShape(strides, this.strides);
    if (source.#storage !== this.#storage || same) return write(source);
    using apart = source.clone();
    write(apart);
  }

  #checkInPlace(op: string, result: readonly number[], operands: readonly Tensor[]): void {
    this.#alive(op);
    if (isGradEnabled()) throw new GradientError(`Cannot ${op}: operations in place are allowed only under noGrad(() => …)`);
    sameDevice(op, [this, ...operands]);
    if (!sameShape(result, this.shape)) {
      throw new ShapeError(
        `Cannot ${op} ${formatShapes([this.shape])}: a result of the same shape is needed, got ${formatShapes([result])}`,
        {
          op,
          shapes: [this.shape, result],
        },
      );
    }
    if (this.strides.some((stride, dim) => stride === 0 && this.shape[dim]! > 1)) {
      throw new ShapeError(`Cannot ${op} ${formatShapes([this.shape])}: an expanded tensor shares its elements, clone() it first`, {
        op,
        shapes: [this.shape],
      });
    }
  }

  // ---- internals ------------------------------------------------------------------------------------------------

  /** Internal: what a kernel sees. */
  view(op: string): View {
    this.#alive(op);
    currentRecorder()?.seen(this.#storage.storage, this.#storage);
    return { storage: this.#storage.storage, dtype: this.dtype, shape: this.shape, strides: this.strides, offset: this.offset };
  }

  /** Internal: the storage and its device. */
  storageOf(op: string): CountedStorage {
    this.#alive(op);
    return this.#storage;
  }

  /** Internal: a handle for the tape, in no scope, with the same history. */
  savedAlias(): Tensor {
    const saved = new Tensor(
      { storage: this.#storage, dtype: this.dtype, shape: this.shape, strides: this.strides, offset: this.offset },
      false,
    );
    saved.#edge = this.gradientEdge();
    saved.#requiresGrad = this.#requiresGrad;
    return saved;
  }

  /** Internal: marks the result of a recorded operation. */
  recordedAs(node: TapeNode, index: number): void {
    this.#edge = { node, index };
    this.#requiresGrad = true;
  }

  #alive(op: string): void {
    if (this.#freedBy !== undefined) {
      throw new DisposedError(
        `Cannot ${op} a ${this.dtype} tensor of shape ${formatShapes([this.shape])}: it was freed by ${this.#freedBy}; save it with ` +
          "keep(t) or scope.keep(t)",
      );
    }
  }

  #sizeOfDim(dim: number, op: string): number {
    const size = this.shape[dim];
    if (size === undefined) throw new ShapeError(`Cannot ${op} []: at least one dim is needed`, { op, shapes: [[]] });
    return size;
  }
}

/**
 * Runs an operation and records it when a gradient may be asked for.
 *
 * @param op The operation's declaration.
 * @param inputs Its tensors, on one device.
 * @param attributes Its other arguments.
 * @param device Where it runs when it has no inputs.
 * @throws DeviceError when inputs live on different devices; DisposedError for a freed input; what the operation's rules throw.
 */
export function apply<Attributes>(op: Op<Attributes>, inputs: readonly Tensor[], attributes: Attributes, device?: Device): Tensor[] {
  const outputs = execute(op, inputs, attributes, inputs.length === 0 ? device ?? getDevice() : sameDevice(op.name, inputs));
  if (op.vjp !== null && isGradEnabled() && inputs.some((input) => input.requiresGrad)) record(op, inputs, outputs, attributes);
  return outputs;
}

function execute<Attributes>(op: Op<Attributes>, inputs: readonly Tensor[], attributes: Attributes, device: Device): Tensor[] {
  switch (op.kind) {
    case "view": {
      const [x] = inputs as [Tensor];
      return [new Tensor({ storage: x.storageOf(op.name), dtype: x.dtype, ...op.view(x, attributes) })];
    }
    case "compute":
      return noGrad(() => tidy(() => [...op.compute(inputs, attributes)]));
    case "kernel": {
      const views = inputs.map((input) => input.view(op.name));
      const outputs = op.infer(inputs, attributes).map(({ dtype, shape }) => allocate(device, dtype, shape, op.name));
      try {
        runLaunches(op.name, device, op.launch(views, outputs.map((output) => output.view(op.name)), attributes));
      } catch (error) {
        for (const output of outputs) output.dispose();
        throw error;
      }
      return outputs;
    }
  }
}

function runLaunches(op: string, device: Device, launches: ReturnType<Extract<Op<never>, { kind: "kernel" }>["launch"]>): void {
  for (const { kernel, inputs, outputs, scalars } of Array.isArray(launches) ? launches : [launches]) {
    // Here all numbers meet that users give to an operation.
    if (typeof scalars === "object") { for (const scalar of scalars) checkNumber(scalar, op); }
    runKernel(device, kernel, inputs, outputs, scalars);
  }
}

/** Puts what the gradient needs on the tape. */
function record<Attributes>(op: Op<Attributes>, inputs: readonly Tensor[], outputs: readonly Tensor[], attributes: Attributes): void {
  const savedInputs = op.saves?.inputs === "all" ? inputs.map((_, position) => position) : op.saves?.inputs ?? [];
  const saved = new Map<string, { tensor: Tensor; version: number }>();
  const save = (name: string, tensor: Tensor) =>
    saved.set(name, { tensor: tensor.savedAlias(), version: tensor.storageOf(op.name).version });
  const restore = (name: string): Tensor => {
    const { tensor, version } = saved.get(name)!;
    if (tensor.storageOf(op.name).version !== version) {
      throw new GradientError(
        `Cannot compute the gradient of ${op.name}: its saved ${name.startsWith("x") ? "input" : "output"} of shape ` +
          `${formatShapes([tensor.shape])} is needed as it was, but it has been changed in place since`,
      );
    }
    return tensor;
  };
  const edges = inputs.map((input) => input.requiresGrad ? input.gradientEdge() : undefined);
  const metas = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const outputMetas = outputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const device = outputs[0]!.storageOf(op.name).device;
  const node = new TapeNode(op.name, edges, metas, (dys, createGraph) => {
    if (op.vjp === null || op.vjp === "compose" || (createGraph && op.compose !== undefined)) {
      const restored = inputs.map((_, position) => restore(`x${position}`));
      return differentiate((args) => op.compose!(args, attributes), restored, dys, createGraph);
    }
    return op.vjp({
      attributes,
      dys,
      get dy() {
        return dys[0] ?? full(device, outputMetas[0]!.dtype, outputMetas[0]!.shape, 0);
      },
      x: (position) => restore(`x${position}`),
      y: (position) => restore(`y${position}`),
      inputs: metas,
      needs: (position) => edges[position] !== undefined,
      apply,
    });
  }, () => {
    for (const { tensor } of saved.values()) tensor.dispose();
    saved.clear();
  });
  outputs.forEach((output, index) => {
    if (isFloat(output.dtype)) output.recordedAs(node, index);
  });
  for (const position of savedInputs) save(`x${position}`, inputs[position]!);
  for (const position of op.saves?.outputs ?? []) save(`y${position}`, outputs[position]!);
  currentScope()?.user?.add(node);
}

/** The gradients of a composed definition, themselves recorded with `createGraph`. */
function differentiate(
  compose: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
  dys: readonly (Tensor | undefined)[],
  createGraph: boolean,
): (Tensor | undefined)[] {
  return enableGrad(() => {
    const fresh = inputs.map((input) => !input.requiresGrad ? input : createGraph ? input.alias() : input.detach().requiresGrad_());
    const outputs = compose(fresh);
    const flowing = outputs.flatMap((output, position) => dys[position] === undefined ? [] : [{ output, gradient: dys[position] }]);
    return gradients(flowing.map(({ output }) => output), fresh, flowing.map(({ gradient }) => ({ gradient, createGraph })));
  });
}

/** Refuses what is no tensor, which happens where types are not checked. */
function checkTensor(op: string, tensor: Tensor, name?: string): void {
  if (tensor instanceof Tensor) return;
  throw new ArgumentError(`Cannot ${op}: a tensor is needed${name === undefined ? "" : ` as ${name}`}, got ${kindOf(tensor)}`);
}

/**
 * Internal: tensors as they are given, by the names of the arguments.
 *
 * @param optional Those that may be left out or null.
 * @throws ArgumentError naming the one that is no tensor.
 */
export function checkTensors(
  op: string,
  needed: Readonly<Record<string, Tensor>>,
  optional: Readonly<Record<string, Tensor | null | undefined>> = {},
): void {
  for (const name in needed) checkTensor(op, needed[name]!, name);
  for (const name in optional) if (optional[name] !== null && optional[name] !== undefined) checkTensor(op, optional[name], name);
}

/**
 * Internal: a list of tensors as it is given.
 *
 * @param example How it is written, for the error.
 * @throws ArgumentError when it is no array, or something in it is no tensor.
 */
export function checkTensorList(op: string, tensors: readonly Tensor[], example: string): readonly Tensor[] {
  for (const tensor of checkList(tensors, op, example)) checkTensor(op, tensor);
  return tensors;
}

/**
 * Internal: tensors by name as they are given.
 *
 * @throws ArgumentError when they are in no object, or one of them is no tensor.
 */
export function checkTensorsByName(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  if (typeof tensors !== "object" || tensors === null || tensors instanceof Tensor) {
    throw new ArgumentError(`Cannot ${op}: tensors by name are needed, as in { weight }, got ${kindOf(tensors)}`);
  }
  checkTensors(op, tensors);
}

/** The one device of all tensors. */
function sameDevice(op: string, tensors: readonly Tensor[]): Device {
  for (const tensor of tensors) checkTensor(op, tensor);
  const { device } = tensors[0]!.storageOf(op);
  for (const tensor of tensors) {
    if (tensor.storageOf(op).device !== device) {
      throw new DeviceError(
        `Cannot ${op}: tensors on one device are needed, got ${device.name} and ${tensor.device}; move one with toDevice`,
      );
    }
  }
  return device;
}

/** Internal: a tensor with memory of undefined content. */
export function allocate(device: Device, dtype: DType, shape: readonly number[], op: string): Tensor {
  if (!device.backend.supports(dtype)) {
    throw new DTypeError(`Cannot ${op}: a type that ${device.name} supports is needed, got ${dtype}`, { op, shapes: [shape] });
  }
  const storage = new CountedStorage(device, sizeOf(shape) * byteSize[dtype]);
  return new Tensor({ storage, dtype, shape, strides: contiguousStrides(shape), offset: 0 });
}

/** Internal: a tensor with the given elements. */
export function fromBytes(device: Device, dtype: DType, shape: readonly number[], values: ArrayBufferView): Tensor {
  const out = allocate(device, dtype, shape, "tensor");
  if (values.byteLength > 0) {
    const { storage } = out.view("tensor");
    const recorder = currentRecorder();
    if (recorder === undefined) device.backend.write(storage, 0, values);
    else recorder.wrote(storage, 0, values);
  }
  return out;
}

/** Internal: a tensor of one value. */
export function full(device: Device, dtype: DType, shape: readonly number[], value: number): Tensor {
  checkNumber(value, "full");
  const out = allocate(device, dtype, shape, "full");
  runLaunches("full", device, shaping.fillLaunch(out.view("full"), value));
  return out;
}

/**
 * Reads several tensors with one wait.
 *
 * @returns Their values, row-major, in the order given.
 */
export function read(...tensors: readonly Tensor[]): Promise<HostArray[]> {
  return readTensors(tensors);
}

async function readTensors(tensors: readonly Tensor[]): Promise<HostArray[]> {
  const raw = await readRaw(checkTensorList("read", tensors, "read(a, b)"));
  return raw.map((values, position) => tensors[position]!.dtype === "bool" ? Uint8Array.from(values) : values);
}

/** The elements as they are stored, one wait per device. */
async function readRaw(tensors: readonly Tensor[]): Promise<TypedArray[]> {
  refuseInCapture("read a value", "return the tensor and read it outside");
  const whole = noGrad(() => tensors.map((tensor) => tensor.isContiguous ? tensor : tensor.clone()));
  const places = whole.map((tensor) => ({ tensor, storage: tensor.storageOf("read") }));
  const out = new Array<TypedArray>(tensors.length);
  try {
    for (const device of new Set(places.map(({ storage }) => storage.device))) {
      const here = places.map((place, position) => ({ ...place, position })).filter(({ storage }) => storage.device === device);
      const buffers = await device.backend.read(here.map(({ tensor, storage }) => ({
        storage: storage.storage,
        byteOffset: tensor.offset * byteSize[tensor.dtype],
        byteLength: tensor.size * byteSize[tensor.dtype],
      })));
      here.forEach(({ tensor, position }, n) => out[position] = typedArray(tensor.dtype, buffers[n]!));
    }
  } finally {
    whole.forEach((tensor, position) => tensor !== tensors[position] && tensor.dispose());
  }
  if (needsTurn()) await new Promise((resolve) => setTimeout(resolve, 0));
  return out;
}

function one(op: typeof unary.neg, x: Tensor, parameters: readonly number[] = []): Tensor {
  return apply(op, [x], parameters)[0]!;
}

/** A missing bound, which is an infinity, is the type's own. */
function clampWhole(x: Tensor, min: number, max: number): Tensor {
  const bounds = [min, max];
  if (bounds.some((bound) => Number.isFinite(bound) && !Number.isInteger(bound))) {
    return tidy(() => one(unary.clamp, x.to("float32"), bounds));
  }
  const [low, high] = integerRange(x.dtype as "int32" | "uint32");
  const whole = [min === -Infinity ? low : min, max === Infinity ? high : max];
  for (const bound of whole) requireHeld("clamp", x.dtype, bound);
  return one(unary.clamp, x, whole);
}

function requireHeld(op: string, dtype: DType, value: number): void {
  if (!isHeld(value, dtype)) throw notHeld(op, dtype, String(value));
}

function combine(op: typeof binary.add, a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? apply(op, [a], { right: b })[0]! : apply(op, [a, b], binary.tensorsOnly)[0]!;
}

function reduce(op: typeof reduction.sum, x: Tensor, dim: Dims | undefined, options: KeepDimOptions): Tensor {
  const { keepDim = false } = checkOptions(options, op.name, ["keepDim"]);
  return apply(op, [x], { dims: normalizeDims(dim, x.rank, op.name), keepDim })[0]!;
}

/** The greatest finite number of each type. */
const greatestFinite: Readonly<Record<DType, number>> = {
  float64: Number.MAX_VALUE,
  float32: 3.4028234663852886e38,
  float16: 65504,
  int32: 2147483647,
  uint32: 4294967295,
  bool: 1,
};

/** x^p for x from 0 on, with the gradient 0 at 0. */
function powerFromZero(x: Tensor, p: number): Tensor {
  const zero = x.eq(0);
  return zero.where(0, zero.where(1, x).pow(p));
}

/** A 0-d tensor for a number that meets another number. */
function scalarLike(x: Tensor, value: number, other: number): Tensor {
  return x.newFull([], value, Number.isInteger(value) && Number.isInteger(other) ? "int32" : floatType("bool"));
}

/** Runs an operation on the last dim along another one. */
function alongLast(x: Tensor, dim: number, op: string, run: (moved: Tensor) => Tensor): Tensor {
  const at = normalizeDim(dim, x.rank, op);
  if (x.rank === 0) return x.clone();
  if (at === x.rank - 1) return run(x);
  return tidy(() => run(x.transpose(at, -1)).transpose(at, -1));
}

/** Start, step and size within a dim, Python's rules. */
function resolveSlice({ start, end, step = 1 }: SliceOptions, size: number): { start: number; step: number; size: number } {
  if (!Number.isInteger(step) || step === 0) throw new ArgumentError(`Cannot slice: a whole step other than 0 is needed, got ${step}`);
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const place = (position: number | undefined, fallback: number): number => {
    if (position === undefined) return fallback;
    if (!Number.isInteger(position)) throw new ArgumentError(`Cannot slice: whole positions are needed, got ${position}`);
    return Math.min(high, Math.max(low, position < 0 ? position + size : position));
  };
  const from = place(start, step > 0 ? low : high);
  const to = place(end, step > 0 ? high : low);
  return { start: from, step, size: Math.max(0, Math.ceil((to - from) / step)) };
}

function sliceOne(shape: readonly number[], at: number, range: { start: number; step: number; size: number }): shaping.SliceAttributes {
  return {
    starts: shape.map((_, dim) => dim === at ? range.start : 0),
    steps: shape.map((_, dim) => dim === at ? range.step : 1),
    sizes: shape.map((size, dim) => dim === at ? range.size : size),
  };
}

function nest(values: HostArray, shape: readonly number[]): NestedNumbers {
  let position = 0;
  function level(dim: number): NestedNumbers {
    if (dim === shape.length) return values[position++]!;
    return Array.from({ length: shape[dim]! }, () => level(dim + 1));
  }
  return level(0);
}
