/**
 * Gradients proved by differences: `gradcheck` and `gradgradcheck`.
 *
 * @module
 */
import { checkFunction, checkOptions } from "../tensor/arguments.ts";
import { tensor } from "../tensor/create.ts";
import { DTypeError, GradientError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import { checkTensorList, read, type Tensor } from "../tensor/tensor.ts";
import { gradients } from "./backward.ts";
import { noGrad } from "./tape.ts";

/** How exact the comparison is. */
export interface GradcheckOptions {
  /** The step of the central difference. Default 1e-6. */
  readonly eps?: number;
  /** The absolute part of the tolerance. Default 1e-5. */
  readonly atol?: number;
  /** The relative part of the tolerance. Default 1e-3. */
  readonly rtol?: number;
}

/** A function of tensors, giving one or several. */
export type TensorFunction = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Compares a function's gradients with central differences: for fixed pseudo-random v, d(v·f)/dx against (v·f(x + eps) - v·f(x - eps)) / 2 eps,
 * for every element of every input that requires a gradient.
 *
 * @param f The function; it must give the same values each time.
 * @param inputs float64 tensors on the CPU; those with `requiresGrad` are checked, the others are constants of any type.
 * @throws GradientError naming the element where they differ; DTypeError unless checked inputs are float64.
 *
 * @example
 * ```ts
 * import { gradcheck } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * await gradcheck((x) => x.exp().mul(x), [tensor([0.5, -1], { dtype: "float64", requiresGrad: true })]);
 * ```
 */
export async function gradcheck(f: TensorFunction, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<void> {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3 } = checkOptions(options, "gradcheck", ["eps", "atol", "rtol"]);
  checkFunction(f, "gradcheck");
  checkTensorList("gradcheck", inputs, "gradcheck(f, [x])");
  using _ = scope();
  const checked = inputs.flatMap(({ requiresGrad }, position) => requiresGrad ? [position] : []);
  for (const position of checked) requireDouble(inputs[position]!);
  const outputs = differentiable(f(...inputs));
  const cotangents = outputs.map((output, n) => projection(output, n));
  const found = gradients(outputs, checked.map((position) => inputs[position]!), cotangents.map((gradient) => ({ gradient })));
  const analytic = await read(...found.map((gradient, n) => gradient ?? inputs[checked[n]!]!.zerosLike()));
  for (const [n, position] of checked.entries()) {
    const numeric = await differences(f, inputs, position, cotangents, eps);
    numeric.forEach((expected, element) => {
      const got = analytic[n]![element]!;
      const close = Math.abs(got - expected) <= atol + rtol * Math.abs(expected);
      if (!close && !(Number.isNaN(got) && Number.isNaN(expected))) {
        throw new GradientError(
          `Cannot confirm the gradient of input ${position} at element ${element}: the difference quotient is ${expected}, backward gave ${got}`,
        );
      }
    });
  }
}

/**
 * The same for second derivatives: checks the gradients of (x, v) ↦ d(v·f)/dx.
 *
 * @param f The function.
 * @param inputs As in {@link gradcheck}.
 * @throws GradientError naming the element where they differ.
 */
export async function gradgradcheck(f: TensorFunction, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<void> {
  checkOptions(options, "gradgradcheck", ["eps", "atol", "rtol"]);
  checkFunction(f, "gradcheck");
  checkTensorList("gradcheck", inputs, "gradcheck(f, [x])");
  using _ = scope();
  const checked = inputs.flatMap(({ requiresGrad }, position) => requiresGrad ? [position] : []);
  const shapes = noGrad(() => differentiable(f(...inputs)));
  const cotangents = shapes.map((output, n) => projection(output, n + 17).requiresGrad_());
  const first: TensorFunction = (...args) => {
    const xs = args.slice(0, inputs.length);
    const vs = args.slice(inputs.length);
    const outputs = differentiable(f(...xs));
    const wanted = checked.map((position) => xs[position]!);
    const options = outputs.map((_, n) => ({ gradient: vs[n]!, createGraph: true }));
    return gradients(outputs, wanted, options).flatMap((gradient) => gradient?.requiresGrad ? [gradient] : []);
  };
  await gradcheck(first, [...inputs, ...cotangents], options);
}

/** The results that have gradients: floats. */
function differentiable(result: Tensor | readonly Tensor[]): Tensor[] {
  const list = Array.isArray(result) ? result as readonly Tensor[] : [result as Tensor];
  return list.filter(({ dtype }) => dtype === "float64");
}

function requireDouble({ dtype }: Tensor): void {
  if (dtype !== "float64") throw new DTypeError(`Cannot gradcheck: float64 inputs are needed, got ${dtype}`, { op: "gradcheck" });
}

/** Fixed values without pattern, between -1 and 1 and away from 0. */
function projection({ shape, size, device }: Tensor, seed: number): Tensor {
  const values = Float64Array.from({ length: size }, (_, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453;
    const unit = wave - Math.floor(wave);
    return unit < 0.5 ? -0.25 - unit : unit - 0.25;
  });
  return tensor(values, { shape, dtype: "float64", device });
}

async function differences(
  f: TensorFunction,
  inputs: readonly Tensor[],
  position: number,
  cotangents: readonly Tensor[],
  eps: number,
): Promise<number[]> {
  const { shape, device } = inputs[position]!;
  const values = Float64Array.from(await inputs[position]!.data());
  const out: number[] = [];
  for (let element = 0; element < values.length; element++) {
    const original = values[element]!;
    const projected: number[] = [];
    for (const sign of [1, -1]) {
      using _ = scope();
      values[element] = original + sign * eps;
      const moved = tensor(values, { shape, dtype: "float64", device, requiresGrad: true });
      const outputs = differentiable(f(...inputs.map((input, n) => n === position ? moved : input)));
      const parts = await read(...outputs);
      const weights = await read(...cotangents);
      projected.push(parts.reduce((sum, part, n) => sum + dot(part, weights[n]!), 0));
    }
    values[element] = original;
    out.push((projected[0]! - projected[1]!) / (2 * eps));
  }
  return out;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
