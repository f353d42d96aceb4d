import { assert, assertEquals, assertThrows } from "@std/assert";
import { grad } from "../../autograd/mod.ts";
import { BatchNorm2d, buffer, Conv2d, functionalCall, Linear, Module, parameter, Sequential } from "../../nn/mod.ts";
import {
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  memory,
  ones,
  read,
  registerDevice,
  scope,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "../../tensor/mod.ts";
import { CpuBackend } from "../../cpu/mod.ts";

class Inner extends Module {
  scale = parameter(ones([2]));
  runningSum = buffer(zeros([2]));
  note = "not a tensor";
  constant = ones([2]);
  override forward(x: Tensor): Tensor {
    return x.mul(this.scale);
  }
}

class Outer extends Module {
  blocks = [new Inner(), new Inner()];
  convLayer = new Conv2d(1, 2, { kernelSize: 3, bias: false });
  net = new Sequential([new Linear(2, 2), new BatchNorm2d(2)]);
  override forward(x: Tensor): Tensor {
    return x;
  }
}

Deno.test("Module.stateDict names fields as PyTorch does, arrays and Sequential by position", () => {
  assertEquals(Object.keys(new Outer().stateDict()), [
    "blocks.0.scale",
    "blocks.0.running_sum",
    "blocks.1.scale",
    "blocks.1.running_sum",
    "conv_layer.weight",
    "net.0.weight",
    "net.0.bias",
    "net.1.weight",
    "net.1.bias",
    "net.1.running_mean",
    "net.1.running_var",
    "net.1.num_batches_tracked",
  ]);
});

Deno.test("Module.parameters lists what is trained, Module.buffers what is only saved", () => {
  const model = new Outer();
  assertEquals([...model.namedParameters().keys()], [
    "blocks.0.scale",
    "blocks.1.scale",
    "conv_layer.weight",
    "net.0.weight",
    "net.0.bias",
    "net.1.weight",
    "net.1.bias",
  ]);
  assert(model.parameters().every((tensor) => tensor.requiresGrad));
  assertEquals([...model.namedBuffers().keys()].length, 5);
  assert(model.buffers().every((tensor) => !tensor.requiresGrad));
});

Deno.test("Module.parameters lists a shared parameter once, Module.stateDict under each name", () => {
  class Tied extends Module {
    first = new Inner();
    second = this.first;
    override forward(x: Tensor): Tensor {
      return this.second.forward(this.first.forward(x));
    }
  }
  const model = new Tied();
  assertEquals(model.parameters().length, 1);
  assertEquals(Object.keys(model.stateDict()).filter((name) => name.endsWith("scale")), ["first.scale", "second.scale"]);
});

Deno.test("Module.namedModules walks every level once, Module.children the first", () => {
  const model = new Outer();
  assertEquals([...model.namedModules().keys()], ["", "blocks.0", "blocks.1", "conv_layer", "net", "net.0", "net.1"]);
  assertEquals(model.children(), [...model.blocks, model.convLayer, model.net]);
});

Deno.test("Module.namedModules ends where a module holds the one around it", () => {
  class Child extends Module {
    parent: Module | null = null;
    weight = parameter(ones([1]));
    override forward(x: Tensor): Tensor {
      return x;
    }
  }
  class Parent extends Module {
    child = new Child();
    override forward(x: Tensor): Tensor {
      return x;
    }
  }
  const model = new Parent();
  model.child.parent = model;
  assertEquals([...model.namedParameters().keys()], ["child.weight"]);
});

Deno.test("Module.parameters refuses a field that requires a gradient without being a parameter", () => {
  class Forgetful extends Module {
    weight = ones([2], { requiresGrad: true });
    override forward(x: Tensor): Tensor {
      return x.mul(this.weight);
    }
  }
  assertThrows(() => new Forgetful().parameters(), ArgumentError, "Forgetful: its field weight requires a gradient but is no parameter");
});

Deno.test("Module.eval and Module.train reach every module", () => {
  const model = new Outer();
  model.eval();
  assert([...model.namedModules().values()].every((module) => !module.training));
  model.train();
  assert([...model.namedModules().values()].every((module) => module.training));
});

Deno.test("Module.requiresGrad_ freezes parameters, which stay parameters", () => {
  const model = new Linear(2, 2).requiresGrad_(false);
  assertEquals(model.parameters().length, 2);
  assert(!model.forward(ones([1, 2])).requiresGrad);
  model.requiresGrad_();
  assert(model.forward(ones([1, 2])).requiresGrad);
});

Deno.test("Module.zeroGrad drops all gradients", () => {
  const model = new Linear(2, 2);
  model.forward(ones([1, 2])).sum().backward();
  assert(model.weight.grad !== null);
  model.zeroGrad();
  assertEquals(model.weight.grad, null);
});

Deno.test("Module.loadStateDict copies, so that later changes of the source do not show", async () => {
  const weight = tensor([[1, 2]]);
  const model = new Linear(2, 1, { bias: false });
  model.loadStateDict({ weight });
  weight.dispose();
  assertEquals(await model.weight.toArray(), [[1, 2]]);
  assert(model.weight.requiresGrad);
});

Deno.test("Module.loadStateDict takes a Map and converts types", async () => {
  const model = new Linear(2, 1, { bias: false, dtype: "float64" });
  model.loadStateDict(new Map([["weight", tensor([[0.5, 2]], { dtype: "float16" })]]));
  assertEquals(model.weight.dtype, "float64");
  assertEquals(await model.weight.toArray(), [[0.5, 2]]);
});

Deno.test("Module.loadStateDict lists what is missing and unexpected, and changes nothing", async () => {
  const model = new Sequential([new Linear(2, 2), new Linear(2, 2)]);
  const before = await read(...Object.values(model.stateDict()));
  assertThrows(
    () => model.loadStateDict({ "0.weight": zeros([2, 2]), "0.bias": zeros([2]), "head.weight": zeros([1]), extra: zeros([1]) }),
    ArgumentError,
    "Cannot load the state of Sequential: the module's own names are needed, got missing 1.weight, 1.bias; unexpected head.weight, extra",
  );
  assertEquals(await read(...Object.values(model.stateDict())), before);
});

Deno.test("Module.loadStateDict lists every wrong shape, and changes nothing", async () => {
  const model = new Linear(2, 3);
  const before = await read(...Object.values(model.stateDict()));
  assertThrows(
    () => model.loadStateDict({ weight: zeros([3, 2]), bias: zeros([4]) }),
    ShapeError,
    "Cannot load the state of Linear: bias of shape [3] is needed, got [4]",
  );
  assertThrows(
    () => model.loadStateDict({ weight: zeros([2]), bias: zeros([4]) }),
    ShapeError,
    "weight of shape [3, 2] is needed, got [2]; bias",
  );
  assertEquals(await read(...Object.values(model.stateDict())), before);
});

Deno.test("Module.loadStateDict loads what fits when not strict, and says what did not", async () => {
  const model = new Linear(2, 1);
  const found = model.loadStateDict({ bias: tensor([7]), other: tensor([1]) }, { strict: false });
  assertEquals(found, { missing: ["weight"], unexpected: ["other"] });
  assertEquals(await model.bias!.toArray(), [7]);
});

Deno.test("Module.loadStateDict refuses freed tensors and other devices", () => {
  registerDevice("second", new CpuBackend({ device: "second", accelerate: false }));
  const model = new Linear(2, 1, { bias: false });
  const freed = zeros([1, 2]);
  freed.dispose();
  assertThrows(() => model.loadStateDict({ weight: freed }), DisposedError, "the tensor given for weight was freed");
  const elsewhere = zeros([1, 2], { device: "second" });
  assertThrows(() => model.loadStateDict({ weight: elsewhere }), DeviceError, "weight on cpu is needed, got second");
});

Deno.test("Module.toDevice moves parameters and buffers, shared ones together, and frees the old", async () => {
  registerDevice("second", new CpuBackend({ device: "second", accelerate: false }));
  class Tied extends Module {
    first = new Inner();
    second = [this.first];
    override forward(x: Tensor): Tensor {
      return this.first.forward(x);
    }
  }
  const model = new Tied();
  const before = model.first.scale;
  await model.toDevice("second");
  assert(before.isDisposed);
  assertEquals(model.first.scale.device, "second");
  assertEquals(model.first.runningSum.device, "second");
  assertEquals([...model.namedParameters().keys()], ["first.scale"]);
  assert(model.first.scale.requiresGrad);
  assertEquals(await model.forward(ones([2], { device: "second" })).toArray(), [1, 1]);
});

Deno.test("Module.to converts what holds floats, shared ones together, and frees the old", async () => {
  const shared = new BatchNorm2d(2);
  const model = new Sequential([shared, shared, new Inner()]);
  const before = model.parameters();
  shared.weight!.requiresGrad_(false);
  assertThrows(() => model.to("int32"), DTypeError, "float16, float32 or float64 is needed, got int32");
  model.to("float64");
  assert(before.every((tensor) => tensor.isDisposed));
  assertEquals([...model.namedParameters()].map(([name, { dtype, requiresGrad }]) => [name, dtype, requiresGrad]), [
    ["0.weight", "float64", false],
    ["0.bias", "float64", true],
    ["2.scale", "float64", true],
  ]);
  assertEquals(model.buffers().map(({ dtype }) => dtype), ["float64", "float64", "int32", "float64"]);
  model.eval();
  const y = await model.forward(ones([1, 2, 1, 2], { dtype: "float64" })).data();
  // Twice divided by the root of a running variance of 1 and ε.
  assert(Math.abs(y[0]! - 1 / (1 + 1e-5)) < 1e-12);
});

Deno.test("functionalCall puts other tensors in a module's place for one call, even when it throws", async () => {
  const model = new Sequential([new Linear(2, 2, { bias: false }), new Inner()]);
  const [weight, scale] = model.parameters();
  const x = tensor([[1, 2]]);
  const given = { "0.weight": tensor([[1, 0], [0, 2]]), "1.scale": tensor([3, 5]) };
  assertEquals(await functionalCall(model, given, [x]).toArray(), [[3, 20]]);
  assertEquals(await functionalCall(model, new Map(Object.entries(given)), [x]).toArray(), [[3, 20]]);
  assertThrows(() => functionalCall(model, given, [ones([3])]), ShapeError);
  assertEquals(model.parameters(), [weight, scale]);
  assertThrows(() => functionalCall(model, { weight: x }, [x]), ArgumentError, "parameters and buffers are needed, got weight");
  assertThrows(() => functionalCall(model, { "1.scale": ones([3]) }, [x]), ShapeError, "1.scale of shape [2] is needed, got [3]");
  assertEquals(model.parameters(), [weight, scale]);
});

Deno.test("functionalCall replaces a tensor under all of its names, and buffers that are updated in place", async () => {
  const inner = new Inner();
  const tied = new Sequential([inner, inner]);
  assertEquals(await functionalCall(tied, { "0.scale": tensor([2, 3]) }, [ones([2])]).toArray(), [4, 9]);
  const norm = new BatchNorm2d(1);
  const mean = zeros([1]);
  functionalCall(norm, { running_mean: mean }, [tensor([[[[1, 3]]]])]);
  assertEquals([await mean.toArray(), await norm.runningMean!.toArray()], [[Math.fround(0.2)], [0]]);
});

Deno.test("functionalCall lets a gradient flow through a step of the weights", async () => {
  // L(w - a dL/dw) for L = (w x)² / 2: w (1 - a x²) x, squared and halved; its derivative by w is w (1 - a x²)² x².
  const [x, a, w] = [3, 0.01, 2];
  const model = new Linear(1, 1, { bias: false, dtype: "float64" });
  model.loadStateDict({ weight: tensor([[w]], { dtype: "float64" }) });
  const loss = (weight: Tensor) => functionalCall(model, { weight }, [tensor([[x]], { dtype: "float64" })]).square().div(2).sum();
  const after = (weight: Tensor) => loss(weight.sub(grad(loss)(weight).mul(a)));
  const expected = w * (1 - a * x * x) ** 2 * x * x;
  assert(Math.abs((await grad(after)(model.weight).item()) - expected) < 1e-12);
});

Deno.test("Module survives the scope it was made in, and dispose frees it", () => {
  const before = memory().tensors;
  let model: Sequential;
  {
    using _ = scope();
    model = new Sequential([new Linear(3, 3), new BatchNorm2d(3)]);
  }
  assertEquals(model.forward.length, 1);
  assert(model.parameters().every((tensor) => !tensor.isDisposed) && model.buffers().every((tensor) => !tensor.isDisposed));
  model.dispose();
  assertEquals(memory().tensors, before);
});
