import { assertAlmostEquals, assertEquals } from "@std/assert";
import * as nn from "../../nn/mod.ts";
import { type DType, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import breadth from "./fixtures/breadth.json" with { type: "json" };
import everyday from "./fixtures/layers.json" with { type: "json" };

interface Stored {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly number[];
}

interface Case {
  readonly name: string;
  readonly training: boolean;
  readonly state: Readonly<Record<string, Stored>>;
  readonly after: Readonly<Record<string, Stored>>;
  readonly inputs: readonly Stored[];
  readonly outputs: readonly Stored[];
  readonly weights: readonly Stored[];
  readonly inputGradients: readonly (Stored | null)[];
  readonly gradients: Readonly<Record<string, Stored>>;
}

type Run = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

interface Made {
  readonly module: nn.Module;
  readonly run: Run;
}

const double = { dtype: "float64" } as const;

/** A layer that is called with its inputs alone. */
function plain(module: nn.Module): Made {
  const { forward } = module;
  return { module, run: (...inputs) => forward.call(module, ...(inputs as never[])) as Tensor };
}

const layers: Readonly<Record<string, () => Made>> = {
  SELU: () => plain(new nn.SELU()),
  CELU: () => plain(new nn.CELU({ alpha: 0.7 })),
  Hardtanh: () => plain(new nn.Hardtanh({ min: -0.5, max: 0.8 })),
  ReLU6: () => plain(new nn.ReLU6()),
  Hardswish: () => plain(new nn.Hardswish()),
  Hardsigmoid: () => plain(new nn.Hardsigmoid()),
  Softsign: () => plain(new nn.Softsign()),
  Mish: () => plain(new nn.Mish()),
  Tanhshrink: () => plain(new nn.Tanhshrink()),
  Softshrink: () => plain(new nn.Softshrink({ lambda: 0.3 })),
  Hardshrink: () => plain(new nn.Hardshrink({ lambda: 0.3 })),
  Threshold: () => plain(new nn.Threshold({ threshold: 0.2, value: -1 })),
  LogSigmoid: () => plain(new nn.LogSigmoid()),
  Softmin: () => plain(new nn.Softmin({ dim: 1 })),
  GLU: () => plain(new nn.GLU({ dim: 1 })),
  PReLU: () => plain(new nn.PReLU(double)),
  "PReLU channels": () => plain(new nn.PReLU({ ...double, numParameters: 4 })),
  ConvTranspose1d: () =>
    plain(new nn.ConvTranspose1d(4, 6, { ...double, kernelSize: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 })),
  ConvTranspose2d: () =>
    plain(new nn.ConvTranspose2d(4, 3, { ...double, kernelSize: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 2] })),
  "ConvTranspose2d groups": () =>
    plain(new nn.ConvTranspose2d(4, 4, { ...double, kernelSize: 2, stride: 3, outputPadding: 2, groups: 4, bias: false })),
  MaxPool1d: () => plain(new nn.MaxPool1d(3, { stride: 2, padding: 1 })),
  "MaxPool1d ceil": () => plain(new nn.MaxPool1d(2, { dilation: 2, ceilMode: true })),
  AvgPool1d: () => plain(new nn.AvgPool1d(3, { stride: 2, padding: 1, countIncludePad: false })),
  AdaptiveMaxPool2d: () => plain(new nn.AdaptiveMaxPool2d([3, 4])),
  "AdaptiveMaxPool2d even": () => plain(new nn.AdaptiveMaxPool2d([5, 3])),
  "Upsample nearest": () => plain(new nn.Upsample({ scaleFactor: 2 })),
  "Upsample nearest size": () => plain(new nn.Upsample({ size: [3, 11] })),
  "Upsample bilinear": () => plain(new nn.Upsample({ scaleFactor: [2, 1.5], mode: "bilinear" })),
  "Upsample bilinear corners": () => plain(new nn.Upsample({ size: [7, 3], mode: "bilinear", alignCorners: true })),
  "Upsample linear": () => plain(new nn.Upsample({ size: 4, mode: "linear" })),
  ZeroPad2d: () => plain(new nn.ZeroPad2d([1, 0, 2, 1])),
  ConstantPad1d: () => plain(new nn.ConstantPad1d([2, 1], { value: 1.5 })),
  ReflectionPad1d: () => plain(new nn.ReflectionPad1d([3, 1])),
  ReflectionPad2d: () => plain(new nn.ReflectionPad2d([1, 2, 3, 0])),
  ReplicationPad2d: () => plain(new nn.ReplicationPad2d(2)),
  PixelShuffle: () => plain(new nn.PixelShuffle(2)),
  PixelUnshuffle: () => plain(new nn.PixelUnshuffle(2)),
  GroupNorm: () => plain(new nn.GroupNorm(2, 4, double)),
  "GroupNorm plain": () => plain(new nn.GroupNorm(4, 4, { eps: 1e-2, affine: false })),
  InstanceNorm2d: () => plain(new nn.InstanceNorm2d(4)),
  InstanceNorm1d: () => plain(new nn.InstanceNorm1d(4, { ...double, affine: true, trackRunningStats: true, momentum: 0.3 })),
  "InstanceNorm1d eval": () => plain(new nn.InstanceNorm1d(4, { ...double, affine: true, trackRunningStats: true })),
  LocalResponseNorm: () => plain(new nn.LocalResponseNorm(3, { alpha: 0.1, k: 2 })),
  "LocalResponseNorm even": () => plain(new nn.LocalResponseNorm(2, { alpha: 0.5 })),
  "BatchNorm2d cumulative": () => plain(new nn.BatchNorm2d(4, { ...double, momentum: null })),
  "BatchNorm1d plain": () => plain(new nn.BatchNorm1d(4, { affine: false, trackRunningStats: false })),
  "BatchNorm1d plain eval": () => plain(new nn.BatchNorm1d(4, { affine: false, trackRunningStats: false })),
  Bilinear: () => plain(new nn.Bilinear([3, 4], 2, double)),
  CosineSimilarity: () => plain(new nn.CosineSimilarity()),
  PairwiseDistance: () => plain(new nn.PairwiseDistance({ p: 3, keepDim: true })),
  "EmbeddingBag sum": () => plain(new nn.EmbeddingBag(4, 3, { ...double, mode: "sum" })),
  "EmbeddingBag mean": () => plain(new nn.EmbeddingBag(4, 3, double)),
  "EmbeddingBag max": () => plain(new nn.EmbeddingBag(4, 3, { ...double, mode: "max" })),
  "EmbeddingBag padding": () => plain(new nn.EmbeddingBag(4, 3, { ...double, paddingIdx: 2 })),
  "EmbeddingBag weights": () => {
    const module = new nn.EmbeddingBag(4, 3, { ...double, mode: "sum" });
    return { module, run: (index, weights) => module.forward(index!, { weights: weights! }) };
  },
  "EmbeddingBag offsets": () => {
    const module = new nn.EmbeddingBag(4, 3, double);
    return { module, run: (index, offsets) => module.forward(index!, { offsets: offsets! }) };
  },
  weightNorm: () => plain(nn.weightNorm(new nn.Linear(4, 3, double))),
  "weightNorm conv": () => plain(nn.weightNorm(new nn.Conv1d(4, 2, { ...double, kernelSize: 3 }))),
  spectralNorm: () => plain(nn.spectralNorm(new nn.Linear(4, 3, double))),
  "spectralNorm eval": () => plain(nn.spectralNorm(new nn.Conv1d(4, 2, { ...double, kernelSize: 3 }))),
};

