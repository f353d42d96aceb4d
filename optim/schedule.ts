/**
 * Schedules of the learning rate. Each is a formula of the initial rate and the number of steps alone, so that a schedule can be resumed
 * at any step and combined with others; call `step()` after the optimizer's.
 *
 * @module
 */
import { checkFunction, checkList, checkNumber, checkObject, checkOptions, kindOf } from "../tensor/arguments.ts";
import { eachStep } from "../tensor/capture.ts";
import { ArgumentError } from "../tensor/errors.ts";

/** What a schedule changes: an optimizer, or anything that has groups with a rate. */
export interface Scheduled {
  /** The rate in force and the one at the start, per group, and perhaps what of earlier gradients is kept. */
  readonly groups: readonly { lr: number; initialLr?: number; momentum?: number; betas?: readonly [number, number] }[];
}

/** The learning rate after `step` steps, given the rate at the start. */
export type Rate = (base: number, step: number) => number;

/** All that is needed to go on from where a schedule was. */
export interface ScheduleState {
  /** How many steps the schedule has taken. */
  readonly steps: number;
}

/**
 * A schedule by any formula, and the base of those below. Making one sets the rate of step 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Schedule, SGD } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const optimizer = new SGD([ones([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new Schedule(optimizer, (base, step) => base / (step + 1));
 * schedule.step();
 * assertEquals(optimizer.groups[0]!.lr, 0.5);
 * ```
 */
export class Schedule {
  /** Its formula. */
  readonly rate: Rate;
  readonly #target: Scheduled;
  readonly #momentum: ((step: number) => number) | undefined;
  #steps = 0;

  /**
   * Takes the optimizer and a formula; the groups' present rates are the initial ones, unless an earlier schedule recorded them. A second
   * formula sets each group's momentum, or the first of its betas.
   */
  constructor(target: Scheduled, rate: Rate, options: { readonly momentum?: ((step: number) => number) | undefined } = {}) {
    const { momentum } = checkOptions(options, "make Schedule", ["momentum"]);
    if (!Array.isArray(target?.groups)) {
      throw new ArgumentError(`Cannot make ${this.constructor.name}: an optimizer is needed, got ${kindOf(target)}`);
    }
    this.rate = checkFunction(rate, `make ${this.constructor.name}`);
    this.#target = target;
    this.#momentum = momentum;
    for (const group of target.groups) group.initialLr ??= group.lr;
    this.#set();
  }

  /** How many steps it has taken. */
  get steps(): number {
    return this.#steps;
  }

  /** Goes one step on and sets the rate of every group. */
  step(): void {
    eachStep(() => {
      this.#steps++;
      this.#set();
    });
  }

  /** Where it is. */
  stateDict(): ScheduleState {
    return { steps: this.#steps };
  }

  /**
   * Goes on from a saved state; load the optimizer's first, which holds the initial rates.
   *
   * @throws ArgumentError when the number of steps is no whole number from 0.
   */
  loadStateDict(state: ScheduleState): void {
    const { steps } = checkObject(state, "loadStateDict", "a state");
    if (!Number.isInteger(steps) || steps < 0) throw new ArgumentError(`Cannot loadStateDict: whole steps from 0 are needed, got ${steps}`);
    this.#steps = steps;
    this.#set();
  }

  #set(): void {
    for (const group of this.#target.groups) {
      const lr = this.rate(group.initialLr ?? group.lr, this.#steps);
      if (typeof lr !== "number" || Number.isNaN(lr)) {
        throw new ArgumentError(`Cannot set a rate by ${this.constructor.name}: a number is needed for step ${this.#steps}, got ${lr}`);
      }
      group.lr = lr;
      if (this.#momentum === undefined) continue;
      const kept = this.#momentum(this.#steps);
      if (group.betas === undefined) group.momentum = kept;
      else group.betas = [kept, group.betas[1]];
    }
  }
}

/** Options of {@link StepLR}. */
export interface StepOptions {
  /** The number of steps between two changes. */
  readonly stepSize: number;
  /** The factor at each change. Default 0.1. */
  readonly gamma?: number;
}

/** lr · gamma^⌊t / stepSize⌋. */
export class StepLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: StepOptions) {
    const { stepSize, gamma = 0.1 } = checkOptions(options, "make StepLR", ["stepSize", "gamma"]);
    checkWhole("StepLR", { stepSize });
    super(target, (base, step) => base * gamma ** Math.floor(step / stepSize));
  }
}

