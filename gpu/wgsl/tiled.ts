/**
 * A tiled matrix product whose operands are functions of their indices: matrix products and the three directions of a convolution
 * differ only in how an element of the left and the right operand is found.
 *
 * A workgroup of 16 × 16 invocations computes a tile of up to 64 × 64 results, up to 4 × 4 in each invocation's registers, from strips
 * of 16 steps of depth in workgroup memory. A deep product, or one with few tiles, is split along its depth: each part
 * stores its own sums, and a second dispatch adds them up.
 *
 * @module
 */
import { sizeOf } from "../../tensor/shape.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { View } from "../../tensor/kernel.ts";
import { emitExpr, exprPrelude, scalarList } from "./expr.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  type BufferUse,
  computeElement,
  elementDispatch,
  elementOf,
  elementPosition,
  emptyPlan,
  groupDispatch,
  readInput,
  temporary,
  tripBudget,
  u32,
  writeOutput,
} from "./shader.ts";
import { loaded, stored } from "./types.ts";

/** A product of `left [batch, rows, depth]` and `right [batch, depth, columns]`, of which only the indices are known. */
export interface TiledProduct {
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
  readonly output: View;
  readonly epilogue?: Expr | undefined;
  /** The kernel's inputs from the third on. */
  readonly extra: readonly View[];
}

/** How an operand is read. */
export interface OperandAccess {
  /** What the batch contributes, a WGSL expression of `batch` that is computed once. */
  readonly start: string;
  /** Statements that return an element, in terms of `start`, `row` (or `column`) and `depth`, which are inside the bounds. */
  readonly body: (buffers: Buffers) => string;
  /** Neighbours along the depth are neighbours in memory, so neighbouring invocations take them. */
  readonly alongDepth: boolean;
}

const strip = 16;
const side = 16;
/** The depth one part may have: 16 + 1 loop trips per strip keep it within the trip budget. */
const maximumPart = 16384;
/** A split part is at least this deep, and splitting stops at this many workgroups. */
const minimumPart = 256;
const enoughGroups = 128;

/** Matrices with at most so many results of at most this depth are not worth a tile: each result has an invocation of its own. */
const directResults = 256;
const directDepth = 1024;
const manyResults = 16384;

/** The dispatches of a tiled product. */
export function planTiledProduct(product: TiledProduct, limits: Limits): Plan {
  const { batch, rows, columns, depth, output } = product;
  const size = sizeOf(output.shape);
  if (size === 0) return emptyPlan;
  const small = rows * columns <= directResults && depth <= directDepth;
  // Two rows share too little for a tile; few of them with much depth are better split.
  const narrow = Math.min(rows, columns) <= 2 && (depth <= directDepth / 4 || (size >= manyResults && depth <= tripBudget / 4));
  if (depth > 0 && (small || narrow)) return { temporaries: [], dispatches: [directDispatch(product, limits)] };
  const height = tileSize(rows);
  const width = tileSize(columns);
  const tiles = batch * Math.ceil(rows / height) * Math.ceil(columns / width);
  const wanted = Math.min(Math.ceil(depth / minimumPart), Math.ceil(enoughGroups / tiles));
  const least = Math.ceil(depth / maximumPart);
  const part = Math.ceil(depth / Math.max(least, wanted, 1) / strip) * strip;
  const parts = depth === 0 ? 0 : Math.ceil(depth / part);
  if (parts === 1) return { temporaries: [], dispatches: [tileDispatch(product, { height, width, part, parts }, limits)] };
  if (parts === 0) return { temporaries: [], dispatches: [sumDispatch(product, 0, limits)] };
  return {
    temporaries: [parts * size * 4],
    dispatches: [tileDispatch(product, { height, width, part, parts }, limits), sumDispatch(product, parts, limits)],
  };
}

/** The smallest tile that holds all of a small operand, else the largest. */
function tileSize(extent: number): number {
  return extent <= 16 ? 16 : extent <= 32 ? 32 : 64;
}

interface Tiling {
  readonly height: number;
  readonly width: number;
  readonly part: number;
  readonly parts: number;
}

