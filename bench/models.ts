/**
 * The two models of the training benchmarks in Tandem, with the weights that every peer starts from.
 *
 * @module
 */
import { noGrad } from "../autograd/mod.ts";
import { crossEntropy } from "../losses/mod.ts";
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "../nn/mod.ts";
import { Adam, SGD } from "../optim/mod.ts";
import { scope, type Tensor, tensor } from "../tensor/mod.ts";
import { cnn, cyclicLabels, mlp, rates, uniform, type Weight } from "./harness.ts";

/** Which optimizer a training step uses. */
export type OptimizerName = keyof typeof rates;

/** One step: forward, backward, update, and the loss before it, read. */
export type Step = () => Promise<number>;

/** Training steps of the multilayer perceptron. */
export function mlpSteps(optimizer: OptimizerName): Step {
  const [first, second, third] = mlp.weights.map(linear);
  const model = new Sequential([first!, new ReLU(), second!, new ReLU(), third!]);
  const { batch, inputs, seed } = mlp;
  return trainer(model, values([batch, inputs], { seed }), optimizer);
}

/** Training steps of the convolutional network. */
export function cnnSteps(optimizer: OptimizerName): Step {
  const block = (weight: Weight) => [convolution(weight), new ReLU(), new MaxPool2d(2)];
  const [hidden, last] = cnn.linears.map(linear);
  const model = new Sequential([...cnn.convolutions.flatMap(block), new Flatten(), hidden!, new ReLU(), last!]);
  return trainer(model, values(cnn.image, cnn), optimizer);
}

function trainer(model: Sequential, x: Tensor, name: OptimizerName): Step {
  const labels = tensor(cyclicLabels(x.shape[0]!));
  const lr = rates[name];
  const optimizer = name === "sgd" ? new SGD(model.parameters(), { lr }) : new Adam(model.parameters(), { lr });
  return async () => {
    using _ = scope();
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), labels);
    loss.backward();
    optimizer.step();
    return await loss.item();
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
