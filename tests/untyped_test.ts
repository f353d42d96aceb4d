/**
 * Calls that the type checker refuses, as made by programs that run without it: PyTorch's way of passing arguments, and things that are no
 * tensors. Each must be refused by name, since an option that is silently ignored gives a wrong number.
 */
import { assertThrows } from "@std/assert";
import * as tandem from "../mod.ts";

// deno-lint-ignore no-explicit-any
const untyped = tandem as any;
const { arange, ArgumentError, cat, full, ones, randn, stack, zeros } = untyped;

Deno.test("operations refuse what is no tensor, and name it", () => {
  const x = ones([2, 2]);
  const mask = x.gt(0);
  for (
    const [given, word] of [["a", '"a"'], [undefined, "undefined"], [null, "null"], [[1, 2], "an array"], [2n, "2"], [
      {},
      "an object of Object",
    ]]
  ) {
    for (const name of ["add", "mul", "eq", "pow", "atan2", "maximum", "matmul", "logicalAnd"]) {
      assertThrows(() => x[name](given), ArgumentError, `Cannot ${name}: a tensor is needed, got ${word}`);
    }
    assertThrows(() => x.gather(0, given), ArgumentError, "Cannot gather: a tensor is needed");
    assertThrows(() => cat([x, given]), ArgumentError, "Cannot cat: a tensor is needed");
    assertThrows(() => mask.where(given, 1), ArgumentError, "Cannot where: a tensor is needed");
  }
});

Deno.test("operations refuse PyTorch's positional arguments instead of ignoring them", () => {
  const x = ones([2, 2]);
  const calls: Readonly<Record<string, () => unknown>> = {
    sum: () => x.sum({ dim: 1 }),
    mean: () => x.mean(1, true),
    max: () => x.max(1, true),
    softmax: () => x.softmax({ dim: 1 }),
    reshape: () => x.reshape(2, 2),
    permute: () => x.permute(1, 0),
    expand: () => x.expand(2, 2, 2),
    ones: () => ones(2, 2),
    zeros: () => zeros(2),
    full: () => full(2, 3),
    randn: () => randn(2, 3),
    cat: () => cat(x, x),
    stack: () => stack(x, x),
    arange: () => arange(0, 10),
  };
  for (const [name, call] of Object.entries(calls)) assertThrows(call, ArgumentError, `Cannot ${name}: `);
});

Deno.test("layers and optimizers refuse PyTorch's positional arguments instead of ignoring them", () => {
  const positional: Readonly<Record<string, readonly unknown[]>> = {
    LeakyReLU: [0.2],
    ELU: [0.5],
    CELU: [0.5],
    GELU: ["tanh"],
    Softplus: [2],
    Softmax: [1],
    LogSoftmax: [1],
    Softmin: [1],
    GLU: [1],
    Hardtanh: [-2, 2],
    Hardshrink: [0.1],
    Softshrink: [0.1],
    Threshold: [0.1, 20],
    Flatten: [1],
    CosineSimilarity: [1],
    Dropout: [0.2],
    Linear: [2, 3, false],
    Conv2d: [3, 4, 3],
    ConvTranspose2d: [3, 4, 3],
    BatchNorm2d: [4, 1e-3],
    MaxPool2d: [2, 1],
    AvgPool2d: [2, 1],
  };
  for (const [name, given] of Object.entries(positional)) {
    assertThrows(() => new untyped[name](...given), ArgumentError, `Cannot make ${name}: options {`);
  }
  assertThrows(() => new untyped.Sequential(new untyped.ReLU(), new untyped.ReLU()), ArgumentError, "new Sequential([first, second])");
  assertThrows(() => new untyped.SGD(new untyped.Linear(2, 2), { lr: 0.1 }), ArgumentError, "new SGD(model.parameters(), { lr: 0.1 })");
  assertThrows(() => new untyped.Adam(new untyped.Linear(2, 2).parameters(), 0.1), ArgumentError, "Cannot make Adam: options {");
});

Deno.test("an element type that there is not is refused, and a device's name in its place is pointed at toDevice", () => {
  assertThrows(() => ones([2]).to("cpu"), tandem.DTypeError, "toDevice");
  assertThrows(() => ones([2]).to("toString"), tandem.DTypeError, "float64 is needed");
  for (const make of [zeros, ones]) assertThrows(() => make([2], { dtype: "float" }), tandem.DTypeError, "float64 is needed");
  assertThrows(() => zeros([2], { device: "cuda" }), tandem.DeviceError, 'Cannot use device "cuda": one of cpu');
});

