import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DataError, memory, scope, tensor } from "../../tensor/mod.ts";
import { decodeSafetensors, encodeSafetensors, loadSafetensors, saveSafetensors } from "../../tensor/io/safetensors.ts";
import { ignoreWithout } from "../permissions.ts";

/** A file as the format's description says, written without the code under test. */
function file(header: unknown, values: number[] = [], { length }: { length?: number } = {}): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + values.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(values, 8 + text.length);
  return bytes;
}

Deno.test("encodeSafetensors and decodeSafetensors keep every type, shape and value, views and empty tensors included", async () => {
  using _ = scope();
  const tensors = {
    half: tensor([1.5, -2, 65504], { dtype: "float16" }),
    single: tensor([[0.1, -0, NaN], [Infinity, 1e-42, 3]]),
    double: tensor([Math.PI], { dtype: "float64" }),
    whole: tensor([-2147483648, 7], { dtype: "int32" }),
    natural: tensor([4294967295], { dtype: "uint32" }),
    truth: tensor([true, false, true]),
    view: tensor([[1, 2, 3], [4, 5, 6]]).mT,
    none: tensor([], { shape: [0, 3] }),
    scalar: tensor(42),
  };
  const { tensors: read, metadata } = decodeSafetensors(await encodeSafetensors(tensors, { metadata: { note: "café" } }));
  assertEquals(metadata, { note: "café" });
  assertEquals(Object.keys(read).sort(), Object.keys(tensors).sort());
  for (const [name, expected] of Object.entries(tensors)) {
    const got = read[name]!;
    assertEquals([got.dtype, got.shape], [expected.dtype, expected.shape]);
    assertEquals(await got.data(), await expected.data());
    got.dispose();
  }
});

Deno.test("encodeSafetensors lays bytes out as the format says: length, padded header, values without gaps", async () => {
  using _ = scope();
  const bytes = await encodeSafetensors({ b: tensor([1, 2]), a: tensor([true]) });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assertEquals(length % 8, 0);
  assertEquals(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), {
    b: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    a: { dtype: "BOOL", shape: [1], data_offsets: [8, 9] },
  });
  assertEquals([...bytes.subarray(8 + length)], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 1]);
});

Deno.test("decodeSafetensors widens bfloat16, small and long whole numbers", async () => {
  using _ = scope();
  const { tensors } = decodeSafetensors(file({
    brain: { dtype: "BF16", shape: [2], data_offsets: [0, 4] },
    long: { dtype: "I64", shape: [1], data_offsets: [4, 12] },
    byte: { dtype: "U8", shape: [2], data_offsets: [12, 14] },
  }, [0x80, 0x3f, 0x20, 0xc0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 200, 3]));
  assertEquals(await tensors.brain!.toArray(), [1, -2.5]);
  assertEquals(await tensors.long!.toArray(), [-2]);
  assertEquals(await tensors.byte!.toArray(), [200, 3]);
  assertEquals([tensors.brain!.dtype, tensors.long!.dtype, tensors.byte!.dtype], ["float32", "int32", "int32"]);
});

