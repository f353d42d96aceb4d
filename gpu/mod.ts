/**
 * The WebGPU backend: {@link createGpuBackend} opens the machine's adapter, {@link probeAdapter} says what it is.
 *
 * @module
 */
export { GpuBackend, type GpuBackendSettings, type GpuStats } from "./backend.ts";
export { type AdapterReport, createGpuBackend, type GpuOptions, probeAdapter } from "./device.ts";
export type { Binding, Dispatch, Limits, Plan, Tile } from "./wgsl/program.ts";
