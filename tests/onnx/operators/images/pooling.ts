/**
 * What is taken from a window that moves: the greatest value, the mean.
 *
 * @module
 */
import { arange, avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d, stack, type Tensor, zeros } from "../../../../mod.ts";
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

/** Whether the library's own pooling has this geometry. */
function isPlain(windows: readonly Window[]): boolean {
  return isSymmetric(windows) && windows.every(({ before, size }) => before <= size / 2);
}

const maxPools: Readonly<Record<number, typeof maxPool1d>> = { 1: maxPool1d, 2: maxPool2d, 3: maxPool3d };

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
  if (call.init.outputCount > 1) return { outputs: greatest(call, x, windows) };
  if (!isPlain(windows)) return views(padded(x, windows, -Infinity), windows).max(0).to(given.dtype);
  const options = { stride: each(windows, "stride"), dilation: each(windows, "dilation"), padding: each(windows, "before") };
  return (maxPools[windows.length] ?? call.refuse("one to three spatial dims are needed"))(x, each(windows, "size"), options).to(
    given.dtype,
  );
};

/** The greatest values, and where they stand among all elements of x; storage_order 1 counts the last two dims column by column. */
function greatest(call: Call, x: Tensor, windows: readonly Window[]): Tensor[] {
  const spatial = x.shape.slice(2);
  const columns = call.number("storage_order", 0) === 1;
  const order = columns ? spatial.toReversed() : spatial;
  const within = arange(product(spatial), { device: x.device }).reshape(order);
  const images = arange(x.shape[0]! * x.shape[1]!, { device: x.device }).mul(product(spatial)).reshape([
    x.shape[0]!,
    x.shape[1]!,
    ...spatial.map(() => 1),
  ]);
  const positions = (columns ? within.permute(spatial.map((_, dim) => spatial.length - 1 - dim)) : within).add(images);
  const seen = views(padded(x, windows, -Infinity), windows);
  const chosen = seen.argmax(0, { keepDim: true });
  return [seen, views(padded(positions, windows, 0), windows)].map((all) => all.gather(0, chosen).squeeze(0));
}

const averagePool: Operator = (call) => {
  const x = call.x();
  const windows = geometryOf(call, x);
  const countIncludePad = call.number("count_include_pad", 0) === 1;
  if (isPlain(windows)) {
    const options = { stride: each(windows, "stride"), padding: each(windows, "before"), countIncludePad };
    return (averagePools[windows.length] ?? call.refuse("one to three spatial dims are needed"))(x, each(windows, "size"), options);
  }
  const sums = views(padded(x, windows, 0), windows).sum(0);
  if (countIncludePad) return sums.div(product(each(windows, "size")));
  return sums.div(views(padded(x.onesLike(), windows, 0), windows).sum(0));
};

/** Puts values back where a pooling found them; a larger output has them in its first corner. */
const maxUnpool: Operator = async (call) => {
  const [x, index] = [call.x(0), call.x(1)];
  const windows = windowsOf(call, x.shape.slice(2), call.ints("kernel_shape"));
  const spatial = windows.map(({ stride, size, before, after }, dim) => (x.shape[dim + 2]! - 1) * stride + size - before - after);
  const shape = [...x.shape.slice(0, 2), ...spatial];
  const flat = zeros([product(shape)], { dtype: x.dtype, device: x.device });
  const put = flat.scatter(0, { index: index.flatten(), src: x.flatten() }).reshape(shape);
  const wanted = await call.numbers(2) ?? shape;
  return put.pad(shape.map((size, dim) => wanted[dim]! - size).toReversed().flatMap((more) => [0, more]));
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
