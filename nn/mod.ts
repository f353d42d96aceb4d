/**
 * Layers, initialisation and ready models.
 *
 * @module
 */
export { ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from "./activation.ts";
export {
  CELU,
  GLU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LogSigmoid,
  Mish,
  PReLU,
  type PReLUOptions,
  ReLU6,
  SELU,
  Softmin,
  Softshrink,
  Softsign,
  Tanhshrink,
  Threshold,
} from "./activation_more.ts";
export {
  type Attended,
  type AttendOptions,
  type AttentionOptions,
  MultiheadAttention,
  type MultiheadAttentionOptions,
  scaledDotProductAttention,
} from "./attention.ts";
export { Flatten, Identity, ModuleDict, ModuleList, Sequential } from "./container.ts";
export { Conv, Conv1d, Conv2d, Conv3d, type ConvGeometry, type ConvLayerOptions, type PaddingMode } from "./conv.ts";
export { ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, type ConvTransposeLayerOptions } from "./conv_transpose.ts";
export { Bilinear, type BilinearOptions, CosineSimilarity, PairwiseDistance, type PairwiseDistanceLayerOptions } from "./distance.ts";
export { ChannelDropout, Dropout, dropout, Dropout1d, Dropout2d, Dropout3d, type DropoutOptions } from "./dropout.ts";
export { type BagOptions, Embedding, embedding, EmbeddingBag, type EmbeddingBagOptions, type EmbeddingOptions } from "./embedding.ts";
export { affineGrid, type AffineGridOptions, gridSample, type GridSampleOptions } from "./grid_sample.ts";
export {
  GroupNorm,
  groupNorm,
  type GroupNormLayerOptions,
  type GroupNormOptions,
  InstanceNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type InstanceNormOptions,
  LocalResponseNorm,
  type LocalResponseOptions,
  RMSNorm,
} from "./group_norm.ts";
export * as init from "./init.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { buffer, functionalCall, type Layer, type LoadOptions, type LoadResult, Module, parameter, type StateDict } from "./module.ts";
export { type Encoder, EncoderWithHead, ProjectionHead, type ProjectionHeadOptions } from "./models/encoder.ts";
export { MLP, type MLPOptions } from "./models/mlp.ts";
export { BasicBlock, type BasicBlockOptions, ResNet18, type ResNet18Options } from "./models/resnet.ts";
export { SmallCNN, type SmallCNNOptions } from "./models/small_cnn.ts";
export {
  BatchNorm,
  batchNorm,
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  type BatchNormLayerOptions,
  type BatchNormOptions,
  LayerNorm,
  layerNorm,
  type LayerNormLayerOptions,
  type LayerNormOptions,
} from "./normalization.ts";
export type { LayerOptions } from "./options.ts";
export {
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  pad,
  Padding,
  type PadOptions,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from "./padding.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AdaptivePool,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  Pool,
} from "./pooling.ts";
export { spectralNorm, type SpectralNormOptions, weightNorm, type WeightNormOptions } from "./reparametrize.ts";
export { interpolate, type InterpolateOptions, PixelShuffle, PixelUnshuffle, Upsample } from "./resize.ts";
export {
  GRU,
  LSTM,
  type LSTMResult,
  type LSTMSequenceOptions,
  Recurrent,
  type RecurrentOptions,
  type RecurrentResult,
  type RecurrentWeights,
  RNN,
  type SequenceOptions,
} from "./recurrent.ts";
export {
  type DecoderOptions,
  type SequenceMasks,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  TransformerLayer,
  type TransformerLayerOptions,
  type TransformerOptions,
} from "./transformer.ts";
