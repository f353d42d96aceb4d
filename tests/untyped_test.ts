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
