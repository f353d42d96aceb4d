/**
 * Lowering the rate where a metric no longer improves.
 *
 * @module
 */
import { checkObject, checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Scheduled } from "./schedule.ts";

/** Options of {@link ReduceLROnPlateau}. */
export interface PlateauOptions {
  /** Whether lower or higher is better. Default "min". */
  readonly mode?: "min" | "max";
  /** What rates are multiplied by, below 1. Default 0.1. */
  readonly factor?: number;
  /** How many steps without improvement are let pass. Default 10. */
  readonly patience?: number;
  /** By how much the metric must improve. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a part of the best value or an amount. Default "rel". */
  readonly thresholdMode?: "rel" | "abs";
  /** How many steps after a reduction are not counted. Default 0. */
  readonly cooldown?: number;
  /** The least rate. Default 0. */
  readonly minLr?: number;
  /** Rates that would change by no more than this stay. Default 1e-8. */
  readonly eps?: number;
}

/** All that is needed to go on from where it was; the best value is null before the first step. */
export interface PlateauState {
  /** The best value so far. */
  readonly best: number | null;
  /** Steps since then. */
  readonly badSteps: number;
  /** Steps left that are not counted. */
  readonly cooldownLeft: number;
}

/**
 * Multiplies rates by a factor when a metric has not improved for more than `patience` steps, with PyTorch's rules.
 *
 * @throws ArgumentError for a factor outside 0 … 1, or counts that are no whole numbers from 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ReduceLROnPlateau, SGD } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const optimizer = new SGD([ones([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1 });
 * for (const loss of [3, 2, 2, 2]) schedule.step(loss);
 * assertEquals(optimizer.groups[0]!.lr, 0.5);
 * ```
 */
export class ReduceLROnPlateau {
  readonly #target: Scheduled;
  readonly #options: Required<PlateauOptions>;
  #best: number | null = null;
  #badSteps = 0;
  #cooldownLeft = 0;

  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: PlateauOptions = {}) {
    checkOptions(options, "make ReduceLROnPlateau", [
      "mode",
      "factor",
      "patience",
      "threshold",
      "thresholdMode",
      "cooldown",
      "minLr",
      "eps",
    ]);
    this.#target = target;
    this.#options = {
      mode: options.mode ?? "min",
      factor: options.factor ?? 0.1,
      patience: options.patience ?? 10,
      threshold: options.threshold ?? 1e-4,
      thresholdMode: options.thresholdMode ?? "rel",
      cooldown: options.cooldown ?? 0,
      minLr: options.minLr ?? 0,
      eps: options.eps ?? 1e-8,
    };
    const { factor, patience, cooldown } = this.#options;
    if (!(factor >= 0 && factor < 1)) {
      throw new ArgumentError(`Cannot make ReduceLROnPlateau: a factor from 0 to below 1 is needed, got ${factor}`);
    }
    if (![patience, cooldown].every((count) => Number.isInteger(count) && count >= 0)) {
      throw new ArgumentError(
        `Cannot make ReduceLROnPlateau: whole patience and cooldown from 0 are needed, got ${patience} and ${cooldown}`,
      );
    }
  }

  /** Takes the metric of one more step (often an epoch); NaN counts as no improvement. */
  step(metric: number): void {
    const { cooldown, patience } = this.#options;
    if (this.#best === null || this.#improves(metric, this.#best)) {
      if (!Number.isNaN(metric)) this.#best = metric;
      this.#badSteps = 0;
    } else this.#badSteps++;
    if (this.#cooldownLeft > 0) {
      this.#cooldownLeft--;
      this.#badSteps = 0;
    }
    if (this.#badSteps <= patience) return;
    this.#reduce();
    this.#cooldownLeft = cooldown;
    this.#badSteps = 0;
  }

  /** Where it is. */
  stateDict(): PlateauState {
    return { best: this.#best, badSteps: this.#badSteps, cooldownLeft: this.#cooldownLeft };
  }

  /** Goes on from a saved state; the rates come with the optimizer's. */
  loadStateDict(state: PlateauState): void {
    const { best, badSteps, cooldownLeft } = checkObject(state, "loadStateDict", "a state");
    this.#best = best;
    this.#badSteps = badSteps;
    this.#cooldownLeft = cooldownLeft;
  }

  #improves(metric: number, best: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    if (mode === "min") return metric < (thresholdMode === "rel" ? best * (1 - threshold) : best - threshold);
    return metric > (thresholdMode === "rel" ? best * (1 + threshold) : best + threshold);
  }

  #reduce(): void {
    const { factor, minLr, eps } = this.#options;
    for (const group of this.#target.groups) {
      const lr = Math.max(group.lr * factor, minLr);
      if (group.lr - lr > eps) group.lr = lr;
    }
  }
}
