/**
 * What all optimizers share: parameter groups, state, saving and loading.
 *
 * @module
 */
import { checkNames, checkObject, checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { eachStep } from "../tensor/capture.ts";
import { computeType } from "../tensor/dtype.ts";
import { ArgumentError, DisposedError, formatShapes, GradientError, ShapeError } from "../tensor/errors.ts";
import { keep } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { checkTensorList, Tensor } from "../tensor/tensor.ts";

/** The one option that all optimizers have. */
export interface OptimizerOptions {
  /** The learning rate; schedules and users may change it between steps. */
  lr: number;
}

/** Parameters with options of their own, as given to an optimizer; what is left out comes from the optimizer's options. */
export type ParameterGroupInit<Options extends OptimizerOptions> = Partial<Options> & {
  readonly params: Iterable<Tensor>;
};

/** Parameters and the options in force for them; change `lr` and the others between steps as you like. */
export type ParameterGroup<Options extends OptimizerOptions> = Options & {
  readonly params: readonly Tensor[];
  /** The rate from which schedules compute; the first one records it. */
  initialLr?: number;
};

/** What an optimizer is given: parameters, or groups of them. */
export type Parameters<Options extends OptimizerOptions> = Iterable<Tensor> | readonly ParameterGroupInit<Options>[];

/** What an optimizer remembers of one parameter. */
export interface ParameterState {
  /** How many steps it has taken. */
  step: number;
  /** Tensors of the parameter's shape, by name. */
  readonly tensors: Record<string, Tensor>;
}

/** All that is needed to go on from where an optimizer was; everything but `tensors` is plain JSON. */
export interface OptimizerState {
  /** The optimizer's name. */
  readonly kind: string;
  /** The options of each group, with the positions of its parameters. */
  readonly groups: readonly { readonly options: Readonly<Record<string, unknown>>; readonly params: readonly number[] }[];
  /** The number of steps of each parameter that has taken one, by position. */
  readonly steps: Readonly<Record<string, number>>;
  /** The state tensors as "<parameter>.<name>": the live ones, not copies. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Options of {@link Optimizer.zeroGrad}. */
export interface ZeroGradOptions {
  /** Drop gradients (true, the default) or fill them with zeros (false). Parameters whose gradient is null are skipped by `step()`. */
  readonly setToNull?: boolean;
}

/**
 * The base of all optimizers: one fused kernel per parameter and step, with rates and factors handed over as run-time numbers.
 */
export abstract class Optimizer<Options extends OptimizerOptions = OptimizerOptions> {
  /** The parameter groups. */
  readonly groups: readonly ParameterGroup<Options>[];
  readonly #state: Map<Tensor, ParameterState> = new Map();

  /**
   * Takes parameters or groups of them, and the options for what the groups leave out.
   *
   * @param names The names of all options, with which others are refused.
   * @throws ArgumentError when there are no parameters, one comes twice or a rate is no number from 0; GradientError for one that is no leaf.
   */
  constructor(parameters: Parameters<Options>, options: Options, names?: readonly (keyof Options & string)[]) {
    const op = `make ${this.constructor.name}`;
    checkNames(options, op, names ?? Object.keys(options ?? {}));
    const inits = groupsOf(parameters, options, this.constructor.name);
    for (const init of inits) checkNames(init, op, [...names ?? Object.keys(init), "params"]);
    this.groups = inits.map((init) => ({ ...options, ...init, params: [...init.params] }));
    this.#check();
  }

  #check(): void {
    const seen = new Set<Tensor>();
    for (const { params, lr } of this.groups) {
      if (!(lr >= 0 && lr < Infinity)) throw new ArgumentError(`Cannot make ${this.kind}: a finite lr from 0 is needed, got ${lr}`);
      for (const parameter of params) {
        if (seen.has(parameter)) throw new ArgumentError(`Cannot make ${this.kind}: each parameter once is needed, got one twice`);
        if (!parameter.isLeaf) {
          throw new GradientError(`Cannot make ${this.kind}: leaves are needed as parameters, got the result of an operation`);
        }
        seen.add(parameter);
      }
    }
    if (seen.size === 0) throw new ArgumentError(`Cannot make ${this.kind}: at least one parameter is needed, got none`);
  }

  /** The optimizer's name, in saved states and messages. */
  abstract get kind(): string;

  /** Updates one parameter by one kernel; `state.step` already counts this step. */
  protected abstract update(parameter: Tensor, gradient: Tensor, group: ParameterGroup<Options>, state: ParameterState): void;

  /**
   * Updates every parameter that has a gradient.
   *
   * @throws DisposedError when a parameter or its state was freed; ShapeError or DeviceError when a gradient does not fit.
   */
  step(): void {
    noGrad(() => {
      for (const group of this.groups) {
        for (const parameter of group.params) {
          const gradient = parameter.grad;
          if (gradient === null) continue;
          const state = this.#stateOf(parameter);
          eachStep(() => state.step++);
          this.update(parameter, gradient, group, state);
        }
      }
    });
  }

  /** Drops the gradients of all parameters, or fills them with zeros. */
  zeroGrad(options: ZeroGradOptions = {}): void {
    const { setToNull = true } = checkOptions(options, "zeroGrad", ["setToNull"]);
    for (const { params } of this.groups) {
      for (const parameter of params) {
        if (setToNull) parameter.grad = null;
        else noGrad(() => parameter.grad?.zero_());
      }
    }
  }

  /** The state of every parameter and the options of every group. The tensors are the live ones: save or clone them before the next step. */
  stateDict(): OptimizerState {
    const steps: Record<string, number> = {};
    const tensors: Record<string, Tensor> = {};
    const all = this.#parameters();
    all.forEach((parameter, position) => {
      const state = this.#state.get(parameter);
      if (state === undefined) return;
      steps[position] = state.step;
      for (const [name, tensor] of Object.entries(state.tensors)) tensors[`${position}.${name}`] = tensor;
    });
    const groups = this.groups.map(({ params, ...options }) => ({
      options,
      params: params.map((parameter) => all.indexOf(parameter)),
    }));
    return { kind: this.kind, groups, steps, tensors };
  }

  /**
   * Goes on from a saved state (copied). A failed load changes nothing.
   *
   * @throws ArgumentError when it is another optimizer's, or its groups differ; ShapeError when a tensor does not fit its parameter.
   */
  loadStateDict(state: OptimizerState): void {
    const all = this.#parameters();
    this.#checkFit(state, all);
    const loaded = Object.entries(state.tensors).map(([key, tensor]) => ({ ...splitKey(key), tensor: tensor.detach() }));
    this.dispose();
    this.groups.forEach((group, position) => Object.assign(group, structuredClone(state.groups[position]!.options)));
    for (const [position, step] of Object.entries(state.steps)) this.#state.set(all[Number(position)]!, { step, tensors: {} });
    noGrad(() => {
      for (const { position, name, tensor } of loaded) {
        const parameter = all[position]!;
        const copy = newStateTensor(parameter).copy_(tensor);
        tensor.dispose();
        this.#stateOf(parameter).tensors[name] = copy;
      }
    });
  }

  /** Frees the state; the next step starts afresh. */
  dispose(): void {
    for (const { tensors } of this.#state.values()) for (const tensor of Object.values(tensors)) tensor.dispose();
    this.#state.clear();
  }

  /** Frees the state at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A state tensor of a parameter: zeros, or `initial`, where the first step asks for it. */
  protected stateTensor(parameter: Tensor, state: ParameterState, name: string, initial = 0): Tensor {
    return state.tensors[name] ??= newStateTensor(parameter, initial);
  }

  #stateOf(parameter: Tensor): ParameterState {
    let state = this.#state.get(parameter);
    if (state === undefined) this.#state.set(parameter, state = { step: 0, tensors: {} });
    return state;
  }

  #parameters(): Tensor[] {
    return this.groups.flatMap(({ params }) => params);
  }

  #checkFit(state: OptimizerState, all: readonly Tensor[]): void {
    checkObject(state, "loadStateDict", "the state of an optimizer");
    if (state.kind !== this.kind) {
      throw new ArgumentError(`Cannot loadStateDict: the state of ${this.kind} is needed, got that of ${state.kind}`);
    }
    const wanted = this.groups.map(({ params }) => params.length).join(", ");
    const got = state.groups.map(({ params }) => params.length).join(", ");
    if (wanted !== got) throw new ArgumentError(`Cannot loadStateDict: groups of ${wanted} parameters are needed, got ${got}`);
    for (const position of Object.keys(state.steps)) {
      if (all[Number(position)] === undefined) {
        throw new ArgumentError(`Cannot loadStateDict: parameters 0 … ${all.length - 1} are needed, got ${position}`);
      }
    }
    for (const [key, tensor] of Object.entries(state.tensors)) {
      const { position } = splitKey(key);
      const parameter = all[position];
      if (parameter === undefined || !sameShape(parameter.shape, tensor.shape)) {
        throw new ShapeError(
          `Cannot loadStateDict: ${key} of shape ${formatShapes([parameter?.shape ?? []])} is needed, got ${formatShapes([tensor.shape])}`,
          { op: "loadStateDict", shapes: [parameter?.shape ?? [], tensor.shape] },
        );
      }
      if (tensor.isDisposed) throw new DisposedError(`Cannot loadStateDict: ${key} was freed; keep() what stateDict() gave, or clone it`);
      if (tensor.device !== parameter.device) {
        throw new ArgumentError(`Cannot loadStateDict: ${key} on ${parameter.device} is needed, got ${tensor.device}`);
      }
    }
  }
}

