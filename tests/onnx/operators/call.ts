/**
 * What an operator is given, and what it gives back.
 *
 * @module
 */
import { type DType, Tensor, tensor } from "../../../mod.ts";
import { type Attribute, type Graph, type StoredTensor, UnsupportedError } from "../model.ts";
import { numbersOf } from "../values.ts";

/** What flows along a graph's edges: a tensor, a sequence of tensors, or an optional without a value. */
export type Value = Tensor | readonly Tensor[] | null;

/** What an operator returns: its only output, or all (undefined where one that nobody asked for is left out). */
export type Result = Tensor | { readonly outputs: readonly (Value | undefined)[] };

/** An ONNX operator, written with the library's public functions. */
export type Operator = (call: Call) => Result | Promise<Result>;

/** What a {@link Call} is made of. */
export interface CallInit {
  readonly operator: string;
  readonly opset: number;
  readonly device: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly outputCount: number;
  /** ONNX's element types of the inputs, where the graph says so. */
  readonly elementTypes: readonly (number | undefined)[];
  /** A value of the graph by its name. */
  readonly named: (name: string) => Value;
  /** Runs a subgraph that sees the names around it. */
  readonly runGraph: (graph: Graph, inputs: readonly Value[]) => Promise<Value[]>;
}

/** One node with its inputs computed. */
export class Call {
  /** What it is made of. */
  readonly init: CallInit;

  /** Wraps the parts. */
  constructor(init: CallInit) {
    this.init = init;
  }

  /** The version of the operators. */
  get opset(): number {
    return this.init.opset;
  }

  /** How many inputs are named, given or not. */
  get inputCount(): number {
    return this.init.inputs.length;
  }

  /** An input of any kind. */
  value(index: number): Value | undefined {
    return this.init.inputs[index];
  }

  /** A tensor that may be left out. */
  maybe(index: number): Tensor | undefined {
    const value = this.init.inputs[index];
    return value instanceof Tensor ? value : undefined;
  }

  /** A tensor that has to be there. */
  x(index = 0): Tensor {
    return this.maybe(index) ?? this.refuse(`a tensor as input ${index} is needed`);
  }

  /** A sequence that has to be there. */
  sequence(index = 0): readonly Tensor[] {
    const value = this.init.inputs[index];
    return Array.isArray(value) ? value as readonly Tensor[] : this.refuse(`a sequence as input ${index} is needed`);
  }

  /** Every input, as tensors. */
  all(): Tensor[] {
    return this.init.inputs.map((_, index) => this.x(index));
  }

  /** The numbers in an input, or undefined where it is left out. */
  async numbers(index: number): Promise<number[] | undefined> {
    const input = this.maybe(index);
    return input === undefined ? undefined : await numbersOf(input);
  }

  /** The numbers of what was an attribute in older versions and is an input in newer ones. */
  async numbersOf(index: number, name: string): Promise<number[] | undefined> {
    return await this.numbers(index) ?? (this.has(name) ? [...this.ints(name)] : undefined);
  }

  /** Whether an attribute is given. */
  has(name: string): boolean {
    return this.init.attributes.has(name);
  }

  /** The only number in an input, or undefined where it is left out. */
  async scalar(index: number): Promise<number | undefined> {
    return (await this.numbers(index))?.[0];
  }

  /** A number. */
  number(name: string, otherwise?: number): number {
    const value = this.init.attributes.get(name) ?? otherwise;
    return typeof value === "number" ? value : this.refuse(`a number ${name} is needed`);
  }

  /** Text. */
  text(name: string, otherwise: string): string {
    const value = this.init.attributes.get(name) ?? otherwise;
    return typeof value === "string" ? value : this.refuse(`text ${name} is needed`);
  }

  /** A list of numbers. */
  ints(name: string, otherwise?: readonly number[]): readonly number[] {
    const value = this.init.attributes.get(name) ?? otherwise;
    return Array.isArray(value) ? value as readonly number[] : this.refuse(`numbers ${name} are needed`);
  }

  /** A list of texts. */
  texts(name: string): readonly string[] {
    const value = this.init.attributes.get(name);
    return Array.isArray(value) ? value as readonly string[] : this.refuse(`texts ${name} are needed`);
  }

  /** A stored tensor. */
  stored(name: string): StoredTensor | undefined {
    const value = this.init.attributes.get(name);
    return typeof value === "object" && "elementType" in value ? value : undefined;
  }

  /** A subgraph. */
  graph(name: string): Graph {
    const value = this.init.attributes.get(name);
    return typeof value === "object" && "nodes" in value ? value : this.refuse(`a graph ${name} is needed`);
  }

  /** Numbers as a tensor on the call's device. */
  make(values: ArrayLike<number>, shape: readonly number[], dtype: DType): Tensor {
    return tensor(Float64Array.from(values), { shape, dtype, device: this.init.device });
  }

  /** Says why this call is out of reach. */
  refuse(why: string): never {
    throw new UnsupportedError(`Cannot run ${this.init.operator}: ${why}`);
  }
}

/** A dim counted from the end, counted from the front. */
export function positive(dim: number, rank: number): number {
  return dim < 0 ? dim + rank : dim;
}

/** The number of elements in a shape. */
export function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
