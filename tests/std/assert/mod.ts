/**
 * A stand-in for the part of `@std/assert` that this project's tests use, so that they run where JSR cannot be reached.
 *
 * deno.json links it in place of `jsr:@std/assert@^1`; the behaviour is the one that package documents, and
 * `tests/std_test.ts` holds it to that.
 *
 * @module
 */
import { AssertionError, show, withNote } from "./assertion_error.ts";
import { equal } from "./equal.ts";
import type { AnyConstructor } from "./errors.ts";

export { AssertionError } from "./assertion_error.ts";
export { equal } from "./equal.ts";
export { type AnyConstructor, assertIsError, assertRejects, assertThrows } from "./errors.ts";

/** Asserts that the expression is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that the expression is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is false | 0 | "" | null | undefined {
  if (expr) throw new AssertionError(msg);
}

/** Asserts deep equality, in which `NaN` equals itself and `-0` equals `0`. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(`${withNote("Values are not equal", msg)}\n\n    actual: ${show(actual)}\n  expected: ${show(expected)}\n`);
}

/** Asserts that the two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(withNote(`Expected actual: ${show(actual)} not to be: ${show(expected)}`, msg));
}

/** Asserts `Object.is(actual, expected)`: the same reference, `NaN` is itself, `-0` is not `0`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `${withNote("Values are not strictly equal", msg)}\n\n    actual: ${show(actual)}\n  expected: ${show(expected)}\n`,
  );
}

/** Asserts that the values are not the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(withNote(`Expected "actual" to not be strictly equal to: ${show(actual)}`, msg));
}

/** Asserts `|actual - expected| <= tolerance`, by default 1e-7 of the expected value's size. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  throw new AssertionError(
    withNote(`Expected actual: "${actual}" to be close to "${expected}": delta "${delta}" is greater than "${allowed}"`, msg),
  );
}

/** Asserts that the value is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(withNote(`Expected actual: "${actual}" to not be null or undefined`, msg));
}

/** Asserts `actual instanceof expectedType`. */
export function assertInstanceOf<T>(actual: unknown, expectedType: AnyConstructor<T>, msg = ""): asserts actual is T {
  if (actual instanceof expectedType) return;
  const found = actual === null || typeof actual !== "object" ? `"${typeof actual}"` : `"${actual.constructor?.name ?? "Object"}"`;
  throw new AssertionError(withNote(`Expected object to be an instance of "${expectedType.name}" but was ${found}`, msg));
}

/** Asserts that the string matches the expression. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(withNote(`Expected actual: "${actual}" to match: "${expected}"`, msg));
}

/** Asserts that the string includes the other string. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(withNote(`Expected actual: "${actual}" to contain: "${expected}"`, msg));
}

/** Asserts that every expected element is somewhere in the actual array, by deep equality. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((element) => !present.some((other) => equal(element, other)));
  if (missing.length === 0) return;
  throw new AssertionError(
    withNote(`Expected actual: "${show(actual)}" to include: "${show(expected)}"`, msg) + `\nmissing: ${show(missing)}`,
  );
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throw new AssertionError(withNote(`Expect ${show(actual)} > ${show(expected)}`, msg));
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual >= expected) return;
  throw new AssertionError(withNote(`Expect ${show(actual)} >= ${show(expected)}`, msg));
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (actual < expected) return;
  throw new AssertionError(withNote(`Expect ${show(actual)} < ${show(expected)}`, msg));
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual <= expected) return;
  throw new AssertionError(withNote(`Expect ${show(actual)} <= ${show(expected)}`, msg));
}

/** Fails, saying why. */
export function fail(msg?: string): never {
  throw new AssertionError(withNote("Failed assertion", msg));
}

/** Fails because code was reached that should not be. */
export function unreachable(msg?: string): never {
  throw new AssertionError(withNote("Unreachable", msg));
}
