import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { gradcheck } from "../../autograd/mod.ts";
import {
  arcFaceLoss,
  cosFaceLoss,
  CrossBatchMemory,
  infoNceLoss,
  minedTripletLoss,
  multiSimilarityLoss,
  proxyAnchorLoss,
  proxyNcaLoss,
} from "../../losses/mod.ts";
import { compile, Generator, keep, randn, scope, type Tensor, tensor } from "../../tensor/mod.ts";

type Rows = readonly (readonly number[])[];

const generator = new Generator(4);
const z = keep(randn([6, 3], { generator, dtype: "float64" }));
const w = keep(randn([3, 3], { generator, dtype: "float64" }));
const y = [0, 1, 0, 2, 1, 0];
const labels = keep(tensor(y, { dtype: "int32" }));
const rowsOf = async (x: Tensor) => await x.toArray() as unknown as Rows;

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const unit = (rows: Rows): Rows => rows.map((row) => row.map((value) => value / Math.sqrt(dot(row, row))));
const euclid = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((value, i) => value - b[i]!));
const each = (test: (j: number) => boolean, count = y.length) => Array.from({ length: count }, (_, j) => j).filter(test);

function differentiable(x: Tensor): Tensor {
  return x.clone().requiresGrad_();
}

Deno.test("minedTripletLoss finds the hardest triplets as a loop does", async () => {
  using _ = scope();
  const rows = unit(await rowsOf(z));
  const losses = y.map((own, i) => {
    const near = each((j) => j !== i && y[j] === own).map((j) => euclid(rows[i]!, rows[j]!));
    const far = each((j) => y[j] !== own).map((j) => euclid(rows[i]!, rows[j]!));
    return near.length === 0 ? null : Math.max(0, Math.max(...near) - Math.min(...far) + 0.5);
  });
  const valid = losses.filter((value) => value !== null);
  assertAlmostEquals(await minedTripletLoss(z, labels, { margin: 0.5 }).item(), mean(valid), 1e-12);
  assertAlmostEquals(await minedTripletLoss(z, labels, { margin: 0.5, reduction: "mean" }).item(), sum(valid) / 6, 1e-12);
  const none = await minedTripletLoss(z, labels, { margin: 0.5, reduction: "none" }).data();
  losses.forEach((value, i) => assertAlmostEquals(none[i]!, value ?? 0, 1e-12));
});

Deno.test("minedTripletLoss finds semi-hard and all triplets as loops do", async () => {
  using _ = scope();
  const rows = unit(await rowsOf(z));
  const semi: number[] = [];
  const all: number[] = [];
  for (const i of each(() => true)) {
    const far = each((k) => y[k] !== y[i]).map((k) => 1 - dot(rows[i]!, rows[k]!));
    for (const j of each((j) => j !== i && y[j] === y[i])) {
      const near = 1 - dot(rows[i]!, rows[j]!);
      const farther = far.filter((distance) => distance > near);
      semi.push(Math.max(0, near - (farther.length > 0 ? Math.min(...farther) : Math.max(...far)) + 0.3));
      all.push(...far.map((distance) => near - distance + 0.3).filter((loss) => loss > 0));
    }
  }
  const options = { margin: 0.3, distance: "cosine" } as const;
  assertAlmostEquals(await minedTripletLoss(z, labels, { ...options, mining: "semi-hard" }).item(), mean(semi), 1e-12);
  assertAlmostEquals(await minedTripletLoss(z, labels, { ...options, mining: "all" }).item(), mean(all), 1e-12);
});

Deno.test("minedTripletLoss gives 0 and no gradient without a triplet, and finite gradients for equal rows", async () => {
  using _ = scope();
  for (const mining of ["hard", "semi-hard", "all"] as const) {
    for (const own of [[0, 0], [0, 1]]) {
      const x = tensor([[1, 2], [1, 2]], { requiresGrad: true });
      const loss = minedTripletLoss(x, tensor(own, { dtype: "int32" }), { mining });
      loss.backward();
      assertEquals(await loss.item(), 0);
      assertEquals(await x.grad!.toArray(), [[0, 0], [0, 0]]);
    }
    const x = tensor([[1, 2], [1, 2], [1, 2]], { requiresGrad: true });
    minedTripletLoss(x, tensor([0, 0, 1], { dtype: "int32" }), { mining }).backward();
    assert((await x.grad!.data()).every(Number.isFinite));
  }
});

