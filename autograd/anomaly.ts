/**
 * Anomaly mode: which operation's backward made the first NaN, and where its forward was called.
 *
 * @module
 */
import { checkFunction } from "../tensor/arguments.ts";
import { GradientError } from "../tensor/errors.ts";
import { keep } from "../tensor/scope.ts";
import { read, type Tensor } from "../tensor/tensor.ts";
import { noGrad, setAnomalyRecorder, type TapeNode } from "./tape.ts";

/**
 * Runs forward and backward passes while watching every gradient, and reads at the end whether one holds a NaN. Slow: for finding
 * faults.
 *
 * @param body What to watch; may be asynchronous.
 * @returns What the body returns.
 * @throws GradientError naming the operation whose backward made the first NaN, with the stack of its forward.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { detectAnomaly } from "./mod.ts";
 * import { GradientError, tensor } from "../tensor/mod.ts";
 *
 * const x = tensor([0], { requiresGrad: true });
 * await assertRejects(() => detectAnomaly(() => x.sqrt().mul(0).sum().backward()), GradientError, "sqrt");
 * ```
 */
export async function detectAnomaly<T>(body: () => T | Promise<T>): Promise<T> {
  checkFunction(body, "detectAnomaly");
  const watched: { node: TapeNode; input: number; flag: Tensor }[] = [];
  const before = setAnomalyRecorder((node, input, gradient) => {
    watched.push({ node, input, flag: noGrad(() => keep(gradient.isNaN().any())) });
  });
  try {
    const out = await body();
    const flags = await read(...watched.map(({ flag }) => flag));
    const first = watched.find((_, position) => flags[position]![0] !== 0);
    if (first !== undefined) {
      throw new GradientError(
        `Cannot compute the gradient of ${first.node.op}: its backward made a NaN for input ${first.input}. Its forward was called at\n` +
          (first.node.stack ?? ""),
      );
    }
    return out;
  } finally {
    setAnomalyRecorder(before);
    for (const { flag } of watched) flag.dispose();
  }
}
