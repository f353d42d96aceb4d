/**
 * The training loop: steps over a loader, and nothing that a program could not write itself.
 *
 * @module
 */
import { checkFunction, checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/mod.ts";
import type { Batch, DataLoader } from "../data/mod.ts";
import type { Module } from "../nn/mod.ts";
import { Optimizer } from "../optim/mod.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { scope, type Tensor } from "../tensor/mod.ts";
import { RunningMean } from "./metrics.ts";
import { makeUpdate, resultOf, type Update } from "./update.ts";

/** What one step computes: the loss that is differentiated, and other numbers that are averaged and shown. */
export interface TrainingStepResult {
  /** One number. */
  readonly loss: Tensor;
  /** One number each, means over the batch. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

/** Computes a batch's loss; what it makes is freed after the step. */
export type TrainingStep = (batch: Batch) => Tensor | TrainingStepResult;

/** Where a run is: what {@link fit} goes on from. */
export interface Position {
  /** The epoch that is under way, from 0. */
  readonly epoch: number;
  /** How many of its batches are done. */
  readonly batch: number;
  /** How many steps are done in all. */
  readonly step: number;
}

/** The beginning. */
export const beginning: Position = { epoch: 0, batch: 0, step: 0 };

/** What {@link FitOptions.onLog} is told. */
export interface TrainingLog extends Position {
  /** The planned epochs. */
  readonly epochs: number;
  /** The steps in all of them. */
  readonly steps: number;
  /** The means of loss and metrics since the log before. */
  readonly means: Readonly<Record<string, number>>;
  /** The first group's learning rate, as the last step used it. */
  readonly lr: number;
  /** Samples seen in a second, since the log before. */
  readonly samplesPerSecond: number;
  /** Since {@link fit} was called. */
  readonly seconds: number;
}

/** What a loop needs to know. */
export interface FitOptions {
  /** Gives the batches; each loop over it is an epoch. */
  readonly loader: DataLoader;
  /** Moves the parameters. */
  readonly optimizer: Optimizer;
  /** How many times all batches are seen, those before `from` included. */
  readonly epochs: number;
  /** The modules that are put into training mode. Default: none. */
  readonly modules?: readonly Module[];
  /** Changes the learning rate after each step. */
  readonly schedule?: { step(): void };
  /** Where to go on. Default: the beginning. */
  readonly from?: Position;
  /** Stops when so many steps are done in all. Default: never before the last epoch ends. */
  readonly maxSteps?: number;
  /** Steps between logs, each of which reads the means (about 10 ms on a GPU). Default 10. */
  readonly logEvery?: number;
  /** Stops after the step that is under way. */
  readonly signal?: AbortSignal;
  /** Called between backward and the optimizer's step: clip gradients here. */
  readonly beforeUpdate?: () => void;
  /**
   * Whether steps are compiled, once in each epoch for each shape of batch: then `step` and `beforeUpdate` are called for that only, must
   * compute with tensors alone, and may depend on what changes on the host between epochs, but not within one. Default true.
   */
  readonly compile?: boolean;
  /** Called every `logEvery` steps of an epoch, and after its last one. */
  readonly onLog?: (log: TrainingLog) => void | Promise<void>;
  /** Called after each whole epoch: evaluate, save a checkpoint. */
  readonly onEpoch?: (position: Position) => void | Promise<void>;
}

const fitOptions = [
  ...["loader", "optimizer", "epochs", "modules", "schedule", "from", "maxSteps", "logEvery"] as const,
  ...["signal", "beforeUpdate", "compile", "onLog", "onEpoch"] as const,
] as const;

/** How a loop ended. */
export interface FitResult {
  /** Where it is now; give it to {@link FitOptions.from} to go on. */
  readonly position: Position;
  /** Whether the signal or `maxSteps` ended it before the last epoch's end. */
  readonly stopped: boolean;
}

/** Thrown when the loss is no longer a finite number. */
export class DivergenceError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "DivergenceError";
}

/**
 * Trains: for each batch the gradients are dropped, `step` runs in a scope of its own, its loss is differentiated, the optimizer and the
 * schedule step. Given the same start it always takes the same course, also in two parts (`from`), compiled or not; the two courses differ by
 * rounding.
 *
 * @param step Computes the loss of a batch, and metrics if wanted.
 * @throws ArgumentError for an empty loader or numbers that are not whole; DivergenceError when a logged loss is not finite; CaptureError when
 * a compiled step reads a value, makes random numbers on the host or asks for a batch's indices.
 *
 * @example A line through two points
 * ```ts
 * import { assert } from "@std/assert";
 * import { fit } from "./mod.ts";
 * import { DataLoader, InMemoryDataset } from "../data/mod.ts";
 * import { Linear } from "../nn/mod.ts";
 * import { SGD } from "../optim/mod.ts";
 *
 * const dataset = new InMemoryDataset({ data: new Float32Array([0, 1]), labels: [1, 3], shape: [1] });
 * const model = new Linear(1, 1);
 * const loader = new DataLoader(dataset, { batchSize: 2 });
 * const losses: number[] = [];
 * await fit((batch) => model.forward(batch.x).squeeze(1).sub(batch.y).square().mean(), {
 *   loader,
 *   epochs: 200,
 *   optimizer: new SGD(model.parameters(), { lr: 0.2 }),
 *   onLog: ({ means }) => void losses.push(means.loss!),
 * });
 * assert(losses.at(-1)! < 1e-3);
 * ```
 */
export async function fit(step: TrainingStep, options: FitOptions): Promise<FitResult> {
  checkFunction(step, "fit", "a step");
  checkOptions(options, "fit", fitOptions);
  const { loader, epochs, signal, maxSteps = Infinity, logEvery = 10, from = beginning } = options;
  checkFit(options);
  using means = new RunningMean();
  const update = makeUpdate(step, options);
  using _ = { [Symbol.dispose]: update.reset };
  const clock = new Clock();
  const steps = epochs * loader.length;
  let position = from;
  const stopped = () => signal?.aborted === true || position.step >= maxSteps;
  while (position.epoch < epochs && !stopped()) {
    const { epoch } = position;
    for (const module of options.modules ?? []) module.train();
    loader.setEpoch(epoch);
    update.reset();
    for await (using batch of loader.batches({ skip: position.batch })) {
      const lr = options.optimizer.groups[0]!.lr;
      train(update, batch, means);
      options.schedule?.step();
      clock.count(batch.size);
      position = { epoch, batch: position.batch + 1, step: position.step + 1 };
      const ends = position.batch === loader.length || stopped();
      if (position.batch % logEvery === 0 || ends) {
        const read = await means.read({ reset: true });
        await options.onLog?.({ ...position, epochs, steps, means: read, lr, ...clock.lap() });
        checkLoss(read.loss, position.step);
      }
      await clock.turn();
      if (stopped()) break;
    }
    if (position.batch < loader.length) break;
    position = { epoch: epoch + 1, batch: 0, step: position.step };
    await options.onEpoch?.(position);
  }
  return { position, stopped: position.epoch < epochs };
}

/** One step. Its scope frees all that was made, but for gradients, optimizer state and the means. */
function train(update: Update, batch: Batch, means: RunningMean): void {
  using _ = scope();
  means.add(update(batch), { weight: batch.size });
}

function checkLoader(loader: DataLoader, op: string): void {
  if (typeof loader?.batches !== "function") throw new ArgumentError(`Cannot ${op}: a loader is needed, got ${kindOf(loader)}`);
}

function checkFit({ loader, optimizer, epochs, logEvery = 10, from = beginning }: FitOptions): void {
  checkLoader(loader, "fit");
  if (!(optimizer instanceof Optimizer)) throw new ArgumentError(`Cannot fit: an optimizer is needed, got ${kindOf(optimizer)}`);
  if (loader.length === 0) throw new ArgumentError("Cannot fit: a loader with at least one batch is needed, got an empty one");
  const numbers = { epochs, logEvery, "from.epoch": from.epoch, "from.batch": from.batch, "from.step": from.step };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0 || (name === "logEvery" && value === 0)) {
      throw new ArgumentError(`Cannot fit: a whole ${name} that is not negative is needed, got ${value}`);
    }
  }
}

