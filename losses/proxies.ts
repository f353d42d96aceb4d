/**
 * Losses against one learned vector per class: additive angular and cosine margins, Proxy-NCA, Proxy-Anchor.
 *
 * @module
 */
import { checkTensors } from "../tensor/tensor.ts";
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type Tensor, tidy } from "../tensor/mod.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { logOnePlusSum } from "./mined.ts";
import { reduceLoss, type Reduction } from "./reduction.ts";
import { checkPrototypes, flattenViews, normalizeRows } from "./similarity.ts";

/** Options of {@link arcFaceLoss} and {@link cosFaceLoss}. */
export interface AngularMarginOptions {
  /** [K, D], one row per class; normalised. */
  readonly prototypes: Tensor;
  /** ArcFace: the angle, default 0.5; CosFace: the cosine, default 0.35. */
  readonly margin?: number;
  /** What cosines are multiplied by. Default 64. */
  readonly scale?: number;
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/**
 * Cross entropy of scaled cosines with the true class's angle widened by a margin: cos(θ_y + m), and cos θ_y - m sin m where θ_y + m > π.
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @throws ShapeError, DTypeError when arguments do not fit; ArgumentError for a margin outside 0 … π/2. Source: Deng et al. 2019.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { arcFaceLoss } from "./mod.ts";
 * import { eye, tensor } from "../tensor/mod.ts";
 *
 * const labels = tensor([0, 1], { dtype: "int32" });
 * const loss = arcFaceLoss(eye(2), labels, { prototypes: eye(2), margin: 0, scale: 1 });
 * assertAlmostEquals(await loss.item(), Math.log(1 + Math.exp(-1)), 1e-6);
 * ```
 */
export function arcFaceLoss(embeddings: Tensor, labels: Tensor, options: AngularMarginOptions): Tensor {
  checkOptions(options, "arcFaceLoss", ["prototypes", "margin", "scale", "reduction"]);
  const { prototypes, margin = 0.5, scale = 64, reduction = "mean" } = options;
  checkTensors("arcFaceLoss", { embeddings, labels, prototypes });
  if (!(margin >= 0 && margin <= Math.PI / 2)) {
    throw new ArgumentError(`Cannot arcFaceLoss: a margin from 0 to π/2 is needed, got ${margin}`);
  }
  return tidy(() => {
    const { rows, classes } = prepare(embeddings, labels, prototypes, "arcFaceLoss");
    const cosines = normalizeRows(rows).matmul(normalizeRows(prototypes).mT);
    const sines = cosines.square().neg().add(1).clamp({ min: 1e-12 }).sqrt();
    const widened = cosines.mul(Math.cos(margin)).sub(sines.mul(Math.sin(margin)));
    const beyond = cosines.sub(margin * Math.sin(margin));
    const own = cosines.gt(Math.cos(Math.PI - margin)).where(widened, beyond);
    const truth = classes.oneHot(prototypes.shape[0]!, { dtype: "bool" });
    return crossEntropy(truth.where(own, cosines).mul(scale), classes, { reduction });
  });
}

/**
 * Cross entropy of scaled cosines with the true class's cosine less a margin: cos θ_y - m.
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @throws ShapeError, DTypeError when arguments do not fit. Source: Wang et al. 2018.
 */
export function cosFaceLoss(embeddings: Tensor, labels: Tensor, options: AngularMarginOptions): Tensor {
  checkOptions(options, "cosFaceLoss", ["prototypes", "margin", "scale", "reduction"]);
  const { prototypes, margin = 0.35, scale = 64, reduction = "mean" } = options;
  checkTensors("cosFaceLoss", { embeddings, labels, prototypes });
  return tidy(() => {
    const { rows, classes } = prepare(embeddings, labels, prototypes, "cosFaceLoss");
    const cosines = normalizeRows(rows).matmul(normalizeRows(prototypes).mT);
    const truth = classes.oneHot(prototypes.shape[0]!, { dtype: cosines.dtype });
    return crossEntropy(cosines.sub(truth.mul(margin)).mul(scale), classes, { reduction });
  });
}

/** Options of {@link proxyNcaLoss}. */
export interface ProxyNcaOptions {
  /** [K, D], one row per class. */
  readonly prototypes: Tensor;
  /** What squared distances are multiplied by. Default 1. */
  readonly scale?: number;
  /** Whether the own class's proxy stands in the sum too. Default false, as in the paper. */
  readonly includePositive?: boolean;
  /** Normalise rows and proxies first. Default true. */
  readonly normalize?: boolean;
  /** Default "mean". */
  readonly reduction?: Reduction;
}

/**
 * Proxy-NCA: d(x, p_y) + log Σ_{k ≠ y} e^(-d(x, p_k)), with d the squared distance.
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @throws ShapeError, DTypeError when arguments do not fit; ArgumentError for fewer than two proxies. Source: Movshovitz-Attias et al. 2017.
 */
export function proxyNcaLoss(embeddings: Tensor, labels: Tensor, options: ProxyNcaOptions): Tensor {
  checkOptions(options, "proxyNcaLoss", ["prototypes", "scale", "includePositive", "normalize", "reduction"]);
  const { prototypes, scale = 1, includePositive = false, normalize = true, reduction = "mean" } = options;
  checkTensors("proxyNcaLoss", { embeddings, labels, prototypes });
  if (prototypes.shape[0]! < 2) throw new ArgumentError("Cannot proxyNcaLoss: at least two proxies are needed, got one");
  return tidy(() => {
    const { rows, classes } = prepare(embeddings, labels, prototypes, "proxyNcaLoss");
    const [x, p] = normalize ? [normalizeRows(rows), normalizeRows(prototypes)] : [rows, prototypes];
    const distances = x.square().sum(1).unsqueeze(1).add(p.square().sum(1)).sub(x.matmul(p.mT).mul(2)).mul(scale);
    const own = distances.gather(1, classes.unsqueeze(1)).squeeze(1);
    const truth = classes.oneHot(prototypes.shape[0]!, { dtype: "bool" });
    const others = includePositive ? distances.neg() : distances.neg().maskedFill(truth, -Infinity);
    return reduceLoss(own.add(others.logsumexp(1)), reduction, "proxyNcaLoss");
  });
}

/** Options of {@link proxyAnchorLoss}. */
export interface ProxyAnchorOptions {
  /** [K, D], one row per class; normalised. */
  readonly prototypes: Tensor;
  /** α. Default 32. */
  readonly alpha?: number;
  /** δ. Default 0.1. */
  readonly margin?: number;
}

/**
 * Proxy-Anchor: with proxies as anchors, mean over the classes present of log(1 + Σ_{x of the class} e^(-α (s - δ))) plus mean over all
 * classes of log(1 + Σ_{x of others} e^(α (s + δ))).
 *
 * @param embeddings [N, D], or [N, V, D].
 * @param labels int32 [N].
 * @returns One number.
 * @throws ShapeError, DTypeError when arguments do not fit. Source: Kim et al. 2020.
 */
export function proxyAnchorLoss(embeddings: Tensor, labels: Tensor, options: ProxyAnchorOptions): Tensor {
  const { prototypes, alpha = 32, margin = 0.1 } = checkOptions(options, "proxyAnchorLoss", ["prototypes", "alpha", "margin"]);
  checkTensors("proxyAnchorLoss", { embeddings, labels, prototypes });
  return tidy(() => {
    const { rows, classes } = prepare(embeddings, labels, prototypes, "proxyAnchorLoss");
    const cosines = normalizeRows(rows).matmul(normalizeRows(prototypes).mT);
    const truth = classes.oneHot(prototypes.shape[0]!, { dtype: "bool" });
    const pull = logOnePlusSum(cosines.sub(margin).mul(-alpha), truth, 0);
    const push = logOnePlusSum(cosines.add(margin).mul(alpha), truth.logicalNot(), 0);
    return pull.sum().div(truth.any(0).sum().to(pull.dtype)).add(push.mean());
  });
}

function prepare(embeddings: Tensor, labels: Tensor, prototypes: Tensor, op: string): { rows: Tensor; classes: Tensor } {
  const flat = flattenViews(embeddings, labels, op);
  checkPrototypes(flat.rows, prototypes, op);
  return { rows: flat.rows, classes: flat.labels! };
}
