/**
 * Reductions and norms of op_db as Tandem calls.
 *
 * @module
 */
import {
  cumulativeTrapezoid,
  type Dims,
  gradient,
  type Tensor,
  trapezoid,
  type TrapezoidOptions,
  unitVectors,
  vectorNorm,
} from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import type { StoredArgument } from "../format.ts";
import { composed, row, type Rows, typed } from "./row.ts";

/** input, dim, keepdim and, where PyTorch has it, dtype. */
function reduction(call: (x: Tensor, dim: Dims | undefined, keepDim: boolean) => Tensor) {
  return row("input dim keepdim", (a) => call(typed(a), a.dims("dim"), a.flag("keepdim")));
}

/** PyTorch's empty list of dims means all. */
function orAll(dim: Dims | undefined): Dims | undefined {
  return Array.isArray(dim) && dim.length === 0 ? undefined : dim;
}

const plain: Rows = {
  sum: reduction((x, dim, keepDim) => x.sum(orAll(dim), { keepDim })),
  mean: reduction((x, dim, keepDim) => x.mean(orAll(dim), { keepDim })),
  prod: reduction((x, dim, keepDim) => x.prod(dim, { keepDim })),
  amax: reduction((x, dim, keepDim) => x.max(orAll(dim), { keepDim })),
  amin: reduction((x, dim, keepDim) => x.min(orAll(dim), { keepDim })),
  all: reduction((x, dim, keepDim) => x.all(dim, { keepDim })),
  any: reduction((x, dim, keepDim) => x.any(dim, { keepDim })),
  argmax: row("input dim keepdim", (a) => a.tensor("input").argmax(single(a), { keepDim: a.flag("keepdim") })),
  argmin: row("input dim keepdim", (a) => a.tensor("input").argmin(single(a), { keepDim: a.flag("keepdim") })),
  logsumexp: reduction((x, dim, keepDim) => x.logsumexp(dim, { keepDim })),
  "max/reduction_no_dim": row("input", (a) => a.tensor("input").max()),
  "min/reduction_no_dim": row("input", (a) => a.tensor("input").min()),
  "max/reduction_with_dim": row("input dim keepdim", (a) => {
    const [x, dim, keepDim] = [a.tensor("input"), single(a), a.flag("keepdim")];
    return [x.max(dim, { keepDim }), x.argmax(dim, { keepDim })];
  }),
  "min/reduction_with_dim": row("input dim keepdim", (a) => {
    const [x, dim, keepDim] = [a.tensor("input"), single(a), a.flag("keepdim")];
    return [x.min(dim, { keepDim }), x.argmin(dim, { keepDim })];
  }),
  var: row("input dim unbiased keepdim", (a) => variance(a).var),
  std: row("input dim unbiased keepdim", (a) => variance(a).std),
  var_mean: row("input dim unbiased keepdim", (a) => [variance(a).var, variance(a).mean]),
  std_mean: row("input dim unbiased keepdim", (a) => [variance(a).std, variance(a).mean]),
  aminmax: row("input", (a) => {
    const [x, dim, keepDim] = [a.tensor("input"), a.dims("dim"), a.flag("keepdim")];
    if (x.rank === 0 && keepDim) throw new Unsupported("0-d tensor with keepdim");
    return [x.min(dim, { keepDim }), x.max(dim, { keepDim })];
  }),
  count_nonzero: row("input dim", (a) => a.tensor("input").countNonzero(orAll(a.dims("dim")))),
  nansum: reduction((x, dim, keepDim) => x.nansum(orAll(dim), { keepDim })),
  nanmean: reduction((x, dim, keepDim) => x.nanmean(orAll(dim), { keepDim })),
  cov: row("input", (a) => {
    const [frequencies, weights] = [a.optional("fweights"), a.optional("aweights")];
    return a.ignore("fweights", "aweights").tensor("input").cov({
      correction: a.number("correction", 1),
      ...(frequencies && { frequencies }),
      ...(weights && { weights }),
    });
  }),
  corrcoef: row("input", (a) => a.tensor("input").corrcoef()),
  sum_to_size: row("input *size", (a) => a.tensor("input").sumTo(a.list("size"))),
  renorm: row("input p dim maxnorm", (a) => {
    return a.tensor("input").renorm({ p: a.number("p"), dim: a.number("dim"), maxNorm: a.number("maxnorm") });
  }),
  trapz: row("y x", (a) => trapezoid(a.tensor("y"), samplesOf(a))),
  trapezoid: row("y x", (a) => trapezoid(a.tensor("y"), samplesOf(a))),
  cumulative_trapezoid: row("y x", (a) => cumulativeTrapezoid(a.tensor("y"), samplesOf(a))),
  gradient: row("input", (a) => {
    const spacing = a.raw("spacing");
    const dim = a.dims("dim");
    return gradient(a.tensor("input"), {
      edgeOrder: a.number("edge_order", 1) as 1 | 2,
      ...(dim !== undefined && { dim }),
      ...(spacing !== undefined && { spacing: Array.isArray(spacing) ? spacing.map((part) => spacingOf(a, part)) : a.number("spacing") }),
    });
  }),
};

