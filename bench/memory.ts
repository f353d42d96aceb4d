/**
 * What training holds on to: 1,000 steps of both models, with `memory()` and the process's resident memory every 100 steps.
 * Tensors and bytes must not change and resident memory must level off: `deno run -A bench/memory.ts [--device cpu|webgpu] [--steps 1000]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { init, type Memory, memory } from "../tensor/mod.ts";
import { cnnSteps, mlpSteps, type Step } from "./models.ts";

const { values: options } = parseArgs({
  options: { device: { type: "string", default: "cpu" }, steps: { type: "string", default: "1000" } },
});
if (options.device !== "cpu" && options.device !== "webgpu") {
  throw new TypeError(`Cannot bench: --device cpu or webgpu is needed, got ${options.device}`);
}
await init({ device: options.device });

const models: Readonly<Record<string, () => Step>> = {
  "mlp, SGD": () => mlpSteps("sgd"),
  "mlp, Adam": () => mlpSteps("adam"),
  "cnn, SGD": () => cnnSteps("sgd"),
};
const leaks: string[] = [];
for (const [name, make] of Object.entries(models)) {
  const before = await watch(name, make());
  if (before !== undefined) leaks.push(before);
}
for (const leak of leaks) console.error(leak);
Deno.exit(leaks.length > 0 ? 1 : 0);

/** Prints a line every 100 steps, and says what grew after the first steps, if anything. */
async function watch(name: string, step: Step): Promise<string | undefined> {
  const steps = Number(options.steps);
  const every = Math.max(1, Math.round(steps / 10));
  console.log(`${name}\n  step       loss  tensors       bytes      pooled  resident MiB`);
  let first: Memory | undefined;
  let last = memory();
  for (let count = 1; count <= steps; count++) {
    const loss = await step();
    if (count % every !== 0) continue;
    last = memory();
    first ??= last;
    const { tensors, bytes, pooledBytes } = last;
    const resident = (Deno.memoryUsage().rss / 2 ** 20).toFixed(1);
    const columns = [[count, 6], [loss.toExponential(2), 11], [tensors, 9], [bytes, 12], [pooledBytes, 12], [resident, 14]] as const;
    console.log(columns.map(([value, width]) => String(value).padStart(width)).join(""));
  }
  const grown = (["tensors", "bytes"] as const).filter((key) => last[key] !== first?.[key]);
  return grown.length === 0 ? undefined : `${name}: ${grown.map((key) => `${key} went from ${first?.[key]} to ${last[key]}`).join(", ")}`;
}
