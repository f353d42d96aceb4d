/**
 * map, reduce and row kernels in plain TypeScript.
 *
 * @module
 */
import type { TypedArray } from "../../tensor/dtype.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { MapKernel, ReduceKernel, RowKernel } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";
import { combineRow } from "./combine.ts";
import { loopOf } from "./expression.ts";
import { eachLine, mergeDims, type Strided } from "./strided.ts";

const none: readonly never[] = [];

/** Runs a map kernel. */
export function runMap(kernel: MapKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const shape = outputs[0]!.shape;
  if (sizeOf(shape) === 0) return;
  evaluateOver(kernel.expr, shape, inputs, none, outputs, scalars);
}

/** Evaluates an expression at every element of a shape; `results` are what `result(slot)` reads. */
export function evaluateOver(
  expr: Expr,
  shape: readonly number[],
  inputs: readonly Strided[],
  results: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  const loop = loopOf(expr);
  const views = [...inputs, ...results, ...outputs];
  const walk = mergeDims(shape, views.map((view) => view.strides));
  const last = walk.shape.length - 1;
  const count = walk.shape[last] ?? 1;
  const steps = walk.strides.map((list) => list[last] ?? 0);
  const [inputData, resultData, outputData] = [inputs.map(dataOf), results.map(dataOf), outputs.map(dataOf)];
  const firstOutput = inputs.length + results.length;
  const inputSteps = steps.slice(0, inputs.length);
  const resultSteps = steps.slice(inputs.length, firstOutput);
  const outputSteps = steps.slice(firstOutput);
  eachLine(walk.shape, walk.strides, views.map((view) => view.offset), (positions, line) => {
    const inputAt = positions.slice(0, inputs.length);
    const resultAt = positions.slice(inputs.length, firstOutput);
    const outputAt = positions.slice(firstOutput);
    loop(
      count,
      line * count,
      scalars,
      inputData,
      inputAt,
      inputSteps,
      resultData,
      resultAt,
      resultSteps,
      outputData,
      outputAt,
      outputSteps,
    );
  });
}

function dataOf(view: Strided): TypedArray {
  return view.data;
}

/** Runs a reduce kernel: each row is evaluated into a buffer and combined there. */
export function runReduce(
  kernel: ReduceKernel,
  inputs: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  const { prologue, combine, epilogue, reduced } = kernel;
  const rows = new Rows(inputs, reduced, inputs[0]!.shape);
  const dtype = prologue.nodes[prologue.outputs[0]!]!.dtype;
  const output = outputs[0]!;
  const values = new Float64Array(rows.size);
  const combined = new Float64Array(rows.count);
  rows.each((row, positions) => {
    rows.evaluate(prologue, positions, none, [values], [0], [rowSteps(rows)], scalars);
    combined[row] = combineRow(combine, values, rows.size, dtype);
  });
  const result: Strided = { data: combined, dtype, shape: output.shape, strides: contiguousStrides(output.shape), offset: 0 };
  if (rows.count === 0) return;
  if (epilogue === undefined) copyResult(result, output);
  else evaluateOver(epilogue, output.shape, [], [result], [output], scalars);
}

function copyResult(result: Strided, output: Strided): void {
  eachLine(output.shape, [result.strides, output.strides], [result.offset, output.offset], ([from, to]) => {
    const last = output.shape.length - 1;
    const count = output.shape[last] ?? 1;
    const step = output.strides[last] ?? 0;
    for (let k = 0; k < count; k++) output.data[to! + k * step] = result.data[from! + k]!;
  });
}

function rowSteps(rows: Rows): readonly number[] {
  return contiguousStrides(rows.shape);
}

/** Runs a row kernel. */
export function runRow(kernel: RowKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const perElement = kernel.outputs.findIndex(({ per }) => per === "element");
  const shape = inputs[0]?.shape ?? outputs[perElement]!.shape;
  const rows = new Rows(inputs, kernel.reduced, shape);
  const values = new Float64Array(rows.size);
  const results = new Float64Array(kernel.stages.length);
  const steps = rowSteps(rows);
  const outer = shape.length - kernel.reduced;
  const outputWalk = new OuterWalk(outputs, rows.outerShape);
  rows.each((row, positions) => {
    kernel.stages.forEach(({ combine, expr }, slot) => {
      rows.evaluate(expr, positions, results, [values], [0], [steps], scalars);
      results[slot] = combineRow(combine, values, rows.size, expr.nodes[expr.outputs[0]!]!.dtype);
    });
    const outputAt = outputWalk.at(row);
    kernel.outputs.forEach(({ per, expr }, slot) => {
      const output = outputs[slot]!;
      if (per === "element") {
        rows.evaluate(expr, positions, results, [output.data], [outputAt[slot]!], [output.strides.slice(outer)], scalars);
      } else {
        rows.evaluateOnce(expr, positions, results, output.data, outputAt[slot]!, scalars);
      }
    });
  });
}

