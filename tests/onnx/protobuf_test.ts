import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { readModel, readValue, type StoredTensor, UnsupportedError } from "./model.ts";
import { fieldsOf, Message, ProtobufError } from "./protobuf.ts";

function varint(value: number | bigint): number[] {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const more = left > 0x7fn;
    bytes.push(Number(left & 0x7fn) | (more ? 0x80 : 0));
    left >>= 7n;
  } while (left > 0n);
  return bytes;
}

function whole(number: number, value: number | bigint): number[] {
  return [...varint(number << 3), ...varint(value)];
}

function nested(number: number, content: readonly number[]): number[] {
  return [...varint((number << 3) | 2), ...varint(content.length), ...content];
}

function text(number: number, value: string): number[] {
  return nested(number, [...new TextEncoder().encode(value)]);
}

function message(bytes: readonly number[]): Message {
  return new Message(Uint8Array.from(bytes));
}

/** A TensorProto: sizes 1, element type 2, int32 values 5, int64 values 7, raw bytes 9, name 8. */
function stored(bytes: readonly number[]): StoredTensor {
  return readValue(Uint8Array.from(bytes), "tensor") as StoredTensor;
}

Deno.test("fieldsOf() reads whole numbers, fixed ones and bytes in their order", () => {
  const fields = fieldsOf(Uint8Array.from([...whole(1, 300), 0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, ...nested(4, [9])]));
  assertEquals(fields, [
    { number: 1, wire: "varint", value: 300n },
    { number: 2, wire: "fixed32", value: Uint8Array.of(1, 2, 3, 4) },
    { number: 3, wire: "fixed64", value: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    { number: 4, wire: "bytes", value: Uint8Array.of(9) },
  ]);
});

Deno.test("fieldsOf() refuses what is cut off, too long, of an unknown wire type or without a number", () => {
  const refused = (bytes: readonly number[], why: string) => assertThrows(() => fieldsOf(Uint8Array.from(bytes)), ProtobufError, why);
  refused([0x08], "a whole number is needed, got the end");
  refused([0x08, 0x80], "a whole number is needed, got the end");
  refused([0x80], "a whole number is needed, got the end");
  refused([0x08, ...new Array(10).fill(0x80), 0x01], "at most 10 bytes is needed, got a longer one");
  refused([0x15, 1, 2, 3], "4 bytes are needed, got 3");
  refused([0x19, 1, 2, 3], "8 bytes are needed, got 3");
  refused([0x0a, 5, 1, 2], "5 bytes are needed, got 2");
  refused([0x0a, ...varint((1n << 64n) - 1n), 1], "bytes are needed, got 1");
  refused([0x0b], "wire type 0, 1, 2 or 5 is needed, got 3");
  refused([0x0f], "wire type 0, 1, 2 or 5 is needed, got 7");
  refused([0x00, 0x00], "a field number is needed, got 0");
});

Deno.test("every prefix of a model gives a typed error or a shorter model, never another error", () => {
  const tensor = [...whole(1, 2), ...whole(2, 1), ...nested(4, [0, 0, 128, 63, 0, 0, 0, 64]), ...text(8, "t")];
  const node = [
    ...text(1, "x"),
    ...text(2, "y"),
    ...text(4, "Add"),
    ...nested(5, [...text(1, "value"), ...nested(5, tensor), ...whole(20, 4)]),
  ];
  const model = nested(7, [...nested(1, node), ...nested(5, tensor), ...nested(11, text(1, "x")), ...nested(12, text(1, "y"))]);
  const read = readModel(Uint8Array.from(model));
  assertEquals([read.opset, read.graph.nodes[0]!.operator, [...read.graph.initializers[0]!.values]], [1, "Add", [1, 2]]);
  for (let length = 0; length < model.length; length++) {
    assertThrows(() => readModel(Uint8Array.from(model.slice(0, length))), ProtobufError);
  }
  // A changed byte may say something else, even something unsupported: it must not hang, overflow or read beyond.
  for (let at = 0; at < model.length; at++) {
    for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
      try {
        readModel(Uint8Array.from(model.with(at, byte)));
      } catch (error) {
        if (!(error instanceof UnsupportedError)) assertInstanceOf(error, ProtobufError);
      }
    }
  }
});

