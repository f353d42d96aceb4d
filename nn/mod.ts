/**
 * Layers, initialisation and ready models.
 *
 * @module
 */
export { ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from "./activation.ts";
export { Flatten, Identity, Sequential } from "./container.ts";
export { Conv, Conv1d, Conv2d, type ConvGeometry, type ConvLayerOptions } from "./conv.ts";
export { Dropout, dropout, type DropoutOptions } from "./dropout.ts";
export { Embedding, embedding, type EmbeddingOptions } from "./embedding.ts";
export * as init from "./init.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { buffer, type Layer, type LoadOptions, type LoadResult, Module, parameter, type StateDict } from "./module.ts";
export { type Encoder, EncoderWithHead, ProjectionHead, type ProjectionHeadOptions } from "./models/encoder.ts";
export { MLP, type MLPOptions } from "./models/mlp.ts";
export { BasicBlock, type BasicBlockOptions, ResNet18, type ResNet18Options } from "./models/resnet.ts";
export { SmallCNN, type SmallCNNOptions } from "./models/small_cnn.ts";
export {
  BatchNorm,
  batchNorm,
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormLayerOptions,
  type BatchNormOptions,
  LayerNorm,
  layerNorm,
  type LayerNormLayerOptions,
  type LayerNormOptions,
} from "./normalization.ts";
export type { LayerOptions } from "./options.ts";
export { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from "./pooling.ts";
