/**
 * ACCURACY.md: measures every function and writes the page. `deno run -A tests/accuracy/page.ts` rewrites it.
 *
 * @module
 */
import { detectRelaxedSimd } from "../../cpu/wasm/encoder.ts";
import { probeAdapter } from "../../gpu/mod.ts";
import { ignoreWebgpu } from "../devices.ts";
import { functions, type Measured } from "./functions.ts";
import { measure, type Worst } from "./measure.ts";

/** How many arguments each function is measured at. */
export const size = 2 ** 20;

/** Where the page stands. */
export const pageUrl: URL = new URL("../../ACCURACY.md", import.meta.url);

/** What the figures were measured on; they bind only there. */
export interface Machine {
  readonly cpu: string;
  readonly webgpu: string;
}

/** This machine. */
export async function thisMachine(): Promise<Machine> {
  const fused = detectRelaxedSimd() ? "with" : "without";
  return { cpu: `WebAssembly ${fused} relaxed SIMD on ${Deno.build.arch}`, webgpu: (await probeAdapter()).description };
}

/** The worst error on the CPU and, where there is an adapter, on WebGPU. */
export function worst(row: Measured): Promise<Worst[]> {
  const cpu = { device: "cpu", flushes: false };
  return measure(row, ignoreWebgpu ? [cpu] : [cpu, { device: "webgpu", flushes: true }], size);
}

/** A figure as the page shows it: rounded up, so that nothing is worse. */
export function roundedUp(units: number): string {
  return (Math.ceil(units * 100 - 1e-9) / 100).toFixed(2);
}

function place({ at }: Worst): string {
  return at.map((x) => Number(x.toPrecision(9))).join(", ");
}

const introduction = `# Accuracy

The largest distance from the exact number in units in the last place of float32 (half a unit is the best that rounding allows), found at
2^20 arguments per function: every float32 exponent, below the normal numbers too, and more densely where the function bends, near its zeros
and at its ends. The numbers are rounded up; \`tests/accuracy/\` measures them again in every run of the tests and fails where one is
larger, or smaller by more than a little. \`deno run -A tests/accuracy/page.ts\` rewrites this page.

The exact numbers are float64's: of JavaScript's own functions, and for erf, erfc, erfinv, lgamma and digamma those of Tandem in float64,
which a test compares with 50 digits. On WebGPU, arguments and results below the normal numbers (2^-126) do not count, since adapters may
take them for 0. Sums, products, rounding, comparisons and the like have no error beyond their one rounding and are tested bit for bit.

"At most" holds on every machine (the CPU first, then WebGPU); the figures are those of
`;

const remarks = `
Below these ranges lgamma and digamma lose what lies between their terms near their roots: their error is at most 2e-6 of the greater of 1
and the value. \`gelu\`, \`mish\` and the like are formulas of these functions and err by the
sum of their parts, absolutely where the parts cancel (\`gelu\` of a number far below 0).
`;

/** Text of the page from the figures. */
export function render({ cpu, webgpu }: Machine, results: readonly { readonly row: Measured; readonly found: readonly Worst[] }[]): string {
  const head = "| function | arguments | CPU | at | WebGPU | at | at most |\n| --- | --- | --- | --- | --- | --- | --- |";
  const lines = results.map(({ row, found }) => {
    const cells = found.flatMap((one) => [roundedUp(one.units), place(one)]);
    return `| ${[row.name, row.domain, ...cells, row.atMost.join(", ")].join(" | ")} |`;
  });
  return `${introduction}\n- CPU: ${cpu}\n- WebGPU: ${webgpu}\n\n${head}\n${lines.join("\n")}\n${remarks}`;
}

/** What the page says: the machine, and the figures of each function. */
export interface Page {
  readonly machine: Machine;
  readonly rows: ReadonlyMap<string, { readonly domain: string; readonly figures: readonly number[]; readonly atMost: string }>;
}

/** Reads the page. */
export function parse(text: string): Page {
  const line = (name: string): string => new RegExp(`^- ${name}: (.*)$`, "m").exec(text)?.[1] ?? "";
  const cells = text.split("\n").filter((row) => row.startsWith("|")).slice(2).map((row) =>
    row.slice(1, -1).split("|").map((c) => c.trim())
  );
  const rows = cells.map(([name, domain, cpu, , webgpu, , atMost]) => {
    return [name!, { domain: domain!, figures: [Number(cpu), Number(webgpu)], atMost: atMost! }] as const;
  });
  return { machine: { cpu: line("CPU"), webgpu: line("WebGPU") }, rows: new Map(rows) };
}

if (import.meta.main) {
  if (ignoreWebgpu) throw new Error("Cannot write ACCURACY.md: a WebGPU adapter is needed, got none");
  const results = [];
  for (const row of functions) results.push({ row, found: await worst(row) });
  await Deno.writeTextFile(pageUrl, render(await thisMachine(), results));
  const { success } = await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", pageUrl.pathname] }).output();
  if (!success) throw new Error("Cannot format ACCURACY.md: deno fmt failed");
}
