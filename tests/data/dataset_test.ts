import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { channelStatistics, classCounts, InMemoryDataset, sample } from "../../data/dataset.ts";
import { ArgumentError, IndexError, ShapeError } from "../../tensor/errors.ts";

const twoByTwo = { data: new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]), labels: [0, 1], shape: [2, 1, 2] };

Deno.test("InMemoryDataset scales and normalises each channel by its own mean and std", () => {
  const dataset = new InMemoryDataset({ ...twoByTwo, scale: 2, mean: [1, 2], std: [1, 4] });
  assertEquals(sample(dataset, 0).data, new Float32Array([-1, 1, (4 - 2) / 4, (6 - 2) / 4]));
  assertEquals(sample(dataset, 1).data, new Float32Array([7, 9, (12 - 2) / 4, (14 - 2) / 4]));
  assertEquals(sample(dataset, 1).label, 1);
});

Deno.test("InMemoryDataset takes one mean and std for all channels, floats and points", () => {
  const dataset = new InMemoryDataset({ data: new Float32Array([0.5, 1.5, -1, 0]), labels: [0, 0], shape: [2], mean: [0.5], std: [0.5] });
  assertEquals(sample(dataset, 0).data, new Float32Array([0, 2]));
  assertEquals(sample(dataset, 1).data, new Float32Array([-3, -1]));
});

Deno.test("InMemoryDataset.read writes at a position and leaves the rest alone", () => {
  const into = new Float32Array(6).fill(9);
  new InMemoryDataset(twoByTwo).read(1, into, 1);
  assertEquals(into, new Float32Array([9, 4, 5, 6, 7, 9]));
});

Deno.test("InMemoryDataset keeps an empty dataset and a dataset with named classes", () => {
  const empty = new InMemoryDataset({ data: new Uint8Array(0), labels: [], shape: [1, 8, 8] });
  assertEquals([empty.size, empty.classes.length], [0, 0]);
  const named = new InMemoryDataset({ ...twoByTwo, classes: ["cat", "dog", "bird"] });
  assertEquals(classCounts(named), Int32Array.of(1, 1, 0));
});

Deno.test("InMemoryDataset refuses what does not fit together", () => {
  const make = (options: object) => () => new InMemoryDataset({ ...twoByTwo, ...options });
  assertThrows(make({ labels: [0, 1, 0] }), ShapeError, "12 values are needed for 3 labels, got 8");
  assertThrows(make({ classes: ["one"] }), ArgumentError, "labels from 0 to 0 are needed, got 1 for sample 1");
  assertThrows(make({ labels: [0, -1] }), ArgumentError, "got -1");
  assertThrows(make({ mean: [1, 2, 3] }), ShapeError, "one mean or one for each of 2 channels is needed, got 3");
  assertThrows(make({ std: [0] }), ArgumentError, "positive std");
  assertThrows(make({ scale: NaN }), ArgumentError, "finite scale");
});

Deno.test("InMemoryDataset.read refuses an index that is not a sample", () => {
  const dataset = new InMemoryDataset(twoByTwo);
  for (const index of [-1, 2, 0.5, NaN]) assertThrows(() => sample(dataset, index), IndexError, "from 0 to 1");
});

Deno.test("channelStatistics gives mean and standard deviation of each channel", () => {
  const { mean, std } = channelStatistics(new InMemoryDataset(twoByTwo));
  assertEquals(mean, [(0 + 1 + 4 + 5) / 4, (2 + 3 + 6 + 7) / 4]);
  for (const deviation of std) assertAlmostEquals(deviation, Math.sqrt(17 / 4), 1e-12);
  assertThrows(
    () => channelStatistics(new InMemoryDataset({ data: new Uint8Array(0), labels: [], shape: [2] })),
    ArgumentError,
    "got none",
  );
});

Deno.test("channelStatistics undoes itself: the normalised dataset has mean 0 and std 1", () => {
  const normalised = new InMemoryDataset({ ...twoByTwo, ...channelStatistics(new InMemoryDataset(twoByTwo)) });
  const { mean, std } = channelStatistics(normalised);
  for (const value of mean) assertAlmostEquals(value, 0, 1e-6);
  for (const value of std) assertAlmostEquals(value, 1, 1e-6);
});
