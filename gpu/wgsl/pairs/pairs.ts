/**
 * Log-sum-exp over similarities of two row sets in WGSL, forward and backward, without storing the similarity matrix.
 *
 * A workgroup keeps a tile's height of rows of one set and streams the other set past them. The similarities of a tile are a matrix product
 * like any other; the forward pass keeps a running maximum, over candidates only, and a running sum; the backward passes recompute
 * exp(s - lse) and multiply it with the other set's rows at once. The stream is cut into parts, for parallelism and for the loop trips an
 * invocation may make; a last dispatch joins the parts.
 *
 * @module
 */
import { ArgumentError } from "../../../tensor/errors.ts";
import type { PairsKernel, View } from "../../../tensor/kernel.ts";
import { scalarDeclaration, scalarText } from "../expr.ts";
import { functionSource } from "../functions.ts";
import { accessSource } from "../product/access.ts";
import { enoughGroups, stripFours, tileExtent } from "../product/choice.ts";
import { tripsPerStrip } from "../product/tile.ts";
import type { Dispatch, Limits, Plan, Tile } from "../program.ts";
import { elementDispatch, emptyPlan, tripBudget, u32 } from "../shader.ts";
import { backwardBytes, backwardDispatch, sliceWidth, sumDispatch, weightTrips } from "./backward.ts";
import { forwardDispatch, joinBytes, joinDispatch } from "./forward.ts";
import { bindRows, candidateSource, highest, lowest, productOfRows, type Rows, scalars, vectorElement } from "./rows.ts";

/** Up to so many products, each result has an invocation of its own: tiles take longer to compile than they save. */
const directWork = 2 ** 21;

/** How a workgroup divides its pairs, and its slice of the gradient. */
interface Choice {
  readonly tile: Tile;
  readonly sliceResults: number;
}

const wide = { strip: 8, unroll: 8, shared: true } as const;
const deep = { strip: 16, unroll: 4, shared: true } as const;
const registers = { strip: 4, unroll: 4, shared: false } as const;

/** Largest first; the last one fits every device. */
const forwardChoices = {
  hardware: [
    { tile: { threads: [16, 16], results: [8, 8], ...wide }, sliceResults: 0 },
    { tile: { threads: [16, 16], results: [4, 4], ...deep }, sliceResults: 0 },
    { tile: { threads: [8, 8], results: [4, 4], ...deep }, sliceResults: 0 },
  ],
  software: [{ tile: { threads: [8, 8], results: [4, 4], ...registers }, sliceResults: 0 }],
} as const satisfies Record<string, readonly Choice[]>;

const backwardChoices = {
  hardware: [
    { tile: { threads: [16, 16], results: [4, 4], ...deep }, sliceResults: 8 },
    { tile: { threads: [16, 16], results: [4, 4], ...deep }, sliceResults: 4 },
    { tile: { threads: [8, 8], results: [4, 4], ...deep }, sliceResults: 4 },
  ],
  software: [
    { tile: { threads: [8, 8], results: [8, 8], ...registers }, sliceResults: 8 },
    { tile: { threads: [8, 8], results: [4, 4], ...registers }, sliceResults: 8 },
  ],
} as const satisfies Record<string, readonly Choice[]>;

