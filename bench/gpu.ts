/**
 * Everything to be known about Tandem on this machine's GPU, in one command: `deno run -A bench/gpu.ts [--quick] [--offline]`.
 *
 * It opens the adapter and tests it, runs the tests of the WebGPU backend, measures the error of the elementary functions, times the
 * workloads beside PyTorch where python3 has it (on CUDA where there is a device), and writes all of it to bench/RESULTS-gpu.md.
 * `--quick` takes small sizes and few tests, for a software adapter; `--offline` keeps Deno from type-checking and from the network.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { createGpuBackend, type GpuBackend, probeAdapter } from "../gpu/mod.ts";
import type { GpuMeasurement, GpuWorkload } from "./gpu_workloads.ts";
import type { Failure } from "./harness.ts";
import { accuracy, type AccuracyRange, worstError } from "../tests/gpu/accuracy.ts";
import type { ScalarOp } from "../tensor/scalar.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    offline: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    seconds: { type: "string" },
    out: { type: "string", default: new URL("RESULTS-gpu.md", import.meta.url).pathname },
  },
});

/** A workload, and the work of one run in the unit of its rate. */
interface Case {
  readonly workload: GpuWorkload;
  readonly work?: { readonly amount: number; readonly unit: "GFLOP/s" | "GB/s" };
  /** Both start from the same numbers, so that their results have to agree. */
  readonly comparable: boolean;
}

/** How far apart results may lie: sums of thousands of float32 values in different orders. */
const tolerance = 1e-3;
const seconds = Number(options.seconds ?? (options.quick ? 30 : 180));
const commands = [`deno run -A bench/gpu.ts${Deno.args.map((argument) => ` ${argument}`).join("")}`];
const problems: string[] = [];

const { available, reason } = await probeAdapter();
if (!available) {
  console.error(`Cannot bench: a WebGPU adapter is needed, got none: ${reason}`);
  Deno.exit(1);
}
// A device that computes something else is refused here.
const backend = await createGpuBackend();
const sections = [await describeMachine(backend), await runTests(), await measureAccuracy(backend), await runWorkloads()];
const page = `# Tandem on WebGPU\n\n${sections.join("\n\n")}\n`;
await Deno.writeTextFile(options.out, page);
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", options.out] }).output();
console.log(page);
for (const problem of problems) console.error(problem);
Deno.exit(problems.length > 0 ? 1 : 0);

async function describeMachine({ description, limits }: GpuBackend): Promise<string> {
  const torch = await torchVersion();
  const { hardware } = await probeAdapter();
  return [
    `Written by \`${commands[0]}\` on ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC.`,
    "",
    `- Adapter: ${description}${hardware ? "" : " (software on the CPU: its times say nothing about a GPU)"}, which passed its first test.`,
    `- ${limits.workgroupInvocations} invocations and ${limits.workgroupMemory} bytes a workgroup, ${limits.storageBuffers} storage buffers, float16 ${
      limits.f16 ? "there" : "absent"
    }.`,
    `- Deno ${Deno.version.deno}, ${Deno.build.os}, ${navigator.hardwareConcurrency} processors; ${torch ?? "no torch"}.`,
  ].join("\n");
}

async function runTests(): Promise<string> {
  const quick = ["backend", "guard", "device", "profile", "wgsl_reduce"].map((name) => `tests/gpu/${name}_test.ts`);
  const whole = ["tests/gpu", "tests/ops/devices_test.ts", "tests/devices_test.ts", "tests/nn/models_test.ts"];
  const files = options.quick ? quick : whole;
  const args = ["test", "-A", ...(options.offline ? ["--no-check", "--cached-only"] : []), ...files];
  note(`deno ${args.join(" ")}`);
  const { text } = await execute(Deno.execPath(), args, options.quick ? 60 : 1200);
  const [, passed = "0", failed = "0"] = /(\d+) passed[^|]*\| (\d+) failed/.exec(text) ?? [];
  if (passed === "0" || failed !== "0") problems.push(`Tests: ${passed} passed, ${failed} failed: ${text.slice(-2000)}`);
  return `## Tests\n\n${passed} passed, ${failed} failed: \`${commands.at(-1)}\``;
}

async function measureAccuracy(device: GpuBackend): Promise<string> {
  const size = 2 ** (options.quick ? 14 : 20);
  const rows: string[][] = [];
  for (const [op, range] of Object.entries(accuracy) as [ScalarOp, AccuracyRange][]) {
    const { units, argument } = await worstError(device, op, range, size);
    if (units > range.units) problems.push(`${op} is ${units} units off at ${argument}`);
    rows.push([op, units.toFixed(2), String(range.units), argument.toPrecision(9)]);
  }
  const head = ["function", "worst ULP", "bound", "at"];
  return `## Accuracy\n\nLargest error over ${size} points, in units in the last place of float32.\n\n${table([head, ...rows])}`;
}

