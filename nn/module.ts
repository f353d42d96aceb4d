/**
 * Modules: plain typed fields and a `forward`, nothing else.
 *
 * @module
 */
import { checkList, checkObject, checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { currentRecorder } from "../tensor/capture.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { ArgumentError, DeviceError, DisposedError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { type DeviceName, getDevice } from "../tensor/device.ts";
import { keep } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { checkTensors, Tensor } from "../tensor/tensor.ts";

/** Tensors by name, as PyTorch's `state_dict`. */
export type StateDict = Readonly<Record<string, Tensor>>;

/** Options of {@link Module.loadStateDict}. */
export interface LoadOptions {
  /** Whether every name must be on both sides (true, the default) or only those on both are loaded. */
  readonly strict?: boolean;
}

/** What {@link Module.loadStateDict} found on one side only; both empty after a strict load. */
export interface LoadResult {
  /** What the module has and the dictionary has not. */
  readonly missing: readonly string[];
  /** What the dictionary has and the module has not. */
  readonly unexpected: readonly string[];
}

/** What {@link parameter} and {@link buffer} have marked. */
const kinds = new WeakMap<Tensor, "parameter" | "buffer">();

/**
 * Marks a leaf as a parameter: it requires a gradient, belongs to the module whose field it is, and no scope frees it.
 *
 * @throws GradientError for the result of a recorded operation; DTypeError unless it is of a floating type.
 */
export function parameter(tensor: Tensor): Tensor {
  checkTensors("parameter", { tensor });
  kinds.set(tensor.requiresGrad_(), "parameter");
  return keep(tensor);
}

/** Marks a tensor as a buffer: state that is saved and moved with its module but not trained; no scope frees it. */
export function buffer(tensor: Tensor): Tensor {
  checkTensors("buffer", { tensor });
  kinds.set(tensor, "buffer");
  return keep(tensor);
}

/** Something found in a module's fields. */
interface Found<Kind extends string, Value> {
  readonly kind: Kind;
  /** Dots between levels. */
  readonly name: string;
  readonly value: Value;
  /** Puts another value in its place. */
  readonly replace: (value: Value) => void;
}

type Member = Found<"module", Module> | Found<"parameter" | "buffer", Tensor>;

/**
 * A part of a model: parameters made with {@link parameter}, buffers made with {@link buffer}, other modules, and arrays of these, each in
 * a plain field, and a `forward`.
 *
 * Names in {@link Module.stateDict} are the fields' names in PyTorch's spelling (`runningMean` → `running_mean`), with dots between levels
 * and positions for arrays (`layers.0.weight`), so that PyTorch's dictionaries load. A `#private` field is not seen.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear, Module } from "./mod.ts";
 * import { ones, type Tensor } from "../tensor/mod.ts";
 *
 * class Classifier extends Module {
 *   hidden = new Linear(4, 8);
 *   head = new Linear(8, 3, { bias: false });
 *   override forward(x: Tensor): Tensor {
 *     return this.head.forward(this.hidden.forward(x).relu());
 *   }
 * }
 * const model = new Classifier();
 * assertEquals(Object.keys(model.stateDict()), ["hidden.weight", "hidden.bias", "head.weight"]);
 * assertEquals(model.forward(ones([2, 4])).shape, [2, 3]);
 * ```
 */
export abstract class Module implements Disposable {
  #training = true;

  /** Whether layers that differ between training and evaluation (dropout, batch norm) are training. */
  get training(): boolean {
    currentRecorder()?.observed(this, "training", this.#training);
    return this.#training;
  }

  set training(training: boolean) {
    this.#training = training;
  }

  /** Computes the module's result. */
  abstract forward(...inputs: never[]): unknown;

  /** The object whose entries are walked: this module with its fields; Sequential gives its layers, to name them by position. */
  fields(): object {
    return this;
  }

  /** Every parameter once, those of inner modules included, in the order of the fields. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** Every parameter once by its name. */
  namedParameters(): Map<string, Tensor> {
    return unique(tensors(this, "parameter"));
  }

  /** Every buffer once. */
  buffers(): Tensor[] {
    return [...this.namedBuffers().values()];
  }

  /** Every buffer once by its name. */
  namedBuffers(): Map<string, Tensor> {
    return unique(tensors(this, "buffer"));
  }

  /** The modules in this module's own fields. */
  children(): Module[] {
    return [...new Set([...direct(this)].flatMap((member) => member.kind === "module" ? [member.value] : []))];
  }

  /** This module (under the name "") and all modules inside it, each once. */
  namedModules(): Map<string, Module> {
    const inner = [...walk(this)].flatMap((member) => member.kind === "module" ? [member] : []);
    return unique([{ name: "", value: this as Module }, ...inner]);
  }

  /** Sets this module and all inside it to training, or with false to evaluation. */
  train(training = true): this {
    if (typeof training !== "boolean") throw new ArgumentError(`Cannot train: true or false is needed, got ${kindOf(training)}`);
    for (const module of this.namedModules().values()) module.training = training;
    return this;
  }

  /** Sets this module and all inside it to evaluation. */
  eval(): this {
    return this.train(false);
  }

  /** Lets all parameters be trained, or with false freezes them. */
  requiresGrad_(value = true): this {
    for (const tensor of this.parameters()) tensor.requiresGrad_(value);
    return this;
  }

  /** Drops the gradients of all parameters. */
  zeroGrad(): void {
    for (const tensor of this.parameters()) tensor.grad = null;
  }

  /** All parameters and buffers by name. The tensors are the live ones: clone what must stay as it is. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(tensors(this).map(({ name, value }) => [name, value]));
  }

  /**
   * Copies values into parameters and buffers, converted to their types. A failed load changes nothing.
   *
   * @throws ArgumentError listing what is missing and unexpected, when strict; ShapeError listing every wrong shape; DeviceError for tensors
   * on another device; DisposedError for freed ones.
   */
  loadStateDict(state: StateDict | ReadonlyMap<string, Tensor>, options: LoadOptions = {}): LoadResult {
    checkObject(state, "loadStateDict", "a state dictionary");
    const { strict = true } = checkOptions(options, "loadStateDict", ["strict"]);
    const given = byName(state);
    const own = new Map(tensors(this).map(({ name, value }) => [name, value]));
    const missing = [...own.keys()].filter((name) => !given.has(name));
    const unexpected = [...given.keys()].filter((name) => !own.has(name));
    if (strict) refuseNames(this, missing, unexpected);
    const pairs = [...own].flatMap(([name, target]) => given.has(name) ? [{ name, target, source: given.get(name)! }] : []);
    refuseUnfit(this, pairs);
    noGrad(() => pairs.forEach(({ target, source }) => target.copy_(source)));
    return { missing, unexpected };
  }

  /**
   * Moves all parameters and buffers to a device, as new tensors without gradients: make optimizers afterwards. Waits for the values.
   */
  async toDevice(device: DeviceName): Promise<this> {
    getDevice(device);
    const moved = new Map<Tensor, Tensor>();
    for (const { value } of tensors(this)) if (!moved.has(value)) moved.set(value, await value.toDevice(device));
    return this.#exchange(moved);
  }

  /**
   * Converts all parameters and buffers that hold floats to another floating type, as new tensors without gradients: make optimizers
   * afterwards. To compute in float16 and keep float32 weights, see {@link functionalCall}.
   *
   * @throws DTypeError for a type that is not floating, or that the device does not have.
   */
  to(dtype: DType): this {
    if (!isFloat(dtype)) {
      throw new DTypeError(`Cannot convert ${this.constructor.name}: float16, float32 or float64 is needed, got ${dtype}`, { op: "to" });
    }
    const floats = tensors(this).filter(({ value }) => isFloat(value.dtype));
    return this.#exchange(noGrad(() => new Map(floats.map(({ value }) => [value, value.to(dtype)]))));
  }

  /** Puts other tensors in the place of parameters and buffers, which are freed. */
  #exchange(others: ReadonlyMap<Tensor, Tensor>): this {
    for (const { kind, value, replace } of tensors(this)) {
      const other = others.get(value);
      if (other === undefined || other === value) continue;
      replace(kind === "parameter" ? parameter(other).requiresGrad_(value.requiresGrad) : buffer(other));
    }
    for (const [before, after] of others) if (before !== after) before.dispose();
    return this;
  }

  /** Frees all parameters and buffers. */
  dispose(): void {
    for (const { value } of tensors(this)) value.dispose();
  }

  /** Frees all parameters and buffers at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Runs a module with other tensors in the place of some of its parameters and buffers; the module's own come back afterwards, even when it
 * throws. Gradients flow into what is given: to float32 weights through their float16 copies (mixed precision), or through a step that made
 * the given weights of others.
 *
 * @param state Tensors by the names of {@link Module.stateDict}, in the shapes of what they replace; a tensor with several names is replaced
 * under all of them.
 * @param inputs What `forward` takes.
 * @throws ArgumentError for a name that the module does not have; ShapeError for another shape.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { functionalCall, Linear } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const model = new Linear(3, 2);
 * const halves = Object.fromEntries([...model.namedParameters()].map(([name, weight]) => [name, weight.to("float16")]));
 * const y = functionalCall(model, halves, [ones([4, 3], { dtype: "float16" })]);
 * assertEquals(y.dtype, "float16");
 * y.to("float32").sum().backward();
 * assertEquals(model.weight.grad!.dtype, "float32");
 * ```
 */
export function functionalCall<Inputs extends readonly unknown[], Output>(
  module: Module & { forward(...inputs: Inputs): Output },
  state: StateDict | ReadonlyMap<string, Tensor>,
  inputs: Inputs,
): Output {
  if (!(module instanceof Module)) throw new ArgumentError(`Cannot call a module: a module is needed, got ${kindOf(module)}`);
  checkObject(state, "call a module", "a state dictionary");
  checkList(inputs, "functionalCall", "functionalCall(module, state, [x])");
  const others = replacements(module, byName(state));
  try {
    for (const { found, other } of others) found.replace(other);
    return module.forward(...inputs);
  } finally {
    for (const { found } of others) found.replace(found.value);
  }
}

/** Internal: what a layer is given, by the names of the arguments. */
export function checkInputs(module: Module, inputs: Readonly<Record<string, Tensor>>): void {
  checkTensors(`run ${module.constructor.name}`, inputs);
}

/** A module that turns one tensor into one: what {@link Sequential} is made of. */
export interface Layer extends Module {
  /** Computes the layer's result. */
  forward(x: Tensor): Tensor;
}

/** A field's name as PyTorch would write it: `runningMean` → `running_mean`. */
export function stateName(field: string): string {
  return field.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

/** What a module's own fields hold, arrays walked. */
function* direct(module: Module): Iterable<Member> {
  const fields = module.fields();
  for (const [field, value] of Object.entries(fields)) {
    yield* membersOf(stateName(field), value, module, (other) => void Reflect.set(fields, field, other));
  }
}

function* membersOf(name: string, value: unknown, owner: Module, replace: (value: Tensor | Module) => void): Iterable<Member> {
  if (value instanceof Tensor) {
    const kind = kinds.get(value);
    if (kind !== undefined) yield { kind, name, value, replace };
    else if (value.requiresGrad && value.isLeaf) {
      throw new ArgumentError(
        `Cannot walk ${owner.constructor.name}: its field ${name} requires a gradient but is no parameter; wrap it in parameter(...)`,
      );
    }
  } else if (value instanceof Module) {
    yield { kind: "module", name, value, replace };
  } else if (Array.isArray(value)) {
    for (const [position, item] of value.entries()) {
      yield* membersOf(`${name}.${position}`, item, owner, (other) => void (value[position] = other));
    }
  }
}

/** What a module and all modules inside it hold; a module inside itself is entered once. */
function* walk(module: Module, prefix = "", above: readonly Module[] = []): Iterable<Member> {
  for (const member of direct(module)) {
    const name = prefix + member.name;
    if (member.kind !== "module") yield { ...member, name };
    else if (member.value !== module && !above.includes(member.value)) {
      yield { ...member, name };
      yield* walk(member.value, `${name}.`, [...above, module]);
    }
  }
}

function tensors(module: Module, only?: "parameter" | "buffer"): Found<"parameter" | "buffer", Tensor>[] {
  return [...walk(module)].flatMap((member) => member.kind !== "module" && (only ?? member.kind) === member.kind ? [member] : []);
}

/** By name, each value under its first name only. */
function unique<Value>(found: Iterable<{ readonly name: string; readonly value: Value }>): Map<string, Value> {
  const seen = new Set<Value>();
  const out = new Map<string, Value>();
  for (const { name, value } of found) {
    if (!seen.has(value)) out.set(name, value);
    seen.add(value);
  }
  return out;
}

function byName(state: StateDict | ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  return state instanceof Map ? state : new Map(Object.entries(state));
}

/** Every place of the tensors that have one of the given names, and what is to be there. */
function replacements(module: Module, given: ReadonlyMap<string, Tensor>) {
  const places = tensors(module);
  const unexpected = [...given.keys()].filter((name) => !places.some((found) => found.name === name));
  if (unexpected.length > 0) {
    throw new ArgumentError(
      `Cannot call ${module.constructor.name}: names of its parameters and buffers are needed, got ${unexpected.join(", ")}`,
    );
  }
  const others = new Map(places.flatMap(({ name, value }) => given.has(name) ? [[value, given.get(name)!] as const] : []));
  for (const { name, value } of places) {
    const other = others.get(value);
    if (other === undefined || sameShape(other.shape, value.shape)) continue;
    throw new ShapeError(
      `Cannot call ${module.constructor.name}: ${name} of shape ${formatShapes([value.shape])} is needed, got ${
        formatShapes([other.shape])
      }`,
      { op: "functionalCall", shapes: [value.shape, other.shape] },
    );
  }
  return places.flatMap((found) => others.has(found.value) ? [{ found, other: others.get(found.value)! }] : []);
}

function refuseNames(module: Module, missing: readonly string[], unexpected: readonly string[]): void {
  if (missing.length === 0 && unexpected.length === 0) return;
  const parts = [
    ...(missing.length > 0 ? [`missing ${missing.join(", ")}`] : []),
    ...(unexpected.length > 0 ? [`unexpected ${unexpected.join(", ")}`] : []),
  ];
  throw new ArgumentError(
    `Cannot load the state of ${module.constructor.name}: the module's own names are needed, got ${parts.join("; ")}` +
      "; pass { strict: false } to load what fits",
  );
}

function refuseUnfit(
  module: Module,
  pairs: readonly { readonly name: string; readonly target: Tensor; readonly source: Tensor }[],
): void {
  for (const { name, source } of pairs) checkTensors("loadStateDict", { [name]: source });
  const into = `Cannot load the state of ${module.constructor.name}`;
  const wrong = pairs.filter(({ target, source }) => !sameShape(target.shape, source.shape));
  if (wrong.length > 0) {
    const list = wrong.map(({ name, target, source }) =>
      `${name} of shape ${formatShapes([target.shape])} is needed, got ${formatShapes([source.shape])}`
    );
    throw new ShapeError(`${into}: ${list.join("; ")}`, {
      op: "loadStateDict",
      shapes: wrong.flatMap(({ target, source }) => [target.shape, source.shape]),
    });
  }
  for (const { name, target, source } of pairs) {
    if (source.isDisposed) throw new DisposedError(`${into}: the tensor given for ${name} was freed`);
    if (target.isDisposed) throw new DisposedError(`${into}: ${name} was freed`);
    if (source.device !== target.device) {
      throw new DeviceError(`${into}: ${name} on ${target.device} is needed, got ${source.device}; move it with toDevice`);
    }
  }
}
