/**
 * Deep equality of two values, as `assertEquals` sees it.
 *
 * Numbers compare by SameValueZero: `NaN` equals itself and `-0` equals `0`. Objects need the same prototype and the same own
 * enumerable keys and symbols; sets and maps compare without regard to order; dates, expressions and URLs compare by value.
 */
export function equal(actual: unknown, expected: unknown): boolean {
  return equalDeep(actual, expected, new Map());
}

function equalDeep(a: unknown, b: unknown, pairs: Map<object, Set<object>>): boolean {
  if (a === b || (a !== a && b !== b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (!samePrototype(a, b)) return false;
  const byValue = equalByValue(a, b);
  if (byValue !== undefined) return byValue;
  const partners = pairs.get(a) ?? new Set<object>();
  if (partners.has(b)) return true; // the pair is already being compared further out: a cycle
  pairs.set(a, partners.add(b));
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return equalViews(a, b);
  if (a instanceof Set && b instanceof Set) return equalEntries([...a], [...b], (x, y) => equalDeep(x, y, pairs));
  if (a instanceof Map && b instanceof Map) {
    return equalEntries([...a], [...b], ([k, v], [l, w]) => equalDeep(k, l, pairs) && equalDeep(v, w, pairs));
  }
  return equalProperties(a, b, pairs);
}

function samePrototype(a: object, b: object): boolean {
  const [first, second] = [Object.getPrototypeOf(a), Object.getPrototypeOf(b)];
  return first === second || (isPlain(first) && isPlain(second));
}

function isPlain(prototype: unknown): boolean {
  return prototype === null || prototype === Object.prototype;
}

/** Compares what has a value of its own; undefined when the pair has to be compared part by part. */
function equalByValue(a: object, b: object): boolean | undefined {
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof Number || a instanceof String || a instanceof Boolean) return Object.is(a.valueOf(), b.valueOf());
  if (a instanceof WeakMap || a instanceof WeakSet) throw new TypeError(`Cannot compare ${a.constructor.name} instances`);
  return undefined;
}

function equalViews(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (a.byteLength !== b.byteLength) return false;
  const [x, y] = [elements(a), elements(b)];
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== y[i] && !(Number.isNaN(x[i]) && Number.isNaN(y[i]))) return false;
  }
  return true;
}

function elements(view: ArrayBufferView): ArrayLike<number | bigint> {
  if (view instanceof DataView) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return view as ArrayBufferView & ArrayLike<number | bigint>;
}

/** Every entry of `a` has a partner of its own in `b`. */
function equalEntries<T>(a: T[], b: T[], same: (x: T, y: T) => boolean): boolean {
  if (a.length !== b.length) return false;
  const rest = [...b];
  return a.every((entry) => {
    const found = rest.findIndex((other) => same(entry, other));
    if (found >= 0) rest.splice(found, 1);
    return found >= 0;
  });
}

function equalProperties(a: object, b: object, pairs: Map<object, Set<object>>): boolean {
  if (isDense(a) && isDense(b)) return a.length === b.length && a.every((element, i) => equalDeep(element, b[i], pairs));
  const [keys, others] = [ownKeys(a), ownKeys(b)];
  if (keys.length !== others.length) return false;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  const present = new Set(others);
  return keys.every((key) => present.has(key) && equalDeep(Reflect.get(a, key), Reflect.get(b, key), pairs));
}

/** An array without holes and without properties of its own: it needs no look at its keys, of which there may be many. */
function isDense(value: object): value is unknown[] {
  return Array.isArray(value) && Reflect.ownKeys(value).length === value.length + 1;
}

function ownKeys(value: object): PropertyKey[] {
  const keys = Reflect.ownKeys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable);
  // The message is an error's content although the language makes it non-enumerable.
  return value instanceof Error ? [...keys, "name", "message"] : keys;
}