function groupsOf<Options extends OptimizerOptions>(
  parameters: Parameters<Options>,
  options: Options,
  name: string,
): readonly ParameterGroupInit<Options>[] {
  const list: readonly (Tensor | ParameterGroupInit<Options>)[] = checkParameters<Tensor | ParameterGroupInit<Options>>(parameters, name);
  const groups = list.filter((item): item is ParameterGroupInit<Options> => !(item instanceof Tensor));
  if (groups.length === 0) return [{ ...options, params: list as readonly Tensor[] }];
  for (const group of groups) {
    const { params } = checkObject(group, `make ${name}`, "a parameter or a group of them");
    checkTensorList(`make ${name}`, checkParameters(params, name), "{ params: model.parameters() }");
  }
  if (groups.length === list.length) return groups;
  throw new ArgumentError("Cannot make an optimizer: parameters or groups of them are needed, got both");
}

function checkParameters<Item>(parameters: Iterable<Item>, name: string): Item[] {
  if (typeof parameters?.[Symbol.iterator] === "function" && typeof parameters !== "string") return [...parameters];
  throw new ArgumentError(
    `Cannot make an optimizer: parameters are needed, as in new ${name}(model.parameters(), { lr: 0.1 }), got ${kindOf(parameters)}`,
  );
}

/** float16 parameters keep their state in float32. */
function newStateTensor(parameter: Tensor, initial = 0): Tensor {
  return keep(parameter.newFull(parameter.shape, initial, computeType(parameter.dtype)));
}

function splitKey(key: string): { position: number; name: string } {
  const dot = key.indexOf(".");
  return { position: Number(key.slice(0, dot)), name: key.slice(dot + 1) };
}
