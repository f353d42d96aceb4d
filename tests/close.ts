/**
 * When a number is close enough to an expected one, as numpy.allclose and torch.testing.assert_close have it.
 *
 * @module
 */

/** How far a number may be off: absolute + relative · |expected|. */
export interface Tolerance {
  /** Added. */
  readonly absolute: number;
  /** Times the expected number's size. */
  readonly relative: number;
}

/** Whether a number is close enough. NaN must meet NaN, and an infinity the same one. */
export function isClose(got: number, expected: number, { absolute, relative }: Tolerance): boolean {
  if (!Number.isFinite(got) || !Number.isFinite(expected)) return Object.is(got, expected);
  return Math.abs(got - expected) <= absolute + relative * Math.abs(expected);
}

/** Says which number is not close enough, or undefined. */
export function elementDifference(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { shape, ...tolerance }: Tolerance & { readonly shape: readonly number[] },
): string | undefined {
  for (let i = 0; i < expected.length; i++) {
    if (!isClose(got[i]!, expected[i]!, tolerance)) return `${expected[i]} is needed at ${i} of [${shape}], got ${got[i]}`;
  }
  return undefined;
}
