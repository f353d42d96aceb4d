/**
 * Dropout: keeps each element with a probability. Its mask is a function of the key, so nothing is saved for the gradient, which is the same
 * operation.
 *
 * @module
 */
import { computeType, type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { apply, cast, expression, input, scalar } from "../expr.ts";
import type { MapKernel } from "../kernel.ts";
import { type KernelOp, memoize } from "../op.ts";
import { type KeyAttributes, unit } from "./random.ts";

/** The key of the mask, and the probability with which an element becomes 0. */
export interface DropoutAttributes extends KeyAttributes {
  readonly probability: number;
}

const kernels = memoize((dtype: DType): MapKernel => {
  const computed = computeType(dtype);
  const kept = apply("ge", unit(), scalar(2, "float32"));
  const value = expression([cast(apply("where", kept, apply("mul", input(0, dtype), scalar(3, computed)), 0), dtype)]);
  return { kind: "map", key: `map ${value.key}`, expr: value };
});

/** x / (1 - p) with probability 1 - p, else 0. */
export const dropout: KernelOp<DropoutAttributes> = {
  kind: "kernel",
  name: "dropout",
  vjp: ({ dy, attributes, apply: run }) => [run(dropout, [dy], attributes)[0]!],
  infer: ([x]) => {
    if (!isFloat(x!.dtype)) throw new DTypeError(`Cannot dropout a ${x!.dtype} tensor: a floating type is needed`, { op: "dropout" });
    return [x!];
  },
  launch: (inputs, outputs, { key, probability }) => ({
    kernel: kernels(inputs[0]!.dtype),
    inputs,
    outputs,
    // With p = 1 nothing is kept, and 1 / 0 never enters.
    scalars: () => [...key(), probability, probability < 1 ? 1 / (1 - probability) : 0],
  }),
};
