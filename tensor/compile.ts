/**
 * `compile(step)`: take a step down once, optimise its kernels, then replay them without building anything again.
 *
 * @module
 */
import { isGradEnabled, noGrad } from "../autograd/tape.ts";
import { withRecorder } from "./capture.ts";
import { Arena } from "./compile/arena.ts";
import { describeEntries, Program, type ProgramOptions } from "./compile/program.ts";
import { type Observation, Recording, stillHolds } from "./compile/record.ts";
import { ArgumentError, CaptureError, DisposedError } from "./errors.ts";
import { keep, Scope, tidy } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/** What a compiled step may return. */
export type StepResult = Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>> | void;

/** Options of {@link compile}. */
export interface CompileOptions {
  /** Fuse elementwise kernels into their neighbours. Results then differ from eager ones by rounding only. Default true. */
  readonly fuse?: boolean;
  /** How many signatures are kept; beyond it the one that was not used for longest is captured again. Default 8. */
  readonly signatures?: number;
}

/** The kernels of a compiled step. */
export interface Explanation {
  /** One line per kernel, as captured. */
  readonly before: readonly string[];
  /** One line per kernel, as replayed. */
  readonly after: readonly string[];
}

/** A function of the same arguments and results as the step. */
export interface CompiledStep<Args extends readonly Tensor[], Result extends StepResult> extends Disposable {
  /** Runs the step. */
  (...args: Args): Result;
  /** The kernels of the signature captured last. */
  explain(): Explanation;
  /** Frees what was captured. */
  dispose(): void;
}

/** One captured signature. */
interface Captured<Result> {
  readonly signature: string;
  /** What the step found on the host (gradients to add to, modules in training): with other values it may do something else. */
  readonly found: readonly Observation[];
  readonly program: Program;
  /** What the step was captured with; later arguments are copied in. */
  readonly statics: readonly Tensor[];
  /** The step's result, overwritten by each replay. */
  readonly result: Result;
  /** Leaves whose gradients the step leaves behind, with handles that keep those alive. */
  readonly gradients: readonly { readonly leaf: Tensor; readonly gradient: Tensor }[];
}

/**
 * Makes a step fast: a call with a new signature takes the step's kernels down, optimises them and runs them; later calls only replay them.
 * The signature is the arguments' shapes, types and devices, and what the step looks at: which parameters ask for gradients and which have
 * some to be added to, and which modules are training. Learning rates, step counts and random keys advance. The very first call's kernels serve that call alone, since
 * they may make what the step keeps: optimizer state, gradients.
 *
 * What the step does besides tensor operations happens while it is taken down only: it must not read values, and must not depend on anything
 * on the host that changes, except what the library itself counts (optimizers, schedules, generators).
 *
 * @param step A function of tensors; it may call `backward()` and `optimizer.step()`.
 * @returns The same function, compiled; its results are new tensors at each call.
 * @throws ArgumentError unless `signatures` is a whole number from 1; CaptureError when the step reads a value or draws host-made random
 * numbers; DisposedError when a tensor it captured was freed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, tensor } from "./mod.ts";
 *
 * const w = tensor([2], { requiresGrad: true });
 * const step = compile((x: typeof w) => {
 *   w.grad = null;
 *   const loss = w.mul(x).square().sum();
 *   loss.backward();
 *   return { loss };
 * });
 * for (const value of [1, 2, 3]) assertEquals(await step(tensor([value])).loss.item(), (2 * value) ** 2);
 * assertEquals(await w.grad!.toArray(), [36]); // 2 w x²
 * ```
 */
export function compile<Args extends readonly Tensor[], Result extends StepResult>(
  step: (...args: Args) => Result,
  { fuse = true, signatures = 8 }: CompileOptions = {},
): CompiledStep<Args, Result> {
  if (!Number.isInteger(signatures) || signatures < 1) {
    throw new ArgumentError(`Cannot compile: a whole number of signatures from 1 is needed, got ${signatures}`);
  }
  // In the order of their last use.
  const captured: Captured<Result>[] = [];
  const arena = new Arena();
  let first = true;
  let latest: Program | undefined;
  const call = (...args: Args): Result => {
    const signature = signatureOf(args);
    const known = captured.findLastIndex((entry) => entry.signature === signature && entry.found.every(stillHolds));
    if (known >= 0) {
      const [entry] = captured.splice(known, 1);
      captured.push(entry!);
      return replay(entry!, args);
    }
    const fresh = { signature, ...capture(step, args, { fused: fuse, arena }) };
    latest = fresh.program;
    const out = copyResult(fresh.result);
    if (first) release(fresh);
    else captured.push(fresh);
    first = false;
    if (captured.length > signatures) release(captured.shift()!);
    return out;
  };
  const dispose = (): void => {
    captured.splice(0).forEach(release);
    arena.dispose();
  };
  return Object.assign(call, {
    explain(): Explanation {
      if (latest === undefined) throw new CaptureError("Cannot explain a compiled step: it is captured when it is called, call it first");
      return { before: describeEntries(latest.before), after: describeEntries(latest.after) };
    },
    dispose,
    [Symbol.dispose]: dispose,
  });
}

