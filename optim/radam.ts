/**
 * RAdam.
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

/** Options of {@link RAdam}. */
export interface RAdamOptions extends OptimizerOptions {
  /** How much of the running means of the gradient and of its square is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root in the divisor. Default 1e-8. */
  eps?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adam that steps without the second moment while too few gradients were seen to trust it.
 *
 * ρ∞ = 2 / (1 - β₂) - 1; ρ_t = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ); m and v as in Adam; x = x - lr m̂ r_t √(1 - β₂ᵗ) / (√v + ε) where ρ_t > 5, else
 * x - lr m̂; r_t = √((ρ_t - 4)(ρ_t - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ_t)). Source: Liu et al. 2020, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 */
export class RAdam extends Optimizer<RAdamOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<RAdamOptions>, options: RAdamOptions) {
    super(parameters, options, ["betas", "eps", "weightDecay", "maximize", "lr"]);
    for (const { betas = defaultBetas, eps = 1e-8, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(eps >= 0) || !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make RAdam: betas from 0 to below 1, eps and weightDecay from 0 are needed, got [${
            betas.join(", ")
          }], ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "radam". */
  override get kind(): string {
    return "radam";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<RAdamOptions>, state: ParameterState): void {
    const moments = ["expAvg", "expAvgSq"].map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, ...moments],
      targets: [parameter, ...moments],
      scalars: () => {
        const { betas: [beta1, beta2] = defaultBetas, eps = 1e-8, weightDecay = 0, maximize = false } = group;
        const { rate, rectified } = rectify(group, state.step);
        return [rate, rectified ? 1 : 0, rectified ? 0 : 1, eps, beta1, 1 - beta1, beta2, 1 - beta2, maximize ? -1 : 1, weightDecay];
      },
    });
  }
}

const defaultBetas = [0.9, 0.999] as const;

/** What m is multiplied by, and whether it is divided by the root of the second moment. */
function rectify({ lr, betas: [beta1, beta2] = defaultBetas }: ParameterGroup<RAdamOptions>, step: number) {
  const correction = 1 - beta2 ** step;
  const limit = 2 / (1 - beta2) - 1;
  const length = limit - 2 * step * beta2 ** step / correction;
  const rate = lr / (1 - beta1 ** step);
  if (length <= 5) return { rate, rectified: false };
  const factor = Math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
  return { rate: rate * factor * Math.sqrt(correction), rectified: true };
}

/** Inputs x, ∇, m, v; scalars in the order of {@link RAdam}'s step. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const slots = Array.from({ length: 10 }, (_, at) => scalar(at, computed));
  const [rate, adaptive, plain, eps, beta1, rest1, beta2, rest2, sign, decay] = slots;
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const m = apply("add", apply("mul", beta1!, input(2, computed)), apply("mul", rest1!, g));
  const v = apply("add", apply("mul", beta2!, input(3, computed)), apply("mul", rest2!, apply("mul", g, g)));
  // The divisor is √v + ε or 1, so that the number of steps is no part of the code.
  const divisor = apply("add", apply("mul", adaptive!, apply("add", apply("sqrt", v), eps!)), plain!);
  return updateKernel([cast(apply("sub", x, apply("mul", rate!, apply("div", m, divisor))), dtype), m, v]);
});
