/**
 * Products, convolution, pooling, resizing, normalisation and distances of op_db as Tandem calls.
 *
 * @module
 */
import {
  batchNorm,
  Bilinear,
  EmbeddingBag,
  gridSample,
  type GridSampleOptions,
  groupNorm,
  interpolate,
  type InterpolateOptions,
  layerNorm,
  LocalResponseNorm,
  pad,
  PixelShuffle,
  PixelUnshuffle,
  scaledDotProductAttention,
} from "../../../nn/mod.ts";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  cdist,
  conv1d,
  conv2d,
  conv3d,
  type ConvPadding,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  cosineSimilarity,
  einsum,
  eye,
  linear,
  maxPool1d,
  maxPool1dWithIndices,
  maxPool2d,
  maxPool2dWithIndices,
  maxPool3d,
  maxPool3dWithIndices,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  normalize,
  pairwiseDistance,
  type Tensor,
  tensor,
  tensordot,
  unfold,
  unitVectors,
} from "../../../tensor/mod.ts";
import { type Arguments, Unsupported } from "../arguments.ts";
import { orderOf } from "./reduce.ts";
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
  outer: row("input vec2", (a) => a.tensor("input").outer(a.tensor("vec2"))),
  kron: row("input other", (a) => a.tensor("input").kron(a.tensor("other"))),
  cross: row("input other dim", (a) => a.tensor("input").cross(a.tensor("other"), { dim: a.number("dim", -1) })),
  "linalg.cross": row("input other dim", (a) => a.tensor("input").cross(a.tensor("other"), { dim: a.number("dim", -1) })),
  einsum: row("operands equation", (a) => einsum(a.text("equation", ""), a.tensors("operands"))),
  tensordot: row("input other dims", (a) => {
    const dims = a.raw("dims") as number | [number[], number[]];
    return tensordot(a.tensor("input"), a.tensor("other"), { dims });
  }),
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

function conv(dims: 1 | 2 | 3) {
  return row("input weight bias stride padding dilation groups", (a) => {
    const [x, weight] = [a.tensor("input"), a.tensor("weight")];
    const named = a.has("padding") ? a.raw("padding") : 0;
    const padding: ConvPadding = named === "same" || named === "valid" ? named : perDimOf(a, "padding", 0);
    const options = { ...geometry(a), padding };
    return batched(x, dims + 2, (batch) => [conv1d, conv2d, conv3d][dims - 1]!(batch, weight, options));
  });
}

function convTransposed(dims: 1 | 2 | 3) {
  return row("input weight bias stride padding output_padding groups dilation", (a) => {
    const [x, weight] = [a.tensor("input"), a.tensor("weight")];
    const options = { ...geometry(a), padding: perDimOf(a, "padding", 0), outputPadding: perDimOf(a, "output_padding", 0) };
    return batched(x, dims + 2, (batch) => [convTranspose1d, convTranspose2d, convTranspose3d][dims - 1]!(batch, weight, options));
  });
}

function geometry(a: Arguments) {
  const bias = a.optional("bias");
  return {
    ...(bias && { bias }),
    stride: perDimOf(a, "stride", 1),
    dilation: perDimOf(a, "dilation", 1),
    groups: a.number("groups", 1),
  };
}

function perDimOf(a: Arguments, name: string, fallback: number): number | number[] {
  return one(a.has(name) ? a.list(name) : [fallback]);
}

/** PyTorch's empty stride is the window's size. */
function strideOf(a: Arguments): { readonly stride?: number | number[] } {
  const list = a.has("stride") ? a.list("stride") : [];
  return list.length === 0 ? {} : { stride: one(list) };
}

function one(list: number[]): number | number[] {
  return list.length === 1 ? list[0]! : list;
}

const pools: Rows = {
  "nn.functional.max_pool1d": greatest(maxPool1d, maxPool1dWithIndices, 3),
  "nn.functional.max_pool2d": greatest(maxPool2d, maxPool2dWithIndices, 4),
  "nn.functional.max_pool3d": greatest(maxPool3d, maxPool3dWithIndices, 5),
  "nn.functional.max_unpool1d": unpooled(maxUnpool1d, 3),
  "nn.functional.max_unpool1d/grad": unpooled(maxUnpool1d, 3),
  "nn.functional.max_unpool2d": unpooled(maxUnpool2d, 4),
  "nn.functional.max_unpool2d/grad": unpooled(maxUnpool2d, 4),
  "nn.functional.max_unpool3d": unpooled(maxUnpool3d, 5),
  "nn.functional.max_unpool3d/grad": unpooled(maxUnpool3d, 5),
  "nn.functional.avg_pool1d": averaged(avgPool1d, 3),
  "nn.functional.avg_pool2d": averaged(avgPool2d, 4),
  "nn.functional.avg_pool3d": averaged(avgPool3d, 5),
  "nn.functional.adaptive_avg_pool1d": adaptive(adaptiveAvgPool1d, 3),
  "nn.functional.adaptive_avg_pool2d": adaptive(adaptiveAvgPool2d, 4),
  "nn.functional.adaptive_avg_pool3d": adaptive(adaptiveAvgPool3d, 5),
  "nn.functional.adaptive_max_pool1d": adaptive(adaptiveMaxPool1d, 3),
  "nn.functional.adaptive_max_pool2d": adaptive(adaptiveMaxPool2d, 4),
  "nn.functional.adaptive_max_pool3d": adaptive(adaptiveMaxPool3d, 5),
};

