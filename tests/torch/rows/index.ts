/**
 * Reading and writing at positions: operators of op_db as Tandem calls.
 *
 * @module
 */
import { embedding } from "../../../nn/mod.ts";
import { arange, type Tensor, tensor } from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import type { StoredArgument } from "../format.ts";
import { composed, row, type Rows } from "./row.ts";

const places: Rows = {
  gather: row("input dim index", (a) => {
    const [x, index] = [a.ignore("sparse_grad").tensor("input"), a.tensor("index")];
    if (x.rank === 0 && index.rank === 1) throw new Unsupported("0-d tensor with a 1-d index");
    return x.gather(a.number("dim"), index);
  }),
  scatter: row("input dim index src", scatter),
  scatter_add: row("input dim index src", (a) => a.tensor("input").scatterAdd(a.number("dim"), a.tensor("index"), a.tensor("src"))),
  "scatter_reduce/sum": row("input dim index src reduce", scatterReduce),
  "scatter_reduce/prod": row("input dim index src reduce", scatterReduce),
  "scatter_reduce/amax": row("input dim index src reduce", scatterReduce),
  "scatter_reduce/amin": row("input dim index src reduce", scatterReduce),
  "scatter_reduce/mean": row("input dim index src reduce", scatterReduce),
  masked_scatter: row("input mask source", (a) => a.tensor("input").maskedScatter(a.tensor("mask"), a.tensor("source"))),
  index_fill: row("input dim index value", (a) => {
    return a.tensor("input").indexFill(a.number("dim"), a.tensor("index"), a.number("value"));
  }),
  index_reduce: composed("input dim index source reduce", (a) => {
    const [x, dim, index, src] = [a.tensor("input"), a.number("dim"), a.tensor("index"), a.tensor("source")];
    const combine = combined[a.text<keyof typeof combined>("reduce", "sum")];
    const shape = x.rank === 0 ? [1] : x.shape;
    const at = (dim + shape.length) % shape.length;
    const wanted = shape.map((size, d) => d === at ? index.size : size);
    const places = index.reshape(wanted.map((_, d) => d === at ? -1 : 1)).expand(wanted);
    const includeSelf = a.flag("include_self", true);
    return x.reshape(shape).scatter(at, { index: places, src: src.reshape(wanted), combine, includeSelf }).reshape(x.shape);
  }),
  select_scatter: composed("input src dim index", (a) => {
    const [x, dim, index] = [a.tensor("input"), a.number("dim"), a.number("index")];
    const at = (dim + x.rank) % x.rank;
    const place = tensor([(index + x.shape[at]!) % x.shape[at]!], { dtype: "int32", device: x.device });
    return x.indexCopy(at, { index: place, source: a.tensor("src").unsqueeze(at) });
  }),
  slice_scatter: composed("input src dim start end step", (a) => {
    const [x, dim, step] = [a.tensor("input"), a.number("dim", 0), a.number("step", 1)];
    const [start, end] = [a.number("start", 0), Math.min(a.number("end", Infinity), x.shape[dim]!)];
    const index = arange(end, { start, step, dtype: "int32", device: x.device });
    return x.indexCopy(dim, { index, source: a.tensor("src") });
  }),
  index_select: row("input dim index", (a) => {
    const [x, dim, index] = [a.tensor("input"), a.number("dim"), a.tensor("index")];
    return x.indexSelect(dim, index.rank === 0 ? index.reshape([1]) : index);
  }),
  "nn.functional.embedding": row("input weight padding_idx", (a) => {
    const padding = a.has("padding_idx") ? { paddingIdx: a.number("padding_idx") } : {};
    // op_db gives the table first.
    return embedding(a.tensor("weight"), a.tensor("input"), padding);
  }),
  take_along_dim: row("input indices dim", (a) => {
    return a.tensor("input").takeAlongDim(a.tensor("indices"), a.has("dim") ? { dim: a.number("dim") } : {});
  }),
  take: row("input index", (a) => a.tensor("input").take(a.tensor("index"))),
  masked_select: row("input mask", (a) => a.tensor("input").maskedSelect(a.tensor("mask"))),
  nonzero: row("input", async (a) => {
    const [x, apart] = [a.tensor("input"), a.flag("as_tuple")];
    const places = await (apart && x.rank === 0 ? x.reshape([1]) : x).nonzero();
    return apart ? places.split(1, { dim: 1 }).map((part) => part.squeeze(1)) : places;
  }),
  argwhere: row("input", (a) => a.tensor("input").nonzero()),
  __getitem__: composed("input index", indexed),
  index_put: row("input indices values", async (a) => {
    const x = a.tensor("input");
    const indices = await Promise.all(a.tensors("indices").map(asPositions));
    return x.indexPut(indices, { values: a.tensor("values"), accumulate: a.flag("accumulate") });
  }),
  index_add: row("input dim index source", (a) => {
    const slices = { index: a.tensor("index"), source: a.tensor("source"), alpha: a.number("alpha", 1) };
    return a.tensor("input").indexAdd(a.number("dim"), slices);
  }),
  index_copy: row("input dim index source", (a) => {
    return a.tensor("input").indexCopy(a.number("dim"), { index: a.tensor("index"), source: a.tensor("source") });
  }),
};

