/**
 * What a training run consists of, as a checkpoint: so that it goes on bit for bit.
 *
 * @module
 */
import { checkOptions, kindOf } from "../tensor/arguments.ts";
import { Module } from "../nn/mod.ts";
import type { Optimizer, OptimizerState } from "../optim/mod.ts";
import { ArgumentError, DataError } from "../tensor/errors.ts";
import { defaultGenerator, type Tensor } from "../tensor/mod.ts";
import type { Checkpoint, Json } from "./checkpoint.ts";
import type { Position } from "./loop.ts";

/** The parts of a run that change while it runs. */
export interface TrainingParts {
  /** Modules by name: their parameters and buffers are saved as "<name>.<parameter>". */
  readonly modules: Readonly<Record<string, Module>>;
  /** Its state is saved as "optimizer.<parameter>.<name>". */
  readonly optimizer?: Optimizer;
  /** A schedule of the learning rate. */
  readonly schedule?: { stateDict(): unknown; loadStateDict(state: never): void };
}

/**
 * All that decides what a run does next: modules, optimizer, schedule, the default random generator and the loader's position. The tensors
 * are the live ones: save them before the next step.
 *
 * @param position As {@link fit} gave it.
 * @param extra Anything else worth keeping.
 */
export function captureTraining(parts: TrainingParts, position: Position, options: { readonly extra?: Json } = {}): Checkpoint {
  const { extra = null } = checkOptions(options, "captureTraining", ["extra"]);
  checkParts(parts, "captureTraining");
  const tensors: Record<string, Tensor> = {};
  for (const [prefix, module] of Object.entries(parts.modules)) {
    for (const [name, tensor] of Object.entries(module.stateDict())) tensors[`${prefix}.${name}`] = tensor;
  }
  const { tensors: moments = {}, ...optimizer } = parts.optimizer?.stateDict() ?? {};
  for (const [name, tensor] of Object.entries(moments)) tensors[`optimizer.${name}`] = tensor;
  const state = {
    position: { ...position },
    optimizer: optimizer as unknown as Json,
    schedule: (parts.schedule?.stateDict() ?? null) as Json,
    generator: { ...defaultGenerator.state },
    extra,
  };
  return { tensors, state };
}

/**
 * Puts all parts where a checkpoint of {@link captureTraining} was, copying its tensors.
 *
 * @returns The position to go on from, for {@link fit}, and what was given as `extra`.
 * @throws DataError when the checkpoint is not of such a run; what loading a state throws when the parts differ.
 */
export function restoreTraining(parts: TrainingParts, options: Checkpoint): { position: Position; extra: Json } {
  const { tensors, state } = checkOptions(options, "restoreTraining", ["tensors", "state"]);
  const { position, optimizer, schedule, generator, extra = null } = (state ?? {}) as Readonly<Record<string, Json>>;
  if (!isPosition(position)) throw new DataError("Cannot go on from a checkpoint: one of a training run is needed, got another one");
  checkParts(parts, "restoreTraining");
  for (const [prefix, module] of Object.entries(parts.modules)) module.loadStateDict(withPrefix(tensors, prefix));
  if (parts.optimizer !== undefined) {
    parts.optimizer.loadStateDict({ ...(optimizer as unknown as OptimizerState), tensors: withPrefix(tensors, "optimizer") });
  }
  parts.schedule?.loadStateDict(schedule as never);
  defaultGenerator.state = generator as unknown as { seed: number; calls: number };
  return { position, extra };
}

function checkParts(parts: TrainingParts, op: string): void {
  for (const module of Object.values(checkOptions(parts, op, ["modules", "optimizer", "schedule"]).modules ?? [undefined])) {
    if (!(module instanceof Module)) throw new ArgumentError(`Cannot ${op}: modules by name are needed, got ${kindOf(module)}`);
  }
}

function withPrefix(tensors: Readonly<Record<string, Tensor>>, prefix: string): Record<string, Tensor> {
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(`${prefix}.`));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]));
}

function isPosition(value: unknown): value is Position & Record<string, Json> {
  const { epoch, batch, step } = (value ?? {}) as Partial<Position>;
  return [epoch, batch, step].every((part) => Number.isSafeInteger(part) && part! >= 0);
}
