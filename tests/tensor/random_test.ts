import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  ArgumentError,
  bernoulli,
  defaultGenerator,
  Generator,
  manualSeed,
  rand,
  randint,
  randn,
  randperm,
  scope,
  type Tensor,
} from "../../tensor/mod.ts";
import { threefry } from "../../tensor/scalar.ts";
import { ignoreWebgpu, reference } from "../devices.ts";

Deno.test("threefry() gives the published answer", () => {
  // Random123's kat_vectors: threefry2x32, 20 rounds, counter 0 0, key 0 0.
  assertEquals(threefry(0, 0, 0), 0x6b200159);
});

const draws: Readonly<Record<string, (device: string) => Tensor>> = {
  rand: (device) => rand([7, 11], { device, generator: new Generator(123) }),
  "rand between bounds": (device) => rand([50], { low: -2, high: 3, device, generator: new Generator(123) }),
  randn: (device) => randn([7, 11], { device, generator: new Generator(123) }),
  randint: (device) => randint(-10, 1000, { shape: [60], device, generator: new Generator(123) }),
  randperm: (device) => randperm(60, { device, generator: new Generator(123) }),
  bernoulli: (device) => bernoulli([60], { probability: 0.3, device, generator: new Generator(123) }),
};

for (const [name, draw] of Object.entries(draws)) {
  for (const device of [reference, "webgpu"]) {
    Deno.test({
      name: `${name} gives the same bits on ${device} as on the CPU`,
      ignore: device === "webgpu" && ignoreWebgpu,
      async fn() {
        using _ = scope();
        assertEquals(await draw(device).data(), await draw("cpu").data());
      },
    });
  }
}

Deno.test("rand() stays what it was: these bits are saved in checkpoints and papers", async () => {
  using _ = scope();
  const generator = new Generator(42);
  // Elements 0 … 3 of key (42, 0): the upper 24 of 32 bits.
  const expected = [0, 1, 2, 3].map((i) => (threefry(42, 0, i) >>> 8) / 2 ** 24);
  assertEquals(await rand([4], { generator }).toArray(), expected);
  assertEquals(await rand([1], { generator }).toArray(), [(threefry(42, 1, 0) >>> 8) / 2 ** 24]);
});

Deno.test("Generator repeats from a seed, goes on from a state, and gives each tensor new numbers", async () => {
  using _ = scope();
  const generator = new Generator(5);
  const first = await rand([4], { generator }).toArray();
  const state = generator.state;
  const second = await rand([4], { generator }).toArray();
  assertNotEquals(first, second);
  generator.state = state;
  assertEquals(await rand([4], { generator }).toArray(), second);
  generator.seed(5);
  assertEquals(await rand([4], { generator }).toArray(), first);
  assertThrows(() => new Generator(-1), ArgumentError, "a whole number from 0 to 4294967295");
  assertThrows(() => new Generator(0.5), ArgumentError, "a whole number");
});

Deno.test("manualSeed() seeds the default generator", async () => {
  using _ = scope();
  manualSeed(9);
  const first = await randn([3]).toArray();
  assertEquals(defaultGenerator.state, { seed: 9, calls: 1 });
  manualSeed(9);
  assertEquals(await randn([3]).toArray(), first);
});

function moments(values: ArrayLike<number>): { mean: number; deviation: number; low: number; high: number } {
  const list = Array.from(values);
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  const deviation = Math.sqrt(list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length);
  return { mean, deviation, low: list.reduce((a, b) => Math.min(a, b)), high: list.reduce((a, b) => Math.max(a, b)) };
}

const count = 40_000;

/** Five standard errors of a mean. */
function assertMean(got: number, expected: number, deviation: number): void {
  assert(Math.abs(got - expected) < 5 * deviation / Math.sqrt(count), `${got} is far from ${expected}`);
}

Deno.test("rand() is uniform in [low, high)", async () => {
  using _ = scope();
  const { mean, deviation, low, high } = moments(await rand([count], { low: -1, high: 3, generator: new Generator(1) }).data());
  assertMean(mean, 1, 4 / Math.sqrt(12));
  assert(Math.abs(deviation / (4 / Math.sqrt(12)) - 1) < 0.02);
  assert(low >= -1 && low < -0.99 && high < 3 && high > 2.99);
});

Deno.test("randn() is normal", async () => {
  using _ = scope();
  const values = await randn([count], { mean: 2, std: 0.5, generator: new Generator(2) }).data();
  const { mean, deviation } = moments(values);
  assertMean(mean, 2, 0.5);
  assert(Math.abs(deviation / 0.5 - 1) < 0.02);
  // 95.45 % lie within two standard deviations.
  const near = Array.from(values).filter((value) => Math.abs(value - 2) < 1).length / count;
  assert(Math.abs(near - 0.9545) < 0.006, String(near));
});

Deno.test("randint() and bernoulli() have the right range and mean", async () => {
  using _ = scope();
  const whole = moments(await randint(-3, 4, { shape: [count], generator: new Generator(3) }).data());
  assertMean(whole.mean, 0, 2);
  assertEquals([whole.low, whole.high], [-3, 3]);
  const truth = moments(await bernoulli([count], { probability: 0.2, generator: new Generator(4) }).data());
  assertMean(truth.mean, 0.2, 0.4);
  assertEquals(await bernoulli([20], { probability: 0 }).any().item(), 0);
  assertEquals(await bernoulli([20], { probability: 1 }).all().item(), 1);
  assertThrows(() => bernoulli([2], { probability: 1.5 }), ArgumentError, "a probability from 0 to 1");
  assertThrows(() => randint(3, 3, { shape: [1] }), ArgumentError, "whole low < high");
  assertThrows(() => randint(0, 2 ** 32, { shape: [1] }), ArgumentError, "within 32 bits");
});

Deno.test("randperm() holds every number once, in no order", async () => {
  using _ = scope();
  const order = await randperm(1000, { generator: new Generator(6) }).data();
  assertEquals(Array.from(order).sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  const fixed = order.filter((value: number, i: number) => value === i).length;
  assert(fixed < 10, String(fixed));
});
