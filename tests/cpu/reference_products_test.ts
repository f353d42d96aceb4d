import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { DType } from "../../tensor/dtype.ts";
import { apply, expression, input, result, scalar } from "../../tensor/expr.ts";
import type { ConvKernel, MatmulKernel } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { expanded, flipped, Host, numbers, permuted } from "./host.ts";

const host = new Host();
const matmul: MatmulKernel = { kind: "matmul", key: "matmul" };

function assertClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, at) => assertAlmostEquals(value, expected[at]!, tolerance));
}

Deno.test("matmul multiplies matrices of every element type", () => {
  for (const dtype of ["float32", "float64", "float16", "int32", "uint32"] as DType[]) {
    const a = host.view(dtype, [2, 3], [1, 2, 3, 4, 5, 6]);
    const b = host.view(dtype, [3, 2], [1, 2, 3, 4, 5, 6]);
    assertEquals(host.run(matmul, [a, b], [[dtype, [2, 2]]]), [[22, 28, 49, 64]]);
  }
});

Deno.test("matmul takes transposed, reversed and broadcast operands, in batches", () => {
  const a = host.view("float64", [3, 2], [1, 4, 2, 5, 3, 6]);
  const b = host.view("float64", [2, 3], [1, 3, 5, 2, 4, 6]);
  assertEquals(host.run(matmul, [permuted(a, [1, 0]), permuted(b, [1, 0])], [["float64", [2, 2]]]), [[22, 28, 49, 64]]);
  const batch = host.view("float64", [2, 2, 2], [1, 0, 0, 1, 0, 1, 1, 0]);
  const one = expanded(host.view("float64", [2, 2], [1, 2, 3, 4]), [2, 2, 2]);
  assertEquals(host.run(matmul, [batch, one], [["float64", [2, 2, 2]]]), [[1, 2, 3, 4, 3, 4, 1, 2]]);
  assertEquals(host.run(matmul, [batch, flipped(one, 1)], [["float64", [2, 2, 2]]]), [[3, 4, 1, 2, 1, 2, 3, 4]]);
});

Deno.test("matmul agrees with sums written out, over strides of all kinds", () => {
  const [rows, columns, depth] = [5, 7, 6];
  const [left, right] = [numbers(rows * depth, 3), numbers(depth * columns, 4)];
  const [actual] = host.run(matmul, [host.view("float64", [rows, depth], left), host.view("float64", [depth, columns], right)], [
    ["float64", [rows, columns]],
  ]);
  const expected = Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return Array.from({ length: depth }, (_, k) => left[i * depth + k]! * right[k * columns + j]!).reduce((a, b) => a + b);
  });
  assertClose(actual!, expected);
});

Deno.test("matmul gives zeros for depth 0, nothing for no rows, and keeps NaN", () => {
  assertEquals(host.run(matmul, [host.view("float32", [2, 0]), host.view("float32", [0, 2])], [["float32", [2, 2]]]), [[0, 0, 0, 0]]);
  assertEquals(host.run(matmul, [host.view("float32", [0, 2]), host.view("float32", [2, 3])], [["float32", [0, 3]]]), [[]]);
  assertEquals(
    host.run(matmul, [host.view("float32", [1, 2], [0, 0]), host.view("float32", [2, 1], [NaN, 1])], [["float32", [1, 1]]]),
    [[NaN]],
  );
});

Deno.test("matmul sums float32 in float64 and wraps whole numbers in 32 bits", () => {
  const a = host.view("float32", [1, 3], [16777216, 1, 1]);
  const ones = host.view("float32", [3, 1], [1, 1, 1]);
  assertEquals(host.run(matmul, [a, ones], [["float32", [1, 1]]]), [[16777218]]);
  const whole = host.view("int32", [1, 2], [123456789, 2147483647]);
  assertEquals(host.run(matmul, [whole, permuted(whole, [1, 0])], [["int32", [1, 1]]]), [[(Math.imul(123456789, 123456789) + 1) | 0]]);
});

