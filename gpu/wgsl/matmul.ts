/**
 * Batched matrix products in WGSL.
 *
 * @module
 */
import type { MatmulKernel, View } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Limits, Plan } from "./program.ts";
import { elementPosition } from "./shader.ts";
import { planTiledProduct } from "./tiled.ts";

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
    left: { body: (buffers) => `  return ${buffers.load("a", matrixPosition(a, "row", "depth"))};`, alongDepth: alongDepthA },
    right: { body: (buffers) => `  return ${buffers.load("b", matrixPosition(b, "depth", "column"))};`, alongDepth: alongDepthB },
    position: `(batch * ${rows}u + row) * ${columns}u + column`,
    output,
    epilogue: kernel.epilogue,
    extra,
  }, limits);
}

function matrixPosition(view: View, first: string, second: string): string {
  const rank = view.shape.length;
  const batch = elementPosition("batch", { shape: view.shape.slice(0, -2), strides: view.strides.slice(0, -2), offset: view.offset });
  return `${batch} + ${first} * ${view.strides[rank - 2]! >>> 0}u + ${second} * ${view.strides[rank - 1]! >>> 0}u`;
}
