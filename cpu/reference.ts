/**
 * Every kernel family in plain TypeScript, for every element type: the oracle of the tests, and what runs float64 and rare cases.
 *
 * @module
 */
import type { Kernel } from "../tensor/kernel.ts";
import { runCustom } from "./reference/custom.ts";
import { runMap, runReduce, runRow } from "./reference/elementwise.ts";
import { runGather, runScan, runScatter, runSort } from "./reference/indexing.ts";
import { runPairs } from "./reference/pairs.ts";
import { runPool } from "./reference/pool.ts";
import { runConv, runMatmul } from "./reference/products.ts";
import type { Strided } from "./reference/strided.ts";

/** Runs a kernel on strided windows of typed arrays. */
export function runReference(
  kernel: Kernel,
  inputs: readonly Strided[],
  outputs: readonly Strided[],
  scalars: readonly number[],
): void {
  switch (kernel.kind) {
    case "map":
      return runMap(kernel, inputs, outputs, scalars);
    case "reduce":
      return runReduce(kernel, inputs, outputs, scalars);
    case "row":
      return runRow(kernel, inputs, outputs, scalars);
    case "matmul":
      return runMatmul(kernel, inputs, outputs, scalars);
    case "conv":
      return runConv(kernel, inputs, outputs, scalars);
    case "pool":
      return runPool(kernel, inputs, outputs);
    case "pairs":
      return runPairs(kernel, inputs, outputs, scalars);
    case "gather":
      return runGather(kernel, inputs, outputs);
    case "scatter":
      return runScatter(kernel, inputs, outputs);
    case "scan":
      return runScan(kernel, inputs, outputs);
    case "sort":
      return runSort(kernel, inputs, outputs);
    case "custom":
      return runCustom(kernel, inputs, outputs, scalars);
  }
}
