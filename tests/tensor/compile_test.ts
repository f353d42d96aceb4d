import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { crossEntropy, ESupCon, eSupCon, extendedContrastiveCrossEntropy, ntXent, spce, supCon } from "../../losses/mod.ts";
import { BatchNorm1d, Dropout, Linear, Module, ReLU, Sequential } from "../../nn/mod.ts";
import { Adam, SGD, StepLR } from "../../optim/mod.ts";
import {
  CaptureError,
  compile,
  DisposedError,
  Generator,
  manualSeed,
  memory,
  ones,
  rand,
  randn,
  scope,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";

const labels = (n: number): Tensor => tensor(Int32Array.from({ length: n }, (_, i) => i % 3));

/** Batches that differ from step to step. */
function batch(step: number, n = 12, width = 6): Tensor {
  return rand([n, width], { low: -1, generator: new Generator(100 + step) });
}

/** The losses and final parameters of 20 steps, eager, compiled without and with fusion. */
async function threeWays(make: () => { parameters: Tensor[]; step: (x: Tensor, y: Tensor) => { loss: Tensor } }): Promise<number[][]> {
  const out: number[][] = [];
  for (const mode of ["eager", "plain", "fused"] as const) {
    using _ = scope();
    manualSeed(7);
    const { parameters, step } = make();
    const run = mode === "eager" ? step : compile(step, { fuse: mode === "fused" });
    const values: number[] = [];
    for (let i = 0; i < 20; i++) values.push(await run(batch(i), labels(12)).loss.item());
    for (const parameter of parameters) values.push(...await parameter.data());
    out.push(values);
  }
  return out;
}

/** Plain replays are the same numbers; fused ones may round differently. */
function assertSame([eager, plain, fused]: number[][]): void {
  assertEquals(plain, eager);
  fused!.forEach((value, i) => assertLess(Math.abs(value - eager![i]!), 1e-6 + 1e-5 * Math.abs(eager![i]!)));
}

function network(): Module & { forward(x: Tensor): Tensor } {
  return new Sequential([new Linear(6, 16), new BatchNorm1d(16), new ReLU(), new Dropout({ p: 0.3 }), new Linear(16, 3)]);
}

Deno.test("compile gives what the eager step gives over 20 steps, with batch norm, dropout, Adam and a schedule", async () => {
  assertSame(
    await threeWays(() => {
      const model = network();
      const optimizer = new Adam(model.parameters(), { lr: 0.01, weightDecay: 1e-3 });
      const schedule = new StepLR(optimizer, { stepSize: 4, gamma: 0.5 });
      return {
        parameters: [...model.parameters(), ...model.buffers()],
        step: (x, y) => {
          optimizer.zeroGrad();
          const loss = crossEntropy(model.forward(x), y, { labelSmoothing: 0.1 });
          loss.backward();
          optimizer.step();
          schedule.step();
          return { loss };
        },
      };
    }),
  );
});

Deno.test("compile gives what the eager step gives when gradients add up over steps", async () => {
  assertSame(
    await threeWays(() => {
      const model = network();
      const optimizer = new SGD(model.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true });
      return {
        parameters: model.parameters(),
        step: (x, y) => {
          const loss = crossEntropy(model.forward(x), y);
          loss.backward();
          optimizer.step();
          return { loss };
        },
      };
    }),
  );
});

const contrastive: Record<string, (z: Tensor, y: Tensor, prototypes: Tensor) => Tensor> = {
  spce: (z, y) => spce(z, y, { numClasses: 3, normalize: true, temperature: 0.2 }),
  extendedContrastiveCrossEntropy: (z, y, prototypes) =>
    extendedContrastiveCrossEntropy(z, y, { prototypes, normalize: true, temperature: 0.2 }),
  supCon: (z, y) => supCon(z, y),
  supConIn: (z, y) => supCon(z, y, { kind: "in" }),
  ntXent: (z) => ntXent(z, z.flip(1)),
  eSupCon: (z, y, prototypes) => eSupCon(z, y, { prototypes }),
};

for (const [name, lossOf] of Object.entries(contrastive)) {
  Deno.test(`compile gives what the eager step gives for ${name}`, async () => {
    assertSame(
      await threeWays(() => {
        const model = new Linear(6, 5);
        const head = new ESupCon({ numClasses: 3, dim: 5 });
        const parameters = [...model.parameters(), ...head.parameters()];
        const optimizer = new SGD(parameters, { lr: 0.05 });
        return {
          parameters,
          step: (x, y) => {
            optimizer.zeroGrad();
            const loss = lossOf(model.forward(x), y, head.prototypes);
            loss.backward();
            optimizer.step();
            return { loss };
          },
        };
      }),
    );
  });
}

