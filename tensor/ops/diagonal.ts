/**
 * Operations that look at a matrix's diagonals.
 *
 * @module
 */
import { computeType, type DType } from "../dtype.ts";
import { apply, cast, expression, index, input, scalar } from "../expr.ts";
import type { MapKernel } from "../kernel.ts";
import { type KernelOp, type Layout, memoize, type ViewOp } from "../op.ts";
import { copyLaunch, fillLaunch } from "./shape.ts";

/** Two dims (normalised, distinct) and how far to the right of their main diagonal. */
export interface DiagonalAttributes {
  readonly offset: number;
  readonly dim1: number;
  readonly dim2: number;
}

function diagonalLayout(x: Layout, { offset, dim1, dim2 }: DiagonalAttributes): Layout {
  const down = Math.max(0, -offset);
  const right = Math.max(0, offset);
  const size = Math.max(0, Math.min(x.shape[dim1]! - down, x.shape[dim2]! - right));
  const others = <T>(list: readonly T[]): T[] => list.filter((_, dim) => dim !== dim1 && dim !== dim2);
  return {
    shape: [...others(x.shape), size],
    strides: [...others(x.strides), x.strides[dim1]! + x.strides[dim2]!],
    offset: size === 0 ? x.offset : x.offset + down * x.strides[dim1]! + right * x.strides[dim2]!,
  };
}

/** The diagonal of two dims as the last dim: a view. */
export const diagonal: ViewOp<DiagonalAttributes> = {
  kind: "view",
  name: "diagonal",
  vjp: ({ dy, inputs, attributes, apply: run }) => [run(placeDiagonal, [dy], { ...attributes, shape: inputs[0]!.shape })[0]!],
  view: diagonalLayout,
};

/** The reverse: zeros of `shape` with the input along the diagonal. */
export const placeDiagonal: KernelOp<DiagonalAttributes & { readonly shape: readonly number[] }> = {
  kind: "kernel",
  name: "placeDiagonal",
  vjp: ({ dy, attributes, apply: run }) => [run(diagonal, [dy], attributes)[0]!],
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  launch: ([x], [y], attributes) => [fillLaunch(y!, 0), copyLaunch(x!, { ...y!, ...diagonalLayout(y!, attributes) })],
};

/** Which side of which diagonal of the last two dims stays. */
export interface TriangleAttributes {
  readonly side: "lower" | "upper";
  readonly offset: number;
}

const triangleKernels = memoize((dtype: DType, side: TriangleAttributes["side"]): MapKernel => {
  const element = cast(input(0, dtype), computeType(dtype));
  const position = index();
  const [rows, columns] = [scalar(0, "uint32"), scalar(1, "uint32")];
  const row = cast(apply("mod", apply("floorDiv", position, columns), rows), "int32");
  const column = cast(apply("mod", position, columns), "int32");
  const distance = apply("sub", column, row);
  const stays = apply(side === "lower" ? "le" : "ge", distance, scalar(2, "int32"));
  const expr = expression([cast(apply("where", stays, element, 0), dtype)]);
  return { kind: "map", key: `map ${expr.key}`, expr };
});

/** Zeros on one side of a diagonal of the last two dims. */
export const triangle: KernelOp<TriangleAttributes> = {
  kind: "kernel",
  name: "triangle",
  vjp: ({ dy, attributes, apply: run }) => [run(triangle, [dy], attributes)[0]!],
  infer: ([x]) => [x!],
  launch: (inputs, outputs, { side, offset }) => ({
    kernel: triangleKernels(inputs[0]!.dtype, side),
    inputs,
    outputs,
    scalars: [...inputs[0]!.shape.slice(-2), offset],
  }),
};