function samplesOf(a: Arguments): TrapezoidOptions {
  const x = a.optional("x");
  return { ...(x && { x }), ...(a.has("dx") && { dx: a.number("dx") }), dim: a.number("dim", -1) };
}

function spacingOf(a: Arguments, part: StoredArgument): number | Tensor {
  return typeof part === "number" ? part : a.asTensor(part, "spacing");
}

/** The one dim that is reduced, or undefined for all. */
export function single(a: Arguments): number | undefined {
  const dim = a.dims("dim");
  if (Array.isArray(dim)) throw new Unsupported("dim that is a list");
  return dim as number | undefined;
}

/** var and std, whose second argument may be `unbiased` instead of dim. */
function variance(a: Arguments): { readonly var: Tensor; readonly std: Tensor; readonly mean: Tensor } {
  const x = a.tensor("input");
  const short = typeof a.raw("dim") === "boolean";
  const unbiased = short ? a.flag("dim") : a.flag("unbiased", true);
  const correction = a.has("correction") ? a.number("correction") : unbiased ? 1 : 0;
  const dim = short ? undefined : orAll(a.dims("dim"));
  const keepDim = a.flag("keepdim");
  const options = { keepDim, correction };
  return {
    get var() {
      return x.var(dim, options);
    },
    get std() {
      return x.std(dim, options);
    },
    get mean() {
      return x.mean(dim, { keepDim });
    },
  };
}

const norms: Rows = {
  norm: row("input p dim keepdim", norm),
  "norm/fro": row("input p dim keepdim", norm),
  "norm/inf": row("input p dim keepdim", norm),
  "linalg.vector_norm": row("input ord dim keepdim", (a) => order(typed(a), a.number("ord", 2), orAll(a.dims("dim")), a.flag("keepdim"))),
  dist: composed("input other p", (a) => vectorNorm(a.tensor("input").sub(a.tensor("other")), { order: a.number("p", 2) })),
};

function norm(a: Arguments): Tensor {
  const x = typed(a);
  const p = a.raw("p") ?? 2;
  if (p === "nuc") throw new Unsupported("p nuc");
  return order(x, p === "fro" ? 2 : a.number("p", 2), a.dims("dim"), a.flag("keepdim"));
}

/** The norm of any order; x.norm has the positive ones and -Infinity. */
function order(x: Tensor, p: number, dim: Dims | undefined, keepDim: boolean): Tensor {
  return p > 0 || p === -Infinity ? x.norm(dim, { p, keepDim }) : vectorNorm(x, { order: p, ...(dim !== undefined && { dim }), keepDim });
}

/** Tandem's orders are positive or infinite. */
export function orderOf(p: number): number {
  if (p <= 0 && p !== -Infinity) throw new Unsupported("p from 0 down");
  return p;
}

/** PyTorch's masked operators: what the mask leaves out has the value that changes nothing. */
function masked(nothing: number, call: (x: Tensor, dim: Dims | undefined, keepDim: boolean) => Tensor) {
  return composed("input dim", (a) => call(visible(a, nothing), orAll(a.dims("dim")), a.flag("keepdim")));
}