/** The dispatches of a {@link PairsKernel}. */
export function planPairs(kernel: PairsKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const [a, b] = inputs as [View, View];
  const output = outputs[0]!;
  const turned = kernel.direction === "columns";
  const forward = kernel.direction === "forward";
  const own = (turned ? b : a).shape[0]!;
  const other = (turned ? a : b).shape[0]!;
  const depth = a.shape[1]!;
  if (own === 0 || (!forward && depth === 0)) return emptyPlan;
  const rows: Rows = { kernel, inputs, output, own, other, depth, turned, limits };
  if (other * (depth + 1) <= tripBudget && own * other * depth * (forward ? 1 : depth) <= directWork) {
    return { temporaries: [], dispatches: [directDispatch(rows)] };
  }
  const { tile, sliceResults } = choose(rows);
  const [height, width] = tileExtent(tile);
  const trips = Math.ceil(depth / tile.strip) * tripsPerStrip(tile) + (forward ? 1 : weightTrips(tile));
  if (trips > tripBudget) {
    const most = Math.floor((tripBudget - weightTrips(tile)) / tripsPerStrip(tile)) * tile.strip;
    throw new ArgumentError(`Cannot compare rows of ${depth} elements on webgpu: at most ${most} are needed, got ${depth}`);
  }
  const slices = forward ? 1 : Math.ceil(depth / sliceWidth({ tile, sliceResults }));
  const tiles = Math.max(1, Math.ceil(other / width));
  const groups = Math.ceil(own / height) * slices;
  const least = Math.ceil(tiles / Math.floor(tripBudget / trips));
  const part = Math.ceil(tiles / Math.max(least, Math.min(tiles, Math.ceil(enoughGroups(tile, limits) / groups)))) * width;
  const parts = Math.max(1, Math.ceil(other / part));
  const pass = { ...rows, tile, sliceResults, part, parts };
  const stream = forward ? forwardDispatch(pass) : backwardDispatch(pass);
  if (parts === 1) return { temporaries: [], dispatches: [stream] };
  return { temporaries: [parts * own * (forward ? 1 : depth) * 4], dispatches: [stream, forward ? joinDispatch(pass) : sumDispatch(pass)] };
}

/** The largest choice that the device holds and the rows fill. */
function choose({ kernel, own, other, limits }: Rows): Choice {
  const forward = kernel.direction === "forward";
  const choices: readonly Choice[] = (forward ? forwardChoices : backwardChoices)[limits.software ? "software" : "hardware"];
  const found = choices.find((choice) => {
    const [height, width] = tileExtent(choice.tile);
    const strips = stripFours(choice.tile).reduce((sum, fours) => sum + fours);
    const bytes = forward ? joinBytes(choice.tile) + 16 * strips : backwardBytes(choice);
    return own >= height && other >= width && bytes <= limits.workgroupMemory;
  });
  return found ?? choices.at(-1)!;
}

/** One invocation per result. */
function directDispatch(rows: Rows): Dispatch {
  const { kernel, output, own, other, depth, turned, limits } = rows;
  const forward = kernel.direction === "forward";
  const buffers = bindRows(rows, 1);
  const product = productOfRows(rows);
  const anchor = turned ? "j" : "row";
  const body = forward
    ? `    let before = top;
    top = max(top, clamp(s, ${lowest}, ${highest}));
    total = total * exp32(before - top) + exp32(s - top);`
    : `    let share = exp32(s - ${vectorElement(rows, buffers, "lse", anchor)});
    total += factor * ${vectorElement(rows, buffers, "g", anchor)} * share * right(right_start, other_place, right_depth(column));`;
  return elementDispatch({
    label: `pairs ${kernel.direction}`,
    buffers,
    size: forward ? own : own * depth,
    scalars,
    declarations: scalarDeclaration(scalars) + functionSource(["exp32", "log32"]) + accessSource(product, buffers) +
      candidateSource(rows, buffers),
    body: `  let factor = ${scalarText(scalars, 0, "float32")};
  let left_start = ${product.left.start};
  let right_start = ${product.right.start};
  let row = element${forward ? "" : ` / ${u32(depth)}`};
${forward ? "" : `  let column = element % ${u32(depth)};\n`}  var top = ${lowest};
  var total = 0f;
  let own_place = left_across(row);
  for (var j = 0u; j < ${u32(other)}; j++) {
    if (!is_candidate(row, j, ${u32(other)})) { continue; }
    let other_place = right_across(j);
    var dot = 0f;
    for (var d = 0u; d < ${
      u32(depth)
    }; d++) { dot += left(left_start, own_place, left_depth(d)) * right(right_start, other_place, right_depth(d)); }
    let s = factor * dot;
${body}
  }
  ${buffers.store("y", `element + ${u32(output.offset)}`, forward ? "top + log32(total)" : "total")}`,
  }, limits);
}
