/**
 * The golden operations that this library does not have, each with the reason. An operation that is missing here fails its test, and so
 * does one that is listed although the library has it.
 *
 * @module
 */

/** Reasons by suite and operation. */
export const unsupported: Readonly<Record<string, string>> = {
  "ops/conv convTranspose2d": "only the gradient of convolution uses the transposed kernel so far; it has no public function",
  "ops/einsum einsum": "equations are not parsed yet; matmul, mul and sum say the same",
  "ops/index_sort cumprod": "the scan kernel multiplies, but the gradient at zeros is not written",
  "ops/shape diagonal": "no public view along a diagonal yet",
  "ops/shape diamond": "the case does not say which function it composes",
  "ops/shape repeat": "no public function yet; expand and reshape say the same",
  "ops/shape repeatInterleave": "no public function yet; unsqueeze, expand and reshape say the same",
  "ops/shape roll": "no public function yet; cat of two slices says the same",
  "ops/shape tril": "no public function yet; a mask of two ranges says the same",
  "ops/shape triu": "no public function yet; a mask of two ranges says the same",
};
