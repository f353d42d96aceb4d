/**
 * The reduce family: tree-shaped over a workgroup, in several passes where a row is longer than one workgroup should walk.
 *
 * Short rows take one invocation each. Longer ones take a workgroup whose invocations walk at most {@link walk} elements before they
 * meet in a tree, so that float32 sums stay accurate and no invocation comes near the trip limit; rows longer than a workgroup covers
 * are cut into chunks whose results the next pass reduces. Where rows and not their elements are neighbours in memory, as in a sum over the
 * first dim, a workgroup takes 32 rows side by side, so that neighbouring invocations read neighbours.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { constant, type Expr, expression } from "../../tensor/expr.ts";
import type { Combine, ReduceKernel, View } from "../../tensor/kernel.ts";
import { emitExpr, functionsOf, scalarDeclaration, scalarList } from "./expr.ts";
import { type FunctionName, functionSource } from "./functions.ts";
import { checkTypes, inputSlots, outputType } from "./map.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  type BufferUse,
  combineText,
  computeElement,
  elementDispatch,
  elementOf,
  elementPosition,
  emptyPlan,
  groupDispatch,
  neutralText,
  readInput,
  temporary,
  u32,
  writeOutput,
} from "./shader.ts";
import { loaded, stored } from "./types.ts";

/** Elements that one invocation combines before the tree. */
export const walk = 64;

/** Where a reduction's values come from. `emit` writes the value at `position` of `row`, in the compute type. */
export interface RowSource {
  readonly uses: readonly BufferUse[];
  readonly exprs: readonly Expr[];
  /** Statements at the beginning of a row. */
  start(buffers: Buffers): string[];
  emit(
    buffers: Buffers,
    scalars: Dispatch["scalars"],
  ): { readonly lines: readonly string[]; readonly value: string; readonly index: string };
}

/** Where a reduction's results go. `emit` stores `value` (and for arg reductions `index`) of `row`. */
export interface RowSink {
  readonly uses: readonly BufferUse[];
  readonly exprs: readonly Expr[];
  emit(buffers: Buffers, scalars: Dispatch["scalars"], value: string, index: string): readonly string[];
}

/** A reduction of each of `rows` rows of `length` values. */
export interface RowReduction {
  readonly label: string;
  readonly rows: number;
  readonly length: number;
  readonly combine: Combine;
  readonly type: "f32" | "i32" | "u32";
  readonly source: RowSource;
  readonly sink: RowSink;
  /** The number of the first temporary that the passes may use. */
  readonly firstTemporary: number;
  /** Neighbouring rows that a workgroup takes together, since they and not the elements of a row are neighbours in memory; 1 unless told. */
  readonly lanes?: number;
}

/** Writes the dispatches of a reduction. */
export function planReduce(kernel: ReduceKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const { prologue, combine } = kernel;
  const output = outputs[0]!;
  if (sizeOf(output.shape) === 0) return emptyPlan;
  const { rows, length } = rowShape(inputs[0]!.shape, kernel.reduced);
  const dtype = outputType(prologue, 0);
  const arg = isArg(combine);
  const epilogue = kernel.epilogue;
  checkTypes("reduce", prologue, inputs);
  return reduceRows({
    label: "reduce",
    rows,
    length,
    combine,
    type: computeElement(dtype),
    source: expressionSource(length === 0 ? expression([constant(0, dtype)]) : prologue, inputs, kernel.reduced),
    sink: {
      uses: [writeOutput("output", 0, output)],
      exprs: epilogue === undefined ? [] : [epilogue],
      emit: (buffers, scalars, value, index) => {
        const position = elementPosition("row", output);
        const result = arg ? `i32(${index})` : fromCompute(dtype, value);
        if (epilogue === undefined) return [buffers.store("output", position, stored(arg ? "int32" : dtype, result))];
        const emitted = emitExpr(epilogue, { prefix: "e", index: "row", result: () => result, scalars });
        return [...emitted.lines, buffers.store("output", position, stored(outputType(epilogue, 0), emitted.outputs[0]!))];
      },
    },
    firstTemporary: 0,
    lanes: neighbouringRows(prologue, inputs, kernel.reduced) && rows >= rowLanes ? rowLanes : 1,
  }, limits);
}

