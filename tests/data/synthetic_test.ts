import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { classCounts, type Dataset, sample } from "../../data/dataset.ts";
import { blobs, moons, spirals } from "../../data/synthetic.ts";
import { ArgumentError } from "../../tensor/errors.ts";

function pointsOf(dataset: Dataset, label?: number): number[][] {
  return Array.from({ length: dataset.size }, (_, i) => sample(dataset, i))
    .filter((point) => label === undefined || point.label === label)
    .map((point) => [...point.data]);
}

Deno.test("blobs, moons and spirals are balanced and named by their seed", () => {
  for (const make of [blobs, moons, spirals]) {
    const dataset = make({ samples: 60, seed: 4 });
    const classes = make === moons ? 2 : 3;
    assertEquals([dataset.size, dataset.shape], [60, [2]]);
    assertEquals(classCounts(dataset), new Int32Array(classes).fill(60 / classes));
    assertEquals(pointsOf(make({ samples: 60, seed: 4 })), pointsOf(dataset));
    assertNotEquals(pointsOf(make({ samples: 60, seed: 5 })), pointsOf(dataset));
    assertEquals(make({ samples: 0 }).size, 0);
  }
});

Deno.test("blobs have the spread asked for around one centre each", () => {
  const dataset = blobs({ samples: 4000, classes: 2, features: 3, spread: 0.5, seed: 1 });
  assertEquals(dataset.shape, [3]);
  for (const label of [0, 1]) {
    const points = pointsOf(dataset, label);
    for (let feature = 0; feature < 3; feature++) {
      const mean = points.reduce((sum, point) => sum + point[feature]!, 0) / points.length;
      const variance = points.reduce((sum, point) => sum + (point[feature]! - mean) ** 2, 0) / points.length;
      assert(Math.abs(mean) < 10.1);
      assertAlmostEquals(Math.sqrt(variance), 0.5, 0.05);
    }
  }
});

Deno.test("moons without noise lie on two half circles", () => {
  const dataset = moons({ samples: 100, noise: 0 });
  for (const [x, y] of pointsOf(dataset, 0)) {
    assertAlmostEquals(Math.hypot(x!, y!), 1, 1e-6);
    assert(y! >= 0);
  }
  for (const [x, y] of pointsOf(dataset, 1)) {
    assertAlmostEquals(Math.hypot(1 - x!, 0.5 - y!), 1, 1e-6);
    assert(y! <= 0.5);
  }
});

Deno.test("spirals without noise have the angle that their radius and class give", () => {
  const dataset = spirals({ samples: 90, classes: 3, turns: 1, noise: 0 });
  for (const label of [0, 1, 2]) {
    for (const [x, y] of pointsOf(dataset, label)) {
      const angle = 2 * Math.PI * (Math.hypot(x!, y!) + label / 3);
      assertAlmostEquals(Math.hypot(x!, y!) * Math.cos(angle), x!, 1e-5);
      assertAlmostEquals(Math.hypot(x!, y!) * Math.sin(angle), y!, 1e-5);
    }
  }
});

Deno.test("blobs, moons and spirals refuse counts and spreads that make no sense", () => {
  assertThrows(() => blobs({ samples: -1 }), ArgumentError, "number of samples");
  assertThrows(() => blobs({ samples: 1, classes: 0 }), ArgumentError, "number of classes");
  assertThrows(() => blobs({ samples: 1, features: 0.5 }), ArgumentError, "features");
  assertThrows(() => moons({ samples: 1, noise: -1 }), ArgumentError, "not negative");
  assertThrows(() => spirals({ samples: 1, noise: NaN }), ArgumentError);
});
