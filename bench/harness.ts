/**
 * What every benchmark process shares: the same data from the same seeds, the same way of timing, one line of JSON per result.
 *
 * @module
 */

/** A workload made ready: what is timed, and a number by which the peers' results are compared. */
export interface Prepared {
  /** One repetition, finished when it returns or resolves. */
  run(): unknown;
  /** One number of the result. Asked for once, before anything is timed, so that training steps are counted alike everywhere. */
  check(): number | Promise<number>;
}

/** The workloads, in the order in which they are run and shown. */
export const workloadNames = [
  "matmul256",
  "matmul512",
  "matmul1024",
  "matmul2048",
  "eltwise4M",
  "sum4096x1024",
  "softmax4096x1024",
  "conv_fwd",
  "conv_fwdbwd",
  "mlp_sgd",
  "mlp_adam",
  "cnn_sgd",
  "supcon",
  "esupcon_resnet18",
  "dispatch1000",
  "startup",
] as const;

/** A workload's name. "startup" is a program of its own in every peer, see {@link printFirstProduct}. */
export type WorkloadName = typeof workloadNames[number];

/** Those that Tandem compiles, as the best peer does: `tandem` is their compiled form, and `tandem-eager` their other one. */
export const compiledWorkloads: ReadonlySet<WorkloadName> = new Set(
  ["eltwise4M", "mlp_sgd", "mlp_adam", "cnn_sgd", "supcon", "esupcon_resnet18"] as const,
);

/** Whether a peer runs a workload. The JavaScript peers take seconds for a step of the small convolutional network already. */
export function takesPart(peer: string, workload: WorkloadName): boolean {
  if (peer === "tandem-eager") return compiledWorkloads.has(workload);
  return workload !== "esupcon_resnet18" || /^(tandem|torch)/.test(peer);
}

/** For a peer's workloads, what makes their data and models; that time does not count. */
export type Workloads = Readonly<Partial<Record<Exclude<WorkloadName, "startup">, () => Prepared | Promise<Prepared>>>>;

/** One result as it is printed; times in milliseconds. */
export interface Measurement {
  readonly peer: string;
  readonly workload: string;
  readonly median: number;
  readonly fastest: number;
  readonly runs: number;
  readonly check: number;
}

/** What is printed in place of a result. */
export interface Failure {
  readonly peer: string;
  readonly workload: string;
  readonly error: string;
}

/** How long to warm up and to measure, in milliseconds, and the bounds on the number of repetitions. */
const warmUp = 400;
const budget = 2000;
const repetitions = { least: 3, most: 300 };

/** Runs the workloads whose name the pattern finds and prints a line for each. */
export async function runWorkloads(peer: string, workloads: Workloads, pattern = ""): Promise<void> {
  const only = new RegExp(pattern);
  for (const name of workloadNames) {
    const prepare = name === "startup" ? undefined : workloads[name];
    if (prepare !== undefined && only.test(name)) console.log(JSON.stringify(await measure(peer, { name, prepare })));
  }
}

/** A workload as it is measured. */
export interface Workload {
  readonly name: string;
  prepare(): Prepared | Promise<Prepared>;
}

/** Times one workload: the check, a warm-up for the engine's optimiser, then repetitions until the budget is spent. */
export async function measure(peer: string, { name, prepare }: Workload): Promise<Measurement | Failure> {
  try {
    const { run, check } = await prepare();
    const value = await check();
    const times = await repeat(run);
    return { peer, workload: name, median: median(times), fastest: Math.min(...times), runs: times.length, check: value };
  } catch (error) {
    return { peer, workload: name, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/**
 * The "startup" workload: multiplies a matrix of 256 × 256 by itself, reads the product and prints a line as {@link runWorkloads} does.
 * Whoever starts the process times it from start to exit; the line has the time to the result.
 */
export async function printFirstProduct(
  peer: string,
  square: (values: Float32Array<ArrayBuffer>, shape: readonly [number, number]) => Promise<ArrayLike<number>>,
): Promise<void> {
  const shape = [256, 256] as const;
  const product = await square(uniform(sizeOf(shape), { seed: seeds.matmul[0] }), shape);
  const time = performance.now();
  const check = product[offsetOf(shape, probes.matmul)]!;
  const line: Measurement = { peer, workload: "startup", median: time, fastest: time, runs: 1, check };
  console.log(JSON.stringify(line));
}

/** Times repetitions after a warm-up; where one takes longer than the whole budget, it is the first of three. */
async function repeat(run: () => unknown): Promise<number[]> {
  const times: number[] = [];
  const warm = performance.now() + warmUp;
  const once = async () => {
    const from = performance.now();
    await run();
    return performance.now() - from;
  };
  do {
    const time = await once();
    if (time > budget) return [time, await once(), await once()];
  } while (performance.now() < warm);
  const end = performance.now() + budget;
  while (times.length < repetitions.least || (times.length < repetitions.most && performance.now() < end)) times.push(await once());
  return times;
}

/** The value in the middle, the upper one of two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/**
 * Numbers spread evenly over [-scale, scale), each a hash of its position and the seed, so that every language makes the same ones.
 * The hash is "lowbias32" of Chris Wellons' hash prospector.
 */
export function uniform(count: number, { seed, scale = 1 }: { readonly seed: number; readonly scale?: number }): Float32Array<ArrayBuffer> {
  const offset = Math.imul(seed, 0x9e3779b9);
  const values = new Float32Array(count);
  // A plain loop: `Float32Array.from` would be most of the "startup" workload.
  for (let position = 0; position < count; position++) {
    let bits = (position + offset) | 0;
    bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
    bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
    bits ^= bits >>> 16;
    values[position] = ((bits >>> 0) / 2 ** 31 - 1) * scale;
  }
  return values;
}

/** Classes 0 … classes-1 in turn. */
export function cyclicLabels(count: number, classes = 10): Int32Array<ArrayBuffer> {
  return Int32Array.from({ length: count }, (_, position) => position % classes);
}

/** {@link cyclicLabels} as rows with a single 1. */
export function cyclicOneHot(count: number, classes = 10): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count * classes }, (_, at) => at % classes === Math.floor(at / classes) % classes ? 1 : 0);
}

