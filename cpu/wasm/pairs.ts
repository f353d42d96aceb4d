/**
 * Log-sum-exp over similarities that are never stored, and its gradients: products by tiles, each tile used at once.
 *
 * @module
 */
import type { PairsKernel, View } from "../../tensor/kernel.ts";
import type { Accelerator } from "../accelerator.ts";
import { address } from "./block.ts";
import type { WasmFunction } from "./encoder.ts";
import { blockDepth, blockFunction, copyFunctions, duration, multiply, type Operand, packTogether } from "./gemm.ts";
import { tileColumns, tileRows } from "./gemm_kernels.ts";
import { type Candidates, emitPairs } from "./pairs_kernels.ts";
import { functionsOn, type ScratchHeap, scratchPointer } from "./scratch.ts";
import { forEachPiece } from "./tasks.ts";

/** The most rows and columns of a tile of similarities, which stays in the second-level cache. */
const mostRows = 24 * tileRows;
const mostColumns = 64 * tileColumns;

/** Tiles in the direction that threads share: enough to keep threads of unequal speed busy to the end. */
const enoughTiles = 8;

/** What the exponentials of one similarity take, in nanoseconds, roughly. */
const nanosecondsPerPair = 2;

/** Loads of whole vectors may pass the last label by this many bytes. */
const slack = 16;

/** The accelerator of pairs kernels on a heap. */
export function createPairsAccelerator(heap: ScratchHeap): Accelerator<"pairs"> {
  return (kernel, inputs, outputs, scalars) => {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const output = outputs[0]!;
    if (a.dtype !== "float32" || b.dtype !== "float32" || output.dtype !== "float32") return false;
    const problem = readProblem(heap, kernel, inputs, scalars[0]!);
    const time = duration(problem) * (kernel.direction === "forward" ? 1 : 2) + problem.rows * problem.columns * nanosecondsPerPair;
    if (kernel.direction === "forward") logSumExp(heap, problem, time, output);
    else gradient(heap, problem, time, kernel.direction, address(output));
    return true;
  };
}

interface Problem {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly factor: number;
  readonly candidates: Candidates;
  /** Both matrices, their vectors across and their components along. */
  readonly a: Operand;
  readonly b: Operand;
  /** Addresses of both packed into panels, for every block of the depth. */
  readonly packedA: number;
  readonly packedB: number;
  /** Addresses of labels, lse and g, contiguous; 0 for those not given. */
  readonly rowLabels: number;
  readonly columnLabels: number;
  readonly logSumExp: number;
  readonly g: number;
}

function readProblem(heap: ScratchHeap, kernel: PairsKernel, inputs: readonly View[], factor: number): Problem {
  const { excludeDiagonal, sameLabel } = kernel;
  const [left, right] = [inputs[0]!, inputs[1]!];
  const rest = inputs.slice(sameLabel ? 4 : 2);
  const operand = (view: View): Operand => ({ pointer: address(view), across: view.strides[0]! * 4, along: view.strides[1]! * 4 });
  const list = (view: View | undefined, purpose: string) => view === undefined ? 0 : copyList(heap, view, `pairs ${purpose}`);
  const [rows, columns, depth] = [left.shape[0]!, right.shape[0]!, left.shape[1]!];
  const [a, b] = [operand(left), operand(right)];
  const deep = blockDepth(depth);
  const packedA = scratchPointer(heap, "pairs a", rows * depth * 4);
  const packedB = scratchPointer(heap, "pairs b", wholePanels(columns) * depth * 4);
  packTogether(heap, "rows", a, { target: packedA, count: rows, room: rows, depth, deep });
  packTogether(heap, "columns", b, { target: packedB, count: columns, room: wholePanels(columns), depth, deep });
  return {
    rows,
    columns,
    depth,
    factor,
    candidates: { excludeDiagonal, sameLabel },
    a,
    b,
    packedA,
    packedB,
    rowLabels: list(sameLabel ? inputs[2] : undefined, "row labels"),
    columnLabels: list(sameLabel ? inputs[3] : undefined, "column labels"),
    logSumExp: list(rest[0], "lse"),
    g: list(rest[1], "g"),
  };
}

/** Columns rounded up to whole panels. */
function wholePanels(columns: number): number {
  return Math.ceil(columns / tileColumns) * tileColumns;
}

function functionsOf(heap: ScratchHeap, { candidates }: Problem): Record<string, WasmFunction> {
  const key = `pairs ${candidates.excludeDiagonal} ${candidates.sameLabel}`;
  return functionsOn(heap, key, (module) => emitPairs(module, candidates));
}

/** Copies a one-dimensional view of 32-bit elements to scratch memory with room after it. */
function copyList(heap: ScratchHeap, view: View, purpose: string): number {
  const size = view.shape[0]!;
  const target = scratchPointer(heap, purpose, size * 4 + slack);
  copyFunctions(heap)["copy"]!(address(view), target, 1, 1, size, 0, 0, view.strides[0]! * 4, 0, 0, 4);
  return target;
}

/** A tile of a·b, and what the functions on it take first. */
interface Tile {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly pointer: number;
  readonly head: readonly number[];
}

