/**
 * What is public here and has no counterpart among PyTorch's names.
 *
 * @module
 */

/** By kind: exported names, and methods as `Tensor.name`. */
export const own: Readonly<Record<string, readonly string[]>> = {
  "lifetimes and devices": [
    ...["Scope", "currentScope", "defaultDevice", "getDevice", "hasDevice", "keep", "memory", "read", "registerDevice", "scope"],
    ...["setDefaultDevice", "tidy", "tune", "useTuning", "Tensor.dispose", "Tensor.isDisposed", "Tensor.toString"],
  ],
  "compilation, profiles and functions of weights": ["Profile", "checkpoint", "compile", "functionalCall", "profile", "valueAndGrad"],
  "typed errors": [
    ...["ArgumentError", "CaptureError", "DTypeError", "DataError", "DeviceError", "DisposedError", "DivergenceError", "GradientError"],
    ...["IndexError", "OutOfMemoryError", "ShapeError"],
  ],
  "indexing as methods": ["Tensor.index", "Tensor.slice"],
  "random numbers by keys": ["HostRandom", "drawKey"],
  "file formats": [
    "decodeNpy",
    "decodeNpz",
    "decodeSafetensors",
    "encodeNpy",
    "encodeNpz",
    "encodeSafetensors",
    "loadNpy",
    "loadNpz",
    "saveNpy",
    "saveNpz",
  ],
  "losses that learn representations": [
    ...["CrossBatchMemory", "ESupCon", "ExtendedContrastiveCrossEntropy", "PrototypeLoss", "arcFaceLoss", "cosFaceLoss", "eSupCon"],
    ...[
      "extendedContrastiveCrossEntropy",
      "focalLoss",
      "infoNceLoss",
      "minedTripletLoss",
      "multiSimilarityLoss",
      "normalizeRows",
      "ntXent",
    ],
    ...["pairLogSumExp", "proxyAnchorLoss", "proxyNcaLoss", "spce", "supCon"],
  ],
  "models and what layers share": [
    ...[
      "AdaptivePool",
      "BasicBlock",
      "BatchNorm",
      "ChannelDropout",
      "Conv",
      "ConvTranspose",
      "EncoderWithHead",
      "InstanceNorm",
      "MLP",
      "Padding",
      "Pool",
    ],
    ...["ProjectionHead", "Recurrent", "ResNet18", "SmallCNN", "TransformerLayer", "buffer", "normalize"],
  ],
  "layers of later versions of PyTorch, or forms of them": ["RMSNorm", "ZeroPad1d", "ZeroPad3d", "scaledDotProductAttention"],
  "optimizers, schedules and averages": ["LAMB", "LARS", "Lion", "Muon", "Schedule", "WarmupCosineLR", "WeightAverage"],
  "data sets, samplers and transforms": [
    ...["Batch", "BatchSource", "MPerClassSampler", "RelabelledDataset", "blobs", "channelStatistics", "cifar10", "cifar100"],
    ...["classBalancedWeights", "classCounts", "colorJitter", "compose", "digits", "fashionMnist", "fashionMnistFolder", "fewSamples"],
    ...["gaussianNoise", "imbalance", "labelNoise", "loadIdxFolder", "mnist", "moons", "normalizeChannels", "parseIdx", "randomCrop"],
    ...["randomErasing", "randomHorizontalFlip", "randomResizedCrop", "readIdx", "sample", "spirals"],
  ],
  "training, measures and reports": [
    ...["Progress", "RunningMean", "accuracy", "beginning", "captureTraining", "confusionMatrix", "evaluate", "fit", "formatDuration"],
    ...["hasCheckpoint", "kMeans", "knnAccuracy", "linearProbe", "loadCheckpoint", "normalizedMutualInformation", "principalComponents"],
    ...["project", "renderReport", "restoreTraining", "retrievalMetrics", "saveCheckpoint", "standardError", "topKAccuracy"],
  ],
};

/** Public for the library's other rooms alone: their documentation says so. */
export const internal: readonly string[] = [
  ...["Tensor.constructor", "Tensor.escaped", "Tensor.gradientEdge", "Tensor.adoptGrad", "Tensor.view", "Tensor.storageOf"],
  ...["Tensor.savedAlias", "Tensor.recordedAs"],
];
