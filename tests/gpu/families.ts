/**
 * Runs kernels on WebGPU and on the CPU's reference, and compares.
 *
 * @module
 */
import "../vulkan.ts";
import { createGpuBackend, type GpuBackend, type Limits, probeAdapter } from "../../gpu/mod.ts";
import { byteSize, type DType, type TypedArray, typedArray } from "../../tensor/dtype.ts";
import { planKernel } from "../../gpu/plans.ts";
import type { Backend, Kernel } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";
import { assertNear, nextRandom, type Output, reference, run, type Sample } from "../cpu/compare.ts";

const opened: GpuBackend | undefined = (await probeAdapter()).available ? await createGpuBackend() : undefined;

/** The device under test; tests made by {@link gpuTest} run only where there is one. */
export function gpu(): GpuBackend {
  return opened!;
}

/** The device under test with kernels written as for a device of other limits. */
export function gpuWith(limits: Partial<Limits>): Backend {
  const device = gpu();
  return {
    device: device.device,
    description: device.description,
    supports: (dtype) => device.supports(dtype),
    alloc: (bytes) => device.alloc(bytes),
    free: (storage) => device.free(storage),
    write: (storage, byteOffset, data) => device.write(storage, byteOffset, data),
    read: (ranges) => device.read(ranges),
    run: (kernel, inputs, outputs, scalars) =>
      device.runPlan(planKernel(kernel, inputs, outputs, { ...device.limits, ...limits }), inputs, outputs, scalars),
    memory: () => device.memory(),
    trim: () => device.trim(),
  };
}

/** A test that is ignored where no adapter is found. */
export function gpuTest(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: opened === undefined, fn: body });
}

/** What a comparison may be told. */
export interface CompareOptions {
  readonly scalars?: readonly number[];
  /** Relative to the largest element; 1e-5 unless told. */
  readonly tolerance?: number;
  /** The device under test unless told. */
  readonly backend?: Backend;
}

/** Runs a kernel on both and demands equal results; returns those of the device. */
export async function compareOnGpu(
  kernel: Kernel,
  inputs: readonly Sample[],
  outputs: readonly Output[],
  { scalars = [], tolerance = 1e-5, backend = gpu() }: CompareOptions = {},
): Promise<TypedArray[]> {
  const actual = await run(backend, kernel, inputs, outputs, scalars);
  const expected = await run(reference, kernel, inputs, outputs, scalars);
  const name = `${kernel.key} of ${inputs.map(({ shape }) => `[${shape}]`).join(" ")}`;
  actual.forEach((values, at) => assertNear(values, expected[at]!, tolerance, `${name}, output ${at}`));
  return actual;
}

/** A contiguous sample from a function of the position. */
export function filled(dtype: DType, shape: readonly number[], value: (at: number) => number): Sample {
  const data = typedArray(dtype, new ArrayBuffer(sizeOf(shape) * byteSize[dtype]));
  for (let at = 0; at < data.length; at++) data[at] = value(at);
  return { data, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
}

/** A whole random number from 0 up to but without `end`. */
export function whole(end: number): number {
  return Math.floor((nextRandom() + 1) / 2 * end) % end;
}
