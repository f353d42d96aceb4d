/**
 * Replays one stored call and says whether it agrees with PyTorch.
 *
 * @module
 */
import { gradients } from "../../autograd/backward.ts";
import {
  ArgumentError,
  CaptureError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  GradientError,
  IndexError,
  ShapeError,
} from "../../tensor/errors.ts";
import { type DType, read, scope, Tensor } from "../../tensor/mod.ts";
import { elementDifference } from "../close.ts";
import { Arguments, Unsupported } from "./arguments.ts";
import { build, elementsOf, type ErrorInput, type Operator, ourTypes, type Sample, type StoredCall, type StoredTensor } from "./format.ts";
import { refusedByTypes } from "./refused_by_types.ts";
import { type Tolerance, toleranceOf } from "./tolerances.ts";

/** What a row of the table returns: the outputs in PyTorch's order. */
export type Result = Tensor | readonly Tensor[];

/** One operator as a Tandem call. */
export interface Row {
  /** PyTorch's names of the positional parameters. */
  readonly names: readonly string[];
  /** Whether Tandem has it under no name of its own: several calls say it. */
  readonly composed: boolean;
  /** The call. */
  readonly call: (a: Arguments) => Result | Promise<Result>;
  /** Whether its results are drawn, so that there is nothing to compare. */
  readonly random?: boolean;
  /** Our outputs where several are right, such as vectors of either sign, made to be the ones that PyTorch chose. */
  readonly align?: (got: readonly Tensor[], expected: readonly Tensor[]) => readonly Tensor[];
}

/** What became of a replay. An error is "uncompiled" where the call that PyTorch refuses is none in TypeScript. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "unsupported" | "uncompiled"; readonly what: string };

const passed: Outcome = { kind: "passed" };

/** Where and how a sample is replayed. */
export interface Replay {
  readonly device: string;
  readonly gradient: boolean;
}

/** Replays a sample, forward or also backward. */
export async function replaySample(row: Row, operator: Operator, sample: Sample, { device, gradient }: Replay): Promise<Outcome> {
  if (row.random) return { kind: "unsupported", what: "a random result" };
  using _ = scope();
  try {
    const tensors = buildAll(sample, operator, device);
    if (gradient) tensors.forEach((made, position) => sample.tensors[position]!.requiresGrad && made?.requiresGrad_());
    const outputs = aligned(
      row,
      await run(row, sample, tensors),
      () => sample.outputs.map((stored) => build(stored, operator.elements, device)!),
    );
    const why = gradient
      ? await compareGradients(operator, sample, tensors, outputs, device)
      : await compareOutputs(operator, sample, outputs, device);
    return why === undefined ? passed : { kind: "failed", why };
  } catch (error) {
    if (error instanceof Unsupported) return { kind: "unsupported", what: error.what };
    if (error instanceof DTypeError && error.message.includes(`a type that ${device} supports`)) {
      return { kind: "unsupported", what: `a type that ${device} lacks` };
    }
    if (error instanceof ArgumentError && error.message.includes("a wgsl function is needed")) {
      return { kind: "unsupported", what: `a custom kernel on ${device}` };
    }
    return { kind: "failed", why: String(error) };
  }
}

/** Replays an error input: a typed error, when calling or when reading, is what is wanted. */
export async function replayError(row: Row, operator: Operator, input: ErrorInput, device: string): Promise<Outcome> {
  using _ = scope();
  try {
    await read(...await run(row, input, buildAll(input, operator, device)));
  } catch (error) {
    if (error instanceof Unsupported) {
      return { kind: refusedByTypes[error.what] === undefined ? "unsupported" : "uncompiled", what: error.what };
    }
    return typedErrors.some((type) => error instanceof type)
      ? passed
      : row.composed
      ? lenient
      : { kind: "failed", why: `a typed error is needed, got ${String(error)}; PyTorch: ${input.message}` };
  }
  if (row.composed) return lenient;
  return { kind: "failed", why: `an error is needed, got a result; PyTorch: ${input.message}` };
}

const lenient: Outcome = { kind: "unsupported", what: "an error of a composed call" };

const typedErrors = [
  ArgumentError,
  CaptureError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  GradientError,
  IndexError,
  ShapeError,
];

function buildAll(call: StoredCall, { elements }: Operator, device: string): (Tensor | undefined)[] {
  return call.tensors.map((stored) => build(stored, elements, device));
}

async function run(row: Row, call: StoredCall, tensors: readonly (Tensor | undefined)[]): Promise<readonly Tensor[]> {
  const bound = new Arguments(call, row.names, tensors);
  const result = await row.call(bound);
  if (bound.unread !== undefined) throw new Unsupported(bound.unread);
  return result instanceof Tensor ? [result] : result;
}

function aligned({ align }: Row, got: readonly Tensor[], expected: () => Tensor[]): readonly Tensor[] {
  return align === undefined ? got : align(got, expected());
}

async function compareOutputs({ name, elements }: Operator, sample: Sample, outputs: readonly Tensor[], device: string) {
  if (outputs.length !== sample.outputs.length) return `${sample.outputs.length} outputs are needed, got ${outputs.length}`;
  for (const [position, expected] of sample.outputs.entries()) {
    const tolerance = toleranceOf({ operator: name, gradient: false, device });
    const why = await difference(outputs[position]!, expected, elements, tolerance);
    if (why !== undefined) return `output ${position}: ${why}`;
  }
  return undefined;
}

async function compareGradients(
  { name, elements }: Operator,
  sample: Sample,
  tensors: readonly (Tensor | undefined)[],
  outputs: readonly Tensor[],
  device: string,
): Promise<string | undefined> {
  const flowing = outputs.flatMap((output, position) => {
    const cotangent = sample.cotangents![position];
    return cotangent == null ? [] : [{ output, gradient: build(cotangent, elements, device)! }];
  });
  const leaves = tensors.flatMap((made, position) => made?.requiresGrad ? [{ made, expected: sample.gradients![position] ?? null }] : []);
  const recorded = flowing.filter(({ output }) => output.requiresGrad);
  const found = gradients(
    recorded.map(({ output }) => output),
    leaves.map(({ made }) => made),
    recorded.map(({ gradient }) => ({ gradient })),
  );
  for (const [position, { made, expected }] of leaves.entries()) {
    const got = found[position] ?? made.zerosLike();
    const tolerance = toleranceOf({ operator: name, gradient: true, device });
    const why = expected === null ? await notZero(got) : await difference(got, expected, elements, tolerance);
    if (why !== undefined) return `gradient ${position}: ${why}`;
  }
  return undefined;
}

/** PyTorch sends no gradient there: only zeros say the same. */
async function notZero(got: Tensor): Promise<string | undefined> {
  return (await got.data()).some((value) => value !== 0) ? "no gradient is needed, got one" : undefined;
}

async function difference(got: Tensor, expected: StoredTensor, elements: ArrayBuffer, tolerance: Tolerance): Promise<string | undefined> {
  const type: DType | undefined = ourTypes[expected.dtype];
  const values = elementsOf(expected, elements);
  if (type === undefined || values === undefined) throw new Unsupported(`result ${expected.dtype}`);
  if (got.dtype !== type) return `${type} is needed, got ${got.dtype}`;
  if (got.shape.join() !== expected.shape.join()) return `shape [${expected.shape}] is needed, got [${got.shape}]`;
  return elementDifference(await got.data(), values, { ...tolerance, shape: expected.shape });
}
