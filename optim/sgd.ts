/**
 * Stochastic gradient descent.
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

/** Options of {@link SGD}. */
export interface SGDOptions extends OptimizerOptions {
  /** How much of the last direction is kept, 0 … 1. Default 0. */
  momentum?: number;
  /** How much of the gradient is left out of the direction. Default 0. */
  dampening?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** Look ahead along the direction; needs momentum and no dampening. Default false. */
  nesterov?: boolean;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Stochastic gradient descent, with momentum.
 *
 * g = ∇ + λ x; b = μ b + (1 - d) g (b = g at the first step); x = x - lr b, or with Nesterov's x = x - lr (g + μ b).
 * Source: Sutskever et al. 2013, in PyTorch's form.
 *
 * @throws ArgumentError for `nesterov` without momentum or with dampening, and for values out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SGD } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const x = tensor([1, 2], { requiresGrad: true });
 * const optimizer = new SGD([x], { lr: 0.25 });
 * x.square().sum().backward();
 * optimizer.step();
 * assertEquals(await x.toArray(), [0.5, 1]);
 * ```
 */
export class SGD extends Optimizer<SGDOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<SGDOptions>, options: SGDOptions) {
    super(parameters, options, ["momentum", "dampening", "weightDecay", "nesterov", "maximize", "lr"]);
    for (const { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } of this.groups) {
      if (!(momentum >= 0) || !(weightDecay >= 0)) {
        throw new ArgumentError(`Cannot make SGD: momentum and weightDecay from 0 are needed, got ${momentum} and ${weightDecay}`);
      }
      if (nesterov && (momentum === 0 || dampening !== 0)) {
        throw new ArgumentError(
          `Cannot make SGD: nesterov needs momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
        );
      }
    }
  }

  /** "sgd". */
  override get kind(): string {
    return "sgd";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<SGDOptions>, state: ParameterState): void {
    const { momentum = 0, nesterov = false } = group;
    const common = (): number[] => [group.lr, group.maximize ? -1 : 1, group.weightDecay ?? 0];
    if (momentum === 0) {
      const kernel = kernels(`${parameter.dtype} ${gradient.dtype} plain`);
      updateInPlace(kernel, { inputs: [parameter, gradient], targets: [parameter], scalars: common });
      return;
    }
    // The first step takes the gradient whole, whatever the dampening.
    const first = state.tensors["momentumBuffer"] === undefined;
    const buffer = this.stateTensor(parameter, state, "momentumBuffer");
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype} ${nesterov ? "nesterov" : "momentum"}`), {
      inputs: [parameter, gradient, buffer],
      targets: [parameter, buffer],
      scalars: () => [...common(), group.momentum ?? 0, first ? 1 : 1 - (group.dampening ?? 0)],
    });
  }
}

/** Inputs x, ∇, b; scalars lr, ±1, λ, μ, 1 - d. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType, form] = key.split(" ") as [DType, DType, "plain" | "momentum" | "nesterov"];
  const computed = computeType(dtype);
  const x = input(0, dtype);
  const [lr, sign, decay, momentum, fresh] = [0, 1, 2, 3, 4].map((slot) => scalar(slot, computed));
  const signed = apply("mul", sign!, cast(input(1, gradientType), computed));
  const g = apply("add", signed, apply("mul", decay!, x));
  const descend = (direction: typeof x) => cast(apply("sub", x, apply("mul", lr!, direction)), dtype);
  if (form === "plain") return updateKernel([descend(g)]);
  const buffer = apply("add", apply("mul", momentum!, input(2, computed)), apply("mul", fresh!, g));
  return updateKernel([descend(form === "momentum" ? buffer : apply("add", g, apply("mul", momentum!, buffer))), buffer]);
});
