/**
 * Log-sum-exp over similarities of two row sets in WGSL, forward and backward, without storing the similarity matrix.
 *
 * A workgroup keeps up to 64 rows of one set and streams the other set past them in tiles. The forward pass keeps a running maximum,
 * over candidates only, and a running sum; the backward passes recompute exp(s - lse) and multiply it with the other set's rows at
 * once. The stream is cut into parts, for parallelism and for the loop trips an invocation may make; a last dispatch joins the parts.
 *
 * @module
 */
import { ArgumentError } from "../../tensor/errors.ts";
import type { PairsKernel, View } from "../../tensor/kernel.ts";
import { scalarDeclaration, scalarText } from "./expr.ts";
import { functionSource } from "./functions.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  type BufferUse,
  dotPosition,
  elementDispatch,
  emptyPlan,
  groupDispatch,
  readInput,
  temporary,
  tripBudget,
  u32,
  writeOutput,
} from "./shader.ts";

const side = 16;
const strip = 16;
const threads = side * side;
/** Splitting the stream stops at this many workgroups. */
const enoughGroups = 128;
/** Up to so many products, each result has an invocation of its own: tiles take longer to compile than they save. */
const directWork = 2 ** 21;
const scalars: Dispatch["scalars"] = [{ slot: 0, dtype: "float32" }];
/** The lowest finite float32: where a running maximum starts, so that it never is an infinity to subtract. */
const lowest = "-3.4028234663852886e38f";
const highest = "3.4028234663852886e38f";

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
  if (other * (depth + 1) <= tripBudget && own * other * depth * (forward ? 1 : depth) <= directWork) {
    return { temporaries: [], dispatches: [directDispatch({ kernel, inputs, output, own, other, depth, turned, limits })] };
  }
  const height = tileSize(own, 64);
  const width = tileSize(other, forward ? 64 : 32);
  const slice = forward ? 1 : tileSize(depth, 64);
  const slices = forward ? 1 : Math.ceil(depth / slice);
  const unrolled = depth > 8192;
  const trips = Math.ceil(depth / strip) * (unrolled ? 1 : strip + 1) + (forward ? 1 : 2 * (strip + 2));
  if (trips > tripBudget) {
    throw new ArgumentError(
      `Cannot compare rows of ${depth} elements on webgpu: at most ${strip * (tripBudget - 64)} are needed, got ${depth}`,
    );
  }
  const tiles = Math.max(1, Math.ceil(other / width));
  const groups = Math.ceil(own / height) * slices;
  const least = Math.ceil(tiles / Math.floor(tripBudget / trips));
  const part = Math.ceil(tiles / Math.max(least, Math.min(tiles, Math.ceil(enoughGroups / groups)))) * width;
  const parts = Math.max(1, Math.ceil(other / part));
  const pass: Pass = { kernel, inputs, output, own, other, depth, height, width, slice, slices, part, parts, unrolled, turned, limits };
  const stream = forward ? forwardDispatch(pass) : backwardDispatch(pass);
  if (parts === 1) return { temporaries: [], dispatches: [stream] };
  return { temporaries: [parts * own * (forward ? 1 : depth) * 4], dispatches: [stream, forward ? joinDispatch(pass) : sumDispatch(pass)] };
}

function tileSize(extent: number, most: number): number {
  return Math.min(most, extent <= 16 ? 16 : extent <= 32 ? 32 : 64);
}

/** The two row sets: each result belongs to one of the `own` rows, `other` rows stream past; `turned` when the own rows are b's. */
interface Rows {
  readonly kernel: PairsKernel;
  readonly inputs: readonly View[];
  readonly output: View;
  readonly own: number;
  readonly other: number;
  readonly depth: number;
  readonly turned: boolean;
  readonly limits: Limits;
}

/** How tiles divide the work. */
interface Pass extends Rows {
  readonly height: number;
  readonly width: number;
  /** Columns of the gradient a workgroup computes, and how many such slices there are. */
  readonly slice: number;
  readonly slices: number;
  readonly part: number;
  readonly parts: number;
  readonly unrolled: boolean;
}

function bindRows({ kernel, inputs, output }: Rows, parts: number): Buffers {
  const uses: BufferUse[] = [readInput("a", 0, inputs[0]!), readInput("b", 1, inputs[1]!)];
  const more = kernel.sameLabel ? 4 : 2;
  if (kernel.sameLabel) uses.push(readInput("labels_a", 2, inputs[2]!), readInput("labels_b", 3, inputs[3]!));
  if (kernel.direction !== "forward") uses.push(readInput("lse", more, inputs[more]!), readInput("g", more + 1, inputs[more + 1]!));
  return bindBuffers([...uses, parts === 1 ? writeOutput("y", 0, output) : temporary("y", 0, "float32", "read_write")]);
}

