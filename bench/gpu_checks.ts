/**
 * What `bench/gpu.ts` asks of a GPU before it times it, each in a process of its own: `deno run -A bench/gpu_checks.ts machine`, which opens
 * and tests the adapter, or `… accuracy POINTS`, which measures the elementary functions. Prints one line of JSON.
 *
 * @module
 */
import { createGpuBackend, probeAdapter } from "../gpu/mod.ts";
import type { Worst } from "../tests/accuracy/measure.ts";

/** What is known of the machine's adapter. */
export interface MachineReport {
  readonly description: string;
  readonly hardware: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** What kernels it is given, and which element types. */
  readonly kernels?: string;
  /** What the first test on it said; absent where it passed. */
  readonly failure?: string;
}

/** The largest error of a function, in units in the last place. */
export interface AccuracyRow {
  readonly name: string;
  readonly units: number;
  readonly bound: number;
  /** The arguments where it is. */
  readonly at: readonly number[];
}

const reportedLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

if (import.meta.main) {
  const [what, points] = Deno.args;
  console.log(JSON.stringify(what === "machine" ? await describeMachine() : await measureAccuracy(Number(points))));
  Deno.exit(0);
}

async function describeMachine(): Promise<MachineReport> {
  const { available, hardware, description, reason } = await probeAdapter();
  if (!available) return { description, hardware, features: [], limits: {}, failure: reason };
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const limits = Object.fromEntries(reportedLimits.map((name) => [name, adapter!.limits[name]]));
  const known = { description, hardware, features: [...adapter!.features].sort(), limits };
  try {
    const backend = await createGpuBackend();
    const { software, f16 } = backend.limits;
    backend.destroy();
    return { ...known, kernels: `kernels for ${software ? "software" : "hardware"}, float16 ${f16 ? "computed" : "not computed"}` };
  } catch (error) {
    return { ...known, failure: error instanceof Error ? error.message : String(error) };
  }
}

async function measureAccuracy(points: number): Promise<AccuracyRow[]> {
  const { init } = await import("../tensor/mod.ts");
  const { functions } = await import("../tests/accuracy/functions.ts");
  const { measure } = await import("../tests/accuracy/measure.ts");
  await init({ device: "webgpu" });
  const rows: AccuracyRow[] = [];
  for (const row of functions) {
    const [{ units, at }] = await measure(row, [{ device: "webgpu", flushes: true }], points) as [Worst];
    // JSON has no Infinity, which NaN in place of a number is measured as.
    rows.push({ name: row.name, units: Math.min(units, Number.MAX_VALUE), bound: row.atMost[1], at });
  }
  return rows;
}
