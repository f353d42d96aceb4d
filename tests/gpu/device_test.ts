import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createGpuBackend, probeAdapter } from "../../gpu/mod.ts";
import { ArgumentError, DeviceError } from "../../tensor/errors.ts";
import { ignoreWithout } from "../permissions.ts";
import { gpuTest } from "./families.ts";

Deno.test("probeAdapter says what the adapter is, or why there is none", async () => {
  const report = await probeAdapter();
  assertEquals(report.reason === "", report.hardware);
  if (!report.available) console.warn(`Tests on WebGPU are skipped: ${report.reason}`);
});

gpuTest("createGpuBackend opens a device that passes its test", async () => {
  const backend = await createGpuBackend();
  assertEquals(backend.device, "webgpu");
  assertEquals(backend.description, (await probeAdapter()).description);
  assert(backend.supports("float32") && backend.supports("bool") && !backend.supports("float64"));
  backend.destroy();
});

Deno.test("createGpuBackend refuses a memory budget that is no number of bytes", async () => {
  for (const memoryBudget of [0, -1, NaN]) await assertRejects(() => createGpuBackend({ memoryBudget }), ArgumentError);
});

gpuTest("createGpuBackend with fastRead reads the same without the wait, over and over", async () => {
  const backend = await createGpuBackend({ fastRead: true });
  const storage = backend.alloc(4096);
  for (let round = 0; round < 50; round++) {
    const data = Uint32Array.from({ length: 1024 }, (_, i) => i * 31 + round);
    backend.write(storage, 0, data);
    const [bytes] = await backend.read([{ storage, byteOffset: 0, byteLength: 4096 }]);
    assertEquals(new Uint32Array(bytes!), data);
  }
  backend.destroy();
});

Deno.test({
  name: "createGpuBackend names the reason where no adapter answers",
  ignore: ignoreWithout("run", "env", "read"),
  fn: async () => {
    const url = new URL("../../gpu/mod.ts", import.meta.url);
    const code = `import { createGpuBackend, probeAdapter } from "${url}";
console.log(JSON.stringify(await probeAdapter()));
await createGpuBackend().catch((error) => console.log(error.name, error.message));`;
    for (const name of ["", "none"]) {
      const env = { DENO_WEBGPU_BACKEND: name };
      const command = new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", code], env });
      const output = new TextDecoder().decode((await command.output()).stdout);
      assertStringIncludes(output, '"available":false');
      assertStringIncludes(output, "DeviceError Cannot create a webgpu device");
      assertStringIncludes(output, "DENO_WEBGPU_BACKEND");
    }
  },
});

gpuTest("createGpuBackend does without float16 where that is all an adapter gets wrong", async () => {
  const { createShaderModule } = GPUDevice.prototype;
  // Float16 that does not compile stands for every way in which it may fail.
  GPUDevice.prototype.createShaderModule = function (descriptor: GPUShaderModuleDescriptor): GPUShaderModule {
    const code = descriptor.code.includes("enable f16") ? "broken" : descriptor.code;
    return createShaderModule.call(this, { ...descriptor, code });
  };
  try {
    const backend = await createGpuBackend();
    assertEquals(backend.supports("float16"), false);
    const storage = backend.alloc(4);
    backend.write(storage, 0, Float32Array.of(3));
    const [bytes] = await backend.read([{ storage, byteOffset: 0, byteLength: 4 }]);
    assertEquals(new Float32Array(bytes!), Float32Array.of(3));
    backend.destroy();
    GPUDevice.prototype.createShaderModule = function (descriptor: GPUShaderModuleDescriptor): GPUShaderModule {
      return createShaderModule.call(this, { ...descriptor, code: "broken" });
    };
    await assertRejects(() => createGpuBackend(), DeviceError, "Cannot compile device test");
  } finally {
    GPUDevice.prototype.createShaderModule = createShaderModule;
  }
});

gpuTest("createGpuBackend takes plainer kernels where an adapter fails on those for hardware, unless told", async () => {
  const { createShaderModule } = GPUDevice.prototype;
  const isFallback = Object.getOwnPropertyDescriptor(GPUAdapterInfo.prototype, "isFallbackAdapter")!;
  const stub = (replace: (code: string) => string) => {
    GPUDevice.prototype.createShaderModule = function (descriptor: GPUShaderModuleDescriptor): GPUShaderModule {
      return createShaderModule.call(this, { ...descriptor, code: replace(descriptor.code) });
    };
  };
  Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { ...isFallback, get: () => false });
  try {
    const right = await createGpuBackend();
    assertEquals(right.limits.software, false);
    // Tiles that do not compile, and tiles that compute something else.
    for (
      const replace of [
        (code: string) => code.includes("left_tile") ? "broken" : code,
        (code: string) => code.replace("+= left_0[1]", "-= left_0[1]"),
      ]
    ) {
      stub(replace);
      const plain = await createGpuBackend();
      assertEquals(plain.limits.software, true);
      await assertRejects(() => createGpuBackend({ kernelsFor: "hardware" }), DeviceError);
      plain.destroy();
    }
    right.destroy();
  } finally {
    GPUDevice.prototype.createShaderModule = createShaderModule;
    Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", isFallback);
  }
});
