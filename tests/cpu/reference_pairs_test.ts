import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { PairsKernel, View } from "../../tensor/kernel.ts";
import { Host, numbers, permuted } from "./host.ts";

const host = new Host();
const [rows, columns, depth] = [4, 5, 3];
const [a, b, g] = [numbers(rows * depth, 5), numbers(columns * depth, 6), numbers(rows, 7)];
const factor = 2.5;
const rowLabels = [0, 1, 0, 7];
const columnLabels = [0, 1, 1, 0, 2];

type Mask = Pick<PairsKernel, "excludeDiagonal" | "sameLabel">;
const masks: Mask[] = [false, true].flatMap((excludeDiagonal) => [false, true].map((sameLabel) => ({ excludeDiagonal, sameLabel })));

function pairs(direction: PairsKernel["direction"], mask: Mask): PairsKernel {
  return { kind: "pairs", key: direction + JSON.stringify(mask), direction, ...mask };
}

function isCandidate({ excludeDiagonal, sameLabel }: Mask, i: number, j: number): boolean {
  return !(excludeDiagonal && i === j) && !(sameLabel && rowLabels[i] !== columnLabels[j]);
}

/** Σ_i g_i lse_i from the definition, for given coordinates. */
function objective(mask: Mask, a: readonly number[], b: readonly number[]): number {
  let total = 0;
  for (let i = 0; i < rows; i++) total += g[i]! * logSumExp(mask, a, b, i);
  return total;
}

function logSumExp(mask: Mask, a: readonly number[], b: readonly number[], i: number): number {
  const terms: number[] = [];
  for (let j = 0; j < columns; j++) {
    if (!isCandidate(mask, i, j)) continue;
    terms.push(Math.exp(factor * [0, 1, 2].reduce((dot, k) => dot + a[i * depth + k]! * b[j * depth + k]!, 0)));
  }
  return terms.length === 0 ? 0 : Math.log(terms.reduce((x, y) => x + y));
}

function operands(mask: Mask): View[] {
  const labels = [host.view("int32", [rows], rowLabels), host.view("int32", [columns], columnLabels)];
  return [host.view("float64", [rows, depth], a), host.view("float64", [columns, depth], b), ...(mask.sameLabel ? labels : [])];
}

Deno.test("pairs gives the log-sum-exp over each row's candidates, -Infinity without any", () => {
  for (const mask of masks) {
    const [lse] = host.run(pairs("forward", mask), operands(mask), [["float64", [rows]]], [factor]);
    lse!.forEach((value, i) => {
      const none = columnLabels.every((_, j) => !isCandidate(mask, i, j));
      if (none) assertEquals(value, -Infinity);
      else assertAlmostEquals(value, logSumExp(mask, a, b, i), 1e-12);
    });
  }
});

Deno.test("pairs gives the gradients of rows and columns, as central differences do", () => {
  const step = 1e-6;
  for (const mask of masks) {
    const inputs = operands(mask);
    const lse = host.view("float64", [rows]);
    host.backend.run(pairs("forward", mask), inputs, [lse], [factor]);
    const all = [...inputs, lse, host.view("float64", [rows], g)];
    const [da] = host.run(pairs("rows", mask), all, [["float64", [rows, depth]]], [factor]);
    const [db] = host.run(pairs("columns", mask), all, [["float64", [columns, depth]]], [factor]);
    const nudged = (values: readonly number[], at: number, by: number) => values.map((value, k) => k === at ? value + by : value);
    da!.forEach((value, at) => {
      const slope = (objective(mask, nudged(a, at, step), b) - objective(mask, nudged(a, at, -step), b)) / (2 * step);
      assertAlmostEquals(value, slope, 1e-8);
    });
    db!.forEach((value, at) => {
      const slope = (objective(mask, a, nudged(b, at, step)) - objective(mask, a, nudged(b, at, -step))) / (2 * step);
      assertAlmostEquals(value, slope, 1e-8);
    });
  }
});

Deno.test("pairs does not overflow, reads any strides, and lets NaN through", () => {
  const mask = { excludeDiagonal: false, sameLabel: false };
  const x = permuted(host.view("float32", [2, 2], [30, 0, 40, 1]), [1, 0]); // rows (30, 40), (0, 1)
  const [lse] = host.run(pairs("forward", mask), [x, x], [["float32", [2]]], [10]);
  assertEquals(lse, [25000, 400]);
  const broken = host.view("float32", [1, 1], [NaN]);
  assertEquals(host.run(pairs("forward", mask), [broken, broken], [["float32", [1]]], [1]), [[NaN]]);
});

Deno.test("pairs takes no rows and no columns", () => {
  const mask = { excludeDiagonal: false, sameLabel: false };
  const [none, some] = [host.view("float32", [0, 2]), host.view("float32", [2, 2], [1, 2, 3, 4])];
  assertEquals(host.run(pairs("forward", mask), [none, some], [["float32", [0]]], [1]), [[]]);
  assertEquals(host.run(pairs("forward", mask), [some, none], [["float32", [2]]], [1]), [[-Infinity, -Infinity]]);
});
