/**
 * What readers of tensor files share: the file itself, and the error of a broken one.
 *
 * @module
 */
import { DataError } from "../errors.ts";

/** The error of a file that breaks its format at a byte offset. */
export function malformed(name: string, offset: number, needed: string, got: string): DataError {
  return new DataError(`Cannot read ${name}: ${needed} at offset ${offset} is needed, got ${got}; write or fetch the file again`);
}

/**
 * Reads a file of some format.
 *
 * @throws DataError when there is none, or it may not be read.
 */
export async function readTensorFile(path: string, format: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound ? "none" : `"${cause instanceof Error ? cause.message : String(cause)}"`;
    throw new DataError(`Cannot read ${path}: a readable ${format} file is needed, got ${reason}; check the path`, { cause });
  }
}
