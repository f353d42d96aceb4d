/**
 * What PyTorch refuses at run time and TypeScript before it: calls that do not compile, each kind with a proof.
 *
 * @module
 */
import { cat, logspace, type Tensor } from "../../tensor/mod.ts";

/** The reasons by what a stored call asks for. */
export const refusedByTypes: Readonly<Record<string, string>> = {
  "input that is no tensor": "a method needs a tensor: a number has none",
  "other that is no tensor": "two tensors are needed, not a number",
  "values that is no tensor": "two tensors are needed, not a number",
  "tensors that is no tensor": "a list of tensors is needed, without null",
  "value that is no number": "a number is needed, not null or a complex number",
  "sections that is a string": "a number or a list of numbers is needed",
  out: "results are new tensors; there is no out argument",
};

/** Never called: that it compiles proves that none of the marked lines would. */
export function proofs(x: Tensor, mask: Tensor): void {
  // @ts-expect-error A number has no methods of tensors.
  (2).atan2(x);
  // @ts-expect-error The same for every other method.
  (2).eq(3);
  // @ts-expect-error Logic is of two tensors.
  x.logicalAnd(2);
  // @ts-expect-error Closeness is of two tensors.
  x.isclose(2);
  // @ts-expect-error The matrix product is of two tensors.
  x.matmul(2);
  // @ts-expect-error A mask is filled with a number.
  x.maskedFill(mask, null);
  // @ts-expect-error A list of tensors has no holes.
  cat([x, null]);
  // @ts-expect-error Parts are counted, or their positions listed.
  x.tensorSplit("abc");
  // @ts-expect-error A method takes what it names.
  x.gather(0, mask, { out: x });
  // @ts-expect-error Options are named too.
  logspace(0, 1, { steps: 2, out: x });
}
