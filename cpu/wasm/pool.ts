/**
 * Pooling of float32 images, maxima and averages, forward and backward.
 *
 * @module
 */
import type { PoolKernel, View } from "../../tensor/kernel.ts";
import { isContiguous, sizeOf } from "../../tensor/shape.ts";
import type { Accelerator } from "../accelerator.ts";
import { address } from "./block.ts";
import type { ModuleBuilder, WasmFunction } from "./encoder.ts";
import { copyFunctions } from "./gemm.ts";
import { planesOf } from "./conv/padded_image.ts";
import { emitAverageBackward, emitAverageForward, emitMaxBackward, emitMaxForward, type PoolGeometry } from "./pool_kernels.ts";
import { functionsOn, type ScratchHeap, scratchPointer } from "./scratch.ts";
import { forEachRange, piecesFor } from "./tasks.ts";

/** What one element of a window takes, roughly. */
const nanosecondsPerElement = 0.7;

/** The accelerator of pool kernels on a heap. */
export function createPoolAccelerator(heap: ScratchHeap): Accelerator<"pool"> {
  return (kernel, inputs, outputs) => {
    if (inputs[0]!.dtype !== "float32" || outputs[0]!.dtype !== "float32") return false;
    const [image, pooled] = kernel.direction === "forward" ? [inputs[0]!, outputs[0]!] : [outputs[0]!, inputs[0]!];
    if (sizeOf(outputs[0]!.shape) === 0) return true;
    const geometry: PoolGeometry = {
      size: kernel.size,
      stride: kernel.stride,
      padding: kernel.padding,
      dilation: kernel.dilation,
      image: [image.shape[2]!, image.shape[3]!],
      pooled: [pooled.shape[2]!, pooled.shape[3]!],
    };
    const planes = image.shape[0]! * image.shape[1]!;
    const [imageBytes, pooledBytes] = [geometry.image, geometry.pooled].map(([height, width]) => height * width * 4) as [number, number];
    const from = contiguous(heap, inputs[0]!, "pool input");
    const to = address(outputs[0]!);
    const positions = kernel.mode === "average"
      ? writeDivisors(heap, kernel, geometry)
      : kernel.direction === "forward"
      ? address(outputs[1]!)
      : contiguous(heap, inputs[1]!, "pool positions");
    const time = planes * pooledBytes / 4 * kernel.size[0]! * kernel.size[1]! * nanosecondsPerElement;
    forEachRange(heap, time, planes, piecesFor(heap, time, planes), 1, (on, first, last) => {
      const functions = functionsOf(on, kernel, geometry);
      const count = last - first;
      const [image, pooled] = [first * imageBytes, first * pooledBytes];
      if (kernel.direction === "forward") {
        if (kernel.mode === "average") functions["averageForward"]!(from + image, to + pooled, positions, count);
        else functions["maxForward"]!(from + image, to + pooled, positions + pooled, count);
      } else {
        copyFunctions(on)["clear"]!(to + image, count * imageBytes);
        if (kernel.mode === "average") functions["averageBackward"]!(to + image, from + pooled, positions, count);
        else functions["maxBackward"]!(from + pooled, positions + pooled, to + image, count);
      }
    });
    return true;
  };
}

function functionsOf(heap: ScratchHeap, { mode, direction }: PoolKernel, geometry: PoolGeometry): Record<string, WasmFunction> {
  const emit: (module: ModuleBuilder, geometry: PoolGeometry) => void = mode === "max"
    ? direction === "forward" ? emitMaxForward : emitMaxBackward
    : direction === "forward"
    ? emitAverageForward
    : emitAverageBackward;
  return functionsOn(heap, `pool ${mode} ${direction} ${JSON.stringify(geometry)}`, (module) => emit(module, geometry));
}

/** The address of a view's elements in row-major order: its own, or that of a copy. */
function contiguous(heap: ScratchHeap, view: View, purpose: string): number {
  if (isContiguous(view.shape, view.strides)) return address(view);
  const { batch, channel, row, column } = planesOf(view);
  const [images, channels, height, width] = view.shape as [number, number, number, number];
  const plane = height * width * 4;
  const target = scratchPointer(heap, purpose, images * channels * plane);
  for (let image = 0; image < images; image++) {
    const to = target + image * channels * plane;
    copyFunctions(heap)["copy"]!(address(view) + image * batch, to, channels, height, width, channel, row, column, plane, width * 4, 4);
  }
  return target;
}

/** Writes what each window of a plane is divided by; 1 for windows without a single cell, whose sum is 0. */
function writeDivisors(heap: ScratchHeap, kernel: PoolKernel, { image, pooled }: PoolGeometry): number {
  const counts = ([0, 1] as const).map((dim) => {
    const border = kernel.countPadding ? kernel.padding[dim]! : 0;
    return Array.from({ length: pooled[dim] }, (_, window) => {
      let count = 0;
      for (let cell = 0; cell < kernel.size[dim]!; cell++) {
        const at = window * kernel.stride[dim]! - kernel.padding[dim]! + cell * kernel.dilation[dim]!;
        if (at >= -border && at < image[dim] + border) count++;
      }
      return count;
    });
  });
  const pointer = scratchPointer(heap, "pool divisors", pooled[0] * pooled[1] * 4);
  const divisors = new Float32Array(heap.memory.buffer, pointer, pooled[0] * pooled[1]);
  for (let window = 0; window < divisors.length; window++) {
    const [row, column] = [Math.floor(window / pooled[1]), window % pooled[1]];
    divisors[window] = Math.max(1, counts[0]![row]! * counts[1]![column]!);
  }
  return pointer;
}
