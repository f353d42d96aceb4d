/**
 * `compile(step)`: run a step eagerly once, then replay its kernels without building anything again.
 *
 * @module
 */
import { noGrad } from "../autograd/tape.ts";
import { withRecorder } from "./capture.ts";
import { describeEntries, Program } from "./compile/program.ts";
import { Recording } from "./compile/record.ts";
import { CaptureError, DisposedError } from "./errors.ts";
import { keep, Scope, tidy } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/** What a compiled step may return. */
export type StepResult = Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>> | void;

/** Options of {@link compile}. */
export interface CompileOptions {
  /** Fuse elementwise kernels into their neighbours. Results then differ from eager ones by rounding only. Default true. */
  readonly fuse?: boolean;
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
  readonly program: Program;
  /** What the step was captured with; later arguments are copied in. */
  readonly statics: readonly Tensor[];
  /** The step's result, overwritten by each replay. */
  readonly result: Result;
  /** Leaves whose gradients the step leaves behind, with handles that keep those alive. */
  readonly gradients: readonly { readonly leaf: Tensor; readonly gradient: Tensor }[];
}

/**
 * Makes a step fast: its first call runs as it is (so that optimizer state comes to be), the next call for each signature (shapes, types,
 * device) is captured, later calls only replay the captured kernels. Learning rates, step counts and random keys advance.
 *
 * What the step does besides tensor operations happens while capturing only: it must not read values, and must not depend on anything on the
 * host that changes, except what the library itself counts (optimizers, schedules, generators).
 *
 * @param step A function of tensors; it may call `backward()` and `optimizer.step()`.
 * @returns The same function, compiled; its results are new tensors at each call.
 * @throws CaptureError when the step reads a value or draws host-made random numbers; DisposedError when a tensor it captured was freed.
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
  { fuse = true }: CompileOptions = {},
): CompiledStep<Args, Result> {
  const captured = new Map<string, Captured<Result>>();
  let warm = false;
  let latest: Captured<Result> | undefined;
  const call = (...args: Args): Result => {
    if (!warm) {
      const out = eager(step, args);
      warm = true;
      return out;
    }
    const signature = args.map(({ dtype, shape, device }) => `${dtype} ${shape} ${device}`).join(";");
    const known = captured.get(signature);
    if (known !== undefined) return replay(known, args);
    captured.set(signature, latest = capture(step, args, fuse));
    return copyResult(latest.result);
  };
  const dispose = (): void => {
    for (const entry of captured.values()) release(entry);
    captured.clear();
    latest = undefined;
  };
  return Object.assign(call, {
    explain(): Explanation {
      if (latest === undefined) throw new CaptureError("Cannot explain a compiled step: it is captured at its second call, call it first");
      return { before: describeEntries(latest.program.before), after: describeEntries(latest.program.after) };
    },
    dispose,
    [Symbol.dispose]: dispose,
  });
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

function capture<Args extends readonly Tensor[], Result extends StepResult>(
  step: (...args: Args) => Result,
  args: Args,
  fused: boolean,
): Captured<Result> {
  const statics = noGrad(() => args.map((arg) => keep(arg.clone().requiresGrad_(arg.requiresGrad && arg.isLeaf))));
  const recording = new Recording();
  const result = withRecorder(recording, () => eager(step, statics as unknown as Args));
  tensorsOf(result).forEach(keep);
  const gradients = [...recording.leaves].flatMap((leaf) => leaf.grad === null ? [] : [{ leaf, gradient: keep(leaf.grad.detach()) }]);
  const device = recording.device ?? statics[0]?.storageOf("compile").device;
  if (device === undefined) throw new CaptureError("Cannot compile: a step that does something with tensors is needed");
  return { program: new Program(recording, device, { fused }), statics, result, gradients };
}

function replay<Result extends StepResult>(captured: Captured<Result>, args: readonly Tensor[]): Result {
  if (tensorsOf(captured.result).some(({ isDisposed }) => isDisposed)) {
    throw new DisposedError("Cannot replay a compiled step: it was disposed");
  }
  noGrad(() => captured.statics.forEach((target, position) => target.copy_(args[position]!)));
  captured.program.replay();
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
