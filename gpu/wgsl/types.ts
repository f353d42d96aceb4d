/**
 * Element types in WGSL: how they are stored, what they are computed in, and how their constants are written.
 *
 * A bool is stored as `u32` 0 or 1 and computed as `bool`; float16 is stored as `f16` and widened by the expression's own casts.
 *
 * @module
 */
import { byteSize, type DType } from "../../tensor/dtype.ts";
import { DTypeError } from "../../tensor/errors.ts";

/** The WGSL type of an element in a storage buffer. */
export function storageType(dtype: DType): "f32" | "f16" | "i32" | "u32" {
  switch (dtype) {
    case "float32":
      return "f32";
    case "float16":
      return "f16";
    case "int32":
      return "i32";
    case "uint32":
    case "bool":
      return "u32";
    case "float64":
      throw new DTypeError("Cannot run a kernel on webgpu: 32-bit and 16-bit types are needed, got float64", { op: "run" });
  }
}

/** The WGSL type in which an element takes part in an expression. */
export function valueType(dtype: DType): "f32" | "f16" | "i32" | "u32" | "bool" {
  return dtype === "bool" ? "bool" : storageType(dtype);
}

/** The WGSL expression that turns a stored element into a value. */
export function loaded(dtype: DType, stored: string): string {
  return dtype === "bool" ? `(${stored} != 0u)` : stored;
}

/** The WGSL expression that turns a value into what is stored. */
export function stored(dtype: DType, value: string): string {
  return dtype === "bool" ? `select(0u, 1u, ${value})` : value;
}

const scratch = new DataView(new ArrayBuffer(4));

/** The bits of a number as a float32. */
export function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** A float32 constant; infinities, NaN and -0, which WGSL refuses or folds away as literals, come from their bits. */
export function floatLiteral(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded) || Object.is(rounded, -0)) return `bitcast<f32>(0x${float32Bits(rounded).toString(16)}u)`;
  return `${rounded}f`;
}

/** A constant of a type, as a WGSL expression of its value type. */
export function literal(value: number, dtype: DType): string {
  switch (dtype) {
    case "float32":
      return floatLiteral(value);
    case "float16":
      return `f16(${floatLiteral(value)})`;
    case "int32":
      return (value | 0) === -2147483648 ? "(-2147483647i - 1i)" : `${value | 0}i`;
    case "uint32":
      return `${value >>> 0}u`;
    case "bool":
      return value !== 0 ? "true" : "false";
    case "float64":
      return storageType(dtype);
  }
}

/** The extensions that must be enabled before types such as f16 are used. */
export function enables(dtypes: readonly DType[]): string {
  return dtypes.includes("float16") ? "enable f16;\n" : "";
}

/** The declaration of storage buffer number `binding` as an array of elements. */
export function declareBuffer(binding: number, name: string, dtype: DType, access: "read" | "read_write"): string {
  return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${storageType(dtype)}>;\n`;
}

/** Bytes of `count` elements, rounded up to the 4 that every WebGPU range needs. */
export function alignedBytes(dtype: DType, count: number): number {
  return Math.ceil(count * byteSize[dtype] / 4) * 4;
}
