/**
 * Reductions over any dims, each one kernel: a prologue per element, a combination, an epilogue.
 *
 * @module
 */
import { computeType, type DType, floatType, isFloat } from "../dtype.ts";
import { DTypeError, formatShapes, ShapeError } from "../errors.ts";
import { apply, cast, expression, input, result, scalar, type Value } from "../expr.ts";
import type { Combine, ReduceKernel, RowKernel, View } from "../kernel.ts";
import { dimsLast, type KernelOp, memoize, type Meta, permuteView, type Vjp } from "../op.ts";
import { sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { fillLaunch } from "./shape.ts";

/** Which dims (normalised, increasing) and whether they stay as size 1. */
export interface ReduceAttributes {
  readonly dims: readonly number[];
  readonly keepDim: boolean;
}

/** The shape after reducing. */
export function reducedShape(shape: readonly number[], { dims, keepDim }: ReduceAttributes): number[] {
  return keepDim ? shape.map((size, dim) => dims.includes(dim) ? 1 : size) : shape.filter((_, dim) => !dims.includes(dim));
}

/** The shape after reducing with every dim kept, which broadcasts against the input. */
export function keptShape(shape: readonly number[], dims: readonly number[]): number[] {
  return reducedShape(shape, { dims, keepDim: true });
}

/** The input with the reduced dims last, and the output without them. */
function rowViews(inputs: readonly View[], output: View, dims: readonly number[]): { inputs: View[]; output: View } {
  const order = dimsLast(inputs[0]!.shape.length, dims);
  const shape = order.slice(0, order.length - dims.length).map((dim) => inputs[0]!.shape[dim]!);
  // Outputs are contiguous, and so is the same memory without its dims of size 1.
  let stride = 1;
  const strides = shape.map(() => 0);
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    strides[dim] = stride;
    stride *= shape[dim]!;
  }
  return { inputs: inputs.map((view) => permuteView(view, order)), output: { ...output, shape, strides } };
}

interface ReduceDeclaration<A extends ReduceAttributes> {
  readonly combine: Combine;
  /** The type of the result. Default: the input's. */
  readonly type?: (dtype: DType) => DType;
  readonly prologue?: (x: Value) => Value;
  /** May use the row's length. */
  readonly epilogue?: (combined: Value, count: Value) => Value;
  readonly vjp: KernelOp<A>["vjp"];
  readonly saves?: "input" | "input and output";
  readonly compose?: KernelOp<A>["compose"];
  /** What an empty row gives, where the epilogue would not do: a GPU's compiler takes 0 / 0 for 0. Default: what the epilogue gives. */
  readonly empty?: number;
  /** Refuse an empty row: there is no greatest of nothing. */
  readonly refusesEmpty?: boolean;
}

function reduce<A extends ReduceAttributes>(name: string, declaration: ReduceDeclaration<A>): KernelOp<A> {
  const { combine, type = (dtype) => dtype, prologue = (x) => x, epilogue = (x) => x, vjp, saves, compose, empty, refusesEmpty = false } =
    declaration;
  const position = combine === "argmax" || combine === "argmin";
  const kernels = memoize((dtype: DType, reduced: number): ReduceKernel => {
    const to = type(dtype);
    const element = position ? input(0, dtype) : cast(input(0, dtype), computeType(to));
    const before = expression([prologue(element)]);
    const combined = result(0, position ? "int32" : before.nodes[before.outputs[0]!]!.dtype);
    const after = expression([cast(epilogue(combined, scalar(0, computeType(to))), to)]);
    return {
      kind: "reduce",
      key: `${combine} ${reduced} ${before.key} | ${after.key}`,
      reduced,
      combine,
      prologue: before,
      ...(after.nodes.length > 1 ? { epilogue: after } : {}),
    };
  });
  return {
    kind: "kernel",
    name,
    vjp,
    saves: saves === undefined ? {} : { inputs: [0], outputs: saves === "input" ? [] : [0] },
    ...(compose === undefined ? {} : { compose }),
    infer: ([x], attributes) => {
      if (refusesEmpty) refuseEmptyRows(x!, attributes, name);
      return [{ dtype: type(x!.dtype), shape: reducedShape(x!.shape, attributes) }];
    },
    launch: (inputs, outputs, { dims }) => {
      if (empty !== undefined && rowLength(inputs[0]!, dims) === 0) return fillLaunch(outputs[0]!, empty);
      const views = rowViews(inputs, outputs[0]!, dims);
      const kernel = kernels(inputs[0]!.dtype, dims.length);
      return { kernel, inputs: views.inputs, outputs: [views.output], scalars: [rowLength(inputs[0]!, dims)] };
    },
  };
}

function rowLength({ shape }: Meta, dims: readonly number[]): number {
  return sizeOf(dims.map((dim) => shape[dim]!));
}

function refuseEmptyRows(x: Meta, attributes: ReduceAttributes, name: string): void {
  if (rowLength(x, attributes.dims) > 0) return;
  throw new ShapeError(`Cannot ${name} ${formatShapes([x.shape])}: at least one element to reduce is needed, got none`, {
    op: name,
    shapes: [x.shape],
  });
}

