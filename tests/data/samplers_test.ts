import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { classBalancedWeights, MPerClassSampler, RandomSampler, SequentialSampler, WeightedSampler } from "../../data/samplers.ts";
import { ArgumentError } from "../../tensor/errors.ts";

Deno.test("SequentialSampler draws every sample once, in order, in every epoch", () => {
  const sampler = new SequentialSampler(4);
  assertEquals(sampler.indices(0), Int32Array.of(0, 1, 2, 3));
  assertEquals(sampler.indices(7), Int32Array.of(0, 1, 2, 3));
  assertThrows(() => new SequentialSampler(-1), ArgumentError);
});

Deno.test("RandomSampler draws every sample once, in an order named by seed and epoch", () => {
  const sampler = new RandomSampler(50, { seed: 3 });
  const first = sampler.indices(0);
  assertEquals([...first].sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i));
  assertNotEquals(sampler.indices(1), first);
  assertNotEquals(new RandomSampler(50, { seed: 4 }).indices(0), first);
  assertEquals(new RandomSampler(50, { seed: 3 }).indices(0), first);
});

Deno.test("RandomSampler draws fewer without and more with replacement", () => {
  const few = new RandomSampler(10, { count: 4 }).indices(0);
  assertEquals([few.length, new Set(few).size], [4, 4]);
  const many = new RandomSampler(10, { count: 1000, replacement: true }).indices(0);
  assertEquals([many.length, new Set(many).size], [1000, 10]);
  assert(many.every((index) => index >= 0 && index < 10));
  assertEquals(new RandomSampler(0).indices(0).length, 0);
});

Deno.test("RandomSampler refuses more samples than there are", () => {
  assertThrows(() => new RandomSampler(10, { count: 11 }), ArgumentError, "at most 10");
  assertThrows(() => new RandomSampler(0, { count: 1, replacement: true }), ArgumentError);
  assertThrows(() => new RandomSampler(2.5), ArgumentError, "whole size");
});

Deno.test("WeightedSampler draws in proportion to the weights and never at weight 0", () => {
  const weights = [0, 1, 3, 0, 6, 0];
  const count = 20_000;
  const drawn = new WeightedSampler(weights, { count, seed: 2 }).indices(0);
  const counts = new Array<number>(weights.length).fill(0);
  for (const index of drawn) counts[index]! += 1;
  weights.forEach((weight, index) => {
    const p = weight / 10;
    assertAlmostEquals(counts[index]!, count * p, 5 * Math.sqrt(count * p * (1 - p)) + 1e-9);
  });
  assertEquals(
    new WeightedSampler(weights, { count: 50, seed: 2 }).indices(4),
    new WeightedSampler(weights, { count: 50, seed: 2 }).indices(4),
  );
});

Deno.test("WeightedSampler without replacement draws each at most once, heavy ones first", () => {
  const weights = [0, 1, 9, 0, 1];
  let heavyFirst = 0;
  for (let epoch = 0; epoch < 2000; epoch++) {
    const drawn = new WeightedSampler(weights, { count: 3, replacement: false }).indices(epoch);
    assertEquals([...drawn].sort(), [1, 2, 4]);
    if (drawn[0] === 2) heavyFirst += 1;
  }
  // Drawing one after the other takes the heavy one first in 9 of 11 cases.
  assertAlmostEquals(heavyFirst / 2000, 9 / 11, 5 * Math.sqrt(9 / 11 * 2 / 11 / 2000));
});

Deno.test("WeightedSampler refuses weights it cannot draw from", () => {
  assertThrows(() => new WeightedSampler([1, -1]), ArgumentError, "not negative");
  assertThrows(() => new WeightedSampler([1, NaN]), ArgumentError);
  assertThrows(() => new WeightedSampler([0, 0]), ArgumentError, "1 positive weights, got 0");
  assertThrows(() => new WeightedSampler([1, 0, 1], { count: 3, replacement: false }), ArgumentError, "3 positive weights, got 2");
});

Deno.test("classBalancedWeights gives every class the same total", () => {
  assertEquals(classBalancedWeights(Int32Array.of(5, 5, 5, 5, 2, 2)), Float64Array.of(0.25, 0.25, 0.25, 0.25, 0.5, 0.5));
});

const labels = Int32Array.from({ length: 60 }, (_, i) => i % 5);

Deno.test("MPerClassSampler puts exactly m different samples of each chosen class into every batch", () => {
  const sampler = new MPerClassSampler(labels, { perClass: 4, batchSize: 12, seed: 1 });
  assertEquals([sampler.length, sampler.batchSize], [60, 12]);
  for (let epoch = 0; epoch < 5; epoch++) {
    const indices = sampler.indices(epoch);
    for (let start = 0; start < indices.length; start += 12) {
      const batch = [...indices.subarray(start, start + 12)];
      assertEquals(new Set(batch).size, 12);
      const counts = new Map<number, number>();
      for (const index of batch) counts.set(labels[index]!, (counts.get(labels[index]!) ?? 0) + 1);
      assertEquals([...counts.values()], [4, 4, 4]);
    }
  }
});

Deno.test("MPerClassSampler with all classes in a batch visits every sample of an even dataset once", () => {
  const indices = new MPerClassSampler(labels, { perClass: 3, batchSize: 15 }).indices(2);
  assertEquals([...indices].sort((a, b) => a - b), Array.from({ length: 60 }, (_, i) => i));
});

Deno.test("MPerClassSampler refuses what the classes cannot give", () => {
  const make = (options: { perClass: number; batchSize: number }, of = labels) => () => new MPerClassSampler(of, options);
  assertThrows(make({ perClass: 5, batchSize: 12 }), ArgumentError, "a multiple of 5");
  assertThrows(make({ perClass: 2, batchSize: 12 }), ArgumentError, "6 classes are needed for 2 in each batch of 12, got 5");
  assertThrows(make({ perClass: 13, batchSize: 13 }), ArgumentError, "13 samples of each class are needed, got 12 of class 0");
  assertThrows(make({ perClass: 0, batchSize: 12 }), ArgumentError);
  assertThrows(make({ perClass: 1, batchSize: 1 }, new Int32Array(0)), ArgumentError, "got 0");
});

Deno.test("MPerClassSampler is named by seed and epoch", () => {
  const options = { perClass: 2, batchSize: 4 };
  const first = new MPerClassSampler(labels, { ...options, seed: 1 }).indices(0);
  assertEquals(new MPerClassSampler(labels, { ...options, seed: 1 }).indices(0), first);
  assertNotEquals(new MPerClassSampler(labels, { ...options, seed: 1 }).indices(1), first);
  assertNotEquals(new MPerClassSampler(labels, { ...options, seed: 2 }).indices(0), first);
});
