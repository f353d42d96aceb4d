/**
 * Epilogues of products and convolutions: the expression as a map over the output, in place.
 *
 * @module
 */
import { type Expr, type ExprNode, outputTypes } from "../../tensor/expr.ts";
import { isSupported } from "./scalar.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import type { Accelerator } from "../accelerator.ts";

const kernels = new WeakMap<Expr, MapKernel>();

/** Whether the epilogue can be generated and its value can replace the product where it lies. */
export function canRunInPlace(epilogue: Expr | undefined): boolean {
  return epilogue === undefined || (outputTypes(epilogue)[0] === "float32" && isSupported(mapOf(epilogue).expr));
}

/** Runs an epilogue whose `result(0)` is what `output` holds and whose inputs count from slot 2; false when `map` cannot. */
export function runEpilogue(
  map: Accelerator<"map">,
  epilogue: Expr,
  inputs: readonly View[],
  output: View,
  scalars: readonly number[],
): boolean {
  return map(mapOf(epilogue), [output, ...inputs.slice(2)], [output], scalars);
}

/** The result becomes input 0, input 2 becomes input 1, and so on. */
function mapOf(epilogue: Expr): MapKernel {
  const known = kernels.get(epilogue);
  if (known !== undefined) return known;
  const nodes = epilogue.nodes.map((node): ExprNode => {
    if (node.kind === "result") return { kind: "input", slot: 0, dtype: node.dtype };
    return node.kind === "input" ? { ...node, slot: node.slot - 1 } : node;
  });
  const key = `epilogue ${epilogue.key}`;
  const kernel: MapKernel = { kind: "map", key, expr: { nodes, outputs: epilogue.outputs, key } };
  kernels.set(epilogue, kernel);
  return kernel;
}
