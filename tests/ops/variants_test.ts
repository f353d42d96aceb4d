import { stack, type Tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, type Place } from "../devices.ts";
import { assertSameOutcome, assertSameResult, evaluate, type Outcome, type Result } from "./evaluate.ts";
import { assertEquals } from "@std/assert";
import type { Sample } from "./sample.ts";
import { sampleNames, samples } from "./samples.ts";

const cpu: Place = { device: "cpu", dtype: "float32" };
const webgpu: Place = { device: "webgpu", dtype: "float32" };

type ViewOf = (x: Tensor) => Tensor;

/** The same values in another layout. */
const layouts: Readonly<Record<string, ViewOf>> = {
  transposed: (x) => x.rank < 2 ? x : x.transpose(0, -1).contiguous().transpose(0, -1),
  reversed: (x) => x.flip().clone().flip(),
  "every second": (x) => stack([x, x], { dim: -1 }).select(-1, 1),
};

/** The first row in place of all, as a view with stride 0; whole numbers are left alone, since they name places. */
const expanded: ViewOf = (x) =>
  x.rank === 0 || x.size === 0 || x.dtype !== cpu.dtype ? x : x.narrow(0, { start: 0, length: 1 }).expand(x.shape);

for (const name of sampleNames) {
  Deno.test(`${name} gives the same for every layout of its inputs`, async () => {
    for (const sample of samples[name]) {
      await checkLayouts(sample, cpu, name, layouts);
      await checkExpanded(sample, cpu, name);
    }
  });
  Deno.test({
    name: `${name} gives the same for every layout of its inputs on WebGPU`,
    ignore: ignoreWebgpu,
    async fn() {
      const all: ViewOf = (x) => layouts.reversed!(layouts.transposed!(x));
      for (const sample of samples[name]) {
        await checkLayouts(sample, webgpu, name, { "transposed and reversed": all });
        await checkExpanded(sample, webgpu, name);
      }
    },
  });
}

async function checkLayouts(sample: Sample, place: Place, name: string, views: Readonly<Record<string, ViewOf>>): Promise<void> {
  const expected = await evaluate(sample, place);
  for (const [layout, view] of Object.entries(views)) {
    assertSameOutcome(await evaluate(sample, place, { view }), expected, `${name}, ${layout}`);
  }
}

async function checkExpanded(sample: Sample, place: Place, name: string): Promise<void> {
  const expected = await evaluate(sample, place, { view: (x) => expanded(x).contiguous() });
  assertSameOutcome(await evaluate(sample, place, { view: expanded }), expected, `${name}, expanded`);
}

for (const name of sampleNames) {
  const pairs = samples[name].filter(takesPairs);
  if (pairs.length === 0) continue;
  Deno.test(`${name} of one tensor twice adds up both gradients`, async () => {
    for (const sample of pairs) {
      const twice = { ...sample, inputs: [sample.inputs[0]!, ...sample.inputs.slice(0, 1), ...sample.inputs.slice(2)] };
      const apart = await evaluate(twice, cpu);
      const shared = await evaluate(twice, cpu, { shared: true });
      shared.outputs.forEach((output, position) => assertSameResult(output, apart.outputs[position]!, name));
      const [first, second] = apart.gradients;
      if (first === null || second === null) continue;
      assertSameResult(shared.gradients[0]!, added(first!, second!), `${name}, gradient`);
      assertEquals(shared.gradients[1], null);
    }
  });
  Deno.test(`${name} gives each input its gradient whether or not the others want one`, async () => {
    for (const sample of pairs) {
      const all = await evaluate(sample, cpu);
      for (const [position, input] of sample.inputs.entries()) {
        if (input.dtype !== "float") continue;
        const alone = await evaluate(sample, cpu, { requires: (other) => other === position });
        assertSameOutcome(alone, only(all, position), `${name}, input ${position} alone`);
      }
    }
  });
}

/** Whether the first two inputs are floats of one shape. */
function takesPairs({ inputs, order = 2 }: Sample): boolean {
  const [a, b] = inputs;
  return order > 0 && b !== undefined && a!.dtype === "float" && b.dtype === "float" && a!.shape.join() === b.shape.join();
}

function added(a: Result, b: Result): Result {
  return { ...a, values: a.values.map((value, i) => value + b.values[i]!) };
}

function only({ outputs, gradients }: Outcome, position: number): Outcome {
  return { outputs, gradients: gradients.map((gradient, other) => other === position ? gradient : null) };
}
