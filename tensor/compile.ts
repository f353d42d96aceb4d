/**
 * `compile(step)`: take a step down once, optimise its kernels, then replay them without building anything again.
 *
 * @module
 */
import { isGradEnabled, noGrad } from "../autograd/tape.ts";
import { refuseInCapture, withRecorder } from "./capture.ts";
import { Arena } from "./compile/arena.ts";
import { Ends } from "./compile/ends.ts";
import { describeEntries, Program, type ProgramOptions } from "./compile/program.ts";
import { asksForGradients, type Observation, Recording, stillHolds } from "./compile/record.ts";
import { checkFunction, checkOptions, kindOf } from "./arguments.ts";
import { ArgumentError, CaptureError, DisposedError } from "./errors.ts";
import { keep, Scope } from "./scope.ts";
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
  /** Where calls' arguments are read and their results written. */
  readonly ends: Ends;
  /** What the step was captured with in place of arguments. */
  readonly standIns: readonly Tensor[];
  /** The step's result, as it was captured. */
  readonly result: Result;
  /** Leaves whose gradients the step leaves behind, with handles that keep those alive. */
  readonly gradients: readonly { readonly leaf: Tensor; readonly gradient: Tensor }[];
}

/**
 * Makes a step fast: a call with a new signature takes the step's kernels down, optimises them and runs them; later calls only replay them.
 * The signature is the arguments' shapes, types and devices, which tensors those are that ask for gradients as leaves, and what the step
 * looks at: which parameters ask for gradients and which have some to be added to, and which modules are training. Learning rates, step
 * counts and random keys advance. The very first call's kernels serve that call alone, since they may make what the step keeps: optimizer
 * state, gradients.
 *
 * What the step does besides tensor operations happens while it is taken down only: it must not read values, and must not depend on anything
 * on the host that changes, except what the library itself counts (optimizers, schedules, generators).
 *
 * Arguments are read where they lie: they are copied only where they are strided views, where one tensor comes twice, and where the step
 * keeps them or writes into them (then the argument stays as it is). Results are new tensors at each call, on memory of their own and
 * without history.
 *
 * @param step A function of tensors; it may call `backward()` and `optimizer.step()`.
 * @returns The same function, compiled.
 * @throws ArgumentError unless `signatures` is a whole number from 1, and for arguments that are no tensors; CaptureError when the step reads
 * a value, draws host-made random numbers or calls another compiled step; DisposedError when a tensor it captured, or an argument, was freed.
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
  options: CompileOptions = {},
): CompiledStep<Args, Result> {
  checkFunction(step, "compile");
  const { fuse = true, signatures = 8 } = checkOptions(options, "compile", ["fuse", "signatures"]);
  if (!Number.isInteger(signatures) || signatures < 1) {
    throw new ArgumentError(`Cannot compile: a whole number of signatures from 1 is needed, got ${signatures}`);
  }
  // In the order of their last use.
  const captured: Captured<Result>[] = [];
  const arena = new Arena();
  let first = true;
  let latest: Program | undefined;
  const call = (...args: Args): Result => {
    refuseInCapture("compile", "call the inner function as it is");
    args.forEach(checkArgument);
    const signature = signatureOf(args);
    const known = captured.findLastIndex((entry) => entry.signature === signature && entry.found.every(stillHolds));
    if (known >= 0) {
      const [entry] = captured.splice(known, 1);
      captured.push(entry!);
      return replay(entry!, args);
    }
    const { out, ...fresh } = capture(step, args, { fused: fuse, arena });
    latest = fresh.program;
    if (first) release(fresh);
    else captured.push({ signature, ...fresh });
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

/** Refuses what is no tensor, or no longer one. */
function checkArgument(arg: Tensor, position: number): void {
  if (!(arg instanceof Tensor)) {
    throw new ArgumentError(`Cannot call a compiled step: tensors are needed, got ${kindOf(arg)} as argument ${position + 1}`);
  }
  arg.storageOf("call a compiled step with");
}

/** What a program is made for. */
function signatureOf(args: readonly Tensor[]): string {
  const parts = args.map((arg) => {
    const grad = asksForGradients(arg) ? ` leaf ${numberOf(arg)}` : arg.requiresGrad ? " grad" : "";
    return `${arg.dtype} ${arg.shape} ${arg.device}${grad}`;
  });
  return `${parts.join(";")}${isGradEnabled() ? "" : " noGrad"}`;
}

