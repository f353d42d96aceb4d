/**
 * The gradient of log-sum-exp over streamed similarities, for the rows of either set.
 *
 * @module
 */
import { scalarDeclaration } from "../expr.ts";
import { functionSource } from "../functions.ts";
import { stripFours, tileExtent } from "../product/choice.ts";
import { resultBlocks, tileDeclarations, tileLoop } from "../product/tile.ts";
import type { Dispatch, Tile } from "../program.ts";
import { bindBuffers, type Buffers, elementDispatch, groupDispatch, range, temporary, u32, writeOutput } from "../shader.ts";
import { bindRows, candidateSource, otherRow, ownRow, type Pass, scalars, streamStart, tileSourceOf, vectorElement } from "./rows.ts";

/** Other rows whose slice goes through workgroup memory at a time. */
const stage = 8;

/** A pass of the gradient, of which a workgroup computes a slice of columns. */
export interface BackwardPass extends Pass {
  /** Columns that each invocation computes, a multiple of 4. */
  readonly sliceResults: number;
}

/** Columns of the gradient that a workgroup computes. */
export function sliceWidth({ tile, sliceResults }: Pick<BackwardPass, "tile" | "sliceResults">): number {
  return tile.threads[1] * sliceResults;
}

/** Bytes of workgroup memory of a pass. */
export function backwardBytes(choice: Pick<BackwardPass, "tile" | "sliceResults">): number {
  const { tile } = choice;
  const [height, width] = tileExtent(tile);
  const weights = width * (height / 4 + 1);
  const strips = stripFours(tile).reduce((sum, fours) => sum + fours);
  return 16 * (weights + (tile.shared ? strips + stage * sliceWidth(choice) / 4 : 0));
}

/** Loop trips beside those of the product, for a tile of other rows. */
export function weightTrips(tile: Tile): number {
  const [, width] = tileExtent(tile);
  return 1 + (tile.shared ? width / stage * (1 + stage) : width);
}

/** The weights of a tile of pairs go to workgroup memory and are multiplied with a slice of the other rows. */
export function backwardDispatch(pass: BackwardPass): Dispatch {
  const { own, depth, tile, sliceResults, parts, output, limits } = pass;
  const buffers = bindRows(pass, parts);
  const source = tileSourceOf(pass, buffers);
  const [height, width] = tileExtent(tile);
  const slices = Math.ceil(depth / sliceWidth(pass));
  const results = resultBlocks({ results: [tile.results[0], sliceResults] }, "result");
  const at = parts === 1 ? `(row * ${u32(depth)} + column) + ${u32(output.offset)}` : `(part * ${u32(own)} + row) * ${u32(depth)} + column`;
  const staged = tile.shared ? `var<workgroup> staged: array<vec4<f32>, ${stage * sliceWidth(pass) / 4}>;\n` : "";
  return groupDispatch({
    label: `pairs ${pass.kernel.direction}`,
    buffers,
    count: Math.ceil(own / height) * slices * parts,
    threads: tile.threads[0] * tile.threads[1],
    scalars,
    declarations: `${scalarDeclaration(scalars)}${functionSource(["exp32"])}${tileDeclarations(source)}${candidateSource(pass, buffers)}${
      weightSource(pass, buffers)
    }${staged}var<workgroup> weights: array<vec4<f32>, ${width * (height / 4 + 1)}>;
fn finish(part: u32, row: u32, column: u32, value: f32) {
  if (row >= ${u32(own)} || column >= ${u32(depth)}) { return; }
  ${buffers.store("y", at, "value")}
}`,
    body: `${streamStart(pass, slices)}
  let left_start = ${source.product.left.start};
  let right_start = ${source.product.right.start};
  let slice_column = slice * ${u32(sliceWidth(pass))};
${results.map(({ name }) => `  var ${name} = vec4<f32>(0);`).join("\n")}
  for (var tile_column = begin; tile_column < end; tile_column += ${u32(width)}) {
${tileLoop(source)}
    workgroupBarrier();
${weightLines(pass)}
    workgroupBarrier();
${tile.shared ? stagedLoop(pass) : directLoop(pass)}
  }
${
      results.flatMap(({ g, i, h, name }) =>
        range(4).map((k) => `  finish(part, ${ownRow(pass, g, i)}, ${sliceColumn(pass, h)} + ${u32(k)}, ${name}[${k}]);`)
      ).join("\n")
    }`,
  }, limits);
}

