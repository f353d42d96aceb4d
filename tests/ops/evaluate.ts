/**
 * Runs a sample somewhere, forward and backward, and compares outcomes.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { backward } from "../../autograd/backward.ts";
import { read, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import type { Place } from "../devices.ts";
import { valueDifference } from "../golden/compare.ts";
import { listOf, make, type Sample } from "./sample.ts";

/** One result. */
export interface Result {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly number[];
}

/** What came out, and the gradient of each input; null where none was asked for or none flowed. */
export interface Outcome {
  readonly outputs: readonly Result[];
  readonly gradients: readonly (Result | null)[];
}

/** How a sample is run. */
export interface Variation {
  /** What is done to each input first: another view of the same values. */
  readonly view?: (x: Tensor) => Tensor;
  /** Which inputs require a gradient. Default: all floats. */
  readonly requires?: (position: number) => boolean;
  /** Give the first tensor in place of the second. */
  readonly shared?: boolean;
}

/** Runs a sample, with a fixed gradient flowing into each output. */
export async function evaluate(sample: Sample, place: Place, variation: Variation = {}): Promise<Outcome> {
  using _ = scope();
  const { view = (x) => x, requires = () => true, shared = false } = variation;
  const leaves = sample.inputs.map((input, position) => {
    const made = make(input, place);
    return input.dtype === "float" && requires(position) ? made.requiresGrad_() : made;
  });
  const args = leaves.map((leaf) => view(leaf));
  if (shared) args[1] = args[0]!;
  const outputs = listOf(sample.run(...args));
  const flowing = outputs.filter(({ requiresGrad }) => requiresGrad);
  if (flowing.length > 0) backward(flowing, flowing.map((output, position) => ({ gradient: cotangent(output, position) })));
  return {
    outputs: await resultsOf(outputs),
    gradients: await Promise.all(leaves.map(async ({ grad }) => grad === null ? null : (await resultsOf([grad]))[0]!)),
  };
}

async function resultsOf(tensors: readonly Tensor[]): Promise<Result[]> {
  const values = await read(...tensors);
  return tensors.map(({ shape, dtype }, position) => ({ shape, dtype, values: Array.from(values[position]!) }));
}

/** Multiples of 1/16 without pattern: exact in every type. */
function cotangent({ shape, size, dtype, device }: Tensor, seed: number): Tensor {
  const values = Float64Array.from({ length: size }, (_, i) => (((i * 37 + seed * 11 + 5) % 41) - 20) / 16 || 0.5);
  return tensor(values, { shape, dtype, device });
}

/** How far two devices may be apart in float32: relative to a tensor's largest value, and absolutely. */
const apart = { relative: 1e-5, absolute: 2e-6, least: 0 };

/** Asserts that two outcomes have the same types and shapes, and values as close as `tolerance`. */
export function assertSameOutcome(got: Outcome, expected: Outcome, where: string, tolerance = apart): void {
  assertEquals(got.outputs.length, expected.outputs.length, where);
  got.outputs.forEach((output, position) =>
    assertSameResult(output, expected.outputs[position]!, `${where}, output ${position}`, tolerance)
  );
  assertEquals(got.gradients.map((gradient) => gradient === null), expected.gradients.map((gradient) => gradient === null), where);
  got.gradients.forEach((gradient, position) => {
    if (gradient === null) return;
    assertSameResult(gradient, expected.gradients[position]!, `${where}, gradient of input ${position}`, tolerance);
  });
}

/** Asserts that two results agree. */
export function assertSameResult(got: Result, expected: Result, where: string, tolerance = apart): void {
  assertEquals([got.dtype, got.shape], [expected.dtype, expected.shape], where);
  const wrong = valueDifference(got.values, expected.values, tolerance);
  assert(wrong === undefined, `${where}: ${wrong}`);
}
