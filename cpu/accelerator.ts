/**
 * The hook by which generated code takes kernels over from the reference.
 *
 * @module
 */
import type { Kernel, KernelKind, Storage, View } from "../tensor/kernel.ts";

/** A block of the backend's heap. */
export interface CpuStorage extends Storage {
  /** Its byte address in the heap's memory; 0 once it is freed. */
  readonly pointer: number;
}

/**
 * Runs a kernel if it can: true when it ran, false to leave it to the reference. Every view's storage is a {@link CpuStorage}.
 * Nothing may be written before false is returned.
 */
export type Accelerator<Kind extends KernelKind = KernelKind> = (
  kernel: Extract<Kernel, { kind: Kind }>,
  inputs: readonly View[],
  outputs: readonly View[],
  scalars: readonly number[],
) => boolean;

/** Accelerators by kind of kernel; kinds without one run in the reference. */
export type Accelerators = { readonly [Kind in KernelKind]?: Accelerator<Kind> };
