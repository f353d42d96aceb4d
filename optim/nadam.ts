/**
 * NAdam.
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

/** Options of {@link NAdam}. */
export interface NAdamOptions extends OptimizerOptions {
  /** How much of the running means of the gradient and of its square is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root in the divisor. Default 1e-8. */
  eps?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
  /** How fast the momentum rises to β₁. Default 4e-3. */
  momentumDecay?: number;
  /** Climb instead of descend. Default false. */
  maximize?: boolean;
}

/**
 * Adam with Nesterov's momentum.
 *
 * μ_t = β₁ (1 - 0.96^(ψ t) / 2); m and v as in Adam; x = x - lr ((1 - μ_t) / (1 - Π μ_i) g + μ_{t+1} / (1 - Π μ_i μ_{t+1}) m) /
 * (√(v / (1 - β₂ᵗ)) + ε), the products up to t. Source: Dozat 2016, in the form of PyTorch 2.
 *
 * @throws ArgumentError for values out of range.
 */
export class NAdam extends Optimizer<NAdamOptions> {
  readonly #products: WeakMap<ParameterState, { step: number; product: number }> = new WeakMap();

  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<NAdamOptions>, options: NAdamOptions) {
    super(parameters, options, ["betas", "eps", "weightDecay", "momentumDecay", "maximize", "lr"]);
    for (const { betas = defaultBetas, eps = 1e-8, weightDecay = 0 } of this.groups) {
      if (
        !checkList(betas, `make ${this.constructor.name}`, "{ betas: [0.9, 0.999] }").every((beta) => beta >= 0 && beta < 1) ||
        !(eps >= 0) || !(weightDecay >= 0)
      ) {
        throw new ArgumentError(
          `Cannot make NAdam: betas from 0 to below 1, eps and weightDecay from 0 are needed, got [${
            betas.join(", ")
          }], ${eps} and ${weightDecay}`,
        );
      }
    }
  }

  /** "nadam". */
  override get kind(): string {
    return "nadam";
  }

  /** Updates one parameter by one kernel. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<NAdamOptions>, state: ParameterState): void {
    const moments = ["expAvg", "expAvgSq"].map((name) => this.stateTensor(parameter, state, name));
    updateInPlace(kernels(`${parameter.dtype} ${gradient.dtype}`), {
      inputs: [parameter, gradient, ...moments],
      targets: [parameter, ...moments],
      scalars: () => {
        const { lr, betas: [beta1, beta2] = defaultBetas, eps = 1e-8, weightDecay = 0, maximize = false } = group;
        const product = this.#product(group, state);
        const next = momentumAt(group, state.step + 1);
        const fresh = lr * (1 - momentumAt(group, state.step)) / (1 - product);
        const correction = 1 - beta2 ** state.step;
        const kept = lr * next / (1 - product * next);
        return [fresh, kept, correction, eps, beta1, 1 - beta1, beta2, 1 - beta2, maximize ? -1 : 1, weightDecay];
      },
    });
  }

  /** Π μ_i up to the present step: carried from the step before, or computed anew after a load. */
  #product(group: ParameterGroup<NAdamOptions>, state: ParameterState): number {
    let known = this.#products.get(state);
    if (known === undefined || known.step > state.step) known = { step: 0, product: 1 };
    while (known.step < state.step) {
      const step: number = known.step + 1;
      known = { step, product: known.product * momentumAt(group, step) };
    }
    this.#products.set(state, known);
    return known.product;
  }
}

const defaultBetas = [0.9, 0.999] as const;

/** μ_t. */
function momentumAt({ betas: [beta1] = defaultBetas, momentumDecay = 4e-3 }: ParameterGroup<NAdamOptions>, step: number): number {
  return beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay));
}

/** Inputs x, ∇, m, v; scalars in the order of {@link NAdam}'s step. */
const kernels = memoize((key: string): MapKernel => {
  const [dtype, gradientType] = key.split(" ") as [DType, DType];
  const computed = computeType(dtype);
  const slots = Array.from({ length: 10 }, (_, at) => scalar(at, computed));
  const [fresh, kept, correction, eps, beta1, rest1, beta2, rest2, sign, decay] = slots;
  const x = input(0, dtype);
  const g = apply("add", apply("mul", sign!, cast(input(1, gradientType), computed)), apply("mul", decay!, x));
  const m = apply("add", apply("mul", beta1!, input(2, computed)), apply("mul", rest1!, g));
  const v = apply("add", apply("mul", beta2!, input(3, computed)), apply("mul", rest2!, apply("mul", g, g)));
  const divisor = apply("add", apply("sqrt", apply("div", v, correction!)), eps!);
  const direction = apply("add", apply("mul", fresh!, g), apply("mul", kept!, m));
  return updateKernel([cast(apply("sub", x, apply("div", direction, divisor)), dtype), m, v]);
});
