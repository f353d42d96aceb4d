/**
 * NumPy's format for several named arrays: a zip archive of npy files.
 *
 * @module
 */
import { checkBytes, checkOptions } from "../arguments.ts";
import type { DeviceName } from "../device.ts";
import { checkTensorsByName, type Tensor } from "../tensor.ts";
import { writeFileAtomically } from "./atomic_file.ts";
import { malformed, readTensorFile } from "./malformed.ts";
import { encodeNpy, makeTensor, type NpyReadOptions, type ParsedNpy, parseNpy } from "./npy.ts";
import { decodeZip, encodeZip, type ZipFile } from "./zip.ts";

/** Options of {@link encodeNpz} and {@link saveNpz}. */
export interface NpzOptions {
  /** Whether values are deflated, which takes time and seldom helps with trained weights. Default false. */
  readonly compress?: boolean;
}

const extension = ".npy";

/**
 * Packs tensors into the bytes of an npz file; waits for their values.
 *
 * @throws ArgumentError for 4 GiB or 65,535 tensors and more.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeNpz, encodeNpz, tensor } from "../mod.ts";
 *
 * const bytes = await encodeNpz({ weight: tensor([[1, 2], [3, 4]]), steps: tensor([5], { dtype: "int32" }) });
 * const { weight, steps } = await decodeNpz(bytes);
 * assertEquals([await weight!.toArray(), await steps!.toArray()], [[[1, 2], [3, 4]], [5]]);
 * ```
 */
export async function encodeNpz(
  tensors: Readonly<Record<string, Tensor>>,
  options: NpzOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { compress = false } = checkOptions(options, "encodeNpz", ["compress"]);
  checkTensorsByName("encodeNpz", tensors);
  const files: ZipFile[] = [];
  for (const [name, x] of Object.entries(tensors)) files.push({ name: name + extension, bytes: await encodeNpy(x) });
  return await encodeZip(files, { compress });
}

/**
 * Unpacks the bytes of an npz file, whose arrays may be stored or deflated; their types are those of `decodeNpy`. The tensors belong to no
 * scope.
 *
 * @throws DataError naming the file and the offset where it is truncated or malformed, or holds what is no array.
 */
export async function decodeNpz(bytes: Uint8Array, options: NpyReadOptions = {}): Promise<Record<string, Tensor>> {
  const { name = "npz", device } = checkOptions(options, "decodeNpz", ["name", "device"]);
  checkBytes(bytes, "decodeNpz");
  const parsed: [string, ParsedNpy][] = [];
  // Everything is checked before the first tensor is made, so a malformed file leaves none behind.
  for (const file of await decodeZip(bytes, name)) {
    if (!file.name.endsWith(extension)) throw malformed(name, 0, `an archive of ${extension} files`, JSON.stringify(file.name));
    parsed.push([file.name.slice(0, -extension.length), parseNpy(file.bytes, `${file.name} in ${name}`)]);
  }
  const tensors: Record<string, Tensor> = {};
  for (const [key, array] of parsed) {
    const value = makeTensor(array, device);
    Object.defineProperty(tensors, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return tensors;
}

/**
 * Writes tensors to an npz file, whole or not at all.
 *
 * @throws DataError when it cannot be written; ArgumentError for 4 GiB or 65,535 tensors and more.
 */
export async function saveNpz(path: string, tensors: Readonly<Record<string, Tensor>>, options: NpzOptions = {}): Promise<void> {
  await writeFileAtomically(path, await encodeNpz(tensors, options));
}

/**
 * Reads an npz file; see {@link decodeNpz}.
 *
 * @throws DataError when it is missing, truncated or malformed.
 */
export async function loadNpz(path: string, options: { readonly device?: DeviceName } = {}): Promise<Record<string, Tensor>> {
  return await decodeNpz(await readTensorFile(path, "npz"), { ...options, name: path });
}
