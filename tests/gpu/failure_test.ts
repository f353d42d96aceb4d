import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { testDevice } from "../../gpu/canary.ts";
import { findAdapter, openDevice } from "../../gpu/guard.ts";
import { GpuBackend } from "../../gpu/mod.ts";
import { sizeClass } from "../../gpu/pool.ts";
import { DeviceError, OutOfMemoryError } from "../../tensor/errors.ts";
import { apply, expression, input } from "../../tensor/expr.ts";
import type { MapKernel, ReadRange, Storage, View } from "../../tensor/kernel.ts";
import { reference } from "../cpu/compare.ts";
import { gpu, gpuTest, whole } from "./families.ts";

const description = "a device with faults";

async function device(): Promise<GPUDevice> {
  return await openDevice((await findAdapter({}))!);
}

/** A device that has no memory for the next buffer where `next` says so, and reports it as a real one does: late, with a buffer of no use. */
function failing(real: GPUDevice, next: { error: string | undefined }): GPUDevice {
  let pops = 0;
  const replaced: Record<string, unknown> = {
    createBuffer(descriptor: GPUBufferDescriptor) {
      if (next.error === undefined) return real.createBuffer(descriptor);
      pops = 1;
      real.pushErrorScope("validation");
      const invalid = real.createBuffer({ ...descriptor, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
      real.popErrorScope();
      return invalid;
    },
    async popErrorScope() {
      const message = pops-- === 1 ? next.error : undefined;
      if (message !== undefined) next.error = undefined;
      return await real.popErrorScope() ?? (message === undefined ? null : { message });
    },
  };
  return new Proxy(real, {
    get(target, name) {
      const value: unknown = replaced[String(name)] ?? Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function view(storage: Storage): View {
  return { storage, dtype: "float32", shape: [storage.bytes / 4], strides: [1], offset: 0 };
}

function range(storage: Storage): ReadRange {
  return { storage, byteOffset: 0, byteLength: storage.bytes };
}

const x = input(0, "float32");
const sum = expression([apply("add", x, input(1, "float32"))]);
const add: MapKernel = { kind: "map", key: "add", expr: sum };

gpuTest("GpuBackend throws an OutOfMemoryError for all that an allocation that failed has touched, and for nothing else", async () => {
  const next: { error: string | undefined } = { error: undefined };
  const backend = new GpuBackend(failing(await device(), next), { description });
  const healthy = backend.alloc(4);
  backend.write(healthy, 0, Float32Array.of(1));
  await backend.settled();
  next.error = "Not enough memory left";
  const missing = backend.alloc(4);
  const derived = backend.alloc(4);
  backend.run(add, [view(healthy), view(healthy)], [view(missing)], []);
  backend.run(add, [view(missing), view(missing)], [view(derived)], []);
  await assertRejects(() => backend.read([range(healthy)]), OutOfMemoryError, "Not enough memory left");
  assertEquals(new Float32Array((await backend.read([range(healthy)]))[0]!)[0], 1);
  for (const storage of [missing, derived, derived]) {
    await assertRejects(() => backend.read([range(storage)]), OutOfMemoryError);
  }
  assertThrows(() => backend.run(add, [view(derived), view(healthy)], [view(backend.alloc(4))], []), OutOfMemoryError);
  assertThrows(() => backend.run(add, [view(healthy), view(healthy)], [view(missing)], []), OutOfMemoryError);
  assertThrows(() => backend.write(missing, 0, Float32Array.of(1)), OutOfMemoryError);
  for (const storage of [missing, derived]) backend.free(storage);
  const later = backend.alloc(4);
  backend.run(add, [view(healthy), view(healthy)], [view(later)], []);
  const [bytes] = await backend.read([range(later)]);
  assertEquals(new Float32Array(bytes!)[0], 2);
  backend.destroy();
});

gpuTest("testDevice refuses a device that computes something else, and says what", async () => {
  class Wrong extends GpuBackend {
    word = 0;
    override async read(ranges: readonly ReadRange[]): Promise<ArrayBuffer[]> {
      const buffers = await super.read(ranges);
      new Uint32Array(buffers[0]!)[this.word]! += 1;
      return buffers;
    }
  }
  const backend = new Wrong(await device(), { description });
  for (const [word, what] of ["a loop count of 32768", "barrier", "NaN", "Infinity", "maximum", "negated comparison"].entries()) {
    backend.word = word;
    await assertRejects(() => testDevice(backend), DeviceError, what);
  }
  backend.word = 15;
  await testDevice(backend);
  backend.destroy();
});

gpuTest("GpuBackend agrees with the CPU over random sequences of writes, kernels, frees and reads", async () => {
  const backends = [gpu(), reference];
  const size = 8;
  const live: Storage[][] = [];
  const take = () => backends.map((backend) => backend.alloc(size * 4));
  const write = (storages: readonly Storage[], offset: number, data: Float32Array) =>
    backends.forEach((backend, i) => backend.write(storages[i]!, offset * 4, data));
  const compare = async (storages: readonly Storage[]) => {
    const [actual, expected] = await Promise.all(backends.map((backend, i) => backend.read([range(storages[i]!)])));
    assertEquals([...new Float32Array(actual![0]!)], [...new Float32Array(expected![0]!)]);
  };
  for (let step = 0; step < 1500; step++) {
    const choice = live.length < 3 ? 0 : whole(12);
    const some = () => live[whole(live.length)]!;
    if (choice < 2 || live.length > 20) {
      const storages = live.length > 20 ? live.splice(whole(live.length), 1)[0]! : take();
      if (live.length >= 20) backends.forEach((backend, i) => backend.free(storages[i]!));
      else {
        write(storages, 0, Float32Array.from({ length: size }, () => whole(100)));
        live.push(storages);
      }
    } else if (choice < 4) {
      const offset = whole(size);
      write(some(), offset, Float32Array.from({ length: 1 + whole(size - offset) }, () => whole(100)));
    } else if (choice < 9) {
      const [a, b] = [some(), some()];
      const out = choice < 6 ? a : take();
      backends.forEach((backend, i) => backend.run(add, [view(a[i]!), view(b[i]!)], [view(out[i]!)], []));
      if (out !== a) live.push(out);
    } else if (choice < 11) {
      const storages = live.splice(whole(live.length), 1)[0]!;
      backends.forEach((backend, i) => backend.free(storages[i]!));
    } else if (step % 5 === 0) await compare(some());
  }
  for (const storages of live) await compare(storages);
});

Deno.test("sizeClass rounds up by at most a quarter, to words of 4 bytes, and is its own class", () => {
  for (let bytes = 1; bytes < 1e9; bytes = Math.ceil(bytes * 1.07)) {
    const size = sizeClass(bytes);
    assert(size >= bytes && size % 4 === 0 && (size <= 256 || size <= bytes * 1.25), `${bytes} gives ${size}`);
    assertEquals(sizeClass(size), size);
  }
});
