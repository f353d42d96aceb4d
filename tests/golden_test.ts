/**
 * Every golden case, forward and backward, on every device. `TANDEM_GOLDEN_DIR` reads another folder of the same form.
 */
import { ignoreWebgpu, type Place, places } from "./devices.ts";
import {
  type InitCase,
  type MlpCase,
  type OptimizerCase,
  runInit,
  runMlpTraining,
  runOptimizer,
  runScheduler,
  type SchedulerCase,
} from "./golden/adapters_optim.ts";
import { type GoldenCase, type GoldenFile, loadGolden } from "./golden/format.ts";
import { losses } from "./golden/losses.ts";
import { ops } from "./golden/ops.ts";
import { faultsOf } from "./golden/run.ts";
import { unsupported } from "./golden/unsupported.ts";

/** Runs a case and says what is wrong; undefined where the library has no such operation. */
type Check = (golden: GoldenCase, place: Place) => Promise<string[]>;

const { files, unreadable } = await loadGolden();

Deno.test({
  name: `loadGolden() may read the folder it is given (${unreadable ?? "none"})`,
  ignore: unreadable !== undefined,
  fn() {
    if (files.length === 0) throw new Error("Cannot test golden values: at least one file is needed, got none");
  },
});

for (const file of files) {
  for (const place of places) {
    Deno.test({
      name: `golden ${file.suite} on ${place.device} in ${place.dtype}`,
      ignore: place.device === "webgpu" && ignoreWebgpu,
      fn: () => checkFile(file, place),
    });
  }
}

async function checkFile({ suite, cases }: GoldenFile, place: Place): Promise<void> {
  const faults: string[] = [];
  const missing = new Map<string, number>();
  let passed = 0;
  let failed = 0;
  for (const golden of cases) {
    const check = checkFor(suite, golden.op);
    const reason = unsupported[`${suite} ${golden.op}`];
    if (check === undefined && reason !== undefined) {
      missing.set(golden.op, (missing.get(golden.op) ?? 0) + 1);
      continue;
    }
    const found = check === undefined
      ? ["the library has no such operation, and golden/unsupported.ts gives no reason"]
      : reason !== undefined
      ? ["golden/unsupported.ts lists it, but the library has it"]
      : await check(golden, place).catch((error) => [String(error)]);
    if (found.length === 0) passed++;
    else failed++;
    faults.push(...found.map((fault) => `${golden.name} (${golden.op}): ${fault}`));
  }
  const without = [...missing.values()].reduce((a, b) => a + b, 0);
  const names = without === 0 ? "" : ` (${[...missing.keys()].join(", ")})`;
  console.log(`${suite} on ${place.device} ${place.dtype}: ${passed} passed, ${failed} failed, ${without} unsupported${names}`);
  if (failed > 0) throw new Error(`${failed} of ${cases.length} cases fail:\n  ${faults.join("\n  ")}`);
}

function checkFor(suite: string, op: string): Check | undefined {
  if (suite.startsWith("optim/")) return optim[suite];
  const run = suite.startsWith("losses/") ? losses[op] : ops[op];
  return run && ((golden, place) => faultsOf(golden, run, place));
}

/** The files of `optim/` have fields of their own. */
const optim: Readonly<Record<string, Check>> = {
  "optim/init": (golden, place) => runInit(golden as unknown as InitCase, place),
  "optim/optimizers": (golden, place) => runOptimizer(golden as unknown as OptimizerCase, place),
  "optim/mlp_training": (golden, place) => runMlpTraining(golden as unknown as MlpCase, place),
  "optim/schedulers": (golden) => Promise.resolve(runScheduler(golden as unknown as SchedulerCase)),
};
