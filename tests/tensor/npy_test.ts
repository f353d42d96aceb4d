import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  DataError,
  decodeNpy,
  decodeNpz,
  encodeNpy,
  encodeNpz,
  loadNpy,
  loadNpz,
  memory,
  saveNpy,
  saveNpz,
  scope,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";
import { encodeZip } from "../../tensor/io/zip.ts";
import { ignoreWithout } from "../permissions.ts";
import fixtures from "./fixtures/npy.json" with { type: "json" };

interface Described {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | boolean | string)[];
}

/** Debian's interpreter, which sees Debian's packages. */
const python = "/usr/bin/python3";

function fileOf({ file }: { readonly file: string }): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
}

const odd: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, "-inf": -Infinity };

async function assertDescribed(got: Tensor, { dtype, shape, values }: Described, name: string): Promise<void> {
  assertEquals([got.dtype, got.shape], [dtype, [...shape]], name);
  assertEquals([...await got.data()], values.map((value) => typeof value === "string" ? odd[value]! : Number(value)), name);
}

Deno.test("decodeNpy reads every type, byte order, order of dims and version as NumPy wrote it", async () => {
  const before = memory().tensors;
  for (const fixture of fixtures.npy) {
    using got = decodeNpy(fileOf(fixture));
    await assertDescribed(got, fixture as unknown as Described, fixture.name);
  }
  assertEquals(memory().tensors, before);
});

Deno.test("decodeNpz reads archives that NumPy stored and deflated", async () => {
  for (const { name, file, arrays } of fixtures.npz) {
    const tensors = await decodeNpz(fileOf({ file }));
    assertEquals(Object.keys(tensors).sort(), Object.keys(arrays).sort());
    for (const [key, described] of Object.entries(arrays)) {
      using got = tensors[key]!;
      await assertDescribed(got, described as Described, `${key} in ${name}`);
    }
  }
});

Deno.test("decodeNpy refuses what NumPy writes and no tensor holds", () => {
  for (const fixture of fixtures.refused) {
    const error = assertThrows(() => decodeNpy(fileOf(fixture), { name: "x.npy" }), DataError, "Cannot read x.npy", fixture.name);
    if (fixture.name.includes("beyond")) assertStringIncludes(error.message, "values within 32 bits");
  }
});

const shapes = { vector: [3], matrix: [2, 3], scalar: [], none: [0, 4], one: [1] };

function everyType(): Record<string, Tensor> {
  return {
    half: tensor([1.5, -2, 65504], { dtype: "float16" }),
    single: tensor([[0.1, -0, NaN], [Infinity, 1e-42, 3]]),
    double: tensor([Math.PI], { dtype: "float64" }),
    whole: tensor([-2147483648, 7], { dtype: "int32" }),
    natural: tensor([4294967295], { dtype: "uint32" }),
    truth: tensor([true, false, true]),
    view: tensor([[1, 2, 3], [4, 5, 6]]).mT,
    ...Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => {
        return [name, tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape })];
      }),
    ),
  };
}

Deno.test("encodeNpy and encodeNpz keep every type, shape and value", async () => {
  using _ = scope();
  const tensors = everyType();
  const archives = [await encodeNpz(tensors), await encodeNpz(tensors, { compress: true })];
  for (const read of await Promise.all(archives.map((bytes) => decodeNpz(bytes)))) {
    assertEquals(Object.keys(read), Object.keys(tensors));
    for (const [name, expected] of Object.entries(tensors)) {
      using got = read[name]!;
      using alone = decodeNpy(await encodeNpy(expected));
      for (const one of [got, alone]) {
        assertEquals([one.dtype, one.shape], [expected.dtype, expected.shape]);
        assertEquals(await one.data(), await expected.data());
      }
    }
  }
});

Deno.test("encodeNpy aligns values to 64 bytes, as the format says", async () => {
  using _ = scope();
  for (const x of [tensor(1), tensor([[1, 2]]), tensor([[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]])]) {
    const bytes = await encodeNpy(x);
    const length = bytes[8]! + 256 * bytes[9]!;
    assertEquals((10 + length) % 64, 0);
    assertEquals(bytes[9 + length], "\n".charCodeAt(0));
  }
});

