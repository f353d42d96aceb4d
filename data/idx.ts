/**
 * IDX, the file format of MNIST and of every dataset made to replace it.
 *
 * @module
 */
import { checkBytes, checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, DataError } from "../tensor/errors.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { InMemoryDataset } from "./dataset.ts";
import { joinPath, type Path, readDataFile } from "./files.ts";

/** The content of an IDX file. */
export interface IdxArray {
  /** The size of each dimension. */
  readonly shape: Shape;
  /** The elements, row-major, in the file's own element type. */
  readonly data: IdxData;
}

/** The element types of IDX, as typed arrays. */
export type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

interface ElementType {
  readonly bytes: number;
  readonly read: (view: DataView, offset: number, count: number) => IdxData;
}

function elements<T extends IdxData>(
  make: (count: number) => T,
  get: (view: DataView, offset: number) => number,
  bytes: number,
): ElementType {
  return {
    bytes,
    read(view, offset, count) {
      const data = make(count);
      for (let i = 0; i < count; i++) data[i] = get(view, offset + i * bytes);
      return data;
    },
  };
}

/** The third byte of the magic number names the type. Multi-byte elements are big-endian. */
const elementTypes: ReadonlyMap<number, ElementType> = new Map([
  [0x08, { bytes: 1, read: (view, offset, count) => new Uint8Array(view.buffer, view.byteOffset + offset, count) } satisfies ElementType],
  [0x09, elements((n) => new Int8Array(n), (view, offset) => view.getInt8(offset), 1)],
  [0x0b, elements((n) => new Int16Array(n), (view, offset) => view.getInt16(offset), 2)],
  [0x0c, elements((n) => new Int32Array(n), (view, offset) => view.getInt32(offset), 4)],
  [0x0d, elements((n) => new Float32Array(n), (view, offset) => view.getFloat32(offset), 4)],
  [0x0e, elements((n) => new Float64Array(n), (view, offset) => view.getFloat64(offset), 8)],
]);

/**
 * Reads the bytes of an IDX file: two zero bytes, the element type, the number of dimensions, their sizes (32 bits each)
 * and the elements. All numbers are big-endian.
 *
 * @param bytes The whole file, unpacked.
 * @param file Its name, for errors.
 * @param remedy What to do about a broken file, as a clause.
 * @throws DataError with file and offset for a wrong magic number, a header or data cut short, or bytes left over.
 *
 * @example A file of one dimension with two bytes
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseIdx } from "./idx.ts";
 *
 * const { shape, data } = parseIdx(new Uint8Array([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "two-idx1-ubyte");
 * assertEquals(shape, [2]);
 * assertEquals([...data], [7, 9]);
 * ```
 */
