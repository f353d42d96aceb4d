/** Runs kernels in WebAssembly and in the reference on the same bytes, and compares what comes out. */
import { assert, assertEquals } from "@std/assert";
import { CpuBackend } from "../../cpu/backend.ts";
import { Heap } from "../../cpu/heap.ts";
import { createAccelerators } from "../../cpu/wasm/mod.ts";
import type { Accelerator } from "../../cpu/accelerator.ts";
import { byteSize, type DType, typedArray } from "../../tensor/dtype.ts";
import type { Kernel, View } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";

/** An array in a test: elements in a storage and the window on them. */
export interface Operand {
  readonly dtype: DType;
  /** The whole storage's elements; an output may name an input's operand to be computed in place. */
  readonly data: readonly number[];
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** A contiguous operand. */
export function dense(dtype: DType, shape: readonly number[], value: (i: number) => number): Operand {
  const data = Array.from({ length: sizeOf(shape) }, (_, i) => value(i));
  return { dtype, data, shape, strides: contiguousStrides(shape), offset: 0 };
}

/** The same operand with its dims in another order. */
export function permuted(operand: Operand, order: readonly number[]): Operand {
  return { ...operand, shape: order.map((dim) => operand.shape[dim]!), strides: order.map((dim) => operand.strides[dim]!) };
}

/** The same operand read backwards along one dim. */
export function flipped(operand: Operand, dim: number): Operand {
  const stride = operand.strides[dim]!;
  const strides = operand.strides.map((each, at) => at === dim ? -each : each);
  return { ...operand, strides, offset: operand.offset + stride * (operand.shape[dim]! - 1) };
}

/** The same operand stretched to a larger shape, aligned at the right. */
export function expanded(operand: Operand, shape: readonly number[]): Operand {
  const lead = shape.length - operand.shape.length;
  const strides = shape.map((size, dim) => dim >= lead && operand.shape[dim - lead] === size ? operand.strides[dim - lead]! : 0);
  return { ...operand, shape, strides };
}

const guard = 8;

class Machine {
  readonly #run: (kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: readonly number[]) => void;
  readonly #heap: Heap;

  constructor(accelerate: boolean) {
    if (accelerate) {
      this.#heap = new Heap();
      const accelerators = createAccelerators(this.#heap);
      this.#run = (kernel, inputs, outputs, scalars) => {
        const accelerator = accelerators[kernel.kind] as Accelerator | undefined;
        assert(accelerator?.(kernel, inputs, outputs, scalars), `${kernel.kind} kernel ${kernel.key} was not accelerated`);
      };
    } else {
      const backend = new CpuBackend({ accelerate: false });
      this.#heap = backend.heap;
      this.#run = (...args) => backend.run(...args);
    }
  }

  /** The outputs' whole storages, with guard elements around them. */
  run(kernel: Kernel, inputs: readonly Operand[], outputs: readonly Operand[], scalars: readonly number[]): number[][] {
    const pointers = new Map<Operand["data"], number>();
    const place = (operand: Operand): View => {
      const { dtype, data } = operand;
      const bytes = (data.length + 2 * guard) * byteSize[dtype];
      let pointer = pointers.get(data);
      if (pointer === undefined) {
        pointers.set(data, pointer = this.#heap.alloc(bytes));
        const elements = typedArray(dtype, this.#heap.memory.buffer, pointer, data.length + 2 * guard);
        elements.fill(77);
        elements.set(data, guard);
      }
      return { ...operand, storage: { bytes, pointer } as View["storage"], offset: operand.offset + guard };
    };
    const views = inputs.map(place);
    const targets = outputs.map(place);
    this.#run(kernel, views, targets, scalars);
    const results = outputs.map(({ dtype, data }) =>
      Array.from(typedArray(dtype, this.#heap.memory.buffer, pointers.get(data)!, data.length + 2 * guard))
    );
    for (const pointer of pointers.values()) this.#heap.free(pointer);
    return results;
  }
}

const wasm = new Machine(true);
const reference = new Machine(false);

/**
 * Runs a kernel both ways and compares the outputs' storages element by element, guards included.
 *
 * @param tolerance The allowed difference, relative to the greater of 1 and the expected magnitude; 0 asks for equal numbers (NaN equals NaN).
 */
export function compare(
  kernel: Kernel,
  inputs: readonly Operand[],
  outputs: readonly Operand[],
  { scalars = [], tolerance = 0, label = "" }: { scalars?: readonly number[]; tolerance?: number; label?: string } = {},
): void {
  const got = wasm.run(kernel, inputs, outputs, scalars);
  const want = reference.run(kernel, inputs, outputs, scalars);
  want.forEach((expected, k) => {
    expected.forEach((value, i) => {
      const actual = got[k]![i]!;
      const equal = Number.isNaN(value)
        ? Number.isNaN(actual)
        : value === actual || Math.abs(actual - value) <= tolerance * Math.max(1, Math.abs(value));
      if (!equal) assertEquals(actual, value, `${label} ${kernel.key} output ${k} element ${i - guard}`);
    });
  });
}

/** Runs a kernel in WebAssembly only and gives the first output's storage. */
export function runWasm(
  kernel: Kernel,
  inputs: readonly Operand[],
  outputs: readonly Operand[],
  scalars: readonly number[] = [],
): number[] {
  return wasm.run(kernel, inputs, outputs, scalars)[0]!.slice(guard, -guard);
}

/** Numbers in [-2, 2) that repeat on every run. */
export function noise(seed: number): (i: number) => number {
  return (i) => {
    let x = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return Math.fround((((x ^ (x >>> 15)) >>> 0) / 4294967296) * 4 - 2);
  };
}
