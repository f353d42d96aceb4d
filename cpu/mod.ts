/**
 * The CPU backend: always there, no permission and no start-up; WebAssembly SIMD generated at run time, plain TypeScript for the rest.
 *
 * @module
 */
import { CpuBackend, type CpuBackendOptions } from "./backend.ts";

export type { DType, TypedArray } from "../tensor/dtype.ts";
export type { Expr, ExprNode } from "../tensor/expr.ts";
export type * from "../tensor/kernel.ts";
export type { ScalarOp } from "../tensor/scalar.ts";
export type { Accelerator, Accelerators, CpuStorage } from "./accelerator.ts";
export { CpuBackend, type CpuBackendOptions } from "./backend.ts";
export { Heap, type HeapOptions } from "./heap.ts";

/**
 * Makes a CPU backend.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createCpuBackend } from "./mod.ts";
 *
 * assertEquals(createCpuBackend().device, "cpu");
 * ```
 */
export function createCpuBackend(options: CpuBackendOptions = {}): CpuBackend {
  return new CpuBackend(options);
}
