import { assert, assertEquals, assertFalse, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { enableGrad, isGradEnabled, noGrad } from "../../autograd/mod.ts";
import { DTypeError, GradientError, keep, memory, ones, scope, ShapeError, type Tensor, tensor } from "../../tensor/mod.ts";

function leaf(values: number[]): Tensor {
  return tensor(values, { requiresGrad: true });
}

Deno.test("backward() adds up over calls and over paths", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const y = x.mul(3);
  y.add(y).add(x).sum().backward();
  assertEquals(await x.grad!.toArray(), [7, 7]);
  x.square().sum().backward();
  assertEquals(await x.grad!.toArray(), [9, 11]);
  x.grad = null;
  assertEquals(x.grad, null);
});

Deno.test("backward() starts from the gradient it is given", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  x.square().backward({ gradient: tensor([1, -1]) });
  assertEquals(await x.grad!.toArray(), [2, -4]);
});

Deno.test("backward() of a leaf gives it a gradient of its own", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const gradient = tensor([5, 6]);
  x.backward({ gradient });
  assertNotStrictEquals(x.grad, gradient);
  noGrad(() => x.grad!.zero_());
  assertEquals(await gradient.toArray(), [5, 6]);
});

Deno.test("backward() never shares one gradient between two leaves", async () => {
  using _ = scope();
  const [a, b] = [leaf([1, 2]), leaf([3, 4])];
  a.add(b).sum().backward();
  noGrad(() => a.grad!.zero_());
  assertEquals(await b.grad!.toArray(), [1, 1]);
});

Deno.test("backward() frees the graph unless it is retained", async () => {
  using _ = scope();
  const x = leaf([3]);
  const y = x.square();
  y.backward({ retainGraph: true });
  y.backward();
  assertEquals(await x.grad!.toArray(), [12]);
  assertThrows(() => y.backward(), GradientError, "Cannot compute the gradient of square: what its forward saved is needed");
});

Deno.test("backward() says when a scope has freed the graph", () => {
  const x = leaf([3]);
  let loss: Tensor;
  {
    using inner = scope();
    loss = inner.keep(x.square().sum());
  }
  assertThrows(() => loss.backward(), GradientError, "the end of a scope freed it");
  loss.dispose();
  x.dispose();
});

Deno.test("backward() refuses what has no gradient, several numbers, and a gradient that does not fit", () => {
  using _ = scope();
  const x = leaf([1, 2]);
  assertThrows(() => ones([]).backward(), GradientError, "one that depends on a tensor with requiresGrad is needed");
  assertThrows(() => x.mul(2).backward(), GradientError, "Cannot backward from [2]: a single number");
  assertThrows(() => x.mul(2).backward({ gradient: ones([3]) }), ShapeError, "Cannot backward from [2]: a gradient of the same shape");
  assertThrows(() => x.mul(2).backward({ gradient: ones([2], { dtype: "float64" }) }), DTypeError, "a gradient of the same type");
});

Deno.test("backward() walks a chain of 20,000 operations", async () => {
  using _ = scope();
  const x = leaf([1]);
  let y = x.mul(1);
  for (let i = 0; i < 20_000; i++) y = y.add(0);
  y.backward();
  assertEquals(await x.grad!.toArray(), [1]);
});

Deno.test("backward() brings a gradient back to the input's type", async () => {
  using _ = scope();
  const half = tensor([1, 2], { dtype: "float16", requiresGrad: true });
  half.mul(tensor([3, 4])).sum().backward();
  assertEquals(half.grad!.dtype, "float16");
  assertEquals(await half.grad!.toArray(), [3, 4]);
});

Deno.test("backward() reaches only the inputs that require it", async () => {
  using _ = scope();
  const [a, b] = [leaf([2]), tensor([3])];
  const y = a.mul(b);
  assert(y.requiresGrad);
  y.backward();
  assertEquals(await a.grad!.toArray(), [3]);
  assertEquals(b.grad, null);
  assertFalse(b.mul(2).requiresGrad);
  assertFalse(a.gt(1).requiresGrad);
  assertFalse(a.argmax().requiresGrad);
});

Deno.test("backward() works after the inputs of the graph were disposed", async () => {
  using _ = scope();
  const x = leaf([2, 3]);
  const hidden = x.exp();
  const y = hidden.log().mul(hidden);
  hidden.dispose();
  y.sum().backward();
  // d/dx (x eˣ) = (1 + x) eˣ
  const [first, second] = await x.grad!.toArray() as [number, number];
  assert(Math.abs(first - 3 * Math.exp(2)) < 1e-4 && Math.abs(second - 4 * Math.exp(3)) < 1e-4);
});

Deno.test("backward() with createGraph makes gradients that have gradients", async () => {
  using _ = scope();
  const x = leaf([2]);
  x.pow(3).backward({ createGraph: true });
  const first = x.grad!;
  assert(first.requiresGrad);
  assertEquals(await first.toArray(), [12]);
  const penalty = first.square();
  x.grad = null;
  penalty.backward();
  // d/dx (3x²)² = 36 x³
  assertEquals(await x.grad!.toArray(), [288]);
});

Deno.test("registerHook() calls hooks in order, hands on what they return, and removes them", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const y = x.mul(2);
  const seen: string[] = [];
  const remove = y.registerHook((gradient) => {
    seen.push("first");
    return gradient.mul(10);
  });
  y.registerHook((gradient) => {
    seen.push("second");
    return gradient.add(1);
  });
  x.registerHook(() => void seen.push("leaf"));
  y.sum().backward({ retainGraph: true });
  assertEquals(seen, ["first", "second", "leaf"]);
  assertEquals(await x.grad!.toArray(), [22, 22]);
  remove();
  x.grad = null;
  y.sum().backward();
  assertEquals(seen, ["first", "second", "leaf", "second", "leaf"]);
  assertEquals(await x.grad!.toArray(), [4, 4]);
  assertThrows(() => ones([1]).registerHook(() => {}), GradientError, "Cannot register a hook");
});

