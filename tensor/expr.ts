/**
 * Expressions: what a kernel computes per element, as a flat list of scalar operations in the order of evaluation.
 *
 * Ops write them with the functions below on {@link Value} handles; {@link expression} flattens the handles, sharing
 * what is equal, into an {@link Expr} that backends translate.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { apply, expression, input } from "./expr.ts";
 *
 * const x = input(0, "float32");
 * const relu = expression([apply("where", apply("lt", x, 0), 0, x)]);
 * assertEquals(relu.nodes.length, 4); // x, 0, x < 0, where
 * ```
 *
 * @module
 */
import type { DType } from "./dtype.ts";
import { DTypeError } from "./errors.ts";
import { type ScalarOp, scalarOps } from "./scalar.ts";

/** One step of an {@link Expr}; `args` are positions of earlier steps. */
export type ExprNode =
  /** The element of the kernel's input number `slot`. */
  | { readonly kind: "input"; readonly slot: number; readonly dtype: DType }
  /** A number handed over at each run, so that its value is not part of the generated code. */
  | { readonly kind: "scalar"; readonly slot: number; readonly dtype: DType }
  /** A number that is part of the generated code. */
  | { readonly kind: "constant"; readonly value: number; readonly dtype: DType }
  /** uint32: the row-major position of the output element (map) or the position within the reduced row (reduce, row). */
  | { readonly kind: "index"; readonly dtype: "uint32" }
  /** In a row kernel the result of reduction number `slot`; in an epilogue (slot 0) the value just computed. */
  | { readonly kind: "result"; readonly slot: number; readonly dtype: DType }
  | { readonly kind: "op"; readonly op: ScalarOp; readonly args: readonly number[]; readonly dtype: DType };

/** A directed acyclic graph of scalar operations, flattened: each node's arguments come before it. */
export interface Expr {
  /** The steps, in order. */
  readonly nodes: readonly ExprNode[];
  /** The positions in `nodes` of the values that leave the expression. */
  readonly outputs: readonly number[];
  /** Equal keys mean equal expressions. */
  readonly key: string;
}

/** A handle on a value while an expression is being written. */
export interface Value {
  readonly dtype: DType;
  readonly node: Exclude<ExprNode, { kind: "op" }> | { readonly kind: "op"; readonly op: ScalarOp };
  readonly args: readonly Value[];
}

/** The element of input number `slot`; float16 is widened to float32 at once. */
export function input(slot: number, dtype: DType): Value {
  const element: Value = { dtype, node: { kind: "input", slot, dtype }, args: [] };
  return dtype === "float16" ? cast(element, "float32") : element;
}

/** A number handed over at each run. */
export function scalar(slot: number, dtype: DType): Value {
  return { dtype, node: { kind: "scalar", slot, dtype }, args: [] };
}

/** A number that is part of the generated code. */
export function constant(value: number, dtype: DType): Value {
  return { dtype, node: { kind: "constant", value, dtype }, args: [] };
}

/** The position of the element, uint32 (see {@link ExprNode}). */
export function index(): Value {
  return { dtype: "uint32", node: { kind: "index", dtype: "uint32" }, args: [] };
}

/** The result of reduction number `slot`, or of the kernel in an epilogue. */
export function result(slot: number, dtype: DType): Value {
  return { dtype, node: { kind: "result", slot, dtype }, args: [] };
}

/** Converts to another type; the same type is left alone. */
export function cast(value: Value, dtype: DType): Value {
  return value.dtype === dtype ? value : { dtype, node: { kind: "op", op: "cast" }, args: [value] };
}

/**
 * Applies a scalar operation; bare numbers become constants of the other arguments' type.
 *
 * @throws DTypeError when the arguments' types differ or do not fit the operation.
 */
export function apply(op: ScalarOp, ...args: (Value | number)[]): Value {
  const { arity, type } = scalarOps[op];
  if (args.length !== arity) throw new DTypeError(`Cannot ${op}: ${arity} arguments are needed, got ${args.length}`, { op });
  const typed = op === "where" ? args.slice(1) : args;
  const dtype = typed.find((arg) => typeof arg !== "number")?.dtype ?? "float32";
  const values = args.map((arg) => typeof arg === "number" ? constant(arg, dtype) : arg);
  const condition = op === "where" ? values[0]! : undefined;
  if (condition !== undefined && condition.dtype !== "bool") {
    throw new DTypeError(`Cannot where: a bool condition is needed, got ${condition.dtype}`, { op });
  }
  const stray = values.find((value) => value !== condition && value.dtype !== dtype);
  if (stray !== undefined) {
    throw new DTypeError(`Cannot ${op} ${dtype} and ${stray.dtype}: one type is needed, cast first`, { op });
  }
  const float = dtype === "float32" || dtype === "float64";
  const fits = type === "float" || type === "test" ? float : type === "integer" ? !float : type === "bits" ? dtype === "uint32" : true;
  if (!fits || dtype === "float16" || type === "cast") {
    throw new DTypeError(`Cannot ${op} ${dtype}: the ${type} rule does not allow it, cast first`, { op });
  }
  const resultType: DType = type === "compare" || type === "test" ? "bool" : dtype;
  return { dtype: resultType, node: { kind: "op", op }, args: values };
}

/** Flattens values into an expression, each equal value once. */
export function expression(outputs: readonly Value[]): Expr {
  const nodes: ExprNode[] = [];
  const positions = new Map<string, number>();
  const visited = new Map<Value, number>();
  function place(value: Value): number {
    const known = visited.get(value);
    if (known !== undefined) return known;
    const args = value.args.map(place);
    const node: ExprNode = value.node.kind === "op" ? { kind: "op", op: value.node.op, args, dtype: value.dtype } : value.node;
    const key = nodeKey(node);
    let position = positions.get(key);
    if (position === undefined) {
      position = nodes.push(node) - 1;
      positions.set(key, position);
    }
    visited.set(value, position);
    return position;
  }
  const places = outputs.map(place);
  return { nodes, outputs: places, key: `${nodes.map(nodeKey).join(";")}->${places.join(",")}` };
}

/** The types of an expression's outputs. */
export function outputTypes(expr: Expr): DType[] {
  return expr.outputs.map((position) => expr.nodes[position]!.dtype);
}

/** Scalar operations that take many instructions. */
const costly: ReadonlySet<string> = new Set(
  "exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh sigmoid erf pow atan2 threefry floorDiv mod shl shr".split(" "),
);

/** Whether a scalar operation takes many instructions. */
export function isCostly(op: ScalarOp): boolean {
  return costly.has(op);
}

/** Whether an expression is so small that what is around it counts: the loop, and moving its elements. */
export function isCheap(expr: Expr): boolean {
  return expr.nodes.length <= 16 && !expr.nodes.some((node) => node.kind === "op" && isCostly(node.op));
}

function nodeKey(node: ExprNode): string {
  switch (node.kind) {
    case "input":
    case "scalar":
    case "result":
      return `${node.kind}${node.slot}:${node.dtype}`;
    case "constant":
      return `${Object.is(node.value, -0) ? "-0" : node.value}:${node.dtype}`;
    case "index":
      return "index";
    case "op":
      return `${node.op}(${node.args.join(",")}):${node.dtype}`;
  }
}