function tileDispatch(product: TiledProduct, tiling: Tiling, limits: Limits): Dispatch {
  const { batch, rows, columns } = product;
  const { height, width, parts } = tiling;
  const split = parts > 1;
  const type = computeElement(product.operands[0].dtype);
  const buffers = bindBuffers([
    readInput("a", 0, product.operands[0]),
    readInput("b", 1, product.operands[1]),
    ...(split ? [temporary("y", 0, elementOf(type), "read_write")] : resultBuffers(product)),
  ]);
  const down = Math.ceil(rows / height);
  const across = Math.ceil(columns / width);
  const size = sizeOf(product.output.shape);
  const finish = split ? `  ${buffers.store("y", `part * ${u32(size)} + position`, "value")}` : epilogueLines(product, buffers, "position");
  const declarations = `${split ? "" : exprPrelude(scalarList(product.epilogue), product.epilogue)}
var<workgroup> left_tile: array<${type}, ${strip * (height + 1)}>;
var<workgroup> right_tile: array<${type}, ${strip * (width + 1)}>;
${operandSource(product, buffers)}
fn finish(batch: u32, part: u32, row: u32, column: u32, value: ${type}) {
  if (row >= ${u32(rows)} || column >= ${u32(columns)}) { return; }
  let position = ${product.position};
${finish}
}`;
  const body = `  let tile_column = group % ${u32(across)} * ${u32(width)};
  let tile_row = group / ${u32(across)} % ${u32(down)} * ${u32(height)};
  let column0 = tile_column + local % ${u32(side)};
  let row0 = tile_row + local / ${u32(side)};
  let batch = group / ${u32(across * down)} % ${u32(batch)};
  let left_start = ${product.left.start};
  let right_start = ${product.right.start};
  let part = group / ${u32(across * down * batch)};
${tileLoop(product, tiling, type)}`;
  return groupDispatch({
    label: product.label,
    buffers,
    count: down * across * batch * parts,
    threads: side * side,
    declarations,
    body,
    scalars: split ? [] : scalarList(product.epilogue),
  }, limits);
}

function operandSource({ operands, left, right }: TiledProduct, buffers: Buffers): string {
  const type = computeElement(operands[0].dtype);
  return `fn left(start: u32, row: u32, depth: u32) -> ${type} {
${left.body(buffers)}
}
fn right(start: u32, depth: u32, column: u32) -> ${type} {
${right.body(buffers)}
}`;
}

/** One invocation per result. */
function directDispatch(product: TiledProduct, limits: Limits): Dispatch {
  const { label, batch, rows, columns, depth, operands, epilogue } = product;
  const buffers = bindBuffers([readInput("a", 0, operands[0]), readInput("b", 1, operands[1]), ...resultBuffers(product)]);
  const scalars = scalarList(epilogue);
  return elementDispatch({
    label,
    buffers,
    size: batch * rows * columns,
    scalars,
    declarations: exprPrelude(scalars, epilogue) + operandSource(product, buffers),
    body: `  let column = element % ${u32(columns)};
  let row = element / ${u32(columns)} % ${u32(rows)};
  let batch = element / ${u32(rows * columns)};
  let left_start = ${product.left.start};
  let right_start = ${product.right.start};
  var value = ${computeElement(operands[0].dtype)}(0);
  for (var depth = 0u; depth < ${u32(depth)}; depth++) {
    value += left(left_start, row, depth) * right(right_start, depth, column);
  }
  let position = ${product.position};
${epilogueLines(product, buffers, "position")}`,
  }, limits);
}

function tileLoop(product: TiledProduct, { height, width, part, parts }: Tiling, type: string): string {
  const tall = range(height / side);
  const wide = range(width / side);
  const cells = tall.flatMap((r) => wide.map((c) => ({ r, c, name: `sum_${r}_${c}` })));
  const depth = parts === 1 ? u32(product.depth) : `min(first + ${u32(part)}, ${u32(product.depth)})`;
  return `  let first = part * ${u32(part)};
  let last = ${depth};
${cells.map(({ name }) => `  var ${name} = ${type}(0);`).join("\n")}
  for (var depth0 = first; depth0 < last; depth0 += ${u32(strip)}) {
    workgroupBarrier();
${tall.map((q) => loadLeft(product, height, q, type)).join("\n")}
${wide.map((q) => loadRight(product, width, q, type)).join("\n")}
    workgroupBarrier();
    for (var d = 0u; d < ${u32(strip)}; d++) {
      let left_at = d * ${u32(height + 1)} + local / ${u32(side)};
      let right_at = d * ${u32(width + 1)} + local % ${u32(side)};
${tall.map((r) => `      let left_${r} = left_tile[left_at + ${u32(r * side)}];`).join("\n")}
${wide.map((c) => `      let right_${c} = right_tile[right_at + ${u32(c * side)}];`).join("\n")}
${cells.map(({ r, c, name }) => `      ${name} += left_${r} * right_${c};`).join("\n")}
    }
  }
${cells.map(({ r, c, name }) => `  finish(batch, part, row0 + ${u32(r * side)}, column0 + ${u32(c * side)}, ${name});`).join("\n")}`;
}

