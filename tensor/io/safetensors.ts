/**
 * The safetensors format: named tensors in one file, without code that runs on load.
 *
 * A file is the header's length (8 bytes, little-endian), the header (JSON: name → type, shape and byte range), and the values.
 *
 * @module
 */
import { checkBytes, checkOptions } from "../arguments.ts";
import { tensor } from "../create.ts";
import type { DeviceName } from "../device.ts";
import type { DType } from "../dtype.ts";
import { DataError } from "../errors.ts";
import { keep } from "../scope.ts";
import { sizeOf } from "../shape.ts";
import { checkTensorsByName, type HostArray, read, type Tensor } from "../tensor.ts";
import { writeFileAtomically } from "./atomic_file.ts";
import { malformed, readTensorFile } from "./malformed.ts";
import { type Decoded, decodeValues, type StoredType, storedTypes } from "./stored_types.ts";

/** What a safetensors file holds. */
export interface SafetensorsContent {
  /** The tensors by name. They belong to no scope. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Free text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Options of {@link encodeSafetensors} and {@link saveSafetensors}. */
export interface SafetensorsOptions {
  /** Free text that is stored with the tensors. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Options of {@link decodeSafetensors}. */
export interface SafetensorsReadOptions {
  /** Where the tensors live. Default: the default device. */
  readonly device?: DeviceName;
  /** What errors call the file. */
  readonly name?: string;
}

/**
 * Packs tensors into the bytes of a safetensors file; waits for their values once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";
 * import { tensor } from "../mod.ts";
 *
 * const bytes = await encodeSafetensors({ weight: tensor([[1, 2], [3, 4]]) }, { metadata: { epoch: "3" } });
 * const { tensors, metadata } = decodeSafetensors(bytes);
 * assertEquals(await tensors.weight!.toArray(), [[1, 2], [3, 4]]);
 * assertEquals(metadata, { epoch: "3" });
 * ```
 */
export async function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { metadata = {} } = checkOptions(options, "encodeSafetensors", ["metadata"]);
  checkTensorsByName("encodeSafetensors", tensors);
  // The widest types first, so that every value lies at a multiple of its size.
  const width = (name: string) => storedTypes[typeNames[tensors[name]!.dtype]].bytes;
  const names = Object.keys(tensors).sort((a, b) => width(b) - width(a) || (a < b ? -1 : 1));
  if (names.includes(metadataKey)) throw new DataError(`Cannot encode safetensors: another name than "${metadataKey}" is needed`);
  const values = await read(...names.map((name) => tensors[name]!));
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[metadataKey, metadata]] : [];
  let end = 0;
  for (const [position, name] of names.entries()) {
    const start = end;
    end += values[position]!.byteLength;
    entries.push([name, { dtype: typeNames[tensors[name]!.dtype], shape: tensors[name]!.shape, data_offsets: [start, end] }]);
  }
  const header = new TextEncoder().encode(paddedHeader(Object.fromEntries(entries)));
  const bytes = new Uint8Array(8 + header.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  let at = 8 + header.length;
  for (const part of values) {
    bytes.set(bytesOf(part), at);
    at += part.byteLength;
  }
  return bytes;
}

/** Header names of the types that are written; bool takes one byte in a file. */
const typeNames: Readonly<Record<DType, StoredType>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  int32: "I32",
  uint32: "U32",
  bool: "BOOL",
};

const metadataKey = "__metadata__";

/** The header with spaces at its end, so that values begin at a multiple of 8. */
function paddedHeader(header: Record<string, unknown>): string {
  const text = JSON.stringify(header);
  const length = new TextEncoder().encode(text).length;
  return text + " ".repeat((8 - length % 8) % 8);
}

function bytesOf(values: HostArray): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * Unpacks the bytes of a safetensors file. Whole numbers of other widths become int32 and bfloat16 becomes float32.
 *
 * @throws DataError naming the file and the offset where it is truncated or malformed.
 */
