/**
 * Checkpointing: trade a second forward for memory.
 *
 * @module
 */
import { checkFunction } from "../tensor/arguments.ts";
import { GradientError } from "../tensor/errors.ts";
import type { ComputeOp } from "../tensor/op.ts";
import { defaultGenerator } from "../tensor/random.ts";
import { apply, checkTensorList, type Tensor } from "../tensor/tensor.ts";
import { backward } from "./backward.ts";
import { enableGrad, isGradEnabled } from "./tape.ts";

/**
 * Runs `f` without keeping what its gradient needs; backward runs it once more instead. The default generator is put back for that
 * second run, so that dropout drops the same elements. Parameters that `f` captures get their gradients too.
 *
 * @param f A function of tensors that gives one tensor.
 * @param inputs Its arguments; at least one must require a gradient, or nothing is recorded.
 * @throws GradientError during backward with `createGraph`.
 * Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
 */
export function checkpoint(f: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Tensor {
  checkFunction(f, "checkpoint");
  checkTensorList("checkpoint", inputs, "checkpoint(f, [x])");
  const before = defaultGenerator.state;
  const op: ComputeOp<Record<never, never>> = {
    kind: "compute",
    name: "checkpoint",
    saves: { inputs: "all" },
    compute: (given) => [f(...given)],
    vjp: ({ dy, x, inputs: metas, needs }) => {
      if (isGradEnabled()) throw new GradientError("Cannot compute the gradient of checkpoint's gradient: call f without checkpoint");
      const after = defaultGenerator.state;
      defaultGenerator.state = before;
      try {
        const again = metas.map((_, position) => {
          const given = x(position).detach();
          return needs(position) ? given.requiresGrad_() : given;
        });
        enableGrad(() => backward([f(...again)], [{ gradient: dy }]));
        return again.map(({ grad }) => grad);
      } finally {
        defaultGenerator.state = after;
      }
    },
  };
  return apply(op, inputs, {})[0]!;
}
