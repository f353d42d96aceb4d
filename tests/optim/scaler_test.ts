import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { crossEntropy } from "../../losses/mod.ts";
import { functionalCall, Linear, Sequential, SmallCNN } from "../../nn/mod.ts";
import { Adam, GradScaler, SGD } from "../../optim/mod.ts";
import { ArgumentError, getDevice, manualSeed, memory, scope, setDefaultDevice, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, noAdapter } from "../devices.ts";

const devices = noAdapter === undefined ? ["cpu", "webgpu"] : ["cpu"];

function parameter(values: number[], device: string): Tensor {
  return tensor(values, { device, requiresGrad: true });
}

for (const device of devices) {
  Deno.test(`GradScaler steps as without it on ${device}, since powers of two divide out`, async () => {
    using _ = scope();
    const [plain, scaled] = [parameter([1, -2, 3], device), parameter([1, -2, 3], device)];
    const [first, second] = [plain, scaled].map((w) => new SGD([w], { lr: 0.1, momentum: 0.9 }));
    const scaler = new GradScaler({ initialScale: 2 ** 15, growthInterval: 2 });
    for (let i = 0; i < 5; i++) {
      first!.zeroGrad();
      plain.square().sum().backward();
      first!.step();
      second!.zeroGrad();
      scaler.scale(scaled.square().sum()).backward();
      assertEquals(await scaler.step(second!), true);
      scaler.update();
    }
    assertEquals(await scaled.toArray(), await plain.toArray());
    assertEquals(scaler.stateDict(), { scale: 2 ** 17, steps: 1 });
  });

  Deno.test(`GradScaler leaves out a step with infinite or NaN gradients on ${device}, and shrinks`, async () => {
    using _ = scope();
    for (const wrong of [Infinity, -Infinity, NaN]) {
      const [w, v] = [parameter([1, 2], device), parameter([5], device)];
      const optimizer = new SGD([w, v], { lr: 0.1, momentum: 0.9 });
      const scaler = new GradScaler({ initialScale: 64 });
      scaler.scale(w.mul(tensor([1, wrong], { device })).sum().add(v.sum())).backward();
      assertEquals(await scaler.step(optimizer), false);
      scaler.update();
      assertEquals([await w.toArray(), await v.toArray()], [[1, 2], [5]]);
      assertEquals(optimizer.stateDict().tensors, {});
      assertEquals(scaler.factor, 32);
      optimizer.zeroGrad();
      scaler.scale(w.sum().add(v.sum())).backward();
      assertEquals(await scaler.step(optimizer), true);
      scaler.update();
      assertEquals(await v.toArray(), [Math.fround(5 - Math.fround(0.1))]);
    }
  });
}

Deno.test({
  name: "GradScaler keeps float16 gradients alive that vanish without it",
  ignore: ignoreWebgpu || !getDevice("webgpu").backend.supports("float16"),
  async fn() {
    using _ = scope();
    const device = "webgpu";
    const gradients: number[] = [];
    for (const factor of [1, 2 ** 14]) {
      const w = tensor([1], { device, requiresGrad: true });
      const scaler = new GradScaler({ initialScale: factor });
      // The gradient passes through float16, whose smallest number is 6e-8.
      scaler.scale(w.to("float16").mul(1 / 4096).to("float32").mul(2 ** -14).sum()).backward();
      scaler.unscale(new SGD([w], { lr: 1 }));
      gradients.push((await w.grad!.data())[0] as number);
    }
    assertEquals(gradients[0], 0);
    assertEquals(gradients[1], 2 ** -26);
  },
});

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `GradScaler and functionalCall train float32 weights with float16 layers as float32 does, on ${device}`,
    ignore: device === "webgpu" && (ignoreWebgpu || !getDevice("webgpu").backend.supports("float16")),
    async fn() {
      const courses = [await train(device, "float32"), await train(device, "float16")] as const;
      const [wide, half] = courses;
      assert(wide[0]! > 1 && wide.at(-1)! < 0.2, `losses ${wide}`);
      // float16 has 11 bits; over twelve steps its rounding, 5e-4 of every activation, came to 3e-3.
      half.forEach((loss, step) => assert(Math.abs(loss - wide[step]!) < 0.01, `step ${step}: ${wide[step]} is near enough, got ${loss}`));
      assert(half.some((loss, step) => loss !== wide[step]));
    },
  });
}

