/**
 * Tandem and its peers on the same workloads, in one run: `deno task bench:peers [--rounds 2] [--only pattern] [--peers tandem,torch-1]`.
 *
 * Every workload of every peer runs in a process of its own, peers in turn, so that a machine's changing speed meets all of them. The
 * peers' results have to agree before their times are compared. Prints a table and writes it to bench/RESULTS.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Failure, type Measurement, median, takesPart, type WorkloadName, workloadNames } from "./harness.ts";
import { processor } from "./processor.ts";
import { report } from "./report.ts";

/** A contestant, and what it needs from its environment. */
interface Peer {
  /** What is run with a pattern of workloads as its last argument. */
  readonly command: readonly [string, ...string[]];
  /** What computes and prints the first product of a process; none where the peer does not take part. */
  readonly start?: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
    peers: { type: "string" },
    seconds: { type: "string", default: "90" },
    out: { type: "string", default: new URL("RESULTS.md", import.meta.url).pathname },
  },
});

const startRuns = 5;
const python = await findPython();
const peers = choosePeers();
const results = new Map<string, Measurement | Failure>();
const loads = [Deno.loadavg()[0]!];
await runAll();
loads.push(Deno.loadavg()[0]!);

const { text, problems } = report(peers.map(([name]) => name), results);
console.log(text);
await Deno.writeTextFile(options.out, await page(text));
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", options.out] }).output();
for (const problem of problems) console.error(problem);
Deno.exit(problems.length > 0 ? 1 : 0);

function choosePeers(): [string, Peer][] {
  const known = allPeers();
  const usual = Object.keys(known).filter((name) => name !== "tandem-webgpu");
  return (options.peers?.split(",") ?? usual).map((name) => {
    const peer = known[name];
    if (peer === undefined) throw new TypeError(`Cannot bench: one of ${Object.keys(known).join(", ")} is needed as peer, got ${name}`);
    return [name, peer];
  });
}

function allPeers(): Record<string, Peer> {
  const here = (name: string) => new URL(name, import.meta.url).pathname;
  const deno = Deno.execPath();
  const program = (file: string, ...rest: string[]): [string, ...string[]] => [deno, "run", "-A", "--no-lock", here(file), ...rest];
  const configuration = ["--config", here("peers/deno.json")];
  // Deep chains of operations overflow the stack while jax-js compiles them.
  const flags = ["-A", "--v8-flags=--stack-size=3900", ...configuration];
  const other = (name: string, mode: string): Peer => ({
    command: [deno, "run", ...flags, here(`peers/${name}.ts`), mode],
    start: [deno, "run", "-A", ...configuration, here(`peers/${name}_start.ts`), mode],
  });
  return {
    tandem: { command: program("tandem.ts"), start: program("start.ts") },
    "tandem-eager": { command: program("tandem.ts", "--eager") },
    "tandem-webgpu": { command: program("tandem.ts", "--device", "webgpu"), start: program("start.ts", "webgpu") },
    "jax-jit": other("jax", "jit"),
    "jax-eager": other("jax", "eager"),
    "tfjs-wasm": other("tfjs", "wasm"),
    "tfjs-cpu": other("tfjs", "cpu"),
    ...(python === undefined ? {} : { "torch-1": torch(python.path, 1), "torch-2": torch(python.path, 2) }),
  };
}

function torch(path: string, threads: number): Peer {
  // OpenBLAS takes processors younger than itself for very old ones (10 times slower) unless it is told what they are.
  const environment: Record<string, string> = processor().vectors ? { OPENBLAS_CORETYPE: "SKYLAKEX" } : {};
  const command = [path, new URL("peers/pytorch.py", import.meta.url).pathname, String(threads)] as const;
  return { command, start: [...command, "^startup$"], environment };
}

async function runAll(): Promise<void> {
  const only = new RegExp(options.only);
  for (let round = 1; round <= Number(options.rounds); round++) {
    for (const workload of workloadNames.filter((name) => only.test(name))) {
      for (const [name, peer] of peers.filter(([name]) => takesPart(name, workload))) await runOne(round, workload, [name, peer]);
    }
  }
}

/** Runs one workload of one peer and keeps the best of all rounds; what failed once is not tried again. */
async function runOne(round: number, workload: WorkloadName, [name, peer]: [string, Peer]): Promise<void> {
  const key = `${name} ${workload}`;
  const before = results.get(key);
  if (before !== undefined && "error" in before) return;
  const result = workload === "startup" ? await start(peer) : await run(peer, [...peer.command, `^${workload}$`], workload);
  const shown = "error" in result ? result.error : `${result.median.toFixed(3)} ms`;
  console.error(`round ${round}  ${workload.padEnd(18)} ${name.padEnd(14)} ${shown}`);
  const better = before === undefined || "error" in result || result.median < before.median;
  if (better) results.set(key, { ...result, peer: name });
}

async function run({ environment = {} }: Peer, [program, ...args]: string[], workload: string): Promise<Measurement | Failure> {
  const signal = AbortSignal.timeout(Number(options.seconds) * 1000);
  const command = new Deno.Command(program!, { args, env: environment, signal, stderr: "piped" });
  const { stdout, stderr, code } = await command.output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  const line = out!.split("\n").find((line) => line.startsWith("{"));
  if (line !== undefined) return JSON.parse(line);
  const error = signal.aborted ? `more than ${options.seconds} s` : errors!.trim().split("\n").at(-1) ?? `exit code ${code}`;
  return { peer: "", workload, error };
}

/** Processes that compute and read one matrix product, timed from start to exit. */
async function start(peer: Peer): Promise<Measurement | Failure> {
  const times: number[] = [];
  let last: Measurement | Failure | undefined;
  for (let count = 0; count < startRuns; count++) {
    const from = performance.now();
    last = await run(peer, [...peer.start!], "startup");
    if ("error" in last) return last;
    times.push(performance.now() - from);
  }
  return { ...last as Measurement, median: median(times), fastest: Math.min(...times), runs: times.length };
}

/** A Python that has PyTorch; a system's own first, which is where its packages are. */
async function findPython(): Promise<{ path: string; version: string } | undefined> {
  for (const path of ["/usr/bin/python3", "python3"]) {
    try {
      const { success, stdout } = await new Deno.Command(path, { args: ["-c", "import torch; print(torch.__version__)"] }).output();
      if (success) return { path, version: new TextDecoder().decode(stdout).trim() };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

async function page(table: string): Promise<string> {
  const { name, vectors } = processor();
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("peers/deno.json", import.meta.url))) as {
    imports: Record<string, string>;
  };
  const versions = [
    `Deno ${Deno.version.deno}`,
    ...Object.values(imports).map((specifier) => specifier.replace(/^npm:/, "")),
    ...(python === undefined ? [] : [`torch ${python.version}`]),
  ];
  return `# Tandem and its peers

Written by \`deno task bench:peers${
    Deno.args.map((argument) => ` ${/^[\w,.:=/-]+$/.test(argument) ? argument : `'${argument}'`}`).join("")
  }\` on ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC.

Machine: ${navigator.hardwareConcurrency} cores of ${name}${vectors ? " (AVX-512)" : ""}; load average ${
    loads.map((load) => load.toFixed(2)).join(" before, ")
  } after. ${versions.join(", ")}.

${table}`;
}
