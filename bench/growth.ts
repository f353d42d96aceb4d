/**
 * How time and memory grow: training steps with their batch (32 … 1,024), contrastive losses with their rows (256 … 16,384).
 *
 * `deno run -A bench/growth.ts [--only 'mlp|cnn'] [--most 4096] [--threads 1]` measures the series and sizes that are asked for, each point in
 * a process of its own, puts them beside what was measured before in bench/growth/points.json, and writes bench/GROWTH.md and bench/growth.svg from
 * all of it. So the whole can be measured in pieces; `--only none` only writes the pages again. Everything takes some minutes.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { CpuBackend } from "../cpu/mod.ts";
import { eSupCon, ntXent, supCon } from "../losses/mod.ts";
import { registerDevice, scope, type Tensor, tensor } from "../tensor/mod.ts";
import { panelsOf, type Point, writeGrowth } from "./growth/page.ts";
import { drawPanels } from "./growth/plot.ts";
import { cyclicLabels, median, temperature } from "./harness.ts";
import { cnnSteps, mlpSteps, values } from "./models.ts";
import { processor } from "./processor.ts";

/** What grows: how one repetition of a size is made ready. */
interface Series {
  readonly sizes: readonly number[];
  prepare(size: number): () => Promise<unknown>;
}

const batches = [32, 64, 128, 256, 512, 1024] as const;
const rows = [256, 512, 1024, 2048, 4096, 8192, 16384] as const;
const width = 128;
const classes = 10;

const series: Readonly<Record<Point["series"], Series>> = {
  mlp: { sizes: batches, prepare: (batch) => mlpSteps("sgd", { compiled: true, batch }) },
  cnn: { sizes: batches, prepare: (batch) => cnnSteps("sgd", { compiled: true, batch }) },
  supCon: { sizes: rows, prepare: (count) => loss(count, (z, y) => supCon(z, y, { temperature, numClasses: classes })) },
  ntXent: {
    sizes: rows,
    prepare: (count) =>
      loss(count, (z) => {
        const [first, second] = [0, count / 2].map((start) => z.narrow(0, { start, length: count / 2 }));
        return ntXent(first!, second!, { temperature });
      }),
  },
  eSupCon: {
    sizes: rows,
    prepare: (count) => {
      const prototypes = values([classes, width], { seed: 61 }).requiresGrad_();
      return loss(count, (z, y) => {
        prototypes.grad = null;
        return eSupCon(z, y, { prototypes, temperature });
      });
    },
  },
};

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    most: { type: "string", default: "16384" },
    // As many as a program has that does not ask.
    threads: { type: "string", default: String(Math.min(8, navigator.hardwareConcurrency)) },
    point: { type: "string" },
  },
});

if (options.point !== undefined) console.log(JSON.stringify(await measure(options.point)));
else await measureAll();

/** Forward and backward of a loss of `count` rows. */
function loss(count: number, lossOf: (z: Tensor, y: Tensor) => Tensor): () => Promise<unknown> {
  const z = values([count, width], { seed: 60 }).requiresGrad_();
  const labels = tensor(cyclicLabels(count, classes));
  return async () => {
    using _ = scope();
    z.grad = null;
    const value = lossOf(z, labels);
    value.backward();
    return await value.item();
  };
}

/** Times one point, named as "<series> <size>", on a heap whose greatest use is watched. */
async function measure(point: string): Promise<Pick<Point, "milliseconds" | "bytes" | "runs">> {
  const [name, size] = point.split(" ");
  const backend = new CpuBackend({ threads: Number(options.threads) });
  const peak = watchPeak(backend);
  registerDevice("cpu", backend);
  const run = series[name as Point["series"]].prepare(Number(size));
  const once = async () => {
    const from = performance.now();
    await run();
    return performance.now() - from;
  };
  const first = await once();
  if (first > 2000) return { milliseconds: first, bytes: peak(), runs: 1 };
  // A compiled step is captured twice, and the engine optimises hot code in the background.
  for (const end = performance.now() + 400; performance.now() < end;) await once();
  const times: number[] = [];
  for (const end = performance.now() + 1200; times.length < 3 || performance.now() < end;) times.push(await once());
  return { milliseconds: median(times), bytes: peak(), runs: times.length };
}

/** The most bytes that tensors and kernels have held at once so far. */
function watchPeak({ heap }: CpuBackend): () => number {
  const alloc = heap.alloc.bind(heap);
  let peak = 0;
  heap.alloc = (bytes) => {
    const pointer = alloc(bytes);
    peak = Math.max(peak, heap.bytes);
    return pointer;
  };
  return () => peak;
}

async function measureAll(): Promise<void> {
  const here = (name: string) => new URL(name, import.meta.url).pathname;
  const before: readonly Point[] = JSON.parse(await Deno.readTextFile(here("growth/points.json")).catch(() => "[]"));
  const points = new Map(before.map((point) => [`${point.series} ${point.size}`, point]));
  const only = new RegExp(options.only);
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const machine = `${processor().name}, ${
    options.threads === "1" ? "one thread" : `${options.threads} threads`
  }, Deno ${Deno.version.deno}`;
  for (const [name, { sizes }] of Object.entries(series) as [Point["series"], Series][]) {
    for (const size of sizes.filter((size) => only.test(name) && size <= Number(options.most))) {
      const measured = await inOwnProcess(`${name} ${size}`);
      console.error(`${name.padEnd(8)} ${String(size).padStart(6)} ${measured.milliseconds.toFixed(2).padStart(10)} ms`);
      points.set(`${name} ${size}`, { series: name, size, ...measured, date, machine });
    }
  }
  const order = Object.keys(series);
  const sorted = [...points.values()].sort((a, b) => order.indexOf(a.series) - order.indexOf(b.series) || a.size - b.size);
  await Deno.writeTextFile(here("growth/points.json"), `${JSON.stringify(sorted)}\n`);
  await Deno.writeTextFile(here("growth.svg"), drawPanels(panelsOf(sorted)));
  await Deno.writeTextFile(here("GROWTH.md"), writeGrowth(sorted));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", ...["GROWTH.md", "growth.svg", "growth/points.json"].map(here)] })
    .output();
}

async function inOwnProcess(point: string): Promise<Pick<Point, "milliseconds" | "bytes" | "runs">> {
  const args = ["run", "-A", "--no-check", import.meta.filename!, "--threads", options.threads, "--point", point];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(`Cannot measure ${point}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