Deno.test("options of another name are refused instead of ignored, and what there is is listed", () => {
  const x = ones([2, 2]);
  const image = ones([1, 1, 4, 4]);
  const weight = () => ones([2], { requiresGrad: true });
  const calls: Readonly<Record<string, () => unknown>> = {
    keepdim: () => x.sum(0, { keepdim: true }),
    unbiased: () => x.std(0, { unbiased: false }),
    axis: () => cat([x, x], { axis: 1 }),
    requires_grad: () => zeros([2], { requires_grad: true }),
    kernelSize: () => untyped.maxPool2d(image, 2, { kernelSize: 2 }),
    pos_weight: () => untyped.bceWithLogits(x, x, { pos_weight: x }),
    is_causal: () => untyped.scaledDotProductAttention(x, x, { value: x, is_causal: true }),
    rate: () => new untyped.Dropout({ rate: 0.2 }),
    weight_decay: () => new untyped.SGD([weight()], { lr: 0.1, weight_decay: 0.1 }),
    momentum_: () => new untyped.SGD([{ params: [weight()], momentum_: 0.9 }], { lr: 0.1 }),
    T_max: () => new untyped.CosineAnnealingLR(new untyped.SGD([weight()], { lr: 0.1 }), { T_max: 10 }),
    batch_size: () => new untyped.DataLoader(untyped.moons({ samples: 4 }), { batch_size: 2 }),
  };
  for (const [name, call] of Object.entries(calls)) assertThrows(call, ArgumentError, `are needed, got ${name}`);
  assertThrows(calls["keepdim"]!, ArgumentError, "Cannot sum: options { keepDim } are needed, got keepdim");
});

Deno.test("what is no number is refused where a number is needed: text would be appended, null be 0 and a truth value be 1", () => {
  const x = ones([2, 2]);
  const sgd = (options: object) => new untyped.SGD([ones([2], { requiresGrad: true })], options);
  const calls: readonly (() => unknown)[] = [
    ...["2", true, null, undefined, {}].flatMap((given) => [
      () => full([2], given),
      () => x.newFull([2], given),
      () => untyped.noGrad(() => x.clone().fill_(given)),
      () => x.maskedFill(x.gt(0), given),
      () => x.softmax(given),
      () => x.cumsum(given),
      () => untyped.linspace(given, 1, { steps: 3 }),
    ]),
    () => x.leakyRelu("0.1"),
    () => x.leakyRelu({ slope: 0.1 }),
    () => x.clamp({ min: null, max: 2 }),
    () => x.var(0, { correction: null }),
    () => x.sum(0, { keepDim: "false" }),
    () => randn([2], { mean: "5" }),
    () => untyped.dropout(x, { p: "0.5" }),
    () => sgd({ lr: "0.1" }),
    () => new untyped.StepLR(sgd({ lr: 0.1 }), { stepSize: 1, gamma: "0.5" }),
    () => new untyped.ExponentialLR(sgd({ lr: 0.1 }), {}),
    () => new untyped.Linear(2, 2).train("false"),
  ];
  for (const call of calls) assertThrows(call, ArgumentError);
  assertThrows(() => full([2], "7"), ArgumentError, 'Cannot full: a number is needed, got "7"');
  assertThrows(() => untyped.dropout(x, { p: "0.5" }), ArgumentError, 'Cannot dropout: 0.5 without quotes is needed as p, got "0.5"');
});

Deno.test("the tensor that is missing is named", () => {
  const x = ones([1, 1, 4, 4]);
  assertThrows(() => untyped.conv2d(x), ArgumentError, "Cannot conv2d: a tensor is needed as weight, got undefined");
  assertThrows(
    () => untyped.crossEntropy(ones([2, 3]), [0, 1]),
    ArgumentError,
    "Cannot crossEntropy: a tensor is needed as targets, got an array",
  );
  assertThrows(() => new untyped.ReLU().forward([1, 2]), ArgumentError, "Cannot run ReLU: a tensor is needed as x, got an array");
});
