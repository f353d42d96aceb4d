/**
 * Principal components: the directions in which rows vary most, for a picture of an embedding.
 *
 * @module
 */
import { checkList, checkNumbers, checkOptions } from "../tensor/arguments.ts";
import { ShapeError } from "../tensor/errors.ts";

/** The mean of some rows, and the directions in which they vary most. */
export interface Components {
  /** The mean of all rows, of length D. */
  readonly mean: Float64Array;
  /** Unit vectors of length D, by falling variance. */
  readonly directions: readonly Float64Array[];
  /** The part of the whole variance that lies along each direction. */
  readonly explained: readonly number[];
}

/** Enough for a picture: the error falls with (λ₃ / λ₂)^n. */
const iterations = 200;

/**
 * Finds the first principal components of rows [N, D] by orthogonal iteration on their covariance, in float64, always with the same result.
 *
 * @param rows Row-major values.
 * @param options `width` is D; `count` how many components (default 2, at most D).
 * @throws ShapeError when the values are no whole number of rows.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { principalComponents } from "./mod.ts";
 *
 * const { directions } = principalComponents([1, 1, 2, 2, 3, 3], { width: 2, count: 1 });
 * assertAlmostEquals(Math.abs(directions[0]![0]!), Math.SQRT1_2, 1e-9);
 * ```
 */
export function principalComponents(
  rows: ArrayLike<number>,
  options: { readonly width: number; readonly count?: number },
): Components {
  const { width, count = 2 } = checkOptions(options, "principalComponents", ["width", "count"]);
  const height = rows.length / width;
  if (!Number.isInteger(width) || width < 1 || !Number.isInteger(height) || height < 1 || count > width) {
    throw new ShapeError(`Cannot find ${count} components of ${rows.length} values: rows of at least ${count} numbers are needed`, {
      op: "principalComponents",
      shapes: [[height, width]],
    });
  }
  const mean = columnMeans(rows, width);
  const covariance = covarianceOf(rows, mean);
  let directions = Array.from({ length: count }, (_, k) => startOf(width, k));
  for (let i = 0; i < iterations; i++) directions = orthonormal(directions.map((direction) => product(covariance, direction)), width);
  const total = covariance.reduce((sum, value, position) => position % (width + 1) === 0 ? sum + value : sum, 0);
  const explained = directions.map((direction) => total > 0 ? dot(direction, product(covariance, direction)) / total : 0);
  return { mean, directions: directions.map(fixSign), explained };
}

/** Where a row lies along each direction. */
export function project(row: ArrayLike<number>, options: Components): number[] {
  const { mean, directions } = checkOptions(options, "project", ["mean", "directions", "explained"]);
  checkNumbers(row, "project", "a row of numbers");
  checkNumbers(mean, "project", "a mean of each column");
  checkList(directions, "project", "project(row, principalComponents(rows, { width }))");
  return directions.map((direction) => direction.reduce((sum, value, i) => sum + value * (row[i]! - mean[i]!), 0));
}

function columnMeans(rows: ArrayLike<number>, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) mean[i % width]! += rows[i]!;
  return mean.map((sum) => sum / (rows.length / width));
}

/** [D, D], divided by N. */
function covarianceOf(rows: ArrayLike<number>, mean: Float64Array): Float64Array {
  const width = mean.length;
  const height = rows.length / width;
  const out = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let row = 0; row < height; row++) {
    for (let i = 0; i < width; i++) centred[i] = rows[row * width + i]! - mean[i]!;
    for (let i = 0; i < width; i++) {
      const own = centred[i]! / height;
      for (let j = 0; j < width; j++) out[i * width + j]! += own * centred[j]!;
    }
  }
  return out;
}

/** A start without pattern, so that it is not orthogonal to what is looked for. */
function startOf(width: number, k: number): Float64Array {
  return Float64Array.from({ length: width }, (_, i) => Math.sin(1 + i * 12.9898 + k * 78.233));
}

function product(matrix: Float64Array, vector: Float64Array): Float64Array {
  const width = vector.length;
  return vector.map((_, i) => {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += matrix[i * width + j]! * vector[j]!;
    return sum;
  });
}

/** Gram and Schmidt; a direction without variance becomes the axis that is furthest from the others. */
function orthonormal(vectors: readonly Float64Array[], width: number): Float64Array[] {
  const out: Float64Array[] = [];
  for (const vector of vectors) {
    const length = Math.sqrt(dot(vector, vector));
    const unit = length > 1e-12 ? remainder(vector.map((value) => value / length), out) : undefined;
    out.push(unit ?? freeAxis(out, width));
  }
  return out;
}

/** The unit vector of what is left without the parts along the others, if enough is left. */
function remainder(vector: Float64Array, others: readonly Float64Array[]): Float64Array | undefined {
  let rest = vector;
  for (const other of others) {
    const along = dot(rest, other);
    rest = rest.map((value, i) => value - along * other[i]!);
  }
  const length = Math.sqrt(dot(rest, rest));
  return length > 1e-9 ? rest.map((value) => value / length) : undefined;
}

function freeAxis(others: readonly Float64Array[], width: number): Float64Array {
  for (let axis = 0; axis < width; axis++) {
    const unit = remainder(Float64Array.from({ length: width }, (_, i) => i === axis ? 1 : 0), others);
    if (unit !== undefined) return unit;
  }
  return new Float64Array(width);
}

/** A direction and its opposite are equally right: the greatest element is made positive. */
function fixSign(direction: Float64Array): Float64Array {
  const greatest = direction.reduce((best, value) => Math.abs(value) > Math.abs(best) ? value : best, 0);
  return greatest < 0 ? direction.map((value) => -value) : direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
