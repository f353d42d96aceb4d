/**
 * Every public function, method and class called with arguments that the type checker refuses: each call must give a result or an error of
 * ours, never an engine's "Cannot read properties of undefined", which names neither the operation nor what was needed.
 */
import { assert } from "@std/assert";
import * as tandem from "../mod.ts";

// deno-lint-ignore no-explicit-any
type Any = any;
const library = tandem as Any;
const { rand, tensor } = library;

const errors = new Set(Object.keys(library).filter((name) => name.endsWith("Error")));
const x = rand([4, 3]);
const whole = tensor(Int32Array.of(0, 1, 2, 0));

/** What programs without types pass: too little, null, numbers, text, arrays and empty options where something else belongs. */
const calls: readonly (readonly unknown[])[] = [
  [],
  [undefined],
  [null],
  [x],
  [x, undefined],
  [x, null],
  [x, 1],
  [x, [3]],
  [x, x],
  [x, whole],
  [[1, 2], [3]],
  [x, "sum"],
  [x, {}],
  [x, whole, {}],
  [x, whole, 1],
  [x, whole, null],
  [x, { dim: 9 }],
  ["a"],
  ["a", "b"],
  [3],
  [3, 4],
  [3, null],
  [3, 4, null],
  [3, 4, 1],
  [x, x, x],
  [{}],
  [[]],
  [[x, null]],
  [[null], { lr: 0.1 }],
  [[3], { lr: 0.1 }],
  [[x, { params: [x] }], { lr: 0.1 }],
  [x, { lr: 0.1 }],
  [true],
  [0, "a"],
  [0, {}],
  [0, whole, "a"],
];

/** Functions that are not called, and why. */
const spared: Readonly<Record<string, string>> = {
  init: "starts threads and a device",
  registerDevice: "would leave what it was given for all other tests",
};

/** Classes whose methods are not called, and why. */
const sparedClasses: Readonly<Record<string, string>> = {
  Scope: "tensors and scopes add and remove members of each other, at every operation",
  Profile: "profile() makes it, of what it has measured",
  Progress: "writes to standard error",
};

/** Abstract classes, which only their subclasses make. */
const abstract = new Set([
  ...["AdaptivePool", "BatchNorm", "Conv", "ConvTranspose", "InstanceNorm", "Module", "Optimizer", "Padding", "Pool", "PrototypeLoss"],
  ...["Recurrent", "TransformerLayer", "WeightAverage"],
]);

/** Methods that are not called, and why. */
const sparedMethods = new Set([
  // Internal to the library, as their documentation says, or protected, which JavaScript does not know.
  ...["adoptGrad", "recordedAs", "gradientEdge", "savedAlias", "storageOf", "view", "escaped"],
  ...["update", "cell", "run", "convolve", "join", "feed", "share", "stateTensor", "spatial", "decay"],
  // Writes to the console.
  "print",
]);

async function faultOf(name: string, given: readonly unknown[], call: () => unknown): Promise<string[]> {
  try {
    const result = call();
    if (result instanceof Promise) await result;
    return [];
  } catch (error) {
    const { constructor, message } = error as Error;
    return errors.has(constructor.name) ? [] : [`${name}(${given.map(written).join(", ")}): ${constructor.name}: ${message}`];
  }
}

function written(value: unknown): string {
  return value === x
    ? "x"
    : value === whole
    ? "whole"
    : Array.isArray(value)
    ? `[${value.map(written)}]`
    : JSON.stringify(value) ?? "undefined";
}

async function faultsOfMethods(name: string, make: () => Any): Promise<string[]> {
  const faults: string[] = [];
  const sample = make();
  for (const method of methodsOf(sample)) {
    for (const given of calls) {
      const object = make();
      faults.push(...await faultOf(`${name}.${method}`, given, () => object[method](...given)));
      object.dispose?.();
    }
  }
  return faults;
}

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let level = Object.getPrototypeOf(object); level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === "function" && name !== "constructor" && !sparedMethods.has(name)) names.add(name);
    }
  }
  return [...names];
}

const isClass = (value: unknown): boolean => typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));

function assertNone(faults: readonly string[]): void {
  assert(faults.length === 0, `${faults.length} raw errors:\n${faults.join("\n")}`);
}

Deno.test("functions refuse wrong arguments with an error of ours", async () => {
  const faults: string[] = [];
  for (const [name, f] of Object.entries(library) as [string, Any][]) {
    if (typeof f !== "function" || isClass(f) || spared[name] !== undefined) continue;
    for (const given of calls) faults.push(...await faultOf(name, given, () => f(...given)));
  }
  assertNone(faults);
});

Deno.test("methods of tensors refuse wrong arguments with an error of ours", async () => {
  const floats = await faultsOfMethods("floats", () => rand([4, 3]));
  const wholes = await faultsOfMethods("wholes", () => tensor(Int32Array.of(0, 1, 2, 0)));
  assertNone([...floats, ...wholes]);
});

Deno.test("constructors refuse wrong arguments with an error of ours", async () => {
  const faults: string[] = [];
  for (const [name, Class] of Object.entries(library) as [string, Any][]) {
    if (!isClass(Class) || errors.has(name) || name === "Tensor" || abstract.has(name)) continue;
    for (const given of calls) faults.push(...await faultOf(`new ${name}`, given, () => new Class(...given)));
  }
  assertNone(faults);
});

