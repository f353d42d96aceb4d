/**
 * Datasets, and everything between them and a training step: samplers, transforms, the loader.
 *
 * @module
 */
export { type BatchOptions, BatchSource, type HostBatch } from "./batches.ts";
export { cifar10, cifar100, type Cifar100Options, type Cifar10Options } from "./cifar.ts";
export {
  type ChannelStatistics,
  channelStatistics,
  classCounts,
  type Dataset,
  InMemoryDataset,
  type InMemoryOptions,
  type Sample,
  sample,
} from "./dataset.ts";
export { digits, type DigitsOptions } from "./digits.ts";
export { fashionMnist, fashionMnistFolder } from "./fashion_mnist.ts";
export type { Path } from "./files.ts";
export { type IdxArray, type IdxData, type IdxFolderOptions, loadIdxFolder, parseIdx, readIdx } from "./idx.ts";
export { Batch, type BatchPosition, DataLoader, type DataLoaderOptions } from "./loader.ts";
export { mnist, type MnistOptions } from "./mnist.ts";
export { HostRandom } from "./random.ts";
export {
  classBalancedWeights,
  type MPerClassOptions,
  MPerClassSampler,
  RandomSampler,
  type RandomSamplerOptions,
  type Sampler,
  SequentialSampler,
  WeightedSampler,
  type WeightedSamplerOptions,
} from "./samplers.ts";
export { blobs, type BlobsOptions, moons, type MoonsOptions, spirals, type SpiralsOptions } from "./synthetic.ts";
export {
  colorJitter,
  type ColorJitterOptions,
  compose,
  gaussianNoise,
  type GaussianNoiseOptions,
  type HostImage,
  normalizeChannels,
  type NormalizeChannelsOptions,
  type ProbabilityOptions,
  randomCrop,
  type RandomCropOptions,
  randomErasing,
  type RandomErasingOptions,
  randomHorizontalFlip,
  randomResizedCrop,
  type RandomResizedCropOptions,
  type Size,
  type Transform,
} from "./transforms.ts";
export {
  fewSamples,
  type FewSamplesOptions,
  imbalance,
  type ImbalanceOptions,
  labelNoise,
  type LabelNoiseOptions,
  RelabelledDataset,
  split,
  type SplitOptions,
  Subset,
  subset,
} from "./wrappers.ts";