/** Visits tiles in pieces that threads share: all tiles of some rows, or of some columns, which one thread takes in order. */
function forEachTile(
  heap: ScratchHeap,
  problem: Problem,
  nanoseconds: number,
  direction: "rows" | "columns",
  visit: (heap: ScratchHeap, tile: Tile) => void,
): void {
  const { rows, columns } = problem;
  const byRows = direction === "rows";
  // Sizes depend on the shape alone, so that results do not depend on the number of threads.
  const height = byRows ? tileLength(rows, tileRows, mostRows) : mostRows;
  const width = byRows ? mostColumns : tileLength(columns, tileColumns, mostColumns);
  const [down, across] = [Math.ceil(rows / height), Math.ceil(columns / width)];
  const [pieces, steps] = byRows ? [down, across] : [across, down];
  const together = Math.ceil(pieces / mostPieces);
  forEachPiece(heap, nanoseconds, Math.ceil(pieces / together), (on, index) => {
    for (let piece = index * together; piece < Math.min(pieces, (index + 1) * together); piece++) {
      for (let step = 0; step < steps; step++) {
        const [row, column] = byRows ? [piece * height, step * width] : [step * height, piece * width];
        visit(on, similarities(on, problem, row, column, Math.min(height, rows - row), Math.min(width, columns - column)));
      }
    }
  });
}

/** The most pieces that are handed out. */
const mostPieces = 64;

function tileLength(size: number, multiple: number, most: number): number {
  return Math.min(most, Math.max(multiple, Math.ceil(size / enoughTiles / multiple) * multiple));
}

/** Multiplies packed vectors, from a row and a column on. */
function similarities(heap: ScratchHeap, problem: Problem, row: number, column: number, rows: number, columns: number): Tile {
  const { depth, factor, packedA, packedB, rowLabels, columnLabels } = problem;
  const stride = mostColumns * 4;
  const pointer = scratchPointer(heap, "pairs tile", mostRows * stride);
  const tile = scratchPointer(heap, "gemm tile", tileRows * tileColumns * 4);
  const block = blockFunction(heap, problem);
  const room = wholePanels(problem.columns);
  const deep = blockDepth(depth);
  if (depth === 0) copyFunctions(heap)["clear"]!(pointer, rows * stride);
  for (let k = 0; k < depth; k += deep) {
    const span = Math.min(deep, depth - k);
    const [a, b] = [packedA + (k * problem.rows + row * span) * 4, packedB + (k * room + column * span) * 4];
    block(a, b, rows, columns, span, pointer, stride, k > 0 ? 1 : 0, tile);
  }
  const head = [pointer, rows, columns, stride, factor, row - column, rowLabels + row * 4, columnLabels + column * 4];
  return { row, column, rows, columns, pointer, head };
}

/** The operand from its vector number `first` on. */
function advanced(operand: Operand, first: number): Operand {
  return { ...operand, pointer: operand.pointer + first * operand.across };
}

/** The same matrix with its components across and its vectors along. */
function turned({ pointer, across, along }: Operand): Operand {
  return { pointer, across: along, along: across };
}

function logSumExp(heap: ScratchHeap, problem: Problem, time: number, output: View): void {
  const maxima = scratchPointer(heap, "pairs maxima", problem.rows * 4);
  const sums = scratchPointer(heap, "pairs sums", problem.rows * 4);
  new Float32Array(heap.memory.buffer, maxima, problem.rows).fill(-Infinity);
  new Float32Array(heap.memory.buffer, sums, problem.rows).fill(0);
  forEachTile(heap, problem, time, "rows", (on, { row, head }) => {
    functionsOf(on, problem)["statistics"]!(...head, maxima + row * 4, sums + row * 4);
  });
  const [greatest, total] = [maxima, sums].map((at) => new Float32Array(heap.memory.buffer, at, problem.rows));
  const result = new Float32Array(heap.memory.buffer, address(output), problem.rows);
  for (let row = 0; row < problem.rows; row++) {
    const shift = Math.abs(greatest![row]!) === Infinity ? 0 : greatest![row]!;
    result[row] = shift + Math.log(total![row]!);
  }
}

function gradient(heap: ScratchHeap, problem: Problem, time: number, direction: "rows" | "columns", output: number): void {
  const { a, b, depth, logSumExp: lse, g } = problem;
  const stride = depth * 4;
  const byRows = direction === "rows";
  copyFunctions(heap)["clear"]!(output, (byRows ? problem.rows : problem.columns) * stride);
  forEachTile(heap, problem, time, direction, (on, tile) => {
    functionsOf(on, problem)["weights"]!(...tile.head, lse + tile.row * 4, g + tile.row * 4);
    const weights: Operand = { pointer: tile.pointer, across: mostColumns * 4, along: 4 };
    const product = byRows
      ? { a: weights, b: turned(advanced(b, tile.column)), rows: tile.rows, depth: tile.columns, first: tile.row }
      : { a: turned(weights), b: turned(advanced(a, tile.row)), rows: tile.columns, depth: tile.rows, first: tile.column };
    multiply(on, { ...product, pointer: output + product.first * stride, stride, columns: depth, accumulate: true });
  });
}
