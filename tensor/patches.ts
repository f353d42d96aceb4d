/**
 * Images as the patches that a convolution's window sees, and back.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { tensor } from "./create.ts";
import { formatShapes, ShapeError } from "./errors.ts";
import { type PerDim, perDim } from "./functions.ts";
import { tidy } from "./scope.ts";
import { checkTensors, type Tensor } from "./tensor.ts";

/** Where windows lie, in pixels. */
export interface PatchOptions {
  /** The distance between windows. Default 1. */
  readonly stride?: PerDim;
  /** Zeros on each side. Default 0. */
  readonly padding?: PerDim;
  /** The distance between a window's pixels. Default 1. */
  readonly dilation?: PerDim;
}

/** Options of {@link fold}. */
export interface FoldOptions extends PatchOptions {
  /** The image's [H, W], or one number for both. */
  readonly outputSize: PerDim;
}

/**
 * The patches of images as columns: each is what a convolution's window of `size` multiplies.
 *
 * @param x [N, C, H, W].
 * @returns [N, C KH KW, L] for L windows, row by row.
 * @throws ShapeError unless x is 4-d and a window fits; ArgumentError for a geometry that is no whole number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor, unfold } from "./mod.ts";
 *
 * assertEquals(await unfold(tensor([[[[1, 2, 3], [4, 5, 6]]]]), 2).toArray(), [[[1, 2], [2, 3], [4, 5], [5, 6]]]);
 * ```
 */
export function unfold(x: Tensor, size: PerDim, options: PatchOptions = {}): Tensor {
  checkTensors("unfold", { x });
  checkOptions(options, "unfold", ["stride", "padding", "dilation"]);
  if (x.rank !== 4) throw refuse("unfold", x, "[N, C, H, W] is needed");
  const [samples, channels, height, width] = x.shape as [number, number, number, number];
  const { positions, windows, pixels, border, padded } = patchesOf("unfold", x, { size, image: [height, width], ...options });
  return tidy(() => {
    const images = x.pad([border[1], border[1], border[0], border[0]]).reshape([samples, channels, padded]);
    return images.indexSelect(2, positions).reshape([samples, channels * pixels, windows]);
  });
}

/**
 * Patches put back and added up where they overlap: what {@link unfold} does to a gradient.
 *
 * @param x [N, C KH KW, L].
 * @param size The window's [KH, KW], or one number for both.
 * @returns [N, C, H, W].
 * @throws ShapeError when the sizes do not fit together; ArgumentError for a geometry that is no whole number.
 */
export function fold(x: Tensor, size: PerDim, options: FoldOptions): Tensor {
  checkTensors("fold", { x });
  const { outputSize, ...patches } = checkOptions(options, "fold", ["outputSize", "stride", "padding", "dilation"]);
  if (x.rank !== 3) throw refuse("fold", x, "[N, C KH KW, L] is needed");
  const image = perDim(outputSize, 2, { op: "fold", name: "outputSize", least: 1 }) as [number, number];
  const { positions, windows, pixels, border, padded } = patchesOf("fold", x, { size, image, ...patches });
  const [samples, columns] = x.shape as [number, number];
  if (columns % pixels !== 0 || x.shape[2] !== windows) {
    throw refuse("fold", x, `[N, C · ${pixels}, ${windows}] is needed for an image [${image.join(", ")}]`);
  }
  const channels = columns / pixels;
  return tidy(() => {
    const values = x.reshape([samples, channels, pixels * windows]);
    const flat = x.newZeros([samples, channels, padded]).scatterAdd(2, positions.expand(values.shape), values);
    return flat.reshape([samples, channels, image[0] + 2 * border[0], image[1] + 2 * border[1]])
      .pad([-border[1], -border[1], -border[0], -border[0]]);
  });
}

interface Patches {
  /** int32: for each pixel of the window and each window the place in the padded image. */
  readonly positions: Tensor;
  readonly windows: number;
  readonly pixels: number;
  readonly border: readonly [number, number];
  /** The padded image's number of pixels. */
  readonly padded: number;
}

function patchesOf(op: string, x: Tensor, geometry: PatchOptions & { readonly size: PerDim; readonly image: readonly number[] }): Patches {
  const { image } = geometry;
  const each = (value: PerDim, name: string, least: number) => perDim(value, 2, { op, name, least }) as [number, number];
  const size = each(geometry.size, "size", 1);
  const stride = each(geometry.stride ?? 1, "stride", 1);
  const border = each(geometry.padding ?? 0, "padding", 0);
  const dilation = each(geometry.dilation ?? 1, "dilation", 1);
  const around = image.map((length, dim) => length + 2 * border[dim]!);
  const counts = around.map((length, dim) => Math.floor((length - dilation[dim]! * (size[dim]! - 1) - 1) / stride[dim]!) + 1);
  if (counts.some((count) => count < 1)) throw refuse(op, x, `room for a window of [${size.join(", ")}] is needed`);
  const [rows, columns] = counts as [number, number];
  const places: number[] = [];
  for (let i = 0; i < size[0]; i++) {
    for (let j = 0; j < size[1]; j++) {
      for (let row = 0; row < rows; row++) {
        const line = (row * stride[0] + i * dilation[0]) * around[1]! + j * dilation[1];
        for (let column = 0; column < columns; column++) places.push(line + column * stride[1]);
      }
    }
  }
  return {
    positions: tensor(Int32Array.from(places), { device: x.device }),
    windows: rows * columns,
    pixels: size[0] * size[1],
    border,
    padded: around[0]! * around[1]!,
  };
}

function refuse(op: string, { shape }: Tensor, needed: string): ShapeError {
  return new ShapeError(`Cannot ${op} ${formatShapes([shape])}: ${needed}`, { op, shapes: [shape] });
}
