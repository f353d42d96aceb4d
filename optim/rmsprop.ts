/**
 * RMSprop.
 *
 * @module
 */
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar, type Value } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link RMSprop}. */
export interface RMSpropOptions extends OptimizerOptions {
  /** How much of the running mean of squares is kept. Default 0.99. */
  alpha?: number;
  /** Added to the root in the divisor. Default 1e-8. */
  eps?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** How much of the last direction is kept. Default 0. */
  momentum?: number;
  /** Divide by the deviation rather than the root mean square. Default false. */
  centered?: boolean;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * RMSprop.
 *
 * g = ∇ + λ x; v = α v + (1 - α) g²; d = g / (√v + ε), centred √(v - ḡ²) with ḡ = α ḡ + (1 - α) g; b = μ b + d; x = x - lr b.
 * Source: Tieleman and Hinton 2012, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<RMSpropOptions>, options: RMSpropOptions) {
    super(parameters, options, ["alpha", "eps", "weightDecay", "momentum", "centered", "maximize", "lr"]);
    for (const { alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0 } of this.groups) {
      if (![alpha, eps, weightDecay, momentum].every((value) => value >= 0)) {
        throw new ArgumentError(
          `Cannot make RMSprop: alpha, eps, weightDecay and momentum from 0 are needed, got ${alpha}, ${eps}, ${weightDecay} and ${momentum}`,
        );
      }
    }
  }

  /** "rmsprop". */
  override get kind(): string {
    return "rmsprop";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<RMSpropOptions>, state: ParameterState): void {
    const { momentum = 0, centered = false } = group;
    const names = ["squareAvg", ...(centered ? ["gradAvg"] : []), ...(momentum > 0 ? ["momentumBuffer"] : [])];
    const tensors = names.map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype} ${centered} ${momentum > 0}`), {
      inputs: [parameter, gradient, ...tensors],
      targets: [parameter, ...tensors],
      scalars: () => {
        const { lr, alpha = 0.99, eps = 1e-8, weightDecay = 0, maximize = false } = group;
        return [lr, maximize ? -1 : 1, weightDecay, alpha, 1 - alpha, eps, group.momentum ?? 0];
      },
    });
  }
}

/** Inputs x, ∇, v, then ḡ if centred, then b with momentum; scalars lr, ±1, λ, α, 1 - α, ε, μ. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType, centered, momentum] = key.split(" ") as [DType, DType, string, string];
  const computed = computeType(dtype);
  const [lr, sign, decay, alpha, rest, eps, kept] = Array.from({ length: 7 }, (_, at) => scalar(at, computed));
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const running = (slot: number, value: Value) => apply("add", apply("mul", alpha!, input(slot, computed)), apply("mul", rest!, value));
  const squares = running(2, apply("mul", g, g));
  const mean = centered === "true" ? [running(3, g)] : [];
  const spread = mean.length === 0 ? squares : apply("sub", squares, apply("mul", mean[0]!, mean[0]!));
  const direction = apply("div", g, apply("add", apply("sqrt", spread), eps!));
  const buffers = momentum === "true" ? [apply("add", apply("mul", kept!, input(3 + mean.length, computed)), direction)] : [];
  const moved = apply("sub", x, apply("mul", lr!, buffers[0] ?? direction));
  return updateKernel([cast(moved, dtype), squares, ...mean, ...buffers]);
});
