/**
 * Row programs: reductions along rows and outputs from their results, the common form of reduce and row kernels. This file plans them and
 * writes their arguments; row_code.ts writes their code.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import { type Expr, type ExprNode, outputTypes } from "../../tensor/expr.ts";
import type { Combine, View } from "../../tensor/kernel.ts";
import {
  address,
  type ArgumentBlock,
  fitsBlock,
  joinDims,
  type Nest,
  type ScalarSlot,
  scalarSlots,
  stepOf,
  writeOdometer,
} from "./block.ts";
import type { WasmFunction } from "./encoder.ts";
import { inputTypes, nanosecondsOf } from "./map.ts";
import { elementBytes, type Step } from "./operands.ts";
import { isSupported } from "./scalar.ts";
import type { BlockLayout } from "./split.ts";

/** What is computed per row. */
export interface RowProgram {
  /** How many of the last dims are the row. */
  readonly reduced: number;
  /** The reductions, in order. */
  readonly stages: readonly { readonly combine: Combine; readonly expr: Expr }[];
  /** What is stored, per element or per row. */
  readonly outputs: readonly { readonly per: "element" | "row"; readonly expr: Expr }[];
}

/** A stage whose values an output needs again: they are stored there and read back, instead of being computed twice. */
export interface Reuse {
  /** The stage's number. */
  readonly stage: number;
  /** The output's number. */
  readonly output: number;
  /** The output's expression, reading the stage's value as input number `inputs + output`. */
  readonly expr: Expr;
}

/** What is known of a program, whatever the shapes. */
export interface RowPlan {
  /** What is computed. */
  readonly program: RowProgram;
  /** The number of inputs. */
  readonly inputs: number;
  /** The scalars that are asked for. */
  readonly slots: readonly ScalarSlot[];
  /** The types of inputs, then outputs. */
  readonly dtypes: readonly DType[];
  /** Bytes of their elements. */
  readonly bytes: readonly number[];
  /** Whether an operand moves along the row (inputs and outputs per element). */
  readonly alongRow: readonly boolean[];
  /** Whether positions matter, so that the row's dims keep their order. */
  readonly ordered: boolean;
  /** What an element takes, roughly. */
  readonly nanoseconds: number;
  /** What needs not be computed twice. */
  readonly reuse: Reuse | undefined;
  /** By the number that {@link writeArguments} gives. */
  readonly variants: Map<number, WasmFunction>;
}

/** One way to run a plan. */
export interface RowVariant {
  /** `runs`: vectors lie along the row; `columns`: each lane is a row of its own. */
  readonly layout: "runs" | "columns";
  /** Whether a row consists of several runs. */
  readonly manyRuns: boolean;
  /** Whether the plan's reuse applies. */
  readonly reuse: boolean;
  /** How each operand moves in the direction of the vectors. */
  readonly steps: readonly Step[];
}

/** Words: vector dim's size, outer dims, run dims, steps of a run (columns), address of the run odometer. */
export const headWords = 5;

/** Plans a program, or says by null that the reference has to run it. */
export function planRows(program: RowProgram, inputs: number): RowPlan | null {
  const exprs = [...program.stages, ...program.outputs].map(({ expr }) => expr);
  if (!exprs.every(isSupported)) return null;
  const dtypes: DType[] = [...inputTypes(exprs, inputs), ...program.outputs.flatMap(({ expr }) => outputTypes(expr))];
  const slots = scalarSlots(exprs);
  if (!fitsBlock(headWords + 3 * dtypes.length + slots.length + 32 * (2 + dtypes.length))) return null;
  const args = program.stages.some(({ combine }) => combine === "argmax" || combine === "argmin");
  return {
    program,
    inputs,
    slots,
    dtypes,
    bytes: dtypes.map(elementBytes),
    alongRow: dtypes.map((_, k) => k < inputs || program.outputs[k - inputs]!.per === "element"),
    ordered: args || exprs.some((expr) => expr.nodes.some(({ kind }) => kind === "index")),
    nanoseconds: nanosecondsOf(exprs, dtypes.length),
    reuse: findReuse(program, inputs),
    variants: new Map(),
  };
}

/** Writes a call's arguments and gives its variant as a number; undefined when the rank is beyond the block. */
export function writeArguments(
  block: ArgumentBlock,
  plan: RowPlan,
  shape: readonly number[],
  views: readonly View[],
  scalars: readonly number[],
): number | undefined {
  const outer = shape.length - plan.program.reduced;
  const strides = views.map((view, k) => plan.alongRow[k] ? view.strides : [...view.strides, ...shape.slice(outer).map(() => 0)]);
  const kept = joinDims(shape, strides, 0, outer);
  const row = joinDims(shape, strides, outer, shape.length, plan.ordered ? undefined : 0);
  if (kept.sizes.length > 16 || row.sizes.length > 16) return undefined;
  const columns = prefersColumns(plan, kept, row);
  const vectors = columns ? kept : row;
  const outerDims = columns ? kept.sizes.length - 1 : kept.sizes.length;
  const empty = row.sizes.includes(0);
  const runDims = empty ? 0 : Math.max(row.sizes.length - 1, 0);
  const { words } = block;
  const count = views.length;
  words[0] = !columns && empty ? 0 : vectors.sizes.at(-1) ?? 1;
  words[1] = outerDims;
  words[2] = runDims;
  words[3] = empty ? 0 : row.sizes.at(-1) ?? 1;
  let variant = 0;
  for (let k = count - 1; k >= 0; k--) {
    const stride = vectors.strides[k]!.at(-1) ?? 1;
    const bytes = plan.bytes[k]!;
    words[headWords + k] = address(views[k]!);
    words[headWords + count + k] = stride * bytes;
    words[headWords + 2 * count + k] = (row.strides[k]!.at(-1) ?? 0) * bytes;
    variant = variant * 3 + steps.indexOf(stepOf(stride));
  }
  const scalarsAt = headWords + 3 * count;
  block.writeScalars(scalarsAt, plan.slots, scalars);
  const runsAt = writeOdometer(block, scalarsAt + plan.slots.length, kept, outerDims, plan.bytes);
  words[4] = block.pointer + runsAt * 4;
  writeOdometer(block, runsAt, row, runDims, plan.bytes);
  return variant * 8 + (columns ? 4 : 0) + (runDims > 0 ? 2 : 0) + (canReuse(plan, views, shape) ? 1 : 0);
}

