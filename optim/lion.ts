/**
 * Lion.
 *
 * @module
 */
import { checkList } from "../tensor/arguments.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link Lion}. */
export interface LionOptions extends OptimizerOptions {
  /** How much of the momentum enters the step, and how much of it is kept. Default [0.9, 0.99]. */
  betas?: readonly [number, number];
  /** The part of the parameter taken off, times lr. Default 0. */
  weightDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Steps of one size by the sign of the momentum.
 *
 * x = (1 - lr λ) x - lr sign(β₁ m + (1 - β₁) ∇); m = β₂ m + (1 - β₂) ∇. Source: Chen et al. 2023.
 *
 * @throws ArgumentError for values out of range.
 */
export class Lion extends Optimizer<LionOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<LionOptions>, options: LionOptions) {
    super(parameters, options, ["betas", "weightDecay", "maximize", "lr"]);
    for (const { betas = defaultBetas, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make Lion: betas from 0 to below 1 and weightDecay from 0 are needed, got [${betas.join(", ")}] and ${weightDecay}`,
        );
      }
    }
  }

  /** "lion". */
  override get kind(): string {
    return "lion";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<LionOptions>, state: ParameterState): void {
    const momentum = this.stateTensor(parameter, state, "expAvg");
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, momentum],
      targets: [parameter, momentum],
      scalars: () => {
        const { lr, betas: [beta1, beta2] = defaultBetas, weightDecay = 0, maximize = false } = group;
        return [lr, 1 - lr * weightDecay, maximize ? -1 : 1, beta1, 1 - beta1, beta2, 1 - beta2];
      },
    });
  }
}

const defaultBetas = [0.9, 0.99] as const;

/** Inputs x, ∇, m; scalars lr, 1 - lr λ, ±1, β₁, 1 - β₁, β₂, 1 - β₂. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const [lr, shrink, sign, beta1, rest1, beta2, rest2] = Array.from({ length: 7 }, (_, at) => scalar(at, computed));
  const g = apply("mul", sign!, cast(input(1, gradientType), computed));
  const blend = (kept: typeof g, fresh: typeof g) => apply("add", apply("mul", kept, input(2, computed)), apply("mul", fresh, g));
  const step = apply("mul", lr!, apply("sign", blend(beta1!, rest1!)));
  return updateKernel([cast(apply("sub", apply("mul", shrink!, input(0, dtype)), step), dtype), blend(beta2!, rest2!)]);
});
