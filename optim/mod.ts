/**
 * Optimizers: what moves parameters along their gradients; clipping, and schedules of the learning rate.
 *
 * @module
 */
export { Adadelta, type AdadeltaOptions } from "./adadelta.ts";
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export { Adamax, type AdamaxOptions } from "./adamax.ts";
export { type AverageState, EMA, SWA, WeightAverage } from "./average.ts";
export { clipGradNorm, clipGradValue, type ClipNormOptions } from "./clip.ts";
export { LAMB, type LAMBOptions } from "./lamb.ts";
export { LARS, type LARSOptions } from "./lars.ts";
export { Lion, type LionOptions } from "./lion.ts";
export { Muon, type MuonOptions } from "./muon.ts";
export { NAdam, type NAdamOptions } from "./nadam.ts";
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
export { type PlateauOptions, type PlateauState, ReduceLROnPlateau } from "./plateau.ts";
export { RAdam, type RAdamOptions } from "./radam.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  type CosineOptions,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LinearOptions,
  MultiStepLR,
  type MultiStepOptions,
  OneCycleLR,
  type OneCycleOptions,
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
export { GradScaler, type GradScalerOptions, type GradScalerState } from "./scaler.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
