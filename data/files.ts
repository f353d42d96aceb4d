/**
 * Reading data files, with errors that say what to do.
 *
 * @module
 */
import { checkText } from "../tensor/arguments.ts";
import { DataError } from "../tensor/errors.ts";

/** Where a folder or file is: a path, or a `file:` URL. */
export type Path = string | URL;

/** The path of a file in a folder. */
export function joinPath(folder: Path, name: string): string {
  if (!(folder instanceof URL)) checkText(folder, "read a folder", "a dir");
  const path = folder instanceof URL || folder.startsWith("file:") ? pathOf(new URL(folder)) : folder;
  return `${path.replace(/[/\\]+$/, "")}/${name}`;
}

function pathOf(url: URL): string {
  if (url.protocol !== "file:") throw new DataError(`Cannot read ${url.href}: a path or a file: URL is needed, got ${url.protocol}`);
  const path = decodeURIComponent(url.pathname);
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1) : path; // file:///C:/data
}

/**
 * Reads the first of several files that exists, unpacking it when it is gzip (known by its first two bytes).
 *
 * @param candidates The names a file may have, the preferred one first.
 * @param remedy What to do when there is none, as a clause: "install it by …".
 * @throws DataError when none exists, may be read, or can be unpacked.
 */
export async function readDataFile(
  candidates: readonly string[],
  remedy: string,
): Promise<{ file: string; bytes: Uint8Array<ArrayBuffer> }> {
  for (const file of candidates) {
    const bytes = await readIfThere(file, remedy);
    if (bytes) return { file, bytes: bytes[0] === 0x1f && bytes[1] === 0x8b ? await gunzip(bytes, file, remedy) : bytes };
  }
  throw new DataError(`Cannot read ${candidates[0]}: an existing file is needed, got none${alternatives(candidates)}; ${remedy}`);
}

function alternatives(candidates: readonly string[]): string {
  return candidates.length > 1 ? ` (nor ${candidates.slice(1).map((file) => file.split("/").at(-1)).join(", ")})` : "";
}

async function readIfThere(file: string, remedy: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return undefined;
    if (cause instanceof Deno.errors.NotCapable) {
      throw new DataError(`Cannot read ${file}: permission to read is needed, got none; run with --allow-read`, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`Cannot read ${file}: a readable file is needed, got "${reason}"; ${remedy}`, { cause });
  }
}

/** Unpacks gzip; of a broken stream it says how far it got. */
async function gunzip(bytes: Uint8Array<ArrayBuffer>, file: string, remedy: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const part of new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))) {
      parts.push(part);
      length += part.length;
    }
  } catch (cause) {
    throw new DataError(
      `Cannot read ${file}: a whole gzip stream is needed, got one that breaks after offset ${length} of its content ` +
        `(${bytes.length} bytes packed); ${remedy}`,
      { cause },
    );
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
