/**
 * Batched matrix products of float32 views of any strides.
 *
 * @module
 */
import type { View } from "../../tensor/kernel.ts";
import { address } from "./block.ts";
import { canRunInPlace, runEpilogue } from "./epilogue.ts";
import { duration, longProduct, multiply, type Operand } from "./gemm.ts";
import type { Accelerator } from "../accelerator.ts";
import type { ScratchHeap } from "./scratch.ts";
import { forEachRange, piecesFor } from "./tasks.ts";

/** The accelerator of matmul kernels on a heap; `map` runs their epilogues. */
export function createMatmulAccelerator(heap: ScratchHeap, map: Accelerator<"map">): Accelerator<"matmul"> {
  return (kernel, inputs, outputs, scalars) => {
    if (!canRunInPlace(kernel.epilogue)) return false;
    const a = inputs[0]!;
    const b = inputs[1]!;
    const c = outputs[0]!;
    if (a.dtype !== "float32" || b.dtype !== "float32" || c.dtype !== "float32") return false;
    multiplyBatches(heap, a, b, c);
    return kernel.epilogue === undefined || runEpilogue(map, kernel.epilogue, inputs, c, scalars);
  };
}

function multiplyBatches(heap: ScratchHeap, a: View, b: View, c: View): void {
  const batchRank = c.shape.length - 2;
  const rows = c.shape[batchRank]!;
  const columns = c.shape[batchRank + 1]!;
  const depth = a.shape[batchRank + 1]!;
  // Batch dims from `first` on whose b is the same and whose rows of a follow each other are further rows of one product.
  let rowStride = rows === 1 ? undefined : a.strides[batchRank]!;
  let first = batchRank;
  let folded = rows;
  for (; first > 0; first--) {
    const size = c.shape[first - 1]!;
    const strideA = a.strides[first - 1]!;
    if (size === 1) continue;
    if (b.strides[first - 1] !== 0 || (rowStride !== undefined && strideA !== rowStride * folded)) break;
    rowStride ??= strideA;
    folded *= size;
  }
  const left: Operand = { pointer: address(a), across: (rowStride ?? 0) * 4, along: a.strides[batchRank + 1]! * 4 };
  const right: Operand = { pointer: address(b), across: b.strides[batchRank + 1]! * 4, along: b.strides[batchRank]! * 4 };
  const product = { rows: folded, columns, depth, stride: columns * 4 };
  const step = folded * columns * 4;
  const pointer = address(c);
  const multiplyAt = (on: ScratchHeap, batch: number, offsetA: number, offsetB: number): void => {
    const at = { a: { ...left, pointer: left.pointer + offsetA }, b: { ...right, pointer: right.pointer + offsetB } };
    multiply(on, { ...product, ...at, pointer: pointer + batch * step });
  };
  if (first === 0) return multiplyAt(heap, 0, 0, 0);
  const offsets: [number, number][] = [];
  forEachBatch(c.shape.slice(0, first), a.strides, b.strides, (offsetA, offsetB) => offsets.push([offsetA, offsetB]));
  const each = duration(product);
  // Threads share every large product, else the batches.
  const pieces = each > longProduct ? 1 : piecesFor(heap, each * offsets.length, offsets.length);
  forEachRange(heap, each * offsets.length, offsets.length, pieces, 1, (on, from, to) => {
    for (let batch = from; batch < to; batch++) multiplyAt(on, batch, ...offsets[batch]!);
  });
}

/** Visits all positions of the batch dims in row-major order with both operands' byte offsets. */
function forEachBatch(
  shape: readonly number[],
  stridesA: readonly number[],
  stridesB: readonly number[],
  visit: (offsetA: number, offsetB: number) => void,
  dim = 0,
  offsetA = 0,
  offsetB = 0,
): void {
  if (dim === shape.length) return visit(offsetA, offsetB);
  for (let at = 0; at < shape[dim]!; at++) {
    forEachBatch(shape, stridesA, stridesB, visit, dim + 1, offsetA + at * stridesA[dim]! * 4, offsetB + at * stridesB[dim]! * 4);
  }
}