Deno.test("compile captures each signature, and its results are tensors of their own", async () => {
  using _ = scope();
  const double = compile((x: Tensor) => x.mul(2).add(1));
  const first = double(ones([2]));
  const second = double(ones([2]).mul(3));
  const third = double(ones([2]).mul(5));
  const other = double(ones([3, 1]));
  assertEquals(await first.toArray(), [3, 3]);
  assertEquals(await second.toArray(), [7, 7]);
  assertEquals(await third.toArray(), [11, 11]);
  assertEquals(await other.toArray(), [[3], [3], [3]]);
});

Deno.test("compile reads transposed and sliced arguments as they are", async () => {
  using _ = scope();
  const sum = compile((x: Tensor) => ({ rows: x.sum(1), top: x.select(0, 0) }));
  const x = tensor([[1, 2], [3, 4]]);
  sum(x);
  sum(x);
  const { rows, top } = sum(x.transpose(0, 1));
  assertEquals(await rows.toArray(), [4, 6]);
  assertEquals(await top.toArray(), [1, 3]);
});

Deno.test("compile fuses elementwise chains into one kernel", () => {
  using _ = scope();
  const chain = compile((x: Tensor) => x.mul(2).add(1).relu().exp());
  chain(ones([4]));
  chain(ones([4]));
  const { before, after } = chain.explain();
  assertEquals(before.length, 4);
  assertEquals(after.length, 1);
});

Deno.test("compile drops what nobody reads", () => {
  using _ = scope();
  const wasteful = compile((x: Tensor) => {
    x.exp().sum();
    return x.add(1);
  });
  wasteful(ones([4]));
  wasteful(ones([4]));
  assertEquals(wasteful.explain().after.length, 1);
});

Deno.test("compile does not move a read past a write in place", async () => {
  using _ = scope();
  const w = tensor([1, 2], { requiresGrad: true });
  const optimizer = new SGD([w], { lr: 0.5 });
  const step = compile((x: Tensor) => {
    w.grad = null;
    const before = w.mul(10);
    w.mul(x).sum().backward();
    optimizer.step();
    return { before: before.add(w) };
  });
  const seen: unknown[] = [];
  for (let i = 0; i < 4; i++) seen.push(await step(ones([2])).before.toArray());
  assertEquals(seen, [[10.5, 21.5], [5, 16], [-0.5, 10.5], [-6, 5]]);
});

Deno.test("compile leaves gradients behind, also where they were dropped in between", async () => {
  using _ = scope();
  const w = tensor([2], { requiresGrad: true });
  const step = compile((x: Tensor) => {
    w.grad = null;
    w.mul(x).sum().backward();
  });
  for (const value of [1, 2, 3, 4]) {
    step(tensor([value]));
    assertEquals(await w.grad!.toArray(), [value]);
    w.grad = null;
  }
});

Deno.test("compile keeps memory constant from step to step", async () => {
  using _ = scope();
  const model = network();
  const optimizer = new Adam(model.parameters(), { lr: 0.01 });
  using step = compile((x: Tensor, y: Tensor) => {
    optimizer.zeroGrad();
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return { loss };
  });
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++) {
    using _ = scope();
    await step(batch(i), labels(12)).loss.item();
    if (i > 3) seen.add(JSON.stringify({ ...memory(), pooledBytes: 0 }));
  }
  assertEquals(seen.size, 1);
});

Deno.test("compile refuses to read a value inside the step", async () => {
  using _ = scope();
  const reads: Promise<unknown>[] = [];
  const step = compile((x: Tensor) => {
    reads.push(x.sum().item());
    return x.add(1);
  });
  step(ones([2]));
  step(ones([2]));
  assertEquals(await reads[0], 2);
  await assertRejects(() => reads[1]!, CaptureError, "return the tensor");
});

Deno.test("compile refuses host-made random numbers inside the step", () => {
  using _ = scope();
  const step = compile((x: Tensor) => x.add(randn([2])));
  step(ones([2]));
  assertThrows(() => step(ones([2])), CaptureError, "normal");
});

Deno.test("compile refuses to replay after a captured tensor was freed", () => {
  using _ = scope();
  const w = ones([2]);
  const step = compile((x: Tensor) => x.add(w));
  step(ones([2]));
  step(ones([2]));
  w.dispose();
  assertThrows(() => step(ones([2])), DisposedError, "captured");
});

Deno.test("compile draws other random numbers at each replay, the same ones for the same seed", async () => {
  using _ = scope();
  const noisy = compile((x: Tensor) => x.add(rand([2])));
  manualSeed(3);
  const first: unknown[] = [];
  for (let i = 0; i < 5; i++) first.push(await noisy(ones([2])).toArray());
  assertEquals(new Set(first.map(String)).size, 5);
  manualSeed(3);
  const second: unknown[] = [];
  for (let i = 0; i < 5; i++) second.push(await noisy(ones([2])).toArray());
  assertEquals(second, first);
  assert(noisy.explain().after.length > 0);
});
