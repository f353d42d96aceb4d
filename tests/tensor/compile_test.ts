import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { noGrad } from "../../autograd/mod.ts";
import { crossEntropy } from "../../losses/mod.ts";
import { BatchNorm1d, BatchNorm2d, Dropout, Linear, Module, ReLU, Sequential } from "../../nn/mod.ts";
import { Adam, SGD, StepLR } from "../../optim/mod.ts";
import {
  ArgumentError,
  CaptureError,
  compile,
  conv2d,
  DisposedError,
  Generator,
  IndexError,
  manualSeed,
  memory,
  ones,
  rand,
  randn,
  scope,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";
import { assertSame, batches, threeWays } from "./compile/three_ways.ts";

const labels = (n: number): Tensor => tensor(Int32Array.from({ length: n }, (_, i) => i % 3));

/** Batches that differ from step to step. */
function batch(step: number, n = 12, width = 6): Tensor {
  return rand([n, width], { low: -1, generator: new Generator(100 + step) });
}

function network(): Module & { forward(x: Tensor): Tensor } {
  return new Sequential([new Linear(6, 16), new BatchNorm1d(16), new ReLU(), new Dropout({ p: 0.3 }), new Linear(16, 3)]);
}

Deno.test("compile gives what the eager step gives over 20 steps, with batch norm, dropout, Adam and a schedule", async () => {
  const training = {
    batch: batches([12, 6], 3),
    make() {
      const model = network();
      const optimizer = new Adam(model.parameters(), { lr: 0.01, weightDecay: 1e-3 });
      const schedule = new StepLR(optimizer, { stepSize: 4, gamma: 0.5 });
      return {
        state: [...model.parameters(), ...model.buffers()],
        step: (x: Tensor, y: Tensor) => {
          optimizer.zeroGrad();
          const loss = crossEntropy(model.forward(x), y, { labelSmoothing: 0.1 });
          loss.backward();
          optimizer.step();
          schedule.step();
          return { loss };
        },
      };
    },
  };
  assertSame(await threeWays(training));
});

Deno.test("compile gives what the eager step gives when gradients add up over steps", async () => {
  const training = {
    batch: batches([12, 6], 3),
    make() {
      const model = network();
      const optimizer = new SGD(model.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true });
      return {
        state: model.parameters(),
        step: (x: Tensor, y: Tensor) => {
          const loss = crossEntropy(model.forward(x), y);
          loss.backward();
          optimizer.step();
          return { loss };
        },
      };
    },
  };
  assertSame(await threeWays(training));
});

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

Deno.test("compile keeps so many signatures, and captures the one that was not used for longest again", async () => {
  using _ = scope();
  let captures = 0;
  const double = compile((x: Tensor) => {
    captures++;
    return x.mul(2);
  }, { signatures: 2 });
  const lengths = [1, 1, 2, 1, 3, 1, 2];
  for (const length of lengths) assertEquals(await double(ones([length])).toArray(), Array(length).fill(2));
  assertEquals(captures, 5); // the first call, 1, 2, 3 in place of 2, and 2 again
  assertThrows(() => compile((x: Tensor) => x, { signatures: 0 }), ArgumentError, "signatures from 1");
});

Deno.test("compile captures anew where an argument asks for gradients, and where none are recorded", () => {
  using _ = scope();
  const seen: boolean[] = [];
  const double = compile((x: Tensor) => {
    const out = x.mul(2);
    seen.push(out.requiresGrad);
    return out.detach();
  });
  const x = ones([2], { requiresGrad: true });
  for (let i = 0; i < 3; i++) double(x);
  double(x.detach());
  noGrad(() => double(x));
  assertEquals(seen, [true, true, false, false]);
});

