/**
 * custom kernels: the user's function on contiguous copies.
 *
 * @module
 */
import type { CustomKernel } from "../../tensor/kernel.ts";
import { store, type Strided, toContiguous } from "./strided.ts";

/** Runs a custom kernel; outputs reach memory only when the function returns. */
export function runCustom(
  kernel: CustomKernel,
  inputs: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  const copies = outputs.map((view) => ({ data: toContiguous(view), shape: view.shape }));
  kernel.cpu(inputs.map((view) => ({ data: toContiguous(view), shape: view.shape })), copies, scalars);
  copies.forEach(({ data }, at) => {
    const output = outputs[at]!;
    if (output.dtype === "bool") data.forEach((value, element) => data[element] = value === 0 ? 0 : 1);
    store(data, output);
  });
}
