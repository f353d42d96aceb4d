import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ArgumentError, type DeviceName, Generator, memory, scope, ShapeError, type Tensor, tensor } from "../../tensor/mod.ts";
import { kMeans, knnAccuracy, type Labelled, linearProbe, normalizedMutualInformation, retrievalMetrics } from "../../train/mod.ts";
import { ignoreWebgpu, places } from "../devices.ts";
import fixture from "./fixtures/embeddings.json" with { type: "json" };

const whole = (values: readonly number[], device: DeviceName) => {
  return tensor([...values], { dtype: "int32", shape: [values.length], device });
};

interface Sets {
  readonly queries: Labelled;
  readonly references: Labelled;
}

/** The fixture's rows on a device. */
function sets({ device, dtype }: typeof places[number]): Sets {
  return {
    queries: { embeddings: tensor(fixture.queries, { device, dtype }), labels: whole(fixture.labels, device) },
    references: { embeddings: tensor(fixture.references, { device, dtype }), labels: whole(fixture.referenceLabels, device) },
  };
}

for (const place of places) {
  const where = `on ${place.device} in ${place.dtype}`;
  const ignore = place.device === "webgpu" && ignoreWebgpu;
  Deno.test(`retrievalMetrics gives what the definitions give ${where}, in batches too`, { ignore }, async () => {
    using _ = scope();
    const { queries: { embeddings, labels }, references } = sets(place);
    for (const { distance, same, values } of fixture.retrieval) {
      for (const batchSize of [1024, 7]) {
        const options = { distance: distance as "cosine", batchSize, ...(same ? {} : { references }) };
        const { precisionAt1, rPrecision, mapAtR } = retrievalMetrics(embeddings, labels, options);
        for (const [n, got] of [precisionAt1, rPrecision, mapAtR].entries()) assertAlmostEquals(await got.item(), values[n]!, 1e-6);
      }
    }
  });

  Deno.test(`knnAccuracy gives scikit-learn's ${where}`, { ignore }, async () => {
    using _ = scope();
    const { queries: { embeddings, labels }, references } = sets(place);
    for (const { k, same, value } of fixture.knn) {
      const options = { k, classes: 5, distance: "euclidean" as const, batchSize: 16, ...(same ? {} : { references }) };
      assertAlmostEquals(await knnAccuracy(embeddings, labels, options).item(), value, 1e-6);
    }
  });

  Deno.test(`normalizedMutualInformation gives scikit-learn's ${where}`, { ignore }, async () => {
    using _ = scope();
    for (const { a, b, value } of fixture.nmi) {
      const got = normalizedMutualInformation(whole(a, place.device), whole(b, place.device), { clusters: 5, classes: 5 });
      assertAlmostEquals(await got.item(), value, 2e-6);
    }
  });

  Deno.test(`linearProbe finds scikit-learn's logistic regression ${where}`, { ignore }, async () => {
    using _ = scope();
    const { queries: { embeddings, labels }, references } = sets(place);
    const before = memory().tensors;
    for (const { weightDecay, accuracy, probabilities } of fixture.probe) {
      const probe = linearProbe(embeddings, labels, { classes: 5, test: references, weightDecay, steps: 1000 });
      assertAlmostEquals(await probe.accuracy.item(), accuracy, 1e-6);
      const got = await probe.logits.softmax(1).toArray() as unknown as number[][];
      probabilities.forEach((row, i) => row.forEach((value, j) => assertAlmostEquals(got[i]![j]!, value, 1e-4)));
      probe.accuracy.dispose();
      probe.logits.dispose();
    }
    // The probabilities of each probe, which the scope frees.
    assertEquals(memory().tensors, before + fixture.probe.length);
  });

  Deno.test(`kMeans finds far blobs and gives their means ${where}`, { ignore }, async () => {
    using _ = scope();
    const generator = new Generator(3);
    const centres = [[0, 0], [40, 0], [0, 40], [40, 40]];
    const rows = Array.from({ length: 80 }, (_, i) => centres[i % 4]!.map((value, j) => 100 + value + Math.sin(7 * i + 3 * j)));
    const labels = whole(rows.map((_, i) => i % 4), place.device);
    const { assignments, centroids } = kMeans(tensor(rows, place), { clusters: 4, generator });
    const told = normalizedMutualInformation(assignments, labels, { clusters: 4, classes: 4 });
    assertAlmostEquals(await told.item(), 1, 1e-6);
    const [of, at] = [await assignments.data(), await centroids.toArray() as unknown as number[][]];
    for (let k = 0; k < 4; k++) {
      const members = rows.filter((_, i) => of[i] === k);
      for (const j of [0, 1]) {
        assertAlmostEquals(at[k]![j]!, members.reduce((sum, row) => sum + row[j]!, 0) / members.length, 1e-3);
      }
    }
  });
}

