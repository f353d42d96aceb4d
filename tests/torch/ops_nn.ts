/**
 * Products, convolution, pooling, normalisation and losses of op_db as Tandem calls.
 *
 * @module
 */
import { bceWithLogits, crossEntropy, mseLoss, nllLoss, type Reduction, smoothL1Loss } from "../../losses/mod.ts";
import {
  adaptiveAvgPool2d,
  avgPool2d,
  conv1d,
  conv2d,
  linear,
  maxPool2d,
  type MaxPoolOptions,
  normalize,
  type Tensor,
} from "../../tensor/mod.ts";
import { perDim } from "../../tensor/functions.ts";
import { maxPool } from "../../tensor/ops/matmul.ts";
import { apply } from "../../tensor/tensor.ts";
import { type Arguments, Unsupported } from "./arguments.ts";
import { order } from "./ops_reduce.ts";
import { composed, row, type Rows } from "./row.ts";

/** An operator of two matrices or vectors whose ranks PyTorch fixes. */
function product(first: number, second: number) {
  return row("input other", (a) => {
    const [x, other] = [a.tensor("input"), a.tensor("other")];
    checkRanks([x, first], [other, second]);
    return x.matmul(other);
  });
}

/** Tandem has matmul for all ranks, so an error about a rank is none of its own. */
function checkRanks(...pairs: readonly (readonly [Tensor, number])[]): void {
  if (pairs.some(([x, rank]) => x.rank !== rank)) throw new Unsupported("the check of ranks");
}

/** beta · input + alpha · product. */
function added(names: string, multiply: (first: Tensor, second: Tensor) => Tensor) {
  const [, first, second] = names.split(" ");
  return composed(names, (a) => {
    const [x, beta] = [a.tensor("input"), a.number("beta", 1)];
    const result = multiply(a.tensor(first!), a.tensor(second!)).mul(a.number("alpha", 1));
    return beta === 0 ? result : x.mul(beta).add(result);
  });
}

const products: Rows = {
  matmul: row("input other", (a) => a.tensor("input").matmul(a.tensor("other"))),
  __rmatmul__: row("input other", (a) => a.tensor("other").matmul(a.tensor("input"))),
  mm: product(2, 2),
  mv: product(2, 1),
  bmm: product(3, 3),
  dot: product(1, 1),
  vdot: product(1, 1),
  addmm: added("input mat1 mat2", (a, b) => a.matmul(b)),
  "addmm/decomposed": added("input mat1 mat2", (a, b) => a.matmul(b)),
  addmv: added("input mat vec", (a, b) => a.matmul(b)),
  addbmm: added("input batch1 batch2", (a, b) => a.matmul(b).sum(0)),
  baddbmm: added("input batch1 batch2", (a, b) => a.matmul(b)),
  addr: added("input vec1 vec2", (a, b) => a.unsqueeze(1).mul(b)),
  outer: composed("input vec2", (a) => a.tensor("input").unsqueeze(1).mul(a.tensor("vec2"))),
  inner: composed("input other", (a) => {
    const [x, other] = [a.tensor("input"), a.tensor("other")];
    if (x.rank === 0 || other.rank === 0) return x.mul(other);
    const flat = other.reshape([-1, other.shape.at(-1)!]);
    return x.matmul(flat.mT).reshape([...x.shape.slice(0, -1), ...other.shape.slice(0, -1)]);
  }),
  "linalg.vecdot": composed("input other dim", (a) => a.tensor("input").mul(a.tensor("other")).sum(a.number("dim", -1))),
  "linalg.multi_dot": composed("tensors", (a) => a.tensors("tensors").reduce((x, y) => x.matmul(y))),
  "nn.functional.linear": row("input weight bias", (a) => {
    const [x, weight, bias] = [a.tensor("input"), a.tensor("weight"), a.optional("bias")];
    if (weight.rank === 1) throw new Unsupported("weight of one dim");
    return linear(x, weight, bias === undefined ? {} : { bias });
  }),
};

/** Runs an operation that wants a batch also without one. */
function batched(x: Tensor, rank: number, run: (batch: Tensor) => Tensor): Tensor {
  return x.rank === rank - 1 ? run(x.unsqueeze(0)).squeeze(0) : run(x);
}

function conv(dims: 1 | 2) {
  return row("input weight bias stride padding dilation groups", (a) => {
    const [x, weight, bias] = [a.tensor("input"), a.tensor("weight"), a.optional("bias")];
    const geometry = (name: string, fallback: number): number | number[] => {
      const list = a.has(name) ? a.list(name) : [fallback];
      return list.length === 1 ? list[0]! : list;
    };
    const options = {
      ...(bias && { bias }),
      stride: geometry("stride", 1),
      padding: geometry("padding", 0),
      dilation: geometry("dilation", 1),
      groups: a.number("groups", 1),
    };
    return batched(x, dims + 2, (batch) => dims === 1 ? conv1d(batch, weight, options) : conv2d(batch, weight, options));
  });
}

