/**
 * Reductions in WebAssembly: a row program with one stage and one output per row.
 *
 * @module
 */
import { expression, outputTypes, result } from "../../tensor/expr.ts";
import type { ReduceKernel } from "../../tensor/kernel.ts";
import type { Accelerator } from "../accelerator.ts";
import { createRowRunner } from "./row.ts";
import type { RowProgram } from "./row_plan.ts";
import type { ScratchHeap } from "./scratch.ts";

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
