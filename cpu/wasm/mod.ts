/**
 * Kernels as generated WebAssembly: one accelerator per family.
 *
 * @module
 */
import type { KernelKind } from "../../tensor/kernel.ts";
import type { Accelerator, Accelerators } from "../accelerator.ts";
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
    reduce: atFirstKernel(() => createReduceAccelerator(heap)),
    row: atFirstKernel(() => createRowAccelerator(heap)),
    matmul: atFirstKernel(() => createMatmulAccelerator(heap, map)),
    conv: atFirstKernel(() => createConvAccelerator(heap, map)),
    pool: atFirstKernel(() => createPoolAccelerator(heap)),
    pairs: atFirstKernel(() => createPairsAccelerator(heap)),
    ...createPickingAccelerators(heap),
    scan: atFirstKernel(() => createScanAccelerator(heap, map)),
    sort: atFirstKernel(() => createSortAccelerator(heap, map)),
  };
}

/** An accelerator that is made when its first kernel comes, so that a program does not wait for those it never needs. */
function atFirstKernel<Kind extends KernelKind>(create: () => Accelerator<Kind>): Accelerator<Kind> {
  let made: Accelerator<Kind> | undefined;
  return (kernel, inputs, outputs, scalars) => (made ??= create())(kernel, inputs, outputs, scalars);
}
