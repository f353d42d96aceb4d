/**
 * When a result is close enough to a golden value.
 *
 * @module
 */
import type { DType, Tensor } from "../../tensor/mod.ts";
import { type GoldenTensor, numbersOf } from "./format.ts";

/** Says what is wrong with a result, or undefined when it passes. `hint` is how far PyTorch's float32 was off. */
export async function difference(got: Tensor, golden: GoldenTensor, dtype: DType, hint = 0): Promise<string | undefined> {
  const type = golden.dtype === "float32" ? dtype : golden.dtype;
  if (got.dtype !== type) return `${type} is needed, got ${got.dtype}`;
  if (got.shape.join() !== golden.shape.join()) return `[${golden.shape}] is needed, got [${got.shape}]`;
  return valueDifference(await got.data(), numbersOf(golden), golden.dtype === "float32" ? tolerance(dtype, hint) : exact);
}

/** How far a value may be off: absolutely, and relative to the tensor's largest. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
  /** Allowed in any case. */
  readonly least: number;
}

const exact: Tolerance = { absolute: 0, relative: 0, least: 0 };

/** The tolerance of an element type; in float32 what PyTorch itself did not reach is not asked for. */
export function tolerance(dtype: DType, hint = 0): Tolerance {
  return dtype === "float64" ? { absolute: 1e-12, relative: 1e-10, least: 0 } : { absolute: 1e-6, relative: 1e-5, least: 8 * hint };
}

/** Says which value is wrong, or undefined. NaN must meet NaN, an infinity the same one. */
export function valueDifference(
  got: ArrayLike<number>,
  expected: readonly number[],
  { absolute, relative, least }: Tolerance,
): string | undefined {
  if (got.length !== expected.length) return `${expected.length} values are needed, got ${got.length}`;
  const largest = expected.reduce((most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 0);
  const allowed = Math.max(absolute + relative * largest, least);
  for (let i = 0; i < expected.length; i++) {
    const close = Object.is(got[i], expected[i]) || got[i] === expected[i] || Math.abs(got[i]! - expected[i]!) <= allowed;
    if (!close) return `${expected[i]} ± ${allowed} is needed at ${i}, got ${got[i]}`;
  }
  return undefined;
}
