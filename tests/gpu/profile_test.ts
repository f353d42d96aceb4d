import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createGpuBackend, GpuBackend } from "../../gpu/mod.ts";
import { ArgumentError, DeviceError, IndexError, profile, randn, registerDevice, scope, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";

const ignore = ignoreWebgpu;
const device = "webgpu";

Deno.test({
  name: "profile times each kernel by the device's clock, in a table and as a trace",
  ignore,
  async fn() {
    using _ = scope();
    const x = randn([256, 256], { device });
    let y = x;
    const times = await profile(() => {
      for (let i = 0; i < 3; i++) y = x.matmul(y).relu();
      return y.sum().item();
    }, { device });
    assertEquals(times.runs.filter(({ kind }) => kind === "matmul").length >= 3, true);
    assert(times.runs.every(({ start, duration }) => start >= 0 && duration >= 0));
    assert(times.total > 0);
    const kernels = times.kernels();
    const product = kernels.find(({ kind }) => kind === "matmul")!;
    assertEquals([product.calls % 3, product.label], [0, "matmul 256×256 256×256 → [256, 256]"]);
    assert(product.total > 0 && product.mean <= product.total);
    assert(Math.abs(kernels.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9);
    assertEquals(kernels.map(({ total }) => total), kernels.map(({ total }) => total).toSorted((a, b) => b - a));
    assert(`${times}`.includes(product.label));
    const { traceEvents } = JSON.parse(times.chromeTrace());
    assertEquals(traceEvents.length, times.runs.length + 2);
    const event = traceEvents[2];
    assertEquals([event.name, event.cat, event.ph], [times.runs[0]!.label, times.runs[0]!.kind, "X"]);
    assertEquals(event.dur, times.runs[0]!.duration * 1000);
  },
});

Deno.test({
  name: "profile keeps values right over many batches, and leaves the device as it was",
  ignore,
  async fn() {
    using _ = scope();
    const one = tensor([1], { device });
    let sum = tensor([0], { device });
    const times = await profile(async () => {
      for (let i = 0; i < 700; i++) sum = sum.add(one);
      assertEquals(await sum.item(), 700);
      for (let i = 0; i < 300; i++) sum = sum.add(one);
    }, { device });
    assertEquals(times.kernels().map(({ calls, label }) => [calls, label]), [[1000, "map add → [1]"]]);
    assertEquals(await sum.add(one).item(), 1001);
    assertEquals((await profile(() => {}, { device })).runs, []);
  },
});

Deno.test({
  name: "profile refuses a second one at the same time, and ends when its body throws",
  ignore,
  async fn() {
    await profile(() => assertRejects(() => profile(() => {}, { device }), ArgumentError, "one profile at a time"), { device });
    await assertRejects(() => profile(() => Promise.reject(new RangeError("mine")), { device }), RangeError, "mine");
    using _ = scope();
    const wrong = tensor([7], { device, dtype: "int32" });
    await assertRejects(() => profile(() => void tensor([1, 2], { device }).gather(0, wrong), { device }), IndexError);
    assertEquals((await profile(() => void tensor([1], { device }).neg(), { device })).runs.length, 1);
  },
});

Deno.test({
  name: "profile throws a DeviceError for an adapter without timestamps",
  ignore,
  async fn() {
    const plain = await (await navigator.gpu.requestAdapter())!.requestDevice();
    const backend = new GpuBackend(plain, { description: "an adapter without a clock" });
    registerDevice("clockless", backend);
    await assertRejects(() => profile(() => {}, { device: "clockless" }), DeviceError, "timestamp-query");
    backend.destroy();
    const gone = await createGpuBackend();
    gone.destroy();
    assertThrows(() => gone.startProfile(), DeviceError, "destroyed");
  },
});

Deno.test("profile throws a DeviceError for a device without a clock for its kernels", async () => {
  await assertRejects(() => profile(() => {}, { device: "cpu" }), DeviceError, "Cannot profile on cpu");
});
