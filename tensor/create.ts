/**
 * Making tensors.
 *
 * @module
 */
import { type DeviceName, getDevice } from "./device.ts";
import { byteSize, type DType, isFloat, isHeld, notHeld, type TypedArray, typedArray } from "./dtype.ts";
import { checkNumber, checkOptions, checkType, tensorOptions } from "./arguments.ts";
import { ArgumentError, DTypeError, ShapeError } from "./errors.ts";
import { checkSizes, normalizeDim, sizeOf } from "./shape.ts";
import * as shaping from "./ops/shape.ts";
import { tidy } from "./scope.ts";
import { apply, checkTensorList, checkTensors, fromBytes, full as filled, Tensor } from "./tensor.ts";

/** Where and how a tensor is made. */
export interface TensorOptions {
  /** The element type. Default float32 (see {@link tensor} for what it infers). */
  readonly dtype?: DType;
  /** The device. Default: the default device. */
  readonly device?: DeviceName;
  /** Whether operations on it are recorded. Default false. */
  readonly requiresGrad?: boolean;
}

/** Numbers or truth values, nested as deep as the tensor has dims. */
export type NestedData = number | boolean | readonly NestedData[];

/** What {@link tensor} takes: nested arrays, or any typed array (of numbers). */
export type TensorData = NestedData | TypedArray | Uint8Array | Int8Array | Uint16Array | Int16Array;

/**
 * A tensor of given values.
 *
 * @param data Nested arrays, or a typed array whose shape is given by `options.shape` (default 1-d).
 * @param options `dtype` is inferred when left out: float32 for numbers, bool for truth values, a typed array's own type (small whole numbers
 * become int32).
 * @throws ShapeError when nested arrays are ragged or `shape` does not fit; DTypeError for an unknown type, for values that are not numbers,
 * and for NaN, an infinity or a number out of range where whole numbers are made (fractions are cut off, as in PyTorch).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "./mod.ts";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * assertEquals(x.shape, [2, 3]);
 * assertEquals(await x.sum(0).toArray(), [5, 7, 9]);
 * ```
 */
export function tensor(data: TensorData, options: TensorOptions & { readonly shape?: readonly number[] } = {}): Tensor {
  checkOptions(options, "make a tensor", ["shape", ...tensorOptions]);
  const { values, shape, inferred } = ArrayBuffer.isView(data) ? fromTypedArray(data) : fromNested(data);
  const dtype = checkType(options.dtype ?? inferred, "make a tensor");
  const to = options.shape ?? shape;
  checkSizes(to, "tensor");
  if (sizeOf(to) !== values.length) {
    throw new ShapeError(`Cannot tensor [${to.join(", ")}]: ${sizeOf(to)} values are needed, got ${values.length}`, {
      op: "tensor",
      shapes: [to],
    });
  }
  return finish(fromBytes(getDevice(options.device), dtype, to, convert(values, dtype, "tensor")), options);
}

/** Zeros. */
export function zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return constant("zeros", shape, 0, options);
}

/** Ones. */
export function ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return constant("ones", shape, 1, options);
}

/**
 * One value everywhere.
 *
 * @throws ShapeError for sizes that are no whole numbers from 0; DTypeError when a type of whole numbers cannot hold the value.
 */
export function full(shape: readonly number[], value: number, options: TensorOptions = {}): Tensor {
  return constant("full", shape, value, options);
}

function constant(op: string, shape: readonly number[], value: number, options: TensorOptions): Tensor {
  checkSizes(shape, op);
  checkOptions(options, op, tensorOptions);
  const dtype = checkType(options.dtype ?? "float32", "make a tensor");
  checkNumber(value, op);
  if (!isHeld(value, dtype)) throw notHeld(op, dtype, String(value));
  return finish(filled(getDevice(options.device), dtype, [...shape], value), options);
}

/** The range of {@link arange}. */
export interface ArangeOptions extends TensorOptions {
  /** The first value. Default 0. */
  readonly start?: number;
  /** The distance between values. Default 1. */
  readonly step?: number;
}

