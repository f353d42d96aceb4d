/**
 * Integrals and slopes of sampled functions.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { cat, tensor } from "./create.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import { tidy } from "./scope.ts";
import { normalizeDim } from "./shape.ts";
import { checkTensors, type Dims, type Tensor } from "./tensor.ts";

/** Where a function was sampled. */
export interface TrapezoidOptions {
  /** The places of the samples, [N] or broadcast to the values; or, left out, `dx` apart. */
  readonly x?: Tensor;
  /** The distance between neighbours. Default 1. */
  readonly dx?: number;
  /** The dim along which. Default the last. */
  readonly dim?: number;
}

/**
 * The integral of sampled values by the trapezoidal rule, Σ (x_i+1 - x_i) (y_i + y_i+1) / 2.
 *
 * @param y Values, any shape of at least one dim.
 * @returns The shape without `dim`.
 * @throws ShapeError when places and values differ in number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor, trapezoid } from "./mod.ts";
 *
 * assertEquals(await trapezoid(tensor([1, 2, 4]), { x: tensor([0, 1, 3]) }).item(), 7.5);
 * ```
 */
export function trapezoid(y: Tensor, options: TrapezoidOptions = {}): Tensor {
  checkTensors("trapezoid", { y });
  checkOptions(options, "trapezoid", ["x", "dx", "dim"]);
  return tidy(() => strips(y, options, "trapezoid").sum(options.dim ?? -1));
}

/** {@link trapezoid} up to each sample but the first: the shape with one element less along `dim`. */
export function cumulativeTrapezoid(y: Tensor, options: TrapezoidOptions = {}): Tensor {
  checkTensors("cumulativeTrapezoid", { y });
  checkOptions(options, "cumulativeTrapezoid", ["x", "dx", "dim"]);
  return tidy(() => strips(y, options, "cumulativeTrapezoid").cumsum(options.dim ?? -1));
}

function strips(y: Tensor, { x, dx = 1, dim = -1 }: TrapezoidOptions, op: string): Tensor {
  const at = normalizeDim(dim, y.rank, op);
  const count = y.shape[at];
  if (count === undefined) throw new ShapeError(`Cannot ${op} []: at least 1-d values are needed`, { op, shapes: [y.shape] });
  const heights = count === 0 ? y : y.slice(at, { start: 1 }).add(y.slice(at, { end: count - 1 })).mul(0.5);
  if (x === undefined) return heights.mul(dx);
  checkTensors(op, { x });
  const places = x.rank === 1 ? x.reshape(y.shape.map((_, d) => d === at ? -1 : 1)) : x;
  const along = places.rank - (y.rank - at);
  if (along < 0 || places.shape[along] !== count) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([y.shape, x.shape])}: a place for each of ${count} values is needed`, {
      op,
      shapes: [y.shape, x.shape],
    });
  }
  return count === 0 ? heights : heights.mul(places.diff({ dim: along }));
}

/** Options of {@link gradient}. */
export interface SlopeOptions {
  /** The distance between samples, one for all dims or one per dim; or their places, a vector per dim. Default 1. */
  readonly spacing?: number | readonly (number | Tensor)[];
  /** The dims along which. Default all. */
  readonly dim?: Dims;
  /** The order of the differences at both ends, 1 or 2. Default 1. */
  readonly edgeOrder?: 1 | 2;
}

/**
 * The slopes of sampled values along dims: central differences of second order inside, one-sided ones at the ends.
 *
 * @param y At least `edgeOrder` + 1 samples along each dim.
 * @returns One tensor of y's shape per dim.
 * @throws ArgumentError for an edgeOrder other than 1 and 2, dims that repeat, or spacings that do not match the dims; ShapeError for too few
 * samples, or places that are no vector of their number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gradient, tensor } from "./mod.ts";
 *
 * const [slope] = gradient(tensor([1, 4, 9, 16]));
 * assertEquals(await slope!.toArray(), [3, 4, 6, 7]);
 * ```
 */
export function gradient(y: Tensor, options: SlopeOptions = {}): Tensor[] {
  checkTensors("gradient", { y });
  const { spacing = 1, dim, edgeOrder = 1 } = checkOptions(options, "gradient", ["spacing", "dim", "edgeOrder"]);
  if (edgeOrder !== 1 && edgeOrder !== 2) throw new ArgumentError(`Cannot gradient: an edgeOrder of 1 or 2 is needed, got ${edgeOrder}`);
  const given = dim === undefined ? y.shape.map((_, d) => d) : typeof dim === "number" ? [dim] : dim;
  const dims = given.map((d) => normalizeDim(d, y.rank, "gradient"));
  if (new Set(dims).size !== dims.length) throw new ArgumentError(`Cannot gradient: distinct dims are needed, got [${given.join(", ")}]`);
  const steps = typeof spacing === "number" ? dims.map(() => spacing) : spacing;
  if (steps.length !== dims.length) {
    throw new ArgumentError(`Cannot gradient: a spacing for each of ${dims.length} dims is needed, got ${steps.length}`);
  }
  return dims.map((at, n) => {
    const [count, step] = [y.shape[at]!, steps[n]!];
    if (count === undefined || count <= edgeOrder) {
      throw new ShapeError(`Cannot gradient ${formatShapes([y.shape])}: more than ${edgeOrder} samples along dim ${at} are needed`, {
        op: "gradient",
        shapes: [y.shape],
      });
    }
    if (typeof step !== "number" && (step.rank !== 1 || step.size !== count)) {
      throw new ShapeError(`Cannot gradient ${formatShapes([y.shape, step.shape])}: places [${count}] along dim ${at} are needed`, {
        op: "gradient",
        shapes: [y.shape, step.shape],
      });
    }
    return tidy(() => slopes(y, at, widths(y, at, step), edgeOrder));
  });
}

/** The distances between neighbours along a dim, shaped to be multiplied. */
function widths(y: Tensor, at: number, step: number | Tensor): Tensor {
  const count = y.shape[at]! - 1;
  const along = y.shape.map((_, d) => d === at ? count : 1);
  if (typeof step !== "number") return step.to(y.dtype).diff().reshape(along);
  return tensor(new Float64Array(count).fill(step), { shape: along, dtype: y.dtype, device: y.device });
}

function slopes(y: Tensor, at: number, width: Tensor, edgeOrder: 1 | 2): Tensor {
  const count = y.shape[at]!;
  const part = (x: Tensor, start: number, length: number): Tensor => x.narrow(at, { start, length });
  const rise = part(y, 1, count - 1).sub(part(y, 0, count - 1)).div(width);
  const last = count - 2;
  // The slope through three neighbours is that of the two rises, each weighted by the other's width.
  const [before, after] = [part(width, 0, last), part(width, 1, last)];
  const inside = part(rise, 0, last).mul(after).add(part(rise, 1, last).mul(before)).div(before.add(after));
  const edge = (end: number, next: number): Tensor => {
    if (edgeOrder === 1) return part(rise, end, 1);
    const [near, far] = [part(width, end, 1), part(width, next, 1)];
    const bend = part(rise, end, 1).sub(part(rise, next, 1)).mul(near).div(near.add(far));
    return part(rise, end, 1).add(bend);
  };
  return cat([edge(0, 1), inside, edge(last, last - 1)], { dim: at });
}
