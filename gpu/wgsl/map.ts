/**
 * The map family: one invocation per element, any strides on either side; in large maps one per four elements, where four are neighbours in
 * memory or one and the same in every view.
 *
 * @module
 */
import { sizeOf } from "../../tensor/shape.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import { emitExpr, exprPrelude, scalarList } from "./expr.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import { bindFours, readFours, worthFours } from "./fours.ts";
import { type Buffers, elementDispatch, elementPosition, emptyPlan, fourPattern, readInput, u32, writeOutput } from "./shader.ts";
import { loaded, storageType, stored } from "./types.ts";

/** Writes the dispatch of a map. Inputs that the expression does not use are not bound. */
export function planMap(kernel: MapKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const { expr } = kernel;
  const size = sizeOf(outputs[0]!.shape);
  if (size === 0) return emptyPlan;
  checkTypes("map", expr, inputs);
  const used = inputSlots(expr);
  const views = [...used.map((slot) => inputs[slot]!), ...outputs];
  const uses = [
    ...used.map((slot) => readInput(`input${slot}`, slot, inputs[slot]!)),
    ...outputs.map((view, i) => writeOutput(`output${i}`, i, view)),
  ];
  const { buffers, whole } = bindFours(uses, worthFours(size, limits, expr) ? views.map(fourPattern) : []);
  const map: MapSource = { expr, used, inputs, outputs, buffers, scalars: scalarList(expr) };
  const elements = {
    label: "map",
    buffers,
    size: whole ? size / 4 : size,
    declarations: exprPrelude(map.scalars, expr),
    body: (whole ? fourLines(map) : elementLines(map)).map((line) => `  ${line}`).join("\n"),
    scalars: map.scalars,
  };
  return { temporaries: [], dispatches: [elementDispatch(elements, limits)] };
}

/** What the statements of a map are written from. */
interface MapSource {
  readonly expr: Expr;
  readonly used: readonly number[];
  readonly inputs: readonly View[];
  readonly outputs: readonly View[];
  readonly buffers: Buffers;
  readonly scalars: Dispatch["scalars"];
}

function elementLines({ expr, inputs, outputs, buffers, scalars }: MapSource): string[] {
  const { lines, outputs: values } = emitExpr(expr, {
    index: "element",
    scalars,
    input: (slot, dtype) => loaded(dtype, buffers.element(`input${slot}`, elementPosition("element", inputs[slot]!))),
  });
  const stores = outputs.map((view, i) =>
    buffers.store(`output${i}`, elementPosition("element", view), stored(outputType(expr, i), values[i]!))
  );
  return [...lines, ...stores];
}

/** Invocation `element` computes the four elements from `first` on; all are read before the first is stored. */
function fourLines({ expr, used, inputs, outputs, buffers, scalars }: MapSource): string[] {
  const reads = readFours(buffers, used, (slot) => elementPosition("first", inputs[slot]!));
  const four = [0, 1, 2, 3].map((i) =>
    emitExpr(expr, {
      prefix: `v${i}_`,
      index: `(first + ${u32(i)})`,
      scalars,
      input: (slot, dtype) => loaded(dtype, reads.element(slot, i)),
    })
  );
  const stores = outputs.map((view, i) => {
    const type = storageType(view.dtype);
    const values = four.map((one) => stored(outputType(expr, i), one.outputs[i]!)).join(", ");
    return buffers.storeFour(`output${i}`, elementPosition("first", view), `vec4<${type}>(${values})`);
  });
  return [
    "let first = element * 4u;",
    ...reads.lines,
    ...four.flatMap(({ lines }) => lines),
    ...stores,
  ];
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
