/**
 * Muon.
 *
 * @module
 */
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions, type ParameterGroup, type Parameters, type ParameterState } from "./optimizer.ts";

/** Options of {@link Muon}. */
export interface MuonOptions extends OptimizerOptions {
  /** How much of the momentum is kept, 0 … 1. Default 0.95. */
  momentum?: number;
  /** Look ahead along the momentum. Default true. */
  nesterov?: boolean;
  /** The part of the parameter taken off, times lr. Default 0.1. */
  weightDecay?: number;
  /** The number of Newton–Schulz iterations. Default 5. */
  iterations?: number;
  /** "original" multiplies the rate by √max(1, rows / columns), "matchRmsAdamW" by 0.2 √max(rows, columns). Default "original". */
  adjust?: "original" | "matchRmsAdamW";
  /** Added to the norm that the momentum is divided by. Default 1e-7. */
  eps?: number;
}

/**
 * Steps along the momentum with its singular values brought near 1, for parameters of two or more dims: [O, ...] is taken as a matrix
 * of O rows. Give biases, normalisation, embeddings and the last layer to another optimizer.
 *
 * b = μ b + (1 - μ) ∇; u = (1 - μ) ∇ + μ b (with Nesterov's, else b); U = NewtonSchulz(u / |u|); x = (1 - lr λ) x - lr a U.
 * Source: Jordan et al. 2024, in PyTorch's form.
 *
 * @throws ArgumentError for values out of range, and for parameters of fewer than two dims.
 */
export class Muon extends Optimizer<MuonOptions> {
  /** Takes parameters or groups, and the options for what the groups leave out. */
  constructor(parameters: Parameters<MuonOptions>, options: MuonOptions) {
    super(parameters, options, ["momentum", "nesterov", "weightDecay", "iterations", "adjust", "eps", "lr"]);
    for (const { momentum = 0.95, weightDecay = 0.1, iterations = 5, eps = 1e-7, adjust = "original", params } of this.groups) {
      if (!(momentum >= 0 && momentum < 1) || !(weightDecay >= 0) || !(eps >= 0) || !Number.isInteger(iterations) || iterations < 1) {
        throw new ArgumentError(
          "Cannot make Muon: momentum from 0 to below 1, weightDecay and eps from 0 and positive whole iterations are needed, got " +
            [momentum, weightDecay, eps, iterations].join(", "),
        );
      }
      if (adjust !== "original" && adjust !== "matchRmsAdamW") {
        throw new ArgumentError(`Cannot make Muon: adjust "original" or "matchRmsAdamW" is needed, got ${JSON.stringify(adjust)}`);
      }
      const thin = params.find(({ rank }) => rank < 2);
      if (thin !== undefined) throw new ArgumentError(`Cannot make Muon: parameters of two or more dims are needed, got ${thin.rank}-d`);
    }
  }

  /** "muon". */
  override get kind(): string {
    return "muon";
  }

  /** Updates one parameter: the momentum, its orthogonal form, and the step. */
  protected override update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<MuonOptions>, state: ParameterState): void {
    const { nesterov = true, iterations = 5, eps = 1e-7, adjust = "original" } = group;
    const buffer = this.stateTensor(parameter, state, "momentumBuffer");
    using _ = scope();
    const direction = buffer.zerosLike();
    updateInPlace(momentumKernels(`${buffer.dtype} ${gradient.dtype} ${nesterov}`), {
      inputs: [gradient, buffer],
      targets: [direction, buffer],
      scalars: () => {
        const { momentum = 0.95 } = group;
        return [momentum, 1 - momentum];
      },
    });
    const rows = parameter.shape[0]!;
    const matrix = direction.reshape([rows, -1]);
    const columns = matrix.shape[1]!;
    const factor = adjust === "original" ? Math.sqrt(Math.max(1, rows / columns)) : 0.2 * Math.sqrt(Math.max(rows, columns));
    updateInPlace(stepKernels(parameter.dtype), {
      inputs: [parameter, orthogonal(matrix, { iterations, eps }).reshape(parameter.shape)],
      targets: [parameter],
      scalars: () => [group.lr * factor, 1 - group.lr * (group.weightDecay ?? 0.1)],
    });
  }
}

/** Newton–Schulz: X ← a X + (b A + c A²) X with A = X Xᵀ, which draws the singular values of a matrix of norm ≤ 1 towards 1. */
function orthogonal(matrix: Tensor, { iterations, eps }: { readonly iterations: number; readonly eps: number }): Tensor {
  const tall = matrix.shape[0]! > matrix.shape[1]!;
  const wide = tall ? matrix.mT : matrix;
  let x = wide.div(wide.norm().clamp({ min: eps }));
  for (let n = 0; n < iterations; n++) {
    const gram = x.matmul(x.mT);
    x = x.mul(3.4445).add(gram.mul(-4.775).add(gram.matmul(gram).mul(2.0315)).matmul(x));
  }
  return tall ? x.mT : x;
}

/** Inputs ∇, b; scalars μ, 1 - μ. */
const momentumKernels = memoize((key: string): MapKernel => {
  const [computed, gradientType, nesterov] = key.split(" ") as [DType, DType, string];
  const [kept, fresh] = [scalar(0, computed), scalar(1, computed)];
  const g = apply("mul", fresh, cast(input(0, gradientType), computed));
  const buffer = apply("add", apply("mul", kept, input(1, computed)), g);
  return updateKernel([nesterov === "true" ? apply("add", g, apply("mul", kept, buffer)) : buffer, buffer]);
});

/** Inputs x, U; scalars the rate, 1 - lr λ. */
const stepKernels = memoize((dtype: DType): MapKernel => {
  const computed = computeType(dtype);
  const moved = apply("mul", scalar(0, computed), input(1, computed));
  return updateKernel([cast(apply("sub", apply("mul", scalar(1, computed), input(0, dtype)), moved), dtype)]);
});