Deno.test("multiSimilarityLoss equals its formula", async () => {
  using _ = scope();
  const rows = unit(await rowsOf(z));
  for (const epsilon of [0.1, null]) {
    const losses = y.map((own, i) => {
      const s = (j: number) => dot(rows[i]!, rows[j]!);
      let positives = each((j) => j !== i && y[j] === own).map(s);
      let negatives = each((j) => y[j] !== own).map(s);
      if (positives.length === 0) return 0;
      if (epsilon !== null) {
        const [least, most] = [Math.min(...positives), Math.max(...negatives)];
        positives = positives.filter((value) => value < most + epsilon);
        negatives = negatives.filter((value) => value > least - epsilon);
      }
      return Math.log(1 + sum(positives.map((value) => Math.exp(-2 * (value - 0.5))))) / 2 +
        Math.log(1 + sum(negatives.map((value) => Math.exp(50 * (value - 0.5))))) / 50;
    });
    assertAlmostEquals(await multiSimilarityLoss(z, labels, { epsilon }).item(), mean(losses), 1e-12);
  }
});

Deno.test("arcFaceLoss and cosFaceLoss equal their formulas, also beyond π", async () => {
  using _ = scope();
  const [rows, prototypes] = [unit(await rowsOf(z)), unit(await rowsOf(w))];
  const expected = (own: (cosine: number) => number, scale: number) =>
    mean(rows.map((row, i) => {
      const logits = prototypes.map((prototype, k) => scale * (k === y[i] ? own(dot(row, prototype)) : dot(row, prototype)));
      return Math.log(sum(logits.map(Math.exp))) - logits[y[i]!]!;
    }));
  const arc = (m: number) => (cosine: number) =>
    Math.acos(cosine) + m < Math.PI ? Math.cos(Math.acos(cosine) + m) : cosine - m * Math.sin(m);
  for (const margin of [0.5, 1.5]) {
    assertAlmostEquals(await arcFaceLoss(z, labels, { prototypes: w, margin, scale: 4 }).item(), expected(arc(margin), 4), 1e-10);
  }
  assertAlmostEquals(await cosFaceLoss(z, labels, { prototypes: w, scale: 4 }).item(), expected((cosine) => cosine - 0.35, 4), 1e-10);
});

Deno.test("proxyNcaLoss and proxyAnchorLoss equal their formulas", async () => {
  using _ = scope();
  const [rows, proxies] = [unit(await rowsOf(z)), unit(await rowsOf(w))];
  const nca = mean(rows.map((row, i) => {
    const d = proxies.map((proxy) => 3 * euclid(row, proxy) ** 2);
    return d[y[i]!]! + Math.log(sum(d.filter((_, k) => k !== y[i]).map((distance) => Math.exp(-distance))));
  }));
  assertAlmostEquals(await proxyNcaLoss(z, labels, { prototypes: w, scale: 3 }).item(), nca, 1e-10);
  const pull = proxies.map((proxy, k) => {
    return Math.log(1 + sum(each((i) => y[i] === k).map((i) => Math.exp(-5 * (dot(rows[i]!, proxy) - 0.1)))));
  });
  const push = proxies.map((proxy, k) => {
    return Math.log(1 + sum(each((i) => y[i] !== k).map((i) => Math.exp(5 * (dot(rows[i]!, proxy) + 0.1)))));
  });
  assertAlmostEquals(await proxyAnchorLoss(z, labels, { prototypes: w, alpha: 5 }).item(), mean(pull) + mean(push), 1e-10);
});

Deno.test("infoNceLoss equals its formula", async () => {
  using _ = scope();
  const [a, b] = [z.narrow(0, { start: 0, length: 3 }), z.narrow(0, { start: 3, length: 3 })];
  const [q, k, n] = [unit(await rowsOf(a)), unit(await rowsOf(b)), unit(await rowsOf(w))];
  const find = (from: Rows, to: Rows) =>
    mean(from.map((row, i) => Math.log(sum(to.map((key) => Math.exp(dot(row, key) * 2)))) - 2 * dot(row, to[i]!)));
  assertAlmostEquals(await infoNceLoss(a, b, { temperature: 0.5 }).item(), find(q, k), 1e-12);
  assertAlmostEquals(await infoNceLoss(a, b, { temperature: 0.5, symmetric: true }).item(), (find(q, k) + find(k, q)) / 2, 1e-12);
  const against = mean(q.map((row, i) => {
    const [own, ...others] = [k[i]!, ...n].map((key) => 2 * dot(row, key));
    return Math.log(Math.exp(own!) + sum(others.map(Math.exp))) - own!;
  }));
  assertAlmostEquals(await infoNceLoss(a, b, { temperature: 0.5, negatives: w }).item(), against, 1e-12);
});