/** How many embeddings the contrastive loss is given, and how long they are. */
export const embeddingShape = [512, 128] as const;

/** Rows of length 1. */
export function embeddings(): Float32Array<ArrayBuffer> {
  const [rows, columns] = embeddingShape;
  const values = uniform(rows * columns, { seed: 50 });
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * columns, (row + 1) * columns);
    const norm = Math.sqrt(part.reduce((sum, value) => sum + value ** 2, 0));
    part.forEach((value, at) => part[at] = value / norm);
  }
  return values;
}

/** For peers without the loss: positives[i, j] = 1 / |P(i)| where j is a positive of i, and -1e9 on the diagonal of `self`. */
export function contrastiveMasks(): { readonly positives: Float32Array<ArrayBuffer>; readonly self: Float32Array<ArrayBuffer> } {
  const [count] = embeddingShape;
  const labels = cyclicLabels(count);
  const positives = new Float32Array(count * count);
  const self = new Float32Array(count * count);
  for (let row = 0; row < count; row++) {
    const size = labels.filter((label) => label === labels[row]).length - 1;
    for (let column = 0; column < count; column++) {
      if (row !== column && labels[row] === labels[column]) positives[row * count + column] = 1 / size;
    }
    self[row * count + row] = -1e9;
  }
  return { positives, self };
}

/** A layer's weight: its shape, and the seed and scale of its values. Biases start at 0. */
export interface Weight {
  readonly shape: readonly number[];
  readonly seed: number;
  readonly scale: number;
}

/** The multilayer perceptron of the training steps: weights are [in, out], activations ReLU, the batch is 128 of 784. */
export const mlp: { readonly batch: number; readonly inputs: number; readonly seed: number; readonly weights: readonly Weight[] } = {
  batch: 128,
  inputs: 784,
  seed: 1,
  weights: [[784, 512], [512, 256], [256, 10]].map((shape, layer) => ({ shape, seed: 2 + layer, scale: 1 / Math.sqrt(shape[0]!) })),
};

/** The convolutional network: two convolutions of 3×3 with ReLU and 2×2 pooling, two linear layers; the batch is 64 of 1×28×28. */
export const cnn: {
  readonly image: readonly number[];
  readonly seed: number;
  readonly convolutions: Weight[];
  readonly linears: Weight[];
} = {
  image: [64, 1, 28, 28],
  seed: 5,
  convolutions: [
    { shape: [32, 1, 3, 3], seed: 10, scale: 1 / 3 },
    { shape: [64, 32, 3, 3], seed: 11, scale: 1 / Math.sqrt(288) },
  ],
  linears: [
    { shape: [3136, 128], seed: 12, scale: 1 / 56 },
    { shape: [128, 10], seed: 13, scale: 1 / Math.sqrt(128) },
  ],
};

/** ResNet-18 with a linear projection under the joint contrastive loss; weights take the seeds from `weightSeed` on, in their order. */
export const jointNetwork = { image: [64, 3, 32, 32], seed: 6, width: 64, projection: 128, classes: 10, weightSeed: 200 } as const;

/** Rates of the training steps. */
export const rates = { sgd: 0.05, adam: 1e-3 } as const;

/** The similarity's divisor. */
export const temperature = 0.1;

/** Seeds of the operands, by workload. */
export const seeds = { matmul: [100, 101], elementwise: 102, rows: 103, conv: [104, 105, 106], dispatch: [107, 108] } as const;

/** Shapes of the convolution: input, weight and output; padding is 1. */
export const convolution = { input: [32, 16, 32, 32], weight: [32, 16, 3, 3], output: [32, 32, 32, 32] } as const;

/** The number of values in a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The place of an element in row-major order. */
export function offsetOf(shape: readonly number[], index: readonly number[]): number {
  return shape.reduce((offset, size, dim) => offset * size + index[dim]!, 0);
}

/** Which element is the check value, by workload. */
export const probes = {
  matmul: [3, 5],
  elementwise: [5],
  sum: [7],
  softmax: [7, 9],
  conv: [1, 2, 3, 4],
  convWeightGradient: [2, 3, 1, 1],
} as const;
