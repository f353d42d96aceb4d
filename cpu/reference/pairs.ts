/**
 * pairs kernels in plain TypeScript: log-sum-exp over similarities that are computed row by row.
 *
 * @module
 */
import type { PairsKernel } from "../../tensor/kernel.ts";
import { store, type Strided, toFloat64 } from "./strided.ts";

/** Runs a pairs kernel in any direction. */
export function runPairs(kernel: PairsKernel, inputs: readonly Strided[], outputs: readonly Strided[], scalars: readonly number[]): void {
  const [rowCount, columnCount, depth] = [inputs[0]!.shape[0]!, inputs[1]!.shape[0]!, inputs[0]!.shape[1]!];
  const [a, b] = [toFloat64(inputs[0]!), toFloat64(inputs[1]!)];
  const factor = scalars[0]!;
  const labels = kernel.sameLabel ? [toFloat64(inputs[2]!), toFloat64(inputs[3]!)] as const : undefined;
  const rest = inputs.slice(kernel.sameLabel ? 4 : 2).map(toFloat64);
  const output = outputs[0]!;
  const values = new Float64Array(kernel.direction === "forward" ? rowCount : output.shape[0]! * depth);
  const similarities = new Float64Array(columnCount);
  for (let i = 0; i < rowCount; i++) {
    const isCandidate = (j: number) => !(kernel.excludeDiagonal && i === j) && (labels === undefined || labels[0][i] === labels[1][j]);
    let greatest = -Infinity;
    for (let j = 0; j < columnCount; j++) {
      if (!isCandidate(j)) continue;
      let dot = 0;
      for (let k = 0; k < depth; k++) dot += a[i * depth + k]! * b[j * depth + k]!;
      similarities[j] = factor * dot;
      greatest = Math.max(greatest, similarities[j]!);
    }
    if (kernel.direction === "forward") {
      // An infinite greatest value is the answer itself; subtracting it would give NaN.
      let sum = 0;
      const shift = Math.abs(greatest) === Infinity ? 0 : greatest;
      for (let j = 0; j < columnCount; j++) if (isCandidate(j)) sum += Math.exp(similarities[j]! - shift);
      values[i] = shift + Math.log(sum);
      continue;
    }
    const [lse, g] = [rest[0]![i]!, rest[1]![i]!];
    for (let j = 0; j < columnCount; j++) {
      if (!isCandidate(j)) continue;
      const weight = factor * g * Math.exp(similarities[j]! - lse);
      const [source, from, to] = kernel.direction === "rows" ? [b, j, i] : [a, i, j];
      for (let k = 0; k < depth; k++) values[to * depth + k]! += weight * source[from * depth + k]!;
    }
  }
  store(values, output);
}