function greatest(pool: typeof maxPool2d, withIndices: typeof maxPool2dWithIndices, rank: number) {
  return row("input kernel_size stride padding dilation ceil_mode return_indices", (a) => {
    const options = {
      ...strideOf(a),
      padding: perDimOf(a, "padding", 0),
      dilation: perDimOf(a, "dilation", 1),
      ceilMode: a.flag("ceil_mode"),
    };
    const [x, size] = [a.tensor("input"), one(a.list("kernel_size"))];
    if (!a.flag("return_indices")) return batched(x, rank, (batch) => pool(batch, size, options));
    const lone = x.rank === rank - 1;
    const { values, indices } = withIndices(lone ? x.unsqueeze(0) : x, size, options);
    return [values, indices].map((part) => lone ? part.squeeze(0) : part);
  });
}

function unpooled(unpool: typeof maxUnpool2d, rank: number) {
  return row("input indices kernel_size stride padding output_size", (a) => {
    const [x, indices] = [a.tensor("input"), a.tensor("indices")];
    const lone = x.rank === rank - 1;
    const options = {
      indices: lone ? indices.unsqueeze(0) : indices,
      ...strideOf(a),
      padding: perDimOf(a, "padding", 0),
      ...(a.has("output_size") && { outputSize: a.list("output_size").slice(2 - rank) }),
    };
    return batched(x, rank, (batch) => unpool(batch, one(a.list("kernel_size")), options));
  });
}

function averaged(pool: typeof avgPool2d, rank: number) {
  return row("input kernel_size stride padding ceil_mode count_include_pad divisor_override", (a) => {
    const options = {
      ...strideOf(a),
      padding: perDimOf(a, "padding", 0),
      ceilMode: a.flag("ceil_mode"),
      countIncludePad: a.flag("count_include_pad", true),
      ...(a.has("divisor_override") && { divisorOverride: a.number("divisor_override") }),
    };
    return batched(a.tensor("input"), rank, (x) => pool(x, one(a.list("kernel_size")), options));
  });
}

function adaptive(pool: typeof adaptiveAvgPool2d, rank: number) {
  return row("input output_size return_indices", (a) => {
    if (a.flag("return_indices")) throw new Unsupported("return_indices");
    return batched(a.tensor("input"), rank, (x) => pool(x, outputSize(a)));
  });
}

/** None keeps a dim's size. */
function outputSize(a: Arguments): number | number[] {
  const { shape, rank } = a.tensor("input");
  const wanted = a.raw("output_size");
  return Array.isArray(wanted) ? wanted.map((n, dim) => n === null ? shape[rank - wanted.length + dim]! : n as number) : wanted as number;
}

