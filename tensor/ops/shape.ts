/**
 * Views, copies and joins: operations that move elements without changing them.
 *
 * @module
 */
import { computeType, type DType, isFloat, promote } from "../dtype.ts";
import { formatShapes, ShapeError } from "../errors.ts";
import { apply, cast, expression, input, scalar } from "../expr.ts";
import type { MapKernel, View } from "../kernel.ts";
import { type KernelOp, type Launch, type Layout, memoize, type ViewOp } from "../op.ts";
import { expandStrides, isContiguous, reshapeStrides } from "../shape.ts";
import type { NoAttributes } from "./matmul.ts";

const castKernels = memoize((from: DType, to: DType): MapKernel => {
  const expr = expression([castValue(from, to)]);
  return { kind: "map", key: `map ${expr.key}`, expr };
});

/** float16 is read and written through float32; bool is "not zero". */
function castValue(from: DType, to: DType): ReturnType<typeof cast> {
  const element = input(0, from);
  if (to === "bool") return element.dtype === "bool" ? element : apply("ne", element, 0);
  return cast(cast(element, isFloat(to) && element.dtype !== to ? computeType(to) : element.dtype), to);
}

/** Copies (and converts) into a view of the same shape. */
export function copyLaunch(from: View, to: View): Launch {
  return { kernel: castKernels(from.dtype, to.dtype), inputs: [from], outputs: [to] };
}

const fillKernels = memoize((dtype: DType): MapKernel => {
  const expr = expression([cast(scalar(0, computeType(dtype)), dtype)]);
  return { kind: "map", key: `map ${expr.key}`, expr };
});

/** Fills a view with one value. */
export function fillLaunch(to: View, value: number): Launch {
  return { kernel: fillKernels(to.dtype), inputs: [], outputs: [to], scalars: [value] };
}

/** A contiguous copy, perhaps of another type. */
export const castTo: KernelOp<{ readonly dtype: DType }> = {
  kind: "kernel",
  name: "to",
  // The engine brings gradients back to the input's type.
  vjp: ({ dy }) => [dy],
  infer: ([x], { dtype }) => [{ dtype, shape: x!.shape }],
  launch: (inputs, outputs) => copyLaunch(inputs[0]!, outputs[0]!),
};

/** A contiguous copy. */
export const copy: KernelOp<NoAttributes> = {
  kind: "kernel",
  name: "clone",
  vjp: ({ dy }) => [dy],
  infer: ([x]) => [x!],
  launch: (inputs, outputs) => copyLaunch(inputs[0]!, outputs[0]!),
};

/** The same elements under the same shape: a new handle, recorded. */
export const alias: ViewOp<NoAttributes> = { kind: "view", name: "alias", vjp: ({ dy }) => [dy], view: (x) => x };

export const permute: ViewOp<{ readonly order: readonly number[] }> = {
  kind: "view",
  name: "permute",
  vjp: ({ dy, attributes: { order } }) => [dy.permute(order.map((_, dim) => order.indexOf(dim)))],
  view: ({ shape, strides, offset }, { order }) => ({
    shape: order.map((dim) => shape[dim]!),
    strides: order.map((dim) => strides[dim]!),
    offset,
  }),
};

/** The engine sums the gradient back over what was stretched. */
export const expand: ViewOp<{ readonly shape: readonly number[] }> = {
  kind: "view",
  name: "expand",
  vjp: ({ dy }) => [dy],
  view: (x, { shape }) => ({ shape, strides: expandStrides(x.shape, x.strides, shape), offset: x.offset }),
};

/** Only for shapes that strides can express; see `Tensor.reshape`. */
export const reshapeView: ViewOp<{ readonly shape: readonly number[] }> = {
  kind: "view",
  name: "reshape",
  vjp: ({ dy, inputs }) => [dy.reshape(inputs[0]!.shape)],
  view: (x, { shape }) => ({ shape, strides: reshapeStrides(x.shape, x.strides, shape)!, offset: x.offset }),
};

/** Whether a reshape needs no copy. */
export function canReshape(x: Layout, shape: readonly number[]): boolean {
  return isContiguous(x.shape, x.strides) || reshapeStrides(x.shape, x.strides, shape) !== undefined;
}

/** For each dim the first position, the step (negative runs backwards) and the number of elements. */
export interface SliceAttributes {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly sizes: readonly number[];
}

function slicedLayout(x: Layout, { starts, steps, sizes }: SliceAttributes): Layout {
  return {
    shape: sizes,
    strides: x.strides.map((stride, dim) => stride * steps[dim]!),
    offset: sizes.includes(0) ? x.offset : x.offset + x.strides.reduce((sum, stride, dim) => sum + stride * starts[dim]!, 0),
  };
}

export const slice: ViewOp<SliceAttributes> = {
  kind: "view",
  name: "slice",
  vjp: ({ dy, inputs, attributes, apply: run }) => [run(place, [dy], { ...attributes, shape: inputs[0]!.shape, value: 0 })[0]!],
  view: slicedLayout,
};

/** Where a tensor goes in a larger one, and what fills the rest. */
export interface PlaceAttributes extends SliceAttributes {
  readonly shape: readonly number[];
  readonly value: number;
}

/** The reverse of a slice: a tensor of `shape` filled with `value`, with the input at the slice's places. Padding is this too. */
export const place: KernelOp<PlaceAttributes> = {
  kind: "kernel",
  name: "pad",
  vjp: ({ dy, attributes, apply: run }) => [run(slice, [dy], attributes)[0]!],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  launch: ([x], [y], attributes) => [
    fillLaunch(y!, attributes.value),
    copyLaunch(x!, { ...y!, ...slicedLayout(y!, attributes) }),
  ],
};

/** Joins along an existing dim. */
export const cat: KernelOp<{ readonly dim: number }> = {
  kind: "kernel",
  name: "cat",
  vjp: ({ dy, inputs, needs, attributes: { dim } }) => {
    let start = 0;
    return inputs.map(({ shape }, position) => {
      const from = start;
      start += shape[dim]!;
      return needs(position) ? dy.narrow(dim, { start: from, length: shape[dim]! }) : null;
    });
  },
  infer: (inputs, { dim }) => {
    const shapes = inputs.map(({ shape }) => shape);
    const first = shapes[0]!;
    const fits = shapes.every((shape) => shape.length === first.length && shape.every((size, d) => d === dim || size === first[d]));
    if (!fits) {
      throw new ShapeError(`Cannot cat ${formatShapes(shapes)}: equal sizes in every dim but ${dim} are needed`, { op: "cat", shapes });
    }
    const total = shapes.reduce((sum, shape) => sum + shape[dim]!, 0);
    const dtype = inputs.map((meta) => meta.dtype).reduce((a, b) => promote(a, b, "cat"));
    return [{ dtype, shape: first.map((size, d) => d === dim ? total : size) }];
  },
  launch: (inputs, [y], { dim }) => {
    let start = 0;
    return inputs.map((x) => {
      const offset = y!.offset + start * y!.strides[dim]!;
      start += x.shape[dim]!;
      return copyLaunch(x, { ...y!, shape: x.shape, offset });
    });
  },
};
