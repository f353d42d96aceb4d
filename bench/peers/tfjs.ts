/**
 * The workloads in TensorFlow.js: `deno run -A --config bench/peers/deno.json bench/peers/tfjs.ts wasm|cpu [pattern]`.
 *
 * Images are channels-last, the only layout whose convolutions have gradients; data is permuted so that the check values stay comparable.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
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
  type Workloads,
} from "../harness.ts";

const [backend = "wasm", pattern] = Deno.args;
if (backend === "wasm") {
  const binary = import.meta.resolve("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm");
  setWasmPaths(decodeURIComponent(new URL(".", binary).pathname));
}
if (!await tf.setBackend(backend)) throw new Error(`TensorFlow.js has no backend ${backend} here`);
await runWorkloads(`tfjs-${backend}`, workloads(), pattern);
Deno.exit(0);

function workloads(): Workloads {
  return {
    matmul256: () => matmul(256),
    matmul512: () => matmul(512),
    matmul1024: () => matmul(1024),
    matmul2048: () => matmul(2048),
    eltwise4M: elementwise,
    sum4096x1024: () => rows((x) => tf.sum(x, -1), [4096], probes.sum),
    softmax4096x1024: () => rows((x) => tf.softmax(x, -1), [4096, 1024], probes.softmax),
    conv_fwd: convolutionForward,
    conv_fwdbwd: convolutionBackward,
    mlp_sgd: () => training(mlpLoss(), tf.train.sgd(rates.sgd)),
    mlp_adam: () => training(mlpLoss(), tf.train.adam(rates.adam, 0.9, 0.999, 1e-8)),
    cnn_sgd: () => training(cnnLoss(), tf.train.sgd(rates.sgd)),
    supcon: contrastive,
    dispatch1000: dispatch,
  };
}

function values(shape: readonly number[], weight: { readonly seed: number; readonly scale?: number }): tf.Tensor {
  return tf.tensor(uniform(sizeOf(shape), weight), [...shape]);
}

/** [N, C, H, W] → [N, H, W, C]. */
function channelsLast(x: tf.Tensor): tf.Tensor4D {
  return x.transpose([0, 2, 3, 1]);
}

/** [O, I, KH, KW] → [KH, KW, I, O]. */
function filters(weight: tf.Tensor): tf.Tensor4D {
  return weight.transpose([2, 3, 1, 0]);
}

async function element(x: tf.Tensor, at = 0): Promise<number> {
  const value = (await x.data())[at]!;
  x.dispose();
  return value;
}

/** The backends here compute at once, so a function is done when it returns. */
function pure(f: () => tf.Tensor, at: number): Prepared {
  return { run: () => void tf.tidy(f).dispose(), check: () => element(tf.tidy(f), at) };
}

function matmul(size: number): Prepared {
  const [a, b] = seeds.matmul.map((seed) => values([size, size], { seed })) as [tf.Tensor, tf.Tensor];
  return pure(() => tf.matMul(a, b), offsetOf([size, size], probes.matmul));
}

function elementwise(): Prepared {
  const x = values([4_000_000], { seed: seeds.elementwise });
  return pure(() => {
    const y = tf.relu(x.mul(2).add(1));
    return y.sub(y.mean());
  }, probes.elementwise[0]);
}

function rows(f: (x: tf.Tensor) => tf.Tensor, shape: readonly number[], probe: readonly number[]): Prepared {
  const x = values([4096, 1024], { seed: seeds.rows });
  return pure(() => f(x), offsetOf(shape, probe));
}

/** The convolution's operands, its result's gradient included. */
function convolutionOperands(): { x: tf.Tensor4D; weight: tf.Tensor4D; gradient: tf.Tensor4D } {
  return {
    x: channelsLast(values(convolution.input, { seed: seeds.conv[0] })),
    weight: filters(values(convolution.weight, { seed: seeds.conv[1] })),
    gradient: channelsLast(values(convolution.output, { seed: seeds.conv[2] })),
  };
}

function convolutionForward(): Prepared {
  const { x, weight } = convolutionOperands();
  const [image, channel, row, column] = probes.conv;
  const [count, channels, height, width] = convolution.output;
  const at = offsetOf([count, height, width, channels], [image, row, column, channel]);
  return pure(() => tf.conv2d(x, weight, 1, "same"), at);
}

