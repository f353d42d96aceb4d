import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { gradcheck, gradgradcheck } from "../../autograd/mod.ts";
import {
  ArgumentError,
  cholesky,
  det,
  type DType,
  DTypeError,
  eigh,
  inverse,
  matrixNorm,
  matrixPower,
  pinverse,
  qr,
  ShapeError,
  slogdet,
  solve,
  svd,
  type Tensor,
  tensor,
  vectorNorm,
} from "../../tensor/mod.ts";

/** Numbers without pattern between -1 and 1. */
function random(shape: readonly number[], { seed = 1, dtype = "float64" as DType } = {}): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Float64Array.from({ length: size }, (_, i) => ((Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453) % 1));
  return tensor(values, { shape, dtype });
}

/** Symmetric, with eigenvalues well apart and above 0. */
function definite(n: number, lead: readonly number[] = []): Tensor {
  const a = random([...lead, n, n]);
  return a.matmul(a.mT).add(tensor(Float64Array.from({ length: n }, (_, i) => i + 1), { dtype: "float64" }).diag());
}

async function assertClose(got: Tensor, expected: Tensor | readonly number[], tolerance = 1e-10): Promise<void> {
  const [a, b] = [await got.data(), expected instanceof Array ? expected : await (expected as Tensor).data()];
  assertEquals(a.length, b.length);
  for (let i = 0; i < a.length; i++) assertAlmostEquals(a[i]!, b[i]!, tolerance, `element ${i}`);
}

function eye(n: number): Tensor {
  return tensor(new Float64Array(n).fill(1), { dtype: "float64" }).diag();
}

Deno.test("solve() multiplied back gives the right-hand side, batches broadcast, in both types", async () => {
  for (const [dtype, tolerance] of [["float64", 1e-10], ["float32", 1e-4]] as const) {
    const a = random([2, 1, 4, 4], { dtype });
    const b = random([3, 4, 2], { seed: 2, dtype });
    const x = solve(a, b);
    assertEquals(x.shape, [2, 3, 4, 2]);
    await assertClose(a.matmul(x), b.expand([2, 3, 4, 2]), tolerance);
  }
  await assertClose(solve(tensor([[2, 1], [1, 3]], { dtype: "float64" }), tensor([3, 5], { dtype: "float64" })), [0.8, 1.4]);
});

Deno.test("inverse() times the matrix is the identity, and needs row exchanges for a zero pivot", async () => {
  const a = random([5, 5]);
  await assertClose(inverse(a).matmul(a), eye(5));
  const exchanged = tensor([[0, 1], [2, 0]], { dtype: "float64" });
  await assertClose(inverse(exchanged), [0, 0.5, 1, 0]);
});

Deno.test("solve(), inverse() and cholesky() refuse singular and indefinite matrices by a typed error", () => {
  const singular = tensor([[1, 2], [2, 4]]);
  assertThrows(() => inverse(singular), ArgumentError, "singular");
  assertThrows(() => solve(singular, tensor([1, 2])), ArgumentError, "singular");
  assertThrows(() => cholesky(tensor([[1, 2], [2, 1]])), ArgumentError, "positive definite");
  assertThrows(() => eigh(tensor([[NaN, 0], [0, 1]])), ArgumentError, "finite");
  assertThrows(() => inverse(tensor([[1, 2, 3], [4, 5, 6]])), ShapeError, "square");
  assertThrows(() => solve(tensor([[1, 0], [0, 1]]), tensor([1, 2, 3])), ShapeError, "Cannot solve");
  assertThrows(() => det(tensor([[1, 2], [3, 4]], { dtype: "int32" })), DTypeError, "float32 or float64");
});

Deno.test("det() and slogdet() agree with values worked by hand, and a singular matrix has a gradient", async () => {
  const a = tensor([[2, 1, 0], [1, 3, 1], [0, 1, 4]], { dtype: "float64" });
  await assertClose(det(a), [18]);
  const { sign, logAbsDet } = slogdet(a.neg());
  await assertClose(sign, [-1]);
  await assertClose(logAbsDet, [Math.log(18)]);
  const singular = tensor([[1, 2], [2, 4]], { dtype: "float64", requiresGrad: true });
  det(singular).backward();
  await assertClose(singular.grad!, [4, -2, -2, 1]);
  const none = slogdet(singular.detach());
  assertEquals([await none.sign.item(), await none.logAbsDet.item()], [0, -Infinity]);
});

Deno.test("cholesky() times its transpose is the matrix", async () => {
  const a = definite(4, [2]);
  const l = cholesky(a);
  await assertClose(l.matmul(l.mT), a);
  await assertClose(l, l.tril());
});

Deno.test("qr() gives orthonormal columns and an upper triangle whose product is the matrix, for every form", async () => {
  for (const shape of [[2, 5, 3], [3, 5], [4, 4]]) {
    const a = random(shape);
    const { q, r } = qr(a);
    const k = Math.min(shape.at(-1)!, shape.at(-2)!);
    await assertClose(q.matmul(r), a);
    await assertClose(q.mT.matmul(q), eye(k).expand([...shape.slice(0, -2), k, k]));
    await assertClose(r, r.triu());
  }
});