/** Rows that a workgroup takes together: as many floats as memory hands out at once. */
const rowLanes = 32;

/** Whether rows and not their elements are neighbours in memory, in every input that is not one and the same along one of the two. */
function neighbouringRows(prologue: Expr, inputs: readonly View[], reduced: number): boolean {
  const steps = inputSlots(prologue).map((slot) => {
    const { shape, strides } = inputs[slot]!;
    const outer = shape.length - reduced;
    const last = (from: number, to: number) => strides[shape.findLastIndex((size, dim) => dim >= from && dim < to && size > 1)] ?? 0;
    return { row: last(0, outer), element: last(outer, shape.length) };
  });
  return steps.some(({ row, element }) => row === 1 && element !== 0) && steps.every(({ row }) => row === 0 || row === 1);
}

/** Writes the passes of a row reduction. */
export function reduceRows(reduction: RowReduction, limits: Limits): Plan {
  const { rows, combine, type, firstTemporary } = reduction;
  const temporaries: number[] = [];
  const dispatches: Dispatch[] = [];
  const threads = Math.min(256, limits.workgroupInvocations);
  let { source, length, lanes = 1 } = reduction;
  let chunk = threads / lanes * walk;
  while (length > chunk) {
    const chunks = Math.ceil(length / chunk);
    const first = firstTemporary + temporaries.length;
    const partials = temporaryUses(first, combine, type);
    temporaries.push(...partials.map(() => rows * chunks * 4));
    const uses = partials.map((use) => ({ ...use, access: "read_write" as const }));
    const sink: RowSink = {
      uses,
      exprs: [],
      emit: (buffers, _scalars, value, index) =>
        [value, index].slice(0, uses.length).map((text, i) => buffers.store(uses[i]!.name, `row * ${u32(chunks)} + part`, text)),
    };
    dispatches.push(groupPass({ ...reduction, source, sink, length, lanes }, chunk, chunks, limits));
    source = partialSource(partials, chunks);
    length = chunks;
    lanes = 1;
    chunk = threads * walk;
  }
  const last = { ...reduction, source, length, lanes };
  dispatches.push(length <= walk ? rowPass(last, limits) : groupPass(last, chunk, 1, limits));
  return { temporaries, dispatches };
}

/** One invocation per row. */
function rowPass(reduction: RowReduction, limits: Limits): Dispatch {
  const { rows, length, source, sink } = reduction;
  const buffers = bindBuffers([...source.uses, ...sink.uses]);
  const scalars = scalarList(...source.exprs, ...sink.exprs);
  const emitted = source.emit(buffers, scalars);
  const body = [
    "let row = element;",
    ...source.start(buffers),
    ...accumulator(reduction),
    `for (var position = 0u; position < ${u32(length)}; position = position + 1u) {`,
    ...emitted.lines,
    accumulate(reduction, emitted.value, emitted.index),
    "}",
    ...sink.emit(buffers, scalars, "total", "totalIndex"),
  ].join("\n");
  return elementDispatch({ label: reduction.label, buffers, size: rows, declarations: prelude(reduction), body, scalars }, limits);
}

