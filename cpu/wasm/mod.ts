/**
 * Kernels as generated WebAssembly: one accelerator per family.
 *
 * @module
 */
import type { Accelerators } from "../accelerator.ts";
import type { Heap } from "../heap.ts";
import { createConvAccelerator } from "./conv.ts";
import { createMapAccelerator } from "./map.ts";
import { createMatmulAccelerator } from "./matmul.ts";

/** The accelerators that work on a heap. */
export function createAccelerators(heap: Heap): Accelerators {
  const map = createMapAccelerator(heap);
  return { map, matmul: createMatmulAccelerator(heap, map), conv: createConvAccelerator(heap, map) };
}
