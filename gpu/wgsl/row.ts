/**
 * The row family: several reductions and maps over one row in one kernel.
 *
 * Short rows take one invocation each, longer ones a workgroup that meets in a tree after each stage. Rows too long for one workgroup
 * are done stage by stage with the reduce family's passes, the stages' results kept per row in temporaries.
 *
 * @module
 */
import { byteSize, type DType } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { RowKernel, RowStage, View } from "../../tensor/kernel.ts";
import { emitExpr, functionsOf, scalarDeclaration, scalarList } from "./expr.ts";
import { functionSource } from "./functions.ts";
import { bindFours, type FourReads, readFours, worthFours } from "./fours.ts";
import { checkTypes, inputSlots, outputType } from "./map.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  combineFunctions,
  expressionSource,
  fromCompute,
  reduceRows,
  rowElement,
  rowPosition,
  rowShape,
  type RowSource,
  rowStarts,
  toCompute,
  walk,
} from "./reduce.ts";
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
  type FourPattern,
  fourPattern,
  groupDispatch,
  neutralText,
  readInput,
  temporary,
  u32,
  writeOutput,
} from "./shader.ts";
import { loaded, storageType, stored } from "./types.ts";

/** A row beyond this is spread over several workgroups; within it an invocation of 256 walks at most 256 elements a stage. */
const longestRow = 65536;

/** What the parts of a row kernel need to know. */
interface RowPlan {
  readonly kernel: RowKernel;
  readonly inputs: readonly View[];
  readonly outputs: readonly View[];
  readonly rows: number;
  readonly length: number;
  readonly buffers: Buffers;
  readonly scalars: Dispatch["scalars"];
  /** The WGSL names of the stages' results, in their value types. */
  readonly result: (slot: number, dtype: DType) => string;
  /** Four neighbours are read and written at once. */
  readonly fours: boolean;
}

/** Writes the dispatches of a row kernel. */
export function planRow(kernel: RowKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const { rows, length } = rowShape(inputs[0]!.shape, kernel.reduced);
  if (outputs.every((view) => sizeOf(view.shape) === 0)) return emptyPlan;
  const exprs = allExprs(kernel);
  for (const expr of exprs) checkTypes("row", expr, inputs);
  if (length > longestRow) return planLongRows(kernel, inputs, outputs, limits);
  const slots = length === 0 ? [] : inputSlots(...exprs);
  const uses = [...slots.map((slot) => readInput(`input${slot}`, slot, inputs[slot]!)), ...outputUses(outputs)];
  const { buffers, whole: fours } = bindFours(uses, rowPatterns(kernel, inputs, outputs, slots, limits));
  const scalars = scalarList(...exprs);
  const plan: RowPlan = { kernel, inputs, outputs, rows, length, buffers, scalars, result: (slot) => `result${slot}`, fours };
  const start = rowStarts(slots, inputs, kernel.reduced);
  const dispatch = length <= walk ? shortRows(plan, start, limits) : workgroupRows(plan, start, limits);
  return { temporaries: [], dispatches: [dispatch] };
}

/** Rows of at least so many elements may be walked in fours: four for each of 256 invocations. */
const fourLength = 1024;

/** How the views stand in fours, inputs first, then outputs; empty where they do not or it is not worth it. */
function rowPatterns(
  kernel: RowKernel,
  inputs: readonly View[],
  outputs: readonly View[],
  slots: readonly number[],
  limits: Limits,
): readonly (FourPattern | undefined)[] {
  const { rows, length } = rowShape(inputs[0]!.shape, kernel.reduced);
  // What a row's own outputs read is a single element.
  if (kernel.outputs.some(({ per, expr }) => per === "row" && inputSlots(expr).length > 0)) return [];
  if (length < fourLength || length % 4 !== 0 || !worthFours(rows * length, limits, ...allExprs(kernel))) return [];
  return [
    ...slots.map((slot) => fourPattern(inputs[slot]!)),
    ...outputs.map((view, i) => kernel.outputs[i]!.per === "row" ? "same" : fourPattern(view)),
  ];
}

function allExprs(kernel: RowKernel): Expr[] {
  return [...kernel.stages.map(({ expr }) => expr), ...kernel.outputs.map(({ expr }) => expr)];
}

function outputUses(outputs: readonly View[]): BufferUse[] {
  return outputs.flatMap((view, i) => sizeOf(view.shape) === 0 ? [] : [writeOutput(`output${i}`, i, view)]);
}

