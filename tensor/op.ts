/**
 * What an operation is: its shape rule, its kernel and its gradient, declared side by side.
 *
 * @module
 */
import type { Scalars } from "./capture.ts";
import type { DType } from "./dtype.ts";
import type { Kernel, View } from "./kernel.ts";
import type { Tensor } from "./tensor.ts";

/** The shape and element type of a tensor to be. */
export interface Meta {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One kernel call. */
export interface Launch {
  readonly kernel: Kernel;
  readonly inputs: readonly View[];
  readonly outputs: readonly View[];
  /** What fills the expressions' scalar slots. */
  readonly scalars?: Scalars;
}

/** What a gradient rule may use. */
export interface VjpContext<Attributes> {
  readonly attributes: Attributes;
  /** The gradient of the first output. */
  readonly dy: Tensor;
  /** The gradients of all outputs; undefined where none flowed. */
  readonly dys: readonly (Tensor | undefined)[];
  /** A saved input. */
  x(position: number): Tensor;
  /** A saved output. */
  y(position: number): Tensor;
  /** The shape and type of each input, saved or not. */
  readonly inputs: readonly Meta[];
  /** Whether an input's gradient is wanted. */
  needs(position: number): boolean;
  /** Runs another operation, recorded like any. */
  apply<Other>(op: Op<Other>, inputs: readonly Tensor[], attributes: Other): Tensor[];
}

/**
 * The vector-Jacobian product, written in tensor operations so that it has gradients itself: one gradient per input, null where
 * the input has none. A gradient may have the broadcast shape and the promoted type: the engine sums and casts it back.
 */
export type Vjp<Attributes> = (context: VjpContext<Attributes>) => readonly (Tensor | null)[];

/** What the tape keeps for the gradient. */
export interface Saves {
  readonly inputs?: readonly number[] | "all";
  readonly outputs?: readonly number[];
}

interface OpBase<Attributes> {
  /** The operation's name, as errors and traces show it. */
  readonly name: string;
  /** The gradient; "compose": that of the composed definition; null: stated, not implied, that there is none. */
  readonly vjp: Vjp<Attributes> | "compose" | null;
  readonly saves?: Saves;
  /**
   * The same operation composed of others. Where it is given and all inputs are saved, `vjp` may use fused kernels without a gradient of
   * their own: when gradients of gradients are wanted, the engine differentiates this definition instead.
   */
  readonly compose?: (inputs: readonly Tensor[], attributes: Attributes) => readonly Tensor[];
}

/** An operation that runs kernels. */
export interface KernelOp<Attributes> extends OpBase<Attributes> {
  readonly kind: "kernel";
  /** Checks the inputs and says what comes out. */
  readonly infer: (inputs: readonly Meta[], attributes: Attributes) => readonly Meta[];
  /** The kernel calls that fill the outputs (contiguous when they come). */
  readonly launch: (inputs: readonly View[], outputs: readonly View[], attributes: Attributes) => Launch | readonly Launch[];
}

/** The layout of a view on an existing storage. */
export interface Layout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** An operation that looks at the same elements in another way, without a copy. */
export interface ViewOp<Attributes> extends OpBase<Attributes> {
  readonly kind: "view";
  readonly view: (input: Layout, attributes: Attributes) => Layout;
}

/** An operation made of others whose gradient is given by hand: it runs unrecorded. */
export interface ComputeOp<Attributes> extends OpBase<Attributes> {
  readonly kind: "compute";
  readonly compute: (inputs: readonly Tensor[], attributes: Attributes) => readonly Tensor[];
}

/** Any operation. */
export type Op<Attributes> = KernelOp<Attributes> | ViewOp<Attributes> | ComputeOp<Attributes>;

/** The same view, expanded to a larger shape. */
export function expandView(view: View, shape: readonly number[]): View {
  if (view.shape === shape) return view;
  const lead = shape.length - view.shape.length;
  const strides = shape.map((size, dim) => dim < lead || view.shape[dim - lead] !== size ? 0 : view.strides[dim - lead]!);
  return { ...view, shape, strides };
}

/** The same elements with dims in another order. */
export function permuteView(view: View, order: readonly number[]): View {
  return { ...view, shape: order.map((dim) => view.shape[dim]!), strides: order.map((dim) => view.strides[dim]!) };
}

/** The order of dims that puts `dims` last, the others first, each in their own order. */
export function dimsLast(rank: number, dims: readonly number[]): number[] {
  const kept: number[] = [];
  for (let dim = 0; dim < rank; dim++) if (!dims.includes(dim)) kept.push(dim);
  return [...kept, ...dims];
}

/** Remembers what a function made for each list of arguments (equal by identity), so that kernels are built once. */
export function memoize<Args extends readonly unknown[], Value>(make: (...args: Args) => Value): (...args: Args) => Value {
  const root = new Map<unknown, unknown>();
  return (...args) => {
    let level = root;
    for (let position = 0; position < args.length - 1; position++) {
      let next = level.get(args[position]) as Map<unknown, unknown> | undefined;
      if (next === undefined) level.set(args[position], next = new Map());
      level = next;
    }
    const last = args.at(-1);
    let value = level.get(last) as Value | undefined;
    if (value === undefined) level.set(last, value = make(...args));
    return value;
  };
}