async function hasNumpy(): Promise<boolean> {
  try {
    return (await new Deno.Command(python, { args: ["-c", "import numpy"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "NumPy reads what saveNpy and saveNpz write",
  ignore: ignoreWithout("read", "write", "run") || !await hasNumpy(),
  async fn() {
    using _ = scope();
    const folder = await Deno.makeTempDir();
    try {
      const tensors: Record<string, Tensor> = { ...everyType(), "größe/of it": tensor([1]) };
      await saveNpz(`${folder}/stored.npz`, tensors);
      await saveNpz(`${folder}/packed.npz`, tensors, { compress: true });
      for (const [position, x] of Object.values(tensors).entries()) await saveNpy(`${folder}/${position}.npy`, x);
      const script = `
import sys, json, numpy as np
folder, names = sys.argv[1], json.loads(sys.argv[2])
for n, name in enumerate(names):
    for a in [np.load(f"{folder}/stored.npz")[name], np.load(f"{folder}/packed.npz")[name], np.load(f"{folder}/{n}.npy")]:
        assert a.flags.c_contiguous
        print(name, a.dtype, list(a.shape), a.astype("f8").reshape(-1).tolist())`;
      const { stdout, stderr, success } = await new Deno.Command(python, {
        args: ["-c", script, folder, JSON.stringify(Object.keys(tensors))],
        env: { PYTHONIOENCODING: "utf-8" },
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      assertEquals(lines.length, 3 * Object.keys(tensors).length);
      for (const [position, [name, x]] of Object.entries(tensors).entries()) {
        const values = [...await x.data()].map(pythonNumber).join(", ");
        const expected = `${name} ${x.dtype} [${x.shape.join(", ")}] [${values}]`;
        for (const line of lines.slice(3 * position, 3 * position + 3)) assertEquals(line, expected);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** A float as Python prints it. */
function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Number.isInteger(value)) return `${Object.is(value, -0) ? "-0" : value}.0`;
  return String(value);
}

Deno.test({
  name: "loadNpy and loadNpz say when there is no file",
  ignore: ignoreWithout("read"),
  async fn() {
    await assertRejects(() => loadNpy("/no/such.npy"), DataError, "a readable npy file is needed, got none; check the path");
    await assertRejects(() => loadNpz("/no/such.npz"), DataError, "a readable npz file is needed, got none; check the path");
  },
});

/** A file with a header of ours. */
function npy(
  header: string,
  values: number,
  { version = 1, length = header.length }: { version?: number; length?: number } = {},
): Uint8Array {
  const start = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(start + header.length + values);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, length, true);
  else view.setUint32(8, length, true);
  bytes.set(new TextEncoder().encode(header), start);
  return bytes;
}

const header = (shape: string, { descr = "'<f4'", order = "False" } = {}) =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

Deno.test("decodeNpy refuses every malformed file with name, offset and remedy, and leaves no tensor behind", () => {
  const whole = npy(header("(2,)"), 8);
  const cases: [string, Uint8Array, string][] = [
    ["empty", new Uint8Array(0), "got 0 bytes"],
    ["magic", Uint8Array.from(whole, (byte, at) => at === 0 ? 0x92 : byte), "NUMPY"],
    ["version 0", npy(header("(2,)"), 8, { version: 0 }), "version 1.0, 2.0 or 3.0"],
    ["version 4", npy(header("(2,)"), 8, { version: 4 }), "got 4.0"],
    ["minor version", Uint8Array.from(whole, (byte, at) => at === 7 ? 1 : byte), "got 1.1"],
    ["no length", npy("", 0, { version: 2 }).subarray(0, 10), "4 bytes with the header's length"],
    ["long header", npy(header("(2,)"), 8, { length: 5000 }), "got a length of 5000"],
    ["huge header", npy(header("(2,)"), 8, { version: 3, length: 4294967295 }), "got a length of 4294967295"],
    ["header in Latin-1", Uint8Array.from(whole, (byte, at) => at === 14 ? 0xe9 : byte), "a header in ASCII"],
    ["no dictionary", npy("[1, 2]\n", 8), "a dictionary"],
    ["code", npy(header("__import__('os').abort()"), 8), "a dictionary of a plain type"],
    ["missing key", npy("{'descr': '<f4', 'shape': (2,), }", 8), "and nothing else"],
    ["further key", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 'y'}", 8), "and nothing else"],
    ["key twice", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", 8), "each once"],
    ["no comma", npy("{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 8), "each once"],
    ["no tuple", npy(header("(2)"), 8), "a shape that is a tuple"],
    ["negative size", npy(header("(-2,)"), 8), "a dictionary of a plain type"],
    ["size with a point", npy(header("(2.0,)"), 8), "a dictionary of a plain type"],
    ["overflow", npy(header("(9007199254740993, 0)"), 0), "sizes below 2^53"],
    ["product overflow", npy(header("(4294967296, 4294967296, 4294967296)"), 8), "bytes of values"],
    ["many dims", npy(header(`(${"1, ".repeat(65)})`), 4), "at most 64 sizes"],
    ["no type", npy(header("(2,)", { descr: "'<f3'" }), 8), 'got "<f3"'],
    ["no order", npy(header("(2,)", { descr: "'f4'" }), 8), 'got "f4"'],
    ["type that is an object", npy(header("(2,)", { descr: "'|O'" }), 8), 'got "|O"'],
    ["order that is a number", npy(header("(2,)", { order: "0" }), 8), "a dictionary of a plain type"],
    ["truncated", whole.subarray(0, whole.length - 1), "8 bytes of values for [2]"],
    ["rest", npy(header("(2,)"), 9), "got 9"],
    ["wide", fileOf(fixtures.refused[0]!), "values within 32 bits"],
  ];
  const before = memory().tensors;
  for (const [name, bytes, words] of cases) {
    const error = assertThrows(() => decodeNpy(bytes, { name: "x.npy" }), DataError, "Cannot read x.npy", name);
    assertStringIncludes(error.message, words, name);
    assert(/offset \d+/.test(error.message) && error.message.endsWith("write or fetch the file again"), error.message);
  }
  assertEquals(memory().tensors, before);
});

Deno.test("decodeNpz refuses every malformed archive with a typed error, and leaves no tensor behind", async () => {
  using _ = scope();
  const stored = await encodeNpz({ a: tensor([1, 2]), b: tensor([3]) });
  const packed = await encodeNpz({ a: tensor(new Float32Array(3000)) }, { compress: true });
  const end = stored.length - 22;
  const directory = new DataView(stored.buffer).getUint32(end + 16, true);
  const second = directory + 46 + 5;
  const changed = (source: Uint8Array, ...changes: [number, number[]][]) => {
    const copy = source.slice();
    for (const [at, bytes] of changes) copy.set(bytes, at);
    return copy;
  };
  const inPacked = (at: number, bytes: number[]) =>
    changed(packed, [new DataView(packed.buffer).getUint32(packed.length - 6, true) + at, bytes]);
  // The record of b.npy once more in the content of a.npy, where the directory says it is.
  const b = { name: "b.npy", bytes: await encodeNpy(tensor([3])) };
  const both = await encodeZip([{ name: "a.npy", bytes: await encodeZip([b], { compress: false }) }, b], { compress: false });
  const bothDirectory = new DataView(both.buffer).getUint32(both.length - 6, true);
  const nested = changed(both, [bothDirectory + 46 + 5 + 42, [30 + 5, 0, 0, 0]]);
  const cases: [string, Uint8Array, string][] = [
    ["empty", new Uint8Array(0), "the end record of a zip archive"],
    ["no directory", stored.subarray(0, end), "it is truncated"],
    ["cut at the front", stored.subarray(1), "a directory that ends at"],
    ["rest", changed(new Uint8Array(stored.length + 1), [0, [...stored]]), "it is truncated"],
    ["several disks", changed(stored, [end + 4, [1]]), "an archive on one disk"],
    ["too few files", changed(stored, [end + 8, [1, 0, 1, 0]]), "the end of the directory"],
    ["too many files", changed(stored, [end + 8, [3, 0, 3, 0]]), "a directory record"],
    ["directory elsewhere", changed(stored, [end + 16, [1]]), "a directory that ends at"],
    ["encrypted", changed(stored, [directory + 8, [1]]), "a file without encryption"],
    ["method", changed(stored, [directory + 10, [9]]), "method 0 (stored) or 8 (deflated)"],
    ["offset", changed(stored, [directory + 42, [1]]), "the offset of the record"],
    ["another name", changed(stored, [30, [120]]), "that agrees with the directory"],
    [
      "name twice",
      changed(stored, [second + 46, [97]], [new DataView(stored.buffer).getUint32(second + 42, true) + 30, [97]]),
      'one file "a.npy"',
    ],
    ["same bytes twice", nested, "the record of"],
    [
      "no array",
      changed(stored, [directory + 46, [...new TextEncoder().encode("a.txt")]], [30, [...new TextEncoder().encode("a.txt")]]),
      "an archive of .npy files",
    ],
    ["value", changed(stored, [30 + 5 + 128, [7]]), "with the checksum"],
    ["checksum", changed(stored, [directory + 16, [7]]), "with the checksum"],
    ["packed size", changed(stored, [directory + 20, [7]]), "the record of"],
    ["packed size beyond", changed(stored, [directory + 20, [255, 255, 255, 127]]), "bytes of"],
    ["bomb that says so", inPacked(24, [255, 255, 255, 255]), "packed bytes can have"],
    ["bomb that hides", inPacked(24, [1, 0, 0, 0]), "got more"],
    ["less than said", inPacked(24, [0xb9, 0x2f, 0, 0]), "bytes of"],
    ["deflated", changed(packed, [35, [255, 255, 255]]), "the deflated bytes of"],
  ];
  const before = memory().tensors;
  for (const [name, bytes, words] of cases) {
    const error = await assertRejects(() => decodeNpz(bytes, { name: "x.npz" }), DataError, "x.npz", name);
    assertStringIncludes(error.message, words, name);
  }
  assertEquals(memory().tensors, before);
});
