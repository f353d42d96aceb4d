import { assert, assertEquals, assertThrows } from "@std/assert";
import { Heap } from "../../cpu/heap.ts";
import { ArgumentError, OutOfMemoryError } from "../../tensor/errors.ts";
import { numbers } from "./host.ts";

Deno.test("Heap gives aligned addresses other than 0, also for zero bytes", () => {
  const heap = new Heap();
  const sizes = [0, 1, 15, 64, 65, 80, 100, 1000, 32768, 32769, 70000, 1 << 20];
  const pointers = sizes.map((bytes) => heap.alloc(bytes));
  for (const pointer of pointers) {
    assert(pointer > 0);
    assertEquals(pointer % 16, 0);
  }
  assertEquals(new Set(pointers).size, sizes.length);
});

Deno.test("Heap never overlaps blocks in use, over random requests", () => {
  const heap = new Heap();
  const random = numbers(60_000, 7);
  const live: { pointer: number; bytes: number }[] = [];
  const stamp = new Map<number, number>();
  let marks = 0;
  for (let at = 0; at + 1 < random.length; at += 2) {
    const grows = random[at]! > (live.length > 300 ? 0.5 : -0.4);
    if (grows || live.length === 0) {
      const bytes = Math.floor(Math.exp((random[at + 1]! + 1) * 6.5));
      const pointer = heap.alloc(bytes);
      live.push({ pointer, bytes });
      stamp.set(pointer, ++marks % 251);
      heap.u8.fill(marks % 251, pointer, pointer + bytes);
    } else {
      const chosen = Math.floor((random[at + 1]! + 1) / 2 * live.length);
      const { pointer, bytes } = live.splice(chosen, 1)[0]!;
      const mark = stamp.get(pointer)!;
      for (const place of [0, bytes >> 1, bytes - 1]) if (place >= 0 && bytes > 0) assertEquals(heap.u8[pointer + place], mark);
      heap.free(pointer);
    }
    if (at % 6000 === 0) heap.trim();
  }
  const sorted = live.sort((a, b) => a.pointer - b.pointer);
  sorted.forEach(({ pointer }, at) => {
    const before = sorted[at - 1];
    if (before !== undefined) assert(before.pointer + before.bytes <= pointer);
  });
  live.forEach(({ pointer }) => heap.free(pointer));
  assertEquals(heap.bytes, 0);
  heap.trim();
  assertEquals(heap.pooledBytes, 0);
});

Deno.test("Heap counts what is in use and what is kept", () => {
  const heap = new Heap();
  assertEquals([heap.bytes, heap.pooledBytes], [0, 0]);
  const pointer = heap.alloc(1 << 20);
  assertEquals([heap.bytes, heap.pooledBytes], [1 << 20, 0]);
  heap.free(pointer);
  assertEquals([heap.bytes, heap.pooledBytes], [0, 1 << 20]);
  assertEquals(heap.alloc(1 << 20), pointer);
  heap.free(pointer);
  heap.trim();
  assertEquals([heap.bytes, heap.pooledBytes], [0, 0]);
});

Deno.test("Heap grows on demand, keeps contents and refreshes its views", () => {
  const heap = new Heap();
  const pointer = heap.alloc(16);
  heap.f64[pointer / 8] = Math.PI;
  const before = heap.memory.buffer.byteLength;
  const large = heap.alloc(3 * before);
  heap.u8[large + 3 * before - 1] = 9;
  assert(heap.memory.buffer.byteLength > before);
  assertEquals(heap.u8.byteLength, heap.memory.buffer.byteLength);
  assertEquals(heap.f64[pointer / 8], Math.PI);
  assertEquals(heap.u8[large + 3 * before - 1], 9);
});

Deno.test("Heap merges freed neighbours, so that blocks of other sizes fit before the memory grows", () => {
  const heap = new Heap();
  const pointers = Array.from({ length: 160 }, () => heap.alloc(65536));
  const before = heap.memory.buffer.byteLength;
  pointers.forEach((pointer) => heap.free(pointer));
  const whole = heap.alloc(160 * 65536);
  assertEquals(heap.memory.buffer.byteLength, before);
  heap.free(whole);
});

Deno.test("Heap does not grow when the same sizes come and go", () => {
  const heap = new Heap();
  const sizes = [40, 3000, 50_000, 400_000, 1_000_000];
  function step(): void {
    const pointers = sizes.map((bytes) => heap.alloc(bytes));
    pointers.forEach((pointer) => heap.free(pointer));
  }
  step();
  const [pooled, length] = [heap.pooledBytes, heap.memory.buffer.byteLength];
  for (let at = 0; at < 1000; at++) step();
  assertEquals([heap.pooledBytes, heap.memory.buffer.byteLength], [pooled, length]);
});

Deno.test("Heap refuses what passes the budget or 4 GiB with OutOfMemoryError, and stays usable", () => {
  const small = new Heap({ budget: 100_000 });
  const pointer = small.alloc(60_000);
  assertThrows(() => small.alloc(60_000), OutOfMemoryError, "Cannot allocate 60000 bytes: at most 100000 in use are allowed");
  small.free(pointer);
  small.free(small.alloc(60_000));
  const heap = new Heap();
  for (const bytes of [2 ** 32 + 1, 2 ** 40, Infinity, NaN]) assertThrows(() => heap.alloc(bytes), OutOfMemoryError);
  heap.free(heap.alloc(8));
  assertEquals(heap.bytes, 0);
});

Deno.test("Heap serves addresses beyond 2 GiB and says when 4 GiB are full", () => {
  const heap = new Heap();
  const first = heap.alloc(2 ** 31);
  assertThrows(() => heap.alloc(2 ** 31), OutOfMemoryError);
  const second = heap.alloc(2 ** 30);
  heap.f32[second / 4 + 2 ** 28 - 1] = 3;
  assert(second >= 2 ** 31);
  const small = heap.alloc(100);
  [first, second, small].forEach((pointer) => heap.free(pointer));
  assertEquals(heap.bytes, 0);
  heap.free(heap.alloc(3 * 2 ** 30));
});

Deno.test("Heap refuses to free what is not in use", () => {
  const heap = new Heap();
  for (const bytes of [48, 100_000]) {
    const pointer = heap.alloc(bytes);
    assertThrows(() => heap.free(pointer + 16), ArgumentError);
    heap.free(pointer);
    assertThrows(() => heap.free(pointer), ArgumentError, `Cannot free address ${pointer}`);
  }
  for (const pointer of [0, 3, 2 ** 31]) assertThrows(() => heap.free(pointer), ArgumentError);
});

Deno.test("Heap works on memory that is not shared, and its views follow growth there too", () => {
  const heap = new Heap({ shared: false });
  assert(heap.memory.buffer instanceof ArrayBuffer);
  const pointer = heap.alloc(8);
  heap.f32[pointer / 4] = 2.5;
  heap.alloc(64 << 20);
  assertEquals(heap.f32[pointer / 4], 2.5);
});
