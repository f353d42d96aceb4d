/**
 * Everything to be known about Tandem on this machine's GPU, in one command: `deno run -A bench/gpu.ts [--quick] [--offline] [--budget 540]
 * [--out PATH]`.
 *
 * It opens the adapter and tests it, runs the tests of the WebGPU backend, times the workloads, as they come and tuned, beside PyTorch where
 * python3 has it (on CUDA where there is a device), measures the error of the elementary functions, and runs the tests that compare whole
 * models. Each of these is a process of its own: one that fails, hangs or ends the process is noted as failed, and the rest goes on. The page,
 * bench/RESULTS-gpu.md unless told, is written anew after every result, so that a run cut short leaves what it found.
 *
 * `--quick` takes small sizes and few tests, for a software adapter. `--offline` keeps the processes it starts from the network; with
 * `deno run -A --no-check --cached-only bench/gpu.ts --offline` nothing but Deno's binary is needed. `--budget` ends the whole after so many seconds, what matters least left out. `--only` picks workloads by a
 * pattern, `--seconds` limits each of them, `--tune 0` leaves out the tuning.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { AccuracyRow, MachineReport } from "./gpu_checks.ts";
import { type GpuCase, gpuCases } from "./gpu_cases.ts";
import type { GpuMeasurement } from "./gpu_workloads.ts";
import type { Failure } from "./harness.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    offline: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    seconds: { type: "string" },
    budget: { type: "string" },
    tune: { type: "string" },
    out: { type: "string", default: new URL("RESULTS-gpu.md", import.meta.url).pathname },
  },
});

/** How far apart results may lie: sums of thousands of float32 values in different orders. */
const tolerance = 1e-3;
/** A process is not started with less than this left, in seconds. */
const leastSeconds = 5;
const workloadSeconds = Number(options.seconds ?? (options.quick ? 30 : 120));
const tuneSeconds = Number(options.tune ?? (options.quick ? 2 : 20));
const end = performance.now() + 1000 * Number(options.budget ?? Infinity);
const flags = options.offline ? ["--no-check", "--cached-only"] : ["--no-check"];
const command = `deno run -A bench/gpu.ts${Deno.args.map((argument) => ` ${argument}`).join("")}`;
const problems: string[] = [];
const page = new Map<string, string>();
const python = await findPython();

await section("Machine", describeMachine);
await section("Tests of the backend", () => runTests(["tests/gpu"], options.quick ? 60 : 240));
await section("Speed", runWorkloads);
await section("Accuracy", measureAccuracy);
const whole = [
  "tests/ops/devices_test.ts",
  "tests/devices_test.ts",
  "tests/nn/models_test.ts",
  "tests/golden_test.ts",
  "tests/ops/sizes_test.ts",
];
if (!options.quick) await section("Tests of operations and models", () => runTests(whole, 900));
await write();
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", options.out] }).output();
for (const problem of problems) console.error(problem);
Deno.exit(problems.length > 0 ? 1 : 0);

/** Runs one part of the page; what it throws becomes its text. */
async function section(title: string, body: () => Promise<string>): Promise<void> {
  try {
    page.set(title, secondsLeft() < leastSeconds ? "Left out: no time was left." : await body());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    problems.push(`${title}: ${message}`);
    page.set(title, `${page.get(title) ?? ""}\n\nFailed: ${message}`);
  }
  console.log(`\n## ${title}\n\n${page.get(title)}`);
  await write();
}

async function write(): Promise<void> {
  const sections = [...page].map(([title, text]) => `## ${title}\n\n${text.trim()}`);
  const failures = problems.length === 0
    ? []
    : [`## Problems\n\n${problems.map((problem) => `- ${problem.replaceAll("\n", " ")}`).join("\n")}`];
  await Deno.writeTextFile(options.out, `# Tandem on WebGPU\n\n${[...sections, ...failures].join("\n\n")}\n`);
}