/**
 * start, start + step, … up to, not including, `end`: int32 where all three are whole numbers, else float32.
 *
 * @throws ArgumentError for a step of 0 or away from the end, infinite bounds, or a second number: the start is an option.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange } from "./mod.ts";
 *
 * assertEquals(await arange(5, { start: 1, step: 2 }).toArray(), [1, 3]);
 * ```
 */
export function arange(end: number, options: ArangeOptions = {}): Tensor {
  const { start = 0, step = 1, ...rest } = checkOptions(options, "arange", ["start", "step", ...tensorOptions]);
  if (step === 0 || ![start, end, step].every(Number.isFinite)) {
    throw new ArgumentError(`Cannot arange: finite bounds and a step other than 0 are needed, got ${start}, ${end}, ${step}`);
  }
  if ((end - start) * step < 0) {
    throw new ArgumentError(`Cannot arange: a step towards the end is needed, got ${step} from ${start} to ${end}`);
  }
  const length = Math.ceil((end - start) / step);
  const dtype = options.dtype ?? ([start, end, step].every(Number.isInteger) ? "int32" : "float32");
  return tensor(Float64Array.from({ length }, (_, i) => start + i * step), { ...rest, dtype });
}

/**
 * `steps` evenly spaced values from `start` to `end`, both included.
 *
 * @throws ArgumentError when `steps` is no whole number from 0.
 */
export function linspace(start: number, end: number, options: TensorOptions & { readonly steps: number }): Tensor {
  const { steps, ...rest } = checkOptions(options, "linspace", [...tensorOptions, "steps"]);
  for (const bound of [start, end]) checkNumber(bound, "linspace");
  if (!Number.isInteger(steps) || steps < 0) throw new ArgumentError(`Cannot linspace: whole steps from 0 are needed, got ${steps}`);
  const at = (i: number) => i === 0 ? start : i === steps - 1 ? end : start + (i * (end - start)) / (steps - 1);
  return tensor(Float64Array.from({ length: steps }, (_, i) => at(i)), { ...rest, dtype: options.dtype ?? "float32" });
}

/**
 * `steps` values from base^start to base^end, both included, whose logarithms are evenly spaced.
 *
 * @throws ArgumentError when `steps` is no whole number from 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { logspace } from "./mod.ts";
 *
 * assertEquals(await logspace(0, 2, { steps: 3 }).toArray(), [1, 10, 100]);
 * ```
 */
export function logspace(start: number, end: number, options: TensorOptions & { readonly steps: number; readonly base?: number }): Tensor {
  const { steps, base = 10, ...rest } = checkOptions(options, "logspace", [...tensorOptions, "steps", "base"]);
  for (const bound of [start, end]) checkNumber(bound, "logspace");
  if (!Number.isInteger(steps) || steps < 0) throw new ArgumentError(`Cannot logspace: whole steps from 0 are needed, got ${steps}`);
  const at = (i: number) => i === steps - 1 && steps > 1 ? end : start + (steps > 1 ? (i * (end - start)) / (steps - 1) : 0);
  return tensor(Float64Array.from({ length: steps }, (_, i) => base ** at(i)), { ...rest, dtype: options.dtype ?? "float32" });
}

/** The identity matrix [n, m] (m default n). */
export function eye(n: number, options: TensorOptions & { readonly m?: number } = {}): Tensor {
  const { m = n } = checkOptions(options, "eye", [...tensorOptions, "m"]);
  checkSizes([n, m], "eye");
  // Compared where it will live: n · m values made here would cost more than what an identity is used for.
  const { device } = options;
  const at = (count: number) => arange(count, device === undefined ? {} : { device });
  return finish(tidy(() => at(n).unsqueeze(1).eq(at(m)).to(checkType(options.dtype ?? "float32", "make a tensor"))), options);
}

/**
 * Tensors joined along an existing dim (default 0).
 *
 * @throws ShapeError when other sizes differ; ArgumentError for an empty list.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cat, ones, zeros } from "./mod.ts";
 *
 * assertEquals(cat([ones([2, 3]), zeros([1, 3])]).shape, [3, 3]);
 * ```
 */
