/**
 * Training: the loop, metrics, checkpoints, progress and the report, which the examples are made of.
 *
 * @module
 */
export type { Confusion, Curve, EmbeddingPlot, Place, Series } from "./charts.ts";
export { type Checkpoint, hasCheckpoint, type Json, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
export { type Clusters, kMeans, type KMeansOptions, normalizedMutualInformation } from "./clustering.ts";
export { type Components, principalComponents, project } from "./components.ts";
export {
  beginning,
  DivergenceError,
  evaluate,
  type EvaluateOptions,
  fit,
  type FitOptions,
  type FitResult,
  type Position,
  type TrainingLog,
  type TrainingStep,
  type TrainingStepResult,
} from "./loop.ts";
export { accuracy, confusionMatrix, RunningMean, topKAccuracy } from "./metrics.ts";
export { type LinearProbe, linearProbe, type LinearProbeOptions } from "./probe.ts";
export { formatDuration, Progress, type ProgressTarget, type ProgressUpdate, standardError } from "./progress.ts";
export { renderReport, type Report, type Row } from "./report.ts";
export {
  knnAccuracy,
  type Labelled,
  type NeighbourOptions,
  type RetrievalMetrics,
  retrievalMetrics,
  type RetrievalOptions,
} from "./retrieval.ts";
export { captureTraining, restoreTraining, type TrainingParts } from "./state.ts";
