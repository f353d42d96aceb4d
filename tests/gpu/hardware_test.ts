/** The kernels for hardware, which a software adapter runs slowly and rightly, so that the first graphics processor is no experiment. */
import { assert } from "@std/assert";
import { createGpuBackend } from "../../gpu/mod.ts";
import { crossEntropy, supCon } from "../../losses/mod.ts";
import { Conv2d, GELU, LayerNorm, Linear, ResNet18, Sequential } from "../../nn/mod.ts";
import { SGD } from "../../optim/mod.ts";
import { arange, manualSeed, randn, read, registerDevice, scope, setDefaultDevice, type Tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, reference } from "../devices.ts";
import { assertSameOutcome, evaluate } from "../ops/evaluate.ts";
import { sampleNames, samples } from "../ops/samples.ts";

const device = "webgpu as hardware";
if (!ignoreWebgpu) registerDevice(device, await createGpuBackend({ kernelsFor: "hardware" }));

Deno.test({
  name: "every operation's samples in kernels for hardware equal the reference, forward and backward",
  ignore: ignoreWebgpu,
  async fn() {
    for (const name of sampleNames) {
      for (const [position, sample] of samples[name].entries()) {
        const got = await evaluate(sample, { device, dtype: "float32" });
        assertSameOutcome(got, await evaluate(sample, { device: reference, dtype: "float32" }), `${name}, sample ${position}`);
      }
    }
  },
});

/** Values after two steps, from the same start on every device. */
async function train(on: string, body: () => { parameters(): Tensor[]; loss(): Tensor }): Promise<number[]> {
  setDefaultDevice(on);
  try {
    using _ = scope();
    manualSeed(5);
    const model = body();
    const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
    const losses: Tensor[] = [];
    for (let step = 0; step < 3; step++) {
      optimizer.zeroGrad();
      const loss = model.loss();
      loss.backward();
      optimizer.step();
      losses.push(loss.detach());
    }
    return (await read(...losses)).map((values) => values[0]!);
  } finally {
    setDefaultDevice("cpu");
  }
}

function labels(count: number): Tensor {
  return arange(count, { dtype: "int32" }).remainder(10);
}

const models: Readonly<Record<string, () => { parameters(): Tensor[]; loss(): Tensor }>> = {
  "a ResNet-18": () => {
    const model = new ResNet18({ width: 8, numClasses: 10 });
    const x = randn([2, 3, 16, 16]);
    return { parameters: () => model.parameters(), loss: () => crossEntropy(model.forward(x), labels(2)) };
  },
  "a large MLP with layer norm and GELU": () => {
    const model = new Sequential([new Linear(200, 1024), new LayerNorm([1024]), new GELU(), new Linear(1024, 10)]);
    const x = randn([128, 200]);
    return { parameters: () => model.parameters(), loss: () => crossEntropy(model.forward(x), labels(128)) };
  },
  "convolutions with strides and groups": () => {
    const model = new Sequential([
      new Conv2d(4, 32, { kernelSize: 5, stride: 2, padding: 2 }),
      new GELU(),
      new Conv2d(32, 16, { kernelSize: 3, groups: 4, dilation: 2 }),
    ]);
    const x = randn([8, 4, 40, 40]);
    return { parameters: () => model.parameters(), loss: () => crossEntropy(model.forward(x).mean([2, 3]), labels(8)) };
  },
  "streamed supervised contrast": () => {
    const layer = new Linear(40, 80);
    const x = randn([2200, 40]);
    return { parameters: () => layer.parameters(), loss: () => supCon(layer.forward(x), labels(2200), { numClasses: 10 }) };
  },
};

for (const [name, model] of Object.entries(models)) {
  Deno.test({
    name: `${name} trains in kernels for hardware as on the CPU`,
    ignore: ignoreWebgpu,
    async fn() {
      const [expected, got] = [await train("cpu", model), await train(device, model)];
      assert(
        expected.every((value, step) => Math.abs(value - got[step]!) <= 2e-3 * Math.max(1, Math.abs(value))),
        `${got} is not ${expected}`,
      );
    },
  });
}
