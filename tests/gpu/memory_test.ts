import { assert, assertAlmostEquals } from "@std/assert";
import { createGpuBackend } from "../../gpu/mod.ts";
import { eSupCon, ntXent, supCon } from "../../losses/mod.ts";
import { arange, randn, read, registerDevice, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { gpuTest } from "./families.ts";

/** Enough rows that their pairs are streamed. */
const [rows, width, classes] = [2304, 32, 10];
const allPairs = 4 * rows * rows;

const losses: Readonly<Record<string, (z: Tensor, labels: Tensor, prototypes: Tensor) => Tensor>> = {
  supCon: (z, labels) => supCon(z, labels),
  ntXent: (z) => ntXent(z.narrow(0, { start: 0, length: rows / 2 }), z.narrow(0, { start: rows / 2, length: rows / 2 })),
  eSupCon: (z, labels, prototypes) => eSupCon(z, labels, { prototypes }),
};

for (const [name, loss] of Object.entries(losses)) {
  gpuTest(`${name} forward and backward never holds a matrix of all pairs, and equals the CPU`, async () => {
    const device = "small webgpu";
    // One such matrix would pass the budget.
    const backend = await createGpuBackend({ memoryBudget: allPairs / 2 });
    registerDevice(device, backend);
    using _ = scope();
    const start = [randn([rows, width]), randn([classes, width])];
    const values = await read(...start);
    const results = await Promise.all(["cpu", device].map(async (on) => {
      const [z, prototypes] = start.map(({ shape }, at) => tensor(values[at]!, { shape, device: on }).requiresGrad_());
      const y = loss(z!, arange(rows, { dtype: "int32", device: on }).remainder(classes), prototypes!);
      y.backward();
      return await read(y, z!.grad!);
    }));
    const [[expected, expectedGradient], [got, gradient]] = results as [[Float32Array, Float32Array], [Float32Array, Float32Array]];
    assertAlmostEquals(got[0]!, expected[0]!, 1e-4);
    const scale = expectedGradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert(gradient.every((value, at) => Math.abs(value - expectedGradient[at]!) <= 1e-4 * scale));
    // Temporaries of kernels do not count against the budget: together with what waits for reuse they hold less as well.
    const { bytes, pooledBytes } = backend.memory();
    assert(bytes + pooledBytes < allPairs, `${bytes + pooledBytes} bytes are held`);
    backend.destroy();
  });
}
