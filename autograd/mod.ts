/**
 * Gradients: recording, the reverse pass, functional forms, checks.
 *
 * @module
 */
export type { BackwardOptions } from "./backward.ts";
export { checkpoint } from "./checkpoint.ts";
export { type CustomContext, type CustomFunction, customFunction } from "./custom.ts";
export { detectAnomaly } from "./anomaly.ts";
export { grad, type GradOptions, type ScalarFunction, type ValueAndGrad, valueAndGrad } from "./grad.ts";
export { gradcheck, type GradcheckOptions, gradgradcheck, type TensorFunction } from "./gradcheck.ts";
export { type Edge, enableGrad, type GradientHook, isGradEnabled, type NodeVjp, noGrad, type TapeNode } from "./tape.ts";
