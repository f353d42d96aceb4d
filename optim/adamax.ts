/**
 * Adamax.
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

/** Options of {@link Adamax}. */
export interface AdamaxOptions extends OptimizerOptions {
  /** How much of the running mean of the gradient and of its greatest size is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the gradient's size. Default 1e-8. */
  eps?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adam with the greatest size in place of the root of the mean square.
 *
 * g = ∇ + λ x; m = β₁ m + (1 - β₁) g; u = max(β₂ u, |g| + ε); x = x - lr / (1 - β₁ᵗ) · m / u.
 * Source: Kingma and Ba 2015, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 */
export class Adamax extends Optimizer<AdamaxOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<AdamaxOptions>, options: AdamaxOptions) {
    super(parameters, options, ["betas", "eps", "weightDecay", "maximize", "lr"]);
    for (const { betas = defaultBetas, eps = 1e-8, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(eps >= 0) || !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make Adamax: betas from 0 to below 1, eps and weightDecay from 0 are needed, got [${
            betas.join(", ")
          }], ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "adamax". */
  override get kind(): string {
    return "adamax";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<AdamaxOptions>, state: ParameterState): void {
    const moments = ["expAvg", "expInf"].map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, ...moments],
      targets: [parameter, ...moments],
      scalars: () => {
        const { lr, betas: [beta1, beta2] = defaultBetas, eps = 1e-8, weightDecay = 0, maximize = false } = group;
        return [lr / (1 - beta1 ** state.step), maximize ? -1 : 1, weightDecay, beta1, 1 - beta1, beta2, eps];
      },
    });
  }
}

const defaultBetas = [0.9, 0.999] as const;

/** Inputs x, ∇, m, u; scalars the rate, ±1, λ, β₁, 1 - β₁, β₂, ε. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const [rate, sign, decay, beta1, rest1, beta2, eps] = Array.from({ length: 7 }, (_, at) => scalar(at, computed));
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const m = apply("add", apply("mul", beta1!, input(2, computed)), apply("mul", rest1!, g));
  const greatest = apply("max", apply("mul", beta2!, input(3, computed)), apply("add", apply("abs", g), eps!));
  return updateKernel([cast(apply("sub", x, apply("mul", rate!, apply("div", m, greatest))), dtype), m, greatest]);
});
