/**
 * A matrix product whose operands are functions of their indices: matrix products and the three directions of a convolution differ only in
 * how an element of the left and the right operand is found.
 *
 * @module
 */
import type { Expr } from "../../../tensor/expr.ts";
import type { View } from "../../../tensor/kernel.ts";
import { emitExpr, scalarList } from "../expr.ts";
import { type Buffers, type BufferUse, computeElement, elementPosition, readInput, u32, writeOutput } from "../shader.ts";
import { loaded, stored } from "../types.ts";

/** A product of `left [batch, rows, depth]` and `right [batch, depth, columns]`, of which only the indices are known. */
export interface TiledProduct {
  /** What is multiplied: `matmul`, `conv forward` …. */
  readonly family: string;
  readonly label: string;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** The views the operands read: input 0 is bound as `a`, input 1 as `b`. */
  readonly operands: readonly [View, View];
  readonly left: OperandAccess;
  readonly right: OperandAccess;
  /** The row-major position in the output, a WGSL expression of `batch`, `row` and `column`. */
  readonly position: string;
  /** Four columns from a multiple of 4 on are neighbours in the output. */
  readonly fourAcross: boolean;
  readonly output: View;
  readonly epilogue?: Expr | undefined;
  /** The kernel's inputs from the third on. */
  readonly extra: readonly View[];
}

/** What one index contributes to an element's place: computed once where the index stays the same. */
export interface Coordinate {
  /** The WGSL type of what it contributes. */
  readonly type: "u32" | "vec3<i32>";
  /** Statements that return it, in terms of `index`. */
  readonly body: string;
}

/** How an operand is read. */
export interface OperandAccess {
  readonly buffer: "a" | "b";
  /** What the batch contributes, a WGSL expression of `batch`. */
  readonly start: string;
  /** From the row of the left operand or the column of the right one. */
  readonly across: Coordinate;
  readonly depth: Coordinate;
  /** Statements that return an element, in terms of `start` and the coordinates `across` and `depth`. */
  readonly element: (buffers: Buffers) => string;
  /** Statements that return four neighbours across, from a multiple of 4 on; absent where they are no neighbours in memory. */
  readonly four?: ((buffers: Buffers) => string) | undefined;
  /** Neighbours along the depth are neighbours in memory, so neighbouring invocations take them. */
  readonly alongDepth: boolean;
}

/** The operands' buffers; with `fours`, as vectors where the operand is read in fours. */
export function operandUses({ operands, left, right }: TiledProduct, fours: boolean): BufferUse[] {
  return (["a", "b"] as const).map((name, at) => {
    const access = left.buffer === name ? left : right;
    return { ...readInput(name, at, operands[at]!), fours: fours && access.four !== undefined };
  });
}

/** The functions that read the operands. */
export function accessSource({ operands, left, right }: TiledProduct, buffers: Buffers): string {
  const type = computeElement(operands[0].dtype);
  return ([["left", left], ["right", right]] as const).map(([name, access]) => {
    const whole = access.four !== undefined && buffers.isFours(access.buffer);
    const parameters = `start: u32, across: ${access.across.type}, depth: ${access.depth.type}`;
    return `fn ${name}_across(index: u32) -> ${access.across.type} {
${access.across.body}
}
fn ${name}_depth(index: u32) -> ${access.depth.type} {
${access.depth.body}
}
fn ${name}${whole ? "_four" : ""}(${parameters}) -> ${whole ? `vec4<${type}>` : type} {
${whole ? access.four(buffers) : access.element(buffers)}
}
`;
  }).join("");
}

/** The output and those of the extra inputs that the epilogue reads. */
export function resultUses({ epilogue, extra, output, fourAcross }: TiledProduct, fours = true): BufferUse[] {
  const slots = new Set((epilogue?.nodes ?? []).flatMap((node) => node.kind === "input" ? [node.slot] : []));
  const inputs = [...slots].map((slot) => readInput(`input${slot}`, slot, extra[slot - 2]!));
  return [...inputs, { ...writeOutput("y", 0, output), fours: fours && fourAcross && output.offset % 4 === 0 }];
}

/** The function `place_of` of `batch`, `row` and `column`. */
export function placeSource({ position }: TiledProduct): string {
  return `fn place_of(batch: u32, row: u32, column: u32) -> u32 { return ${position}; }
`;
}

/** The function `finished`, which takes a sum through the epilogue for a place; its result is what the output's `store` wants. */
export function finishSource({ operands, epilogue, extra, output }: TiledProduct, buffers: Buffers): string {
  const type = computeElement(operands[0].dtype);
  const word = computeElement(output.dtype);
  const head = `fn finished(place: u32, value: ${type}) -> ${word} {`;
  if (epilogue === undefined) return `${head} return value; }\n`;
  const { lines, outputs } = emitExpr(epilogue, {
    result: (_slot, dtype) => dtype === "float16" ? "f16(value)" : "value",
    input: (slot, dtype) => loaded(dtype, buffers.element(`input${slot}`, elementPosition("place", extra[slot - 2]!))),
    index: "place",
    scalars: scalarList(epilogue),
  });
  const value = outputs[0]!;
  const result = output.dtype === "float16" ? `f32(${value})` : stored(output.dtype, value);
  return `${head}\n${lines.map((line) => `  ${line}`).join("\n")}\n  return ${result};\n}\n`;
}

/** The statement that stores `value` for the place of that name, through the epilogue. */
export function storeLine({ output }: TiledProduct, buffers: Buffers, place: string): string {
  const at = output.offset === 0 ? place : `${place} + ${u32(output.offset)}`;
  return buffers.store("y", at, `finished(${place}, value)`);
}