async function runWorkloads(): Promise<string> {
  const python = await findPython();
  const rows: string[][] = [];
  const profiles: string[] = [];
  for (const { workload, work, comparable } of cases(options.quick).filter((entry) => new RegExp(options.only).test(entry.workload.name))) {
    const json = JSON.stringify(workload);
    const own = await measured(Deno.execPath(), ["run", "-A", "--no-check", file("gpu_workloads.ts"), json]);
    const torch = python === undefined ? undefined : await measured(python, [file("gpu_torch.py"), json]);
    for (const result of [own, torch]) if (result !== undefined && "error" in result) problems.push(`${workload.name}: ${result.error}`);
    if (comparable && disagree(own, torch)) problems.push(`${workload.name}: ${checkOf(own)} is not torch's ${checkOf(torch)}`);
    const rate = (time: number) => work === undefined || Number.isNaN(time) ? "" : `${significant(work.amount / time * 1e-6)} ${work.unit}`;
    const [time, other] = [timeOf(own), timeOf(torch)];
    const kernels = "error" in own ? NaN : own.kernels ?? NaN;
    rows.push([
      workload.name,
      show(time),
      show(kernels),
      rate(time),
      show(other),
      rate(other),
      Number.isNaN(other / time) ? "" : (other / time).toFixed(2),
    ]);
    if (!("error" in own) && own.profile !== undefined) profiles.push(`### ${workload.name}\n\n\`\`\`text\n${own.profile}\n\`\`\``);
  }
  const head = ["workload", "ms", "ms in kernels", "rate", "torch ms", "torch rate", "torch ÷ Tandem"];
  return [
    "## Speed",
    "Medians of runs that share one read at the end; torch in float32 without TF32. A last column above 1 says how many times faster Tandem is.",
    table([head, ...rows]),
    `Each workload runs alone: \`deno run -A bench/gpu_workloads.ts JSON\` and \`python3 bench/gpu_torch.py JSON\`.`,
    "## Kernels",
    "By the device's clock, two runs each, the longest first.",
    ...profiles,
  ].join("\n\n");
}

function cases(quick: boolean): Case[] {
  const product = (size: number): Case => {
    return {
      workload: { name: `matmul${size}`, kind: "matmul", size },
      work: { amount: 2 * size ** 3, unit: "GFLOP/s" },
      comparable: true,
    };
  };
  const megabytes = quick ? 4 : 256;
  const [rows, columns] = quick ? [256, 512] : [8192, 4096];
  const conv = quick ? { batch: 2, channels: 16, size: 16 } : { batch: 128, channels: 64, size: 32 };
  const resnet = quick ? { batch: 2, width: 4 } : { batch: 128, width: 64 };
  const similar = quick ? 256 : 8192;
  const bytes = (amount: number) => ({ amount, unit: "GB/s" as const });
  const convolved = 3 * 2 * 9 * conv.batch * conv.channels ** 2 * conv.size ** 2;
  return [
    ...(quick ? [64, 256] : [1024, 4096, 8192]).map(product),
    { workload: { name: `map ${megabytes} MB`, kind: "map", megabytes }, work: bytes(2 * megabytes * 2 ** 20), comparable: true },
    {
      workload: { name: `softmax [${rows}, ${columns}]`, kind: "softmax", rows, columns },
      work: bytes(2 * rows * columns * 4),
      comparable: true,
    },
    {
      workload: { name: `conv [${conv.batch}, ${conv.channels}, ${conv.size}, ${conv.size}] forward + backward`, kind: "conv", ...conv },
      work: { amount: convolved, unit: "GFLOP/s" },
      comparable: true,
    },
    { workload: { name: `ResNet-18 step, batch ${resnet.batch}, width ${resnet.width}`, kind: "resnet", ...resnet }, comparable: false },
    { workload: { name: `SupCon N = ${similar} forward + backward`, kind: "supcon", rows: similar, columns: 128 }, comparable: true },
  ];
}

async function measured(command: string, args: readonly string[]): Promise<GpuMeasurement | Failure> {
  const peer = command === Deno.execPath() ? "tandem" : "torch";
  const { text, success } = await execute(command, args, seconds);
  const line = text.split("\n").find((candidate) => candidate.startsWith("{"));
  if (line !== undefined) return JSON.parse(line);
  return { peer, workload: args.at(-1)!, error: success ? "no result" : `${peer} failed or took over ${seconds} s: ${text.slice(-500)}` };
}

/** Runs a command in the project's folder, for so many seconds at most; what it writes is returned. */
async function execute(command: string, args: readonly string[], limit: number): Promise<{ text: string; success: boolean }> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: new URL("..", import.meta.url).pathname,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), limit * 1000);
  const { stdout, stderr, success } = await child.output();
  clearTimeout(timer);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { text: `${decode(stdout)}\n${decode(stderr)}`, success };
}

async function findPython(): Promise<string | undefined> {
  for (const path of ["python3", "/usr/bin/python3"]) {
    const found = await execute(path, ["-c", "import torch"], 60).catch(() => undefined);
    if (found?.success) return path;
  }
  return undefined;
}

async function torchVersion(): Promise<string | undefined> {
  const python = await findPython();
  if (python === undefined) return undefined;
  const script =
    "import torch; c = torch.cuda; print('torch', torch.__version__, 'on', c.get_device_name() if c.is_available() else 'the CPU')";
  return (await execute(python, ["-c", script], 60)).text.trim();
}

function disagree(own: GpuMeasurement | Failure, torch: GpuMeasurement | Failure | undefined): boolean {
  if ("error" in own || torch === undefined || "error" in torch) return false;
  return !(Math.abs(own.check - torch.check) <= tolerance * Math.max(1, Math.abs(torch.check)));
}

function checkOf(result: GpuMeasurement | Failure | undefined): number {
  return result === undefined || "error" in result ? NaN : result.check;
}

function timeOf(result: GpuMeasurement | Failure | undefined): number {
  return result === undefined || "error" in result ? NaN : result.median;
}

function show(milliseconds: number): string {
  return Number.isNaN(milliseconds) ? "" : significant(milliseconds);
}

/** Three digits, without an exponent. */
function significant(value: number): string {
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(value))));
}

function note(command: string): void {
  commands.push(command);
  console.error(command);
}

function file(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Rows of cells in Markdown, the first the head; numbers stand flush. */
function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, column) => column === 0 ? "---" : "---:")), ...rows.map(line)].join("\n");
}