const norms: Rows = {
  "nn.functional.layer_norm": row("input normalized_shape weight bias eps", (a) => {
    const options = { normalizedShape: a.list("normalized_shape"), ...affine(a), eps: a.number("eps", 1e-5) };
    return layerNorm(a.tensor("input"), options);
  }),
  native_layer_norm: composed("input normalized_shape weight bias eps", (a) => {
    const [x, normalizedShape, eps] = [a.tensor("input"), a.list("normalized_shape"), a.number("eps", 1e-5)];
    const y = layerNorm(x, { normalizedShape, ...affine(a), eps });
    const { mean, variance } = normalize(x, { dims: normalizedShape.map((_, position) => -1 - position), epsilon: eps });
    return [y, mean, variance.add(eps).rsqrt()];
  }),
  "nn.functional.group_norm": row("input num_groups weight bias eps", (a) => {
    return groupNorm(a.tensor("input"), { groups: a.number("num_groups"), ...affine(a), eps: a.number("eps", 1e-5) });
  }),
  "nn.functional.instance_norm": composed("input running_mean running_var weight bias use_input_stats momentum eps", (a) => {
    const x = a.ignore("momentum").tensor("input");
    const eps = a.number("eps", 1e-5);
    if (!a.flag("use_input_stats", true)) return evaluated(a, x, eps);
    a.ignore("running_mean", "running_var");
    return groupNorm(x, { groups: x.shape[1]!, ...affine(a), eps });
  }),
  "nn.functional.batch_norm": row("input running_mean running_var weight bias training momentum eps", (a) => {
    const x = a.tensor("input");
    const [momentum, eps] = [a.number("momentum", 0.1), a.number("eps", 1e-5)];
    if (!a.flag("training")) return evaluated(a, x, eps);
    return batchNorm(x, { ...running(a), ...affine(a), training: true, momentum, eps });
  }),
  native_batch_norm: composed("input weight bias running_mean running_var training momentum eps", (a) => {
    const x = a.tensor("input");
    const [momentum, eps] = [a.number("momentum", 0.1), a.number("eps", 1e-5)];
    if (!a.flag("training")) return [evaluated(a, x, eps), x.newZeros([0]), x.newZeros([0])];
    const y = batchNorm(x, { ...running(a), ...affine(a), training: true, momentum, eps });
    const { mean, variance } = normalize(x, { dims: x.shape.flatMap((_, dim) => dim === 1 ? [] : [dim]), epsilon: eps });
    return [y, mean.flatten(), variance.add(eps).rsqrt().flatten()];
  }),
  "nn.functional.normalize": row("input p dim eps", (a) => {
    return unitVectors(a.tensor("input"), { p: orderOf(a.number("p", 2)), dim: a.number("dim", 1), epsilon: a.number("eps", 1e-12) });
  }),
  "nn.functional.local_response_norm": row("input size alpha beta k", (a) => {
    const options = { alpha: a.number("alpha", 1e-4), beta: a.number("beta", 0.75), k: a.number("k", 1) };
    return new LocalResponseNorm(a.number("size"), options).forward(a.tensor("input"));
  }),
};

function affine(a: Arguments): { readonly weight: Tensor | null; readonly bias: Tensor | null } {
  return { weight: a.optional("weight") ?? null, bias: a.optional("bias") ?? null };
}

function running(a: Arguments): { readonly runningMean: Tensor | null; readonly runningVar: Tensor | null } {
  return { runningMean: a.optional("running_mean") ?? null, runningVar: a.optional("running_var") ?? null };
}

function evaluated(a: Arguments, x: Tensor, eps: number): Tensor {
  return batchNorm(x, { ...running(a), ...affine(a), eps });
}

function padded(a: Arguments): Tensor {
  return pad(a.tensor("input"), a.list("pad"), { mode: a.text<"reflect" | "replicate" | "circular">("mode", "reflect") });
}

function resized(a: Arguments): Tensor {
  const size = (name: string) => a.has(name) ? one(a.list(name)) : undefined;
  const [to, scale] = [size("size"), size("scale_factor")];
  return interpolate(a.ignore("size", "scale_factor").tensor("input"), {
    ...(to !== undefined && { size: to }),
    ...(scale !== undefined && { scaleFactor: scale }),
    mode: a.text<NonNullable<InterpolateOptions["mode"]>>("mode", "nearest"),
    alignCorners: a.flag("align_corners"),
  });
}

const interpolations = row("input size scale_factor mode align_corners", resized);

const resizing: Rows = {
  "nn.functional.pad/reflect": row("input pad mode", padded),
  "nn.functional.pad/replicate": row("input pad mode", padded),
  "nn.functional.pad/circular": row("input pad mode", padded),
  "nn.functional.interpolate/nearest": interpolations,
  "nn.functional.interpolate/linear": interpolations,
  "nn.functional.interpolate/bilinear": interpolations,
  "nn.functional.interpolate/trilinear": interpolations,
  "nn.functional.interpolate/bicubic": interpolations,
  "nn.functional.interpolate/area": interpolations,
  "nn.functional.upsample_nearest": interpolations,
  "nn.functional.upsample_bilinear": row("input size scale_factor", (a) => {
    const x = a.tensor("input");
    const to = a.has("size") ? { size: a.list("size") } : { scaleFactor: a.number("scale_factor") };
    return interpolate(x, { ...to, mode: "bilinear", alignCorners: true });
  }),
  "nn.functional.pixel_shuffle": row(
    "input upscale_factor",
    (a) => new PixelShuffle(a.number("upscale_factor")).forward(a.tensor("input")),
  ),
  "nn.functional.pixel_unshuffle": row("input downscale_factor", (a) => {
    return new PixelUnshuffle(a.number("downscale_factor")).forward(a.tensor("input"));
  }),
};

