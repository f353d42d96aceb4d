/** What the contrastive losses must satisfy whatever the numbers are: identities between them, invariances, bounds and limits. */
import { assertAlmostEquals, assertGreaterOrEqual, assertLess, assertRejects, assertThrows } from "@std/assert";
import { crossEntropy, ESupCon, eSupCon, extendedContrastiveCrossEntropy, normalizeRows, ntXent, spce, supCon } from "../../losses/mod.ts";
import {
  arange,
  ArgumentError,
  cat,
  Generator,
  IndexError,
  ones,
  pairLogSumExp,
  randn,
  randperm,
  ShapeError,
  stack,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";

const N = 9;
const D = 5;
const K = 3;
const generator = new Generator(11);
const double = { dtype: "float64", generator } as const;
const z = randn([N, D], double);
const w = randn([K, D], double);
const y = tensor([0, 1, 2, 0, 1, 2, 0, 0, 1], { dtype: "int32" });

async function assertSame(a: Tensor, b: Tensor, tolerance = 1e-12): Promise<void> {
  const [left, right] = [await a.data(), await b.data()];
  left.forEach((value: number, i: number) => assertAlmostEquals(value, right[i]!, tolerance * Math.max(1, Math.abs(value))));
}

/** Cross entropy against the prototypes. */
function classifierLoss(rows: Tensor, prototypes: Tensor, labels: Tensor, temperature: number): Tensor {
  return crossEntropy(normalizeRows(rows).matmul(normalizeRows(prototypes).mT).div(temperature), labels);
}

Deno.test("eSupCon of one sample is cross entropy, and half of it with both anchors", async () => {
  const one = z.narrow(0, { start: 0, length: 1 });
  const label = y.narrow(0, { start: 0, length: 1 });
  const expected = classifierLoss(one, w, label, 0.2);
  await assertSame(eSupCon(one, label, { prototypes: w, temperature: 0.2, anchors: "samples" }), expected);
  await assertSame(eSupCon(one, label, { prototypes: w, temperature: 0.2 }), expected.div(2));
});

Deno.test("eSupCon without prototype candidates is supCon over the samples", async () => {
  const options = { temperature: 0.2, reduction: "none" } as const;
  await assertSame(eSupCon(z, y, { ...options, prototypes: w, anchors: "samples", prototypeCandidates: false }), supCon(z, y, options));
});

Deno.test("eSupCon with prototype pairs is supCon on the union of samples and prototypes", async () => {
  const options = { temperature: 0.2, reduction: "none" } as const;
  const union = supCon(cat([z, w]), cat([y, arange(K)]), options);
  await assertSame(eSupCon(z, y, { ...options, prototypes: w, prototypePairs: true }), union);
});

Deno.test("eSupCon of equal similarities is the logarithm of the number of candidates", async () => {
  const rows = ones([N, D], { dtype: "float64" });
  const prototypes = ones([K, D], { dtype: "float64" });
  const samples = eSupCon(rows, y, { prototypes, anchors: "samples" });
  assertAlmostEquals(await samples.item(), Math.log(N - 1 + K), 1e-12);
  const both = eSupCon(rows, y, { prototypes });
  assertAlmostEquals(await both.item(), (N * Math.log(N - 1 + K) + K * Math.log(N)) / (N + K), 1e-12);
});

Deno.test("eSupCon does not depend on the order of samples, the names of classes, or the rows' lengths", async () => {
  const expected = eSupCon(z, y, { prototypes: w });
  const order = randperm(N, { generator });
  await assertSame(eSupCon(z.indexSelect(0, order), y.indexSelect(0, order), { prototypes: w }), expected);
  const renamed = tensor([2, 0, 1], { dtype: "int32" });
  const back = tensor([1, 2, 0], { dtype: "int32" });
  await assertSame(eSupCon(z, renamed.indexSelect(0, y), { prototypes: w.indexSelect(0, back) }), expected);
  await assertSame(eSupCon(z.mul(3), y, { prototypes: w.mul(0.1) }), expected);
});

Deno.test("eSupCon does not depend on a common rotation", async () => {
  // A Householder reflection of all rows.
  const axis = normalizeRows(randn([1, D], double));
  const reflect = (rows: Tensor): Tensor => rows.sub(rows.matmul(axis.mT).matmul(axis).mul(2));
  await assertSame(eSupCon(reflect(z), y, { prototypes: reflect(w) }), eSupCon(z, y, { prototypes: w }));
});

Deno.test("eSupCon of several views is that of the views as further samples", async () => {
  const second = randn([N, D], double);
  const views = eSupCon(stack([z, second], { dim: 1 }), y, { prototypes: w });
  await assertSame(views, eSupCon(cat([z, second]), cat([y, y]), { prototypes: w }));
});

Deno.test("normalised losses have gradients orthogonal to their rows", async () => {
  for (
    const loss of [
      (rows: Tensor) => eSupCon(rows, y, { prototypes: w }),
      (rows: Tensor) => supCon(rows, y),
      (rows: Tensor) => spce(rows, y, { numClasses: K, normalize: true }),
      (rows: Tensor) => extendedContrastiveCrossEntropy(rows, y, { prototypes: w, normalize: true }),
    ]
  ) {
    const rows = z.clone().requiresGrad_();
    loss(rows).backward();
    await assertSame(rows.grad!.mul(z).sum(1), z.newZeros([N]), 1e-12);
  }
});

Deno.test("eSupCon is at least the logarithm of each anchor's number of positives", async () => {
  const losses = await eSupCon(z, y, { prototypes: w, reduction: "none", anchors: "samples" }).data();
  const counts = [4, 3, 2];
  const labels = await y.data();
  losses.forEach((value: number, i: number) => assertGreaterOrEqual(value, Math.log(counts[labels[i]!]!) - 1e-12));
});

Deno.test("eSupCon is bounded below by its mixture of cross entropy and supCon", async () => {
  const tau = 0.3;
  const joint = await eSupCon(z, y, { prototypes: w, temperature: tau, anchors: "samples", reduction: "none" }).data();
  const contrast = await supCon(z, y, { temperature: tau, reduction: "none" }).data();
  const logits = normalizeRows(z).matmul(normalizeRows(w).mT).div(tau);
  const own = await crossEntropy(logits, y, { reduction: "none" }).data();
  const counts = [4, 3, 2];
  const labels = await y.data();
  joint.forEach((value: number, i: number) => {
    const a = 1 / counts[labels[i]!]!;
    const entropy = a < 1 ? -a * Math.log(a) - (1 - a) * Math.log(1 - a) : 0;
    assertGreaterOrEqual(value, a * own[i]! + (1 - a) * contrast[i]! + entropy - 1e-12);
  });
});

Deno.test("eSupCon tends to the logarithm of the candidates' number at high temperature, with a gradient of order 1/τ", async () => {
  const steep = z.clone().requiresGrad_();
  const loss = eSupCon(steep, y, { prototypes: w, temperature: 1e6, anchors: "samples" });
  loss.backward();
  assertAlmostEquals(await loss.item(), Math.log(N - 1 + K), 1e-5);
  assertLess(await steep.grad!.abs().max().item(), 1e-5);
});

Deno.test("eSupCon times τ tends to the greatest less the mean positive similarity at low temperature", async () => {
  const tau = 1e-4;
  const losses = await eSupCon(z, y, { prototypes: w, temperature: tau, anchors: "samples", reduction: "none" }).data();
  const unit = await normalizeRows(cat([z, w])).matmul(normalizeRows(cat([z, w])).mT).toArray() as number[][];
  const labels = [...await y.data(), 0, 1, 2];
  losses.forEach((value: number, i: number) => {
    const others = unit[i]!.map((s, j) => ({ s, j })).filter(({ j }) => j !== i);
    const positives = others.filter(({ j }) => labels[j] === labels[i]);
    const mean = positives.reduce((sum, { s }) => sum + s, 0) / positives.length;
    assertAlmostEquals(value * tau, Math.max(...others.map(({ s }) => s)) - mean, 1e-3);
  });
});

Deno.test("spce is cross entropy against class means, and equals its two-term definition", async () => {
  const onehot = y.oneHot(K, { dtype: "float64" });
  const means = onehot.mT.matmul(z).div(onehot.sum(0).unsqueeze(1));
  await assertSame(spce(z, y, { numClasses: K, centre: "class" }), crossEntropy(z.matmul(means.mT), y));
  const same = y.unsqueeze(1).eq(y.unsqueeze(0)).to("float64");
  const gram = z.matmul(z.mT);
  const pull = gram.mul(same).sum().div(N * N).neg();
  const push = gram.matmul(onehot).div(N).logsumexp(1).mean();
  await assertSame(spce(z, y, { numClasses: K }), pull.add(push), 1e-11);
});

Deno.test("extendedContrastiveCrossEntropy is spce with beta 0, and in joint mode with prototypes of 0", async () => {
  const expected = spce(z, y, { numClasses: K, temperature: 0.5, normalize: true });
  const options = { temperature: 0.5, normalize: true } as const;
  await assertSame(extendedContrastiveCrossEntropy(z, y, { ...options, prototypes: w, beta: 0 }), expected);
  await assertSame(extendedContrastiveCrossEntropy(z, y, { ...options, prototypes: w.mul(0), mode: "joint" }), expected);
});

Deno.test("supCon of two views without labels is ntXent, also with the labels 0 … N-1", async () => {
  const second = randn([N, D], double);
  const expected = ntXent(z, second, { temperature: 0.3 });
  await assertSame(supCon(stack([z, second], { dim: 1 }), null, { temperature: 0.3 }), expected);
  await assertSame(supCon(stack([z, second], { dim: 1 }), arange(N), { temperature: 0.3 }), expected);
});

Deno.test("pairLogSumExp equals the stored matrix, forward and backward, with diagonal and labels left out", async () => {
  const labels: [Tensor, Tensor] = [y, y];
  for (const options of [{ scale: 2 }, { scale: 2, excludeDiagonal: true }, { scale: 3, excludeDiagonal: true, labels }]) {
    const streamed = z.to("float32").detach().requiresGrad_();
    const stored = z.to("float32").detach().requiresGrad_();
    let similarities = stored.matmul(stored.mT).mul(options.scale);
    if ("labels" in options) similarities = y.unsqueeze(1).eq(y.unsqueeze(0)).where(similarities, -Infinity);
    if ("excludeDiagonal" in options) {
      similarities = similarities.maskedFill(arange(N).unsqueeze(1).eq(arange(N).unsqueeze(0)), -Infinity);
    }
    const a = pairLogSumExp(streamed, streamed, options);
    const b = similarities.logsumexp(1);
    await assertSame(a, b, 1e-5);
    a.square().sum().backward();
    b.square().sum().backward();
    await assertSame(streamed.grad!, stored.grad!, 1e-4);
  }
});

Deno.test("streamed losses equal stored ones beyond four million pairs", async () => {
  // 2,100 samples make 4.4 million pairs.
  const rows = randn([2100, 4], { generator });
  const classes = arange(2100).remainder(7).to("int32");
  const b = rows.to("float64").detach().requiresGrad_(); // float64 is always stored
  const stored = supCon(b, classes);
  stored.backward();
  const scale = await b.grad!.abs().max().item();
  // Labels of any values, too: their order is another one, and they lie outside 0 … N-1.
  for (const [labels, options] of [[classes, { numClasses: 7 }], [classes, {}], [classes.mul(-1_000_000).add(99), {}]] as const) {
    const a = rows.clone().requiresGrad_();
    const streamed = supCon(a, labels, options);
    streamed.backward();
    await assertSame(streamed, stored, 1e-5);
    assertLess(await a.grad!.sub(b.grad!).abs().max().item(), 1e-4 * scale);
  }
});

Deno.test("supCon inside the logarithm is streamed as it is stored, and as float64 differences say, with anchors that have no positive", async () => {
  const rows = randn([2100, 4], { generator });
  // Seven classes, but the first three rows are alone in theirs.
  const classes = arange(2100).ge(3).where(arange(2100).remainder(7), arange(2100).add(100)).to("int32");
  for (const options of [{}, { contrastMode: "one", reduction: "mean-valid", temperature: 0.3, normalize: false }] as const) {
    const views = "contrastMode" in options ? stack([rows, rows.flip(0)], { dim: 1 }) : rows;
    const b = views.to("float64").detach().requiresGrad_(); // float64 is always stored
    const stored = supCon(b, classes, { ...options, kind: "in" });
    stored.backward();
    const a = views.clone().requiresGrad_();
    const streamed = supCon(a, classes, { ...options, kind: "in" });
    streamed.backward();
    await assertSame(streamed, stored, 1e-5);
    const scale = await b.grad!.abs().max().item();
    assertLess(await a.grad!.sub(b.grad!).abs().max().item(), 1e-4 * scale);
    // Along the gradient itself a central difference of the float64 loss gives its squared length.
    const step = b.grad!.mul(1e-4 / scale);
    const at = (sign: number) => supCon(b.detach().add(step.mul(sign)), classes, { ...options, kind: "in" }).item();
    const difference = (await at(1) - await at(-1)) / 2;
    const predicted = await a.grad!.to("float64").mul(step).sum().item();
    assertLess(Math.abs(difference - predicted), 1e-4 * Math.abs(predicted));
  }
});

Deno.test("losses that own prototypes classify with the temperature and normalisation of training", async () => {
  const head = new ESupCon({ numClasses: K, dim: D, temperature: 0.5, generator });
  const rows = z.to("float32");
  const logits = normalizeRows(rows).matmul(normalizeRows(head.prototypes).mT).div(0.5);
  await assertSame(head.logits(rows), logits, 1e-6);
  await assertSame(head.predict(rows), logits.argmax(1));
  await assertSame(head.probabilities(rows).sum(1), ones([N]), 1e-6);
});

Deno.test("contrastive losses refuse what does not fit, with a typed error", async () => {
  assertThrows(() => eSupCon(z, y, { prototypes: w, temperature: 0 }), ArgumentError, "temperature above 0");
  assertThrows(() => eSupCon(z, y, { prototypes: randn([K, D + 1], double) }), ShapeError, "prototypes [K, D]");
  assertThrows(() => supCon(z, y.narrow(0, { start: 0, length: 2 })), ShapeError, "labels [N]");
  assertThrows(() => supCon(z, y, { kind: "both" as "in" }), ArgumentError, '"out" or "in"');
  // On the CPU at once; on a GPU at the next read.
  await assertRejects(async () => await spce(z, y.add(1), { numClasses: K }).item(), IndexError);
});
