/**
 * map, reduce and row kernels in plain TypeScript.
 *
 * @module
 */
import type { TypedArray } from "../../tensor/dtype.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { MapKernel, ReduceKernel, RowKernel } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { combineRow } from "./combine.ts";
import { type Loop, loopOf } from "./expression.ts";
import { contiguous, eachLine, eachPosition, type Line, lineOf, mergeDims, store, type Strided, type Walk } from "./strided.ts";

/** Runs a map kernel. */
export function runMap(kernel: MapKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  evaluate(kernel.expr, outputs[0]!.shape, inputs, [], outputs, scalars);
}

/** Evaluates an expression at every element of a shape; `results` are what `result(slot)` reads. */
export function evaluate(
  expr: Expr,
  shape: readonly number[],
  inputs: readonly Strided[],
  results: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  const views = [...inputs, ...results, ...outputs];
  new Evaluation(expr, shape, views, inputs.length, inputs.length + results.length).run(views.map((view) => view.offset), scalars);
}

/** Runs a reduce kernel: each row is evaluated into a buffer and combined there. */
export function runReduce(
  kernel: ReduceKernel,
  inputs: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  const { prologue, combine, epilogue, reduced } = kernel;
  const [output, { outer, inner }] = [outputs[0]!, split(inputs[0]!.shape, reduced)];
  const dtype = outputType(prologue);
  const values = new Float64Array(sizeOf(inner));
  const combined = contiguous(new Float64Array(sizeOf(outer)), dtype, output.shape);
  const rowViews = [...inputs.map((view) => rowOf(view, reduced)), contiguous(values, dtype, inner)];
  const row = new Evaluation(prologue, inner, rowViews, inputs.length, inputs.length);
  const walk = { shape: outer, strides: [...inputs.map((view) => view.strides), outer.map(() => 0)] };
  eachPosition(walk, outer.length, rowViews.map((view) => view.offset), (positions, at) => {
    row.run(positions, scalars);
    combined.data[at] = combineRow(combine, values, values.length, dtype);
  });
  if (epilogue === undefined) store(combined.data, output);
  else evaluate(epilogue, output.shape, [], [combined], [output], scalars);
}

/** Runs a row kernel. */
export function runRow(kernel: RowKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const { stages, reduced } = kernel;
  const shape = inputs[0]!.shape;
  const { outer, inner } = split(shape, reduced);
  const values = new Float64Array(sizeOf(inner));
  const results = new Float64Array(stages.length);
  const fixed = [...inputs.map((view) => rowOf(view, reduced)), ...stages.map((_, slot) => scalarView(results, slot))];
  const steps = stages.map(({ combine, expr }) => {
    const buffer = contiguous(values, outputType(expr), inner);
    return { combine, dtype: buffer.dtype, row: new Evaluation(expr, inner, [...fixed, buffer], inputs.length, fixed.length) };
  });
  const stores = kernel.outputs.map(({ per, expr }, slot) => {
    const view = outputs[slot]!;
    const target = per === "element" ? rowOf(view, reduced) : scalarView(view.data, view.offset);
    return new Evaluation(expr, per === "element" ? inner : [], [...fixed, target], inputs.length, fixed.length);
  });
  const still = outer.map(() => 0);
  const walk = {
    shape: outer,
    strides: [...inputs.map((view) => view.strides), ...stages.map(() => still), ...outputs.map((view) => view.strides)],
  };
  const starts = [...fixed.map((view) => view.offset), ...outputs.map((view) => view.offset)];
  eachPosition(walk, outer.length, starts, (positions) => {
    const at = positions.slice(0, fixed.length + 1);
    at[fixed.length] = 0;
    steps.forEach(({ combine, dtype, row }, slot) => {
      row.run(at, scalars);
      results[slot] = combineRow(combine, values, values.length, dtype);
    });
    stores.forEach((evaluation, slot) => {
      at[fixed.length] = positions[fixed.length + slot]!;
      evaluation.run(at, scalars);
    });
  });
}

function outputType(expr: Expr): Strided["dtype"] {
  return expr.nodes[expr.outputs[0]!]!.dtype;
}

function split(shape: readonly number[], reduced: number): { outer: readonly number[]; inner: readonly number[] } {
  const rank = shape.length - reduced;
  return { outer: shape.slice(0, rank), inner: shape.slice(rank) };
}

/** The first row of a view: its last `reduced` dims. */
function rowOf({ data, dtype, shape, strides, offset }: Strided, reduced: number): Strided {
  const rank = shape.length - reduced;
  return { data, dtype, shape: shape.slice(rank), strides: strides.slice(rank), offset };
}

/** One element, the same at every position of a row. */
function scalarView(data: TypedArray, offset: number): Strided {
  return { data, dtype: "float64", shape: [], strides: [], offset };
}

/** An expression prepared for views of one shape (scalar views stand still), to be run from different starts. */
class Evaluation {
  readonly #loop: Loop;
  readonly #walk: Walk;
  readonly #line: Line;
  readonly #data: readonly TypedArray[];
  readonly #results: number;
  readonly #outputs: number;

  constructor(expr: Expr, shape: readonly number[], views: readonly Strided[], results: number, outputs: number) {
    this.#loop = loopOf(expr);
    this.#walk = mergeDims(shape, views.map(({ strides }) => strides.length === shape.length ? strides : shape.map(() => 0)));
    this.#line = lineOf(this.#walk);
    this.#data = views.map((view) => view.data);
    this.#results = results;
    this.#outputs = outputs;
  }

  run(positions: readonly number[], scalars: readonly number[]): void {
    const { count, steps } = this.#line;
    eachLine(this.#walk, positions, (at, line) => {
      this.#loop(count, line * count, scalars, this.#data, at, steps, this.#results, this.#outputs);
    });
  }
}