/** What a program is made for. */
function signatureOf(args: readonly Tensor[]): string {
  const parts = args.map(({ dtype, shape, device, requiresGrad }) => `${dtype} ${shape} ${device}${requiresGrad ? " grad" : ""}`);
  return `${parts.join(";")}${isGradEnabled() ? "" : " noGrad"}`;
}

function eager<Args extends readonly Tensor[], Result extends StepResult>(step: (...args: Args) => Result, args: Args): Result {
  return scoped(() => step(...args), (result) => mapResult(result, (tensor) => tensor.detach()));
}

/** Runs a body in a scope of its own, from which only `finish`'s tensors leave. */
function scoped<Result extends StepResult>(body: () => Result, finish: (result: Result) => Result): Result {
  const inner = new Scope();
  try {
    const out = finish(body());
    tensorsOf(out).forEach((tensor) => inner.keep(tensor));
    return out;
  } finally {
    inner[Symbol.dispose]();
  }
}

/** Takes a step down and runs it. When either fails, what came before has happened, as it would have eagerly. */
function capture<Args extends readonly Tensor[], Result extends StepResult>(
  step: (...args: Args) => Result,
  args: Args,
  options: ProgramOptions,
): Omit<Captured<Result>, "signature"> {
  const statics = noGrad(() => args.map((arg) => keep(arg.clone().requiresGrad_(arg.requiresGrad && arg.isLeaf))));
  const recording = new Recording();
  const held = [...statics];
  let taken = false;
  let program: Program | undefined;
  try {
    const result = takeDown(step, statics as unknown as Args, recording);
    taken = true;
    held.push(...tensorsOf(result).map(keep));
    const gradients = [...recording.leaves].flatMap((leaf) => leaf.grad === null ? [] : [{ leaf, gradient: keep(leaf.grad.detach()) }]);
    held.push(...gradients.map(({ gradient }) => gradient));
    const device = recording.device ?? statics[0]?.storageOf("compile").device;
    if (device === undefined) throw new CaptureError("Cannot compile: a step that does something with tensors is needed");
    program = new Program(recording, device, options);
    program.replay();
    return { program, statics, result, gradients, found: recording.observations() };
  } catch (error) {
    program?.dispose();
    for (const tensor of held) tensor.dispose();
    // Gradients that were not computed must not be taken for some.
    if (taken) { for (const leaf of recording.leaves) leaf.adoptGrad(null); }
    throw error;
  }
}

function takeDown<Args extends readonly Tensor[], Result extends StepResult>(
  step: (...args: Args) => Result,
  args: Args,
  recording: Recording,
): Result {
  try {
    return withRecorder(recording, () => eager(step, args));
  } catch (error) {
    runTaken(recording); // if one of these kernels fails, it would have done so first
    throw error;
  }
}

/** Runs what was taken down before a step threw. */
function runTaken(recording: Recording): void {
  if (recording.device === undefined) return;
  const arena = new Arena();
  const program = new Program(recording, recording.device, { fused: false, arena });
  try {
    program.replay();
  } finally {
    program.dispose();
    arena.dispose();
  }
}

function replay<Result extends StepResult>(captured: Captured<Result>, args: readonly Tensor[]): Result {
  if (tensorsOf(captured.result).some(({ isDisposed }) => isDisposed)) {
    throw new DisposedError("Cannot replay a compiled step: it was disposed");
  }
  noGrad(() => captured.statics.forEach((target, position) => target.copy_(args[position]!)));
  try {
    captured.program.replay();
  } catch (error) {
    for (const { leaf } of captured.gradients) leaf.adoptGrad(null);
    throw error;
  }
  for (const { leaf, gradient } of captured.gradients) {
    if (leaf.grad?.storageOf("grad") !== gradient.storageOf("grad")) leaf.adoptGrad(keep(gradient.detach()));
  }
  return copyResult(captured.result);
}

function release<Result extends StepResult>({ program, statics, result, gradients }: Captured<Result>): void {
  program.dispose();
  for (const tensor of [...statics, ...tensorsOf(result), ...gradients.map(({ gradient }) => gradient)]) tensor.dispose();
}

/** New tensors with the result's values, since the next replay overwrites it. */
function copyResult<Result extends StepResult>(result: Result): Result {
  return noGrad(() => mapResult(result, (tensor) => tidy(() => tensor.clone())));
}

function tensorsOf(result: StepResult): Tensor[] {
  if (result === undefined) return [];
  if (result instanceof Tensor) return [result];
  return Object.values(result as Readonly<Record<string, Tensor>>);
}

function mapResult<Result extends StepResult>(result: Result, change: (tensor: Tensor) => Tensor): Result {
  if (result === undefined) return result;
  if (result instanceof Tensor) return change(result) as Result;
  if (Array.isArray(result)) return result.map(change) as unknown as Result;
  return Object.fromEntries(
    Object.entries(result as Readonly<Record<string, Tensor>>).map(([name, tensor]) => [name, change(tensor)]),
  ) as Result;
}