/** The element of one of the kernel's vectors. */
function vectorElement({ kernel, inputs }: Rows, buffers: Buffers, name: "labels_a" | "labels_b" | "lse" | "g", at: string): string {
  const slot = name === "labels_a" ? 2 : name === "labels_b" ? 3 : (kernel.sameLabel ? 4 : 2) + (name === "g" ? 1 : 0);
  const view = inputs[slot]!;
  return buffers.load(name, dotPosition([at], view.strides, view.offset));
}

/** WGSL: elements of the own and the other rows, 0 outside, and whether a pair counts. */
function accessSource(rows: Rows, buffers: Buffers): string {
  const { kernel, inputs, own, other, depth, turned } = rows;
  const element = (name: "a" | "b") => {
    const { strides, offset } = inputs[name === "a" ? 0 : 1]!;
    return buffers.load(name, dotPosition(["row", "d"], strides, offset));
  };
  const conditions = [`own < ${u32(own)}`, "other < last"];
  if (kernel.excludeDiagonal) conditions.push("own != other");
  if (kernel.sameLabel) {
    const [i, j] = turned ? ["other", "own"] : ["own", "other"];
    conditions.push(`${vectorElement(rows, buffers, "labels_a", i)} == ${vectorElement(rows, buffers, "labels_b", j)}`);
  }
  return `fn own_element(row: u32, d: u32) -> f32 {
  if (row >= ${u32(own)} || d >= ${u32(depth)}) { return 0f; }
  return ${element(turned ? "b" : "a")};
}
fn other_element(row: u32, d: u32) -> f32 {
  if (row >= ${u32(other)} || d >= ${u32(depth)}) { return 0f; }
  return ${element(turned ? "a" : "b")};
}
fn is_candidate(own: u32, other: u32, last: u32) -> bool {
  return ${conditions.join(" && ")};
}
`;
}

/** One invocation per result. */
function directDispatch(rows: Rows): Dispatch {
  const { kernel, output, own, other, depth, turned, limits } = rows;
  const forward = kernel.direction === "forward";
  const buffers = bindRows(rows, 1);
  const anchor = turned ? "j" : "row";
  const body = forward
    ? `    let before = top;
    top = max(top, clamp(s, ${lowest}, ${highest}));
    total = total * exp32(before - top) + exp32(s - top);`
    : `    let share = exp32(s - ${vectorElement(rows, buffers, "lse", anchor)});
    total += factor * ${vectorElement(rows, buffers, "g", anchor)} * share * other_element(j, column);`;
  return elementDispatch({
    label: `pairs ${kernel.direction}`,
    buffers,
    size: forward ? own : own * depth,
    scalars,
    declarations: scalarDeclaration(scalars) + functionSource(["exp32", "log32"]) + accessSource(rows, buffers),
    body: `  let factor = ${scalarText(scalars, 0, "float32")};
  let row = element${forward ? "" : ` / ${u32(depth)}`};
${forward ? "" : `  let column = element % ${u32(depth)};\n`}  var top = ${lowest};
  var total = 0f;
  for (var j = 0u; j < ${u32(other)}; j++) {
    if (!is_candidate(row, j, ${u32(other)})) { continue; }
    var dot = 0f;
    for (var d = 0u; d < ${u32(depth)}; d++) { dot += own_element(row, d) * other_element(j, d); }
    let s = factor * dot;
${body}
  }
  ${buffers.store("y", `element + ${u32(output.offset)}`, forward ? "top + log32(total)" : "total")}`,
  }, limits);
}

/** Statements that leave the dot products of this invocation's pairs in `dot_r_c`, for own rows from `row0`, other rows from `other0`. */
function dotProducts({ depth, height, width, unrolled }: Pass): string {
  const tall = range(height / side);
  const wide = range(width / side);
  const cells = tall.flatMap((r) => wide.map((c) => [r, c] as const));
  const right = strip * (height + 1);
  const step = (d: string) =>
    `${tall.map((r) => `let own_${r} = tile[${d} * ${u32(height + 1)} + local / ${u32(side)} + ${u32(r * side)}];`).join("\n      ")}
      ${
      wide.map((c) => `let other_${c} = tile[${u32(right)} + ${d} * ${u32(width + 1)} + local % ${u32(side)} + ${u32(c * side)}];`)
        .join("\n      ")
    }
      ${cells.map(([r, c]) => `dot_${r}_${c} += own_${r} * other_${c};`).join("\n      ")}`;
  const steps = unrolled
    ? range(strip).map((d) => `    {\n      ${step(u32(d))}\n    }`).join("\n")
    : `    for (var d = 0u; d < ${u32(strip)}; d++) {\n      ${step("d")}\n    }`;
  const load = (name: string, start: string, base: number, across: number, q: number) =>
    `    tile[${u32(base)} + local % ${u32(strip)} * ${u32(across + 1)} + local / ${u32(strip)} + ${u32(q * side)}] = ` +
    `${name}(${start} + local / ${u32(strip)} + ${u32(q * side)}, depth0 + local % ${u32(strip)});`;
  return `${cells.map(([r, c]) => `    var dot_${r}_${c} = 0f;`).join("\n")}
    for (var depth0 = 0u; depth0 < ${u32(depth)}; depth0 += ${u32(strip)}) {
    workgroupBarrier();
${tall.map((q) => load("own_element", "row0", 0, height, q)).join("\n")}
${wide.map((q) => load("other_element", "other0", right, width, q)).join("\n")}
    workgroupBarrier();
${steps}
    }`;
}

