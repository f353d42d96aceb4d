/**
 * Shapes, joining, indexing and making tensors: operators of op_db as Tandem calls.
 *
 * @module
 */
import { embedding } from "../../nn/mod.ts";
import { arange, cat, type DType, eye, full, linspace, ones, stack, Tensor, zeros } from "../../tensor/mod.ts";
import { type Arguments, Unsupported } from "./arguments.ts";
import { allComposed, composed, row, type Rows, unary } from "./row.ts";

const views: Rows = {
  reshape: row("input *shape", (a) => a.tensor("input").reshape(a.list("shape"))),
  view: row("input *shape", (a) => a.tensor("input").reshape(a.list("shape"))),
  flatten: row("input start_dim end_dim", (a) => a.tensor("input").flatten(a.number("start_dim", 0), a.number("end_dim", -1))),
  permute: row("input *dims", (a) => a.tensor("input").permute(a.list("dims"))),
  transpose: row("input dim0 dim1", (a) => a.tensor("input").transpose(a.number("dim0"), a.number("dim1"))),
  expand: row("input *size", (a) => a.tensor("input").expand(a.list("size"))),
  broadcast_to: row("input size", (a) => a.tensor("input").expand(a.list("size"))),
  squeeze: row("input dim", (a) => a.tensor("input").squeeze(a.dims("dim"))),
  unsqueeze: row("input dim", (a) => a.tensor("input").unsqueeze(a.number("dim"))),
  narrow: row("input dim start length", (a) => {
    return a.tensor("input").narrow(a.number("dim"), { start: a.number("start"), length: a.number("length") });
  }),
  select: row("input dim index", (a) => a.tensor("input").select(a.number("dim"), a.number("index"))),
  slice: row("input dim start end step", (a) => {
    const options = { start: a.number("start", 0), end: a.number("end", Infinity), step: a.number("step", 1) };
    return a.tensor("input").slice(a.number("dim", 0), options.end === Infinity ? { start: options.start, step: options.step } : options);
  }),
  flip: row("input *dims", (a) => a.tensor("input").flip(a.list("dims"))),
  split: row("input split_size_or_sections dim", (a) => split(a, "split_size_or_sections")),
  "split/list_args": row("input split_size_or_sections dim", (a) => split(a, "split_size_or_sections")),
  split_with_sizes: row("input split_sizes dim", (a) => split(a, "split_sizes")),
  chunk: row("input chunks dim", (a) => a.tensor("input").chunk(a.number("chunks"), { dim: a.number("dim", 0) })),
  clone: row("input", (a) => a.ignore("memory_format").tensor("input").clone()),
  contiguous: row("input", (a) => a.ignore("memory_format").tensor("input").contiguous()),
  constant_pad_nd: row("input pad value", (a) => a.tensor("input").pad(a.list("pad"), { value: a.number("value", 0) })),
  "nn.functional.pad/constant": row("input pad mode value", (a) => {
    return a.ignore("mode").tensor("input").pad(a.list("pad"), { value: a.number("value", 0) });
  }),
  mT: unary(matrix),
  cat: row("tensors dim", (a) => {
    const parts = a.tensors("tensors");
    const legacy = parts.some(({ rank, size }) => rank === 1 && size === 0) && parts.some(({ rank }) => rank > 1);
    if (legacy) throw new Unsupported("1-d empty tensors among others");
    return cat(parts, { dim: a.number("dim", 0) });
  }),
  stack: row("tensors dim", (a) => stack(a.tensors("tensors"), { dim: a.number("dim", 0) })),
};

function split(a: Arguments, name: string): Tensor[] {
  const sizes = a.dims(name)!;
  return a.tensor("input").split(sizes, { dim: a.number("dim", 0) });
}

function matrix(x: Tensor): Tensor {
  if (x.rank === 0) throw new Unsupported("0-d tensor");
  return x.mT;
}

/** All args of a call whose input is a list of tensors, or the first of several. */
function atLeast(rank: number) {
  return composed("*tensors", (a) => a.tensors("tensors").map((x) => raise(x, rank)));
}

/** PyTorch's atleast_1d, atleast_2d and atleast_3d of one tensor. */
function raise(x: Tensor, rank: number): Tensor {
  const front = x.rank < 2 && rank > 1 && rank - x.rank > (rank === 3 ? 1 : 0);
  if (x.rank >= rank) return x;
  if (x.rank === 0) return x.reshape(new Array<number>(rank).fill(1));
  return rank === 3 && x.rank === 2 ? x.unsqueeze(-1) : rank === 3 ? x.reshape([1, -1, 1]) : front ? x.unsqueeze(0) : x;
}

