/**
 * `tune(body)`: kernels fitted to the adapter, by trying.
 *
 * @module
 */
import { checkFunction, checkOptions } from "./arguments.ts";
import { type DeviceName, getDevice } from "./device.ts";
import { ArgumentError } from "./errors.ts";
import type { KernelChoices } from "./kernel.ts";

/** Options of {@link tune}. */
export interface TuneOptions {
  /** The device that is tuned; the default device unless told. */
  readonly device?: DeviceName;
  /** About how many seconds to try for, most work first; 60 unless told. What is not reached keeps its default. */
  readonly seconds?: number;
}

/**
 * Runs `body`, then tries the ways in which the device could compute the matrix products and convolutions that it met, on inputs of the same
 * shapes, and uses the fastest from then on, in steps compiled before as well. Every way is checked to give the same result first.
 *
 * @returns All choices made on this adapter so far: plain data to be saved as JSON by whoever wants to, for {@link useTuning}.
 * Empty on the CPU, where there is nothing to choose.
 * @throws ArgumentError unless `seconds` is above 0, and when a tuning is under way.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { init, randn, tune, useTuning } from "./mod.ts";
 *
 * await init({ device: "auto" });
 * const x = randn([300, 300]);
 * const choices = await tune(() => x.matmul(x), { seconds: 5 });
 * const saved = JSON.stringify(choices); // keep it in a file, and the next time:
 * assertEquals(useTuning(JSON.parse(saved)), choices.adapter !== "");
 * ```
 */
export async function tune(body: () => unknown, options: TuneOptions = {}): Promise<KernelChoices> {
  checkFunction(body, "tune");
  const { device, seconds = 60 } = checkOptions(options, "tune", ["device", "seconds"]);
  if (!(seconds > 0)) throw new ArgumentError(`Cannot tune: more than 0 seconds are needed, got ${seconds}`);
  const { backend } = getDevice(device);
  const choose = backend.startTuning?.();
  let done = false;
  try {
    await body();
    done = true;
  } finally {
    if (!done) await choose?.(0);
  }
  return await choose?.(1000 * seconds) ?? { adapter: "", choices: {} };
}

/**
 * Uses what {@link tune} found at another time.
 *
 * @returns Whether it was used: false for another adapter's choices, and on a device without any.
 * @throws ArgumentError when `choices` is not what {@link tune} gives.
 */
export function useTuning(choices: KernelChoices, options: Pick<TuneOptions, "device"> = {}): boolean {
  const { device } = checkOptions(options, "useTuning", ["device"]);
  return getDevice(device).backend.useChoices?.(choices) ?? false;
}
