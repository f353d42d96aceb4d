/**
 * Metrics as tensors: nothing here reads a value until it is asked to.
 *
 * @module
 */
import { checkTensors, checkTensorsByName } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/mod.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { keep, read, type Tensor, tidy } from "../tensor/mod.ts";

/**
 * The fraction of rows whose greatest logit is that of the target class.
 *
 * @param logits [N, K].
 * @param targets int32 [N].
 * @returns One number, float32; NaN for no rows.
 * @throws ShapeError when they do not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { accuracy } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const logits = tensor([[2, 1], [0, 3]]);
 * assertEquals(await accuracy(logits, tensor([0, 0], { dtype: "int32" })).item(), 0.5);
 * ```
 */
export function accuracy(logits: Tensor, targets: Tensor): Tensor {
  checkTensors("accuracy", { logits, targets });
  checkLogits("accuracy", logits, targets);
  return noGrad(() => tidy(() => logits.argmax(1).eq(targets).mean()));
}

/**
 * The fraction of rows in which fewer than `k` logits are greater than the target class's: with equal logits the target stands first.
 *
 * @param logits [N, K].
 * @param targets int32 [N].
 * @returns One number, float32; NaN for no rows.
 * @throws ShapeError when they do not fit; ArgumentError unless `k` is a whole number from 1.
 */
export function topKAccuracy(logits: Tensor, targets: Tensor, options: { readonly k: number }): Tensor {
  checkTensors("topKAccuracy", { logits, targets });
  const { k } = checkOptions(options, "topKAccuracy", ["k"]);
  checkLogits("topKAccuracy", logits, targets);
  if (!Number.isInteger(k) || k < 1) throw new ArgumentError(`Cannot topKAccuracy: a whole k from 1 is needed, got ${k}`);
  return noGrad(() =>
    tidy(() => {
      const own = logits.gather(1, targets.unsqueeze(1));
      const unranked = logits.isNaN().any(1); // NaN compares with nothing, so such a row would pass for a hit
      return logits.gt(own).sum(1).lt(k).logicalAnd(unranked.logicalNot()).mean();
    })
  );
}

/**
 * How often each class was taken for each other one.
 *
 * @param predictions int32 [N] in 0 … classes-1.
 * @param targets int32 [N] in 0 … classes-1.
 * @returns float32 [classes, classes]: row = the true class, column = the predicted one.
 * @throws ShapeError when they do not fit; IndexError for a class outside (on a GPU: at the next read).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { confusionMatrix } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const predictions = tensor([0, 1, 1], { dtype: "int32" });
 * const targets = tensor([0, 0, 1], { dtype: "int32" });
 * assertEquals(await confusionMatrix(predictions, targets, { classes: 2 }).toArray(), [[1, 1], [0, 1]]);
 * ```
 */
export function confusionMatrix(predictions: Tensor, targets: Tensor, options: { readonly classes: number }): Tensor {
  checkTensors("confusionMatrix", { predictions, targets });
  const { classes } = checkOptions(options, "confusionMatrix", ["classes"]);
  if (predictions.rank !== 1 || targets.rank !== 1 || predictions.size !== targets.size) {
    const shapes = [predictions.shape, targets.shape];
    throw new ShapeError(`Cannot confusionMatrix ${formatShapes(shapes)}: two tensors [N] are needed`, { op: "confusionMatrix", shapes });
  }
  return noGrad(() => tidy(() => targets.oneHot(classes).mT.matmul(predictions.oneHot(classes))));
}

function checkLogits(op: string, logits: Tensor, targets: Tensor): void {
  if (logits.rank === 2 && targets.rank === 1 && logits.shape[0] === targets.shape[0]) return;
  const shapes = [logits.shape, targets.shape];
  throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: logits [N, K] and targets [N] are needed`, { op, shapes });
}

/**
 * Running means of named numbers that stay on the device: adding costs a few kernels, and only {@link RunningMean.read} waits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RunningMean } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * using mean = new RunningMean();
 * mean.add({ loss: tensor(4) }, { weight: 1 });
 * mean.add({ loss: tensor(1) }, { weight: 2 });
 * assertEquals(await mean.read(), { loss: 2 });
 * ```
 */
export class RunningMean implements Disposable {
  readonly #sums: Map<string, Tensor> = new Map();
  readonly #weights: Map<string, number> = new Map();

  /**
   * Adds one value of each name, weighted (by the number of samples it is the mean of).
   *
   * @throws ShapeError for a value with more than one element.
   */
  add(values: Readonly<Record<string, Tensor>>, options: { readonly weight?: number } = {}): void {
    checkTensorsByName("average", values);
    const { weight = 1 } = checkOptions(options, "average", ["weight"]);
    noGrad(() => {
      for (const [name, value] of Object.entries(values)) {
        if (value.size !== 1) {
          throw new ShapeError(`Cannot average ${name} of ${formatShapes([value.shape])}: one element is needed, got ${value.size}`, {
            op: "mean",
            shapes: [value.shape],
          });
        }
        let sum = this.#sums.get(name);
        if (sum === undefined) this.#sums.set(name, sum = keep(value.newZeros([], "float32")));
        const held = sum;
        tidy(() => {
          held.add_(value.reshape([]).to("float32").mul(weight));
          return [];
        });
        this.#weights.set(name, (this.#weights.get(name) ?? 0) + weight);
      }
    });
  }

  /** The names added so far. */
  get names(): readonly string[] {
    return [...this.#sums.keys()];
  }

  /** Reads the means of all names with one wait, and with `reset` starts again. */
  async read(options: { readonly reset?: boolean } = {}): Promise<Record<string, number>> {
    const { reset = false } = checkOptions(options, "read", ["reset"]);
    const names = this.names;
    const sums = await read(...names.map((name) => this.#sums.get(name)!));
    const means = Object.fromEntries(names.map((name, position) => [name, sums[position]![0]! / this.#weights.get(name)!]));
    if (reset) this[Symbol.dispose]();
    return means;
  }

  /** Frees the sums and forgets everything added. */
  [Symbol.dispose](): void {
    for (const sum of this.#sums.values()) sum.dispose();
    this.#sums.clear();
    this.#weights.clear();
  }
}
