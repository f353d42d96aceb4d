/**
 * gather and scatter in WebAssembly: embeddings, label look-ups, and the sums that are their gradients.
 *
 * Every place gets what comes to it in the order of the indices, on any number of threads: rows are shared out by place, and all else by the
 * dims in which the indices do not run.
 *
 * @module
 */
import { byteSize } from "../../../tensor/dtype.ts";
import type { GatherKernel, ScatterKernel, View } from "../../../tensor/kernel.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { Accelerators } from "../../accelerator.ts";
import { checkIndex, standStill } from "../../reference/indexing.ts";
import { address, joinDims } from "../block.ts";
import type { WasmFunction } from "../encoder.ts";
import { functionsOn, type ScratchHeap, scratchPointer, withMemory } from "../scratch.ts";
import { forEachPiece, forEachRange, piecesFor } from "../tasks.ts";
import {
  type ElementBytes,
  emitGather,
  emitIndexChecks,
  emitRowSums,
  emitScatter,
  type ScatterArguments,
  scatterArguments,
} from "./picking_kernels.ts";
import { eachPart, type Planes, planesOf } from "./planes.ts";

/** What one element takes, roughly: looked at, moved in a row, moved alone, added alone. */
const nanoseconds = { check: 0.3, row: 0.3, element: 1.2, sum: 2 };

/** The accelerators for gather and scatter on a heap. */
export function createPickingAccelerators(heap: ScratchHeap): Pick<Accelerators, "gather" | "scatter"> {
  return {
    gather: (kernel, inputs, outputs) => gather(heap, kernel, inputs[0]!, inputs[1]!, outputs[0]!),
    scatter: (kernel, inputs, outputs) => scatter(heap, kernel, inputs[0]!, inputs[1]!, outputs[0]!),
  };
}

function bytesOf({ strides, dtype }: View): number[] {
  return strides.map((stride) => stride * byteSize[dtype]);
}

function indexFunctions(heap: ScratchHeap): Record<string, WasmFunction> {
  return functionsOn(heap, "index checks", emitIndexChecks);
}

/** Reads every index once; throws IndexError for one outside the dim. */
function checkIndices(heap: ScratchHeap, op: string, index: View, shape: readonly number[], dim: number): void {
  const distinct = index.shape.map((size, at) => index.strides[at] === 0 ? Math.min(size, 1) : size);
  if (distinct.includes(0)) return;
  const size = shape[dim] ?? 1;
  const planes = planesOf(distinct, [bytesOf(index)], 1);
  const step = planes.outerSteps[0]!;
  const time = sizeOf(distinct) * nanoseconds.check;
  let isOutside = false;
  if (planes.starts.length === 1 && piecesFor(heap, time, 2) === 1) {
    isOutside = indexFunctions(heap)["outside"]!(address(index), planes.outer, step, size, 0) !== 0;
  } else {
    withMemory(heap, 4, (flag) => {
      // Views on the memory are made when they are needed, since any allocation may make it grow.
      new Int32Array(heap.memory.buffer, flag, 1)[0] = 0;
      eachPart(heap, time, planes, (on, [start], count) => {
        indexFunctions(on)["outside"]!(address(index) + start!, count, step, size, flag);
      });
      isOutside = new Int32Array(heap.memory.buffer, flag, 1)[0] !== 0;
    });
  }
  if (!isOutside) return;
  const data = new Int32Array(heap.memory.buffer);
  checkIndex(op, { ...index, data, offset: address(index) / 4 }, shape, dim);
}

