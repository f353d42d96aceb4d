import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataLoader, digits, InMemoryDataset } from "../../data/mod.ts";
import { Linear } from "../../nn/mod.ts";
import { clipGradNorm, SGD, StepLR } from "../../optim/mod.ts";
import { ArgumentError, CaptureError, manualSeed, randn, Tensor } from "../../tensor/mod.ts";
import { DivergenceError, evaluate, fit, type TrainingLog, type TrainingStep } from "../../train/mod.ts";
import { classifier } from "./classifier.ts";

/** y = 2x + 1 on ten points. */
function line(): InMemoryDataset {
  const labels = Array.from({ length: 10 }, (_, i) => 2 * i + 1);
  return new InMemoryDataset({ data: Float32Array.from({ length: 10 }, (_, i) => i), labels, shape: [1] });
}

function squares(model: Linear): TrainingStep {
  return ({ x, y }) => model.forward(x).squeeze(1).sub(y).square().mean();
}

Deno.test("fit takes exactly the steps that a loop by hand takes", async () => {
  manualSeed(1);
  const model = new Linear(1, 1);
  const byHand = new Linear(1, 1);
  byHand.loadStateDict(model.stateDict());
  const loader = () => new DataLoader(line(), { batchSize: 4, shuffle: true, seed: 3 });
  const optimizer = new SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  await fit(squares(model), { loader: loader(), optimizer, epochs: 3 });

  const [weight, bias] = [(await byHand.weight.data())[0]!, (await byHand.bias!.data())[0]!];
  let [w, b, vw, vb] = [weight, bias, 0, 0];
  const batches = loader();
  for (let epoch = 0; epoch < 3; epoch++) {
    for await (const { data, labels } of batches.hostBatches()) {
      const errors = [...data].map((x, i) => w * x + b - labels[i]!);
      vw = 0.9 * vw + errors.reduce((sum, error, i) => sum + 2 * error * data[i]!, 0) / data.length;
      vb = 0.9 * vb + errors.reduce((sum, error) => sum + 2 * error, 0) / data.length;
      w -= 0.01 * vw;
      b -= 0.01 * vb;
    }
  }
  assert(Math.abs((await model.weight.data())[0]! - w) < 1e-4 * Math.abs(w));
  assert(Math.abs((await model.bias!.data())[0]! - b) < 1e-4 * Math.max(1, Math.abs(b)));
});

Deno.test("fit logs means over all samples since the log before, at the end of each epoch too", async () => {
  const logs: TrainingLog[] = [];
  const model = new Linear(1, 1);
  const optimizer = new SGD(model.parameters(), { lr: 0 });
  const loader = new DataLoader(line(), { batchSize: 4 });
  const losses: number[] = [];
  for await (using batch of loader) {
    using loss = squares(model)(batch) as Tensor;
    losses.push(await loss.item());
  }
  loader.setEpoch(0);
  const onLog = (log: TrainingLog) => void logs.push(log);
  await fit(squares(model), { loader, optimizer, epochs: 2, logEvery: 2, onLog });
  assertEquals(logs.map(({ epoch, batch, step, steps }) => [epoch, batch, step, steps]), [
    [0, 2, 2, 6],
    [0, 3, 3, 6],
    [1, 2, 5, 6],
    [1, 3, 6, 6],
  ]);
  const expected = [(losses[0]! + losses[1]!) / 2, losses[2]!];
  logs.slice(0, 2).forEach(({ means }, i) => assert(Math.abs(means.loss! - expected[i]!) < 1e-4 * expected[i]!));
});

Deno.test("fit stops after the step under way when the signal comes, and says where it is", async () => {
  const model = new Linear(1, 1);
  const interruption = new AbortController();
  let steps = 0;
  const step: TrainingStep = (batch) => {
    steps += 1;
    if (steps === 5) interruption.abort();
    return squares(model)(batch);
  };
  const { position, stopped } = await fit(step, {
    loader: new DataLoader(line(), { batchSize: 4 }),
    optimizer: new SGD(model.parameters(), { lr: 1e-3 }),
    epochs: 10,
    signal: interruption.signal,
    compile: false, // the step counts on the host
  });
  assertEquals({ position, stopped, steps }, { position: { epoch: 1, batch: 2, step: 5 }, stopped: true, steps: 5 });
});

