/**
 * Kernels as generated WebAssembly: one accelerator per family.
 *
 * @module
 */
import type { Accelerators } from "../accelerator.ts";
import type { Heap } from "../heap.ts";
import { createConvAccelerator } from "./conv/accelerator.ts";
import { createPickingAccelerators } from "./indexing/picking.ts";
import { createScanAccelerator } from "./indexing/scan.ts";
import { createSortAccelerator } from "./indexing/sort.ts";
import { createMapAccelerator } from "./map.ts";
import { createMatmulAccelerator } from "./matmul.ts";
import { createPairsAccelerator } from "./pairs.ts";
import { createPoolAccelerator } from "./pool.ts";
import { createReduceAccelerator, createRowAccelerator } from "./row.ts";

/** The accelerators that work on a heap. */
export function createAccelerators(heap: Heap): Accelerators {
  const map = createMapAccelerator(heap);
  return {
    map,
    reduce: createReduceAccelerator(heap),
    row: createRowAccelerator(heap),
    matmul: createMatmulAccelerator(heap, map),
    conv: createConvAccelerator(heap, map),
    pool: createPoolAccelerator(heap),
    pairs: createPairsAccelerator(heap),
    ...createPickingAccelerators(heap),
    scan: createScanAccelerator(heap, map),
    sort: createSortAccelerator(heap, map),
  };
}
