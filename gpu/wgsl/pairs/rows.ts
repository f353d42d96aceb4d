/**
 * What the pairs kernels share: two row sets, which pairs count, and their products in tiles.
 *
 * @module
 */
import type { PairsKernel, View } from "../../../tensor/kernel.ts";
import { scalarText } from "../expr.ts";
import type { OperandAccess, TiledProduct } from "../product/access.ts";
import { tileExtent } from "../product/choice.ts";
import type { TileSource } from "../product/tile.ts";
import type { Dispatch, Limits, Tile } from "../program.ts";
import { bindBuffers, type Buffers, type BufferUse, dotPosition, readInput, temporary, u32, writeOutput } from "../shader.ts";

/** The factor of the similarities. */
export const scalars: Dispatch["scalars"] = [{ slot: 0, dtype: "float32" }];
/** The lowest finite float32: where a running maximum starts, so that it never is an infinity to subtract. */
export const lowest = "-3.4028234663852886e38f";
export const highest = "3.4028234663852886e38f";

/** The two row sets: each result belongs to one of the `own` rows, `other` rows stream past; `turned` when the own rows are b's. */
export interface Rows {
  readonly kernel: PairsKernel;
  readonly inputs: readonly View[];
  readonly output: View;
  readonly own: number;
  readonly other: number;
  readonly depth: number;
  readonly turned: boolean;
  readonly limits: Limits;
}

/** How tiles divide the work: a workgroup takes a tile's height of own rows past one part of the other rows, a tile's width at a time. */
export interface Pass extends Rows {
  readonly tile: Tile;
  readonly part: number;
  readonly parts: number;
}

/** The buffers of a dispatch that gives its results, or with several parts one result for each. */
export function bindRows({ kernel, inputs, output }: Rows, parts: number): Buffers {
  const uses: BufferUse[] = [readInput("a", 0, inputs[0]!), readInput("b", 1, inputs[1]!)];
  const more = kernel.sameLabel ? 4 : 2;
  if (kernel.sameLabel) uses.push(readInput("labels_a", 2, inputs[2]!), readInput("labels_b", 3, inputs[3]!));
  if (kernel.direction !== "forward") uses.push(readInput("lse", more, inputs[more]!), readInput("g", more + 1, inputs[more + 1]!));
  return bindBuffers([...uses, parts === 1 ? writeOutput("y", 0, output) : temporary("y", 0, "float32", "read_write")]);
}

/** The element of one of the kernel's vectors. */
export function vectorElement({ kernel, inputs }: Rows, buffers: Buffers, name: "labels_a" | "labels_b" | "lse" | "g", at: string): string {
  const slot = name === "labels_a" ? 2 : name === "labels_b" ? 3 : (kernel.sameLabel ? 4 : 2) + (name === "g" ? 1 : 0);
  const view = inputs[slot]!;
  return buffers.load(name, dotPosition([at], view.strides, view.offset));
}

/** The similarities without their factor as a product: own rows times other rows. */
export function productOfRows({ kernel, inputs, output, own, other, depth, turned }: Rows): TiledProduct {
  const [left, right] = turned ? ["b", "a"] as const : ["a", "b"] as const;
  return {
    family: `pairs ${kernel.direction}`,
    label: `pairs ${kernel.direction}`,
    batch: 1,
    rows: own,
    columns: other,
    depth,
    operands: [inputs[0]!, inputs[1]!],
    left: rowsOf(left, inputs[left === "a" ? 0 : 1]!),
    right: rowsOf(right, inputs[right === "a" ? 0 : 1]!),
    position: "0u",
    fourAcross: false,
    output,
    extra: [],
  };
}

function rowsOf(buffer: "a" | "b", { strides: [row, column], offset }: View): OperandAccess {
  return {
    buffer,
    start: u32(offset),
    across: { type: "u32", body: `  return ${dotPosition(["index"], [row!])};` },
    depth: { type: "u32", body: `  return ${dotPosition(["index"], [column!])};` },
    element: (buffers) => `  return ${buffers.load(buffer, "start + across + depth")};`,
    alongDepth: Math.abs(column!) <= Math.abs(row!),
  };
}

/** The tile of a pass and its product, for the generator of products. */
export function tileSourceOf(pass: Pass, buffers: Buffers): TileSource {
  return { product: productOfRows(pass), tile: pass.tile, type: "f32", buffers };
}

/** WGSL: whether a pair counts, of the other rows before `end`. */
export function candidateSource(rows: Rows, buffers: Buffers): string {
  const { kernel, own, turned } = rows;
  const conditions = [`own < ${u32(own)}`, "other < end"];
  if (kernel.excludeDiagonal) conditions.push("own != other");
  if (kernel.sameLabel) {
    const [i, j] = turned ? ["other", "own"] : ["own", "other"];
    conditions.push(`${vectorElement(rows, buffers, "labels_a", i)} == ${vectorElement(rows, buffers, "labels_b", j)}`);
  }
  return `fn is_candidate(own: u32, other: u32, end: u32) -> bool {
  return ${conditions.join(" && ")};
}
`;
}

/** `let`s at the beginning of a workgroup that is one of `slices` for its rows and part. */
export function streamStart({ own, other, depth, tile, part }: Pass, slices = 1): string {
  const down = Math.ceil(own / tileExtent(tile)[0]);
  return `  let tile_row = group % ${u32(down)} * ${u32(tileExtent(tile)[0])};
  let slice = group / ${u32(down)} % ${u32(slices)};
  let part = group / ${u32(down * slices)};
  let begin = part * ${u32(part)};
  let end = min(begin + ${u32(part)}, ${u32(other)});
  let factor = ${scalarText(scalars, 0, "float32")};
  let thread_row = local / ${u32(tile.threads[1])};
  let thread_column = local % ${u32(tile.threads[1])};
  let first = 0u;
  let last = ${u32(depth)};`;
}

/** The own row of row `i` of block `g`. */
export function ownRow({ tile }: Pass, g: number, i: number): string {
  return `tile_row + (${u32(g * tile.threads[0])} + thread_row) * 4u + ${u32(i)}`;
}

/** The first of the four other rows of block `h`. */
export function otherRow({ tile }: Pass, h: number): string {
  return `tile_column + (${u32(h * tile.threads[1])} + thread_column) * 4u`;
}