const volumes: Readonly<Record<string, () => Made>> = {
  Conv3d: () =>
    plain(new nn.Conv3d(4, 2, { ...double, kernelSize: [2, 3, 2], stride: [1, 2, 1], padding: [1, 1, 0], dilation: [2, 1, 1] })),
  "Conv3d groups": () => plain(new nn.Conv3d(4, 4, { ...double, kernelSize: 2, groups: 2, bias: false })),
  ConvTranspose3d: () =>
    plain(
      new nn.ConvTranspose3d(4, 2, {
        ...double,
        kernelSize: [2, 1, 2],
        stride: [2, 1, 2],
        padding: [1, 0, 1],
        outputPadding: [1, 0, 0],
      }),
    ),
  "ConvTranspose3d groups": () =>
    plain(new nn.ConvTranspose3d(4, 4, { ...double, kernelSize: 2, dilation: [2, 1, 1], groups: 2, bias: false })),
  MaxPool3d: () => plain(new nn.MaxPool3d(2)),
  "MaxPool3d ceil": () =>
    plain(new nn.MaxPool3d([2, 3, 2], { stride: [2, 2, 1], padding: [1, 1, 0], dilation: [1, 1, 2], ceilMode: true })),
  AvgPool3d: () => plain(new nn.AvgPool3d([2, 3, 2], { stride: [2, 2, 1], padding: [1, 1, 0], ceilMode: true })),
  "AvgPool3d image": () => plain(new nn.AvgPool3d(2, { stride: 2, padding: 1, countIncludePad: false, ceilMode: true })),
  "AvgPool2d divisor": () =>
    plain(new nn.AvgPool2d([2, 3], { stride: 2, padding: 1, ceilMode: true, countIncludePad: false, divisorOverride: 5 })),
  "AvgPool3d divisor": () => plain(new nn.AvgPool3d([2, 3, 2], { divisorOverride: -7 })),
  AdaptiveAvgPool1d: () => plain(new nn.AdaptiveAvgPool1d(3)),
  AdaptiveAvgPool2d: () => plain(new nn.AdaptiveAvgPool2d([null, 4])),
  AdaptiveAvgPool3d: () => plain(new nn.AdaptiveAvgPool3d([2, 3, 1])),
  AdaptiveMaxPool1d: () => plain(new nn.AdaptiveMaxPool1d(3)),
  "AdaptiveMaxPool2d ties": () => plain(new nn.AdaptiveMaxPool2d([3, 2])),
  AdaptiveMaxPool3d: () => plain(new nn.AdaptiveMaxPool3d([3, null, 2])),
  BatchNorm3d: () => plain(new nn.BatchNorm3d(4, double)),
  InstanceNorm3d: () => plain(new nn.InstanceNorm3d(4, { ...double, affine: true })),
  "Upsample volume": () => plain(new nn.Upsample({ scaleFactor: [2, 1, 1.5] })),
  "Upsample trilinear": () => plain(new nn.Upsample({ size: [2, 5, 4], mode: "trilinear" })),
  "Upsample trilinear corners": () => plain(new nn.Upsample({ scaleFactor: 2, mode: "trilinear", alignCorners: true })),
  ConstantPad3d: () => plain(new nn.ConstantPad3d([1, 0, 2, 0, 0, 1], { value: 0.5 })),
  ReflectionPad3d: () => plain(new nn.ReflectionPad3d([1, 0, 2, 0, 0, 1])),
  ReplicationPad3d: () => plain(new nn.ReplicationPad3d([1, 0, 2, 0, 0, 1])),
};

