import { assertEquals } from "@std/assert";
import { apply, cast, type Expr, expression, index, input, result, scalar } from "../../tensor/expr.ts";
import type { Combine, ReduceKernel } from "../../tensor/kernel.ts";
import { expanded, flipped, permuted, random, run } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, whole } from "./families.ts";

const x = input(0, "float32");

function reduce(combine: Combine, reduced: number, prologue: Expr = expression([x]), epilogue?: Expr): ReduceKernel {
  const key = `${combine} ${reduced} ${prologue.key} ${epilogue?.key}`;
  return { kind: "reduce", key, reduced, combine, prologue, ...(epilogue === undefined ? {} : { epilogue }) };
}

const combines = ["sum", "prod", "max", "min", "argmax", "argmin"] as const;

function outputOf(combine: Combine, shape: readonly number[]) {
  return { shape, dtype: combine.startsWith("arg") ? "int32" as const : "float32" as const };
}

gpuTest("planReduce combines short, middle and long rows in every way", async () => {
  for (const combine of combines) {
    for (const [rows, length] of [[1, 1], [300, 7], [5, 64], [5, 65], [3, 1000], [2, 20000]] as const) {
      const near = filled("float32", [rows, length], () => combine === "prod" ? 1 + (whole(7) - 3) / 1000 : whole(1000) / 100 - 5);
      await compareOnGpu(reduce(combine, 1), [near], [outputOf(combine, [rows])], { tolerance: 1e-4 });
    }
  }
});

gpuTest("planReduce reduces several dims of strided views", async () => {
  await compareOnGpu(reduce("sum", 2), [permuted(random(9, 4, 30), 1, 0, 2)], [{ shape: [4] }]);
  await compareOnGpu(reduce("max", 2), [flipped(permuted(random(30, 4, 9), 1, 2, 0), 2)], [{ shape: [4] }]);
  await compareOnGpu(reduce("sum", 3), [random(3, 4, 5)], [{ shape: [] }]);
  await compareOnGpu(reduce("sum", 1), [expanded(random(8), 1, 100)], [{ shape: [8] }]);
});

gpuTest("planReduce takes neighbouring rows together: sums over the first dim, positions, several dims, chunks", async () => {
  for (const [length, rows] of [[65, 32], [300, 70], [513, 33], [5000, 100], [70000, 40]] as const) {
    for (const combine of ["sum", "argmax"] as const) {
      const values = filled("float32", [length, rows], () => whole(200)); // sums stay whole numbers that float32 holds
      const output = combine === "sum" ? { shape: [rows] } : { shape: [rows], dtype: "int32" as const };
      await compareOnGpu(reduce(combine, 1), [permuted(values, 1, 0)], [output], { tolerance: 0 });
    }
  }
  await compareOnGpu(reduce("max", 2), [permuted(random(40, 6, 50), 2, 0, 1)], [{ shape: [50] }]);
  await compareOnGpu(reduce("sum", 1), [permuted(random(3, 200, 64), 0, 2, 1)], [{ shape: [3, 64] }]);
});

gpuTest("planReduce gives the neutral element for empty rows and nothing for no rows", async () => {
  for (const combine of ["sum", "prod", "max", "min"] as const) {
    await compareOnGpu(reduce(combine, 1), [random(3, 0)], [{ shape: [3] }]);
    await compareOnGpu(reduce(combine, 1), [random(0, 3)], [{ shape: [0] }]);
  }
});

gpuTest("planReduce lets NaN win and takes the first of equals", async () => {
  for (const length of [10, 500, 40000]) {
    const values = filled("float32", [3, length], (at) => at % length === length - 2 || at === length + 3 ? NaN : at % 3);
    for (const combine of combines.slice(2)) await compareOnGpu(reduce(combine, 1), [values], [outputOf(combine, [3])]);
    const ties = filled("float32", [2, length], () => 7);
    for (const combine of ["argmax", "argmin"] as const) {
      const [positions] = await compareOnGpu(reduce(combine, 1), [ties], [outputOf(combine, [2])]);
      assertEquals([...positions!], [0, 0]);
    }
    const infinite = filled("float32", [1, length], () => -Infinity);
    for (const combine of ["argmax", "max"] as const) await compareOnGpu(reduce(combine, 1), [infinite], [outputOf(combine, [1])]);
  }
});

gpuTest("planReduce runs prologues with an index and scalars, and epilogues", async () => {
  const weighted = expression([apply("mul", apply("mul", x, scalar(1, "float32")), cast(index(), "float32"))]);
  const shifted = expression([apply("add", apply("sqrt", apply("abs", result(0, "float32"))), scalar(0, "float32"))]);
  for (const length of [20, 700, 20000]) {
    await compareOnGpu(reduce("sum", 1, weighted, shifted), [random(4, length)], [{ shape: [4] }], { scalars: [3, 0.5], tolerance: 1e-4 });
  }
});

gpuTest("planReduce reduces whole numbers, bool and float16", async () => {
  const ints = filled("int32", [3, 700], () => whole(100) - 50);
  for (const combine of combines) {
    await compareOnGpu(reduce(combine, 1, expression([input(0, "int32")])), [ints], [{ shape: [3], dtype: "int32" }], { tolerance: 0 });
  }
  const bools = filled("bool", [4, 70], (at) => at < 70 ? 0 : at < 140 ? 1 : at % 2);
  for (const combine of ["max", "min"] as const) {
    await compareOnGpu(reduce(combine, 1, expression([input(0, "bool")])), [bools], [{ shape: [4], dtype: "bool" }]);
  }
  if (!gpu().supports("float16")) return;
  const halves = filled("float16", [3, 500], (at) => at % 9);
  const rounded = expression([cast(result(0, "float32"), "float16")]);
  await compareOnGpu(reduce("sum", 1, expression([input(0, "float16")]), rounded), [halves], [{ shape: [3], dtype: "float16" }], {
    tolerance: 0,
  });
});

gpuTest("planReduce counts past the 65,535 loop trips of a software adapter: 65,535, 65,536, 70,000 and 1,000,000 ones", async () => {
  for (const size of [65535, 65536, 70000, 1000000]) {
    const ones = expanded(filled("float32", [], () => 1), 0, size);
    const [sum] = await run(gpu(), reduce("sum", 1), [ones], [{ shape: [] }]);
    assertEquals(sum![0], size);
    const [last] = await run(gpu(), reduce("argmax", 1, expression([cast(index(), "float32")])), [ones], [outputOf("argmax", [])]);
    assertEquals(last![0], size - 1);
  }
});

gpuTest("planReduce sums a million float32 to six digits", async () => {
  const size = 1000000;
  const tenths = expanded(filled("float32", [], () => 0.1), 0, size);
  const [sum] = await run(gpu(), reduce("sum", 1), [tenths], [{ shape: [] }]);
  const exact = size * Math.fround(0.1);
  assertEquals(Math.abs(sum![0]! - exact) / exact < 1e-6, true);
});
