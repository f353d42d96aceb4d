/**
 * Clipping gradients, on the device: nothing is read.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { stack, zeros } from "../tensor/create.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";

/** Options of {@link clipGradNorm}. */
export interface ClipNormOptions {
  /** The greatest norm that is let through. */
  readonly maxNorm: number;
  /** The order of the norm. Default 2. */
  readonly p?: number;
}

/**
 * Scales all gradients together so that their norm, as of one long vector, is at most `maxNorm`: each is multiplied by
 * min(1, maxNorm / (norm + 1e-6)).
 *
 * @returns The norm before clipping, [] (float32, or float64 for such gradients).
 * @throws ArgumentError for a maxNorm below 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { clipGradNorm } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const x = tensor([3, 4], { requiresGrad: true });
 * x.square().sum().div(2).backward();
 * const norm = clipGradNorm([x], { maxNorm: 1 });
 * assertAlmostEquals(await norm.item(), 5, 1e-6);
 * assertAlmostEquals((await x.grad!.data())[0]!, 0.6, 1e-6);
 * ```
 */
export function clipGradNorm(parameters: Iterable<Tensor>, options: ClipNormOptions): Tensor {
  const { maxNorm, p = 2 } = checkOptions(options, "clipGradNorm", ["maxNorm", "p"]);
  if (!(maxNorm >= 0)) throw new ArgumentError(`Cannot clipGradNorm: a maxNorm from 0 is needed, got ${maxNorm}`);
  const gradients = gradientsOf(parameters);
  if (gradients.length === 0) return zeros([]);
  return noGrad(() =>
    tidy(() => {
      const dtype: DType = gradients.some((gradient) => gradient.dtype === "float64") ? "float64" : "float32";
      const norms = gradients.map((gradient) => gradient.to(computeType(gradient.dtype)).norm(undefined, { p }).to(dtype));
      const total = norms.length === 1 ? norms[0]!.clone() : stack(norms).norm(undefined, { p });
      for (const gradient of gradients) {
        updateInPlace(scaleKernels(`${gradient.dtype} ${dtype}`), { inputs: [gradient, total], targets: [gradient], scalars: [maxNorm] });
      }
      return total;
    })
  );
}

/**
 * Holds every element of every gradient within ±`maxValue`.
 *
 * @throws ArgumentError for a maxValue below 0.
 */
export function clipGradValue(parameters: Iterable<Tensor>, options: { readonly maxValue: number }): void {
  const { maxValue } = checkOptions(options, "clipGradValue", ["maxValue"]);
  if (!(maxValue >= 0)) throw new ArgumentError(`Cannot clipGradValue: a maxValue from 0 is needed, got ${maxValue}`);
  noGrad(() => {
    for (const gradient of gradientsOf(parameters)) {
      updateInPlace(holdKernels(gradient.dtype), { inputs: [gradient], targets: [gradient], scalars: [-maxValue, maxValue] });
    }
  });
}

function gradientsOf(parameters: Iterable<Tensor>): Tensor[] {
  return [...parameters].flatMap(({ grad }) => grad === null ? [] : [grad]);
}

/** Inputs g and the norm; scalar maxNorm. */
const scaleKernels = memoize((key: string): MapKernel => {
  const [dtype, normType] = key.split(" ") as [DType, DType];
  const coefficient = apply("min", 1, apply("div", scalar(0, normType), apply("add", input(1, normType), 1e-6)));
  return updateKernel([cast(apply("mul", input(0, dtype), cast(coefficient, computeType(dtype))), dtype)]);
});

const holdKernels = memoize((dtype: DType): MapKernel => {
  const computed = computeType(dtype);
  return updateKernel([cast(apply("min", apply("max", input(0, dtype), scalar(0, computed)), scalar(1, computed)), dtype)]);
});
