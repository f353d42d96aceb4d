/**
 * Matrix products, convolution and pooling.
 *
 * @module
 */
import { computeType, type DType, isFloat } from "../dtype.ts";
import { DTypeError, formatShapes, ShapeError } from "../errors.ts";
import { apply, cast, expression, input, result } from "../expr.ts";
import type { ConvKernel, MatmulKernel, PoolKernel, Window } from "../kernel.ts";
import { expandView, type KernelOp, memoize, type Meta } from "../op.ts";
import { broadcastShapes } from "../shape.ts";

/** What an operation without attributes is given. */
export type NoAttributes = Record<never, never>;

function requireOneFloatType(inputs: readonly Meta[], op: string): DType {
  const [first, ...rest] = inputs;
  if (!isFloat(first!.dtype) || rest.some(({ dtype }) => dtype !== first!.dtype)) {
    throw new DTypeError(`Cannot ${op} ${inputs.map(({ dtype }) => dtype).join(" and ")}: one floating type is needed`, {
      op,
      shapes: inputs.map(({ shape }) => shape),
    });
  }
  return first!.dtype;
}

/** Adds input 2, a bias expanded to the output, to what the kernel computed. */
const biasEpilogue = memoize((dtype: DType) => expression([cast(apply("add", result(0, computeType(dtype)), input(2, dtype)), dtype)]));

const matmulKernels = memoize((dtype: DType, bias: boolean): MatmulKernel => {
  return { kind: "matmul", key: `matmul ${dtype} ${bias}`, ...(bias ? { epilogue: biasEpilogue(dtype) } : {}) };
});

/** Inputs of at least two dims: [..., M, K] and [..., K, N]. */
export const matmul: KernelOp<NoAttributes> = {
  kind: "kernel",
  name: "matmul",
  saves: { inputs: "all" },
  vjp: ({ dy, x, needs }) => [needs(0) ? dy.matmul(x(1).mT) : null, needs(1) ? x(0).mT.matmul(dy) : null],
  infer: (inputs) => {
    const dtype = requireOneFloatType(inputs, "matmul");
    const [a, b] = inputs.map(({ shape }) => shape) as [readonly number[], readonly number[]];
    if (a.at(-1) !== b.at(-2)) {
      throw new ShapeError(
        `Cannot matmul ${formatShapes([a, b])}: [..., M, K] and [..., K, N] are needed, got K of ${a.at(-1)} and ${b.at(-2)}`,
        {
          op: "matmul",
          shapes: [a, b],
        },
      );
    }
    const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)], "matmul");
    return [{ dtype, shape: [...batch, a.at(-2)!, b.at(-1)!] }];
  },
  launch: ([a, b], outputs) => {
    const batch = outputs[0]!.shape.slice(0, -2);
    return {
      kernel: matmulKernels(a!.dtype, false),
      inputs: [expandView(a!, [...batch, ...a!.shape.slice(-2)]), expandView(b!, [...batch, ...b!.shape.slice(-2)])],
      outputs,
    };
  },
};

/** x [M, K], w [N, K], b [N] → x wᵀ + b, the bias added as the product is stored. */
export const linear: KernelOp<NoAttributes> = {
  kind: "kernel",
  name: "linear",
  saves: { inputs: [0, 1] },
  vjp: ({ dy, x, needs }) => [needs(0) ? dy.matmul(x(1)) : null, needs(1) ? dy.mT.matmul(x(0)) : null, dy],
  infer: (inputs) => {
    const dtype = requireOneFloatType(inputs, "linear");
    const shapes = inputs.map(({ shape }) => shape);
    const [x, w, b] = shapes as [readonly number[], readonly number[], readonly number[]];
    if (x[1] !== w[1] || b[0] !== w[0] || b.length !== 1) {
      throw new ShapeError(`Cannot linear ${formatShapes(shapes)}: [..., K], [N, K] and [N] are needed`, { op: "linear", shapes });
    }
    return [{ dtype, shape: [x[0]!, w[0]!] }];
  },
  launch: ([x, w, b], outputs) => ({
    kernel: matmulKernels(x!.dtype, true),
    inputs: [
      x!,
      { ...w!, shape: [w!.shape[1]!, w!.shape[0]!], strides: [w!.strides[1]!, w!.strides[0]!] },
      expandView(b!, outputs[0]!.shape),
    ],
    outputs,
  }),
};

/** The geometry of a convolution. */
export interface ConvAttributes extends Window {
  readonly groups: number;
}

/** The shape of x or w, which a gradient's own inputs do not tell. */
export interface ConvGradientAttributes extends ConvAttributes {
  readonly shape: readonly number[];
}

