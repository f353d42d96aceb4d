import { ignoreWebgpu, type Place, reference } from "../devices.ts";
import { assertSameOutcome, evaluate } from "./evaluate.ts";
import { sampleNames, samples } from "./samples.ts";

const oracle: Place = { device: reference, dtype: "float32" };

for (const name of sampleNames) {
  Deno.test(`${name} in WebAssembly equals the reference, forward and backward`, async () => {
    for (const [position, sample] of samples[name].entries()) {
      const got = await evaluate(sample, { device: "cpu", dtype: "float32" });
      assertSameOutcome(got, await evaluate(sample, oracle), `${name}, sample ${position}`);
    }
  });
  Deno.test({
    name: `${name} on WebGPU equals the reference, forward and backward`,
    ignore: ignoreWebgpu,
    async fn() {
      for (const [position, sample] of samples[name].entries()) {
        const got = await evaluate(sample, { device: "webgpu", dtype: "float32" });
        assertSameOutcome(got, await evaluate(sample, oracle), `${name}, sample ${position}`);
      }
    },
  });
}
