/**
 * The WGSL of one tile of a matrix product.
 *
 * An invocation keeps its results in registers, in blocks of 4 × 4: neighbouring invocations have neighbouring blocks, so that reads of
 * workgroup memory are broadcasts or runs, and writes of results are runs. Strips of the operands go through workgroup memory as
 * vectors of four neighbours across; the next strip is fetched while this one is multiplied. Indices beyond the operands are clamped, since
 * what they lead to is never stored, so the loop has no tests but, where the depth is no multiple of the strip, zeros past its end.
 *
 * @module
 */
import { sizeOf } from "../../../tensor/shape.ts";
import { exprPrelude, scalarList } from "../expr.ts";
import type { Dispatch, Limits, Tile } from "../program.ts";
import { bindBuffers, type Buffers, computeElement, elementOf, groupDispatch, range, temporary, u32 } from "../shader.ts";
import { stripFours, tileExtent } from "./choice.ts";
import { accessSource, finishSource, type OperandAccess, operandUses, placeSource, resultUses, type TiledProduct } from "./access.ts";

/** How a product's depth is cut. */
export interface Split {
  readonly part: number;
  readonly parts: number;
}

/** Loop trips that an invocation makes for a strip. */
export function tripsPerStrip({ strip, unroll }: Tile): number {
  return 1 + (unroll === strip ? 0 : strip / unroll);
}

/** Epilogues beyond this many nodes are written once, in a loop over an invocation's results, and not once for each. */
const shortEpilogue = 8;

/** What the parts of a tile's source need to know. */
export interface TileSource {
  readonly product: TiledProduct;
  readonly tile: Tile;
  readonly type: "f32" | "i32" | "u32";
  readonly buffers: Buffers;
}

/** The dispatch that computes a product, or with several parts their sums in the first temporary. */
export function tileDispatch(product: TiledProduct, tile: Tile, split: Split, limits: Limits): Dispatch {
  const { batch, rows, columns, epilogue } = product;
  const [height, width] = tileExtent(tile);
  const partial = split.parts > 1;
  const type = computeElement(product.operands[0].dtype);
  const sums = { ...temporary("y", 0, elementOf(type), "read_write"), fours: product.fourAcross };
  const buffers = bindBuffers([...operandUses(product, true), ...(partial ? [sums] : resultUses(product))]);
  const source: TileSource = { product, tile, type, buffers };
  const down = Math.ceil(rows / height);
  const across = Math.ceil(columns / width);
  const scalars = partial ? [] : scalarList(epilogue);
  const declarations = `${partial ? "" : exprPrelude(scalars, epilogue)}${tileDeclarations(source)}${placeSource(product)}${
    storeSource(source, split)
  }`;
  const body = `  let tile_column = group % ${u32(across)} * ${u32(width)};
  let tile_row = group / ${u32(across)} % ${u32(down)} * ${u32(height)};
  let batch = group / ${u32(across * down)} % ${u32(batch)};
  let part = group / ${u32(across * down * batch)};
  let thread_column = local % ${u32(tile.threads[1])};
  let thread_row = local / ${u32(tile.threads[1])};
  let left_start = ${product.left.start};
  let right_start = ${product.right.start};
  let first = part * ${u32(split.part)};
  let last = ${split.parts === 1 ? u32(product.depth) : `min(first + ${u32(split.part)}, ${u32(product.depth)})`};
${tileLoop(source)}
${finishLines(source, split)}`;
  const threads = tile.threads[0] * tile.threads[1];
  return groupDispatch({
    label: product.label,
    buffers,
    count: down * across * batch * split.parts,
    threads,
    declarations,
    body,
    scalars,
  }, limits);
}

/** The functions that read the operands, and the workgroup memory for their strips. */
export function tileDeclarations({ product, tile, type, buffers }: TileSource): string {
  const [left, right] = stripFours(tile);
  const memory = `var<workgroup> left_tile: array<vec4<${type}>, ${left}>;
var<workgroup> right_tile: array<vec4<${type}>, ${right}>;
`;
  return `${tile.shared ? memory : ""}${accessSource(product, buffers)}`;
}