Deno.test("fit in two parts sees the batches and learning rates of one run, also when it stops at an epoch's end", async () => {
  for (const stop of [1, 3, 4]) {
    const course = async (parts: (number | undefined)[]) => {
      manualSeed(0);
      const model = new Linear(1, 1);
      const optimizer = new SGD(model.parameters(), { lr: 0.1 });
      const schedule = new StepLR(optimizer, { stepSize: 2, gamma: 0.5 });
      const seen: unknown[] = [];
      const epochs: number[] = [];
      const step: TrainingStep = (batch) => {
        seen.push([...batch.indices], optimizer.groups[0]!.lr);
        return squares(model)(batch);
      };
      let from = { epoch: 0, batch: 0, step: 0 };
      for (const maxSteps of parts) {
        const loader = new DataLoader(line(), { batchSize: 4, shuffle: true, seed: 2 });
        const options = { loader, optimizer, schedule, epochs: 2, from, compile: false, ...(maxSteps === undefined ? {} : { maxSteps }) };
        from = (await fit(step, { ...options, onEpoch: ({ epoch }) => void epochs.push(epoch) })).position;
      }
      return { seen, epochs, from };
    };
    assertEquals(await course([stop, undefined]), await course([undefined]));
  }
});

Deno.test("fit takes the same course compiled and not, up to rounding, with dropout and a smaller batch at the end", async () => {
  const course = async (compile: boolean) => {
    manualSeed(4);
    const { model, step } = classifier();
    const losses: number[] = [];
    await fit(step, {
      loader: new DataLoader(digits({ split: "test" }), { batchSize: 100, shuffle: true, seed: 6 }),
      optimizer: new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }),
      epochs: 3,
      modules: [model],
      logEvery: 1,
      beforeUpdate: () => void clipGradNorm(model.parameters(), { maxNorm: 1 }),
      onLog: ({ means }) => void losses.push(means.loss!, means.accuracy!),
      compile,
    });
    return losses;
  };
  const [eager, compiled] = [await course(false), await course(true)];
  assertEquals(compiled.length, 24);
  compiled.forEach((value, i) => assert(Math.abs(value - eager[i]!) <= 1e-6 * Math.max(1, eager[i]!)));
});

Deno.test("fit calls a compiled step anew in each epoch, so that what onEpoch changes counts", async () => {
  const model = new Linear(1, 1);
  let calls = 0;
  const step: TrainingStep = (batch) => {
    calls++;
    return squares(model)(batch);
  };
  const bias = [await model.bias!.item()];
  await fit(step, {
    loader: new DataLoader(line(), { batchSize: 2 }),
    optimizer: new SGD(model.parameters(), { lr: 1e-4 }),
    epochs: 3,
    onEpoch: async ({ epoch }) => {
      bias.push(await model.bias!.item());
      if (epoch === 1) model.bias!.requiresGrad_(false);
    },
  });
  assertEquals(calls, 4); // the first call's kernels are of no use to later ones, which find the optimizer's state and gradients
  assert(bias[1] !== bias[0]);
  assertEquals(bias.slice(2), [bias[1], bias[1]]);
});

Deno.test("fit says how to train with a step that cannot be compiled", async () => {
  const model = new Linear(1, 1);
  const options = { loader: new DataLoader(line(), { batchSize: 5 }), optimizer: new SGD(model.parameters(), { lr: 1e-3 }), epochs: 2 };
  const withNoise: TrainingStep = ({ x, y }) => model.forward(x.add(randn(x.shape))).squeeze(1).sub(y).square().mean();
  const byIndex: TrainingStep = ({ x, y, indices }) => model.forward(x).squeeze(1).sub(y).square().mean().mul(indices.length);
  for (const step of [withNoise, byIndex]) {
    await assertRejects(() => fit(step, options), CaptureError, "compile: false");
    assertEquals((await fit(step, { ...options, compile: false })).position.step, 4);
  }
});

Deno.test("fit refuses an empty loader and numbers that are not whole, and stops when the loss is no number", async () => {
  const model = new Linear(1, 1);
  const optimizer = new SGD(model.parameters(), { lr: 1e30 });
  const empty = new DataLoader(line(), { batchSize: 20, dropLast: true });
  await assertRejects(() => fit(squares(model), { loader: empty, optimizer, epochs: 1 }), ArgumentError, "at least one batch");
  const loader = new DataLoader(line(), { batchSize: 4 });
  await assertRejects(() => fit(squares(model), { loader, optimizer, epochs: 1.5 }), ArgumentError, "a whole epochs");
  await assertRejects(() => fit(squares(model), { loader, optimizer, epochs: 5 }), DivergenceError, "try a lower learning rate");
});

Deno.test("evaluate averages over samples, in evaluation mode and without gradients, and puts the mode back", async () => {
  const { model, step } = classifier();
  const test = digits({ split: "test" });
  const parts = await evaluate(step, { loader: new DataLoader(test, { batchSize: 100 }), modules: [model] });
  const whole = await evaluate(step, { loader: new DataLoader(test, { batchSize: test.size }), modules: [model] });
  assert(model.training);
  assert(Math.abs(parts.loss! - whole.loss!) < 1e-5 && Math.abs(parts.accuracy! - whole.accuracy!) < 1e-6);
  assert(model.parameters().every(({ grad }) => grad === null));
});
