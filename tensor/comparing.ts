/**
 * Whether tensors agree, and which elements are among others: methods of {@link Tensor}.
 *
 * @module
 */
import { checkOptions } from "./arguments.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError } from "./errors.ts";
import { searchsorted } from "./indexing.ts";
import { tidy } from "./scope.ts";
import { sameShape } from "./shape.ts";
import { checkTensors, type Tensor } from "./tensor.ts";

/** How far apart numbers may be. */
export interface CloseOptions {
  /** Relative to the other number's size. Default 1e-5. */
  readonly rtol?: number;
  /** In any case. Default 1e-8. */
  readonly atol?: number;
  /** Whether NaN is close to NaN. Default false. */
  readonly equalNaN?: boolean;
}

/** Internal: see {@link Tensor.isclose}. */
export function isclose(a: Tensor, b: Tensor, options: CloseOptions): Tensor {
  checkTensors("isclose", { b });
  const { rtol = 1e-5, atol = 1e-8, equalNaN = false } = checkOptions(options, "isclose", ["rtol", "atol", "equalNaN"]);
  if (a.dtype !== b.dtype) throw new DTypeError(`Cannot isclose ${a.dtype} and ${b.dtype}: one type is needed`, { op: "isclose" });
  if (!(rtol >= 0 && atol >= 0)) throw new ArgumentError(`Cannot isclose: tolerances from 0 are needed, got ${rtol} and ${atol}`);
  return tidy(() => {
    const [x, y] = a.dtype === "bool" ? [a.to("int32"), b.to("int32")] : [a.detach(), b.detach()];
    const equal = x.eq(y);
    const same = equalNaN && isFloat(x.dtype) ? equal.logicalOr(x.isNaN().logicalAnd(y.isNaN())) : equal;
    const apart = x.sub(y).abs();
    return same.logicalOr(apart.isFinite().logicalAnd(apart.le(y.abs().mul(rtol).add(atol))));
  });
}

/** Internal: see {@link Tensor.allclose}. */
export async function allclose(a: Tensor, b: Tensor, options: CloseOptions): Promise<boolean> {
  checkTensors("allclose", { b });
  checkOptions(options, "allclose", ["rtol", "atol", "equalNaN"]);
  return await valueOf(tidy(() => isclose(a, b, options).all())) !== 0;
}

/** Internal: see {@link Tensor.equal}. */
export async function equal(a: Tensor, b: Tensor): Promise<boolean> {
  checkTensors("equal", { b });
  if (!sameShape(a.shape, b.shape)) return false;
  return await valueOf(tidy(() => a.detach().eq(b.detach()).all())) !== 0;
}

async function valueOf(x: Tensor): Promise<number> {
  try {
    return await x.item();
  } finally {
    x.dispose();
  }
}

/** Internal: see {@link Tensor.isin}. */
export function isin(x: Tensor, values: Tensor, options: { readonly invert?: boolean }): Tensor {
  checkTensors("isin", { values });
  const { invert = false } = checkOptions(options, "isin", ["invert"]);
  return tidy(() => {
    const sorted = values.detach().flatten().sort().values;
    const flat = x.detach().flatten();
    if (sorted.size === 0) return invert ? x.newFull(x.shape, 1, "bool") : x.newZeros(x.shape, "bool");
    const places = searchsorted(sorted, flat).minimum(sorted.size - 1);
    const found = sorted.gather(0, places).eq(flat).reshape(x.shape);
    return invert ? found.logicalNot() : found;
  });
}