function convolutionBackward(): Prepared {
  const { x, weight, gradient } = convolutionOperands();
  const differentiated = tf.grads((x, weight) => tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, 1, "same").mul(gradient).sum());
  const [output, input, row, column] = probes.convWeightGradient;
  const [outputs, inputs, height, width] = convolution.weight;
  return {
    run: () => tf.dispose(differentiated([x, weight])),
    check: async () => {
      const [ofInput, ofWeight] = differentiated([x, weight]) as [tf.Tensor, tf.Tensor];
      ofInput.dispose();
      return await element(ofWeight, offsetOf([height, width, inputs, outputs], [row, column, input, output]));
    },
  };
}

type Loss = () => tf.Scalar;

function training(loss: Loss, optimizer: tf.Optimizer): Prepared {
  const run = () => element(optimizer.minimize(loss, true)!);
  return {
    run,
    check: async () => {
      for (let count = 0; count < 2; count++) await run();
      return await run();
    },
  };
}

function crossEntropy(targets: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  return tf.losses.softmaxCrossEntropy(targets, logits).asScalar();
}

function targetsOf(count: number): tf.Tensor {
  return tf.tensor(cyclicOneHot(count), [count, 10]);
}

/** A weight and its bias of zeros as a layer. */
function dense(weight: tf.Tensor): (x: tf.Tensor) => tf.Tensor {
  const [matrix, bias] = [tf.variable(weight), tf.variable(tf.zeros([weight.shape[1]!]))];
  return (x) => tf.matMul(x, matrix).add(bias);
}

/** Convolution, ReLU and pooling. */
function block(weight: tf.Tensor): (x: tf.Tensor4D) => tf.Tensor4D {
  const [filter, bias] = [tf.variable(filters(weight)), tf.variable(tf.zeros([weight.shape[0]!]))];
  return (x) => tf.maxPool(tf.relu(tf.conv2d(x, filter as tf.Tensor4D, 1, "same").add(bias)) as tf.Tensor4D, 2, 2, "valid");
}

function mlpLoss(): Loss {
  const [first, second, third] = mlp.weights.map((weight) => dense(values(weight.shape, weight)));
  const [x, targets] = [values([mlp.batch, mlp.inputs], mlp), targetsOf(mlp.batch)];
  return () => crossEntropy(targets, third!(tf.relu(second!(tf.relu(first!(x))))));
}

function cnnLoss(): Loss {
  const [first, second] = cnn.convolutions.map((weight) => block(values(weight.shape, weight)));
  const [hidden, last] = cnn.linears.map((weight) => values(weight.shape, weight)) as [tf.Tensor, tf.Tensor];
  // Its rows count channels first, the features here come channels last.
  const [toHidden, toLogits] = [dense(hidden.reshape([64, 49, 128]).transpose([1, 0, 2]).reshape(hidden.shape)), dense(last)];
  const count = cnn.image[0]!;
  const [x, targets] = [channelsLast(values(cnn.image, cnn)), targetsOf(count)];
  return () => crossEntropy(targets, toLogits(tf.relu(toHidden(second!(first!(x)).reshape([count, -1])))));
}

function contrastive(): Prepared {
  const [count, width] = embeddingShape;
  const masks = contrastiveMasks();
  const features = tf.tensor(embeddings(), [count, width]);
  const [positives, self] = [masks.positives, masks.self].map((mask) => tf.tensor(mask, [count, count])) as [tf.Tensor, tf.Tensor];
  const differentiated = tf.valueAndGrad((features) => {
    const similarities = tf.matMul(features, features, false, true).mul(1 / temperature);
    return similarities.sub(tf.logSumExp(similarities.add(self), 1, true)).mul(positives).sum().mul(-1 / count);
  });
  const run = () => {
    const { value, grad } = differentiated(features);
    grad.dispose();
    return element(value);
  };
  return { run, check: run };
}

function dispatch(): Prepared {
  const [a, b] = seeds.dispatch.map((seed) => values([16], { seed })) as [tf.Tensor, tf.Tensor];
  const run = () =>
    element(tf.tidy(() => {
      let sum = a;
      for (let count = 0; count < 1000; count++) sum = tf.add(sum, b);
      return sum;
    }));
  return { run, check: run };
}
