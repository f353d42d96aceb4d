/**
 * Optimizers: what moves parameters along their gradients; clipping, and schedules of the learning rate.
 *
 * @module
 */
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export { clipGradNorm, clipGradValue, type ClipNormOptions } from "./clip.ts";
export {
  Optimizer,
  type OptimizerOptions,
  type OptimizerState,
  type ParameterGroup,
  type ParameterGroupInit,
  type Parameters,
  type ParameterState,
  type ZeroGradOptions,
} from "./optimizer.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  type CosineOptions,
  ExponentialLR,
  LinearLR,
  type LinearOptions,
  MultiStepLR,
  type MultiStepOptions,
  PolynomialLR,
  type PolynomialOptions,
  type Rate,
  Schedule,
  type Scheduled,
  type ScheduleState,
  SequentialLR,
  type SequentialOptions,
  StepLR,
  type StepOptions,
  type WarmRestartOptions,
  WarmupCosineLR,
  type WarmupCosineOptions,
} from "./schedule.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
