/**
 * The models of the training benchmarks in Tandem, with the weights that every peer starts from.
 *
 * @module
 */
import { noGrad } from "../autograd/mod.ts";
import { crossEntropy, ESupCon } from "../losses/mod.ts";
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, ResNet18, Sequential } from "../nn/mod.ts";
import { Adam, SGD } from "../optim/mod.ts";
import { compile, scope, type Tensor, tensor } from "../tensor/mod.ts";
import { cnn, cyclicLabels, jointNetwork, mlp, rates, temperature, uniform, type Weight } from "./harness.ts";

/** Which optimizer a training step uses. */
export type OptimizerName = keyof typeof rates;

/** One step: forward, backward, update, and the loss before it, read. */
export type Step = () => Promise<number>;

/** How steps are run. */
export interface StepOptions {
  /** Whether they are compiled. Default false. */
  readonly compiled?: boolean;
}

/** Training steps of the multilayer perceptron on batches of one size. */
export function mlpSteps(
  optimizer: OptimizerName,
  { batch = mlp.batch, ...options }: StepOptions & { readonly batch?: number } = {},
): Step {
  const [first, second, third] = mlp.weights.map(linear);
  const model = new Sequential([first!, new ReLU(), second!, new ReLU(), third!]);
  return classifierSteps(model, values([batch, mlp.inputs], mlp), { ...options, optimizer });
}

/** Training steps of the convolutional network on batches of one size. */
export function cnnSteps(
  optimizer: OptimizerName,
  { batch = cnn.image[0]!, ...options }: StepOptions & { readonly batch?: number } = {},
): Step {
  const block = (weight: Weight) => [convolution(weight), new ReLU(), new MaxPool2d(2)];
  const [hidden, last] = cnn.linears.map(linear);
  const model = new Sequential([...cnn.convolutions.flatMap(block), new Flatten(), hidden!, new ReLU(), last!]);
  return classifierSteps(model, values([batch, ...cnn.image.slice(1)], cnn), { ...options, optimizer });
}

/** Training steps of ResNet-18 with the joint contrastive loss. */
export function jointSteps(options: StepOptions = {}): Step {
  const { image, width, projection, classes, weightSeed } = jointNetwork;
  const encoder = new ResNet18({ inChannels: image[1], width });
  const head = new Linear(encoder.featureSize, projection);
  const model = new Sequential([encoder, head]);
  const loss = new ESupCon({ numClasses: classes, dim: projection, temperature });
  const parameters = [...model.parameters(), ...loss.parameters()];
  parameters.filter(({ rank }) => rank > 1).forEach((weight, position) => {
    using _ = scope();
    const inputs = weight.size / weight.shape[0]!;
    noGrad(() => weight.copy_(values(weight.shape, { seed: weightSeed + position, scale: 1 / Math.sqrt(inputs) })));
  });
  noGrad(() => head.bias!.zero_());
  const optimizer = new SGD(parameters, { lr: rates.sgd });
  return trainer((x, labels) => loss.forward(model.forward(x), labels), values(image, jointNetwork), { ...options, optimizer });
}

function classifierSteps(model: Sequential, x: Tensor, { optimizer: name, ...options }: StepOptions & { optimizer: OptimizerName }): Step {
  const lr = rates[name];
  const optimizer = name === "sgd" ? new SGD(model.parameters(), { lr }) : new Adam(model.parameters(), { lr });
  return trainer((x, labels) => crossEntropy(model.forward(x), labels), x, { ...options, optimizer });
}

function trainer(
  lossOf: (x: Tensor, labels: Tensor) => Tensor,
  x: Tensor,
  { optimizer, compiled = false }: StepOptions & { readonly optimizer: SGD | Adam },
): Step {
  const labels = tensor(cyclicLabels(x.shape[0]!));
  const update = (x: Tensor, labels: Tensor): Tensor => {
    optimizer.zeroGrad();
    const loss = lossOf(x, labels);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = compiled ? compile(update) : update;
  return async () => {
    using _ = scope();
    return await step(x, labels).item();
  };
}

/** A tensor of the numbers that every peer uses. */
export function values(shape: readonly number[], weight: { readonly seed: number; readonly scale?: number }): Tensor {
  return tensor(uniform(shape.reduce((product, size) => product * size, 1), weight), { shape });
}

function linear(weight: Weight): Linear {
  const [inputs, outputs] = weight.shape as [number, number];
  return start(new Linear(inputs, outputs), (layer) => layer.weight.copy_(values(weight.shape, weight).mT));
}

function convolution(weight: Weight): Conv2d {
  const [outputs, inputs, kernelSize] = weight.shape as [number, number, number];
  const layer = new Conv2d(inputs, outputs, { kernelSize, padding: 1 });
  return start(layer, () => layer.weight.copy_(values(weight.shape, weight)));
}

/** Gives a layer its weight, and zeros as bias. */
function start<Layer extends Linear | Conv2d>(layer: Layer, setWeight: (layer: Layer) => void): Layer {
  using _ = scope();
  noGrad(() => {
    setWeight(layer);
    layer.bias?.zero_();
  });
  return layer;
}
