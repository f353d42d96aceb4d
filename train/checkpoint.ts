/**
 * Checkpoints: everything a run needs to go on as if it had never stopped.
 *
 * A folder holds `checkpoint.json` and the safetensors file that it names. The JSON is renamed into place last, so it always names a whole
 * file; a crash leaves the checkpoint before.
 *
 * @module
 */
import { checkOptions, checkText } from "../tensor/arguments.ts";
import { ArgumentError, DataError } from "../tensor/errors.ts";
import { type DeviceName, type Tensor } from "../tensor/mod.ts";
import { sweepTemporaryFiles, writeFileAtomically } from "../tensor/io/atomic_file.ts";
import { decodeSafetensors, encodeSafetensors } from "../tensor/io/safetensors.ts";

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Tensors by name: weights, buffers, optimizer state. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** All the rest: positions, options, random generators. */
  readonly state: Json;
}

/** The JSON file's own content. */
interface Manifest {
  readonly format: "tandem-checkpoint";
  readonly version: 1;
  /** The name of the safetensors file beside it, and its size. */
  readonly tensors: string;
  readonly bytes: number;
  readonly state: Json;
}

const manifestName = "checkpoint.json";

/** The name of every tensor file that a checkpoint has made; others are never touched. */
const tensorsPattern = /^checkpoint-[0-9]+\.safetensors$/;

/**
 * Writes a checkpoint into a folder (made if missing), replacing the one before, whole or not at all; sweeps what killed writers left.
 *
 * @throws DataError when the folder cannot be written to; ArgumentError for a state that JSON cannot hold.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadCheckpoint, saveCheckpoint } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await saveCheckpoint(folder, { tensors: { weight: tensor([1, 2]) }, state: { step: 50 } });
 * const { tensors, state } = await loadCheckpoint(folder);
 * assertEquals([await tensors.weight!.toArray(), state], [[1, 2], { step: 50 }]);
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function saveCheckpoint(folder: string, options: Checkpoint): Promise<void> {
  const { tensors, state } = checkOptions(options, "saveCheckpoint", ["tensors", "state"]);
  checkText(folder, "save a checkpoint", "a folder");
  checkJson(state, "state");
  const bytes = await encodeSafetensors(tensors);
  await makeFolder(folder);
  const before = await tensorFiles(folder);
  const name = `checkpoint-${nextNumber(before)}.safetensors`;
  const manifest: Manifest = { format: "tandem-checkpoint", version: 1, tensors: name, bytes: bytes.length, state };
  await writeFileAtomically(`${folder}/${name}`, bytes);
  await writeFileAtomically(`${folder}/${manifestName}`, new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 1)}\n`));
  for (const old of before) await Deno.remove(`${folder}/${old}`).catch(() => {});
  await sweepTemporaryFiles(folder);
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`Cannot make ${folder}: a folder that can be written to is needed, got "${reason}"`, { cause });
  }
}

async function tensorFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (tensorsPattern.test(name)) names.push(name);
  return names;
}

/** A name that no earlier file has: the old checkpoint stays whole until the new one is. */
function nextNumber(names: readonly string[]): number {
  return 1 + names.reduce((most, name) => Math.max(most, Number(name.slice("checkpoint-".length, -".safetensors".length))), 0);
}

/** JSON would silently write NaN as null and leave out what is undefined. */
function checkJson(value: Json, path: string): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new ArgumentError(`Cannot save a checkpoint: finite numbers are needed, got ${value} at ${path}`);
  }
  if (value === undefined || typeof value === "function" || typeof value === "bigint") {
    throw new ArgumentError(`Cannot save a checkpoint: what JSON can hold is needed, got ${typeof value} at ${path}`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) checkJson(inner as Json, `${path}.${name}`);
}

/** Whether a folder holds a checkpoint. */
export async function hasCheckpoint(folder: string): Promise<boolean> {
  try {
    return (await Deno.stat(`${folder}/${manifestName}`)).isFile;
  } catch {
    return false;
  }
}

/**
 * Reads the checkpoint in a folder. Its tensors belong to no scope.
 *
 * @throws DataError when there is none, or it is truncated, damaged or of another version.
 */
export async function loadCheckpoint(folder: string, options: { readonly device?: DeviceName } = {}): Promise<Checkpoint> {
  checkOptions(options, "loadCheckpoint", ["device"]);
  const path = `${folder}/${manifestName}`;
  const manifest = parseManifest(new TextDecoder().decode(await readFile(path)), path);
  const file = `${folder}/${manifest.tensors}`;
  const bytes = await readFile(file);
  if (bytes.length !== manifest.bytes) {
    throw new DataError(`Cannot read ${file}: ${manifest.bytes} bytes are needed, got ${bytes.length}; start again without the checkpoint`);
  }
  return { tensors: decodeSafetensors(bytes, { ...options, name: file }).tensors, state: manifest.state };
}

function parseManifest(text: string, path: string): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`Cannot read ${path}: JSON is needed, got "${(cause as Error).message}"; start again without it`, { cause });
  }
  const { format, version, tensors, bytes } = (parsed ?? {}) as Partial<Record<keyof Manifest, unknown>>;
  const whole = format === "tandem-checkpoint" && version === 1 && typeof tensors === "string" && tensorsPattern.test(tensors) &&
    typeof bytes === "number";
  if (!whole) {
    throw new DataError(
      `Cannot read ${path}: a tandem-checkpoint of version 1 is needed, got ${text.slice(0, 60)}; start again without it`,
    );
  }
  return parsed as Manifest;
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound ? "none" : `"${cause instanceof Error ? cause.message : String(cause)}"`;
    throw new DataError(`Cannot read ${path}: a checkpoint is needed, got ${reason}; train first, or check the folder`, { cause });
  }
}
