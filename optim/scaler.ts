/**
 * Scaling losses, so that small float16 gradients do not vanish.
 *
 * @module
 */
import { checkObject, checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { stack } from "../tensor/create.ts";
import { computeType, type DType } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { apply, cast, input, scalar } from "../tensor/expr.ts";
import type { MapKernel } from "../tensor/kernel.ts";
import { memoize } from "../tensor/op.ts";
import { keep, tidy } from "../tensor/scope.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { updateInPlace, updateKernel } from "../tensor/update.ts";
import { Optimizer, type OptimizerOptions } from "./optimizer.ts";

/** Options of {@link GradScaler}. */
export interface GradScalerOptions {
  /** The first factor. Default 65,536. */
  readonly initialScale?: number;
  /** What the factor is multiplied by after `growthInterval` finite steps in a row. Default 2. */
  readonly growthFactor?: number;
  /** What the factor is multiplied by after a step whose gradients were not finite. Default 0.5. */
  readonly backoffFactor?: number;
  /** Default 2,000. */
  readonly growthInterval?: number;
}

/** All that is needed to go on from where a scaler was; plain JSON. */
export interface GradScalerState {
  /** The factor. */
  readonly scale: number;
  /** Finite steps since the factor last changed. */
  readonly steps: number;
}

/**
 * Multiplies the loss by a large factor, so that gradients in float16 stay above its smallest number, and divides the gradients by it before the
 * step: mixed precision, where a model is run with float16 copies of its weights (see `functionalCall`). A step whose gradients hold NaN or
 * infinity is left out and the factor shrinks; after many finite ones it grows.
 *
 * Prevents a mistake: gradients are divided before the finite check and the step, never twice; clip them after {@link GradScaler.unscale}.
 * Each step reads one number, so it cannot be part of a compiled step.
 *
 * Source: Micikevicius et al. 2018.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { GradScaler, SGD } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const w = tensor([1], { requiresGrad: true });
 * const optimizer = new SGD([w], { lr: 0.5 });
 * const scaler = new GradScaler({ initialScale: 1024 });
 * scaler.scale(w.square().sum()).backward();
 * assertEquals(await w.grad!.toArray(), [2048]);
 * assertEquals(await scaler.step(optimizer), true);
 * scaler.update();
 * assertEquals(await w.toArray(), [0]); // 1 - 0.5 · 2
 * ```
 */
export class GradScaler {
  readonly #growthFactor: number;
  readonly #backoffFactor: number;
  readonly #growthInterval: number;
  /** How many elements of each optimizer's gradients are not finite. */
  readonly #unscaled = new Map<object, Tensor | undefined>();
  readonly #stepped = new Set<object>();
  #factor: number;
  #steps = 0;
  #finite = true;

  /**
   * Starts at the initial scale.
   *
   * @throws ArgumentError for factors that are not positive, do not grow or do not shrink.
   */
  constructor(options: GradScalerOptions = {}) {
    const { initialScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = checkOptions(
      options,
      "make GradScaler",
      ["initialScale", "growthFactor", "backoffFactor", "growthInterval"],
    );
    check("initialScale", initialScale, initialScale > 0 && initialScale < Infinity, "a positive number");
    check("growthFactor", growthFactor, growthFactor >= 1 && growthFactor < Infinity, "a number from 1");
    check("backoffFactor", backoffFactor, backoffFactor > 0 && backoffFactor < 1, "a number between 0 and 1");
    check("growthInterval", growthInterval, Number.isInteger(growthInterval) && growthInterval > 0, "a whole number from 1");
    this.#factor = initialScale;
    this.#growthFactor = growthFactor;
    this.#backoffFactor = backoffFactor;
    this.#growthInterval = growthInterval;
  }

  /** The factor in force. */
  get factor(): number {
    return this.#factor;
  }

  /** The loss times the factor; call `backward()` on it. float16 losses become float32, which holds the product. */
  scale(loss: Tensor): Tensor {
    checkTensors("scale", { loss });
    return tidy(() => loss.to(computeType(loss.dtype)).mul(this.#factor));
  }

  /**
   * Divides the gradients of an optimizer's parameters by the factor, on the device; {@link GradScaler.step} does it where it was not done.
   *
   * @throws ArgumentError when it was done since the last {@link GradScaler.update}.
   */
  unscale<Options extends OptimizerOptions>(optimizer: Optimizer<Options>): void {
    checkOptimizer(optimizer, "unscale");
    if (this.#unscaled.has(optimizer)) {
      throw new ArgumentError("Cannot unscale: gradients still scaled are needed, got some that were unscaled since the last update()");
    }
    const gradients = optimizer.groups.flatMap(({ params }) => params.flatMap(({ grad }) => grad === null ? [] : [grad]));
    const wrong = gradients.length === 0 ? undefined : keep(noGrad(() => tidy(() => this.#divide(gradients))));
    this.#unscaled.set(optimizer, wrong);
  }

  /**
   * Steps the optimizer if all its gradients are finite, which is read from the device.
   *
   * @returns Whether it stepped.
   * @throws ArgumentError for a second time since the last {@link GradScaler.update}.
   */
  async step<Options extends OptimizerOptions>(optimizer: Optimizer<Options>): Promise<boolean> {
    checkOptimizer(optimizer, "step");
    if (this.#stepped.has(optimizer)) throw new ArgumentError("Cannot step: one step of an optimizer before update() is needed, got two");
    if (!this.#unscaled.has(optimizer)) this.unscale(optimizer);
    this.#stepped.add(optimizer);
    const wrong = this.#unscaled.get(optimizer);
    const finite = wrong === undefined || await wrong.item() === 0;
    if (finite) optimizer.step();
    this.#finite &&= finite;
    return finite;
  }

  /**
   * Shrinks the factor if a step was left out, and grows it after enough steps; once after the steps of all optimizers.
   *
   * @throws ArgumentError when there was no step.
   */
  update(): void {
    if (this.#stepped.size === 0) {
      throw new ArgumentError("Cannot update a GradScaler: a step() since the last update() is needed, got none");
    }
    this.#steps = this.#finite ? this.#steps + 1 : 0;
    if (!this.#finite) this.#factor *= this.#backoffFactor;
    else if (this.#steps === this.#growthInterval) {
      this.#factor = Math.min(this.#factor * this.#growthFactor, 2 ** 100); // float32 holds products with it
      this.#steps = 0;
    }
    for (const wrong of this.#unscaled.values()) wrong?.dispose();
    this.#unscaled.clear();
    this.#finite = true;
    this.#stepped.clear();
  }

  /** The factor and how long it has held, as plain JSON. */
  stateDict(): GradScalerState {
    return { scale: this.#factor, steps: this.#steps };
  }

  /**
   * Goes on from a saved state.
   *
   * @throws ArgumentError for a state that cannot be.
   */
  loadStateDict(state: GradScalerState): void {
    const { scale, steps } = checkObject(state, "loadStateDict", "a state");
    check("scale", scale, scale > 0 && scale < Infinity, "a positive number");
    check("steps", steps, Number.isInteger(steps) && steps >= 0, "a whole number from 0");
    this.#factor = scale;
    this.#steps = steps;
  }

  /** Divides, and counts what is not finite: [] float32. */
  #divide(gradients: readonly Tensor[]): Tensor {
    const counts = gradients.map((gradient) => {
      updateInPlace(divideKernel(gradient.dtype), { inputs: [gradient], targets: [gradient], scalars: [1 / this.#factor] });
      return gradient.isFinite().logicalNot().to("float32").sum();
    });
    return stack(counts).sum();
  }
}

function checkOptimizer(optimizer: object, op: string): void {
  if (!(optimizer instanceof Optimizer)) throw new ArgumentError(`Cannot ${op}: an optimizer is needed, got ${kindOf(optimizer)}`);
}

/** Input g; scalar 1 / factor. */
const divideKernel = memoize((dtype: DType): MapKernel => {
  return updateKernel([cast(apply("mul", cast(input(0, dtype), computeType(dtype)), scalar(0, computeType(dtype))), dtype)]);
});

function check(name: string, value: number, fine: boolean, needed: string): void {
  if (!fine) throw new ArgumentError(`Cannot make GradScaler: ${needed} is needed as ${name}, got ${value}`);
}
