/**
 * Adadelta.
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

/** Options of {@link Adadelta}. */
export interface AdadeltaOptions extends OptimizerOptions {
  /** How much of the running means of squares is kept, 0 … 1. Default 0.9. */
  rho?: number;
  /** Added to the mean squares under their roots. Default 1e-6. */
  eps?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adadelta.
 *
 * g = ∇ + λ x; v = ρ v + (1 - ρ) g²; d = √(u + ε) / √(v + ε) · g; u = ρ u + (1 - ρ) d²; x = x - lr d. The usual lr is 1.
 * Source: Zeiler 2012, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 */
export class Adadelta extends Optimizer<AdadeltaOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<AdadeltaOptions>, options: AdadeltaOptions) {
    super(parameters, options, ["rho", "eps", "weightDecay", "maximize", "lr"]);
    for (const { rho = 0.9, eps = 1e-6, weightDecay = 0 } of this.groups) {
      if (!(rho >= 0 && rho <= 1) || !(eps >= 0) || !(weightDecay >= 0)) {
        throw new ArgumentError(
          `Cannot make Adadelta: rho from 0 to 1, eps and weightDecay from 0 are needed, got ${rho}, ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "adadelta". */
  override get kind(): string {
    return "adadelta";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<AdadeltaOptions>, state: ParameterState): void {
    const means = ["squareAvg", "accDelta"].map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, ...means],
      targets: [parameter, ...means],
      scalars: () => {
        const { lr, rho = 0.9, eps = 1e-6, weightDecay = 0, maximize = false } = group;
        return [lr, maximize ? -1 : 1, weightDecay, rho, 1 - rho, eps];
      },
    });
  }
}

/** Inputs x, ∇, v, u; scalars lr, ±1, λ, ρ, 1 - ρ, ε. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const [lr, sign, decay, rho, rest, eps] = Array.from({ length: 6 }, (_, at) => scalar(at, computed));
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const squares = apply("add", apply("mul", rho!, input(2, computed)), apply("mul", rest!, apply("mul", g, g)));
  const roots = [input(3, computed), squares].map((mean) => apply("sqrt", apply("add", mean, eps!)));
  const delta = apply("mul", apply("div", roots[0]!, roots[1]!), g);
  const deltas = apply("add", apply("mul", rho!, input(3, computed)), apply("mul", rest!, apply("mul", delta, delta)));
  return updateKernel([cast(apply("sub", x, apply("mul", lr!, delta)), dtype), squares, deltas]);
});
