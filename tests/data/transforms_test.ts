import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { HostRandom } from "../../data/random.ts";
import {
  colorJitter,
  compose,
  gaussianNoise,
  type HostImage,
  normalizeChannels,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomResizedCrop,
  type Transform,
} from "../../data/transforms.ts";
import { ArgumentError, ShapeError } from "../../tensor/errors.ts";

function image(shape: readonly number[], data: ArrayLike<number>): HostImage {
  return { data: Float32Array.from(data), shape };
}

function counting(shape: readonly number[]): HostImage {
  const size = shape.reduce((a, b) => a * b, 1);
  return image(shape, Array.from({ length: size }, (_, i) => i));
}

function assertClose(actual: Float32Array, expected: ArrayLike<number>, tolerance = 1e-6): void {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, i) => assertAlmostEquals(value, expected[i]!, tolerance));
}

/** Random numbers that are given in advance. */
class Scripted extends HostRandom {
  readonly #fractions: number[];

  constructor(...fractions: number[]) {
    super(0);
    this.#fractions = fractions;
  }

  override bits(): number {
    const fraction = this.#fractions.shift();
    if (fraction === undefined) throw new Error("no random number is left");
    return Math.floor(fraction * 2 ** 32);
  }
}

Deno.test("randomCrop takes every part of the padded image and nothing else", () => {
  const source = image([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const crop = randomCrop(2, { padding: 1, fill: 9 });
  const padded = [[9, 9, 9, 9], [9, 1, 2, 9], [9, 3, 4, 9], [9, 9, 9, 9]];
  const expected = new Set<string>();
  for (let top = 0; top < 3; top++) {
    for (let left = 0; left < 3; left++) {
      const first = [0, 1].flatMap((row) => [0, 1].map((column) => padded[top + row]![left + column]!));
      expected.add([...first, ...first.map((value) => value === 9 ? 9 : value + 4)].join());
    }
  }
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) seen.add(crop(source, new HostRandom(i)).data.join());
  assertEquals([...seen].sort(), [...expected].sort());
});

Deno.test("randomCrop cuts out other sizes and refuses an image that is too small", () => {
  const source = counting([1, 3, 4]);
  const part = randomCrop([2, 3])(source, new Scripted(0.99, 0.01));
  assertEquals(part, image([1, 2, 3], [4, 5, 6, 8, 9, 10]));
  assertEquals(randomCrop([3, 4])(source, new HostRandom(0)), source);
  // Padding far beyond the image gives parts that miss it.
  assertEquals(randomCrop(2, { padding: 5, fill: 7 })(source, new Scripted(0, 0)).data, Float32Array.of(7, 7, 7, 7));
  assertThrows(() => randomCrop(4)(source, new HostRandom(0)), ShapeError, "at least 4×4 pixels are needed with a padding of 0, got 3×4");
  assertThrows(() => randomCrop(0), ArgumentError, "positive height");
  assertThrows(() => randomCrop(2, { padding: -1 }), ArgumentError, "padding");
});

Deno.test("randomResizedCrop of the whole image to its own size changes nothing", () => {
  const source = counting([2, 4, 4]);
  const whole = randomResizedCrop(4, { scale: [1, 1], ratio: [1, 1] });
  assertClose(whole(source, new HostRandom(1)).data, source.data);
});

Deno.test("randomResizedCrop enlarges and shrinks bilinearly with pixel centres aligned", () => {
  const whole = { scale: [1, 1], ratio: [1, 1] } as const;
  const row = image([1, 2, 2], [0, 4, 0, 4]);
  // As torch.nn.functional.interpolate(mode="bilinear", align_corners=False): 0, 1, 3, 4.
  assertClose(randomResizedCrop(4, whole)(row, new HostRandom(0)).data, [0, 1, 3, 4, 0, 1, 3, 4, 0, 1, 3, 4, 0, 1, 3, 4]);
  // Halving puts each centre between two pixels: the mean of 2×2.
  assertClose(randomResizedCrop(2, whole)(counting([1, 4, 4]), new HostRandom(0)).data, [2.5, 4.5, 10.5, 12.5]);
  assertEquals(randomResizedCrop([1, 3], whole)(row, new HostRandom(0)).shape, [1, 1, 3]);
});

Deno.test("randomResizedCrop takes parts within the ranges, and the centre when none fits", () => {
  // A ramp stays a ramp under bilinear interpolation: its slope tells how wide the part was.
  const ramp = image([1, 20, 20], Array.from({ length: 400 }, (_, i) => i % 20));
  const transform = randomResizedCrop(20, { scale: [0.25, 0.5], ratio: [1, 1] });
  for (let i = 0; i < 100; i++) {
    const { data } = transform(ramp, new HostRandom(i));
    const width = (data[11]! - data[10]!) * 20;
    assert(width > 9.9 && width < 14.2, `${width}`);
  }
  const tall = counting([1, 8, 2]);
  const centre = randomResizedCrop(2, { scale: [1, 1], ratio: [1, 1] })(tall, new HostRandom(0));
  assertClose(centre.data, [6, 7, 8, 9]);
});

Deno.test("randomHorizontalFlip mirrors each row of each channel with its probability", () => {
  const source = counting([2, 2, 3]);
  const flipped = randomHorizontalFlip({ probability: 1 })(source, new HostRandom(0));
  assertEquals(flipped.data, Float32Array.of(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9));
  assertStrictEquals(randomHorizontalFlip({ probability: 0 })(source, new HostRandom(0)), source);
  const flip = randomHorizontalFlip();
  const flips = Array.from({ length: 2000 }, (_, i) => flip(source, new HostRandom(i)).data[0] === 2).filter(Boolean).length;
  assertAlmostEquals(flips, 1000, 5 * Math.sqrt(500));
  assertThrows(() => randomHorizontalFlip({ probability: 2 }), ArgumentError, "from 0 to 1");
});

Deno.test("colorJitter scales brightness, and contrast around the mean of the grey image", () => {
  const source = image([1, 1, 2], [0.2, 0.6]);
  // A fraction of 0.75 of [0.5, 1.5] is the factor 1.25.
  assertClose(colorJitter({ brightness: 0.5 })(source, new Scripted(0.75)).data, [0.25, 0.75]);
  assertClose(colorJitter({ contrast: 0.5 })(source, new Scripted(0.75)).data, [0.4 - 0.25, 0.4 + 0.25]);
  assertClose(colorJitter({ brightness: 2 })(source, new Scripted(0.99999)).data, [0.6, 1], 1e-4);
  assertClose(colorJitter({ contrast: 1 })(source, new Scripted(0)).data, [0.4, 0.4]);
});

Deno.test("colorJitter of saturation blends with the pixel's own grey and leaves grey images alone", () => {
  const source = image([3, 1, 1], [1, 0.5, 0]);
  const grey = 0.299 + 0.587 * 0.5;
  assertClose(colorJitter({ saturation: 1 })(source, new Scripted(0)).data, [grey, grey, grey]);
  assertClose(colorJitter({ saturation: 1 })(source, new Scripted(0.25)).data, [(1 + grey) / 2, (0.5 + grey) / 2, grey / 2]);
  assertEquals(colorJitter({ saturation: 1 })(image([1, 1, 2], [0.25, 0.5]), new HostRandom(0)).data, Float32Array.of(0.25, 0.5));
  assertThrows(() => colorJitter({ saturation: 1 })(counting([2, 1, 1]), new HostRandom(0)), ShapeError, "1 or 3 channels");
  assertThrows(() => colorJitter({ brightness: -1 }), ArgumentError, "not negative");
});

Deno.test("randomErasing overwrites one rectangle of an allowed area in all channels", () => {
  const source = image([2, 10, 10], new Array<number>(200).fill(1));
  const erase = randomErasing({ probability: 1, scale: [0.1, 0.3], value: 5 });
  for (let i = 0; i < 50; i++) {
    const { data } = erase(source, new HostRandom(i));
    const erased = [...data.subarray(0, 100)].flatMap((value, at) => value === 5 ? [at] : []);
    const rows = erased.map((at) => Math.floor(at / 10));
    const columns = erased.map((at) => at % 10);
    const area = (Math.max(...rows) - Math.min(...rows) + 1) * (Math.max(...columns) - Math.min(...columns) + 1);
    assertEquals(area, erased.length);
    assert(area >= 5 && area <= 36, `${area}`); // sides are rounded to whole pixels
    assertEquals(data.subarray(100), data.subarray(0, 100));
  }
  assertStrictEquals(randomErasing({ probability: 0 })(source, new HostRandom(0)), source);
  assertStrictEquals(randomErasing({ probability: 1, scale: [2, 2] })(source, new HostRandom(0)), source);
  assertThrows(() => randomErasing({ scale: [0.5, 0.1] }), ArgumentError, "scale");
});

Deno.test("gaussianNoise adds noise of the given deviation to samples of any shape", () => {
  const source = image([10_000], new Array<number>(10_000).fill(3));
  const { data } = gaussianNoise({ std: 0.5 })(source, new HostRandom(1));
  const mean = data.reduce((sum, value) => sum + value, 0) / 10_000;
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 10_000;
  assertAlmostEquals(mean, 3, 0.025);
  assertAlmostEquals(variance, 0.25, 0.02);
  assertEquals(gaussianNoise({ std: 0 })(source, new HostRandom(1)).data, source.data);
  assertThrows(() => gaussianNoise({ std: -1 }), ArgumentError);
});

Deno.test("normalizeChannels subtracts and divides per channel or for all", () => {
  const source = image([2, 1, 2], [1, 2, 3, 4]);
  assertEquals(normalizeChannels({ mean: [1, 2], std: [1, 2] })(source, new HostRandom(0)).data, Float32Array.of(0, 1, 0.5, 1));
  assertEquals(normalizeChannels({ mean: [1], std: [0.5] })(source, new HostRandom(0)).data, Float32Array.of(0, 2, 4, 6));
  assertThrows(
    () => normalizeChannels({ mean: [1, 2, 3], std: [1] })(source, new HostRandom(0)),
    ShapeError,
    "or 2, are needed, got 3 and 1",
  );
  assertThrows(() => normalizeChannels({ mean: [0], std: [0] }), ArgumentError, "positive std");
});

Deno.test("compose applies transforms in order, and none of them writes to its image", () => {
  const all = compose([
    randomCrop(8, { padding: 2 }),
    randomResizedCrop(8),
    randomHorizontalFlip({ probability: 1 }),
    colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4 }),
    randomErasing({ probability: 1 }),
    gaussianNoise({ std: 0.1 }),
    normalizeChannels({ mean: [0.5], std: [0.5] }),
  ]);
  const source = image([3, 8, 8], Array.from({ length: 192 }, (_, i) => i / 192));
  const before = source.data.slice();
  const first = all(source, new HostRandom(1, 2));
  assertEquals(source.data, before);
  assertEquals(first.shape, [3, 8, 8]);
  assertEquals(all(source, new HostRandom(1, 2)).data, first.data);
  assertNotEquals(all(source, new HostRandom(1, 3)).data, first.data);
  const double: Transform = ({ data, shape }) => ({ data: data.map((value) => value * 2), shape });
  const increment: Transform = ({ data, shape }) => ({ data: data.map((value) => value + 1), shape });
  assertEquals(compose([double, increment])(image([1], [3]), new HostRandom(0)).data, Float32Array.of(7));
  assertStrictEquals(compose([])(source, new HostRandom(0)), source);
});

Deno.test("image transforms refuse samples that are not images", () => {
  for (const transform of [randomCrop(1), randomResizedCrop(1), randomHorizontalFlip(), colorJitter({}), randomErasing()]) {
    assertThrows(() => transform(counting([4]), new HostRandom(0)), ShapeError, "[channels, height, width] is needed, got rank 1");
  }
});
