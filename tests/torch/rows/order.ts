/**
 * What runs along a dim: softmax, running totals, orders, order statistics, counting, of op_db as Tandem calls.
 *
 * @module
 */
import { bucketize, type Interpolation, searchsorted, softmin, type Sorted, type Tensor } from "../../../tensor/mod.ts";
import { Unsupported } from "../arguments.ts";
import { single } from "./reduce.ts";
import { row, type Rows, typed } from "./row.ts";

/** softmax and its kin: input, dim, dtype; `_stacklevel` only serves a warning. */
function alongDim(call: (x: Tensor, dim: number) => Tensor) {
  return row("input dim", (a) => {
    const dim = a.ignore("_stacklevel").number("dim");
    return call(typed(a), dim);
  });
}

const plain: Rows = {
  softmax: alongDim((x, dim) => x.softmax(dim)),
  "softmax/with_dtype": alongDim((x, dim) => x.softmax(dim)),
  log_softmax: alongDim((x, dim) => x.logSoftmax(dim)),
  "log_softmax/dtype": alongDim((x, dim) => x.logSoftmax(dim)),
  "nn.functional.softmin": alongDim(softmin),
  "nn.functional.softmin/with_dtype": alongDim(softmin),
  cumsum: alongDim((x, dim) => x.cumsum(dim)),
  sort: row("input dim descending stable", (a) => {
    const { values, indices } = a.ignore("stable").tensor("input").sort(a.number("dim", -1), { descending: a.flag("descending") });
    return [values, indices];
  }),
  argsort: row("input dim descending stable", (a) => {
    return a.ignore("stable").tensor("input").sort(a.number("dim", -1), { descending: a.flag("descending") }).indices;
  }),
  msort: row("input", (a) => a.tensor("input").sort(0).values),
  topk: row("input k dim largest sorted", (a) => {
    const options = { dim: a.ignore("sorted").number("dim", -1), largest: a.flag("largest", true) };
    const { values, indices } = a.tensor("input").topk(a.number("k"), options);
    return [values, indices];
  }),
  kthvalue: row("input k dim keepdim", (a) => {
    return both(a.tensor("input").kthvalue(a.number("k"), { dim: a.number("dim", -1), keepDim: a.flag("keepdim") }));
  }),
  cumprod: alongDim((x, dim) => x.cumprod(dim)),
  cummax: row("input dim", (a) => both(a.tensor("input").cummax(a.number("dim")))),
  cummin: row("input dim", (a) => both(a.tensor("input").cummin(a.number("dim")))),
  logcumsumexp: row("input dim", (a) => a.tensor("input").logcumsumexp(a.number("dim"))),
  diff: row("input n dim prepend append", (a) => {
    const [prepend, append] = [a.optional("prepend"), a.optional("append")];
    return a.tensor("input").diff({
      n: a.number("n", 1),
      dim: a.number("dim", -1),
      ...(prepend && { prepend }),
      ...(append && { append }),
    });
  }),
};

function both({ values, indices }: Sorted): Tensor[] {
  return [values, indices];
}

/** The median's position is only given along a dim. */
function median(call: (x: Tensor, dim: number | undefined, options: { readonly keepDim: boolean }) => Sorted) {
  return row("input dim keepdim", (a) => {
    const found = call(a.tensor("input"), single(a), { keepDim: a.flag("keepdim") });
    return a.has("dim") ? both(found) : found.values;
  });
}

function quantile(call: (x: Tensor, q: number | readonly number[], options: object) => Tensor) {
  return row("input q dim keepdim", async (a) => {
    const q = a.operand("q");
    const options = {
      ...(a.has("dim") && { dim: a.number("dim") }),
      keepDim: a.ignore("dim").flag("keepdim"),
      interpolation: a.text<Interpolation>("interpolation", "linear"),
    };
    return call(a.tensor("input"), typeof q === "number" ? q : Array.from(await q.data()), options);
  });
}

const statistics: Rows = {
  median: median((x, dim, options) => x.median(dim, options)),
  nanmedian: median((x, dim, options) => x.nanmedian(dim, options)),
  nanquantile: quantile((x, q, options) => x.nanquantile(q, options)),
  unique_consecutive: row("input", async (a) => {
    const { values, inverse, counts } = await a.tensor("input").uniqueConsecutive(a.has("dim") ? { dim: a.number("dim") } : {});
    return [values, ...(a.flag("return_inverse") ? [inverse] : []), ...(a.flag("return_counts") ? [counts] : [])];
  }),
  mode: row("input dim keepdim", (a) => both(a.tensor("input").mode(a.number("dim", -1), { keepDim: a.flag("keepdim") }))),
  quantile: quantile((x, q, options) => x.quantile(q, options)),
  histc: row("input", (a) => {
    return a.tensor("input").histc({ bins: a.number("bins", 100), min: a.number("min", 0), max: a.number("max", 0) });
  }),
  unique: row("input", async (a) => {
    if (!a.flag("sorted", true) && !a.has("dim")) throw new Unsupported("sorted false");
    const { values, inverse, counts } = await a.tensor("input").unique(a.has("dim") ? { dim: a.number("dim") } : {});
    return [values, ...(a.flag("return_inverse") ? [inverse] : []), ...(a.flag("return_counts") ? [counts] : [])];
  }),
  bucketize: row("input boundaries", (a) => {
    return bucketize(a.ignore("out_int32").tensor("input"), a.tensor("boundaries"), { right: a.flag("right") });
  }),
  searchsorted: row("sorted input", (a) => {
    const right = a.flag("right") || a.text<"left" | "right">("side", "left") === "right";
    const [given, sorter] = [a.ignore("out_int32").tensor("sorted"), a.optional("sorter")];
    return searchsorted(sorter === undefined ? given : given.gather(-1, sorter), a.tensor("input"), { right });
  }),
};

/** What runs along a dim. */
export const orders: Rows = { ...plain, ...statistics };
