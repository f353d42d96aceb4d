/**
 * gather and scatter for elements of 32 bits, moved in place on the heap: what embeddings and label look-ups need.
 *
 * @module
 */
import { byteSize } from "../tensor/dtype.ts";
import type { GatherKernel, ScatterKernel, View } from "../tensor/kernel.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Accelerators, CpuStorage } from "./accelerator.ts";
import type { Heap } from "./heap.ts";
import { checkIndex, standStill } from "./reference/indexing.ts";
import { eachLine, lineOf, mergeDims } from "./reference/strided.ts";

/** The accelerators for gather and scatter on a heap. */
export function createIndexingAccelerators(heap: Heap): Pick<Accelerators, "gather" | "scatter"> {
  return {
    gather: (kernel, inputs, outputs) => gather(heap, kernel, inputs[0]!, inputs[1]!, outputs[0]!),
    scatter: (kernel, inputs, outputs) => scatter(heap, kernel, inputs[0]!, inputs[1]!, outputs[0]!),
  };
}

/** The position of a view's first element in 32-bit words. */
function startOf({ storage, offset }: View): number {
  return (storage as CpuStorage).pointer / 4 + offset;
}

function gather(heap: Heap, { dim }: GatherKernel, x: View, index: View, output: View): boolean {
  if (byteSize[x.dtype] !== 4) return false;
  const words = heap.i32;
  checkIndex("gather", { ...index, data: words, offset: startOf(index) }, x.shape, dim);
  const along = x.strides[dim] ?? 0;
  const walk = mergeDims(index.shape, [standStill(x.strides, dim), index.strides, output.strides]);
  const { count, steps } = lineOf(walk);
  const [xStep, indexStep, outputStep] = steps as [number, number, number];
  const wholeRows = indexStep === 0 && xStep === 1 && outputStep === 1;
  eachLine(walk, [startOf(x), startOf(index), startOf(output)], ([from, at, to]) => {
    if (wholeRows) {
      const start = from! + words[at!]! * along;
      words.copyWithin(to!, start, start + count);
    } else {
      gatherLine(words, count, from!, xStep, along, at!, indexStep, to!, outputStep);
    }
  });
  return true;
}

function gatherLine(
  words: Int32Array,
  count: number,
  from: number,
  step: number,
  along: number,
  at: number,
  indexStep: number,
  to: number,
  outputStep: number,
): void {
  for (let k = 0; k < count; k++) {
    words[to] = words[from + words[at]! * along]!;
    from += step;
    at += indexStep;
    to += outputStep;
  }
}

/**
 * float32 sums, added in place. Where sources outnumber places, the reference does it: its cost, one float64 per place, is small then,
 * and sums of many terms keep their precision.
 */
function scatter(heap: Heap, { dim, combine }: ScatterKernel, index: View, source: View, output: View): boolean {
  if (combine !== "sum" || output.dtype !== "float32" || sizeOf(source.shape) >= sizeOf(output.shape)) return false;
  const { i32, f32 } = heap;
  checkIndex("scatter", { ...index, data: i32, offset: startOf(index) }, output.shape, dim);
  const along = output.strides[dim] ?? 0;
  const walk = mergeDims(index.shape, [standStill(output.strides, dim), index.strides, source.strides]);
  const { count, steps } = lineOf(walk);
  const [step, indexStep, sourceStep] = steps as [number, number, number];
  eachLine(walk, [startOf(output), startOf(index), startOf(source)], ([to, at, from]) => {
    if (indexStep === 0) addLine(f32, count, to! + i32[at!]! * along, step, from!, sourceStep);
    else scatterLine(f32, i32, count, to!, step, along, at!, indexStep, from!, sourceStep);
  });
  return true;
}

function addLine(values: Float32Array, count: number, to: number, step: number, from: number, sourceStep: number): void {
  for (let k = 0; k < count; k++) {
    values[to]! += values[from]!;
    to += step;
    from += sourceStep;
  }
}

function scatterLine(
  values: Float32Array,
  places: Int32Array,
  count: number,
  to: number,
  step: number,
  along: number,
  at: number,
  indexStep: number,
  from: number,
  sourceStep: number,
): void {
  for (let k = 0; k < count; k++) {
    values[to + places[at]! * along]! += values[from]!;
    to += step;
    at += indexStep;
    from += sourceStep;
  }
}
