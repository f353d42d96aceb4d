import { assert, assertEquals } from "@std/assert";
import { crossEntropy, supCon } from "../../losses/mod.ts";
import { BatchNorm1d, Dropout, Linear, Module, ReLU, ResNet18, Sequential, SmallCNN, TransformerEncoder } from "../../nn/mod.ts";
import { Adam, type Optimizer, SGD, StepLR } from "../../optim/mod.ts";
import { compile, manualSeed, scope, setDefaultDevice, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";

const steps = 20;
const count = 12;
const classes = 3;

/** A model, how it is trained, and what a batch looks like. */
interface Case {
  readonly shape: readonly number[];
  model(): Module & { forward(x: Tensor): Tensor };
  optimizer(parameters: readonly Tensor[]): Optimizer;
  loss(out: Tensor, labels: Tensor): Tensor;
  /** False where batch norm over few values, again and again, makes another order of additions another course within a few steps. */
  readonly steady?: false;
}

const mlp = () => new Sequential([new Linear(10, 24), new BatchNorm1d(24), new ReLU(), new Dropout({ p: 0.3 }), new Linear(24, classes)]);

/** Convolutions, batch norm, pooling and dropout, and a classifier. */
function cnn(): Sequential {
  const encoder = new SmallCNN({ imageSize: [8, 8], channels: [4, 8], featureSize: 16 });
  return new Sequential([encoder, new Dropout({ p: 0.3 }), new Linear(16, classes)]);
}

const resnet = () => new Sequential([new ResNet18({ width: 2 }), new Dropout({ p: 0.3 }), new Linear(16, classes)]);

/** A sequence [N, L, 6], each position seeing those before it, averaged and classified. */
class SequenceClassifier extends Module {
  readonly embed = new Linear(6, 8);
  readonly encoder = new TransformerEncoder(8, 2, { layers: 1, feedforward: 16, activation: "gelu", norm: true, batchFirst: true });
  readonly head = new Linear(8, classes);

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(this.embed.forward(x), { causal: true }).mean(1));
  }
}

const sgd = (parameters: readonly Tensor[]) => new SGD(parameters, { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 });
// Adam divides a gradient by its own size: a larger eps keeps gradients that are nearly 0 from turning their rounding into a step.
const adam = (parameters: readonly Tensor[]) => new Adam(parameters, { lr: 1e-3, eps: 1e-3 });

const cases: Readonly<Record<string, Case>> = {
  "an MLP with SGD": { shape: [10], model: mlp, optimizer: sgd, loss: crossEntropy },
  "an MLP with Adam": { shape: [10], model: mlp, optimizer: adam, loss: crossEntropy },
  "a CNN with SGD": { shape: [1, 8, 8], model: cnn, optimizer: sgd, loss: crossEntropy },
  "a CNN with Adam": { shape: [1, 8, 8], model: cnn, optimizer: adam, loss: crossEntropy },
  "a ResNet-18 with SGD": { shape: [3, 8, 8], model: resnet, optimizer: sgd, loss: crossEntropy, steady: false },
  "a transformer encoder with SGD": { shape: [5, 6], model: () => new SequenceClassifier(), optimizer: sgd, loss: crossEntropy },
  "an MLP with supCon": { shape: [10], model: mlp, optimizer: sgd, loss: (out, labels) => supCon(out, labels, { temperature: 0.5 }) },
};

/** The losses of all steps, then every parameter and buffer. */
async function train(device: string, { shape, model, optimizer, loss }: Case, mode: "eager" | "plain" | "fused"): Promise<number[]> {
  setDefaultDevice(device);
  try {
    using _ = scope();
    manualSeed(11);
    const network = model();
    const update = optimizer(network.parameters());
    const schedule = new StepLR(update, { stepSize: 3, gamma: 0.5 });
    const step = (x: Tensor, labels: Tensor): Tensor => {
      update.zeroGrad();
      const value = loss(network.forward(x), labels);
      value.backward();
      update.step();
      schedule.step();
      return value;
    };
    const run = mode === "eager" ? step : compile(step, { fuse: mode === "fused" });
    const out: number[] = [];
    for (let at = 0; at < steps; at++) out.push(await run(...batch(shape, at)).item());
    for (const state of [...network.parameters(), ...network.buffers()]) out.push(...await state.data() as Float32Array);
    return out;
  } finally {
    setDefaultDevice("cpu");
  }
}

function batch(shape: readonly number[], at: number): [Tensor, Tensor] {
  const size = shape.reduce((product, length) => product * length, count);
  const x = tensor(Float32Array.from({ length: size }, (_, i) => Math.sin(1 + 0.9 * i + 7 * at)), { shape: [count, ...shape] });
  return [x, tensor(Int32Array.from({ length: count }, (_, i) => (i + at) % classes))];
}

function assertClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, i) => {
    const allowed = tolerance * Math.max(1, Math.abs(expected[i]!));
    assert(Math.abs(value - expected[i]!) <= allowed, `value ${i}: ${expected[i]} is needed, got ${value}`);
  });
}

for (const [name, sample] of Object.entries(cases)) {
  Deno.test({
    name: `compile on webgpu trains ${name} as the eager step does, bit for bit without fusion`,
    ignore: ignoreWebgpu,
    async fn() {
      const eager = await train("webgpu", sample, "eager");
      assertEquals(await train("webgpu", sample, "plain"), eager);
      assertClose(await train("webgpu", sample, "fused"), eager, 1e-6);
    },
  });

  Deno.test({
    name: `compile on webgpu trains ${name} as the CPU does`,
    ignore: ignoreWebgpu || sample.steady === false,
    async fn() {
      // Both compute in float32 and add in different orders, 1e-6 apart a step; twenty steps and batch norm's division make it 1e-4.
      assertClose(await train("webgpu", sample, "fused"), await train("cpu", sample, "eager"), 1e-4);
    },
  });
}

const chains: Readonly<Record<string, (x: Tensor, y: Tensor) => Tensor>> = {
  "a sum whose part is taken away": (x, y) => x.add(y).sub(x),
  "the rounding error of a sum": (x, y) => {
    const sum = x.add(y);
    const part = sum.sub(x);
    return x.sub(sum.sub(part)).add(y.sub(part));
  },
  "the rounding error of a product": (x, y) => x.mul(y).sub(x.mul(y.detach().mul(1 + 2 ** -23))),
  "a sum of products": (x, y) => x.mul(y).add(y.mul(y)).sub(x.mul(x)),
  "a negated product and a sum": (x, y) => x.mul(y).neg().add(x),
  "a reduced product": (x, y) => x.mul(y).sub(y.mul(0.3)).sum(-1),
  "a row of products": (x, y) => x.mul(y).softmax(-1).mul(x).add(y),
  "a matrix product and what follows it": (x, y) => x.matmul(y.transpose(0, 1)).mul(0.7).add(x.sum(-1)).sub(0.1),
};

for (const [name, chain] of Object.entries(chains)) {
  Deno.test({
    name: `compile on webgpu rounds ${name} at every step, as the operations one by one do`,
    ignore: ignoreWebgpu,
    async fn() {
      setDefaultDevice("webgpu");
      try {
        using _ = scope();
        const numbers = (factor: number) => Float32Array.from({ length: 96 }, (_, i) => Math.sin(1 + factor * i) * 10 ** (i % 7));
        const [x, y] = [tensor(numbers(0.9), { shape: [8, 12] }), tensor(numbers(1.7), { shape: [8, 12] })];
        assertEquals(await compile(chain)(x, y).data(), await chain(x, y).data());
      } finally {
        setDefaultDevice("cpu");
      }
    },
  });
}
