/**
 * A reader of the protobuf wire format that never reads beyond its bytes. Source: protobuf.dev/programming-guides/encoding.
 *
 * @module
 */

/** Thrown when bytes are no protobuf message, or a field has another wire type than its meaning needs. */
export class ProtobufError extends Error {
  /** The class name, kept under minification. */
  override readonly name = "ProtobufError";
}

/** One field: its number, and a whole number of 64 bits, 4 or 8 bytes as they are, or the bytes of a length-delimited field. */
export type Field =
  | { readonly number: number; readonly wire: "varint"; readonly value: bigint }
  | { readonly number: number; readonly wire: "fixed32" | "fixed64" | "bytes"; readonly value: Uint8Array };

/**
 * The fields of a message, in their order.
 *
 * @throws ProtobufError for a truncated or garbled message; groups, which proto3 does not have, count as garbled.
 */
export function fieldsOf(bytes: Uint8Array): Field[] {
  const cursor = new Cursor(bytes);
  const fields: Field[] = [];
  while (!cursor.atEnd) {
    const tag = cursor.varint();
    const number = Number(tag >> 3n);
    if (number < 1 || number > 0x1fff_ffff) throw new ProtobufError(`Cannot read protobuf: a field number is needed, got ${number}`);
    switch (Number(tag & 7n)) {
      case 0:
        fields.push({ number, wire: "varint", value: cursor.varint() });
        break;
      case 1:
        fields.push({ number, wire: "fixed64", value: cursor.take(8) });
        break;
      case 2:
        fields.push({ number, wire: "bytes", value: cursor.take(Number(cursor.varint())) });
        break;
      case 5:
        fields.push({ number, wire: "fixed32", value: cursor.take(4) });
        break;
      default:
        throw new ProtobufError(`Cannot read protobuf: wire type 0, 1, 2 or 5 is needed, got ${tag & 7n}`);
    }
  }
  return fields;
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** 7 bits per byte, the lowest first, at most 64 in all. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ProtobufError("Cannot read protobuf: a whole number is needed, got the end of the bytes");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("Cannot read protobuf: a whole number of at most 10 bytes is needed, got a longer one");
  }

  take(length: number): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw new ProtobufError(`Cannot read protobuf: ${length} bytes are needed, got ${left}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** As deep as protobuf's own readers go, so that no file exhausts the stack. */
const deepest = 100;

/** The fields of a message by number, read as what a schema says they are. */
export class Message {
  readonly #fields = new Map<number, Field[]>();

  readonly #depth: number;

  /** Reads a message that lies inside `depth` others. */
  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > deepest) {
      throw new ProtobufError(`Cannot read protobuf: at most ${deepest} messages inside each other are needed, got more`);
    }
    this.#depth = depth;
    for (const field of fieldsOf(bytes)) {
      const list = this.#fields.get(field.number);
      if (list === undefined) this.#fields.set(field.number, [field]);
      else list.push(field);
    }
  }

  /** Whether a field is there. */
  has(number: number): boolean {
    return this.#fields.has(number);
  }

  /** Each value of a length-delimited field. */
  bytes(number: number): Uint8Array[] {
    return this.#all(number).map((field) => {
      if (field.wire !== "bytes") throw mismatch(number, "bytes", field.wire);
      return field.value;
    });
  }

  /** Each value of a field of messages. */
  messages(number: number): Message[] {
    return this.bytes(number).map((bytes) => new Message(bytes, this.#depth + 1));
  }

  /** The last value of a field of a message. */
  message(number: number): Message | undefined {
    return this.messages(number).at(-1);
  }

  /** Each value of a field of text. */
  strings(number: number): string[] {
    return this.bytes(number).map(decode);
  }

  /** The last value of a field of text, "" where there is none. */
  string(number: number): string {
    return this.strings(number).at(-1) ?? "";
  }

  /** Each value of a field of signed whole numbers, packed or not. */
  integers(number: number): bigint[] {
    return this.#all(number).flatMap((field) => {
      if (field.wire === "varint") return [BigInt.asIntN(64, field.value)];
      if (field.wire !== "bytes") throw mismatch(number, "varint", field.wire);
      const cursor = new Cursor(field.value);
      const values: bigint[] = [];
      while (!cursor.atEnd) values.push(BigInt.asIntN(64, cursor.varint()));
      return values;
    });
  }

  /** The last value of a field of whole numbers within 2^53, or the default. */
  integer(number: number, otherwise = 0): number {
    const value = this.integers(number).at(-1);
    return value === undefined ? otherwise : Number(value);
  }

  /** Each value of a field of float32 numbers, packed or not. */
  floats(number: number): number[] {
    return this.#fixed(number, "fixed32", (view, at) => view.getFloat32(at, true));
  }

  /** Each value of a field of float64 numbers, packed or not. */
  doubles(number: number): number[] {
    return this.#fixed(number, "fixed64", (view, at) => view.getFloat64(at, true));
  }

  #fixed(number: number, wire: "fixed32" | "fixed64", read: (view: DataView, at: number) => number): number[] {
    const size = wire === "fixed32" ? 4 : 8;
    return this.#all(number).flatMap((field) => {
      if (field.wire !== wire && field.wire !== "bytes") throw mismatch(number, wire, field.wire);
      const bytes = field.value as Uint8Array;
      if (bytes.length % size !== 0) {
        throw new ProtobufError(`Cannot read protobuf: a multiple of ${size} bytes is needed, got ${bytes.length}`);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return Array.from({ length: bytes.length / size }, (_, i) => read(view, i * size));
    });
  }

  #all(number: number): readonly Field[] {
    return this.#fields.get(number) ?? [];
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ProtobufError("Cannot read protobuf: text in UTF-8 is needed, got other bytes");
  }
}

function mismatch(number: number, needed: string, got: string): ProtobufError {
  return new ProtobufError(`Cannot read protobuf: field ${number} as ${needed} is needed, got ${got}`);
}