Deno.test("registerHook() sees the whole gradient of a tensor that is used twice", async () => {
  using _ = scope();
  const x = leaf([1]);
  const y = x.mul(2);
  const seen: Tensor[] = [];
  y.registerHook((gradient) => void seen.push(keep(gradient.clone())));
  y.mul(3).add(y.mul(4)).backward();
  assertEquals(seen.length, 1);
  assertEquals(await seen[0]!.toArray(), [7]);
  seen[0]!.dispose();
});

Deno.test("retainGrad() keeps the gradient of a result, and adds up like a leaf", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const y = x.mul(2).retainGrad();
  y.square().sum().backward({ retainGraph: true });
  assertEquals(await y.grad!.toArray(), [4, 8]);
  y.sum().backward();
  assertEquals(await y.grad!.toArray(), [5, 9]);
  assertStrictEquals(x.retainGrad(), x);
  assertEquals(x.mul(2).grad, null);
});

Deno.test("detach() shares the values and cuts the history", async () => {
  using _ = scope();
  const x = leaf([2]);
  const cut = x.mul(3).detach();
  assertFalse(cut.requiresGrad);
  assert(cut.isLeaf);
  x.mul(cut).backward();
  assertEquals(await x.grad!.toArray(), [6]);
});

Deno.test("noGrad() records nothing, enableGrad() records inside it, and both put things back", () => {
  using _ = scope();
  const x = leaf([2]);
  noGrad(() => {
    assertFalse(isGradEnabled());
    assertFalse(x.mul(2).requiresGrad);
    assert(enableGrad(() => x.mul(2)).requiresGrad);
  });
  assert(isGradEnabled());
  assertThrows(
    () =>
      noGrad(() => {
        throw new RangeError("inside");
      }),
    RangeError,
    "inside",
  );
  assert(isGradEnabled());
});

Deno.test("noGrad() refuses asynchronous functions", () => {
  assertThrows(() => noGrad(async () => await Promise.resolve(1)), GradientError, "a synchronous function is needed");
  assert(isGradEnabled());
});

Deno.test("requiresGrad_() refuses whole numbers and results of operations", () => {
  using _ = scope();
  assertThrows(() => tensor([1], { dtype: "int32" }).requiresGrad_(), DTypeError, "a floating type is needed");
  assertThrows(() => leaf([1]).mul(2).requiresGrad_(false), GradientError, "a leaf is needed");
  const x = leaf([1]);
  assertFalse(x.requiresGrad_(false).requiresGrad);
  assertFalse(x.mul(2).requiresGrad);
});

Deno.test("add_() and its like are refused while operations are recorded", () => {
  using _ = scope();
  assertThrows(() => ones([2]).add_(1), GradientError, "allowed only under noGrad");
});

Deno.test("backward() refuses a saved tensor that was changed in place, through any view of it", () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const y = x.square().sum();
  noGrad(() => x.detach().slice(0, { start: 1 }).add_(1));
  assertThrows(() => y.backward(), GradientError, "Cannot compute the gradient of square: its saved input of shape [2]");
  const output = x.exp();
  noGrad(() => output.mul_(2));
  assertThrows(() => output.sum().backward(), GradientError, "its saved output of shape [2] is needed as it was");
});

Deno.test("backward() does not mind changes in place of what no gradient needs", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  const y = x.add(1).sum();
  noGrad(() => x.zero_());
  y.backward();
  assertEquals(await x.grad!.toArray(), [1, 1]);
});

Deno.test("grad belongs to its leaf: it outlives scopes and dies with the leaf", async () => {
  const before = memory();
  const x = leaf([1, 2]);
  {
    using _ = scope();
    x.square().sum().backward();
  }
  assertEquals(await x.grad!.toArray(), [2, 4]);
  x.dispose();
  assertEquals(memory().tensors, before.tensors);
  assertEquals(memory().bytes, before.bytes);
});

Deno.test("grad can be set to a tensor of the same shape only", async () => {
  using _ = scope();
  const x = leaf([1, 2]);
  assertThrows(() => x.grad = ones([3]), ShapeError, "Cannot set grad of [2]");
  x.grad = ones([2]);
  x.sum().backward();
  assertEquals(await x.grad!.toArray(), [2, 2]);
});

Deno.test("memory() is the same after each step inside scope()", () => {
  const w = leaf([0.5, -1, 2]);
  const b = leaf([0.1, 0.2, 0.3]);
  const step = () => {
    using _ = scope();
    const x = tensor([[1, 2, 3], [4, 5, 6]]);
    x.mul(w).add(b).gelu().softmax(1).log().mean().backward();
    noGrad(() => {
      for (const parameter of [w, b]) parameter.sub_(parameter.grad!.mul(0.1));
    });
    w.grad = b.grad = null;
  };
  step();
  const settled = memory();
  for (let i = 0; i < 20; i++) step();
  assertEquals(memory().tensors, settled.tensors);
  assertEquals(memory().bytes, settled.bytes);
  w.dispose();
  b.dispose();
});

Deno.test("backward() frees what the forward saved even outside of scopes", () => {
  const x = leaf([1, 2]);
  const before = memory().tensors;
  const hidden = x.exp();
  const loss = hidden.sum();
  loss.backward();
  loss.dispose();
  hidden.dispose();
  assertEquals(memory().tensors, before + 1); // the gradient
  x.dispose();
});
