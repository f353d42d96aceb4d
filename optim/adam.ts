/**
 * Adam and AdamW.
 *
 * @module
 */
import { checkList } from "../tensor/arguments.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar, type Value } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends OptimizerOptions {
  /** How much of the running means of the gradient and of its square is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root in the divisor. Default 1e-8. */
  eps?: number;
  /** Adam: added to the gradient, times the parameter, default 0. AdamW: the part of the parameter taken off, times lr, default 0.01. */
  weightDecay?: number;
  /** Divide by the greatest mean square so far. Source: Reddi et al. 2018. Default false. */
  amsgrad?: boolean;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adam.
 *
 * g = ∇ + λ x; m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; x = x - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε).
 * Source: Kingma and Ba 2015, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { Adam } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const x = tensor([1], { requiresGrad: true });
 * const optimizer = new Adam([x], { lr: 0.1 });
 * x.square().sum().backward();
 * optimizer.step();
 * assertAlmostEquals(await x.item(), 0.9, 1e-6);
 * ```
 */
export class Adam extends Optimizer<AdamOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<AdamOptions>, options: AdamOptions) {
    super(parameters, options, ["betas", "eps", "weightDecay", "amsgrad", "maximize", "lr"]);
    for (const { betas = defaultBetas, eps = 1e-8, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(eps >= 0) || !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make ${this.constructor.name}: betas from 0 to below 1, eps and weightDecay from 0 are needed, got [${
            betas.join(", ")
          }], ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "adam". */
  override get kind(): string {
    return "adam";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<AdamOptions>, state: ParameterState): void {
    const { amsgrad = false } = group;
    const moments = ["expAvg", "expAvgSq", ...(amsgrad ? ["maxExpAvgSq"] : [])].map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype} ${amsgrad}`), {
      inputs: [parameter, gradient, ...moments],
      targets: [parameter, ...moments],
      scalars: () => {
        const { lr, betas: [beta1, beta2] = defaultBetas, eps = 1e-8, maximize = false } = group;
        const { inGradient, shrink } = this.decay(group);
        const rate = lr / (1 - beta1 ** state.step);
        const correction = Math.sqrt(1 - beta2 ** state.step);
        return [rate, correction, eps, beta1, 1 - beta1, beta2, 1 - beta2, maximize ? -1 : 1, inGradient, shrink];
      },
    });
  }

  /** How much of the parameter is added to the gradient, and what is left of the parameter. */
  protected decay({ weightDecay = 0 }: ParameterGroup<AdamOptions>): { readonly inGradient: number; readonly shrink: number } {
    return { inGradient: weightDecay, shrink: 1 };
  }
}

/**
 * Adam with decoupled weight decay: x = (1 - lr λ) x first, then Adam's step without λ in the gradient. Source: Loshchilov and Hutter 2019.
 *
 * @throws ArgumentError for values out of range.
 */
export class AdamW extends Adam {
  /** "adamw". */
  override get kind(): string {
    return "adamw";
  }

  /** The part taken off the parameter. */
  protected override decay(
    { lr, weightDecay = 0.01 }: ParameterGroup<AdamOptions>,
  ): { readonly inGradient: number; readonly shrink: number } {
    return { inGradient: 0, shrink: 1 - lr * weightDecay };
  }
}

const defaultBetas = [0.9, 0.999] as const;

/** Inputs x, ∇, m, v and, with amsgrad, the greatest v; scalars in the order of {@link Adam}'s step. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType, amsgrad] = key.split(" ") as [DType, DType, string];
  const computed = computeType(dtype);
  const slot = (at: number): Value => scalar(at, computed);
  const [rate, correction, eps, beta1, rest1, beta2, rest2, sign, decay, shrink] = Array.from({ length: 10 }, (_, at) => slot(at));
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const m = apply("add", apply("mul", beta1!, input(2, computed)), apply("mul", rest1!, g));
  const v = apply("add", apply("mul", beta2!, input(3, computed)), apply("mul", rest2!, apply("mul", g, g)));
  const greatest = amsgrad === "true" ? [apply("max", input(4, computed), v)] : [];
  const divisor = apply("add", apply("div", apply("sqrt", greatest[0] ?? v), correction!), eps!);
  const moved = apply("sub", apply("mul", shrink!, x), apply("mul", rate!, apply("div", m, divisor)));
  return updateKernel([cast(moved, dtype), m, v, ...greatest]);
});
