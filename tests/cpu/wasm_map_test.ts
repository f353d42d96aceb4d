import { assert, assertEquals } from "@std/assert";
import type { DType } from "../../tensor/dtype.ts";
import { apply, cast, constant, expression, index, input, scalar, type Value } from "../../tensor/expr.ts";
import { Heap } from "../../cpu/heap.ts";
import { createMapAccelerator } from "../../cpu/wasm/map.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import { type ScalarOp, scalarOps, wrap } from "../../tensor/scalar.ts";
import { functions } from "../accuracy/functions.ts";
import { compare, dense, expanded, flipped, noise, type Operand, permuted, runWasm } from "./wasm_harness.ts";

function mapKernel(key: string, ...outputs: Value[]): MapKernel {
  return { kind: "map", key, expr: expression(outputs) };
}

const x = input(0, "float32");
const y = input(1, "float32");
const affine = mapKernel("affine", apply("add", apply("mul", x, y), 1));

Deno.test("map in WebAssembly equals the reference over shapes, tails and layouts", () => {
  const shapes: number[][] = [[], [0], [3, 0, 2], ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33, 100].map((n) => [n]), [2, 3], [5, 4], [
    3,
    17,
  ]];
  shapes.push([5, 48], [2, 7, 32], [2, 3, 5], [4, 1, 6], [2, 3, 4, 5], [2, 2, 2, 2, 3]);
  for (const shape of shapes) {
    const plain = dense("float32", shape, noise(1));
    const others: Operand[] = [dense("float32", shape, noise(2)), expanded(dense("float32", [], noise(3)), shape)];
    for (let dim = 0; dim < shape.length; dim++) {
      others.push(expanded(dense("float32", shape.map((n, at) => at === dim ? n : 1), noise(dim)), shape));
      others.push(expanded(dense("float32", shape.map((n, at) => at === dim ? 1 : n), noise(dim)), shape));
      if (shape[dim]! > 0) others.push(flipped(dense("float32", shape, noise(5)), dim));
    }
    const reversed = shape.map((_, dim) => shape.length - 1 - dim);
    others.push(permuted(dense("float32", reversed.map((dim) => shape[dim]!), noise(4)), reversed));
    others.forEach((other, layout) => {
      const label = `[${shape}] layout ${layout}`;
      compare(affine, [plain, other], [dense("float32", shape, () => 0)], { label });
      compare(affine, [other, plain], [permuted(dense("float32", reversed.map((dim) => shape[dim]!), () => 0), reversed)], { label });
      compare(affine, [plain, other], [plain], { label: `${label} in place` });
    });
  }
});

Deno.test("map in WebAssembly writes several outputs, of several types, from strided windows into strided windows", () => {
  const kernel = mapKernel("several", apply("sub", x, y), apply("lt", x, y), cast(x, "int32"), apply("max", x, y));
  for (const n of [1, 4, 7, 21]) {
    const data = dense("float32", [3, 2 * n], noise(7));
    const window: Operand = { ...data, shape: [3, n], strides: [2 * n, 2], offset: 0 };
    const target = (dtype: DType): Operand => ({ ...dense(dtype, [3, 2 * n], () => 5), shape: [3, n], strides: [2 * n, 2], offset: 1 });
    compare(kernel, [window, { ...window, offset: 1 }], [target("float32"), target("bool"), target("int32"), target("float32")]);
  }
});

Deno.test("map in WebAssembly gives index in row-major order whatever the layout", () => {
  const kernel = mapKernel("index", apply("add", cast(index(), "float32"), x));
  for (const shape of [[7], [3, 5], [2, 3, 4]]) {
    const reversed = shape.map((_, dim) => shape.length - 1 - dim);
    const input = permuted(dense("float32", reversed.map((dim) => shape[dim]!), noise(4)), reversed);
    compare(kernel, [input], [dense("float32", shape, () => 0)]);
    compare(kernel, [input], [permuted(dense("float32", reversed.map((dim) => shape[dim]!), () => 0), reversed)]);
  }
});

Deno.test("map in WebAssembly reads scalars of each type at every run", () => {
  const kernel = mapKernel(
    "scalars",
    apply("mul", x, scalar(0, "float32")),
    apply("add", cast(x, "int32"), scalar(1, "int32")),
    apply("where", scalar(2, "bool"), x, 9),
    apply("add", cast(cast(x, "int32"), "uint32"), scalar(3, "uint32")),
  );
  const outputs = (["float32", "int32", "float32", "uint32"] as const).map((dtype) => dense(dtype, [6], () => 0));
  for (const scalars of [[0.1, -3, 1, 4000000000], [7, 12, 0, 1]]) compare(kernel, [dense("float32", [6], noise(1))], outputs, { scalars });
});

