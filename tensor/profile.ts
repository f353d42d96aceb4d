/**
 * `profile(body)`: where a device's time goes, kernel by kernel.
 *
 * @module
 */
import { checkFunction, checkOptions } from "./arguments.ts";
import { type DeviceName, getDevice } from "./device.ts";
import { DeviceError } from "./errors.ts";
import type { KernelRun } from "./kernel.ts";

/** Options of {@link profile}. */
export interface ProfileOptions {
  /** The device whose kernels are timed; the default device unless told. */
  readonly device?: DeviceName;
}

/** The runs of one program, added up. */
export interface KernelTotal {
  /** The kernel's family. */
  readonly kind: string;
  /** Which program: the family, operations or sizes. */
  readonly label: string;
  /** How often it ran. */
  readonly calls: number;
  /** Milliseconds of all runs. */
  readonly total: number;
  /** Milliseconds of one run. */
  readonly mean: number;
  /** Its part of the time of all programs, 0 … 1. */
  readonly share: number;
}

/**
 * Runs `body` and times every kernel that it runs on a device, by the device's own clock. Kernels are kept apart meanwhile, so the whole takes
 * longer than it would otherwise, while each kernel does not.
 *
 * @returns The timed runs: `kernels()` adds them up, `toString()` is a table, `chromeTrace()` a file for chrome://tracing or Perfetto.
 * @throws DeviceError when the device has no clock for its kernels: it needs WebGPU with the feature timestamp-query.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DeviceError, init, profile, randn } from "./mod.ts";
 *
 * const { device } = await init({ device: "auto" });
 * const x = randn([256, 256]);
 * try {
 *   const times = await profile(() => x.matmul(x).relu());
 *   console.log(`${times}`);
 *   assertEquals(times.kernels().map(({ kind }) => kind).toSorted(), ["map", "matmul"]);
 *   assertEquals(JSON.parse(times.chromeTrace()).traceEvents.length, 2 + times.runs.length);
 * } catch (error) {
 *   if (device === "webgpu" || !(error instanceof DeviceError)) throw error; // the CPU has no clock for its kernels
 * }
 * ```
 */
export async function profile(body: () => unknown, options: ProfileOptions = {}): Promise<Profile> {
  checkFunction(body, "profile");
  const { device } = checkOptions(options, "profile", ["device"]);
  const { name, backend } = getDevice(device);
  if (backend.startProfile === undefined) {
    throw new DeviceError(`Cannot profile on ${name}: a device with a clock for its kernels is needed, such as webgpu`);
  }
  const stop = backend.startProfile();
  let runs: readonly KernelRun[] = [];
  try {
    await body();
  } finally {
    runs = await stop();
  }
  return new Profile(backend.description, runs);
}

/** The timed kernels of a {@link profile}. */
export class Profile {
  /** One line: which processor or adapter was timed. */
  readonly description: string;
  /** Every run, in order. */
  readonly runs: readonly KernelRun[];

  /** Keeps what was timed. */
  constructor(description: string, runs: readonly KernelRun[]) {
    this.description = description;
    this.runs = runs;
  }

  /** Milliseconds of all runs together. */
  get total(): number {
    return this.runs.reduce((sum, { duration }) => sum + duration, 0);
  }

  /** The runs of each program added up, the longest first. */
  kernels(): KernelTotal[] {
    const all = this.total;
    return [...Map.groupBy(this.runs, ({ label }) => label)]
      .map(([label, runs]) => {
        const total = runs.reduce((sum, { duration }) => sum + duration, 0);
        return { kind: runs[0]!.kind, label, calls: runs.length, total, mean: total / runs.length, share: all === 0 ? 0 : total / all };
      })
      .sort((a, b) => b.total - a.total);
  }

  /** A table: calls, milliseconds in all and for one, share and name of each program, the longest first. */
  toString(): string {
    const rows = this.kernels().map(({ label, calls, total, mean, share }) => {
      return [String(calls), total.toFixed(3), mean.toFixed(4), `${(100 * share).toFixed(1)} %`, label];
    });
    const all = [String(this.runs.length), this.total.toFixed(3), "", "", this.description];
    return table([["calls", "total ms", "mean ms", "share", "kernel"], ...rows, all]);
  }

  /** The runs as a trace in Chrome's JSON format, which chrome://tracing and ui.perfetto.dev show. */
  chromeTrace(): string {
    const track = { pid: 1, tid: 1 };
    const names = [
      { name: "process_name", ph: "M", ...track, args: { name: "Tandem" } },
      { name: "thread_name", ph: "M", ...track, args: { name: this.description } },
    ];
    const events = this.runs.map(({ kind, label, start, duration }) => {
      return { name: label, cat: kind, ph: "X", ts: start * 1000, dur: duration * 1000, ...track };
    });
    return JSON.stringify({ displayTimeUnit: "ms", traceEvents: [...names, ...events] });
  }
}

/** Rows of cells under one another; all but the last column are numbers and end flush. */
function table(rows: readonly (readonly string[])[]): string {
  const last = rows[0]!.length - 1;
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => column === last ? cell : cell.padStart(widths[column]!)).join("  ")).join("\n");
}
