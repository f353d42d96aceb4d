import type { PairsKernel } from "../../tensor/kernel.ts";
import { compare, expanded, flipped, nextRandom, permuted, random, reference, run, type Sample, stepped, whole } from "./compare.ts";

type Options = Partial<Pick<PairsKernel, "excludeDiagonal" | "sameLabel">> & { factor?: number; classes?: number };

/** Compares the forward pass and both gradients, the gradients from the reference's lse. */
async function check(a: Sample, b: Sample, options: Options = {}): Promise<void> {
  const { excludeDiagonal = false, sameLabel = false, factor = 5, classes = 4 } = options;
  const kernel = (direction: PairsKernel["direction"]): PairsKernel => ({
    kind: "pairs",
    key: `pairs ${direction} ${excludeDiagonal} ${sameLabel}`,
    direction,
    excludeDiagonal,
    sameLabel,
  });
  const [rows, columns, depth] = [a.shape[0]!, b.shape[0]!, a.shape[1]!];
  const labels = (size: number) => whole(Array.from({ length: size }, () => Math.floor((nextRandom() + 1) * classes / 2)), size);
  const inputs = sameLabel ? [a, b, labels(rows), labels(columns)] : [a, b];
  const name = `${rows} x ${columns} x ${depth} ${JSON.stringify(options)}`;
  const settings = { scalars: [factor], name, tolerance: 2e-5 };
  await compare(kernel("forward"), inputs, [{ shape: [rows] }], settings);
  const [lse] = await run(reference, kernel("forward"), inputs, [{ shape: [rows] }], [factor]);
  const more = [...inputs, { ...random(rows), data: lse! }, random(rows)];
  await compare(kernel("rows"), more, [{ shape: [rows, depth] }], settings);
  await compare(kernel("columns"), more, [{ shape: [columns, depth] }], settings);
}

const variants: Options[] = [{}, { excludeDiagonal: true }, { sameLabel: true }, { excludeDiagonal: true, sameLabel: true }];

Deno.test("pairs in WebAssembly agrees with the reference at every size of the last vector and tile", async () => {
  for (const options of variants) {
    for (const [rows, columns] of [[1, 1], [2, 3], [5, 4], [7, 9], [64, 64], [121, 130], [13, 515], [250, 1030]] as const) {
      await check(random(rows, 16), random(columns, 16), options);
    }
  }
});

Deno.test("pairs in WebAssembly agrees with the reference for depths from 0 on and sharp similarities", async () => {
  for (const depth of [0, 1, 3, 33, 300]) await check(random(9, depth), random(11, depth), { factor: 40 / (depth + 1) });
  await check(random(40, 64), random(40, 64), { factor: 5, excludeDiagonal: true });
  await check(random(40, 8), random(40, 8), { factor: -3 });
});

Deno.test("pairs in WebAssembly gives -Infinity and zero gradients to rows without candidates", async () => {
  await check(random(1, 4), random(1, 4), { excludeDiagonal: true });
  await check(random(6, 4), random(6, 4), { excludeDiagonal: true, sameLabel: true, classes: 6 });
  await check(random(5, 4), random(0, 4));
  await check(random(0, 4), random(5, 4));
});

Deno.test("pairs in WebAssembly reads views of any strides", async () => {
  const options: Options = { excludeDiagonal: true, sameLabel: true };
  const [a, b] = [random(10, 14), random(17, 14)];
  await check(permuted(random(14, 10), 1, 0), permuted(random(14, 17), 1, 0), options);
  await check(flipped(a, 0), flipped(b, 1), options);
  await check(stepped(random(10, 28), 1, 2), stepped(random(34, 14), 0, 2), options);
  await check(expanded(random(14), 0, 10), b, options);
});

Deno.test("pairs in WebAssembly lets NaN and infinities through the forward pass", async () => {
  const kernel: PairsKernel = { kind: "pairs", key: "pairs", direction: "forward", excludeDiagonal: false, sameLabel: false };
  for (const odd of [NaN, Infinity, -Infinity]) {
    const a = random(3, 1);
    a.data[1] = odd;
    await compare(kernel, [a, random(600, 1)], [{ shape: [3] }], { scalars: [1] });
  }
});
