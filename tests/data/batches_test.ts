import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { type BatchOptions, BatchSource } from "../../data/batches.ts";
import { InMemoryDataset } from "../../data/dataset.ts";
import { MPerClassSampler, RandomSampler, SequentialSampler } from "../../data/samplers.ts";
import { gaussianNoise, randomCrop, type Transform } from "../../data/transforms.ts";
import { ArgumentError, IndexError, ShapeError } from "../../tensor/errors.ts";

/** Ten samples of one pixel that holds their number; labels alternate. */
const ten = new InMemoryDataset({
  data: Float32Array.from({ length: 10 }, (_, i) => i),
  labels: Array.from({ length: 10 }, (_, i) => i % 2),
  shape: [1, 1, 1],
});

function epochOf(source: BatchSource, epoch: number): number[][] {
  return Array.from({ length: source.length }, (_, number) => [...source.batch(epoch, number).data]);
}

Deno.test("BatchSource keeps the dataset's order, and the last batch is smaller or left out", () => {
  const source = new BatchSource(ten, { batchSize: 4 });
  assertEquals(source.length, 3);
  assertEquals(epochOf(source, 0), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]);
  assertEquals(source.batch(0, 2), {
    data: Float32Array.of(8, 9),
    shape: [2, 1, 1, 1],
    labels: Int32Array.of(0, 1),
    indices: Int32Array.of(8, 9),
  });
  assertEquals(epochOf(new BatchSource(ten, { batchSize: 4, dropLast: true }), 0), [[0, 1, 2, 3], [4, 5, 6, 7]]);
  assertEquals(new BatchSource(ten, { batchSize: 5, dropLast: true }).length, 2);
  assertEquals(new BatchSource(ten, { batchSize: 100 }).length, 1);
  assertEquals(new BatchSource(ten, { batchSize: 100, dropLast: true }).length, 0);
});

Deno.test("BatchSource shuffles by seed and epoch, and any batch can be prepared alone", () => {
  const options = { batchSize: 3, shuffle: true, seed: 4 };
  const source = new BatchSource(ten, options);
  const first = epochOf(source, 0);
  assertEquals(first.flat().sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertNotEquals(epochOf(source, 1), first);
  assertEquals(epochOf(source, 0), first);
  assertEquals([...new BatchSource(ten, options).batch(0, 2).data], first[2]);
  assertNotEquals(epochOf(new BatchSource(ten, { ...options, seed: 5 }), 0), first);
});

Deno.test("BatchSource takes its samples from a sampler", () => {
  const source = new BatchSource(ten, { batchSize: 4, sampler: new MPerClassSampler(ten.labels, { perClass: 2, batchSize: 4, seed: 1 }) });
  assertEquals(source.length, 2);
  for (const number of [0, 1]) assertEquals([...source.batch(3, number).labels].sort(), [0, 0, 1, 1]);
});

Deno.test("BatchSource puts views behind the batch's dim, each with its own randomness", () => {
  const source = new BatchSource(ten, { batchSize: 4, views: 2, transform: gaussianNoise({ std: 0.01 }), seed: 1 });
  const { data, shape, labels } = source.batch(0, 1);
  assertEquals([shape, labels.length], [[4, 2, 1, 1, 1], 4]);
  assertEquals([...data].map(Math.round), [4, 4, 5, 5, 6, 6, 7, 7]);
  assertEquals(new Set(data).size, 8);
  assertEquals(source.batch(0, 1).data, data);
  assertNotEquals(source.batch(1, 1).data, data);
});

Deno.test("BatchSource gives each view its own transform of an array", () => {
  const plus = (amount: number): Transform => ({ data, shape }) => ({ data: data.map((value) => value + amount), shape });
  const source = new BatchSource(ten, { batchSize: 2, transform: [plus(0), plus(100), plus(200)] });
  assertEquals(source.batch(0, 0).shape, [2, 3, 1, 1, 1]);
  assertEquals([...source.batch(0, 0).data], [0, 100, 200, 1, 101, 201]);
});

Deno.test("BatchSource changes a sample that is drawn twice in two ways, whatever the batch size", () => {
  const sampler = { length: 4, indices: () => Int32Array.of(3, 3, 3, 3) };
  const transform = gaussianNoise({ std: 1 });
  const whole = new BatchSource(ten, { batchSize: 4, sampler, transform }).batch(0, 0).data;
  assertEquals(new Set(whole).size, 4);
  const halves = new BatchSource(ten, { batchSize: 2, sampler, transform });
  assertEquals([...halves.batch(0, 0).data, ...halves.batch(0, 1).data], [...whole]);
});

Deno.test("BatchSource.sampleShape is the transform's, which must not vary", () => {
  const larger = new BatchSource(ten, { batchSize: 2, transform: randomCrop(3, { padding: 1 }) });
  assertEquals(larger.sampleShape, [1, 3, 3]);
  assertEquals(larger.batch(0, 0).shape, [2, 1, 3, 3]);
  const varying: Transform = ({ data }) => ({ data: new Float32Array(data[0]! + 1), shape: [data[0]! + 1] });
  const source = new BatchSource(ten, { batchSize: 2, transform: varying });
  assertThrows(
    () => source.batch(0, 0),
    ShapeError,
    "Cannot load batches of [1]: transformed samples of one shape are needed, got [2] for sample 1",
  );
});

Deno.test("BatchSource of an empty dataset has no batches", () => {
  const empty = new InMemoryDataset({ data: new Float32Array(0), labels: [], shape: [1, 2, 2] });
  for (const shuffle of [false, true]) {
    const source = new BatchSource(empty, { batchSize: 4, shuffle, transform: randomCrop(2) });
    assertEquals([source.length, source.sampleShape], [0, [1, 2, 2]]);
  }
});

Deno.test("BatchSource refuses options that do not fit together", () => {
  const make = (options: Partial<BatchOptions>) => () => new BatchSource(ten, { batchSize: 4, ...options });
  for (const batchSize of [0, -1, 1.5, NaN]) assertThrows(make({ batchSize }), ArgumentError, "batchSize");
  assertThrows(make({ views: 0 }), ArgumentError, "views");
  assertThrows(make({ shuffle: true, sampler: new SequentialSampler(10) }), ArgumentError, "got both");
  const sampler = new MPerClassSampler(ten.labels, { perClass: 1, batchSize: 2 });
  assertThrows(make({ sampler }), ArgumentError, "the sampler's batch size 2 is needed, got 4");
  const transform = gaussianNoise({ std: 1 });
  assertThrows(make({ transform: [transform, transform], views: 3 }), ArgumentError, "one for each of 3 views is needed, got 2");
  assertThrows(make({ seed: 0.5 }), ArgumentError, "whole number");
  assertThrows(() => new BatchSource(ten, { batchSize: 20, sampler: new RandomSampler(20) }).batch(0, 0), IndexError, "from 0 to 9");
});