function convKernel(direction: ConvKernel["direction"], dtype: DType, attributes: ConvAttributes, bias = false): ConvKernel {
  const { stride, padding, dilation, groups } = attributes;
  const base = { kind: "conv", direction, stride, padding, dilation, groups } as const;
  const key = `conv ${direction} ${stride} ${padding} ${dilation} ${groups} ${dtype} ${bias}`;
  return { ...base, key, ...(bias ? { epilogue: biasEpilogue(dtype) } : {}) };
}

/** The number of window positions along one dim. */
export function windowPositions(size: number, window: number, stride: number, padding: number, dilation: number): number {
  return Math.floor((size + 2 * padding - dilation * (window - 1) - 1) / stride) + 1;
}

/** Inputs x [N, C, ...S], w [O, C / groups, ...K] and perhaps a bias [O]. */
export const conv: KernelOp<ConvAttributes> = {
  kind: "kernel",
  name: "conv",
  saves: { inputs: [0, 1] },
  vjp: ({ dy, x, inputs, needs, attributes, apply: run }) => [
    needs(0) ? run(convInput, [dy, x(1)], { ...attributes, shape: inputs[0]!.shape })[0]! : null,
    needs(1) ? run(convWeight, [x(0), dy], { ...attributes, shape: inputs[1]!.shape })[0]! : null,
    ...(inputs.length > 2 ? [needs(2) ? dy.sum([0, ...spatialDims(dy.shape)]) : null] : []),
  ],
  infer: (inputs, { stride, padding, dilation, groups }) => {
    const name = `conv${inputs[0]!.shape.length - 2}d`;
    const dtype = requireOneFloatType(inputs, name);
    const shapes = inputs.map(({ shape }) => shape);
    const [x, w, b] = shapes as [readonly number[], readonly number[], readonly number[] | undefined];
    const fits = x.length === w.length && x[1] === w[1]! * groups && w[0]! % groups === 0 &&
      (b === undefined || (b.length === 1 && b[0] === w[0]));
    if (!fits) {
      throw new ShapeError(
        `Cannot ${name} ${formatShapes(shapes)}: [N, C, ...S], [O, C / groups, ...K] and [O] are needed with groups ${groups}`,
        { op: name, shapes },
      );
    }
    const spatial = x.slice(2).map((size, dim) => windowPositions(size, w[dim + 2]!, stride[dim]!, padding[dim]!, dilation[dim]!));
    if (spatial.some((size) => size < 1)) {
      throw new ShapeError(`Cannot ${name} ${formatShapes(shapes)}: an image at least as large as the kernel is needed`, {
        op: name,
        shapes,
      });
    }
    return [{ dtype, shape: [x[0]!, w[0]!, ...spatial] }];
  },
  launch: (inputs, outputs, attributes) => {
    const [x, w, b] = inputs;
    const kernel = convKernel("forward", x!.dtype, attributes, b !== undefined);
    if (b === undefined) return { kernel, inputs, outputs };
    const bias = {
      ...b,
      shape: [b.shape[0]!, ...x!.shape.slice(2).map(() => 1)],
      strides: [b.strides[0]!, ...x!.shape.slice(2).map(() => 0)],
    };
    return { kernel, inputs: [x!, w!, expandView(bias, outputs[0]!.shape)], outputs };
  },
};

function spatialDims(shape: readonly number[]): number[] {
  return shape.slice(2).map((_, dim) => dim + 2);
}

/**
 * Inputs dy, w → dx: the transposed convolution. The three directions are one trilinear form, so each one's gradients are the other two.
 */
export const convInput: KernelOp<ConvGradientAttributes> = {
  kind: "kernel",
  name: "convInput",
  saves: { inputs: "all" },
  vjp: ({ dy, x, needs, inputs, attributes, apply: run }) => [
    needs(0) ? run(conv, [dy, x(1)], attributes)[0]! : null,
    needs(1) ? run(convWeight, [dy, x(0)], { ...attributes, shape: inputs[1]!.shape })[0]! : null,
  ],
  infer: ([dy], { shape }) => [{ dtype: dy!.dtype, shape }],
  launch: (inputs, outputs, attributes) => ({ kernel: convKernel("input", inputs[0]!.dtype, attributes), inputs, outputs }),
};

/** Inputs x, dy → dw. */
const convWeight: KernelOp<ConvGradientAttributes> = {
  kind: "kernel",
  name: "convWeight",
  saves: { inputs: "all" },
  vjp: ({ dy, x, needs, inputs, attributes, apply: run }) => [
    needs(0) ? run(convInput, [x(1), dy], { ...attributes, shape: inputs[0]!.shape })[0]! : null,
    needs(1) ? run(conv, [x(0), dy], attributes)[0]! : null,
  ],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  launch: (inputs, outputs, attributes) => ({ kernel: convKernel("weight", inputs[0]!.dtype, attributes), inputs, outputs }),
};

