/**
 * Operands of any strides as two loops each, and the same cut into pieces for threads; or as copies whose elements follow each other.
 *
 * @module
 */
import { byteSize } from "../../../tensor/dtype.ts";
import { expression, input } from "../../../tensor/expr.ts";
import type { MapKernel, View } from "../../../tensor/kernel.ts";
import { contiguousStrides, isContiguous, sizeOf } from "../../../tensor/shape.ts";
import type { Accelerator } from "../../accelerator.ts";
import { address, joinDims } from "../block.ts";
import { type ScratchHeap, withMemory } from "../scratch.ts";
import { forEachPiece, pieceLength, piecesFor } from "../tasks.ts";

/** Two loops over several operands, run from each of the starts. */
export interface Planes {
  /** The positions of the outer and of the inner loop. */
  readonly outer: number;
  readonly inner: number;
  /** Bytes from one position to the next, by operand. */
  readonly outerSteps: readonly number[];
  readonly innerSteps: readonly number[];
  /** Where the loops begin, in bytes, by operand. */
  readonly starts: readonly (readonly number[])[];
}

/**
 * The planes of a shape, row-major.
 *
 * @param strides In bytes, by operand and dim.
 * @param loops How many of the innermost dims are loops: with 1 the inner loop has one position.
 */
export function planesOf(shape: readonly number[], strides: readonly (readonly number[])[], loops: 1 | 2): Planes {
  const { sizes, strides: joined } = joinDims(shape, strides, 0, shape.length);
  const last = sizes.length - 1;
  const inner = loops === 2 ? last : last + 1;
  const outer = inner - 1;
  const steps = (dim: number) => joined.map((each) => each[dim] ?? 0);
  let starts: number[][] = [strides.map(() => 0)];
  for (let dim = 0; dim < outer; dim++) {
    starts = starts.flatMap((start) =>
      Array.from({ length: sizes[dim]! }, (_, at) => start.map((byte, operand) => byte + at * joined[operand]![dim]!))
    );
  }
  return { outer: sizes[outer] ?? 1, inner: sizes[inner] ?? 1, outerSteps: steps(outer), innerSteps: steps(inner), starts };
}

/** Parts of planes: where they begin, by operand, and the positions of the loops. */
export type PlanePart = (heap: ScratchHeap, starts: readonly number[], outer: number, inner: number) => void;

/** Inner loops are cut at whole cache lines. */
const lineElements = 16;

/** Noting more calls than this for other threads takes longer than what they gain. */
const mostNoted = 8192;

/**
 * Runs parts of planes, on several threads where that is worth it.
 *
 * @param widest The most inner positions of a part.
 */
export function eachPart(heap: ScratchHeap, nanoseconds: number, planes: Planes, part: PlanePart, widest = planes.inner): void {
  const { outer, inner, starts } = planes;
  const width = Math.max(1, Math.min(inner, widest));
  const strips = Math.ceil(inner / width);
  const most = Math.max(starts.length, outer, strips, inner / lineElements);
  const pieces = starts.length * strips > mostNoted ? 1 : piecesFor(heap, nanoseconds, most);
  const cut = (by: "starts" | "outer" | "inner", size: number, multiple: number): void => {
    const length = pieceLength(size, pieces, multiple);
    forEachPiece(heap, nanoseconds, Math.ceil(size / length), (on, index) => {
      const [from, to] = [index * length, Math.min(size, (index + 1) * length)];
      const [firstStart, lastStart] = by === "starts" ? [from, to] : [0, starts.length];
      const [firstOuter, lastOuter] = by === "outer" ? [from, to] : [0, outer];
      const [firstInner, lastInner] = by === "inner" ? [from, to] : [0, inner];
      for (let start = firstStart; start < lastStart; start++) {
        for (let column = firstInner; column < lastInner; column += width) {
          const at = starts[start]!.map((byte, k) => byte + firstOuter * planes.outerSteps[k]! + column * planes.innerSteps[k]!);
          part(on, at, lastOuter - firstOuter, Math.min(width, lastInner - column));
        }
      }
    });
  };
  if (starts.length >= pieces && starts.length > 1) cut("starts", starts.length, 1);
  else if (outer >= pieces || outer >= inner / lineElements) cut("outer", outer, 1);
  else cut("inner", inner, width === inner ? lineElements : width);
}

/** Hands over the address of a view's elements in row-major order: its own, or that of a copy. False where it has to be copied and cannot be. */
export function onContiguous(heap: ScratchHeap, map: Accelerator<"map">, x: View, use: (pointer: number) => void): boolean {
  const { dtype, shape } = x;
  if (isContiguous(shape, x.strides)) {
    use(address(x));
    return true;
  }
  let isCopied = false;
  const bytes = sizeOf(shape) * byteSize[dtype];
  withMemory(heap, bytes, (pointer) => {
    const copy: MapKernel = { kind: "map", key: `contiguous copy ${dtype}`, expr: expression([input(0, dtype)]) };
    const storage = { bytes, pointer };
    isCopied = map(copy, [x], [{ storage, dtype, shape, strides: contiguousStrides(shape), offset: 0 }], []);
    if (isCopied) use(pointer);
  });
  return isCopied;
}
