import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createGpuBackend, type GpuBackend } from "../../gpu/mod.ts";
import { ArgumentError, DeviceError, DisposedError, DTypeError, IndexError, OutOfMemoryError } from "../../tensor/errors.ts";
import { apply, expression, input, scalar, type Value } from "../../tensor/expr.ts";
import type { CustomKernel, GatherKernel, MapKernel, ReduceKernel, Storage, View } from "../../tensor/kernel.ts";
import { gpu, gpuTest } from "./families.ts";

const x = input(0, "float32");

function map(...outputs: Value[]): MapKernel {
  const expr = expression(outputs);
  return { kind: "map", key: expr.key, expr };
}

const increment = map(apply("add", x, 1));
const timesScalar = map(apply("mul", x, scalar(0, "float32")));
const total: ReduceKernel = { kind: "reduce", key: "total", reduced: 1, combine: "sum", prologue: expression([x]) };

function view(storage: Storage, length = storage.bytes / 4): View {
  return { storage, dtype: "float32", shape: [length], strides: [1], offset: 0 };
}

function written(backend: GpuBackend, ...values: number[]): Storage {
  const storage = backend.alloc(values.length * 4);
  backend.write(storage, 0, Float32Array.from(values));
  return storage;
}

async function values(backend: GpuBackend, ...storages: Storage[]): Promise<number[][]> {
  const buffers = await backend.read(storages.map((storage) => ({ storage, byteOffset: 0, byteLength: storage.bytes })));
  return buffers.map((buffer) => [...new Float32Array(buffer)]);
}

gpuTest("GpuBackend keeps writes in order with the kernels before and after", async () => {
  const backend = gpu();
  const source = written(backend, 1, 2);
  const [first, second] = [backend.alloc(8), backend.alloc(8)];
  backend.run(increment, [view(source)], [view(first)], []);
  backend.write(source, 0, Float32Array.of(10, 20));
  backend.run(increment, [view(source)], [view(second)], []);
  backend.write(second, 4, Float32Array.of(-1));
  assertEquals(await values(backend, first, second, source), [[2, 3], [11, -1], [10, 20]]);
});

gpuTest("GpuBackend gives a freed buffer to the next kernel at once and to a write without harming what is recorded", async () => {
  const backend = await createGpuBackend();
  const first = written(backend, 1, 1);
  const result = backend.alloc(8);
  backend.run(increment, [view(first)], [view(result)], []);
  backend.free(first);
  const second = written(backend, 50, 50);
  const again = backend.alloc(8);
  backend.run(increment, [view(second)], [view(again)], []);
  backend.free(second);
  const { buffers } = backend.stats();
  const third = backend.alloc(8);
  backend.run(increment, [view(again)], [view(third)], []);
  assertEquals(backend.stats().buffers, buffers);
  assertEquals(await values(backend, result, again, third), [[2, 2], [51, 51], [52, 52]]);
  backend.destroy();
});

gpuTest("GpuBackend submits before a write to memory in use, and not before a write to fresh memory", async () => {
  const backend = await createGpuBackend();
  const source = written(backend, 1);
  const output = backend.alloc(4);
  await backend.settled();
  const { submits } = backend.stats();
  backend.run(increment, [view(source)], [view(output)], []);
  const fresh = written(backend, 5);
  backend.run(increment, [view(fresh)], [view(output)], []);
  assertEquals(backend.stats().submits, submits);
  backend.write(source, 0, Float32Array.of(2));
  assertEquals(backend.stats().submits, submits + 1);
  assertEquals(await values(backend, output), [[6]]);
  backend.destroy();
});

gpuTest("GpuBackend runs thousands of dispatches and writes in few submits, each with its own scalars", async () => {
  const backend = await createGpuBackend();
  let current = written(backend, 1);
  const before = backend.stats().submits;
  let expected = 1;
  for (let i = 0; i < 1000; i++) {
    const factor = 1 + (i % 7 - 3) / 64;
    const next = backend.alloc(4);
    backend.run(timesScalar, [view(current)], [view(next)], [factor]);
    backend.free(current);
    current = next;
    expected = Math.fround(expected * Math.fround(factor));
  }
  assert(backend.stats().submits - before <= 5);
  assertEquals(await values(backend, current), [[expected]]);
  const many = Array.from({ length: 500 }, (_, i) => written(backend, i));
  assert(backend.stats().submits - before <= 12);
  assertEquals((await values(backend, ...many)).flat(), many.map((_, i) => i));
  backend.destroy();
});

