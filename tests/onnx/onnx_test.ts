/**
 * ONNX's backend cases on the CPU and on WebGPU: single operators, and models that PyTorch exported.
 *
 * Needs Debian's libonnx-testdata, or its data folder in `TANDEM_ONNX_DIR`. `TANDEM_ONNX_CASES` runs only cases whose name matches a regular
 * expression.
 */
import { ignoreWebgpu } from "../devices.ts";
import { type Case, listCases, missingForCases, modelOf, operatorsOf, type Outcome, runCase, usesFloat64 } from "./cases.ts";
import { UnsupportedError } from "./model.ts";
import { noFloat64, reasonFor } from "./unsupported.ts";

const missing = missingForCases();
if (missing !== undefined) console.log(`ONNX's backend cases are not run: they need ${missing}`);

const only = missing === undefined ? Deno.env.get("TANDEM_ONNX_CASES") : undefined;

Deno.test({
  name: "ONNX's backend cases pass on the CPU",
  ignore: missing !== undefined,
  fn: () => runAll("cpu"),
});

Deno.test({
  name: "ONNX's backend cases pass on WebGPU",
  ignore: missing !== undefined || ignoreWebgpu,
  fn: () => runAll("webgpu"),
});

type Counts = Record<Outcome["kind"], number>;

const none: Readonly<Counts> = { passed: 0, failed: 0, unsupported: 0 };

/** Runs every case, prints the counts by suite and by operator, and fails where a case does. */
async function runAll(device: string): Promise<void> {
  const bySuite = new Map<string, Counts>();
  const byOperator = new Map<string, Counts>();
  const faults: string[] = [];
  for (const one of listCases()) {
    if (only !== undefined && !new RegExp(only).test(one.name)) continue;
    const outcome = await judge(one, device);
    if (outcome.kind === "failed") faults.push(`${one.suite}/${one.name}: ${outcome.why}`);
    count(bySuite, one.suite, outcome);
    for (const operator of operatorNames(one)) count(byOperator, operator, outcome);
  }
  const lines = [...byOperator].sort(([a], [b]) => a < b ? -1 : 1).map(([name, counts]) => `  ${name}: ${inWords(counts)}`);
  const suites = [...bySuite].map(([name, counts]) => `${name}: ${inWords(counts)}`);
  console.log(`ONNX on ${device}\n${suites.join("\n")}\nby operator that a case uses:\n${lines.join("\n")}`);
  if (faults.length > 0) throw new Error(`${faults.length} cases fail:\n  ${faults.join("\n  ")}`);
}

/** What is not supported without a listed reason has failed; so has what is listed and passes. */
async function judge(one: Case, device: string): Promise<Outcome> {
  const reason = reasonFor(one.name, device) ?? (device === "webgpu" && holdsFloat64(one) ? noFloat64 : undefined);
  if (reason === noFloat64) return { kind: "unsupported", why: reason };
  const outcome = await runCase(one, device);
  if (reason === undefined) return outcome.kind === "unsupported" ? { kind: "failed", why: outcome.why } : outcome;
  return outcome.kind === "passed"
    ? { kind: "failed", why: `unsupported.ts lists it ("${reason}"), but it passes` }
    : { kind: "unsupported", why: reason };
}

function holdsFloat64(one: Case): boolean {
  try {
    return usesFloat64(one, modelOf(one));
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}

function operatorNames(one: Case): ReadonlySet<string> {
  return operatorsOf(modelOf(one).graph);
}

function count(counts: Map<string, Counts>, key: string, { kind }: Outcome): void {
  const own = counts.get(key) ?? { ...none };
  own[kind]++;
  counts.set(key, own);
}

function inWords({ passed, failed, unsupported }: Counts): string {
  return `${passed} passed, ${failed} failed, ${unsupported} unsupported`;
}