Deno.test("svd() gives orthonormal factors and decreasing values whose product is the matrix, for every form and rank", async () => {
  const low = random([5, 2]).matmul(random([2, 4], { seed: 3 }));
  for (const a of [random([2, 5, 3]), random([3, 5]), random([4, 4]), low, low.mT, low.mul(0)]) {
    const { u, s, vh } = svd(a);
    const k = s.shape.at(-1)!;
    const lead = a.shape.slice(0, -2);
    await assertClose(u.mul(s.unsqueeze(-2)).matmul(vh), a);
    await assertClose(u.mT.matmul(u), eye(k).expand([...lead, k, k]));
    await assertClose(vh.matmul(vh.mT), eye(k).expand([...lead, k, k]));
    assert((await s.diff().data()).every((step) => step <= 0), "singular values decrease");
  }
});

Deno.test("eigh() gives orthonormal vectors and increasing values that rebuild the matrix", async () => {
  const a = definite(5, [2]);
  const { values, vectors } = eigh(a);
  await assertClose(vectors.mul(values.unsqueeze(-2)).matmul(vectors.mT), a);
  assert((await values.diff().data()).every((step) => step >= 0), "eigenvalues increase");
  await assertClose(eigh(tensor([[2, 1], [1, 2]], { dtype: "float64" })).values, [1, 3]);
});

Deno.test("pinverse() is the least-squares inverse, of matrices without full rank too", async () => {
  const a = random([5, 2]).matmul(random([2, 4], { seed: 3 }));
  const p = pinverse(a, { tolerance: 1e-12 });
  assertEquals(p.shape, [4, 5]);
  await assertClose(a.matmul(p).matmul(a), a);
  await assertClose(p.matmul(a).matmul(p), p);
});

Deno.test("matrixPower() multiplies, gives the identity for 0 and inverts for negative exponents", async () => {
  const a = random([3, 3]);
  await assertClose(matrixPower(a, 5), a.matmul(a).matmul(a).matmul(a).matmul(a));
  await assertClose(matrixPower(a, 0), eye(3));
  await assertClose(matrixPower(a, -2).matmul(a).matmul(a), eye(3));
  assertThrows(() => matrixPower(a, 0.5), ArgumentError, "whole");
});

Deno.test("matrixNorm() and vectorNorm() agree with values worked by hand", async () => {
  const a = tensor([[3, -4], [0, 5]], { dtype: "float64" });
  const norms = (["fro", "nuc", 1, -1, Infinity, -Infinity] as const).map((order) => matrixNorm(a, { order }));
  const singular = await svd(a).s.data();
  await assertClose(norms[0]!, [Math.sqrt(50)]);
  await assertClose(norms[1]!, [singular[0]! + singular[1]!]);
  assertEquals(await Promise.all(norms.slice(2).map((norm) => norm.item())), [9, 3, 7, 5]);
  assertAlmostEquals(singular[0]! * singular[1]!, 15, 1e-12);
  await assertClose(vectorNorm(a, { order: 0 }), [3]);
  await assertClose(vectorNorm(a, { order: 3, dim: 1 }), [Math.cbrt(91), 5]);
  await assertClose(vectorNorm(tensor([1, 2], { dtype: "float64" }), { order: -1 }), [1 / 1.5]);
  assertEquals(matrixNorm(random([2, 3, 4]), { order: 2, dim: [0, -1], keepDim: true }).shape, [1, 3, 1]);
});

const differentiated: Readonly<
  Record<string, readonly [(a: Tensor, b: Tensor) => Tensor | readonly Tensor[], readonly number[], readonly number[]]>
> = {
  solve: [(a, b) => solve(a, b), [2, 3, 3], [3, 2]],
  inverse: [(a) => inverse(a), [3, 3], [1]],
  det: [(a) => det(a), [2, 3, 3], [1]],
  slogdet: [(a) => slogdet(a).logAbsDet, [3, 3], [1]],
  cholesky: [(a) => cholesky(a.matmul(a.mT).add(a.newFull([3], 2).diag())), [3, 3], [1]],
  qr: [(a) => Object.values(qr(a)), [4, 3], [1]],
  "qr of a wide matrix": [(a) => Object.values(qr(a)), [2, 2, 4], [1]],
  eigh: [(a) => eigh(a).values, [3, 3], [1]],
  "eigh's vectors": [(a) => eigh(a).vectors.square(), [3, 3], [1]],
  "svd of a tall matrix": [(a) => Object.values(svd(a)), [4, 3], [1]],
  "svd of a wide matrix": [(a) => Object.values(svd(a)), [2, 4], [1]],
  pinverse: [(a) => pinverse(a), [3, 2], [1]],
  matrixPower: [(a) => matrixPower(a, -3), [3, 3], [1]],
  matrixNorm: [(a) => matrixNorm(a, { order: "nuc" }), [3, 2], [1]],
};

for (const [name, [run, first, second]] of Object.entries(differentiated)) {
  Deno.test(`${name} has the first and second derivatives of its difference quotients`, async () => {
    const inputs = [random(first, { seed: 5 }).requiresGrad_(), random(second, { seed: 6 }).requiresGrad_()];
    await gradcheck((a, b) => run(a!, b!), inputs);
    await gradgradcheck((a, b) => run(a!, b!), inputs, { atol: 1e-4 });
  });
}

Deno.test("det() of a singular matrix has the gradient of its difference quotient", async () => {
  await gradcheck(det, [tensor([[1, 2, 0], [2, 4, 1], [3, 6, 5]], { dtype: "float64", requiresGrad: true })]);
});
