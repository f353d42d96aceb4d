/**
 * Users' own WGSL.
 *
 * @module
 */
import { byteSize } from "../../tensor/dtype.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import type { CustomKernel, View } from "../../tensor/kernel.ts";
import { contiguousStrides, isContiguous, sizeOf } from "../../tensor/shape.ts";
import type { Binding, Dispatch, Limits, Plan } from "./program.ts";
import { bindBuffers, elementDispatch, elementPosition, readInput, temporary } from "./shader.ts";

/**
 * The dispatches of a {@link CustomKernel}: the user's source, after a copy of each input that is not contiguous from its storage's
 * start, or that shares its storage with an output.
 *
 * @throws ArgumentError when the kernel has no WGSL.
 */
export function planCustom(kernel: CustomKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  if (kernel.wgsl === undefined) {
    throw new ArgumentError(`Cannot run the custom kernel "${kernel.key}" on webgpu: a wgsl function is needed, got none`);
  }
  const temporaries: number[] = [];
  const dispatches: Dispatch[] = [];
  const seen: View[] = [];
  const bindings: Binding[] = inputs.map((input, index) => {
    const written = outputs.some(({ storage }) => storage === input.storage);
    if (input.offset === 0 && isContiguous(input.shape, input.strides) && !written) {
      seen.push(input);
      return { role: "input", index, access: "read" };
    }
    const bytes = sizeOf(input.shape) * byteSize[input.dtype];
    const copy = temporaries.push(Math.max(4, Math.ceil(bytes / 4) * 4)) - 1;
    if (bytes > 0) dispatches.push(copyDispatch(input, index, copy, limits));
    seen.push({ ...input, strides: contiguousStrides(input.shape), offset: 0 });
    return { role: "temporary", index: copy, access: "read" };
  });
  for (const index of outputs.keys()) bindings.push({ role: "output", index, access: "read_write" });
  const { source, workgroups } = kernel.wgsl(seen, outputs);
  if (workgroups.some((count) => !Number.isInteger(count) || count < 0 || count > limits.workgroupsPerDimension)) {
    throw new ArgumentError(
      `Cannot run the custom kernel "${kernel.key}": workgroups of 0 … ${limits.workgroupsPerDimension} are needed, got [${workgroups}]`,
    );
  }
  if (workgroups.every((count) => count > 0)) {
    dispatches.push({ label: `custom ${kernel.key}`, source, bindings, workgroups, scalars: [] });
  }
  return { temporaries, dispatches };
}

function copyDispatch(input: View, index: number, copy: number, limits: Limits): Dispatch {
  const buffers = bindBuffers([readInput("x", index, input), temporary("y", copy, input.dtype, "read_write")]);
  const body = `  ${buffers.store("y", "element", buffers.load("x", elementPosition("element", input)))}`;
  return elementDispatch({ label: "custom copy", buffers, size: sizeOf(input.shape), body }, limits);
}
