import { assertEquals } from "@std/assert";
import initFile from "../golden/optim/init.json" with { type: "json" };
import trainingFile from "../golden/optim/mlp_training.json" with { type: "json" };
import optimizerFile from "../golden/optim/optimizers.json" with { type: "json" };
import schedulerFile from "../golden/optim/schedulers.json" with { type: "json" };
import {
  type InitCase,
  type MlpCase,
  type OptimizerCase,
  runInit,
  runMlpTraining,
  runOptimizer,
  runScheduler,
} from "../golden/adapters_optim.ts";
import type { Place } from "../devices.ts";

const types = ["float64", "float32"] as const;

async function allFaults<Case extends { readonly name: string }>(
  cases: readonly Case[],
  run: (golden: Case, place: Place) => Promise<string[]>,
): Promise<string[]> {
  const faults: string[] = [];
  for (const dtype of types) {
    for (const golden of cases) {
      for (const fault of await run(golden, { device: "cpu", dtype })) faults.push(`${golden.name} ${dtype}: ${fault}`);
    }
  }
  return faults;
}

Deno.test("init draws with PyTorch's bounds and deviations", async () => {
  assertEquals(await allFaults(initFile.cases as readonly InitCase[], runInit), []);
});

Deno.test("Optimizer follows PyTorch step by step", async () => {
  assertEquals(await allFaults(optimizerFile.cases as unknown as readonly OptimizerCase[], runOptimizer), []);
});

Deno.test("SGD and Adam train a network as PyTorch does", async () => {
  assertEquals(await allFaults(trainingFile.cases as unknown as readonly MlpCase[], runMlpTraining), []);
});

Deno.test("Schedule follows PyTorch's rates", () => {
  const faults = schedulerFile.cases.flatMap((golden) => runScheduler(golden).map((fault) => `${golden.name}: ${fault}`));
  assertEquals(faults, []);
});