async function describeMachine(): Promise<string> {
  const { description, hardware, features, limits, kernels, failure }: MachineReport = JSON.parse(await check(["machine"], 60));
  if (failure !== undefined) problems.push(`The adapter fails its first test: ${failure}`);
  if (hardware && kernels?.includes("software")) {
    problems.push("The kernels for hardware fail on this adapter: it is given those for software");
  }
  const torch = await torchVersion();
  return [
    `Written by \`${command}\` on ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC.`,
    "",
    `- Adapter: ${description}${hardware ? "" : " (no hardware: its times say nothing about a GPU)"}; its first test ${
      failure === undefined ? "passed" : `failed: ${failure}`
    }.`,
    `- It is given ${kernels ?? "nothing"}.`,
    `- Features: ${features.join(", ")}.`,
    `- Limits: ${Object.entries(limits).map(([name, value]) => `${name} ${value}`).join(", ")}.`,
    `- Deno ${Deno.version.deno}, ${Deno.build.os}, ${navigator.hardwareConcurrency} processors; ${torch ?? "no torch"}.`,
  ].join("\n");
}

async function runTests(folders: readonly string[], limit: number): Promise<string> {
  const few = ["backend", "guard", "device", "profile", "wgsl_reduce", "wgsl_tile"].map((name) => `tests/gpu/${name}_test.ts`);
  const args = ["test", "-A", ...flags, ...(options.quick ? few : folders)];
  const { text, finished } = await execute(Deno.execPath(), args, limit);
  const [, passed = "0", failed = "0"] = /(\d+) passed[^|]*\| (\d+) failed/.exec(text) ?? [];
  const names = [...text.matchAll(/^(.*) \.\.\. .*FAILED/gm)].map(([, name]) => name!);
  const outcome = finished
    ? `${passed} passed, ${failed} failed`
    : `not finished after ${Math.round(limit)} s: ${text.match(/\.\.\. .*ok/g)?.length ?? 0} passed, ${names.length} failed by then`;
  if (!finished || passed === "0" || failed !== "0") problems.push(`Tests: ${outcome}: ${names.join("; ")}: ${lastLines(text)}`);
  return [`${outcome}: \`deno ${args.join(" ")}\``, ...names.map((name) => `- FAILED ${name}`)].join("\n");
}

async function measureAccuracy(): Promise<string> {
  const points = 2 ** (options.quick ? 14 : 20);
  const rows: AccuracyRow[] = JSON.parse(await check(["accuracy", String(points)], 120));
  for (const { name, units, bound, at } of rows) {
    if (!(units <= bound)) problems.push(`${name} is ${units} units off at ${at}, beyond ${bound}`);
  }
  const head = ["function", "worst ULP", "bound", "at"];
  const cells = rows.map((
    { name, units, bound, at },
  ) => [name, units.toFixed(2), String(bound), at.map((x) => x.toPrecision(9)).join(", ")]);
  return `Largest error over ${points} points, in units in the last place of float32.\n\n${table([head, ...cells])}`;
}