Deno.test("map in WebAssembly gives the same bits in a tail as in whole vectors", () => {
  for (const op of ["exp", "tanh", "sin", "pow"] as const) {
    const kernel = mapKernel(`${op} tail`, op === "pow" ? apply(op, apply("abs", x), 1.3) : apply(op, x));
    const whole = runWasm(kernel, [dense("float32", [64], noise(3))], [dense("float32", [64], () => 0)]);
    for (let n = 1; n <= 9; n++) {
      const part = runWasm(kernel, [dense("float32", [n], noise(3))], [dense("float32", [n], () => 0)]);
      assertEquals(part, whole.slice(0, n));
    }
  }
});

Deno.test("map in WebAssembly keeps working when memory that is not shared grows", () => {
  const heap = new Heap({ shared: false });
  const run = createMapAccelerator(heap);
  const kernel = mapKernel("triple", apply("mul", x, scalar(0, "float32")));
  const pointer = heap.alloc(20);
  const view = { storage: { bytes: 20, pointer } as View["storage"], dtype: "float32" as const, shape: [5], strides: [1], offset: 0 };
  heap.f32.set([1, 2, 3, 4, 5], pointer / 4);
  assert(run(kernel, [view], [view], [3]));
  const before = heap.memory.buffer.byteLength;
  heap.alloc(before * 2);
  assert(heap.memory.buffer.byteLength > before);
  assert(run(kernel, [view], [view], [2]));
  assertEquals([...heap.f32.subarray(pointer / 4, pointer / 4 + 5)], [6, 12, 18, 24, 30]);
});

Deno.test("map in WebAssembly reads and writes float16", () => {
  const values = [0, -0, 1, -1.5, 65504, -65504, Infinity, -Infinity, NaN, 2 ** -24, -(2 ** -24), 6.1e-5, 0.333, 1000.5];
  const half = dense("float16", [values.length], (i) => values[i]!);
  const h = input(0, "float16");
  compare(mapKernel("half", cast(apply("mul", h, 3), "float16")), [half], [dense("float16", [values.length], () => 0)]);
  compare(mapKernel("widen", h), [half], [dense("float32", [values.length], () => 0)]);
  const wide = [...values, 65519, 65520, 1e10, 3e38, 2 ** -25, 2 ** -25 * 1.001, 1e-30, 2049, 2051, 0.1, 1e-45];
  compare(mapKernel("narrow", cast(x, "float16")), [dense("float32", [wide.length], (i) => wide[i]!)], [
    dense("float16", [wide.length], () => 0),
  ]);
  for (const n of [1, 2, 3, 5]) {
    const repeated = expanded(dense("float16", [1], () => 0.7), [n]);
    const strided: Operand = { ...dense("float16", [2 * n], noise(4)), shape: [n], strides: [2], offset: 1 };
    const kernel = mapKernel("halves", cast(apply("add", h, input(1, "float16")), "float16"));
    compare(kernel, [repeated, strided], [dense("float16", [n], () => 0)]);
  }
});

/** Values that break things, for each type. */
const specials: Record<"float32" | "int32" | "uint32" | "bool", readonly number[]> = {
  float32: [
    ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 2, -2, 3, -3, 1e-45, -1e-45, 1e-40, 3.4e38, -3.4e38, Infinity, -Infinity, NaN],
    ...[88.73, -104.5, 1e6, 1234567.5, 16777216, 2147483648, 4294967296, -2147483648, 0.7, 100, -100, 1e10, 1e-10],
  ].map(Math.fround),
  int32: [0, 1, -1, 2, -2, 3, 7, -7, 10, 2147483647, -2147483648, -2147483647, 65536, 123456789],
  uint32: [0, 1, 2, 3, 7, 31, 32, 33, 10, 2147483647, 2147483648, 4294967295, 65536, 123456789],
  bool: [0, 1],
};

/** Computed in float64 and rounded once: half a unit and what the float64 polynomial adds. */
const roundedOnce = 0.51;

/** What an op may differ by from the float64 reference rounded to float32, in units in the last place. */
function boundOf(op: ScalarOp): number {
  return functions.find(({ name }) => name === op)?.atMost[0] ?? roundedOnce;
}

const widths = new Float32Array(1);
const bits = new Int32Array(widths.buffer);

/** The distance to the exact value in units in the last place of float32 there. */
function unitsApart(got: number, want: number): number {
  if (Number.isNaN(want) || Number.isNaN(got)) return Number.isNaN(want) && Number.isNaN(got) ? 0 : Infinity;
  if (got === want) return 0;
  if (!Number.isFinite(got)) return Math.fround(want) === got ? 0 : Infinity;
  if (!Number.isFinite(want)) return Infinity;
  return Math.abs(got - want) / Math.max(2 ** -149, 2 ** (Math.floor(Math.log2(Math.abs(want))) - 23));
}

