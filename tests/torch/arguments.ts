/**
 * The arguments of a PyTorch call, bound to parameter names and read by the types that a Tandem call wants.
 *
 * @module
 */
import type { DType, Tensor } from "../../tensor/mod.ts";
import { ourTypes, type StoredArgument, type StoredCall } from "./format.ts";

/** Thrown when a call cannot be said in Tandem; `what` is looked up in unsupported.ts together with the operator's name. */
export class Unsupported extends Error {
  /** What is missing: a parameter's name, or "dtype int8" and the like. */
  readonly what: string;

  /** Makes it from what is missing. */
  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

/** Reads the arguments of one call and remembers which were read: one that is not makes the call unsupported, never a silent pass. */
export class Arguments {
  readonly #values = new Map<string, StoredArgument>();
  readonly #unread = new Set<string>();
  readonly #tensors: readonly (Tensor | undefined)[];
  readonly #call: StoredCall;

  /** Binds a call to the names of its positional parameters; the last one may be "*name" and takes the rest as a list. */
  constructor(call: StoredCall, names: readonly string[], tensors: readonly (Tensor | undefined)[]) {
    this.#call = call;
    this.#tensors = tensors;
    call.args.forEach((value, position) => {
      const name = names[position];
      if (names.at(-1)?.startsWith("*") && position >= names.length - 1) return;
      this.#bind(name ?? `argument ${position}`, value);
    });
    const last = names.at(-1);
    if (last?.startsWith("*")) {
      const rest = call.args.slice(names.length - 1);
      if (rest.length > 0) this.#bind(last.slice(1), rest.length === 1 && Array.isArray(rest[0]) ? rest[0]! : rest);
    }
    for (const [name, value] of Object.entries(call.kwargs)) this.#bind(name, value);
  }

  #bind(name: string, value: StoredArgument): void {
    this.#values.set(name, value);
    if (value !== null) this.#unread.add(name);
  }

  #take(name: string): StoredArgument | undefined {
    this.#unread.delete(name);
    return this.#values.get(name) ?? undefined;
  }

  /** The first argument that nothing has read. */
  get unread(): string | undefined {
    return this.#unread.values().next().value;
  }

  /** Whether the argument was given and is not None. */
  has(name: string): boolean {
    return (this.#values.get(name) ?? null) !== null;
  }

  /** Reads an argument that changes nothing here. */
  ignore(...names: readonly string[]): this {
    for (const name of names) this.#unread.delete(name);
    return this;
  }

  /** A tensor. */
  tensor(name: string): Tensor {
    return this.asTensor(this.#take(name), name);
  }

  /** A tensor, or undefined. */
  optional(name: string): Tensor | undefined {
    return this.has(name) ? this.tensor(name) : undefined;
  }

  /** A list of tensors, or one tensor as a list. */
  tensors(name: string): Tensor[] {
    const value = this.#take(name);
    return Array.isArray(value) ? value.map((part) => this.asTensor(part, name)) : [this.asTensor(value, name)];
  }

  /** The tensor that a stored value stands for. */
  asTensor(value: StoredArgument | undefined, name: string): Tensor {
    const position = (value as { readonly tensor?: number } | undefined)?.tensor;
    if (typeof position !== "number") throw new Unsupported(`${name} that is no tensor`);
    const found = this.#tensors[position];
    if (found === undefined) throw new Unsupported(`dtype ${this.#call.tensors[position]!.dtype}`);
    return found;
  }

  /** A tensor or a number. */
  operand(name: string): Tensor | number {
    const value = this.#values.get(name);
    return typeof (value as { readonly tensor?: number } | undefined)?.tensor === "number" ? this.tensor(name) : this.number(name);
  }

  /** A number; truth is 1. */
  number(name: string, fallback?: number): number {
    const value = this.#take(name) ?? fallback;
    if (typeof value === "boolean") return Number(value);
    if (typeof value === "number") return value;
    const special = (value as { readonly number?: string } | undefined)?.number;
    if (special === undefined) throw new Unsupported(`${name} that is no number`);
    return special === "nan" ? NaN : special === "inf" ? Infinity : -Infinity;
  }

  /** A truth value. */
  flag(name: string, fallback = false): boolean {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== "boolean") throw new Unsupported(`${name} that is no bool`);
    return value;
  }

  /** A string. */
  text<Text extends string>(name: string, fallback: Text): Text {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== "string") throw new Unsupported(`${name} that is no string`);
    return value as Text;
  }

  /** Numbers; a single one is a list of one. */
  list(name: string): number[] {
    const value = this.#take(name);
    const list = Array.isArray(value) ? value : [value];
    if (list.some((part) => typeof part !== "number")) throw new Unsupported(`${name} that is no list of numbers`);
    return list as number[];
  }

  /** One dim, several, or undefined for all. */
  dims(name: string): number | number[] | undefined {
    if (!this.has(name)) return void this.ignore(name);
    const list = this.list(name);
    return Array.isArray(this.#values.get(name)) ? list : list[0];
  }

  /** One of our types, or undefined when not given. */
  dtype(name = "dtype"): DType | undefined {
    const value = this.#take(name) as { readonly dtype?: string } | undefined;
    if (value === undefined) return undefined;
    const ours = ourTypes[value.dtype ?? ""];
    if (ours === undefined) throw new Unsupported(`${name} ${value.dtype}`);
    return ours;
  }

  /** The argument as it is stored. */
  raw(name: string): StoredArgument | undefined {
    return this.#take(name);
  }
}
