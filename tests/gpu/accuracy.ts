/**
 * How far the device's elementary functions are from the truth, in units in the last place of float32.
 *
 * @module
 */
import type { GpuBackend } from "../../gpu/mod.ts";
import { apply, expression, input } from "../../tensor/expr.ts";
import { type ScalarOp, scalarOps } from "../../tensor/scalar.ts";
import { nextRandom, run } from "../cpu/compare.ts";
import { filled } from "./families.ts";

/** Where a function is measured, and the error it may have. */
export interface AccuracyRange {
  /** Arguments uniform between two numbers. */
  readonly uniform: readonly [number, number];
  /** Arguments of both signs with uniform exponents between two powers of 2; then they are one half. */
  readonly powers?: readonly [number, number];
  /** The bound, in units in the last place. */
  readonly units: number;
}

/** The functions with an error worth the name. */
export const accuracy: Partial<Record<ScalarOp, AccuracyRange>> = {
  exp: { uniform: [-87, 88.7], units: 2 },
  expm1: { uniform: [-20, 88], powers: [-30, 0], units: 2 },
  log: { uniform: [0.5, 2], units: 1.5 },
  log1p: { uniform: [-0.99, 3], powers: [-30, -1], units: 3 },
  sin: { uniform: [-1000, 1000], powers: [7, 100], units: 4 },
  cos: { uniform: [-1000, 1000], powers: [7, 100], units: 4 },
  tan: { uniform: [-1000, 1000], powers: [7, 100], units: 5 },
  asin: { uniform: [-1, 1], units: 3 },
  acos: { uniform: [-1, 1], units: 3 },
  atan: { uniform: [-10, 10], powers: [-30, 30], units: 3 },
  sinh: { uniform: [-88, 88], powers: [-30, 1], units: 4 },
  cosh: { uniform: [-88, 88], units: 4 },
  tanh: { uniform: [-10, 10], powers: [-30, 1], units: 2 },
  sigmoid: { uniform: [-87, 87], units: 4 },
  erf: { uniform: [-5, 5], powers: [-30, 1], units: 3 },
  sqrt: { uniform: [0, 1e6], units: 3 },
  rsqrt: { uniform: [1e-3, 1e3], units: 4 },
};

/** The largest error found, and where. */
export interface WorstError {
  readonly units: number;
  readonly argument: number;
  readonly got: number;
}

/** One unit in the last place of a float32 near `x`. */
export function ulp(x: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23);
}

/** Measures a function at `size` random arguments. Results below the normal numbers, which an adapter may flush, do not count. */
export async function worstError(backend: GpuBackend, op: ScalarOp, { uniform, powers }: AccuracyRange, size: number): Promise<WorstError> {
  const [low, high] = uniform;
  const half = powers === undefined ? size : size / 2;
  const x = filled("float32", [size], (at) => {
    const t = (nextRandom() + 1) / 2;
    return at < half ? low + (high - low) * t : (at % 2 === 0 ? 1 : -1) * 2 ** (powers![0] + (powers![1] - powers![0]) * t);
  });
  const expr = expression([apply(op, input(0, "float32"))]);
  const [actual] = await run(backend, { kind: "map", key: expr.key, expr }, [x], [{ shape: [size] }]);
  let worst: WorstError = { units: 0, argument: NaN, got: NaN };
  for (let at = 0; at < size; at++) {
    const [argument, got] = [x.data[at]!, actual![at]!];
    const expected = scalarOps[op].reference(argument);
    if (Math.abs(expected) < 2 ** -126) continue;
    const units = Math.abs(got - expected) / ulp(expected);
    if (!(units <= worst.units)) worst = { units, argument, got };
  }
  return worst;
}
