/**
 * Convolution and its transpose.
 *
 * @module
 */
import {
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type ConvTransposeOptions,
  type Tensor,
} from "../../../../mod.ts";
import type { Call, Operator } from "../call.ts";
import { each, isSymmetric, padded, type Window, windowsOf } from "./window.ts";

const convolutions: Readonly<Record<number, (x: Tensor, weight: Tensor, options: ConvOptions) => Tensor>> = {
  1: conv1d,
  2: conv2d,
  3: conv3d,
};

const transposed: Readonly<Record<number, (x: Tensor, weight: Tensor, options: ConvTransposeOptions) => Tensor>> = {
  1: convTranspose1d,
  2: convTranspose2d,
  3: convTranspose3d,
};

/** Cross-correlation of x with weight in a call's geometry; padding that differs from side to side is put around x first. */
export function convolve(call: Call, x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const windows = windowsOf(call, x.shape.slice(2), weight.shape.slice(2));
  const dims = windows.length;
  const symmetric = isSymmetric(windows);
  const step = convolutions[dims] ?? call.refuse(`one to three spatial dims are needed, got ${dims}`);
  return step(symmetric ? x : padded(x, windows, 0), weight, {
    ...(bias === undefined ? {} : { bias }),
    stride: each(windows, "stride"),
    dilation: each(windows, "dilation"),
    groups: call.number("group", 1),
    ...(symmetric ? { padding: each(windows, "before") } : {}),
  });
}

const conv: Operator = (call) => convolve(call, call.x(0), call.x(1), call.maybe(2));

/** Padding cuts off; an output that is to be larger than what remains gets zeros, then the bias. */
const convTranspose: Operator = (call) => {
  const [x, weight] = [call.x(0), call.x(1)];
  const spatial = x.shape.slice(2);
  const geometry = windowsOf(call, spatial, weight.shape.slice(2));
  const extra = call.ints("output_padding", spatial.map(() => 0));
  const windows = call.has("output_shape") || call.text("auto_pad", "NOTSET").startsWith("SAME")
    ? geometry.map((window, dim) => cutTo(call, window, { length: spatial[dim]!, dim, extra: extra[dim]! }))
    : geometry;
  const step = transposed[spatial.length] ?? call.refuse(`one to three spatial dims are needed, got ${spatial.length}`);
  const options = { stride: each(windows, "stride"), dilation: each(windows, "dilation"), groups: call.number("group", 1) };
  const bias = call.maybe(2);
  if (isSymmetric(windows) && windows.every(({ before }) => before >= 0)) {
    return step(x, weight, { ...options, ...(bias === undefined ? {} : { bias }), padding: each(windows, "before"), outputPadding: extra });
  }
  const cut = windows.toReversed().flatMap(({ before, after }, back) => [-before, extra.at(-1 - back)! - after]);
  const y = step(x, weight, options).pad(cut);
  return bias === undefined ? y : y.add(bias.reshape([bias.size, ...spatial.map(() => 1)]));
};

/** What to cut off (or add, below 0) so that the output has its asked size: output_shape, else the input's times the stride. */
function cutTo(call: Call, window: Window, { length, dim, extra }: { length: number; dim: number; extra: number }): Window {
  const { stride, dilation, size } = window;
  const wanted = call.has("output_shape") ? call.ints("output_shape")[dim]! : length * stride;
  const total = (length - 1) * stride + dilation * (size - 1) + 1 + extra - wanted;
  const [small, large] = [Math.floor(total / 2), Math.ceil(total / 2)];
  return call.text("auto_pad", "NOTSET") === "SAME_UPPER"
    ? { ...window, before: small, after: large }
    : { ...window, before: large, after: small };
}

/** Operators that convolve. */
export const convolution: Readonly<Record<string, Operator>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
};
