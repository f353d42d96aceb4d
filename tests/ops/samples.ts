/**
 * One table of samples per operation, method, function and loss. It is typed by what the library exports: something new without samples
 * does not compile.
 *
 * @module
 */
import type * as functions from "../../tensor/functions.ts";
import type * as losses from "../../losses/mod.ts";
import type { Sorted, Tensor } from "../../tensor/mod.ts";
import type * as activations from "../../tensor/activations.ts";
import type * as pooling from "../../tensor/pooling.ts";
import type * as activation from "../../tensor/ops/activation.ts";
import type * as arithmetic from "../../tensor/ops/arithmetic.ts";
import type * as binary from "../../tensor/ops/binary.ts";
import type * as dropping from "../../tensor/ops/dropout.ts";
import type * as diagonals from "../../tensor/ops/diagonal.ts";
import type * as indexing from "../../tensor/ops/index.ts";
import type * as products from "../../tensor/ops/matmul.ts";
import type * as normalizing from "../../tensor/ops/normalize_by.ts";
import type * as pointwise from "../../tensor/ops/pointwise.ts";
import type * as pairs from "../../tensor/ops/pairs.ts";
import type * as random from "../../tensor/ops/random.ts";
import type * as reduction from "../../tensor/ops/reduce.ts";
import type * as scans from "../../tensor/ops/scan.ts";
import type * as shaping from "../../tensor/ops/shape.ts";
import type * as rows from "../../tensor/ops/softmax.ts";
import type * as special from "../../tensor/ops/special.ts";
import type * as unary from "../../tensor/ops/unary.ts";
import type { OpsOf, Sample, Samples, TensorFunctionsOf } from "./sample.ts";
import {
  activationFunctionSamples,
  activationSamples,
  arithmeticSamples,
  type BreadthFunction,
  breadthFunctionSamples,
  breadthSamples,
  diagonalSamples,
  scanSamples,
  specialSamples,
} from "./samples/breadth.ts";
import { binarySamples, elementwiseMethodSamples, unarySamples } from "./samples/elementwise.ts";
import { type FurtherFunction, furtherFunctionSamples, furtherSamples, pointwiseSamples } from "./samples/further.ts";
import { lossSamples } from "./samples/losses.ts";
import { metricLossSamples } from "./samples/metric_losses.ts";
import { functionSamples, pairSamples, productSamples } from "./samples/products.ts";
import { normalizeBySamples, reduceMethodSamples, reduceSamples, rowSamples } from "./samples/reductions.ts";
import { dropoutSamples, indexSamples, randomSamples, shapeMethodSamples, shapeSamples } from "./samples/shapes.ts";

/** Every declared operation. */
export type OpName =
  | OpsOf<typeof unary>
  | OpsOf<typeof binary>
  | OpsOf<typeof arithmetic>
  | OpsOf<typeof activation>
  | OpsOf<typeof pointwise>
  | OpsOf<typeof diagonals>
  | OpsOf<typeof scans>
  | OpsOf<typeof special>
  | OpsOf<typeof reduction>
  | OpsOf<typeof rows>
  | OpsOf<typeof products>
  | OpsOf<typeof shaping>
  | OpsOf<typeof indexing>
  | OpsOf<typeof random>
  | OpsOf<typeof dropping>
  | OpsOf<typeof normalizing>
  | OpsOf<typeof pairs>;

/** Methods that compute no function of the values: what is recorded, where it lives, and writes in place; see tests/autograd and tests/tensor. */
type Bookkeeping =
  | "requiresGrad_"
  | "detach"
  | "retainGrad"
  | "savedAlias"
  | "add_"
  | "sub_"
  | "mul_"
  | "div_"
  | "copy_"
  | "fill_"
  | "zero_";

/** Every method of a tensor that gives tensors. */
type MethodName = Exclude<
  { [Name in keyof Tensor]: Tensor[Name] extends (...args: never[]) => Tensor | Tensor[] | Sorted ? Name : never }[keyof Tensor],
  Bookkeeping
>;

/** Everything that has samples. */
export type SampleName =
  | OpName
  | MethodName
  | TensorFunctionsOf<typeof functions>
  | TensorFunctionsOf<typeof pooling>
  | TensorFunctionsOf<typeof activations>
  | BreadthFunction
  | FurtherFunction
  | TensorFunctionsOf<typeof losses>
  | "stack";

/** The samples of everything. */
export const samples: Samples<SampleName> = {
  ...unarySamples,
  ...binarySamples,
  ...elementwiseMethodSamples,
  ...arithmeticSamples,
  ...activationSamples,
  ...activationFunctionSamples,
  ...diagonalSamples,
  ...scanSamples,
  ...specialSamples,
  ...breadthSamples,
  ...breadthFunctionSamples,
  ...pointwiseSamples,
  ...furtherSamples,
  ...furtherFunctionSamples,
  ...reduceSamples,
  ...reduceMethodSamples,
  ...rowSamples,
  ...normalizeBySamples,
  ...productSamples,
  ...pairSamples,
  ...functionSamples,
  ...shapeSamples,
  ...shapeMethodSamples,
  ...indexSamples,
  ...randomSamples,
  ...dropoutSamples,
  ...lossSamples,
  ...metricLossSamples,
};

/** The names that have samples, each once where two share them. */
export const sampleNames: readonly SampleName[] = namesOnce();

function namesOnce(): SampleName[] {
  const seen = new Set<readonly Sample[]>();
  return (Object.keys(samples) as SampleName[]).filter((name) => {
    const known = seen.has(samples[name]);
    seen.add(samples[name]);
    return !known;
  });
}
