import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  currentScope,
  defaultDevice,
  DeviceError,
  DisposedError,
  getDevice,
  hasDevice,
  init,
  keep,
  memory,
  ones,
  read,
  scope,
  ShapeError,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from "../../tensor/mod.ts";
import { ignoreWebgpu, reference } from "../devices.ts";

// A backend keeps small tables of its own from the first kernels on.
{
  using _ = scope();
  ones([2]).add(1);
}

Deno.test("scope() frees what was made inside, and hands on what it keeps", async () => {
  const before = memory();
  let inner: Tensor;
  let outer: Tensor;
  {
    using first = scope();
    outer = ones([100]);
    {
      using second = scope();
      inner = second.keep(ones([3]).add(1));
      ones([1000]);
      assertEquals(second.size, 2);
    }
    assertFalse(inner.isDisposed);
    assertEquals(await inner.toArray(), [2, 2, 2]);
    assertEquals(first.size, 2);
  }
  assert(inner.isDisposed && outer.isDisposed);
  assertEquals(memory().tensors, before.tensors);
  assertEquals(memory().bytes, before.bytes);
  assertEquals(currentScope(), undefined);
});

Deno.test("scope() works across await, also when scopes close out of order", async () => {
  const made: Tensor[] = [];
  const work = async (turns: number) => {
    using _ = scope();
    const x = ones([2]);
    made.push(x);
    for (let i = 0; i < turns; i++) await x.data();
    assertEquals(await x.sum().item(), 2);
  };
  await Promise.all([work(1), work(5), work(2)]);
  assert(made.every(({ isDisposed }) => isDisposed));
  assertEquals(currentScope(), undefined);
});

Deno.test("scope() frees when its block throws", () => {
  let x: Tensor | undefined;
  assertThrows(() => {
    using _ = scope();
    x = ones([2]);
    throw new RangeError("inside");
  }, RangeError);
  assert(x!.isDisposed);
});

Deno.test("keep() takes a tensor out of every scope", async () => {
  let x: Tensor;
  {
    using _outer = scope();
    using _inner = scope();
    x = keep(ones([2]));
  }
  assertEquals(await x.toArray(), [1, 1]);
  x.dispose();
});

Deno.test("tidy() frees intermediates and returns lists", () => {
  using _ = scope();
  const before = memory().tensors;
  const [a, b] = tidy(() => [ones([2]).add(1).mul(2), ones([3]).neg()]);
  assertEquals(memory().tensors, before + 2);
  assertFalse(a!.isDisposed || b!.isDisposed);
});

Deno.test("dispose() frees once; views keep their memory", async () => {
  const before = memory();
  const x = tensor([1, 2, 3]);
  const view = x.slice(0, { start: 1 });
  x.dispose();
  x.dispose();
  assertEquals(await view.toArray(), [2, 3]);
  view[Symbol.dispose]();
  assertEquals(memory().bytes, before.bytes);
  {
    using y = ones([4]);
    assertFalse(y.isDisposed);
  }
  assertEquals(memory().bytes, before.bytes);
});

Deno.test("DisposedError names the operation, what freed the tensor and the remedy", async () => {
  const x = ones([2, 3]);
  x.dispose();
  assertThrows(() => x.add(1), DisposedError, "Cannot add a float32 tensor of shape [2, 3]: it was freed by dispose();");
  let inner: Tensor;
  {
    using _ = scope();
    inner = ones([2]);
  }
  assertThrows(() => inner.add(1), DisposedError, "it was freed by the end of a scope; save it with keep(t)");
  const w = ones([1], { requiresGrad: true });
  w.square().backward();
  const gradient = w.grad!;
  w.grad = null;
  assertThrows(() => gradient.add(1), DisposedError, "it was freed by zeroGrad() or another value of grad");
  w.dispose();
  assertThrows(() => ones([2, 3]).mul(x), DisposedError, "keep(t)");
  assertThrows(() => x.reshape([6]), DisposedError, "Cannot reshape");
  assertThrows(() => x.detach(), DisposedError, "Cannot detach");
  assertThrows(() => x.backward(), DisposedError, "Cannot backward");
  await assertRejects(() => x.data(), DisposedError, "Cannot read");
  assertEquals(x.toString(), "Tensor float32 [2, 3] cpu (freed)");
});

