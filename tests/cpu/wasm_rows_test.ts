import { assert } from "@std/assert";
import { apply, cast, expression, index, input, result, scalar } from "../../tensor/expr.ts";
import type { Combine, ReduceKernel, RowKernel } from "../../tensor/kernel.ts";
import type { DType } from "../../tensor/dtype.ts";
import { compare, dense, expanded, flipped, noise, type Operand, permuted, runWasm } from "./wasm_harness.ts";

const combines: readonly Combine[] = ["sum", "prod", "max", "min", "argmax", "argmin"];

function reduceKernel(combine: Combine, reduced: number, dtype: DType = "float32"): ReduceKernel {
  return { kind: "reduce", key: `${combine}${reduced}${dtype}`, reduced, combine, prologue: expression([input(0, dtype)]) };
}

function valuesOf(dtype: DType, seed: number): (i: number) => number {
  const random = noise(seed);
  switch (dtype) {
    case "int32":
      return (i) => Math.round(random(i) * 10);
    case "uint32":
      return (i) => Math.round(Math.abs(random(i)) * 2e9) >>> 0;
    case "bool":
      return (i) => random(i) > 1 ? 1 : 0;
    default:
      return random;
  }
}

/** Operands of one logical shape in several layouts. */
function layouts(dtype: DType, shape: readonly number[], seed: number): Operand[] {
  const plain = dense(dtype, shape, valuesOf(dtype, seed));
  const out = [plain];
  if (shape.length < 2) return shape.length === 1 ? [...out, flipped(plain, 0)] : out;
  const reversed = shape.map((_, dim) => shape.length - 1 - dim);
  out.push(permuted(dense(dtype, reversed.map((dim) => shape[dim]!), valuesOf(dtype, seed)), reversed));
  out.push(flipped(plain, shape.length - 1));
  out.push(expanded(dense(dtype, shape.slice(1), valuesOf(dtype, seed)), shape));
  out.push(expanded(dense(dtype, [...shape.slice(0, -1), 1], valuesOf(dtype, seed)), shape));
  return out;
}

const shapes: readonly (readonly [readonly number[], number])[] = [
  [[], 0],
  [[5], 1],
  [[7], 0],
  ...[1, 2, 3, 4, 6, 9, 17, 70].map((n) => [[3, n], 1] as const),
  ...[1, 2, 5, 19, 40].map((n) => [[n, 6], 1] as const),
  [[2, 3, 5], 2],
  [[4, 5, 6], 1],
  [[3, 4, 7, 2], 2],
  [[40, 3], 1],
  [[0, 4], 1],
  [[4, 0], 1],
  [[1300], 1],
];

for (const dtype of ["float32", "int32", "uint32", "bool"] as const) {
  Deno.test(`reduce in WebAssembly equals the reference for ${dtype} over shapes and layouts`, () => {
    for (const combine of combines) {
      for (const [shape, reduced] of shapes) {
        if (shape.slice(shape.length - reduced).includes(0) && combine.startsWith("arg")) continue;
        const outShape = shape.slice(0, shape.length - reduced);
        layouts(dtype, shape, 3).forEach((operand, layout) => {
          const output = dense(combine.startsWith("arg") ? "int32" : dtype, outShape, () => 0);
          compare(reduceKernel(combine, reduced, dtype), [operand], [output], {
            tolerance: dtype === "float32" ? 1e-6 : 0,
            label: `[${shape}] layout ${layout}`,
          });
        });
      }
    }
  });
}

Deno.test("reduce in WebAssembly lets NaN through and finds the first extreme", () => {
  for (const combine of combines) {
    for (const at of [0, 3, 4, 5, 17, 21]) {
      const value = (i: number) => i === at || i === at + 1 ? NaN : i % 3;
      compare(reduceKernel(combine, 1), [dense("float32", [22], value)], [
        dense(combine.startsWith("arg") ? "int32" : "float32", [], () => 0),
      ]);
      const columns = permuted(dense("float32", [22, 5], (i) => value(Math.floor(i / 5))), [1, 0]);
      compare(reduceKernel(combine, 1), [columns], [dense(combine.startsWith("arg") ? "int32" : "float32", [5], () => 0)]);
    }
    const signed = dense("float32", [6], (i) => i < 3 ? -0 : 0);
    compare(reduceKernel(combine, 1), [signed], [dense(combine.startsWith("arg") ? "int32" : "float32", [], () => 0)]);
    const infinite = dense("float32", [9], (i) => combine.endsWith("max") ? -Infinity : i === 0 ? 1 : Infinity);
    compare(reduceKernel(combine, 1), [infinite], [dense(combine.startsWith("arg") ? "int32" : "float32", [], () => 0)]);
  }
});

