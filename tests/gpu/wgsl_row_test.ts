import { assertEquals } from "@std/assert";
import { apply, cast, expression, index, input, result, scalar, type Value } from "../../tensor/expr.ts";
import type { RowKernel } from "../../tensor/kernel.ts";
import { expanded, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, gpuWith, whole } from "./families.ts";

const x = input(0, "float32");

function row(
  reduced: number,
  stages: readonly (readonly ["sum" | "max" | "min", Value])[],
  outputs: readonly (readonly ["element" | "row", Value])[],
): RowKernel {
  const kernel = {
    kind: "row" as const,
    reduced,
    stages: stages.map(([combine, value]) => ({ combine, expr: expression([value]) })),
    outputs: outputs.map(([per, value]) => ({ per, expr: expression([value]) })),
  };
  return { ...kernel, key: JSON.stringify([reduced, ...kernel.stages, ...kernel.outputs]) };
}

const greatest = result(0, "float32");
const total = result(1, "float32");
const shiftedExp = apply("exp", apply("sub", x, greatest));
const softmax = row(1, [["max", x], ["sum", shiftedExp]], [["element", apply("div", shiftedExp, total)], [
  "row",
  apply("add", apply("log", total), greatest),
]]);

gpuTest("planRow computes softmax and logsumexp of rows of any length", async () => {
  for (const [rows, length] of [[1, 1], [200, 10], [7, 64], [7, 65], [3, 1000], [2, 30000], [2, 70000]] as const) {
    await compareOnGpu(softmax, [random(rows, length)], [{ shape: [rows, length] }, { shape: [rows] }]);
  }
});

gpuTest("planRow normalises over several dims of a transposed view, as batch norm does", async () => {
  for (const [n, s] of [[3, 5], [4, 30], [40, 2000]] as const) {
    const count = n * s;
    const mean = apply("div", result(0, "float32"), count);
    const centred = apply("sub", x, mean);
    const variance = apply("div", result(1, "float32"), count);
    const scaled = apply("mul", apply("mul", centred, apply("rsqrt", apply("add", variance, scalar(0, "float32")))), input(1, "float32"));
    const kernel = row(2, [["sum", x], ["sum", apply("mul", centred, centred)]], [["element", scaled], ["row", mean], ["row", variance]]);
    const images = permuted(random(n, 6, s), 1, 0, 2);
    const weight = expanded(expanded(random(6), 1, s), 1, n);
    await compareOnGpu(kernel, [images, weight], [{ shape: [6, n, s] }, { shape: [6] }, { shape: [6] }], {
      scalars: [1e-5],
      tolerance: 1e-4,
    });
  }
});

gpuTest("planRow picks by index and whole numbers, as cross entropy does", async () => {
  for (const classes of [10, 100, 1000]) {
    const target = filled("int32", [17], () => whole(classes));
    const chosen = apply("where", apply("eq", cast(index(), "int32"), input(1, "int32")), x, 0);
    const sum = result(1, "float32");
    const logsumexp = apply("add", apply("log", sum), greatest);
    const kernel = row(1, [["max", x], ["sum", shiftedExp], ["sum", chosen]], [["row", apply("sub", logsumexp, result(2, "float32"))]]);
    await compareOnGpu(kernel, [random(17, classes), expanded(target, 1, classes)], [{ shape: [17] }]);
  }
});

gpuTest("planRow carries NaN and infinities as the reference does", async () => {
  for (const length of [10, 300]) {
    const values = filled(
      "float32",
      [4, length],
      (at) => at === 3 ? NaN : at === length + 1 ? Infinity : at >= 2 * length && at < 3 * length ? -Infinity : at % 5,
    );
    await compareOnGpu(softmax, [values], [{ shape: [4, length] }, { shape: [4] }]);
  }
});

gpuTest("planRow takes empty rows, no rows and no stages", async () => {
  const sums = row(1, [["sum", x], ["max", x]], [["row", result(0, "float32")], ["row", result(1, "float32")]]);
  await compareOnGpu(sums, [random(3, 0)], [{ shape: [3] }, { shape: [3] }]);
  await compareOnGpu(softmax, [random(0, 3)], [{ shape: [0, 3] }, { shape: [0] }]);
  await compareOnGpu(row(1, [], [["element", apply("mul", x, 2)]]), [random(3, 100)], [{ shape: [3, 100] }]);
});

gpuTest("planRow sums 65,535, 65,536, 70,000 and 1,000,000 ones and subtracts the sum from each", async () => {
  const kernel = row(1, [["sum", x]], [["element", apply("sub", result(0, "float32"), x)], ["row", result(0, "float32")]]);
  for (const size of [65535, 65536, 70000, 1000000]) {
    const ones = expanded(filled("float32", [], () => 1), 0, size);
    const [each, sum] = await run(gpu(), kernel, [ones], [{ shape: [size] }, { shape: [] }]);
    assertEquals(sum![0], size);
    assertEquals(each!.every((value) => value === size - 1), true);
  }
});

gpuTest("planRow walks long rows in fours where all views allow it", async () => {
  const backend = gpuWith({ software: false });
  await compareOnGpu(softmax, [random(70, 1024)], [{ shape: [70, 1024] }, { shape: [70] }], { backend });
  await compareOnGpu(softmax, [permuted(random(1024, 70), 1, 0)], [{ shape: [70, 1024] }, { shape: [70] }], { backend });
  const mean = apply("div", result(0, "float32"), 2400);
  const centred = apply("sub", x, mean);
  const kernel = row(2, [["sum", x], ["max", apply("abs", centred)]], [
    ["element", apply("mul", apply("div", centred, result(1, "float32")), input(1, "float32"))],
    ["row", mean],
  ]);
  const images = permuted(random(3, 40, 800), 1, 0, 2);
  const weight = expanded(expanded(random(40), 1, 800), 1, 3);
  await compareOnGpu(kernel, [images, weight], [{ shape: [40, 3, 800] }, { shape: [40] }], { backend, tolerance: 1e-4 });
  const chosen = apply("where", apply("eq", cast(index(), "int32"), input(1, "int32")), x, 0);
  const picked = row(1, [["sum", chosen]], [["row", result(0, "float32")]]);
  const target = expanded(filled("int32", [70], () => whole(1024)), 1, 1024);
  await compareOnGpu(picked, [random(70, 1024), target], [{ shape: [70] }], { backend });
});