export function parseIdx(bytes: Uint8Array, file: string, remedy: string = defaultRemedy): IdxArray {
  checkBytes(bytes, "parseIdx");
  const fail = (offset: number, needed: string, got: string) =>
    new DataError(`Cannot read ${file} at offset ${offset}: ${needed}, got ${got}; ${remedy}`);
  if (bytes.length < 4) throw fail(0, "a magic number of 4 bytes is needed", `a file of ${bytes.length} bytes`);
  const type = bytes[0] === 0 && bytes[1] === 0 ? elementTypes.get(bytes[2]!) : undefined;
  if (!type) {
    const magic = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw fail(0, "an IDX magic number (00 00, type 08 to 0e, number of dims) is needed", magic);
  }
  const rank = bytes[3]!;
  const header = 4 + 4 * rank;
  if (bytes.length < header) throw fail(4, `a header of ${header} bytes for ${rank} dims is needed`, `a file of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, dim) => view.getUint32(4 + 4 * dim));
  const size = sizeOf(shape);
  const end = header + size * type.bytes;
  if (bytes.length < end) {
    throw fail(bytes.length, `${end} bytes are needed for [${shape.join(", ")}]`, `the end of the file after ${bytes.length}`);
  }
  if (bytes.length > end) throw fail(end, `the end of the file is needed after [${shape.join(", ")}]`, `${bytes.length - end} more bytes`);
  return { shape, data: type.read(view, header, size) };
}

const defaultRemedy = "fetch the file again";

/**
 * Reads an IDX file, plain or gzip.
 *
 * @throws DataError when it is missing or malformed.
 */
export async function readIdx(path: Path): Promise<IdxArray> {
  const name = String(path).split("/").at(-1)!;
  const folder = String(path).slice(0, String(path).length - name.length) || ".";
  const { file, bytes } = await readDataFile([joinPath(folder, name)], "check the path");
  return parseIdx(bytes, file);
}

/** Which part of an IDX folder to load, and how. */
export interface IdxFolderOptions {
  /** The folder that holds the four files, plain or with `.gz`. */
  readonly dir: Path;
  /** The part: files beginning with `train`, or with `t10k` (or `test`). Default "train". */
  readonly split?: "train" | "test";
  /** The names of the classes. Default: "0", "1", … up to the largest label. */
  readonly classes?: readonly string[];
  /** Subtracted from pixels in [0, 1]: one number per channel, or one for all. Default 0. */
  readonly mean?: readonly number[];
  /** Divided by after subtracting. Default 1. */
  readonly std?: readonly number[];
  /** What to do about a missing or broken file, as a clause for the error. */
  readonly remedy?: string;
}

/**
 * Loads a folder in MNIST's layout: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`, each
 * also with a dot for the hyphen before `idx` and with `.gz`. Images `[n, height, width]` (or `[n, channels, height,
 * width]`) of bytes become samples `[channels, height, width]` with values from 0 to 1. Needs permission to read.
 *
 * @throws DataError when a file is missing or malformed, is not of bytes, or images and labels differ in number.
 */
export async function loadIdxFolder(options: IdxFolderOptions): Promise<InMemoryDataset> {
  checkOptions(options, "loadIdxFolder", ["dir", "split", "classes", "mean", "std", "remedy"]);
  const { dir, split = "train", remedy = defaultRemedy } = options;
  if (split !== "train" && split !== "test") {
    throw new ArgumentError(`Cannot load an IDX folder: split "train" or "test" is needed, got "${split}"`);
  }
  const images = await readPart(dir, split, "images", ["idx3", "idx4"], remedy);
  const labels = await readPart(dir, split, "labels", ["idx1"], remedy);
  const [count, ...dims] = images.shape;
  if (dims.length < 2 || dims.length > 3 || sizeOf(dims) === 0) {
    throw new DataError(
      `Cannot read ${images.file} at offset 3: [n, height, width] or [n, channels, height, width] is needed, ` +
        `got [${images.shape.join(", ")}]; ${remedy}`,
    );
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new DataError(
      `Cannot read ${labels.file} at offset 4: one label for each of ${count} images is needed, got [${
        labels.shape.join(", ")
      }]; ${remedy}`,
    );
  }
  checkClasses(labels, options.classes, remedy);
  return new InMemoryDataset({
    data: images.data,
    labels: labels.data,
    shape: dims.length === 2 ? [1, ...dims] : dims,
    scale: 1 / 255,
    ...(options.classes && { classes: options.classes }),
    ...(options.mean && { mean: options.mean }),
    ...(options.std && { std: options.std }),
  });
}

interface Part {
  readonly file: string;
  readonly shape: Shape;
  readonly data: Uint8Array;
}

async function readPart(dir: Path, split: "train" | "test", what: string, ranks: readonly string[], remedy: string): Promise<Part> {
  const prefixes = split === "train" ? ["train"] : ["t10k", "test"];
  const names = prefixes.flatMap((prefix) =>
    ranks.flatMap((rank) => [`${prefix}-${what}-${rank}-ubyte`, `${prefix}-${what}.${rank}-ubyte`])
  );
  const { file, bytes } = await readDataFile(names.flatMap((name) => [joinPath(dir, name), joinPath(dir, `${name}.gz`)]), remedy);
  const { shape, data } = parseIdx(bytes, file, remedy);
  if (!(data instanceof Uint8Array)) {
    throw new DataError(`Cannot read ${file} at offset 2: element type 08 (bytes) is needed, got another; ${remedy}`);
  }
  return { file, shape, data };
}

function checkClasses(labels: Part, classes: readonly string[] | undefined, remedy: string): void {
  if (!classes) return;
  const wrong = labels.data.findIndex((label) => label >= classes.length);
  if (wrong >= 0) {
    throw new DataError(
      `Cannot read ${labels.file} at offset ${8 + wrong}: a label from 0 to ${classes.length - 1} is needed, got ${
        labels.data[wrong]
      }; ${remedy}`,
    );
  }
}
