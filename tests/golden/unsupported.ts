/**
 * The golden operations that this library does not have, each with the reason. An operation that is missing here fails its test, and so
 * does one that is listed although the library has it.
 *
 * @module
 */

/** Reasons by suite and operation. */
export const unsupported: Readonly<Record<string, string>> = {
  "ops/shape diamond": "the case does not say which function it composes",
};
