/**
 * gather, scatter, scan and sort kernels in plain TypeScript.
 *
 * @module
 */
import { formatShapes, IndexError } from "../../tensor/errors.ts";
import type { GatherKernel, ScanKernel, ScatterKernel, SortKernel } from "../../tensor/kernel.ts";
import { wrap } from "../../tensor/scalar.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { combiner, neutral } from "./combine.ts";
import { contiguous, eachLine, lineOf, mergeDims, store, type Strided, toFloat64 } from "./strided.ts";

/** Runs a gather kernel; all indices are checked before anything is written. */
export function runGather(kernel: GatherKernel, inputs: readonly Strided[], outputs: readonly Strided[]): void {
  const [x, index, output] = [inputs[0]!, inputs[1]!, outputs[0]!];
  checkIndex("gather", index, x.shape, kernel.dim);
  const along = x.strides[kernel.dim] ?? 0;
  const walk = mergeDims(index.shape, [standStill(x.strides, kernel.dim), index.strides, output.strides]);
  const { count, steps: [xStep, indexStep, outputStep] } = lineOf(walk);
  const [source, places, target] = [x.data, index.data, output.data];
  eachLine(walk, [x.offset, index.offset, output.offset], ([from, at, to]) => {
    for (let k = 0; k < count; k++) {
      target[to! + k * outputStep!] = source[from! + k * xStep! + places[at! + k * indexStep!]! * along]!;
    }
  });
}

/** Runs a scatter kernel; all indices are checked before anything is written. */
export function runScatter(kernel: ScatterKernel, inputs: readonly Strided[], outputs: readonly Strided[]): void {
  const [index, source, output] = [inputs[0]!, inputs[1]!, outputs[0]!];
  checkIndex("scatter", index, output.shape, kernel.dim);
  const { combine, dim } = kernel;
  const join = combine === "replace" ? (_: number, value: number) => value : combiner(combine, output.dtype);
  // Several terms for one place are rounded once, at the end, where the type would round every step.
  const rounds = (output.dtype === "float32" || output.dtype === "float16") && (combine === "sum" || combine === "prod");
  const target = rounds ? contiguous(toFloat64(output), output.dtype, output.shape) : output;
  const along = target.strides[dim] ?? 0;
  const walk = mergeDims(index.shape, [standStill(target.strides, dim), index.strides, source.strides]);
  const { count, steps: [step, indexStep, sourceStep] } = lineOf(walk);
  const [values, places, added] = [target.data, index.data, source.data];
  eachLine(walk, [target.offset, index.offset, source.offset], ([start, at, from]) => {
    for (let k = 0; k < count; k++) {
      const to = start! + k * step! + places[at! + k * indexStep!]! * along;
      values[to] = join(values[to]!, added[from! + k * sourceStep!]!);
    }
  });
  if (rounds) store(values, output);
}

/** Strides that stand still along `dim`. */
export function standStill(strides: readonly number[], dim: number): number[] {
  return strides.map((stride, at) => at === dim ? 0 : stride);
}

/**
 * Reads every index once.
 *
 * @throws IndexError for the first one outside the dim.
 */
export function checkIndex(op: string, index: Strided, shape: readonly number[], dim: number): void {
  const size = shape[dim] ?? 1;
  const distinct = index.shape.map((count, at) => index.strides[at] === 0 ? Math.min(count, 1) : count);
  const walk = mergeDims(distinct, [index.strides]);
  const { count, steps } = lineOf(walk);
  const step = steps[0]!;
  const { data } = index;
  eachLine(walk, [index.offset], ([start]) => {
    for (let k = 0, position = start!; k < count; k++, position += step) {
      const at = data[position]!;
      if (at >= 0 && at < size) continue;
      throw new IndexError(`Cannot ${op} ${formatShapes([shape])}: an index in 0 … ${size - 1} is needed along dim ${dim}, got ${at}`);
    }
  });
}

/** Runs a scan kernel; each result is rounded, the running value is not. */
export function runScan(kernel: ScanKernel, inputs: readonly Strided[], outputs: readonly Strided[]): void {
  const [x, output] = [inputs[0]!, outputs[0]!];
  const values = toFloat64(x);
  const join = combiner(kernel.combine, x.dtype);
  const count = x.shape[x.shape.length - 1] ?? 1;
  for (let start = 0; start < values.length; start += count) {
    let running = neutral(kernel.combine, x.dtype);
    for (let at = start; at < start + count; at++) values[at] = running = join(running, values[at]!);
  }
  for (let at = 0; at < values.length; at++) values[at] = wrap(values[at]!, output.dtype);
  store(values, output);
}

/** Runs a sort kernel. */
export function runSort(kernel: SortKernel, inputs: readonly Strided[], outputs: readonly Strided[]): void {
  const values = toFloat64(inputs[0]!);
  const count = inputs[0]!.shape.at(-1) ?? 1;
  const wanted = outputs[0]!.shape.at(-1) ?? 1;
  const sorted = new Float64Array(sizeOf(outputs[0]!.shape));
  const places = new Float64Array(sorted.length);
  const sign = kernel.descending ? -1 : 1;
  for (let start = 0, to = 0; to < sorted.length; start += count, to += wanted) {
    const order = Int32Array.from({ length: count }, (_, at) => at);
    order.sort((a, b) => sign * compare(values[start + a]!, values[start + b]!) || a - b);
    order.subarray(0, wanted).forEach((from, at) => {
      sorted[to + at] = values[start + from]!;
      places[to + at] = from;
    });
  }
  store(sorted, outputs[0]!);
  store(places, outputs[1]!);
}

/** Orders numbers with NaN as the greatest. */
function compare(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}
