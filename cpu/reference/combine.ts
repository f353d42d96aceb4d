/**
 * How values are combined: sums, products, extremes and their positions, in the arithmetic of each element type.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { Combine } from "../../tensor/kernel.ts";
import { wrap } from "../../tensor/scalar.ts";

/** What an empty row gives: 0, 1, or the lowest or highest value of the type. */
export function neutral(combine: Combine, dtype: DType): number {
  switch (combine) {
    case "sum":
      return 0;
    case "prod":
      return 1;
    case "max":
      return dtype === "int32" ? -2147483648 : dtype === "uint32" || dtype === "bool" ? 0 : -Infinity;
    case "min":
      return dtype === "int32" ? 2147483647 : dtype === "uint32" ? 4294967295 : dtype === "bool" ? 1 : Infinity;
    case "argmax":
    case "argmin":
      return 0;
  }
}

/** One value joined to what was combined so far: in float64 for floats, in 32 bits for whole numbers; NaN goes through. */
export function combiner(combine: "sum" | "prod" | "max" | "min", dtype: DType): (a: number, b: number) => number {
  if (combine === "max") return Math.max;
  if (combine === "min") return Math.min;
  if (dtype === "int32" || dtype === "uint32") {
    return combine === "sum" ? (a, b) => wrap(a + b, dtype) : (a, b) => wrap(Math.imul(a, b), dtype);
  }
  if (dtype === "bool") return combine === "sum" ? (a, b) => a | b : (a, b) => a & b;
  return combine === "sum" ? (a, b) => a + b : (a, b) => a * b;
}

/** Combines the first `count` values of a row and brings the result into the range of its type. */
export function combineRow(combine: Combine, values: Float64Array, count: number, dtype: DType): number {
  if (combine === "argmax" || combine === "argmin") return extremePosition(values, count, combine === "argmax");
  if (combine === "sum" && (dtype === "float32" || dtype === "float64")) {
    let sum = 0;
    for (let k = 0; k < count; k++) sum += values[k]!;
    return wrap(sum, dtype);
  }
  const join = combiner(combine, dtype);
  let combined = neutral(combine, dtype);
  for (let k = 0; k < count; k++) combined = join(combined, values[k]!);
  return wrap(combined, dtype);
}

function extremePosition(values: Float64Array, count: number, greatest: boolean): number {
  let best = 0;
  for (let k = 0; k < count; k++) {
    const value = values[k]!;
    if (Number.isNaN(value)) return k;
    if (greatest ? value > values[best]! : value < values[best]!) best = k;
  }
  return best;
}
