import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { gradcheck } from "../../autograd/mod.ts";
import { batchNorm, BatchNorm1d, BatchNorm2d, LayerNorm, layerNorm } from "../../nn/mod.ts";
import { ArgumentError, Generator, ones, randn, scope, ShapeError, type Tensor, tensor, zeros } from "../../tensor/mod.ts";
import normFile from "../golden/ops/norm.json" with { type: "json" };
import type { GoldenCase } from "../golden/format.ts";
import { faultsOf, type Runner } from "../golden/run.ts";

const runners: Readonly<Record<string, Runner>> = {
  batchNorm: ({ input, runningMean, runningVar, weight, bias }, params) => {
    const { training, momentum, eps } = params as { training: boolean; momentum: number; eps: number };
    const output = batchNorm(input!, {
      runningMean: runningMean!,
      runningVar: runningVar!,
      weight: weight ?? null,
      bias: bias ?? null,
      training,
      momentum,
      eps,
    });
    return { output, runningMean: runningMean!, runningVar: runningVar! };
  },
  layerNorm: ({ input, weight, bias }, params) => {
    const { normalizedShape, eps } = params as { normalizedShape: number[]; eps: number };
    return layerNorm(input!, { normalizedShape, eps, weight: weight ?? null, bias: bias ?? null });
  },
};

Deno.test("batchNorm and layerNorm give PyTorch's values, gradients and running statistics", async () => {
  const faults: string[] = [];
  for (const dtype of ["float64", "float32"] as const) {
    for (const golden of normFile.cases as unknown as readonly GoldenCase[]) {
      const run = runners[golden.op];
      if (run === undefined) continue;
      for (const fault of await faultsOf(golden, run, { device: "cpu", dtype })) faults.push(`${golden.name} ${dtype}: ${fault}`);
    }
  }
  assertEquals(faults, []);
});

Deno.test("BatchNorm1d moves the running mean by momentum, and the variance unbiased", async () => {
  using _ = scope();
  const layer = new BatchNorm1d(1, { momentum: 0.25 });
  // Mean 3, biased variance 8/3, unbiased 4.
  const y = await layer.forward(tensor([[1], [3], [5]])).data();
  assertAlmostEquals(y[0]!, -2 / Math.sqrt(8 / 3 + 1e-5), 1e-6);
  assertAlmostEquals(await layer.runningMean!.item(), 0.75, 1e-6);
  assertAlmostEquals(await layer.runningVar!.item(), 0.75 + 0.25 * 4, 1e-6);
  assertEquals(await layer.numBatchesTracked!.item(), 1);
});

Deno.test("BatchNorm1d evaluates by its running statistics and leaves them alone", async () => {
  using _ = scope();
  const layer = new BatchNorm1d(2, { eps: 0 }).eval();
  layer.loadStateDict({
    weight: tensor([2, 1]),
    bias: tensor([0, 1]),
    running_mean: tensor([1, 0]),
    running_var: tensor([4, 1]),
    num_batches_tracked: tensor(3, { dtype: "int32" }),
  });
  assertEquals(await layer.forward(tensor([[3, 5]])).toArray(), [[2, 6]]);
  assertEquals(await layer.runningMean!.toArray(), [1, 0]);
  assertEquals(await layer.numBatchesTracked!.item(), 3);
});

Deno.test("BatchNorm1d without momentum keeps the mean over all batches", async () => {
  using _ = scope();
  const layer = new BatchNorm1d(1, { momentum: null });
  for (const batch of [[0, 2], [4, 8], [1, 9]]) layer.forward(tensor(batch.map((value) => [value])));
  assertAlmostEquals(await layer.runningMean!.item(), (1 + 6 + 5) / 3, 1e-6);
  assertAlmostEquals(await layer.runningVar!.item(), (2 + 8 + 32) / 3, 1e-5);
});

Deno.test("BatchNorm2d without running statistics evaluates by the batch's own", async () => {
  using _ = scope();
  const layer = new BatchNorm2d(1, { trackRunningStats: false, affine: false }).eval();
  assertEquals(Object.keys(layer.stateDict()), []);
  const y = await layer.forward(tensor([[[[1, 3]]]])).data();
  assertAlmostEquals(y[1]!, 1 / Math.sqrt(1 + 1e-5), 1e-6);
});

Deno.test("BatchNorm2d has the gradient of its definition, in training and evaluation", async () => {
  using _ = scope();
  const options = { dtype: "float64" } as const;
  const layer = new BatchNorm2d(2, options);
  const x = randn([3, 2, 2, 2], { ...options, generator: new Generator(3), requiresGrad: true });
  const weight = tensor([0.5, 2], { ...options, requiresGrad: true });
  const bias = tensor([1, -1], { ...options, requiresGrad: true });
  for (const training of [true, false]) {
    const run = (x: Tensor, weight: Tensor, bias: Tensor) =>
      batchNorm(x, { weight, bias, training, runningMean: layer.runningMean!.clone(), runningVar: layer.runningVar!.clone() });
    await gradcheck((x, weight, bias) => run(x!, weight!, bias!), [x, weight, bias]);
  }
});

Deno.test("batchNorm with only a weight or only a bias applies it", async () => {
  using _ = scope();
  const x = tensor([[1], [3]]);
  const scale = 1 / Math.sqrt(1 + 1e-5);
  const weighted = await batchNorm(x, { training: true, weight: tensor([3]) }).data();
  assertAlmostEquals(weighted[1]!, 3 * scale, 1e-6);
  const shifted = await batchNorm(x, { training: true, bias: tensor([3]) }).data();
  assertAlmostEquals(shifted[1]!, 3 + scale, 1e-6);
});

Deno.test("BatchNorm refuses what it cannot normalise", () => {
  using _ = scope();
  assertThrows(() => new BatchNorm1d(2).forward(ones([1, 2])), ShapeError, "more than one value per channel is needed in training");
  assertThrows(() => new BatchNorm1d(2).forward(ones([4, 3])), ShapeError, "running statistics, weight and bias of [3] are needed");
  assertThrows(() => new BatchNorm2d(2).forward(ones([4, 2])), ShapeError, "Cannot BatchNorm2d [4, 2]: a tensor of 4 dims is needed");
  assertThrows(() => batchNorm(ones([4, 2])), ArgumentError, "runningMean and runningVar are needed, got null");
  assertThrows(() => new BatchNorm1d(0), ArgumentError, "a positive whole features is needed, got 0");
});

Deno.test("LayerNorm normalises the last dims and starts as the identity of affine maps", async () => {
  using _ = scope();
  const layer = new LayerNorm([2, 2]);
  const y = layer.forward(randn([3, 2, 2], { generator: new Generator(1) }));
  for (const mean of await y.mean([1, 2]).data()) assertAlmostEquals(mean, 0, 1e-6);
  for (const variance of await y.var([1, 2], { correction: 0 }).data()) assertAlmostEquals(variance, 1, 1e-3);
  assertEquals(Object.keys(layer.stateDict()), ["weight", "bias"]);
  assertThrows(() => layer.forward(zeros([3, 4])), ShapeError, "a shape that ends in [2, 2] is needed");
});
