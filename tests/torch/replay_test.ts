/**
 * PyTorch's own samples of its operators, replayed: forward, gradients and inputs that must raise on the CPU, forward on WebGPU.
 *
 * Needs Debian's python3-torch, or a folder that generate.py wrote in `TANDEM_TORCH_DIR`. `TANDEM_TORCH_OPS` replays only operators whose
 * name matches a regular expression; `TANDEM_TORCH_WEBGPU` is the number of samples per operator on WebGPU (default 20), or "all".
 */
import { ignoreWebgpu } from "../devices.ts";
import { deviationOf, type Kind } from "./deviations.ts";
import { missingForSamples, openSamples, type Operator, readOperator, type Samples } from "./format.ts";
import { ops } from "./rows/mod.ts";
import { type Outcome, replayError, replaySample, type Row } from "./replay.ts";
import { missingOperators, unsupported } from "./unsupported.ts";

const missing = await missingForSamples();
if (missing !== undefined) console.log(`PyTorch's samples are not replayed: they need ${missing}`);

let opened: Promise<Samples> | undefined;
const samples = (): Promise<Samples> => opened ??= openSamples(Object.keys(ops));
const only = missing === undefined ? Deno.env.get("TANDEM_TORCH_OPS") : undefined;

function forward(row: Row, operator: Operator, device: string): Chosen[] {
  return operator.samples.map((sample, position) => ({
    kind: "forward",
    position,
    replay: () => replaySample(row, operator, sample, { device, gradient: false }),
  }));
}

Deno.test({
  name: "ops replay PyTorch's samples forward on the CPU",
  ignore: missing !== undefined,
  fn: () => replayAll("forward, cpu", 18_000, (row, operator) => forward(row, operator, "cpu")),
});

Deno.test({
  name: "ops replay PyTorch's gradients on the CPU",
  ignore: missing !== undefined,
  fn: () =>
    replayAll(
      "gradient, cpu",
      14_000,
      (row, operator) =>
        operator.samples.flatMap((sample, position) =>
          sample.gradients === undefined
            ? []
            : { kind: "gradient", position, replay: () => replaySample(row, operator, sample, { device: "cpu", gradient: true }) }
        ),
    ),
});

Deno.test({
  name: "ops refuse with a typed error what PyTorch refuses",
  ignore: missing !== undefined,
  fn: () =>
    replayAll("errors, cpu", 302, (row, operator) =>
      operator.errors.map((input, position) => ({
        kind: "error",
        position,
        replay: () => replayError(row, operator, input, "cpu"),
      }))),
});

Deno.test({
  name: "ops replay PyTorch's samples forward on WebGPU",
  ignore: missing !== undefined || ignoreWebgpu,
  fn: () => {
    const wanted = Deno.env.get("TANDEM_TORCH_WEBGPU") ?? "20";
    const most = wanted === "all" ? Infinity : Number(wanted);
    return replayAll("forward, webgpu", 0, (row, operator) => {
      const step = Math.max(1, Math.floor(operator.samples.length / most));
      return forward(row, operator, "webgpu").filter(({ position }) => position % step === 0).slice(0, most);
    });
  },
});

Deno.test({
  name: "unsupported.ts names every operator of PyTorch that no row replays, and no other",
  ignore: missing !== undefined,
  async fn() {
    const { manifest } = await samples();
    const known = new Set(manifest.operators.map(({ name }) => name));
    const listed = new Map(Object.entries(missingOperators).flatMap(([reason, names]) => names.map((name) => [name, reason] as const)));
    const faults = [
      ...Object.keys(ops).filter((name) => !known.has(name)).map((name) => `${name}: op_db has no such operator for float32`),
      ...[...known].filter((name) => ops[name] === undefined && !listed.has(name)).map((name) => `${name}: no row and no reason`),
      ...[...listed.keys()].filter((name) => ops[name] !== undefined).map((name) => `${name}: listed as missing, but a row replays it`),
    ];
    const composed = Object.values(ops).filter((row) => row.composed).length;
    console.log(
      `PyTorch ${manifest.torch}: ${known.size} operators take float32, ${
        Object.keys(ops).length
      } are replayed (${composed} of them composed)`,
    );
    if (only === undefined && replayed.size === 4) {
      faults.push(
        ...Object.keys(unsupported).filter((key) => !reasonsUsed.has(key)).map((key) => `${key}: a reason that no sample asks for`),
      );
    }
    if (faults.length > 0) throw new Error(faults.join("\n  "));
  },
});