/**
 * Invocation `local` loads its q-th element of the left strip, zero outside the bounds. Either the depth or the row is the same for
 * every q, which is written so that the compiler sees it: taking it apart is most of a convolution's index arithmetic.
 */
function loadLeft({ left, rows }: TiledProduct, height: number, q: number, type: string): string {
  const [r, d] = placeOf(left, height, q);
  return `    {
      let r = ${r};
      let d = ${d};
      var value = ${type}(0);
      if (tile_row + r < ${u32(rows)} && depth0 + d < last) { value = left(left_start, tile_row + r, depth0 + d); }
      left_tile[d * ${u32(height + 1)} + r] = value;
    }`;
}

/** Invocation `local` loads its q-th element of the right strip. */
function loadRight({ right, columns }: TiledProduct, width: number, q: number, type: string): string {
  const [c, d] = placeOf(right, width, q);
  return `    {
      let c = ${c};
      let d = ${d};
      var value = ${type}(0);
      if (tile_column + c < ${u32(columns)} && depth0 + d < last) { value = right(right_start, depth0 + d, tile_column + c); }
      right_tile[d * ${u32(width + 1)} + c] = value;
    }`;
}

/** Place across and along the depth of an invocation's q-th element of a strip. */
function placeOf({ alongDepth }: OperandAccess, across: number, q: number): [string, string] {
  const threads = side * side;
  if (alongDepth) return [`local / ${u32(strip)} + ${u32(q * threads / strip)}`, `local % ${u32(strip)}`];
  return [`local % ${u32(across)}`, `local / ${u32(across)} + ${u32(q * threads / across)}`];
}

/** Adds the parts of a split product and applies the epilogue; without parts (a depth of 0) the sums are 0. */
function sumDispatch(product: TiledProduct, parts: number, limits: Limits): Dispatch {
  const type = computeElement(product.operands[0].dtype);
  const size = sizeOf(product.output.shape);
  const partial = parts === 0 ? [] : [temporary("partial", 0, elementOf(type), "read")];
  const buffers = bindBuffers([...partial, ...resultBuffers(product)]);
  const loop = parts === 0 ? "" : `
  for (var part = 0u; part < ${u32(parts)}; part++) {
    value += ${buffers.load("partial", `part * ${u32(size)} + element`)};
  }`;
  const scalars = scalarList(product.epilogue);
  return elementDispatch({
    label: `${product.label} sum`,
    buffers,
    size,
    scalars,
    declarations: exprPrelude(scalars, product.epilogue),
    body: `  var value = ${type}(0);${loop}\n${epilogueLines(product, buffers, "element")}`,
  }, limits);
}

/** The output and those of the extra inputs that the epilogue reads. */
function resultBuffers({ epilogue, extra, output }: TiledProduct): BufferUse[] {
  const slots = new Set((epilogue?.nodes ?? []).flatMap((node) => node.kind === "input" ? [node.slot] : []));
  const inputs = [...slots].map((slot) => readInput(`input${slot}`, slot, extra[slot - 2]!));
  return [...inputs, writeOutput("y", 0, output)];
}

/** Statements that take `value` through the epilogue and store it at a position, given by the name of a u32. */
function epilogueLines({ epilogue, extra, output }: TiledProduct, buffers: Buffers, position: string): string {
  const at = output.offset === 0 ? position : `${position} + ${u32(output.offset)}`;
  if (epilogue === undefined) return `  ${buffers.store("y", at, "value")}`;
  const { lines, outputs } = emitExpr(epilogue, {
    result: (_slot, dtype) => dtype === "float16" ? "f16(value)" : "value",
    input: (slot, dtype) => loaded(dtype, buffers.element(`input${slot}`, elementPosition(position, extra[slot - 2]!))),
    index: position,
    scalars: scalarList(epilogue),
  });
  const value = outputs[0]!;
  const word = output.dtype === "float16" ? `f32(${value})` : stored(output.dtype, value);
  return [...lines.map((line) => `  ${line}`), `  ${buffers.store("y", at, word)}`].join("\n");
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
