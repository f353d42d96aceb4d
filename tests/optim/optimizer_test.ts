import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { noGrad } from "../../autograd/mod.ts";
import {
  Adagrad,
  Adam,
  type AdamOptions,
  AdamW,
  clipGradNorm,
  clipGradValue,
  CosineAnnealingLR,
  LinearLR,
  type Optimizer,
  type OptimizerState,
  RMSprop,
  Schedule,
  SequentialLR,
  SGD,
  StepLR,
} from "../../optim/mod.ts";
import {
  ArgumentError,
  DisposedError,
  Generator,
  GradientError,
  keep,
  memory,
  ones,
  randn,
  read,
  scope,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "../../tensor/mod.ts";
import { updateInPlace, updateKernel } from "../../tensor/update.ts";
import { apply, input } from "../../tensor/expr.ts";
import { ignoreWebgpu } from "../devices.ts";

type Make = (parameters: readonly Tensor[]) => Optimizer;

const makers: Readonly<Record<string, Make>> = {
  "SGD with momentum": (parameters) => new SGD(parameters, { lr: 0.05, momentum: 0.9, dampening: 0.1 }),
  "SGD with Nesterov's momentum": (parameters) => new SGD(parameters, { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  Adam: (parameters) => new Adam(parameters, { lr: 0.05, weightDecay: 0.1 }),
  "Adam with amsgrad": (parameters) => new Adam(parameters, { lr: 0.05, amsgrad: true }),
  AdamW: (parameters) => new AdamW(parameters, { lr: 0.05 }),
  "RMSprop, centred": (parameters) => new RMSprop(parameters, { lr: 0.01, centered: true, momentum: 0.5 }),
  Adagrad: (parameters) => new Adagrad(parameters, { lr: 0.05, lrDecay: 0.1, initialAccumulatorValue: 0.1 }),
};

function start(device = "cpu"): Tensor[] {
  const generator = new Generator(3);
  return [randn([3, 4], { generator, device, requiresGrad: true }), randn([5], { generator, device, requiresGrad: true })];
}

function train(optimizer: Optimizer, parameters: readonly Tensor[], steps: number): void {
  for (let step = 0; step < steps; step++) {
    using _ = scope();
    optimizer.zeroGrad();
    for (const parameter of parameters) parameter.square().mul(parameter).add(parameter.sin()).sum().backward();
    optimizer.step();
  }
}

for (const [name, make] of Object.entries(makers)) {
  Deno.test(`${name} goes on from a saved state bit for bit`, async () => {
    using _ = scope();
    const whole = start();
    train(make(whole), whole, 9);
    const first = start();
    const before = make(first);
    train(before, first, 4);
    // As a file would: options as JSON, tensors as values.
    const { tensors, ...rest } = before.stateDict();
    const saved = { ...JSON.parse(JSON.stringify(rest)), tensors: noGrad(() => copies(tensors)) } as OptimizerState;
    const second = noGrad(() => first.map((parameter) => parameter.clone())).map((parameter) => parameter.requiresGrad_());
    const after = make(second);
    after.loadStateDict(saved);
    train(after, second, 5);
    assertEquals(await read(...second), await read(...whole));
  });

  Deno.test({
    name: `${name} steps on WebGPU as on the CPU`,
    ignore: ignoreWebgpu,
    fn: async () => {
      using _ = scope();
      const [here, there] = [start(), start("webgpu")];
      train(make(here), here, 5);
      train(make(there), there, 5);
      const [expected, got] = [await read(...here), await read(...there)];
      expected.forEach((values, n) => values.forEach((value, i) => assertAlmostEquals(got[n]![i]!, value, 1e-5)));
    },
  });
}

function copies(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.clone()]));
}

Deno.test("Optimizer gives each group its own options, which may change between steps", async () => {
  using _ = scope();
  const [slow, fast] = [ones([1], { requiresGrad: true }), ones([1], { requiresGrad: true })];
  const optimizer = new SGD([{ params: [slow] }, { params: [fast], lr: 0.5 }], { lr: 0.125 });
  const step = () => {
    optimizer.zeroGrad();
    slow.add(fast).sum().backward();
    optimizer.step();
  };
  step();
  assertEquals(await read(slow, fast), [Float32Array.of(0.875), Float32Array.of(0.5)]);
  optimizer.groups[1]!.lr = 0;
  step();
  assertEquals(await read(slow, fast), [Float32Array.of(0.75), Float32Array.of(0.5)]);
});

Deno.test("Optimizer.step skips parameters without a gradient, decay and momentum included", async () => {
  using _ = scope();
  const [used, unused] = [ones([2], { requiresGrad: true }), ones([2], { requiresGrad: true })];
  const optimizer = new AdamW([used, unused], { lr: 0.1, weightDecay: 0.5 });
  used.sum().backward();
  optimizer.step();
  assertNotEquals(await used.toArray(), [1, 1]);
  assertEquals(await unused.toArray(), [1, 1]);
  assertEquals(Object.keys(optimizer.stateDict().steps), ["0"]);
});

