/**
 * The workloads of `bench/gpu.ts` in Tandem on WebGPU: `deno run -A bench/gpu_workloads.ts WORKLOAD [SECONDS]`, a {@link GpuWorkload} as JSON
 * and for how long to tune. Prints one line of JSON.
 *
 * @module
 */
import { crossEntropy, supCon } from "../losses/mod.ts";
import { ResNet18 } from "../nn/mod.ts";
import { SGD } from "../optim/mod.ts";
import { arange, compile, conv2d, init, keep, profile, scope, type Tensor, tidy, tune } from "../tensor/mod.ts";
import { type Failure, measure, type Measurement } from "./harness.ts";

/** What is run, and how large; the Python twin reads the same. */
export type GpuWorkload =
  & { readonly name: string }
  & (
    | { readonly kind: "matmul"; readonly size: number; readonly dtype: "float32" | "float16" }
    | { readonly kind: "map"; readonly megabytes: number }
    | { readonly kind: "softmax"; readonly rows: number; readonly columns: number }
    | { readonly kind: "conv"; readonly batch: number; readonly channels: number; readonly size: number }
    | { readonly kind: "resnet"; readonly batch: number; readonly width: number }
    | { readonly kind: "supcon"; readonly rows: number; readonly columns: number }
  );

/** What is printed: milliseconds of one run, and where the device spent them. */
export interface GpuMeasurement extends Measurement {
  /** Milliseconds of one run's kernels by the device's clock; absent where it has none. */
  readonly kernels?: number;
  /** Milliseconds of one run after tuning; absent where nothing was tuned. */
  readonly tuned?: number;
  /** What tuning chose. */
  readonly tiles?: Readonly<Record<string, unknown>>;
  /** The kernels that take longest, as a table. */
  readonly profile?: string;
}

/** A batch of runs ends with a read that takes 10 ms and more, so a batch takes at least so many milliseconds. */
const batchMilliseconds = 300;

if (import.meta.main) {
  await init({ device: "webgpu" });
  console.log(JSON.stringify(await measureWorkload(JSON.parse(Deno.args[0]!), Number(Deno.args[1] ?? 0))));
  Deno.exit(0);
}

async function measureWorkload(workload: GpuWorkload, tuneSeconds: number): Promise<GpuMeasurement | Failure> {
  let run: () => Tensor = () => arange(0);
  const plain = await timeBatches(workload, () => run = prepare(workload));
  if ("error" in plain) return plain;
  // What comes after is a gift: a failure there leaves the time that was measured.
  const tuned = await afterTuning(workload, run, tuneSeconds).catch(() => undefined);
  const times = await profile(() => batch(run, 2)).catch(() => undefined);
  if (times === undefined) return { ...plain, ...tuned };
  return { ...plain, ...tuned, kernels: times.total / 2, profile: `${times}`.split("\n").slice(0, 12).join("\n") };
}

/** Times batches of runs, each of which ends with a read; the times are of one run. */
async function timeBatches(workload: GpuWorkload, start: () => () => Tensor): Promise<Measurement | Failure> {
  let count = 1;
  const measured = await measure("tandem", {
    name: workload.name,
    prepare: async () => {
      const run = start();
      const check = async () => {
        using _ = scope();
        return await first(run());
      };
      await check();
      const from = performance.now();
      await batch(run, 2);
      count = Math.max(1, Math.ceil(batchMilliseconds / ((performance.now() - from) / 2)));
      return { run: () => batch(run, count), check };
    },
  });
  if ("error" in measured) return measured;
  return { ...measured, median: measured.median / count, fastest: measured.fastest / count, runs: measured.runs * count };
}

async function afterTuning(workload: GpuWorkload, run: () => Tensor, seconds: number): Promise<Pick<GpuMeasurement, "tuned" | "tiles">> {
  if (seconds === 0) return {};
  const { choices } = await tune(() => batch(run, 1), { seconds });
  if (Object.keys(choices).length === 0) return {};
  const measured = await timeBatches(workload, () => run);
  return { tiles: choices, ...("error" in measured ? {} : { tuned: measured.median }) };
}

/** Several runs and one read. */
async function batch(run: () => Tensor, count: number): Promise<void> {
  for (let at = 1; at < count; at++) {
    using _ = scope();
    run();
  }
  using _ = scope();
  await first(run());
}

async function first(x: Tensor): Promise<number> {
  return await x.flatten().select(0, 0).item();
}

function prepare(workload: GpuWorkload): () => Tensor {
  switch (workload.kind) {
    case "matmul": {
      const [a, b] = [1, 2].map((seed) => {
        return keep(tidy(() => values([workload.size, workload.size], seed).to(workload.dtype)));
      }) as [Tensor, Tensor];
      return () => a.matmul(b);
    }
    case "map": {
      const x = values([workload.megabytes * 2 ** 18], 3);
      return () => x.mul(2);
    }
    case "softmax": {
      const x = values([workload.rows, workload.columns], 4);
      return () => x.softmax(-1);
    }
    case "conv":
      return convolution(workload);
    case "resnet":
      return training(workload);
    case "supcon":
      return contrastive(workload);
  }
}

function convolution(
  { batch, channels, size }: { readonly batch: number; readonly channels: number; readonly size: number },
): () => Tensor {
  const x = values([batch, channels, size, size], 5).requiresGrad_();
  const weight = values([channels, channels, 3, 3], 6).requiresGrad_();
  const gradient = values([batch, channels, size, size], 7);
  return () => {
    x.grad = weight.grad = null;
    conv2d(x, weight, { padding: 1 }).backward({ gradient });
    return weight.grad!;
  };
}

function training({ batch, width }: { readonly batch: number; readonly width: number }): () => Tensor {
  const model = new ResNet18({ width, numClasses: 10 });
  const optimizer = new SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const x = values([batch, 3, 32, 32], 8);
  const labels = classes(batch);
  const step = compile((images: Tensor, targets: Tensor): Tensor => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(images), targets);
    loss.backward();
    optimizer.step();
    return loss;
  });
  return () => step(x, labels) as Tensor;
}

function contrastive({ rows, columns }: { readonly rows: number; readonly columns: number }): () => Tensor {
  const features = values([rows, columns], 9).requiresGrad_();
  const labels = classes(rows);
  return () => {
    features.grad = null;
    const loss = supCon(features, labels, { temperature: 0.1, numClasses: 10 });
    loss.backward();
    return loss;
  };
}

/** Numbers in [-1, 1) made on the device, the same in every language. */
function values(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const whole = () => arange(size, { dtype: "int32" }).remainder(1021).mul(7919 + seed).remainder(1024);
  return keep(tidy(() => whole().to("float32").mul(1 / 512).sub(1).reshape(shape)));
}

function classes(count: number): Tensor {
  return keep(tidy(() => arange(count, { dtype: "int32" }).remainder(10)));
}
