import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cifar10, cifar100, type CifarLayout, parseCifar } from "../../data/cifar.ts";
import { sample } from "../../data/dataset.ts";
import { ArgumentError, DataError } from "../../tensor/errors.ts";
import { ignoreWithout } from "../permissions.ts";

/** Records whose pixels all have the value of the record's number, modulo 256. */
function records(count: number, labels: (record: number) => number[]): Uint8Array<ArrayBuffer> {
  const labelBytes = labels(0).length;
  const bytes = new Uint8Array(count * (labelBytes + 3072));
  for (let record = 0; record < count; record++) {
    const start = record * (labelBytes + 3072);
    bytes.set(labels(record), start);
    bytes.fill(record, start + labelBytes, start + labelBytes + 3072);
  }
  return bytes;
}

const layout: CifarLayout = { records: 2, labelBytes: 2, labelByte: 1, classes: ["a", "b", "c"], remedy: "do this" };

Deno.test("parseCifar takes the chosen label and the pixels of each record", () => {
  const bytes = records(2, (record) => [9, record + 1]);
  const { data, labels } = parseCifar(bytes, "f", layout);
  assertEquals(labels, new Uint8Array([1, 2]));
  assertEquals([data.length, data[0], data[3071], data[3072], data[6143]], [6144, 0, 0, 1, 1]);
});

Deno.test("parseCifar names file, offset and remedy for every kind of malformed file", () => {
  const bytes = records(2, () => [0, 2]);
  const wrong = records(2, (record) => [0, record * 3]);
  assertThrows(() => parseCifar(new Uint8Array(0), "f", layout), DataError, "Cannot read f at offset 0");
  assertThrows(
    () => parseCifar(bytes.subarray(0, 6000), "f", layout),
    DataError,
    "offset 6000: 2 records of 3074 bytes are needed, got 6000 bytes; do this",
  );
  assertThrows(() => parseCifar(bytes, "f", { ...layout, records: 1 }), DataError, "offset 3074: 1 records");
  assertThrows(() => parseCifar(wrong, "f", layout), DataError, "offset 3075: a label from 0 to 2 is needed, got 3; do this");
});

Deno.test({
  name: "cifar10 and cifar100 read their folders' test parts with the classes' names",
  ignore: ignoreWithout("read", "write"),
  async fn() {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.writeFile(`${dir}/test_batch.bin`, records(10_000, (record) => [record % 10]));
      const ten = await cifar10({ dir, split: "test", mean: [0, 0, 1] });
      assertEquals([ten.size, ten.shape, ten.classes.length], [10_000, [3, 32, 32], 10]);
      assertEquals(ten.classes[sample(ten, 13).label], "cat");
      const { data } = sample(ten, 51);
      assertEquals([data[0], data[3071]], [Math.fround(51 / 255), Math.fround(51 / 255 - 1)]);

      await Deno.writeFile(`${dir}/test.bin`, records(10_000, (record) => [record % 20, record % 100]));
      const fine = await cifar100({ dir, split: "test" });
      const coarse = await cifar100({ dir, split: "test", labels: "coarse" });
      assertEquals([fine.classes.length, new Set(fine.classes).size, fine.labels[123]], [100, 100, 23]);
      assertEquals([coarse.classes.length, new Set(coarse.classes).size, coarse.labels[123]], [20, 20, 3]);
      assertEquals([fine.classes[0], fine.classes[99], coarse.classes[19]], ["apple", "worm", "vehicles_2"]);

      await assertRejects(() => cifar10({ dir }), DataError, "data_batch_1.bin: an existing file is needed");
      await assertRejects(() => cifar100({ dir }), DataError, "cifar-100-binary.tar.gz");
      await Deno.truncate(`${dir}/test.bin`, 100_000);
      await assertRejects(() => cifar100({ dir, split: "test" }), DataError, "test.bin at offset 100000");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("cifar10 and cifar100 refuse parts and labels that do not exist", async () => {
  await assertRejects(() => cifar10({ dir: ".", split: "all" as "test" }), ArgumentError, "all");
  await assertRejects(() => cifar100({ dir: ".", labels: "both" as "fine" }), ArgumentError, "both");
});