/**
 * Statements that leave the products of a tile in the variables of {@link resultBlocks}, in terms of `local`, `thread_row`, `thread_column`,
 * `tile_row`, `tile_column`, `left_start`, `right_start` and the depths `first` and `last`.
 */
export function tileLoop(source: TileSource): string {
  const sums = resultBlocks(source.tile).map(({ name }) => `  var ${name} = vec4<${source.type}>(0);`);
  return `${sums.join("\n")}\n${source.tile.shared ? sharedLoop(source) : registerLoop(source)}`;
}

/** The registers: results in vectors of four columns, by block `g` of four rows, row `i` in it, and block `h` of columns. */
export function resultBlocks({ results: [down, across] }: Pick<Tile, "results">, prefix = "sum") {
  return range(down / 4).flatMap((g) =>
    range(4).flatMap((i) => range(across / 4).map((h) => ({ g, i, h, name: `${prefix}_${g}_${i}_${h}` })))
  );
}

/** One operand's way into workgroup memory. */
interface Strip {
  readonly name: "left" | "right";
  readonly access: OperandAccess;
  readonly origin: string;
  readonly extent: number;
  /** Vectors of four across, and from one step of depth to the next in workgroup memory. */
  readonly fours: number;
}

function stripsOf({ product, tile }: TileSource): Strip[] {
  const [height, width] = tileExtent(tile);
  return [
    { name: "left", access: product.left, origin: "tile_row", extent: product.rows, fours: height / 4 },
    { name: "right", access: product.right, origin: "tile_column", extent: product.columns, fours: width / 4 },
  ];
}

function sharedLoop(source: TileSource): string {
  const { tile, product } = source;
  const strips = stripsOf(source);
  const next = product.depth <= tile.strip
    ? ""
    : strips.map((strip) => fetchLines(source, strip, `depth0 + ${u32(tile.strip)}`)).join("\n");
  const steps = range(tile.unroll).map((u) => stepLines(tile, tile.unroll === tile.strip ? u32(u) : `d + ${u32(u)}`)).join("\n");
  const loop = tile.unroll === tile.strip ? steps : `    for (var d = 0u; d < ${u32(tile.strip)}; d += ${u32(tile.unroll)}) {
${steps}
    }`;
  return `${strips.map((strip) => placeLines(source, strip)).join("\n")}
${strips.map((strip) => fetchLines(source, strip, "first")).join("\n")}
  for (var depth0 = first; depth0 < last; depth0 += ${u32(tile.strip)}) {
    workgroupBarrier();
${strips.map((strip) => storeLines(source, strip)).join("\n")}
    workgroupBarrier();
${next}
${loop}
  }`;
}

/** How an operand's vectors are dealt to the invocations: for each turn, the vector across and the step of depth. */
function turns({ tile }: TileSource, { access, fours }: Strip) {
  const threads = tile.threads[0] * tile.threads[1];
  const units = tile.strip * fours;
  return range(Math.ceil(units / threads)).map((q) => {
    const unit = q === 0 ? "local" : `(local + ${u32(q * threads)})`;
    // Along the depth, neighbouring invocations take neighbouring steps; else neighbouring vectors.
    const inner = access.alongDepth ? tile.strip : fours;
    const fixed = threads % inner === 0;
    const fast = fixed ? `local % ${u32(inner)}` : `${unit} % ${u32(inner)}`;
    const slow = fixed ? `local / ${u32(inner)}${q === 0 ? "" : ` + ${u32(q * threads / inner)}`}` : `${unit} / ${u32(inner)}`;
    return {
      q,
      across: access.alongDepth ? slow : fast,
      step: access.alongDepth ? fast : slow,
      /** The turn whose place across is the same. */
      samePlace: fixed && !access.alongDepth ? 0 : q,
      guard: (q + 1) * threads > units ? `${unit} < ${u32(units)}` : undefined,
    };
  });
}