gpuTest("GpuBackend creates nothing in the steady state: no plan, pipeline, buffer or bind group, and memory stays", async () => {
  const backend = await createGpuBackend();
  const weight = written(backend, ...new Array(1000).fill(1));
  const step = async (i: number) => {
    const batch = written(backend, ...new Array(1000).fill(i));
    const [sum, hidden] = [backend.alloc(4), backend.alloc(4000)];
    backend.run(timesScalar, [view(batch)], [view(hidden)], [i]);
    backend.run(map(apply("add", x, input(1, "float32"))), [view(hidden), view(weight)], [view(hidden)], []);
    backend.run(total, [view(hidden)], [{ ...view(sum), shape: [], strides: [] }], []);
    const [[value]] = await values(backend, sum) as [[number]];
    assertEquals(value, 1000 * (i * i + 1));
    for (const storage of [batch, sum, hidden]) backend.free(storage);
  };
  for (let i = 0; i < 5; i++) await step(i);
  const [stats, memory] = [backend.stats(), backend.memory()];
  for (let i = 0; i < 20; i++) await step(i);
  const after = backend.stats();
  assertEquals({ ...after, submits: 0, dispatches: 0 }, { ...stats, submits: 0, dispatches: 0 });
  assertEquals(after.dispatches - stats.dispatches, 60);
  assert(after.submits - stats.submits <= 40);
  assertEquals(backend.memory(), memory);
  backend.destroy();
});

gpuTest("GpuBackend reuses memory instead of waiting for the garbage collector, and trim gives it back", async () => {
  const backend = await createGpuBackend();
  const source = backend.alloc(1 << 20);
  backend.write(source, 0, new Uint8Array(1 << 20));
  for (let i = 0; i < 300; i++) {
    const output = backend.alloc(1 << 20);
    backend.run(increment, [view(source)], [view(output)], []);
    backend.free(output);
  }
  assert(backend.stats().buffers <= 4);
  assertEquals(backend.memory().bytes, 1 << 20);
  assert(backend.memory().pooledBytes >= 1 << 20);
  backend.trim();
  assertEquals(backend.memory().pooledBytes, 0);
  const output = backend.alloc(1 << 20);
  backend.run(increment, [view(source)], [view(output)], []);
  assertEquals((await values(backend, output))[0]![5], 1);
  backend.destroy();
});

gpuTest("GpuBackend keeps to its memory budget and to the adapter's limit for one storage", async () => {
  const backend = await createGpuBackend({ memoryBudget: 1 << 20 });
  const storage = backend.alloc(1 << 19);
  assertThrows(() => backend.alloc(1 << 20), OutOfMemoryError, "budget");
  backend.free(storage);
  const [a, b] = [backend.alloc(1 << 19), backend.alloc(1 << 18)];
  backend.write(a, 0, new Uint8Array(1 << 19));
  backend.run(increment, [view(a, 1 << 16)], [view(b)], []);
  backend.free(a);
  backend.free(b);
  const whole = backend.alloc(1 << 20);
  backend.write(whole, 0, new Uint8Array(1 << 20));
  assertEquals((await values(backend, whole))[0]![0], 0);
  assertEquals(backend.memory(), { bytes: 1 << 20, pooledBytes: 0 });
  assertThrows(() => backend.alloc(2 ** 40), OutOfMemoryError, "a storage");
  backend.destroy();
});

gpuTest("GpuBackend writes and reads at any byte", async () => {
  const backend = gpu();
  const storage = backend.alloc(22);
  backend.write(storage, 0, Uint8Array.from({ length: 22 }, (_, i) => i));
  const expected = Uint8Array.from({ length: 22 }, (_, i) => i);
  const patch = (at: number, ...bytes: number[]) => {
    backend.write(storage, at, Uint8Array.from(bytes));
    expected.set(bytes, at);
  };
  patch(1, 101);
  patch(6, 102, 103, 104, 105);
  patch(13, 106, 107, 108, 109, 110, 111, 112, 113, 114);
  patch(2, 115, 116);
  const [all, middle, odd] = await backend.read([
    { storage, byteOffset: 0, byteLength: 22 },
    { storage, byteOffset: 5, byteLength: 9 },
    { storage, byteOffset: 21, byteLength: 1 },
  ]);
  assertEquals(new Uint8Array(all!), expected);
  assertEquals(new Uint8Array(middle!), expected.slice(5, 14));
  assertEquals(new Uint8Array(odd!), expected.slice(21));
});

