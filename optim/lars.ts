/**
 * LARS.
 *
 * @module
 */
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar, type Value } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link LARS}. */
export interface LARSOptions extends OptimizerOptions {
  /** How much of the last direction is kept, 0 … 1. Default 0.9. */
  momentum?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** η: the size of a step, as a part of the parameter's norm. Default 1e-3. */
  trustCoefficient?: number;
  /** Added to the ratio's divisor. Default 1e-8. */
  eps?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Stochastic gradient descent whose rate is set for each parameter by the ratio of its norm to its gradient's.
 *
 * r = η |x| / (|∇| + λ |x| + ε), 1 where |x| or |∇| is 0; b = μ b + r (∇ + λ x); x = x - lr b. Give biases and normalisation a group of
 * plain SGD. Source: You et al. 2017.
 *
 * @throws ArgumentError for values out of range.
 */
export class LARS extends Optimizer<LARSOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<LARSOptions>, options: LARSOptions) {
    super(parameters, options, ["momentum", "weightDecay", "trustCoefficient", "eps", "maximize", "lr"]);
    for (const { momentum = 0.9, weightDecay = 0, trustCoefficient = 1e-3, eps = 1e-8 } of this.groups) {
      const values = [momentum, weightDecay, trustCoefficient, eps];
      if (!values.every((value) => value >= 0)) {
        throw new ArgumentError(
          `Cannot make LARS: momentum, weightDecay, trustCoefficient and eps from 0 are needed, got ${values.join(", ")}`,
        );
      }
    }
  }

  /** "lars". */
  override get kind(): string {
    return "lars";
  }

  /** Updates one parameter by one kernel behind its two norms. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<LARSOptions>, state: ParameterState): void {
    const buffer = this.stateTensor(parameter, state, "momentumBuffer");
    using _ = scope();
    const norms = [parameter, gradient].map((tensor) => tensor.to(buffer.dtype).norm());
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, buffer, ...norms],
      targets: [parameter, buffer],
      scalars: () => {
        const { lr, momentum = 0.9, weightDecay = 0, trustCoefficient = 1e-3, eps = 1e-8, maximize = false } = group;
        return [lr, maximize ? -1 : 1, weightDecay, momentum, trustCoefficient, eps];
      },
    });
  }
}

/** Inputs x, ∇, b, |x|, |∇|; scalars lr, ±1, λ, μ, η, ε. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const [lr, sign, decay, momentum, trust, eps] = Array.from({ length: 6 }, (_, at) => scalar(at, computed));
  const [x, length, slope] = [input(0, dtype), input(3, computed), input(4, computed)];
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const divisor = apply("add", apply("add", slope, apply("mul", decay!, length)), eps!);
  const ratio = ifPositive(length, slope, apply("div", apply("mul", trust!, length), divisor));
  const buffer = apply("add", apply("mul", momentum!, input(2, computed)), apply("mul", ratio, g));
  return updateKernel([cast(apply("sub", x, apply("mul", lr!, buffer)), dtype), buffer]);
});

/** A ratio of two norms, 1 unless both are above 0. */
export function ifPositive(a: Value, b: Value, ratio: Value): Value {
  return apply("where", apply("gt", apply("min", a, b), 0), ratio, 1);
}