/** One of each class whose instances are called; those below that need arguments have methods of their own. */
const instances: Readonly<Record<string, () => Any>> = {
  ...Object.fromEntries(
    Object.entries(library)
      .filter(([name, Class]) => isClass(Class) && !errors.has(name) && !abstract.has(name) && sparedClasses[name] === undefined)
      .filter(([, Class]) => isMadeOfNothing(Class))
      .map(([name, Class]) => [name, () => new (Class as Any)()]),
  ),
  ...Object.fromEntries(
    Object.entries<readonly unknown[]>({
      ...{ Linear: [3, 2], Bilinear: [[3, 3], 2], Embedding: [5, 3], EmbeddingBag: [5, 3], Conv1d: [3, 2, { kernelSize: 1 }] },
      ...{ Conv2d: [3, 2, { kernelSize: 1 }], Conv3d: [3, 2, { kernelSize: 1 }], ConvTranspose2d: [3, 2, { kernelSize: 1 }] },
      ...{ BatchNorm1d: [3], BatchNorm2d: [3], GroupNorm: [1, 3], InstanceNorm2d: [3], LayerNorm: [3], RMSNorm: [3] },
      ...{ LocalResponseNorm: [2], MaxPool2d: [2], AvgPool2d: [2], AdaptiveAvgPool2d: [1], AdaptiveMaxPool2d: [1], ZeroPad2d: [1] },
      ...{
        ReflectionPad1d: [1],
        PixelShuffle: [2],
        PixelUnshuffle: [2],
        Upsample: [{ scaleFactor: 2 }],
        RNN: [3, 2],
        LSTM: [3, 2],
        GRU: [3, 2],
      },
      ...{
        MultiheadAttention: [4, 2],
        TransformerEncoderLayer: [4, 2, { feedforward: 4 }],
        TransformerDecoderLayer: [4, 2, { feedforward: 4 }],
      },
      ...{ TransformerEncoder: [4, 2, { layers: 1, feedforward: 4 }], TransformerDecoder: [4, 2, { layers: 1, feedforward: 4 }] },
      ...{
        ReLU: [],
        LeakyReLU: [],
        GELU: [],
        Softplus: [],
        Softmax: [],
        GLU: [],
        PReLU: [],
        Hardtanh: [],
        Mish: [],
        Threshold: [{ threshold: 0, value: 1 }],
      },
      ...{
        Dropout: [],
        Dropout2d: [],
        Flatten: [],
        Identity: [],
        CosineSimilarity: [],
        PairwiseDistance: [],
        ModuleList: [],
        ModuleDict: [],
      },
      ...{
        MLP: [3, { hiddenSizes: [2] }],
        ResNet18: [{ width: 1 }],
        SmallCNN: [{ imageSize: [4, 4] }],
        ProjectionHead: [3],
        BasicBlock: [3, 3],
      },
      ...{
        ESupCon: [{ numClasses: 3, dim: 3 }],
        ExtendedContrastiveCrossEntropy: [{ numClasses: 3, dim: 3 }],
        GradScaler: [],
        RunningMean: [],
      },
      ...{
        RandomSampler: [4],
        SequentialSampler: [4],
        WeightedSampler: [[1, 2]],
        MPerClassSampler: [[0, 0, 1, 1], { perClass: 1, batchSize: 2 }],
      },
      ...{ Generator: [], HostRandom: [1] },
    }).map(([name, given]) => [name, () => new library[name](...given)]),
  ),
  Sequential: () => new library.Sequential([new library.Linear(3, 2)]),
  EncoderWithHead: () => new library.EncoderWithHead(new library.MLP(3, { hiddenSizes: [2] }), new library.Linear(2, 2)),
  ...Object.fromEntries(
    ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LAMB", "LARS", "Lion", "NAdam", "RAdam", "RMSprop", "SGD"].map((name) => [
      name,
      () => new library[name]([leaf()], { lr: 0.1 }),
    ]),
  ),
  StepLR: () => new library.StepLR(new library.SGD([leaf()], { lr: 0.1 }), { stepSize: 1 }),
  ReduceLROnPlateau: () => new library.ReduceLROnPlateau(new library.SGD([leaf()], { lr: 0.1 })),
  EMA: () => new library.EMA([leaf()]),
  InMemoryDataset: dataset,
  Subset: () => library.subset(dataset(), [0]),
  RelabelledDataset: () => new library.RelabelledDataset(dataset(), [1, 0]),
  BatchSource: () => new library.BatchSource(dataset(), { batchSize: 1 }),
  DataLoader: () => new library.DataLoader(dataset(), { batchSize: 1 }),
};

function isMadeOfNothing(Class: Any): boolean {
  try {
    new Class();
    return true;
  } catch {
    return false;
  }
}

function leaf(): Any {
  return rand([3], { requiresGrad: true });
}

function dataset(): Any {
  return new library.InMemoryDataset({ data: new Float32Array(6), labels: [0, 1], shape: [3] });
}

Deno.test("methods of modules, optimizers, schedules, datasets and samplers refuse wrong arguments with an error of ours", async () => {
  const faults: string[] = [];
  for (const [name, make] of Object.entries(instances)) faults.push(...await faultsOfMethods(name, make));
  assertNone(faults);
});
