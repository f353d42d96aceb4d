import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createGpuBackend, GpuBackend } from "../../gpu/mod.ts";
import { productClass } from "../../gpu/wgsl/product/choice.ts";
import { ArgumentError, DeviceError } from "../../tensor/errors.ts";
import { compile, conv2d, type KernelChoices, randn, read, registerDevice, scope, tune, useTuning } from "../../tensor/mod.ts";
import { gpu, gpuTest } from "./families.ts";

const device = "tuned webgpu";

async function fresh(): Promise<GpuBackend> {
  const backend = await createGpuBackend();
  registerDevice(device, backend);
  return backend;
}

gpuTest("tune chooses a tile for every class of products that ran, and JSON keeps the choices", async () => {
  const backend = await fresh();
  using _ = scope();
  const [a, b, images, weight] = [[40, 96], [96, 72], [2, 8, 16, 16], [12, 8, 3, 3]].map((shape) => randn(shape, { device }));
  const step = compile((x: typeof a) => x!.matmul(b!));
  const before = await read(step(a!), a!.matmul(b!));
  await read(conv2d(images!, weight!));
  const { pipelines } = backend.stats();
  const choices = await tune(() => [step(a!), conv2d(images!, weight!)], { device, seconds: 30 });
  assertEquals(Object.keys(choices.choices).length, 2);
  assertEquals(backend.stats().pipelines, pipelines); // trials compile elsewhere
  const after = await read(step(a!), a!.matmul(b!));
  for (const [at, values] of before.entries()) {
    assert([...values].every((value, i) => Math.abs(value - after[at]![i]!) <= 1e-4));
  }
  const other = await fresh();
  assert(useTuning(JSON.parse(JSON.stringify(choices)), { device }));
  assertEquals(JSON.stringify(await tune(() => {}, { device })), JSON.stringify(choices));
  [backend, other].forEach((one) => one.destroy());
});

gpuTest("a choice is used by what runs next, in a prepared kernel as well", async () => {
  const backend = await fresh();
  using _ = scope();
  const [a, b] = [randn([64, 64], { device }), randn([64, 64], { device })];
  const step = compile((x: typeof a) => x.matmul(b));
  const [before] = await read(step(a));
  await read(step(a));
  const { pipelines } = backend.stats();
  const size = { family: "matmul", dtype: "float32" as const, batch: 1, rows: 64, columns: 64, depth: 64, layout: "dv" };
  const tile = { threads: [4, 16], results: [4, 4], strip: 8, unroll: 2, shared: true };
  const { adapter } = await tune(() => {}, { device });
  assert(useTuning({ adapter, choices: { [productClass(size)]: tile } }, { device }));
  const [after] = await read(step(a));
  assertEquals(backend.stats().pipelines, pipelines + 1);
  assert([...before!].every((value, i) => Math.abs(value - after![i]!) <= 1e-4));
  backend.destroy();
});

gpuTest("useTuning takes no other adapter's choices and refuses what is none", async () => {
  const backend = await fresh();
  assertEquals(useTuning({ adapter: "another", choices: {} }, { device }), false);
  const { adapter } = await tune(() => {}, { device });
  assertNotEquals(adapter, "");
  for (const wrong of [null, 3, {}, { adapter }, { adapter, choices: { matmul: { threads: [16, 16] } } }]) {
    assertThrows(() => useTuning(wrong as unknown as KernelChoices, { device }), ArgumentError, "Cannot use a tuning");
  }
  backend.destroy();
});

gpuTest("tune refuses a second one at the same time, no time, and a device opened by hand; it ends when its body throws", async () => {
  const backend = await fresh();
  await tune(() => assertRejects(() => tune(() => {}, { device }), ArgumentError, "one tuning at a time"), { device });
  await assertRejects(() => tune(() => {}, { device, seconds: 0 }), ArgumentError, "more than 0 seconds");
  await assertRejects(() => tune(() => Promise.reject(new RangeError("mine")), { device }), RangeError, "mine");
  assertEquals((await tune(() => {}, { device })).choices, {});
  backend.destroy();
  const plain = await (await navigator.gpu.requestAdapter())!.requestDevice();
  const alone = new GpuBackend(plain, { description: "an adapter without a twin" });
  registerDevice(device, alone);
  await assertRejects(() => tune(() => {}, { device }), DeviceError, "createGpuBackend");
  alone.destroy();
});

gpuTest("a trial that fails harms neither the device nor the default", async () => {
  const limits = gpu().limits;
  const plain = await (await navigator.gpu.requestAdapter())!.requestDevice();
  let opened = 0;
  const openTwin = async () => {
    const twin = await createGpuBackend();
    // The second tile that is tried meets a dead device.
    if (opened++ === 0) {
      const run = twin.runPlan.bind(twin);
      let products = 0;
      twin.runPlan = (plan, ...rest) => {
        if (plan.dispatches[0]!.label.startsWith("matmul") && ++products > 7) twin.destroy();
        run(plan, ...rest);
      };
    }
    return twin;
  };
  const backend = new GpuBackend(plain, { description: "an adapter with a weak twin", software: limits.software, openTwin });
  registerDevice(device, backend);
  using _ = scope();
  const a = randn([64, 64], { device });
  const choices = await tune(() => a.matmul(a), { device });
  assertEquals(Object.keys(choices.choices).length, 1);
  assert(opened >= 2);
  assert(Number.isFinite((await a.matmul(a).data())[0]!));
  backend.destroy();
});

Deno.test("tune on the CPU runs its body and has nothing to choose", async () => {
  let ran = 0;
  const choices = await tune(() => ran++, { device: "cpu" });
  assertEquals([ran, choices], [1, { adapter: "", choices: {} }]);
  assertEquals(useTuning(choices, { device: "cpu" }), false);
});
