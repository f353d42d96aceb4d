/**
 * matmul and conv kernels in plain TypeScript, accumulated in float64 and rounded once.
 *
 * @module
 */
import { computeType } from "../../tensor/dtype.ts";
import type { Expr } from "../../tensor/expr.ts";
import type { ConvKernel, MatmulKernel } from "../../tensor/kernel.ts";
import { wrap } from "../../tensor/scalar.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { evaluate } from "./elementwise.ts";
import { contiguous, store, type Strided, toFloat64 } from "./strided.ts";

/** Runs a matmul kernel. */
export function runMatmul(kernel: MatmulKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const [a, b] = [inputs[0]!, inputs[1]!];
  const output = outputs[0]!;
  const rank = output.shape.length;
  const [rows, columns, depth] = [output.shape[rank - 2]!, output.shape[rank - 1]!, a.shape[rank - 1]!];
  const values = new Float64Array(sizeOf(output.shape));
  if (values.length === 0) return;
  const left = toFloat64(a);
  const right = toFloat64(b);
  const whole = a.dtype === "int32" || a.dtype === "uint32";
  const multiply = whole ? multiplyWhole : multiplyFloat;
  for (let batch = 0; batch < values.length / (rows * columns); batch++) {
    multiply(
      left.subarray(batch * rows * depth, (batch + 1) * rows * depth),
      right.subarray(batch * depth * columns, (batch + 1) * depth * columns),
      values.subarray(batch * rows * columns, (batch + 1) * rows * columns),
      rows,
      columns,
      depth,
    );
  }
  finish(values, kernel.epilogue, inputs, output, scalars);
}

function multiplyFloat(a: Float64Array, b: Float64Array, c: Float64Array, rows: number, columns: number, depth: number): void {
  for (let i = 0; i < rows; i++) {
    const start = i * columns;
    for (let k = 0; k < depth; k++) {
      const factor = a[i * depth + k]!;
      for (let j = 0, from = k * columns, to = start; j < columns; j++) c[to++]! += factor * b[from++]!;
    }
  }
}

function multiplyWhole(a: Float64Array, b: Float64Array, c: Float64Array, rows: number, columns: number, depth: number): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum = (sum + Math.imul(a[i * depth + k]!, b[k * columns + j]!)) | 0;
      c[i * columns + j] = sum;
    }
  }
}

/** Rounds products to the type they are computed in and stores them, through the epilogue when there is one. */
function finish(
  values: Float64Array,
  epilogue: Expr | undefined,
  inputs: readonly Strided[],
  output: Strided,
  scalars: readonly number[],
): void {
  const dtype = computeType(inputs[0]!.dtype);
  if (dtype !== "float64") { for (let at = 0; at < values.length; at++) values[at] = wrap(values[at]!, dtype); }
  if (epilogue === undefined || values.length === 0) return store(values, output);
  const result = contiguous(values, dtype, output.shape);
  // The factors have their own shapes and no place in the epilogue: stand-ins keep the others at their slots.
  evaluate(epilogue, output.shape, [result, result, ...inputs.slice(2)], [result], [output], scalars);
}

/** The sizes of a convolution in two spatial dims; one dim is a plane of height 1. */
interface Geometry {
  readonly batch: number;
  readonly groups: number;
  readonly channels: number;
  readonly filters: number;
  readonly image: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly result: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/** Runs a conv kernel in any direction. */
export function runConv(kernel: ConvKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const [first, second, output] = [inputs[0]!, inputs[1]!, outputs[0]!];
  const values = new Float64Array(sizeOf(output.shape));
  const [left, right] = [toFloat64(first), toFloat64(second)];
  if (kernel.direction === "forward") {
    const geometry = geometryOf(kernel, first.shape, second.shape, output.shape);
    correlate(geometry, (filter, line, x, w, step, count) => {
      const weight = right[w]!;
      for (let k = 0, from = x, to = filter + line; k < count; k++, from += step) values[to++]! += weight * left[from]!;
    });
  } else if (kernel.direction === "input") {
    const geometry = geometryOf(kernel, output.shape, second.shape, first.shape);
    correlate(geometry, (filter, line, x, w, step, count) => {
      const weight = right[w]!;
      for (let k = 0, to = x, from = filter + line; k < count; k++, to += step) values[to]! += weight * left[from++]!;
    });
  } else {
    const geometry = geometryOf(kernel, first.shape, output.shape, second.shape);
    correlate(geometry, (filter, line, x, w, step, count) => {
      let sum = 0;
      for (let k = 0, from = x, at = filter + line; k < count; k++, from += step) sum += right[at++]! * left[from]!;
      values[w]! += sum;
    });
  }
  finish(values, kernel.epilogue, inputs, output, scalars);
}

function geometryOf(kernel: ConvKernel, x: readonly number[], w: readonly number[], y: readonly number[]): Geometry {
  return {
    batch: x[0]!,
    groups: kernel.groups,
    channels: w[1]!,
    filters: w[0]! / kernel.groups,
    image: plane(x.slice(2), 1),
    kernel: plane(w.slice(2), 1),
    result: plane(y.slice(2), 1),
    stride: plane(kernel.stride, 1),
    padding: plane(kernel.padding, 0),
    dilation: plane(kernel.dilation, 1),
  };
}

function plane(sizes: readonly number[], missing: number): [number, number] {
  return sizes.length === 1 ? [missing, sizes[0]!] : [sizes[0]!, sizes[1]!];
}

/**
 * Visits every run of products: positions in y of the filter's plane and of the run in it, in x, and in w, the step in x, and how many
 * neighbours in y belong to the run. Positions outside the image are left out.
 */
function correlate(
  { batch, groups, channels, filters, image, kernel, result, stride, padding, dilation }: Geometry,
  visit: (filterPlane: number, line: number, x: number, w: number, step: number, count: number) => void,
): void {
  const [height, width] = image;
  const [kernelHeight, kernelWidth] = kernel;
  const [resultHeight, resultWidth] = result;
  for (let n = 0; n < batch; n++) {
    for (let filter = 0; filter < groups * filters; filter++) {
      const group = Math.floor(filter / filters);
      const filterPlane = (n * groups * filters + filter) * resultHeight * resultWidth;
      for (let channel = 0; channel < channels; channel++) {
        const imagePlane = ((n * groups + group) * channels + channel) * height * width;
        for (let i = 0; i < kernelHeight; i++) {
          for (let j = 0; j < kernelWidth; j++) {
            const w = ((filter * channels + channel) * kernelHeight + i) * kernelWidth + j;
            const shift = j * dilation[1] - padding[1];
            const from = Math.max(0, Math.ceil(-shift / stride[1]));
            const to = Math.min(resultWidth - 1, Math.floor((width - 1 - shift) / stride[1]));
            if (to < from) continue;
            for (let row = 0; row < resultHeight; row++) {
              const y = row * stride[0] + i * dilation[0] - padding[0];
              if (y < 0 || y >= height) continue;
              const x = imagePlane + y * width + from * stride[1] + shift;
              visit(filterPlane, row * resultWidth + from, x, w, stride[1], to - from + 1);
            }
          }
        }
      }
    }
  }
}
