/**
 * Expressions in plain TypeScript: each is compiled once into a loop over a line of elements.
 *
 * @module
 */
import type { DType, TypedArray } from "../../tensor/dtype.ts";
import type { Expr, ExprNode } from "../../tensor/expr.ts";
import { castValue, scalarOps, wrap } from "../../tensor/scalar.ts";

/**
 * Evaluates an expression for `count` elements, of which the first has the given `index`. Of each array, in the order inputs, results,
 * outputs, come the data, the position of the first element and the step to the next; `results` and `outputs` say where in the list those
 * begin. All of an element is computed before any of it is stored, so that an output may lie on an input.
 */
export type Loop = (
  count: number,
  index: number,
  scalars: readonly number[],
  data: readonly TypedArray[],
  positions: readonly number[],
  steps: readonly number[],
  results: number,
  outputs: number,
) => void;

/** More loops than any model has; expressions with ever new constants must not fill the memory. */
const maximumLoops = 4096;

const loops = new Map<string, Loop>();

/** The loop of an expression, compiled at first sight of its key. */
export function loopOf(expr: Expr): Loop {
  let loop = loops.get(expr.key);
  if (loop !== undefined) return loop;
  if (loops.size >= maximumLoops) loops.clear();
  loops.set(expr.key, loop = compile(expr));
  return loop;
}

/** What generated code may call. */
const library = {
  castValue,
  wrap,
  fround: Math.fround,
  half: Math.f16round,
  imul: Math.imul,
  rows: Object.fromEntries(Object.entries(scalarOps).map(([name, { reference }]) => [name, reference])),
};

function compile(expr: Expr): Loop {
  const before: string[] = [];
  const body: string[] = [];
  const after: string[] = [];
  function declare(name: string, place: string): void {
    before.push(`const ${name} = data[${place}], ${name}Step = steps[${place}];`, `let ${name}At = positions[${place}];`);
    after.push(`${name}At += ${name}Step;`);
  }
  for (const slot of slots(expr, "input")) declare(`input${slot}`, `${slot}`);
  for (const slot of slots(expr, "result")) declare(`result${slot}`, `results + ${slot}`);
  expr.outputs.forEach((_, slot) => declare(`output${slot}`, `outputs + ${slot}`));
  expr.nodes.forEach((node, at) => {
    const fixed = node.kind === "scalar" || node.kind === "constant";
    (fixed ? before : body).push(`const v${at} = ${emit(node, expr.nodes)};`);
  });
  expr.outputs.forEach((at, slot) => body.push(`output${slot}[output${slot}At] = v${at};`));
  const calls = new Set(expr.nodes.flatMap((node) => node.kind === "op" ? [node.op] : []));
  const source = `const { castValue, wrap, fround, half, imul, rows } = library;
${[...calls].map((op) => `const ${op}Of = rows.${op};`).join("\n")}
return function (count, index, scalars, data, positions, steps, results, outputs) {
${before.join("\n")}
for (let k = 0; k < count; k++) {
${[...body, ...after].join("\n")}
}
};`;
  return new Function("library", source)(library) as Loop;
}

function slots(expr: Expr, kind: "input" | "result"): Set<number> {
  return new Set(expr.nodes.flatMap((node) => node.kind === kind ? [node.slot] : []));
}

function emit(node: ExprNode, nodes: readonly ExprNode[]): string {
  switch (node.kind) {
    case "input":
    case "result":
      return `${node.kind}${node.slot}[${node.kind}${node.slot}At]`;
    case "scalar":
      return `wrap(scalars[${node.slot}], "${node.dtype}")`;
    case "constant":
      return literal(wrap(node.value, node.dtype));
    case "index":
      return "(index + k) >>> 0";
    case "op":
      return emitOp(node.op, node.args.map((at) => `v${at}`), nodes[node.args[node.args.length - 1]!]!.dtype, node.dtype);
  }
}

function literal(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Operators that need no call; everything else goes through its reference function. */
const operators: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>>",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
  eq: "===",
  ne: "!==",
};

/** The code of one operation; equal to `evaluate` of the scalar vocabulary, bit for bit. */
function emitOp(op: string, args: readonly string[], argType: DType, dtype: DType): string {
  const [a, b, c] = args;
  if (op === "cast") return emitCast(a!, argType, dtype);
  if (op === "where") return `${a} !== 0 ? ${b} : ${c}`;
  if (op === "mul" && (dtype === "int32" || dtype === "uint32")) return emitWrap(`imul(${a}, ${b})`, dtype);
  if (op === "not" && dtype === "bool") return `${a} === 0 ? 1 : 0`;
  if (scalarOps[op as keyof typeof scalarOps].type === "compare") return `${a} ${operators[op]} ${b} ? 1 : 0`;
  const operator = operators[op];
  if (operator !== undefined) return emitWrap(`${a} ${operator} ${b}`, dtype);
  if (op === "neg") return emitWrap(`-${a}`, dtype);
  return emitWrap(`${op}Of(${args.join(", ")})`, dtype);
}

function emitCast(value: string, from: DType, to: DType): string {
  const fromFloat = from === "float32" || from === "float64" || from === "float16";
  if (fromFloat && (to === "int32" || to === "uint32")) return `castValue(${value}, "${from}", "${to}")`;
  return emitWrap(value, to);
}

function emitWrap(value: string, dtype: DType): string {
  switch (dtype) {
    case "float64":
      return value;
    case "float32":
      return `fround(${value})`;
    case "float16":
      return `half(${value})`;
    case "int32":
      return `(${value}) | 0`;
    case "uint32":
      return `(${value}) >>> 0`;
    case "bool":
      return `(${value}) !== 0 ? 1 : 0`;
  }
}
