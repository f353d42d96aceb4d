/**
 * Tensors: what they are and what can be done with them.
 *
 * @module
 */
export * from "./create.ts";
export * from "./random.ts";
export { compile, type CompiledStep, type CompileOptions, type Explanation, type StepResult } from "./compile.ts";
export {
  type Dims,
  type HostArray,
  type KeepDimOptions,
  type NestedNumbers,
  type NormOptions,
  read,
  type ScatterOptions,
  type SliceOptions,
  type Sorted,
  Tensor,
  type VarianceOptions,
} from "./tensor.ts";
export {
  defaultDevice,
  type Device,
  type DeviceName,
  getDevice,
  hasDevice,
  init,
  type InitOptions,
  type InitResult,
  type Memory,
  memory,
  registerDevice,
  setDefaultDevice,
} from "./device.ts";
export { byteSize, type DType, promote, type TypedArray } from "./dtype.ts";
export {
  ArgumentError,
  CaptureError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorContext,
  GradientError,
  IndexError,
  OutOfMemoryError,
  ShapeError,
} from "./errors.ts";
export type { KernelChoices, KernelRun } from "./kernel.ts";
export { type KernelTotal, Profile, profile, type ProfileOptions } from "./profile.ts";
export { tune, type TuneOptions, useTuning } from "./tune.ts";
export { currentScope, keep, Scope, scope, type Scoped, tidy } from "./scope.ts";
export type { CountedStorage } from "./memory.ts";
export type { Shape } from "./shape.ts";
export {
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  type ConvPadding,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type ConvTransposeOptions,
  linear,
  normalize,
  type Normalized,
  type NormalizeOptions,
  pairLogSumExp,
  type PairOptions,
  type PerDim,
} from "./functions.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type AdaptiveSize,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type AvgPoolOptions,
  maxPool1d,
  maxPool1dWithIndices,
  maxPool2d,
  maxPool2dWithIndices,
  maxPool3d,
  maxPool3dWithIndices,
  type MaxPooled,
  type MaxPoolOptions,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  type MaxUnpoolOptions,
  type PoolOptions,
} from "./pooling.ts";
export {
  celu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  mish,
  prelu,
  relu6,
  selu,
  softmin,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
} from "./activations.ts";
export { cumulativeTrapezoid, gradient, type SlopeOptions, trapezoid, type TrapezoidOptions } from "./calculus.ts";
export type { CloseOptions } from "./comparing.ts";
export { type BincountOptions, type Unique } from "./counting.ts";
export { einsum } from "./einsum.ts";
export { bucketize, type IndexPutOptions, type IndexSlices, searchsorted } from "./indexing.ts";
export { blockDiag, broadcastTensors, cartesianProd, combinations, dstack, hstack, vstack } from "./joining.ts";
export { fold, type FoldOptions, type PatchOptions, unfold } from "./patches.ts";
export {
  cdist,
  type CosineOptions,
  cosineSimilarity,
  type DistanceOptions,
  pairwiseDistance,
  type PairwiseDistanceOptions,
  tensordot,
  type UnitVectorOptions,
  unitVectors,
  vander,
} from "./products.ts";
export { type DiagonalOptions, type DiffOptions, meshgrid, type WindowOptions } from "./rearrange.ts";
export { type Extrema, type HistogramOptions, type Interpolation, type QuantileOptions } from "./selecting.ts";
export type { CovarianceOptions, RenormOptions } from "./statistics.ts";
export { decodeNpy, encodeNpy, loadNpy, type NpyReadOptions, saveNpy } from "./io/npy.ts";
export { decodeNpz, encodeNpz, loadNpz, type NpzOptions, saveNpz } from "./io/npz.ts";
export {
  decodeSafetensors,
  encodeSafetensors,
  loadSafetensors,
  type SafetensorsContent,
  type SafetensorsOptions,
  type SafetensorsReadOptions,
  saveSafetensors,
} from "./io/safetensors.ts";
export {
  cholesky,
  det,
  type Eigen,
  eigh,
  inverse,
  type LogDeterminant,
  matrixNorm,
  type MatrixNormOptions,
  matrixPower,
  pinverse,
  qr,
  type QRFactors,
  type SingularValueFactors,
  slogdet,
  solve,
  svd,
  vectorNorm,
  type VectorNormOptions,
} from "./linalg.ts";