/** One invocation per row. */
function shortRows(plan: RowPlan, start: readonly string[], limits: Limits): Dispatch {
  const { kernel, rows, buffers, scalars } = plan;
  const body = [
    "let row = element;",
    ...start,
    ...kernel.stages.flatMap((stage, i) => [
      ...walkLines(plan, stage, `total${i}`, "0u", 1),
      `let result${i} = ${fromCompute(outputType(stage.expr, 0), `total${i}`)};`,
    ]),
    ...elementLines(plan, "0u", 1),
    ...perRowLines(plan),
  ].join("\n");
  return elementDispatch({ label: "row", buffers, size: rows, declarations: prelude(plan), body, scalars }, limits);
}

/** One workgroup per row. */
function workgroupRows(plan: RowPlan, start: readonly string[], limits: Limits): Dispatch {
  const { kernel, rows, length, buffers, scalars } = plan;
  const threads = Math.min(length <= 512 ? 64 : 256, limits.workgroupInvocations);
  const body = [
    "let row = group;",
    ...start,
    ...kernel.stages.flatMap((stage, i) => stageLines(plan, stage, i, threads)),
    ...elementLines(plan, "local", threads),
    "if (local == 0u) {",
    ...perRowLines(plan),
    "}",
  ].join("\n");
  const types = new Set(kernel.stages.map(({ expr }) => computeElement(outputType(expr, 0))));
  const shared = [...types].map((type) => `var<workgroup> shared_${type}: array<${type}, ${threads}>;\n`).join("");
  return groupDispatch({ label: "row", buffers, count: rows, threads, declarations: prelude(plan) + shared, body, scalars }, limits);
}

/** A stage over a workgroup: every invocation walks its part, then halves are combined and all read the first place. */
function stageLines(plan: RowPlan, stage: RowStage, i: number, threads: number): string[] {
  const dtype = outputType(stage.expr, 0);
  const type = computeElement(dtype);
  const shared = `shared_${type}`;
  return [
    ...walkLines(plan, stage, `total${i}`, "local", threads),
    `${shared}[local] = total${i};`,
    "workgroupBarrier();",
    `for (var step = ${u32(threads / 2)}; step > 0u; step = step / 2u) {`,
    `if (local < step) { ${shared}[local] = ${combineText(stage.combine, type, `${shared}[local]`, `${shared}[local + step]`)}; }`,
    "workgroupBarrier();",
    "}",
    `let result${i} = ${fromCompute(dtype, `${shared}[0]`)};`,
    "workgroupBarrier();",
  ];
}

/** Combines a stage's values at every `step`th position from `first` on into the variable `total`. */
function walkLines(plan: RowPlan, stage: RowStage, total: string, first: string, step: number): string[] {
  const type = computeElement(outputType(stage.expr, 0));
  const head = [`var ${total}: ${type} = ${neutralText(stage.combine, type)};`];
  if (plan.length === 0) return head;
  if (plan.fours) return [...head, ...walkFours(plan, stage, total, first, step)];
  const { lines, outputs } = emitAt(plan, stage.expr, "v", { combined: true });
  const value = toCompute(outputType(stage.expr, 0), outputs[0]!);
  return [
    ...head,
    `for (var position = ${first}; position < ${u32(plan.length)}; position = position + ${u32(step)}) {`,
    ...lines,
    `${total} = ${combineText(stage.combine, type, total, value)};`,
    "}",
  ];
}

/** The same, four neighbours at a time. */
function walkFours(plan: RowPlan, stage: RowStage, total: string, first: string, step: number): string[] {
  const dtype = outputType(stage.expr, 0);
  const type = computeElement(dtype);
  const reads = readRow(plan, inputSlots(stage.expr));
  const lanes = [0, 1, 2, 3].map((lane) => emitAt(plan, stage.expr, `v${lane}_`, { four: { reads, lane }, combined: true }));
  const [a, b, c, d] = lanes.map(({ outputs }) => toCompute(dtype, outputs[0]!)) as [string, string, string, string];
  const join = (left: string, right: string) => combineText(stage.combine, type, left, right);
  return [
    `for (var position = ${first} * 4u; position < ${u32(plan.length)}; position = position + ${u32(4 * step)}) {`,
    ...reads.lines,
    ...lanes.flatMap(({ lines }) => lines),
    `let pair = ${join(a, b)};`,
    `let other = ${join(c, d)};`,
    `let four = ${join("pair", "other")};`,
    `${total} = ${join(total, "four")};`,
    "}",
  ];
}

/** Reads four neighbours of inputs from `position` of the row on. */
function readRow({ buffers, inputs, kernel }: RowPlan, slots: readonly number[]): FourReads {
  return readFours(buffers, slots, (slot) => rowPosition(slot, inputs[slot]!, kernel.reduced));
}

