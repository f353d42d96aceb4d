import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arange, ones, scope, tensor, zeros } from "../../tensor/mod.ts";
import { formatValues } from "../../tensor/format.ts";

async function shown(x: Parameters<typeof formatValues>[1] & { data(): Promise<ArrayLike<number>> }): Promise<string> {
  return formatValues(await x.data(), x);
}

Deno.test("console.log() of a tensor shows type, shape and device, and how to read it, never values", () => {
  using _ = scope();
  const text = Deno.inspect(ones([2, 3]));
  assertStringIncludes(text, "Tensor float32 [2, 3] cpu");
  assertStringIncludes(text, "await t.data()");
  assertEquals(String(ones([], { dtype: "int32" })), text.replace("float32 [2, 3]", "int32 []"));
});

Deno.test("print() shows the values by type", async () => {
  using _ = scope();
  assertEquals(await shown(tensor([[1, 2], [3, 4]])), "[[1., 2.],\n [3., 4.]]\nfloat32 [2, 2] cpu");
  assertEquals(await shown(tensor([0.5, -1.25])), "[0.5000, -1.2500]\nfloat32 [2] cpu");
  assertEquals(await shown(tensor([1e-7, 1])), "[1.0000e-7, 1.0000e+0]\nfloat32 [2] cpu");
  assertEquals(await shown(tensor([NaN, Infinity, -1])), "[NaN, Infinity, -1.]\nfloat32 [3] cpu");
  assertEquals(await shown(arange(3)), "[0, 1, 2]\nint32 [3] cpu");
  assertEquals(await shown(tensor([true, false])), "[true, false]\nbool [2] cpu");
  assertEquals(await shown(tensor(7)), "7.\nfloat32 [] cpu");
  assertEquals(await shown(zeros([0])), "[]\nfloat32 [0] cpu");
});

Deno.test("print() shortens large tensors", async () => {
  using _ = scope();
  const text = await shown(arange(2000).reshape([20, 100]));
  assertStringIncludes(text, "[0, 1, 2, …, 97, 98, 99]");
  assertStringIncludes(text, "[1900, 1901, 1902, …, 1997, 1998, 1999]");
  assert(text.length < 400, text);
});

Deno.test("print() writes to the console", async () => {
  using _ = scope();
  const lines: string[] = [];
  const log = console.log;
  console.log = (line: string) => void lines.push(line);
  try {
    await tensor([1, 2]).print();
  } finally {
    console.log = log;
  }
  assertEquals(lines, ["[1., 2.]\nfloat32 [2] cpu"]);
});
