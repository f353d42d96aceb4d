/**
 * What a sample of an operation is: inputs with values in the operation's domain, and the call.
 *
 * @module
 */
import { Tensor, tensor } from "../../tensor/mod.ts";
import type { Place } from "../devices.ts";

/** One input; "float" takes the type that is being tested. */
export interface Input {
  readonly shape: readonly number[];
  readonly dtype: "float" | "int32" | "bool";
  readonly values: readonly number[];
}

/** One call of an operation. */
export interface Sample {
  readonly inputs: readonly Input[];
  readonly run: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** How often it can be differentiated; 0 is stated where an operation has no gradient. Default 2. */
  readonly order?: 0 | 1 | 2;
  /** Whether it acts on each element alone, so that any shape will do. */
  readonly elementwise?: boolean;
  /** The only type that it takes, or in which it means something. */
  readonly only?: "float32";
}

/** Samples by name. */
export type Samples<Name extends PropertyKey> = Readonly<Record<Name, readonly Sample[]>>;

/** The names of a module's operations. */
export type OpsOf<Module> = {
  [Name in keyof Module]: Module[Name] extends { readonly kind: string; readonly name: string; readonly vjp: unknown } ? Name : never;
}[keyof Module];

/** The names of a module's functions that give tensors. */
export type TensorFunctionsOf<Module> = {
  [Name in keyof Module]: Module[Name] extends (...args: never[]) => Tensor | { readonly y: Tensor } ? Name : never;
}[keyof Module];

/** The range that values are drawn from, and which of them. */
export interface Domain {
  readonly low?: number;
  readonly high?: number;
  readonly seed?: number;
}

/** Distinct odd multiples of 1/1024 without pattern: exact in float32, and never on a kink at a whole or half number. */
export function real(shape: readonly number[], { low = -2, high = 2, seed = 0 }: Domain = {}): Input {
  const values = Array.from({ length: product(shape) }, (_, i) => {
    const fraction = ((i + 1) * 0.6180339887498949 + seed * 0.3770135) % 1;
    return (2 * Math.floor((low + fraction * (high - low)) * 512) + 1) / 1024;
  });
  return { shape, dtype: "float", values };
}

/** Values above 0. */
export function positive(shape: readonly number[], domain: Domain = {}): Input {
  return real(shape, { low: 0.25, high: 3, ...domain });
}

/** Given numbers. */
export function given(shape: readonly number[], values: readonly number[]): Input {
  return { shape, dtype: "float", values };
}

/** Given int32 numbers. */
export function whole(shape: readonly number[], values: readonly number[]): Input {
  return { shape, dtype: "int32", values };
}

/** Truth values without pattern. */
export function truth(shape: readonly number[]): Input {
  return { shape, dtype: "bool", values: Array.from({ length: product(shape) }, (_, i) => Number((i * 7 + 3) % 5 < 2)) };
}

/** The same kind of input in another shape. */
export function reshaped({ dtype, values }: Input, shape: readonly number[]): Input {
  const size = product(shape);
  return { shape, dtype, values: Array.from({ length: size }, (_, i) => values[i % values.length]!) };
}

/** Makes an input's tensor. */
export function make({ shape, dtype, values }: Input, place: Place): Tensor {
  return tensor(Float64Array.from(values), { shape, dtype: dtype === "float" ? place.dtype : dtype, device: place.device });
}

/** The results as a list. */
export function listOf(result: Tensor | readonly Tensor[]): readonly Tensor[] {
  return result instanceof Tensor ? [result] : result;
}

/** The number of elements. */
export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
