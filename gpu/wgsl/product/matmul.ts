/**
 * Batched matrix products in WGSL.
 *
 * @module
 */
import type { MatmulKernel, View } from "../../../tensor/kernel.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import { dotPosition, elementPosition } from "../shader.ts";
import type { OperandAccess, TiledProduct } from "./access.ts";

/** A {@link MatmulKernel} as a product: a [...batch, M, K] times b [...batch, K, N], then the epilogue. */
export function matmulProduct(kernel: MatmulKernel, inputs: readonly View[], outputs: readonly View[]): TiledProduct {
  const [a, b, ...extra] = inputs as [View, View, ...View[]];
  const output = outputs[0]!;
  const rank = output.shape.length;
  const rows = output.shape[rank - 2]!;
  const columns = output.shape[rank - 1]!;
  return {
    family: "matmul",
    label: `matmul ${a.shape.join("×")} ${b.shape.join("×")}`,
    batch: sizeOf(output.shape.slice(0, -2)),
    rows,
    columns,
    depth: a.shape[rank - 1]!,
    operands: [a, b],
    left: operand("a", a, rank - 2, rank - 1),
    right: operand("b", b, rank - 1, rank - 2),
    position: `(batch * ${rows}u + row) * ${columns}u + column`,
    fourAcross: columns % 4 === 0,
    output,
    epilogue: kernel.epilogue,
    extra,
  };
}

function operand(buffer: "a" | "b", view: View, acrossDim: number, depthDim: number): OperandAccess {
  const [across, depth] = [view.strides[acrossDim]!, view.strides[depthDim]!];
  const batch = { shape: view.shape.slice(0, -2), strides: view.strides.slice(0, -2), offset: view.offset };
  const position = "start + across + depth";
  // Vectors of four begin at multiples of 4 in memory only if everything that moves them does.
  const steps = [...batch.strides, view.offset, depth, view.shape[acrossDim]!];
  const fours = across === 1 && steps.every((step) => step % 4 === 0);
  return {
    buffer,
    start: elementPosition("batch", batch),
    across: { type: "u32", body: `  return ${dotPosition(["index"], [across])};` },
    depth: { type: "u32", body: `  return ${dotPosition(["index"], [depth])};` },
    element: (buffers) => `  return ${buffers.load(buffer, position)};`,
    four: fours ? (buffers) => `  return ${buffers.loadFour(buffer, position)};` : undefined,
    alongDepth: Math.abs(depth) <= Math.abs(across) && across !== 1,
  };
}
