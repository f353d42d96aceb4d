import { assertEquals } from "@std/assert";
import { createMapAccelerator } from "../../cpu/wasm/map.ts";
import { createMatmulAccelerator } from "../../cpu/wasm/matmul.ts";
import { apply, expression, input, result, scalar } from "../../tensor/expr.ts";
import type { MatmulKernel } from "../../tensor/kernel.ts";
import { accelerated, compare, expanded, flipped, permuted, random, run, type Sample, stepped } from "./compare.ts";

const matmul: MatmulKernel = { kind: "matmul", key: "matmul" };

function product(a: Sample, b: Sample): number[] {
  return [...a.shape.slice(0, -1), b.shape.at(-1)!];
}

async function check(a: Sample, b: Sample, kernel: MatmulKernel = matmul, more: Sample[] = [], scalars: number[] = []): Promise<void> {
  const name = `${kernel.key} [${a.shape}] strides [${a.strides}] x [${b.shape}] strides [${b.strides}]`;
  await compare(kernel, [a, b, ...more], [{ shape: product(a, b) }], { name, scalars });
}

/** Both factors of a product in all four layouts. */
function layouts(rows: number, columns: number, depth: number): [Sample, Sample][] {
  const [a, b] = [random(rows, depth), random(depth, columns)];
  const [ta, tb] = [permuted(random(depth, rows), 1, 0), permuted(random(columns, depth), 1, 0)];
  return [[a, b], [a, tb], [ta, b], [ta, tb]];
}

Deno.test("matmul in WebAssembly agrees with the reference for every edge of the tiles, in all four layouts", async () => {
  for (const rows of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]) {
    for (const columns of [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 33, 37]) {
      for (const depth of [1, 2, 3, 4, 5, 7, 8, 19]) {
        for (const [a, b] of layouts(rows, columns, depth)) await check(a, b);
      }
    }
  }
});

Deno.test("matmul in WebAssembly agrees with the reference across block borders", async () => {
  for (const [rows, columns, depth] of [[119, 17, 255], [121, 9, 257], [8, 1027, 5], [130, 70, 513], [243, 30, 40]] as const) {
    for (const [a, b] of layouts(rows, columns, depth)) await check(a, b);
  }
});

Deno.test("matmul in WebAssembly sums 100,000 products exactly enough, as matrix, row and column", async () => {
  for (const [rows, columns] of [[3, 5], [1, 7], [1, 40], [9, 1], [1, 1]] as const) {
    for (const [a, b] of layouts(rows, columns, 100_000)) await check(a, b);
  }
});

Deno.test("matmul in WebAssembly gives zeros for depth 0 and nothing for empty outputs", async () => {
  for (const [rows, columns, depth] of [[3, 5, 0], [0, 5, 4], [3, 0, 4], [1, 1, 0], [0, 0, 0]] as const) {
    await check(random(rows, depth), random(depth, columns));
    await check(random(2, rows, depth), random(2, depth, columns));
  }
  await check(random(0, 3, 4), random(0, 4, 5));
});

Deno.test("matmul in WebAssembly reads negative, zero and wide strides", async () => {
  const [a, b] = [random(13, 22), random(22, 19)];
  for (const dim of [0, 1]) {
    await check(flipped(a, dim), flipped(b, dim));
    await check(flipped(a, dim), flipped(b, 1 - dim));
  }
  await check(stepped(a, 1, 2), stepped(b, 0, 2));
  await check(stepped(a, 0, 3), stepped(b, 1, 3));
  await check(expanded(random(22), 0, 7), b);
  await check(a, expanded(random(22), 1, 9));
  await check(expanded(random(5), 1, 22), b);
  await check(stepped(random(1, 22), 1, 2), stepped(random(22, 19), 0, 2));
  await check(permuted(stepped(random(11, 40), 1, 8), 1, 0), stepped(random(11, 8), 1, 8));
});

Deno.test("matmul in WebAssembly runs over batches, repeated and permuted ones too", async () => {
  const a = random(2, 3, 5, 7);
  await check(a, random(2, 3, 7, 4));
  await check(a, expanded(expanded(random(7, 4), 0, 3), 0, 2));
  await check(a, expanded(random(3, 7, 4), 0, 2));
  await check(a, expanded(random(2, 7, 4), 1, 3));
  await check(expanded(expanded(random(5, 7), 0, 3), 0, 2), random(2, 3, 7, 4));
  await check(permuted(random(3, 2, 5, 7), 1, 0, 2, 3), expanded(expanded(random(7, 4), 0, 3), 0, 2));
  await check(permuted(random(5, 6, 7), 1, 0, 2), expanded(random(7, 4), 0, 6));
  await check(random(6, 1, 7), expanded(random(7, 4), 0, 6));
  await check(permuted(random(1, 6, 7), 1, 0, 2), expanded(permuted(random(4, 7), 1, 0), 0, 6));
  await check(random(1, 1, 6, 7), expanded(expanded(random(7, 4), 0, 1), 0, 1));
});

Deno.test("matmul in WebAssembly applies its epilogue to the product, also to that of depth 0", async () => {
  const value = apply("add", apply("mul", result(0, "float32"), scalar(0, "float32")), input(2, "float32"));
  const epilogue = expression([apply("max", value, input(3, "float32"))]);
  const kernel: MatmulKernel = { kind: "matmul", key: "scaled, shifted, clamped", epilogue };
  for (const depth of [0, 1, 30]) {
    await check(random(14, depth), random(depth, 11), kernel, [expanded(random(11), 0, 14), expanded(random(14), 1, 11)], [0.5]);
  }
});

Deno.test("matmul in WebAssembly lets NaN and infinities through", async () => {
  const a = random(7, 9);
  a.data[4] = NaN;
  a.data[20] = Infinity;
  await check(a, random(9, 13));
});

Deno.test("matmul in WebAssembly gives the same bits every time", async () => {
  const [a, b] = [random(65, 300), random(300, 70)];
  const [first] = await run(accelerated, matmul, [a, b], [{ shape: [65, 70] }]);
  for (let time = 0; time < 50; time++) {
    const [again] = await run(accelerated, matmul, [a, b], [{ shape: [65, 70] }]);
    assertEquals(again, first);
  }
});

Deno.test("matmul in WebAssembly gives an element the same bits whatever tiles its product needs", async () => {
  const [a, b] = [random(17, 301), random(301, 29)];
  const multiply = async (rows: number, columns: number) => {
    const corner = { ...a, shape: [rows, 301] };
    const [product] = await run(accelerated, matmul, [corner, { ...b, shape: [301, columns] }], [{ shape: [rows, columns] }]);
    return Array.from({ length: rows }, (_, row) => Array.from(product!).slice(row * columns, (row + 1) * columns));
  };
  const whole = await multiply(17, 29);
  for (let rows = 2; rows < 17; rows++) {
    for (let columns = 2; columns < 29; columns++) {
      assertEquals(await multiply(rows, columns), whole.slice(0, rows).map((row) => row.slice(0, columns)));
    }
  }
});

Deno.test("matmul in WebAssembly leaves other element types to the reference", () => {
  const accelerator = createMatmulAccelerator(accelerated.heap, createMapAccelerator(accelerated.heap));
  const storage = accelerated.alloc(64);
  const view = { storage, dtype: "float64" as const, shape: [2, 2], strides: [2, 1], offset: 0 };
  assertEquals(accelerator(matmul, [view, view], [view], []), false);
  accelerated.free(storage);
});