function gather(heap: ScratchHeap, { dim }: GatherKernel, x: View, index: View, output: View): boolean {
  checkIndices(heap, "gather", index, x.shape, dim);
  if (sizeOf(index.shape) === 0) return true;
  const bytes = byteSize[x.dtype] as ElementBytes;
  const strides = [standStill(bytesOf(x), dim), bytesOf(index), bytesOf(output)];
  const planes = planesOf(index.shape, strides, 2);
  const { outerSteps: [xOuter, indexOuter, yOuter], innerSteps: [xInner, indexInner, yInner] } = planes;
  const along = (x.strides[dim] ?? 0) * bytes;
  const isRow = indexInner === 0 && xInner === bytes && yInner === bytes;
  const name = isRow ? "rows" : "elements";
  const time = sizeOf(index.shape) * (isRow ? nanoseconds.row * bytes / 4 : nanoseconds.element);
  const pointers = [address(x), address(index), address(output)] as const;
  eachPart(heap, time, planes, (on, starts, outer, inner) => {
    const run = functionsOn(on, `gather ${bytes}`, (module) => emitGather(module, bytes))[name]!;
    const [from, at, to] = pointers.map((pointer, k) => pointer + starts[k]!) as [number, number, number];
    run(from, at, to, outer, xOuter!, indexOuter!, yOuter!, inner, xInner!, indexInner!, yInner!, along);
  });
  return true;
}

function scatter(heap: ScratchHeap, { dim, combine }: ScatterKernel, index: View, source: View, output: View): boolean {
  if (output.dtype === "float16" && combine !== "replace") return false;
  checkIndices(heap, "scatter", index, output.shape, dim);
  if (sizeOf(index.shape) === 0) return true;
  const scattered: Scatter = { heap, dim, combine, index, source, output, count: index.shape[dim] ?? 1 };
  if (!addRows(scattered)) scatterElements(scattered);
  return true;
}

interface Scatter {
  readonly heap: ScratchHeap;
  readonly dim: number;
  readonly combine: ScatterKernel["combine"];
  readonly index: View;
  readonly source: View;
  readonly output: View;
  /** How many indices there are along the dim. */
  readonly count: number;
}

/** Sums of float32 places that are kept in float64 at once, in bytes: they stay in the second-level cache. More are kept by one thread alone. */
const sumBytes = 262144;
const mostSumBytes = 4 * sumBytes;

/**
 * float32 rows added by one index for each. Where the sums of all places stay in cache, row after row; else those of one place are found first.
 * False where it is not that.
 */
function addRows(scattered: Scatter): boolean {
  const { heap, dim, combine, index, source, output, count } = scattered;
  if (combine !== "sum" || output.dtype !== "float32" || count === 1) return false;
  if (index.strides.some((stride, at) => at !== dim && stride !== 0 && index.shape[at] !== 1)) return false;
  const rows = index.shape.map((size, at) => at === dim ? 1 : size);
  const planes = planesOf(rows, [bytesOf(output), bytesOf(source)], 1);
  if (planes.outerSteps.some((step) => step !== 4)) return false;
  const [places, width] = [output.shape[dim]!, planes.outer];
  const [along, step, indexStep] = [output, source, index].map((view) => view.strides[dim]! * 4) as [number, number, number];
  const time = count * width * planes.starts.length * nanoseconds.row;
  if (places * width * 8 > sumBytes) {
    addPlaces(scattered, planes, { places, along, step, time });
    return true;
  }
  const pieces = piecesFor(heap, time, width / wideStrip);
  forEachRange(heap, time, width, pieces, wideStrip, (on, column, end) => {
    const run = functionsOn(on, "scatter rows", emitRowSums)["addRows"]!;
    const sums = scratchPointer(on, "scatter sums", places * (end - column) * 8);
    for (const [to, from] of planes.starts) {
      const [target, rows] = [address(output) + to! + column * 4, address(source) + from! + column * 4];
      run(target, rows, address(index), indexStep, count, places, along, step, end - column, sums);
    }
  });
  return true;
}

