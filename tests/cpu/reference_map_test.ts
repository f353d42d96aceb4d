import { assertEquals } from "@std/assert";
import type { DType } from "../../tensor/dtype.ts";
import { apply, cast, constant, type Expr, expression, index, input, scalar } from "../../tensor/expr.ts";
import type { MapKernel } from "../../tensor/kernel.ts";
import { evaluate, type ScalarOp, scalarOps } from "../../tensor/scalar.ts";
import { expanded, flipped, Host, permuted } from "./host.ts";

const host = new Host();

function map(expr: Expr): MapKernel {
  return { kind: "map", key: expr.key, expr };
}

const add = map(expression([apply("add", input(0, "float32"), input(1, "float32"))]));

const samples: Partial<Record<DType, readonly number[]>> = {
  float64: [0, -0, 1, -1, 0.5, 2.5, -1.5, 3.7, -1e300, 1e-310, Infinity, -Infinity, NaN],
  float32: [0, -0, 1, -1, 0.5, 2.5, -1.5, Math.fround(3.7), Math.fround(-1e38), Math.fround(1e-40), Infinity, -Infinity, NaN],
  int32: [0, 1, -1, 2, 7, -7, 31, 2147483647, -2147483648, 123456789],
  uint32: [0, 1, 2, 7, 31, 2147483648, 4294967295, 123456789],
  bool: [0, 1],
};

/** The types an operation is allowed on. */
function typesOf(op: ScalarOp): DType[] {
  const float: DType[] = ["float32", "float64"];
  switch (scalarOps[op].type) {
    case "float":
    case "test":
      return float;
    case "integer":
      return ["int32", "uint32", "bool"];
    case "bits":
      return ["uint32"];
    default:
      return [...float, "int32", "uint32", "bool"];
  }
}

Deno.test("map computes every scalar operation as evaluate defines it, on every type it is allowed on", () => {
  for (const op of Object.keys(scalarOps) as ScalarOp[]) {
    if (op === "cast" || op === "where") continue;
    for (const dtype of typesOf(op)) {
      const values = samples[dtype]!;
      const { arity } = scalarOps[op];
      const tuples = Array.from(
        { length: values.length ** arity },
        (_, at) => Array.from({ length: arity }, (_, slot) => values[Math.floor(at / values.length ** slot) % values.length]!),
      );
      const value = apply(op, ...Array.from({ length: arity }, (_, slot) => input(slot, dtype)));
      const inputs = Array.from({ length: arity }, (_, slot) => host.view(dtype, [tuples.length], tuples.map((tuple) => tuple[slot]!)));
      const [actual] = host.run(map(expression([value])), inputs, [[value.dtype, [tuples.length]]]);
      const expected = tuples.map((tuple) => evaluate(op, tuple, dtype, value.dtype));
      assertEquals(actual, expected, `${op} ${dtype}`);
      for (const view of inputs) host.backend.free(view.storage);
    }
  }
});

Deno.test("map casts: floats truncate and clamp to whole numbers, float16 rounds once, anything but 0 is true", () => {
  function castTo(from: DType, to: DType, values: number[]): number[] {
    return host.run(map(expression([cast(input(0, from), to)])), [host.view(from, [values.length], values)], [[to, [values.length]]])[0]!;
  }
  assertEquals(castTo("float32", "int32", [1.9, -1.9, 3e9, -3e9, NaN, Infinity]), [1, -1, 2147483647, -2147483648, 0, 2147483647]);
  assertEquals(castTo("float64", "uint32", [1.9, -1.9, 5e9, NaN]), [1, 0, 4294967295, 0]);
  assertEquals(castTo("float32", "float16", [65504, 65520, 0.1, 5.9604645e-8]), [65504, Infinity, 0.0999755859375, 5.960464477539063e-8]);
  assertEquals(castTo("float32", "bool", [0, -0, 0.25, NaN, -3]), [0, 0, 1, 1, 1]);
  assertEquals(castTo("int32", "uint32", [-1, 5]), [4294967295, 5]);
  assertEquals(castTo("uint32", "int32", [4294967295, 5]), [-1, 5]);
  assertEquals(castTo("bool", "float64", [0, 1]), [0, 1]);
  assertEquals(castTo("float16", "float64", [0.1, -2]), [0.0999755859375, -2]);
});

Deno.test("map rounds float32 at every step and float64 never", () => {
  const sum = (dtype: DType) =>
    expression([apply("sub", apply("add", input(0, dtype), constant(16777216, dtype)), constant(16777216, dtype))]);
  assertEquals(host.run(map(sum("float32")), [host.view("float32", [1], [0.75])], [["float32", [1]]]), [[0]]);
  assertEquals(host.run(map(sum("float64")), [host.view("float64", [1], [0.75])], [["float64", [1]]]), [[0.75]]);
});

