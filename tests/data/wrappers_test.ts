import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { classCounts, type Dataset, InMemoryDataset, sample } from "../../data/dataset.ts";
import { fewSamples, imbalance, labelNoise, RelabelledDataset, split, subset } from "../../data/wrappers.ts";
import { ArgumentError, IndexError } from "../../tensor/errors.ts";

/** n samples per class; sample i holds the number i. */
function numbered(perClass: number, classes: number): Dataset {
  const size = perClass * classes;
  return new InMemoryDataset({
    data: Float32Array.from({ length: size }, (_, i) => i),
    labels: Array.from({ length: size }, (_, i) => i % classes),
    shape: [1],
  });
}

function values(dataset: Dataset): number[] {
  return Array.from({ length: dataset.size }, (_, i) => sample(dataset, i).data[0]!);
}

Deno.test("labelNoise makes exactly the given fraction wrong, evenly over the other classes, and keeps the data", () => {
  const clean = numbered(1000, 4);
  const noisy = labelNoise(clean, { rate: 0.3, seed: 1 });
  const flips = new Map<string, number>();
  noisy.labels.forEach((label, index) => {
    const was = clean.labels[index]!;
    if (label !== was) flips.set(`${was}${label}`, (flips.get(`${was}${label}`) ?? 0) + 1);
  });
  assertEquals([...flips.values()].reduce((a, b) => a + b, 0), 1200);
  assertEquals(flips.size, 12);
  for (const count of flips.values()) assertAlmostEquals(count, 100, 5 * Math.sqrt(1200 / 12));
  assertEquals(noisy.originalLabels, clean.labels);
  assertEquals(sample(noisy, 17).data, sample(clean, 17).data);
});

Deno.test("labelNoise of kind pair moves to the next class", () => {
  const noisy = labelNoise(numbered(10, 3), { rate: 1, kind: "pair" });
  assertEquals(noisy.labels, noisy.originalLabels.map((label) => (label + 1) % 3));
});

Deno.test("labelNoise is named by its seed, and rate 0 changes nothing", () => {
  const clean = numbered(20, 5);
  assertEquals(labelNoise(clean, { rate: 0.5, seed: 1 }).labels, labelNoise(clean, { rate: 0.5, seed: 1 }).labels);
  assertNotEquals(labelNoise(clean, { rate: 0.5, seed: 1 }).labels, labelNoise(clean, { rate: 0.5, seed: 2 }).labels);
  assertEquals(labelNoise(clean, { rate: 0 }).labels, clean.labels);
});

Deno.test("labelNoise refuses a rate outside [0, 1], one class and an unknown kind", () => {
  for (const rate of [-0.1, 1.1, NaN]) assertThrows(() => labelNoise(numbered(2, 2), { rate }), ArgumentError, "rate from 0 to 1");
  assertThrows(() => labelNoise(numbered(2, 1), { rate: 0.5 }), ArgumentError, "at least 2 classes");
  assertThrows(() => labelNoise(numbered(2, 2), { rate: 0.5, kind: "other" as "pair" }), ArgumentError, "other");
});

Deno.test("imbalance keeps n · factor^(k / (K - 1)) of class k", () => {
  const tail = imbalance(numbered(1000, 4), { factor: 0.001, seed: 1 });
  assertEquals(classCounts(tail), Int32Array.of(1000, 100, 10, 1));
  assertEquals(classCounts(imbalance(numbered(100, 3), { factor: 1 })), Int32Array.of(100, 100, 100));
  assertEquals(classCounts(imbalance(numbered(10, 3), { factor: 1e-9 })), Int32Array.of(10, 1, 1));
  assertEquals(classCounts(imbalance(numbered(10, 1), { factor: 0.5 })), Int32Array.of(10));
});

Deno.test("imbalance chooses at random by seed, in the dataset's order", () => {
  const chosen = (seed: number) => values(imbalance(numbered(50, 2), { factor: 0.1, seed }));
  assertEquals(chosen(1), chosen(1));
  assertNotEquals(chosen(1), chosen(2));
  assertEquals(chosen(1), chosen(1).toSorted((a, b) => a - b));
  for (const factor of [0, -1, 1.5, NaN]) assertThrows(() => imbalance(numbered(5, 2), { factor }), ArgumentError, "factor");
});

Deno.test("fewSamples keeps as many of each class, different ones for different seeds", () => {
  const few = fewSamples(numbered(20, 3), { perClass: 4, seed: 1 });
  assertEquals(classCounts(few), Int32Array.of(4, 4, 4));
  assertEquals(new Set(values(few)).size, 12);
  assertNotEquals(values(few), values(fewSamples(numbered(20, 3), { perClass: 4, seed: 2 })));
  assertThrows(() => fewSamples(numbered(3, 2), { perClass: 4 }), ArgumentError, "4 of each class are needed, got 3 of class 0");
  assertThrows(() => fewSamples(numbered(3, 2), { perClass: 0 }), ArgumentError);
});

Deno.test("split parts share no sample, hold all of them and keep the classes' proportions", () => {
  const dataset = numbered(37, 3);
  const [train, test] = split(dataset, { fraction: 0.2, seed: 5 });
  assertEquals(test.size, Math.round(0.2 * 111));
  assertEquals([...values(train), ...values(test)].sort((a, b) => a - b), values(dataset));
  for (const count of classCounts(test)) assertAlmostEquals(count, 37 * 0.2, 1);
  const [, again] = split(dataset, { fraction: 0.2, seed: 5 });
  assertEquals(again.indices, test.indices);
  for (const fraction of [0, 1, NaN]) assertThrows(() => split(dataset, { fraction }), ArgumentError, "fraction");
});

Deno.test("subset shows the samples asked for, and wrappers nest", () => {
  const dataset = numbered(5, 2);
  assertEquals(values(subset(dataset, [7, 1, 1])), [7, 1, 1]);
  assertEquals(subset(dataset, [7, 1, 1]).labels, Int32Array.of(1, 1, 1));
  const nested = labelNoise(fewSamples(subset(dataset, [9, 8, 7, 6]), { perClass: 1 }), { rate: 1 });
  assertEquals(nested.size, 2);
  assert(values(nested).every((value) => value >= 6));
  assertThrows(() => subset(dataset, [10]), IndexError, "from 0 to 9");
  assertThrows(() => subset(dataset, [0]).read(1, new Float32Array(1)), IndexError);
});

Deno.test("RelabelledDataset refuses labels that do not fit", () => {
  assertThrows(() => new RelabelledDataset(numbered(2, 2), [0, 1]), ArgumentError, "4 labels are needed, got 2");
  assertThrows(() => new RelabelledDataset(numbered(2, 2), [0, 1, 2, 0]), ArgumentError, "from 0 to 1 are needed, got 2");
});
