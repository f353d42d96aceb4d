/**
 * Kernels as generated WebAssembly: one accelerator per family.
 *
 * @module
 */
import type { Accelerators } from "../accelerator.ts";
import type { Heap } from "../heap.ts";

/** The accelerators that work on a heap. */
export function createAccelerators(_heap: Heap): Accelerators {
  return {};
}
