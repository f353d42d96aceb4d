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
 * @param names All that there are; one that is left out does not compile.
 * @throws ArgumentError when they are no object, as where PyTorch takes the value by position, or have another name among them.
 */
export function checkOptions<Options extends object, const Name extends keyof Options & string>(
  options: Options,
  op: string,
  names: readonly Name[] & Complete<keyof Options, Name>,
): Options {
  checkNames(options, op, names);
  return options;
}

/** {@link checkOptions} of names that are known at run time only. */
export function checkNames(options: object, op: string, names: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw refuseOptions(op, names, kindOf(options));
  for (const name in options) if (!names.includes(name)) throw refuseOptions(op, names, isPlain(options) ? name : kindOf(options));
}

/** Nothing more to ask when all names are there: a list that lacks one does not compile. */
type Complete<Names, Name> = [Names] extends [Name] ? unknown : { readonly lacks: Exclude<Names, Name> };

function refuseOptions(op: string, names: readonly string[], got: string): ArgumentError {
  return new ArgumentError(`Cannot ${op}: options { ${names.join(", ")} } are needed, got ${got}`);
}

function isPlain(options: object): boolean {
  const prototype = Object.getPrototypeOf(options);
  return prototype === null || prototype === Object.prototype;
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

/**
 * Numbers as they are given, in an array or a typed array.
 *
 * @param what What they are, for the error.
 * @throws ArgumentError when they are neither.
 */
export function checkNumbers<Numbers extends ArrayLike<number>>(numbers: Numbers, op: string, what: string): Numbers {
  if (!Array.isArray(numbers) && (!ArrayBuffer.isView(numbers) || numbers instanceof DataView)) throw refuse(op, what, numbers);
  return numbers;
}

/**
 * Text as it is given.
 *
 * @param what What it is, for the error.
 * @throws ArgumentError when it is no text.
 */
export function checkText(text: string, op: string, what: string): string {
  if (typeof text !== "string") throw refuse(op, what, text);
  return text;
}

/**
 * A function as it is given.
 *
 * @param what What it is, for the error.
 * @throws ArgumentError when it is no function.
 */
// deno-lint-ignore no-explicit-any
export function checkFunction<F extends (...args: any[]) => unknown>(f: F, op: string, what = "a function"): F {
  if (typeof f !== "function") throw refuse(op, what, f);
  return f;
}

function refuse(op: string, what: string, got: unknown): ArgumentError {
  return new ArgumentError(`Cannot ${op}: ${what} is needed, got ${kindOf(got)}`);
}

/** What a value is, in a word or two. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
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
