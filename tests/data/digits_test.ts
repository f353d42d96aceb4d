import { assert, assertEquals, assertThrows } from "@std/assert";
import { classCounts, sample } from "../../data/dataset.ts";
import { digits, unpackDigits } from "../../data/digits.ts";
import { packedDigits } from "../../data/digits_data.ts";
import { ArgumentError, DataError } from "../../tensor/errors.ts";

Deno.test("digits holds UCI's 1,797 images with the source's first image, class counts and sum", () => {
  const dataset = digits();
  assertEquals([dataset.size, dataset.shape, dataset.classes.length], [1797, [1, 8, 8], 10]);
  // The first row of the source file.
  const first = [
    ...[0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0],
    ...[0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0],
  ];
  assertEquals(sample(dataset, 0), { data: Float32Array.from(first, (value) => value / 16), label: 0 });
  assertEquals(classCounts(dataset), Int32Array.of(178, 182, 177, 183, 181, 182, 181, 179, 174, 180));
});

Deno.test("digits have the checksum of the source file's numbers", async () => {
  const { data, labels } = unpackDigits(packedDigits);
  const numbers = new Uint8Array(data.length + labels.length);
  labels.forEach((label, row) => {
    numbers.set(data.subarray(row * 64, row * 64 + 64), row * 65);
    numbers[row * 65 + 64] = label;
  });
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", numbers));
  assertEquals(hash.toHex(), "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2");
});

Deno.test("digits parts are stratified, share no image and stay the same", () => {
  const [train, test, all] = [digits({ split: "train" }), digits({ split: "test" }), digits()];
  assertEquals([train.size, test.size], [1437, 360]);
  assertEquals(classCounts(train).map((count, label) => count + classCounts(test)[label]!), classCounts(all));
  for (const count of classCounts(test)) assert(count >= 34 && count <= 37);
  const images = (dataset: typeof all) => Array.from({ length: dataset.size }, (_, i) => `${dataset.labels[i]}:${sample(dataset, i).data}`);
  assertEquals([...images(train), ...images(test)].sort(), images(all).sort());
  assertEquals(images(digits({ split: "test" })), images(test));
  assert(images(digits({ split: "test", seed: 1 })).join() !== images(test).join());
  assertThrows(() => digits({ split: "validation" as "test" }), ArgumentError, "validation");
});

Deno.test("unpackDigits refuses a line that is not a label and 64 pixels", () => {
  const line = packedDigits.slice(0, packedDigits.indexOf("\n"));
  assertEquals(unpackDigits(line).labels, new Uint8Array([0]));
  assertThrows(() => unpackDigits(`${line}\n${line.slice(0, -1)}`), DataError, "64 pixels are needed in line 2");
  assertThrows(() => unpackDigits(line + "0"), DataError, "got 65");
  assertThrows(() => unpackDigits("a" + line.slice(1)), DataError, "label from 0 to 9");
  assertThrows(() => unpackDigits("0?" + line.slice(2)), DataError, 'got "?"');
});
