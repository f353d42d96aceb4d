/**
 * The element types of safetensors files, and what they become here.
 *
 * @module
 */
import type { DType, TypedArray } from "../dtype.ts";

/** A type's name in a file. */
export type StoredType = "F64" | "F32" | "F16" | "BF16" | "I64" | "U64" | "I32" | "U32" | "I16" | "U16" | "I8" | "U8" | "BOOL";

/** Values as they are handed to `tensor`. */
export interface Decoded {
  readonly values: TypedArray | Uint8Array | Int8Array | Int16Array | Uint16Array;
  readonly dtype: DType;
}

interface Row {
  /** Bytes per element in a file. */
  readonly bytes: number;
  /** The type here. */
  readonly dtype: DType;
  readonly decode: (buffer: ArrayBuffer) => Decoded["values"];
}

/** Every type that can be read. */
export const storedTypes: Readonly<Record<StoredType, Row>> = {
  F64: { bytes: 8, dtype: "float64", decode: (buffer) => new Float64Array(buffer) },
  F32: { bytes: 4, dtype: "float32", decode: (buffer) => new Float32Array(buffer) },
  F16: { bytes: 2, dtype: "float16", decode: (buffer) => new Float16Array(buffer) },
  BF16: { bytes: 2, dtype: "float32", decode: widenBfloat16 },
  I64: { bytes: 8, dtype: "int32", decode: (buffer) => Int32Array.from(new BigInt64Array(buffer), (value) => narrow(value)) },
  U64: { bytes: 8, dtype: "int32", decode: (buffer) => Int32Array.from(new BigUint64Array(buffer), (value) => narrow(value)) },
  I32: { bytes: 4, dtype: "int32", decode: (buffer) => new Int32Array(buffer) },
  U32: { bytes: 4, dtype: "uint32", decode: (buffer) => new Uint32Array(buffer) },
  I16: { bytes: 2, dtype: "int32", decode: (buffer) => new Int16Array(buffer) },
  U16: { bytes: 2, dtype: "int32", decode: (buffer) => new Uint16Array(buffer) },
  I8: { bytes: 1, dtype: "int32", decode: (buffer) => new Int8Array(buffer) },
  U8: { bytes: 1, dtype: "int32", decode: (buffer) => new Uint8Array(buffer) },
  BOOL: { bytes: 1, dtype: "bool", decode: (buffer) => new Uint8Array(buffer) },
};

/**
 * Reads values of a type, little-endian as every platform that Deno runs on.
 *
 * @throws RangeError for a whole number beyond 32 bits.
 */
export function decodeValues(stored: StoredType, bytes: Uint8Array): Decoded {
  const { dtype, decode } = storedTypes[stored];
  return { values: decode(Uint8Array.from(bytes).buffer), dtype };
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(buffer: ArrayBuffer): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits * 65536).buffer);
}

function narrow(value: bigint): number {
  if (value < -2147483648n || value > 2147483647n) throw new RangeError(String(value));
  return Number(value);
}