Deno.test("reduce in WebAssembly sums a million float32 within 1e-6", () => {
  for (const shape of [[1000000], [1000, 1000], [250000, 4]]) {
    for (const reduced of [shape.length, 1]) {
      if (reduced > shape.length) continue;
      const plain = dense("float32", shape, (i) => Math.fround(0.1 + (i % 7) * 0.01));
      for (const operand of shape.length === 2 ? [plain, permuted(plain, [1, 0])] : [plain]) {
        const outShape = operand.shape.slice(0, operand.shape.length - reduced);
        const sums = runWasm(reduceKernel("sum", reduced), [operand], [dense("float32", outShape, () => 0)]);
        let want = 0;
        for (const value of plain.data) want += value;
        let got = 0;
        for (const sum of sums) got += sum;
        assert(Math.abs(got / want - 1) < 1e-6, `[${operand.shape}] reduced ${reduced}: ${got} for ${want}`);
      }
    }
  }
});

Deno.test("reduce in WebAssembly applies prologue, scalars, index and epilogue", () => {
  const x = input(0, "float32");
  const weighted = apply("mul", apply("mul", x, x), apply("add", cast(index(), "float32"), scalar(0, "float32")));
  const kernel: ReduceKernel = {
    kind: "reduce",
    key: "weighted",
    reduced: 1,
    combine: "sum",
    prologue: expression([weighted]),
    epilogue: expression([apply("sqrt", apply("div", result(0, "float32"), scalar(1, "float32")))]),
  };
  for (const n of [1, 3, 4, 11, 50]) {
    for (const operand of layouts("float32", [6, n], 5)) {
      compare(kernel, [operand], [dense("float32", [6], () => 0)], { scalars: [2, 3], tolerance: 1e-6 });
    }
  }
});

const x = input(0, "float32");
const exponential = apply("exp", apply("sub", x, result(0, "float32")));
const softmax = (reduced: number): RowKernel => ({
  kind: "row",
  key: `softmax${reduced}`,
  reduced,
  stages: [{ combine: "max", expr: expression([x]) }, { combine: "sum", expr: expression([exponential]) }],
  outputs: [{ per: "element", expr: expression([apply("div", exponential, result(1, "float32"))]) }],
});

const mean = apply("div", result(0, "float32"), scalar(0, "float32"));
const centred = apply("sub", x, mean);
const layerNorm = (reduced: number): RowKernel => {
  const scale = apply("rsqrt", apply("add", apply("div", result(1, "float32"), scalar(0, "float32")), 1e-5));
  return {
    kind: "row",
    key: `layerNorm${reduced}`,
    reduced,
    stages: [{ combine: "sum", expr: expression([x]) }, { combine: "sum", expr: expression([apply("mul", centred, centred)]) }],
    outputs: [
      {
        per: "element",
        expr: expression([apply("add", apply("mul", apply("mul", centred, scale), input(1, "float32")), input(2, "float32"))]),
      },
      { per: "row", expr: expression([mean]) },
      { per: "row", expr: expression([scale]) },
    ],
  };
};

Deno.test("row in WebAssembly computes softmax along any dims of any layout", () => {
  for (const [shape, reduced] of shapes) {
    if (reduced === 0 && shape.length > 0) continue;
    layouts("float32", shape, 8).forEach((operand, layout) => {
      const output = dense("float32", shape, () => 0);
      const label = `[${shape}] layout ${layout}`;
      compare(softmax(reduced), [operand], [output], { tolerance: 1e-6, label });
      if (shape.length === 2) {
        const transposed = permuted(dense("float32", [shape[1]!, shape[0]!], () => 0), [1, 0]);
        compare(softmax(reduced), [operand], [transposed], { tolerance: 1e-6, label });
      }
    });
    const inPlace = dense("float32", shape, noise(2));
    compare(softmax(reduced), [inPlace], [inPlace], { tolerance: 1e-6, label: `[${shape}] in place` });
  }
});