function flat({ output, hidden, ...rest }: nn.RecurrentResult & { readonly cell?: Tensor }): Tensor[] {
  return [output, hidden, ...(rest.cell === undefined ? [] : [rest.cell])];
}

function both({ output, weights }: nn.Attended): Tensor[] {
  return [output, weights];
}

const small = { ...double, feedforward: 5, dropout: 0 } as const;

const sequences: Readonly<Record<string, () => Made>> = {
  RNN: () => {
    const module = new nn.RNN(3, 2, double);
    return { module, run: (x) => flat(module.forward(x!)) };
  },
  "RNN relu": () => {
    const module = new nn.RNN(3, 2, { ...double, nonlinearity: "relu", bias: false });
    return { module, run: (x, hidden) => flat(module.forward(x!, { hidden: hidden! })) };
  },
  LSTM: () => {
    const module = new nn.LSTM(3, 2, { ...double, layers: 2 });
    return { module, run: (x, hidden, cell) => flat(module.forward(x!, { hidden: hidden!, cell: cell! })) };
  },
  "LSTM packed": () => {
    const module = new nn.LSTM(3, 2, { ...double, layers: 2, bidirectional: true, batchFirst: true });
    return { module, run: (x) => flat(module.forward(x!, { lengths: [2, 4, 3] })) };
  },
  GRU: () => {
    const module = new nn.GRU(3, 2, { ...double, bidirectional: true, batchFirst: true });
    return { module, run: (x) => flat(module.forward(x!)) };
  },
  "GRU packed": () => {
    const module = new nn.GRU(3, 2, { ...double, batchFirst: true });
    return { module, run: (x) => flat(module.forward(x!, { lengths: [1, 4, 3] })) };
  },
  MultiheadAttention: () => {
    const module = new nn.MultiheadAttention(4, 2, double);
    return { module, run: (x) => both(module.attend(x!)) };
  },
  "MultiheadAttention masks": () => {
    const module = new nn.MultiheadAttention(4, 2, { ...double, batchFirst: true });
    const run: Run = (x, key, value, keyPaddingMask, mask) =>
      both(module.attend(x!, { key: key!, value: value!, keyPaddingMask: keyPaddingMask!, mask: mask! }));
    return { module, run };
  },
  "MultiheadAttention added": () => {
    const module = new nn.MultiheadAttention(4, 2, { ...double, bias: false });
    return { module, run: (x, mask) => both(module.attend(x!, { mask: mask! })) };
  },
  TransformerEncoderLayer: () => {
    const module = new nn.TransformerEncoderLayer(4, 2, small);
    return { module, run: (x) => module.forward(x!, { causal: true }) };
  },
  "TransformerEncoderLayer first": () => {
    const module = new nn.TransformerEncoderLayer(4, 2, { ...small, activation: "gelu", normFirst: true, batchFirst: true });
    return { module, run: (x, keyPaddingMask) => module.forward(x!, { keyPaddingMask: keyPaddingMask! }) };
  },
  TransformerEncoder: () => plain(new nn.TransformerEncoder(4, 2, { ...small, layers: 2, norm: true })),
  TransformerDecoder: () => {
    const module = new nn.TransformerDecoder(4, 2, { ...small, layers: 2 });
    return { module, run: (x, memory) => module.forward(x!, { memory: memory!, causal: true }) };
  },
};

