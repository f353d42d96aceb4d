import { assertEquals } from "@std/assert";
import type { Backend, PairsKernel } from "../../tensor/kernel.ts";
import { assertNear, random, run, type Sample } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, gpuWith } from "./families.ts";

type Choice = Pick<PairsKernel, "excludeDiagonal" | "sameLabel">;

function kernelOf(direction: PairsKernel["direction"], { excludeDiagonal, sameLabel }: Choice): PairsKernel {
  return { kind: "pairs", key: `pairs ${direction} ${excludeDiagonal} ${sameLabel}`, direction, excludeDiagonal, sameLabel };
}

/** Rows of length 1. */
function unitRows(count: number, depth: number): Sample {
  const rows = random(count, depth);
  for (let i = 0; i < count; i++) {
    const row = rows.data.subarray(i * depth, (i + 1) * depth);
    const norm = Math.hypot(...row);
    row.forEach((value, d) => row[d] = value / norm);
  }
  return rows;
}

async function compareAll(a: Sample, b: Sample, factor: number, choice: Choice, backend: Backend = gpu()): Promise<void> {
  const [rows, columns] = [a.shape[0]!, b.shape[0]!];
  const labels = choice.sameLabel ? [filled("int32", [rows], (i) => i % 3), filled("int32", [columns], (j) => j % 4)] : [];
  const options = { scalars: [factor], tolerance: 1e-6 * Math.max(10, factor), backend };
  const [lse] = await compareOnGpu(kernelOf("forward", choice), [a, b, ...labels], [{ shape: [rows] }], options);
  const inputs = [a, b, ...labels, { ...filled("float32", [rows], () => 0), data: lse! }, random(rows)];
  await compareOnGpu(kernelOf("rows", choice), inputs, [{ shape: a.shape }], options);
  await compareOnGpu(kernelOf("columns", choice), inputs, [{ shape: b.shape }], options);
}

gpuTest("planPairs gives log-sum-exps and both gradients for small sets", async () => {
  await compareAll(unitRows(5, 3), unitRows(7, 3), 2, { excludeDiagonal: false, sameLabel: false });
  await compareAll(unitRows(20, 8), unitRows(20, 8), 10, { excludeDiagonal: true, sameLabel: false });
});

gpuTest("planPairs streams tiles in parts, with labels and without the diagonal", async () => {
  await compareAll(unitRows(200, 70), unitRows(260, 70), 10, { excludeDiagonal: true, sameLabel: true });
});

gpuTest("planPairs streams tiles in parts as hardware does, large and small", async () => {
  const backend = gpuWith({ software: false });
  await compareAll(unitRows(200, 70), unitRows(260, 70), 10, { excludeDiagonal: true, sameLabel: true }, backend);
  await compareAll(unitRows(130, 140), unitRows(130, 140), 10, { excludeDiagonal: true, sameLabel: false }, backend);
  await compareAll(unitRows(300, 80), unitRows(40, 80), 10, { excludeDiagonal: false, sameLabel: true }, backend);
  const narrow = gpuWith({ software: false, workgroupMemory: 16384 });
  await compareAll(unitRows(150, 90), unitRows(150, 90), 10, { excludeDiagonal: true, sameLabel: true }, narrow);
});

gpuTest("planPairs stays finite for equal unit rows at a temperature of 0.001, where the diagonal would win by 1000", async () => {
  const rows = unitRows(40, 16);
  await compareAll(rows, rows, 1000, { excludeDiagonal: true, sameLabel: false });
});

gpuTest("planPairs gives -Infinity for rows without candidates, and zero gradients", async () => {
  const choice: Choice = { excludeDiagonal: true, sameLabel: false };
  const [lse] = await run(gpu(), kernelOf("forward", choice), [random(1, 4), random(1, 4)], [{ shape: [1] }], [1]);
  assertEquals(lse![0], -Infinity);
  await compareAll(random(1, 4), random(1, 4), 1, choice);
});

gpuTest("planPairs sums over 16,384 columns of 128", async () => {
  const choice: Choice = { excludeDiagonal: false, sameLabel: false };
  const [a, b] = [filled("float32", [4, 128], () => 0), filled("float32", [16384, 128], () => 1)];
  const [lse] = await run(gpu(), kernelOf("forward", choice), [a, b], [{ shape: [4] }], [1]);
  assertNear(lse!, new Array(4).fill(Math.log(16384)), 1e-6, "lse");
  const inputs = [a, b, { ...filled("float32", [4], () => 0), data: lse! }, filled("float32", [4], () => 2)];
  const [da] = await run(gpu(), kernelOf("rows", choice), inputs, [{ shape: [4, 128] }], [1]);
  assertNear(da!, new Array(512).fill(2), 1e-5, "da");
});

gpuTest("planPairs lets NaN and infinite rows through, in tiles or not", async () => {
  for (const [rows, columns, depth] of [[4, 3, 2], [200, 260, 70]] as const) {
    const a = filled("float32", [rows, depth], (at) => at === depth ? NaN : at === 2 * depth ? Infinity : 1);
    const b = filled("float32", [columns, depth], () => 1);
    const [lse] = await run(gpu(), kernelOf("forward", { excludeDiagonal: false, sameLabel: false }), [a, b], [{ shape: [rows] }], [1]);
    const usual = depth + Math.log(columns);
    assertNear(lse!, Array.from({ length: rows }, (_, i) => i === 1 ? NaN : i === 2 ? Infinity : usual), 1e-6, "lse");
  }
});