Deno.test("Optimizer.zeroGrad drops gradients or fills them with zeros", async () => {
  using _ = scope();
  const x = ones([2], { requiresGrad: true });
  const optimizer = new SGD([x], { lr: 1 });
  x.sum().backward();
  optimizer.zeroGrad({ setToNull: false });
  assertEquals(await x.grad!.toArray(), [0, 0]);
  optimizer.zeroGrad();
  assertEquals(x.grad, null);
});

Deno.test("Optimizer.step makes nothing new after the first and frees its state on dispose", () => {
  using _ = scope();
  const parameters = start();
  const before = memory().tensors;
  const optimizer = new Adam(parameters, { lr: 0.1 });
  train(optimizer, parameters, 1);
  const after = memory().tensors;
  train(optimizer, parameters, 5);
  assertEquals(memory().tensors, after);
  optimizer.zeroGrad();
  optimizer.dispose();
  assertEquals(memory().tensors, before);
});

Deno.test("Optimizer.step keeps its state when the scope around it ends", async () => {
  const x = keep(ones([1], { requiresGrad: true }));
  const optimizer = new SGD([x], { lr: 1, momentum: 1 });
  for (let step = 0; step < 2; step++) {
    using _ = scope();
    optimizer.zeroGrad();
    x.sum().backward();
    optimizer.step();
  }
  assertEquals(await x.item(), -2);
  x.dispose();
  optimizer.dispose();
});

Deno.test("Optimizer.step makes an older graph's backward fail rather than mix old and new values", () => {
  using _ = scope();
  const x = ones([2], { requiresGrad: true });
  const optimizer = new SGD([x], { lr: 0.1 });
  const loss = x.square().sum();
  x.sum().backward();
  optimizer.step();
  assertThrows(() => loss.backward(), GradientError, "it has been changed in place since");
});

Deno.test("Optimizer.loadStateDict refuses what does not fit and changes nothing", async () => {
  using _ = scope();
  const parameters = start();
  const optimizer = new Adam(parameters, { lr: 0.1 });
  train(optimizer, parameters, 1);
  const before = await read(...Object.values(optimizer.stateDict().tensors));
  const other = start();
  const momentum = new SGD(other, { lr: 0.1, momentum: 0.9 });
  train(momentum, other, 1);
  assertThrows(() => optimizer.loadStateDict(momentum.stateDict()), ArgumentError, "the state of adam is needed, got that of sgd");
  const state = optimizer.stateDict();
  assertThrows(() => new Adam([parameters[0]!], { lr: 1 }).loadStateDict(state), ArgumentError, "groups of 1 parameters are needed, got 2");
  const wrong = { ...state, tensors: { ...state.tensors, "0.expAvg": zeros([2]) } };
  assertThrows(() => optimizer.loadStateDict(wrong), ShapeError, "0.expAvg of shape [3, 4] is needed, got [2]");
  const freed = zeros([3, 4]);
  freed.dispose();
  assertThrows(
    () => optimizer.loadStateDict({ ...state, tensors: { ...state.tensors, "0.expAvg": freed } }),
    DisposedError,
    "0.expAvg was freed",
  );
  assertEquals(await read(...Object.values(optimizer.stateDict().tensors)), before);
});

Deno.test("Optimizer.loadStateDict takes its own live state", async () => {
  using _ = scope();
  const parameters = start();
  const optimizer = new Adam(parameters, { lr: 0.1 });
  train(optimizer, parameters, 2);
  const before = await read(...Object.values(optimizer.stateDict().tensors));
  optimizer.loadStateDict(optimizer.stateDict());
  assertEquals(await read(...Object.values(optimizer.stateDict().tensors)), before);
});

Deno.test("Optimizer refuses parameters and options that make no sense", () => {
  using _ = scope();
  const x = ones([1], { requiresGrad: true });
  assertThrows(() => new SGD([], { lr: 1 }), ArgumentError, "at least one parameter is needed, got none");
  assertThrows(() => new SGD([x, x], { lr: 1 }), ArgumentError, "each parameter once is needed, got one twice");
  assertThrows(() => new SGD([x], { lr: -1 }), ArgumentError, "a finite lr from 0 is needed, got -1");
  assertThrows(() => new SGD([x.mul(2)], { lr: 1 }), GradientError, "leaves are needed as parameters");
  assertThrows(() => new SGD([x], { lr: 1, nesterov: true }), ArgumentError, "nesterov needs momentum above 0");
  assertThrows(() => new Adam([x], { lr: 1, betas: [1, 0.9] }), ArgumentError, "betas from 0 to below 1");
});

Deno.test("Adam trains float16 parameters with float32 state", async () => {
  using _ = scope();
  const x = tensor([1, 2], { dtype: "float16", requiresGrad: true });
  const optimizer = new Adam([x], { lr: 0.25 });
  x.square().sum().backward();
  optimizer.step();
  assertEquals(await x.toArray(), [0.75, 1.75]);
  assertEquals(optimizer.stateDict().tensors["0.expAvg"]!.dtype, "float32");
});

