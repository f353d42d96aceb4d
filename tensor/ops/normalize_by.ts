/**
 * Normalisation by statistics that are given, as batch norm does in evaluation: one kernel.
 *
 * @module
 */
import { computeType, type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { apply, cast, expression, input, scalar } from "../expr.ts";
import type { MapKernel } from "../kernel.ts";
import { expandView, type KernelOp, memoize } from "../op.ts";

/** What is added to the variance. */
export interface NormalizeByAttributes {
  readonly epsilon: number;
}

const kernels = memoize((dtype: DType, affine: boolean): MapKernel => {
  // The mean is taken off first: folding it into the bias would lose digits where it is large against the deviation.
  const scale = apply("rsqrt", apply("add", input(2, dtype), scalar(0, computeType(dtype))));
  const normal = apply("mul", apply("sub", input(0, dtype), input(1, dtype)), scale);
  const y = affine ? apply("add", apply("mul", normal, input(3, dtype)), input(4, dtype)) : normal;
  const value = expression([cast(y, dtype)]);
  return { kind: "map", key: `map ${value.key}`, expr: value };
});

/** (x - mean) / √(variance + ε) · w + b: inputs x, mean, variance, then w and b together or not at all, all of one type, broadcast to x. */
export const normalizeBy: KernelOp<NormalizeByAttributes> = {
  kind: "kernel",
  name: "normalizeBy",
  saves: { inputs: "all" },
  compose: ([x, mean, variance, w, b], { epsilon }) => {
    const normal = x!.sub(mean!).mul(variance!.add(epsilon).rsqrt());
    return [w === undefined ? normal : normal.mul(w).add(b!)];
  },
  vjp: "compose",
  infer: ([x, ...others]) => {
    const stray = others.find(({ dtype }) => dtype !== x!.dtype);
    if (!isFloat(x!.dtype) || stray !== undefined) {
      throw new DTypeError(`Cannot normalizeBy: one floating type is needed, got ${x!.dtype}${stray ? ` and ${stray.dtype}` : ""}`, {
        op: "normalizeBy",
      });
    }
    return [x!];
  },
  launch: (inputs, outputs, { epsilon }) => ({
    kernel: kernels(inputs[0]!.dtype, inputs.length > 3),
    inputs: inputs.map((view) => expandView(view, inputs[0]!.shape)),
    outputs,
    scalars: [epsilon],
  }),
};