/** Computes every output of one value per element, four neighbours at a time. */
function elementFours(plan: RowPlan, first: string, step: number): string[] {
  const { kernel, outputs, length, buffers } = plan;
  const chosen = kernel.outputs.flatMap(({ per, expr }, i) => per === "element" ? [{ expr, i }] : []);
  if (chosen.length === 0) return [];
  const reads = readRow(plan, inputSlots(...chosen.map(({ expr }) => expr)));
  const emitted = chosen.map(({ expr, i }) => ({
    i,
    dtype: outputType(expr, 0),
    lanes: [0, 1, 2, 3].map((lane) => emitAt(plan, expr, `o${i}_${lane}_`, { four: { reads, lane } })),
  }));
  return [
    `for (var position = ${first} * 4u; position < ${u32(length)}; position = position + ${u32(4 * step)}) {`,
    `let place = row * ${u32(length)} + position;`,
    ...reads.lines,
    ...emitted.flatMap(({ lanes }) => lanes.flatMap(({ lines }) => lines)),
    ...emitted.map(({ i, dtype, lanes }) => {
      const values = lanes.map((lane) => stored(dtype, lane.outputs[0]!)).join(", ");
      return buffers.storeFour(`output${i}`, elementPosition("place", outputs[i]!), `vec4<${storageType(dtype)}>(${values})`);
    }),
    "}",
  ];
}

/** Computes every output of one value per element, all of a position before the first is stored, since one may replace an input. */
function elementLines(plan: RowPlan, first: string, step: number): string[] {
  if (plan.fours) return elementFours(plan, first, step);
  const { kernel, outputs, length } = plan;
  const stores: string[] = [];
  const lines: string[] = [];
  for (const [i, output] of kernel.outputs.entries()) {
    if (output.per !== "element" || length === 0) continue;
    const emitted = emitAt(plan, output.expr, `o${i}_`);
    lines.push(...emitted.lines);
    const position = elementPosition("place", outputs[i]!);
    stores.push(plan.buffers.store(`output${i}`, position, stored(outputType(output.expr, 0), emitted.outputs[0]!)));
  }
  if (stores.length === 0) return [];
  const loop = `for (var position = ${first}; position < ${u32(length)}; position = position + ${u32(step)}) {`;
  return [loop, `let place = row * ${u32(length)} + position;`, ...lines, ...stores, "}"];
}

/** Stores every output of one value per row; inputs stand at the row's first position. */
function perRowLines(plan: RowPlan): string[] {
  if (!plan.kernel.outputs.some(({ per }) => per === "row")) return [];
  const stores = plan.kernel.outputs.flatMap((output, i) => {
    if (output.per !== "row") return [];
    const { lines, outputs } = emitAt(plan, output.expr, `r${i}_`);
    const position = elementPosition("row", plan.outputs[i]!);
    return [...lines, plan.buffers.store(`output${i}`, position, stored(outputType(output.expr, 0), outputs[0]!))];
  });
  return ["let position = 0u;", ...stores];
}

/** An expression at `position` of the row, or at one of the four elements that were read from there on. */
function emitAt(
  { kernel, inputs, buffers, scalars, result }: RowPlan,
  expr: Expr,
  prefix: string,
  { four, combined = false }: { readonly four?: { readonly reads: FourReads; readonly lane: number }; readonly combined?: boolean } = {},
) {
  return emitExpr(expr, {
    prefix,
    combined,
    scalars,
    result,
    index: four === undefined ? "position" : `(position + ${u32(four.lane)})`,
    input: (slot, dtype) =>
      four === undefined
        ? rowElement(buffers, slot, dtype, inputs[slot]!, kernel.reduced)
        : loaded(dtype, four.reads.element(slot, four.lane)),
  });
}

function prelude({ kernel, scalars }: RowPlan): string {
  const functions = functionsOf(...allExprs(kernel));
  for (const { combine, expr } of kernel.stages) {
    for (const name of combineFunctions(combine, computeElement(outputType(expr, 0)))) functions.add(name);
  }
  return scalarDeclaration(scalars) + functionSource(functions);
}