/** Whole numbers and bool are summed in int32. */
function sumType(dtype: DType): DType {
  return dtype === "bool" ? "int32" : dtype;
}

/** A gradient of the reduced shape, with its dims back as size 1 so that it broadcasts. */
function spread(context: Parameters<Vjp<ReduceAttributes>>[0], gradient = context.dy): ReturnType<typeof context.x> {
  return gradient.reshape(keptShape(context.inputs[0]!.shape, context.attributes.dims));
}

export const sum: KernelOp<ReduceAttributes> = reduce("sum", {
  combine: "sum",
  type: sumType,
  vjp: (context) => [spread(context).expand(context.inputs[0]!.shape)],
});

/** The mean of an empty row is NaN, as in PyTorch. */
export const mean: KernelOp<ReduceAttributes> = reduce("mean", {
  combine: "sum",
  type: floatType,
  epilogue: (total, count) => apply("div", total, count),
  empty: NaN,
  vjp: (context) => [
    spread(context).div(rowLength(context.inputs[0]!, context.attributes.dims)).expand(context.inputs[0]!.shape),
  ],
});

/**
 * The gradient is the product of the others. Through products alone it is right wherever there is a 0, an infinity or NaN, where
 * dividing the product by a factor is not, and it has a slope of its own.
 */
export const prod: KernelOp<ReduceAttributes> = reduce("prod", {
  combine: "prod",
  type: sumType,
  vjp: "compose",
  saves: "input",
  compose: ([x], attributes) => [productByHalves(x!, attributes)],
});

/** The product by multiplying halves of the row until one factor is left. */
function productByHalves(x: Tensor, attributes: ReduceAttributes): Tensor {
  const order = dimsLast(x.rank, attributes.dims);
  const kept = order.slice(0, order.length - attributes.dims.length).map((dim) => x.shape[dim]!);
  const length = rowLength(x, attributes.dims);
  if (length === 0) return x.sum(attributes.dims, { keepDim: attributes.keepDim }).add(1);
  let y = x.permute(order).reshape([...kept, length]);
  for (let count = length; count > 1; count = Math.ceil(count / 2)) {
    const even = count % 2 === 0 ? y : y.pad([0, 1], { value: 1 });
    const half = Math.ceil(count / 2);
    y = even.narrow(-1, { start: 0, length: half }).mul(even.narrow(-1, { start: half, length: half }));
  }
  return y.reshape(reducedShape(x.shape, attributes));
}

/** Elements equal to the extremum share the gradient evenly, as PyTorch's amax and amin do; where that is NaN, so is every gradient. */
function extremumVjp(context: Parameters<Vjp<ReduceAttributes>>[0]): ReturnType<Vjp<ReduceAttributes>> {
  const extremum = spread(context, context.y(0));
  const hit = context.x(0).eq(extremum);
  const count = hit.sum(context.attributes.dims, { keepDim: true });
  return [hit.where(spread(context).div(count), extremum.isNaN().where(NaN, 0))];
}

export const max: KernelOp<ReduceAttributes> = reduce("max", {
  combine: "max",
  vjp: extremumVjp,
  saves: "input and output",
  refusesEmpty: true,
});
export const min: KernelOp<ReduceAttributes> = reduce("min", {
  combine: "min",
  vjp: extremumVjp,
  saves: "input and output",
  refusesEmpty: true,
});
export const argmax: KernelOp<ReduceAttributes> = reduce("argmax", {
  combine: "argmax",
  type: () => "int32",
  vjp: null,
  refusesEmpty: true,
});
export const argmin: KernelOp<ReduceAttributes> = reduce("argmin", {
  combine: "argmin",
  type: () => "int32",
  vjp: null,
  refusesEmpty: true,
});

function truth(name: string, combine: "max" | "min"): KernelOp<ReduceAttributes> {
  const kernels = memoize((dtype: DType, reduced: number): ReduceKernel => {
    const before = expression([cast(apply("ne", input(0, dtype), 0), "int32")]);
    // An empty row gives the neutral element of 32-bit max or min: compare with 0 and 1, so that `any` is false and `all` true.
    const after = expression([combine === "max" ? apply("gt", result(0, "int32"), 0) : apply("ge", result(0, "int32"), 1)]);
    return {
      kind: "reduce",
      key: `${combine} ${reduced} ${before.key} | ${after.key}`,
      reduced,
      combine,
      prologue: before,
      epilogue: after,
    };
  });
  return {
    kind: "kernel",
    name,
    vjp: null,
    infer: ([x], attributes) => [{ dtype: "bool", shape: reducedShape(x!.shape, attributes) }],
    launch: (inputs, outputs, { dims }) => {
      const views = rowViews(inputs, outputs[0]!, dims);
      return { kernel: kernels(inputs[0]!.dtype, dims.length), inputs: views.inputs, outputs: [views.output] };
    },
  };
}

