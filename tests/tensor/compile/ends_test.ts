// What goes into a compiled step and what comes out of it: read where it lies, on memory of its own, as an eager step has it.
import { assert, assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { noGrad } from "../../../autograd/mod.ts";
import { CpuBackend } from "../../../cpu/mod.ts";
import type { GpuBackend } from "../../../gpu/mod.ts";
import { SGD } from "../../../optim/mod.ts";
import {
  ArgumentError,
  CaptureError,
  compile,
  DisposedError,
  getDevice,
  IndexError,
  keep,
  memory,
  ones,
  OutOfMemoryError,
  registerDevice,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "../../../tensor/mod.ts";
import { ignoreWebgpu } from "../../devices.ts";

/** Counts the kernels it runs. */
class CountingBackend extends CpuBackend {
  kernels = 0;

  override run(...call: Parameters<CpuBackend["run"]>): void {
    this.kernels++;
    super.run(...call);
  }
}

for (const threads of [1, 2]) {
  const backend = new CountingBackend({ device: `cpu of ${threads}`, threads });
  backend.startThreads();
  registerDevice(backend.device, backend);
}

function kernelsRunOn(device: string): number {
  const { backend } = getDevice(device);
  return backend instanceof CountingBackend ? backend.kernels : (backend as GpuBackend).stats().dispatches;
}

/** Long enough for two threads. */
const length = 300_000;

function on(device: string, name: string, fn: (make: (seed: number) => Tensor, device: string) => Promise<void> | void): void {
  const make = (seed: number) => tensor(Float32Array.from({ length }, (_, i) => Math.sin(seed + i)), { device });
  Deno.test({ name: `compile on ${device} ${name}`, ignore: device === "webgpu" && ignoreWebgpu, fn: () => fn(make, device) });
}

/** Equal values; the first that differ are shown, and not all of them. */
function assertValues(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assertEquals(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert(Object.is(actual[i], expected[i]), `value ${i}: ${expected[i]} is needed, got ${actual[i]}`);
  }
}

/** Calls a step and its compiled form with the same arguments, time after time, and compares all they return, bit for bit. */
async function assertLikeEager(
  step: (...args: Tensor[]) => readonly Tensor[],
  calls: readonly (readonly Tensor[])[],
): Promise<void> {
  using compiled = compile(step, { fuse: false });
  const kept = calls.map((args) => ({ eager: step(...args), compiled: compiled(...args) }));
  for (const { eager, compiled } of kept) {
    assertEquals(compiled.length, eager.length);
    for (const [position, result] of compiled.entries()) {
      assertEquals(result.shape, eager[position]!.shape);
      assertValues(await result.data(), await eager[position]!.data());
    }
  }
}

for (const device of ["cpu of 1", "cpu of 2", "webgpu"]) {
  on(device, "runs the step's kernels and no others, and gives each call's results memory of their own", async (make) => {
    using _ = scope();
    const step = compile((x: Tensor) => x.mul(2).exp());
    const args = [1, 2, 3, 4].map(make);
    const results = args.map((x) => step(x));
    const before = kernelsRunOn(device);
    results.push(step(args[1]!));
    assertEquals(kernelsRunOn(device) - before, 1);
    for (const [position, x] of [...args, args[1]!].entries()) {
      assertValues(await results[position]!.data(), await x.mul(2).exp().data());
    }
  });

  on(device, "reads rows of a larger tensor where they lie, on a CPU, and copies strided ones", (make) => {
    using _ = scope();
    const step = compile((x: Tensor) => x.mul(2));
    const table = make(1).reshape([600, 500]);
    const kernels = (x: Tensor) => {
      const before = kernelsRunOn(device);
      step(x);
      return kernelsRunOn(device) - before;
    };
    const rows = [0, 1, 5, 500].map((start) => table.narrow(0, { start, length: 100 }));
    rows.forEach(kernels);
    const copies = device === "webgpu" ? 1 : 0;
    assertEquals(rows.map(kernels), Array(4).fill(1 + copies));
    assertEquals(kernels(table.reshape([100, 3000]).narrow(1, { start: 0, length: 500 })), 2);
  });

  on(device, "takes one tensor as two arguments, other ones in between", async (make) => {
    using _ = scope();
    const [a, b, c] = [1, 2, 3].map(make) as [Tensor, Tensor, Tensor];
    const step = (x: Tensor, y: Tensor) => [x.mul(2).add(y), y.sub(x)];
    await assertLikeEager(step as never, [[a, a], [a, b], [b, b], [c, c], [b, c], [c, a]]);
    await assertLikeEager(step as never, [[a, b], [a, b], [b, b], [c, c], [b, c], [c, a]]);
  });

  on(device, "takes two views of one tensor", async (make) => {
    using _ = scope();
    const x = make(1);
    const [low, high] = [0, length / 2].map((start) => x.narrow(0, { start, length: length / 2 })) as [Tensor, Tensor];
    await assertLikeEager(((x: Tensor, y: Tensor) => [x.mul(3).sub(y)]) as never, [[low, low], [low, high], [high, low], [low, high]]);
  });

  on(device, "takes transposed, expanded, stepped and shifted arguments among contiguous ones", async (make) => {
    using _ = scope();
    const x = make(1).reshape([500, 600]);
    const square = x.narrow(1, { start: 0, length: 500 });
    const plain = square.clone();
    const args = [plain, square, plain.mT, plain.select(0, 3).expand([500, 500]), make(2).narrow(0, { start: 7, length: 250_000 })];
    const calls = [...args, ...args].map((arg) => [arg.rank === 1 ? arg.reshape([500, 500]) : arg]);
    await assertLikeEager((x) => [x.mul(2).add(x.select(0, 3)), x.matmul(x.narrow(1, { start: 4, length: 9 }))], calls);
  });

  on(device, "takes its own results as arguments", async (make) => {
    using _ = scope();
    const course = (step: (x: Tensor) => Tensor) => {
      let x = make(1);
      for (let i = 0; i < 6; i++) x = step(x);
      return x.data();
    };
    const step = (x: Tensor) => x.mul(0.5).cos();
    assertValues(await course(compile(step, { fuse: false })), await course(step));
  });

  on(device, "returns arguments, captured tensors, views, and one tensor twice, each on memory of its own", async (make) => {
    using _ = scope();
    const captured = make(5);
    const step = compile((x: Tensor) => {
      const y = x.mul(2);
      const matrix = y.reshape([500, 600]);
      return { x, y, again: y, captured, part: y.narrow(0, { start: 3, length: 5 }), turned: matrix.mT, wide: y.select(0, 4).expand([3]) };
    });
    const args = [1, 2, 3].map(make);
    const results = args.map((x) => step(x));
    for (const [position, x] of args.entries()) {
      const { x: same, y, again, captured: outside, part, turned, wide } = results[position]!;
      const values = await x.data();
      assertValues(await same.data(), values);
      const doubled = values.map((value) => 2 * value);
      assertValues(await y.data(), doubled);
      assertValues(await outside.data(), await captured.data());
      assertValues(await part.data(), doubled.slice(3, 8));
      assertEquals(turned.shape, [600, 500]);
      assertValues(await turned.mT.reshape([length]).data(), doubled);
      assertEquals([...await wide.data()], Array(3).fill(doubled[4]));
      // A write into one of them shows in no other.
      noGrad(() => y.zero_());
      assertValues(await again.data(), doubled);
      noGrad(() => [same, outside].forEach((each) => each.zero_()));
      assertValues(await x.data(), values);
      assert((await captured.data())[1] !== 0);
    }
  });

  on(device, "returns what the host wrote, fills, gradients and parameters as they were then", async (make, device) => {
    using _ = scope();
    const course = async (run: typeof compile) => {
      const w = ones([3], { device, requiresGrad: true });
      const optimizer = new SGD([w], { lr: 0.5 });
      const step = run((x: Tensor) => {
        optimizer.zeroGrad();
        w.mul(x.narrow(0, { start: 0, length: 3 })).sum().backward();
        optimizer.step();
        const written = tensor([1, 2], { device });
        return { written, zero: zeros([2], { device }), grad: w.grad!, w: w.detach(), changed: noGrad(() => written.clone().add_(1)) };
      });
      const seen: unknown[] = [];
      for (const seed of [1, 2, 3, 4]) {
        const { written, zero, grad, w, changed } = step(make(seed));
        for (const each of [written, zero, grad, w, changed]) seen.push(await each.data());
        noGrad(() => [written, zero, changed].forEach((each) => each.fill_(9)));
      }
      return seen;
    };
    assertEquals(await course(compile), await course(((step: unknown) => step) as typeof compile));
  });

  on(device, "reads a tensor that the step updates as it was when it was given as an argument", async (_make, device) => {
    using _ = scope();
    const w = ones([4], { device, requiresGrad: true });
    const optimizer = new SGD([w], { lr: 1 });
    const step = compile((x: Tensor) => {
      optimizer.zeroGrad();
      w.sum().backward();
      optimizer.step();
      return x.mul(10);
    });
    const other = tensor([7, 7, 7, 7], { device });
    for (const value of [1, 0, -1, -2]) {
      assertEquals(await step(w.detach()).toArray(), Array(4).fill(10 * value));
      noGrad(() => w.add_(1));
      assertEquals(await step(other).toArray(), Array(4).fill(70));
      assertEquals(await step(w.grad!).toArray(), Array(4).fill(10));
      noGrad(() => w.add_(1));
    }
  });

  on(device, "leaves an argument as it is that the step writes into, and keeps what the step keeps", async (make) => {
    using _ = scope();
    let kept: Tensor | undefined;
    const step = compile((x: Tensor, y: Tensor) => {
      kept = keep(y.detach());
      return noGrad(() => x.add_(y)).mul(1);
    });
    for (const seed of [1, 2, 3, 4]) {
      const [x, y] = [make(seed), make(seed + 10)];
      const [first, second] = [await x.data(), await y.data()];
      const sum = await x.add(y).data();
      const out = step(x, y);
      noGrad(() => y.zero_());
      assertValues(await out.data(), sum);
      assertValues(await x.data(), first);
      assertValues(await kept!.data(), second);
    }
    const again = kept!.clone();
    assertValues(await step(kept!, kept!).data(), await again.add(again).data());
    kept!.dispose();
  });

  on(device, "gives results that live on without the arguments, later calls and the step, and that can be disposed of", async (make) => {
    using _ = scope();
    const step = compile((x: Tensor) => ({ y: x.mul(2), sum: x.sum() }));
    const x = make(1);
    const expected = await x.mul(2).data();
    const results = [step(x), step(x), step(x)];
    x.dispose();
    results[1]!.y.dispose();
    step(make(2));
    step.dispose();
    make(3).mul(5);
    assertValues(await results[2]!.y.data(), expected);
    assertValues(await results[0]!.y.data(), expected);
    assertThrows(() => results[1]!.y.add(1), DisposedError);
    assertValues(await step(make(4)).y.data(), await make(4).mul(2).data());
  });

  on(device, "frees results with the scope of the call, and what a failed call had made", (make, device) => {
    using _ = scope();
    const step = compile((x: Tensor, index: Tensor) => x.mul(2).indexSelect(0, index));
    const x = make(1);
    const index = tensor(Int32Array.of(0, 5), { device });
    const outside = tensor(Int32Array.of(0, length), { device });
    const look = () => {
      const { tensors, bytes } = memory();
      return { tensors, bytes };
    };
    for (let i = 0; i < 3; i++) step(x, index).dispose();
    const before = look();
    for (let i = 0; i < 3; i++) {
      using _ = scope();
      assertNotStrictEquals(step(x, index), step(x, index));
      step(x.narrow(0, { start: 0, length }), index);
      if (device !== "webgpu") assertThrows(() => step(x, outside), IndexError);
    }
    assertEquals(look(), before);
  });

  on(device, "gives gradients to arguments that ask for them, and adds them up, as the eager step does", async (_make, device) => {
    using _ = scope();
    let captures = 0;
    const course = async (run: typeof compile) => {
      const step = run((x: Tensor, y: Tensor) => {
        captures++;
        const loss = x.mul(y).mul(x).sum();
        loss.backward();
        return { loss, grad: x.grad! };
      });
      const seen: unknown[] = [];
      const [a, b] = [1, 2].map((value) => tensor([value, 3], { device, requiresGrad: true })) as [Tensor, Tensor];
      const y = tensor([0.5, 4], { device });
      for (const [count, x] of [a, a, b, a, b, b, a, a].entries()) {
        if (count === 5) b.grad = null;
        const { loss, grad } = step(x, count === 6 ? x.detach() : y);
        for (const each of [loss, grad, x.grad!]) seen.push(await each.toArray());
        noGrad(() => x.sub_(x.grad!.mul(0.01)));
      }
      return seen;
    };
    const expected = await course(((step: unknown) => step) as typeof compile);
    captures = 0;
    assertEquals(await course(compile), expected);
    // The first call; without gradients and with them, for each leaf (a had some at its second call).
    assertEquals(captures, 1 + 1 + 2);
  });

  on(device, "refuses arguments that are no tensors or were freed, and leaves gradients as they are", async (_make, device) => {
    using _ = scope();
    const w = ones([2], { device, requiresGrad: true });
    const step = compile((x: Tensor) => {
      w.grad = null;
      w.mul(x).sum().backward();
    });
    const x = tensor([3, 4], { device });
    for (let i = 0; i < 3; i++) step(x);
    const freed = tensor([1, 1], { device });
    freed.dispose();
    assertThrows(() => step(freed), DisposedError, "compiled step");
    assertThrows(() => step(5 as unknown as Tensor), ArgumentError, "argument 1");
    assertEquals(await w.grad!.toArray(), [3, 4]);
  });

  on(device, "refuses a compiled step inside another one, captured or not", (make) => {
    using _ = scope();
    const inner = compile((x: Tensor) => x.mul(2));
    const outer = compile((x: Tensor) => inner(x).add(1));
    assertThrows(() => outer(make(1)), CaptureError, "inside a compiled step");
    for (let i = 0; i < 3; i++) inner(make(1));
    assertThrows(() => outer(make(1)), CaptureError, "inside a compiled step");
  });
}

Deno.test("compile leaves all as it was where there is no memory for a result, and goes on when there is", async () => {
  using _ = scope();
  const device = "small cpu";
  registerDevice(device, new CpuBackend({ device, threads: 1, budget: 4.5 * 2 ** 20 }));
  const w = ones([2 ** 18], { device, requiresGrad: true });
  const step = compile((x: Tensor) => {
    w.grad = null;
    w.mul(x).sum().backward();
    return x.mul(2);
  });
  const x = tensor([3], { device }).expand([2 ** 18]);
  for (let i = 0; i < 3; i++) step(x).dispose();
  const results = [step(x)];
  assertThrows(() => step(x), OutOfMemoryError, "at most");
  assertEquals(await w.grad!.select(0, 0).item(), 3);
  results[0]!.dispose();
  assertEquals(await step(tensor([4], { device }).expand([2 ** 18])).select(0, 5).item(), 8);
  assertEquals(await w.grad!.select(0, 0).item(), 4);
});

Deno.test({
  name: "compile on webgpu makes no buffer and no bind group in the steady state, whatever lies where",
  ignore: ignoreWebgpu,
  async fn() {
    const device = "webgpu";
    const step = compile((x: Tensor, y: Tensor) => ({ sum: x.mul(2).add(y), product: x.matmul(y.mT).sum() }));
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      using _ = scope();
      const [x, y] = [1, 2].map((seed) => tensor(Float32Array.from({ length: 4096 }, (_, i) => Math.sin(seed + i + round)), { device }));
      const { product } = step(x!.reshape([64, 64]), y!.reshape([64, 64]));
      if (round % 3 === 0) await product.item();
      const { plans, pipelines, buffers, bindGroups } = (getDevice(device).backend as GpuBackend).stats();
      if (round >= 20) seen.add(`${plans} ${pipelines} ${buffers} ${bindGroups}`);
    }
    assertEquals(seen.size, 1);
  },
});