function addPlaces(
  { heap, dim, index, source, output, count }: Scatter,
  { outer: width, starts: planeStarts }: Planes,
  { places, along, step, time }: { places: number; along: number; step: number; time: number },
): void {
  withMemory(heap, (places + 2 + count) * 4, (starts) => {
    const order = starts + (places + 2) * 4;
    new Int32Array(heap.memory.buffer, starts, places + 2).fill(0);
    indexFunctions(heap)["group"]!(address(index), index.strides[dim]! * 4, count, places, starts, order);
    const add = (on: ScratchHeap, first: number, last: number, column: number, columns: number): void => {
      const run = functionsOn(on, "scatter rows", emitRowSums)["addPlaces"]!;
      const sums = scratchPointer(on, "scatter sums", width * 8);
      for (const [to, from] of planeStarts) {
        const [target, rows] = [address(output) + to! + column * 4, address(source) + from! + column * 4];
        run(target, rows, starts, order, first, last, along, step, columns, sums);
      }
    };
    const ends = new Int32Array(heap.memory.buffer, starts, places + 1).slice();
    const cuts = cutPlaces(ends, piecesFor(heap, time, places));
    // Where one place gets most rows, columns are shared out instead.
    const isUneven = cuts.some((to, at) => at > 0 && ends[to]! - ends[cuts[at - 1]!]! > count / 4);
    const strips = Math.ceil(width / stripColumns);
    if (isUneven && strips > 1) {
      const pieces = piecesFor(heap, time, strips);
      forEachRange(heap, time, width, pieces, stripColumns, (on, from, to) => add(on, 0, places, from, to - from));
    } else {
      forEachPiece(heap, time, cuts.length - 1, (on, piece) => add(on, cuts[piece]!, cuts[piece + 1]!, 0, width));
    }
  });
}

/** Columns are cut at cache lines; where every piece goes through all rows, at several, since memory is read in longer runs. */
const stripColumns = 16;
const wideStrip = 256;

/** Where to cut places so that each piece gets about as many rows. */
function cutPlaces(ends: Int32Array, pieces: number): number[] {
  const places = ends.length - 1;
  const cuts = [0];
  for (let piece = 1; piece < pieces; piece++) {
    const wanted = ends[places]! * piece / pieces;
    let [low, high] = [cuts.at(-1)!, places];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    if (low > cuts.at(-1)! && low < places) cuts.push(low);
  }
  cuts.push(places);
  return cuts;
}

/** Anything else: element by element, with several float32 terms for a place combined in float64. */
function scatterElements({ heap, dim, combine, index, source, output, count }: Scatter): void {
  const views = [output, index, source];
  const others = index.shape.map((size, at) => at === dim ? 1 : size);
  const strides = views.map(bytesOf);
  const joined = joinDims(others, strides, 0, others.length);
  // The innermost of the other dims is the inner loop where its elements are nearer to each other than those along the dim.
  const isInner = Math.abs(joined.strides[2]!.at(-1) ?? 0) < Math.abs(strides[2]![dim] ?? 0);
  const planes = planesOf(others, strides, isInner ? 2 : 1);
  const { dtype } = output;
  const wide = dtype === "float32" && (combine === "sum" || combine === "prod") && count > 1;
  const places = output.shape[dim] ?? 1;
  const widest = wide ? Math.max(stripColumns, Math.floor(sumBytes / 8 / places / stripColumns) * stripColumns) : planes.inner;
  const bytes = wide ? places * Math.min(widest, planes.inner) * 8 : 0;
  const elements = sizeOf(index.shape) + (wide ? places * planes.inner * planes.outer * planes.starts.length : 0);
  const [targetOuter, indexOuter, sourceOuter] = planes.outerSteps as [number, number, number];
  const [targetInner, indexInner, sourceInner] = planes.innerSteps as [number, number, number];
  const run = (time: number, sumsOf: (on: ScratchHeap) => number): void =>
    eachPart(heap, time, planes, (on, starts, outer, inner) => {
      const key = `scatter ${dtype} ${combine} ${wide}`;
      const { scatter } = functionsOn(on, key, (module) => emitScatter(module, dtype, combine, wide));
      const [target, indices, from] = views.map((view, k) => address(view) + starts[k]!) as [number, number, number];
      const values: ScatterArguments = {
        ...{ target, index: indices, source: from },
        ...{ outer, targetOuter, indexOuter, sourceOuter },
        ...{ inner, targetInner, indexInner, sourceInner },
        ...{ count, indexStep: strides[1]![dim] ?? 0, sourceStep: strides[2]![dim] ?? 0 },
        ...{ along: strides[0]![dim] ?? 0, places, sums: sumsOf(on) },
      };
      scatter!(...scatterArguments.map((name) => values[name]));
    }, widest);
  if (bytes > mostSumBytes) withMemory(heap, bytes, (pointer) => run(0, () => pointer));
  else run(elements * nanoseconds.sum, (on) => bytes === 0 ? 0 : scratchPointer(on, "scatter sums", bytes));
}
