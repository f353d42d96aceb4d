import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { gradcheck, noGrad } from "../../autograd/mod.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Conv1d,
  Conv2d,
  Dropout,
  dropout,
  ELU,
  Embedding,
  embedding,
  Flatten,
  GELU,
  Identity,
  init,
  LeakyReLU,
  Linear,
  LogSoftmax,
  MaxPool2d,
  ReLU,
  Sequential,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from "../../nn/mod.ts";
import { ArgumentError, DTypeError, Generator, memory, ones, rand, randn, scope, ShapeError, tensor, zeros } from "../../tensor/mod.ts";

Deno.test("Linear computes x wᵀ + b", async () => {
  using _ = scope();
  const layer = new Linear(2, 1);
  layer.loadStateDict({ weight: tensor([[3, 4]]), bias: tensor([5]) });
  assertEquals(await layer.forward(tensor([[1, 2], [0, 1]])).toArray(), [[16], [9]]);
  assertThrows(() => new Linear(0, 1), ArgumentError, "Cannot make Linear: a positive whole inFeatures is needed, got 0");
});

Deno.test("Linear draws the same weights from the same seed, whatever their type", async () => {
  using _ = scope();
  const [first, second, wide] = [{}, {}, { dtype: "float64" } as const].map((options) =>
    new Linear(4, 3, { ...options, generator: new Generator(5) })
  );
  assertEquals(await first!.weight.data(), await second!.weight.data());
  assertEquals(Array.from(await wide!.weight.data(), Math.fround), Array.from(await first!.weight.data()));
  assertNotEquals(await first!.weight.data(), await new Linear(4, 3, { generator: new Generator(6) }).weight.data());
});

Deno.test("Conv2d convolves with stride, padding and groups", async () => {
  using _ = scope();
  const layer = new Conv2d(2, 2, { kernelSize: [1, 2], stride: [1, 2], groups: 2 });
  assertEquals(layer.weight.shape, [2, 1, 1, 2]);
  layer.loadStateDict({ weight: tensor([[[[1, 1]]], [[[1, -1]]]]), bias: tensor([0, 10]) });
  const y = layer.forward(tensor([[[[1, 2, 3, 4]], [[5, 5, 9, 8]]]]));
  assertEquals(await y.toArray(), [[[[3, 7]], [[10, 11]]]]);
  assertThrows(() => new Conv2d(3, 2, { kernelSize: 1, groups: 2 }), ArgumentError, "multiples of 2 groups are needed, got 3 and 2");
});

Deno.test("Conv1d convolves over one dim", async () => {
  using _ = scope();
  const layer = new Conv1d(1, 1, { kernelSize: 2, bias: false });
  layer.loadStateDict({ weight: tensor([[[1, 2]]]) });
  assertEquals(await layer.forward(tensor([[[1, 2, 3]]])).toArray(), [[[5, 8]]]);
});

Deno.test("pooling layers pool", async () => {
  using _ = scope();
  const x = tensor([[[[1, 2], [3, 6]]]]);
  assertEquals(await new MaxPool2d(2).forward(x).toArray(), [[[[6]]]]);
  assertEquals(await new AvgPool2d([2, 1]).forward(x).toArray(), [[[[2, 4]]]]);
  assertEquals(await new AdaptiveAvgPool2d(1).forward(x).toArray(), [[[[3]]]]);
});

Deno.test("activation layers are the tensor's methods", async () => {
  using _ = scope();
  const x = tensor([[-1.5, 0.5, 2]]);
  const pairs = [
    [new ReLU(), x.relu()],
    [new LeakyReLU({ slope: 0.2 }), x.leakyRelu(0.2)],
    [new ELU({ alpha: 2 }), x.elu(2)],
    [new GELU(), x.gelu()],
    [new GELU({ approximate: "tanh" }), x.gelu({ approximate: "tanh" })],
    [new SiLU(), x.silu()],
    [new Tanh(), x.tanh()],
    [new Sigmoid(), x.sigmoid()],
    [new Softplus({ beta: 2 }), x.softplus({ beta: 2 })],
    [new Softmax(), x.softmax(1)],
    [new LogSoftmax({ dim: 1 }), x.logSoftmax(1)],
  ] as const;
  for (const [layer, expected] of pairs) {
    assertEquals(await layer.forward(x).data(), await expected.data(), layer.constructor.name);
  }
});

Deno.test("Flatten keeps the batch, Identity everything", () => {
  using _ = scope();
  const x = zeros([2, 3, 4]);
  assertEquals(new Flatten().forward(x).shape, [2, 12]);
  assertEquals(new Flatten({ start: 0, end: 1 }).forward(x).shape, [6, 4]);
  assert(new Identity().forward(x) === x);
  assert(new Sequential([]).forward(x) === x);
});

