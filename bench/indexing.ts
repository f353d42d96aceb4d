/**
 * Picking, placing, running totals, sorting and selecting in Tandem and its peers: `deno run -A bench/indexing.ts [--only pattern]
 * [--peers tandem-1,tandem-2,torch-1,torch-2,tfjs-wasm] [--device webgpu]`.
 *
 * Every peer runs in a process of its own; what a workload gives has to agree before its times are shown.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { init, scope, type Tensor, tensor } from "../tensor/mod.ts";
import { CpuBackend } from "../cpu/mod.ts";
import { registerDevice } from "../tensor/device.ts";
import { retrievalMetrics } from "../train/mod.ts";
import { cyclicLabels, type Failure, measure, type Measurement, type Prepared, uniform } from "./harness.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    peers: { type: "string", default: "tandem-1,tandem-2,torch-1,torch-2,tfjs-wasm" },
    run: { type: "string" },
    device: { type: "string", default: "cpu" },
  },
});

/** Each workload: what is timed, and the element by which results are compared. */
const workloads: Readonly<Record<string, () => Prepared>> = {
  embedding: () => {
    const [table, index] = [values([50000, 128], 1), positions([65536], 50000, 2)];
    return pure(() => table.indexSelect(0, index), 12345);
  },
  embedding_backward: () => {
    const [table, index] = [values([50000, 128], 1).requiresGrad_(), positions([65536], 50000, 2)];
    const gradient = values([65536, 128], 3);
    return pure(() => {
      table.grad = null;
      table.indexSelect(0, index).backward({ gradient });
      return table.grad!;
    }, 12345);
  },
  class_sums: () => {
    const [x, index] = [values([65536, 128], 3), positions([65536], 10, 2)];
    return pure(() => x.newZeros([10, 128]).indexAdd(0, { index, source: x }), 130);
  },
  gather_dim1: () => {
    const [x, index] = [values([4096, 1024], 4), positions([4096, 1024], 1024, 5)];
    return pure(() => x.gather(1, index), 2049);
  },
  scatter_add_dim1: () => {
    const [x, index] = [values([4096, 1024], 4), positions([4096, 1024], 1024, 5)];
    return pure(() => x.newZeros([4096, 1024]).scatterAdd(1, index, x), 2049);
  },
  cumsum_dim1: () => unary([4096, 1024], (x) => x.cumsum(1)),
  cumsum_dim0: () => unary([4096, 1024], (x) => x.cumsum(0)),
  cumsum_4M: () => unary([4194304], (x) => x.cumsum(0)),
  cumprod_dim1: () => unary([4096, 1024], (x) => x.cumprod(1)),
  cummax_dim1: () => unary([4096, 1024], (x) => x.cummax(1).values),
  sort_dim1: () => unary([4096, 1024], (x) => x.sort(1).values),
  sort_dim0: () => unary([4096, 1024], (x) => x.sort(0).values),
  sort_1M: () => unary([1048576], (x) => x.sort(0).values),
  topk5_4096x1000: () => unary([4096, 1000], (x) => x.topk(5).values),
  topk100_4096x1000: () => unary([4096, 1000], (x) => x.topk(100).values),
  topk5_10000x10000: () => unary([10000, 10000], (x) => x.topk(5).values),
  argmax_dim1: () => unary([4096, 1024], (x) => x.argmax(1)),
  retrieval_10000: () => retrieval({}),
  retrieval_10000_most: () => retrieval({ mostRelevant: 1000 }),
};

if (options.run === undefined) await compare();
else await runHere(Number(options.run));

function values(shape: readonly number[], seed: number): Tensor {
  return tensor(uniform(shape.reduce((a, b) => a * b, 1), { seed }), { shape });
}

/** Whole numbers from 0 to below `size`. */
function positions(shape: readonly number[], size: number, seed: number): Tensor {
  const numbers = uniform(shape.reduce((a, b) => a * b, 1), { seed });
  return tensor(Int32Array.from(numbers, (x) => Math.min(size - 1, Math.floor((x + 1) / 2 * size))), { shape });
}

function unary(shape: readonly number[], f: (x: Tensor) => Tensor): Prepared {
  const x = values(shape, 4);
  return pure(() => f(x), 7);
}

function retrieval(how: { readonly mostRelevant?: number }): Prepared {
  const [x, labels] = [values([10000, 64], 6), tensor(cyclicLabels(10000))];
  const run = async () => {
    using _ = scope();
    return await retrievalMetrics(x, labels, how).mapAtR.item();
  };
  return { run, check: run };
}

function pure(f: () => Tensor, at: number): Prepared {
  const check = async () => {
    using _ = scope();
    return Number(await f().flatten().select(0, at).item());
  };
  if (options.device !== "cpu") return { run: check, check };
  return {
    run: () => {
      using _ = scope();
      f();
    },
    check,
  };
}

async function runHere(threads: number): Promise<void> {
  if (options.device === "cpu") registerDevice("cpu", new CpuBackend({ threads }));
  else await init({ device: "webgpu" });
  for (const [name, prepare] of Object.entries(workloads)) {
    if (new RegExp(options.only).test(name)) console.log(JSON.stringify(await measure(`tandem-${threads}`, { name, prepare })));
  }
  Deno.exit(0);
}

function commandOf(peer: string): [string, ...string[]] {
  const here = (name: string) => new URL(name, import.meta.url).pathname;
  const [name, detail = ""] = peer.split("-") as [string, string?];
  const only = options.only;
  if (name === "tandem") {
    return [Deno.execPath(), "run", "-A", "--no-check", here("indexing.ts"), "--run", detail, "--only", only, "--device", options.device];
  }
  if (name === "torch") return ["/usr/bin/python3", here("peers/indexing.py"), detail, only];
  return [Deno.execPath(), "run", "-A", "--no-check", "--config", here("peers/deno.json"), here("peers/indexing.ts"), detail, only];
}

async function compare(): Promise<void> {
  const peers = options.peers.split(",");
  const rows = new Map<string, Map<string, Measurement | Failure>>();
  for (const peer of peers) {
    const [program, ...args] = commandOf(peer);
    const { stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
    for (const line of new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"))) {
      const result = JSON.parse(line) as Measurement | Failure;
      if (!rows.has(result.workload)) rows.set(result.workload, new Map());
      rows.get(result.workload)!.set(peer, result);
    }
  }
  console.log(["milliseconds".padEnd(20), ...peers.map((peer) => peer.padStart(10))].join(" "));
  for (const [workload, results] of rows) {
    const cells = peers.map((peer) => {
      const result = results.get(peer);
      return (result === undefined ? "" : "error" in result ? "error" : result.median.toFixed(2)).padStart(10);
    });
    const checks = [...results.values()].flatMap((result) => "error" in result ? [] : [result.check]);
    const differs = checks.some((check) => Math.abs(check - checks[0]!) > 1e-4 * Math.max(1, Math.abs(checks[0]!)));
    console.log([workload.padEnd(20), ...cells].join(" "), differs ? `results differ: ${checks.join(", ")}` : "");
    for (const result of results.values()) if ("error" in result) console.log(`  ${result.peer}: ${result.error}`);
  }
}