/** The losses of a small CNN with batch norm on noisy classes, its layers computed in a type. */
async function train(device: string, dtype: "float16" | "float32"): Promise<number[]> {
  setDefaultDevice(device);
  try {
    using _ = scope();
    manualSeed(5);
    const [count, classes] = [24, 4];
    const labels = tensor(Int32Array.from({ length: count }, (_, at) => at % classes));
    const x = tensor(
      Float32Array.from({ length: count * 64 }, (_, at) => Math.sin(at) + (Math.floor(at / 64) % classes === at % classes ? 1 : 0)),
      {
        shape: [count, 1, 8, 8],
      },
    );
    const encoder = new SmallCNN({ imageSize: [8, 8], channels: [8, 16], featureSize: 16 });
    const model = new Sequential([encoder, new Linear(16, classes)]);
    const optimizer = new Adam(model.parameters(), { lr: 0.02 });
    const scaler = new GradScaler({ initialScale: 1024 });
    const losses: number[] = [];
    for (let at = 0; at < 12; at++) {
      using _step = scope();
      optimizer.zeroGrad();
      const weights = Object.fromEntries([...model.namedParameters()].map(([name, weight]) => [name, weight.to(dtype)]));
      const logits = functionalCall(model, weights, [x.to(dtype)]);
      assertEquals(logits.dtype, dtype);
      const loss = crossEntropy(logits.to("float32"), labels);
      scaler.scale(loss).backward();
      assert(model.parameters().every((weight) => weight.grad?.dtype === "float32"));
      assertEquals(await scaler.step(optimizer), true);
      scaler.update();
      losses.push(await loss.item());
    }
    return losses;
  } finally {
    setDefaultDevice("cpu");
  }
}

Deno.test("GradScaler takes clipping between unscale and step, and refuses calls out of order", async () => {
  using _ = scope();
  const w = parameter([3], "cpu");
  const optimizer = new SGD([w], { lr: 1 });
  const scaler = new GradScaler({ initialScale: 256 });
  assertThrows(() => scaler.update(), ArgumentError, "a step() since the last update()");
  scaler.scale(w.sum()).backward();
  scaler.unscale(optimizer);
  assertEquals(await w.grad!.toArray(), [1]);
  assertThrows(() => scaler.unscale(optimizer), ArgumentError, "still scaled");
  await scaler.step(optimizer);
  await assertRejects(() => scaler.step(optimizer), ArgumentError, "one step");
  scaler.update();
  assertEquals(await w.toArray(), [2]);
});

Deno.test("GradScaler shrinks once when one of two optimizers was left out, holds no memory, and goes on from its state", async () => {
  using _ = scope();
  const [w, v] = [parameter([1], "cpu"), parameter([1], "cpu")];
  const optimizers = [w, v].map((leaf) => new SGD([leaf], { lr: 1 }));
  const scaler = new GradScaler({ initialScale: 8 });
  const run = async () => {
    using _ = scope();
    optimizers.forEach((optimizer) => optimizer.zeroGrad());
    scaler.scale(w.sum().add(v.mul(Infinity).sum())).backward();
    const done = [await scaler.step(optimizers[0]!), await scaler.step(optimizers[1]!)];
    scaler.update();
    return done;
  };
  assertEquals(await run(), [true, false]);
  const held = memory();
  assertEquals(await run(), [true, false]);
  assertEquals(memory(), held);
  assertEquals([await w.toArray(), await v.toArray(), scaler.factor], [[-1], [1], 2]);
  const other = new GradScaler();
  other.loadStateDict(JSON.parse(JSON.stringify(scaler.stateDict())));
  assertEquals(other.stateDict(), { scale: 2, steps: 0 });
  assertThrows(() => other.loadStateDict({ scale: NaN, steps: 0 }), ArgumentError);
});

Deno.test("GradScaler throws an ArgumentError for factors that make no sense", () => {
  for (
    const options of [{ initialScale: 0 }, { initialScale: Infinity }, { growthFactor: 0.5 }, { backoffFactor: 1 }, { growthInterval: 0 }]
  ) {
    assertThrows(() => new GradScaler(options), ArgumentError, "Cannot make GradScaler");
  }
  assert(new GradScaler().factor === 65536);
});
