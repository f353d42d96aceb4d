/**
 * The dispatches of a matrix product: in tiles, split along its depth where it is deep or has few tiles, or with one invocation per result.
 *
 * The parts of a split product store their own sums, and a second dispatch adds them up.
 *
 * @module
 */
import { sizeOf } from "../../../tensor/shape.ts";
import { exprPrelude, scalarList } from "../expr.ts";
import type { Dispatch, Limits, Plan, Tile } from "../program.ts";
import { bindBuffers, computeElement, elementDispatch, elementOf, emptyPlan, temporary, tripBudget, u32 } from "../shader.ts";
import { accessSource, finishSource, operandUses, placeSource, resultUses, storeLine, type TiledProduct } from "./access.ts";
import { chooseTile, enoughGroups, minimumPart, type ProductSize, tileExtent } from "./choice.ts";
import { type Split, tileDispatch, tripsPerStrip } from "./tile.ts";

/** Loop trips kept for what an invocation does beside its strips. */
const spareTrips = 64;

/** Matrices with at most so many results of at most this depth are not worth a tile: each result has an invocation of its own. */
const directResults = 256;
const directDepth = { software: 1024, hardware: 128 };
const manyResults = 16384;

/** The dispatches of a product. */
export function planTiledProduct(product: TiledProduct, limits: Limits): Plan {
  const { depth, output } = product;
  const size = sizeOf(output.shape);
  if (size === 0) return emptyPlan;
  if (depth === 0) return { temporaries: [], dispatches: [sumDispatch(product, 0, limits)] };
  if (isDirect(product, size, limits)) return { temporaries: [], dispatches: [directDispatch(product, limits)] };
  const tile = chooseTile(sizeOfProduct(product), limits);
  const split = splitOf(product, tile, limits);
  if (split.parts === 1) return { temporaries: [], dispatches: [tileDispatch(product, tile, split, limits)] };
  return {
    temporaries: [split.parts * size * 4],
    dispatches: [tileDispatch(product, tile, split, limits), sumDispatch(product, split.parts, limits)],
  };
}

/** What tuning needs to know of a product; undefined where there is no tile to choose. */
export function tunableSize(product: TiledProduct, limits: Limits): ProductSize | undefined {
  const size = sizeOf(product.output.shape);
  return size === 0 || product.depth === 0 || isDirect(product, size, limits) ? undefined : sizeOfProduct(product);
}

function sizeOfProduct({ family, batch, rows, columns, depth, operands, left, right }: TiledProduct): ProductSize {
  const layout = [left, right].map(({ alongDepth, four }) => alongDepth ? "d" : four === undefined ? "a" : "v").join("");
  return { family, dtype: operands[0].dtype, batch, rows, columns, depth, layout };
}

function isDirect({ rows, columns, depth }: TiledProduct, size: number, limits: Limits): boolean {
  const deepest = limits.software ? directDepth.software : directDepth.hardware;
  // Two rows share too little for a tile; few of them with much depth are better split.
  const narrow = Math.min(rows, columns) <= 2 && (depth <= 256 || (size >= manyResults && depth <= tripBudget / 4));
  return narrow || (rows * columns <= directResults && depth <= deepest);
}

/** Parts deep enough to be worth it, as many as keep the device busy and the trip budget asks for. */
function splitOf({ batch, rows, columns, depth }: TiledProduct, tile: Tile, limits: Limits): Split {
  const [height, width] = tileExtent(tile);
  const tiles = batch * Math.ceil(rows / height) * Math.ceil(columns / width);
  const deepest = Math.floor((tripBudget - spareTrips) / tripsPerStrip(tile)) * tile.strip;
  const wanted = Math.min(Math.ceil(depth / minimumPart), Math.ceil(enoughGroups(tile, limits) / tiles));
  const part = Math.ceil(depth / Math.max(Math.ceil(depth / deepest), wanted, 1) / tile.strip) * tile.strip;
  return { part, parts: Math.ceil(depth / part) };
}

/** One invocation per result. */
function directDispatch(product: TiledProduct, limits: Limits): Dispatch {
  const { label, batch, rows, columns, depth, operands, epilogue } = product;
  const buffers = bindBuffers([...operandUses(product, false), ...resultUses(product, false)]);
  const scalars = scalarList(epilogue);
  const declarations = [
    exprPrelude(scalars, epilogue),
    accessSource(product, buffers),
    placeSource(product),
    finishSource(product, buffers),
  ];
  return elementDispatch({
    label,
    buffers,
    size: batch * rows * columns,
    scalars,
    declarations: declarations.join(""),
    body: `  let column = element % ${u32(columns)};
  let row = element / ${u32(columns)} % ${u32(rows)};
  let batch = element / ${u32(rows * columns)};
  let left_start = ${product.left.start};
  let right_start = ${product.right.start};
  let left_place = left_across(row);
  let right_place = right_across(column);
  var value = ${computeElement(operands[0].dtype)}(0);
  for (var depth = 0u; depth < ${u32(depth)}; depth++) {
    value += left(left_start, left_place, left_depth(depth)) * right(right_start, right_place, right_depth(depth));
  }
  let place = place_of(batch, row, column);
  ${storeLine(product, buffers, "place")}`,
  }, limits);
}

/** Adds the parts of a split product and applies the epilogue; without parts (a depth of 0) the sums are 0. */
function sumDispatch(product: TiledProduct, parts: number, limits: Limits): Dispatch {
  const type = computeElement(product.operands[0].dtype);
  const size = sizeOf(product.output.shape);
  const partial = parts === 0 ? [] : [temporary("partial", 0, elementOf(type), "read")];
  const buffers = bindBuffers([...partial, ...resultUses(product, false)]);
  const loop = parts === 0 ? "" : `
  for (var part = 0u; part < ${u32(parts)}; part++) {
    value += ${buffers.load("partial", `part * ${u32(size)} + element`)};
  }`;
  const scalars = scalarList(product.epilogue);
  return elementDispatch({
    label: `${product.label} sum`,
    buffers,
    size,
    scalars,
    declarations: exprPrelude(scalars, product.epilogue) + finishSource(product, buffers),
    body: `  var value = ${type}(0);${loop}\n  ${storeLine(product, buffers, "element")}`,
  }, limits);
}
