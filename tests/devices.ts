/**
 * Where a test runs its tensors: the CPU with WebAssembly, the same in plain TypeScript (the oracle), and WebGPU where an adapter is found.
 *
 * @module
 */
import "./vulkan.ts";
import { probeAdapter } from "../gpu/mod.ts";
import { CpuBackend } from "../cpu/mod.ts";
import { type DType, init, registerDevice, setDefaultDevice } from "../tensor/mod.ts";

/** The name of the device that runs every kernel in plain TypeScript. */
export const reference = "reference";

registerDevice(reference, new CpuBackend({ device: reference, accelerate: false }));

/** Why there is no WebGPU here; undefined where there is. */
export const noAdapter: string | undefined = await openAdapter();

/** Whether tests on WebGPU are ignored. */
export const ignoreWebgpu: boolean = noAdapter !== undefined;

async function openAdapter(): Promise<string | undefined> {
  const { available, reason } = await probeAdapter();
  if (!available) return reason;
  await init({ device: "webgpu" });
  // Tests name the device they want; what they leave out lives on the CPU.
  setDefaultDevice("cpu");
}

/** A device together with an element type. */
export interface Place {
  readonly device: string;
  readonly dtype: DType;
}

/** All places where a result must be right. */
export const places: readonly Place[] = [
  { device: "cpu", dtype: "float32" },
  { device: "cpu", dtype: "float64" },
  { device: "webgpu", dtype: "float32" },
];