/** One table as the input's embedding and the output's weight. */
class Tied extends nn.Module {
  readonly embedding = new nn.Embedding(4, 3, double);
  readonly head = new nn.Linear(3, 4, double);

  constructor() {
    super();
    this.head.weight.dispose();
    Reflect.set(this.head, "weight", this.embedding.weight);
  }

  override forward(index: Tensor): Tensor {
    return this.head.forward(this.embedding.forward(index).tanh());
  }
}

function bagOf(options: nn.EmbeddingBagOptions): Made {
  const module = new nn.EmbeddingBag(4, 3, { ...double, ...options });
  return { module, run: (index, offsets) => module.forward(index!, offsets === undefined ? {} : { offsets }) };
}

const options: Readonly<Record<string, () => Made>> = {
  ...Object.fromEntries((["zeros", "reflect", "replicate", "circular"] as const).flatMap((paddingMode) => [
    [`Conv1d same ${paddingMode}`, () => plain(new nn.Conv1d(4, 2, { ...double, kernelSize: 4, padding: "same", paddingMode }))],
    [`Conv2d ${paddingMode}`, () => plain(new nn.Conv2d(4, 2, { ...double, kernelSize: 3, padding: [1, 2], stride: 2, paddingMode }))],
  ])),
  "Conv3d same circular": () =>
    plain(new nn.Conv3d(4, 2, { ...double, kernelSize: [2, 1, 3], padding: "same", paddingMode: "circular", bias: false })),
  "Conv2d valid": () => plain(new nn.Conv2d(4, 2, { ...double, kernelSize: 3, padding: "valid" })),
  BatchNorm1d: () => plain(new nn.BatchNorm1d(4, { ...double, momentum: 0.3 })),
  "BatchNorm2d eval": () => plain(new nn.BatchNorm2d(4, double)),
  "BatchNorm2d plain": () => plain(new nn.BatchNorm2d(4, { ...double, affine: false })),
  "BatchNorm2d untracked eval": () => plain(new nn.BatchNorm2d(4, { ...double, trackRunningStats: false })),
  "BatchNorm1d cumulative twice": () => {
    const module = new nn.BatchNorm1d(4, { ...double, momentum: null });
    return { module, run: (a, b) => [module.forward(a!), module.forward(b!)] };
  },
  "EmbeddingBag sum offsets": () => bagOf({ mode: "sum" }),
  "EmbeddingBag max offsets": () => bagOf({ mode: "max", paddingIdx: 3 }),
  "EmbeddingBag sum padding": () => bagOf({ mode: "sum", paddingIdx: 0 }),
  "EmbeddingBag max padding": () => bagOf({ mode: "max", paddingIdx: 2 }),
  "weightNorm second dim": () => plain(nn.weightNorm(new nn.Linear(4, 3, double), { dim: 1 })),
  "weightNorm whole": () => plain(nn.weightNorm(new nn.Linear(4, 3, double), { dim: null })),
  "spectralNorm iterations": () => plain(nn.spectralNorm(new nn.Conv2d(4, 2, { ...double, kernelSize: 2 }), { iterations: 3 })),
  "spectralNorm transposed": () => plain(nn.spectralNorm(new nn.ConvTranspose1d(4, 2, { ...double, kernelSize: 3 }))),
  "RNN packed": () => {
    const module = new nn.RNN(3, 2, { ...double, layers: 2, bidirectional: true, batchFirst: true });
    return { module, run: (x, hidden) => flat(module.forward(x!, { hidden: hidden!, lengths: [4, 1, 2] })) };
  },
  "LSTM packed state": () => {
    const module = new nn.LSTM(3, 2, double);
    return { module, run: (x, hidden, cell) => flat(module.forward(x!, { hidden: hidden!, cell: cell!, lengths: [1, 3, 2] })) };
  },
  "GRU layers": () => {
    const module = new nn.GRU(3, 2, { ...double, layers: 3, bidirectional: true });
    return { module, run: (x, hidden) => flat(module.forward(x!, { hidden: hidden! })) };
  },
  "MultiheadAttention causal": () => {
    const module = new nn.MultiheadAttention(4, 2, double);
    return { module, run: (x) => both(module.attend(x!, { causal: true })) };
  },
  "MultiheadAttention per head": () => {
    const module = new nn.MultiheadAttention(4, 2, { ...double, batchFirst: true });
    return { module, run: (x, mask) => both(module.attend(x!, { mask: mask! })) };
  },
  "MultiheadAttention widths": () => {
    const module = new nn.MultiheadAttention(4, 2, { ...double, kdim: 3, vdim: 5 });
    return { module, run: (x, key, value) => both(module.attend(x!, { key: key!, value: value! })) };
  },
  "EmbeddingBag last offset": () => bagOf({ includeLastOffset: true }),
  scaledDotProductAttention: () => ({
    module: new nn.Identity(),
    run: (q, k, value, mask) => nn.scaledDotProductAttention(q!, k!, { value: value!, mask: mask! }),
  }),
  "scaledDotProductAttention causal": () => ({
    module: new nn.Identity(),
    run: (q, k, value) => nn.scaledDotProductAttention(q!, k!, { value: value!, causal: true }),
  }),
  "TransformerDecoderLayer masks": () => {
    const module = new nn.TransformerDecoderLayer(4, 2, { ...small, batchFirst: true, activation: "gelu", normFirst: true });
    const run: Run = (x, memory, memoryKeyPaddingMask) => {
      return module.forward(x!, { memory: memory!, causal: true, memoryKeyPaddingMask: memoryKeyPaddingMask! });
    };
    return { module, run };
  },
  Tied: () => plain(new Tied()),
};