/** PyTorch's empty stride is the window's size. */
function strideOf(a: Arguments): { readonly stride?: number | number[] } {
  const list = a.has("stride") ? a.list("stride") : [];
  return list.length === 0 ? {} : { stride: one(list) };
}

function one(list: number[]): number | number[] {
  return list.length === 1 ? list[0]! : list;
}

/** The window of one dim as a window of two. */
function across(list: number[], other: number): number[] {
  if (list.length !== 1) throw new Unsupported("a window of several dims");
  return [other, list[0]!];
}

const poolNames = "input kernel_size stride padding dilation ceil_mode return_indices";

const pools: Rows = {
  "nn.functional.max_pool2d": row(poolNames, (a) => {
    const x = a.tensor("input");
    const size = one(a.list("kernel_size"));
    return maximum(a, x, size, {
      ...(a.has("stride") && { stride: one(a.list("stride")) }),
      padding: a.has("padding") ? one(a.list("padding")) : 0,
      dilation: a.has("dilation") ? one(a.list("dilation")) : 1,
    });
  }),
  "nn.functional.max_pool1d": composed(poolNames, (a) => {
    const x = a.tensor("input").unsqueeze(-2);
    const pooled = maximum(a, x, across(a.list("kernel_size"), 1), {
      ...(a.has("stride") && { stride: across(a.list("stride"), 1) }),
      padding: a.has("padding") ? across(a.list("padding"), 0) : 0,
      dilation: a.has("dilation") ? across(a.list("dilation"), 1) : 1,
    });
    return Array.isArray(pooled) ? pooled.map((part) => part.squeeze(-2)) : (pooled as Tensor).squeeze(-2);
  }),
  "nn.functional.avg_pool2d": row("input kernel_size stride padding ceil_mode count_include_pad divisor_override", (a) => {
    const size = one(a.list("kernel_size"));
    const options = {
      ...strideOf(a),
      padding: a.has("padding") ? one(a.list("padding")) : 0,
      ceilMode: a.flag("ceil_mode"),
      countIncludePad: a.flag("count_include_pad", true),
    };
    return batched(a.tensor("input"), 4, (x) => avgPool2d(x, size, options));
  }),
  "nn.functional.avg_pool1d": composed("input kernel_size stride padding ceil_mode count_include_pad", (a) => {
    const size = across(a.list("kernel_size"), 1);
    const options = {
      ...(a.has("stride") && a.list("stride").length > 0 && { stride: across(a.list("stride"), 1) }),
      padding: a.has("padding") ? across(a.list("padding"), 0) : 0,
      ceilMode: a.flag("ceil_mode"),
      countIncludePad: a.flag("count_include_pad", true),
    };
    return batched(a.tensor("input").unsqueeze(-2), 4, (x) => avgPool2d(x, size, options)).squeeze(-2);
  }),
  "nn.functional.adaptive_avg_pool2d": row("input output_size", (a) => {
    const x = a.tensor("input");
    const wanted = a.raw("output_size");
    const size = Array.isArray(wanted) ? wanted.map((n, dim) => n === null ? x.shape[x.rank - 2 + dim]! : n as number) : wanted as number;
    return batched(x, 4, (batch) => adaptiveAvgPool2d(batch, size));
  }),
  "nn.functional.adaptive_avg_pool1d": composed("input output_size", (a) => {
    const size = across(a.list("output_size"), 1);
    return batched(a.tensor("input").unsqueeze(-2), 4, (x) => adaptiveAvgPool2d(x, size)).squeeze(-2);
  }),
};

/** Max pooling of [.., C, H, W]; with return_indices the positions that the kernel notes for its gradient. */
function maximum(a: Arguments, x: Tensor, size: number | number[], options: MaxPoolOptions): Tensor | readonly Tensor[] {
  const ceilMode = a.flag("ceil_mode");
  const values = batched(x, 4, (batch) => maxPool2d(batch, size, { ...options, ceilMode }));
  if (!a.flag("return_indices")) return values;
  const per = (value: MaxPoolOptions["padding"], name: string) => perDim(value ?? size, 2, { op: "maxPool2d", name, least: 0 });
  const attributes = {
    size: per(size, "size"),
    stride: per(options.stride, "stride"),
    padding: per(options.padding ?? 0, "padding"),
    dilation: per(options.dilation ?? 1, "dilation"),
    ceil: ceilMode,
    countPadding: false,
  };
  const lone = x.rank === 3;
  const both = apply(maxPool, [lone ? x.unsqueeze(0) : x], attributes);
  return lone ? both.map((part) => part.squeeze(0)) : both;
}

