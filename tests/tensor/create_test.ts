import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  arange,
  ArgumentError,
  cat,
  DTypeError,
  eye,
  full,
  linspace,
  ones,
  read,
  scope,
  ShapeError,
  stack,
  tensor,
  where,
  zeros,
} from "../../tensor/mod.ts";

Deno.test("tensor() infers shape and type", async () => {
  using _ = scope();
  const cases = [
    [tensor(3), [], "float32"],
    [tensor([[1, 2, 3], [4, 5, 6]]), [2, 3], "float32"],
    [tensor([true, false]), [2], "bool"],
    [tensor([true, 2]), [2], "float32"],
    [tensor([]), [0], "float32"],
    [tensor([[], []]), [2, 0], "float32"],
    [tensor(new Float64Array([1, 2])), [2], "float64"],
    [tensor(new Float16Array([1, 2])), [2], "float16"],
    [tensor(new Int32Array(3)), [3], "int32"],
    [tensor(new Uint32Array(3)), [3], "uint32"],
    [tensor(new Uint8Array([1, 255])), [2], "int32"],
    [tensor(new Int16Array([-5])), [1], "int32"],
  ] as const;
  for (const [made, shape, dtype] of cases) assertEquals([made.shape, made.dtype], [shape, dtype]);
  assertEquals(await tensor(new Uint8Array([1, 255])).toArray(), [1, 255]);
  assertEquals(await tensor(new Float32Array([1, 2, 3, 4]), { shape: [2, 2] }).toArray(), [[1, 2], [3, 4]]);
});

Deno.test("tensor() copies: later changes of the array do not show", async () => {
  using _ = scope();
  const values = new Float32Array([1, 2]);
  const x = tensor(values);
  values[0] = 9;
  assertEquals(await x.toArray(), [1, 2]);
  const out = await x.data();
  out[0] = 7;
  assertEquals(await x.toArray(), [1, 2]);
});

Deno.test("tensor() and full() cut fractions off whole types, and refuse what such a type cannot hold", async () => {
  using _ = scope();
  assertEquals(await tensor([1.9, -1.9, 2147483647.5], { dtype: "int32" }).toArray(), [1, -1, 2147483647]);
  assertEquals(await tensor([1.9, -0.5, 4294967295], { dtype: "uint32" }).toArray(), [1, 0, 4294967295]);
  assertEquals(await tensor([0, 0.5, NaN, -3], { dtype: "bool" }).toArray(), [0, 1, 1, 1]);
  assertEquals(await full([2], -2.5, { dtype: "int32" }).toArray(), [-2, -2]);
  for (const value of [2147483648, -2147483649, NaN, Infinity, -Infinity]) {
    assertThrows(() => tensor([0, value], { dtype: "int32" }), DTypeError, `got ${value} at position 1`);
    assertThrows(() => full([2], value, { dtype: "int32" }), DTypeError, "values from -2147483648 to 2147483647 are needed");
  }
  for (const value of [-1, 4294967296, NaN]) {
    assertThrows(() => tensor([value], { dtype: "uint32" }), DTypeError, "values from 0 to 4294967295 are needed");
  }
  assertThrows(() => tensor(new Float32Array([NaN]), { dtype: "int32" }), DTypeError);
});

Deno.test("creation names the function that was called, and what was given", () => {
  assertThrows(() => zeros([-1]), ShapeError, "Cannot zeros [-1]");
  assertThrows(() => ones([1.5]), ShapeError, "Cannot ones [1.5]");
  assertThrows(() => tensor([["a"]] as unknown as number[][]), DTypeError, "numbers or truth values are needed, got string");
  assertThrows(() => tensor([1n] as unknown as number[]), DTypeError, "got bigint");
  // PyTorch's arange(0, 10): without a type check, 10 would be taken for options and the result be empty.
  assertThrows(
    () => arange(0, 10 as unknown as object),
    ArgumentError,
    "options { start, step, dtype, device, requiresGrad } are needed, got 10",
  );
});