function checkFloat(op: ScalarOp, columns: readonly (readonly number[])[]): void {
  const args = columns.map((_, slot) => input(slot, "float32"));
  const operands = columns.map((values) => dense("float32", [values.length], (i) => values[i]!));
  const got = runWasm(mapKernel(`${op} units`, apply(op, ...args)), operands, [dense("float32", [columns[0]!.length], () => 0)]);
  got.forEach((value, i) => {
    const point = columns.map((values) => values[i]!) as [number, number, number];
    const want = scalarOps[op].reference(...point);
    const units = unitsApart(value, want);
    assert(units <= boundOf(op), `${op}(${point}) is ${value}, ${units} units from ${want}`);
    if (value === 0 && want === 0) assert(Object.is(value, want), `${op}(${point}) is ${value}, not ${want}`);
  });
}

Deno.test("pow in WebAssembly by a constant equals pow by a tensor", () => {
  for (const exponent of [0, 1, 2, 3, -1, -2, 0.5, -0.5]) {
    const column = specials.float32.map(() => exponent);
    const operands = [specials.float32, column].map((values) => dense("float32", [values.length], (i) => values[i]!));
    const output = dense("float32", [column.length], () => 0);
    compare(mapKernel(`pow by ${exponent}`, apply("pow", x, exponent)), operands, [output], { tolerance: 1e-7 });
  }
});

/** 2^16 points: every magnitude, and more densely where the function bends. */
function points(seed: number, count = 65536): number[] {
  const random = noise(seed);
  return Array.from({ length: count }, (_, i) => {
    if (i % 2 === 0) {
      bits[0] = Math.floor(random(i) * 2 ** 30);
      bits[0] = (bits[0] << 1) ^ (i & 2);
      return widths[0]!;
    }
    return Math.fround(random(i) * [0.5, 1, 4, 50][(i >> 1) % 4]!);
  });
}

for (const op of Object.keys(scalarOps) as ScalarOp[]) {
  const { arity, type } = scalarOps[op];
  if (type === "float" && arity === 1) {
    Deno.test(`${op} in WebAssembly stays within its bound at 2^16 points and special values`, () => {
      checkFloat(op, [[...specials.float32, ...points(11)]]);
    });
  } else if (type === "float" || op === "mod") {
    Deno.test(`${op} in WebAssembly stays within its bound at 2^16 pairs and special values`, () => {
      const [first, second] = specials.float32.flatMap((a) => specials.float32.map((b) => [a, b] as const)).reduce<[number[], number[]]>(
        ([left, right], [a, b]) => [[...left, a], [...right, b]],
        [[], []],
      );
      checkFloat(op, [[...first, ...points(12)], [...second, ...points(13)]]);
    });
  }
  Deno.test(`${op} in WebAssembly equals the reference on every type it takes`, () => {
    for (const dtype of ["float32", "int32", "uint32", "bool"] as const) checkExact(op, dtype);
  });
}

/** Compares an op with the reference over all pairs of special values, where the rules let it take the type. */
function checkExact(op: ScalarOp, dtype: keyof typeof specials): void {
  const { arity, type } = scalarOps[op];
  const values = specials[dtype];
  const pairs = values.flatMap((a) => values.map((b) => [a, b]));
  const columns = [0, 1].map((slot) => dense(dtype, [pairs.length], (i) => pairs[i]![slot]!));
  const args = [input(0, dtype), input(1, dtype)];
  if (op === "cast") {
    for (const to of ["float32", "int32", "uint32", "bool"] as const) {
      compare(mapKernel(`cast ${dtype} ${to}`, cast(args[0]!, to)), columns, [dense(to, [pairs.length], () => 0)]);
    }
    return;
  }
  const float = dtype === "float32";
  const fits = type === "float" || type === "test" ? float : type === "integer" ? !float : type === "bits" ? dtype === "uint32" : true;
  if (!fits || type === "float" || (op === "mod" && float)) return;
  const condition = apply("lt", args[0]!, args[1]!);
  const third = constant(wrap(3, dtype), dtype);
  const value = op === "where" ? apply(op, condition, args[0]!, args[1]!) : apply(op, ...[...args, third].slice(0, arity));
  compare(mapKernel(`${op} ${dtype}`, value), columns, [dense(value.dtype, [pairs.length], () => 0)]);
  if (op === "shl" || op === "shr") {
    for (const count of [0, 1, 31, 32, 33]) {
      const shifted = apply(op, args[0]!, count);
      compare(mapKernel(`${op} by ${count}`, shifted), columns, [dense("uint32", [pairs.length], () => 0)]);
    }
  }
}