gpuTest("GpuBackend reads many ranges with one wait, empty ones among them", async () => {
  const backend = gpu();
  const storages = Array.from({ length: 40 }, (_, i) => written(backend, i, i + 0.5));
  const empty = backend.alloc(0);
  const results = await values(backend, ...storages, empty);
  assertEquals(results, [...storages.map((_, i) => [i, i + 0.5]), []]);
  assertEquals(await backend.read([]), []);
  const both = await Promise.all([values(backend, storages[3]!), values(backend, storages[4]!)]);
  assertEquals(both, [[[3, 3.5]], [[4, 4.5]]]);
});

gpuTest("GpuBackend takes storages and views without elements", async () => {
  const backend = gpu();
  const empty = backend.alloc(0);
  backend.write(empty, 0, new Float32Array(0));
  backend.run(increment, [view(empty, 0)], [view(empty, 0)], []);
  const sum = backend.alloc(4);
  backend.run(total, [view(empty, 0)], [{ ...view(sum), shape: [], strides: [] }], []);
  assertEquals(await values(backend, sum, empty), [[0], []]);
});

gpuTest("GpuBackend refuses ranges, views and types that do not fit, before anything is recorded", async () => {
  const backend = gpu();
  const storage = written(backend, 1, 2);
  assertThrows(() => backend.write(storage, 4, new Float32Array(2)), ArgumentError);
  assertThrows(() => backend.write(storage, -4, new Float32Array(1)), ArgumentError);
  await assertRejects(() => backend.read([{ storage, byteOffset: 4, byteLength: 8 }]), ArgumentError);
  assertThrows(() => backend.run(increment, [view(storage, 3)], [view(storage, 3)], []), DeviceError, "view inside 8 bytes");
  const negative = { ...view(storage), strides: [-1] };
  assertThrows(() => backend.run(increment, [negative], [view(storage)], []), DeviceError, "begins inside");
  const doubles = { ...view(storage, 1), dtype: "float64" as const };
  assertThrows(() => backend.run(map(input(0, "float64")), [doubles], [doubles], []), DTypeError, "float64");
  assertThrows(() => backend.run(timesScalar, [view(storage)], [view(backend.alloc(8))], []), DeviceError, "scalar 0");
  const data = new Float32Array(2);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  assertThrows(() => backend.write(storage, 0, data), DeviceError, "detached");
  assertEquals(await values(backend, storage), [[1, 2]]);
});

gpuTest("GpuBackend refuses freed memory and memory of another device", async () => {
  const [backend, other] = [gpu(), await createGpuBackend()];
  const mine = written(backend, 1);
  const theirs = written(other, 1);
  assertThrows(() => backend.run(increment, [view(theirs)], [view(mine)], []), DeviceError, "another device");
  await assertRejects(() => backend.read([{ storage: theirs, byteOffset: 0, byteLength: 4 }]), DeviceError);
  backend.free(mine);
  assertThrows(() => backend.free(mine), DisposedError);
  assertThrows(() => backend.run(increment, [view(mine)], [view(mine)], []), DisposedError);
  other.destroy();
});

gpuTest("GpuBackend throws an IndexError at the next read after a gather out of range, once", async () => {
  const backend = gpu();
  const source = written(backend, 10, 20, 30);
  const index = backend.alloc(8);
  const output = backend.alloc(8);
  const gather: GatherKernel = { kind: "gather", key: "gather 0", dim: 0 };
  const run = (...positions: number[]) => {
    backend.write(index, 0, Int32Array.from(positions));
    backend.run(gather, [view(source), { ...view(index), dtype: "int32" }], [view(output)], []);
  };
  for (const wrong of [3, -1, 1e9]) {
    run(0, wrong);
    await assertRejects(() => values(backend, output), IndexError, `an index in 0 … 2 is needed, got ${wrong}`);
    run(2, 0);
    assertEquals(await values(backend, output), [[30, 10]]);
  }
});