Deno.test("tensor() refuses ragged arrays, shapes that do not fit, unknown types and 64-bit integers", () => {
  assertThrows(() => tensor([[1, 2], [3]]), ShapeError, "numbers nested in arrays of equal length");
  assertThrows(() => tensor([1, [2]]), ShapeError, "numbers nested");
  assertThrows(() => tensor([1, 2, 3], { shape: [2, 2] }), ShapeError, "Cannot tensor [2, 2]: 4 values are needed, got 3");
  assertThrows(() => tensor([1], { dtype: "float128" as "float32" }), DTypeError, "got float128");
  assertThrows(() => tensor(new BigInt64Array(1) as unknown as Float32Array), DTypeError, "64-bit integers");
  assertThrows(() => tensor([1], { dtype: "int32", requiresGrad: true }), DTypeError, "a floating type is needed");
});

Deno.test("zeros(), ones(), full(), eye() fill their shapes", async () => {
  using _ = scope();
  assertEquals(await zeros([2, 2]).toArray(), [[0, 0], [0, 0]]);
  assertEquals(await ones([], { dtype: "int32" }).item(), 1);
  assertEquals(await full([2], -2.5).toArray(), [-2.5, -2.5]);
  assertEquals(await full([2], Infinity).toArray(), [Infinity, Infinity]);
  assert(Number.isNaN(await full([], NaN).item()));
  assertEquals(await eye(2, { m: 3 }).toArray(), [[1, 0, 0], [0, 1, 0]]);
  assertEquals(zeros([0, 3]).size, 0);
  assertEquals(await zeros([0, 3]).toArray(), []);
  assertThrows(() => zeros([-1]), ShapeError, "whole sizes from 0 are needed");
  assertThrows(() => ones([1.5]), ShapeError, "whole sizes from 0 are needed");
});

Deno.test("arange() and linspace() count as PyTorch does", async () => {
  using _ = scope();
  const [whole, halves, back, none] = await read(
    arange(4),
    arange(2, { step: 0.5 }),
    arange(0, { start: 3, step: -1 }),
    arange(2, { start: 2 }),
  );
  assertEquals([...whole!], [0, 1, 2, 3]);
  assertEquals([...halves!], [0, 0.5, 1, 1.5]);
  assertEquals([...back!], [3, 2, 1]);
  assertEquals(none!.length, 0);
  assertEquals([arange(4).dtype, arange(2, { step: 0.5 }).dtype], ["int32", "float32"]);
  assertEquals(await linspace(0, 1, { steps: 5 }).toArray(), [0, 0.25, 0.5, 0.75, 1]);
  assertEquals(await linspace(3, 9, { steps: 1 }).toArray(), [3]);
  assertThrows(() => arange(3, { step: 0 }), ArgumentError, "a step other than 0");
  assertThrows(() => arange(-1), ArgumentError, "a step towards the end");
  assertThrows(() => arange(Infinity), ArgumentError, "finite bounds");
  assertThrows(() => linspace(0, 1, { steps: 2.5 }), ArgumentError, "whole steps");
});

Deno.test("cat() and stack() join, promote and refuse", async () => {
  using _ = scope();
  assertEquals(await cat([ones([1, 2]), zeros([2, 2])]).toArray(), [[1, 1], [0, 0], [0, 0]]);
  assertEquals(cat([ones([2], { dtype: "int32" }), ones([1], { dtype: "float16" })]).dtype, "float16");
  assertEquals(stack([ones([2]), zeros([2])], { dim: -1 }).shape, [2, 2]);
  assertThrows(() => cat([]), ArgumentError, "at least one tensor");
  assertThrows(() => cat([ones([]), ones([])]), ShapeError, "use stack");
  assertThrows(() => cat([ones([2, 2]), ones([2, 3])]), ShapeError, "Cannot cat [2, 2] and [2, 3]: equal sizes in every dim but 0");
  assertThrows(() => stack([ones([2]), ones([3])]), ShapeError, "Cannot cat");
});

Deno.test("where() takes tensors and numbers", async () => {
  using _ = scope();
  const condition = tensor([true, false]);
  assertEquals(await where(condition, 1, 2).toArray(), [1, 2]);
  assertEquals([where(condition, 1, 2).dtype, where(condition, 1.5, 2).dtype], ["int32", "float32"]);
  assertEquals(await where(condition, tensor([5, 6]), -1).toArray(), [5, -1]);
  assertThrows(() => where(ones([2]), 1, 2), DTypeError, "a bool condition is needed");
});
