/**
 * NumPy's format for one array.
 *
 * A file is a magic number, the version, the header's length, the header (a Python dictionary: type, order and shape) and the values.
 * Source: numpy.lib.format.
 *
 * @module
 */
import { checkBytes, checkOptions } from "../arguments.ts";
import { tensor } from "../create.ts";
import type { DeviceName } from "../device.ts";
import type { DType } from "../dtype.ts";
import { keep, tidy } from "../scope.ts";
import { sizeOf } from "../shape.ts";
import { checkTensors, type Tensor } from "../tensor.ts";
import { writeFileAtomically } from "./atomic_file.ts";
import { malformed, readTensorFile } from "./malformed.ts";
import { type Decoded, decodeValues, type StoredType, storedTypes } from "./stored_types.ts";

/** Options of {@link decodeNpy} and {@link decodeNpz}. */
export interface NpyReadOptions {
  /** Where the tensors live. Default: the default device. */
  readonly device?: DeviceName;
  /** What errors call the file. */
  readonly name?: string;
}

/** What NumPy calls the types that are written. */
const written: Readonly<Record<DType, string>> = {
  float64: "<f8",
  float32: "<f4",
  float16: "<f2",
  int32: "<i4",
  uint32: "<u4",
  bool: "|b1",
};

/** NumPy's letter and size of every type that can be read. */
const readable: Readonly<Record<string, StoredType>> = {
  b1: "BOOL",
  i1: "I8",
  u1: "U8",
  i2: "I16",
  u2: "U16",
  i4: "I32",
  u4: "U32",
  i8: "I64",
  u8: "U64",
  f2: "F16",
  f4: "F32",
  f8: "F64",
};

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/**
 * Packs a tensor into the bytes of a NumPy file, version 1.0; waits for its values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeNpy, encodeNpy, tensor } from "../mod.ts";
 *
 * const bytes = await encodeNpy(tensor([[1, 2], [3, 4]]));
 * assertEquals(await decodeNpy(bytes).toArray(), [[1, 2], [3, 4]]);
 * ```
 */
