/**
 * Which tile a matrix product is divided into: a table of tiles, a rule that picks one by reasoning, and the classes of products for which
 * tuning may know better.
 *
 * @module
 */
import type { DType } from "../../../tensor/dtype.ts";
import type { Limits, Tile } from "../program.ts";

/** What the choice of a tile depends on. */
export interface ProductSize {
  /** What is multiplied: `matmul`, `conv forward` …. */
  readonly family: string;
  readonly dtype: DType;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** How the operands lie in memory, and how they are read: one letter each. */
  readonly layout: string;
}

const wide = { strip: 8, unroll: 8, shared: true } as const;
const deep = { strip: 16, unroll: 4, shared: true } as const;
const registers = { strip: 4, unroll: 4, shared: false } as const;

/**
 * Tiles for hardware. Large ones read each operand least often: 8 × 8 results an invocation need 16 words of workgroup memory for 64
 * multiplications. Small ones keep all of a GPU's processors busy with small products.
 */
export const hardwareTiles: readonly Tile[] = [
  { threads: [16, 16], results: [8, 8], ...wide },
  { threads: [16, 16], results: [8, 8], ...deep },
  { threads: [8, 16], results: [8, 8], ...wide },
  { threads: [16, 8], results: [8, 8], ...wide },
  { threads: [8, 8], results: [8, 8], ...deep },
  { threads: [16, 16], results: [4, 8], ...deep },
  { threads: [16, 16], results: [8, 4], ...deep },
  { threads: [16, 16], results: [4, 4], ...deep },
  { threads: [8, 16], results: [4, 4], ...deep },
  { threads: [16, 8], results: [4, 4], ...deep },
  { threads: [8, 8], results: [4, 4], ...deep },
  { threads: [16, 4], results: [4, 4], ...deep },
  { threads: [4, 16], results: [4, 4], ...deep },
  { threads: [8, 16], results: [8, 4], ...registers },
];

/** Tiles for software, where code is compiled slowly and workgroup memory is memory like any other. */
export const softwareTiles: readonly Tile[] = [
  { threads: [8, 8], results: [4, 4], ...registers },
  { threads: [4, 4], results: [4, 4], ...registers },
  { threads: [8, 8], results: [8, 8], ...registers },
  { threads: [16, 16], results: [4, 4], strip: 16, unroll: 1, shared: true },
];

/** Processors that run workgroups by themselves, and invocations that keep one of them busy: a large GPU has 100 to 150. */
const hardware = { processors: 128, invocations: 128 } as const;
const software = { processors: 4, invocations: 16 } as const;

/** Workgroups of a tile that keep a device busy, two for each place so that the last ones matter less. */
export function enoughGroups({ threads }: Tile, limits: Limits): number {
  const { processors, invocations } = limits.software ? software : hardware;
  return Math.ceil(2 * processors * Math.max(1, invocations / (threads[0] * threads[1])));
}

/** The part of a device that so many workgroups of a tile keep busy. */
function usedPart({ threads }: Tile, groups: number, limits: Limits): number {
  const { processors, invocations } = limits.software ? software : hardware;
  const busy = Math.min(processors, groups);
  return busy / processors * Math.min(1, groups / busy * threads[0] * threads[1] / invocations);
}

/** A part of a split product is at least this deep. */
export const minimumPart = 256;

/** The class of a product, under which tuning keeps its choice: sizes are rounded up to powers of two. */
export function productClass({ family, dtype, batch, rows, columns, depth, layout }: ProductSize): string {
  const sizes = [batch, rows, columns, depth].map((size) => 2 ** Math.ceil(Math.log2(Math.max(1, size))));
  return `${family} ${dtype} ${layout} ${sizes.join("×")}`;
}

/** The tile of a product: the tuned one where there is one that fits, else the one of least estimated cost. */
export function chooseTile(size: ProductSize, limits: Limits): Tile {
  const tuned = limits.tileOf?.(productClass(size));
  if (tuned !== undefined && fits(tuned, limits)) return tuned;
  return candidateTiles(size, limits)[0]!;
}

/** The tiles that a device could use for a product, the most promising first. */
export function candidateTiles(size: ProductSize, limits: Limits): Tile[] {
  const tiles = (limits.software ? softwareTiles : hardwareTiles).filter((tile) => fits(tile, limits));
  const costs = new Map(tiles.map((tile) => [tile, cost(tile, size, limits)]));
  return tiles.toSorted((a, b) => costs.get(a)! - costs.get(b)!);
}

/** Rows and columns of a tile. */
export function tileExtent({ threads, results }: Tile): readonly [number, number] {
  return [threads[0] * results[0], threads[1] * results[1]];
}

/** Vectors of four in the two strips of a tile: each step of depth has one more, so that steps begin in different memory banks. */
export function stripFours(tile: Tile): readonly [number, number] {
  const [height, width] = tileExtent(tile);
  return [tile.strip * (height / 4 + 1), tile.strip * (width / 4 + 1)];
}

/** Whether a device can run a tile. */
export function fits(tile: Tile, limits: Limits): boolean {
  const [left, right] = stripFours(tile);
  return tile.threads[0] * tile.threads[1] <= limits.workgroupInvocations &&
    (!tile.shared || 16 * (left + right) <= limits.workgroupMemory);
}

/**
 * Estimated cost in multiplications at full speed: those of a product with the tiles' overhang, divided by how well a tile feeds the
 * arithmetic and by how much of the device is busy.
 */
function cost(tile: Tile, { batch, rows, columns, depth }: ProductSize, limits: Limits): number {
  const [height, width] = tileExtent(tile);
  const tiles = batch * Math.ceil(rows / height) * Math.ceil(columns / width);
  const work = tiles * height * width * depth;
  const results = tile.results[0] * tile.results[1];
  const reads = tile.results[0] + tile.results[1];
  const fed = results / (results + 2 * reads) * (tile.shared === limits.software ? 0.5 : 1);
  const parts = Math.min(Math.max(1, Math.floor(depth / minimumPart)), Math.ceil(enoughGroups(tile, limits) / tiles));
  const used = usedPart(tile, tiles * parts, limits);
  const split = parts > 1 ? 1.1 : 1;
  const compiling = limits.software && results > 16 ? longCompile : 0;
  // Of two tiles alike the one with less workgroup memory leaves room for more workgroups.
  return work / fed / used * split * (1 + tile.strip / 1000) + compiling;
}

/** What software could multiply while it compiles a tile of 8 × 8. */
const longCompile = 2e8;

/** Whether a value read from a file is a tile that {@link chooseTile} can use. */
export function isTile(value: unknown): value is Tile {
  if (typeof value !== "object" || value === null) return false;
  const { threads, results, strip, unroll, shared } = value as Partial<Record<keyof Tile, unknown>>;
  const pair = (numbers: unknown, step: number) =>
    Array.isArray(numbers) && numbers.length === 2 && numbers.every((n) => Number.isInteger(n) && n > 0 && n <= 64 && n % step === 0);
  const steps = (n: unknown): n is number => Number.isInteger(n) && Number(n) > 0 && Number(n) <= 64;
  return pair(threads, 1) && pair(results, 4) && steps(strip) && steps(unroll) && strip % unroll === 0 && typeof shared === "boolean";
}