Deno.test("kMeans lowers the sum of squared distances with every iteration, and copes with fewer places than clusters", async () => {
  using _ = scope();
  const rows = tensor(Array.from({ length: 60 }, (_, i) => [Math.sin(12.9 * i), Math.sin(78.2 * i), Math.sin(37.7 * i)]), {
    dtype: "float64",
  });
  let last = Infinity;
  for (let iterations = 1; iterations < 8; iterations++) {
    const { assignments, centroids } = kMeans(rows, { clusters: 7, iterations, generator: new Generator(1) });
    const squares = await rows.sub(centroids.indexSelect(0, assignments)).square().sum().item();
    assert(squares <= last + 1e-9);
    last = squares;
  }
  const { centroids } = kMeans(tensor([[1], [1], [1], [5]]), { clusters: 3, generator: new Generator(1) });
  assertEquals(new Set(await centroids.data()), new Set([1, 5]));
});

Deno.test("retrievalMetrics puts no more in order than it is told, and refuses to guess when that was too few", async () => {
  const embeddings = tensor(Float32Array.from({ length: 60 * 3 }, (_, at) => Math.sin(at * at)), { shape: [60, 3] });
  const classes = Array.from({ length: 60 }, (_, at) => at % 7 === 0 ? 1 : at % 3);
  const labels = whole(classes, "cpu");
  const most = Math.max(...[0, 1, 2].map((label) => classes.filter((one) => one === label).length));
  const numbers = (tensors: readonly Tensor[]) => Promise.all(tensors.map((one) => one.item()));
  for (const distance of ["cosine", "euclidean"] as const) {
    for (const references of [undefined, { embeddings, labels }]) {
      const shared = { distance, batchSize: 25, ...(references === undefined ? {} : { references }) };
      const relevant = references === undefined ? most - 1 : most;
      const [all, enough, few] = [Infinity, relevant, relevant - 1].map((mostRelevant) => {
        return Object.values(retrievalMetrics(embeddings, labels, { ...shared, mostRelevant })) as Tensor[];
      });
      assertEquals(await numbers(enough!), await numbers(all!));
      assertEquals(await numbers(few!), [NaN, NaN, NaN]);
    }
  }
  for (const mostRelevant of [0, 1.5, NaN]) {
    assertThrows(() => retrievalMetrics(embeddings, labels, { mostRelevant }), ArgumentError, "a whole mostRelevant from 1 is needed");
  }
});

Deno.test("retrievalMetrics and knnAccuracy take NaN for no result, and leave no tensor behind", async () => {
  using _ = scope();
  const labels = whole([0, 0, 1, 1], "cpu");
  const embeddings = tensor([[1, 0], [0, 1], [NaN, 1], [1, 1]]);
  const before = memory().tensors;
  const results: Tensor[] = [...Object.values(retrievalMetrics(embeddings, labels)), knnAccuracy(embeddings, labels, { k: 1, classes: 2 })];
  assertEquals(memory().tensors, before + 4);
  for (const result of results) assertEquals(await result.item(), NaN);
  const alone = retrievalMetrics(tensor([[1], [2]]), whole([0, 1], "cpu"));
  assertEquals(await alone.mapAtR.item(), NaN);
  assertEquals(await normalizedMutualInformation(whole([], "cpu"), whole([], "cpu"), { clusters: 2, classes: 2 }).item(), NaN);
});

Deno.test("measures of embeddings refuse what does not fit", () => {
  const [rows, labels] = [tensor([[1, 0], [0, 1]]), whole([0, 1], "cpu")];
  const test = { embeddings: rows, labels };
  assertThrows(() => retrievalMetrics(rows, whole([0], "cpu")), ShapeError, "labels [N] are needed");
  assertThrows(() => retrievalMetrics(tensor([1, 2]), labels), ShapeError, "labels [N] are needed");
  assertThrows(
    () => retrievalMetrics(rows, labels, { references: { embeddings: tensor([[1]]), labels: whole([0], "cpu") } }),
    ShapeError,
    "[N, 2]",
  );
  assertThrows(() => retrievalMetrics(rows, labels, { batchSize: 0 }), ArgumentError, "batchSize");
  assertThrows(() => knnAccuracy(rows, labels, { k: 2, classes: 2 }), ArgumentError, "a whole k from 1 to 1");
  assertThrows(() => kMeans(rows, { clusters: 3 }), ArgumentError, "from 1 to 2 clusters");
  assertThrows(() => kMeans(labels, { clusters: 1 }), ShapeError, "rows [N, D]");
  assertThrows(() => kMeans(rows, { clusters: 1, iterations: 0 }), ArgumentError, "iterations");
  assertThrows(() => normalizedMutualInformation(labels, whole([0], "cpu"), { clusters: 2, classes: 2 }), ShapeError);
  assertThrows(() => linearProbe(rows, whole([0], "cpu"), { classes: 2, test }), ShapeError);
  assertThrows(() => linearProbe(rows, labels, { classes: 2, test, steps: 0 }), ArgumentError, "steps");
  assertThrows(() => linearProbe(rows, labels, { classes: 2, test, weightDecay: -1 }), ArgumentError, "weightDecay");
});
