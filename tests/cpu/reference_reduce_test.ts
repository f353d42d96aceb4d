import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { DType } from "../../tensor/dtype.ts";
import { apply, expression, index, input, result, scalar } from "../../tensor/expr.ts";
import type { Combine, ReduceKernel, RowKernel } from "../../tensor/kernel.ts";
import { expanded, flipped, Host, permuted } from "./host.ts";

const host = new Host();

function reduce(combine: Combine, reduced: number, dtype: DType = "float32"): ReduceKernel {
  const prologue = expression([input(0, dtype)]);
  return { kind: "reduce", key: `${combine}${reduced}${dtype}`, combine, reduced, prologue };
}

Deno.test("reduce combines rows over one, several and no dims", () => {
  const x = host.view("float32", [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(host.run(reduce("sum", 1), [x], [["float32", [2, 2]]]), [[3, 7, 11, 15]]);
  assertEquals(host.run(reduce("sum", 2), [x], [["float32", [2]]]), [[10, 26]]);
  assertEquals(host.run(reduce("sum", 3), [x], [["float32", []]]), [[36]]);
  assertEquals(host.run(reduce("sum", 0), [x], [["float32", [2, 2, 2]]]), [[1, 2, 3, 4, 5, 6, 7, 8]]);
  assertEquals(host.run(reduce("prod", 2), [x], [["float32", [2]]]), [[24, 1680]]);
  assertEquals(host.run(reduce("max", 1), [permuted(x, [2, 1, 0])], [["float32", [2, 2]]]), [[5, 7, 6, 8]]);
  assertEquals(host.run(reduce("argmin", 1), [flipped(x, 2)], [["int32", [2, 2]]]), [[1, 1, 1, 1]]);
  assertEquals(host.run(reduce("sum", 1), [expanded(host.view("float32", [], [2]), [2, 5])], [["float32", [2]]]), [[10, 10]]);
});

Deno.test("reduce gives the neutral element for empty rows and nothing for no rows", () => {
  const empty = host.view("float32", [2, 0]);
  const neutral: [Combine, number][] = [["sum", 0], ["prod", 1], ["max", -Infinity], ["min", Infinity]];
  for (const [combine, value] of neutral) assertEquals(host.run(reduce(combine, 1), [empty], [["float32", [2]]]), [[value, value]]);
  assertEquals(host.run(reduce("sum", 1), [host.view("float32", [0, 3])], [["float32", [0]]]), [[]]);
});

Deno.test("reduce lets NaN win: in sums, extremes and their positions, of which the first counts", () => {
  const x = host.view("float32", [4, 4], [
    1,
    NaN,
    3,
    NaN,
    5,
    2,
    5,
    2,
    -Infinity,
    -Infinity,
    -Infinity,
    -Infinity,
    Infinity,
    1,
    Infinity,
    1,
  ]);
  assertEquals(host.run(reduce("max", 1), [x], [["float32", [4]]]), [[NaN, 5, -Infinity, Infinity]]);
  assertEquals(host.run(reduce("min", 1), [x], [["float32", [4]]]), [[NaN, 2, -Infinity, 1]]);
  assertEquals(host.run(reduce("argmax", 1), [x], [["int32", [4]]]), [[1, 0, 0, 0]]);
  assertEquals(host.run(reduce("argmin", 1), [x], [["int32", [4]]]), [[1, 1, 0, 1]]);
});

Deno.test("reduce works on whole numbers in 32 bits and on bool as any and all", () => {
  const x = host.view("int32", [2, 2], [2147483647, 1, 65536, 65537]);
  assertEquals(host.run(reduce("sum", 1, "int32"), [x], [["int32", [2]]]), [[-2147483648, 131073]]);
  assertEquals(host.run(reduce("prod", 1, "int32"), [x], [["int32", [2]]]), [[2147483647, 65536]]);
  const flags = host.view("bool", [3, 2], [0, 0, 0, 1, 1, 1]);
  assertEquals(host.run(reduce("max", 1, "bool"), [flags], [["bool", [3]]]), [[0, 1, 1]]);
  assertEquals(host.run(reduce("min", 1, "bool"), [flags], [["bool", [3]]]), [[0, 0, 1]]);
  assertEquals(host.run(reduce("max", 1, "uint32"), [host.view("uint32", [1, 2], [1, 4294967295])], [["uint32", [1]]]), [[4294967295]]);
});

Deno.test("reduce sums 70,000 float32 values without drift, and float64 in float64", () => {
  const x = expanded(host.view("float32", [], [0.1]), [70_000]);
  assertEquals(host.run(reduce("sum", 1), [x], [["float32", []]]), [[Math.fround(70_000 * Math.fround(0.1))]]);
  const [sum] = host.run(reduce("sum", 1, "float64"), [host.view("float64", [3], [1e16, 1, -1e16])], [["float64", []]]);
  assertEquals(sum, [0]);
});

Deno.test("reduce applies prologue and epilogue, with several inputs, the position in the row and scalars", () => {
  const [x, y] = [input(0, "float32"), input(1, "float32")];
  const kernel: ReduceKernel = {
    kind: "reduce",
    key: "weighted",
    combine: "sum",
    reduced: 1,
    prologue: expression([apply("mul", apply("mul", x, y), { dtype: "float32", node: { kind: "op", op: "cast" }, args: [index()] })]),
    epilogue: expression([apply("div", result(0, "float32"), scalar(0, "float32"))]),
  };
  const a = host.view("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  assertEquals(host.run(kernel, [a, a], [["float32", [2]]], [2]), [[(4 + 18) / 2, (25 + 72) / 2]]);
});

Deno.test("reduce reads float16 and rounds float16 results once", () => {
  const x = host.view("float16", [2], [2048, 1]);
  assertEquals(host.run(reduce("sum", 1, "float16"), [x], [["float16", []]]), [[2048]]);
  assertEquals(host.run(reduce("sum", 1, "float16"), [x], [["float32", []]]), [[2049]]);
});

const x = input(0, "float64");
const shifted = apply("exp", apply("sub", x, result(0, "float64")));
const softmax: RowKernel = {
  kind: "row",
  key: "softmax",
  reduced: 1,
  stages: [{ combine: "max", expr: expression([x]) }, { combine: "sum", expr: expression([shifted]) }],
  outputs: [
    { per: "element", expr: expression([apply("div", shifted, result(1, "float64"))]) },
    { per: "row", expr: expression([apply("add", apply("log", result(1, "float64")), result(0, "float64"))]) },
  ],
};

Deno.test("row computes softmax and log-sum-exp together", () => {
  const values = [1, 2, 3, -1, 0, 5];
  const outputs = host.run(softmax, [host.view("float64", [2, 3], values)], [["float64", [2, 3]], ["float64", [2]]]);
  for (const row of [0, 1]) {
    const exponentials = values.slice(row * 3, row * 3 + 3).map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b);
    exponentials.forEach((value, at) => assertAlmostEquals(outputs[0]![row * 3 + at]!, value / sum, 1e-12));
    assertAlmostEquals(outputs[1]![row]!, Math.log(sum), 1e-12);
  }
});

Deno.test("row reads and writes any strides, over several reduced dims", () => {
  const centre: RowKernel = {
    kind: "row",
    key: "centre",
    reduced: 2,
    stages: [{ combine: "sum", expr: expression([x]) }],
    outputs: [
      { per: "element", expr: expression([apply("sub", x, apply("div", result(0, "float64"), 4))]) },
      { per: "row", expr: expression([result(0, "float64")]) },
    ],
  };
  const data = host.view("float64", [2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const rows = permuted(data, [1, 0, 2]); // row r holds 2r, 2r+1, 2r+6, 2r+7
  const [target, sums] = [permuted(host.view("float64", [2, 2, 3]), [2, 1, 0]), flipped(host.view("float64", [3]), 0)];
  host.backend.run(centre, [rows], [target, sums], []);
  assertEquals(host.values(target), Array.from({ length: 3 }, () => [-3.5, -2.5, 2.5, 3.5]).flat());
  assertEquals(host.values(sums), [14, 22, 30]);
});

Deno.test("row picks the target's value by index, once per row", () => {
  const target = input(1, "int32");
  const position = { dtype: "int32", node: { kind: "op", op: "cast" }, args: [index()] } as const;
  const pick: RowKernel = {
    kind: "row",
    key: "pick",
    reduced: 1,
    stages: [{ combine: "sum", expr: expression([apply("where", apply("eq", position, target), x, 0)]) }],
    outputs: [{ per: "row", expr: expression([result(0, "float64")]) }],
  };
  const values = host.view("float64", [3, 4], [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
  const targets = expanded(host.view("int32", [3, 1], [2, 0, 3]), [3, 4]);
  assertEquals(host.run(pick, [values, targets], [["float64", [3]]]), [[2, 10, 23]]);
});

Deno.test("row works in place, on no rows and on empty rows", () => {
  const data = host.view("float64", [1, 2], [3, 3]);
  const lse = host.view("float64", [1]);
  host.backend.run(softmax, [data], [data, lse], []);
  assertEquals(host.values(data), [0.5, 0.5]);
  assertEquals(host.run(softmax, [host.view("float64", [0, 2])], [["float64", [0, 2]], ["float64", [0]]]), [[], []]);
  assertEquals(host.run(softmax, [host.view("float64", [2, 0])], [["float64", [2, 0]], ["float64", [2]]]), [[], [-Infinity, -Infinity]]);
});
