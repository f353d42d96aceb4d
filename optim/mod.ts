/**
 * Optimizers: what moves parameters along their gradients.
 *
 * @module
 */
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
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
export { SGD, type SGDOptions } from "./sgd.ts";
