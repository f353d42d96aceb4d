import { assert, assertRejects } from "@std/assert";
import { customFunction, gradcheck, gradgradcheck } from "../../autograd/mod.ts";
import { GradientError, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { listOf, make, reshaped, type Sample } from "./sample.ts";
import { sampleNames, samples } from "./samples.ts";

const cpu = { device: "cpu", dtype: "float64" } as const;

for (const name of sampleNames) {
  Deno.test(`${name} has the gradients that its difference quotients have`, async () => {
    for (const sample of samples[name].flatMap(withShapes)) {
      using _ = scope();
      if (sample.only === "float32") continue;
      const { order = 2, run } = sample;
      const inputs = sample.inputs.map((input) => {
        const made = make(input, cpu);
        return input.dtype === "float" ? made.requiresGrad_() : made;
      });
      if (order === 0) assertNoGradient(listOf(run(...inputs)), name);
      if (order >= 1) await gradcheck(run, inputs);
      if (order >= 2) await gradgradcheck(run, inputs);
    }
  });
}

/** What acts on each element alone must do so in every shape, also that of a single number and those without elements. */
function withShapes(sample: Sample): Sample[] {
  if (sample.elementwise !== true) return [sample];
  const shapes = [[], [0], [2, 0, 3], [1, 1, 2]];
  return [sample, ...shapes.map((shape) => ({ ...sample, inputs: sample.inputs.map((input) => reshaped(input, shape)) }))];
}

/** Where no gradient is claimed for smooth reasons only (kinks in the sample), recording is allowed; whole numbers and truth never record. */
function assertNoGradient(outputs: readonly Tensor[], name: string): void {
  for (const { requiresGrad, dtype } of outputs) {
    assert(!requiresGrad || dtype === "float64", `${name} must not record a ${dtype} result`);
  }
}

Deno.test("gradcheck() rejects a wrong gradient", async () => {
  using _ = scope();
  const wrong = customFunction({
    name: "wrongSquare",
    forward: (x) => x.square(),
    vjp: ({ dys, inputs }) => [dys[0]!.mul(inputs[0]!).mul(2.01)],
  });
  const x = tensor([0.5, -1.5], { dtype: "float64", requiresGrad: true });
  await assertRejects(() => gradcheck(wrong, [x]), GradientError, "Cannot confirm the gradient of input 0 at element 0");
});

Deno.test("gradgradcheck() rejects a wrong second derivative", async () => {
  using _ = scope();
  // The first derivative is right, but it is made of a constant: the second one is lost.
  const wrong = customFunction({
    name: "constantSlope",
    forward: (x) => x.square(),
    vjp: ({ dys, inputs }) => [dys[0]!.mul(inputs[0]!.detach()).mul(2)],
  });
  const x = tensor([0.5, -1.5], { dtype: "float64", requiresGrad: true });
  await gradcheck(wrong, [x]);
  await assertRejects(() => gradgradcheck(wrong, [x]), GradientError, "Cannot confirm the gradient");
});