function scatter(a: Arguments): Tensor {
  const [x, index] = [a.tensor("input"), a.tensor("index")];
  const value = a.operand(a.has("value") ? "value" : "src");
  const src = typeof value === "number" ? x.newFull(index.shape, value) : value;
  const combine = ({ none: "replace", add: "sum", multiply: "prod" } as const)[a.text<"none" | "add" | "multiply">("reduce", "none")];
  return x.scatter(a.number("dim"), { index, src, combine });
}

/** PyTorch's names of what happens where values meet. */
const combined = { sum: "sum", prod: "prod", amax: "max", amin: "min", mean: "mean" } as const;

function scatterReduce(a: Arguments): Tensor {
  const reduce = a.text<keyof typeof combined>("reduce", "sum");
  const includeSelf = a.flag("include_self", true);
  return a.tensor("input").scatter(a.number("dim"), {
    index: a.tensor("index"),
    src: a.tensor("src"),
    combine: combined[reduce],
    includeSelf,
  });
}

/** A mask as the positions where it is true. */
async function asPositions(index: Tensor): Promise<Tensor> {
  return index.dtype === "bool" ? (await index.nonzero()).squeeze(1) : index;
}

/** x[...]: slices and numbers one dim at a time, from behind so that dims stay where they are; then lists and tensors together. */
async function indexed(a: Arguments): Promise<Tensor> {
  let x = a.tensor("input");
  const given = a.raw("index")!;
  const parts = partsOf(given).filter((part) => (part as { ellipsis?: boolean }).ellipsis !== true);
  const positions: (Tensor | null)[] = [];
  for (const [dim, part] of [...parts.entries()].reverse()) {
    if (typeof part === "number") {
      x = x.select(dim, part);
      continue;
    }
    const list = Array.isArray(part) ? undefined : (part as { slice?: (number | null)[] }).slice;
    if (list !== undefined) {
      const [start, end, step] = list;
      x = x.slice(dim, { ...(start != null && { start }), ...(end != null && { end }), step: step ?? 1 });
    }
    positions.unshift(list !== undefined ? null : await positionsOf(a, part));
  }
  return positions.every((position) => position === null) ? x : x.index(positions);
}

/** A tuple has one part per dim, as has a list with anything but numbers; op_db stores both as lists. */
function partsOf(given: StoredArgument): readonly StoredArgument[] {
  if (!Array.isArray(given)) return [given];
  return given.every((part) => typeof part === "number") ? [given] : given;
}

async function positionsOf(a: Arguments, part: StoredArgument): Promise<Tensor> {
  if (Array.isArray(part)) return tensor(part as number[], { dtype: "int32", device: a.tensor("input").device });
  return await asPositions(a.asTensor(part, "index"));
}

/** Reading and writing at positions. */
export const indexing: Rows = places;