Deno.test("compile has done what came before when a step throws, and nothing else, as an eager step has", async () => {
  const course = async (run: typeof compile) => {
    using _ = scope();
    manualSeed(5);
    const model = network();
    const optimizer = new Adam(model.parameters(), { lr: 0.01 });
    let fails = false;
    const step = run((x: Tensor, y: Tensor) => {
      optimizer.zeroGrad();
      const loss = crossEntropy(model.forward(x), y);
      loss.backward();
      optimizer.step();
      if (fails) throw new RangeError("stop");
      return { loss };
    });
    const losses: number[] = [];
    const outside = tensor(Int32Array.from({ length: 12 }, () => 7));
    // A class that is not there fails within the first call's kernels; a throw after them, in one that captures another signature.
    assertThrows(() => step(batch(0), outside), IndexError);
    assert(model.parameters().every(({ grad }) => grad === null));
    for (let i = 0; i < 3; i++) losses.push(await step(batch(i), labels(12)).loss.item());
    fails = true;
    assertThrows(() => step(batch(9, 9), labels(9)), RangeError, "stop");
    fails = false;
    for (let i = 3; i < 6; i++) losses.push(await step(batch(i), labels(12)).loss.item());
    return losses;
  };
  assertEquals(await course(compile), await course(((step: unknown) => step) as typeof compile));
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

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `compile on ${device} computes anew what is cheap and read by several kernels, and only what may be`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const w = tensor([5, 6], { device });
      const cases: Readonly<Record<string, [step: (x: Tensor) => Tensor | Tensor[], kernels: number]>> = {
        "a cheap map, a sum and a map": [(x) => {
          const y = x.mul(2).add(1).relu();
          return y.sub(y.mean());
        }, 2],
        "a map of a map that both go into three kernels": [(x) => {
          const y = x.add(1);
          const z = y.mul(y);
          return [z.sum(), z.max(), z.sub(y)];
        }, 3],
        "an exponential": [(x) => {
          const y = x.exp();
          return y.sub(y.mean());
        }, 3],
        "two operands": [(x) => {
          const y = x.add(x.flip(0));
          return y.sub(y.mean());
        }, 3],
        "a product's operand": [(x) => {
          const y = x.mul(2);
          return [y.reshape([1, 2]).matmul(y.reshape([2, 1])), y.sum()];
        }, 3],
        "one that is a result too": [(x) => {
          const y = x.mul(2);
          return [y, y.sum(), y.max()];
        }, 3],
        "what it reads changes in between": [(x) => {
          const y = w.mul(2);
          const sum = y.sum();
          noGrad(() => w.copy_(x));
          return [sum, y.max(), w.sum()];
        }, 5],
      };
      for (const [name, [step, kernels]] of Object.entries(cases)) {
        const compiled = compile((x: Tensor) => step(x) as Tensor[]);
        noGrad(() => w.copy_(tensor([5, 6], { device })));
        const results: (Tensor | Tensor[])[][] = [[], []];
        for (const x of [[1, -3], [2, 7], [0.5, 1]]) results[0]!.push(compiled(tensor(x, { device })));
        noGrad(() => w.copy_(tensor([5, 6], { device })));
        for (const x of [[1, -3], [2, 7], [0.5, 1]]) results[1]!.push(step(tensor(x, { device })));
        const [actual, expected] = await Promise.all(results.map((list) => Promise.all(list.flat().map((each) => each.toArray()))));
        assertEquals(actual, expected, name);
        assertEquals(compiled.explain().after.length, kernels, `${name}: ${compiled.explain().after.join("\n")}`);
      }
    },
  });
}

Deno.test("compile draws random numbers once that several kernels read", async () => {
  using _ = scope();
  const step = compile((x: Tensor) => {
    const keep = rand([4]).lt(0.5);
    return { first: keep.where(x, 0), second: keep.where(x.mul(2), 0), count: keep.to("float32").sum() };
  });
  for (let i = 0; i < 6; i++) {
    const { first, second, count } = step(ones([4]));
    assertEquals(await second.data(), (await first.data()).map((value) => 2 * value));
    assertEquals(await first.sum().item(), await count.item());
  }
});

/** What is left of the kernels that compute y = relu(f(x) + bias) and its gradients, without their shapes. */
function fusedKernels(device: string, f: (x: Tensor, w: Tensor) => Tensor, shapes: readonly (readonly number[])[]): string[] {
  using _ = scope();
  const [x, w, bias] = shapes.map((shape) => ones(shape, { device, requiresGrad: true }));
  const step = compile((x: Tensor) => {
    x.grad = w!.grad = bias!.grad = null;
    f(x.relu(), w!).add(bias!).relu().sum().backward();
  });
  step(x!);
  step(x!);
  return step.explain().after.map((line) => line.replace(/ \(.*?\) →.*?(:|$)/, "$1"));
}

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `compile on ${device} fuses bias, activation and the activation's gradient into products, convolutions and reductions`,
    ignore: device === "webgpu" && ignoreWebgpu,
    fn() {
      // The last activation's output is asked for its sign only, and the gradient of a sum is 1, so that its mask is made where the sum is.
      const forward = "add lt where le where";
      const product = fusedKernels(device, (x, w) => x.matmul(w), [[4, 6], [6, 5], [5]]);
      assertEquals(product, ["map: lt where", "map", `matmul: ${forward}`, "reduce", "matmul", "matmul: le where"]);
      const convolved = fusedKernels(device, (x, w) => conv2d(x, w, { padding: 1 }), [[2, 3, 6, 6], [4, 3, 3, 3], [4, 1, 1]]);
      assertEquals(convolved, ["map: lt where", "map", `conv forward: ${forward}`, "reduce", "conv weight", "conv input: le where"]);
    },
  });
}

