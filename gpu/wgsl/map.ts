/**
 * The map family: one invocation per element, any strides on either side.
 *
 * @module
 */
import { sizeOf } from "../../tensor/shape.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import { emitExpr, exprPrelude, scalarList } from "./expr.ts";
import type { Limits, Plan } from "./program.ts";
import { bindBuffers, elementDispatch, elementPosition, emptyPlan, readInput, writeOutput } from "./shader.ts";
import { loaded, stored } from "./types.ts";

/** Writes the dispatch of a map. Inputs that the expression does not use are not bound. */
export function planMap(kernel: MapKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const { expr } = kernel;
  const size = sizeOf(outputs[0]!.shape);
  if (size === 0) return emptyPlan;
  checkTypes("map", expr, inputs);
  const used = inputSlots(expr);
  const buffers = bindBuffers([
    ...used.map((slot) => readInput(`input${slot}`, slot, inputs[slot]!)),
    ...outputs.map((view, i) => writeOutput(`output${i}`, i, view)),
  ]);
  const scalars = scalarList(expr);
  const { lines, outputs: values } = emitExpr(expr, {
    index: "element",
    scalars,
    input: (slot, dtype) => loaded(dtype, buffers.element(`input${slot}`, elementPosition("element", inputs[slot]!))),
  });
  const stores = outputs.map((view, i) =>
    buffers.store(`output${i}`, elementPosition("element", view), stored(outputType(expr, i), values[i]!))
  );
  const body = [...lines, ...stores].map((line) => `  ${line}`).join("\n");
  return {
    temporaries: [],
    dispatches: [elementDispatch({ label: "map", buffers, size, declarations: exprPrelude(scalars, expr), body, scalars }, limits)],
  };
}

/** The numbers of the inputs that expressions read, in order. */
export function inputSlots(...exprs: (Expr | undefined)[]): number[] {
  const slots = new Set<number>();
  for (const expr of exprs) {
    for (const node of expr?.nodes ?? []) if (node.kind === "input") slots.add(node.slot);
  }
  return [...slots].sort((a, b) => a - b);
}

/** The type of an expression's output number `i`. */
export function outputType(expr: Expr, i: number): Expr["nodes"][number]["dtype"] {
  return expr.nodes[expr.outputs[i]!]!.dtype;
}

/**
 * Checks that an expression reads its inputs in the types they have.
 *
 * @throws DTypeError when one differs.
 */
export function checkTypes(op: string, expr: Expr, inputs: readonly View[]): void {
  for (const node of expr.nodes) {
    if (node.kind !== "input" || inputs[node.slot]?.dtype === node.dtype) continue;
    throw new DTypeError(`Cannot ${op}: ${node.dtype} is needed for input ${node.slot}, got ${inputs[node.slot]?.dtype ?? "none"}`, { op });
  }
}