/** The geometry of pooling. */
export interface PoolAttributes extends Window {
  readonly size: readonly number[];
  readonly ceil: boolean;
  readonly countPadding: boolean;
}

interface PoolGradientAttributes extends PoolAttributes {
  readonly shape: readonly number[];
}

function poolKernel(mode: PoolKernel["mode"], direction: PoolKernel["direction"], dtype: DType, attributes: PoolAttributes): PoolKernel {
  const { size, stride, padding, dilation, countPadding } = attributes;
  const key = `pool ${mode} ${direction} ${size} ${stride} ${padding} ${dilation} ${countPadding} ${dtype}`;
  return { kind: "pool", key, mode, direction, size, stride, padding, dilation, countPadding };
}

/** The shape of what pooling gives, over as many spatial dims as windows have. */
export function pooledShape(x: Meta, attributes: PoolAttributes, op: string): number[] {
  const { size, stride, padding, dilation, ceil } = attributes;
  const sizes = x.shape.slice(2).map((length, dim) => {
    const span = length + 2 * padding[dim]! - dilation[dim]! * (size[dim]! - 1) - 1;
    let positions = (ceil ? Math.ceil(span / stride[dim]!) : Math.floor(span / stride[dim]!)) + 1;
    // A window that would start beyond the image and its left padding is dropped, as in PyTorch.
    if (ceil && (positions - 1) * stride[dim]! >= length + padding[dim]!) positions--;
    return positions;
  });
  if (x.shape.length !== size.length + 2 || !isFloat(x.dtype) || sizes.some((n) => n < 1)) {
    const spatial = ["D", "H", "W"].slice(-size.length).join(", ");
    throw new ShapeError(
      `Cannot ${op} ${formatShapes([x.shape])}: a floating [N, C, ${size.length === 1 ? "L" : spatial}] with room for a window of [${
        size.join(", ")
      }] is needed, got ${x.dtype}`,
      { op, shapes: [x.shape] },
    );
  }
  return [...x.shape.slice(0, 2), ...sizes];
}

/** x [N, C, H, W] → the maxima and their positions in the H·W plane. */
export const maxPool: KernelOp<PoolAttributes> = {
  kind: "kernel",
  name: "maxPool2d",
  saves: { outputs: [1] },
  vjp: ({ dy, y, inputs, attributes, apply: run }) => [run(maxPoolBackward, [dy, y(1)], { ...attributes, shape: inputs[0]!.shape })[0]!],
  infer: ([x], attributes) => {
    const shape = pooledShape(x!, attributes, "maxPool2d");
    return [{ dtype: x!.dtype, shape }, { dtype: "int32", shape }];
  },
  launch: (inputs, outputs, attributes) => ({ kernel: poolKernel("max", "forward", inputs[0]!.dtype, attributes), inputs, outputs }),
};

/** dy, positions → dx; its own gradient picks at the same positions. */
const maxPoolBackward: KernelOp<PoolGradientAttributes> = {
  kind: "kernel",
  name: "maxPool2dBackward",
  saves: { inputs: [1] },
  vjp: ({ dy, x }) => {
    const [images, channels, height, width] = dy.shape as [number, number, number, number];
    const [, , rows, columns] = x(1).shape as [number, number, number, number];
    const positions = x(1).reshape([images, channels, rows * columns]);
    return [dy.reshape([images, channels, height * width]).gather(2, positions).reshape(x(1).shape), null];
  },
  infer: ([dy], { shape }) => [{ dtype: dy!.dtype, shape }],
  launch: (inputs, outputs, attributes) => ({ kernel: poolKernel("max", "backward", inputs[0]!.dtype, attributes), inputs, outputs }),
};

/** x [N, C, H, W] → the window means. */
export const avgPool: KernelOp<PoolAttributes> = {
  kind: "kernel",
  name: "avgPool2d",
  vjp: ({ dy, inputs, attributes, apply: run }) => [run(avgPoolBackward, [dy], { ...attributes, shape: inputs[0]!.shape })[0]!],
  infer: ([x], attributes) => [{ dtype: x!.dtype, shape: pooledShape(x!, attributes, "avgPool2d") }],
  launch: (inputs, outputs, attributes) => ({ kernel: poolKernel("average", "forward", inputs[0]!.dtype, attributes), inputs, outputs }),
};

/** dy → dx; pooling is linear, so its gradient's gradient is pooling. */
const avgPoolBackward: KernelOp<PoolGradientAttributes> = {
  kind: "kernel",
  name: "avgPool2dBackward",
  vjp: ({ dy, attributes, apply: run }) => [run(avgPool, [dy], attributes)[0]!],
  infer: ([dy], { shape }) => [{ dtype: dy!.dtype, shape }],
  launch: (inputs, outputs, attributes) => ({ kernel: poolKernel("average", "backward", inputs[0]!.dtype, attributes), inputs, outputs }),
};
