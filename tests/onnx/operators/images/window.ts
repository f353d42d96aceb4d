/**
 * The geometry of a window that moves: convolution and pooling.
 *
 * @module
 */
import { type Tensor } from "../../../../mod.ts";
import type { Call } from "../call.ts";

/** One spatial dim of a window. */
export interface Window {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** How a call's window moves over an input of the given spatial sizes. */
export function windowsOf(call: Call, spatial: readonly number[], kernel: readonly number[]): Window[] {
  const dims = spatial.length;
  const ones = new Array<number>(dims).fill(1);
  const [strides, dilations] = [call.ints("strides", ones), call.ints("dilations", ones)];
  const pads = call.ints("pads", new Array<number>(2 * dims).fill(0));
  const auto = call.text("auto_pad", "NOTSET");
  return spatial.map((length, dim) => {
    const [size, stride, dilation] = [kernel[dim]!, strides[dim]!, dilations[dim]!];
    if (!auto.startsWith("SAME")) {
      const [before, after] = auto === "VALID" ? [0, 0] : [pads[dim]!, pads[dim + dims]!];
      return { size, stride, dilation, before, after };
    }
    const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + dilation * (size - 1) + 1 - length);
    const small = Math.floor(total / 2);
    const [before, after] = auto === "SAME_LOWER" ? [total - small, small] : [small, total - small];
    return { size, stride, dilation, before, after };
  });
}

/** Whether both sides are padded alike, as PyTorch's geometry has it. */
export function isSymmetric(windows: readonly Window[]): boolean {
  return windows.every(({ before, after }) => before === after);
}

/** One property of each dim. */
export function each(windows: readonly Window[], property: keyof Window): number[] {
  return windows.map((window) => window[property]);
}

/** With the windows' padding around it. */
export function padded(x: Tensor, windows: readonly Window[], value: number): Tensor {
  return x.pad(windows.toReversed().flatMap(({ before, after }) => [before, after]), { value });
}
