/**
 * Golden cases of `optim/` as calls of this library: each runner says what is wrong, one line each; nothing when the case passes.
 *
 * @module
 */
import { crossEntropy, eSupCon, type ESupConOptions } from "../../losses/mod.ts";
import { Conv1d, Conv2d, init, Linear, type Module } from "../../nn/mod.ts";
import {
  Adagrad,
  Adam,
  AdamW,
  clipGradNorm,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LinearLR,
  MultiStepLR,
  type Optimizer,
  PolynomialLR,
  RMSprop,
  type Schedule,
  type Scheduled,
  SGD,
  StepLR,
  WarmupCosineLR,
} from "../../optim/mod.ts";
import { Generator, linear, scope, type Tensor, tensor, zeros } from "../../tensor/mod.ts";
import type { Place } from "../devices.ts";
import { tolerance, valueDifference } from "./compare.ts";
import { build, type GoldenTensor, numbersOf } from "./format.ts";

/** A case names something this library does not have. */
export class Unsupported extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "Unsupported";
}

const oracle: Place = { device: "cpu", dtype: "float64" };

type Numbers = Readonly<Record<string, number>>;

// ---- initialisation -------------------------------------------------------------------------------------------------

/** One case of init.json; which fields are there depends on `op`. */
export interface InitCase {
  readonly name: string;
  readonly op: string;
  readonly shape: readonly number[];
  readonly params: { readonly nonlinearity?: string; readonly a?: number; readonly mode?: string; readonly gain?: number };
  readonly fanIn: number;
  readonly fanOut: number;
  readonly gain?: number;
  readonly std?: number;
  readonly uniformBound?: number;
  readonly weightBound?: number;
  readonly biasBound?: number;
}

/** Draws the tensor of a case and checks bounds and moments as the file's layout says. */
export async function runInit(golden: InitCase, { device, dtype }: Place = oracle): Promise<string[]> {
  using _ = scope();
  const generator = new Generator(20_231);
  const faults: string[] = [];
  const fan = init.calculateFan(golden.shape);
  faults.push(...near("fanIn", fan.fanIn, golden.fanIn), ...near("fanOut", fan.fanOut, golden.fanOut));
  const blank = () => zeros(golden.shape, { device, dtype });
  const { params } = golden;
  if (golden.op === "torchDefaultLinearConv") {
    const { weight, bias } = defaultLayer(golden.shape, { device, dtype, generator });
    faults.push(...checkUniform("weight", await weight.data(), golden.weightBound!));
    faults.push(...checkUniform("bias", await bias!.data(), golden.biasBound!));
    return faults;
  }
  if (golden.op === "kaiming") {
    const options = {
      mode: params.mode === "fan_out" ? "fanOut" as const : "fanIn" as const,
      nonlinearity: nonlinearities[params.nonlinearity!] ?? unsupported(params.nonlinearity),
      a: params.a!,
      generator,
    };
    faults.push(...near("gain", init.calculateGain(options.nonlinearity, { a: options.a }), golden.gain!));
    faults.push(...checkNormal("normal", await init.kaimingNormal(blank(), options).data(), golden.std!));
    faults.push(...checkUniform("uniform", await init.kaimingUniform(blank(), options).data(), golden.uniformBound!));
    return faults;
  }
  if (golden.op === "xavier") {
    const options = { gain: params.gain!, generator };
    faults.push(...checkNormal("normal", await init.xavierNormal(blank(), options).data(), golden.std!));
    faults.push(...checkUniform("uniform", await init.xavierUniform(blank(), options).data(), golden.uniformBound!));
    return faults;
  }
  return unsupported(golden.op);
}

const nonlinearities: Readonly<Record<string, init.Nonlinearity>> = {
  linear: "linear",
  relu: "relu",
  leaky_relu: "leakyRelu",
  tanh: "tanh",
  sigmoid: "sigmoid",
  selu: "selu",
};

function defaultLayer(
  [outputs, inputs, ...kernelSize]: readonly number[],
  options: Place & { readonly generator: Generator },
): Module & { readonly weight: Tensor; readonly bias: Tensor | null } {
  if (kernelSize.length === 0) return new Linear(inputs!, outputs!, options);
  return new (kernelSize.length === 1 ? Conv1d : Conv2d)(inputs!, outputs!, { ...options, kernelSize });
}

function near(name: string, got: number, expected: number): string[] {
  return Math.abs(got - expected) <= 1e-12 * Math.abs(expected) ? [] : [`${name}: ${expected} is needed, got ${got}`];
}

function checkNormal(name: string, values: ArrayLike<number>, std: number): string[] {
  return checkMoments(name, values, std, 4.5 / Math.sqrt(2 * values.length));
}