Deno.test("decodeSafetensors refuses every malformed file with name, offset and remedy, and leaves no tensor behind", () => {
  const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const eight = [0, 0, 0, 0, 0, 0, 0, 0];
  const cases: [string, Uint8Array, string][] = [
    ["empty", new Uint8Array(0), "8 bytes with the header's length at offset 0"],
    ["short", new Uint8Array(5), "8 bytes with the header's length at offset 5"],
    ["long header", file({}, [], { length: 1000 }), "got a length of 1000"],
    ["huge header", file({}, [], { length: 2 ** 52 }), "a length of"],
    ["no JSON", file("{nonsense"), "a header that is a JSON object at offset 8"],
    ["no object", file("[1]"), "a header that is a JSON object"],
    ["no entry", file({ a: 1 }), 'dtype, shape and data_offsets for "a"'],
    ["negative", file({ a: { ...entry, shape: [-2] } }, eight), 'dtype, shape and data_offsets for "a"'],
    ["unknown type", file({ a: { ...entry, dtype: "F8_E4M3" } }, eight), 'got "F8_E4M3"'],
    ["inherited type", file({ a: { ...entry, dtype: "toString" } }, eight), 'got "toString"'],
    ["wrong size", file({ a: { ...entry, shape: [3] } }, eight), '12 bytes for "a" F32 [3]'],
    ["truncated", file({ a: entry }, eight.slice(0, 5)), "the file is truncated"],
    ["rest", file({ a: entry }, [...eight, 1]), "got 1 further bytes"],
    ["gap", file({ a: { ...entry, data_offsets: [4, 12] } }, [...eight, 0, 0, 0, 0]), 'the values of "a"'],
    ["overlap", file({ a: entry, b: { ...entry, data_offsets: [4, 12] } }, [...eight, 0, 0, 0, 0]), 'the values of "b"'],
    ["metadata", file({ __metadata__: { a: 1 } }), "__metadata__ that maps names to text"],
    [
      "name twice",
      file(`{"a":${JSON.stringify(entry)},"\\u0061" : ${JSON.stringify(entry)}}`, eight),
      'one "a" at offset 8 is needed, got two',
    ],
    ["type twice", file(`{"a":{"dtype":"I32",${JSON.stringify(entry).slice(1)}}`, eight), 'one "dtype"'],
    ["note twice", file(`{"__metadata__":{"n":"1","n":"2"}}`), 'one "n"'],
    ["deep", file("[".repeat(100000) + "]".repeat(100000)), "a header that is a JSON object"],
    ["deep entry", file(`{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`), "a header that is a JSON object"],
    ["no UTF-8", file({ a: entry }, eight).map((byte, at) => at === 10 ? 0xff : byte), "a header that is a JSON object"],
    ["overflowing sizes", file({ a: { ...entry, shape: [2 ** 52, 2 ** 52, 2 ** 52] } }, eight), "bytes for"],
    ["infinite sizes", file({ a: { ...entry, shape: [...new Array(30).fill(2 ** 52), 0] } }, eight), "bytes for"],
    ["range backwards", file({ a: { ...entry, data_offsets: [8, 0] } }, eight), "8 bytes for"],
    ["range beyond", file({ a: { ...entry, data_offsets: [8, 16] } }, eight), 'the values of "a"'],
    ["wide", file({ a: { dtype: "U64", shape: [1], data_offsets: [0, 8] } }, [0, 0, 0, 0, 1, 0, 0, 0]), "within 32 bits"],
  ];
  const before = memory().tensors;
  for (const [name, bytes, words] of cases) {
    const error = assertThrows(() => decodeSafetensors(bytes, { name: "model.safetensors" }), DataError);
    assertStringIncludes(error.message, words, name);
    assertStringIncludes(error.message, "Cannot read model.safetensors");
    assert(/offset \d+/.test(error.message) && error.message.endsWith("write or fetch the file again"), error.message);
  }
  assertEquals(memory().tensors, before);
});

Deno.test("decodeSafetensors keeps a tensor called __proto__ an ordinary one", async () => {
  using _ = scope();
  const bytes = file(`{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, [0, 0, 0x80, 0x3f]);
  const { tensors } = decodeSafetensors(bytes);
  assertEquals(Object.keys(tensors), ["__proto__"]);
  assertEquals(await Object.values(tensors)[0]!.toArray(), [1]);
});

Deno.test({
  name: "saveSafetensors replaces a file whole and leaves no temporary one; loadSafetensors says when there is none",
  ignore: ignoreWithout("read", "write"),
  async fn() {
    using _ = scope();
    const folder = await Deno.makeTempDir();
    try {
      await assertRejects(() => loadSafetensors(`${folder}/none`), DataError, "got none; check the path");
      await saveSafetensors(`${folder}/a`, { x: tensor([1, 2, 3]) });
      await saveSafetensors(`${folder}/a`, { x: tensor([4]) });
      assertEquals(await (await loadSafetensors(`${folder}/a`)).tensors.x!.toArray(), [4]);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a"]);
      await assertRejects(
        () => saveSafetensors(`${folder}/no/such/folder`, { x: tensor([4]) }),
        DataError,
        "a folder that can be written to",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
