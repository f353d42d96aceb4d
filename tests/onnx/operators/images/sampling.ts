/**
 * Images read at positions with fractions.
 *
 * @module
 */
import { arange, gridSample, type GridSampleOptions, stack, type Tensor } from "../../../../mod.ts";
import type { Call, Operator } from "../call.ts";

const sample: Operator = (call) =>
  gridSample(call.x(0), call.x(1), {
    mode: call.text("mode", "bilinear") as NonNullable<GridSampleOptions["mode"]>,
    paddingMode: call.text("padding_mode", "zeros") as NonNullable<GridSampleOptions["paddingMode"]>,
    alignCorners: call.number("align_corners", 0) === 1,
  });

/** Each region of interest (x1, y1, x2, y2) as bins of one size, each the mean of `sampling_ratio`² values. */
const roiAlign: Operator = (call) => {
  const [x, regions, image] = [call.x(0), call.x(1), call.x(2)];
  const ratio = call.number("sampling_ratio", 0);
  if (ratio === 0 || call.text("mode", "avg") !== "avg") call.refuse("means of a given number of samples are needed");
  const [height, width] = x.shape.slice(2) as [number, number];
  const halfPixel = call.text("coordinate_transformation_mode", call.opset >= 16 ? "half_pixel" : "output_half_pixel") === "half_pixel";
  const placed = regions.mul(call.number("spatial_scale", 1)).sub(halfPixel ? 0.5 : 0);
  const axis = (first: number, bins: number, size: number) => positions(call, placed, { first, bins, size, ratio, halfPixel });
  const [across, down] = [axis(0, call.number("output_width", 1), width), axis(1, call.number("output_height", 1), height)];
  const shape = [regions.shape[0]!, down.place.shape[1]!, across.place.shape[1]!];
  const grid = stack([across.place.unsqueeze(1).expand(shape), down.place.unsqueeze(2).expand(shape)], { dim: 3 });
  const values = gridSample(x.indexSelect(0, image), grid, { paddingMode: "border", alignCorners: true });
  const inside = down.inside.unsqueeze(2).logicalAnd(across.inside.unsqueeze(1)).unsqueeze(1);
  const kept = inside.where(values, 0);
  const [count, channels, rows, columns] = kept.shape as [number, number, number, number];
  return kept.reshape([count, channels, rows / ratio, ratio, columns / ratio, ratio]).mean([3, 5]);
};

interface AxisOptions {
  /** The column of the regions' lower bound. */
  readonly first: number;
  readonly bins: number;
  readonly size: number;
  readonly ratio: number;
  readonly halfPixel: boolean;
}

/** [R, bins · ratio] positions along one dim, from -1 to 1, and whether they are within one element of the image. */
function positions(call: Call, regions: Tensor, { first, bins, size, ratio, halfPixel }: AxisOptions): { place: Tensor; inside: Tensor } {
  const [low, high] = [regions.narrow(1, { start: first, length: 1 }), regions.narrow(1, { start: first + 2, length: 1 })];
  const extent = halfPixel ? high.sub(low) : high.sub(low).maximum(1);
  const steps = arange(bins * ratio, { dtype: "float32", device: call.init.device }).add(0.5).div(bins * ratio);
  const element = low.add(extent.mul(steps));
  return { place: element.mul(2 / (size - 1)).sub(1), inside: element.ge(-1).logicalAnd(element.le(size)) };
}

/** Operators that sample images. */
export const sampling: Readonly<Record<string, Operator>> = {
  GridSample: sample,
  RoiAlign: roiAlign,
};
