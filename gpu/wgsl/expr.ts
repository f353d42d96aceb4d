/**
 * Expressions in WGSL: an {@link Expr} becomes a flat list of `let` statements, since nested parentheses some thousand deep would
 * overflow the shader compiler's stack and end the process.
 *
 * A generator that runs expressions does four things: it emits {@link scalarDeclaration} of {@link scalarList} and the functions that
 * {@link functionsOf} names at the top of its source, and calls {@link emitExpr} where the values are at hand.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { apply, expression, input } from "../../tensor/expr.ts";
 * import { emitExpr } from "./expr.ts";
 *
 * const square = expression([apply("mul", input(0, "float32"), input(0, "float32"))]);
 * const { lines, outputs } = emitExpr(square, { input: (slot) => `buffer${slot}[i]` });
 * assertEquals(lines, ["let v0 = buffer0[i];", "let v1 = v0 * v0;"]);
 * assertEquals(outputs, ["v1"]);
 * ```
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { Expr, ExprNode } from "../../tensor/expr.ts";
import type { ScalarOp } from "../../tensor/scalar.ts";
import { DTypeError } from "../../tensor/errors.ts";
import { type FunctionName, functionSource } from "./functions.ts";
import type { Dispatch } from "./program.ts";
import { type Operand, scalarRows } from "./scalar.ts";
import { literal } from "./types.ts";

/** Where an expression's values come from: each returns a WGSL expression of the node's value type (see `loaded` in types.ts). */
export interface ExprSources {
  readonly input?: (slot: number, dtype: DType) => string;
  readonly result?: (slot: number, dtype: DType) => string;
  /** A `u32` expression. */
  readonly index?: string;
  /** The run's scalars in their order in the dispatch; needed where the expression has scalar nodes. */
  readonly scalars?: Dispatch["scalars"];
  /** What the names of the values begin with, `v` unless told; two expressions in one block need two prefixes. */
  readonly prefix?: string;
  /** Whether the outputs are combined with further values at once, as a reduction does, instead of being stored. */
  readonly combined?: boolean;
}

/** The statements of an expression, and the names of its outputs, each of its value type. */
export interface EmittedExpr {
  readonly lines: string[];
  readonly outputs: string[];
}

/** Writes an expression as `let` statements. */
export function emitExpr(expr: Expr, sources: ExprSources): EmittedExpr {
  const prefix = sources.prefix ?? "v";
  const lines: string[] = [];
  const operands: Operand[] = [];
  const read = new Map<string, Operand>();
  const rounded = roundedSteps(expr, sources.combined);
  for (const [position, node] of expr.nodes.entries()) {
    const plain = nodeText(node, operands, sources);
    const value = rounded.has(position) ? `rounded32(${plain})` : plain;
    // Two inputs on one element are one value: an operation must see that to guard x - x, which a compiler takes for 0.
    const same = node.kind === "input" ? read.get(value) : undefined;
    if (same !== undefined) {
      operands.push(same);
      continue;
    }
    const text = `${prefix}${position}`;
    lines.push(`let ${text} = ${value};`);
    const operand: Operand = { text, dtype: node.dtype, ...(node.kind === "constant" ? { constant: node.value } : {}) };
    operands.push(operand);
    if (node.kind === "input") read.set(value, operand);
  }
  return { lines, outputs: expr.outputs.map((position) => operands[position]!.text) };
}

const arithmetic: ReadonlySet<ScalarOp> = new Set(["add", "sub", "mul", "div", "neg"]);

/**
 * The steps whose result must be rounded before other arithmetic takes it. Shader compilers join a product and a sum into one
 * operation and cancel `(x + y) - x` into `y`: then a fused kernel would give other numbers than its operations one by one do.
 */
function roundedSteps({ nodes, outputs }: Expr, combined = false): Set<number> {
  const isArithmetic = (node: ExprNode) => node.kind === "op" && arithmetic.has(node.op) && node.dtype === "float32";
  const taken = nodes.flatMap((node) => node.kind === "op" && isArithmetic(node) ? node.args : []);
  return new Set([...taken, ...combined ? outputs : []].filter((position) => isArithmetic(nodes[position]!)));
}