Deno.test("Metric losses have right gradients", async () => {
  const checks: Readonly<Record<string, (x: Tensor, p: Tensor) => Tensor>> = {
    hard: (x) => minedTripletLoss(x, labels, { margin: 0.5 }),
    squared: (x) => minedTripletLoss(x, labels, { margin: 0.5, distance: "squared", normalize: false }),
    semi: (x) => minedTripletLoss(x, labels, { margin: 0.5, mining: "semi-hard" }),
    all: (x) => minedTripletLoss(x, labels, { margin: 0.5, mining: "all", distance: "cosine" }),
    similarity: (x) => multiSimilarityLoss(x, labels),
    references: (x, p) => multiSimilarityLoss(x, labels, { references: { embeddings: p, labels: tensor([0, 1, -1], { dtype: "int32" }) } }),
    arc: (x, p) => arcFaceLoss(x, labels, { prototypes: p, scale: 4 }),
    cos: (x, p) => cosFaceLoss(x, labels, { prototypes: p, scale: 4 }),
    nca: (x, p) => proxyNcaLoss(x, labels, { prototypes: p }),
    ncaPositive: (x, p) => proxyNcaLoss(x, labels, { prototypes: p, includePositive: true, normalize: false }),
    anchor: (x, p) => proxyAnchorLoss(x, labels, { prototypes: p, alpha: 5 }),
    nce: (x, p) => infoNceLoss(x, x.flip(0), { negatives: p, temperature: 0.5 }),
  };
  for (const [name, check] of Object.entries(checks)) {
    using _ = scope();
    await gradcheck((x, p) => check(x!, p!).add(p!.sum().mul(0)), [differentiable(z), differentiable(w)]).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
});

Deno.test("CrossBatchMemory compares with earlier batches as one batch would, and forgets the oldest", async () => {
  using _ = scope();
  const int = (values: number[]) => tensor(values, { dtype: "int32" });
  const [first, second] = [z.narrow(0, { start: 0, length: 3 }), z.narrow(0, { start: 3, length: 3 })];
  const memory = new CrossBatchMemory((x, own, options) => multiSimilarityLoss(x, own, { ...options, reduction: "none" }), {
    size: 4,
    dim: 3,
    dtype: "float64",
  });
  const alone = await memory.forward(first, int([0, 1, 0])).data();
  assertEquals(alone, await multiSimilarityLoss(first, int([0, 1, 0]), { reduction: "none" }).data());
  assertEquals(await memory.labels.toArray(), [0, 1, 0, -1]);
  const joined = await memory.forward(second, int([2, 1, 0])).data();
  const whole = await multiSimilarityLoss(z.flip(0), int([0, 1, 2, 0, 1, 0]), { reduction: "none" }).data();
  [2, 1, 0].forEach((at, i) => assertAlmostEquals(joined[i]!, whole[at]!, 1e-12));
  assertEquals(await memory.labels.toArray(), [2, 1, 0, 0]);
  memory.eval().forward(first, int([0, 1, 0]));
  assertEquals(await memory.labels.toArray(), [2, 1, 0, 0]);
  assertEquals(Object.keys(memory.stateDict()), ["embeddings", "labels"]);
});

Deno.test("CrossBatchMemory remembers in compiled steps as in eager ones", async () => {
  using _ = scope();
  const make = () => new CrossBatchMemory(multiSimilarityLoss, { size: 4, dim: 3 });
  const [eager, compiled] = [make(), make()];
  const own = tensor([0, 1, 0], { dtype: "int32" });
  const step = compile((x: Tensor) => compiled.forward(x, own));
  for (let n = 0; n < 4; n++) {
    const x = randn([3, 3], { generator: new Generator(n) });
    assertAlmostEquals(await step(x).item(), await eager.forward(x, own).item(), 1e-5);
  }
});
