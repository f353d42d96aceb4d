/**
 * Images of another size: each dim by itself is a product with a matrix of weights.
 *
 * @module
 */
import { interpolate, type Tensor, tensor } from "../../../../mod.ts";
import type { Call, Operator } from "../call.ts";

/** One dim that changes. */
interface Axis {
  readonly dim: number;
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Where the cut-out begins and ends, in parts of the whole. */
  readonly roi: readonly [number, number];
}

const resize: Operator = async (call) => {
  const x = call.x();
  // The first version has no region of interest.
  const scales = await call.numbers(call.inputCount === 2 ? 1 : 2);
  const sizes = await call.numbers(3);
  const roi = (call.inputCount > 2 ? await call.numbers(1) : undefined) ?? [];
  const axes = x.shape.map((from, dim): Axis => {
    const scale = sizes?.length ? sizes[dim]! / from : scales?.[dim] ?? call.refuse("scales or sizes are needed");
    const to = sizes?.length ? sizes[dim]! : Math.floor(from * scale);
    return { dim, from, to, scale, roi: [roi[dim] ?? 0, roi[dim + x.rank] ?? 1] };
  }).filter(({ from, to, scale }) => from !== to || scale !== 1);
  return ownResize(call, x, axes) ?? axes.reduce((image, axis) => resizeOne(call, image, axis), x);
};

/** What the library's own function says the same way: linear between centres, or from corner to corner. */
function ownResize(call: Call, x: Tensor, axes: readonly Axis[]): Tensor | undefined {
  const coordinates = call.text("coordinate_transformation_mode", call.opset === 10 ? "asymmetric" : "half_pixel");
  const known = call.text("mode", "nearest") === "linear" && x.rank === 4 && axes.every(({ dim }) => dim >= 2) &&
    (coordinates === "half_pixel" || coordinates === "align_corners") && axes.every(({ from, to, scale }) => to === from * scale);
  if (!known) return undefined;
  const size = x.shape.slice(2).map((from, at) => axes.find(({ dim }) => dim === at + 2)?.to ?? from);
  return interpolate(x, { size, mode: "bilinear", alignCorners: coordinates === "align_corners" });
}

/** Where output i lies among the inputs. */
function sourceOf(mode: string, i: number, { from, to, scale, roi }: Axis): number {
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return to > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      // Corners are told by the scale alone, before the size is rounded down.
      return from * scale > 1 ? i * (from - 1) / (from * scale - 1) : 0;
    case "asymmetric":
      return i / scale;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "tf_crop_and_resize":
      return to > 1 ? roi[0] * (from - 1) + i * (roi[1] - roi[0]) * (from - 1) / (to - 1) : 0.5 * (roi[0] + roi[1]) * (from - 1);
    default:
      throw new Error(`Cannot resize: a known coordinate transformation is needed, got ${mode}`);
  }
}

function resizeOne(call: Call, x: Tensor, axis: Axis): Tensor {
  const { dim, from, to } = axis;
  const first = call.opset === 10 || call.init.operator === "Upsample" ? "asymmetric" : "half_pixel";
  const coordinates = call.text("coordinate_transformation_mode", first);
  const weights = new Float64Array(to * from);
  const outside = new Uint8Array(to);
  for (let i = 0; i < to; i++) {
    const source = sourceOf(coordinates, i, axis);
    if (coordinates === "tf_crop_and_resize" && (source < 0 || source > from - 1)) outside[i] = 1;
    for (const [position, weight] of neighbours(call, source, from)) {
      const at = i * from + Math.min(from - 1, Math.max(0, position));
      weights[at] = weights[at]! + weight;
    }
  }
  const matrix = tensor(weights, { shape: [to, from], dtype: x.dtype, device: x.device });
  const resized = x.transpose(dim, -1).matmul(matrix.mT).transpose(dim, -1);
  if (!outside.includes(1)) return resized;
  const mask = call.make(outside, x.shape.map((_, other) => other === dim ? to : 1), "bool");
  return resized.maskedFill(mask, call.number("extrapolation_value", 0));
}

/** The inputs that an output is made of, and their weights. */
function neighbours(call: Call, source: number, from: number): (readonly [number, number])[] {
  const below = Math.floor(source);
  const mode = call.text("mode", "nearest");
  if (mode === "nearest") return [[nearest(call, source), 1]];
  if (mode === "linear") return [[below, 1 - source + below], [below + 1, source - below]];
  const a = call.number("cubic_coeff_a", -0.75);
  const all = [-1, 0, 1, 2].map((step) => [below + step, cubic(Math.abs(source - below - step), a)] as const);
  if (call.number("exclude_outside", 0) === 0) return all;
  const inside = all.filter(([position]) => position >= 0 && position < from);
  const total = inside.reduce((sum, [, weight]) => sum + weight, 0);
  return inside.map(([position, weight]) => [position, weight / total]);
}

function nearest(call: Call, source: number): number {
  const mode = call.text("nearest_mode", call.opset === 10 || call.init.operator === "Upsample" ? "floor" : "round_prefer_floor");
  switch (mode) {
    case "floor":
      return Math.floor(source);
    case "ceil":
      return Math.ceil(source);
    case "round_prefer_ceil":
      return Math.floor(source + 0.5);
    case "round_prefer_floor":
      return Math.ceil(source - 0.5);
    default:
      return call.refuse(`a known nearest_mode is needed, got ${mode}`);
  }
}

/** Keys' cubic convolution at a distance below 2. */
function cubic(distance: number, a: number): number {
  const d = distance;
  return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

/** Operators that resample images. */
export const resizing: Readonly<Record<string, Operator>> = {
  Resize: resize,
  Upsample: resize,
};
