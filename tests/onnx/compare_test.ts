import { assertEquals } from "@std/assert";
import { scope, type Tensor, tensor } from "../../mod.ts";
import { differenceOf } from "./compare.ts";
import type { StoredTensor } from "./model.ts";

function stored(values: readonly number[], dtype: StoredTensor["dtype"] = "float32"): StoredTensor {
  return { name: "", shape: [values.length], dtype, elementType: 1, values: Float64Array.from(values) };
}

Deno.test("differenceOf() sees another value, type, shape, sign of infinity, NaN and missing value", async () => {
  using _ = scope();
  const differs = async (got: Tensor, expected: StoredTensor) => await differenceOf(got, expected, "test_add");
  assertEquals(await differs(tensor([1, NaN, -Infinity]), stored([1 + 5e-6, NaN, -Infinity])), undefined);
  assertEquals(await differs(tensor([1, 2]), stored([1, 2.0001])), "2.0001 is needed at 1 of [2], got 2");
  assertEquals(await differs(tensor([0]), stored([2e-7])), "2e-7 is needed at 0 of [1], got 0");
  assertEquals(await differs(tensor([Infinity]), stored([-Infinity])), "-Infinity is needed at 0 of [1], got Infinity");
  assertEquals(await differs(tensor([3e38]), stored([Infinity])), `Infinity is needed at 0 of [1], got ${Math.fround(3e38)}`);
  assertEquals(await differs(tensor([NaN]), stored([0])), "0 is needed at 0 of [1], got NaN");
  assertEquals(await differs(tensor([0]), stored([NaN])), "NaN is needed at 0 of [1], got 0");
  assertEquals(await differs(tensor([1], { dtype: "int32" }), stored([1])), "float32 is needed, got int32");
  assertEquals(await differs(tensor([[1]]), stored([1])), "shape [1] is needed, got [1,1]");
  assertEquals(await differenceOf(null, stored([1]), "test_add"), "a tensor is needed, got none");
  assertEquals(await differenceOf(tensor([1]), null, "test_add"), "no value is needed, got one");
  assertEquals(await differenceOf(undefined, null, "test_add"), "no value is needed, got one");
  assertEquals(await differenceOf([tensor([1])], [stored([1]), stored([1])], "test_add"), "a sequence of 2 is needed, got another value");
  assertEquals(await differenceOf([tensor([2])], [stored([1])], "test_add"), "element 0: 1 is needed at 0 of [1], got 2");
});