Deno.test("operations that throw leave no memory behind", () => {
  using _ = scope();
  const [a, b] = [ones([2, 3]), ones([4])];
  const index = tensor([7], { dtype: "int32" });
  const before = memory();
  assertThrows(() => a.add(b), ShapeError);
  assertThrows(() => b.gather(0, index), RangeError);
  assertThrows(() => tidy(() => a.exp().matmul(b)), ShapeError);
  assertEquals(memory(), before);
});

Deno.test("read() waits once for tensors of several devices, shapes and types", async () => {
  using _ = scope();
  const [a, b, c, d] = await read(
    ones([2]),
    tensor([1, 2, 3, 4], { device: reference }).reshape([2, 2]).mT,
    tensor([true, false]),
    zeros([0, 3]),
  );
  assertEquals([...a!, ...b!], [1, 1, 1, 3, 2, 4]);
  assert(c instanceof Uint8Array);
  assertEquals([[...c], d!.length], [[1, 0], 0]);
  assertEquals(await read(), []);
  await assertRejects(() => ones([2]).item(), ShapeError, "Cannot item [2]: exactly one element is needed, got 2");
});

for (const device of [reference, "webgpu"]) {
  Deno.test({
    name: `toDevice() copies to ${device} and back, views and requiresGrad included`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const x = tensor([[1, 2, 3], [4, 5, 6]], { requiresGrad: true });
      const there = await x.mT.flip(0).toDevice(device);
      assertEquals([there.device, there.shape], [device, [3, 2]]);
      assertEquals(await there.toArray(), [[3, 6], [2, 5], [1, 4]]);
      assert((await x.toDevice(device)).requiresGrad);
      assertStrictEquals(await there.toDevice(device), there);
      const back = await there.mul(2).toDevice("cpu");
      assertEquals([back.device, await back.sum().item()], ["cpu", 42]);
      const truth = await tensor([true, false]).toDevice(device);
      assertEquals(await truth.logicalNot().toArray(), [0, 1]);
      assertThrows(() => there.add(back), DeviceError, `tensors on one device are needed, got ${device} and cpu`);
    },
  });
}

Deno.test("getDevice() refuses names that are not ready, and init() says what it chose", async () => {
  assertThrows(() => getDevice("quantum"), DeviceError, 'Cannot use device "quantum": one of cpu');
  assertThrows(() => ones([1], { device: "quantum" }), DeviceError, "quantum");
  assert(hasDevice("cpu") && !hasDevice("quantum"));
  const { device, reason } = await init({ device: "cpu" });
  assertEquals([device, defaultDevice()], ["cpu", "cpu"]);
  assert(reason.startsWith("cpu: "), reason);
  await assertRejects(() => init({ device: "tpu" as "cpu" }), DeviceError, 'device "auto", "cpu" or "webgpu" is needed, got "tpu"');
});

/** The engine's own collector, where it lets itself be called. */
function collector(): (() => void) | undefined {
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc") as () => void;
  } catch {
    return undefined;
  }
}

Deno.test("memory that nobody freed comes back when the tensors are collected", async () => {
  const collect = collector();
  if (collect === undefined) return;
  const before = memory().bytes;
  const forget = () => {
    for (let i = 0; i < 200; i++) ones([1000]).add(1);
  };
  forget();
  const held = memory().bytes - before;
  assert(held > 0);
  for (let turn = 0; turn < 20 && memory().bytes - before > held / 10; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert(memory().bytes - before <= held / 10, `${memory().bytes - before} of ${held} bytes are still held`);
});

Deno.test("a loop without scopes asks for a collection by itself, so that its memory stays near the threshold", async () => {
  if (collector() === undefined) return;
  const x = ones([2_500_000]);
  const before = memory().bytes;
  const warn = console.warn;
  console.warn = () => {}; // it says once per process that scope() is missing
  let most = 0;
  try {
    // 2 GB in all, and too few objects for the engine to collect of its own accord; finalizers run where the loop waits.
    for (let step = 0; step < 200; step++) {
      await x.add(1).select(0, 0).item();
      most = Math.max(most, memory().bytes - before);
    }
  } finally {
    console.warn = warn;
    x.dispose();
  }
  assert(most < 600e6, `${most} bytes were held at once`);
});
