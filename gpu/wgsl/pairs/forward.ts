/**
 * Log-sum-exp over streamed similarities.
 *
 * @module
 */
import { scalarDeclaration } from "../expr.ts";
import { functionSource } from "../functions.ts";
import { tileExtent } from "../product/choice.ts";
import { resultBlocks, tileDeclarations, tileLoop } from "../product/tile.ts";
import type { Dispatch, Tile } from "../program.ts";
import { bindBuffers, elementDispatch, groupDispatch, range, temporary, u32, writeOutput } from "../shader.ts";
import { bindRows, candidateSource, highest, lowest, otherRow, ownRow, type Pass, scalars, streamStart, tileSourceOf } from "./rows.ts";

/** Bytes that the invocations of a row need to join what they hold. */
export function joinBytes(tile: Tile): number {
  return 8 * tileExtent(tile)[0] * tile.threads[1];
}

/** Takes four similarities into a running maximum (over candidates only) and a running sum of exponentials below it. */
const absorbSource = `fn absorb(state: vec2<f32>, products: vec4<f32>, own: u32, other: u32, end: u32, factor: f32) -> vec2<f32> {
  let s = factor * products;
${range(4).map((j) => `  let in_${j} = is_candidate(own, other + ${u32(j)}, end);`).join("\n")}
  var top = state.x;
${range(4).map((j) => `  top = max(top, select(${lowest}, clamp(s[${j}], ${lowest}, ${highest}), in_${j}));`).join("\n")}
  let before = state.y * exp32(state.x - top);
  return vec2<f32>(top, before + ${range(4).map((j) => `select(0f, exp32(s[${j}] - top), in_${j})`).join(" + ")});
}
`;

/** Each invocation keeps a running maximum and sum for its share of the columns of its rows; those of a row are joined at the end. */
export function forwardDispatch(pass: Pass): Dispatch {
  const { own, tile, parts, output, limits } = pass;
  const buffers = bindRows(pass, parts);
  const source = tileSourceOf(pass, buffers);
  const [height, width] = tileExtent(tile);
  const lanes = tile.threads[1];
  const rows = range(tile.results[0] / 4).flatMap((g) => range(4).map((i) => ({ g, i, name: `state_${g}_${i}` })));
  const at = parts === 1 ? `row + ${u32(output.offset)}` : `part * ${u32(own)} + row`;
  return groupDispatch({
    label: "pairs forward",
    buffers,
    count: Math.ceil(own / height) * parts,
    threads: tile.threads[0] * lanes,
    scalars,
    declarations: `${scalarDeclaration(scalars)}${functionSource(["exp32", "log32"])}${tileDeclarations(source)}${
      candidateSource(pass, buffers)
    }${absorbSource}var<workgroup> joined: array<vec2<f32>, ${height * lanes}>;`,
    body: `${streamStart(pass)}
  let left_start = ${source.product.left.start};
  let right_start = ${source.product.right.start};
${rows.map(({ name }) => `  var ${name} = vec2<f32>(${lowest}, 0f);`).join("\n")}
  for (var tile_column = begin; tile_column < end; tile_column += ${u32(width)}) {
${tileLoop(source)}
${
      resultBlocks(tile).map(({ g, i, h, name }) =>
        `    state_${g}_${i} = absorb(state_${g}_${i}, ${name}, ${ownRow(pass, g, i)}, ${otherRow(pass, h)}, end, factor);`
      ).join("\n")
    }
  }
${
      rows.map(({ g, i, name }) =>
        `  joined[((${u32(g * tile.threads[0])} + thread_row) * 4u + ${u32(i)}) * ${u32(lanes)} + thread_column] = ${name};`
      )
        .join("\n")
    }
  workgroupBarrier();
  let row = tile_row + local;
  if (local >= ${u32(height)} || row >= ${u32(own)}) { return; }
  var top = ${lowest};
  for (var lane = 0u; lane < ${u32(lanes)}; lane++) { top = max(top, joined[local * ${u32(lanes)} + lane].x); }
  var total = 0f;
  for (var lane = 0u; lane < ${u32(lanes)}; lane++) {
    let state = joined[local * ${u32(lanes)} + lane];
    total += state.y * exp32(state.x - top);
  }
  ${buffers.store("y", at, "top + log32(total)")}`,
  }, limits);
}

/** Joins the parts' log-sum-exps. */
export function joinDispatch({ own, parts, output, limits }: Pass): Dispatch {
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