function checkUniform(name: string, values: ArrayLike<number>, bound: number): string[] {
  const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const count = values.length;
  return [
    ...checkMoments(name, values, bound / Math.sqrt(3), 4.5 * 0.45 / Math.sqrt(count)),
    // float32 rounds the bound itself.
    ...(largest <= bound * (1 + 1e-6) ? [] : [`${name}: values within ±${bound} are needed, got ${largest}`]),
    ...(largest > bound * (1 - 20 / count) ? [] : [`${name}: values up to ±${bound} are needed, got at most ${largest}`]),
  ];
}

function checkMoments(name: string, values: ArrayLike<number>, std: number, spread: number): string[] {
  const list = Array.from(values);
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const deviation = Math.sqrt(list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (list.length - 1));
  return [
    ...(Math.abs(mean) < 4.5 * std / Math.sqrt(list.length) ? [] : [`${name}: a mean near 0 is needed, got ${mean}`]),
    ...(Math.abs(deviation / std - 1) < spread ? [] : [`${name}: a deviation of ${std} is needed, got ${deviation}`]),
  ];
}

// ---- optimizers -----------------------------------------------------------------------------------------------------

/** The function that an optimizer case minimises. */
export type Problem =
  | { readonly kind: "quadratic"; readonly A: readonly (readonly number[])[]; readonly b: readonly number[] }
  | { readonly kind: "rosenbrock" };

/** One case of optimizers.json. */
export interface OptimizerCase {
  readonly name: string;
  readonly op: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly problem?: Problem;
  readonly x0?: readonly number[];
  readonly steps?: number;
  /** The parameters after t steps. */
  readonly x?: readonly (readonly number[])[];
  readonly loss?: readonly number[];
  readonly f32AbsErr?: number;
  /** Of clipGradNorm. */
  readonly grad?: readonly number[];
  readonly total?: number;
  readonly clipped?: readonly number[];
}

/** Follows an optimizer step by step. */
export async function runOptimizer(golden: OptimizerCase, place: Place = oracle): Promise<string[]> {
  using _ = scope();
  if (golden.op === "clipGradNorm") return await runClip(golden, place);
  const x = tensor(golden.x0!, { ...place, requiresGrad: true });
  const optimizer = makeOptimizer(golden.op, [x], golden.params);
  const loss = objective(golden.problem!, place);
  const faults: string[] = [];
  for (let step = 0; step <= golden.steps!; step++) {
    const value = loss(x);
    const limits = tolerance(place.dtype, golden.f32AbsErr);
    const wrong = valueDifference(await x.data(), golden.x![step]!, limits);
    if (wrong !== undefined) faults.push(`x[${step}]: ${wrong}`);
    // The objective's slope carries an error in x on to the loss.
    const wrongLoss = place.dtype === "float64" ? valueDifference(await value.data(), [golden.loss![step]!], limits) : undefined;
    if (wrongLoss !== undefined) faults.push(`loss[${step}]: ${wrongLoss}`);
    optimizer.zeroGrad();
    value.backward();
    optimizer.step();
  }
  optimizer.dispose();
  return faults;
}

async function runClip({ params, grad, total, clipped }: OptimizerCase, place: Place): Promise<string[]> {
  // Two parameters, so that the norm is that of both together.
  const halves = [grad!.slice(0, 2), grad!.slice(2)];
  const parameters = halves.map((half) => {
    const parameter = zeros([half.length], { ...place, requiresGrad: true });
    parameter.grad = tensor(half, place);
    return parameter;
  });
  const norm = clipGradNorm(parameters, { maxNorm: params["maxNorm"] as number });
  const values = (await Promise.all(parameters.map(({ grad }) => grad!.data()))).flatMap((part) => [...part]);
  const faults = [
    valueDifference([await norm.item()], [total!], tolerance(place.dtype)),
    valueDifference(values, clipped!, tolerance(place.dtype)),
  ];
  return faults.flatMap((fault) => fault ?? []);
}

function makeOptimizer(kind: string, parameters: readonly Tensor[], params: Readonly<Record<string, unknown>>): Optimizer {
  const options = Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), value]),
  ) as { lr: number };
  switch (kind) {
    case "sgd":
      return new SGD(parameters, options);
    case "adam":
      return new Adam(parameters, options);
    case "adamw":
      return new AdamW(parameters, options);
    case "rmsprop":
      return new RMSprop(parameters, options);
    case "adagrad":
      return new Adagrad(parameters, options);
    default:
      return unsupported(kind);
  }
}

function objective(problem: Problem, place: Place): (x: Tensor) => Tensor {
  if (problem.kind === "quadratic") {
    const a = tensor(problem.A, place);
    const b = tensor(problem.b, place);
    return (x) => a.matmul(x).mul(x).sum().mul(0.5).sub(b.mul(x).sum());
  }
  if (problem.kind === "rosenbrock") {
    return (x) => {
      const head = x.slice(0, { end: -1 });
      const tail = x.slice(0, { start: 1 });
      return tail.sub(head.square()).square().mul(100).add(head.neg().add(1).square()).sum();
    };
  }
  return unsupported((problem as { kind: string }).kind);
}

