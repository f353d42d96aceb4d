/**
 * Devices: the registry of backends and the default device.
 *
 * @module
 */
import { createCpuBackend } from "../cpu/mod.ts";
import { DeviceError } from "./errors.ts";
import type { Backend } from "./kernel.ts";
import { liveTensorCount } from "./memory.ts";

/** A device's name: "cpu", "webgpu", or one registered with {@link registerDevice}. */
export type DeviceName = "cpu" | "webgpu" | (string & Record<never, never>);

/** A named backend. */
export interface Device {
  /** As users write it. */
  readonly name: string;
  /** What runs its kernels. */
  readonly backend: Backend;
}

const devices = new Map<string, Device>();
let defaultName = "cpu";

/** Options of {@link init}. */
export interface InitOptions {
  /** "auto" takes a hardware GPU, else the CPU; "webgpu" insists on WebGPU; "cpu" needs no init at all. Default "auto". */
  readonly device?: "auto" | "cpu" | "webgpu";
  /**
   * How many threads large CPU kernels use, with the same results. Default: the environment variable TANDEM_THREADS, else the number of
   * processors, 8 at most.
   */
  readonly threads?: number;
}

/** What {@link init} decided. */
export interface InitResult {
  /** The default device from now on. */
  readonly device: string;
  /** One line for people: which device, and why. */
  readonly reason: string;
}

/**
 * Chooses the default device. Everything but this and reading values is synchronous.
 *
 * @throws DeviceError when "webgpu" is asked for and no adapter passes its checks, or `threads` comes after the CPU was used; ArgumentError
 * unless `threads` is a whole number from 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { init } from "./mod.ts";
 *
 * const { device } = await init({ device: "cpu" });
 * assertEquals(device, "cpu");
 * ```
 */
export async function init({ device = "auto", threads }: InitOptions = {}): Promise<InitResult> {
  if (threads !== undefined) startCpu(threads);
  if (device === "cpu") return choose("cpu", "asked for");
  if (device !== "auto" && device !== "webgpu") {
    throw new DeviceError(`Cannot init: device "auto", "cpu" or "webgpu" is needed, got ${JSON.stringify(device)}`);
  }
  const gpu = await import("../gpu/mod.ts");
  if (device === "auto") {
    const probe = await gpu.probeAdapter();
    if (!probe.hardware) return choose("cpu", probe.reason);
  }
  if (!devices.has("webgpu")) {
    try {
      registerDevice("webgpu", await gpu.createGpuBackend());
    } catch (error) {
      if (device === "webgpu") throw error;
      return choose("cpu", error instanceof Error ? error.message : String(error));
    }
  }
  return choose("webgpu", device === "auto" ? "a hardware adapter is there" : "asked for");
}

/** Makes the CPU device with a number of threads, which is settled once tensors may live there. */
function startCpu(threads: number): void {
  if (devices.has("cpu")) {
    throw new DeviceError(`Cannot init with ${threads} threads: a CPU device that is not in use yet is needed, call init first`);
  }
  registerDevice("cpu", createCpuBackend({ threads }));
}

function choose(name: string, why: string): InitResult {
  defaultName = name;
  return { device: name, reason: `${name}: ${getDevice(name).backend.description} (${why})` };
}

/** Makes a backend known under a name, replacing one of the same name. */
export function registerDevice(name: string, backend: Backend): Device {
  const device = { name, backend };
  devices.set(name, device);
  return device;
}

/** Whether a device of this name is ready. */
export function hasDevice(name: DeviceName): boolean {
  return name === "cpu" || devices.has(name);
}

/**
 * The device of this name, or the default one.
 *
 * @throws DeviceError when it is not ready.
 */
export function getDevice(name: DeviceName = defaultName): Device {
  const device = devices.get(name);
  if (device !== undefined) return device;
  if (name === "cpu") return registerDevice("cpu", createCpuBackend());
  throw new DeviceError(
    `Cannot use device ${JSON.stringify(name)}: one of ${[...new Set(["cpu", ...devices.keys()])].join(", ")} is needed` +
      (name === "webgpu" ? ', call await init({ device: "webgpu" }) first' : ""),
  );
}

/** The name of the default device. */
export function defaultDevice(): string {
  return defaultName;
}

/** Makes new tensors live on this device unless they say otherwise. */
export function setDefaultDevice(name: DeviceName): void {
  defaultName = getDevice(name).name;
}

/** Memory in use, over all devices. */
export interface Memory {
  /** Live tensors, views and tensors saved for backward included. */
  readonly tensors: number;
  /** Bytes in use. */
  readonly bytes: number;
  /** Bytes kept for reuse. */
  readonly pooledBytes: number;
}

/** What tensors hold now; constant over the steps of a training loop that frees what it makes. */
export function memory(): Memory {
  let bytes = 0;
  let pooledBytes = 0;
  for (const { backend } of devices.values()) {
    const held = backend.memory();
    bytes += held.bytes;
    pooledBytes += held.pooledBytes;
  }
  return { tensors: liveTensorCount(), bytes, pooledBytes };
}
