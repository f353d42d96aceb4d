/**
 * Row kernels in WebAssembly: softmax, norms and their like, each row read from cache after the first pass; and reductions, which are row
 * programs with one stage and one output per row.
 *
 * @module
 */
import { expression, outputTypes, result } from "../../tensor/expr.ts";
import type { ReduceKernel, View } from "../../tensor/kernel.ts";
import type { Accelerator } from "../accelerator.ts";
import { ArgumentBlock, KernelCache } from "./block.ts";
import { compileRows } from "./row_code.ts";
import type { WasmFunction } from "./encoder.ts";
import { layoutOf, planRows, type RowPlan, type RowProgram, type RowVariant, variantOf, writeArguments } from "./row_plan.ts";
import type { ScratchHeap } from "./scratch.ts";
import { runInPieces } from "./split.ts";
import { worthSharing } from "./tasks.ts";

/** Runs row programs on a heap, each compiled once per key and pattern; false leaves a program to the reference. */
type RowRunner = (
  key: string,
  program: () => RowProgram,
  inputs: readonly View[],
  outputs: readonly View[],
  scalars: readonly number[],
) => boolean;

/** Makes a runner of row programs. */
function createRowRunner(heap: ScratchHeap): RowRunner {
  const plans = new KernelCache<RowPlan | null>();
  let block: ArgumentBlock | undefined;
  return (key, program, inputs, outputs, scalars) => {
    block ??= new ArgumentBlock(heap);
    let plan = plans.get(key);
    if (plan === undefined || (plan !== null && plan.inputs !== inputs.length)) plans.set(key, plan = planRows(program(), inputs.length));
    if (plan === null) return false;
    const shape = shapeOf(plan, inputs, outputs);
    if (shape === undefined) return false;
    if (outputs.every((view) => view.shape.includes(0))) return true;
    const views = [...inputs, ...outputs];
    const variant = writeArguments(block, plan, shape, views, scalars);
    if (variant === undefined) return false;
    let run = plan.variants.get(variant);
    if (run === undefined) plan.variants.set(variant, run = compileRows(heap.memory, plan, variantOf(variant, views.length)));
    let nanoseconds = plan.nanoseconds;
    for (const n of shape) nanoseconds *= n;
    if (nanoseconds < worthSharing || !runRowsInPieces(heap, block, plan, run, variantOf(variant, views.length), nanoseconds)) {
      run(block.pointer);
    }
    return true;
  };
}

/** As one call of `run`, on several threads; false where that is not possible. */
function runRowsInPieces(
  heap: ScratchHeap,
  block: ArgumentBlock,
  plan: RowPlan,
  run: WasmFunction,
  variant: RowVariant,
  nanoseconds: number,
): boolean {
  return runInPieces(
    heap,
    block,
    run,
    nanoseconds,
    layoutOf(block, plan, variant),
    (words, pointer) => words[4]! += pointer - block.pointer,
  );
}

/** The shape of rows and elements, from an operand that has both. */
function shapeOf(plan: RowPlan, inputs: readonly View[], outputs: readonly View[]): readonly number[] | undefined {
  return inputs[0]?.shape ?? outputs[plan.program.outputs.findIndex(({ per }) => per === "element")]?.shape;
}

/** The accelerator of row kernels: everything but float64. */
export function createRowAccelerator(heap: ScratchHeap): Accelerator<"row"> {
  const run = createRowRunner(heap);
  return (kernel, inputs, outputs, scalars) => run(kernel.key, () => kernel, inputs, outputs, scalars);
}

/** The accelerator of reduce kernels: everything but float64. */
export function createReduceAccelerator(heap: ScratchHeap): Accelerator<"reduce"> {
  const run = createRowRunner(heap);
  return (kernel, inputs, outputs, scalars) => run(kernel.key, () => programOf(kernel), inputs, outputs, scalars);
}

function programOf({ reduced, combine, prologue, epilogue }: ReduceKernel): RowProgram {
  const arg = combine === "argmax" || combine === "argmin";
  const itself = () => expression([result(0, arg ? "int32" : outputTypes(prologue)[0]!)]);
  return { reduced, stages: [{ combine, expr: prologue }], outputs: [{ per: "row", expr: epilogue ?? itself() }] };
}
