/**
 * Runs golden cases of losses and operations, forward and backward, and compares.
 *
 * @module
 */
import { scope, Tensor } from "../../tensor/mod.ts";
import type { Place } from "../devices.ts";
import { difference } from "./compare.ts";
import { build, type GoldenCase, type Parameters } from "./format.ts";

/** One operation as a call of this library: a single output, or several by name, the differentiated one first. */
export type Runner = (inputs: Readonly<Record<string, Tensor>>, params: Parameters) => Tensor | Readonly<Record<string, Tensor>>;

/** Operations by the name a case gives. */
export type Runners = Readonly<Record<string, Runner>>;

/** Runs a case and says what is wrong, one line each; nothing when it passes. */
export async function faultsOf(golden: GoldenCase, run: Runner, place: Place): Promise<string[]> {
  using _ = scope();
  const inputs: Record<string, Tensor> = {};
  for (const [name, input] of Object.entries(golden.inputs)) {
    const made = build(input, place);
    inputs[name] = golden.grads?.[name] === undefined ? made : made.requiresGrad_();
  }
  const made = run(inputs, golden.params);
  const outputs: Readonly<Record<string, Tensor>> = made instanceof Tensor ? { [Object.keys(golden.expected)[0]!]: made } : made;
  const faults: string[] = [];
  for (const [name, expected] of Object.entries(golden.expected)) {
    const got = outputs[name];
    const wrong = got === undefined ? "it is missing" : await difference(got, expected, place.dtype, golden.f32AbsErr?.expected?.[name]);
    if (wrong !== undefined) faults.push(`${name}: ${wrong}`);
  }
  if (golden.grads === undefined || Object.keys(golden.grads).length === 0) return faults;
  const gradient = golden.gradOutput === undefined ? {} : { gradient: build(golden.gradOutput, place) };
  outputs[Object.keys(golden.expected)[0]!]!.backward(gradient);
  for (const [name, expected] of Object.entries(golden.grads)) {
    const got = inputs[name]!.grad ?? inputs[name]!.zerosLike();
    const wrong = await difference(got, expected, place.dtype, golden.f32AbsErr?.grads?.[name]);
    if (wrong !== undefined) faults.push(`gradient of ${name}: ${wrong}`);
  }
  return faults;
}