/** Where {@link writeArguments} has put what. */
export function layoutOf(block: ArgumentBlock, plan: RowPlan, { layout }: RowVariant): BlockLayout {
  const operands = plan.dtypes.length;
  const [dims, runDims] = [block.words[1]!, block.words[2]!];
  const odometer = headWords + 3 * operands + plan.slots.length;
  return {
    operands,
    pointers: headWords,
    strides: headWords + operands,
    odometer,
    dims,
    words: odometer + (dims + runDims) * (2 + operands),
    cutsVectors: layout === "columns",
  };
}

/** The variant behind a number. */
export function variantOf(variant: number, count: number): RowVariant {
  const flags = variant % 8;
  const pattern = (variant - flags) / 8;
  return {
    layout: flags & 4 ? "columns" : "runs",
    manyRuns: (flags & 2) !== 0,
    reuse: (flags & 1) !== 0,
    steps: Array.from({ length: count }, (_, k) => steps[Math.floor(pattern / 3 ** k) % 3]!),
  };
}

const steps: readonly Step[] = ["contiguous", "repeated", "strided"];

/** Lanes across rows pay where rows are single elements, very short, or only the kept dims are dense. */
function prefersColumns(plan: RowPlan, kept: Nest, row: Nest): boolean {
  if (kept.sizes.length === 0) return false;
  const dense = (nest: Nest) => plan.alongRow.every((along, k) => !along || stepOf(nest.strides[k]!.at(-1)!) !== "strided");
  if (row.sizes.length === 0) return true;
  if (row.sizes.length === 1 && row.sizes[0]! < 8 && kept.sizes.at(-1)! >= 8) return true;
  return !dense(row) && dense(kept);
}

/** Values may wait in an output if it lies apart from all inputs and holds them one by one. */
function canReuse(plan: RowPlan, views: readonly View[], shape: readonly number[]): boolean {
  if (plan.reuse === undefined) return false;
  const output = views[plan.inputs + plan.reuse.output]!;
  if (output.shape.length !== shape.length) return false;
  for (let k = 0; k < views.length; k++) {
    if (views[k] !== output && views[k]!.storage === output.storage) return false;
  }
  return true;
}

/** Looks for a costly stage value inside an output per element. */
function findReuse(program: RowProgram, inputs: number): Reuse | undefined {
  for (const [stage, { expr }] of program.stages.entries()) {
    const root = expr.outputs[0]!;
    const node = expr.nodes[root]!;
    if (node.dtype !== "float32" || !expr.nodes.some((each) => each.kind === "op" && costly.has(each.op))) continue;
    const key = keyOf(expr, root);
    for (const [output, { per, expr: target }] of program.outputs.entries()) {
      if (per !== "element" || outputTypes(target)[0] !== "float32") continue;
      const position = target.nodes.findIndex((_, at) => keyOf(target, at) === key);
      if (position >= 0) {
        return { stage, output, expr: replaceNode(target, position, { kind: "input", slot: inputs + output, dtype: "float32" }) };
      }
    }
  }
  return undefined;
}

const costly: ReadonlySet<string> = new Set(["exp", "log", "tanh", "sigmoid", "erf", "pow", "sin", "cos", "div", "sqrt"]);

function keyOf(expr: Expr, position: number): string {
  const node = expr.nodes[position]!;
  if (node.kind !== "op") return JSON.stringify(node);
  return `${node.op}:${node.dtype}(${node.args.map((arg) => keyOf(expr, arg)).join()})`;
}

/** The expression with one node exchanged, and without the nodes that nothing needs any more. */
function replaceNode(expr: Expr, position: number, replacement: ExprNode): Expr {
  const nodes = expr.nodes.map((node, at) => at === position ? replacement : node);
  const needed = new Set<number>(expr.outputs);
  for (let at = nodes.length - 1; at >= 0; at--) {
    const node = nodes[at]!;
    if (needed.has(at) && node.kind === "op") { for (const arg of node.args) needed.add(arg); }
  }
  const places = new Map([...needed].sort((a, b) => a - b).map((at, place) => [at, place]));
  const move = (at: number) => places.get(at)!;
  return {
    nodes: nodes.filter((_, at) => needed.has(at)).map((node) => node.kind === "op" ? { ...node, args: node.args.map(move) } : node),
    outputs: expr.outputs.map(move),
    key: `${expr.key} with ${position} stored`,
  };
}
