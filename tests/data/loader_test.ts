import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { InMemoryDataset } from "../../data/dataset.ts";
import { type Batch, DataLoader, type DataLoaderOptions } from "../../data/loader.ts";
import { gaussianNoise, type Transform } from "../../data/transforms.ts";
import { ArgumentError, memory } from "../../tensor/mod.ts";

/** Ten samples of one pixel that holds their number; labels alternate. */
const ten = new InMemoryDataset({
  data: Float32Array.from({ length: 10 }, (_, i) => i),
  labels: Array.from({ length: 10 }, (_, i) => i % 2),
  shape: [1, 1, 1],
});

async function indicesOf(batches: AsyncIterable<{ readonly indices: Int32Array }>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const batch of batches) all.push([...batch.indices]);
  return all;
}

/** Lets timers run, those also that they set. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("DataLoader gives float32 samples and int32 labels of each batch, in order", async () => {
  const loader = new DataLoader(ten, { batchSize: 4 });
  assertEquals([loader.length, loader.sampleShape], [3, [1, 1, 1]]);
  const seen: unknown[] = [];
  for await (using batch of loader) {
    seen.push([batch.x.shape, batch.x.dtype, await batch.x.reshape([-1]).toArray(), batch.y.dtype, await batch.y.toArray(), batch.size]);
  }
  assertEquals(seen, [
    [[4, 1, 1, 1], "float32", [0, 1, 2, 3], "int32", [0, 1, 0, 1], 4],
    [[4, 1, 1, 1], "float32", [4, 5, 6, 7], "int32", [0, 1, 0, 1], 4],
    [[2, 1, 1, 1], "float32", [8, 9], "int32", [0, 1], 2],
  ]);
});

Deno.test("DataLoader puts several views into the second dim", async () => {
  const loader = new DataLoader(ten, { batchSize: 5, views: 2, transform: gaussianNoise({ std: 0.01 }) });
  for await (using batch of loader) {
    assertEquals(batch.x.shape, [5, 2, 1, 1, 1]);
    assertEquals(batch.y.shape, [5]);
  }
});

Deno.test("DataLoader frees a batch that is taken by using", async () => {
  const before = memory().tensors;
  for await (using _batch of new DataLoader(ten, { batchSize: 3 })) assertEquals(memory().tensors, before + 2);
  assertEquals(memory().tensors, before);
});

Deno.test("DataLoader moves on by an epoch with each loop, and setEpoch repeats one", async () => {
  const loader = new DataLoader(ten, { batchSize: 3, shuffle: true, seed: 1 });
  const first = await indicesOf(loader.hostBatches());
  const second = await indicesOf(loader.hostBatches());
  assertNotEquals(second, first);
  assertEquals(loader.epoch, 2);
  loader.setEpoch(1);
  assertEquals(await indicesOf(loader.hostBatches()), second);
  const resumed = new DataLoader(ten, { batchSize: 3, shuffle: true, seed: 1 });
  resumed.setEpoch(1);
  assertEquals(await indicesOf(resumed.hostBatches({ skip: 2 })), second.slice(2));
  assertThrows(() => loader.setEpoch(-1), ArgumentError, "epoch");
});

Deno.test("DataLoader resumed inside an epoch gives the same transformed values", async () => {
  const make = () => new DataLoader(ten, { batchSize: 2, shuffle: true, seed: 3, views: 2, transform: gaussianNoise({ std: 1 }) });
  const whole: Float32Array[] = [];
  for await (const { data } of make().hostBatches()) whole.push(data);
  const rest: Float32Array[] = [];
  for await (const { data } of make().hostBatches({ skip: 3 })) rest.push(data);
  assertEquals(rest, whole.slice(3));
  assertThrows(() => make().hostBatches({ skip: 6 }), ArgumentError, "at most 5");
  assertEquals(await indicesOf(make().hostBatches({ skip: 5 })), []);
});

Deno.test("DataLoader gives the same batches however many it prepares ahead and however long the consumer waits", async () => {
  const options: DataLoaderOptions = { batchSize: 2, shuffle: true, seed: 2, transform: gaussianNoise({ std: 1 }) };
  const runs: number[][][] = [];
  for (const prefetch of [0, 1, 3, 100]) {
    for (const wait of [false, true]) {
      const batches: number[][] = [];
      for await (const { data } of new DataLoader(ten, { ...options, prefetch }).hostBatches()) {
        batches.push([...data]);
        if (wait) await turns();
      }
      runs.push(batches);
    }
  }
  for (const run of runs) assertEquals(run, runs[0]);
});

Deno.test("DataLoader prepares as many batches ahead as asked while the consumer waits, and none after it stops", async () => {
  let prepared = 0;
  const transform: Transform = (image) => {
    prepared += 1;
    return image;
  };
  const counts: number[] = [];
  for (const prefetch of [0, 2]) {
    prepared = 0;
    for await (const _ of new DataLoader(ten, { batchSize: 1, prefetch, transform }).hostBatches()) {
      await turns();
      counts.push(prepared - 1); // one image is for the samples' shape
      break;
    }
    const stopped = prepared;
    await turns();
    assertEquals(prepared, stopped);
  }
  assertEquals(counts, [1, 3]);
});

Deno.test("DataLoader throws what a transform threw where the batch is asked for, also when it was prepared ahead", async () => {
  const transform: Transform = (image) => {
    if (image.data[0] === 4) throw new Error("four");
    return image;
  };
  for (const prefetch of [0, 2]) {
    const seen: Batch[] = [];
    await assertRejects(
      async () => {
        for await (const batch of new DataLoader(ten, { batchSize: 2, prefetch, transform })) {
          seen.push(batch);
          await turns();
        }
      },
      Error,
      "four",
    );
    assertEquals(seen.length, 2);
    for (const batch of seen) batch[Symbol.dispose]();
  }
});

Deno.test("DataLoader refuses options that make no sense", () => {
  assertThrows(() => new DataLoader(ten, { batchSize: 0 }), ArgumentError, "batchSize");
  assertThrows(() => new DataLoader(ten, { batchSize: 1, prefetch: -1 }), ArgumentError, "prefetch");
});
