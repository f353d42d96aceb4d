/**
 * Statistics that leave NaN out, and those of several variables: methods of {@link Tensor}.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, formatShapes, ShapeError } from "./errors.ts";
import { tidy } from "./scope.ts";
import { normalizeDim } from "./shape.ts";
import type { Dims, KeepDimOptions, Tensor } from "./tensor.ts";

/** Internal: see {@link Tensor.nansum}. */
export function nansum(x: Tensor, dim: Dims | undefined, options: KeepDimOptions): Tensor {
  checkOptions(options, "nansum", ["keepDim"]);
  return isFloat(x.dtype) ? tidy(() => x.maskedFill(x.isNaN(), 0).sum(dim, options)) : x.sum(dim, options);
}

/** Internal: see {@link Tensor.nanmean}. */
export function nanmean(x: Tensor, dim: Dims | undefined, options: KeepDimOptions): Tensor {
  checkOptions(options, "nanmean", ["keepDim"]);
  if (!isFloat(x.dtype)) return x.mean(dim, options);
  return tidy(() => nansum(x, dim, options).div(x.isNaN().logicalNot().sum(dim, options)));
}

/** Options of {@link Tensor.cov}. */
export interface CovarianceOptions {
  /** The degrees of freedom taken off the count. Default 1. */
  readonly correction?: number;
  /** int32 [N]: how often each observation was made. */
  readonly frequencies?: Tensor;
  /** [N], from 0: how much each observation counts. */
  readonly weights?: Tensor;
}

/** Internal: see {@link Tensor.cov}. */
export function cov(x: Tensor, options: CovarianceOptions): Tensor {
  const { correction = 1, frequencies, weights } = checkOptions(options, "cov", ["correction", "frequencies", "weights"]);
  checkVariables(x, "cov");
  if (!Number.isInteger(correction)) throw new ArgumentError(`Cannot cov: a whole correction is needed, got ${correction}`);
  const count = x.rank < 2 ? x.size : x.shape[1]!;
  if (frequencies !== undefined && frequencies.dtype !== "int32") {
    throw new DTypeError(`Cannot cov: int32 frequencies are needed, got ${frequencies.dtype}`, { op: "cov" });
  }
  if (weights !== undefined && !isFloat(weights.dtype)) {
    throw new DTypeError(`Cannot cov: weights of a floating type are needed, got ${weights.dtype}`, { op: "cov" });
  }
  for (const part of [frequencies, weights]) {
    if (part !== undefined && (part.rank > 1 || part.size !== count)) {
      throw new ShapeError(`Cannot cov ${formatShapes([x.shape, part.shape])}: frequencies and weights [${count}] are needed`, {
        op: "cov",
        shapes: [x.shape, part.shape],
      });
    }
  }
  return tidy(() => {
    const rows = (isFloat(x.dtype) ? x : x.to("float32")).reshape([x.rank < 2 ? 1 : x.shape[0]!, count]);
    const counted = frequencies?.to(rows.dtype).reshape([count]);
    const weighed = weights?.to(rows.dtype).reshape([count]);
    const all = counted === undefined ? weighed : weighed === undefined ? counted : counted.mul(weighed);
    const sum = all === undefined ? rows.newFull([], count) : all.sum();
    // Negative weights are seen on the device alone, so they make everything NaN rather than wrong.
    const total = all === undefined ? sum : all.lt(0).any().where(NaN, sum);
    const mean = (all === undefined ? rows : rows.mul(all)).sum(1, { keepDim: true }).div(total);
    const centred = rows.sub(mean);
    const lost = all === undefined || weighed === undefined ? correction : all.mul(weighed).sum().div(total).mul(correction);
    const free = total.sub(lost);
    const products = (all === undefined ? centred : centred.mul(all)).matmul(centred.mT);
    const covariance = products.div(free.clamp({ min: 0 }));
    return covariance.size === 1 ? covariance.reshape([]) : covariance;
  });
}

/** Internal: see {@link Tensor.corrcoef}. */
export function corrcoef(x: Tensor): Tensor {
  checkVariables(x, "corrcoef");
  return tidy(() => {
    const covariance = cov(x, {});
    if (covariance.rank === 0) return covariance.div(covariance);
    const spread = covariance.diagonal().sqrt();
    return covariance.div(spread.unsqueeze(1)).div(spread.unsqueeze(0)).clamp({ min: -1, max: 1 });
  });
}

function checkVariables(x: Tensor, op: string): void {
  if (x.rank > 2) {
    throw new ShapeError(`Cannot ${op} ${formatShapes([x.shape])}: [variables, observations] or [observations] is needed`, {
      op,
      shapes: [x.shape],
    });
  }
}

/** Options of {@link Tensor.renorm}. */
export interface RenormOptions {
  /** The dim whose slices are held. */
  readonly dim: number;
  /** The greatest norm. */
  readonly maxNorm: number;
  /** The norm's order. Default 2. */
  readonly p?: number;
}

/** Internal: see {@link Tensor.renorm}. */
export function renorm(x: Tensor, options: RenormOptions): Tensor {
  const { dim, maxNorm, p = 2 } = checkOptions(options, "renorm", ["dim", "maxNorm", "p"]);
  const at = normalizeDim(dim, x.rank, "renorm");
  if (x.rank < 2) {
    throw new ShapeError(`Cannot renorm ${formatShapes([x.shape])}: at least 2-d is needed`, { op: "renorm", shapes: [x.shape] });
  }
  if (!(maxNorm >= 0)) throw new ArgumentError(`Cannot renorm: a maxNorm from 0 is needed, got ${maxNorm}`);
  return tidy(() => {
    const norms = x.norm(x.shape.flatMap((_, d) => d === at ? [] : [d]), { p, keepDim: true });
    return x.mul(norms.gt(maxNorm).where(norms.add(1e-7).reciprocal().mul(maxNorm), 1));
  });
}