gpuTest("GpuBackend binds a custom kernel's buffers in their own sizes", async () => {
  const backend = gpu();
  const source = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = f32(arrayLength(&x)) + x[arrayLength(&x) - 1u]; }`;
  const kernel: CustomKernel = { kind: "custom", key: "last", cpu: () => {}, wgsl: () => ({ source, workgroups: [1, 1, 1] }) };
  const output = backend.alloc(4);
  backend.run(kernel, [view(written(backend, 5, 6, 7))], [view(output)], []);
  assertEquals(await values(backend, output), [[10]]);
});

gpuTest("GpuBackend throws a DeviceError for a custom kernel that does not compile, and ever after", async () => {
  const backend = await createGpuBackend();
  const storage = written(backend, 1);
  const wgsl = () => ({ source: "@compute @workgroup_size(1) fn main() { undeclared = 1; }", workgroups: [1, 1, 1] as const });
  backend.run({ kind: "custom", key: "bad", cpu: () => {}, wgsl }, [], [view(storage)], []);
  await assertRejects(() => values(backend, storage), DeviceError, "Cannot compile custom bad");
  assertThrows(() => backend.run(increment, [view(storage)], [view(storage)], []), DeviceError, "Cannot compile custom bad");
});

gpuTest("GpuBackend refuses everything after destroy, also a read that was under way", async () => {
  const backend = await createGpuBackend();
  const storage = written(backend, 1);
  const reading = values(backend, storage);
  backend.destroy();
  await assertRejects(() => reading, DeviceError, "destroyed");
  await assertRejects(() => values(backend, storage), DeviceError, "destroyed");
  assertThrows(() => backend.alloc(4), DeviceError, "destroyed");
  assertThrows(() => backend.write(storage, 0, Float32Array.of(1)), DeviceError, "destroyed");
});

gpuTest("GpuBackend runs a prepared kernel as often as asked, with new scalars and what its inputs hold by then", async () => {
  const backend = await createGpuBackend();
  const [source, output, sum] = [written(backend, 1, 2), backend.alloc(8), backend.alloc(4)];
  const scale = backend.prepare(timesScalar, [view(source)], [view(output)]);
  const add = backend.prepare(total, [view(output)], [{ ...view(sum), shape: [], strides: [] }]);
  const long = written(backend, ...new Array(100_000).fill(1));
  const addLong = backend.prepare(total, [view(long)], [{ ...view(sum), shape: [], strides: [] }]);
  for (const [round, factor] of [2, 3, 0.5].entries()) {
    backend.write(source, 0, Float32Array.of(1 + round, 2));
    scale([factor]);
    add([]);
    assertEquals(await values(backend, sum), [[factor * (3 + round)]]);
    addLong([]);
    assertEquals(await values(backend, sum), [[100_000]]);
    backend.trim(); // the temporaries of the long sum go, and with them what was bound
  }
  const { bindGroups } = backend.stats();
  scale([1]);
  add([]);
  assertEquals(backend.stats().bindGroups, bindGroups);
  backend.free(source);
  assertThrows(() => scale([1]), DisposedError);
  assertThrows(() => backend.prepare(total, [view(output, 3)], [{ ...view(sum), shape: [], strides: [] }]), DeviceError, "view inside 8");
  backend.destroy();
  assertThrows(() => add([]), DeviceError, "destroyed");
});

gpuTest("GpuBackend tells layouts and shared storages apart when one kernel comes again", async () => {
  const backend = gpu();
  const plus = map(apply("add", x, input(1, "float32")));
  const [a, b] = [written(backend, 1, 2, 3, 4), written(backend, 10, 20, 30, 40)];
  const square = (storage: Storage, strides: number[]): View => ({ ...view(storage), shape: [2, 2], strides });
  const [first, second, third] = [backend.alloc(16), backend.alloc(16), backend.alloc(16)];
  for (let round = 0; round < 2; round++) {
    backend.run(plus, [square(a, [2, 1]), square(b, [2, 1])], [square(first, [2, 1])], []);
    backend.run(plus, [square(a, [2, 1]), square(b, [1, 2])], [square(second, [2, 1])], []);
    backend.run(plus, [square(a, [2, 1]), square(a, [2, 1])], [square(third, [2, 1])], []);
    assertEquals(await values(backend, first, second, third), [[11, 22, 33, 44], [11, 32, 23, 44], [2, 4, 6, 8]]);
  }
});
