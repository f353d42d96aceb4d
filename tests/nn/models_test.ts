import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { crossEntropy } from "../../losses/mod.ts";
import { Dropout, EncoderWithHead, Linear, MLP, ProjectionHead, ResNet18, Sequential, SmallCNN } from "../../nn/mod.ts";
import { Adam, SGD } from "../../optim/mod.ts";
import { ArgumentError, Generator, memory, ones, randint, randn, read, scope } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";

Deno.test("ResNet18 has torchvision's names and number of parameters", () => {
  using model = new ResNet18({ numClasses: 10 });
  const names = Object.keys(model.stateDict());
  // torchvision's resnet18 with a 3×3 stem: 11,689,512 - 9,408 + 1,728 - 513,000 + 5,130.
  assertEquals(model.parameters().reduce((sum, { size }) => sum + size, 0), 11_173_962);
  assertEquals(names.length, 122);
  for (
    const name of ["conv1.weight", "layer1.1.bn2.running_var", "layer2.0.downsample.0.weight", "layer4.0.downsample.1.bias", "fc.bias"]
  ) {
    assert(names.includes(name), name);
  }
});

Deno.test("ResNet18 gives features, or logits with a classifier", () => {
  using _ = scope();
  const x = randn([2, 3, 8, 8], { generator: new Generator(1) });
  using encoder = new ResNet18({ width: 4 });
  assertEquals([encoder.featureSize, ...encoder.forward(x).shape], [32, 2, 32]);
  using classifier = new ResNet18({ width: 4, numClasses: 5 });
  assertEquals(classifier.forward(x).shape, [2, 5]);
  assertEquals(classifier.features(x).shape, [2, 32]);
  classifier.forward(x).square().sum().backward();
  assert(classifier.parameters().every(({ grad }) => grad !== null));
});

Deno.test("SmallCNN takes 8×8 digits and 28×28 images", () => {
  using _ = scope();
  assertEquals(new SmallCNN({ imageSize: [8, 8], channels: [4, 8], featureSize: 16 }).forward(ones([3, 1, 8, 8])).shape, [3, 16]);
  assertEquals(new SmallCNN({ channels: [2, 4] }).forward(ones([2, 1, 28, 28])).shape, [2, 128]);
  assertThrows(() => new SmallCNN({ imageSize: [3, 8] }), ArgumentError, "images of at least 4 × 4 are needed, got 3 × 8");
});

Deno.test("MLP flattens its input, ProjectionHead ends without ReLU", async () => {
  using _ = scope();
  const encoder = new MLP(12, { hiddenSizes: [8, 6], generator: new Generator(2) });
  const features = encoder.forward(randn([5, 3, 4], { generator: new Generator(3) }));
  assertEquals(features.shape, [5, 6]);
  const model = new EncoderWithHead(encoder, new ProjectionHead(6, { outputSize: 32, generator: new Generator(4) }));
  assertEquals(Object.keys(model.stateDict()), [
    "encoder.layers.0.weight",
    "encoder.layers.0.bias",
    "encoder.layers.1.weight",
    "encoder.layers.1.bias",
    "head.hidden.weight",
    "head.hidden.bias",
    "head.output.weight",
    "head.output.bias",
  ]);
  const values = await model.forward(randn([5, 12], { generator: new Generator(3) })).data();
  assert(values.some((value) => value < 0));
});

Deno.test("training keeps memory constant over 100 steps", async () => {
  using _ = scope();
  const generator = new Generator(1);
  const model = new Sequential([
    new SmallCNN({ imageSize: [8, 8], channels: [4, 8], featureSize: 16, generator }),
    new Dropout({ p: 0.2, generator }),
    new Linear(16, 3, { generator }),
  ]);
  const optimizer = new Adam(model.parameters(), { lr: 0.01 });
  const x = randn([16, 1, 8, 8], { generator });
  const labels = randint(0, 3, { shape: [16], generator });
  const sizes = new Set<string>();
  let last = Infinity;
  for (let step = 0; step < 100; step++) {
    using _ = scope();
    const loss = crossEntropy(model.forward(x), labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    // Nothing is awaited before the last step, so that the collector frees no other test's tensors meanwhile.
    if (step > 0) sizes.add(`${memory().tensors} ${memory().bytes}`);
    if (step === 99) last = await loss.item();
  }
  assertEquals(sizes.size, 1);
  assert(last < 0.5, `it learns 16 examples by heart, got a loss of ${last}`);
});

Deno.test({
  name: "training on WebGPU follows the CPU, statistics and dropout included",
  ignore: ignoreWebgpu,
  fn: async () => {
    const results: Record<string, number[]> = {};
    for (const device of ["cpu", "webgpu"]) {
      using _ = scope();
      const generator = new Generator(5);
      const model = new Sequential([
        new SmallCNN({ imageSize: [8, 8], channels: [2, 4], featureSize: 8, generator }),
        new Dropout({ p: 0.25, generator }),
        new Linear(8, 3, { generator }),
      ]);
      await model.toDevice(device);
      const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
      const x = randn([6, 1, 8, 8], { generator: new Generator(6), device });
      const labels = randint(0, 3, { shape: [6], generator: new Generator(7), device });
      for (let step = 0; step < 3; step++) {
        using _ = scope();
        optimizer.zeroGrad();
        crossEntropy(model.forward(x), labels).backward();
        optimizer.step();
      }
      model.eval();
      results[device] = (await read(...Object.values(model.stateDict()), model.forward(x))).flatMap((values) => [...values]);
    }
    results["cpu"]!.forEach((value, i) => assertAlmostEquals(results["webgpu"]![i]!, value, 2e-4));
  },
});
