import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { checkpoint, customFunction, detectAnomaly, grad, noGrad, valueAndGrad } from "../../autograd/mod.ts";
import {
  bernoulli,
  defaultGenerator,
  GradientError,
  keep,
  manualSeed,
  memory,
  ones,
  scope,
  ShapeError,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";

Deno.test("grad() nests to any order", async () => {
  using _ = scope();
  const fourth = (x: Tensor) => x.pow(4);
  const x = tensor(2, { dtype: "float64" });
  assertEquals(await grad(fourth)(x).item(), 32);
  assertEquals(await grad(grad(fourth))(x).item(), 48);
  assertEquals(await grad(grad(grad(fourth)))(x).item(), 48);
  assertEquals(await grad(grad(grad(grad(fourth))))(x).item(), 24);
});

Deno.test("grad() keeps the variables of nested calls apart", async () => {
  using _ = scope();
  const one = tensor(1);
  // d/dx (x · d/dy (x + y)) = 1, not 2
  assertEquals(await grad((x) => x.mul(grad((y) => x.add(y))(one)))(one).item(), 1);
  // d/dx of (d/dy x y² at y = x) = d/dx 2x² = 4x
  assertEquals(await grad((x) => grad((y) => x.mul(y).mul(y))(x))(tensor(3)).item(), 12);
});

Deno.test("grad() does not touch .grad and leaves its arguments as they were", async () => {
  using _ = scope();
  const x = tensor([1, 2], { requiresGrad: true });
  const captured = tensor([3, 4], { requiresGrad: true });
  const plain = tensor([5, 6]);
  assertEquals(await grad((a) => a.mul(captured).sum())(x).toArray(), [3, 4]);
  assertEquals(await grad((a) => a.mul(captured).sum())(plain).toArray(), [3, 4]);
  assertEquals([x.grad, captured.grad], [null, null]);
  assertFalse(plain.requiresGrad);
});

Deno.test("grad() works inside noGrad()", async () => {
  using _ = scope();
  assertEquals(await noGrad(() => grad((x) => x.square())(tensor(3))).item(), 6);
});

Deno.test("valueAndGrad() gives the value and a gradient for each of argnums", async () => {
  using _ = scope();
  const f = valueAndGrad((a, b) => a!.mul(b!).sum(), { argnums: [1, 0] });
  const { value, grads } = f(tensor([1, 2]), tensor([3, 4]));
  assertEquals(await value.item(), 11);
  assertEquals(await grads[0]!.toArray(), [1, 2]);
  assertEquals(await grads[1]!.toArray(), [3, 4]);
  assertFalse(value.requiresGrad || grads[0]!.requiresGrad);
});

Deno.test("valueAndGrad() gives zeros for an argument that the value does not use, and refuses results without gradients", async () => {
  using _ = scope();
  const { grads } = valueAndGrad((a, _b) => a!.sum(), { argnums: [0, 1] })(ones([2]), ones([3]));
  assertEquals(await grads[1]!.toArray(), [0, 0, 0]);
  assertThrows(() => grad(() => ones([]))(ones([2])), GradientError, "one that depends on a tensor with requiresGrad");
  assertThrows(() => grad((x) => x.mul(2))(ones([2])), GradientError, "a single number");
  assertThrows(() => valueAndGrad((x) => x!.sum(), { argnums: [1] })(ones([2])), GradientError, "argument 1 is needed");
});

Deno.test("grad() leaves no memory behind but its result", () => {
  using outer = scope();
  const x = outer.keep(tensor([0.5, 2]));
  const run = () => {
    using _ = scope();
    grad((a) => grad((b) => b.pow(3).sum())(a).exp().sum())(x);
  };
  run();
  const before = memory();
  run();
  assertEquals(memory(), before);
});

Deno.test("customFunction() runs its own gradient, for several outputs and inputs", async () => {
  using _ = scope();
  const seen: number[] = [];
  const sumAndProduct = customFunction({
    name: "sumAndProduct",
    outputs: 2,
    forward: (a, b) => [a!.add(b!), a!.mul(b!)],
    vjp: ({ dys, inputs: [a, b], outputs }) => {
      seen.push(dys.length, outputs.length);
      return [dys[0]!.add(dys[1]!.mul(b!)), dys[0]!.add(dys[1]!.mul(a!))];
    },
  });
  const [a, b] = [tensor([2], { requiresGrad: true }), tensor([5], { requiresGrad: true })];
  const [total, product] = sumAndProduct(a, b);
  total!.mul(10).add(product!).backward();
  assertEquals([await a.grad!.item(), await b.grad!.item()], [15, 12]);
  assertEquals(seen, [2, 2]);
  // Only one output used: the other's gradient is zeros.
  a.grad = null;
  sumAndProduct(a, b)[1]!.backward();
  assertEquals(await a.grad!.item(), 5);
});

Deno.test("customFunction() may hand an input through and state that it has no gradient", async () => {
  using _ = scope();
  const stop = customFunction({ name: "stop", forward: (x) => x, vjp: () => [null] });
  const x = tensor([2], { requiresGrad: true });
  const [y] = stop(x);
  assertEquals(await y!.toArray(), [2]);
  y!.mul(3).add(x).backward();
  assertEquals(await x.grad!.toArray(), [1]);
});

Deno.test("customFunction() is named when its gradient does not fit", () => {
  using _ = scope();
  const wrong = customFunction({ name: "wrongShape", forward: (x) => x.mul(2), vjp: () => [ones([3])] });
  const x = tensor([1, 2], { requiresGrad: true });
  assertThrows(() => wrong(x)[0]!.sum().backward(), ShapeError, "Cannot compute the gradient of wrongShape");
});

Deno.test("checkpoint() gives the same values and gradients, also of what the function captures", async () => {
  using _ = scope();
  const w = tensor([[0.5, -1], [2, 0.25]], { requiresGrad: true });
  const block = (x: Tensor) => x.matmul(w).tanh().matmul(w).sigmoid();
  const run = async (wrap: (x: Tensor) => Tensor) => {
    const x = tensor([[1, 2], [3, -4]], { requiresGrad: true });
    w.grad = null;
    const y = wrap(x);
    y.square().sum().backward();
    return [await y.toArray(), await x.grad!.toArray(), await w.grad!.toArray()];
  };
  assertEquals(await run((x) => checkpoint(block, [x])), await run(block));
});

Deno.test("checkpoint() draws the same random numbers in its second run, and leaves the generator where it was", async () => {
  using _ = scope();
  const drop = (x: Tensor) => x.mul(bernoulli(x.shape, { probability: 0.5 })).mul(2);
  const x = tensor(new Float32Array(64).fill(1), { requiresGrad: true });
  manualSeed(11);
  const y = checkpoint(drop, [x]);
  bernoulli([1], { probability: 0.5 });
  const between = defaultGenerator.state;
  y.sum().backward();
  assertEquals(defaultGenerator.state, between);
  assertEquals(await x.grad!.data(), await y.data());
});

Deno.test("checkpoint() keeps less for backward, and refuses gradients of gradients", () => {
  using _ = scope();
  const deep = (x: Tensor) => {
    let y = x;
    for (let i = 0; i < 10; i++) y = y.sin();
    return y;
  };
  const x = tensor([1, 2], { requiresGrad: true });
  const held = (wrap: (x: Tensor) => Tensor) => {
    using inner = scope();
    const before = memory().tensors;
    const hidden = inner.keep(wrap(x));
    const after = memory().tensors;
    hidden.dispose();
    return after - before;
  };
  assert(held((input) => checkpoint(deep, [input])) < held(deep));
  assertThrows(() => checkpoint(deep, [x]).sum().backward({ createGraph: true }), GradientError, "checkpoint");
});

Deno.test("detectAnomaly() names the operation whose backward made the first NaN, and where it was called", async () => {
  using _ = scope();
  const x = tensor([0, 4], { requiresGrad: true });
  const error = await assertRejects(
    () => detectAnomaly(() => x.mul(2).sqrt().mul(tensor([0, 1])).sum().backward()),
    GradientError,
    "Cannot compute the gradient of sqrt: its backward made a NaN for input 0",
  );
  assert(error.message.includes("functional_test.ts"), error.message);
  // Outside of it nothing is watched.
  x.grad = null;
  x.mul(0).sqrt().mul(0).sum().backward();
  assert(Number.isNaN((await x.grad!.data())[0]));
});

Deno.test("detectAnomaly() gives what its body gives, waits for it, and leaves nothing behind", async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const run = () =>
    detectAnomaly(async () => {
      using _ = scope();
      const loss = x.square().sum();
      loss.backward();
      return await loss.item();
    });
  assertEquals(await run(), 5);
  const before = memory().tensors;
  assertEquals(await run(), 5);
  assertEquals(memory().tensors, before);
  x.dispose();
});

Deno.test("keep() lets a gradient out of a scope", async () => {
  let kept: Tensor;
  {
    using _ = scope();
    kept = keep(grad((x) => x.square())(tensor(3)));
  }
  assertEquals(await kept.item(), 6);
  kept.dispose();
});