const numbers = new WeakMap<Tensor, number>();
let lastNumber = 0;

/** Tells tensors apart. */
function numberOf(tensor: Tensor): number {
  let number = numbers.get(tensor);
  if (number === undefined) numbers.set(tensor, number = ++lastNumber);
  return number;
}

function eager<Args extends readonly Tensor[], Result extends StepResult>(step: (...args: Args) => Result, args: Args): Result {
  return scoped(() => mapResult(step(...args), (tensor) => tensor.detach()));
}

/** Runs a body in a scope of its own, from which only its result leaves. */
function scoped<Result extends StepResult>(body: () => Result): Result {
  const inner = new Scope();
  try {
    const out = body();
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
  options: Omit<ProgramOptions, "movable">,
): Omit<Captured<Result>, "signature"> & { readonly out: Result } {
  const recording = new Recording();
  const parameters = recording.parametersFor(args);
  const standIns = parameters.filter((tensor) => !args.includes(tensor));
  const held = [...standIns];
  let taken = false;
  let program: Program | undefined;
  try {
    const result = takeDown(step, args, { parameters, recording });
    taken = true;
    held.push(...tensorsOf(result).map(keep));
    const gradients = [...recording.leaves].flatMap((leaf) => leaf.grad === null ? [] : [{ leaf, gradient: keep(leaf.grad.detach()) }]);
    held.push(...gradients.map(({ gradient }) => gradient));
    const device = recording.device ?? parameters[0]?.storageOf("compile").device;
    if (device === undefined) throw new CaptureError("Cannot compile: a step that does something with tensors is needed");
    const ends = new Ends(recording, parameters, tensorsOf(result));
    program = new Program(recording, device, { ...options, movable: ends.movable });
    const out = run({ program, ends, result }, args);
    return { program, ends, standIns, result, gradients, found: recording.observations(), out };
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
  { parameters, recording }: { readonly parameters: readonly Tensor[]; readonly recording: Recording },
): Result {
  try {
    return withRecorder(recording, () => eager(step, parameters as unknown as Args));
  } catch (error) {
    runTaken(recording, parameters, args); // if one of these kernels fails, it would have done so first
    throw error;
  }
}

/** Runs what was taken down before a step threw. */
function runTaken(recording: Recording, parameters: readonly Tensor[], args: readonly Tensor[]): void {
  if (recording.device === undefined) return;
  const arena = new Arena();
  const ends = new Ends(recording, parameters, []);
  const program = new Program(recording, recording.device, { fused: false, arena, movable: ends.movable });
  try {
    run({ program, ends, result: undefined }, args);
  } finally {
    program.dispose();
    arena.dispose();
  }
}

/** Runs a captured step on arguments; gives its results in new tensors. Calls `failed` when a part of the step may have run. */
function run<Result extends StepResult>(
  { program, ends, result }: Pick<Captured<Result>, "program" | "ends" | "result">,
  args: readonly Tensor[],
  failed: () => void = () => {},
): Result {
  const call = (): Result => {
    const { places, resultOf } = ends.begin(args, program);
    try {
      program.replay(places);
    } catch (error) {
      failed();
      throw error;
    }
    return mapResult(result, resultOf);
  };
  return noGrad(() => scoped(call));
}

function replay<Result extends StepResult>(captured: Captured<Result>, args: readonly Tensor[]): Result {
  if (tensorsOf(captured.result).some(({ isDisposed }) => isDisposed)) {
    throw new DisposedError("Cannot replay a compiled step: it was disposed");
  }
  const out = run(captured, args, () => captured.gradients.forEach(({ leaf }) => leaf.adoptGrad(null)));
  for (const { leaf, gradient } of captured.gradients) {
    if (leaf.grad?.storageOf("grad") !== gradient.storageOf("grad")) leaf.adoptGrad(keep(gradient.detach()));
  }
  return out;
}

function release<Result extends StepResult>({ program, standIns, result, gradients }: Omit<Captured<Result>, "signature">): void {
  program.dispose();
  for (const tensor of [...standIns, ...tensorsOf(result), ...gradients.map(({ gradient }) => gradient)]) tensor.dispose();
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
