import { assert, assertEquals, assertRejects } from "@std/assert";
import { ArgumentError, DataError, scope, tensor } from "../../tensor/mod.ts";
import { hasCheckpoint, loadCheckpoint, saveCheckpoint } from "../../train/mod.ts";
import { ignoreWithout } from "../permissions.ts";

const ignore = ignoreWithout("read", "write");

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    using _ = scope();
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const filesOf = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test(
  "saveCheckpoint replaces the one before, sweeps stale temporary files and touches no other file",
  { ignore },
  () =>
    inFolder(async (folder) => {
      assertEquals(await hasCheckpoint(folder), false);
      await saveCheckpoint(`${folder}/run`, { tensors: { w: tensor([1]) }, state: { step: 1 } });
      await Deno.writeTextFile(`${folder}/run/checkpoint-1.safetensors.4711.tandem-tmp`, "half a fi");
      await Deno.writeTextFile(`${folder}/run/my.safetensors`, "mine");
      await saveCheckpoint(`${folder}/run`, { tensors: { w: tensor([2]) }, state: { step: 2 } });
      assertEquals(filesOf(`${folder}/run`), ["checkpoint-2.safetensors", "checkpoint.json", "my.safetensors"]);
      assertEquals(await hasCheckpoint(`${folder}/run`), true);
      const { tensors, state } = await loadCheckpoint(`${folder}/run`);
      assertEquals([await tensors.w!.toArray(), state], [[2], { step: 2 }]);
    }),
);

Deno.test("saveCheckpoint that dies before its last rename leaves the checkpoint before", { ignore }, () =>
  inFolder(async (folder) => {
    await saveCheckpoint(folder, { tensors: { w: tensor([1]) }, state: { step: 1 } });
    // What is on the disk when a writer is killed between the two renames.
    await Deno.writeTextFile(`${folder}/checkpoint-2.safetensors`, "the next one, which no JSON names yet");
    const { tensors, state } = await loadCheckpoint(folder);
    assertEquals([await tensors.w!.toArray(), state], [[1], { step: 1 }]);
    await saveCheckpoint(folder, { tensors: { w: tensor([3]) }, state: { step: 3 } });
    assertEquals(filesOf(folder), ["checkpoint-3.safetensors", "checkpoint.json"]);
  }));

Deno.test("loadCheckpoint refuses what is missing, torn, foreign or leads out of the folder", { ignore }, () =>
  inFolder(async (folder) => {
    await assertRejects(() => loadCheckpoint(folder), DataError, "got none; train first");
    await saveCheckpoint(folder, { tensors: { w: tensor([1, 2, 3]) }, state: {} });
    const manifest = await Deno.readTextFile(`${folder}/checkpoint.json`);
    const rewrite = (text: string) => Deno.writeTextFile(`${folder}/checkpoint.json`, text);
    await rewrite(manifest.slice(0, 40));
    await assertRejects(() => loadCheckpoint(folder), DataError, "JSON is needed");
    await rewrite(`{"step": 1}`);
    await assertRejects(() => loadCheckpoint(folder), DataError, "a tandem-checkpoint of version 1");
    await rewrite(manifest.replace("checkpoint-1", "../checkpoint-1"));
    await assertRejects(() => loadCheckpoint(folder), DataError, "a tandem-checkpoint of version 1");
    await rewrite(manifest);
    const file = `${folder}/checkpoint-1.safetensors`;
    await Deno.truncate(file, (await Deno.stat(file)).size - 1);
    await assertRejects(() => loadCheckpoint(folder), DataError, "bytes are needed");
  }));

Deno.test("saveCheckpoint refuses a state that JSON would change, before it writes anything", { ignore }, () =>
  inFolder(async (folder) => {
    const save = (state: unknown) => saveCheckpoint(`${folder}/run`, { tensors: {}, state: state as number });
    await assertRejects(() => save({ loss: [1, NaN] }), ArgumentError, "got NaN at state.loss.1");
    await assertRejects(() => save({ lr: undefined }), ArgumentError, "got undefined at state.lr");
    assert(!await hasCheckpoint(`${folder}/run`));
    assertEquals(filesOf(folder), []);
  }));
