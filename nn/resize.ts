/**
 * Changing the size of images: interpolation and pixel shuffle.
 *
 * @module
 */
import { checkList, checkOptions } from "../tensor/arguments.ts";
import { tensor } from "../tensor/create.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { mixAlong } from "../tensor/products.ts";
import { tidy } from "../tensor/scope.ts";
import { sizeOf } from "../tensor/shape.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { checkInputs, Module } from "./module.ts";

/** Options of {@link interpolate}: `size` or `scaleFactor`. */
export interface InterpolateOptions {
  /** The output's spatial sizes, one number for all or one each. */
  readonly size?: number | readonly number[];
  /** How many times larger the output is: its sizes are rounded down. */
  readonly scaleFactor?: number | readonly number[];
  /**
   * "linear", "bilinear" and "trilinear" blend neighbours over one, two and three dims, "bicubic" four by four of them, "area" averages all
   * that an output covers. Default "nearest".
   */
  readonly mode?: "nearest" | "linear" | "bilinear" | "trilinear" | "bicubic" | "area";
  /** Whether the corners' centres, not their outer edges, lie on each other; not for "nearest" and "area". Default false. */
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
  checkTensors("interpolate", { x });
  const { mode = "nearest", alignCorners = false } = checkOptions(options, "interpolate", ["size", "scaleFactor", "mode", "alignCorners"]);
  const known = modes[x.rank - 3];
  if (known === undefined) refuse("interpolate", x, "[N, C, ...] with one to three more dims is needed");
  if (!known.includes(mode)) {
    throw new ArgumentError(
      `Cannot interpolate: mode ${known.map((name) => `"${name}"`).join(", ")} is needed, got ${JSON.stringify(mode)}`,
    );
  }
  const axes = axesOf(x.shape.slice(2), options);
  return tidy(() =>
    axes.reduce((image, axis, position) => {
      const dim = position + 2;
      if (mode === "nearest") {
        const places = Int32Array.from({ length: axis.to }, (_, i) => Math.min(axis.from - 1, Math.floor(i * axis.step)));
        return image.indexSelect(dim, tensor(places, { device: x.device }));
      }
      const weights = mode === "area" ? averaging(axis) : blending(axis, { alignCorners, cubic: mode === "bicubic" });
      return mixAlong(image, weights, { dim, to: axis.to });
    }, x.alias())
  );
}

/** The modes for one, two and three spatial dims. */
const modes: readonly (readonly string[])[] = [
  ["nearest", "linear", "area"],
  ["nearest", "bilinear", "bicubic", "area"],
  ["nearest", "trilinear", "area"],
];

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
  const list = typeof given === "number" ? sizes.map(() => given) : checkList(given, "interpolate", "{ size: [8, 8] }");
  const axes = sizes.map((from, axis): Axis => {
    const to = size === undefined ? Math.floor(from * list[axis]!) : list[axis]!;
    return { from, to, step: size === undefined ? 1 / list[axis]! : from / to };
  });
  if (list.length !== sizes.length || axes.some(({ from, to }) => !Number.isInteger(to) || to < 1 || from < 1)) {
    throw new ArgumentError(`Cannot interpolate: sizes from 1 for ${sizes.length} dims are needed, got [${list.join(", ")}]`);
  }
  return axes;
}

/** The [to, from] matrix whose row i blends the two (or, cubic, four) inputs around a position; beyond the edge the edge counts. */
function blending({ from, to, step }: Axis, { alignCorners, cubic }: { alignCorners: boolean; cubic: boolean }): Float64Array {
  const weights = new Float64Array(to * from);
  const add = (i: number, place: number, weight: number): void => {
    weights[i * from + Math.min(from - 1, Math.max(0, place))]! += weight;
  };
  for (let i = 0; i < to; i++) {
    const exact = alignCorners ? (to > 1 ? i * (from - 1) / (to - 1) : 0) : (i + 0.5) * step - 0.5;
    const position = cubic ? exact : Math.max(0, exact);
    const low = Math.floor(position);
    const part = position - low;
    if (cubic) [1 + part, part, 1 - part, 2 - part].forEach((distance, tap) => add(i, low - 1 + tap, cubicWeight(distance)));
    else [1 - part, part].forEach((weight, tap) => add(i, low + tap, weight));
  }
  return weights;
}

/** Keys' cubic with the slope that PyTorch takes, at a distance from 0 to 2. Source: Keys 1981. */
function cubicWeight(distance: number): number {
  const slope = -0.75;
  if (distance <= 1) return ((slope + 2) * distance - (slope + 3)) * distance * distance + 1;
  return (((distance - 5) * distance + 8) * distance - 4) * slope;
}

/** The [to, from] matrix whose row i averages inputs ⌊i from / to⌋ … ⌈(i + 1) from / to⌉. */
function averaging({ from, to }: Axis): Float64Array {
  const weights = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const [start, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
    weights.fill(1 / (end - start), i * from + start, i * from + end);
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
    checkOptions(options, "make Upsample", ["size", "scaleFactor", "mode", "alignCorners"]);
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
    checkInputs(this, { x });
    const r = this.factor;
    const [channels, height, width] = imageOf("PixelShuffle", x);
    if (channels % (r * r) !== 0) refuse("PixelShuffle", x, `channels that are multiples of ${r * r} are needed`);
    const [lead, out] = [sizeOf(x.shape.slice(0, -3)), channels / (r * r)];
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
    checkInputs(this, { x });
    const r = this.factor;
    const [channels, height, width] = imageOf("PixelUnshuffle", x);
    if (height % r !== 0 || width % r !== 0) refuse("PixelUnshuffle", x, `sizes that are multiples of ${r} are needed`);
    const [lead, h, w] = [sizeOf(x.shape.slice(0, -3)), height / r, width / r];
    return tidy(() =>
      x.reshape([lead, channels, h, r, w, r]).permute([0, 1, 3, 5, 2, 4]).reshape([...x.shape.slice(0, -3), channels * r * r, h, w])
    );
  }
}

function imageOf(op: string, x: Tensor): [number, number, number] {
  if (x.rank < 3) refuse(op, x, "an image [..., C, H, W] is needed");
  return x.shape.slice(-3) as [number, number, number];
}

function refuse(op: string, { shape }: Tensor, needed: string): never {
  throw new ShapeError(`Cannot ${op} ${formatShapes([shape])}: ${needed}`, { op, shapes: [shape] });
}
