import { assert, assertEquals } from "@std/assert";
import type { GpuBackend } from "../../gpu/mod.ts";
import { crossEntropy } from "../../losses/mod.ts";
import { BatchNorm1d, Dropout, Linear, ReLU, Sequential } from "../../nn/mod.ts";
import { Adam, SGD } from "../../optim/mod.ts";
import { compile, getDevice, manualSeed, memory, scope, setDefaultDevice, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";
import { missingPermissions } from "../permissions.ts";

/** Steps to watch; 1,000 where TANDEM_STEPS asks for them. */
const steps = missingPermissions(["env"]).length === 0 ? Number(Deno.env.get("TANDEM_STEPS") ?? 60) : 60;
const warmUp = 10;

const classes = 5;
const width = 12;
const count = 24;

/** Watches `step` and demands that it leaves nothing behind: no tensor, no byte, no pipeline, no buffer, no bind group. */
async function assertSteady(step: (x: Tensor, labels: Tensor) => Tensor, submitsPerStep: number): Promise<void> {
  const backend = getDevice("webgpu").backend as GpuBackend;
  const once = async (at: number): Promise<number> => {
    using _ = scope();
    const x = tensor(Float32Array.from({ length: count * width }, (_, i) => Math.sin(at + i * 1.7)), { shape: [count, width] });
    const labels = tensor(Int32Array.from({ length: count }, (_, i) => (i + at) % classes));
    return await step(x, labels).item();
  };
  for (let at = 0; at < warmUp; at++) await once(at);
  const [held, made] = [memory(), backend.stats()];
  for (let at = 0; at < steps; at++) {
    assert(Number.isFinite(await once(warmUp + at)));
    assertEquals(memory(), held, `step ${at}`);
  }
  const { submits, dispatches, ...rest } = backend.stats();
  assertEquals({ ...rest, submits: made.submits, dispatches: made.dispatches }, made);
  assert((submits - made.submits) / steps <= submitsPerStep, `${(submits - made.submits) / steps} submits a step`);
  assert(dispatches > made.dispatches);
}

/** Runs a body with new tensors on WebGPU. */
async function onWebgpu(body: () => Promise<void>): Promise<void> {
  setDefaultDevice("webgpu");
  try {
    using _ = scope();
    manualSeed(3);
    await body();
  } finally {
    setDefaultDevice("cpu");
  }
}

function model(): Sequential {
  return new Sequential([new Linear(width, 32), new BatchNorm1d(32), new ReLU(), new Dropout({ p: 0.2 }), new Linear(32, classes)]);
}

for (const name of ["SGD", "Adam"] as const) {
  for (const mode of ["eager", "compiled"] as const) {
    Deno.test({
      name: `GpuBackend holds the same memory after every ${mode} training step with ${name}, and creates nothing`,
      ignore: ignoreWebgpu,
      fn: () =>
        onWebgpu(async () => {
          const network = model();
          const parameters = network.parameters();
          const optimizer = name === "SGD" ? new SGD(parameters, { lr: 0.05, momentum: 0.9 }) : new Adam(parameters, { lr: 1e-3 });
          const step = (x: Tensor, labels: Tensor): Tensor => {
            optimizer.zeroGrad();
            const loss = crossEntropy(network.forward(x), labels);
            loss.backward();
            optimizer.step();
            return loss;
          };
          // Writes of the batch, the read, and writes to memory that the step still uses each end a batch of commands.
          if (mode === "eager") await assertSteady(step, 4);
          else {
            using compiled = compile(step);
            await assertSteady(compiled, 4);
          }
        }),
    });
  }
}
