/**
 * pool kernels in plain TypeScript.
 *
 * @module
 */
import type { PoolKernel } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { store, type Strided, toFloat64 } from "./strided.ts";

/** Runs a pool kernel in any mode and direction. */
export function runPool(kernel: PoolKernel, inputs: readonly Strided[], outputs: readonly Strided[]): void {
  if (kernel.direction === "forward") {
    if (kernel.mode === "max") maxForward(kernel, inputs[0]!, outputs[0]!, outputs[1]!);
    else averageForward(kernel, inputs[0]!, outputs[0]!);
  } else if (kernel.mode === "max") maxBackward(inputs[0]!, inputs[1]!, outputs[0]!);
  else averageBackward(kernel, inputs[0]!, outputs[0]!);
}

function maxForward(kernel: PoolKernel, x: Strided, y: Strided, positions: Strided): void {
  const image = toFloat64(x);
  const values = new Float64Array(sizeOf(y.shape)).fill(-Infinity);
  // A window that lies in the padding alone has no position: -1, which the gradient leaves out.
  const places = new Float64Array(values.length).fill(-1);
  eachWindow(kernel, x.shape, y.shape, (cell, planeStart, position) => {
    const value = image[planeStart + position]!;
    const best = values[cell]!;
    if (places[cell] === -1 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) {
      values[cell] = value;
      places[cell] = position;
    }
  });
  store(values, y);
  store(places, positions);
}

function maxBackward(dy: Strided, positions: Strided, dx: Strided): void {
  const [gradient, places] = [toFloat64(dy), toFloat64(positions)];
  const values = new Float64Array(sizeOf(dx.shape));
  const plane = dx.shape[2]! * dx.shape[3]!;
  const cells = dy.shape[2]! * dy.shape[3]!;
  for (let at = 0; at < gradient.length; at++) {
    if (places[at]! >= 0) values[Math.floor(at / cells) * plane + places[at]!]! += gradient[at]!;
  }
  store(values, dx);
}

function averageForward(kernel: PoolKernel, x: Strided, y: Strided): void {
  const image = toFloat64(x);
  const values = new Float64Array(sizeOf(y.shape));
  eachWindow(kernel, x.shape, y.shape, (cell, planeStart, position) => values[cell]! += image[planeStart + position]!);
  const divisors = divisorsOf(kernel, x.shape, y.shape);
  for (let cell = 0; cell < values.length; cell++) values[cell]! /= divisors[cell % divisors.length]!;
  store(values, y);
}

function averageBackward(kernel: PoolKernel, dy: Strided, dx: Strided): void {
  const gradient = toFloat64(dy);
  const values = new Float64Array(sizeOf(dx.shape));
  const divisors = divisorsOf(kernel, dx.shape, dy.shape);
  eachWindow(kernel, dx.shape, dy.shape, (cell, planeStart, position) => {
    values[planeStart + position]! += gradient[cell]! / divisors[cell % divisors.length]!;
  });
  store(values, dx);
}

/** Visits each cell of each window that lies in the image, in row-major order. */
function eachWindow(
  { size, stride, padding, dilation }: PoolKernel,
  image: readonly number[],
  result: readonly number[],
  visit: (cell: number, planeStart: number, position: number) => void,
): void {
  const [height, width] = [image[2]!, image[3]!];
  const [rows, columns] = [result[2]!, result[3]!];
  for (let plane = 0; plane < image[0]! * image[1]!; plane++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const cell = (plane * rows + row) * columns + column;
        for (let i = 0; i < size[0]!; i++) {
          const y = row * stride[0]! - padding[0]! + i * dilation[0]!;
          if (y < 0 || y >= height) continue;
          for (let j = 0; j < size[1]!; j++) {
            const x = column * stride[1]! - padding[1]! + j * dilation[1]!;
            if (x >= 0 && x < width) visit(cell, plane * height * width, y * width + x);
          }
        }
      }
    }
  }
}

/** What each window of a plane is divided by. */
function divisorsOf(kernel: PoolKernel, image: readonly number[], result: readonly number[]): Float64Array {
  const counts = [0, 1].map((dim) => {
    const border = kernel.countPadding ? kernel.padding[dim]! : 0;
    return Array.from({ length: result[dim + 2]! }, (_, cell) => {
      let count = 0;
      for (let i = 0; i < kernel.size[dim]!; i++) {
        const at = cell * kernel.stride[dim]! - kernel.padding[dim]! + i * kernel.dilation[dim]!;
        if (at >= -border && at < image[dim + 2]! + border) count++;
      }
      return count;
    });
  });
  const divisors = new Float64Array(result[2]! * result[3]!);
  counts[0]!.forEach((vertical, row) => {
    // A window without a single cell sums to 0, and 0 it stays.
    counts[1]!.forEach((horizontal, column) => divisors[row * result[3]! + column] = Math.max(vertical * horizontal, 1));
  });
  return divisors;
}
