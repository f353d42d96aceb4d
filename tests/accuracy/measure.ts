/**
 * Measures functions: the largest distance from the exact number, in units in the last place of float32.
 *
 * @module
 */
import { type DeviceName, scope, tensor } from "../../tensor/mod.ts";
import type { Measured } from "./functions.ts";
import { pointsOf } from "./points.ts";

/** The largest error found, and where. */
export interface Worst {
  readonly units: number;
  readonly at: readonly number[];
  readonly got: number;
  readonly exact: number;
}

/** Below it numbers have fewer bits, and an adapter may take them for 0. */
const leastNormal = 2 ** -126;
/** What Infinity stands for when it is compared: the number after the greatest. */
const beyond = 2 ** 128;

/** One unit in the last place of a float32 near `x`. */
export function ulp(x: number): number {
  return 2 ** (Math.floor(Math.log2(Math.min(Math.max(Math.abs(x), leastNormal), beyond / 2))) - 23);
}

function bounded(x: number): number {
  return Math.min(Math.max(x, -beyond), beyond);
}

/**
 * The worst error of a function on each device, over the same points. On a device with `flushes` arguments and results below the normal
 * numbers do not count.
 */
export async function measure(
  { run, exact, regions }: Measured,
  devices: readonly { readonly device: DeviceName; readonly flushes: boolean }[],
  size: number,
): Promise<Worst[]> {
  const columns = regions.map((list, stream) => pointsOf(list, size, stream));
  const wanted = await exact(columns.map((column) => Float64Array.from(column)));
  const found: Worst[] = [];
  for (const { device, flushes } of devices) {
    using _ = scope();
    const inputs = columns.map((column) => tensor(column, { device }));
    const got = await run(inputs[0]!, inputs[1]!).data();
    let [units, place] = [-1, 0];
    for (let i = 0; i < size; i++) {
      const number = wanted[i]!;
      if (flushes && (Math.abs(number) < leastNormal || columns.some((column) => Math.abs(column[i]!) < leastNormal))) continue;
      if (Number.isNaN(number) && Number.isNaN(got[i]!)) continue;
      const error = Math.abs(bounded(got[i]!) - bounded(number)) / ulp(number);
      if (!(error <= units)) [units, place] = [Number.isNaN(error) ? Infinity : error, i];
    }
    found.push({ units, at: columns.map((column) => column[place]!), got: got[place]!, exact: wanted[place]! });
  }
  return found;
}
