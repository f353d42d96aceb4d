/** What `parseArgs` is told about the flags it may meet. */
export interface ParseOptions<
  B extends string = string,
  S extends string = string,
  C extends string = string,
  N extends string = string,
  D extends Record<string, unknown> = Record<string, unknown>,
  A extends Aliases = Aliases,
  DD extends boolean = boolean,
> {
  /** When true, what follows `--` is kept apart in `result["--"]` instead of being added to `result._`. */
  "--"?: DD;
  /** Other names for a flag; every name of it is set in the result. */
  alias?: A;
  /** Flags that take no value, false unless given; `true` makes so every `--flag` without an equal sign. */
  boolean?: boolean | B | readonly B[];
  /** Values for flags that are not given. */
  default?: D;
  /** When true, parsing ends at the first argument that is not a flag. */
  stopEarly?: boolean;
  /** Flags whose value is never turned into a number. */
  string?: S | readonly S[];
  /** Flags that may be repeated; their values are an array, empty unless given. */
  collect?: C | readonly C[];
  /** Flags that `--no-<flag>` sets to false. */
  negatable?: N | readonly N[];
  /** Called with each argument that no option declares; the argument is dropped when it returns false. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** The result of `parseArgs`: the flags by name and, in `_`, the arguments that belong to no flag. */
export type Args<T = Record<string, unknown>, DD extends boolean = false> =
  & T
  & { _: (string | number)[] }
  & (DD extends true ? { "--": string[] } : unknown);

type Aliases = Record<string, string | readonly string[]>;

type Flags<B extends string, S extends string, C extends string, N extends string> =
  & { [K in Exclude<S, C>]?: string | Negated<K, N> }
  & { [K in S & C]: string[] | Negated<K, N> }
  & { [K in Exclude<B, C>]: boolean }
  & { [K in B & C]: boolean[] }
  & { [K in Exclude<C, S | B>]: unknown[] | Negated<K, N> };

type Negated<K, N> = K extends N ? false : never;

type WithDefaults<F, D> =
  & Omit<F, keyof D>
  & { [K in keyof D]: K extends keyof F ? D[K] | NonNullable<F[K]> : unknown };

type WithAliases<F, A> = { [K in keyof F as K | AliasOf<K, A>]: F[K] };

type AliasOf<K, A> = K extends keyof A ? A[K] extends readonly (infer Name)[] ? Name & string : A[K] & string : never;

/** Whether no flag is declared by its own name. */
type Untyped<F extends string> = [F] extends [never] ? true : string extends F ? true : false;

type Values<
  B extends string,
  S extends string,
  C extends string,
  N extends string,
  D extends Record<string, unknown>,
  A extends Aliases,
> = Untyped<B | S | C> extends true ? Record<string, unknown>
  : Record<string, unknown> & WithAliases<WithDefaults<Flags<B, Exclude<S, "_">, C, N>, D>, A>;

/**
 * Turns command line arguments into an object.
 *
 * `--flag value`, `--flag=value`, `-f value`, `-fvalue` and groups of short flags are understood; what looks like a number becomes
 * one unless the flag is declared a string. What follows `--` is not parsed.
 */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  N extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  const A extends Aliases = Record<never, never>,
  DD extends boolean = false,
>(args: string[], options: ParseOptions<B, S, C, N, D, A, DD> = {}): Args<Values<B, S, C, N, D, A>, DD> {
  const parser = new Parser(options);
  return parser.parse(args) as Args<Values<B, S, C, N, D, A>, DD>;
}

type FlagValue = string | number | boolean;

interface Nested {
  [key: string]: unknown;
}

class Parser {
  readonly #options: ParseOptions;
  readonly #aliases: Map<string, string[]>;
  readonly #booleans: Set<string>;
  readonly #strings: Set<string>;
  readonly #collected: Set<string>;
  readonly #negatable: Set<string>;
  readonly #result: Nested = {};
  readonly #loose: (string | number)[] = [];

  constructor(options: ParseOptions) {
    this.#options = options;
    this.#aliases = aliasGroups(options.alias ?? {});
    this.#booleans = this.#declared(typeof options.boolean === "boolean" ? [] : options.boolean);
    this.#strings = this.#declared(options.string);
    this.#collected = this.#declared(options.collect);
    this.#negatable = this.#declared(options.negatable);
  }

  parse(args: string[]): Nested {
    const end = args.indexOf("--");
    this.#parseFlags(end < 0 ? args : args.slice(0, end));
    this.#fillDefaults();
    const rest = end < 0 ? [] : args.slice(end + 1);
    if (this.#options["--"]) this.#result["--"] = rest;
    else this.#loose.push(...rest);
    this.#result._ = this.#loose;
    return this.#result;
  }

  #declared(names: string | readonly string[] = []): Set<string> {
    const list = typeof names === "string" ? [names] : names;
    return new Set(list.filter((name) => name !== "").flatMap((name) => [name, ...(this.#aliases.get(name) ?? [])]));
  }

  #parseFlags(args: string[]): void {
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!;
      const next = args[i + 1];
      if (/^--./s.test(arg)) i += this.#long(arg, next);
      else if (/^-./s.test(arg)) i += this.#short(arg, next);
      else {
        this.#positional(arg);
        if (this.#options.stopEarly) {
          this.#loose.push(...args.slice(i + 1));
          return;
        }
      }
    }
  }

  #positional(arg: string): void {
    if (this.#options.unknown?.(arg) === false) return;
    this.#loose.push(this.#strings.has("_") ? arg : asNumber(arg));
  }

  /** `--name`, `--name=value`, `--name value`, `--no-name`; returns how many of the following arguments it took. */
  #long(arg: string, next: string | undefined): number {
    const equals = arg.indexOf("=", 3);
    if (equals > 0 && equals < arg.length - 1) {
      const key = arg.slice(2, equals);
      const value = arg.slice(equals + 1);
      this.#set(key, this.#booleans.has(key) ? value !== "false" : value, arg);
      return 0;
    }
    const key = arg.slice(2);
    if (key.startsWith("no-") && this.#negatable.has(key.slice(3))) {
      this.#set(key.slice(3), false, arg, false);
      return 0;
    }
    const takesValue = !this.#booleans.has(key) && this.#options.boolean !== true;
    if (takesValue && next && !next.startsWith("-")) return this.#setTaking(key, next, arg);
    if (isBoolean(next)) return this.#setTaking(key, next === "true", arg);
    this.#set(key, this.#bare(key), arg);
    return 0;
  }

  /** `-f`, `-f value`, `-fvalue`, `-f=value`, `-abc`; returns how many of the following arguments it took. */
  #short(arg: string, next: string | undefined): number {
    const letters = [...arg.slice(1, -1)];
    for (const [i, letter] of letters.entries()) {
      const rest = arg.slice(i + 2);
      const attached = attachedValue(letter, rest, letters[i + 1]);
      if (attached !== undefined) {
        this.#set(letter, attached, arg);
        return 0;
      }
      this.#set(letter, rest === "-" ? rest : this.#bare(letter), arg);
    }
    const key = arg.slice(-1);
    if (key === "-") return 0;
    if (next && !/^--?[^-]/.test(next) && !this.#booleans.has(key)) return this.#setTaking(key, next, arg);
    if (isBoolean(next)) return this.#setTaking(key, next === "true", arg);
    this.#set(key, this.#bare(key), arg);
    return 0;
  }

  #bare(key: string): FlagValue {
    return this.#strings.has(key) ? "" : true;
  }

  #setTaking(key: string, value: FlagValue, arg: string): number {
    this.#set(key, value, arg);
    return 1;
  }

  #set(key: string, value: FlagValue, arg: string, mayCollect = true): void {
    const known = this.#booleans.has(key) || this.#strings.has(key) || this.#aliases.has(key) ||
      (this.#options.boolean === true && /^--[^=]+$/.test(arg));
    if (!known && this.#options.unknown?.(arg, key, value) === false) return;
    const typed = typeof value === "string" && !this.#strings.has(key) ? asNumber(value) : value;
    const collect = mayCollect && this.#collected.has(key);
    for (const name of this.#names(key)) setNested(this.#result, name.split("."), typed, collect);
  }

  #names(key: string): string[] {
    return [key, ...(this.#aliases.get(key) ?? [])];
  }

  #fillDefaults(): void {
    for (const [key, value] of Object.entries(this.#options.default ?? {})) {
      if (!hasNested(this.#result, key.split("."))) this.#names(key).forEach((name) => setNested(this.#result, name.split("."), value));
    }
    for (const key of [...this.#booleans, ...this.#strings]) {
      if (hasNested(this.#result, key.split("."))) continue;
      if (this.#collected.has(key)) setNested(this.#result, key.split("."), []);
      else if (this.#booleans.has(key)) setNested(this.#result, key.split("."), false);
    }
  }
}

/** For each name of a flag, its other names. */
function aliasGroups(alias: Aliases): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, names] of Object.entries(alias)) {
    const all = [key, ...(typeof names === "string" ? [names] : names)];
    for (const name of all) groups.set(name, all.filter((other) => other !== name));
  }
  return groups;
}

/** The value written behind a short flag without a space, if what stands there is one. */
function attachedValue(letter: string, rest: string, following: string | undefined): string | undefined {
  if (rest === "-") return undefined;
  if (/[A-Za-z]/.test(letter)) {
    const equals = rest.indexOf("=");
    if (equals >= 0 && equals < rest.length - 1) return rest.slice(equals + 1);
    if (/-?\d+(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
  }
  return following !== undefined && /\W/.test(following) ? rest : undefined;
}

function isBoolean(text: string | undefined): boolean {
  return text === "true" || text === "false";
}

function asNumber(text: string): string | number {
  const numeric = /^0x[0-9a-f]+$/i.test(text) || /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?$/.test(text);
  return numeric ? Number(text) : text;
}

function setNested(target: Nested, keys: string[], value: unknown, collect = false): void {
  const [key, ...rest] = keys as [string, ...string[]];
  if (rest.length > 0) {
    if (!Object.hasOwn(target, key)) define(target, key, {});
    setNested(target[key] as Nested, rest, value, collect);
    return;
  }
  const before = Object.hasOwn(target, key) ? target[key] : undefined;
  if (!collect) define(target, key, value);
  else if (Array.isArray(before)) before.push(value);
  else define(target, key, before ? [before, value] : [value]);
}

/** Defines instead of assigning, so that a flag called `__proto__` stays an ordinary property. */
function define(target: Nested, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function hasNested(target: Nested, keys: string[]): boolean {
  const [key, ...rest] = keys as [string, ...string[]];
  if (!Object.hasOwn(target, key)) return false;
  if (rest.length === 0) return true;
  const inner = target[key];
  return typeof inner === "object" && inner !== null && hasNested(inner as Nested, rest);
}