Deno.test("Sequential frees what lies between its layers", () => {
  using _ = scope();
  const model = new Sequential([new Linear(4, 4), new ReLU(), new Linear(4, 4), new Tanh()]).eval();
  const x = ones([2, 4]);
  const before = memory().tensors;
  noGrad(() => model.forward(x));
  assertEquals(memory().tensors, before + 1);
});

Deno.test("dropout keeps the mean and drops the given part", async () => {
  using _ = scope();
  for (const p of [0.1, 0.5, 0.8]) {
    const count = 40_000;
    const values = await dropout(ones([count]), { p, generator: new Generator(11) }).data();
    const kept = values.filter((value) => value !== 0);
    assertAlmostEquals(kept[0]!, 1 / (1 - p), 1e-6);
    // Four deviations of a binomial.
    assertAlmostEquals(kept.length / count, 1 - p, 4 * Math.sqrt(p * (1 - p) / count));
  }
});

Deno.test("dropout passes the gradient through the same mask", async () => {
  using _ = scope();
  const x = rand([64], { generator: new Generator(2), low: 1, high: 2, requiresGrad: true });
  const y = dropout(x, { p: 0.3, generator: new Generator(3) });
  y.sum().backward();
  const [gradient, values, inputs] = [await x.grad!.data(), await y.data(), await x.data()];
  values.forEach((value, i) => assertAlmostEquals(gradient[i]!, value / inputs[i]!, 1e-5));
  const wide = randn([6], { dtype: "float64", generator: new Generator(4), requiresGrad: true });
  await gradcheck((x) => dropout(x!, { generator: new Generator(3) }), [wide]);
});

Deno.test("dropout of a transposed view drops by position, not by storage", async () => {
  using _ = scope();
  const x = randn([5, 7], { generator: new Generator(1) });
  const options = { p: 0.5 };
  const direct = dropout(x, { ...options, generator: new Generator(9) });
  const copied = dropout(x.mT.clone().mT, { ...options, generator: new Generator(9) });
  assertEquals(await copied.data(), await direct.data());
});

Deno.test("dropout with p = 1 gives zeros, with p = 0 the input, and refuses other p", async () => {
  using _ = scope();
  assertEquals(await dropout(tensor([1, Infinity]), { p: 1 }).toArray(), [0, 0]);
  assertEquals(await dropout(tensor([1, 2]), { p: 0 }).toArray(), [1, 2]);
  assertThrows(() => dropout(ones([1]), { p: 1.5 }), ArgumentError, "a p from 0 to 1 is needed, got 1.5");
  assertThrows(() => dropout(ones([1], { dtype: "int32" })), DTypeError, "a floating type is needed");
});

Deno.test("Dropout draws anew at each call in training and does nothing in evaluation", async () => {
  using _ = scope();
  const layer = new Dropout({ p: 0.5, generator: new Generator(7) });
  const x = ones([100]);
  assertNotEquals(await layer.forward(x).data(), await layer.forward(x).data());
  layer.eval();
  assertEquals(await layer.forward(x).data(), await x.data());
});

Deno.test("Embedding picks rows, adds up their gradients and does not train the padding", async () => {
  using _ = scope();
  const layer = new Embedding(4, 2, { paddingIdx: -1 });
  assertEquals((await layer.weight.toArray() as number[][])[3], [0, 0]);
  const index = tensor([[0, 2], [2, 3]], { dtype: "int32" });
  const y = layer.forward(index);
  assertEquals(y.shape, [2, 2, 2]);
  y.sum().backward();
  assertEquals(await layer.weight.grad!.toArray(), [[1, 1], [0, 0], [2, 2], [0, 0]]);
});

Deno.test("embedding refuses fractions, flat tables and rows for padding that do not exist", () => {
  using _ = scope();
  const weight = ones([2, 2], { requiresGrad: true });
  assertThrows(() => embedding(tensor([0.5]), weight), DTypeError, "whole numbers are needed as the index, got float32");
  assertThrows(() => embedding(tensor([0], { dtype: "int32" }), ones([2])), ShapeError, "a table [rows, D] is needed");
  assertThrows(() => new Embedding(2, 2, { paddingIdx: 2 }), ArgumentError, "a paddingIdx in -2 … 1 is needed, got 2");
});

Deno.test("init fills in place and takes its numbers from the generator given", async () => {
  using _ = scope();
  const x = zeros([3]);
  assert(init.constant(x, 4) === x);
  assertEquals(await x.toArray(), [4, 4, 4]);
  const uniform = await init.uniform(zeros([1000]), { low: 2, high: 3, generator: new Generator(1) }).data();
  assert(uniform.every((value) => value >= 2 && value < 3));
  assertEquals(
    await init.normal(zeros([5]), { generator: new Generator(8) }).data(),
    await init.normal(zeros([5]), { generator: new Generator(8) }).data(),
  );
  assertThrows(() => init.kaimingNormal(zeros([3])), ShapeError, "a weight of at least two dims is needed");
  assertEquals(init.calculateFan([8, 4, 3, 3]), { fanIn: 36, fanOut: 72 });
});