function visible(a: Arguments, nothing: number): Tensor {
  const x = typed(a);
  const mask = a.optional("mask");
  return mask === undefined ? x : mask.where(x, nothing);
}

const maskedRows: Rows = {
  "masked.sum": masked(0, (x, dim, keepDim) => x.sum(dim, { keepDim })),
  "masked.prod": masked(1, (x, dim, keepDim) => x.prod(dim, { keepDim })),
  "masked.amax": masked(-Infinity, (x, dim, keepDim) => x.max(dim, { keepDim })),
  "masked.amin": masked(Infinity, (x, dim, keepDim) => x.min(dim, { keepDim })),
  "masked.logsumexp": masked(-Infinity, (x, dim, keepDim) => x.logsumexp(dim, { keepDim })),
  // op_db casts these two's positions to the input's type.
  "masked.argmax": composed("input dim", (a) => visible(a, -Infinity).argmax(single(a), { keepDim: a.flag("keepdim") }).to("float32")),
  "masked.argmin": composed("input dim", (a) => visible(a, Infinity).argmin(single(a), { keepDim: a.flag("keepdim") }).to("float32")),
  "masked.norm": composed("input ord dim", (a) => {
    const p = a.number("ord", 2);
    return order(visible(a, p === -Infinity ? Infinity : 0), p, orAll(a.dims("dim")), a.flag("keepdim"));
  }),
  "masked.mean": composed("input dim", (a) => {
    const [dim, keepDim] = [orAll(a.dims("dim")), a.flag("keepdim")];
    const seen = visible(a, 0);
    const mask = a.optional("mask") ?? seen.onesLike();
    const count = mask.expand(seen.shape).to("float32").sum(dim, { keepDim });
    return seen.sum(dim, { keepDim }).div(count);
  }),
  "masked.softmax": composed("input dim", (a) => visible(a, -Infinity).softmax(a.number("dim"))),
  "masked.log_softmax": composed("input dim", (a) => visible(a, -Infinity).logSoftmax(a.number("dim"))),
  "masked.softmin": composed("input dim", (a) => visible(a, Infinity).neg().softmax(a.number("dim"))),
  "masked.cumprod": composed("input dim", (a) => visible(a, 1).cumprod(a.number("dim"))),
  "masked.median": composed("input dim", (a) => visible(a, NaN).nanmedian(a.number("dim"), { keepDim: a.flag("keepdim") }).values),
  "masked.var": composed("input dim", (a) => maskedVariance(a)),
  "masked.std": composed("input dim", (a) => maskedVariance(a).sqrt()),
  "masked.normalize": composed("input ord dim", (a) => {
    const x = visible(a, 0);
    return unitVectors(x, { p: orderOf(a.number("ord")), dim: a.number("dim"), epsilon: a.number("eps", 1e-12) });
  }),
  "masked.logaddexp": composed("input other", (a) => {
    const seen = (name: string, mask: Tensor | undefined) => mask === undefined ? a.tensor(name) : mask.where(a.tensor(name), -Infinity);
    return seen("input", a.optional("input_mask")).logaddexp(seen("other", a.optional("other_mask")));
  }),
  "masked.cumsum": composed("input dim", (a) => visible(a, 0).cumsum(a.number("dim"))),
};

function maskedVariance(a: Arguments): Tensor {
  const [dim, x] = [orAll(a.dims("dim")), typed(a)];
  const keepDim = a.flag("keepdim");
  const mask = (a.optional("mask") ?? x.ne(x).logicalNot()).expand(x.shape);
  const count = mask.to(x.dtype).sum(dim, { keepDim: true });
  const mean = mask.where(x, 0).sum(dim, { keepDim: true }).div(count);
  const squares = mask.where(x.sub(mean), 0).square().sum(dim, { keepDim });
  return squares.div(mask.to(x.dtype).sum(dim, { keepDim }).sub(a.flag("unbiased", true) ? 1 : 0));
}

/** Reductions. */
export const reductions: Rows = { ...plain, ...norms, ...maskedRows };