/** Stage by stage over many workgroups, then one invocation per element and one per row. */
function planLongRows(kernel: RowKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const { rows, length } = rowShape(inputs[0]!.shape, kernel.reduced);
  const temporaries: number[] = [];
  const dispatches: Dispatch[] = [];
  const results: { readonly use: BufferUse; readonly dtype: DType }[] = [];
  for (const stage of kernel.stages) {
    const dtype = outputType(stage.expr, 0);
    const type = computeElement(dtype);
    const place = temporaries.length;
    temporaries.push(rows * byteSize.float32);
    const use = temporary(`result${results.length}`, place, elementOf(type), "read");
    const plan = reduceRows({
      label: "row",
      rows,
      length,
      combine: stage.combine,
      type,
      source: withResults(expressionSource(stage.expr, inputs, kernel.reduced), stage.expr, inputs, kernel.reduced, results),
      sink: {
        uses: [{ ...use, name: "stage", access: "read_write" }],
        exprs: [],
        emit: (buffers, _scalars, value) => [buffers.store("stage", "row", value)],
      },
      firstTemporary: temporaries.length,
    }, limits);
    temporaries.push(...plan.temporaries);
    dispatches.push(...plan.dispatches);
    results.push({ use, dtype });
  }
  const perElement = kernel.outputs.some(({ per }) => per === "element");
  const perRow = kernel.outputs.some(({ per }) => per === "row");
  if (perElement) dispatches.push(finalPass(kernel, inputs, outputs, results, "element", rows * length, limits));
  if (perRow) dispatches.push(finalPass(kernel, inputs, outputs, results, "row", rows, limits));
  return { temporaries, dispatches };
}

/** The same values with the results of the stages before read from temporaries. */
function withResults(
  source: RowSource,
  expr: Expr,
  inputs: readonly View[],
  reduced: number,
  results: readonly { readonly use: BufferUse; readonly dtype: DType }[],
): RowSource {
  const used = resultSlots(expr);
  return {
    ...source,
    uses: [...source.uses, ...used.map((slot) => results[slot]!.use)],
    start: (buffers) => [...source.start(buffers), ...resultLines(buffers, used, results)],
    emit: (buffers, scalars) => {
      const { lines, outputs } = emitExpr(expr, {
        combined: true,
        index: "position",
        scalars,
        result: (slot) => `stageResult${slot}`,
        input: (slot, dtype) => rowElement(buffers, slot, dtype, inputs[slot]!, reduced),
      });
      return { lines, value: toCompute(outputType(expr, 0), outputs[0]!), index: "position" };
    },
  };
}

function resultSlots(...exprs: Expr[]): number[] {
  const slots = exprs.flatMap(({ nodes }) => nodes.flatMap((node) => node.kind === "result" ? [node.slot] : []));
  return [...new Set(slots)].sort((a, b) => a - b);
}

function resultLines(
  buffers: Buffers,
  slots: readonly number[],
  results: readonly { readonly use: BufferUse; readonly dtype: DType }[],
): string[] {
  return slots.map((slot) => `let stageResult${slot} = ${fromCompute(results[slot]!.dtype, buffers.element(`result${slot}`, "row"))};`);
}

/** Computes the outputs per element or per row once every stage's result is there. */
function finalPass(
  kernel: RowKernel,
  inputs: readonly View[],
  outputs: readonly View[],
  results: readonly { readonly use: BufferUse; readonly dtype: DType }[],
  per: "element" | "row",
  size: number,
  limits: Limits,
): Dispatch {
  const { rows, length } = rowShape(inputs[0]!.shape, kernel.reduced);
  const chosen = kernel.outputs.flatMap((output, i) => output.per === per ? [{ expr: output.expr, i }] : []);
  const exprs = chosen.map(({ expr }) => expr);
  const slots = inputSlots(...exprs);
  const used = resultSlots(...exprs);
  const buffers = bindBuffers([
    ...slots.map((slot) => readInput(`input${slot}`, slot, inputs[slot]!)),
    ...used.map((slot) => results[slot]!.use),
    ...chosen.map(({ i }) => writeOutput(`output${i}`, i, outputs[i]!)),
  ]);
  const scalars = scalarList(...exprs);
  const plan: RowPlan = { kernel, inputs, outputs, rows, length, buffers, scalars, result: (slot) => `stageResult${slot}`, fours: false };
  const emitted = chosen.map(({ expr, i }) => ({ ...emitAt(plan, expr, `o${i}_`), expr, i }));
  const body = [
    ...(per === "row"
      ? ["let row = element;", "let position = 0u;"]
      : [`let row = element / ${u32(length)};`, `let position = element % ${u32(length)};`]),
    ...rowStarts(slots, inputs, kernel.reduced),
    ...resultLines(buffers, used, results),
    ...emitted.flatMap(({ lines }) => lines),
    ...emitted.map((one) =>
      buffers.store(`output${one.i}`, elementPosition("element", outputs[one.i]!), stored(outputType(one.expr, 0), one.outputs[0]!))
    ),
  ].join("\n");
  return elementDispatch({
    label: "row",
    buffers,
    size,
    declarations: scalarDeclaration(scalars) + functionSource(functionsOf(...exprs)),
    body,
    scalars,
  }, limits);
}
