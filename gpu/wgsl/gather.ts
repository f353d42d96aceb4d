/**
 * Picking elements by index in WGSL.
 *
 * @module
 */
import type { GatherKernel, View } from "../../tensor/kernel.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";
import type { Limits, Plan } from "./program.ts";
import { bindBuffers, computeElement, elementDispatch, elementPosition, emptyPlan, readInput, u32, writeOutput } from "./shader.ts";
import { floatLiteral } from "./types.ts";

/** The dispatches of a {@link GatherKernel}. An index out of range is reported and gives NaN, or 0 for whole numbers. */
export function planGather(kernel: GatherKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const [x, index] = inputs as [View, View];
  const output = outputs[0]!;
  const size = sizeOf(index.shape);
  if (size === 0) return emptyPlan;
  const extent = x.shape[kernel.dim] ?? 1;
  const stride = x.strides[kernel.dim] ?? 0;
  // The other coordinates are the index's own; along `dim` the index replaces the coordinate.
  const others = { shape: index.shape, strides: x.strides.map((other, dim) => dim === kernel.dim ? 0 : other), offset: x.offset };
  const hollow = sizeOf(x.shape) === 0;
  const buffers = bindBuffers([
    ...(hollow ? [] : [readInput("x", 0, x)]),
    readInput("index", 1, index),
    writeOutput("y", 0, output),
  ], true);
  const picked = hollow ? "" : `
  if (at >= 0i && at < ${extent}i) {
    ${
    buffers.store(
      "y",
      elementPosition("element", outputOf(output)),
      buffers.load("x", `${elementPosition("element", others)} + u32(at) * ${u32(stride)}`),
    )
  }
    return;
  }`;
  const missing = isFloat(output.dtype) ? floatLiteral(NaN) : `${computeElement(output.dtype)}(0)`;
  const body = `  let at = i32(${buffers.load("index", elementPosition("element", index))});${picked}
  reportIndex(at, ${u32(extent)});
  ${buffers.store("y", elementPosition("element", outputOf(output)), missing)}`;
  return { temporaries: [], dispatches: [elementDispatch({ label: "gather", buffers, size, body }, limits)] };
}

function outputOf(output: View): Pick<View, "shape" | "strides" | "offset"> {
  return { shape: output.shape, strides: contiguousStrides(output.shape), offset: output.offset };
}
