/**
 * Adagrad.
 *
 * @module
 */
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link Adagrad}. */
export interface AdagradOptions extends OptimizerOptions {
  /** The rate at step t is lr / (1 + (t - 1) lrDecay). Default 0. */
  lrDecay?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** Where the sum of squares starts. Default 0. */
  initialAccumulatorValue?: number;
  /** Added to the root in the divisor. Default 1e-10. */
  eps?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adagrad.
 *
 * g = ∇ + λ x; s = s + g²; x = x - lr / (1 + (t - 1) lrDecay) · g / (√s + ε). Source: Duchi et al. 2011, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 */
export class Adagrad extends Optimizer<AdagradOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<AdagradOptions>, options: AdagradOptions) {
    super(parameters, options, ["lrDecay", "weightDecay", "initialAccumulatorValue", "eps", "maximize", "lr"]);
    for (const { lrDecay = 0, weightDecay = 0, initialAccumulatorValue = 0, eps = 1e-10 } of this.groups) {
      const values = [lrDecay, weightDecay, initialAccumulatorValue, eps];
      if (!values.every((value) => value >= 0)) {
        throw new ArgumentError(
          `Cannot make Adagrad: lrDecay, weightDecay, initialAccumulatorValue and eps from 0 are needed, got ${values.join(", ")}`,
        );
      }
    }
  }

  /** "adagrad". */
  override get kind(): string {
    return "adagrad";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<AdagradOptions>, state: ParameterState): void {
    const sum = this.stateTensor(parameter, state, "sum", group.initialAccumulatorValue ?? 0);
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, sum],
      targets: [parameter, sum],
      scalars: () => {
        const { lr, lrDecay = 0, weightDecay = 0, eps = 1e-10, maximize = false } = group;
        return [lr / (1 + (state.step - 1) * lrDecay), maximize ? -1 : 1, weightDecay, eps];
      },
    });
  }
}

/** Inputs x, ∇, s; scalars the rate, ±1, λ, ε. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const [rate, sign, decay, eps] = Array.from({ length: 4 }, (_, at) => scalar(at, computed));
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const sum = apply("add", input(2, computed), apply("mul", g, g));
  const direction = apply("div", g, apply("add", apply("sqrt", sum), eps!));
  return updateKernel([cast(apply("sub", x, apply("mul", rate!, direction)), dtype), sum]);
});
