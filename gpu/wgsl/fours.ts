/**
 * Reading and writing four elements at once, where they are neighbours in memory.
 *
 * @module
 */
import type { Expr } from "../../tensor/expr.ts";
import type { Limits } from "./program.ts";
import { bindBuffers, type Buffers, type BufferUse, type FourPattern } from "./shader.ts";

/** Kernels on at least so many elements take four at a time, and of at most so many operations, since each is written four times. */
const fourSize = 2 ** 16;
const fourNodes = { software: 12, hardware: 96 };

/** Whether expressions over so many elements are worth writing four times. */
export function worthFours(size: number, limits: Limits, ...exprs: Expr[]): boolean {
  const nodes = exprs.reduce((sum, expr) => sum + expr.nodes.length, 0);
  return size >= fourSize && nodes <= (limits.software ? fourNodes.software : fourNodes.hardware);
}

/** Binds buffers as vectors where their views' patterns allow it for all of them, else (`whole` is false) as elements. */
export function bindFours(
  uses: readonly BufferUse[],
  patterns: readonly (FourPattern | undefined)[],
): { readonly buffers: Buffers; readonly whole: boolean } {
  if (patterns.length > 0 && !patterns.includes(undefined)) {
    const buffers = bindBuffers(uses.map((use, at) => ({ ...use, fours: patterns[at] === "run" })));
    // A buffer that is also used element by element is no buffer of vectors.
    if (uses.every(({ name }, at) => buffers.isFours(name) === (patterns[at] === "run"))) return { buffers, whole: true };
  }
  return { buffers: bindBuffers(uses), whole: false };
}

/** Reads of four elements from one position on. */
export interface FourReads {
  /** The statements that read. */
  readonly lines: readonly string[];
  /** The name of one of the four elements of an input. */
  element(slot: number, lane: number): string;
}

/** Reads inputs at positions, by slot. Equal reads get one name, by which an expression recognises two inputs that are the same. */
export function readFours(buffers: Buffers, slots: readonly number[], positionOf: (slot: number) => string, prefix = "read"): FourReads {
  const reads = new Map<string, string>();
  const names = new Map(slots.map((slot) => {
    const name = `input${slot}`;
    const text = buffers.isFours(name) ? buffers.elementFour(name, positionOf(slot)) : buffers.element(name, positionOf(slot));
    const read = reads.get(text) ?? `${prefix}${slot}`;
    reads.set(text, read);
    return [slot, read] as const;
  }));
  return {
    lines: [...reads].map(([text, name]) => `let ${name} = ${text};`),
    element: (slot, lane) => buffers.isFours(`input${slot}`) ? `${names.get(slot)!}[${lane}]` : names.get(slot)!,
  };
}