export async function encodeNpy(x: Tensor): Promise<Uint8Array<ArrayBuffer>> {
  checkTensors("encodeNpy", { x });
  const values = await x.data();
  const sizes = x.rank === 1 ? `${x.shape[0]},` : x.shape.join(", ");
  const header = `{'descr': '${written[x.dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const start = Math.ceil((magic.length + 4 + header.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + values.byteLength);
  const text = header.padEnd(start - magic.length - 5) + "\n";
  bytes.set([...magic, 1, 0, text.length & 0xff, text.length >> 8]);
  bytes.set(new TextEncoder().encode(text), magic.length + 4);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
  return bytes;
}

/**
 * Unpacks the bytes of a NumPy file of version 1, 2 or 3, in either byte order and in C's or Fortran's order of values. bool, floats of 16
 * to 64 bits, int32 and uint32 keep their type; whole numbers of other widths become int32. The tensor belongs to no scope.
 *
 * @throws DataError naming the file and the offset where it is truncated or malformed, has a type that is none of these, or a whole number
 * beyond 32 bits.
 */
export function decodeNpy(bytes: Uint8Array, options: NpyReadOptions = {}): Tensor {
  const { name = "npy", device } = checkOptions(options, "decodeNpy", ["name", "device"]);
  checkBytes(bytes, "decodeNpy");
  return makeTensor(parseNpy(bytes, name), device);
}

/** Internal: a checked file, of which {@link makeTensor} makes the tensor. */
export interface ParsedNpy extends Decoded {
  /** The size of each dim, as the tensor is to have it. */
  readonly shape: readonly number[];
  /** Whether the first dim runs fastest. */
  readonly isFortran: boolean;
}

/** Internal: checks everything, so that a malformed file leaves no tensor behind. */
export function parseNpy(bytes: Uint8Array, name: string): ParsedNpy {
  const { text, textStart, start } = readHeader(bytes, name);
  const { descr, shape, isFortran } = parseHeader(text, name, textStart);
  const { stored, isBig } = typeOf(descr, name, textStart);
  const { bytes: width } = storedTypes[stored];
  const needed = sizeOf(shape) * width;
  if (needed !== bytes.length - start) {
    throw malformed(name, start, `${needed} bytes of values for [${shape.join(", ")}] "${descr}"`, `${bytes.length - start}`);
  }
  const values = bytes.slice(start);
  if (isBig) swapBytes(values, width);
  try {
    return { ...decodeValues(stored, values), shape, isFortran };
  } catch (cause) {
    throw malformed(name, start, "values within 32 bits", (cause as Error).message);
  }
}

/** Internal: the tensor of a checked file. */
export function makeTensor({ values, dtype, shape, isFortran }: ParsedNpy, device: DeviceName | undefined): Tensor {
  const options = { dtype, ...(device === undefined ? {} : { device }) };
  if (!isFortran || shape.length < 2) return keep(tensor(values, { ...options, shape }));
  return keep(tidy(() => tensor(values, { ...options, shape: shape.toReversed() }).permute(shape.map((_, dim) => -1 - dim)).contiguous()));
}

function readHeader(bytes: Uint8Array, name: string): { text: string; textStart: number; start: number } {
  if (bytes.length < 10 || magic.some((byte, at) => bytes[at] !== byte)) {
    throw malformed(name, 0, 'the 6 bytes "\\x93NUMPY", a version and a length', bytes.length < 10 ? `${bytes.length} bytes` : "others");
  }
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0) throw malformed(name, 6, "version 1.0, 2.0 or 3.0", `${major}.${minor}`);
  const textStart = major === 1 ? 10 : 12;
  if (bytes.length < textStart) throw malformed(name, 8, "4 bytes with the header's length", "the end of the file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, textStart);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const most = Math.min(bytes.length - textStart, longestHeader);
  if (length > most) throw malformed(name, 8, `a header of at most ${most} bytes`, `a length of ${length}`);
  const encoded = bytes.subarray(textStart, textStart + length);
  try {
    // Latin-1 is what versions 1 and 2 say; what stands in a header of a type that can be read is ASCII in all three.
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(encoded), textStart, start: textStart + length };
  } catch {
    throw malformed(name, textStart, "a header in ASCII", "other bytes");
  }
}

/** NumPy itself takes longer headers for an attack; the longest of a plain array has 64 sizes of 20 digits. */
const longestHeader = 10_000;

interface Header {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly isFortran: boolean;
}

/** One entry of the dictionary: a key, then a text, a truth value or a tuple of whole numbers. */
const entryPattern = /\s*(['"])(\w*)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(\s*((?:\d+L?\s*,\s*)*(?:\d+L?)?)\s*\))\s*/y;

function parseHeader(text: string, name: string, offset: number): Header {
  const refuse = (needed: string) => malformed(name, offset, needed, JSON.stringify(text.trim().slice(0, 120)));
  const dictionary = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (dictionary === undefined) throw refuse("a dictionary with descr, fortran_order and shape");
  const entries = new Map<string, RegExpExecArray>();
  entryPattern.lastIndex = 0;
  for (let at = 0; dictionary.slice(at).trim() !== "";) {
    const entry = entryPattern.exec(dictionary);
    const end = entryPattern.lastIndex;
    if (entry === null || entries.has(entry[2]!) || (end < dictionary.length && dictionary[end] !== ",")) {
      throw refuse("a dictionary of a plain type, an order and a shape, each once");
    }
    entries.set(entry[2]!, entry);
    entryPattern.lastIndex = at = end + 1;
  }
  const descr = entries.get("descr")?.[4];
  const order = entries.get("fortran_order")?.[5];
  const tuple = entries.get("shape")?.[6];
  if (entries.size !== 3 || descr === undefined || order === undefined || tuple === undefined) {
    throw refuse("descr, fortran_order and shape, and nothing else,");
  }
  // (3) is a number in Python, not a tuple.
  if (/^\d+L?$/.test(tuple.trim())) throw refuse("a shape that is a tuple");
  const shape = tuple.split(",").map((size) => size.trim()).filter((size) => size !== "").map((size) => Number(size.replace("L", "")));
  if (!shape.every(Number.isSafeInteger) || shape.length > 64) throw refuse("at most 64 sizes below 2^53");
  return { descr, shape, isFortran: order === "True" };
}

function typeOf(descr: string, name: string, offset: number): { stored: StoredType; isBig: boolean } {
  const [, order, kind = ""] = /^([<>|=])(\w\d)$/.exec(descr) ?? [];
  if (!Object.hasOwn(readable, kind)) {
    throw malformed(name, offset, `a type of ${Object.keys(readable).join(", ")} with its byte order`, JSON.stringify(descr.slice(0, 40)));
  }
  return { stored: readable[kind]!, isBig: order === ">" };
}

/** Turns the bytes of each element round. */
function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
}

/**
 * Writes a tensor to a NumPy file, whole or not at all.
 *
 * @throws DataError when it cannot be written.
 */
export async function saveNpy(path: string, x: Tensor): Promise<void> {
  await writeFileAtomically(path, await encodeNpy(x));
}

/**
 * Reads a NumPy file; see {@link decodeNpy}.
 *
 * @throws DataError when it is missing, truncated or malformed.
 */
export async function loadNpy(path: string, options: { readonly device?: DeviceName } = {}): Promise<Tensor> {
  return decodeNpy(await readTensorFile(path, "npy"), { ...options, name: path });
}
