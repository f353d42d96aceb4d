import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { memory, ShapeError, tensor } from "../../tensor/mod.ts";
import { accuracy, confusionMatrix, RunningMean, topKAccuracy } from "../../train/mod.ts";

const labels = (values: number[]) => tensor(values, { dtype: "int32", shape: [values.length] });

Deno.test("accuracy counts the rows whose greatest logit is the target's, and a NaN row as a miss", async () => {
  const logits = tensor([[1, 3, 2], [0, 0, 1], [5, 4, 3], [NaN, 0, 1]]);
  assertEquals(await accuracy(logits, labels([1, 2, 1, 2])).item(), 0.5);
});

Deno.test("accuracy and topKAccuracy refuse what does not fit", () => {
  assertThrows(() => accuracy(tensor([[1, 2]]), labels([0, 1])), ShapeError, "logits [N, K] and targets [N] are needed");
  assertThrows(() => topKAccuracy(tensor([[1, 2]]), labels([0]), { k: 0 }), RangeError, "whole k from 1");
});

Deno.test("topKAccuracy agrees with sorting, and does not take NaN for a hit", async () => {
  const rows = Array.from({ length: 50 }, (_, i) => Array.from({ length: 7 }, (_, j) => Math.sin(12.9 * i + 78.2 * j)));
  const targets = rows.map((_, i) => i % 7);
  for (const k of [1, 3, 7]) {
    const hits = rows.filter((row, i) => row.toSorted((a, b) => b - a).indexOf(row[targets[i]!]!) < k).length;
    assertAlmostEquals(await topKAccuracy(tensor(rows), labels(targets), { k }).item(), hits / 50, 1e-6);
  }
  assertEquals(await topKAccuracy(tensor([[NaN, 1], [0, 1]]), labels([0, 0]), { k: 1 }).item(), 0);
});

Deno.test("confusionMatrix counts by true class and predicted class", async () => {
  const predictions = [2, 0, 1, 1, 2, 2];
  const targets = [2, 0, 1, 0, 1, 2];
  const expected = [[1, 1, 0], [0, 1, 1], [0, 0, 2]];
  assertEquals(await confusionMatrix(labels(predictions), labels(targets), { classes: 3 }).toArray(), expected);
});

Deno.test("RunningMean weights values, keeps names apart and leaves no tensor behind", async () => {
  const before = memory().tensors;
  const mean = new RunningMean();
  using three = tensor(3);
  using five = tensor([5]);
  mean.add({ loss: three, accuracy: five }, { weight: 3 });
  mean.add({ loss: five }, { weight: 1 });
  assertEquals(await mean.read({ reset: true }), { loss: 3.5, accuracy: 5 });
  assertEquals(await mean.read(), {});
  assertThrows(() => mean.add({ loss: tensor([1, 2]) }), ShapeError, "one element is needed");
  assert(memory().tensors <= before + 3);
});

Deno.test("RunningMean hands a NaN on instead of hiding it", async () => {
  using mean = new RunningMean();
  mean.add({ loss: tensor(NaN) });
  mean.add({ loss: tensor(1) });
  assertEquals((await mean.read()).loss, NaN);
});