function build({ shape, dtype, values }: Stored): Tensor {
  return tensor(Float64Array.from(values), { shape, dtype: dtype as DType });
}

async function assertNear(got: Tensor, expected: Stored, what: string): Promise<void> {
  assertEquals(got.shape, [...expected.shape], what);
  const values = await got.data();
  expected.values.forEach((value, i) => assertAlmostEquals(values[i]!, value, 1e-7 * Math.max(1, Math.abs(value)), `${what} [${i}]`));
}

for (
  const { name, training, state, after, inputs, outputs, weights, inputGradients, gradients } of [
    ...everyday,
    ...breadth,
  ] as unknown as Case[]
) {
  Deno.test(`${name} gives PyTorch's outputs, gradients and state from PyTorch's state`, async () => {
    using _ = scope();
    const { module, run } = (layers[name] ?? volumes[name] ?? sequences[name] ?? options[name])!();
    module.train(training);
    module.loadStateDict(Object.fromEntries(Object.entries(state).map(([key, stored]) => [key, build(stored)])));
    const leaves = inputs.map((stored) => stored.dtype === "float64" ? build(stored).requiresGrad_() : build(stored));
    const result = run(...leaves);
    const got = Array.isArray(result) ? result as Tensor[] : [result as Tensor];
    assertEquals(got.length, outputs.length);
    for (const [n, expected] of outputs.entries()) await assertNear(got[n]!, expected, `output ${n}`);
    got.map((output, n) => output.mul(build(weights[n]!)).sum()).reduce((a, b) => a.add(b)).backward();
    for (const [n, expected] of inputGradients.entries()) {
      if (expected !== null) await assertNear(leaves[n]!.grad ?? leaves[n]!.zerosLike(), expected, `gradient of input ${n}`);
    }
    const parameters = module.namedParameters();
    assertEquals([...parameters.keys()].sort(), Object.keys(gradients).sort());
    for (const [key, expected] of Object.entries(gradients)) {
      const leaf = parameters.get(key)!;
      await assertNear(leaf.grad ?? leaf.zerosLike(), expected, `gradient of ${key}`);
    }
    for (const [key, expected] of Object.entries(after)) await assertNear(module.stateDict()[key]!, expected, key);
  });
}
