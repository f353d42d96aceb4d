import { assert, assertEquals, assertThrows } from "@std/assert";
import { DataLoader, digits, randomCrop } from "../../data/mod.ts";
import { ESupCon } from "../../losses/mod.ts";
import { Dropout, EncoderWithHead, Linear, Sequential, SmallCNN } from "../../nn/mod.ts";
import { Adam, type Optimizer, SGD, WarmupCosineLR } from "../../optim/mod.ts";
import { ArgumentError, DataError, defaultGenerator, manualSeed } from "../../tensor/mod.ts";
import { encodeSafetensors } from "../../tensor/io/safetensors.ts";
import { beginning, captureTraining, fit, loadCheckpoint, restoreTraining, saveCheckpoint } from "../../train/mod.ts";
import { ignoreWithout } from "../permissions.ts";

/** A run with everything that has a state: batch norm's buffers, dropout's random stream, moments, schedule, shuffling, augmentation. */
function makeRun(kind: "adam" | "sgd") {
  const encoder = new SmallCNN({ imageSize: [8, 8], channels: [4, 8], featureSize: 16 });
  const model = new EncoderWithHead(encoder, new Sequential([new Dropout({ p: 0.3 }), new Linear(16, 8)]));
  const loss = new ESupCon({ numClasses: 10, dim: 8 });
  const parameters = [...model.parameters(), ...loss.parameters()];
  const optimizer: Optimizer = kind === "adam"
    ? new Adam(parameters, { lr: 0.01 })
    : new SGD(parameters, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
  const schedule = new WarmupCosineLR(optimizer, { warmup: 10, total: 100 });
  const transform = randomCrop(8, { padding: 1 });
  const loader = new DataLoader(digits({ split: "test" }), { batchSize: 24, shuffle: true, seed: 5, transform });
  const parts = { modules: { model, loss }, optimizer, schedule };
  const go = (from = beginning, maxSteps = 100) =>
    fit(({ x, y }) => loss.forward(model.forward(x), y), {
      loader,
      optimizer,
      schedule,
      from,
      maxSteps,
      epochs: 7,
      modules: [model],
      logEvery: 7,
    });
  const bytes = async (position = beginning) => {
    const { tensors, state } = captureTraining(parts, position);
    return { tensors: await encodeSafetensors(tensors), state };
  };
  return { parts, go, bytes };
}

Deno.test("fit with one seed gives bit-identical weights after 100 steps, twice; with another seed others", async () => {
  const course = async (seed: number) => {
    manualSeed(seed);
    const run = makeRun("adam");
    const { position } = await run.go();
    assertEquals(position.step, 100);
    return await run.bytes(position);
  };
  const first = await course(3);
  assertEquals(await course(3), first);
  assert((await course(4)).tensors.some((byte, i) => byte !== first.tensors[i]));
});

for (const kind of ["adam", "sgd"] as const) {
  Deno.test({
    name: `restoreTraining from a checkpoint at step 50 gives at step 100, bit for bit, what an uninterrupted run gives (${kind})`,
    ignore: ignoreWithout("read", "write"),
    async fn() {
      manualSeed(11);
      const whole = makeRun(kind);
      const expected = await whole.bytes((await whole.go()).position);

      manualSeed(11);
      const folder = await Deno.makeTempDir();
      try {
        const first = makeRun(kind);
        const { position } = await first.go(beginning, 50);
        assertEquals([position.step, position.batch > 0], [50, true]); // in the middle of an epoch
        await saveCheckpoint(folder, captureTraining(first.parts, position));
        manualSeed(999);
        const second = makeRun(kind);
        const restored = restoreTraining(second.parts, await loadCheckpoint(folder));
        assertEquals(restored.position, position);
        assertEquals(await second.bytes((await second.go(restored.position)).position), expected);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("captureTraining keeps what else is given, and restoreTraining refuses another kind of checkpoint or other parts", async () => {
  manualSeed(2);
  const run = makeRun("adam");
  await run.go(beginning, 3);
  const checkpoint = captureTraining(run.parts, { epoch: 0, batch: 3, step: 3 }, { extra: { note: "kept" } });
  const generator = defaultGenerator.state;
  manualSeed(77);
  assertEquals(restoreTraining(run.parts, checkpoint), { position: { epoch: 0, batch: 3, step: 3 }, extra: { note: "kept" } });
  assertEquals(defaultGenerator.state, generator);
  assertThrows(() => restoreTraining(run.parts, { tensors: {}, state: { step: 3 } }), DataError, "of a training run");
  assertThrows(() => restoreTraining(run.parts, { ...checkpoint, tensors: {} }), ArgumentError, "missing");
});
