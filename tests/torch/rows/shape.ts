/**
 * Shapes, joining, indexing and making tensors: operators of op_db as Tandem calls.
 *
 * @module
 */
import {
  arange,
  blockDiag,
  broadcastTensors,
  cartesianProd,
  cat,
  combinations,
  dstack,
  type DType,
  eye,
  full,
  hstack,
  linspace,
  logspace,
  meshgrid,
  multinomial,
  ones,
  rand,
  stack,
  type Tensor,
  vander,
  vstack,
  zeros,
} from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import { allComposed, composed, random, row, type Rows, unary } from "./row.ts";

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

const rearranged: Rows = {
  diag: row("input diagonal", (a) => a.tensor("input").diag(a.number("diagonal", 0))),
  diag_embed: row("input offset dim1 dim2", (a) => {
    return a.tensor("input").diagEmbed({ offset: a.number("offset", 0), dim1: a.number("dim1", -2), dim2: a.number("dim2", -1) });
  }),
  diagonal: row("input offset dim1 dim2", (a) => {
    return a.tensor("input").diagonal({ offset: a.number("offset", 0), dim1: a.number("dim1", 0), dim2: a.number("dim2", 1) });
  }),
  tril: row("input diagonal", (a) => a.tensor("input").tril(a.number("diagonal", 0))),
  triu: row("input diagonal", (a) => a.tensor("input").triu(a.number("diagonal", 0))),
  trace: row("input", (a) => a.tensor("input").trace()),
  roll: row("input shifts dims", (a) => a.tensor("input").roll(a.dims("shifts")!, a.dims("dims"))),
  repeat: row("input *repeats", (a) => a.tensor("input").repeat(a.list("repeats"))),
  tile: row("input *dims", (a) => a.tensor("input").tile(a.list("dims"))),
  repeat_interleave: row("input repeats dim", async (a) => {
    const repeats = a.operand("repeats");
    const counts = typeof repeats === "number" ? repeats : Array.from(await repeats.data());
    return a.tensor("input").repeatInterleave(counts, a.has("dim") ? { dim: a.number("dim") } : {});
  }),
  unbind: row("input dim", (a) => a.tensor("input").unbind(a.number("dim", 0))),
  movedim: row("input source destination", (a) => a.tensor("input").movedim(a.list("source"), a.list("destination"))),
  unflatten: row("input dim sizes", (a) => a.tensor("input").unflatten(a.number("dim"), a.list("sizes"))),
  rot90: row("input k dims", (a) => {
    return a.tensor("input").rot90(a.number("k", 1), (a.has("dims") ? a.list("dims") : [0, 1]) as [number, number]);
  }),
  unfold: row("input dimension size step", (a) => {
    return a.tensor("input").unfold(a.number("dimension"), { size: a.number("size"), step: a.number("step") });
  }),
  tensor_split: row("input sections dim", (a) => splitAt(a, 0)),
  hsplit: composed("input sections", (a) => evenly(a, a.tensor("input").rank === 1 ? 0 : 1, 1)),
  vsplit: composed("input sections", (a) => evenly(a, 0, 2)),
  dsplit: composed("input sections", (a) => evenly(a, 2, 3)),
  hstack: row("tensors", (a) => hstack(a.tensors("tensors"))),
  vstack: row("tensors", (a) => vstack(a.tensors("tensors"))),
  dstack: row("tensors", (a) => dstack(a.tensors("tensors"))),
  broadcast_tensors: row("*tensors", (a) => broadcastTensors(a.tensors("tensors"))),
  block_diag: row("*tensors", (a) => blockDiag(a.tensors("tensors"))),
  cartesian_prod: row("*tensors", (a) => cartesianProd(a.tensors("tensors"))),
  combinations: row("input", (a) => {
    return combinations(a.tensor("input"), { r: a.number("r", 2), withReplacement: a.flag("with_replacement") });
  }),
  "linalg.vander": row("x", (a) => {
    const x = a.tensor("x");
    return vander(x.rank === 0 ? x.reshape([1]) : x, a.has("N") ? { columns: a.number("N") } : {});
  }),
  diagflat: composed("input offset", (a) => a.tensor("input").flatten().diag(a.number("offset", 0))),
  "meshgrid/variadic_tensors": row("*tensors", meshed),
  "meshgrid/list_of_tensors": row("*tensors", meshed),
};

async function splitAt(a: Arguments, fallback: number): Promise<Tensor[]> {
  const stored = a.raw("sections")!;
  if (typeof stored === "string") throw new Unsupported("sections that is a string");
  const options = { dim: a.number("dim", fallback) };
  if (typeof stored === "number" || Array.isArray(stored)) return a.tensor("input").tensorSplit(stored as number | number[], options);
  const positions = a.asTensor(stored, "sections");
  const list = Array.from(await positions.data());
  return a.tensor("input").tensorSplit(positions.rank === 0 ? list[0]! : list, options);
}

/** PyTorch's hsplit, vsplit and dsplit: equal parts, of at least so many dims. */
async function evenly(a: Arguments, dim: number, rank: number): Promise<Tensor[]> {
  const [x, sections] = [a.tensor("input"), a.raw("sections")];
  if (x.rank < rank) throw new Unsupported("the check of ranks");
  if (typeof sections === "number" && x.shape[dim]! % sections !== 0) throw new Unsupported("the check of equal parts");
  return await splitAt(a, dim);
}

function meshed(a: Arguments): Tensor[] {
  return meshgrid(a.tensors("tensors"), { indexing: a.text<"ij" | "xy">("indexing", "ij") });
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
  column_stack: row("tensors", (a) => cat(a.tensors("tensors").map((part) => part.rank < 2 ? part.reshape([-1, 1]) : part), { dim: 1 })),
  atleast_1d: atLeast(1),
  atleast_2d: atLeast(2),
  atleast_3d: atLeast(3),
});

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
  logspace: row("start end steps base", (a) => {
    const [start, end, steps] = [a.ignore("device").number("start"), a.number("end"), a.number("steps")];
    return logspace(start, end, { steps, base: a.number("base", 10), ...options(a) });
  }),
  uniform: random("input from to", (a) => rand(a.tensor("input").shape, { low: a.number("from", 0), high: a.number("to", 1) })),
  multinomial: random("input num_samples replacement", (a) => {
    return multinomial(a.tensor("input"), { count: a.number("num_samples"), replacement: a.flag("replacement") });
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
  // The device, another tensor or the type; then what concerns copies.
  to: row("input target dtype non_blocking copy", (a) => {
    const x = a.ignore("memory_format", "non_blocking", "copy", "argument 5").tensor("input");
    const target = a.raw("target");
    if (typeof target === "string") return x.to(a.dtype()!);
    a.ignore("dtype");
    return x.to((target as { dtype?: string }).dtype !== undefined ? a.dtype("target")! : a.tensor("target").dtype);
  }),
};

/** Shapes, joining, making and casting. */
export const shapes: Rows = { ...views, ...composedViews, ...rearranged, ...making, ...casts };
