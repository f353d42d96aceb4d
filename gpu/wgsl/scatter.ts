/**
 * Combining elements into indexed places in WGSL, in increasing position, so that results are the same at every run.
 *
 * @module
 */
import type { ScatterKernel, View } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  combineSource,
  combineText,
  computeElement,
  elementDispatch,
  elementPosition,
  emptyPlan,
  readInput,
  tripBudget,
  u32,
  writeOutput,
} from "./shader.ts";

/** Up to this much work, searching the indices for each output element is faster than walking them one after another. */
const searchedWork = 2 ** 24;

/**
 * The dispatches of a {@link ScatterKernel}, each over as many indices as the trip budget allows. Either each output element searches
 * all indices of its line for its own number, or, where that is too much work, one invocation walks each line's indices.
 */
export function planScatter(kernel: ScatterKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const index = inputs[0]!;
  const output = outputs[0]!;
  const size = sizeOf(index.shape);
  if (size === 0) return emptyPlan;
  const length = index.shape[kernel.dim] ?? 1;
  const extent = output.shape[kernel.dim] ?? 1;
  // A float16 sum is kept in float32 while a search runs; a walk would round it at every step.
  const searched = size * extent <= searchedWork || (output.dtype === "float16" && extent > 0);
  const dispatches: Dispatch[] = [];
  for (let first = 0; first < length; first += tripBudget) {
    const last = Math.min(first + tripBudget, length);
    dispatches.push(scatterDispatch(kernel, inputs, output, { first, last, searched: searched && extent > 0 }, limits));
  }
  return { temporaries: [], dispatches };
}

interface Part {
  readonly first: number;
  readonly last: number;
  readonly searched: boolean;
}

function scatterDispatch(kernel: ScatterKernel, inputs: readonly View[], output: View, part: Part, limits: Limits): Dispatch {
  const [index, source] = inputs as [View, View];
  const type = computeElement(output.dtype);
  const hollow = sizeOf(output.shape) === 0;
  const buffers = bindBuffers([
    readInput("index", 0, index),
    ...(hollow ? [] : [readInput("source", 1, source), writeOutput("y", 0, output)]),
  ], true);
  const lines = sizeOf(index.shape) / (index.shape[kernel.dim] ?? 1);
  const extent = output.shape[kernel.dim] ?? 1;
  return elementDispatch({
    label: "scatter",
    buffers,
    size: part.searched ? lines * extent : lines,
    declarations: combineSource(kernel.combine, type),
    body: part.searched ? searchBody(kernel, inputs, output, part, buffers) : walkBody(kernel, inputs, output, part, buffers),
  }, limits);
}

/** One invocation per output element: line `element / extent`, place `element % extent`. */
function searchBody(kernel: ScatterKernel, inputs: readonly View[], output: View, part: Part, buffers: Buffers): string {
  const { extent, indexAt, sourceAt, outputAt } = positions(kernel, inputs, output);
  const type = computeElement(output.dtype);
  return `  let line = element / ${u32(extent)};
  let place = element % ${u32(extent)};
  let target_at = ${outputAt("place")};
  var value = ${buffers.load("y", "target_at")};
  var found = false;
  for (var i = ${u32(part.first)}; i < ${u32(part.last)}; i++) {
    let at = i32(${buffers.load("index", indexAt)});
    if (place == 0u && (at < 0i || at >= ${extent}i)) { reportIndex(at, ${u32(extent)}); }
    if (at == i32(place)) {
      let item = ${buffers.load("source", sourceAt)};
      value = ${kernel.combine === "replace" ? "item" : combineText(kernel.combine, type, "value", "item")};
      found = true;
    }
  }
  if (found) { ${buffers.store("y", "target_at", "value")} }`;
}

/** One invocation per line, which it alone writes. */
function walkBody(kernel: ScatterKernel, inputs: readonly View[], output: View, part: Part, buffers: Buffers): string {
  const { extent, indexAt, sourceAt, outputAt } = positions(kernel, inputs, output);
  const type = computeElement(output.dtype);
  const report = `reportIndex(at, ${u32(extent)});`;
  const combined = kernel.combine === "replace"
    ? "item"
    : combineText(kernel.combine, type, sizeOf(output.shape) === 0 ? "item" : buffers.load("y", "target_at"), "item");
  const write = sizeOf(output.shape) === 0 ? report : `if (at < 0i || at >= ${extent}i) {
      ${report}
    } else {
      let item = ${buffers.load("source", sourceAt)};
      let target_at = ${outputAt("u32(at)")};
      ${buffers.store("y", "target_at", combined)}
    }`;
  return `  let line = element;
  for (var i = ${u32(part.first)}; i < ${u32(part.last)}; i++) {
    let at = i32(${buffers.load("index", indexAt)});
    ${write}
  }`;
}

/** Positions in terms of `line`, the number of the other coordinates, and `i`, the coordinate along the dim. */
function positions({ dim }: ScatterKernel, inputs: readonly View[], output: View): Positions {
  const [index, source] = inputs as [View, View];
  const lineShape = index.shape.filter((_, at) => at !== dim);
  const along = (view: View, strides: readonly number[], coordinate: string) => {
    const line = elementPosition("line", { shape: lineShape, strides: strides.filter((_, at) => at !== dim), offset: view.offset });
    return `${line} + ${coordinate} * ${u32(strides[dim] ?? 0)}`;
  };
  return {
    extent: output.shape[dim] ?? 1,
    indexAt: along(index, index.strides, "i"),
    sourceAt: along(source, source.strides, "i"),
    outputAt: (coordinate: string) => along(output, contiguousStrides(output.shape), coordinate),
  };
}

interface Positions {
  readonly extent: number;
  readonly indexAt: string;
  readonly sourceAt: string;
  readonly outputAt: (coordinate: string) => string;
}