function nodeText(node: ExprNode, operands: readonly Operand[], sources: ExprSources): string {
  switch (node.kind) {
    case "input":
      return needed(sources.input, "inputs")(node.slot, node.dtype);
    case "result":
      return needed(sources.result, "results")(node.slot, node.dtype);
    case "index":
      return needed(sources.index, "an index");
    case "scalar":
      return scalarText(needed(sources.scalars, "scalars"), node.slot, node.dtype);
    case "constant":
      return literal(node.value, node.dtype);
    case "op":
      return scalarRows[node.op](node.args.map((arg) => operands[arg]!), node.dtype).text;
  }
}

function needed<T>(source: T | undefined, what: string): T {
  if (source === undefined) {
    throw new DTypeError(`Cannot write an expression: a kernel that offers ${what} is needed, got one without`, { op: "expression" });
  }
  return source;
}

/** The functions that expressions call; {@link functionSource} of functions.ts gives their text. */
export function functionsOf(...exprs: (Expr | undefined)[]): Set<FunctionName> {
  const names = new Set<FunctionName>();
  for (const expr of exprs) {
    if (expr === undefined) continue;
    if (roundedSteps(expr, true).size > 0) names.add("rounded32");
    const operands: Operand[] = expr.nodes.map((node) => ({
      text: "x",
      dtype: node.dtype,
      ...(node.kind === "constant" ? { constant: node.value } : {}),
    }));
    for (const node of expr.nodes) {
      if (node.kind !== "op") continue;
      for (const name of scalarRows[node.op](node.args.map((arg) => operands[arg]!), node.dtype).calls) names.add(name);
    }
  }
  return names;
}

/** Everything that must stand before the code of some expressions: the functions they call and the uniform with their scalars. */
export function exprPrelude(scalars: Dispatch["scalars"], ...exprs: (Expr | undefined)[]): string {
  return scalarDeclaration(scalars) + functionSource(functionsOf(...exprs));
}

/** The scalars that expressions use, each once, in the order in which the dispatch receives them. */
export function scalarList(...exprs: (Expr | undefined)[]): Dispatch["scalars"] {
  const scalars: { slot: number; dtype: ScalarType }[] = [];
  for (const expr of exprs) {
    for (const node of expr?.nodes ?? []) {
      if (node.kind !== "scalar") continue;
      const dtype = scalarType(node.dtype);
      if (!scalars.some((known) => known.slot === node.slot && known.dtype === dtype)) scalars.push({ slot: node.slot, dtype });
    }
  }
  return scalars;
}

type ScalarType = Dispatch["scalars"][number]["dtype"];

function scalarType(dtype: DType): ScalarType {
  if (dtype === "float32" || dtype === "int32" || dtype === "uint32") return dtype;
  if (dtype === "bool") return "uint32";
  throw new DTypeError(`Cannot hand a scalar to webgpu: float32, int32, uint32 or bool is needed, got ${dtype}`, { op: "run" });
}

/** The declaration of the uniform that holds a dispatch's scalars; empty where there are none. */
export function scalarDeclaration(scalars: Dispatch["scalars"]): string {
  if (scalars.length === 0) return "";
  return `@group(1) @binding(0) var<uniform> scalars: array<vec4<u32>, ${Math.ceil(scalars.length / 4)}>;\n`;
}

/** The WGSL expression of a scalar's value. */
export function scalarText(scalars: Dispatch["scalars"], slot: number, dtype: DType): string {
  const type = scalarType(dtype);
  const place = scalars.findIndex((known) => known.slot === slot && known.dtype === type);
  if (place < 0) {
    throw new DTypeError(`Cannot read scalar ${slot}: it must be in the dispatch's list, got ${scalars.length} others`, { op: "run" });
  }
  const bits = `scalars[${Math.floor(place / 4)}][${place % 4}]`;
  if (dtype === "float32") return `bitcast<f32>(${bits})`;
  if (dtype === "int32") return `bitcast<i32>(${bits})`;
  return dtype === "bool" ? `(${bits} != 0u)` : bits;
}
