/**
 * Element types: their sizes, their typed arrays and PyTorch's promotion.
 *
 * @module
 */
import { DTypeError } from "./errors.ts";

/**
 * The type of a tensor's elements.
 *
 * float64 lives on the CPU only; float16 is a storage type whose arithmetic is done in float32;
 * bool is stored as a 32-bit 0 or 1 so that masks fill the same lanes as the numbers they select.
 */
export type DType = "float32" | "float64" | "float16" | "int32" | "uint32" | "bool";

/** All element types, from the lowest category to the highest. */
export const dtypes: readonly DType[] = ["bool", "uint32", "int32", "float16", "float32", "float64"];

/** Bytes one element takes in a storage. */
export const byteSize: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int32: 4,
  uint32: 4,
  bool: 4,
};

/** The typed arrays that hold elements in a storage. */
export type TypedArray =
  | Float32Array<ArrayBufferLike>
  | Float64Array<ArrayBufferLike>
  | Float16Array<ArrayBufferLike>
  | Int32Array<ArrayBufferLike>
  | Uint32Array<ArrayBufferLike>;

/** Views `length` elements of a buffer, from a byte offset, as the storage type of `dtype`. */
export function typedArray(dtype: DType, buffer: ArrayBufferLike, byteOffset = 0, length?: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, byteOffset, length);
    case "float64":
      return new Float64Array(buffer, byteOffset, length);
    case "float16":
      return new Float16Array(buffer, byteOffset, length);
    case "int32":
      return new Int32Array(buffer, byteOffset, length);
    case "uint32":
    case "bool":
      return new Uint32Array(buffer, byteOffset, length);
  }
}

/** Whether the type holds fractions. */
export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16";
}

/** Whether the type is a signed or unsigned whole number. */
export function isInteger(dtype: DType): dtype is "int32" | "uint32" {
  return dtype === "int32" || dtype === "uint32";
}

const integerRanges = { int32: [-2147483648, 2147483647], uint32: [0, 4294967295] } as const;

/** The least and the greatest value of a whole-number type. */
export function integerRange(dtype: "int32" | "uint32"): readonly [number, number] {
  return integerRanges[dtype];
}

/** Whether a type can hold a number: floats and bool hold every one; whole numbers cut fractions off and hold neither NaN nor infinities. */
export function isHeld(value: number, dtype: DType): boolean {
  if (!isInteger(dtype)) return true;
  const [low, high] = integerRanges[dtype];
  const whole = Math.trunc(value);
  return whole >= low && whole <= high;
}

/** The error for a number that a type of whole numbers cannot hold. */
export function notHeld(op: string, dtype: DType, got: string): DTypeError {
  const [low, high] = integerRange(dtype as "int32" | "uint32");
  return new DTypeError(`Cannot ${op} of ${dtype}: values from ${low} to ${high} are needed, got ${got}`, { op });
}

/** The type in which arithmetic on `dtype` is done: float16 is computed in float32. */
export function computeType(dtype: DType): DType {
  return dtype === "float16" ? "float32" : dtype;
}

/**
 * The type of an operation on two tensors, as in PyTorch: bool < integers < floats, the wider float wins.
 *
 * @throws DTypeError for int32 with uint32, which have no common 32-bit type.
 */
export function promote(a: DType, b: DType, op = "combine"): DType {
  if (a === b) return a;
  if (isInteger(a) && isInteger(b)) {
    throw new DTypeError(`Cannot ${op} ${a} and ${b}: no 32-bit type holds both, cast one with .to(...)`, { op });
  }
  return dtypes.indexOf(a) > dtypes.indexOf(b) ? a : b;
}

/**
 * The type of an operation between a tensor and a JavaScript number: the tensor's own type, unless a fraction meets
 * whole numbers (then float32) or a number meets bool (then int32, or float32 for a fraction).
 */
export function promoteNumber(dtype: DType, value: number): DType {
  if (isFloat(dtype)) return dtype;
  if (!Number.isInteger(value)) return "float32";
  return dtype === "bool" ? "int32" : dtype;
}

/** The floating type an operation such as `exp` or `div` gives: float32 for whole numbers and bool. */
export function floatType(dtype: DType): DType {
  return isFloat(dtype) ? dtype : "float32";
}
