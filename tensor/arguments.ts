/**
 * Checks of what the type checker refuses: programs also run without it, and an option that is silently ignored gives a wrong number.
 *
 * @module
 */
import { type DType, dtypes } from "./dtype.ts";
import { ArgumentError, DTypeError } from "./errors.ts";

/**
 * Options as they are given.
 *
 * @param example How they are written, for the error.
 * @throws ArgumentError when they are no object, as where PyTorch takes the value by position.
 */
export function checkOptions<Options extends object>(options: Options, op: string, example: string): Options {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError(`Cannot ${op}: options are needed, as in ${example}, got ${kindOf(options)}`);
  }
  return options;
}

/**
 * A list as it is given.
 *
 * @param example How it is written, for the error.
 * @throws ArgumentError when it is no array, as where PyTorch takes its elements by position.
 */
export function checkList<Item>(list: readonly Item[], op: string, example: string): readonly Item[] {
  if (!Array.isArray(list)) throw new ArgumentError(`Cannot ${op}: a list is needed, as in ${example}, got ${kindOf(list)}`);
  return list;
}

/** What a value is, in a word or two. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : `an object of ${value.constructor?.name ?? "no class"}`;
  }
  return String(value);
}

/**
 * An element type as it is given.
 *
 * @param hint What to do instead, for the error.
 * @throws DTypeError when there is no such type.
 */
export function checkType(dtype: DType, op: string, hint = ""): DType {
  if (!dtypes.includes(dtype)) throw new DTypeError(`Cannot ${op}: one of ${dtypes.join(", ")} is needed, got ${dtype}${hint}`, { op });
  return dtype;
}