/** Options of {@link MultiStepLR}. */
export interface MultiStepOptions {
  /** The steps at which the rate changes. */
  readonly milestones: readonly number[];
  /** The factor at each change. Default 0.1. */
  readonly gamma?: number;
}

/** lr · gamma^(the number of milestones up to t). */
export class MultiStepLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: MultiStepOptions) {
    const { milestones, gamma = 0.1 } = checkOptions(options, "make MultiStepLR", ["milestones", "gamma"]);
    checkList(milestones, "make MultiStepLR", "{ milestones: [30, 80] }");
    super(target, (base, step) => base * gamma ** milestones.filter((milestone) => milestone <= step).length);
  }
}

/** lr · gamma^t. */
export class ExponentialLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: { readonly gamma: number }) {
    const { gamma } = checkOptions(options, "make ExponentialLR", ["gamma"]);
    checkNumber(gamma, "make ExponentialLR", "a number as gamma");
    super(target, (base, step) => base * gamma ** step);
  }
}

/** Options of {@link CosineAnnealingLR}. */
export interface CosineOptions {
  /** The number of steps down; beyond it the rate rises again. */
  readonly tMax: number;
  /** The least rate. Default 0. */
  readonly etaMin?: number;
}

/** etaMin + (lr - etaMin) (1 + cos(π t / tMax)) / 2. Source: Loshchilov and Hutter 2017. */
export class CosineAnnealingLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: CosineOptions) {
    const { tMax, etaMin = 0 } = checkOptions(options, "make CosineAnnealingLR", ["tMax", "etaMin"]);
    checkWhole("CosineAnnealingLR", { tMax });
    super(target, (base, step) => etaMin + (base - etaMin) * halfCosine(step / tMax));
  }
}

/** Options of {@link CosineAnnealingWarmRestarts}. */
export interface WarmRestartOptions {
  /** The number of steps to the first restart. */
  readonly t0: number;
  /** How many times longer each period is than the one before, a whole number. Default 1. */
  readonly tMult?: number;
  /** The least rate. Default 0. */
  readonly etaMin?: number;
}

/** Cosine annealing that starts anew after t0 steps, then after tMult times as many, and so on. Source: Loshchilov and Hutter 2017. */
export class CosineAnnealingWarmRestarts extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: WarmRestartOptions) {
    const { t0, tMult = 1, etaMin = 0 } = checkOptions(options, "make CosineAnnealingWarmRestarts", ["t0", "tMult", "etaMin"]);
    checkWhole("CosineAnnealingWarmRestarts", { t0, tMult });
    super(target, (base, step) => {
      let period = t0;
      let within = tMult === 1 ? step % t0 : step;
      while (within >= period) {
        within -= period;
        period *= tMult;
      }
      return etaMin + (base - etaMin) * halfCosine(within / period);
    });
  }
}

/** Options of {@link LinearLR}. */
export interface LinearOptions {
  /** The factor at step 0. Default 1/3. */
  readonly startFactor?: number;
  /** The factor from `totalIters` on. Default 1. */
  readonly endFactor?: number;
  /** The number of steps between them. Default 5. */
  readonly totalIters?: number;
}

/** A factor that goes in a straight line from one value to another and stays there: a warm-up where it rises. */
export class LinearLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: LinearOptions = {}) {
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = checkOptions(options, "make LinearLR", [
      "startFactor",
      "endFactor",
      "totalIters",
    ]);
    checkWhole("LinearLR", { totalIters });
    super(target, (base, step) => base * (startFactor + (endFactor - startFactor) * Math.min(step, totalIters) / totalIters));
  }
}

/** Options of {@link PolynomialLR}. */
export interface PolynomialOptions {
  /** The number of steps down to 0. Default 5. */
  readonly totalIters?: number;
  /** Default 1: a straight line. */
  readonly power?: number;
}

