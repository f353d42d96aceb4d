import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import * as nn from "../../nn/mod.ts";
import {
  adaptiveMaxPool2d,
  ArgumentError,
  Generator,
  maxPool1d,
  memory,
  ones,
  randn,
  scope,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "../../tensor/mod.ts";

Deno.test("RMSNorm divides by the root of the mean square", async () => {
  using _ = scope();
  const x = randn([3, 4], { generator: new Generator(2), dtype: "float64" });
  const rows = await x.toArray() as unknown as number[][];
  const y = await new nn.RMSNorm(4, { dtype: "float64", eps: 0.1 }).forward(x).data();
  rows.forEach((row, n) => {
    const root = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / 4 + 0.1);
    row.forEach((value, i) => assertAlmostEquals(y[4 * n + i]!, value / root, 1e-12));
  });
  assertThrows(() => new nn.RMSNorm(4).forward(ones([2, 3])), ShapeError, "ends in [4]");
});

Deno.test("Dropout2d drops whole channels in training only", async () => {
  using _ = scope();
  const layer = new nn.Dropout2d({ p: 0.5, generator: new Generator(1) });
  const y = await layer.forward(ones([4, 8, 3, 3])).flatten(2).toArray() as unknown as number[][][];
  const planes = y.flat();
  assert(planes.every((plane) => new Set(plane).size === 1));
  assertEquals(new Set(planes.map(([value]) => value)), new Set([0, 2]));
  const x = ones([1, 2, 2]);
  assertEquals(layer.eval().forward(x), x);
});

Deno.test("A tensor in two fields is one parameter with two names, and gathers both gradients", async () => {
  class Tied extends nn.Module {
    embedding = new nn.Embedding(4, 3);
    head = new nn.Linear(3, 4, { bias: false });
    constructor() {
      super();
      Reflect.set(this.head, "weight", this.embedding.weight);
    }
    override forward(index: Tensor): Tensor {
      return this.head.forward(this.embedding.forward(index));
    }
  }
  using model = new Tied();
  assertEquals([...model.namedParameters().keys()], ["embedding.weight"]);
  assertEquals(Object.keys(model.stateDict()), ["embedding.weight", "head.weight"]);
  model.forward(tensor([0], { dtype: "int32" })).sum().backward();
  // As the table: the sum of all rows into row 0; as the head: row 0 into all.
  const [table, grad] = [await model.head.weight.toArray(), await model.head.weight.grad!.toArray()] as unknown as number[][][];
  grad!.forEach((row, n) =>
    row.forEach((value, i) => {
      const asTable = n === 0 ? table!.reduce((sum, other) => sum + other[i]!, 0) : 0;
      assertAlmostEquals(value, table![0]![i]! + asTable, 1e-5);
    })
  );
});

Deno.test("ModuleList and ModuleDict name their modules and do not run", () => {
  using list = new nn.ModuleList([new nn.Linear(1, 1)]).push(new nn.Linear(1, 2));
  assertEquals([list.length, list.at(-1)!.parameters()[0]!.shape, [...list].length], [2, [2, 1], 2]);
  assertThrows(() => list.forward(), ArgumentError, "ModuleList");
  using dictionary = new nn.ModuleDict({ first: new nn.Linear(1, 1, { bias: false }) });
  assertEquals(Object.keys(dictionary.stateDict()), ["first.weight"]);
  assertEquals(dictionary.get("first").parameters().length, 1);
  assertThrows(() => dictionary.get("toString"), ArgumentError, "first");
  assertThrows(() => dictionary.forward(), ArgumentError, "ModuleDict");
});

Deno.test("spectralNorm brings the greatest singular value to 1, and training moves its vectors", async () => {
  using _ = scope();
  const layer = nn.spectralNorm(new nn.Linear(3, 3, { bias: false }), { generator: new Generator(4) });
  const before = await layer.stateDict()["weight_u"]!.data();
  for (let n = 0; n < 60; n++) layer.forward(ones([1, 3]));
  assertNotEquals(await layer.stateDict()["weight_u"]!.data(), before);
  const weight = await layer.eval().forward(tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])).toArray() as unknown as number[][];
  let v = [0.3, 0.5, -0.2];
  let length = 0;
  for (let n = 0; n < 200; n++) {
    const u = [0, 1, 2].map((j) => v.reduce((sum, value, i) => sum + value * weight[i]![j]!, 0));
    v = [0, 1, 2].map((i) => u.reduce((sum, value, j) => sum + value * weight[i]![j]!, 0));
    length = Math.hypot(...v);
    v = v.map((value) => value / length);
  }
  assertAlmostEquals(Math.sqrt(length), 1, 1e-3);
});

