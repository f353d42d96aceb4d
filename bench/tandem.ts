/**
 * The workloads in Tandem, written as a user would: `deno run -A bench/tandem.ts [--device cpu|webgpu] [--eager] [pattern]`.
 *
 * Training steps and chains are compiled, unless `--eager` asks for the other form.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { supCon } from "../losses/mod.ts";
import { compile, conv2d, init, scope, type Tensor, tensor } from "../tensor/mod.ts";
import { convolution, cyclicLabels, embeddings, embeddingShape, offsetOf, type Prepared, probes, runWorkloads } from "./harness.ts";
import { seeds, temperature, type Workloads } from "./harness.ts";
import { cnnSteps, jointSteps, mlpSteps, type Step, values } from "./models.ts";

const { device, compiled, pattern } = readArguments(Deno.args);
await init({ device });
await runWorkloads(device === "cpu" ? (compiled ? "tandem" : "tandem-eager") : "tandem-webgpu", workloads(), pattern);

function workloads(): Required<Workloads> {
  return {
    matmul256: () => matmul(256),
    matmul512: () => matmul(512),
    matmul1024: () => matmul(1024),
    matmul2048: () => matmul(2048),
    eltwise4M: elementwise,
    sum4096x1024: () => rows((x) => x.sum(-1), probes.sum),
    softmax4096x1024: () => rows((x) => x.softmax(-1), probes.softmax),
    conv_fwd: convolutionForward,
    conv_fwdbwd: convolutionBackward,
    mlp_sgd: () => training(mlpSteps("sgd", { compiled })),
    mlp_adam: () => training(mlpSteps("adam", { compiled })),
    cnn_sgd: () => training(cnnSteps("sgd", { compiled })),
    supcon: contrastive,
    // The third loss tells nothing: weights changed by half a rounding move PyTorch's own by 2e-3, the second by 3e-5.
    esupcon_resnet18: () => training(jointSteps({ compiled }), 2),
    dispatch1000: dispatch,
  };
}

function readArguments(given: string[]): { device: "cpu" | "webgpu"; compiled: boolean; pattern: string | undefined } {
  const { values: { device, eager }, positionals } = parseArgs({
    args: given,
    options: { device: { type: "string", default: "cpu" }, eager: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  if (device !== "cpu" && device !== "webgpu") throw new TypeError(`Cannot bench: --device cpu or webgpu is needed, got ${device}`);
  return { device, compiled: !eager, pattern: positionals[0] };
}

function matmul(size: number): Prepared {
  const [a, b] = seeds.matmul.map((seed) => values([size, size], { seed })) as [Tensor, Tensor];
  return pure(() => a.matmul(b), probes.matmul);
}

function elementwise(): Prepared {
  const x = values([4_000_000], { seed: seeds.elementwise });
  const chain = (x: Tensor) => {
    const y = x.mul(2).add(1).relu();
    return y.sub(y.mean());
  };
  const run = compiled ? compile(chain) : chain;
  return pure(() => run(x), probes.elementwise);
}

function rows(f: (x: Tensor) => Tensor, probe: readonly number[]): Prepared {
  const x = values([4096, 1024], { seed: seeds.rows });
  return pure(() => f(x), probe);
}

function convolutionForward(): Prepared {
  const x = values(convolution.input, { seed: seeds.conv[0] });
  const weight = values(convolution.weight, { seed: seeds.conv[1] });
  return pure(() => conv2d(x, weight, { padding: 1 }), probes.conv);
}

function convolutionBackward(): Prepared {
  const x = values(convolution.input, { seed: seeds.conv[0] }).requiresGrad_();
  const weight = values(convolution.weight, { seed: seeds.conv[1] }).requiresGrad_();
  const gradient = values(convolution.output, { seed: seeds.conv[2] });
  return pure(() => {
    x.grad = weight.grad = null;
    conv2d(x, weight, { padding: 1 }).backward({ gradient });
    return weight.grad!;
  }, probes.convWeightGradient);
}

/** Training steps, checked by the loss that the last of the first steps gives. */
function training(step: Step, checked = 3): Prepared {
  return {
    run: step,
    check: async () => {
      for (let count = 1; count < checked; count++) await step();
      return await step();
    },
  };
}

function contrastive(): Prepared {
  const features = tensor(embeddings(), { shape: embeddingShape, requiresGrad: true });
  const labels = tensor(cyclicLabels(embeddingShape[0]));
  const backward = (labels: Tensor): Tensor => {
    features.grad = null;
    const loss = supCon(features, labels, { temperature, normalize: false });
    loss.backward();
    return loss;
  };
  const step = compiled ? compile(backward) : backward;
  const run = async () => {
    using _ = scope();
    return await step(labels).item();
  };
  return { run, check: run };
}

function dispatch(): Prepared {
  const [a, b] = seeds.dispatch.map((seed) => values([16], { seed })) as [Tensor, Tensor];
  const run = async () => {
    using _ = scope();
    let sum = a;
    for (let count = 0; count < 1000; count++) sum = sum.add(b);
    return await first(sum);
  };
  return { run, check: run };
}

/** A function timed until its result is there; the CPU is done when it returns, a GPU when something was read. */
function pure(f: () => Tensor, probe: readonly number[]): Prepared {
  return {
    run: () => {
      using _ = scope();
      const out = f();
      return device === "cpu" ? undefined : first(out);
    },
    check: async () => {
      using _ = scope();
      const out = f();
      return (await out.data())[offsetOf(out.shape, probe)] as number;
    },
  };
}

async function first(x: Tensor): Promise<number> {
  return await x.flatten().select(0, 0).item();
}
