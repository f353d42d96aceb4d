/**
 * Reading an image at positions that are themselves data.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { hardtanh } from "../tensor/activations.ts";
import { tensor } from "../tensor/create.ts";
import { computeType, isFloat } from "../tensor/dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { tidy } from "../tensor/scope.ts";
import { checkSizes, contiguousStrides, sizeOf } from "../tensor/shape.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";

/** Options of {@link gridSample}. */
export interface GridSampleOptions {
  /** How values between elements are made; "bicubic" is for two dims, "bilinear" is trilinear for three. Default "bilinear". */
  readonly mode?: "bilinear" | "nearest" | "bicubic";
  /** What stands outside: zeros, the nearest element, or the image mirrored at its border. Default "zeros". */
  readonly paddingMode?: "zeros" | "border" | "reflection";
  /** Whether -1 and 1 are the corner elements' centres rather than their outer edges. Default false. */
  readonly alignCorners?: boolean;
}

/**
 * The values of an image at given positions, with gradients in both.
 *
 * @param x [N, C, H, W], or [N, C, D, H, W].
 * @param grid [N, OH, OW, 2] with the positions (x, y), or [N, OD, OH, OW, 3] with (x, y, z), from -1 at the left, top and front to 1; NaN
 * counts as -1. Its type is x's.
 * @returns [N, C, OH, OW] or [N, C, OD, OH, OW].
 * @throws ShapeError, DTypeError when the two do not fit; ArgumentError for an unknown mode, or bicubic in three dims.
 * Source: PyTorch's grid_sample; Jaderberg et al. 2015.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gridSample } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const image = tensor([[[[1, 2], [3, 4]]]]);
 * const positions = tensor([[[[0, 0], [0.5, -0.5]]]]); // the middle, and the centre of the right upper element
 * assertEquals(await gridSample(image, positions).toArray(), [[[[2.5, 2]]]]);
 * ```
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  checkTensors("gridSample", { x, grid });
  checkOptions(options, "gridSample", ["mode", "paddingMode", "alignCorners"]);
  check(x, grid, options);
  return tidy(() => {
    const spatial = x.shape.slice(2);
    const dtype = computeType(x.dtype);
    const wide = grid.to(dtype);
    const known = wide.isNaN().where(-1, wide);
    const strides = contiguousStrides(spatial);
    const taps = spatial.map((size, dim) => {
      // A position's last coordinate is along the first spatial dim.
      const along = tapsOf(known.select(-1, spatial.length - 1 - dim), size, options);
      return along.map((tap) => ({ ...tap, index: tap.index.mul(strides[dim]!) }));
    });
    const elements = x.to(dtype).flatten(2);
    const sum = choices(taps).map((corner) => valuesAt(elements, corner.reduce(joined))).reduce((a, b) => a.add(b));
    return sum.reshape([...x.shape.slice(0, 2), ...grid.shape.slice(1, -1)]).to(x.dtype);
  });
}

/**
 * The positions that an affine map of each sample's output grid gives, for {@link gridSample}: θ (x, y, 1), or θ (x, y, z, 1).
 *
 * @param theta [N, 2, 3], or [N, 3, 4].
 * @param size The shape of the output image: [N, C, H, W], or [N, C, D, H, W].
 * @returns [N, H, W, 2], or [N, D, H, W, 3].
 * @throws ShapeError when the two do not fit; DTypeError unless theta is floating. Source: PyTorch's affine_grid.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { affineGrid, gridSample } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * const mirrored = affineGrid(tensor([[[-1, 0, 0], [0, 1, 0]]]), [1, 1, 1, 4]);
 * assertEquals(await gridSample(tensor([[[[1, 2, 3, 4]]]]), mirrored).toArray(), [[[[4, 3, 2, 1]]]]);
 * ```
 */
export function affineGrid(theta: Tensor, size: readonly number[], options: AffineGridOptions = {}): Tensor {
  checkTensors("affineGrid", { theta });
  const { alignCorners = false } = checkOptions(options, "affineGrid", ["alignCorners"]);
  checkSizes(size, "affineGrid");
  const spatial = size.slice(2);
  const dims = spatial.length;
  const fits = (dims === 2 || dims === 3) && theta.rank === 3 && theta.shape[0] === size[0] && theta.shape[1] === dims &&
    theta.shape[2] === dims + 1;
  if (!fits) {
    const shapes = [theta.shape, size];
    throw new ShapeError(
      `Cannot affineGrid ${formatShapes(shapes)}: [N, 2, 3] with the size [N, C, H, W], or [N, 3, 4] with [N, C, D, H, W], is needed`,
      { op: "affineGrid", shapes },
    );
  }
  if (!isFloat(theta.dtype)) throw new DTypeError(`Cannot affineGrid ${theta.dtype}: a floating type is needed`, { op: "affineGrid" });
  const strides = contiguousStrides(spatial);
  const corners = new Float64Array(sizeOf(spatial) * (dims + 1));
  for (let at = 0; at < sizeOf(spatial); at++) {
    // The first coordinate is along the last dim.
    for (let dim = 0; dim < dims; dim++) {
      const length = spatial[dim]!;
      const place = Math.floor(at / strides[dim]!) % length;
      const between = length === 1 ? 0 : (2 * place) / (length - 1) - 1;
      corners[at * (dims + 1) + dims - 1 - dim] = alignCorners ? between : between * (length - 1) / length;
    }
    corners[at * (dims + 1) + dims] = 1;
  }
  return tidy(() => {
    const points = tensor(corners, { shape: [sizeOf(spatial), dims + 1], dtype: theta.dtype, device: theta.device });
    return points.matmul(theta.mT).reshape([size[0]!, ...spatial, dims]);
  });
}

