/**
 * The workloads in jax-js on its WebAssembly backend:
 * `deno run -A --config bench/peers/deno.json bench/peers/jax.ts jit|eager [pattern]`.
 *
 * Arrays are owned in jax-js: a function consumes its arguments unless `.ref` takes another reference.
 *
 * @module
 */
import { type Array as Numbers, blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import {
  cnn,
  contrastiveMasks,
  convolution,
  cyclicOneHot,
  embeddings,
  embeddingShape,
  mlp,
  offsetOf,
  type Prepared,
  probes,
  rates,
  runWorkloads,
  seeds,
  sizeOf,
  temperature,
  uniform,
  type Weight,
  type Workloads,
} from "../harness.ts";

const [mode = "jit", pattern] = Deno.args;
await init("wasm");
defaultDevice("wasm");
await runWorkloads(`jax-${mode}`, workloads(), pattern);
Deno.exit(0);

function workloads(): Workloads {
  return {
    matmul256: () => matmul(256),
    matmul512: () => matmul(512),
    matmul1024: () => matmul(1024),
    matmul2048: () => matmul(2048),
    eltwise4M: elementwise,
    sum4096x1024: () => rows((x) => np.sum(x, -1), [4096], probes.sum),
    softmax4096x1024: () => rows((x) => nn.softmax(x, -1), [4096, 1024], probes.softmax),
    conv_fwd: convolutionForward,
    conv_fwdbwd: convolutionBackward,
    mlp_sgd: () => training(mlpLoss, mlpParameters(), mlpBatch(), sgd()),
    mlp_adam: () => training(mlpLoss, mlpParameters(), mlpBatch(), adam(mlpParameters())),
    cnn_sgd: () => training(cnnLoss, cnnParameters(), cnnBatch(), sgd()),
    supcon: contrastive,
    dispatch1000: dispatch,
  };
}

function compiled(f: (...parts: Numbers[]) => Numbers): (...parts: Numbers[]) => Numbers {
  return mode === "jit" ? jit(f) : f;
}

function array(shape: readonly number[], data: Float32Array<ArrayBuffer>): Numbers {
  return np.array(data, { shape: [...shape] });
}

function values(shape: readonly number[], weight: { readonly seed: number; readonly scale?: number }): Numbers {
  return array(shape, uniform(sizeOf(shape), weight));
}

async function element(x: Numbers, at = 0): Promise<number> {
  return (await x.data())[at] as number;
}

/** A function timed until its result is there, then freed. */
async function pure(f: () => Numbers, at: number, operands: Numbers[]): Promise<Prepared> {
  await blockUntilReady(operands);
  return {
    run: async () => {
      const out = f();
      await out.blockUntilReady();
      out.dispose();
    },
    check: () => element(f(), at),
  };
}

function matmul(size: number): Promise<Prepared> {
  const [a, b] = seeds.matmul.map((seed) => values([size, size], { seed })) as [Numbers, Numbers];
  const f = compiled((a: Numbers, b: Numbers) => np.matmul(a, b));
  return pure(() => f(a.ref, b.ref), offsetOf([size, size], probes.matmul), [a, b]);
}

function elementwise(): Promise<Prepared> {
  const x = values([4_000_000], { seed: seeds.elementwise });
  const f = compiled((x: Numbers) => {
    const y = nn.relu(x.mul(2).add(1));
    return y.ref.sub(np.mean(y));
  });
  return pure(() => f(x.ref), probes.elementwise[0], [x]);
}

function rows(f: (x: Numbers) => Numbers, shape: readonly number[], probe: readonly number[]): Promise<Prepared> {
  const x = values([4096, 1024], { seed: seeds.rows });
  const g = compiled(f);
  return pure(() => g(x.ref), offsetOf(shape, probe), [x]);
}

function convolve(x: Numbers, weight: Numbers): Numbers {
  return lax.convGeneralDilated(x, weight, [1, 1], [[1, 1], [1, 1]]);
}

function convolutionForward(): Promise<Prepared> {
  const [x, weight] = [values(convolution.input, { seed: seeds.conv[0] }), values(convolution.weight, { seed: seeds.conv[1] })];
  const f = compiled(convolve);
  return pure(() => f(x.ref, weight.ref), offsetOf(convolution.output, probes.conv), [x, weight]);
}

async function convolutionBackward(): Promise<Prepared> {
  const shapes = [convolution.input, convolution.weight, convolution.output];
  const [x, weight, gradient] = shapes.map((shape, at) => values(shape, { seed: seeds.conv[at]! })) as [Numbers, Numbers, Numbers];
  await blockUntilReady([x, weight, gradient]);
  const differentiated = valueAndGrad(
    (x: Numbers, weight: Numbers, gradient: Numbers) => np.sum(convolve(x, weight).mul(gradient)),
    { argnums: [0, 1] },
  );
  const f = mode === "jit" ? jit(differentiated) : differentiated;
  const both = async () => {
    const out = f(x.ref, weight.ref, gradient.ref) as [Numbers, [Numbers, Numbers]];
    await blockUntilReady(out);
    return out;
  };
  return {
    run: async () => tree.dispose(await both()),
    check: async () => {
      const [value, [ofInput, ofWeight]] = await both();
      tree.dispose([value, ofInput]);
      return await element(ofWeight, offsetOf(convolution.weight, probes.convWeightGradient));
    },
  };
}

/** Inputs and targets of a training step. */
interface Batch {
  readonly x: Numbers;
  readonly targets: Numbers;
}

type Loss = (parameters: Numbers[], x: Numbers, targets: Numbers) => Numbers;

/** The state before a step, and how parameters, gradients and state give the next ones; `scalars` change from step to step. */
interface Update {
  state: Numbers[];
  scalars(step: number): Numbers[];
  apply(parameters: Numbers[], gradients: Numbers[], state: Numbers[], scalars: Numbers[]): { parameters: Numbers[]; state: Numbers[] };
}

function sgd(): Update {
  return {
    state: [],
    scalars: () => [],
    apply: (parameters, gradients) => ({
      parameters: parameters.map((parameter, at) => parameter.sub(gradients[at]!.mul(rates.sgd))),
      state: [],
    }),
  };
}

function adam(like: Numbers[]): Update {
  const state = [...like, ...like].map(({ shape }) => np.zeros(shape));
  tree.dispose(like);
  return {
    state,
    scalars: (step) => [np.array(1 / (1 - 0.9 ** step)), np.array(1 / (1 - 0.999 ** step))],
    apply: (parameters, gradients, state, [first, second]) => {
      const count = parameters.length;
      const means = gradients.map((gradient, at) => state[at]!.mul(0.9).add(gradient.ref.mul(0.1)));
      const squares = gradients.map((gradient, at) => state[count + at]!.mul(0.999).add(gradient.ref.mul(gradient).mul(0.001)));
      const moved = parameters.map((parameter, at) => {
        const divisor = np.sqrt(squares[at]!.ref.mul(second!.ref)).add(1e-8);
        return parameter.sub(means[at]!.ref.mul(first!.ref).mul(rates.adam).div(divisor));
      });
      tree.dispose([first!, second!]);
      return { parameters: moved, state: [...means, ...squares] };
    },
  };
}

function training(loss: Loss, start: Numbers[], { x, targets }: Batch, update: Update): Prepared {
  let parameters = start;
  let state = update.state;
  let count = 0;
  const body = (parameters: Numbers[], state: Numbers[], scalars: Numbers[], x: Numbers, targets: Numbers) => {
    const [value, gradients] = valueAndGrad(loss)(tree.ref(parameters), x, targets) as [Numbers, Numbers[]];
    return { value, ...update.apply(parameters, gradients, state, scalars) };
  };
  const step = mode === "jit" ? jit(body) : body;
  const run = async () => {
    const next = step(parameters, state, update.scalars(++count), x.ref, targets.ref);
    ({ parameters, state } = next as { parameters: Numbers[]; state: Numbers[] });
    await blockUntilReady([parameters, state]);
    return await element(next.value as Numbers);
  };
  return {
    run,
    check: async () => {
      for (let count = 0; count < 2; count++) await run();
      return await run();
    },
  };
}

function crossEntropy(logits: Numbers, targets: Numbers, count: number): Numbers {
  return nn.logSoftmax(logits).mul(targets).sum().mul(-1 / count);
}

function dense(x: Numbers, weight: Numbers, bias: Numbers): Numbers {
  return np.dot(x, weight).add(bias);
}

function withBias(weight: Weight, bias: readonly number[]): Numbers[] {
  return [values(weight.shape, weight), np.zeros([...bias])];
}

function mlpParameters(): Numbers[] {
  return mlp.weights.flatMap((weight) => withBias(weight, [weight.shape[1]!]));
}

function mlpBatch(): Batch {
  return { x: values([mlp.batch, mlp.inputs], mlp), targets: array([mlp.batch, 10], cyclicOneHot(mlp.batch)) };
}

function mlpLoss(parameters: Numbers[], x: Numbers, targets: Numbers): Numbers {
  const [weight1, bias1, weight2, bias2, weight3, bias3] = parameters as [Numbers, Numbers, Numbers, Numbers, Numbers, Numbers];
  const hidden = nn.relu(dense(nn.relu(dense(x, weight1, bias1)), weight2, bias2));
  return crossEntropy(dense(hidden, weight3, bias3), targets, mlp.batch);
}

function cnnParameters(): Numbers[] {
  return [
    ...cnn.convolutions.flatMap((weight) => withBias(weight, [weight.shape[0]!, 1, 1])),
    ...cnn.linears.flatMap((weight) => withBias(weight, [weight.shape[1]!])),
  ];
}

function cnnBatch(): Batch {
  const count = cnn.image[0]!;
  return { x: values(cnn.image, cnn), targets: array([count, 10], cyclicOneHot(count)) };
}

function cnnLoss(parameters: Numbers[], x: Numbers, targets: Numbers): Numbers {
  const part = (at: number) => parameters[at]!;
  const block = (x: Numbers, at: number) => {
    const y = nn.relu(convolve(x, part(at)).add(part(at + 1)));
    return lax.reduceWindow(y, (window) => np.max(window), [2, 2], [2, 2]);
  };
  const count = cnn.image[0]!;
  const features = block(block(x, 0), 2).reshape([count, -1]);
  return crossEntropy(dense(nn.relu(dense(features, part(4), part(5))), part(6), part(7)), targets, count);
}

async function contrastive(): Promise<Prepared> {
  const [count] = embeddingShape;
  const masks = contrastiveMasks();
  const operands = [array(embeddingShape, embeddings()), array([count, count], masks.positives), array([count, count], masks.self)];
  await blockUntilReady(operands);
  const differentiated = valueAndGrad((features: Numbers, positives: Numbers, self: Numbers) => {
    const similarities = np.matmul(features.ref, np.transpose(features)).mul(1 / temperature);
    const all = nn.logsumexp(similarities.ref.add(self), 1, { keepdims: true });
    return similarities.sub(all).mul(positives).sum().mul(-1 / count);
  });
  const f = mode === "jit" ? jit(differentiated) : differentiated;
  const run = async () => {
    const [features, positives, self] = operands as [Numbers, Numbers, Numbers];
    const [loss, gradient] = f(features.ref, positives.ref, self.ref) as [Numbers, Numbers];
    await gradient.blockUntilReady();
    gradient.dispose();
    return await element(loss);
  };
  return { run, check: run };
}

async function dispatch(): Promise<Prepared> {
  const [a, b] = seeds.dispatch.map((seed) => values([16], { seed })) as [Numbers, Numbers];
  await blockUntilReady([a, b]);
  const f = compiled((a: Numbers, b: Numbers) => {
    let sum = a;
    for (let count = 0; count < 1000; count++) sum = sum.add(b.ref);
    b.dispose();
    return sum;
  });
  const run = () => element(f(a.ref, b.ref));
  return { run, check: run };
}
