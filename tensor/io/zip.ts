/**
 * Zip archives as NumPy writes them: files stored or deflated, each with its checksum. Sizes are below 4 GiB, as a 32-bit heap is.
 *
 * Source: PKWARE, .ZIP File Format Specification (APPNOTE 6.3.10), sections 4.3 and 4.4.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { malformed } from "./malformed.ts";

/** A file of an archive. */
export interface ZipFile {
  /** Its name, with folders before slashes. */
  readonly name: string;
  /** Its content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const fileMark = 0x04034b50;
const entryMark = 0x02014b50;
const endMark = 0x06054b50;
/** Bytes of each record before its names. */
const [fileLength, entryLength, endLength] = [30, 46, 22];
const [stored, deflated] = [0, 8];
const [encryptedFlag, streamedFlag, utf8Flag] = [1, 1 << 3, 1 << 11];

/**
 * Packs files.
 *
 * @param files Their names have to differ.
 * @param options `compress` deflates them.
 * @throws ArgumentError for an archive of 65,535 files or 4 GiB and more.
 */
export async function encodeZip(files: readonly ZipFile[], { compress }: { readonly compress: boolean }): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const { name, bytes } of files) {
    const packed = compress ? await collect(new CompressionStream("deflate-raw"), bytes, Infinity) : bytes;
    const encoded = new TextEncoder().encode(name);
    const described = { packed: packed.length, size: bytes.length, crc: crc32(bytes), method: compress ? deflated : stored };
    directory.push(entryRecord(described, at, encoded), encoded);
    parts.push(fileRecord(described, encoded), encoded, packed);
    at += fileLength + encoded.length + packed.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  if (at + length >= 2 ** 32 - 1 || files.length >= 65535) {
    throw new ArgumentError(`Cannot encode an archive: less than 4 GiB in less than 65535 files is needed, got ${at} in ${files.length}`);
  }
  const end = new DataView(new ArrayBuffer(endLength));
  end.setUint32(0, endMark, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, length, true);
  end.setUint32(16, at, true);
  return joined([...parts, ...directory, new Uint8Array(end.buffer)]);
}

interface Described {
  readonly packed: number;
  readonly size: number;
  readonly crc: number;
  readonly method: number;
}

/** The day that ZIP begins with, so that equal tensors give equal files: 1980-01-01. */
const firstDay = 0x21;

/** What the two records of a file have in common, 26 bytes from the needed version on. */
function describe(view: DataView, at: number, { packed, size, crc, method }: Described, name: Uint8Array): void {
  view.setUint16(at, 20, true);
  view.setUint16(at + 2, name.some((byte) => byte > 127) ? utf8Flag : 0, true);
  view.setUint16(at + 4, method, true);
  view.setUint16(at + 8, firstDay, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, packed, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, name.length, true);
}

function fileRecord(described: Described, name: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(fileLength));
  view.setUint32(0, fileMark, true);
  describe(view, 4, described, name);
  return new Uint8Array(view.buffer);
}

function entryRecord(described: Described, offset: number, name: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(entryLength));
  view.setUint32(0, entryMark, true);
  view.setUint16(4, 20, true);
  describe(view, 6, described, name);
  view.setUint32(42, offset, true);
  return new Uint8Array(view.buffer);
}

/**
 * Unpacks every file of an archive.
 *
 * @param archive What errors call it.
 * @throws DataError for a truncated or malformed archive, files that overlap, a size or checksum that does not fit the content, and what
 * is not supported: encryption, other methods than storing and deflating, several disks, 4 GiB and more.
 */
export async function decodeZip(bytes: Uint8Array, archive: string): Promise<ZipFile[]> {
  const entries = readDirectory(bytes, archive);
  const files: ZipFile[] = [];
  for (const entry of entries) files.push({ name: entry.name, bytes: await unpack(entry, bytes, archive) });
  return files;
}

/** A line of the central directory, and where the file's own record and the packed bytes lie. */
interface Entry extends Described {
  readonly name: string;
  readonly record: number;
  readonly start: number;
  readonly isStreamed: boolean;
}

function readDirectory(bytes: Uint8Array, archive: string): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = findEnd(view, archive);
  const count = view.getUint16(end + 10, true);
  const length = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (view.getUint16(end + 4, true) !== 0 || view.getUint16(end + 6, true) !== 0 || view.getUint16(end + 8, true) !== count) {
    throw malformed(archive, end + 4, "an archive on one disk", "several");
  }
  if (start + length !== end) throw malformed(archive, end + 12, `a directory that ends at ${end}`, `${length} bytes from ${start}`);
  const entries: Entry[] = [];
  const names = new Set<string>();
  let at = start;
  for (let n = 0; n < count; n++) {
    const { entry, recordEnd } = readEntry(view, at, { directory: start, end, archive });
    if (names.has(entry.name)) throw malformed(archive, at, `one file "${entry.name}"`, "two");
    names.add(entry.name);
    entries.push(entry);
    at = recordEnd;
  }
  if (at !== end) throw malformed(archive, at, "the end of the directory", `${end - at} further bytes`);
  checkCover(entries, start, archive);
  return entries;
}

/**
 * Files lie one behind the other from the first byte to the directory: files that share bytes make bombs out of small archives, and bytes
 * that belong to none are a file that the directory has lost. A streamed file may have a copy of its sizes and checksum behind it.
 */
