/**
 * Averages of weights over training: exponential, and equal (stochastic weight averaging).
 *
 * @module
 */
import { checkFunction, checkObject, checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { eachStep } from "../tensor/capture.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError, DeviceError, DisposedError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { keep } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { checkTensorList, type Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";

/** All that is needed to go on from where an average was. */
export interface AverageState {
  /** How many times it was updated. */
  readonly updates: number;
  /** The averages by position: the live ones, not copies. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/**
 * A running average of weights: a = a + w (x - a), where w is 1 at the first update. Call `update()` after the optimizer's step, and
 * `evaluate()` to work with the averages. Running statistics of batch norm belong to the weights they were measured with: pass floating
 * buffers too, or measure them anew.
 */
export abstract class WeightAverage implements Disposable {
  readonly #weights: readonly Tensor[];
  readonly #averages: readonly Tensor[];
  #updates = 0;

  /**
   * Starts from the weights as they are.
   *
   * @throws ArgumentError without weights.
   */
  constructor(weights: Iterable<Tensor>) {
    this.#weights = listOfWeights(weights, "average weights");
    if (this.#weights.length === 0) throw new ArgumentError("Cannot average weights: at least one is needed, got none");
    this.#averages = noGrad(() => this.#weights.map((weight) => keep(weight.to(computeType(weight.dtype)).clone())));
  }

  /** How much of the weights enters at update number `updates`, counted from 0. */
  protected abstract share(updates: number): number;

  /** How many times it was updated. */
  get updates(): number {
    return this.#updates;
  }

  /** The averages, in the order of the weights. */
  get averages(): readonly Tensor[] {
    return this.#averages;
  }

  /** Takes the weights into the average. */
  update(): void {
    eachStep(() => this.#updates++);
    noGrad(() =>
      this.#weights.forEach((weight, n) => {
        const average = this.#averages[n]!;
        updateInPlace(averageKernels(weight.dtype), {
          inputs: [weight, average],
          targets: [average],
          scalars: () => [this.#updates === 1 ? 1 : this.share(this.#updates - 1)],
        });
      })
    );
  }

  /** Writes the averages over weights (default: those averaged). */
  copyTo(weights: Iterable<Tensor> = this.#weights): void {
    const targets = listOfWeights(weights, "copyTo");
    this.#check(targets, "copyTo");
    noGrad(() => targets.forEach((target, n) => target.copy_(this.#averages[n]!)));
  }

  /** Runs `body` with the averages in place of the weights, then puts the weights back, also after an error. */
  async evaluate<Result>(body: () => Result | Promise<Result>): Promise<Result> {
    checkFunction(body, "evaluate");
    const weights = noGrad(() => this.#weights.map((weight) => keep(weight.clone())));
    this.copyTo();
    try {
      return await body();
    } finally {
      noGrad(() => this.#weights.forEach((weight, n) => weight.copy_(weights[n]!)));
      for (const weight of weights) weight.dispose();
    }
  }

  /** The averages and the number of updates. */
  stateDict(): AverageState {
    return { updates: this.#updates, tensors: Object.fromEntries(this.#averages.map((average, n) => [n, average])) };
  }

  /**
   * Goes on from a saved state (copied). A failed load changes nothing.
   *
   * @throws ArgumentError for another number of tensors; ShapeError, DeviceError, DisposedError for one that does not fit.
   */
  loadStateDict(state: AverageState): void {
    const { updates, tensors } = checkObject(state, "loadStateDict", "a state");
    if (!Number.isInteger(updates) || updates < 0) {
      throw new ArgumentError(`Cannot loadStateDict: whole updates from 0 are needed, got ${updates}`);
    }
    const sources = this.#averages.flatMap((_, n) => tensors[n] === undefined ? [] : [tensors[n]]);
    if (Object.keys(tensors).length !== this.#averages.length) {
      throw new ArgumentError(`Cannot loadStateDict: ${this.#averages.length} tensors are needed, got ${Object.keys(tensors).length}`);
    }
    this.#check(sources, "loadStateDict");
    noGrad(() => this.#averages.forEach((average, n) => average.copy_(sources[n]!)));
    this.#updates = updates;
  }

  /** Frees the averages. */
  dispose(): void {
    for (const average of this.#averages) average.dispose();
  }

  /** Frees the averages at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(tensors: readonly Tensor[], op: string): void {
    if (tensors.length !== this.#averages.length) {
      throw new ArgumentError(`Cannot ${op}: ${this.#averages.length} tensors are needed, got ${tensors.length}`);
    }
    tensors.forEach((tensor, n) => {
      const average = this.#averages[n]!;
      const shapes = [average.shape, tensor.shape];
      if (tensor.isDisposed) throw new DisposedError(`Cannot ${op}: tensor ${n} was freed`);
      if (!sameShape(average.shape, tensor.shape)) {
        throw new ShapeError(`Cannot ${op} ${formatShapes(shapes)}: tensor ${n} in the average's shape is needed`, { op, shapes });
      }
      if (tensor.device !== average.device) {
        throw new DeviceError(`Cannot ${op}: tensor ${n} on ${average.device} is needed, got ${tensor.device}`);
      }
    });
  }
}

function listOfWeights(weights: Iterable<Tensor>, op: string): readonly Tensor[] {
  if (typeof weights?.[Symbol.iterator] !== "function") {
    throw new ArgumentError(`Cannot ${op}: parameters are needed, as in model.parameters(), got ${kindOf(weights)}`);
  }
  return checkTensorList(op, [...weights], "");
}

/**
 * The exponential moving average of weights: a = decay a + (1 - decay) x.
 *
 * @throws ArgumentError for a decay outside 0 … 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EMA } from "./mod.ts";
 * import { noGrad } from "../autograd/mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const weight = tensor([1], { requiresGrad: true });
 * const average = new EMA([weight], { decay: 0.75 });
 * average.update();
 * noGrad(() => weight.fill_(5));
 * average.update();
 * assertEquals(await average.evaluate(() => weight.toArray()), [2]);
 * assertEquals(await weight.toArray(), [5]);
 * ```
 */
export class EMA extends WeightAverage {
  /** How much of the average is kept. */
  readonly decay: number;

  /** Averages the weights; decay default 0.999. */
  constructor(weights: Iterable<Tensor>, options: { readonly decay?: number } = {}) {
    const { decay = 0.999 } = checkOptions(options, "make EMA", ["decay"]);
    if (!(decay >= 0 && decay <= 1)) throw new ArgumentError(`Cannot make EMA: a decay from 0 to 1 is needed, got ${decay}`);
    super(weights);
    this.decay = decay;
  }

  /** 1 - decay. */
  protected override share(): number {
    return 1 - this.decay;
  }
}

/** The mean of the weights over all updates: stochastic weight averaging. Source: Izmailov et al. 2018. */
export class SWA extends WeightAverage {
  /** 1 / (n + 1). */
  protected override share(updates: number): number {
    return 1 / (updates + 1);
  }
}

/** Inputs x, a; scalar w. */
const averageKernels = memoize((dtype: DType): MapKernel => {
  const computed = computeType(dtype);
  const [x, average, share] = [cast(input(0, dtype), computed), input(1, computed), scalar(0, computed)];
  // As two products, so that w = 1 gives x itself.
  return updateKernel([apply("add", apply("mul", apply("sub", 1, share), average), apply("mul", share, x))]);
});
