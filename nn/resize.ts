/**
 * Changing the size of images: interpolation and pixel shuffle.
 *
 * @module
 */
import { tensor } from "../tensor/create.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { mixAlong } from "../tensor/products.ts";
import { tidy } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** Options of {@link interpolate}: `size` or `scaleFactor`. */
export interface InterpolateOptions {
  /** The output's spatial sizes, one number for all or one each. */
  readonly size?: number | readonly number[];
  /** How many times larger the output is: its sizes are rounded down. */
  readonly scaleFactor?: number | readonly number[];
  /** "linear" is for one dim, "bilinear" for two, "trilinear" for three. Default "nearest". */
  readonly mode?: "nearest" | "linear" | "bilinear" | "trilinear";
  /** Whether the corners' centres, not their outer edges, lie on each other; not for "nearest". Default false. */
  readonly alignCorners?: boolean;
}

/**
 * An image of another size.
 *
 * @param x [N, C, L], [N, C, H, W] or [N, C, D, H, W].
 * @throws ArgumentError unless one of size and scaleFactor is given, and a mode that fits; ShapeError for another number of dims.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { interpolate } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * assertEquals(await interpolate(tensor([[[1, 2]]]), { scaleFactor: 2 }).toArray(), [[[1, 1, 2, 2]]]);
 * ```
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const { mode = "nearest", alignCorners = false } = options;
  const linear = (["linear", "bilinear", "trilinear"] as const)[x.rank - 3];
  if (linear === undefined) refuse("interpolate", x, "[N, C, ...] with one to three more dims is needed");
  if (mode !== "nearest" && mode !== linear) {
    throw new ArgumentError(`Cannot interpolate: mode "nearest" or "${linear}" is needed, got ${JSON.stringify(mode)}`);
  }
  const axes = axesOf(x.shape.slice(2), options);
  return tidy(() =>
    axes.reduce((image, { from, to, step }, axis) => {
      const dim = axis + 2;
      if (mode === "nearest") {
        const positions = Int32Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor(i * step)));
        return image.indexSelect(dim, tensor(positions, { device: x.device }));
      }
      const weights = blending(from, to, alignCorners ? (i) => to > 1 ? i * (from - 1) / (to - 1) : 0 : (i) => (i + 0.5) * step - 0.5);
      return mixAlong(image, weights, { dim, to });
    }, x.alias())
  );
}

/** One spatial dim: its sizes, and how far apart outputs lie among inputs. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

function axesOf(sizes: readonly number[], { size, scaleFactor }: InterpolateOptions): Axis[] {
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new ArgumentError("Cannot interpolate: either size or scaleFactor is needed");
  }
  const given = size ?? scaleFactor!;
  const list = typeof given === "number" ? sizes.map(() => given) : given;
  const axes = sizes.map((from, axis): Axis => {
    const to = size === undefined ? Math.floor(from * list[axis]!) : list[axis]!;
    return { from, to, step: size === undefined ? 1 / list[axis]! : from / to };
  });
  if (list.length !== sizes.length || axes.some(({ from, to }) => !Number.isInteger(to) || to < 1 || from < 1)) {
    throw new ArgumentError(`Cannot interpolate: sizes from 1 for ${sizes.length} dims are needed, got [${list.join(", ")}]`);
  }
  return axes;
}

/** The [to, from] matrix whose row i blends the two inputs around a position. */
function blending(from: number, to: number, positionOf: (i: number) => number): Float64Array {
  const weights = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const position = Math.min(from - 1, Math.max(0, positionOf(i)));
    const low = Math.min(from - 1, Math.floor(position));
    const part = position - low;
    weights[i * from + low]! += 1 - part;
    if (part > 0) weights[i * from + low + 1]! += part;
  }
  return weights;
}

/** Interpolation as a layer; see {@link interpolate}. */
export class Upsample extends Module {
  /** How large, and how. */
  readonly options: InterpolateOptions;

  /** Makes the layer. */
  constructor(options: InterpolateOptions) {
    super();
    this.options = options;
  }

  /** [N, C, ...] → [N, C, ...larger]. */
  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }
}

/** [..., C r², H, W] → [..., C, H r, W r]: channels become pixels. Source: Shi et al. 2016. */
export class PixelShuffle extends Module {
  /** r. */
  readonly factor: number;

  /** Makes the layer. */
  constructor(factor: number) {
    super();
    this.factor = factor;
  }

  /** Larger images of fewer channels. */
  override forward(x: Tensor): Tensor {
    const r = this.factor;
    const [channels, height, width] = imageOf("PixelShuffle", x);
    if (channels % (r * r) !== 0) refuse("PixelShuffle", x, `channels that are multiples of ${r * r} are needed`);
    const [lead, out] = [x.size / (channels * height * width), channels / (r * r)];
    return tidy(() =>
      x.reshape([lead, out, r, r, height, width]).permute([0, 1, 4, 2, 5, 3]).reshape([...x.shape.slice(0, -3), out, height * r, width * r])
    );
  }
}

/** [..., C, H r, W r] → [..., C r², H, W]: pixels become channels. */
export class PixelUnshuffle extends Module {
  /** r. */
  readonly factor: number;

  /** Makes the layer. */
  constructor(factor: number) {
    super();
    this.factor = factor;
  }

  /** Smaller images of more channels. */
  override forward(x: Tensor): Tensor {
    const r = this.factor;
    const [channels, height, width] = imageOf("PixelUnshuffle", x);
    if (height % r !== 0 || width % r !== 0) refuse("PixelUnshuffle", x, `sizes that are multiples of ${r} are needed`);
    const [lead, h, w] = [x.size / (channels * height * width), height / r, width / r];
    return tidy(() =>
      x.reshape([lead, channels, h, r, w, r]).permute([0, 1, 3, 5, 2, 4]).reshape([...x.shape.slice(0, -3), channels * r * r, h, w])
    );
  }
}

function imageOf(op: string, x: Tensor): [number, number, number] {
  if (x.rank < 3 || x.size === 0) refuse(op, x, "an image [..., C, H, W] is needed");
  return x.shape.slice(-3) as [number, number, number];
}

function refuse(op: string, { shape }: Tensor, needed: string): never {
  throw new ShapeError(`Cannot ${op} ${formatShapes([shape])}: ${needed}`, { op, shapes: [shape] });
}