export const any: KernelOp<ReduceAttributes> = truth("any", "max");
export const all: KernelOp<ReduceAttributes> = truth("all", "min");

/** The 2-norm; its gradient at 0 is 0, the subgradient PyTorch takes. */
export const norm2: KernelOp<ReduceAttributes> = reduce("norm", {
  combine: "sum",
  type: floatType,
  prologue: (x) => apply("mul", x, x),
  epilogue: (total) => apply("sqrt", total),
  vjp: (context) => {
    const y = spread(context, context.y(0));
    return [context.x(0).mul(y.eq(0).where(0, spread(context).div(y)))];
  },
  saves: "input and output",
});

/** The degrees of freedom taken off, and whether the root is taken. */
export interface VarianceAttributes extends ReduceAttributes {
  readonly correction: number;
  readonly root: boolean;
}

const varianceKernels = memoize((dtype: DType, reduced: number, root: boolean): RowKernel => {
  const computed = computeType(dtype);
  const x = input(0, dtype);
  const difference = apply("sub", x, apply("div", result(0, computed), scalar(0, computed)));
  const variance = apply("div", result(1, computed), scalar(1, computed));
  const stages = [expression([x]), expression([apply("mul", difference, difference)])];
  const out = expression([cast(root ? apply("sqrt", variance) : variance, dtype)]);
  return {
    kind: "row",
    key: `row ${reduced} ${stages.map((stage) => stage.key).join("|")} ${out.key}`,
    reduced,
    stages: stages.map((expr) => ({ combine: "sum", expr })),
    outputs: [{ per: "row", expr: out }],
  };
});

/** The variance, in two passes over the row: first the mean, then the squared differences. */
export const variance: KernelOp<VarianceAttributes> = {
  kind: "kernel",
  name: "var",
  saves: { inputs: [0], outputs: [0] },
  vjp: (context) => {
    const { dims, correction, root } = context.attributes;
    const x = context.x(0);
    const count = rowLength(x, dims) - correction;
    const difference = x.sub(x.mean(dims, { keepDim: true }));
    if (!root) return [spread(context).mul(difference).mul(2 / count)];
    const y = spread(context, context.y(0));
    return [difference.mul(y.eq(0).where(0, spread(context).div(y))).mul(1 / count)];
  },
  infer: ([x], attributes) => {
    refuseWhole(x!, attributes.root ? "std" : "var");
    return [{ dtype: x!.dtype, shape: reducedShape(x!.shape, attributes) }];
  },
  launch: (inputs, outputs, { dims, correction, root }) => {
    if (rowLength(inputs[0]!, dims) === 0) return fillLaunch(outputs[0]!, NaN);
    const views = rowViews(inputs, outputs[0]!, dims);
    const count = rowLength(inputs[0]!, dims);
    return {
      kernel: varianceKernels(inputs[0]!.dtype, dims.length, root),
      inputs: views.inputs,
      outputs: [views.output],
      scalars: [count, Math.max(count - correction, 0)],
    };
  },
};

function refuseWhole(x: Meta, name: string): void {
  if (!isFloat(x.dtype)) throw new DTypeError(`Cannot ${name} a ${x.dtype} tensor: a floating type is needed, cast it first`, { op: name });
}

/** The largest value, or 0 where that is infinite: what may be taken off every exponent. */
function finiteShift(largest: Value): Value {
  return apply("where", apply("isInf", largest), 0, largest);
}

const logsumexpKernels = memoize((dtype: DType, reduced: number): RowKernel => {
  const computed = computeType(dtype);
  const x = input(0, dtype);
  const shift = finiteShift(result(0, computed));
  const stages = [expression([x]), expression([apply("exp", apply("sub", x, shift))])];
  const out = expression([cast(apply("add", apply("log", result(1, computed)), shift), dtype)]);
  return {
    kind: "row",
    key: `row ${reduced} max ${stages.map((stage) => stage.key).join("|")} ${out.key}`,
    reduced,
    stages: [{ combine: "max", expr: stages[0]! }, { combine: "sum", expr: stages[1]! }],
    outputs: [{ per: "row", expr: out }],
  };
});

export const logsumexp: KernelOp<ReduceAttributes> = {
  kind: "kernel",
  name: "logsumexp",
  saves: { inputs: [0], outputs: [0] },
  vjp: (context) => {
    // A row without anything but -Infinity has no slope: without the shift it would be exp(-Infinity + Infinity), NaN.
    const y = spread(context, context.y(0));
    return [spread(context).mul(context.x(0).sub(y.eq(-Infinity).where(0, y)).exp())];
  },
  infer: ([x], attributes) => {
    refuseWhole(x!, "logsumexp");
    return [{ dtype: x!.dtype, shape: reducedShape(x!.shape, attributes) }];
  },
  launch: (inputs, outputs, { dims }) => {
    const views = rowViews(inputs, outputs[0]!, dims);
    return { kernel: logsumexpKernels(inputs[0]!.dtype, dims.length), inputs: views.inputs, outputs: [views.output] };
  },
};
