import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { noGrad } from "../../autograd/mod.ts";
import {
  Adadelta,
  Adam,
  Adamax,
  EMA,
  LAMB,
  LambdaLR,
  LARS,
  Lion,
  Muon,
  NAdam,
  OneCycleLR,
  type OneCycleOptions,
  type Optimizer,
  type OptimizerState,
  type PlateauOptions,
  RAdam,
  ReduceLROnPlateau,
  SGD,
  SWA,
} from "../../optim/mod.ts";
import {
  ArgumentError,
  compile,
  Generator,
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
import { ignoreWebgpu } from "../devices.ts";
import optimizerCases from "./fixtures/optimizers.json" with { type: "json" };
import scheduleCases from "./fixtures/schedules.json" with { type: "json" };

type Make = (parameters: Iterable<Tensor>, options: { lr: number }) => Optimizer;

const optimizers: Readonly<Record<string, Make>> = {
  Adadelta: (parameters, options) => new Adadelta(parameters, options),
  Adamax: (parameters, options) => new Adamax(parameters, options),
  LAMB: (parameters, options) => new LAMB(parameters, options),
  LARS: (parameters, options) => new LARS(parameters, options),
  Lion: (parameters, options) => new Lion(parameters, options),
  Muon: (parameters, options) => new Muon(parameters, options),
  NAdam: (parameters, options) => new NAdam(parameters, options),
  RAdam: (parameters, options) => new RAdam(parameters, options),
};

for (const { kind, options, shape, initial, gradients, values } of optimizerCases) {
  Deno.test(`${kind} ${JSON.stringify(options)} follows the reference step by step`, async () => {
    for (const [dtype, tolerance] of [["float64", 1e-12], ["float32", 2e-5]] as const) {
      using _ = scope();
      const x = tensor(Float64Array.from(initial), { shape, dtype, requiresGrad: true });
      const optimizer = optimizers[kind]!([x], options);
      for (const [step, gradient] of gradients.entries()) {
        x.grad = tensor(Float64Array.from(gradient), { shape, dtype });
        optimizer.step();
        const got = await x.data();
        values[step]!.forEach((value, i) => assertAlmostEquals(got[i]!, value, tolerance * Math.max(1, Math.abs(value)), `step ${step}`));
      }
    }
  });
}

function start(device = "cpu"): Tensor[] {
  const generator = new Generator(3);
  return [randn([3, 4], { generator, device, requiresGrad: true }), randn([5, 2], { generator, device, requiresGrad: true })];
}

function trainingStep(optimizer: Optimizer, parameters: readonly Tensor[]): void {
  optimizer.zeroGrad();
  for (const parameter of parameters) parameter.square().mul(parameter).add(parameter.sin()).sum().backward();
  optimizer.step();
}

function train(optimizer: Optimizer, parameters: readonly Tensor[], steps: number): void {
  for (let step = 0; step < steps; step++) {
    using _ = scope();
    trainingStep(optimizer, parameters);
  }
}

for (const [name, make] of Object.entries(optimizers)) {
  Deno.test(`${name} goes on from a saved state bit for bit`, async () => {
    using _ = scope();
    const whole = start();
    train(make(whole, { lr: 0.05 }), whole, 9);
    const first = start();
    const before = make(first, { lr: 0.05 });
    train(before, first, 4);
    const { tensors, ...rest } = before.stateDict();
    const copies = noGrad(() => Object.fromEntries(Object.entries(tensors).map(([key, value]) => [key, value.clone()])));
    const second = noGrad(() => first.map((parameter) => parameter.clone())).map((parameter) => parameter.requiresGrad_());
    const after = make(second, { lr: 0.05 });
    after.loadStateDict({ ...JSON.parse(JSON.stringify(rest)), tensors: copies } as OptimizerState);
    train(after, second, 5);
    assertEquals(await read(...second), await read(...whole));
  });

  Deno.test(`${name} steps the same when compiled, and leaves nothing behind`, async () => {
    using _ = scope();
    const [eager, compiled] = [start(), start()];
    train(make(eager, { lr: 0.05 }), eager, 8);
    const optimizer = make(compiled, { lr: 0.05 });
    const step = compile((_: Tensor) => {
      trainingStep(optimizer, compiled);
      return compiled[0]!.sum();
    });
    const unused = zeros([1]);
    const counts: number[] = [];
    for (let n = 0; n < 8; n++) {
      step(unused).dispose();
      counts.push(memory().tensors);
    }
    assertEquals(new Set(counts.slice(3)).size, 1);
    const [expected, got] = [await read(...eager), await read(...compiled)];
    expected.forEach((values, n) => values.forEach((value, i) => assertAlmostEquals(got[n]![i]!, value, 1e-5)));
  });

  Deno.test({
    name: `${name} steps on WebGPU as on the CPU`,
    ignore: ignoreWebgpu,
    fn: async () => {
      using _ = scope();
      const [here, there] = [start(), start("webgpu")];
      train(make(here, { lr: 0.05 }), here, 5);
      train(make(there, { lr: 0.05 }), there, 5);
      const [expected, got] = [await read(...here), await read(...there)];
      expected.forEach((values, n) => values.forEach((value, i) => assertAlmostEquals(got[n]![i]!, value, 1e-4)));
    },
  });
}

Deno.test("LARS and LAMB step parameters that are zero", async () => {
  using _ = scope();
  for (const make of [optimizers["LARS"]!, optimizers["LAMB"]!]) {
    const x = zeros([2], { requiresGrad: true });
    x.grad = ones([2]);
    make([x], { lr: 0.5 }).step();
    const [value] = await x.data();
    assertAlmostEquals(value!, -0.5, 1e-5);
  }
});

Deno.test("Optimizers refuse options out of range", () => {
  const x = [ones([2, 2], { requiresGrad: true })];
  assertThrows(() => new Adadelta(x, { lr: 1, rho: 2 }), ArgumentError, "rho");
  assertThrows(() => new Adamax(x, { lr: 1, betas: [1, 0.9] }), ArgumentError, "betas");
  assertThrows(() => new NAdam(x, { lr: 1, eps: -1 }), ArgumentError, "eps");
  assertThrows(() => new RAdam(x, { lr: 1, weightDecay: -1 }), ArgumentError, "weightDecay");
  assertThrows(() => new LARS(x, { lr: 1, momentum: NaN }), ArgumentError, "momentum");
  assertThrows(() => new LAMB(x, { lr: 1, betas: [0, -1] }), ArgumentError, "betas");
  assertThrows(() => new Lion(x, { lr: 1, betas: [0, 1] }), ArgumentError, "betas");
  assertThrows(() => new Muon(x, { lr: 1, iterations: 0 }), ArgumentError, "iterations");
  assertThrows(() => new Muon([ones([2], { requiresGrad: true })], { lr: 1 }), ArgumentError, "two or more dims");
});

function scheduled(): SGD {
  return new SGD([ones([1], { requiresGrad: true })], { lr: 0.5 });
}

Deno.test("OneCycleLR follows PyTorch's rates", () => {
  for (const { options, rates } of scheduleCases.cycles) {
    const optimizer = scheduled();
    const schedule = new OneCycleLR(optimizer, options as OneCycleOptions);
    rates.forEach((rate, step) => {
      if (step > 0) schedule.step();
      assertAlmostEquals(optimizer.groups[0]!.lr, rate, 1e-12);
    });
  }
});

Deno.test("OneCycleLR cycles PyTorch's momentum and first beta, and refuses a group that has neither", () => {
  for (const { options, kept } of scheduleCases.momenta) {
    const x = [ones([1], { requiresGrad: true })];
    const betas = kept[0]!.length === 3;
    const optimizer = betas ? new Adam(x, { lr: 0.5, betas: [0.7, 0.99] }) : new SGD(x, { lr: 0.5, momentum: 0.9 });
    const schedule = new OneCycleLR(optimizer, options as OneCycleOptions);
    kept.forEach((expected, step) => {
      if (step > 0) schedule.step();
      const group = optimizer.groups[0]! as { lr: number; momentum?: number; betas?: readonly number[] };
      const got = [group.lr, ...(betas ? group.betas! : [group.momentum!])];
      got.forEach((value, n) => assertAlmostEquals(value, expected[n]!, 1e-12));
    });
  }
  const cycle = { maxLr: 1, totalSteps: 3, cycleMomentum: true };
  assertThrows(() => new OneCycleLR(scheduled(), cycle), ArgumentError, "momentum or betas");
});

Deno.test("ReduceLROnPlateau follows PyTorch's rates, also after a resume", () => {
  for (const { options, metrics, rates } of scheduleCases.plateaus) {
    const optimizer = scheduled();
    let schedule = new ReduceLROnPlateau(optimizer, options as PlateauOptions);
    metrics.forEach((metric, step) => {
      schedule.step(metric);
      assertAlmostEquals(optimizer.groups[0]!.lr, rates[step]!, 1e-12);
      const resumed = new ReduceLROnPlateau(optimizer, options as PlateauOptions);
      resumed.loadStateDict(JSON.parse(JSON.stringify(schedule.stateDict())));
      schedule = resumed;
    });
  }
});

Deno.test("ReduceLROnPlateau takes NaN as no improvement and refuses bad options", () => {
  const optimizer = scheduled();
  const schedule = new ReduceLROnPlateau(optimizer, { patience: 1 });
  for (const metric of [1, NaN, NaN]) schedule.step(metric);
  assertAlmostEquals(optimizer.groups[0]!.lr, 0.05);
  assertThrows(() => new ReduceLROnPlateau(optimizer, { factor: 1 }), ArgumentError, "factor");
  assertThrows(() => new ReduceLROnPlateau(optimizer, { patience: 0.5 }), ArgumentError, "patience");
});

Deno.test("LambdaLR multiplies the initial rate", () => {
  const optimizer = scheduled();
  const schedule = new LambdaLR(optimizer, { lambda: (step) => 0.5 ** step });
  schedule.step();
  schedule.step();
  assertEquals(optimizer.groups[0]!.lr, 0.125);
});

Deno.test("EMA and SWA average as a loop in float64 does", async () => {
  for (const kind of ["EMA", "SWA"] as const) {
    using _ = scope();
    const weight = randn([4], { generator: new Generator(1), dtype: "float64", requiresGrad: true });
    const average = kind === "EMA" ? new EMA([weight], { decay: 0.9 }) : new SWA([weight]);
    let expected: number[] = [];
    for (let n = 0; n < 5; n++) {
      noGrad(() => weight.mul_(1.5).add_(1));
      average.update();
      const values = [...await weight.data()];
      const share = n === 0 ? 1 : kind === "EMA" ? 0.1 : 1 / (n + 1);
      expected = values.map((value, i) => n === 0 ? value : expected[i]! + share * (value - expected[i]!));
    }
    const [got] = await read(average.averages[0]!);
    expected.forEach((value, i) => assertAlmostEquals(got![i]!, value, 1e-12));
  }
});

Deno.test("EMA.evaluate puts the weights back after an error", async () => {
  using _ = scope();
  const weight = tensor([1, 2], { requiresGrad: true });
  using average = new EMA([weight], { decay: 0.5 });
  noGrad(() => weight.fill_(9));
  const before = memory().tensors;
  await assertRejects(() => average.evaluate(() => Promise.reject(new Error("stop"))), Error, "stop");
  assertEquals(await weight.toArray(), [9, 9]);
  assertEquals(memory().tensors, before);
});

Deno.test("EMA goes on from a saved state and refuses one that does not fit", async () => {
  using _ = scope();
  const weight = ones([2], { requiresGrad: true });
  const first = new EMA([weight], { decay: 0.5 });
  first.update();
  noGrad(() => weight.fill_(3));
  const second = new EMA([weight], { decay: 0.5 });
  second.loadStateDict(first.stateDict());
  second.update();
  assertEquals(await second.averages[0]!.toArray(), [2, 2]);
  assert(second.updates === 2);
  assertThrows(() => second.loadStateDict({ updates: 1, tensors: { 0: ones([3]) } }), ShapeError, "average's shape");
  assertThrows(() => second.loadStateDict({ updates: 1, tensors: {} }), ArgumentError, "1 tensors");
  assertThrows(() => new EMA([], { decay: 0.5 }), ArgumentError, "none");
  assertThrows(() => new EMA([weight], { decay: 2 }), ArgumentError, "decay");
});