/** `let`s common to both streams. */
function streamStart({ own, other, height, slices, part }: Pass): string {
  const down = Math.ceil(own / height);
  return `  let row0 = group % ${u32(down)} * ${u32(height)};
  let slice = group / ${u32(down)} % ${u32(slices)};
  let part = group / ${u32(down * slices)};
  let first = part * ${u32(part)};
  let last = min(first + ${u32(part)}, ${u32(other)});
  let factor = ${scalarText(scalars, 0, "float32")};
  let own_row = row0 + local / ${u32(side)};
  let lane = local % ${u32(side)};`;
}

/** Each invocation keeps a running maximum and sum for its share of the columns of its rows; 16 of them are joined per row at the end. */
function forwardDispatch(pass: Pass): Dispatch {
  const { own, height, width, parts, output, limits } = pass;
  const buffers = bindRows(pass, parts);
  const tall = range(height / side);
  const wide = range(width / side);
  const shared = Math.max(strip * (height + width + 2), 2 * height * side);
  const absorb = (r: number) =>
    `    {
${
      wide.map((c) =>
        `      let in_${c} = is_candidate(own_row + ${u32(r * side)}, other0 + lane + ${u32(c * side)}, last);
      let s_${c} = factor * dot_${r}_${c};`
      ).join("\n")
    }
      var top = top_${r};
${wide.map((c) => `      top = max(top, select(${lowest}, clamp(s_${c}, ${lowest}, ${highest}), in_${c}));`).join("\n")}
      total_${r} = total_${r} * exp32(top_${r} - top)${wide.map((c) => ` + select(0f, exp32(s_${c} - top), in_${c})`).join("")};
      top_${r} = top;
    }`;
  const at = parts === 1 ? `row + ${u32(output.offset)}` : `part * ${u32(own)} + row`;
  return groupDispatch({
    label: "pairs forward",
    buffers,
    count: Math.ceil(own / height) * parts,
    threads,
    scalars,
    declarations: `${scalarDeclaration(scalars)}${functionSource(["exp32", "log32"])}${accessSource(pass, buffers)}
var<workgroup> tile: array<f32, ${shared}>;`,
    body: `${streamStart(pass)}
${tall.map((r) => `  var top_${r} = ${lowest};\n  var total_${r} = 0f;`).join("\n")}
  for (var other0 = first; other0 < last; other0 += ${u32(width)}) {
${dotProducts(pass)}
${tall.map(absorb).join("\n")}
  }
  workgroupBarrier();
${
      tall.map((r) =>
        `  tile[(local / ${u32(side)} + ${u32(r * side)}) * ${u32(side)} + lane] = top_${r};
  tile[${u32(height * side)} + (local / ${u32(side)} + ${u32(r * side)}) * ${u32(side)} + lane] = total_${r};`
      ).join("\n")
    }
  workgroupBarrier();
  let row = row0 + local;
  if (local >= ${u32(height)} || row >= ${u32(own)}) { return; }
  var top = ${lowest};
  for (var i = 0u; i < ${u32(side)}; i++) { top = max(top, tile[local * ${u32(side)} + i]); }
  var total = 0f;
  for (var i = 0u; i < ${u32(side)}; i++) {
    total += tile[${u32(height * side)} + local * ${u32(side)} + i] * exp32(tile[local * ${u32(side)} + i] - top);
  }
  ${buffers.store("y", at, "top + log32(total)")}`,
  }, limits);
}

/** Joins the parts' log-sum-exps. */
function joinDispatch({ own, parts, output, limits }: Pass): Dispatch {
  const buffers = bindBuffers([temporary("partial", 0, "float32", "read"), writeOutput("y", 0, output)]);
  return elementDispatch({
    label: "pairs join",
    buffers,
    size: own,
    declarations: functionSource(["exp32", "log32"]),
    body: `  var top = ${lowest};
  var total = 0f;
  for (var part = 0u; part < ${u32(parts)}; part++) {
    let value = ${buffers.load("partial", `part * ${u32(own)} + element`)};
    let before = top;
    top = max(top, clamp(value, ${lowest}, ${highest}));
    total = total * exp32(before - top) + exp32(value - top);
  }
  ${buffers.store("y", `element + ${u32(output.offset)}`, "top + log32(total)")}`,
  }, limits);
}