/** The rows of inputs that share a shape: its last `reduced` dims are the row. */
class Rows {
  readonly outerShape: readonly number[];
  readonly shape: readonly number[];
  readonly count: number;
  readonly size: number;
  readonly #inputs: readonly Strided[];
  readonly #data: readonly TypedArray[];
  readonly #inner: readonly (readonly number[])[];
  readonly #outerWalk: OuterWalk;

  constructor(inputs: readonly Strided[], reduced: number, shape: readonly number[]) {
    const outer = shape.length - reduced;
    this.outerShape = shape.slice(0, outer);
    this.shape = shape.slice(outer);
    this.count = sizeOf(this.outerShape);
    this.size = sizeOf(this.shape);
    this.#inputs = inputs;
    this.#data = inputs.map(dataOf);
    this.#inner = inputs.map((view) => view.strides.slice(outer));
    this.#outerWalk = new OuterWalk(inputs, this.outerShape);
  }

  each(visit: (row: number, positions: readonly number[]) => void): void {
    for (let row = 0; row < this.count; row++) visit(row, this.#outerWalk.at(row));
  }

  /** Evaluates at every element of the row that starts at `positions`. */
  evaluate(
    expr: Expr,
    positions: readonly number[],
    results: readonly number[] | Float64Array,
    outputs: readonly TypedArray[],
    outputPositions: readonly number[],
    outputStrides: readonly (readonly number[])[],
    scalars: readonly number[],
  ): void {
    if (this.size === 0) return;
    const loop = loopOf(expr);
    const inputCount = this.#inputs.length;
    const walk = mergeDims(this.shape, [...this.#inner, ...outputStrides]);
    const last = walk.shape.length - 1;
    const count = walk.shape[last] ?? 1;
    const steps = walk.strides.map((list) => list[last] ?? 0);
    const [inputSteps, outputSteps] = [steps.slice(0, inputCount), steps.slice(inputCount)];
    const { arrays, slots, zeros } = resultArrays(results);
    eachLine(walk.shape, walk.strides, [...positions, ...outputPositions], (at, line) => {
      loop(
        count,
        line * count,
        scalars,
        this.#data,
        at,
        inputSteps,
        arrays,
        slots,
        zeros,
        outputs,
        at.slice(inputCount),
        outputSteps,
      );
    });
  }

  /** Evaluates once per row, at its first element. */
  evaluateOnce(
    expr: Expr,
    positions: readonly number[],
    results: Float64Array,
    output: TypedArray,
    position: number,
    scalars: readonly number[],
  ): void {
    const { arrays, slots, zeros } = resultArrays(results);
    loopOf(expr)(1, 0, scalars, this.#data, positions, positions, arrays, slots, zeros, [output], [position], [0]);
  }
}

function resultArrays(results: readonly number[] | Float64Array): {
  arrays: readonly Float64Array[];
  slots: readonly number[];
  zeros: readonly number[];
} {
  const array = results instanceof Float64Array ? results : new Float64Array(results);
  const slots = Array.from(array, (_, slot) => slot);
  return { arrays: slots.map(() => array), slots, zeros: slots.map(() => 0) };
}

/** Where each row starts in each view. */
class OuterWalk {
  readonly #starts: readonly number[];
  readonly #strides: readonly (readonly number[])[];
  readonly #shape: readonly number[];

  constructor(views: readonly Strided[], shape: readonly number[]) {
    this.#starts = views.map((view) => view.offset);
    this.#strides = views.map((view) => view.strides);
    this.#shape = shape;
  }

  at(row: number): number[] {
    const positions = [...this.#starts];
    let rest = row;
    for (let dim = this.#shape.length - 1; dim >= 0; dim--) {
      const size = this.#shape[dim]!;
      const coordinate = rest % size;
      rest = (rest - coordinate) / size;
      for (let at = 0; at < positions.length; at++) positions[at]! += coordinate * this.#strides[at]![dim]!;
    }
    return positions;
  }
}