function checkLoss(loss: number | undefined, step: number): void {
  if (loss !== undefined && Number.isFinite(loss)) return;
  throw new DivergenceError(`Cannot go on training: a finite loss is needed, got ${loss} by step ${step}; try a lower learning rate`);
}

/** What {@link evaluate} needs to know. */
export interface EvaluateOptions {
  /** Gives the batches; one epoch is seen. */
  readonly loader: DataLoader;
  /** The modules that are put into evaluation mode, and back. Default: none. */
  readonly modules?: readonly Module[];
}

/**
 * Means over one epoch, weighted by samples, without gradients and with modules in evaluation mode; reads once, at the end.
 *
 * @param step Computes the loss of a batch, and metrics if wanted.
 * @returns The means of the loss (as `loss`) and of each metric; nothing for an empty loader.
 */
export async function evaluate(step: TrainingStep, options: EvaluateOptions): Promise<Record<string, number>> {
  checkFunction(step, "evaluate", "a step");
  const { loader, modules = [] } = checkOptions(options, "evaluate", ["loader", "modules"]);
  checkLoader(loader, "evaluate");
  using means = new RunningMean();
  const before = modules.map((module) => module.training);
  for (const module of modules) module.eval();
  try {
    const clock = new Clock();
    for await (using batch of loader) {
      evaluateBatch(step, batch, means);
      await clock.turn();
    }
    return await means.read();
  } finally {
    modules.forEach((module, position) => module.train(before[position]));
  }
}

function evaluateBatch(step: TrainingStep, batch: Batch, means: RunningMean): void {
  using _ = scope();
  noGrad(() => {
    const { loss, metrics } = resultOf(step(batch));
    means.add({ loss, ...metrics }, { weight: batch.size });
  });
}

/** After so many milliseconds of steps the event loop gets a turn: signals arrive, freed memory is found. */
const turnEvery = 50;

/** Time spent and samples seen; asked at steps, since a timer would not run while steps do. */
class Clock {
  readonly #start = performance.now();
  #lap = this.#start;
  #turned = this.#start;
  #samples = 0;

  count(samples: number): void {
    this.#samples += samples;
  }

  /** The speed since the last lap. */
  lap(): { samplesPerSecond: number; seconds: number } {
    const now = performance.now();
    const samplesPerSecond = this.#samples * 1000 / Math.max(1e-3, now - this.#lap);
    this.#lap = now;
    this.#samples = 0;
    return { samplesPerSecond, seconds: (now - this.#start) / 1000 };
  }

  async turn(): Promise<void> {
    if (performance.now() - this.#turned < turnEvery) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#turned = performance.now();
  }
}
