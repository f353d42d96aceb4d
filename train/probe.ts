/**
 * The linear probe: how much of the classes a straight cut through an embedding finds.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { enableGrad, noGrad } from "../autograd/mod.ts";
import { crossEntropy } from "../losses/mod.ts";
import { Linear } from "../nn/mod.ts";
import { Adam, CosineAnnealingLR } from "../optim/mod.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { accuracy } from "./metrics.ts";
import type { Labelled } from "./retrieval.ts";

/** Options of {@link linearProbe}. */
export interface LinearProbeOptions {
  /** How many classes there are. */
  readonly classes: number;
  /** What the classifier is judged on. */
  readonly test: Labelled;
  /** λ in λ/2 ‖W‖², added to the mean cross entropy. Default 1e-4. */
  readonly weightDecay?: number;
  /** Steps of training with all rows. Default 500. */
  readonly steps?: number;
  /** The first rate, from which a cosine falls to 0. Default 0.3. */
  readonly lr?: number;
}

/** What {@link linearProbe} returns. */
export interface LinearProbe {
  /** The fraction of test rows that are classified rightly. */
  readonly accuracy: Tensor;
  /** [M, classes]: the logits of the test rows. */
  readonly logits: Tensor;
}

/**
 * Multinomial logistic regression on frozen embeddings, standardised by the mean and deviation of the training rows: the convex problem is
 * solved by Adam with all rows in each step, from weights of 0, so that nothing is drawn.
 *
 * @param embeddings float32 [N, D].
 * @param labels int32 [N] in 0 … classes-1.
 * @throws ShapeError when rows and labels do not fit; ArgumentError for options out of range; IndexError for a class outside.
 * Source: Alain and Bengio 2016.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { linearProbe } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const labels = tensor([0, 0, 1, 1], { dtype: "int32" });
 * const test = { embeddings: tensor([[0.4], [2.6]]), labels: tensor([0, 1], { dtype: "int32" }) };
 * const probe = linearProbe(tensor([[0], [1], [2], [3]]), labels, { classes: 2, test, steps: 50 });
 * assertEquals(await probe.accuracy.item(), 1);
 * ```
 */
export function linearProbe(embeddings: Tensor, labels: Tensor, options: LinearProbeOptions): LinearProbe {
  checkTensors("linearProbe", { embeddings, labels });
  checkOptions(options, "linearProbe", ["classes", "test", "weightDecay", "steps", "lr"]);
  const { classes, test, weightDecay = 1e-4, steps = 500, lr = 0.3 } = options;
  checkTensors("linearProbe", { "test.embeddings": test?.embeddings, "test.labels": test?.labels });
  if (!Number.isInteger(steps) || steps < 1) throw new ArgumentError(`Cannot linearProbe: whole steps from 1 are needed, got ${steps}`);
  if (!(weightDecay >= 0)) throw new ArgumentError(`Cannot linearProbe: a weightDecay from 0 is needed, got ${weightDecay}`);
  const [right, logits] = tidy(() => {
    const rows = embeddings.detach();
    const mean = rows.mean(0, { keepDim: true });
    const deviation = rows.std(0, { keepDim: true, correction: 0 });
    // What never varies tells nothing; divided by almost 0 it would.
    const scale = deviation.gt(0).where(deviation.reciprocal(), 0);
    const standardise = (part: Tensor) => part.sub(mean).mul(scale);
    using classifier = new Linear(rows.shape[1]!, classes, { dtype: rows.dtype, device: rows.device });
    noGrad(() => classifier.parameters().forEach((parameter) => parameter.zero_()));
    enableGrad(() => train(classifier, standardise(rows), labels, { weightDecay, steps, lr }));
    return noGrad(() => {
      const logits = classifier.forward(standardise(test.embeddings.detach()));
      return [accuracy(logits, test.labels), logits];
    });
  }) as [Tensor, Tensor];
  return { accuracy: right, logits };
}

function train(
  classifier: Linear,
  rows: Tensor,
  labels: Tensor,
  { weightDecay, steps, lr }: { readonly weightDecay: number; readonly steps: number; readonly lr: number },
): void {
  using optimizer = new Adam(classifier.parameters(), { lr });
  const schedule = new CosineAnnealingLR(optimizer, { tMax: steps });
  for (let step = 0; step < steps; step++) {
    tidy(() => {
      optimizer.zeroGrad();
      const loss = crossEntropy(classifier.forward(rows), labels).add(classifier.weight.square().sum().mul(weightDecay / 2));
      loss.backward();
      optimizer.step();
      schedule.step();
      return [];
    });
  }
}