Deno.test("row in WebAssembly computes norms with outputs per element and per row", () => {
  for (const [shape, reduced] of shapes) {
    const outShape = shape.slice(0, shape.length - reduced);
    const count = shape.slice(shape.length - reduced).reduce((a, b) => a * b, 1);
    if (count === 0) continue;
    const weights = [
      expanded(dense("float32", shape.slice(shape.length - reduced), noise(1)), shape),
      expanded(dense("float32", shape.map((n, dim) => dim < shape.length - reduced ? n : 1), noise(2)), shape),
    ];
    layouts("float32", shape, 8).forEach((operand, layout) => {
      const outputs = [dense("float32", shape, () => 0), dense("float32", outShape, () => 0), dense("float32", outShape, () => 0)];
      // Rows of one repeated value have variance 0, and 1 / √1e-5 magnifies the rounding of their mean.
      const tolerance = layout === 4 ? 1e-3 : 1e-5;
      compare(layerNorm(reduced), [operand, ...weights], outputs, {
        scalars: [count],
        tolerance,
        label: `[${shape}] layout ${layout}`,
      });
    });
  }
});

Deno.test("row in WebAssembly normalises [N, C, H, W] over N, H and W", () => {
  for (const [n, c, size] of [[4, 3, 5], [2, 5, 16], [3, 8, 1]] as const) {
    const image = permuted(dense("float32", [n, c, size, size], noise(4)), [1, 0, 2, 3]);
    const perChannel = expanded(dense("float32", [c, 1, 1, 1], noise(5)), [c, n, size, size]);
    const output = permuted(dense("float32", [n, c, size, size], () => 0), [1, 0, 2, 3]);
    const rows = [dense("float32", [c], () => 0), dense("float32", [c], () => 0)];
    compare(layerNorm(3), [image, perChannel, perChannel], [output, ...rows], { scalars: [n * size * size], tolerance: 1e-5 });
  }
});

Deno.test("row in WebAssembly finds a label's value by index, as cross entropy does", () => {
  const label = input(1, "int32");
  const picked = apply("where", apply("eq", cast(index(), "int32"), label), x, 0);
  const kernel: RowKernel = {
    kind: "row",
    key: "crossEntropy",
    reduced: 1,
    stages: [
      { combine: "max", expr: expression([x]) },
      { combine: "sum", expr: expression([exponential]) },
      { combine: "sum", expr: expression([picked]) },
    ],
    outputs: [{
      per: "row",
      expr: expression([
        apply("sub", apply("add", apply("log", result(1, "float32")), result(0, "float32")), result(2, "float32")),
      ]),
    }],
  };
  for (const [rows, classes] of [[5, 10], [33, 3], [9, 100]] as const) {
    const labels = expanded(dense("int32", [rows, 1], (i) => (i * 7) % classes), [rows, classes]);
    for (const logits of layouts("float32", [rows, classes], 6)) {
      compare(kernel, [logits, labels], [dense("float32", [rows], () => 0)], { tolerance: 1e-6 });
    }
  }
});

Deno.test("reduce and row in WebAssembly read and write float16", () => {
  const half = cast(input(0, "float16"), "float32");
  const total: ReduceKernel = {
    kind: "reduce",
    key: "half sum",
    reduced: 1,
    combine: "sum",
    prologue: expression([half]),
    epilogue: expression([cast(result(0, "float32"), "float16")]),
  };
  const centre: RowKernel = {
    kind: "row",
    key: "half centre",
    reduced: 1,
    stages: [{ combine: "max", expr: expression([half]) }],
    outputs: [
      { per: "element", expr: expression([cast(apply("sub", half, result(0, "float32")), "float16")]) },
      { per: "row", expr: expression([cast(result(0, "float32"), "float16")]) },
    ],
  };
  for (const n of [1, 3, 4, 7, 21]) {
    for (const operand of layouts("float16", [5, n], 4)) {
      compare(total, [operand], [dense("float16", [5], () => 0)], { tolerance: 1e-3 });
      compare(centre, [operand], [dense("float16", [5, n], () => 0), dense("float16", [5], () => 0)]);
    }
  }
});
