/**
 * Custom functions: a forward in tensor operations with a gradient given by hand.
 *
 * @module
 */
import { checkFunction, checkOptions } from "../tensor/arguments.ts";
import type { ComputeOp } from "../tensor/op.ts";
import { apply, type Tensor } from "../tensor/tensor.ts";

/** What a custom gradient rule may use. */
export interface CustomContext {
  /** The gradient of each output; zeros where none flowed. */
  readonly dys: readonly Tensor[];
  /** What the function was given. */
  readonly inputs: readonly Tensor[];
  /** What it gave. */
  readonly outputs: readonly Tensor[];
}

/** A custom function. */
export interface CustomFunction {
  /** Its name in errors and traces. */
  readonly name: string;
  /** The values; runs unrecorded. */
  readonly forward: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** One gradient per input, null where there is none. Written in tensor operations it can be differentiated again. */
  readonly vjp: (context: CustomContext) => readonly (Tensor | null)[];
  /** The number of outputs. Default 1. */
  readonly outputs?: number;
}

/**
 * Makes a function whose gradient is `vjp`, whatever its forward does.
 *
 * @returns A function that gives the list of outputs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { customFunction } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * // Rounds forward, passes the gradient through unchanged.
 * const roundThrough = customFunction({ name: "roundThrough", forward: (x) => x.round(), vjp: ({ dys }) => [dys[0]!] });
 * const x = tensor([0.2, 1.7], { requiresGrad: true });
 * const [y] = roundThrough(x);
 * y!.mul(3).sum().backward();
 * assertEquals(await x.grad!.toArray(), [3, 3]);
 * ```
 */
export function customFunction(options: CustomFunction): (...inputs: Tensor[]) => Tensor[] {
  const { name, forward, vjp, outputs = 1 } = checkOptions(options, "customFunction", ["name", "forward", "vjp", "outputs"]);
  for (const part of [forward, vjp]) checkFunction(part, "customFunction", "functions { forward, vjp }");
  const places = Array.from({ length: outputs }, (_, position) => position);
  const op: ComputeOp<Record<never, never>> = {
    kind: "compute",
    name,
    saves: { inputs: "all", outputs: places },
    vjp: ({ dys, x, y, inputs }) =>
      vjp({
        dys: places.map((position) => dys[position] ?? y(position).zerosLike()),
        inputs: inputs.map((_, position) => x(position)),
        outputs: places.map(y),
      }),
    compute: (inputs) => {
      const made = forward(...inputs);
      // An input that is handed through must get a handle of its own, or the tape would take it for its own result.
      return (Array.isArray(made) ? made as readonly Tensor[] : [made as Tensor]).map((out) => inputs.includes(out) ? out.alias() : out);
    },
  };
  return (...inputs) => apply(op, inputs, {});
}
