import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { HostRandom } from "../../data/random.ts";
import { ArgumentError } from "../../tensor/errors.ts";

function draw(random: HostRandom, count: number): number[] {
  return Array.from({ length: count }, () => random.bits());
}

Deno.test("HostRandom gives the same numbers for the same keys and others for others", () => {
  const first = draw(new HostRandom(1, 2, 3), 8);
  assertEquals(draw(new HostRandom(1, 2, 3), 8), first);
  for (const keys of [[1, 2], [1, 2, 4], [1, 2, 3, 0], [3, 2, 1], [2 ** 32 + 1, 2, 3], [-1, 2, 3]]) {
    const other = draw(new HostRandom(...keys), 8);
    assertEquals(other.filter((bits) => first.includes(bits)), [], `keys ${keys}`);
  }
});

Deno.test("HostRandom keeps its numbers from version to version", () => {
  assertEquals(draw(new HostRandom(0), 4), [688984447, 1401747149, 1259943090, 1317621912]);
});

Deno.test("HostRandom refuses a key that is not a whole number", () => {
  for (const key of [0.5, NaN, Infinity, 2 ** 60]) assertThrows(() => new HostRandom(key), ArgumentError, "whole number");
});

Deno.test("HostRandom.uniform and normal have the moments of their distributions", () => {
  const random = new HostRandom(5);
  const count = 40_000;
  const uniform = Array.from({ length: count }, () => random.uniform(-1, 3));
  assert(uniform.every((value) => value >= -1 && value < 3));
  // Five standard errors: uniform on [-1, 3) has mean 1 and variance 16/12.
  assertAlmostEquals(mean(uniform), 1, 5 * Math.sqrt(16 / 12 / count));
  assertAlmostEquals(variance(uniform), 16 / 12, 0.03);
  const normal = Array.from({ length: count }, () => random.normal(2, 3));
  assertAlmostEquals(mean(normal), 2, 5 * 3 / Math.sqrt(count));
  assertAlmostEquals(variance(normal), 9, 5 * 9 * Math.sqrt(2 / count));
  const within = normal.filter((value) => Math.abs(value - 2) < 3).length / count;
  assertAlmostEquals(within, 0.6827, 0.012);
});

Deno.test("HostRandom.integer is even over a count that does not divide 2^32", () => {
  const random = new HostRandom(9);
  const counts = new Array<number>(3).fill(0);
  for (let i = 0; i < 30_000; i++) counts[random.integer(3)]! += 1;
  for (const count of counts) assertAlmostEquals(count, 10_000, 5 * Math.sqrt(30_000 * 2 / 9));
  // With a plain remainder, numbers below 2^31 would come twice as often as the rest here.
  const large = Array.from({ length: 4000 }, () => random.integer(3 * 2 ** 30));
  assertAlmostEquals(large.filter((value) => value < 2 ** 30).length / 4000, 1 / 3, 0.04);
  assertThrows(() => random.integer(0), ArgumentError, "from 1");
  assertThrows(() => random.integer(1.5), ArgumentError);
});

Deno.test("HostRandom.permutation holds every number once and all orders come about equally often", () => {
  assertEquals([...new HostRandom(3).permutation(100)].sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
  assertEquals(new HostRandom(3).permutation(0).length, 0);
  const orders = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = new HostRandom(4, i).permutation(3).join("");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assertEquals(orders.size, 6);
  for (const count of orders.values()) assertAlmostEquals(count, 1000, 5 * Math.sqrt(6000 * 5 / 36));
});

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
}
