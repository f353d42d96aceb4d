import { AssertionError, withNote } from "./assertion_error.ts";

/**
 * A class whose instances an assertion can be asked for; abstract classes too. The parameters are `never` because the class is only
 * named here, never constructed.
 */
export type AnyConstructor<T> = abstract new (...args: never[]) => T;

/** Asserts that `error` is an error, of `ErrorClass` if given, and that its message includes `messageIncludes` if given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: AnyConstructor<E>,
  messageIncludes?: string,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(withNote(`Expected "error" to be an Error object`, msg));
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    const actual = error.constructor.name;
    throw new AssertionError(withNote(`Expected error to be instance of "${ErrorClass.name}", but was "${actual}"`, msg));
  }
  if (messageIncludes !== undefined && !error.message.includes(messageIncludes)) {
    const wanted = JSON.stringify(messageIncludes);
    throw new AssertionError(withNote(`Expected error message to include ${wanted}, but got ${JSON.stringify(error.message)}`, msg));
  }
}

/** Asserts that the function throws and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that the function throws an instance of `ErrorClass` whose message includes `msgIncludes`, and returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: AnyConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  classOrMsg?: AnyConstructor<E> | string,
  msgIncludes?: string,
  note?: string,
): unknown {
  const wanted = wantedError(classOrMsg, msgIncludes, note);
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    checkThrown(error, wanted, "thrown");
    return thrown;
  }
  throw new AssertionError(withNote("Expected function to throw", wanted.msg));
}

/** Asserts that the function returns a promise that rejects, and resolves to the reason. A synchronous throw is a failure. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise rejects with an instance of `ErrorClass` whose message includes `msgIncludes`, and resolves to it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: AnyConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: AnyConstructor<E> | string,
  msgIncludes?: string,
  note?: string,
): Promise<unknown> {
  const wanted = wantedError(classOrMsg, msgIncludes, note);
  const promise = startRejecting(fn, wanted.msg);
  try {
    await promise;
  } catch (error) {
    checkThrown(error, wanted, "rejected");
    return error;
  }
  throw new AssertionError(withNote("Expected function to reject", wanted.msg));
}

interface WantedError {
  errorClass: AnyConstructor<Error> | undefined;
  includes: string | undefined;
  msg: string | undefined;
}

function wantedError(classOrMsg: AnyConstructor<Error> | string | undefined, includes?: string, msg?: string): WantedError {
  if (typeof classOrMsg === "string") return { errorClass: undefined, includes: undefined, msg: classOrMsg };
  return { errorClass: classOrMsg, includes, msg };
}

function startRejecting(fn: () => PromiseLike<unknown>, msg: string | undefined): PromiseLike<unknown> {
  let promise: unknown;
  try {
    promise = fn();
  } catch {
    throw new AssertionError(withNote("Function throws when expected to reject", msg));
  }
  if (isThenable(promise)) return promise;
  throw new AssertionError(withNote("Function throws when expected to reject", msg));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function checkThrown(error: unknown, wanted: WantedError, verb: string): void {
  if (!wanted.errorClass) return;
  if (!(error instanceof Error)) throw new AssertionError(withNote(`A non-Error object was ${verb}`, wanted.msg));
  assertIsError(error, wanted.errorClass, wanted.includes, wanted.msg);
}
