import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../tensor/mod.ts";
import { principalComponents, project } from "../../train/mod.ts";

/** Points whose covariance is known: independent axes of variance 9, 4 and 1, turned by a rotation. */
function turnedPoints(): { rows: number[]; axes: number[][] } {
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  const axes = [[c, s, 0], [-s, c, 0], [0, 0, 1]];
  const rows: number[] = [];
  for (const i of [-1, 1]) {
    for (const j of [-1, 1]) {
      for (const k of [-1, 1]) rows.push(...[0, 1, 2].map((d) => 5 + 3 * i * axes[0]![d]! + 2 * j * axes[1]![d]! + k * axes[2]![d]!));
    }
  }
  return { rows, axes };
}

Deno.test("principalComponents finds mean, directions and variances of points whose covariance is known", () => {
  const { rows, axes } = turnedPoints();
  const { mean, directions, explained } = principalComponents(rows, { width: 3, count: 2 });
  mean.forEach((value) => assertAlmostEquals(value, 5, 1e-12));
  directions.forEach((direction, k) => {
    assertAlmostEquals(Math.abs(direction.reduce((sum, value, d) => sum + value * axes[k]![d]!, 0)), 1, 1e-9);
  });
  assertAlmostEquals(explained[0]!, 9 / 14, 1e-9);
  assertAlmostEquals(explained[1]!, 4 / 14, 1e-9);
});

Deno.test("principalComponents of points that do not vary, or vary in one direction, still gives unit directions", () => {
  for (const rows of [[1, 2, 1, 2], [1, 1, 2, 2, 3, 3]]) {
    const { directions } = principalComponents(rows, { width: 2, count: 2 });
    const [a, b] = directions as [Float64Array, Float64Array];
    assertAlmostEquals(a[0]! * b[0]! + a[1]! * b[1]!, 0, 1e-9);
    assertAlmostEquals(a[0]! ** 2 + a[1]! ** 2, 1, 1e-9);
  }
});

Deno.test("project gives coordinates along the directions, measured from the mean", () => {
  const components = { mean: Float64Array.of(1, 1), directions: [Float64Array.of(0, 1)], explained: [1] };
  assertEquals(project([5, 4], components), [3]);
});

Deno.test("principalComponents refuses values that are no whole rows", () => {
  assertThrows(() => principalComponents([1, 2, 3], { width: 2 }), ShapeError, "rows of at least 2 numbers");
  assert(principalComponents([1, 2, 3], { width: 3 }).directions.length === 2);
});