Deno.test("map reads broadcast, transposed, reversed and offset inputs", () => {
  const x = host.view("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const row = expanded(host.view("float32", [3], [10, 20, 30]), [2, 3]);
  const column = expanded(host.view("float32", [2, 1], [100, 200]), [2, 3]);
  const number = expanded(host.view("float32", [], [0.5]), [2, 3]);
  assertEquals(host.run(add, [x, row], [["float32", [2, 3]]]), [[11, 22, 33, 14, 25, 36]]);
  assertEquals(host.run(add, [column, row], [["float32", [2, 3]]]), [[110, 120, 130, 210, 220, 230]]);
  assertEquals(host.run(add, [number, x], [["float32", [2, 3]]]), [[1.5, 2.5, 3.5, 4.5, 5.5, 6.5]]);
  const transposed = permuted(x, [1, 0]);
  assertEquals(host.run(add, [transposed, transposed], [["float32", [3, 2]]]), [[2, 8, 4, 10, 6, 12]]);
  assertEquals(host.run(add, [flipped(x, 1), flipped(x, 0)], [["float32", [2, 3]]]), [[7, 7, 7, 7, 7, 7]]);
  const inner = { ...x, shape: [2, 2], offset: 1 };
  assertEquals(host.run(add, [inner, inner], [["float32", [2, 2]]]), [[4, 6, 10, 12]]);
});

Deno.test("map writes through strided outputs and leaves the elements between alone", () => {
  const target = host.view("float32", [2, 4], [0, 0, 0, 0, 0, 0, 0, 0]);
  const every = { ...target, shape: [2, 2], strides: [4, 2], offset: 1 };
  const x = host.view("float32", [2, 2], [1, 2, 3, 4]);
  host.backend.run(add, [x, x], [every], []);
  assertEquals(host.values(target), [0, 2, 0, 4, 0, 6, 0, 8]);
  host.backend.run(add, [x, x], [flipped(permuted(every, [1, 0]), 0)], []);
  assertEquals(host.values(target), [0, 6, 0, 2, 0, 8, 0, 4]);
});

Deno.test("map works in place, also with two outputs that swap", () => {
  const [a, b] = [host.view("float32", [3], [1, 2, 3]), host.view("float32", [3], [10, 20, 30])];
  host.backend.run(add, [a, b], [a], []);
  assertEquals(host.values(a), [11, 22, 33]);
  host.backend.run(map(expression([input(1, "float32"), input(0, "float32")])), [a, b], [a, b], []);
  assertEquals([host.values(a), host.values(b)], [[10, 20, 30], [11, 22, 33]]);
});

Deno.test("map takes zero elements and 0-d views", () => {
  assertEquals(host.run(add, [host.view("float32", [0, 3]), host.view("float32", [0, 3])], [["float32", [0, 3]]]), [[]]);
  assertEquals(host.run(add, [host.view("float32", [2, 0]), host.view("float32", [2, 0])], [["float32", [2, 0]]]), [[]]);
  assertEquals(host.run(add, [host.view("float32", [], [1]), host.view("float32", [], [2])], [["float32", []]]), [[3]]);
});

Deno.test("map counts its index in row-major order of the output, whatever the strides", () => {
  const kernel = map(expression([index()]));
  const target = permuted(host.view("uint32", [3, 2]), [1, 0]);
  host.backend.run(kernel, [], [target], []);
  assertEquals(host.values(target), [0, 1, 2, 3, 4, 5]);
});

Deno.test("map fills scalar slots at each run, in their own type", () => {
  const kernel = map(expression([apply("mul", input(0, "float32"), scalar(1, "float32"))]));
  const x = host.view("float32", [2], [1, 10]);
  assertEquals(host.run(kernel, [x], [["float32", [2]]], [7, 0.1]), [[Math.fround(0.1), 1]]);
  assertEquals(host.run(kernel, [x], [["float32", [2]]], [7, 2]), [[2, 20]]);
});

Deno.test("map keeps constants exact: -0, NaN and infinities", () => {
  const kernel = map(expression([-0, NaN, Infinity, -Infinity, 0.1].map((value) => constant(value, "float64"))));
  const outputs = Array.from({ length: 5 }, () => ["float64", [1]] as const);
  const [zero, ...rest] = host.run(kernel, [], outputs);
  assertEquals(Object.is(zero![0], -0), true);
  assertEquals(rest, [[NaN], [Infinity], [-Infinity], [0.1]]);
});

Deno.test("map selects by where, NaN in the other branch notwithstanding", () => {
  const x = input(0, "float32");
  const relu = map(expression([apply("where", apply("lt", x, 0), 0, x)]));
  assertEquals(host.run(relu, [host.view("float32", [4], [-1, 2, NaN, -Infinity])], [["float32", [4]]]), [[0, 2, NaN, 0]]);
});