/** WGSL: the weight of a pair, and four elements of an other row. */
function weightSource(pass: Pass, buffers: Buffers): string {
  const { own, other, depth, turned } = pass;
  const anchor = turned ? `min(other, ${u32(other - 1)})` : `min(own, ${u32(own - 1)})`;
  return `fn weight(own: u32, other: u32, end: u32, product: f32, factor: f32) -> f32 {
  let anchor = ${anchor};
  let share = exp32(factor * product - ${vectorElement(pass, buffers, "lse", "anchor")});
  return select(0f, factor * ${vectorElement(pass, buffers, "g", "anchor")} * share, is_candidate(own, other, end));
}
fn other_four(start: u32, row: u32, column: u32) -> vec4<f32> {
  let across = right_across(min(row, ${u32(other - 1)}));
  return vec4<f32>(${range(4).map((k) => `right(start, across, right_depth(min(column + ${u32(k)}, ${u32(depth - 1)})))`).join(", ")});
}
`;
}

/** Puts the weights of an invocation's pairs into workgroup memory, four own rows of one other row together. */
function weightLines(pass: Pass): string {
  const { tile } = pass;
  const [height] = tileExtent(tile);
  return range(tile.results[1] / 4).flatMap((h) =>
    range(4).flatMap((j) =>
      range(tile.results[0] / 4).map((g) => {
        const four = range(4).map((i) =>
          `weight(${ownRow(pass, g, i)}, ${otherRow(pass, h)} + ${u32(j)}, end, sum_${g}_${i}_${h}[${j}], factor)`
        );
        const at = `((${u32(h * tile.threads[1])} + thread_column) * 4u + ${u32(j)}) * ${u32(height / 4 + 1)} + thread_row + ${
          u32(g * tile.threads[0])
        }`;
        return `    weights[${at}] = vec4<f32>(${four.join(", ")});`;
      })
    )
  ).join("\n");
}

/** Multiplies the weights with the other rows, whose slice goes through workgroup memory. */
function stagedLoop(pass: BackwardPass): string {
  const { tile } = pass;
  const [, width] = tileExtent(tile);
  const fours = sliceWidth(pass) / 4;
  const threads = tile.threads[0] * tile.threads[1];
  const units = stage * fours;
  const loads = range(Math.ceil(units / threads)).map((q) => {
    const unit = `(local + ${u32(q * threads)})`;
    const row = `tile_column + stage + ${unit} / ${u32(fours)}`;
    const load = `staged[${unit}] = other_four(right_start, ${row}, slice_column + ${unit} % ${u32(fours)} * 4u);`;
    return (q + 1) * threads > units ? `      if (${unit} < ${u32(units)}) { ${load} }` : `      ${load}`;
  });
  const right = (h: number) => `staged[j * ${u32(fours)} + ${u32(h * tile.threads[1])} + thread_column]`;
  return `    for (var stage = 0u; stage < ${u32(width)}; stage += ${u32(stage)}) {
      workgroupBarrier();
${loads.join("\n")}
      workgroupBarrier();
      for (var j = 0u; j < ${u32(stage)}; j++) {
${multiplyLines(pass, "stage + j", right)}
      }
    }`;
}

/** The same with the other rows read straight from memory. */
function directLoop(pass: BackwardPass): string {
  const [, width] = tileExtent(pass.tile);
  const right = (h: number) => `other_four(right_start, tile_column + j, ${sliceColumn(pass, h)})`;
  return `    for (var j = 0u; j < ${u32(width)}; j++) {
${multiplyLines(pass, "j", right)}
    }`;
}

function multiplyLines({ tile, sliceResults }: BackwardPass, row: string, right: (h: number) => string): string {
  const [height] = tileExtent(tile);
  const left = range(tile.results[0] / 4).map((g) =>
    `      let weight_${g} = weights[(${row}) * ${u32(height / 4 + 1)} + thread_row + ${u32(g * tile.threads[0])}];`
  );
  const rights = range(sliceResults / 4).map((h) => `      let other_${h} = ${right(h)};`);
  const sums = resultBlocks({ results: [tile.results[0], sliceResults] }, "result").map(({ g, i, h, name }) =>
    `      ${name} += weight_${g}[${i}] * other_${h};`
  );
  return [...left, ...rights, ...sums].join("\n");
}

/** The first of the four columns of a block of the slice. */
function sliceColumn({ tile }: Pass, h: number): string {
  return `slice_column + (${u32(h * tile.threads[1])} + thread_column) * 4u`;
}

/** Adds the parts' gradients. */
export function sumDispatch({ own, depth, parts, output, limits }: Pass): Dispatch {
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
