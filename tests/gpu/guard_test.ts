import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { findAdapter, Guard, type GuardedBuffer, openDevice, workgroupMemory } from "../../gpu/guard.ts";
import { DeviceError, OutOfMemoryError } from "../../tensor/errors.ts";
import { gpuTest } from "./families.ts";

/** Each test has a device of its own, since a failure is for good. */
async function openGuard(): Promise<Guard> {
  return new Guard(await openDevice((await findAdapter({}))!));
}

async function content(guard: Guard, buffer: GuardedBuffer, fast = false): Promise<number[]> {
  const staging = guard.createBuffer(buffer.size, "staging");
  const recorder = guard.record();
  recorder.copy(buffer, 0, staging, 0, buffer.size);
  guard.submit(recorder);
  return [...new Uint32Array(await guard.readStaging(staging, buffer.size, fast))];
}

const double = `@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main(@builtin(workgroup_id) w: vec3<u32>) { y[w.x] = x[w.x] * 2u; }`;

gpuTest(
  "Guard writes nothing for empty data and refuses detached, unaligned and overlong data, where Deno would end the process",
  async () => {
    const guard = await openGuard();
    const buffer = guard.createBuffer(16, "storage");
    guard.writeBuffer(buffer, 0, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
    guard.writeBuffer(buffer, 0, new Uint8Array(0));
    const data = new Uint8Array(8);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    assertThrows(() => guard.writeBuffer(buffer, 0, data), DeviceError, "detached");
    assertThrows(() => guard.writeBuffer(buffer, 12, new Uint8Array(8)), DeviceError, "range inside it");
    assertThrows(() => guard.writeBuffer(buffer, -4, new Uint8Array(4)), DeviceError);
    assertThrows(() => guard.writeBuffer(buffer, 0, new Uint8Array(3)), DeviceError);
    assertThrows(() => guard.writeBuffer(buffer, 2, new Uint8Array(4)), DeviceError);
    assertThrows(() => guard.writeBuffer(buffer, NaN, new Uint8Array(4)), DeviceError);
    assertEquals(await content(guard, buffer), [1, 2, 0, 0]);
    guard.destroy();
  },
);

gpuTest("Guard maps a buffer in the ordinary way the first time even when a fast read is asked for", async () => {
  const guard = await openGuard();
  const buffer = guard.createBuffer(4, "storage");
  guard.writeBuffer(buffer, 0, Uint8Array.of(7, 0, 0, 0));
  assertEquals(await content(guard, buffer, true), [7]);
  guard.destroy();
});

gpuTest("Guard reports WGSL that does not compile with its label, and refuses everything after", async () => {
  const guard = await openGuard();
  guard.createPipeline("broken kernel", "fn main() { let x = ; }", "w", false);
  await assertRejects(() => guard.settled(), DeviceError, "Cannot compile broken kernel");
  assertThrows(() => guard.createBuffer(4, "storage"), DeviceError, "broken kernel");
});

gpuTest("Guard poisons the device when an error reaches no scope", async () => {
  const guard = await openGuard();
  const uniform = guard.createBuffer(256, "uniform");
  guard.createBindGroup("test", "r", [{ buffer: uniform }]);
  await content(guard, guard.createBuffer(4, "storage")).catch(() => {});
  assertThrows(() => guard.check(), DeviceError, "got an error");
});

gpuTest("Guard refuses more workgroup memory than the adapter has, which nothing else checks", async () => {
  const guard = await openGuard();
  const words = guard.limits.maxComputeWorkgroupStorageSize / 4 + 1;
  const source = `var<workgroup> big: array<f32, ${words}>;\n@compute @workgroup_size(1) fn main() { big[0] = 1f; }`;
  assertThrows(() => guard.createPipeline("greedy", source, "", false), DeviceError, "workgroup memory");
  guard.destroy();
});

Deno.test("workgroupMemory adds up arrays of scalars and vectors, nested arrays and single variables", () => {
  const source = `var<workgroup> a: array<f32, 64>; var<workgroup> b: array<vec4<f32>, 8u>;
var<workgroup> c: array<array<f32, 16>, 4>; var<workgroup> d: atomic<u32>; var<workgroup> e: array<vec3<f32>, 2>;
var<storage> no: array<f32, 99>;`;
  assertEquals(workgroupMemory(source), 256 + 128 + 256 + 4 + 32);
});

gpuTest("Guard refuses more storage buffers than the adapter binds", async () => {
  const guard = await openGuard();
  const access = "r".repeat(guard.limits.maxStorageBuffersPerShaderStage + 1);
  assertThrows(() => guard.createPipeline("wide", "", access, false), DeviceError, "storage buffers");
  guard.destroy();
});

gpuTest("Guard refuses one buffer that is read and written in one dispatch, and destroyed buffers", async () => {
  const guard = await openGuard();
  const buffer = guard.createBuffer(16, "storage");
  assertThrows(() => guard.createBindGroup("alias", "rw", [{ buffer }, { buffer }]), DeviceError, "bound once");
  guard.createBindGroup("alias", "rr", [{ buffer }, { buffer }]);
  guard.destroyBuffer(buffer);
  guard.destroyBuffer(buffer);
  assertThrows(() => guard.createBindGroup("gone", "r", [{ buffer }]), DeviceError, "destroyed");
  assertThrows(() => guard.writeBuffer(buffer, 0, new Uint8Array(4)), DeviceError, "destroyed");
  guard.destroy();
});

gpuTest("Guard refuses dispatches beyond the workgroup limit and runs those within it", async () => {
  const guard = await openGuard();
  const [x, y] = [guard.createBuffer(16, "storage"), guard.createBuffer(16, "storage")];
  guard.writeBuffer(x, 0, new Uint8Array(Uint32Array.of(1, 2, 3, 4).buffer));
  const pipeline = guard.createPipeline("double", double, "rw", false);
  const group = guard.createBindGroup("double", "rw", [{ buffer: x }, { buffer: y }]);
  const recorder = guard.record();
  assertThrows(() => recorder.dispatch(pipeline, group, undefined, [guard.limits.maxComputeWorkgroupsPerDimension + 1, 1, 1]), DeviceError);
  assertThrows(() => recorder.dispatch(pipeline, group, undefined, [0, 1, 1]), DeviceError);
  recorder.dispatch(pipeline, group, undefined, [4, 1, 1]);
  guard.submit(recorder);
  assertEquals(await content(guard, y), [2, 4, 6, 8]);
  guard.destroy();
});

gpuTest("Guard refuses buffers beyond the adapter's limits", async () => {
  const guard = await openGuard();
  const limit = Math.floor(guard.limits.maxStorageBufferBindingSize / 4) * 4;
  assertThrows(() => guard.createBuffer(limit + 4, "storage"), OutOfMemoryError);
  assertThrows(() => guard.createBuffer(0, "storage"), OutOfMemoryError);
  guard.destroy();
});

gpuTest("Guard refuses reads and writes on a destroyed device, which WebGPU answers with silence or zeros", async () => {
  const guard = await openGuard();
  const buffer = guard.createBuffer(4, "storage");
  const reading = content(guard, buffer);
  guard.destroy();
  await assertRejects(() => reading, DeviceError, "destroyed");
  assertThrows(() => guard.writeBuffer(buffer, 0, new Uint8Array(4)), DeviceError, "destroyed");
});

gpuTest("Guard notices a device that is lost behind its back", async () => {
  const device = await openDevice((await findAdapter({}))!);
  const guard = new Guard(device);
  const buffer = guard.createBuffer(4, "storage");
  const reading = content(guard, buffer);
  device.destroy();
  await assertRejects(() => reading, DeviceError, "lost");
  assertThrows(() => guard.check(), DeviceError, "lost");
});