Deno.test("compile fuses an activation, and the sum with a skip connection, into the batch norm before it", () => {
  using _ = scope();
  const norm = new BatchNorm2d(3);
  const step = compile((x: Tensor, skip: Tensor) => norm.forward(norm.forward(x).relu().mul(2)).add(skip).relu());
  for (let i = 0; i < 2; i++) step(rand([2, 3, 4, 4]), rand([2, 3, 4, 4]));
  const { before, after } = step.explain();
  const kinds = (lines: readonly string[]) => lines.map((line) => line.split(" ")[0]).join(" ");
  // Between them the running statistics move and the batches are counted.
  assertEquals(kinds(before), "map row map map map map row map map map");
  assertEquals(kinds(after), "map row map map row map");
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

Deno.test("compile adds gradients up where the step does, also when they are dropped outside of it", async () => {
  const course = async (run: typeof compile) => {
    using _ = scope();
    manualSeed(6);
    const model = network();
    const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
    let captures = 0;
    const backward = run((x: Tensor, y: Tensor) => {
      captures++;
      const loss = crossEntropy(model.forward(x), y);
      loss.backward();
      return { loss };
    });
    const losses: number[] = [];
    for (const [step, parts] of [1, 1, 2, 3, 1, 4, 2].entries()) {
      optimizer.zeroGrad({ setToNull: step !== 5 });
      for (let part = 0; part < parts; part++) losses.push(await backward(batch(10 * step + part), labels(12)).loss.item());
      optimizer.step();
    }
    return { losses, captures };
  };
  const compiled = await course(compile);
  assertEquals(compiled.losses, (await course(((step: unknown) => step) as typeof compile)).losses);
  assertEquals(compiled.captures, 3); // the first call, gradients that are not there, gradients that are
});

Deno.test("compile notices modules that go into evaluation and parameters that are frozen", async () => {
  const course = async (run: typeof compile) => {
    using _ = scope();
    manualSeed(8);
    const model = network();
    const optimizer = new SGD(model.parameters(), { lr: 0.1 });
    let captures = 0;
    const forward = run((x: Tensor) => {
      captures++;
      return model.forward(x).detach();
    });
    const step = run((x: Tensor, y: Tensor) => {
      captures++;
      optimizer.zeroGrad();
      const loss = crossEntropy(model.forward(x), y);
      loss.backward();
      optimizer.step();
      return { loss };
    });
    const seen: number[] = [];
    for (let i = 0; i < 10; i++) {
      if (i === 5) model.parameters().slice(0, 4).forEach((parameter) => parameter.requiresGrad_(false));
      seen.push(await step(batch(i), labels(12)).loss.item());
      model.eval();
      seen.push(...await forward(batch(i)).data());
      model.train();
      seen.push(...await forward(batch(i)).data());
    }
    for (const parameter of model.parameters()) seen.push(...await parameter.data());
    return { seen, captures };
  };
  const compiled = await course(compile);
  assertEquals(compiled.seen, (await course(((step: unknown) => step) as typeof compile)).seen);
  // Of the step: the first call, later ones, frozen. Of forward: the first call and both modes, for each of the two sets of parameters.
  assertEquals(compiled.captures, 3 + 5);
});

Deno.test("compile leaves no gradients of a replay that failed", () => {
  using _ = scope();
  const w = ones([3, 2], { requiresGrad: true });
  const step = compile((rows: Tensor) => {
    w.grad = null;
    w.indexSelect(0, rows).sum().backward();
  });
  const rows = (values: number[]) => tensor(Int32Array.from(values));
  for (let i = 0; i < 3; i++) step(rows([0, 1]));
  assert(w.grad !== null);
  assertThrows(() => step(rows([0, 7])), IndexError);
  assertEquals(w.grad, null);
  step(rows([2, 2]));
  assert(w.grad !== null);
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

Deno.test("compile keeps what steps of several sizes make in one place", () => {
  using _ = scope();
  const chain = compile((x: Tensor) => x.mul(2).exp().cumsum(0).mul(3).cumsum(0).sum());
  const bytes = [256, 200, 100].map((rows) => {
    using _ = scope();
    for (let i = 0; i < 3; i++) chain(ones([rows, 1000]));
    return memory().bytes;
  });
  // Of each further size the argument alone is kept.
  assert(bytes[1]! - bytes[0]! < 1.1 * 200 * 4000, `${bytes}`);
  assert(bytes[2]! - bytes[1]! < 1.1 * 100 * 4000, `${bytes}`);
  const before = memory().bytes;
  chain.dispose();
  assert(before - memory().bytes > 2 * 256 * 4000);
});

Deno.test("compile refuses to read a value inside the step", async () => {
  using _ = scope();
  const reads: Promise<unknown>[] = [];
  const step = compile((x: Tensor) => {
    reads.push(x.sum().item());
    return x.add(1);
  });
  step(ones([2]));
  await assertRejects(() => reads[0]!, CaptureError, "return the tensor");
});

Deno.test("compile refuses host-made random numbers inside the step", () => {
  using _ = scope();
  const step = compile((x: Tensor) => x.add(randn([2])));
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
