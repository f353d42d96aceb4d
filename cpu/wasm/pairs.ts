/**
 * Log-sum-exp over similarities that are never stored, and its gradients: products by tiles, each tile used at once.
 *
 * @module
 */
import type { PairsKernel, View } from "../../tensor/kernel.ts";
import type { Accelerator } from "../accelerator.ts";
import { address } from "./block.ts";
import { instantiateOnce, type WasmFunction } from "./encoder.ts";
import { gemmFunctions, multiply, type Operand } from "./gemm.ts";
import { emitPairs } from "./pairs_kernels.ts";
import { type ScratchHeap, scratchPointer } from "./scratch.ts";

/** A tile of similarities stays in the second-level cache. */
const tileRows = 120;
const tileColumns = 512;

/** Loads of whole vectors may pass the last label by this many bytes. */
const slack = 16;

/** The accelerator of pairs kernels on a heap. */
export function createPairsAccelerator(heap: ScratchHeap): Accelerator<"pairs"> {
  return (kernel, inputs, outputs, scalars) => {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const output = outputs[0]!;
    if (a.dtype !== "float32" || b.dtype !== "float32" || output.dtype !== "float32") return false;
    const problem = readProblem(heap, kernel, inputs, scalars[0]!);
    if (kernel.direction === "forward") logSumExp(heap, problem, output);
    else gradient(heap, problem, kernel.direction, output);
    return true;
  };
}

interface Problem {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly factor: number;
  /** Both matrices, their vectors across and their components along. */
  readonly a: Operand;
  readonly b: Operand;
  readonly functions: Record<string, WasmFunction>;
  /** Addresses of labels, lse and g, contiguous; 0 for those not given. */
  readonly rowLabels: number;
  readonly columnLabels: number;
  readonly logSumExp: number;
  readonly g: number;
}

function readProblem(heap: ScratchHeap, kernel: PairsKernel, inputs: readonly View[], factor: number): Problem {
  const { excludeDiagonal, sameLabel } = kernel;
  const [a, b] = [inputs[0]!, inputs[1]!];
  const rest = inputs.slice(sameLabel ? 4 : 2);
  const operand = (view: View): Operand => ({ pointer: address(view), across: view.strides[0]! * 4, along: view.strides[1]! * 4 });
  const list = (view: View | undefined, purpose: string) => view === undefined ? 0 : copyList(heap, view, `pairs ${purpose}`);
  const key = `pairs ${excludeDiagonal} ${sameLabel}`;
  return {
    rows: a.shape[0]!,
    columns: b.shape[0]!,
    depth: a.shape[1]!,
    factor,
    a: operand(a),
    b: operand(b),
    functions: instantiateOnce(heap.memory, key, (module) => emitPairs(module, { excludeDiagonal, sameLabel })),
    rowLabels: list(sameLabel ? inputs[2] : undefined, "row labels"),
    columnLabels: list(sameLabel ? inputs[3] : undefined, "column labels"),
    logSumExp: list(rest[0], "lse"),
    g: list(rest[1], "g"),
  };
}

/** Copies a one-dimensional view of 32-bit elements to scratch memory with room after it. */
function copyList(heap: ScratchHeap, view: View, purpose: string): number {
  const size = view.shape[0]!;
  const target = scratchPointer(heap, purpose, size * 4 + slack);
  gemmFunctions(heap)["copy"]!(address(view), target, 1, 1, size, 0, 0, view.strides[0]! * 4, 0, 0, 4);
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

/** Computes the similarities tile by tile, all columns of some rows before the next rows. */
function forEachTile(heap: ScratchHeap, problem: Problem, visit: (tile: Tile) => void): void {
  const { a, b, rows, columns, depth, factor, rowLabels, columnLabels } = problem;
  const stride = tileColumns * 4;
  const pointer = scratchPointer(heap, "pairs tile", tileRows * stride);
  for (let row = 0; row < rows; row += tileRows) {
    const height = Math.min(tileRows, rows - row);
    for (let column = 0; column < columns; column += tileColumns) {
      const width = Math.min(tileColumns, columns - column);
      const product = { pointer, stride, rows: height, columns: width, depth };
      multiply(heap, { ...product, a: advanced(a, row), b: advanced(b, column) });
      const head = [pointer, height, width, stride, factor, row - column, rowLabels + row * 4, columnLabels + column * 4];
      visit({ row, column, rows: height, columns: width, pointer, head });
    }
  }
}

/** The operand from its vector number `first` on. */
function advanced(operand: Operand, first: number): Operand {
  return { ...operand, pointer: operand.pointer + first * operand.across };
}

/** The same matrix with its components across and its vectors along. */
function turned({ pointer, across, along }: Operand): Operand {
  return { pointer, across: along, along: across };
}

function logSumExp(heap: ScratchHeap, problem: Problem, output: View): void {
  const maxima = scratchPointer(heap, "pairs maxima", problem.rows * 4);
  const sums = scratchPointer(heap, "pairs sums", problem.rows * 4);
  new Float32Array(heap.memory.buffer, maxima, problem.rows).fill(-Infinity);
  new Float32Array(heap.memory.buffer, sums, problem.rows).fill(0);
  forEachTile(heap, problem, ({ row, head }) => problem.functions["statistics"]!(...head, maxima + row * 4, sums + row * 4));
  const [greatest, total] = [maxima, sums].map((at) => new Float32Array(heap.memory.buffer, at, problem.rows));
  const result = new Float32Array(heap.memory.buffer, address(output), problem.rows);
  for (let row = 0; row < problem.rows; row++) {
    const shift = Math.abs(greatest![row]!) === Infinity ? 0 : greatest![row]!;
    result[row] = shift + Math.log(total![row]!);
  }
}

function gradient(heap: ScratchHeap, problem: Problem, direction: "rows" | "columns", output: View): void {
  const { a, b, depth, functions, logSumExp: lse, g } = problem;
  const stride = depth * 4;
  new Float32Array(heap.memory.buffer, address(output), output.shape[0]! * depth).fill(0);
  forEachTile(heap, problem, (tile) => {
    functions["weights"]!(...tile.head, lse + tile.row * 4, g + tile.row * 4);
    const weights: Operand = { pointer: tile.pointer, across: tileColumns * 4, along: 4 };
    const product = direction === "rows"
      ? { a: weights, b: turned(advanced(b, tile.column)), rows: tile.rows, depth: tile.columns, first: tile.row }
      : { a: turned(weights), b: turned(advanced(a, tile.row)), rows: tile.columns, depth: tile.rows, first: tile.column };
    multiply(heap, { ...product, pointer: address(output) + product.first * stride, stride, columns: depth, accumulate: true });
  });
}