export function decodeSafetensors(bytes: Uint8Array, options: SafetensorsReadOptions = {}): SafetensorsContent {
  const { name = "safetensors", device } = checkOptions(options, "decodeSafetensors", ["name", "device"]);
  checkBytes(bytes, "decodeSafetensors");
  const { header, start } = readHeader(bytes, name);
  const { [metadataKey]: metadata = {}, ...rest } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    throw malformed(name, 8, `${metadataKey} that maps names to text`, JSON.stringify(metadata).slice(0, 60));
  }
  const entries = Object.entries(rest).map(([key, entry]) => checkEntry(key, entry, name));
  checkCover(entries, bytes.length - start, name, start);
  // Everything is checked before the first tensor is made, so a malformed file leaves none behind.
  const decoded = entries.map((entry) => ({ ...entry, ...decodeEntry(entry, bytes, start, name) }));
  const tensors: Record<string, Tensor> = {};
  for (const { key, shape, values, dtype } of decoded) {
    const made = keep(tensor(values, { shape, dtype, ...(device === undefined ? {} : { device }) }));
    Object.defineProperty(tensors, key, { value: made, enumerable: true, configurable: true, writable: true });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

/** Headers beyond this are taken for damage, as by the format's own reader. */
const longestHeader = 100_000_000;

function readHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8) throw malformed(name, bytes.length, "8 bytes with the header's length", "the end of the file");
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > longestHeader || length > bytes.length - 8) {
    throw malformed(name, 0, `a header of at most ${Math.min(longestHeader, bytes.length - 8)} bytes`, `a length of ${length}`);
  }
  let header: unknown;
  let twice: string | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length));
    header = JSON.parse(text);
    twice = repeatedKey(text);
  } catch {
    header = undefined;
  }
  if (!isRecord(header)) throw malformed(name, 8, "a header that is a JSON object", `${length} other bytes`);
  if (twice !== undefined) throw malformed(name, 8, `one ${JSON.stringify(twice)}`, "two");
  return { header, start: 8 + length };
}

/** Objects and lists within each other: a header has three levels, and a parser's limits are not tried. */
const deepestHeader = 16;

/**
 * The first key that an object of valid JSON has twice: a parser would keep the last of them without a word.
 *
 * @throws RangeError for nesting deeper than any header's.
 */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === "{" || character === "[") {
      if (open.push(new Set()) > deepestHeader) throw new RangeError("nested too deep");
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const start = at++;
      while (text.charAt(at) !== '"') at += text.charAt(at) === "\\" ? 2 : 1;
      let next = at + 1;
      while (" \t\n\r".includes(text.charAt(next)) && next < text.length) next++;
      // What a colon follows is a key.
      if (text.charAt(next) !== ":") continue;
      const key = JSON.parse(text.slice(start, at + 1)) as string;
      if (open.at(-1)!.has(key)) return key;
      open.at(-1)!.add(key);
    }
  }
  return undefined;
}

interface Entry {
  readonly key: string;
  readonly stored: StoredType;
  readonly shape: readonly number[];
  readonly from: number;
  readonly to: number;
}

function checkEntry(key: string, entry: unknown, name: string): Entry {
  const { dtype, shape, data_offsets: range } = isRecord(entry) ? entry : {};
  if (!isSizes(shape) || !isSizes(range) || range.length !== 2) {
    throw malformed(name, 8, `dtype, shape and data_offsets for "${key}"`, (JSON.stringify(entry) ?? "nothing").slice(0, 80));
  }
  if (typeof dtype !== "string" || !Object.hasOwn(storedTypes, dtype)) {
    throw malformed(name, 8, `one of the types ${Object.keys(storedTypes).join(", ")} for "${key}"`, JSON.stringify(dtype) ?? "none");
  }
  const stored = dtype as StoredType;
  const [from, to] = range as [number, number];
  const needed = sizeOf(shape) * storedTypes[stored].bytes;
  if (to - from !== needed) throw malformed(name, 8, `${needed} bytes for "${key}" ${dtype} [${shape.join(", ")}]`, `${to - from}`);
  return { key, stored, shape, from, to };
}

/** The ranges have to cover all bytes behind the header without gaps and overlaps, as the format demands. */
function checkCover(entries: readonly Entry[], length: number, name: string, start: number): void {
  let end = 0;
  for (const { key, from, to } of entries.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) throw malformed(name, start + end, `the values of "${key}"`, `a range that begins at ${start + from}`);
    end = to;
  }
  if (end > length) throw malformed(name, start + length, `${end} bytes of values`, `${length}: the file is truncated`);
  if (end < length) throw malformed(name, start + end, "the end of the file", `${length - end} further bytes`);
}

function decodeEntry({ key, stored, from, to }: Entry, bytes: Uint8Array, start: number, name: string): Decoded {
  try {
    return decodeValues(stored, bytes.slice(start + from, start + to));
  } catch (cause) {
    throw malformed(name, start + from, `values of "${key}" within 32 bits`, (cause as Error).message);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * Writes tensors to a safetensors file, whole or not at all.
 *
 * @throws DataError when it cannot be written.
 */
export async function saveSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  options: SafetensorsOptions = {},
): Promise<void> {
  await writeFileAtomically(path, await encodeSafetensors(tensors, options));
}

/**
 * Reads a safetensors file.
 *
 * @throws DataError when it is missing, truncated or malformed.
 */
export async function loadSafetensors(
  path: string,
  options: { readonly device?: DeviceName } = {},
): Promise<SafetensorsContent> {
  return decodeSafetensors(await readTensorFile(path, "safetensors"), { ...options, name: path });
}
