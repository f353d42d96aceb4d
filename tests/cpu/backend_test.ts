import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CpuBackend, createCpuBackend } from "../../cpu/mod.ts";
import { dtypes } from "../../tensor/dtype.ts";
import { ArgumentError, DisposedError, OutOfMemoryError } from "../../tensor/errors.ts";
import { apply, expression, input } from "../../tensor/expr.ts";
import { Host } from "./host.ts";

Deno.test("CpuBackend names its device and supports every element type", () => {
  assertEquals(createCpuBackend().device, "cpu");
  assertEquals(new CpuBackend({ device: "reference", accelerate: false }).device, "reference");
  assert(dtypes.every((dtype) => createCpuBackend().supports(dtype)));
});

Deno.test("CpuBackend reads back what was written, into buffers of their own", async () => {
  const backend = createCpuBackend();
  const [first, second, empty] = [backend.alloc(16), backend.alloc(4), backend.alloc(0)];
  backend.write(first, 0, new Float32Array([1, 2, 3, 4]));
  backend.write(first, 4, new Float32Array([9, 5, 6, 9]).subarray(1, 3));
  backend.write(second, 0, new Uint8Array([1, 0, 0, 0]));
  const buffers = await backend.read([
    { storage: first, byteOffset: 4, byteLength: 12 },
    { storage: second, byteOffset: 0, byteLength: 4 },
    { storage: empty, byteOffset: 0, byteLength: 0 },
  ]);
  assert(buffers.every((buffer) => buffer instanceof ArrayBuffer));
  assertEquals([...new Float32Array(buffers[0]!)], [5, 6, 4]);
  assertEquals([...new Int32Array(buffers[1]!)], [1]);
  assertEquals(buffers[2]!.byteLength, 0);
  backend.write(first, 4, new Float32Array([8]));
  assertEquals(new Float32Array(buffers[0]!)[0], 5);
});

Deno.test("CpuBackend refuses ranges beyond a storage", async () => {
  const backend = createCpuBackend();
  const storage = backend.alloc(8);
  assertThrows(() => backend.write(storage, 4, new Float32Array(2)), ArgumentError, "got a storage of 8 bytes");
  assertThrows(() => backend.write(storage, -4, new Float32Array(1)), ArgumentError);
  await assertRejects(() => backend.read([{ storage, byteOffset: 0, byteLength: 12 }]), ArgumentError);
  await assertRejects(() => backend.read([{ storage, byteOffset: NaN, byteLength: 4 }]), ArgumentError);
});

Deno.test("CpuBackend refuses freed storages everywhere", async () => {
  const host = new Host();
  const { backend } = host;
  const view = host.view("float32", [2], [1, 2]);
  const other = host.view("float32", [2], [1, 2]);
  backend.free(view.storage);
  assertThrows(() => backend.free(view.storage), DisposedError);
  assertThrows(() => backend.write(view.storage, 0, new Float32Array(1)), DisposedError);
  await assertRejects(() => backend.read([{ storage: view.storage, byteOffset: 0, byteLength: 4 }]), DisposedError);
  const expr = expression([apply("neg", input(0, "float32"))]);
  const kernel = { kind: "map", key: expr.key, expr } as const;
  assertThrows(() => backend.run(kernel, [view], [other], []), DisposedError);
  assertThrows(() => backend.run(kernel, [other], [view], []), DisposedError);
});

Deno.test("CpuBackend keeps to its budget and counts its memory", () => {
  const backend = createCpuBackend({ budget: 1 << 20 });
  const storage = backend.alloc(1 << 19);
  assertEquals(backend.memory().bytes, 1 << 19);
  assertThrows(() => backend.alloc(1 << 20), OutOfMemoryError);
  backend.free(storage);
  assertEquals(backend.memory(), { bytes: 0, pooledBytes: 1 << 19 });
  backend.trim();
  assertEquals(backend.memory(), { bytes: 0, pooledBytes: 0 });
});