export function cat(tensors: readonly Tensor[], options: { readonly dim?: number } = {}): Tensor {
  const { dim = 0 } = checkOptions(options, "cat", ["dim"]);
  const first = firstOf(tensors, "cat");
  if (first.rank === 0) throw new ShapeError("Cannot cat []: at least 1-d tensors are needed, use stack", { op: "cat", shapes: [[]] });
  return apply(shaping.cat, tensors, { dim: normalizeDim(dim, first.rank, "cat") })[0]!;
}

/** Tensors of one shape joined along a new dim (default 0). */
export function stack(tensors: readonly Tensor[], options: { readonly dim?: number } = {}): Tensor {
  const { dim = 0 } = checkOptions(options, "stack", ["dim"]);
  const at = normalizeDim(dim, firstOf(tensors, "stack").rank + 1, "stack");
  return tidy(() => cat(tensors.map((part) => part.unsqueeze(at)), { dim: at }));
}

/** `a` where the bool condition is true, `b` elsewhere, broadcast. */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  checkTensors("where", { condition });
  return condition.where(a, b);
}

function firstOf(tensors: readonly Tensor[], op: string): Tensor {
  const [first] = checkTensorList(op, tensors, `${op}([a, b])`);
  if (first === undefined) throw new ArgumentError(`Cannot ${op}: at least one tensor is needed, got none`);
  return first;
}

function finish(made: Tensor, { requiresGrad = false }: TensorOptions): Tensor {
  return requiresGrad ? made.requiresGrad_() : made;
}

interface HostData {
  readonly values: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly inferred: DType;
}

function fromTypedArray(data: ArrayBufferView): HostData {
  const values = data as Float32Array;
  const inferred: DType = data instanceof Float64Array
    ? "float64"
    : data instanceof Float16Array
    ? "float16"
    : data instanceof Uint32Array
    ? "uint32"
    : data instanceof Float32Array
    ? "float32"
    : "int32";
  if (data instanceof DataView || data instanceof BigInt64Array || data instanceof BigUint64Array) {
    throw new DTypeError("Cannot make a tensor: a typed array of numbers is needed, got 64-bit integers or a DataView", { op: "tensor" });
  }
  return { values, shape: [values.length], inferred };
}

function fromNested(data: NestedData): HostData {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const values: number[] = [];
  let truth = true;
  function collect(part: NestedData, dim: number): void {
    if (dim < shape.length) {
      if (!Array.isArray(part) || part.length !== shape[dim]) refuse();
      for (const inner of part as readonly NestedData[]) collect(inner, dim + 1);
      return;
    }
    if (Array.isArray(part)) refuse();
    if (typeof part !== "number" && typeof part !== "boolean") {
      throw new DTypeError(`Cannot make a tensor: numbers or truth values are needed, got ${typeof part}`, { op: "tensor" });
    }
    truth &&= typeof part === "boolean";
    values.push(Number(part));
  }
  function refuse(): never {
    throw new ShapeError(`Cannot make a tensor: numbers nested in arrays of equal length (here [${shape.join(", ")}]) are needed`, {
      op: "tensor",
      shapes: [shape],
    });
  }
  collect(data, 0);
  return { values, shape, inferred: truth && values.length > 0 ? "bool" : "float32" };
}

/** Host values as they are stored: fractions of whole numbers are cut off, truth is 0 or 1. */
function convert(values: ArrayLike<number>, dtype: DType, op: string): TypedArray {
  const out = typedArray(dtype, new ArrayBuffer(values.length * byteSize[dtype]));
  if (isFloat(dtype)) {
    out.set(values as ArrayLike<number>);
    return out;
  }
  if (dtype === "bool") {
    for (let i = 0; i < values.length; i++) out[i] = Number(values[i] !== 0);
    return out;
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    checkNumber(value, op);
    if (!isHeld(value, dtype)) throw notHeld(op, dtype, `${value} at position ${i}`);
    out[i] = Math.trunc(value);
  }
  return out;
}