const norms: Rows = {
  "nn.functional.layer_norm": composed("input normalized_shape weight bias eps", (a) => layerNorm(a).y),
  native_layer_norm: composed("input normalized_shape weight bias eps", (a) => {
    const { y, mean, variance } = layerNorm(a);
    return [y, mean, variance.add(a.number("eps", 1e-5)).rsqrt()];
  }),
  "nn.functional.group_norm": composed("input num_groups weight bias eps", (a) => {
    const x = a.tensor("input");
    const groups = a.number("num_groups");
    const grouped = x.reshape([x.shape[0]!, groups, x.size === 0 ? x.shape[1]! / groups : -1]);
    return perChannel(a, normalize(grouped, { dims: 2, epsilon: a.number("eps", 1e-5) }).y.reshape(x.shape));
  }),
  "nn.functional.instance_norm": composed("input running_mean running_var weight bias use_input_stats momentum eps", (a) => {
    const x = a.ignore("momentum").tensor("input");
    if (!a.flag("use_input_stats", true) || a.has("running_mean")) throw new Unsupported("running statistics");
    const dims = x.shape.map((_, dim) => dim).slice(2);
    return perChannel(a, normalize(x, { dims, epsilon: a.number("eps", 1e-5) }).y);
  }),
  "nn.functional.batch_norm": composed("input running_mean running_var weight bias training momentum eps", (a) => {
    const x = a.ignore("momentum").tensor("input");
    const epsilon = a.number("eps", 1e-5);
    const along = x.shape.map((size, dim) => dim === 1 ? size : 1);
    if (a.flag("training")) {
      a.ignore("running_mean", "running_var");
      const dims = x.shape.flatMap((_, dim) => dim === 1 ? [] : [dim]);
      return perChannel(a, normalize(x, { dims, epsilon }).y);
    }
    const [mean, variance] = [a.tensor("running_mean"), a.tensor("running_var")].map((part) => part.reshape(along));
    return perChannel(a, x.sub(mean!).mul(variance!.add(epsilon).rsqrt()));
  }),
  "nn.functional.normalize": composed("input p dim eps", (a) => {
    const x = a.tensor("input");
    const size = order(x, a.number("p", 2), a.number("dim", 1), true);
    return x.div(size.clamp({ min: a.number("eps", 1e-12) }));
  }),
};

function layerNorm(a: Arguments): ReturnType<typeof normalize> {
  const x = a.tensor("input");
  const shape = a.list("normalized_shape");
  if (shape.some((size, position) => x.shape[x.rank - shape.length + position] !== size)) {
    throw new Unsupported("the check of normalized_shape");
  }
  const dims = shape.map((_, position) => -1 - position);
  const [weight, bias] = [a.optional("weight"), a.optional("bias")];
  const epsilon = a.number("eps", 1e-5);
  if (weight === undefined && bias === undefined) return normalize(x, { dims, epsilon });
  return normalize(x, { dims, epsilon, weight: weight ?? bias!.onesLike(), bias: bias ?? weight!.zerosLike() });
}

/** y · weight + bias, one number per channel. */
function perChannel(a: Arguments, y: Tensor): Tensor {
  const along = y.shape.map((size, dim) => dim === 1 ? size : 1);
  const [weight, bias] = [a.optional("weight"), a.optional("bias")];
  const stretched = weight === undefined ? y : y.mul(weight.reshape(along));
  return bias === undefined ? stretched : stretched.add(bias.reshape(along));
}

function reductionOf(a: Arguments): { readonly reduction: Reduction } {
  return { reduction: a.text<Reduction>("reduction", "mean") };
}

const losses: Rows = {
  "nn.functional.mse_loss": row("input target", (a) => mseLoss(a.tensor("input"), a.tensor("target"), reductionOf(a))),
  "nn.functional.smooth_l1_loss": row("input target", (a) => {
    return smoothL1Loss(a.tensor("input"), a.tensor("target"), { ...reductionOf(a), beta: a.number("beta", 1) });
  }),
  "nn.functional.nll_loss": row("input target", (a) => {
    const [x, target, weight] = [a.tensor("input"), a.tensor("target"), a.optional("weight")];
    const lone = x.rank === 1;
    const options = { ...reductionOf(a), ignoreIndex: a.number("ignore_index", -100), ...(weight && { weight }) };
    const loss = nllLoss(lone ? x.unsqueeze(0) : x, lone ? target.reshape([1]) : target, options);
    return lone && options.reduction === "none" ? loss.squeeze(0) : loss;
  }),
  "nn.functional.binary_cross_entropy_with_logits": row("input target", (a) => {
    return bceWithLogits(a.tensor("input"), a.tensor("target"), reductionOf(a));
  }),
  "nn.functional.cross_entropy": row("input target", (a) => {
    const [x, target, weight] = [a.tensor("input"), a.tensor("target"), a.optional("weight")];
    const lone = x.rank === 1;
    const options = {
      ...reductionOf(a),
      labelSmoothing: a.number("label_smoothing", 0),
      ignoreIndex: a.number("ignore_index", -100),
      ...(weight && { weight }),
    };
    const loss = crossEntropy(lone ? x.unsqueeze(0) : x, lone ? target.unsqueeze(0) : target, options);
    return lone && options.reduction === "none" ? loss.squeeze(0) : loss;
  }),
};

/** What networks are made of. */
export const networks: Rows = {
  ...products,
  "nn.functional.conv1d": conv(1),
  "nn.functional.conv2d": conv(2),
  ...pools,
  ...norms,
  ...losses,
};