const composedViews: Rows = allComposed({
  ravel: unary((x) => x.flatten()),
  T: unary((x) => x.permute(x.shape.map((_, dim) => x.rank - 1 - dim))),
  H: unary((x) => x.rank === 2 ? x.transpose(0, 1) : x),
  mH: unary(matrix),
  t: unary((x) => x.rank === 2 ? x.transpose(0, 1) : x),
  fliplr: unary((x) => x.flip(1)),
  flipud: unary((x) => x.flip(0)),
  expand_as: row("input other", (a) => a.tensor("input").expand(a.tensor("other").shape)),
  reshape_as: row("input other", (a) => a.tensor("input").reshape(a.tensor("other").shape)),
  view_as: row("input other", (a) => a.tensor("input").reshape(a.tensor("other").shape)),
  narrow_copy: row("input dim start length", (a) => {
    return a.tensor("input").narrow(a.number("dim"), { start: a.number("start"), length: a.number("length") }).clone();
  }),
  unbind: row("input dim", (a) => {
    const [x, dim] = [a.tensor("input"), a.number("dim", 0)];
    return x.split(1, { dim }).map((part) => part.squeeze(dim));
  }),
  movedim: row("input source destination", (a) => {
    const x = a.tensor("input");
    const [from, to] = [a.list("source"), a.list("destination")].map((dims) => dims.map((dim) => (dim + x.rank) % x.rank));
    const order = new Array<number>(x.rank).fill(-1);
    to!.forEach((place, position) => order[place] = from![position]!);
    const rest = x.shape.map((_, dim) => dim).filter((dim) => !from!.includes(dim));
    return x.permute(order.map((dim) => dim < 0 ? rest.shift()! : dim));
  }),
  unflatten: row("input dim sizes", (a) => {
    const [x, dim, sizes] = [a.tensor("input"), a.number("dim"), a.list("sizes")];
    const at = (dim + x.rank) % x.rank;
    return x.reshape([...x.shape.slice(0, at), ...sizes, ...x.shape.slice(at + 1)]);
  }),
  hstack: row("tensors", (a) => {
    const parts = a.tensors("tensors").map((part) => raise(part, 1));
    return cat(parts, { dim: parts[0]!.rank === 1 ? 0 : 1 });
  }),
  vstack: row("tensors", (a) => cat(a.tensors("tensors").map((part) => raise(part, 2)))),
  dstack: row("tensors", (a) => cat(a.tensors("tensors").map((part) => raise(part, 3)), { dim: 2 })),
  column_stack: row("tensors", (a) => cat(a.tensors("tensors").map((part) => part.rank < 2 ? part.reshape([-1, 1]) : part), { dim: 1 })),
  atleast_1d: atLeast(1),
  atleast_2d: atLeast(2),
  atleast_3d: atLeast(3),
});

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
  index_select: row("input dim index", (a) => {
    const [x, dim, index] = [a.tensor("input"), a.number("dim"), a.tensor("index")];
    return x.indexSelect(dim, index.rank === 0 ? index.reshape([1]) : index);
  }),
  "nn.functional.embedding": row("input weight padding_idx", (a) => {
    const padding = a.has("padding_idx") ? { paddingIdx: a.number("padding_idx") } : {};
    // op_db gives the table first.
    return embedding(a.tensor("weight"), a.tensor("input"), padding);
  }),
  take_along_dim: composed("input indices dim", (a) => {
    const [x, index] = [a.tensor("input"), a.tensor("indices")];
    if (!a.has("dim")) return x.flatten().gather(0, index.flatten());
    const dim = (a.number("dim") + x.rank) % x.rank;
    const other = x.shape.map((size, d) => Math.max(size, index.shape[d]!));
    return x.expand(other.map((size, d) => d === dim ? x.shape[d]! : size))
      .gather(dim, index.expand(other.map((size, d) => d === dim ? index.shape[d]! : size)));
  }),
  index_add: composed("input dim index source", (a) => {
    const [x, source] = [a.tensor("input"), a.tensor("source").mul(a.number("alpha", 1))];
    return placeSlices(a, source, "sum");
    function placeSlices(b: Arguments, src: Tensor, combine: "sum" | "replace"): Tensor {
      return alongSlices(x, b.number("dim"), b.tensor("index"), src, combine);
    }
  }),
  index_copy: composed("input dim index source", (a) => {
    return alongSlices(a.tensor("input"), a.number("dim"), a.tensor("index"), a.tensor("source"), "replace");
  }),
};