/** The line of JSON that one of the checks prints. */
async function check(args: readonly string[], limit: number): Promise<string> {
  const { text } = await execute(Deno.execPath(), ["run", "-A", ...flags, file("gpu_checks.ts"), ...args], limit);
  const line = text.split("\n").find((candidate) => /^[{[]/.test(candidate));
  if (line === undefined) throw new Error(`the check ${args[0]} gave no result: ${lastLines(text)}`);
  return line;
}

async function runWorkloads(): Promise<string> {
  const rows: string[][] = [];
  const profiles: string[] = [];
  const tiles = new Map<string, string>();
  const wanted = new RegExp(options.only);
  const chosen = gpuCases(options.quick).filter(({ workload }) => wanted.test(workload.name));
  const text = () => speedText(rows, tiles, profiles);
  for (const one of chosen) {
    if (secondsLeft() < leastSeconds) {
      rows.push([one.workload.name, "no time left"]);
      continue;
    }
    const json = JSON.stringify(one.workload);
    const script = [file("gpu_workloads.ts"), json, String(tuneSeconds)];
    const own = await measured("tandem", Deno.execPath(), ["run", "-A", ...flags, ...script], one);
    const torch = python === undefined || one.alone ? undefined : await measured("torch", python, [file("gpu_torch.py"), json], one);
    for (const result of [own, torch]) {
      if (result !== undefined && "error" in result) problems.push(`${one.workload.name}: ${result.error}`);
    }
    if (one.comparable && disagree(own, torch)) problems.push(`${one.workload.name}: ${checkOf(own)} is not torch's ${checkOf(torch)}`);
    rows.push(speedRow(one, own, torch));
    if (!("error" in own)) {
      for (const [name, tile] of Object.entries(own.tiles ?? {})) tiles.set(name, JSON.stringify(tile));
      if (own.profile !== undefined) profiles.push(`### ${one.workload.name}\n\n\`\`\`text\n${own.profile}\n\`\`\``);
    }
    console.log(rows.at(-1)!.join(" | "));
    page.set("Speed", text());
    await write();
  }
  return text();
}

function speedRow({ workload, work }: GpuCase, own: GpuMeasurement | Failure, torch: GpuMeasurement | Failure | undefined): string[] {
  const rate = (time: number) => work === undefined || Number.isNaN(time) ? "" : `${significant(work.amount / time * 1e-6)} ${work.unit}`;
  const known = "error" in own ? undefined : own;
  const [plain, tuned, other] = [known?.median ?? NaN, known?.tuned ?? NaN, timeOf(torch)];
  const best = Number.isNaN(tuned) ? plain : Math.min(plain, tuned);
  return [
    workload.name,
    known === undefined ? "fails" : show(plain),
    show(tuned),
    show(known?.kernels ?? NaN),
    rate(best),
    torch !== undefined && "error" in torch ? "fails" : show(other),
    rate(other),
    Number.isNaN(other / best) ? "" : (other / best).toFixed(2),
  ];
}

function speedText(rows: readonly string[][], tiles: ReadonlyMap<string, string>, profiles: readonly string[]): string {
  const head = ["workload", "ms", "tuned ms", "ms in kernels", "rate", "torch ms", "torch rate", "torch ÷ Tandem"];
  return [
    "Medians of runs that share one read at the end, then the same after `tune`; torch in float32 without TF32. A last column above 1 says how many",
    "times faster Tandem is.",
    "",
    table([head, ...rows]),
    "",
    "Each workload runs alone: `deno run -A bench/gpu_workloads.ts JSON` and `python3 bench/gpu_torch.py JSON`.",
    "",
    ...(tiles.size === 0
      ? []
      : ["### Tiles that tuning chose", "", "```text", ...[...tiles].map(([name, tile]) => `${name}: ${tile}`), "```", ""]),
    "Time per kernel by the device's clock, two runs each, the longest first.",
    "",
    ...profiles.flatMap((profile) => [profile, ""]),
  ].join("\n");
}

async function measured(peer: string, program: string, args: readonly string[], { workload }: GpuCase): Promise<GpuMeasurement | Failure> {
  const { text, finished } = await execute(program, args, workloadSeconds + tuneSeconds);
  const line = text.split("\n").find((candidate) => candidate.startsWith("{"));
  if (line !== undefined) return JSON.parse(line);
  const reason = finished ? "failed" : `took over ${workloadSeconds + tuneSeconds} s`;
  return { peer, workload: workload.name, error: `${peer} ${reason}: ${lastLines(text)}` };
}

/** Runs a command in the project's folder, for so many seconds at most and while there is time; what it writes is returned. */
async function execute(
  program: string,
  args: readonly string[],
  limit: number,
): Promise<{ text: string; success: boolean; finished: boolean }> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: new URL("..", import.meta.url).pathname,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let finished = true;
  const timer = setTimeout(() => {
    finished = false;
    child.kill("SIGKILL");
  }, 1000 * Math.min(limit, Math.max(1, secondsLeft())));
  const { stdout, stderr, success } = await child.output();
  clearTimeout(timer);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { text: `${decode(stdout)}\n${decode(stderr)}`, success, finished };
}

function secondsLeft(): number {
  return (end - performance.now()) / 1000;
}

async function findPython(): Promise<string | undefined> {
  for (const path of ["python3", "/usr/bin/python3"]) {
    const found = await execute(path, ["-c", "import torch"], 60).catch(() => undefined);
    if (found?.success) return path;
  }
  return undefined;
}

async function torchVersion(): Promise<string | undefined> {
  if (python === undefined) return undefined;
  const script =
    "import torch; c = torch.cuda; print('torch', torch.__version__, 'on', c.get_device_name() if c.is_available() else 'the CPU')";
  return (await execute(python, ["-c", script], 60)).text.trim().split("\n")[0];
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
  return value.toFixed(Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(value)))));
}

function lastLines(text: string): string {
  return text.trim().slice(-600);
}

function file(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Rows of cells in Markdown, the first the head; numbers stand flush. */
function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${head.map((_, column) => cells[column] ?? "").join(" | ")} |`;
  return [line(head), line(head.map((_, column) => column === 0 ? "---" : "---:")), ...rows.map(line)].join("\n");
}
