/**
 * The table of a comparison, and what is wrong with its results.
 *
 * @module
 */
import { type Failure, type Measurement, workloadNames } from "./harness.ts";

/** How far apart the peers' check values may lie: sums of thousands of float32 values in different orders. */
const tolerance = { relative: 1e-3, absolute: 1e-6 } as const;

/** Results that are shown and left out of the ratios: compiled by jax-js, the thousand additions are one operation. */
const notComparable: ReadonlySet<string> = new Set(["jax-jit dispatch1000"]);

/** What to print, and one sentence for each result that is missing or does not agree. */
export interface Report {
  readonly text: string;
  readonly problems: readonly string[];
}

/** Makes the report of results under "<peer> <workload>". */
export function report(peers: readonly string[], results: ReadonlyMap<string, Measurement | Failure>): Report {
  const workloads = workloadNames.filter((workload) => peers.some((peer) => results.has(`${peer} ${workload}`)));
  const torch = peers.filter((peer) => peer.startsWith("torch"));
  const header = ["workload", ...peers, "best JS peer ÷ Tandem", ...torch.map((peer) => `${peer} ÷ Tandem`)];
  const lines = workloads.map((workload) => {
    const time = (peer: string) => timeOf(results.get(`${peer} ${workload}`));
    const others = peers.filter((peer) => /^(jax|tfjs)/.test(peer) && !notComparable.has(`${peer} ${workload}`)).map(time);
    const own = time("tandem");
    const ratio = (other: number) => Number.isFinite(other) && Number.isFinite(own) ? `${(other / own).toFixed(2)}×` : "";
    const cells = peers.map((peer) => cell(results.get(`${peer} ${workload}`)));
    return [workload, ...cells, ratio(Math.min(...others)), ...torch.map((peer) => ratio(time(peer)))];
  });
  const notes = [...results.values()].flatMap((result) =>
    "error" in result ? [`- ${result.peer}, ${result.workload}: ${result.error}`] : []
  );
  const text = [
    "Milliseconds, the lowest of the rounds' medians. A ratio above 1 says how many times faster Tandem is. What `tandem` compiles has its",
    "uncompiled form beside it as `tandem-eager`. The best JS peer on dispatch1000 is the best that runs its operations one by one, which",
    "jax-jit does not.",
    "",
    table([header, header.map((_, column) => column === 0 ? "---" : "---:"), ...lines]),
    "",
    ...(notes.length > 0 ? ["Failed:", "", ...notes, ""] : []),
  ].join("\n");
  return { text, problems: workloads.flatMap((workload) => problemsOf(workload, peers, results)) };
}

function timeOf(result: Measurement | Failure | undefined): number {
  return result === undefined || "error" in result ? Infinity : result.median;
}

function cell(result: Measurement | Failure | undefined): string {
  if (result === undefined) return "";
  return "error" in result ? "fails" : result.median.toPrecision(3).replace(/e\+3$/, "e3");
}

/** Compares every peer with the most trusted one that has a result. */
function problemsOf(workload: string, peers: readonly string[], results: ReadonlyMap<string, Measurement | Failure>): string[] {
  const measured = peers.flatMap((peer) => {
    const result = results.get(`${peer} ${workload}`);
    return result === undefined || "error" in result ? [] : [result];
  });
  const own = results.get(`tandem ${workload}`);
  const failed = own !== undefined && "error" in own ? [`${workload}: tandem fails: ${own.error}`] : [];
  const expected = measured.find(({ peer }) => peer.startsWith("torch")) ?? measured[0];
  if (expected === undefined) return failed;
  const wrong = measured.filter(({ check }) => {
    return !(Math.abs(check - expected.check) <= tolerance.absolute + tolerance.relative * Math.abs(expected.check));
  });
  return [...failed, ...wrong.map(({ peer, check }) => `${workload}: ${peer} gives ${check}, ${expected.peer} gives ${expected.check}`)];
}

/** Rows as a table in Markdown whose columns are aligned. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[], at: number) =>
    row.map((text, column) => {
      if (at === 1) return column === 0 ? "-".repeat(widths[column]!) : `${"-".repeat(widths[column]! - 1)}:`;
      return column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
    });
  return rows.map((row, at) => `| ${line(row, at).join(" | ")} |`).join("\n");
}
