/**
 * Layers made of layers, and those that only pass on or reshape.
 *
 * @module
 */
import { checkList, checkOptions, kindOf } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkInputs, type Layer, Module } from "./module.ts";

/**
 * Layers one after the other, named by position in the state dictionary ("0.weight"). What lies between the layers is freed as soon as
 * nothing needs it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear, ReLU, Sequential } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const model = new Sequential([new Linear(4, 8), new ReLU(), new Linear(8, 2)]);
 * assertEquals(model.forward(ones([3, 4])).shape, [3, 2]);
 * assertEquals([...model.namedParameters().keys()], ["0.weight", "0.bias", "2.weight", "2.bias"]);
 * ```
 */
export class Sequential extends Module {
  /** The layers in order. */
  readonly layers: Layer[];

  /** Takes the layers in order. */
  constructor(layers: readonly Layer[]) {
    super();
    for (const layer of checkList(layers, "make Sequential", "new Sequential([first, second])")) {
      if (!(layer instanceof Module)) throw new ArgumentError(`Cannot make Sequential: layers are needed, got ${kindOf(layer)}`);
    }
    this.layers = [...layers];
  }

  /** The layers under their positions. */
  override fields(): object {
    return this.layers;
  }

  /** Runs the layers in order. */
  override forward(x: Tensor): Tensor {
    return tidy(() => this.layers.reduce((value, layer) => layer.forward(value), x));
  }
}

/** Gives back its input. */
export class Identity extends Module {
  /** The same tensor. */
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** All dims from `start` (default 1, so that the batch stays) to `end` (default the last) as one. */
export class Flatten extends Module {
  /** The first dim that is merged. */
  readonly start: number;
  /** The last dim that is merged. */
  readonly end: number;

  /** Makes the layer. */
  constructor(options: { readonly start?: number; readonly end?: number } = {}) {
    super();
    const { start = 1, end = -1 } = checkOptions(options, "make Flatten", ["start", "end"]);
    this.start = start;
    this.end = end;
  }

  /** [N, ...] → [N, rest]. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.flatten(this.start, this.end);
  }
}

/**
 * Modules in a list, named by position in the state dictionary; how they run is up to whoever holds it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear, ModuleList } from "./mod.ts";
 *
 * const list = new ModuleList([new Linear(2, 2), new Linear(2, 1)]);
 * assertEquals(Object.keys(list.stateDict()), ["0.weight", "0.bias", "1.weight", "1.bias"]);
 * ```
 */
export class ModuleList<Part extends Module = Layer> extends Module implements Iterable<Part> {
  /** The modules in order. */
  readonly modules: Part[];

  /** Takes the modules in order. */
  constructor(modules: Iterable<Part> = []) {
    super();
    if (typeof modules?.[Symbol.iterator] !== "function") {
      throw new ArgumentError(`Cannot make ModuleList: a list is needed, as in new ModuleList([first, second]), got ${kindOf(modules)}`);
    }
    this.modules = [...modules];
  }

  /** How many there are. */
  get length(): number {
    return this.modules.length;
  }

  /** The module at a position; negative counts from the end. */
  at(position: number): Part | undefined {
    return this.modules.at(position);
  }

  /** Adds modules at the end. */
  push(...modules: readonly Part[]): this {
    this.modules.push(...modules);
    return this;
  }

  /** The modules in order. */
  [Symbol.iterator](): Iterator<Part> {
    return this.modules[Symbol.iterator]();
  }

  /** The modules under their positions. */
  override fields(): object {
    return this.modules;
  }

  /**
   * A list does not run.
   *
   * @throws ArgumentError always.
   */
  override forward(): never {
    throw new ArgumentError("Cannot run a ModuleList: a Sequential is needed, or a forward that runs its modules");
  }
}

/** Modules by name; names appear in the state dictionary as fields would (`downSample` → `down_sample`). */
export class ModuleDict<Part extends Module = Layer> extends Module {
  /** The modules by name. */
  readonly modules: Record<string, Part>;

  /** Takes the modules by name. */
  constructor(modules: Readonly<Record<string, Part>> = {}) {
    super();
    this.modules = { ...modules };
  }

  /**
   * The module of a name.
   *
   * @throws ArgumentError where there is none.
   */
  get(name: string): Part {
    const found = Object.hasOwn(this.modules, name) ? this.modules[name] : undefined;
    if (found === undefined) {
      throw new ArgumentError(`Cannot get ${name}: one of ${Object.keys(this.modules).join(", ")} is needed`);
    }
    return found;
  }

  /** The modules under their names. */
  override fields(): object {
    return this.modules;
  }

  /**
   * A dictionary does not run.
   *
   * @throws ArgumentError always.
   */
  override forward(): never {
    throw new ArgumentError("Cannot run a ModuleDict: a forward that runs its modules is needed");
  }
}
