/**
 * Tensors brought to one shape, put beside each other, and combined element by element.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { cat, tensor, zeros } from "./create.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import { meshgrid } from "./rearrange.ts";
import { tidy } from "./scope.ts";
import { broadcastShapes } from "./shape.ts";
import { checkTensorList, checkTensors, type Tensor } from "./tensor.ts";

/** Views of the shape that all have in common by broadcasting. */
export function broadcastTensors(tensors: readonly Tensor[]): Tensor[] {
  const shapes = checkTensorList("broadcastTensors", tensors, "broadcastTensors([a, b])").map((part) => part.shape);
  if (shapes.length === 0) return [];
  const shape = broadcastShapes(shapes, "broadcastTensors");
  return tensors.map((part) => part.expand(shape));
}

/** Side by side: vectors end to end, all others along dim 1. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  checkTensorList("hstack", tensors, "hstack([a, b])");
  return tidy(() => {
    const parts = tensors.map((part) => raised(part, 1));
    return cat(parts, { dim: parts[0]?.rank === 1 ? 0 : 1 });
  });
}

/** Below each other: vectors as rows, all others along dim 0. */
export function vstack(tensors: readonly Tensor[]): Tensor {
  checkTensorList("vstack", tensors, "vstack([a, b])");
  return tidy(() => cat(tensors.map((part) => raised(part, 2))));
}

/** Behind each other, along dim 2: matrices as layers, vectors as rows of one. */
export function dstack(tensors: readonly Tensor[]): Tensor {
  checkTensorList("dstack", tensors, "dstack([a, b])");
  return tidy(() =>
    cat(tensors.map((part) => part.rank === 2 ? part.unsqueeze(2) : part.rank < 2 ? raised(part, 2).unsqueeze(2) : part), { dim: 2 })
  );
}

/** With dims of size 1 in front, up to `rank`. */
function raised(x: Tensor, rank: number): Tensor {
  return x.rank >= rank ? x : x.reshape([...new Array<number>(rank - x.rank).fill(1), ...x.shape]);
}

/**
 * A matrix with the given ones along its diagonal and zeros elsewhere; vectors are rows.
 *
 * @throws ShapeError for tensors of more than two dims; ArgumentError for an empty list.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { blockDiag, tensor } from "./mod.ts";
 *
 * assertEquals(await blockDiag([tensor([[1]]), tensor([[2, 3]])]).toArray(), [[1, 0, 0], [0, 2, 3]]);
 * ```
 */
export function blockDiag(tensors: readonly Tensor[]): Tensor {
  checkTensorList("blockDiag", tensors, "blockDiag([a, b])");
  if (tensors.length === 0) throw new ArgumentError("Cannot blockDiag: at least one tensor is needed, got none");
  const shapes = tensors.map(({ shape }) => shape);
  if (shapes.some(({ length }) => length > 2)) {
    throw new ShapeError(`Cannot blockDiag ${formatShapes(shapes)}: matrices are needed`, { op: "blockDiag", shapes });
  }
  return tidy(() => {
    const blocks = tensors.map((part) => raised(part, 2));
    const width = blocks.reduce((sum, { shape }) => sum + shape[1]!, 0);
    let left = 0;
    return cat(blocks.map((block) => {
      const row = block.pad([left, width - left - block.shape[1]!]);
      left += block.shape[1]!;
      return row;
    }));
  });
}

/**
 * All ways to take one element of each vector, as rows [count, vectors]; of a single vector the vector itself.
 *
 * @throws ShapeError unless all are vectors; ArgumentError for an empty list.
 */
export function cartesianProd(tensors: readonly Tensor[]): Tensor {
  const shapes = checkTensorList("cartesianProd", tensors, "cartesianProd([a, b])").map(({ shape }) => shape);
  if (shapes.some(({ length }) => length !== 1)) {
    throw new ShapeError(`Cannot cartesianProd ${formatShapes(shapes)}: vectors are needed`, { op: "cartesianProd", shapes });
  }
  if (tensors.length === 1) return tensors[0]!.alias();
  return tidy(() => cat(meshgrid(tensors).map((axis) => axis.reshape([-1, 1])), { dim: 1 }));
}

/**
 * All ways to choose r elements of a vector, in order, as rows [count, r].
 *
 * @param options `r`: default 2; `withReplacement`: whether an element may come again. Default false.
 * @throws ShapeError unless x is a vector; ArgumentError unless r is whole and from 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { combinations, tensor } from "./mod.ts";
 *
 * assertEquals(await combinations(tensor([1, 2, 3])).toArray(), [[1, 2], [1, 3], [2, 3]]);
 * ```
 */
export function combinations(x: Tensor, options: { readonly r?: number; readonly withReplacement?: boolean } = {}): Tensor {
  checkTensors("combinations", { x });
  const { r = 2, withReplacement = false } = checkOptions(options, "combinations", ["r", "withReplacement"]);
  if (x.rank !== 1) {
    throw new ShapeError(`Cannot combinations ${formatShapes([x.shape])}: a vector is needed`, { op: "combinations", shapes: [x.shape] });
  }
  if (!Number.isInteger(r) || r < 0) throw new ArgumentError(`Cannot combinations: a whole r from 0 is needed, got ${r}`);
  if (r === 0) return zeros([0], { dtype: x.dtype, device: x.device });
  let chosen: number[][] = [[]];
  for (let place = 0; place < r; place++) {
    chosen = chosen.flatMap((list) => {
      const first = list.length === 0 ? 0 : list.at(-1)! + (withReplacement ? 0 : 1);
      return Array.from({ length: Math.max(0, x.size - first) }, (_, n) => [...list, first + n]);
    });
  }
  return tidy(() => {
    const positions = tensor(Int32Array.from(chosen.flat()), { device: x.device });
    return x.indexSelect(0, positions).reshape([chosen.length, r]);
  });
}