// ---- a whole training -----------------------------------------------------------------------------------------------

/** One case of mlp_training.json. */
export interface MlpCase {
  readonly name: string;
  readonly params: {
    readonly activation: string;
    readonly optimizer: { readonly kind: string } & Numbers;
    readonly loss: string;
    readonly embeddingOffset: number;
    readonly lossParams: ESupConOptions;
    readonly steps: number;
  };
  readonly inputs: Readonly<Record<"x" | "labels" | "w1" | "b1" | "w2" | "b2", GoldenTensor>>;
  /** Before step t. */
  readonly loss: readonly number[];
  readonly final: Readonly<Record<string, GoldenTensor>>;
}

/** Trains a network of two layers and compares the losses on the way and the parameters at the end. */
export async function runMlpTraining(golden: MlpCase, place: Place = oracle): Promise<string[]> {
  using _ = scope();
  const { params, inputs } = golden;
  const x = build(inputs.x, place);
  const labels = build(inputs.labels, place);
  const parameters = { w1: leaf("w1"), b1: leaf("b1"), w2: leaf("w2"), b2: leaf("b2") };
  function leaf(name: "w1" | "b1" | "w2" | "b2"): Tensor {
    return build(inputs[name], place).requiresGrad_();
  }
  const { kind, ...rates } = params.optimizer;
  const optimizer = makeOptimizer(kind, Object.values(parameters), rates);
  const losses: number[] = [];
  for (let step = 0; step < params.steps; step++) {
    using _ = scope();
    const loss = networkLoss(golden, x, labels, parameters);
    losses.push(await loss.item());
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
  }
  optimizer.dispose();
  // Ten steps add up float32's rounding.
  const limits = tolerance(place.dtype, 2e-6);
  const faults = [valueDifference(losses, golden.loss, limits)].flatMap((wrong) => wrong === undefined ? [] : [`loss: ${wrong}`]);
  for (const [name, expected] of Object.entries(golden.final)) {
    const wrong = valueDifference(await parameters[name as "w1"].data(), numbersOf(expected), limits);
    if (wrong !== undefined) faults.push(`${name}: ${wrong}`);
  }
  return faults;
}

function networkLoss(
  { params }: MlpCase,
  x: Tensor,
  labels: Tensor,
  { w1, b1, w2, b2 }: Readonly<Record<"w1" | "b1" | "w2" | "b2", Tensor>>,
) {
  const hidden = (activations[params.activation] ?? unsupported(params.activation))(linear(x, w1, { bias: b1 }));
  if (params.loss === "crossEntropy") return crossEntropy(linear(hidden, w2, { bias: b2 }), labels);
  if (params.loss === "eSupCon") return eSupCon(hidden.add(params.embeddingOffset), labels, { ...params.lossParams, prototypes: w2 });
  return unsupported(params.loss);
}

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu: (x) => x.relu(),
  tanh: (x) => x.tanh(),
  geluErf: (x) => x.gelu(),
  geluTanh: (x) => x.gelu({ approximate: "tanh" }),
  silu: (x) => x.silu(),
  sigmoid: (x) => x.sigmoid(),
};

// ---- schedules ------------------------------------------------------------------------------------------------------

/** One case of schedulers.json. */
export interface SchedulerCase {
  readonly name: string;
  readonly op: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** The rate after t steps of the schedule. */
  readonly lr: readonly number[];
}

/** Follows a schedule step by step. */
export function runScheduler({ op, params, steps, lr }: SchedulerCase): string[] {
  const { baseLr, ...options } = params;
  const group = { lr: baseLr as number };
  const schedule = (schedules[op] ?? unsupported(op))({ groups: [group] }, options as never);
  const got = [group.lr];
  for (let step = 1; step <= steps; step++) {
    schedule.step();
    got.push(group.lr);
  }
  const wrong = valueDifference(got, lr, { absolute: 1e-12, relative: 1e-12, least: 0 });
  return wrong === undefined ? [] : [wrong];
}

const schedules: Readonly<Record<string, (target: Scheduled, params: never) => Schedule>> = {
  cosine: (target, params) => new CosineAnnealingLR(target, params),
  cosineWarmRestarts: (target, params) => new CosineAnnealingWarmRestarts(target, params),
  exponential: (target, params) => new ExponentialLR(target, params),
  linearWarmup: (target, params) => new LinearLR(target, params),
  multiStep: (target, params) => new MultiStepLR(target, params),
  polynomial: (target, params) => new PolynomialLR(target, params),
  step: (target, params) => new StepLR(target, params),
  warmupCosine: (target, params) => new WarmupCosineLR(target, params),
};

function unsupported(what: string | undefined): never {
  throw new Unsupported(`${what} is not part of this library`);
}
