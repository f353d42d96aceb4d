import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { gradcheck } from "../../autograd/mod.ts";
import * as losses from "../../losses/mod.ts";
import { ArgumentError, ones, scope, ShapeError, type Tensor, tensor, zeros } from "../../tensor/mod.ts";
import cases from "./fixtures/torch.json" with { type: "json" };

interface Stored {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly number[];
}

type Loss = (a: Tensor, b: Tensor, options: Record<string, unknown>) => Tensor;

function build({ shape, dtype, values }: Stored): Tensor {
  return tensor(Float64Array.from(values), { shape, dtype: dtype as "float64" | "int32" });
}

async function assertNear(got: Tensor, expected: Stored, what: string): Promise<void> {
  assertEquals(got.shape, [...expected.shape], what);
  const values = await got.data();
  expected.values.forEach((value, i) => assertAlmostEquals(values[i]!, value, 1e-10, what));
}

/** Targets and weights take no gradient in the reference. */
const constants: Readonly<Record<string, readonly number[]>> = {
  poissonNllLoss: [1],
  hingeEmbeddingLoss: [1],
  focalLoss: [1],
};

cases.forEach(({ op, options, inputs, tensors, value, gradients }, n) => {
  Deno.test(`${op} ${n} ${JSON.stringify(options)} gives PyTorch's values and gradients`, async () => {
    using _ = scope();
    const leaves = inputs.map((input, at) =>
      input.dtype === "float64" && !constants[op]?.includes(at) ? build(input).requiresGrad_() : build(input)
    );
    const extra = Object.fromEntries(
      Object.entries(tensors as Record<string, Stored>).map((
        [name, stored],
      ) => [name, ["target", "weight", "posWeight"].includes(name) ? build(stored) : build(stored).requiresGrad_()]),
    );
    const loss = losses[op as keyof typeof losses] as unknown as Loss;
    const result = loss(leaves[0]!, leaves[1]!, { ...options, ...extra });
    await assertNear(result, value, "value");
    result.sum().backward();
    const checked = [...leaves, ...Object.values(extra)];
    const wanted = checked.filter(({ requiresGrad }) => requiresGrad);
    const expected = constants[op] === undefined ? gradients : gradients.filter((_, at) => !constants[op]!.includes(at));
    assertEquals(wanted.length, expected.length);
    for (const [at, leaf] of wanted.entries()) await assertNear(leaf.grad ?? leaf.zerosLike(), expected[at]!, `gradient ${at}`);
  });
});

Deno.test("bceLoss, klDivLoss and focalLoss stay finite where a logarithm would not", async () => {
  using _ = scope();
  const p = tensor([0, 1, 0, 1], { dtype: "float32", requiresGrad: true });
  const losses1 = losses.bceLoss(p, tensor([0, 1, 1, 0]), { reduction: "none" });
  losses1.sum().backward();
  assertEquals(await losses1.toArray(), [0, 0, 100, 100]);
  assert((await p.grad!.data()).every(Number.isFinite));
  const t = tensor([0, 1], { requiresGrad: true });
  losses.klDivLoss(tensor([-1, -1]), t).backward();
  assert((await t.grad!.data()).every(Number.isFinite));
  const x = tensor([[200, -200]], { requiresGrad: true });
  losses.focalLoss(x, tensor([0], { dtype: "int32" }), { gamma: 0.5 }).backward();
  assert((await x.grad!.data()).every(Number.isFinite));
});

Deno.test("tripletMarginLoss takes any distance", async () => {
  const rows = (data: number[][]) => tensor(data, { dtype: "float64", requiresGrad: true });
  const distance = (a: Tensor, b: Tensor) => a.sub(b).square().sum(-1);
  await gradcheck((a, p, n) => losses.tripletMarginLoss(a!, p!, { negative: n!, distance }), [
    rows([[0.1, 0.2]]),
    rows([[0.5, -0.3]]),
    rows([[0.4, 0.9]]),
  ]);
});

Deno.test("Losses refuse what does not fit", () => {
  const int = (values: number[]) => tensor(values, { dtype: "int32" });
  assertThrows(() => losses.huberLoss(ones([2]), ones([2]), { delta: 0 }), ArgumentError, "delta");
  assertThrows(() => losses.bceLoss(ones([2]), ones([3])), ShapeError, "one shape");
  assertThrows(() => losses.klDivLoss(ones([2]), ones([1])), ShapeError, "one shape");
  // Broadcast, [2] against [2, 1] would silently pair each with each.
  assertThrows(() => losses.bceWithLogits(ones([2]), ones([2, 1])), ShapeError, "one shape");
  assertThrows(() => losses.gaussianNllLoss(ones([2]), ones([2]), { variance: ones([2]), eps: 0 }), ArgumentError, "eps");
  assertThrows(() => losses.multiMarginLoss(ones([2, 3]), int([1])), ShapeError, "multiMarginLoss");
  assertThrows(() => losses.multiMarginLoss(ones([1, 3]), int([1]), { p: 3 as 2 }), ArgumentError, "p 1 or 2");
  assertThrows(() => losses.focalLoss(ones([2, 3]), int([1])), ShapeError, "focalLoss");
  assertThrows(() => losses.focalLoss(ones([2]), ones([2]), { gamma: -1 }), ArgumentError, "gamma");
  assertThrows(() => losses.l1Loss(ones([2]), ones([2]), { reduction: "all" as "sum" }), ArgumentError, "reduction");
  assertThrows(() => losses.infoNceLoss(ones([2, 3]), ones([3, 3])), ShapeError, "infoNceLoss");
  assertThrows(() => losses.infoNceLoss(ones([2, 3]), ones([2, 3]), { temperature: 0 }), ArgumentError, "temperature");
  assertThrows(() => losses.infoNceLoss(ones([2, 3]), ones([2, 3]), { symmetric: true, negatives: ones([1, 3]) }), ArgumentError, "both");
  assertThrows(() => losses.minedTripletLoss(ones([2, 3]), int([0, 1]), { mining: "soft" as "hard" }), ArgumentError, "mining");
  assertThrows(() => losses.minedTripletLoss(ones([2, 3]), int([0, 1]), { distance: "l1" as "cosine" }), ArgumentError, "distance");
  assertThrows(() => losses.multiSimilarityLoss(ones([2, 3]), int([0, 1]), { beta: 0 }), ArgumentError, "beta");
  const references = { embeddings: ones([2, 4]), labels: int([0, 1]) };
  assertThrows(() => losses.multiSimilarityLoss(ones([2, 3]), int([0, 1]), { references }), ShapeError, "references");
  assertThrows(() => losses.arcFaceLoss(ones([2, 3]), int([0, 1]), { prototypes: ones([2, 4]) }), ShapeError, "prototypes");
  assertThrows(() => losses.arcFaceLoss(ones([2, 3]), int([0, 1]), { prototypes: ones([2, 3]), margin: 2 }), ArgumentError, "margin");
  assertThrows(() => losses.proxyNcaLoss(ones([2, 3]), int([0, 0]), { prototypes: zeros([1, 3]) }), ArgumentError, "two proxies");
  assertThrows(() => new losses.CrossBatchMemory(losses.multiSimilarityLoss, { size: 0, dim: 2 }), ArgumentError, "size");
});