/** lr · (1 - min(t, totalIters) / totalIters)^power. */
export class PolynomialLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: PolynomialOptions = {}) {
    const { totalIters = 5, power = 1 } = checkOptions(options, "make PolynomialLR", ["totalIters", "power"]);
    checkWhole("PolynomialLR", { totalIters });
    super(target, (base, step) => base * (1 - Math.min(step, totalIters) / totalIters) ** power);
  }
}

/** Options of {@link WarmupCosineLR}. */
export interface WarmupCosineOptions {
  /** The number of steps up; 0 for none. */
  readonly warmup: number;
  /** The number of steps in all. */
  readonly total: number;
  /** The factor at the end. Default 0. */
  readonly minFactor?: number;
}

/**
 * Up in a straight line, lr (t + 1) / warmup, then down by a cosine to minFactor · lr at step `total`, where it stays.
 */
export class WarmupCosineLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: WarmupCosineOptions) {
    const { warmup, total, minFactor = 0 } = checkOptions(options, "make WarmupCosineLR", ["warmup", "total", "minFactor"]);
    if (!Number.isInteger(warmup) || !Number.isInteger(total) || warmup < 0 || total < warmup) {
      throw new ArgumentError(`Cannot make WarmupCosineLR: whole 0 ≤ warmup ≤ total are needed, got ${warmup} and ${total}`);
    }
    super(target, (base, step) => {
      if (step < warmup) return base * (step + 1) / warmup;
      const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
      return base * (minFactor + (1 - minFactor) * halfCosine(progress));
    });
  }
}

/** Options of {@link OneCycleLR}. */
export interface OneCycleOptions {
  /** The greatest rate. */
  readonly maxLr: number;
  /** The number of steps in all. */
  readonly totalSteps: number;
  /** The part of the steps on which the rate rises. Default 0.3. */
  readonly pctStart?: number;
  /** How the rate goes from one value to the next. Default "cos". */
  readonly annealing?: "cos" | "linear";
  /** The first rate is maxLr / divFactor. Default 25. */
  readonly divFactor?: number;
  /** The last rate is the first / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number;
  /** Down to the first rate as fast as up, then to the last. Default false. */
  readonly threePhase?: boolean;
  /** Whether the momentum (or the first of betas) goes down as the rate goes up, and up again as it goes down. Default false. */
  readonly cycleMomentum?: boolean;
  /** The momentum where the rate is greatest. Default 0.85. */
  readonly baseMomentum?: number;
  /** The momentum at the beginning and at the end. Default 0.95. */
  readonly maxMomentum?: number;
}

/**
 * Up from maxLr / divFactor to maxLr, then down to far below where it began; the groups' own rates do not count. Source: Smith and Topin
 * 2018, in PyTorch's form, which cycles the momentum unless told not to.
 *
 * @throws ArgumentError for a pctStart outside 0 … 1, totalSteps that is no positive whole number, or a momentum to cycle in a group that
 * was given neither momentum nor betas.
 */
export class OneCycleLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: OneCycleOptions) {
    const { maxLr, totalSteps, pctStart = 0.3, annealing = "cos", divFactor = 25, finalDivFactor = 1e4, threePhase = false } = checkOptions(
      options,
      "make OneCycleLR",
      [
        "maxLr",
        "totalSteps",
        "pctStart",
        "annealing",
        "divFactor",
        "finalDivFactor",
        "threePhase",
        "cycleMomentum",
        "baseMomentum",
        "maxMomentum",
      ],
    );
    const { cycleMomentum = false, baseMomentum = 0.85, maxMomentum = 0.95 } = options;
    checkWhole("OneCycleLR", { totalSteps });
    if (!(pctStart >= 0 && pctStart <= 1)) {
      throw new ArgumentError(`Cannot make OneCycleLR: a pctStart from 0 to 1 is needed, got ${pctStart}`);
    }
    if (cycleMomentum && target.groups.some(({ momentum, betas }) => momentum === undefined && betas === undefined)) {
      throw new ArgumentError(
        "Cannot make OneCycleLR: momentum or betas of every group are needed with cycleMomentum, got a group without",
      );
    }
    const first = maxLr / divFactor;
    const last = first / finalDivFactor;
    const peak = pctStart * totalSteps - 1;
    const ends = threePhase ? [peak, 2 * peak, totalSteps - 1] : [peak, totalSteps - 1];
    const between = annealing === "cos"
      ? (from: number, to: number, progress: number) => to + (from - to) * halfCosine(progress)
      : (from: number, to: number, progress: number) => from + (to - from) * progress;
    const along = (values: readonly number[], step: number): number => {
      const phase = ends.findIndex((end) => step <= end);
      if (phase === -1) return values.at(-1)!;
      const start = ends[phase - 1] ?? 0;
      return between(values[phase]!, values[phase + 1]!, (step - start) / (ends[phase]! - start));
    };
    const rates = threePhase ? [first, maxLr, first, last] : [first, maxLr, last];
    const kept = threePhase ? [maxMomentum, baseMomentum, maxMomentum, maxMomentum] : [maxMomentum, baseMomentum, maxMomentum];
    super(target, (_, step) => along(rates, step), cycleMomentum ? { momentum: (step) => along(kept, step) } : {});
  }
}