/** Which kinds of replays have run, and the keys of the reasons that they asked for. */
const replayed = new Set<string>();
const reasonsUsed = new Set<string>();

/** A replay, and which sample of which kind it is. */
interface Chosen {
  readonly kind: Kind;
  readonly position: number;
  readonly replay: () => Promise<Outcome>;
}

/** Replays what `chosen` makes of every operator, prints the counts, and fails where a replay does or fewer than `least` agree. */
async function replayAll(title: string, least: number, chosen: (row: Row, operator: Operator) => Chosen[]): Promise<void> {
  const { folder, manifest } = await samples();
  const faults: string[] = [];
  const total = { passed: 0, failed: 0, uncompiled: 0, unsupported: 0, deviating: 0 };
  const lines: string[] = [];
  const reasons = new Map<string, number>();
  for (const entry of manifest.operators) {
    const row = ops[entry.name];
    if (row === undefined || entry.file === undefined || (only !== undefined && !new RegExp(only).test(entry.name))) continue;
    const operator = await readOperator(folder, entry);
    const counts = { passed: 0, failed: 0, uncompiled: 0, unsupported: 0, deviating: 0 };
    const all = chosen(row, operator);
    for (const one of all) {
      const outcome = judged(entry.name, one, await one.replay());
      counts[outcome.kind]++;
      total[outcome.kind]++;
      if (outcome.kind === "unsupported" || outcome.kind === "uncompiled") {
        const reason = `${outcome.kind}, ${outcome.what}`;
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      if (outcome.kind === "failed") faults.push(`${entry.name} ${one.position}: ${outcome.why}`);
    }
    if (all.length > 0) lines.push(`  ${entry.name}: ${inWords(counts)}`);
  }
  const sums = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, count]) => `  ${reason}: ${count}`);
  console.log(`${title}: ${inWords(total)}\n${[...lines, ...sums].join("\n")}`);
  replayed.add(title);
  const enough = total.passed + total.uncompiled;
  if (only === undefined && enough < least) faults.push(`${title} needs at least ${least} replays that agree, got ${enough}`);
  if (faults.length > 0) throw new Error(`${faults.length} replays fail:\n  ${faults.join("\n  ")}`);
}

function inWords(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).filter(([kind, n]) => n > 0 || kind === "passed" || kind === "failed").map(([kind, n]) => `${n} ${kind}`)
    .join(", ");
}

type Judged = Outcome | { readonly kind: "deviating" };

/** What is unsupported without a reason has failed; so has a deviation that is none. */
function judged(operator: string, { kind, position }: Chosen, outcome: Outcome): Judged {
  const deviates = deviationOf(operator, kind, position) !== undefined;
  switch (outcome.kind) {
    case "failed":
      return deviates ? { kind: "deviating" } : outcome;
    case "passed":
      return deviates ? { kind: "failed", why: "deviations.ts lists it, but it agrees" } : outcome;
    case "uncompiled":
      return outcome;
    case "unsupported": {
      const key = [`${operator} ${outcome.what}`, `* ${outcome.what}`].find((known) => unsupported[known] !== undefined);
      if (key === undefined) return { kind: "failed", why: `${outcome.what} is not supported, and unsupported.ts gives no reason` };
      reasonsUsed.add(key);
      return outcome;
    }
  }
}