function checkCover(entries: readonly Entry[], directory: number, archive: string): void {
  let free = 0;
  let slack = 0;
  for (const { name, record, start, packed, isStreamed } of entries.toSorted((a, b) => a.record - b.record)) {
    if (record < free || record > free + slack) throw malformed(archive, free, `the record of "${name}"`, `one at ${record}`);
    free = start + packed;
    slack = isStreamed ? longestDescriptor : 0;
  }
  if (directory > free + slack) throw malformed(archive, free, "the directory", `${directory - free} other bytes`);
}

/** A mark, a checksum and two sizes of 64 bits. */
const longestDescriptor = 24;

/** The offset of the record that ends the archive: the last one whose comment ends with the file. */
function findEnd(view: DataView, archive: string): number {
  const last = view.byteLength - endLength;
  for (let at = last; at >= Math.max(0, last - 65535); at--) {
    if (view.getUint32(at, true) === endMark && view.getUint16(at + 20, true) === last - at) return at;
  }
  throw malformed(archive, Math.max(0, last), "the end record of a zip archive", `${view.byteLength} bytes without it: it is truncated`);
}

/** The directory's bounds; files lie before it. */
interface Bounds {
  readonly directory: number;
  readonly end: number;
  readonly archive: string;
}

function readEntry(view: DataView, at: number, { directory, end, archive }: Bounds): { entry: Entry; recordEnd: number } {
  const lengths = at + entryLength <= end && view.getUint32(at, true) === entryMark
    ? [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
    : [];
  const recordEnd = lengths.reduce((sum, length) => sum + length, at + entryLength);
  if (lengths.length === 0 || recordEnd > end) throw malformed(archive, at, "a directory record", "none: it is truncated or overwritten");
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  if ((flags & encryptedFlag) !== 0) throw malformed(archive, at + 8, "a file without encryption", `flags ${flags}`);
  if (method !== stored && method !== deflated) throw malformed(archive, at + 10, "method 0 (stored) or 8 (deflated)", `${method}`);
  const [crc, packed, size] = [view.getUint32(at + 16, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
  const record = view.getUint32(at + 42, true);
  const name = nameAt(view, { at: at + entryLength, length: lengths[0]!, flags, archive });
  if (record + fileLength > directory || view.getUint32(record, true) !== fileMark) {
    throw malformed(archive, at + 42, `the offset of the record of "${name}" below ${directory}`, `${record}`);
  }
  // The file's own record repeats the name and may have other extra bytes; its sizes may be left to the directory.
  const nameLength = view.getUint16(record + 26, true);
  const start = record + fileLength + nameLength + view.getUint16(record + 28, true);
  const repeated = start <= directory && nameLength === lengths[0] && view.getUint16(record + 8, true) === method &&
    name === nameAt(view, { at: record + fileLength, length: nameLength, flags, archive });
  if (!repeated) throw malformed(archive, record, `a record of "${name}" that agrees with the directory`, "another");
  if (start + packed > directory) throw malformed(archive, start, `${packed} bytes of "${name}"`, `${directory - start}`);
  return { entry: { name, method, crc, packed, size, record, start, isStreamed: (flags & streamedFlag) !== 0 }, recordEnd };
}

function nameAt(
  { buffer, byteOffset }: DataView,
  { at, length, flags, archive }: { readonly at: number; readonly length: number; readonly flags: number; readonly archive: string },
): string {
  const encoded = new Uint8Array(buffer, byteOffset + at, length);
  try {
    if ((flags & utf8Flag) === 0 && encoded.some((byte) => byte > 127)) throw new RangeError();
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(encoded);
  } catch {
    throw malformed(archive, at, "a name in ASCII or marked UTF-8", "other bytes");
  }
}

/** Deflate makes of a byte at most this many: a file that claims more is a bomb or damaged. */
const greatestRatio = 1032;

async function unpack(
  { name, method, crc, packed, size, start }: Entry,
  bytes: Uint8Array,
  archive: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const content = Uint8Array.from(bytes.subarray(start, start + packed));
  if (method === stored ? packed !== size : size > packed * greatestRatio) {
    throw malformed(archive, start, `a size of "${name}" that ${packed} packed bytes can have`, `${size}`);
  }
  let unpacked = content;
  if (method === deflated) {
    try {
      unpacked = await collect(new DecompressionStream("deflate-raw"), content, size);
    } catch (cause) {
      throw malformed(archive, start, `the deflated bytes of "${name}"`, cause instanceof Error ? `"${cause.message}"` : "others");
    }
  }
  if (unpacked.length !== size) {
    throw malformed(archive, start, `${size} bytes of "${name}"`, unpacked.length > size ? "more" : `${unpacked.length}`);
  }
  const sum = crc32(unpacked);
  if (sum !== crc) throw malformed(archive, start, `"${name}" with the checksum ${hex(crc)}`, hex(sum));
  return unpacked;
}

/** What a stream makes of bytes, up to the chunk that passes a limit: no more of a bomb is ever unpacked. */
async function collect(
  stream: TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>,
  bytes: Uint8Array<ArrayBuffer>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of new Blob([bytes]).stream().pipeThrough(stream)) {
    parts.push(part);
    length += part.length;
    if (length > limit) break;
  }
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The remainders of all bytes, made when the first archive comes. */
let crcTable: Uint32Array | undefined;

/** The checksum of zip archives (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  const table = crcTable ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let value = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) value = table[(value ^ bytes[at]!) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
