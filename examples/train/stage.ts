/**
 * One stage of the main job: its optimizer, its schedule, its loop.
 *
 * @module
 */
import {
  Adam,
  AdamW,
  beginning,
  type Checkpoint,
  type DataLoader,
  evaluate,
  fit,
  type FitResult,
  type Optimizer,
  type Position,
  restoreTraining,
  Schedule,
  SGD,
  type Tensor,
  type TrainingLog,
  WarmupCosineLR,
} from "../../mod.ts";
import type { TrainAndTest } from "../datasets.ts";
import { featureLoader, testLoader, trainingLoader } from "./data.ts";
import { embedDataset, type Method, type Stage } from "./method.ts";
import type { Outputs } from "./outputs.ts";
import type { Settings } from "./recipe.ts";

/** All that a stage needs to know of its run. */
export interface Run {
  readonly settings: Settings;
  readonly data: TrainAndTest;
  readonly method: Method;
  readonly outputs: Outputs;
  readonly signal: AbortSignal;
  /** Whether steps are compiled. */
  readonly compile: boolean;
  /** Which device, and why. */
  readonly deviceLine: string;
  /** Writes a checkpoint. */
  readonly save: (stage: number, optimizer: Optimizer, position: Position) => Promise<void>;
  /** Spent so far, before a resumption included. */
  readonly seconds: () => number;
}

/** Checkpoints between epochs are at least so many seconds apart. */
const saveEvery = 5;

/** Trains a stage from its beginning, or from a checkpoint; leaves a checkpoint of where it ended. */
export async function runStage(run: Run, index: number, checkpoint?: Checkpoint): Promise<FitResult> {
  const { settings, method, outputs, signal, compile } = run;
  const stage = method.stages[index]!;
  const optimizer = makeOptimizer(
    { ...settings, lr: settings.lr * (stage.lrFactor ?? 1) },
    stage.modules.flatMap((module) => module.parameters()),
  );
  const from = checkpoint === undefined ? beginning : restore(run, optimizer, checkpoint);
  const { train, test } = await stageData(run, stage);
  const loader = stage.input === "images" ? trainingLoader(train, settings) : featureLoader(train, settings);
  const schedule = makeSchedule(settings, optimizer, stage.epochs * loader.length);
  schedule.loadStateDict({ steps: from.step });
  const reporter = new Reporter(run, { stage, index, loader: testLoader(test, settings.batchSize), from, length: loader.length });
  let savedAt = run.seconds();
  const result = await fit(stage.step, {
    loader,
    optimizer,
    schedule,
    signal,
    compile,
    from,
    epochs: stage.epochs,
    modules: stage.modules,
    logEvery: Math.ceil(Math.max(loader.length / 20, (stage.epochs * loader.length) / 200)),
    onLog: (log) => reporter.log(log),
    onEpoch: async (position) => {
      await reporter.test(position);
      if (run.seconds() - savedAt < saveEvery) return;
      await run.save(index, optimizer, position);
      savedAt = run.seconds();
    },
  });
  outputs.finish();
  await run.save(index, optimizer, result.position);
  optimizer.zeroGrad();
  optimizer.dispose();
  return result;
}

/** Puts modules and optimizer where they were, and frees the checkpoint's tensors. */
function restore({ method }: Run, optimizer: Optimizer, checkpoint: Checkpoint): Position {
  const { position } = restoreTraining({ modules: method.modules, optimizer }, checkpoint);
  for (const tensor of Object.values(checkpoint.tensors)) tensor.dispose();
  return position;
}

/** Images as they are; features as the stage before has left the modules. */
async function stageData({ data, method, outputs }: Run, { input }: Stage): Promise<TrainAndTest> {
  if (input === "images") return data;
  outputs.say("features computing them once for all samples");
  return { train: await embedDataset(data.train, method), test: await embedDataset(data.test, method) };
}

/** Makes the optimizer for some parameters. */
export function makeOptimizer({ optimizer, lr }: Settings, parameters: readonly Tensor[]): Optimizer {
  switch (optimizer) {
    case "sgd":
      return new SGD(parameters, { lr, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });
    case "adam":
      return new Adam(parameters, { lr });
    case "adamw":
      return new AdamW(parameters, { lr, weightDecay: 0.05 });
  }
}

/** Up over the first tenth of all steps (at most 500), then down by a cosine, or to a tenth twice, or not at all. */
function makeSchedule({ schedule }: Settings, optimizer: Optimizer, total: number): Schedule {
  const warmup = Math.min(500, Math.floor(total / 10));
  switch (schedule) {
    case "cosine":
      return new WarmupCosineLR(optimizer, { warmup, total });
    case "step":
      return new Schedule(optimizer, (base, step) => {
        const drops = [0.6, 0.85].filter((part) => step >= part * total).length;
        return base * Math.min(1, (step + 1) / Math.max(1, warmup)) * 0.1 ** drops;
      });
    case "constant":
      return new Schedule(optimizer, (base) => base);
  }
}

interface StageView {
  readonly stage: Stage;
  readonly index: number;
  /** The test part. */
  readonly loader: DataLoader;
  readonly from: Position;
  /** Batches in an epoch. */
  readonly length: number;
}

/** Turns what the loop tells into progress and records. */
class Reporter {
  readonly #run: Run;
  readonly #view: StageView;
  #tested: string[] = [];

  constructor(run: Run, view: StageView) {
    this.#run = run;
    this.#view = view;
  }

  log({ epoch, batch, step, steps, epochs, means, lr, samplesPerSecond, seconds }: TrainingLog): void {
    const { index, stage, from, length } = this.#view;
    const { loss, accuracy } = means as { loss: number; accuracy?: number };
    const { outputs, method } = this.#run;
    outputs.record({
      event: "train",
      stage: index,
      epoch: round(epoch + batch / length),
      step,
      loss,
      ...(accuracy === undefined ? {} : { accuracy }),
      lr,
      samplesPerSecond: Math.round(samplesPerSecond),
    });
    const parts = [
      `loss ${loss.toFixed(3)}`,
      ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`]),
      ...this.#tested,
      `${Math.round(samplesPerSecond).toLocaleString("en")} samples/s`,
    ];
    const name = method.stages.length > 1 ? `${stage.name} epoch` : "epoch";
    outputs.progress({ label: `${name} ${epoch + 1}/${epochs}`, done: step, total: steps, parts, seconds, from: from.step });
  }

  async test({ epoch, step }: Position): Promise<void> {
    const { index, stage, loader } = this.#view;
    const { method, outputs } = this.#run;
    const { loss, accuracy } = await evaluate(stage.step, { loader, modules: Object.values(method.modules) }) as {
      loss: number;
      accuracy?: number;
    };
    outputs.record({ event: "test", stage: index, epoch, step, loss, ...(accuracy === undefined ? {} : { accuracy }) });
    this.#tested = accuracy === undefined ? [] : [`test ${percent(accuracy)}`];
  }
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}
