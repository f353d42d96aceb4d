/**
 * Matrix products.
 *
 * @module
 */
import { det, einsum } from "../../../mod.ts";
import type { Operator } from "./call.ts";

/** α A B + β C, each of A and B transposed where asked. */
const gemm: Operator = (call) => {
  const a = call.number("transA", 0) === 1 ? call.x(0).mT : call.x(0);
  const b = call.number("transB", 0) === 1 ? call.x(1).mT : call.x(1);
  const y = a.matmul(b).mul(call.number("alpha", 1));
  const c = call.maybe(2);
  return c === undefined ? y : y.add(c.mul(call.number("beta", 1)));
};

/** Operators that contract. */
export const products: Readonly<Record<string, Operator>> = {
  Det: (call) => det(call.x()),
  Einsum: (call) => einsum(call.text("equation", ""), call.all()),
  Gemm: gemm,
  MatMul: (call) => call.x(0).matmul(call.x(1)),
};