/** lr · lambda(t). */
export class LambdaLR extends Schedule {
  /** Schedules an optimizer by a factor for each step. */
  constructor(target: Scheduled, options: { readonly lambda: (step: number) => number }) {
    const { lambda } = checkOptions(options, "make LambdaLR", ["lambda"]);
    checkFunction(lambda, "make LambdaLR", "a function as lambda");
    super(target, (base, step) => base * lambda(step));
  }
}

/** Options of {@link SequentialLR}. */
export interface SequentialOptions {
  /** The schedules in order, of the same optimizer. */
  readonly schedules: readonly Schedule[];
  /** The steps at which the next one begins with its own step 0; one fewer than schedules, rising. */
  readonly milestones: readonly number[];
}

/**
 * Schedules one after the other; step only this one.
 *
 * @throws ArgumentError unless milestones rise and are one fewer than the schedules.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CosineAnnealingLR, LinearLR, SequentialLR, SGD } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const optimizer = new SGD([ones([1], { requiresGrad: true })], { lr: 1 });
 * const warmup = new LinearLR(optimizer, { startFactor: 0.5, totalIters: 2 });
 * const annealing = new CosineAnnealingLR(optimizer, { tMax: 2 });
 * const schedule = new SequentialLR(optimizer, { schedules: [warmup, annealing], milestones: [2] });
 * const rates = [optimizer.groups[0]!.lr];
 * for (let i = 0; i < 4; i++) {
 *   schedule.step();
 *   rates.push(optimizer.groups[0]!.lr);
 * }
 * assertEquals(rates, [0.5, 0.75, 1, 0.5, 0]);
 * ```
 */
export class SequentialLR extends Schedule {
  /** Schedules an optimizer. */
  constructor(target: Scheduled, options: SequentialOptions) {
    const { schedules, milestones } = checkOptions(options, "make SequentialLR", ["schedules", "milestones"]);
    checkList(schedules, "make SequentialLR", "{ schedules: [warmup, annealing], milestones: [2] }");
    checkList(milestones, "make SequentialLR", "{ schedules: [warmup, annealing], milestones: [2] }");
    if (milestones.length !== schedules.length - 1 || milestones.some((at, n) => n > 0 && at <= milestones[n - 1]!)) {
      throw new ArgumentError(
        `Cannot make SequentialLR: ${schedules.length - 1} rising milestones are needed, got [${milestones.join(", ")}]`,
      );
    }
    super(target, (base, step) => {
      const active = milestones.filter((milestone) => milestone <= step).length;
      return schedules[active]!.rate(base, step - (milestones[active - 1] ?? 0));
    });
  }
}

/** From 1 at 0 to 0 at 1; exactly 0 there, as at every odd number. */
function halfCosine(progress: number): number {
  return progress % 2 === 1 ? 0 : (1 + Math.cos(Math.PI * progress)) / 2;
}

function checkWhole(schedule: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1) {
      throw new ArgumentError(`Cannot make ${schedule}: a positive whole ${name} is needed, got ${count}`);
    }
  }
}