Deno.test("maximize climbs", async () => {
  using _ = scope();
  const options: AdamOptions = { lr: 0.5, maximize: true };
  for (
    const make of [(x: Tensor) => new SGD([x], options), (x: Tensor) => new Adam([x], options), (x: Tensor) => new RMSprop([x], options)]
  ) {
    const x = zeros([1], { requiresGrad: true });
    x.sum().backward();
    make(x).step();
    assert(await x.item() > 0);
  }
});

Deno.test("clipGradNorm scales all gradients as one vector, skips nulls and lets small ones be", async () => {
  using _ = scope();
  const [a, b, unused] = [zeros([2]), zeros([]), zeros([3])];
  a.grad = tensor([3, 0]);
  b.grad = tensor(4);
  assertAlmostEquals(await clipGradNorm([a, b, unused], { maxNorm: 10 }).item(), 5, 1e-6);
  assertEquals(await a.grad.toArray(), [3, 0]);
  assertAlmostEquals(await clipGradNorm([a, b, unused], { maxNorm: 4, p: 1 }).item(), 7, 1e-6);
  assertAlmostEquals(await b.grad.item(), 16 / 7, 1e-5);
  assertEquals(await clipGradNorm([unused], { maxNorm: 1 }).item(), 0);
  assertThrows(() => clipGradNorm([a], { maxNorm: -1 }), ArgumentError, "a maxNorm from 0 is needed, got -1");
});

Deno.test("clipGradNorm leaves nothing behind but the norm", () => {
  using _ = scope();
  const x = zeros([4]);
  x.grad = ones([4]);
  const before = memory().tensors;
  clipGradNorm([x, x], { maxNorm: 1 });
  assertEquals(memory().tensors, before + 1);
});

Deno.test("clipGradValue holds every element", async () => {
  using _ = scope();
  const x = zeros([3]);
  x.grad = tensor([-3, 0.5, 2]);
  clipGradValue([x], { maxValue: 1 });
  assertEquals(await x.grad.toArray(), [-1, 0.5, 1]);
});

Deno.test("Schedule goes on from a saved state, with the optimizer's initial rates", () => {
  using _ = scope();
  const make = () => new SGD([ones([1], { requiresGrad: true })], { lr: 0.8 });
  const options = { stepSize: 2, gamma: 0.5 };
  const first = make();
  const before = new StepLR(first, options);
  for (let step = 0; step < 3; step++) before.step();
  const second = make();
  second.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())) as OptimizerState);
  const after = new StepLR(second, options);
  after.loadStateDict(JSON.parse(JSON.stringify(before.stateDict())));
  assertEquals([second.groups[0]!.lr, after.steps], [0.4, 3]);
  after.step();
  assertEquals(second.groups[0]!.lr, 0.2);
  assertThrows(() => after.loadStateDict({ steps: -1 }), ArgumentError, "whole steps from 0 are needed, got -1");
});

Deno.test("Schedule scales each group from its own rate", () => {
  using _ = scope();
  const groups = [1, 2].map((lr) => ({ params: [ones([1], { requiresGrad: true })], lr }));
  const optimizer = new SGD(groups, { lr: 0 });
  new Schedule(optimizer, (base, step) => base / (step + 1)).step();
  assertEquals(optimizer.groups.map(({ lr }) => lr), [0.5, 1]);
});

Deno.test("SequentialLR starts each schedule at its own step 0", () => {
  const target = { groups: [{ lr: 2 }] };
  const schedules = [new LinearLR(target, { startFactor: 0.5, totalIters: 2 }), new CosineAnnealingLR(target, { tMax: 4 })];
  const schedule = new SequentialLR(target, { schedules, milestones: [3] });
  const rates = [target.groups[0]!.lr];
  for (let step = 0; step < 7; step++) {
    schedule.step();
    rates.push(target.groups[0]!.lr);
  }
  const expected = [1, 1.5, 2, 2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 0];
  rates.forEach((rate, step) => assertAlmostEquals(rate, expected[step]!, 1e-12));
  assertThrows(() => new SequentialLR(target, { schedules, milestones: [] }), ArgumentError, "1 rising milestones are needed");
});

Deno.test("updateInPlace works only under noGrad, on live targets of one shape", () => {
  using _ = scope();
  const kernel = updateKernel([apply("add", input(0, "float32"), input(1, "float32"))]);
  const [x, y] = [zeros([2, 3]), ones([3])];
  assertThrows(() => updateInPlace(kernel, { inputs: [x, y], targets: [x] }), GradientError, "allowed only under noGrad");
  noGrad(() => {
    updateInPlace(kernel, { inputs: [x, y], targets: [x] });
    assertThrows(() => updateInPlace(kernel, { inputs: [x, ones([2])], targets: [x] }), ShapeError, "inputs that expand");
    assertThrows(() => updateInPlace(kernel, { inputs: [y, y], targets: [y.expand([2, 3])] }), ShapeError, "does not share its elements");
    y.dispose();
    assertThrows(() => updateInPlace(kernel, { inputs: [x, y], targets: [x] }), DisposedError);
  });
});
