/**
 * Edges at which PyTorch's own samples found this library different.
 */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { nllLoss, smoothL1Loss } from "../../losses/mod.ts";
import { arange, ArgumentError, ShapeError, type Tensor, tensor } from "../../tensor/mod.ts";

async function gradient(x: Tensor, run: (x: Tensor) => Tensor): Promise<unknown> {
  run(x.requiresGrad_()).sum().backward();
  return await x.grad!.toArray();
}

Deno.test("sign of NaN is 0, and abs has the gradient 0 there", async () => {
  assertEquals(await tensor([NaN, -2, 0, 3]).sign().toArray(), [0, -1, 0, 1]);
  assertEquals(await gradient(tensor([NaN, -2]), (x) => x.abs()), [0, -1]);
});

Deno.test("clamp gives max where min is greater", async () => {
  assertEquals(await tensor([-2, 0, 2, NaN]).clamp({ min: 1, max: -1 }).toArray(), [-1, -1, -1, NaN]);
});

Deno.test("relu and elu pass the gradient on at NaN", async () => {
  assertEquals(await gradient(tensor([NaN, -1, 0, 1]), (x) => x.relu()), [1, 0, 0, 1]);
  assertEquals(await gradient(tensor([NaN, 1]), (x) => x.elu()), [1, 1]);
});

Deno.test("maximum halves the gradient of equal operands only", async () => {
  assertEquals(await gradient(tensor([NaN, 1, 2, 3]), (x) => x.maximum(tensor([0, 1, 1, 4]))), [1, 0.5, 1, 0]);
});

Deno.test("scatter has gradients for prod, max and min", async () => {
  const index = tensor([0, 0, 1], { dtype: "int32" });
  const src = tensor([4, 2, 1], { requiresGrad: true });
  const x = tensor([2, 5], { requiresGrad: true });
  x.scatter(0, { index, src, combine: "prod" }).sum().backward();
  assertEquals(await x.grad!.toArray(), [8, 1]);
  assertEquals(await src.grad!.toArray(), [4, 8, 5]);
  assertEquals(await gradient(tensor([2, 1]), (y) => y.scatter(0, { index, src: src.detach(), combine: "min" })), [0.5, 0.5]);
});

Deno.test("gelu refuses an unknown approximation", () => {
  assertThrows(() => tensor([1]).gelu({ approximate: "fast" as "tanh" }), ArgumentError);
});

Deno.test("arange refuses a step away from its end", () => {
  assertThrows(() => arange(0, { start: 3 }), ArgumentError);
  assertEquals(arange(3, { start: 3 }).shape, [0]);
});

Deno.test("smoothL1Loss with a beta of 0 is the absolute difference", async () => {
  assertEquals(await smoothL1Loss(tensor([1, 2]), tensor([1.5, 4]), { beta: 0, reduction: "none" }).toArray(), [0.5, 2]);
});

Deno.test("nllLoss weighs classes, leaves positions out and takes further dims", async () => {
  const logProbs = tensor([[-1, -2], [-3, -4], [-5, -6]]);
  const options = { weight: tensor([1, 3]), ignoreIndex: 7 };
  const loss = nllLoss(logProbs, tensor([0, 1, 7], { dtype: "int32" }), options);
  assertAlmostEquals(await loss.item(), (1 + 3 * 4) / 4, 1e-6);
  assertEquals(nllLoss(logProbs.reshape([1, 3, 2]), tensor([[0, 2]], { dtype: "int32" }), { reduction: "none" }).shape, [1, 2]);
  assertThrows(() => nllLoss(logProbs, tensor([0], { dtype: "int32" })), ShapeError);
});