/** Options of {@link affineGrid}. */
export interface AffineGridOptions {
  /** As {@link gridSample} will be told. Default false. */
  readonly alignCorners?: boolean;
}

/** One element that a value is made of: where it stands, whether that is inside, and its weight. */
interface Tap {
  readonly index: Tensor;
  readonly inside: Tensor;
  readonly weight: Tensor;
}

/** What one coordinate reads along its dim. */
function tapsOf(coordinate: Tensor, size: number, options: GridSampleOptions): Tap[] {
  const { mode = "bilinear", alignCorners = false } = options;
  const place = alignCorners ? coordinate.add(1).mul((size - 1) / 2) : coordinate.add(1).mul(size / 2).sub(0.5);
  const bounded = (position: Tensor) => withinBorder(position, size, options);
  // The nearest element's weight is 1 and has no slope; as in PyTorch the grid's gradient is there, and 0.
  if (mode === "nearest") return [tap(bounded(place).round(), size, place.mul(0).add(1))];
  const exact = mode === "bilinear" ? bounded(place) : place;
  const below = exact.detach().floor();
  const beyond = exact.sub(below);
  if (mode === "bilinear") return [tap(below, size, beyond.neg().add(1)), tap(below.add(1), size, beyond)];
  return [-1, 0, 1, 2].map((step) => tap(bounded(below.add(step)), size, cubic(beyond.sub(step).abs(), Math.abs(step - 0.5) < 1)));
}

function tap(position: Tensor, size: number, weight: Tensor): Tap {
  const whole = position.detach();
  const inside = whole.ge(0).logicalAnd(whole.le(size - 1));
  return { index: inside.where(whole, 0).to("int32"), inside, weight };
}

/** Keys' cubic convolution with a = -3/4, at a distance within 1 or from 1 to 2. */
function cubic(distance: Tensor, near: boolean): Tensor {
  const d = distance;
  if (near) return d.mul(1.25).sub(2.25).mul(d.square()).add(1);
  return d.mul(-0.75).add(3.75).mul(d).sub(6).mul(d).add(3);
}

/** A position that the padding brings inside; zeros leave it where it is. As in PyTorch, there is no slope at the border. */
function withinBorder(position: Tensor, size: number, { paddingMode = "zeros", alignCorners = false }: GridSampleOptions): Tensor {
  if (paddingMode === "zeros") return position;
  const border = { min: 0, max: size - 1 };
  if (paddingMode === "border") return hardtanh(position, border);
  const [low, span] = alignCorners ? [0, size - 1] : [-0.5, size];
  if (span === 0) return position.zerosLike();
  const distance = position.sub(low).abs();
  const rest = distance.fmod(span);
  const mirrored = distance.detach().div(span).floor().remainder(2).eq(1);
  return hardtanh(mirrored.where(rest.neg().add(span), rest).add(low), border);
}

/** Every choice of one element from each list. */
function choices<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((all, list) => all.flatMap((head) => list.map((item) => [...head, item])), [[]]);
}

function joined(a: Tap, b: Tap): Tap {
  return { index: a.index.add(b.index), inside: a.inside.logicalAnd(b.inside), weight: a.weight.mul(b.weight) };
}

/** [N, C, P] values of [N, C, S] at P positions, times their weights. */
function valuesAt(elements: Tensor, { index, inside, weight }: Tap): Tensor {
  const [samples, channels] = elements.shape as [number, number];
  const positions = sizeOf(index.shape.slice(1));
  const places = index.reshape([samples, 1, positions]).expand([samples, channels, positions]);
  return elements.gather(2, places).mul(inside.where(weight, 0).reshape([samples, 1, positions]));
}

function check(x: Tensor, grid: Tensor, { mode = "bilinear", paddingMode = "zeros" }: GridSampleOptions): void {
  const shapes = [x.shape, grid.shape];
  const dims = x.rank - 2;
  const fits = (dims === 2 || dims === 3) && grid.rank === x.rank && grid.shape[0] === x.shape[0] && grid.shape.at(-1) === dims &&
    x.shape.slice(2).every((size) => size > 0);
  if (!fits) {
    throw new ShapeError(
      `Cannot gridSample ${
        formatShapes(shapes)
      }: an image [N, C, H, W] with [N, OH, OW, 2], or [N, C, D, H, W] with [N, OD, OH, OW, 3], is needed`,
      { op: "gridSample", shapes },
    );
  }
  if (x.dtype !== grid.dtype || !isFloat(x.dtype)) {
    throw new DTypeError(`Cannot gridSample ${x.dtype} and ${grid.dtype}: one floating type is needed`, { op: "gridSample", shapes });
  }
  const modes = dims === 2 ? ["bilinear", "nearest", "bicubic"] : ["bilinear", "nearest"];
  if (!modes.includes(mode)) throw unknown("a mode", modes, mode);
  const paddings = ["zeros", "border", "reflection"];
  if (!paddings.includes(paddingMode)) throw unknown("a paddingMode", paddings, paddingMode);
}

function unknown(what: string, known: readonly string[], got: string): ArgumentError {
  return new ArgumentError(`Cannot gridSample: ${what} ${known.join(", ")} is needed, got ${JSON.stringify(got)}`);
}