/** Whole slices placed by a list of positions along `dim`. */
function alongSlices(x: Tensor, dim: number, index: Tensor, src: Tensor, combine: "sum" | "replace"): Tensor {
  if (x.rank === 0) return alongSlices(x.reshape([1]), 0, index, src.reshape([-1]), combine).reshape([]);
  const at = (dim + x.rank) % x.rank;
  const flat = index.reshape(src.shape.map((_, d) => d === at ? -1 : 1)).expand(src.shape);
  return x.scatter(at, { index: flat, src, combine });
}

function scatter(a: Arguments): Tensor {
  const [x, index] = [a.tensor("input"), a.tensor("index")];
  const value = a.operand(a.has("value") ? "value" : "src");
  const src = typeof value === "number" ? x.newFull(index.shape, value) : value;
  const combine = ({ none: "replace", add: "sum", multiply: "prod" } as const)[a.text<"none" | "add" | "multiply">("reduce", "none")];
  return x.scatter(a.number("dim"), { index, src, combine });
}

function scatterReduce(a: Arguments): Tensor {
  const reduce = a.text<"sum" | "prod" | "amax" | "amin">("reduce", "sum");
  if (!a.flag("include_self", true)) throw new Unsupported("include_self");
  const combine = ({ sum: "sum", prod: "prod", amax: "max", amin: "min" } as const)[reduce];
  return a.tensor("input").scatter(a.number("dim"), { index: a.tensor("index"), src: a.tensor("src"), combine });
}

function sized(a: Arguments, value: number): Tensor {
  const like = a.ignore("device", "layout", "pin_memory", "memory_format", "requires_grad").raw("input");
  if (Array.isArray(like)) return full(like as number[], value, { dtype: a.dtype() ?? "float32" });
  const x = a.tensor("input");
  return x.newFull(x.shape, value, a.dtype() ?? x.dtype);
}

function newSized(a: Arguments, value: number): Tensor {
  const x = a.ignore("device", "layout", "pin_memory", "requires_grad").tensor("input");
  return x.newFull(a.list("size"), value, a.dtype() ?? x.dtype);
}

const making: Rows = {
  zeros_like: row("input", (a) => sized(a, 0)),
  ones_like: row("input", (a) => sized(a, 1)),
  full_like: composed("input fill_value", (a) => sized(a, a.number("fill_value"))),
  fill: composed("input value", (a) => sized(a, a.number("value"))),
  new_zeros: row("input *size", (a) => newSized(a, 0)),
  new_ones: composed("input *size", (a) => newSized(a, 1)),
  new_full: row("input size fill_value", (a) => newSized(a, a.number("fill_value"))),
  zeros: row("*size", (a) => zeros(a.ignore("device").list("size"), options(a))),
  ones: row("*size", (a) => ones(a.ignore("device").list("size"), options(a))),
  eye: row("n m", (a) => {
    const n = a.ignore("device", "layout", "requires_grad").number("n");
    return eye(n, { m: a.number("m", n), ...options(a) });
  }),
  arange: row("start end step", (a) => {
    const short = !a.has("end");
    const end = a.ignore("device").number(short ? "start" : "end");
    const dtype = a.dtype();
    return arange(end, { start: short ? 0 : a.number("start"), step: a.number("step", 1), ...(dtype && { dtype }) });
  }),
  linspace: row("start end steps", (a) => {
    return linspace(a.ignore("device").number("start"), a.number("end"), { steps: a.number("steps"), ...options(a) });
  }),
};

function options(a: Arguments): { readonly dtype: DType } {
  return { dtype: a.dtype() ?? "float32" };
}

function cast(dtype: DType) {
  return row("input", (a) => a.ignore("memory_format").tensor("input").to(dtype));
}

const casts: Rows = {
  bool: cast("bool"),
  double: cast("float64"),
  float: cast("float32"),
  half: cast("float16"),
  int: cast("int32"),
  long: cast("int32"),
};

/** Shapes, joining, indexing, making and casting. */
export const shapes: Rows = { ...views, ...composedViews, ...places, ...making, ...casts };
