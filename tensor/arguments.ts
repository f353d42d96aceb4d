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
 * @throws ArgumentError when they are no object, as where PyTorch takes the value by position, have another name among them,
 * or hold a number or a truth value in quotes.
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
  for (const name in options) {
    if (!names.includes(name)) throw refuseOptions(op, names, isPlain(options) ? name : kindOf(options));
    const value = options[name as keyof typeof options] as unknown;
    if (typeof value === "string" && isQuoted(value) && !texts.has(name)) {
      throw new ArgumentError(`Cannot ${op}: ${value} without quotes is needed as ${name}, got ${kindOf(value)}`);
    }
  }
}

/** Options that are free text. */
const texts: ReadonlySet<string> = new Set(["dir", "name", "title", "subtitle"]);

/** Whether it is a number or a truth value in quotes: "1" + 2 is "12", and "false" is as good as true. */
function isQuoted(text: string): boolean {
  return text === "true" || text === "false" || (text.trim() !== "" && !Number.isNaN(Number(text)));
}

/** The options of everything that makes a tensor. */
export const tensorOptions = ["dtype", "device", "requiresGrad"] as const;

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
 * An object as it is given, whatever its names.
 *
 * @param what What it is, for the error.
 * @throws ArgumentError when it is none.
 */
export function checkObject<Given extends object>(object: Given, op: string, what: string): Given {
  if (typeof object !== "object" || object === null) throw refuse(op, what, object);
  return object;
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
 * One number or a list of them, as a list.
 *
 * @param example How it is written, for the error.
 * @throws ArgumentError when it is neither.
 */
export function listOf(numbers: number | readonly number[], op: string, example: string): readonly number[] {
  return typeof numbers === "number" ? [numbers] : checkList(numbers, op, example);
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
 * A number as it is given.
 *
 * @param what What it is, for the error.
 * @throws ArgumentError when it is none: a text, a truth value or nothing would be taken for one, or be NaN.
 */
export function checkNumber(number: number, op: string, what = "a number"): number {
  if (typeof number !== "number") throw refuse(op, what, number);
  return number;
}

/**
 * Bytes as they are given.
 *
 * @throws ArgumentError when they are none.
 */
export function checkBytes(bytes: Uint8Array, op: string): void {
  if (!(bytes instanceof Uint8Array)) throw refuse(op, "a Uint8Array", bytes);
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
