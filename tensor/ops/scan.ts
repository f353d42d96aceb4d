/**
 * Running products and extrema along the last dim. (The running sum stands with indexing.)
 *
 * @module
 */
import type { ScanKernel } from "../kernel.ts";
import type { KernelOp } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import type { NoAttributes } from "./matmul.ts";

function scan(
  combine: ScanKernel["combine"],
  rest: Pick<KernelOp<NoAttributes>, "name" | "vjp" | "saves" | "compose">,
): KernelOp<NoAttributes> {
  return {
    kind: "kernel",
    ...rest,
    infer: ([x]) => [x!],
    launch: (inputs, outputs) => ({ kernel: { kind: "scan", key: `scan ${combine}`, combine }, inputs, outputs }),
  };
}

/**
 * The running product. Before the first 0 its gradient is Σ_{j ≥ i} dy_j y_j / x_i; at the first 0 the same with that factor left out;
 * behind it nothing flows. That form has no right second derivative behind a 0, so the engine differentiates the composed one for it.
 */
export const cumprod: KernelOp<NoAttributes> = scan("prod", {
  name: "cumprod",
  saves: { inputs: [0], outputs: [0] },
  compose: ([x]) => [runningProduct(x!)],
  vjp: ({ dy, x, y }) => {
    const zero = x(0).eq(0);
    const seen = zero.cumsum(-1);
    const first = zero.logicalAnd(seen.eq(1));
    const safe = first.where(1, x(0));
    const before = fromRight(dy.mul(y(0))).div(seen.eq(0).where(x(0), 1));
    return [first.where(fromRight(dy.mul(safe.cumprod(-1))), seen.eq(0).where(before, 0))];
  },
});

/** The running greatest value; NaN stays. */
export const runningMax: KernelOp<NoAttributes> = scan("max", { name: "runningMax", vjp: null });

/** The running least value; NaN stays. */
export const runningMin: KernelOp<NoAttributes> = scan("min", { name: "runningMin", vjp: null });

function fromRight(x: Tensor): Tensor {
  return x.flip(-1).cumsum(-1).flip(-1);
}

/** The running product by doubling: after step k each place holds the product of its last 2^k factors. Only products, so smooth everywhere. */
function runningProduct(x: Tensor): Tensor {
  const size = x.shape.at(-1)!;
  let y = x.alias();
  for (let reach = 1; reach < size; reach *= 2) y = y.mul(y.pad([reach, -reach], { value: 1 }));
  return y;
}
