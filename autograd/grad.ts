/**
 * Functional gradients: `grad(f)` and `valueAndGrad(f)` are functions like f, and can be nested.
 *
 * @module
 */
import { checkFunction, checkList, checkOptions } from "../tensor/arguments.ts";
import { GradientError } from "../tensor/errors.ts";
import { checkTensorList, checkTensors, type Tensor } from "../tensor/tensor.ts";
import { gradients } from "./backward.ts";
import { enableGrad } from "./tape.ts";

/** Which arguments to differentiate. */
export interface GradOptions {
  /** Positions of arguments. Default: the first. */
  readonly argnums?: readonly number[];
}

/** A function of tensors that gives a single number. */
export type ScalarFunction = (...args: Tensor[]) => Tensor;

// Inside an outer grad() the inner pass must itself be recorded.
let depth = 0;

/**
 * The gradient of a function that gives a single number, with respect to its first argument (or those in `argnums`).
 *
 * @param f A function of tensors; what it captures is constant.
 * @returns A function of the same arguments that gives one gradient per differentiated argument; a single one as it is.
 * @throws GradientError when f's result is no single number or does not depend on the arguments.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { grad } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const cube = (x: ReturnType<typeof tensor>) => x.mul(x).mul(x);
 * assertEquals(await grad(cube)(tensor(2)).item(), 12); // 3x²
 * assertEquals(await grad(grad(cube))(tensor(2)).item(), 12); // 6x
 * ```
 */
export function grad(f: ScalarFunction): (...args: Tensor[]) => Tensor {
  const both = valueAndGrad(f);
  return (...args) => {
    const { value, grads } = both(...args);
    value.dispose();
    return grads[0]!;
  };
}

/** What {@link valueAndGrad} gives. */
export interface ValueAndGrad {
  /** The function's value. */
  readonly value: Tensor;
  /** One gradient per differentiated argument, in the order of `argnums`. */
  readonly grads: Tensor[];
}

/**
 * A function's value together with its gradients, for one forward pass.
 *
 * @param f A function of tensors that gives a single number.
 * @param options Which arguments to differentiate.
 * @throws GradientError when f's result is no single number or does not depend on the arguments.
 */
export function valueAndGrad(f: ScalarFunction, options: GradOptions = {}): (...args: Tensor[]) => ValueAndGrad {
  checkFunction(f, "valueAndGrad");
  const { argnums = [0] } = checkOptions(options, "valueAndGrad", ["argnums"]);
  checkList(argnums, "valueAndGrad", "{ argnums: [0] }");
  return (...args) => {
    checkTensorList("grad", args, "");
    const nested = depth > 0;
    depth++;
    try {
      return enableGrad(() => {
        const fresh = args.map((arg, position) => {
          if (!argnums.includes(position)) return arg;
          // A recorded argument stays connected to the outer pass; a plain one becomes a leaf of this pass.
          return arg.requiresGrad && nested ? arg.alias() : arg.detach().requiresGrad_();
        });
        const wanted = argnums.map((position) => {
          const arg = fresh[position];
          if (arg === undefined) throw new GradientError(`Cannot grad: argument ${position} is needed, got ${args.length} arguments`);
          return arg;
        });
        const value = f(...fresh);
        checkTensors("grad", { "the function's value": value });
        const found = gradients([value], wanted, [{ createGraph: nested }]);
        const grads = found.map((gradient, position) => gradient ?? wanted[position]!.zerosLike());
        return { value: nested ? value : value.detach(), grads };
      });
    } finally {
      depth--;
    }
  };
}
