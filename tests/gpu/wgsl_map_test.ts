import { assertEquals } from "@std/assert";
import { apply, cast, expression, index, input, type Value } from "../../tensor/expr.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import { expanded, flipped, permuted, random, stepped } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, gpuWith } from "./families.ts";

function map(...outputs: Value[]): MapKernel {
  const expr = expression(outputs);
  return { kind: "map", key: expr.key, expr };
}

const x = input(0, "float32");
const y = input(1, "float32");
const sum = map(apply("add", apply("mul", x, 2), y));

gpuTest("planMap reads any strides: transposed, reversed, stepped, repeated", async () => {
  const shape = [5, 6, 7];
  for (
    const other of [
      random(...shape),
      permuted(random(7, 5, 6), 1, 2, 0),
      flipped(flipped(random(...shape), 0), 2),
      stepped(random(5, 12, 7), 1, 2),
      expanded(random(5, 7), 1, 6),
      expanded(expanded(random(7), 0, 6), 0, 5),
    ]
  ) {
    await compareOnGpu(sum, [random(...shape), other], [{ shape }]);
  }
});

gpuTest("planMap takes numbers without dims and shapes without elements", async () => {
  await compareOnGpu(sum, [random(), random()], [{ shape: [] }]);
  await compareOnGpu(sum, [random(0, 4), random(0, 4)], [{ shape: [0, 4] }]);
});

gpuTest("planMap gives several outputs of several types, and the index", async () => {
  const kernel = map(apply("lt", x, y), apply("max", x, y), index(), cast(apply("mul", x, 10), "int32"));
  const shape = [33, 5];
  const types = ["bool", "float32", "uint32", "int32"] as const;
  await compareOnGpu(kernel, [random(...shape), random(...shape)], types.map((dtype) => ({ shape, dtype })));
});

gpuTest("planMap computes float16 in float32 and rounds once", async () => {
  if (!gpu().supports("float16")) return;
  const half = filled("float16", [1001], (at) => at / 7);
  const kernel = map(cast(apply("mul", input(0, "float16"), 1.001), "float16"));
  await compareOnGpu(kernel, [half], [{ shape: [1001], dtype: "float16" }], { tolerance: 0 });
});

gpuTest("planMap covers more elements than one dimension of workgroups, and than two", async () => {
  const kernel = map(apply("add", cast(index(), "int32"), input(0, "int32")));
  for (const [size, workgroupsPerDimension] of [[70017, 65], [300_000, 20], [262_144 * 4, 1000], [65535 * 64 + 17, 65535]] as const) {
    const one = expanded(filled("int32", [], () => 1), 0, size);
    const options = { tolerance: 0, backend: gpuWith({ workgroupsPerDimension }) };
    const [values] = await compareOnGpu(kernel, [one], [{ shape: [size], dtype: "int32" }], options);
    assertEquals(values![size - 1], size);
  }
});

gpuTest("planMap replaces an input in place and reads one storage through several views", async () => {
  const backend = gpu();
  const storage = backend.alloc(16);
  backend.write(storage, 0, Float32Array.of(1, 2, 3, 4));
  const view: View = { storage, dtype: "float32", shape: [4], strides: [1], offset: 0 };
  const out = backend.alloc(16);
  backend.run(sum, [view, { ...view, strides: [-1], offset: 3 }], [{ ...view, storage: out }], []);
  backend.run(map(apply("mul", x, x)), [view], [view], []);
  const buffers = await backend.read([storage, out].map((source) => ({ storage: source, byteOffset: 0, byteLength: 16 })));
  assertEquals([...new Float32Array(buffers[0]!)], [1, 4, 9, 16]);
  assertEquals([...new Float32Array(buffers[1]!)], [2 + 4, 4 + 3, 6 + 2, 8 + 1]);
});

gpuTest("planMap writes through strides into a part of a storage and leaves the rest", async () => {
  const backend = gpu();
  const storage = backend.alloc(6 * 4);
  backend.write(storage, 0, new Float32Array(6).fill(-1));
  const source = backend.alloc(8);
  backend.write(source, 0, Float32Array.of(10, 20));
  const input: View = { storage: source, dtype: "float32", shape: [2], strides: [1], offset: 0 };
  backend.run(map(x), [input], [{ storage, dtype: "float32", shape: [2], strides: [-3], offset: 4 }], []);
  const [bytes] = await backend.read([{ storage, byteOffset: 0, byteLength: 24 }]);
  assertEquals([...new Float32Array(bytes!)], [-1, 20, -1, -1, 10, -1]);
});

gpuTest("planMap takes four elements at a time where all views allow it, and one where one does not", async () => {
  const shape = [70, 1000];
  const inputs = [random(...shape), random(...shape)];
  const rows = expanded(random(1000), 0, 70);
  const columns = permuted(expanded(random(70), 0, 1000), 1, 0);
  for (const other of [inputs[1]!, rows, columns, stepped(random(70, 2000), 1, 2), permuted(random(1000, 70), 1, 0)]) {
    await compareOnGpu(sum, [inputs[0]!, other], [{ shape }]);
  }
  await compareOnGpu(sum, [random(70001), random(70001)], [{ shape: [70001] }]);
  const kernel = map(apply("lt", x, y), index(), cast(apply("mul", x, 10), "int32"));
  await compareOnGpu(kernel, inputs, (["bool", "uint32", "int32"] as const).map((dtype) => ({ shape, dtype })));
  const flags = filled("bool", shape, (at) => at % 3 === 0 ? 1 : 0);
  await compareOnGpu(map(apply("where", input(0, "bool"), y, 7)), [flags, inputs[1]!], [{ shape }]);
  if (!gpu().supports("float16")) return;
  const half = filled("float16", shape, (at) => at % 1000 / 7);
  const narrow = map(cast(apply("mul", input(0, "float16"), 1.001), "float16"));
  await compareOnGpu(narrow, [half], [{ shape, dtype: "float16" }], { tolerance: 0 });
});

gpuTest("planMap in fours keeps x - x a NaN for infinities, and writes in place", async () => {
  const size = 2 ** 16;
  const storage = gpu().alloc(4 * size);
  gpu().write(storage, 0, filled("float32", [size], (at) => at % 5 === 0 ? Infinity : at).data);
  const view: View = { storage, dtype: "float32", shape: [size], strides: [1], offset: 0 };
  gpu().run(map(apply("add", apply("sub", x, y), 1)), [view, view], [view], []);
  const [bytes] = await gpu().read([{ storage, byteOffset: 0, byteLength: 4 * size }]);
  const values = new Float32Array(bytes!);
  assertEquals(values.findIndex((value, at) => !Object.is(value, at % 5 === 0 ? NaN : 1)), -1);
  gpu().free(storage);
});
