/**
 * Softmax, its logarithm and normalisation: row kernels, forward and backward.
 *
 * @module
 */
import { computeType, type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { apply, cast, expression, input, result, scalar } from "../expr.ts";
import type { RowKernel, RowStage, View } from "../kernel.ts";
import { dimsLast, expandView, type KernelOp, type Launch, memoize, type Meta, permuteView } from "../op.ts";
import { contiguousStrides, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** The dims that make up one row. */
export interface RowAttributes {
  readonly dims: readonly number[];
}

function rowKernel(reduced: number, stages: readonly RowStage[], outputs: RowKernel["outputs"]): RowKernel {
  const key = [
    `row ${reduced}`,
    ...stages.map(({ combine, expr }) => `${combine} ${expr.key}`),
    ...outputs.map(({ per, expr }) => `${per} ${expr.key}`),
  ].join("|");
  return { kind: "row", key, reduced, stages, outputs };
}

/** Puts the row's dims last in every view of the input's shape; a view per row (kept dims only) is left as it is. */
function rowLaunch(
  kernel: RowKernel,
  inputs: readonly View[],
  outputs: readonly View[],
  dims: readonly number[],
  scalars: number[] = [],
): Launch {
  const shape = inputs[0]!.shape;
  const order = dimsLast(shape.length, dims);
  return {
    kernel,
    inputs: inputs.map((view) => permuteView(expandView(view, shape), order)),
    outputs: outputs.map((view, slot) =>
      kernel.outputs[slot]!.per === "element" ? permuteView(view, order) : perRow(view, order.slice(0, order.length - dims.length), shape)
    ),
    scalars,
  };
}

/** A contiguous output with one element per row. */
function perRow(view: View, kept: readonly number[], shape: readonly number[]): View {
  const rows = kept.map((dim) => shape[dim]!);
  return { ...view, shape: rows, strides: contiguousStrides(rows) };
}

function refuseWhole(x: Meta, name: string): void {
  if (!isFloat(x.dtype)) throw new DTypeError(`Cannot ${name} a ${x.dtype} tensor: a floating type is needed, cast it first`, { op: name });
}

const softmaxKernels = memoize((dtype: DType, reduced: number, form: "softmax" | "logSoftmax"): RowKernel => {
  const computed = computeType(dtype);
  const shifted = apply("sub", input(0, dtype), result(0, computed));
  const total = result(1, computed);
  const out = form === "softmax" ? apply("div", apply("exp", shifted), total) : apply("sub", shifted, apply("log", total));
  return rowKernel(
    reduced,
    [{ combine: "max", expr: expression([input(0, dtype)]) }, { combine: "sum", expr: expression([apply("exp", shifted)]) }],
    [{ per: "element", expr: expression([cast(out, dtype)]) }],
  );
});

const softmaxBackwardKernels = memoize((dtype: DType, reduced: number, form: "softmax" | "logSoftmax"): RowKernel => {
  const dy = input(0, dtype);
  const y = input(1, dtype);
  const total = result(0, computeType(dtype));
  const out = form === "softmax" ? apply("mul", y, apply("sub", dy, total)) : apply("sub", dy, apply("mul", apply("exp", y), total));
  return rowKernel(
    reduced,
    [{ combine: "sum", expr: expression([form === "softmax" ? apply("mul", dy, y) : dy]) }],
    [{ per: "element", expr: expression([cast(out, dtype)]) }],
  );
});

/** The gradient of softmax or its logarithm with respect to its input, as one kernel on (dy, y). */
function backwardOf(form: "softmax" | "logSoftmax"): KernelOp<RowAttributes> {
  return {
    kind: "kernel",
    name: `${form}Backward`,
    saves: { inputs: "all" },
    compose: ([dy, y], { dims }) => {
      const total = (form === "softmax" ? dy!.mul(y!) : dy!).sum(dims, { keepDim: true });
      return [form === "softmax" ? y!.mul(dy!.sub(total)) : dy!.sub(y!.exp().mul(total))];
    },
    vjp: "compose",
    infer: ([dy]) => [dy!],
    launch: (inputs, outputs, { dims }) => rowLaunch(softmaxBackwardKernels(inputs[0]!.dtype, dims.length, form), inputs, outputs, dims),
  };
}

function softmaxOp(form: "softmax" | "logSoftmax"): KernelOp<RowAttributes> {
  const backward = backwardOf(form);
  return {
    kind: "kernel",
    name: form,
    saves: { outputs: [0] },
    vjp: ({ dy, y, attributes, apply: run }) => [run(backward, [dy, y(0)], attributes)[0]!],
    infer: ([x]) => {
      refuseWhole(x!, form);
      return [x!];
    },
    launch: (inputs, outputs, { dims }) => rowLaunch(softmaxKernels(inputs[0]!.dtype, dims.length, form), inputs, outputs, dims),
  };
}

export const softmax: KernelOp<RowAttributes> = softmaxOp("softmax");
export const logSoftmax: KernelOp<RowAttributes> = softmaxOp("logSoftmax");

/** The row's dims and what is added to the variance. */
export interface NormalizeAttributes extends RowAttributes {
  readonly epsilon: number;
}

/** Statistics and what is computed of them have the type that sums of x's type are taken in: float32 for float16. */
const normalizeKernels = memoize((dtype: DType, weightType: DType | undefined, reduced: number): RowKernel => {
  const computed = computeType(dtype);
  const x = input(0, dtype);
  const mean = apply("div", result(0, computed), scalar(0, computed));
  const centred = apply("sub", x, mean);
  const variance = apply("div", result(1, computed), scalar(0, computed));
  const scale = apply("rsqrt", apply("add", variance, scalar(1, computed)));
  const normal = apply("mul", centred, scale);
  const y = weightType === undefined ? normal : apply("add", apply("mul", normal, input(1, weightType)), input(2, weightType));
  return rowKernel(
    reduced,
    [{ combine: "sum", expr: expression([x]) }, { combine: "sum", expr: expression([apply("mul", centred, centred)]) }],
    [
      { per: "element", expr: expression([cast(y, dtype)]) },
      { per: "row", expr: expression([mean]) },
      { per: "row", expr: expression([variance]) },
    ],
  );
});

/** dx of x̂ = (x - mean) / sqrt(variance + ε), given g = dL/dx̂ on (g, x, mean, variance): r (g - mean(g) - x̂ mean(g x̂)). */
const normalizeBackwardKernels = memoize((gradientType: DType, dtype: DType, reduced: number): RowKernel => {
  const computed = computeType(dtype);
  const g = input(0, gradientType);
  const scale = apply("rsqrt", apply("add", input(3, computed), scalar(1, computed)));
  const normal = apply("mul", apply("sub", input(1, dtype), input(2, computed)), scale);
  const count = scalar(0, computed);
  const meanGradient = apply("div", result(0, computed), count);
  const meanProduct = apply("div", result(1, computed), count);
  const dx = apply("mul", scale, apply("sub", apply("sub", g, meanGradient), apply("mul", normal, meanProduct)));
  return rowKernel(
    reduced,
    [{ combine: "sum", expr: expression([g]) }, { combine: "sum", expr: expression([apply("mul", g, normal)]) }],
    [{ per: "element", expr: expression([cast(dx, dtype)]) }],
  );
});

const normalizeBackward: KernelOp<NormalizeAttributes> = {
  kind: "kernel",
  name: "normalizeBackward",
  // The engine differentiates `normalize` through its composed definition instead of this kernel.
  vjp: null,
  infer: ([, x]) => [x!],
  launch: (inputs, outputs, { dims, epsilon }) =>
    rowLaunch(normalizeBackwardKernels(inputs[0]!.dtype, inputs[1]!.dtype, dims.length), inputs, outputs, dims, [
      rowLength(inputs[0]!, dims),
      epsilon,
    ]),
};

/**
 * All gradients in one kernel where the factor w is one number per row, as in batch norm, on (dy, x, mean, variance, w): db = Σ dy,
 * dw = Σ dy x̂ and dx = r w (dy - db / n - x̂ dw / n).
 */
const rowsBackwardKernels = memoize((dtype: DType, weightType: DType, reduced: number): RowKernel => {
  const computed = computeType(dtype);
  const dy = input(0, dtype);
  const scale = apply("rsqrt", apply("add", input(3, computed), scalar(1, computed)));
  const normal = apply("mul", apply("sub", input(1, dtype), input(2, computed)), scale);
  const count = scalar(0, computed);
  const [db, dw] = [result(0, computed), result(1, computed)];
  const centred = apply("sub", apply("sub", dy, apply("div", db, count)), apply("mul", normal, apply("div", dw, count)));
  return rowKernel(
    reduced,
    [{ combine: "sum", expr: expression([dy]) }, { combine: "sum", expr: expression([apply("mul", dy, normal)]) }],
    [
      { per: "element", expr: expression([cast(apply("mul", apply("mul", scale, input(4, weightType)), centred), dtype)]) },
      { per: "row", expr: expression([cast(dw, weightType)]) },
      { per: "row", expr: expression([cast(db, weightType)]) },
    ],
  );
});

const normalizeRowsBackward: KernelOp<NormalizeAttributes> = {
  kind: "kernel",
  name: "normalizeRowsBackward",
  // As above.
  vjp: null,
  infer: ([dy, , mean, , w]) => [dy!, { dtype: w!.dtype, shape: mean!.shape }, { dtype: w!.dtype, shape: mean!.shape }],
  launch: (inputs, outputs, { dims, epsilon }) =>
    rowLaunch(rowsBackwardKernels(inputs[0]!.dtype, inputs[4]!.dtype, dims.length), inputs, outputs, dims, [
      rowLength(inputs[0]!, dims),
      epsilon,
    ]),
};

/** Whether a factor that is broadcast to x is one number per row, and differs from row to row. */
function isPerRow(w: Meta, x: Meta, dims: readonly number[]): boolean {
  return w.shape.length === x.shape.length && w.shape.every((size, dim) => size === (dims.includes(dim) ? 1 : x.shape[dim]));
}

/** Weight and bias may be as wide as what is computed: float32 beside a float16 x. */
function refuseTypes(x: Meta, w: Meta | undefined, b: Meta | undefined): void {
  if (w === undefined || b === undefined) return;
  const fits = w.dtype === b.dtype && (w.dtype === x.dtype || w.dtype === computeType(x.dtype));
  if (fits) return;
  const needed = [...new Set([x.dtype, computeType(x.dtype)])].join(" or ");
  throw new DTypeError(`Cannot normalize ${x.dtype}: a weight and a bias of ${needed} are needed, got ${w.dtype} and ${b.dtype}`, {
    op: "normalize",
  });
}

function rowLength({ shape }: Meta, dims: readonly number[]): number {
  return sizeOf(dims.map((dim) => shape[dim]!));
}

/**
 * y = (x - mean) / sqrt(variance + ε) · w + b over `dims`, with the biased variance: layer, batch and group norm are this one operation.
 * Inputs: x, and w and b together or not at all, broadcast to x and of its type, or float32 beside float16. Outputs: y, and mean and variance per
 * row (in x's shape with `dims` kept; float32 for float16).
 */
export const normalize: KernelOp<NormalizeAttributes> = {
  kind: "kernel",
  name: "normalize",
  saves: { inputs: "all", outputs: [1, 2] },
  compose: ([x, w, b], { dims, epsilon }) => {
    const wide = x!.to(computeType(x!.dtype));
    const mean = wide.mean(dims, { keepDim: true });
    const variance = wide.var(dims, { keepDim: true, correction: 0 });
    const normal = wide.sub(mean).mul(variance.add(epsilon).rsqrt());
    return [(w === undefined ? normal : normal.mul(w).add(b!)).to(x!.dtype), mean, variance];
  },
  vjp: ({ dy, x, y, inputs, needs, attributes, apply: run }) => {
    const w: Tensor | undefined = inputs.length > 1 ? x(1) : undefined;
    if (w !== undefined && isPerRow(w, inputs[0]!, attributes.dims)) {
      return run(normalizeRowsBackward, [dy, x(0), y(1), y(2), w], attributes);
    }
    const g = w === undefined ? dy : dy.mul(w);
    const dx = needs(0) ? run(normalizeBackward, [g, x(0), y(1), y(2)], attributes)[0]! : null;
    if (w === undefined) return [dx];
    const dw = needs(1) ? dy.mul(x(0).sub(y(1)).mul(y(2).add(attributes.epsilon).rsqrt())).to(w.dtype) : null;
    return [dx, dw, needs(2) ? dy.to(w.dtype) : null];
  },
  infer: ([x, w, b], { dims }) => {
    refuseWhole(x!, "normalize");
    refuseTypes(x!, w, b);
    const kept = { dtype: computeType(x!.dtype), shape: x!.shape.map((size, dim) => dims.includes(dim) ? 1 : size) };
    return [x!, kept, kept];
  },
  launch: (inputs, outputs, { dims, epsilon }) =>
    rowLaunch(
      normalizeKernels(inputs[0]!.dtype, inputs[1]?.dtype, dims.length),
      inputs,
      outputs,
      dims,
      [rowLength(inputs[0]!, dims), epsilon],
    ),
};