/** What stays the same over all strips: where in the strip an invocation's vectors stand, and what their place across contributes. */
function placeLines(source: TileSource, strip: Strip): string {
  const { name, origin } = strip;
  return turns(source, strip).flatMap(({ q, across, step, samePlace }) => [
    `  let ${name}_across_${q} = ${across};`,
    `  let ${name}_step_${q} = ${step};`,
    `  var ${name}_fetched_${q}: vec4<${source.type}>;`,
    ...(samePlace === q ? placesOf(source, strip, `${name}_place_${q}`, `${origin} + ${name}_across_${q} * 4u`) : []),
  ]).join("\n");
}

/** `let`s with what the four places from `first` on contribute; one where a vector is read at once. */
function placesOf({ buffers }: TileSource, { name, access, extent }: Strip, prefix: string, first: string): string[] {
  if (isWhole(buffers, access)) return [`  let ${prefix} = ${name}_across(min(${first}, ${u32(extent - 4)}));`];
  return range(4).map((i) => `  let ${prefix}_${i} = ${name}_across(min(${first}${i === 0 ? "" : ` + ${u32(i)}`}, ${u32(extent - 1)}));`);
}

/** Whether an operand's four neighbours are read at once. */
function isWhole(buffers: Buffers, access: OperandAccess): boolean {
  return access.four !== undefined && buffers.isFours(access.buffer);
}

/** Fetches an operand's vectors at the strip that begins at `depth0` into registers. */
function fetchLines(source: TileSource, strip: Strip, depth0: string): string {
  const { name } = strip;
  return turns(source, strip).map(({ q, samePlace }) =>
    `    {
      let depth = ${depth0} + ${name}_step_${q};
      ${name}_fetched_${q} = ${fourAt(source, strip, `${name}_place_${samePlace}`)};
    }`
  ).join("\n");
}

/** Four neighbours across at the step `depth`; 0 past the end of the depth. */
function fourAt({ product, tile, type, buffers }: TileSource, { name, access }: Strip, place: string): string {
  const step = `${name}_depth(min(depth, ${u32(product.depth - 1)}))`;
  const value = isWhole(buffers, access)
    ? `${name}_four(${name}_start, ${place}, ${step})`
    : `vec4<${type}>(${range(4).map((i) => `${name}(${name}_start, ${place}_${i}, ${step})`).join(", ")})`;
  return product.depth % tile.strip === 0 ? value : `select(vec4<${type}>(0), ${value}, depth < ${u32(product.depth)})`;
}

/** Puts the fetched vectors into workgroup memory. */
function storeLines(source: TileSource, strip: Strip): string {
  const { name, fours } = strip;
  return turns(source, strip).map(({ q, guard }) => {
    const line = `${name}_tile[${name}_step_${q} * ${u32(fours + 1)} + ${name}_across_${q}] = ${name}_fetched_${q};`;
    return guard === undefined ? `    ${line}` : `    if (${guard}) { ${line} }`;
  }).join("\n");
}

/** Multiplies one step of depth from workgroup memory. */
function stepLines(tile: Tile, d: string): string {
  const [height, width] = tileExtent(tile);
  const [down, across] = tile.threads;
  const left = range(tile.results[0] / 4).map((g) =>
    `      let left_${g} = left_tile[(${d}) * ${u32(height / 4 + 1)} + thread_row + ${u32(g * down)}];`
  );
  const right = range(tile.results[1] / 4).map((h) =>
    `      let right_${h} = right_tile[(${d}) * ${u32(width / 4 + 1)} + thread_column + ${u32(h * across)}];`
  );
  return ["    {", ...left, ...right, ...multiplyLines(tile), "    }"].join("\n");
}

function multiplyLines(tile: Tile): string[] {
  return resultBlocks(tile).map(({ g, i, h, name }) => `      ${name} += left_${g}[${i}] * right_${h};`);
}