Deno.test("Message reads packed and repeated numbers alike, and the last of a field given twice", () => {
  assertEquals(message([...whole(1, 1), ...whole(1, -1), ...nested(1, [...varint(300), ...varint(-2)])]).integers(1), [1n, -1n, 300n, -2n]);
  assertEquals(message([0x0d, 0, 0, 128, 63, ...nested(1, [0, 0, 0, 64])]).floats(1), [1, 2]);
  assertEquals(message([...text(1, "a"), ...text(1, "ä")]).string(1), "ä");
  assertEquals(message([]).integer(1, 7), 7);
});

Deno.test("Message refuses another wire type than the meaning's, broken text and pieces of numbers", () => {
  assertThrows(() => message(whole(1, 1)).strings(1), ProtobufError, "field 1 as bytes is needed, got varint");
  assertThrows(() => message([0x0d, 0, 0, 0, 0]).integers(1), ProtobufError, "field 1 as varint is needed, got fixed32");
  assertThrows(() => message(whole(1, 1)).floats(1), ProtobufError, "field 1 as fixed32 is needed, got varint");
  assertThrows(() => message(nested(1, [1, 2, 3])).floats(1), ProtobufError, "a multiple of 4 bytes is needed, got 3");
  assertThrows(() => message(nested(1, [0x80])).integers(1), ProtobufError, "got the end of the bytes");
  assertThrows(() => message(nested(1, [0xff, 0xfe])).strings(1), ProtobufError, "text in UTF-8 is needed");
});

Deno.test("readModel() refuses graphs inside graphs beyond 100 messages, however many there are", () => {
  const inside = (depth: number) => {
    let graph: number[] = [];
    // A node (field 1) with an attribute (5) that holds a graph (6, type 20 = 5).
    for (let level = 0; level < depth; level++) graph = nested(1, nested(5, [...text(1, "body"), ...nested(6, graph), ...whole(20, 5)]));
    return Uint8Array.from(nested(7, graph));
  };
  assertEquals(readModel(inside(30)).graph.nodes.length, 1);
  for (const depth of [40, 500]) assertThrows(() => readModel(inside(depth)), ProtobufError, "at most 100 messages inside each other");
});

Deno.test("readValue() reads every numeric type, raw or typed, and checks sizes and ranges", () => {
  const raw = (type: number, bytes: readonly number[]) => [...stored([...whole(1, 1), ...whole(2, type), ...nested(9, bytes)]).values];
  assertEquals(raw(1, [0, 0, 128, 63]), [1]);
  assertEquals(raw(2, [255]), [255]);
  assertEquals(raw(3, [255]), [-1]);
  assertEquals(raw(4, [255, 255]), [65535]);
  assertEquals(raw(5, [255, 255]), [-1]);
  assertEquals(raw(6, [255, 255, 255, 255]), [-1]);
  assertEquals(raw(7, new Array(8).fill(255)), [-1]);
  assertEquals(raw(9, [1]), [1]);
  assertEquals(raw(10, [0, 60]), [1]);
  assertEquals(raw(11, [0, 0, 0, 0, 0, 0, 240, 63]), [1]);
  assertEquals(raw(12, [255, 255, 255, 255]), [4294967295]);
  assertEquals(raw(13, [255, 255, 255, 255, 0, 0, 0, 0]), [4294967295]);
  assertThrows(() => raw(7, [0, 0, 0, 128, 0, 0, 0, 0]), UnsupportedError, "a 64-bit value outside 32 bits: 2147483648");
  assertThrows(() => raw(13, [0, 0, 0, 0, 1, 0, 0, 0]), UnsupportedError, "a 64-bit value outside 32 bits: 4294967296");
  assertThrows(() => raw(1, [0, 0, 128]), ProtobufError, "whole elements are needed, got 3 bytes");
  assertThrows(() => raw(6, []), ProtobufError, "1 values are needed, got 0");
  assertThrows(() => raw(8, [1]), UnsupportedError, "element type string");
  assertThrows(() => raw(77, [1]), UnsupportedError, "element type 77");
  const half = stored([...whole(1, 1), ...whole(2, 10), ...whole(5, 0x3c00)]);
  assertEquals([half.dtype, [...half.values]], ["float16", [1]]);
  assertThrows(() => stored([...whole(1, -1), ...whole(1, 0), ...whole(2, 1)]), ProtobufError, "sizes from 0 are needed");
  assertThrows(() => stored([...whole(1, 2 ** 40), ...whole(2, 1)]), ProtobufError, "1099511627776 values are needed, got 0");
  assertThrows(() => stored([...whole(1, 0), ...whole(2, 1), ...whole(14, 1)]), UnsupportedError, "data outside the file");
});