Deno.test("Layers free what they make on the way", () => {
  using _ = scope();
  const [image, line] = [ones([2, 4, 6, 6]), ones([3, 2, 4])];
  const runs: (() => { dispose(): void }[])[] = [
    () => [nn.interpolate(image, { scaleFactor: 2, mode: "bilinear" })],
    () => [nn.pad(image, [1, 1], { mode: "reflect" })],
    () => [adaptiveMaxPool2d(image, 4)],
    () => [nn.groupNorm(image, { groups: 2 })],
    () => [nn.scaledDotProductAttention(line, line, { value: line, causal: true })],
  ];
  const lstm = new nn.LSTM(4, 3, { bidirectional: true });
  const layer = new nn.TransformerEncoderLayer(4, 2, { feedforward: 8 });
  layer.eval();
  for (const parameter of [...lstm.parameters(), ...layer.parameters()]) parameter.requiresGrad_(false);
  runs.push(() => [layer.forward(line)], () => Object.values(lstm.forward(line, { lengths: [3, 1] })));
  for (const [n, run] of runs.entries()) {
    const before = memory().tensors;
    for (const made of run()) made.dispose();
    assertEquals(memory().tensors, before, `run ${n}`);
  }
});

Deno.test("scaledDotProductAttention takes masks of both kinds and gives NaN where nothing may be seen", async () => {
  using _ = scope();
  const [q, value] = [zeros([2, 4]), tensor([[1], [3]])];
  const bool = tensor([[true, false], [true, true]]);
  const added = tensor([[0, -Infinity], [0, 0]]);
  for (const mask of [bool, added]) assertEquals(await nn.scaledDotProductAttention(q, q, { value, mask }).toArray(), [[1], [2]]);
  const none = await nn.scaledDotProductAttention(q, q, { value, mask: tensor([false, false]) }).data();
  assert(none.every(Number.isNaN));
});

Deno.test("Layers refuse what does not fit", () => {
  const x = ones([1, 2, 3, 3]);
  assertThrows(
    () => new nn.ConvTranspose2d(2, 2, { kernelSize: 2, outputPadding: 1 }).forward(x),
    ArgumentError,
    "outputPadding below the stride",
  );
  assertThrows(() => new nn.ConvTranspose2d(3, 2, { kernelSize: 2 }).forward(x), ShapeError, "convTranspose2d");
  assertThrows(() => new nn.ConvTranspose1d(3, 2, { kernelSize: 2, groups: 2 }), ArgumentError, "groups");
  assertThrows(() => new nn.ReflectionPad2d(3).forward(x), ShapeError, "at most 2");
  assertThrows(() => new nn.ZeroPad2d([1, 2]), ArgumentError, "4 are needed");
  assertThrows(() => nn.pad(x, [0.5, 0], { mode: "replicate" }), ArgumentError, "whole pairs");
  assertThrows(() => nn.pad(x, [-2, -2], { mode: "replicate" }), ShapeError, "a size of -1");
  assertThrows(() => nn.interpolate(x, {}), ArgumentError, "either size or scaleFactor");
  assertThrows(() => nn.interpolate(x, { size: 0 }), ArgumentError, "sizes from 1");
  assertThrows(() => nn.interpolate(x, { size: 2, mode: "linear" }), ArgumentError, "bilinear");
  assertThrows(() => new nn.PixelShuffle(2).forward(x), ShapeError, "multiples of 4");
  assertThrows(() => new nn.GroupNorm(2, 3), ArgumentError, "multiple of 2 groups");
  assertThrows(() => new nn.InstanceNorm1d(2).forward(ones([1, 2, 1])), ShapeError, "more than one value");
  assertThrows(() => maxPool1d(x, 2), ShapeError, "[N, C, L]");
  assertThrows(() => new nn.MultiheadAttention(5, 2), ArgumentError, "multiple of 2 heads");
  assertThrows(() => new nn.MultiheadAttention(4, 2).forward(ones([2, 2, 3])), ShapeError, "width 4");
  assertThrows(() => new nn.GRU(3, 2).forward(ones([2, 2, 4])), ShapeError, "I = 3");
  assertThrows(() => new nn.GRU(3, 2).forward(ones([2, 2, 3]), { lengths: [1, 3] }), ArgumentError, "lengths from 1 to 2");
  assertThrows(() => new nn.GRU(3, 2).forward(ones([2, 2, 3]), { hidden: ones([1, 2, 3]) }), ShapeError, "initial states");
  assertThrows(() => new nn.EmbeddingBag(3, 2).forward(tensor([1], { dtype: "int32" })), ShapeError, "offsets");
  assertThrows(() => nn.weightNorm(new nn.Identity()), ArgumentError, "field weight");
  assertThrows(() => nn.spectralNorm(new nn.Linear(2, 2), { iterations: 0 }), ArgumentError, "iterations");
});