/** The weights of a tile of pairs go to workgroup memory and are multiplied with a slice of the other rows. */
function backwardDispatch(pass: Pass): Dispatch {
  const { own, other, depth, height, width, slice, slices, parts, output, turned, limits } = pass;
  const buffers = bindRows(pass, parts);
  const tall = range(height / side);
  const wide = range(width / side);
  const across = range(slice / side);
  const cells = tall.flatMap((r) => across.map((c) => [r, c] as const));
  const anchor = turned ? `min(other0 + lane + ANCHOR, ${u32(other - 1)})` : `min(own_row + ANCHOR, ${u32(own - 1)})`;
  const weight = (r: number, c: number) => {
    const i = anchor.replace("ANCHOR", u32((turned ? c : r) * side));
    return `    {
      let i = ${i};
      let counts = is_candidate(own_row + ${u32(r * side)}, other0 + lane + ${u32(c * side)}, last);
      let share = exp32(factor * dot_${r}_${c} - ${vectorElement(pass, buffers, "lse", "i")});
      weights[(lane + ${u32(c * side)}) * ${u32(height + 1)} + local / ${u32(side)} + ${u32(r * side)}] = ` +
      `select(0f, factor * ${vectorElement(pass, buffers, "g", "i")} * share, counts);
    }`;
  };
  const at = parts === 1 ? `(row * ${u32(depth)} + column) + ${u32(output.offset)}` : `(part * ${u32(own)} + row) * ${u32(depth)} + column`;
  return groupDispatch({
    label: `pairs ${pass.kernel.direction}`,
    buffers,
    count: Math.ceil(own / height) * slices * parts,
    threads,
    scalars,
    declarations: `${scalarDeclaration(scalars)}${functionSource(["exp32"])}${accessSource(pass, buffers)}
var<workgroup> tile: array<f32, ${Math.max(strip * (height + width + 2), strip * (slice + 1))}>;
var<workgroup> weights: array<f32, ${width * (height + 1)}>;
fn finish(part: u32, row: u32, column: u32, value: f32) {
  if (row >= ${u32(own)} || column >= ${u32(depth)}) { return; }
  ${buffers.store("y", at, "value")}
}`,
    body: `${streamStart(pass)}
  let column0 = slice * ${u32(slice)};
${cells.map(([r, c]) => `  var sum_${r}_${c} = 0f;`).join("\n")}
  for (var other0 = first; other0 < last; other0 += ${u32(width)}) {
${dotProducts(pass)}
${tall.flatMap((r) => wide.map((c) => weight(r, c))).join("\n")}
    for (var stage = 0u; stage < ${u32(width)}; stage += ${u32(strip)}) {
    workgroupBarrier();
${
      across.map((q) =>
        `    tile[local / ${u32(slice)} * ${u32(slice + 1)} + local % ${u32(slice)} + ${u32(q * (threads / slice) * (slice + 1))}] = ` +
        `other_element(other0 + stage + local / ${u32(slice)} + ${u32(q * threads / slice)}, column0 + local % ${u32(slice)});`
      ).join("\n")
    }
    workgroupBarrier();
    for (var j = 0u; j < ${u32(strip)}; j++) {
${
      tall.map((r) => `      let weight_${r} = weights[(stage + j) * ${u32(height + 1)} + local / ${u32(side)} + ${u32(r * side)}];`).join(
        "\n",
      )
    }
${across.map((c) => `      let other_${c} = tile[j * ${u32(slice + 1)} + lane + ${u32(c * side)}];`).join("\n")}
${cells.map(([r, c]) => `      sum_${r}_${c} += weight_${r} * other_${c};`).join("\n")}
    }
    }
  }
${cells.map(([r, c]) => `  finish(part, own_row + ${u32(r * side)}, column0 + lane + ${u32(c * side)}, sum_${r}_${c});`).join("\n")}`,
  }, limits);
}

/** Adds the parts' gradients. */
function sumDispatch({ own, depth, parts, output, limits }: Pass): Dispatch {
  const buffers = bindBuffers([temporary("partial", 0, "float32", "read"), writeOutput("y", 0, output)]);
  const size = own * depth;
  return elementDispatch({
    label: "pairs sum",
    buffers,
    size,
    body: `  var value = 0f;
  for (var part = 0u; part < ${u32(parts)}; part++) { value += ${buffers.load("partial", `part * ${u32(size)} + element`)}; }
  ${buffers.store("y", `element + ${u32(output.offset)}`, "value")}`,
  }, limits);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
