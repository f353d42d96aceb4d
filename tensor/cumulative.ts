/**
 * Running products, extrema and log-sums along a dim: methods of {@link Tensor}.
 *
 * @module
 */
import { arange } from "./create.ts";
import { isFloat } from "./dtype.ts";
import { DTypeError } from "./errors.ts";
import * as scans from "./ops/scan.ts";
import { tidy } from "./scope.ts";
import { normalizeDim } from "./shape.ts";
import { apply, type Sorted, type Tensor } from "./tensor.ts";

/** Internal: see {@link Tensor.cumprod}. */
export function cumprod(x: Tensor, dim: number): Tensor {
  const values = x.dtype === "bool" ? x.to("int32") : x;
  return alongLast(values, dim, "cumprod", (moved) => apply(scans.cumprod, [moved], {})[0]!);
}

/** Internal: see {@link Tensor.cummax} and {@link Tensor.cummin}. */
export function cumulativeExtremum(x: Tensor, dim: number, kind: "max" | "min"): Sorted {
  const at = normalizeDim(dim, x.rank, `cum${kind}`);
  if (x.rank === 0) return { values: x.clone(), indices: x.newZeros([], "int32") };
  const [values, indices] = tidy(() => {
    const moved = x.transpose(at, -1);
    const fixed = moved.detach();
    const [running] = apply(kind === "max" ? scans.runningMax : scans.runningMin, [fixed], {});
    // Wherever the extremum is met (again) it has its place; in between the last such place stays.
    const met = fixed.eq(running!).logicalOr(fixed.isNaN());
    const positions = arange(met.shape.at(-1)!, { device: x.device, dtype: "int32" });
    const [places] = apply(scans.runningMax, [met.where(positions, 0)], {});
    return [moved.gather(-1, places!).transpose(at, -1), places!.transpose(at, -1)];
  });
  return { values: values!, indices: indices! };
}

/** Internal: see {@link Tensor.logcumsumexp}. */
export function logcumsumexp(x: Tensor, dim: number): Tensor {
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`Cannot logcumsumexp a ${x.dtype} tensor: a floating type is needed, cast it first`, { op: "logcumsumexp" });
  }
  // By doubling: after step k each place holds the log-sum of its last 2^k elements.
  return alongLast(x, dim, "logcumsumexp", (moved) =>
    tidy(() => {
      const size = moved.shape.at(-1)!;
      let y = moved.alias();
      for (let reach = 1; reach < size; reach *= 2) y = y.logaddexp(y.pad([reach, -reach], { value: -Infinity }));
      return y;
    }));
}

/** Runs on the last dim what is meant for another one. */
function alongLast(x: Tensor, dim: number, op: string, run: (moved: Tensor) => Tensor): Tensor {
  const at = normalizeDim(dim, x.rank, op);
  if (x.rank === 0) return x.clone();
  if (at === x.rank - 1) return run(x);
  return tidy(() => run(x.transpose(at, -1)).transpose(at, -1));
}
