/**
 * LAMB.
 *
 * @module
 */
import { checkList } from "../tensor/arguments.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { ifPositive } from "./lars.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link LAMB}. */
export interface LAMBOptions extends OptimizerOptions {
  /** How much of the running means of the gradient and of its square is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root in the divisor. Default 1e-6. */
  eps?: number;
  /** Added to the direction, times the parameter. Default 0. */
  weightDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adam's direction with a rate set for each parameter by the ratio of its norm to the direction's.
 *
 * m and v as in Adam; u = m̂ / (√v̂ + ε) + λ x; x = x - lr |x| / |u| · u, the ratio 1 where either norm is 0. Source: You et al. 2020.
 *
 * @throws ArgumentError for values out of range.
 */
export class LAMB extends Optimizer<LAMBOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<LAMBOptions>, options: LAMBOptions) {
    super(parameters, options, ["betas", "eps", "weightDecay", "maximize", "lr"]);
    for (const { betas = defaultBetas, eps = 1e-6, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(eps >= 0) || !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make LAMB: betas from 0 to below 1, eps and weightDecay from 0 are needed, got [${
            betas.join(", ")
          }], ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "lamb". */
  override get kind(): string {
    return "lamb";
  }

  /** Updates one parameter: the moments and the direction by one kernel, two norms, and the step by another. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<LAMBOptions>, state: ParameterState): void {
    const moments = ["expAvg", "expAvgSq"].map((name) => this.stateTensor(parameter, state, name));
    using _ = scope();
    const direction = moments[0]!.zerosLike();
    updateInPlace(directionKernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, ...moments],
      targets: [direction, ...moments],
      scalars: () => {
        const { betas: [beta1, beta2] = defaultBetas, eps = 1e-6, weightDecay = 0, maximize = false } = group;
        const corrections = [1 - beta1 ** state.step, 1 - beta2 ** state.step];
        return [...corrections, eps, beta1, 1 - beta1, beta2, 1 - beta2, maximize ? -1 : 1, weightDecay];
      },
    });
    const norms = [parameter.to(direction.dtype), direction].map((tensor) => tensor.norm());
    updateInPlace(stepKernels(parameter.dtype), {
      inputs: [parameter, direction, ...norms],
      targets: [parameter],
      scalars: () => [group.lr],
    });
  }
}

const defaultBetas = [0.9, 0.999] as const;

/** Inputs x, ∇, m, v; scalars 1 - β₁ᵗ, 1 - β₂ᵗ, ε, β₁, 1 - β₁, β₂, 1 - β₂, ±1, λ. */
const directionKernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const slots = Array.from({ length: 9 }, (_, at) => scalar(at, computed));
  const [correction1, correction2, eps, beta1, rest1, beta2, rest2, sign, decay] = slots;
  const g = apply("mul", sign!, cast(input(1, gradientType), computed));
  const m = apply("add", apply("mul", beta1!, input(2, computed)), apply("mul", rest1!, g));
  const v = apply("add", apply("mul", beta2!, input(3, computed)), apply("mul", rest2!, apply("mul", g, g)));
  const divisor = apply("add", apply("sqrt", apply("div", v, correction2!)), eps!);
  const direction = apply("add", apply("div", apply("div", m, correction1!), divisor), apply("mul", decay!, input(0, dtype)));
  return updateKernel([direction, m, v]);
});

/** Inputs x, u, |x|, |u|; scalar lr. */
const stepKernels = memoize((dtype: DType): MapKernel => {
  const computed = computeType(dtype);
  const [length, slope] = [input(2, computed), input(3, computed)];
  const ratio = ifPositive(length, slope, apply("div", length, slope));
  const step = apply("mul", apply("mul", scalar(0, computed), ratio), input(1, computed));
  return updateKernel([cast(apply("sub", input(0, dtype), step), dtype)]);
});
