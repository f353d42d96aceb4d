/**
 * One update of a training run, eager or compiled.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkObject } from "../tensor/arguments.ts";
import type { Batch } from "../data/mod.ts";
import { CaptureError } from "../tensor/errors.ts";
import { compile, Tensor } from "../tensor/mod.ts";
import type { FitOptions, TrainingStep, TrainingStepResult } from "./loop.ts";

/** The loss and the metrics of a batch, which the parameters have followed. */
export type Update = ((batch: Batch) => Readonly<Record<string, Tensor>>) & {
  /** Forgets what was captured: the next batch of each shape is looked at anew. */
  reset(): void;
};

/** What updates the parameters by one batch, and what that takes from {@link FitOptions}. */
export function makeUpdate(step: TrainingStep, options: Pick<FitOptions, "optimizer" | "beforeUpdate" | "compile">): Update {
  const { optimizer, beforeUpdate, compile: compiled = true } = options;
  const update = (batch: Batch) => {
    optimizer.zeroGrad();
    const { loss, metrics } = resultOf(step(batch));
    loss.backward();
    beforeUpdate?.();
    optimizer.step();
    return { loss, ...metrics };
  };
  if (!compiled) return Object.assign(update, { reset: () => {} });
  const fast = compile((x: Tensor, y: Tensor) => update(new CapturedBatch(x, y)));
  const run = (batch: Batch) => {
    try {
      return fast(batch.x, batch.y);
    } catch (error) {
      if (error instanceof CaptureError) throw new CaptureError(`${error.message}; or train with compile: false`, { cause: error });
      throw error;
    }
  };
  return Object.assign(run, { reset: fast.dispose });
}

/** A step's result in its long form. */
export function resultOf(result: Tensor | TrainingStepResult): TrainingStepResult {
  const { loss, metrics = {} } = result instanceof Tensor ? { loss: result } : checkObject(result, "train", "a loss");
  checkTensors("train", { loss, ...metrics });
  return { loss, metrics };
}

/** The batch that a compiled step sees: its tensors alone change from step to step. */
class CapturedBatch implements Batch {
  readonly x: Tensor;
  readonly y: Tensor;

  constructor(x: Tensor, y: Tensor) {
    this.x = x;
    this.y = y;
  }

  get indices(): Int32Array {
    throw new CaptureError("Cannot read a batch's indices inside a compiled step: its tensors alone change from step to step");
  }

  get size(): number {
    return this.y.shape[0]!;
  }

  /** The tensors belong to the compiled step. */
  [Symbol.dispose](): void {}
}
