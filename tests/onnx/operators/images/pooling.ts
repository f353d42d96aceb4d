/**
 * What is taken from a window that moves: the greatest value, the mean.
 *
 * @module
 */
import {
  arange,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  maxPool1d,
  maxPool1dWithIndices,
  maxPool2d,
  maxPool2dWithIndices,
  maxPool3d,
  maxPool3dWithIndices,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  stack,
  type Tensor,
} from "../../../../mod.ts";
import { type Call, type Operator, product } from "../call.ts";
import { each, isSymmetric, padded, type Window, windowsOf } from "./window.ts";

/** The geometry of a pooling call; rounding the number of windows up is more padding behind. */
function geometryOf(call: Call, x: Tensor): Window[] {
  const spatial = x.shape.slice(2);
  const windows = windowsOf(call, spatial, call.ints("kernel_shape"));
  if (call.number("ceil_mode", 0) === 0) return windows;
  return windows.map((window, dim) => {
    const span = spatial[dim]! + window.before + window.after - window.dilation * (window.size - 1) - 1;
    return { ...window, after: window.after + Math.ceil(span / window.stride) * window.stride - span };
  });
}

/** Why there is no such pooling. */
const ranks = "one to three spatial dims are needed";

/** Whether the library's own pooling has this geometry. */
function isPlain(windows: readonly Window[]): boolean {
  return isSymmetric(windows) && windows.every(({ before, size }) => before <= size / 2);
}

const maxPools: Readonly<Record<number, typeof maxPool1d>> = { 1: maxPool1d, 2: maxPool2d, 3: maxPool3d };

const indexedPools: Readonly<Record<number, typeof maxPool1dWithIndices>> = {
  1: maxPool1dWithIndices,
  2: maxPool2dWithIndices,
  3: maxPool3dWithIndices,
};

const unpools: Readonly<Record<number, typeof maxUnpool1d>> = { 1: maxUnpool1d, 2: maxUnpool2d, 3: maxUnpool3d };

const averagePools: Readonly<Record<number, typeof avgPool1d>> = { 1: avgPool1d, 2: avgPool2d, 3: avgPool3d };

/** What each offset within the window sees: [offsets, ..., positions]. */
function views(x: Tensor, windows: readonly Window[]): Tensor {
  const lead = x.rank - windows.length;
  const offsets = windows.reduce<number[][]>(
    (all, { size }) => all.flatMap((head) => Array.from({ length: size }, (_, at) => [...head, at])),
    [[]],
  );
  return stack(offsets.map((offset) =>
    windows.reduce((part, { size, stride, dilation }, dim) => {
      const start = offset[dim]! * dilation;
      const end = x.shape[lead + dim]! - dilation * (size - 1) + start;
      return part.slice(lead + dim, { start, end, step: stride });
    }, x)
  ));
}

const maxPool: Operator = (call) => {
  const given = call.x();
  // Small whole numbers are exact as floats.
  const x = given.dtype === "int32" ? given.to("float32") : given;
  const windows = geometryOf(call, x);
  const indexed = call.init.outputCount > 1;
  if (!isPlain(windows)) {
    if (indexed) call.refuse("padding alike on both sides is needed where positions are wanted");
    return views(padded(x, windows, -Infinity), windows).max(0).to(given.dtype);
  }
  const options = { stride: each(windows, "stride"), dilation: each(windows, "dilation"), padding: each(windows, "before") };
  const size = each(windows, "size");
  if (!indexed) return (maxPools[windows.length] ?? call.refuse(ranks))(x, size, options).to(given.dtype);
  const { values, indices } = (indexedPools[windows.length] ?? call.refuse(ranks))(x, size, options);
  return { outputs: [values.to(given.dtype), amongAll(call, indices, x.shape)] };
};

/** Positions within images as positions among all elements; storage_order 1 counts the last two dims column by column. */
function amongAll(call: Call, indices: Tensor, [samples, channels, ...spatial]: readonly number[]): Tensor {
  const first = firstOf(indices, [samples!, channels!], product(spatial));
  if (call.number("storage_order", 0) === 0) return indices.add(first);
  const [height, width] = spatial.slice(-2) as [number, number];
  const inPlane = indices.remainder(height * width);
  return indices.sub(inPlane).add(inPlane.remainder(width).mul(height)).add(inPlane.floorDivide(width)).add(first);
}

/** Where each image begins among all elements, in a shape that broadcasts. */
function firstOf(like: Tensor, [samples, channels]: readonly [number, number], size: number): Tensor {
  return arange(samples * channels, { device: like.device }).mul(size).reshape([samples, channels, ...like.shape.slice(2).map(() => 1)]);
}

const averagePool: Operator = (call) => {
  const x = call.x();
  const windows = geometryOf(call, x);
  const countIncludePad = call.number("count_include_pad", 0) === 1;
  if (isPlain(windows)) {
    const options = { stride: each(windows, "stride"), padding: each(windows, "before"), countIncludePad };
    return (averagePools[windows.length] ?? call.refuse(ranks))(x, each(windows, "size"), options);
  }
  const sums = views(padded(x, windows, 0), windows).sum(0);
  if (countIncludePad) return sums.div(product(each(windows, "size")));
  return sums.div(views(padded(x.onesLike(), windows, 0), windows).sum(0));
};

/** Puts values back where a pooling found them; a larger output has them in its first corner. */
const maxUnpool: Operator = async (call) => {
  const x = call.x();
  const windows = windowsOf(call, x.shape.slice(2), call.ints("kernel_shape"));
  if (!isSymmetric(windows)) call.refuse("padding alike on both sides is needed");
  const options = { stride: each(windows, "stride"), padding: each(windows, "before") };
  const spatial = windows.map(({ stride, size, before }, dim) => (x.shape[dim + 2]! - 1) * stride + size - 2 * before);
  const indices = call.x(1).sub(firstOf(x, x.shape.slice(0, 2) as [number, number], product(spatial)));
  const put = (unpools[windows.length] ?? call.refuse(ranks))(x, each(windows, "size"), { indices, ...options });
  const wanted = await call.numbers(2) ?? put.shape;
  return put.pad(put.shape.map((size, dim) => wanted[dim]! - size).toReversed().flatMap((more) => [0, more]));
};

/** Over all spatial dims. */
function globally(step: (x: Tensor, dims: number[]) => Tensor): Operator {
  return (call) => step(call.x(), call.x().shape.slice(2).map((_, dim) => dim + 2));
}

/** Operators that pool. */
export const pooling: Readonly<Record<string, Operator>> = {
  AveragePool: averagePool,
  GlobalAveragePool: globally((x, dims) => x.mean(dims, { keepDim: true })),
  GlobalMaxPool: globally((x, dims) => x.max(dims, { keepDim: true })),
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
};
