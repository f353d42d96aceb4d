/**
 * Log-sum-exp over pairwise similarities that are never stored.
 *
 * @module
 */
import { DTypeError, formatShapes, ShapeError } from "../errors.ts";
import type { PairsKernel } from "../kernel.ts";
import { type KernelOp, memoize, type Meta } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** The factor 1/τ and which pairs are candidates. */
export interface PairsAttributes {
  readonly scale: number;
  readonly excludeDiagonal: boolean;
}

const kernels = memoize((direction: PairsKernel["direction"], excludeDiagonal: boolean, sameLabel: boolean): PairsKernel => {
  return { kind: "pairs", key: `pairs ${direction} ${excludeDiagonal} ${sameLabel}`, direction, excludeDiagonal, sameLabel };
});

function checkPairs([a, b, labelsA, labelsB]: readonly Meta[]): void {
  const shapes = [a!.shape, b!.shape];
  if (a!.shape.length !== 2 || b!.shape.length !== 2 || a!.shape[1] !== b!.shape[1]) {
    throw new ShapeError(`Cannot pairLogSumExp ${formatShapes(shapes)}: [M, D] and [N, D] are needed`, { op: "pairLogSumExp", shapes });
  }
  const labelsFit = labelsA === undefined || (labelsA.shape[0] === a!.shape[0] && labelsB!.shape[0] === b!.shape[0]);
  if (a!.dtype !== "float32" || b!.dtype !== "float32" || !labelsFit || (labelsA !== undefined && labelsA.dtype !== "int32")) {
    throw new DTypeError("Cannot pairLogSumExp: float32 rows and one int32 label per row are needed", { op: "pairLogSumExp", shapes });
  }
}

/** Inputs a, b and perhaps the labels of a and of b; the output is lse [M]. */
export const pairLogSumExp: KernelOp<PairsAttributes> = {
  kind: "kernel",
  name: "pairLogSumExp",
  saves: { inputs: "all", outputs: [0] },
  compose: ([a, b, labelsA, labelsB], { scale, excludeDiagonal }) => {
    let similarities = a!.matmul(b!.mT).mul(scale);
    if (labelsA !== undefined) similarities = labelsA.unsqueeze(1).eq(labelsB!.unsqueeze(0)).where(similarities, -Infinity);
    if (excludeDiagonal) similarities = similarities.maskedFill(diagonalOf(similarities), -Infinity);
    return [similarities.logsumexp(1)];
  },
  vjp: ({ dy, x, y, inputs, needs, attributes, apply: run }) => {
    const saved = [...inputs.map((_, position) => x(position)), y(0), dy];
    return inputs.map((_, position) => {
      if (position > 1 || !needs(position)) return null;
      return run(position === 0 ? pairRows : pairColumns, saved, attributes)[0]!;
    });
  },
  infer: (inputs) => {
    checkPairs(inputs);
    return [{ dtype: "float32", shape: [inputs[0]!.shape[0]!] }];
  },
  launch: (inputs, outputs, attributes) => ({
    kernel: kernels("forward", attributes.excludeDiagonal, inputs.length > 2),
    inputs,
    outputs,
    scalars: [attributes.scale],
  }),
};

/** The gradient for a or b on (a, b, labels…, lse, g). The engine differentiates the composed definition above instead of these. */
function gradient(direction: "rows" | "columns"): KernelOp<PairsAttributes> {
  return {
    kind: "kernel",
    name: `pairLogSumExp ${direction}`,
    vjp: null,
    infer: (inputs) => [inputs[direction === "rows" ? 0 : 1]!],
    launch: (inputs, outputs, attributes) => ({
      kernel: kernels(direction, attributes.excludeDiagonal, inputs.length > 4),
      inputs,
      outputs,
      scalars: [attributes.scale],
    }),
  };
}

const pairRows = gradient("rows");
const pairColumns = gradient("columns");

/** bool [M, N], true where row and column have the same number. */
function diagonalOf(like: Tensor): Tensor {
  const [rows, columns] = like.shape as [number, number];
  const position = (n: number): Tensor => like.newFull([n], 1, "int32").cumsum(0);
  return position(rows).unsqueeze(1).eq(position(columns).unsqueeze(0));
}