/** One workgroup per row, per chunk of a row, or per chunk of several neighbouring rows. */
function groupPass(reduction: RowReduction, chunk: number, chunks: number, limits: Limits): Dispatch {
  const { rows, length, source, sink, type, lanes = 1 } = reduction;
  const threads = Math.min(length <= 512 && lanes === 1 ? 64 : 256, limits.workgroupInvocations);
  const buffers = bindBuffers([...source.uses, ...sink.uses]);
  const scalars = scalarList(...source.exprs, ...sink.exprs);
  const emitted = source.emit(buffers, scalars);
  const several = lanes > 1;
  const bounds = [
    ...(several
      ? [
        `let own_row = group / ${u32(chunks)} * ${u32(lanes)} + local % ${u32(lanes)};`,
        `let row = min(own_row, ${u32(rows - 1)});`,
        `let walker = local / ${u32(lanes)};`,
      ]
      : [`let row = group / ${u32(chunks)};`, "let walker = local;"]),
    `let part = group % ${u32(chunks)};`,
    `let begin = part * ${u32(chunk)};`,
    `let end = min(begin + ${u32(chunk)}, ${u32(length)});`,
  ];
  const body = [
    ...bounds,
    ...source.start(buffers),
    ...accumulator(reduction),
    `for (var position = begin + walker; position < end; position = position + ${u32(threads / lanes)}) {`,
    ...emitted.lines,
    accumulate(reduction, emitted.value, emitted.index),
    "}",
    ...treeLines(reduction, threads),
    several ? `if (local < ${u32(lanes)} && own_row < ${u32(rows)}) {` : "if (local == 0u) {",
    ...sink.emit(buffers, scalars, "shared_values[local]", "shared_indices[local]"),
    "}",
  ].join("\n");
  const declarations = `${prelude(reduction)}var<workgroup> shared_values: array<${type}, ${threads}>;
${isArg(reduction.combine) ? `var<workgroup> shared_indices: array<u32, ${threads}>;\n` : ""}`;
  return groupDispatch(
    { label: reduction.label, buffers, count: Math.ceil(rows / lanes) * chunks, threads, declarations, body, scalars },
    limits,
  );
}

/** Combines what the invocations of a workgroup hold for each of its rows, by halves. */
function treeLines(reduction: RowReduction, threads: number): string[] {
  const { lanes = 1 } = reduction;
  const arg = isArg(reduction.combine);
  const merge = arg
    ? `if (better(shared_values[local + step], shared_indices[local + step], shared_values[local], shared_indices[local])) {
  shared_values[local] = shared_values[local + step];
  shared_indices[local] = shared_indices[local + step];
}`
    : `shared_values[local] = ${combineValues(reduction, "shared_values[local]", "shared_values[local + step]")};`;
  return [
    "shared_values[local] = total;",
    ...(arg ? ["shared_indices[local] = totalIndex;"] : []),
    "workgroupBarrier();",
    `for (var step = ${u32(threads / 2)}; step >= ${u32(lanes)}; step = step / 2u) {`,
    `if (local < step) {\n${merge}\n}`,
    "workgroupBarrier();",
    "}",
  ];
}

function accumulator({ combine, type }: RowReduction): string[] {
  const neutral = neutralText(isArg(combine) ? (combine === "argmax" ? "max" : "min") : combine, type);
  return [`var total: ${type} = ${neutral};`, ...(isArg(combine) ? ["var totalIndex = 0xffffffffu;"] : [])];
}

function accumulate(reduction: RowReduction, value: string, index: string): string {
  if (!isArg(reduction.combine)) return `total = ${combineValues(reduction, "total", value)};`;
  return `if (better(${value}, ${index}, total, totalIndex)) { total = ${value}; totalIndex = ${index}; }`;
}

function combineValues({ combine, type }: RowReduction, a: string, b: string): string {
  return isArg(combine) ? a : combineText(combine, type, a, b);
}

/** The functions and scalars that a pass needs. */
function prelude(reduction: RowReduction): string {
  const exprs = [...reduction.source.exprs, ...reduction.sink.exprs];
  const functions: Set<FunctionName> = functionsOf(...exprs);
  for (const name of combineFunctions(reduction.combine, reduction.type)) functions.add(name);
  return scalarDeclaration(scalarList(...exprs)) + functionSource(functions) + (isArg(reduction.combine) ? betterSource(reduction) : "");
}

/** The functions that {@link combineText} and {@link betterSource} call. */
export function combineFunctions(combine: Combine, type: "f32" | "i32" | "u32"): FunctionName[] {
  if (type !== "f32") return [];
  return combine === "max" ? ["max32"] : combine === "min" ? ["min32"] : isArg(combine) ? ["isNaN32"] : [];
}

