/**
 * Runs one kernel on generated WebAssembly and on the reference, and compares.
 *
 * @module
 */
import { assert } from "@std/assert";
import { CpuBackend } from "../../cpu/backend.ts";
import { byteSize, type DType, type TypedArray, typedArray } from "../../tensor/dtype.ts";
import type { Backend, Kernel, View } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";

/** An input before it lies on a backend: its elements in memory, and the window on them. */
export interface Sample {
  readonly data: TypedArray;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The two backends under comparison, shared by the tests of a file. */
export const accelerated: CpuBackend = new CpuBackend();
/** Plain TypeScript. */
export const reference: CpuBackend = new CpuBackend({ accelerate: false });

let seed = 1;

/** A number in -1 … 1, the same sequence in every run. */
export function nextRandom(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed / 2147483648;
}

/** A contiguous float32 sample of random numbers. */
export function random(...shape: number[]): Sample {
  const data = new Float32Array(sizeOf(shape)).map(nextRandom);
  return { data, dtype: "float32", shape, strides: contiguousStrides(shape), offset: 0 };
}

/** A contiguous int32 sample. */
export function whole(values: readonly number[], ...shape: number[]): Sample {
  return { data: new Int32Array(values), dtype: "int32", shape, strides: contiguousStrides(shape), offset: 0 };
}

/** The same sample with dims in another order. */
export function permuted(sample: Sample, ...order: number[]): Sample {
  return { ...sample, shape: order.map((dim) => sample.shape[dim]!), strides: order.map((dim) => sample.strides[dim]!) };
}

/** The same sample with one dim read backwards. */
export function flipped(sample: Sample, dim: number): Sample {
  const strides = sample.strides.map((stride, at) => at === dim ? -stride : stride);
  return { ...sample, strides, offset: sample.offset + Math.max(0, sample.shape[dim]! - 1) * sample.strides[dim]! };
}

/** The same sample with `count` copies along a dim of stride 0. */
export function expanded(sample: Sample, dim: number, count: number): Sample {
  const insert = (list: readonly number[], value: number) => [...list.slice(0, dim), value, ...list.slice(dim)];
  return { ...sample, shape: insert(sample.shape, count), strides: insert(sample.strides, 0) };
}

/** Every `step`-th position of a dim. */
export function stepped(sample: Sample, dim: number, step: number): Sample {
  const shape = sample.shape.map((size, at) => at === dim ? Math.ceil(size / step) : size);
  return { ...sample, shape, strides: sample.strides.map((stride, at) => at === dim ? stride * step : stride) };
}

/** An output to compare. */
export interface Output {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  /** What it holds before the run; by default NaN (or -1), so that elements left out show. */
  readonly initial?: TypedArray;
}

/** The outputs' elements after a run. */
export async function run(
  backend: Backend,
  kernel: Kernel,
  inputs: readonly Sample[],
  outputs: readonly Output[],
  scalars: readonly number[] = [],
): Promise<TypedArray[]> {
  const place = (data: TypedArray, dtype: DType): View["storage"] => {
    const storage = backend.alloc(data.length * byteSize[dtype]);
    backend.write(storage, 0, data);
    return storage;
  };
  const views: View[] = inputs.map(({ data, dtype, shape, strides, offset }) => ({
    storage: place(data, dtype),
    dtype,
    shape,
    strides,
    offset,
  }));
  const results: View[] = outputs.map(({ shape, dtype = "float32", initial }) => {
    const data = initial ?? typedArray(dtype, new ArrayBuffer(sizeOf(shape) * byteSize[dtype])).fill(dtype === "float32" ? NaN : -1);
    return { storage: place(data, dtype), dtype, shape, strides: contiguousStrides(shape), offset: 0 };
  });
  backend.run(kernel, views, results, scalars);
  const buffers = await backend.read(
    results.map(({ storage, shape, dtype }) => ({ storage, byteOffset: 0, byteLength: sizeOf(shape) * byteSize[dtype] })),
  );
  for (const view of [...views, ...results]) backend.free(view.storage);
  return buffers.map((buffer, at) => typedArray(results[at]!.dtype, buffer));
}

/** Runs a kernel on both backends and demands that they agree to `tolerance`, relative to the largest element. */
export async function compare(
  kernel: Kernel,
  inputs: readonly Sample[],
  outputs: readonly Output[],
  { scalars = [], tolerance = 1e-5, name = kernel.key }: { scalars?: readonly number[]; tolerance?: number; name?: string } = {},
): Promise<void> {
  const actual = await run(accelerated, kernel, inputs, outputs, scalars);
  const expected = await run(reference, kernel, inputs, outputs, scalars);
  actual.forEach((values, at) => assertNear(values, expected[at]!, tolerance, `${name}, output ${at}`));
}

/** Demands equality of NaN and infinities, and a difference of at most `tolerance` times the largest finite element (at least 1). */
export function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, name: string): void {
  assert(actual.length === expected.length, `${name}: ${actual.length} elements instead of ${expected.length}`);
  let scale = 1;
  for (let at = 0; at < expected.length; at++) if (Number.isFinite(expected[at]!)) scale = Math.max(scale, Math.abs(expected[at]!));
  for (let at = 0; at < expected.length; at++) {
    const [a, b] = [actual[at]!, expected[at]!];
    const near = Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * scale;
    assert(near, `${name}: element ${at} is ${a} instead of ${b}`);
  }
}
