/**
 * Picking and placing by index, running totals, sorting.
 *
 * @module
 */
import type { DType } from "../dtype.ts";
import { DTypeError, formatShapes, ShapeError } from "../errors.ts";
import type { ScanKernel, ScatterKernel } from "../kernel.ts";
import { type KernelOp, memoize, type Meta } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { copyLaunch } from "./shape.ts";

/** The dim that indices run along. */
export interface DimAttributes {
  readonly dim: number;
}

function checkIndex(x: Meta, indices: Meta, dim: number, op: string): void {
  if (indices.dtype !== "int32") {
    throw new DTypeError(`Cannot ${op}: an int32 index is needed, got ${indices.dtype}`, { op, shapes: [x.shape, indices.shape] });
  }
  const fits = x.shape.length === indices.shape.length && indices.shape.every((size, d) => d === dim || size <= x.shape[d]!);
  if (!fits) {
    throw new ShapeError(
      `Cannot ${op} ${formatShapes([x.shape, indices.shape])}: an index of the same rank, no larger in any dim but ${dim}, is needed`,
      { op, shapes: [x.shape, indices.shape] },
    );
  }
}

/** Inputs x and an index of x's rank. */
export const gather: KernelOp<DimAttributes> = {
  kind: "kernel",
  name: "gather",
  saves: { inputs: [1] },
  vjp: ({ dy, x, inputs, attributes: { dim } }) => [zeros(dy, inputs[0]!.shape).scatterAdd(dim, x(1), dy), null],
  infer: ([x, indices], { dim }) => {
    checkIndex(x!, indices!, dim, "gather");
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  launch: (inputs, outputs, { dim }) => ({ kernel: { kind: "gather", key: `gather ${dim}`, dim }, inputs, outputs }),
};

/** Zeros to scatter into, which copies them: one stands for all. */
function zeros(like: Tensor, shape: readonly number[]): Tensor {
  return like.newZeros([]).expand(shape);
}

/** How several values for one place are combined. */
export interface ScatterAttributes extends DimAttributes {
  readonly combine: ScatterKernel["combine"];
}

/** Inputs x, an index, and src of at least the index's shape: x with src replaced or added in. For the others see {@link scatterReduce}. */
export const scatter: KernelOp<ScatterAttributes> = {
  kind: "kernel",
  name: "scatter",
  saves: { inputs: [1] },
  vjp: ({ dy, x, inputs, needs, attributes: { dim, combine }, apply: run }) => {
    const indices = x(1);
    const dsrc = needs(2) ? padTo(dy.gather(dim, indices), inputs[2]!.shape) : null;
    if (combine === "sum") return [dy, null, dsrc];
    const cleared = needs(0) ? run(scatter, [dy, indices, dy.newZeros(indices.shape)], { dim, combine })[0]! : null;
    return [cleared, null, dsrc];
  },
  infer: ([x, indices, src], { dim }) => {
    checkIndex(x!, indices!, dim, "scatter");
    if (src!.dtype !== x!.dtype) {
      throw new DTypeError(`Cannot scatter ${src!.dtype} into ${x!.dtype}: one type is needed, cast first`, { op: "scatter" });
    }
    const fits = src!.shape.length === indices!.shape.length && indices!.shape.every((size, d) => size <= src!.shape[d]!);
    if (!fits) {
      throw new ShapeError(
        `Cannot scatter ${formatShapes([src!.shape, indices!.shape])}: a source at least as large as the index is needed`,
        { op: "scatter", shapes: [x!.shape, indices!.shape, src!.shape] },
      );
    }
    return [x!];
  },
  launch: ([x, indices, src], [y], { dim, combine }) => [
    copyLaunch(x!, y!),
    {
      kernel: { kind: "scatter", key: `scatter ${dim} ${combine}`, dim, combine },
      inputs: [indices!, { ...src!, shape: indices!.shape }],
      outputs: [y!],
    },
  ],
};

/** {@link scatter} with "prod", "max" or "min", whose gradients need the values; equal extrema share the gradient evenly. */
export const scatterReduce: KernelOp<ScatterAttributes> = {
  ...scatter,
  saves: { inputs: "all", outputs: [0] },
  vjp: ({ dy, x, y, inputs, attributes: { dim, combine } }) => {
    const [self, indices, result] = [x(0), x(1), y(0)];
    const src = indices.shape.reduce<Tensor>((part, length, d) => part.narrow(d, { start: 0, length }), x(2));
    if (combine === "prod") {
      // What the others multiply to: one zero is left out of its own product, two make every product zero.
      const zeros = self.eq(0).to(dy.dtype).scatterAdd(dim, indices, src.eq(0).to(dy.dtype));
      const whole = self.maskedFill(self.eq(0), 1).scatter(dim, { index: indices, src: src.maskedFill(src.eq(0), 1), combine });
      const others = (values: Tensor, product: Tensor, count: Tensor): Tensor => {
        const isZero = values.eq(0);
        const nonzero = count.eq(0).where(product.div(values.maskedFill(isZero, 1)), 0);
        return isZero.where(count.eq(1).where(product, 0), nonzero);
      };
      const dsrc = dy.gather(dim, indices).mul(others(src, whole.gather(dim, indices), zeros.gather(dim, indices)));
      return [dy.mul(others(self, whole, zeros)), null, padTo(dsrc, inputs[2]!.shape)];
    }
    const mine = self.eq(result);
    const theirs = src.eq(result.gather(dim, indices));
    const share = dy.div(mine.to(dy.dtype).scatterAdd(dim, indices, theirs.to(dy.dtype)));
    return [mine.where(share, 0), null, padTo(theirs.where(share.gather(dim, indices), 0), inputs[2]!.shape)];
  },
};

/** Zeros where a source was larger than its index. */
function padTo(gradient: Tensor, shape: readonly number[]): Tensor {
  return gradient.pad(shape.map((size, dim) => [0, size - gradient.shape[dim]!]).reverse().flat());
}

/** A running total along the last dim. */
function scan(name: string, combine: ScanKernel["combine"], vjp: KernelOp<Record<never, never>>["vjp"]): KernelOp<Record<never, never>> {
  return {
    kind: "kernel",
    name,
    saves: combine === "prod" ? { inputs: [0], outputs: [0] } : {},
    vjp,
    infer: ([x]) => [x!],
    launch: (inputs, outputs) => ({ kernel: { kind: "scan", key: `scan ${combine}`, combine }, inputs, outputs }),
  };
}

export const cumsum: KernelOp<Record<never, never>> = scan("cumsum", "sum", ({ dy }) => [dy.flip(-1).cumsum(-1).flip(-1)]);

const sortKernels = memoize((descending: boolean) => ({ kind: "sort", key: `sort ${descending}`, descending }) as const);

/** In which order, and how many of the first: all, when not told. */
export interface SortAttributes {
  readonly descending: boolean;
  readonly count?: number;
}

/** Stable sort along the last dim: values and positions. */
export const sort: KernelOp<SortAttributes> = {
  kind: "kernel",
  name: "sort",
  saves: { outputs: [1] },
  vjp: ({ dy, y, inputs }) => [zeros(dy, inputs[0]!.shape).scatter(-1, { index: y(1), src: dy })],
  infer: ([x], { count }) => {
    const shape = count === undefined ? x!.shape : [...x!.shape.slice(0, -1), count];
    return [{ dtype: x!.dtype, shape }, { dtype: "int32" satisfies DType, shape }];
  },
  launch: (inputs, outputs, { descending }) => ({ kernel: sortKernels(descending), inputs, outputs }),
};