/** Whether one candidate beats another: NaN first, then the value, then the smaller position. */
function betterSource({ combine, type }: RowReduction): string {
  const beats = combine === "argmax" ? "a > b" : "a < b";
  const nan = type === "f32" ? "  if (isNaN32(a) != isNaN32(b)) { return isNaN32(a); }\n  if (isNaN32(a)) { return i < j; }\n" : "";
  return `fn better(a: ${type}, i: u32, b: ${type}, j: u32) -> bool {\n${nan}  if (a == b) { return i < j; }\n  return ${beats};\n}\n`;
}

/** The values of an expression over views whose last `reduced` dims are the row. */
export function expressionSource(expr: Expr, inputs: readonly View[], reduced: number): RowSource {
  const slots = inputSlots(expr);
  return {
    uses: slots.map((slot) => readInput(`input${slot}`, slot, inputs[slot]!)),
    exprs: [expr],
    start: () => rowStarts(slots, inputs, reduced),
    emit: (buffers, scalars) => {
      const { lines, outputs } = emitExpr(expr, {
        combined: true,
        index: "position",
        scalars,
        input: (slot, dtype) => rowElement(buffers, slot, dtype, inputs[slot]!, reduced),
      });
      return { lines, value: toCompute(outputType(expr, 0), outputs[0]!), index: "position" };
    },
  };
}

/** The statements that find where a row begins in each input. */
export function rowStarts(slots: readonly number[], inputs: readonly View[], reduced: number): string[] {
  return slots.map((slot) => {
    const { shape, strides, offset } = inputs[slot]!;
    const outer = shape.length - reduced;
    return `let start${slot} = ${elementPosition("row", { shape: shape.slice(0, outer), strides: strides.slice(0, outer), offset })};`;
  });
}

/** The element of an input at `position` of the row, as a value. */
export function rowElement(buffers: Buffers, slot: number, dtype: DType, view: View, reduced: number): string {
  return loaded(dtype, buffers.element(`input${slot}`, rowPosition(slot, view, reduced)));
}

/** The position in memory of an input at `position` of the row. */
export function rowPosition(slot: number, view: View, reduced: number): string {
  const outer = view.shape.length - reduced;
  const inner = elementPosition("position", { shape: view.shape.slice(outer), strides: view.strides.slice(outer), offset: 0 });
  return `start${slot} + ${inner}`;
}

/** The number of rows and their length. */
export function rowShape(shape: readonly number[], reduced: number): { readonly rows: number; readonly length: number } {
  const outer = shape.length - reduced;
  return { rows: sizeOf(shape.slice(0, outer)), length: sizeOf(shape.slice(outer)) };
}

/** A value of an expression as the type in which it is reduced: bool as 0 or 1, float16 as f32. */
export function toCompute(dtype: DType, value: string): string {
  return dtype === "bool" ? `select(0u, 1u, ${value})` : dtype === "float16" ? `f32(${value})` : value;
}

/** The reverse of {@link toCompute}. */
export function fromCompute(dtype: DType, value: string): string {
  return dtype === "bool" ? `(${value} != 0u)` : dtype === "float16" ? `f16(${value})` : value;
}

/** Whether a combination gives positions. */
function isArg(combine: Combine): combine is "argmax" | "argmin" {
  return combine === "argmax" || combine === "argmin";
}

function temporaryUses(first: number, combine: Combine, type: "f32" | "i32" | "u32"): BufferUse[] {
  const values = temporary(`partials${first}`, first, elementOf(type), "read");
  return isArg(combine) ? [values, temporary(`partials${first + 1}`, first + 1, "uint32", "read")] : [values];
}

function partialSource(partials: readonly BufferUse[], chunks: number): RowSource {
  const at = `row * ${u32(chunks)} + position`;
  return {
    uses: partials,
    exprs: [],
    start: () => [],
    emit: (buffers) => {
      const index = partials[1] === undefined ? "position" : "partialIndex";
      const lines = [`let partial = ${buffers.element(partials[0]!.name, at)};`];
      if (partials[1] !== undefined) lines.push(`let partialIndex = ${buffers.element(partials[1].name, at)};`);
      return { lines, value: "partial", index };
    },
  };
}
