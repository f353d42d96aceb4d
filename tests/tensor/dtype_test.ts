import { assertEquals, assertThrows } from "@std/assert";
import { noGrad } from "../../autograd/mod.ts";
import { ArgumentError, type DType, DTypeError, ones, promote, scope, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";

const types: readonly DType[] = ["bool", "uint32", "int32", "float16", "float32", "float64"];

/** PyTorch's table; null where this library has no type that holds both. */
const table: Readonly<Record<DType, readonly (DType | null)[]>> = {
  bool: ["bool", "uint32", "int32", "float16", "float32", "float64"],
  uint32: ["uint32", "uint32", null, "float16", "float32", "float64"],
  int32: ["int32", null, "int32", "float16", "float32", "float64"],
  float16: ["float16", "float16", "float16", "float16", "float32", "float64"],
  float32: ["float32", "float32", "float32", "float32", "float32", "float64"],
  float64: ["float64", "float64", "float64", "float64", "float64", "float64"],
};

for (const a of types) {
  Deno.test(`add() of ${a} and every type has PyTorch's result type`, async () => {
    using _ = scope();
    for (const [position, b] of types.entries()) {
      const expected = table[a][position]!;
      const run = () => ones([2], { dtype: a }).add(ones([2], { dtype: b }));
      if (expected === null) {
        assertThrows(run, DTypeError, `Cannot add ${a} and ${b}`);
        assertThrows(() => promote(a, b), DTypeError);
        continue;
      }
      assertEquals([run().dtype, promote(a, b)], [expected, expected]);
      assertEquals(await run().toArray(), a === "bool" && b === "bool" ? [1, 1] : [2, 2]);
    }
  });
}

Deno.test("add() of a number keeps the tensor's type unless a fraction or a number meets a lower category", () => {
  using _ = scope();
  const typeOf = (dtype: DType, value: number) => ones([1], { dtype }).add(value).dtype;
  assertEquals(types.map((dtype) => typeOf(dtype, 1)), ["int32", "uint32", "int32", "float16", "float32", "float64"]);
  assertEquals(types.map((dtype) => typeOf(dtype, 1.5)), ["float32", "float32", "float32", "float16", "float32", "float64"]);
});

Deno.test("div(), exp() and mean() of whole numbers are float32, comparisons are bool, sum() of bool is int32", () => {
  using _ = scope();
  const whole = ones([2], { dtype: "int32" });
  const truth = ones([2], { dtype: "bool" });
  assertEquals([whole.div(2).dtype, whole.exp().dtype, whole.mean().dtype, truth.sqrt().dtype], Array(4).fill("float32"));
  assertEquals([whole.lt(2).dtype, whole.eq(whole).dtype, whole.any().dtype, whole.isNaN().dtype], Array(4).fill("bool"));
  assertEquals([truth.sum().dtype, truth.cumsum(0).dtype, whole.sum().dtype, whole.argmax().dtype], Array(4).fill("int32"));
  const half = ones([2], { dtype: "float16" });
  assertEquals([half.exp().dtype, half.div(half).dtype, half.sum().dtype, half.mul(2).dtype], Array(4).fill("float16"));
});

Deno.test("DTypeError is thrown for types that an operation does not take", () => {
  using _ = scope();
  const truth = ones([2], { dtype: "bool" });
  const whole = ones([2], { dtype: "int32" });
  assertThrows(() => truth.sub(truth), DTypeError, "Cannot sub bool tensors");
  assertThrows(() => truth.neg(), DTypeError, "Cannot neg a bool tensor");
  assertThrows(() => whole.var(), DTypeError, "Cannot var a int32 tensor");
  assertThrows(() => whole.softmax(0), DTypeError, "Cannot softmax a int32 tensor");
  assertThrows(() => whole.matmul(whole), DTypeError, "one floating type is needed");
  assertThrows(() => ones([2]).matmul(ones([2], { dtype: "float64" })), DTypeError, "Cannot matmul float32 and float64");
  assertThrows(() => ones([2]).bitwiseAnd(1), DTypeError, "Cannot bitwiseAnd float32");
  assertThrows(() => ones([2]).gather(0, ones([2])), DTypeError, "an int32 index is needed");
});

Deno.test("DTypeError is thrown for a number that a whole type cannot hold, as PyTorch raises", () => {
  using _ = scope();
  const [whole, mask] = [ones([2], { dtype: "int32" }), ones([2], { dtype: "bool" })];
  const needed = "values from -2147483648 to 2147483647 are needed, got 5000000000";
  assertThrows(() => whole.pow(5e9), DTypeError, needed);
  assertThrows(() => whole.clamp({ min: 5e9 }), DTypeError, needed);
  assertThrows(() => whole.maskedFill(mask, 5e9), DTypeError, needed);
  assertThrows(() => mask.where(whole, 5e9), DTypeError, needed);
  assertThrows(() => noGrad(() => whole.fill_(5e9)), DTypeError, needed);
  assertThrows(() => ones([2], { dtype: "uint32" }).clamp({ max: -1 }), DTypeError, "values from 0 to 4294967295 are needed, got -1");
});

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `pow() of whole numbers is whole, exact and wraps around, as in PyTorch, on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const whole = (values: readonly number[], dtype: DType = "int32") => tensor(values, { dtype, device });
      const powers = whole([1, 2, 3, -3, 3, 0, 5, 7]).pow(whole([4, 5, 6, 19, 19, 0, 13, 1]));
      assertEquals(powers.dtype, "int32");
      assertEquals(await powers.toArray(), [1, 32, 729, -1162261467, 1162261467, 1, 1220703125, 7]);
      assertEquals(await whole([10, 3]).pow(10).toArray(), [1410065408, 59049]); // 10^10 mod 2^32
      assertEquals(await whole([3, 2], "uint32").pow(whole([20, 31], "uint32")).toArray(), [3486784401, 2147483648]);
      // Tensors of negative exponents: only 1 and -1 have whole powers, others round to 0.
      assertEquals(await whole([1, -1, -1, 2, 0]).pow(whole([-3, -3, -2, -1, -1])).toArray(), [1, -1, 1, 0, 0]);
      assertEquals(await tensor([true, false], { device }).pow(2).toArray(), [1, 0]);
      assertThrows(() => whole([2]).pow(-1), ArgumentError, "whole numbers have powers from 0 only");
      const fractions = whole([4, 9]).pow(0.5);
      assertEquals([fractions.dtype, await fractions.toArray()], ["float32", [2, 3]]);
    },
  });
}

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `clamp() of whole numbers leaves a side without a bound alone and is float32 for a fraction, as in PyTorch, on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const signed = tensor([-2147483648, -3, 0, 3, 2147483647], { dtype: "int32", device });
      assertEquals(await signed.clamp({ min: -2 }).toArray(), [-2, -2, 0, 3, 2147483647]);
      assertEquals(await signed.clamp({ max: 2 }).toArray(), [-2147483648, -3, 0, 2, 2]);
      assertEquals(await signed.clamp({}).toArray(), [-2147483648, -3, 0, 3, 2147483647]);
      const unsigned = tensor([0, 3, 4294967295], { dtype: "uint32", device });
      assertEquals(await unsigned.clamp({ min: 2 }).toArray(), [2, 3, 4294967295]);
      const small = tensor([1, 2, 3], { dtype: "int32", device }).clamp({ min: 1.5 });
      assertEquals([small.dtype, await small.toArray()], ["float32", [1.5, 2, 3]]);
    },
  });
}

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `to() converts between all types on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const values = [0, 1, 2.75, -2.75, 3e9, -3e9];
      const x = tensor(values, { device });
      assertEquals(await x.to("int32").toArray(), [0, 1, 2, -2, 2147483647, -2147483648]);
      assertEquals(await x.to("uint32").toArray(), [0, 1, 2, 0, 3e9, 0]);
      assertEquals(await x.to("bool").toArray(), [0, 1, 1, 1, 1, 1]);
      assertEquals(await x.to("float16").to("float32").toArray(), values.map(Math.f16round));
      assertEquals(await tensor([-1, 7], { dtype: "int32", device }).to("uint32").toArray(), [4294967295, 7]);
      assertEquals(await tensor([true, false], { device }).to("float32").toArray(), [1, 0]);
      assertEquals(x.to("float32"), x);
      if (device === "webgpu") {
        assertThrows(() => x.to("float64"), DTypeError, "Cannot to: a type that webgpu supports is needed, got float64");
      }
    },
  });

  Deno.test({
    name: `int32 and uint32 arithmetic wraps on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const large = tensor([2147483647, -2147483648, 65537], { dtype: "int32", device });
      assertEquals(await large.add(1).toArray(), [-2147483648, -2147483647, 65538]);
      assertEquals(await large.mul(large).toArray(), [1, 0, 131073]);
      assertEquals(await large.neg().toArray(), [-2147483647, -2147483648, -65537]);
      const unsigned = tensor([0, 4294967295], { dtype: "uint32", device });
      assertEquals(await unsigned.sub(1).toArray(), [4294967295, 4294967294]);
      assertEquals(await unsigned.gt(1).toArray(), [0, 1]);
      assertEquals(
        await tensor([7, -7, 5], { dtype: "int32", device }).floorDivide(tensor([2, 2, 0], { dtype: "int32", device })).toArray(),
        [
          3,
          -4,
          0,
        ],
      );
    },
  });
}
