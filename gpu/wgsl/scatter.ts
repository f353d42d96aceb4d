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
  elementOf,
  elementPosition,
  emptyPlan,
  readInput,
  temporary,
  tripBudget,
  u32,
  writeOutput,
} from "./shader.ts";
import { literal } from "./types.ts";

/** Up to this much work, searching the indices for each output element is faster than walking them one after another. */
const searchedWork = { software: 2 ** 24, hardware: 2 ** 30 };
/** A search for few output elements is split along the indices until so many invocations take part, each with at least so many indices. */
const enoughSearchers = { software: 2 ** 8, hardware: 2 ** 17 };
const leastSearched = 256;

/**
 * The dispatches of a {@link ScatterKernel}, each over as many indices as the trip budget allows. Either each output element searches
 * all indices of its line for its own number, sums of few elements in parts that are added afterwards, or, where that is too much work, one
 * invocation walks each line's indices.
 */
export function planScatter(kernel: ScatterKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const index = inputs[0]!;
  const output = outputs[0]!;
  const size = sizeOf(index.shape);
  if (size === 0) return emptyPlan;
  const length = index.shape[kernel.dim] ?? 1;
  const extent = output.shape[kernel.dim] ?? 1;
  // A float16 sum is kept in float32 while a search runs; a walk would round it at every step.
  const adapter = limits.software ? "software" : "hardware";
  const searched = size * extent <= searchedWork[adapter] || (output.dtype === "float16" && extent > 0);
  const cells = size / length * extent;
  const parts = Math.min(Math.ceil(length / leastSearched), Math.ceil(enoughSearchers[adapter] / Math.max(1, cells)));
  if (kernel.combine === "sum" && searched && extent > 0 && parts > 1) return splitSearch(kernel, inputs, output, { cells, parts }, limits);
  const dispatches: Dispatch[] = [];
  for (let first = 0; first < length; first += tripBudget) {
    const last = Math.min(first + tripBudget, length);
    dispatches.push(scatterDispatch(kernel, inputs, output, { first, last, searched: searched && extent > 0 }, limits));
  }
  return { temporaries: [], dispatches };
}

/** A search whose parts store their own sums, which a second dispatch adds in order. */
function splitSearch(
  kernel: ScatterKernel,
  inputs: readonly View[],
  output: View,
  { cells, parts }: { readonly cells: number; readonly parts: number },
  limits: Limits,
): Plan {
  const [index, source] = inputs as [View, View];
  const type = computeElement(output.dtype);
  const { extent, indexAt, sourceAt, outputAt } = positions(kernel, inputs, output);
  const length = index.shape[kernel.dim]!;
  const part = Math.ceil(length / parts);
  if (part > tripBudget) return splitSearch(kernel, inputs, output, { cells, parts: Math.ceil(length / tripBudget) }, limits);
  // Minus zero is what leaves every float as it is.
  const nothing = type === "f32" ? literal(-0, "float32") : `${type}(0)`;
  const found = bindBuffers([
    readInput("index", 0, index),
    readInput("source", 1, source),
    temporary("partial", 0, elementOf(type), "read_write"),
  ], true);
  const search = elementDispatch({
    label: "scatter",
    buffers: found,
    size: cells * parts,
    body: `  let line = element % ${u32(cells)} / ${u32(extent)};
  let place = element % ${u32(extent)};
  let first = element / ${u32(cells)} * ${u32(part)};
  var value = ${nothing};
  for (var i = first; i < min(first + ${u32(part)}, ${u32(length)}); i++) {
    let at = i32(${found.load("index", indexAt)});
    if (place == 0u && (at < 0i || at >= ${extent}i)) { reportIndex(at, ${u32(extent)}); }
    if (at == i32(place)) { value += ${found.load("source", sourceAt)}; }
  }
  ${found.store("partial", "element", "value")}`,
  }, limits);
  const buffers = bindBuffers([temporary("partial", 0, elementOf(type), "read"), writeOutput("y", 0, output)]);
  const add = elementDispatch({
    label: "scatter sum",
    buffers,
    size: cells,
    body: `  let line = element / ${u32(extent)};
  let target_at = ${outputAt(`(element % ${u32(extent)})`)};
  var value = ${buffers.load("y", "target_at")};
  for (var part = 0u; part < ${u32(parts)}; part++) { value += ${buffers.load("partial", `part * ${u32(cells)} + element`)}; }
  ${buffers.store("y", "target_at", "value")}`,
  }, limits);
  return { temporaries: [parts * cells * 4], dispatches: [search, add] };
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
