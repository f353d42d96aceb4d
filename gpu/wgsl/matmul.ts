/**
 * Batched matrix products in WGSL.
 *
 * @module
 */
import type { MatmulKernel, View } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Limits, Plan } from "./program.ts";
import { dotPosition, elementPosition } from "./shader.ts";
import { type OperandAccess, planTiledProduct } from "./tiled.ts";

/** The dispatches of a {@link MatmulKernel}: a [...batch, M, K] times b [...batch, K, N], then the epilogue. */
export function planMatmul(kernel: MatmulKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const [a, b, ...extra] = inputs as [View, View, ...View[]];
  const output = outputs[0]!;
  const rank = output.shape.length;
  const rows = output.shape[rank - 2]!;
  const columns = output.shape[rank - 1]!;
  const depth = a.shape[rank - 1]!;
  const alongDepthA = Math.abs(a.strides[rank - 1]!) <= Math.abs(a.strides[rank - 2]!);
  const alongDepthB = Math.abs(b.strides[rank - 2]!) < Math.abs(b.strides[rank - 1]!);
  return planTiledProduct({
    label: `matmul ${a.shape.join("×")} ${b.shape.join("×")}`,
    batch: sizeOf(output.shape.slice(0, -2)),
    rows,
    columns,
    depth,
    operands: [a, b],
    left: operand("a", a, "row", "depth", alongDepthA),
    right: operand("b", b, "depth", "column", alongDepthB),
    position: `(batch * ${rows}u + row) * ${columns}u + column`,
    output,
    epilogue: kernel.epilogue,
    extra,
  }, limits);
}

function operand(name: "a" | "b", view: View, first: string, second: string, alongDepth: boolean): OperandAccess {
  const batch = { shape: view.shape.slice(0, -2), strides: view.strides.slice(0, -2), offset: view.offset };
  const position = dotPosition(["start", first, second], [1, ...view.strides.slice(-2)]);
  return { alongDepth, start: elementPosition("batch", batch), body: (buffers) => `  return ${buffers.load(name, position)};` };
}
