import { crossEntropy } from "../../../losses/mod.ts";
import { Dropout, type Layer, Linear, MLP, Module, ResNet18, Sequential, SmallCNN, TransformerEncoder } from "../../../nn/mod.ts";
import { Adam, type Optimizer, SGD } from "../../../optim/mod.ts";
import { type Tensor } from "../../../tensor/mod.ts";
import { assertSame, batches, threeWays, type Training } from "./three_ways.ts";

const classes = 3;

/** A model with a classifier on top, and the shape of its batches. */
interface Case {
  readonly shape: readonly number[];
  model(): Layer;
}

/** A sequence [N, L, 6], each position seeing those before it, averaged and classified. */
class SequenceClassifier extends Module {
  readonly embed = new Linear(6, 16);
  readonly encoder = new TransformerEncoder(16, 2, { layers: 2, feedforward: 32, activation: "gelu", norm: true, batchFirst: true });
  readonly head = new Linear(16, classes);

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(this.embed.forward(x), { causal: true }).mean(1));
  }
}

const onTop = (encoder: Layer, width: number) => new Sequential([encoder, new Dropout({ p: 0.2 }), new Linear(width, classes)]);

const cases: Readonly<Record<string, Case>> = {
  "an MLP": { shape: [12, 6], model: () => onTop(new MLP(6, { hiddenSizes: [16, 16] }), 16) },
  "a CNN": { shape: [12, 1, 8, 8], model: () => onTop(new SmallCNN({ imageSize: [8, 8], channels: [4, 8], featureSize: 16 }), 16) },
  "a ResNet-18": { shape: [8, 3, 8, 8], model: () => onTop(new ResNet18({ width: 4 }), 32) },
  "a transformer encoder": { shape: [8, 5, 6], model: () => new SequenceClassifier() },
};

const optimizers: Readonly<Record<string, (parameters: readonly Tensor[]) => Optimizer>> = {
  SGD: (parameters) => new SGD(parameters, { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 }),
  Adam: (parameters) => new Adam(parameters, { lr: 1e-3 }),
};

function training({ shape, model }: Case, optimizer: (parameters: readonly Tensor[]) => Optimizer): Training {
  return {
    batch: batches(shape, classes),
    make() {
      const network = model();
      const update = optimizer(network.parameters());
      const step = (x: Tensor, y: Tensor) => {
        update.zeroGrad();
        const loss = crossEntropy(network.forward(x), y);
        loss.backward();
        update.step();
        return { loss };
      };
      return { state: [...network.parameters(), ...network.buffers()], step };
    },
  };
}

for (const [name, sample] of Object.entries(cases)) {
  for (const [kind, optimizer] of Object.entries(optimizers)) {
    Deno.test(`compile trains ${name} with dropout and ${kind} as the eager steps do`, async () => {
      assertSame(await threeWays(training(sample, optimizer)));
    });
  }
}