const patches: Rows = {
  "nn.functional.grid_sample": row("input grid", (a) => {
    return gridSample(a.tensor("input"), a.tensor("grid"), {
      mode: a.text<NonNullable<GridSampleOptions["mode"]>>("mode", "bilinear"),
      paddingMode: a.text<NonNullable<GridSampleOptions["paddingMode"]>>("padding_mode", "zeros"),
      alignCorners: a.flag("align_corners"),
    });
  }),
  "nn.functional.unfold": row("input kernel_size dilation padding stride", (a) => {
    const options = { dilation: perDimOf(a, "dilation", 1), padding: perDimOf(a, "padding", 0), stride: perDimOf(a, "stride", 1) };
    return batched(a.tensor("input"), 4, (x) => unfold(x, one(a.list("kernel_size")), options));
  }),
};

const distances: Rows = {
  "nn.functional.pdist": composed("input p", (a) => {
    const x = a.tensor("input");
    const [rows, columns] = [0, 1].map((place) => pairsOf(x.shape[0]!).map((pair) => pair[place]!));
    const at = (list: number[]) => x.indexSelect(0, tensor(Int32Array.from(list), { device: x.device }));
    return pairwiseDistance(at(rows!), at(columns!), { p: a.number("p", 2), epsilon: 0 });
  }),
  cdist: row("x1 x2 p compute_mode", (a) => {
    return cdist(a.ignore("compute_mode").tensor("x1"), a.tensor("x2"), { p: a.number("p", 2) });
  }),
  "nn.functional.cosine_similarity": row("x1 x2 dim eps", (a) => {
    return cosineSimilarity(a.tensor("x1"), a.tensor("x2"), { dim: a.number("dim", 1), epsilon: a.number("eps", 1e-8) });
  }),
  "nn.functional.pairwise_distance": row("x1 x2 p eps keepdim", (a) => {
    const options = { p: orderOf(a.number("p", 2)), epsilon: a.number("eps", 1e-6), keepDim: a.flag("keepdim") };
    return pairwiseDistance(a.tensor("x1"), a.tensor("x2"), options);
  }),
  "nn.functional.bilinear": row("input1 input2 weight bias", (a) => {
    const [x, y, weight, bias] = [a.tensor("input1"), a.tensor("input2"), a.tensor("weight"), a.optional("bias")];
    const [out, in1, in2] = weight.shape as [number, number, number];
    const layer = new Bilinear([in1, in2], out, { bias: bias !== undefined });
    return Object.assign(layer, { weight, ...(bias && { bias }) }).forward(x, y);
  }),
  // PyTorch 1.13's private function gives the weights too: they are what is mixed of unit vectors.
  "nn.functional._scaled_dot_product_attention": composed("query key value attn_mask dropout_p need_attn_weights is_causal", (a) => {
    if (a.number("dropout_p", 0) > 0) throw new Unsupported("dropout_p");
    const [query, key, mask] = [a.ignore("need_attn_weights").tensor("query"), a.tensor("key"), a.optional("attn_mask")];
    const causal = a.flag("is_causal");
    const attend = (value: Tensor): Tensor => scaledDotProductAttention(query, key, { value, mask, causal });
    const unit = eye(key.shape.at(-2)!, { device: key.device });
    return [attend(a.tensor("value")), attend(unit.expand([...key.shape.slice(0, -2), ...unit.shape]))];
  }),
  "nn.functional.embedding_bag": row("weight input", (a) => {
    const [weight, index, offsets] = [a.tensor("weight"), a.tensor("input"), a.optional("offsets")];
    const [rows, width] = weight.shape as [number, number];
    const mode = a.text<"sum" | "mean" | "max">("mode", "mean");
    const bag = new EmbeddingBag(rows, width, { mode, ...(a.has("padding_idx") && { paddingIdx: a.number("padding_idx") }) });
    const last = a.flag("include_last_offset");
    const starts = offsets && (last ? offsets.narrow(0, { start: 0, length: offsets.size - 1 }) : offsets);
    const weights = a.optional("per_sample_weights");
    return Object.assign(bag, { weight }).forward(index, { ...(starts && { offsets: starts }), ...(weights && { weights }) });
  }),
};

/** All pairs i < j below n. */
function pairsOf(n: number): [number, number][] {
  return Array.from({ length: n }, (_, i) => Array.from({ length: n - i - 1 }, (_, k): [number, number] => [i, i + 1 + k])).flat();
}

/** What networks are made of. */
export const networks: Rows = {
  ...products,
  "nn.functional.conv1d": conv(1),
  "nn.functional.conv2d": conv(2),
  "nn.functional.conv_transpose1d": convTransposed(1),
  "nn.functional.conv_transpose2d": convTransposed(2),
  "nn.functional.conv_transpose3d": convTransposed(3),
  ...pools,
  ...norms,
  ...resizing,
  ...patches,
  ...distances,
};
