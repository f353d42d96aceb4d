/**
 * Finding an adapter, saying what it is, and opening it as a backend.
 *
 * @module
 */
import { ArgumentError, DeviceError } from "../tensor/errors.ts";
import { GpuBackend } from "./backend.ts";
import { testDevice, testTiles } from "./canary.ts";
import { findAdapter, openDevice } from "./guard.ts";

/** How {@link createGpuBackend} chooses and uses an adapter. */
export interface GpuOptions {
  /** Which adapter to prefer where there are several; the fast one unless told. */
  readonly powerPreference?: "high-performance" | "low-power";
  /** Bytes that tensors may take in all; no limit unless told. */
  readonly memoryBudget?: number;
  /** Read without Deno's wait of 10 ms where a probe finds that it works: it leans on Deno's internals. Off unless told. */
  readonly fastRead?: boolean;
  /** Whether kernels are written for a graphics processor or for software on the CPU; after the adapter unless told, which tests do. */
  readonly kernelsFor?: "hardware" | "software";
}

/** What {@link probeAdapter} found. */
export interface AdapterReport {
  /** Whether there is an adapter at all. */
  readonly available: boolean;
  /** Whether it is a processor of its own and not software on the CPU. */
  readonly hardware: boolean;
  /** One line for people: vendor and name, or "no adapter". */
  readonly description: string;
  /** Why there is no adapter, or no hardware behind it; empty where all is well. */
  readonly reason: string;
}

/**
 * Says whether a WebGPU adapter exists and whether hardware stands behind it. Never throws and opens no device.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { probeAdapter } from "./device.ts";
 *
 * const report = await probeAdapter();
 * assert(report.hardware || report.reason !== "");
 * ```
 */
export async function probeAdapter(options: GpuOptions = {}): Promise<AdapterReport> {
  if (typeof navigator === "undefined" || navigator.gpu === undefined) {
    return { available: false, hardware: false, description: "no adapter", reason: "this runtime has no WebGPU" };
  }
  const adapter = await findAdapter({ powerPreference: options.powerPreference ?? "high-performance" });
  if (adapter === undefined) return { available: false, hardware: false, description: "no adapter", reason: noAdapterReason };
  const hardware = !adapter.info.isFallbackAdapter;
  const description = describe(adapter.info);
  return { available: true, hardware, description, reason: hardware ? "" : `${description} is software on the CPU` };
}

const noAdapterReason = "no graphics driver answered (is one installed, and does DENO_WEBGPU_BACKEND, if set, name vulkan, metal or dx12?)";

/**
 * Opens the machine's adapter, tests that it computes what the CPU computes, and returns it as a backend; without float16 or with
 * plainer kernels where that is all that it gets wrong.
 *
 * @throws DeviceError when there is no adapter, it cannot be opened, or it computes something else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createGpuBackend, probeAdapter } from "./device.ts";
 *
 * if ((await probeAdapter()).available) {
 *   const backend = await createGpuBackend();
 *   const storage = backend.alloc(8);
 *   backend.write(storage, 0, Float32Array.of(1, 2));
 *   const [bytes] = await backend.read([{ storage, byteOffset: 4, byteLength: 4 }]);
 *   assertEquals(new Float32Array(bytes!), Float32Array.of(2));
 * }
 * ```
 */
export async function createGpuBackend(options: GpuOptions = {}): Promise<GpuBackend> {
  const { memoryBudget } = options;
  if (memoryBudget !== undefined && !(memoryBudget > 0)) {
    throw new ArgumentError(`Cannot create a webgpu device: a memory budget above 0 bytes is needed, got ${memoryBudget}`);
  }
  try {
    return await openFitting(options, true);
  } catch (error) {
    const adapter = await findAdapter({ powerPreference: options.powerPreference ?? "high-performance" });
    if (!adapter?.features.has("shader-f16")) throw error;
    // An adapter that is wrong about float16 may be right about all else; if it is not, the first reason is the one to know.
    return await openFitting(options, false).catch(() => {
      throw error;
    });
  }
}

/** Opens the adapter with kernels for hardware if it multiplies rightly with them, else, unless told, with the plainer ones for software. */
async function openFitting(options: GpuOptions, float16: boolean): Promise<GpuBackend> {
  const backend = await openTested(options, float16);
  if (backend.limits.software) return backend;
  try {
    await testTiles(backend);
    return backend;
  } catch (error) {
    backend.destroy();
    if (options.kernelsFor !== undefined) throw error;
    return await openTested({ ...options, kernelsFor: "software" }, float16);
  }
}

/** Opens the adapter with or without float16, and tests it. */
async function openTested(options: GpuOptions, float16: boolean): Promise<GpuBackend> {
  const { powerPreference = "high-performance", memoryBudget, fastRead = false, kernelsFor } = options;
  const adapter = await findAdapter({ powerPreference });
  if (adapter === undefined) {
    throw new DeviceError(
      `Cannot create a webgpu device: an adapter is needed, got none: ${(await probeAdapter()).reason || noAdapterReason}`,
    );
  }
  const description = describe(adapter.info);
  const device = await openDevice(adapter, float16).catch((error) => {
    throw new DeviceError(`Cannot open ${description}: ${error instanceof Error ? error.message : error}`);
  });
  const { vendor, architecture, device: model } = adapter.info;
  const software = kernelsFor === undefined ? adapter.info.isFallbackAdapter : kernelsFor === "software";
  const backend = new GpuBackend(device, {
    description,
    software,
    // Choices made among one kind of kernels are not to be used among the other.
    adapter: [vendor, architecture, model, adapter.info.description, software ? "software" : "hardware"].join("/"),
    openTwin: () => openTested({ powerPreference, ...(kernelsFor === undefined ? {} : { kernelsFor }) }, float16),
    ...(memoryBudget === undefined ? {} : { memoryBudget }),
  });
  try {
    await testDevice(backend);
    if (fastRead) await backend.enableFastRead();
  } catch (error) {
    backend.destroy();
    throw error;
  }
  return backend;
}

/** One line about an adapter, from whichever of its names are filled in. */
function describe(info: GPUAdapterInfo): string {
  const name = info.description || info.device || info.architecture || "unnamed adapter";
  return info.vendor === "" || /^\d+$/.test(info.vendor) || name.toLowerCase().includes(info.vendor.toLowerCase())
    ? name
    : `${info.vendor} ${name}`;
}
