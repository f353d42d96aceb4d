/**
 * How tensors are shown: their description, and their values once read.
 *
 * @module
 */
import type { DType } from "./dtype.ts";

interface Described {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly device: string;
  readonly isDisposed: boolean;
}

/** Longer dims are shown by their first and last few elements. */
const edgeItems = 3;
const summarizeAbove = 1000;

/** One line without values, since reading them has to be waited for. */
export function describe({ dtype, shape, device, isDisposed }: Described): string {
  const what = `Tensor ${dtype} [${shape.join(", ")}] ${device}`;
  return isDisposed ? `${what} (freed)` : `${what} (await t.data() gives the values)`;
}

/** The values in nested brackets, large tensors shortened. */
export function formatValues(values: ArrayLike<number>, { dtype, shape, device }: Described): string {
  const shorten = values.length > summarizeAbove;
  const show = numberFormat(values, dtype);
  let strides = 1;
  const steps = shape.map(() => 0);
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    steps[dim] = strides;
    strides *= shape[dim]!;
  }
  function level(dim: number, offset: number): string {
    if (dim === shape.length) return show(values[offset]!);
    const size = shape[dim]!;
    const part = (position: number) => level(dim + 1, offset + position * steps[dim]!);
    const parts = shorten && size > 2 * edgeItems
      ? [...range(0, edgeItems).map(part), "…", ...range(size - edgeItems, size).map(part)]
      : range(0, size).map(part);
    const last = dim === shape.length - 1;
    return `[${parts.join(last ? ", " : `,\n${" ".repeat(dim + 1)}`)}]`;
  }
  return `${level(0, 0)}\n${dtype} [${shape.join(", ")}] ${device}`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, position) => from + position);
}

function numberFormat(values: ArrayLike<number>, dtype: DType): (value: number) => string {
  if (dtype === "bool") return (value) => value !== 0 ? "true" : "false";
  if (dtype === "int32" || dtype === "uint32") return String;
  let largest = 0;
  let smallest = Infinity;
  let whole = true;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (!Number.isFinite(size)) continue;
    whole &&= Number.isInteger(size);
    largest = Math.max(largest, size);
    if (size > 0) smallest = Math.min(smallest, size);
  }
  if (whole && largest < 1e8) return (value) => Number.isFinite(value) ? `${value}.` : String(value);
  if (largest >= 1e6 || (smallest < 1e-4 && smallest !== Infinity)) {
    return (value) => Number.isFinite(value) ? value.toExponential(4) : String(value);
  }
  return (value) => Number.isFinite(value) ? value.toFixed(4) : String(value);
}
