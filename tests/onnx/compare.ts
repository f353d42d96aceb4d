/**
 * Whether an output is what ONNX stored.
 *
 * @module
 */
import { Tensor } from "../../mod.ts";
import { elementDifference, type Tolerance } from "../close.ts";
import type { StoredTensor } from "./model.ts";
import type { Value } from "./operators/call.ts";

/** ONNX's own backend tests allow 1e-3 and 1e-7. */
const usual: Tolerance = { relative: 1e-5, absolute: 1e-7 };

/** Cases that the usual tolerance does not fit, with the reason. */
const others: readonly { readonly cases: RegExp; readonly tolerance: Tolerance; readonly why: string }[] = [
  {
    cases: /^test_(blackman|hamming|hann)window/,
    tolerance: { relative: 1e-3, absolute: 1e-7 },
    why: "they were made with 3.1415 for π",
  },
  {
    cases: /^test_(roialign|gridsample_bicubic)/,
    tolerance: { relative: 1e-6, absolute: 1e-4 },
    why: "their inputs and outputs were written down with four decimals",
  },
  {
    cases: /^test_layer_normalization/,
    tolerance: { relative: 1e-5, absolute: 5e-7 },
    why: "a mean is taken from values near 1 in float32, so that what is left near 0 is known to a few 1e-7",
  },
];

/** What differs; undefined where nothing does. */
export async function differenceOf(
  got: Value | undefined,
  expected: StoredTensor | StoredTensor[] | null,
  name: string,
): Promise<string | undefined> {
  if (expected === null) return got === null ? undefined : "no value is needed, got one";
  if (!Array.isArray(expected)) {
    return got instanceof Tensor ? await tensorDifference(got, expected, name) : "a tensor is needed, got none";
  }
  if (!Array.isArray(got) || got.length !== expected.length) return `a sequence of ${expected.length} is needed, got another value`;
  for (const [index, value] of expected.entries()) {
    const why = await tensorDifference(got[index] as Tensor, value, name);
    if (why !== undefined) return `element ${index}: ${why}`;
  }
  return undefined;
}

async function tensorDifference(got: Tensor, { shape, dtype, values }: StoredTensor, name: string): Promise<string | undefined> {
  if (got.dtype !== dtype) return `${dtype} is needed, got ${got.dtype}`;
  if (got.shape.join() !== shape.join()) return `shape [${shape}] is needed, got [${got.shape}]`;
  const tolerance = others.find(({ cases }) => cases.test(name))?.tolerance ?? usual;
  return elementDifference(await got.data(), values, { ...tolerance, shape });
}
