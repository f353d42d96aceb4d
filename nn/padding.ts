/**
 * Padding layers.
 *
 * @module
 */
import { checkList, checkOptions } from "../tensor/arguments.ts";
import { tensor } from "../tensor/create.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { tidy } from "../tensor/scope.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** Options of {@link pad}. */
export interface PadOptions {
  /** "reflect" mirrors without the edge, "replicate" repeats the edge, "circular" goes round. Default "constant". */
  readonly mode?: "constant" | "reflect" | "replicate" | "circular";
  /** What "constant" puts there. Default 0. */
  readonly value?: number;
}

/**
 * A frame around the last dims.
 *
 * @param x Any shape.
 * @param padding How many before and after, from the last dim backwards; a negative number cuts off.
 * @throws ArgumentError for a padding that is no list of pairs; ShapeError where it reaches beyond the other edge.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pad } from "./mod.ts";
 * import { tensor } from "../tensor/mod.ts";
 *
 * assertEquals(await pad(tensor([1, 2, 3]), [2, 1], { mode: "reflect" }).toArray(), [3, 2, 1, 2, 3, 2]);
 * ```
 */
export function pad(x: Tensor, padding: readonly number[], options: PadOptions = {}): Tensor {
  checkTensors("pad", { x });
  checkList(padding, "pad", "pad(x, [1, 1])");
  const { mode = "constant", value = 0 } = checkOptions(options, "pad", ["mode", "value"]);
  if (mode === "constant") return x.pad(padding, { value });
  if (sources[mode] === undefined) {
    throw new ArgumentError(`Cannot pad: mode "constant", "reflect", "replicate" or "circular" is needed, got ${JSON.stringify(mode)}`);
  }
  if (padding.length % 2 !== 0 || padding.length > 2 * x.rank || padding.some((n) => !Number.isInteger(n))) {
    throw new ArgumentError(
      `Cannot pad ${formatShapes([x.shape])}: whole pairs are needed with mode ${mode}, got [${padding.join(", ")}]`,
    );
  }
  return tidy(() => {
    let out = x.alias();
    for (let n = 0; n < padding.length; n += 2) {
      out = padOne(out, x.rank - 1 - n / 2, { before: padding[n]!, after: padding[n + 1]!, mode });
    }
    return out;
  });
}

interface Frame {
  readonly before: number;
  readonly after: number;
  readonly mode: string;
}

function padOne(x: Tensor, dim: number, { before, after, mode }: Frame): Tensor {
  if (before === 0 && after === 0) return x;
  // Going round starts from what a cut leaves; the other modes repeat what was there before.
  if (mode === "circular" && Math.min(before, after) < 0) {
    const left = x.pad([...new Array<number>(2 * (x.rank - 1 - dim)).fill(0), Math.min(before, 0), Math.min(after, 0)]);
    return padOne(left, dim, { before: Math.max(before, 0), after: Math.max(after, 0), mode });
  }
  const size = x.shape[dim]!;
  const most = mode === "reflect" ? size - 1 : mode === "circular" ? size : size === 0 ? 0 : Infinity;
  const length = before + size + after;
  if (Math.max(before, after) > most || length < 0) {
    throw new ShapeError(
      `Cannot pad ${formatShapes([x.shape])}: at most ${most} on dim ${dim}, and no less than is there, are needed with mode ${mode}, got ${
        Math.max(before, after)
      } and a size of ${length}`,
      { op: "pad", shapes: [x.shape] },
    );
  }
  const positions = Int32Array.from({ length }, (_, i) => sources[mode]!(i - before, size));
  return x.indexSelect(dim, tensor(positions, { device: x.device }));
}

/** Where the value at a position outside comes from. */
const sources: Readonly<Record<string, (position: number, size: number) => number>> = {
  reflect: (position, size) => position < 0 ? -position : position >= size ? 2 * (size - 1) - position : position,
  replicate: (position, size) => Math.min(size - 1, Math.max(0, position)),
  circular: (position, size) => (position + size) % size,
};

/** What padding layers share. */
export abstract class Padding extends Module {
  /** How many before and after, from the last dim backwards. */
  readonly padding: readonly number[];
  /** What is put there. */
  readonly options: PadOptions;

  /** Makes the layer of some dims, for one number on all sides or one per side. */
  constructor(padding: number | readonly number[], { dims, ...options }: PadOptions & { readonly dims: number }) {
    super();
    this.padding = typeof padding === "number"
      ? new Array<number>(2 * dims).fill(padding)
      : [...checkList(padding, `make ${this.constructor.name}`, "[1, 1]")];
    if (this.padding.length !== 2 * dims) {
      throw new ArgumentError(`Cannot make ${this.constructor.name}: one number or ${2 * dims} are needed, got ${this.padding.length}`);
    }
    this.options = options;
  }

  /** The last dims grow. */
  override forward(x: Tensor): Tensor {
    return pad(x, this.padding, this.options);
  }
}

/** Zeros around the last dims, of 1 dim: one number for all sides, or [left, right]. */
export class ZeroPad1d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 1, mode: "constant" });
  }
}

/** Zeros around the last dims, of 2 dims: one number for all sides, or [left, right, top, bottom]. */
export class ZeroPad2d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 2, mode: "constant" });
  }
}

/** Zeros around the last dims, of 3 dims: one number for all sides, or [left, right, top, bottom, front, back]. */
export class ZeroPad3d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 3, mode: "constant" });
  }
}

/** One value around the last dims, of 1 dim: one number for all sides, or [left, right]. */
export class ConstantPad1d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[], options: { readonly value?: number } = {}) {
    super(padding, { dims: 1, mode: "constant", ...checkOptions(options, "make ConstantPad1d", ["value"]) });
  }
}

/** One value around the last dims, of 2 dims: one number for all sides, or [left, right, top, bottom]. */
export class ConstantPad2d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[], options: { readonly value?: number } = {}) {
    super(padding, { dims: 2, mode: "constant", ...checkOptions(options, "make ConstantPad2d", ["value"]) });
  }
}

/** One value around the last dims, of 3 dims: one number for all sides, or [left, right, top, bottom, front, back]. */
export class ConstantPad3d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[], options: { readonly value?: number } = {}) {
    super(padding, { dims: 3, mode: "constant", ...checkOptions(options, "make ConstantPad3d", ["value"]) });
  }
}

/** The inside mirrored at the edges, of 1 dim: one number for all sides, or [left, right]. */
export class ReflectionPad1d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 1, mode: "reflect" });
  }
}

/** The inside mirrored at the edges, of 2 dims: one number for all sides, or [left, right, top, bottom]. */
export class ReflectionPad2d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 2, mode: "reflect" });
  }
}

/** The inside mirrored at the edges, of 3 dims: one number for all sides, or [left, right, top, bottom, front, back]. */
export class ReflectionPad3d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 3, mode: "reflect" });
  }
}

/** The edges repeated, of 1 dim: one number for all sides, or [left, right]. */
export class ReplicationPad1d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 1, mode: "replicate" });
  }
}

/** The edges repeated, of 2 dims: one number for all sides, or [left, right, top, bottom]. */
export class ReplicationPad2d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 2, mode: "replicate" });
  }
}

/** The edges repeated, of 3 dims: one number for all sides, or [left, right, top, bottom, front, back]. */
export class ReplicationPad3d extends Padding {
  /** Makes the layer. */
  constructor(padding: number | readonly number[]) {
    super(padding, { dims: 3, mode: "replicate" });
  }
}