Deno.test("matmul runs its epilogue on the rounded product, the inputs from the third on, and scalars", () => {
  const kernel: MatmulKernel = {
    kind: "matmul",
    key: "bias, relu, scale",
    epilogue: expression([apply("mul", apply("max", apply("add", result(0, "float32"), input(2, "float32")), 0), scalar(0, "float32"))]),
  };
  const a = host.view("float32", [2, 2], [1, 0, 0, -1]);
  const b = host.view("float32", [2, 2], [1, 2, 3, 4]);
  const bias = expanded(host.view("float32", [2], [0.5, 10]), [2, 2]);
  assertEquals(host.run(kernel, [a, b, bias], [["float32", [2, 2]]], [2]), [[3, 24, 0, 12]]);
});

/** One number per dim of a convolution in two spatial dims. */
interface Case {
  readonly x: readonly [number, number, number, number];
  readonly w: readonly [number, number, number, number];
  readonly groups: number;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

const cases: readonly Case[] = [
  { x: [2, 3, 5, 6], w: [4, 3, 3, 2], groups: 1, stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
  { x: [1, 4, 7, 5], w: [6, 2, 3, 3], groups: 2, stride: [2, 1], padding: [1, 2], dilation: [1, 2] },
  { x: [2, 3, 4, 4], w: [3, 1, 2, 2], groups: 3, stride: [3, 2], padding: [2, 1], dilation: [2, 1] },
  { x: [1, 1, 1, 9], w: [2, 1, 1, 4], groups: 1, stride: [1, 3], padding: [0, 3], dilation: [1, 2] },
];

function resultShape({ x, w, stride, padding, dilation }: Case): number[] {
  const spatial = [0, 1].map((dim) =>
    Math.floor((x[dim + 2]! + 2 * padding[dim]! - dilation[dim]! * (w[dim + 2]! - 1) - 1) / stride[dim]!) + 1
  );
  return [x[0], w[0], ...spatial];
}

/** Every product of a convolution, straight from the definition: positions in y, x and w. */
function products(test: Case): [number, number, number][] {
  const [, channels, height, width] = test.x;
  const [filters, perGroup, kernelHeight, kernelWidth] = test.w;
  const [batch, , rows, columns] = resultShape(test) as [number, number, number, number];
  const list: [number, number, number][] = [];
  for (let y = 0; y < batch * filters * rows * columns; y++) {
    const [column, row] = [y % columns, Math.floor(y / columns) % rows];
    const [filter, n] = [Math.floor(y / (columns * rows)) % filters, Math.floor(y / (columns * rows * filters))];
    for (let k = 0; k < perGroup * kernelHeight * kernelWidth; k++) {
      const [j, i, c] = [k % kernelWidth, Math.floor(k / kernelWidth) % kernelHeight, Math.floor(k / (kernelWidth * kernelHeight))];
      const h = row * test.stride[0] - test.padding[0] + i * test.dilation[0];
      const v = column * test.stride[1] - test.padding[1] + j * test.dilation[1];
      if (h < 0 || h >= height || v < 0 || v >= width) continue;
      const channel = Math.floor(filter / (filters / test.groups)) * perGroup + c;
      list.push([y, ((n * channels + channel) * height + h) * width + v, filter * perGroup * kernelHeight * kernelWidth + k]);
    }
  }
  return list;
}

function conv(test: Case, direction: ConvKernel["direction"]): ConvKernel {
  const { groups, stride, padding, dilation } = test;
  return { kind: "conv", key: direction + JSON.stringify(test), direction, groups, stride, padding, dilation };
}

Deno.test("conv agrees with its definition in all directions, with groups, stride, padding and dilation", () => {
  for (const test of cases) {
    const shape = resultShape(test);
    const [x, w, dy] = [numbers(sizeOf(test.x), 1), numbers(sizeOf(test.w), 2), numbers(sizeOf(shape), 3)];
    const expected = [new Float64Array(dy.length), new Float64Array(x.length), new Float64Array(w.length)];
    for (const [atY, atX, atW] of products(test)) {
      expected[0]![atY]! += x[atX]! * w[atW]!;
      expected[1]![atX]! += dy[atY]! * w[atW]!;
      expected[2]![atW]! += dy[atY]! * x[atX]!;
    }
    const [xView, wView, yView] = [host.view("float64", test.x, x), host.view("float64", test.w, w), host.view("float64", shape, dy)];
    assertClose(host.run(conv(test, "forward"), [xView, wView], [["float64", shape]])[0]!, [...expected[0]!]);
    assertClose(host.run(conv(test, "input"), [yView, wView], [["float64", test.x]])[0]!, [...expected[1]!]);
    assertClose(host.run(conv(test, "weight"), [xView, yView], [["float64", test.w]])[0]!, [...expected[2]!]);
  }
});

Deno.test("conv over one spatial dim equals the same over a plane of height 1", () => {
  const test = cases[3]!;
  const shape = resultShape(test);
  const [x, w] = [host.view("float64", test.x, numbers(9)), host.view("float64", test.w, numbers(8))];
  const line: ConvKernel = { ...conv(test, "forward"), key: "line", stride: [3], padding: [3], dilation: [2] };
  const inputs = [{ ...x, shape: [1, 1, 9], strides: [9, 9, 1] }, { ...w, shape: [2, 1, 4], strides: [4, 4, 1] }];
  const expected = host.run(conv(test, "forward"), [x, w], [["float64", shape]]);
  assertEquals(host.run(line, inputs, [["float64", [1, 2, shape[3]!]]]), expected);
});

Deno.test("conv reads any strides and runs its epilogue per filter", () => {
  const kernel: ConvKernel = {
    ...conv({ ...cases[0]!, padding: [0, 0] }, "forward"),
    key: "bias",
    epilogue: expression([apply("add", result(0, "float32"), input(2, "float32"))]),
  };
  const x = host.view("float32", [1, 1, 2, 3], [1, 2, 3, 4, 5, 6]);
  const w = host.view("float32", [2, 1, 1, 2], [1, 1, 1, -1]);
  const bias = expanded(host.view("float32", [2, 1, 1], [100, 200]), [1, 2, 2, 2]);
  assertEquals(host.run(kernel, [x, w, bias], [["float32", [1, 2, 2, 2]]]), [[103, 105, 109, 111, 199, 199, 199, 199]]);
  assertEquals(host.run(kernel, [flipped(x, 3), w, bias], [["float32", [1, 2, 2, 2]]]), [[105, 103, 111, 109, 201, 201, 201, 201]]);
});

Deno.test("conv runs the epilogues of its gradients", () => {
  const relu = expression([apply("where", apply("lt", input(2, "float32"), 0), 0, apply("add", result(0, "float32"), 10))]);
  const one = { ...cases[0]!, padding: [0, 0] as const };
  const y = host.view("float32", [1, 1, 1, 2], [1, 2]);
  const w = host.view("float32", [1, 1, 1, 2], [3, 5]);
  const x = host.view("float32", [1, 1, 1, 3], [1, -1, 4]);
  const [dx] = host.run({ ...conv(one, "input"), key: "dx", epilogue: relu }, [y, w, x], [["float32", [1, 1, 1, 3]]]);
  assertEquals(dx, [13, 0, 20]); // 3, 5 + 6 behind the mask, 10
  const [dw] = host.run({ ...conv(one, "weight"), key: "dw", epilogue: relu }, [x, y, w], [["float32", [1, 1, 1, 2]]]);
  assertEquals(dw, [1 - 2 + 10, -1 + 8 + 10]);
});

Deno.test("conv takes an empty batch: no result, and a weight gradient of zeros", () => {
  const [x, w, y] = [
    host.view("float32", [0, 1, 3, 3]),
    host.view("float32", [1, 1, 2, 2], [1, 2, 3, 4]),
    host.view("float32", [0, 1, 2, 2]),
  ];
  assertEquals(host.run(conv(cases[0]!, "forward"), [x, w], [["float32", [0, 1, 2, 2]]]), [[]]);
  assertEquals(host.run(conv(cases[0]!, "input"), [y, w], [["float32", [0, 1, 3, 3]]]), [[]]);
  assertEquals(host.run(conv(cases[0]!, "weight"), [x, y], [["float32", [1, 1, 2, 2]]]), [[0, 0, 0, 0]]);
});
