/**
 * An operation on floats of several types either promotes them or says that it does not; it never reads one type as another.
 *
 * @module
 */
import { assert } from "@std/assert";
import { backward } from "../../autograd/backward.ts";
import { type DType, DTypeError, getDevice, read, scope, type Tensor } from "../../tensor/mod.ts";
import { valueDifference } from "../golden/compare.ts";
import { ignoreWebgpu } from "../devices.ts";
import { listOf, make, type Sample } from "./sample.ts";
import { sampleNames, samples } from "./samples.ts";

/** float16 has 11 bits, and results are as far apart as their rounding; in wider types this would be 1e-4. */
const apart = { relative: 2e-2, absolute: 2e-3, least: 0 };

/** The values of all outputs and gradients, with a gradient of ones flowing in. */
async function outcome(sample: Sample, device: string, types: readonly DType[]): Promise<number[]> {
  using _ = scope();
  const inputs = sample.inputs.map((input, at) => make(input, { device, dtype: types[at]! }));
  for (const [at, input] of inputs.entries()) if (sample.inputs[at]!.dtype === "float") input.requiresGrad_();
  const outputs = listOf(sample.run(...inputs));
  const flowing = outputs.filter(({ requiresGrad }) => requiresGrad);
  if (flowing.length > 0) backward(flowing, flowing.map((output) => ({ gradient: output.onesLike() })));
  const gradients = inputs.flatMap(({ grad }): Tensor[] => grad === null ? [] : [grad]);
  return (await read(...outputs, ...gradients)).flatMap((values) => Array.from(values, Number));
}

/** Every way to give one float another type than the others. */
function mixtures(sample: Sample, types: readonly DType[]): DType[][] {
  const floats = sample.inputs.flatMap(({ dtype }, at) => dtype === "float" ? [at] : []);
  if (floats.length < 2) return [];
  return floats.flatMap((odd) =>
    types.flatMap((common) =>
      types.filter((type) => type !== common).map((other) => sample.inputs.map((_, at) => at === odd ? other : common))
    )
  );
}

/** Whether float16 holds every value, so that a mixture has the same ones. */
const exact = ({ inputs }: Sample) => inputs.every(({ values }) => values.every((value) => Object.is(Math.f16round(value), value)));

const places: readonly { readonly device: string; readonly widest: DType; readonly types: readonly DType[]; readonly ignore: boolean }[] = [
  { device: "cpu", widest: "float64", types: ["float16", "float32", "float64"], ignore: false },
  {
    device: "webgpu",
    widest: "float32",
    types: ["float16", "float32"],
    ignore: ignoreWebgpu || !getDevice("webgpu").backend.supports("float16"),
  },
];

for (const { device, widest, types, ignore } of places) {
  for (const name of sampleNames) {
    const mixed = samples[name].filter(exact).flatMap((sample) => mixtures(sample, types).map((given) => ({ sample, given })));
    if (mixed.length === 0) continue;
    Deno.test({
      name: `${name} on ${device} promotes floats of several types or refuses them`,
      ignore,
      async fn() {
        for (const { sample, given } of mixed) {
          const values = await outcome(sample, device, given).catch((error) => {
            // "Cannot row", "Cannot map": a kernel found out what the operation should have said.
            if (error instanceof DTypeError && !/^Cannot (map|row|reduce|run)\b/.test(error.message)) return undefined;
            throw error;
          });
          if (values === undefined) continue;
          const expected = await outcome(sample, device, sample.inputs.map(() => widest));
          const wrong = valueDifference(values, expected, apart);
          assert(wrong === undefined, `${name} of ${given.join(", ")}: ${wrong}`);
        }
      },
    });
  }
}