/** Reads both operands straight from memory, four neighbours at a time; caches do what workgroup memory does elsewhere. */
function registerLoop(source: TileSource): string {
  const { tile } = source;
  const sides = stripsOf(source).map((strip, side) => ({
    strip,
    blocks: range(tile.results[side]! / 4),
    at: (block: number) => `${strip.origin} + (${side === 0 ? "thread_row" : "thread_column"} + ${u32(block * tile.threads[side]!)}) * 4u`,
  }));
  const places = sides.flatMap(({ strip, blocks, at }) =>
    blocks.flatMap((block) => placesOf(source, strip, `${strip.name}_place_${block}`, at(block)))
  );
  const steps = range(tile.strip).map((u) => [
    "    {",
    `      let depth = depth0 + ${u32(u)};`,
    ...sides.flatMap(({ strip, blocks }) =>
      blocks.map((block) => `      let ${strip.name}_${block} = ${fourAt(source, strip, `${strip.name}_place_${block}`)};`)
    ),
    ...multiplyLines(tile),
    "    }",
  ]);
  return `${places.join("\n")}
  for (var depth0 = first; depth0 < last; depth0 += ${u32(tile.strip)}) {
${steps.flat().join("\n")}
  }`;
}

/** Stores four neighbouring results, those inside the product. */
function storeSource({ product, type, buffers }: TileSource, split: Split): string {
  const { rows, columns } = product;
  const size = sizeOf(product.output.shape);
  const partial = split.parts > 1;
  const at = partial ? `part * ${u32(size)} + place` : product.output.offset === 0 ? "place" : `place + ${u32(product.output.offset)}`;
  const value = (i: number, place: string) => partial ? `values[${i}]` : `finished(${place}, values[${i}])`;
  const whole = buffers.isFours("y");
  const word = computeElement(partial ? elementOf(type) : product.output.dtype);
  const lines = whole
    ? `  if (column >= ${u32(columns)}) { return; }
  let place = place_of(batch, row, column);
  ${buffers.storeFour("y", at, `vec4<${word}>(${range(4).map((i) => value(i, `place + ${u32(i)}`)).join(", ")})`)}`
    : range(4).map((i) =>
      `  if (column + ${u32(i)} < ${u32(columns)}) {
    let place = place_of(batch, row, column + ${u32(i)});
    ${buffers.store("y", at, value(i, "place"))}
  }`
    ).join("\n");
  return `${
    partial ? "" : finishSource(product, buffers)
  }fn store_four(batch: u32, part: u32, row: u32, column: u32, values: vec4<${type}>) {
  if (row >= ${u32(rows)}) { return; }
${lines}
}`;
}

/** Statements that store an invocation's results: one after another, or a long epilogue in a loop. */
function finishLines({ product, tile, type }: TileSource, split: Split): string {
  const blocks = resultBlocks(tile);
  const [down, across] = tile.threads;
  const row = (g: string, i: string) => `tile_row + (${g} * ${u32(down)} + thread_row) * 4u + ${i}`;
  const column = (h: string) => `tile_column + (${h} * ${u32(across)} + thread_column) * 4u`;
  const wide = tile.results[1] / 4;
  if (split.parts > 1 || (product.epilogue?.nodes.length ?? 0) <= shortEpilogue) {
    return blocks.map(({ g, i, h, name }) => `  store_four(batch, part, ${row(u32(g), u32(i))}, ${column(u32(h))}, ${name});`).join("\n");
  }
  return `  var sums: array<vec4<${type}>, ${blocks.length}>;
${blocks.map(({ name }, at) => `  sums[${at}] = ${name};`).join("\n")}
  for (var at = 0u; at < ${u32(blocks.length)}; at++) {
    let line = at / ${u32(wide)};
    store_four(batch, part, ${row("(line / 4u)", "line % 4u")}, ${column(`(at % ${u32(wide)})`)}, sums[at]);
  }`;
}
