/**
 * Running sums, products, maxima and minima in WGSL.
 *
 * A long row is cut into blocks: their totals are scanned first, at as many levels as it takes, and each block then starts from the
 * total before it.
 *
 * @module
 */
import type { ScanKernel, View } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type BufferUse,
  combineSource,
  combineText,
  computeElement,
  elementDispatch,
  elementOf,
  elementPosition,
  emptyPlan,
  groupDispatch,
  neutralText,
  readInput,
  temporary,
  u32,
  writeOutput,
} from "./shader.ts";

/** Elements each invocation of a block scans, invocations per block, and the length up to which one invocation takes a row. */
const items = 8;
const threads = 256;
const block = items * threads;
const serialLength = 64;

/** Rows in a buffer: element `i` of row `row` stands at `position`. */
interface Rows {
  readonly buffer: BufferUse;
  readonly position: (row: string, i: string) => string;
}

/** The dispatches of a {@link ScanKernel}. */
export function planScan(kernel: ScanKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const x = inputs[0]!;
  const output = outputs[0]!;
  const size = sizeOf(x.shape);
  if (size === 0) return emptyPlan;
  const length = x.shape.at(-1) ?? 1;
  const last = x.strides.at(-1) ?? 0;
  const leading = { shape: x.shape.slice(0, -1), strides: x.strides.slice(0, -1), offset: x.offset };
  const from: Rows = {
    buffer: readInput("x", 0, x),
    position: (row, i) => `${elementPosition(row, leading)} + ${i} * ${u32(last)}`,
  };
  const to: Rows = { buffer: writeOutput("y", 0, output), position: (row, i) => `${row} * ${u32(length)} + ${i} + ${u32(output.offset)}` };
  const work: Work = { kernel, type: computeElement(x.dtype), rows: size / length, limits, temporaries: [] };
  const dispatches = scanRows(work, from, to, length);
  return { temporaries: work.temporaries, dispatches };
}

interface Work {
  readonly kernel: ScanKernel;
  readonly type: "f32" | "i32" | "u32";
  readonly rows: number;
  readonly limits: Limits;
  readonly temporaries: number[];
}

function scanRows(work: Work, from: Rows, to: Rows, length: number): Dispatch[] {
  if (length <= serialLength) return [serialDispatch(work, from, to, length)];
  if (length <= block) return [blockDispatch(work, { from, to, length })];
  const blocks = Math.ceil(length / block);
  const totals = work.temporaries.push(work.rows * blocks * 4) - 1;
  const carries = work.temporaries.push(work.rows * blocks * 4) - 1;
  return [
    blockDispatch(work, { from, totals: temporaryRows(work, "totals", totals, blocks, "read_write"), length }),
    ...scanRows(work, temporaryRows(work, "x", totals, blocks, "read"), temporaryRows(work, "y", carries, blocks, "read_write"), blocks),
    blockDispatch(work, { from, to, carries: temporaryRows(work, "carries", carries, blocks, "read"), length }),
  ];
}

function temporaryRows({ type }: Work, name: string, index: number, length: number, access: "read" | "read_write"): Rows {
  return {
    buffer: temporary(name, index, elementOf(type), access),
    position: (row, i) => `${row} * ${u32(length)} + ${i}`,
  };
}

/** One invocation per row. */
function serialDispatch({ kernel, type, rows, limits }: Work, from: Rows, to: Rows, length: number): Dispatch {
  const buffers = bindBuffers([from.buffer, to.buffer]);
  return elementDispatch({
    label: `scan ${kernel.combine}`,
    buffers,
    size: rows,
    declarations: combineSource(kernel.combine, type),
    body: `  var value = ${neutralText(kernel.combine, type)};
  for (var i = 0u; i < ${u32(length)}; i++) {
    let item = ${buffers.load(from.buffer.name, from.position("element", "i"))};
    value = ${combineText(kernel.combine, type, "value", "item")};
    ${buffers.store(to.buffer.name, to.position("element", "i"), "value")}
  }`,
  }, limits);
}

/** What a pass over the blocks does: write each block's total, or the running values from the carry of the block before. */
interface BlockPass {
  readonly from: Rows;
  readonly length: number;
  readonly to?: Rows;
  readonly totals?: Rows;
  readonly carries?: Rows;
}

/** One workgroup per block: each invocation combines its items, the workgroup scans these, and each invocation goes over its items again. */
function blockDispatch({ kernel, type, rows, limits }: Work, { from, to, totals, carries, length }: BlockPass): Dispatch {
  const blocks = Math.ceil(length / block);
  const buffers = bindBuffers([from, to, totals, carries].flatMap((one) => one === undefined ? [] : [one.buffer]));
  const combine = (a: string, b: string) => combineText(kernel.combine, type, a, b);
  const neutral = neutralText(kernel.combine, type);
  const begin = carries === undefined ? neutral : "carry";
  const carry = carries === undefined ? "" : `  var carry = ${neutral};
  if (part > 0u) { carry = ${buffers.load("carries", carries.position("row", "part - 1u"))}; }\n`;
  const write = to === undefined ? "" : `${carry}  var running = ${begin};
  if (local > 0u) { running = ${combine("running", "shared_totals[local - 1u]")}; }
  for (var i = first; i < last; i++) {
    let item = ${buffers.load(from.buffer.name, from.position("row", "i"))};
    running = ${combine("running", "item")};
    ${buffers.store(to.buffer.name, to.position("row", "i"), "running")}
  }`;
  const total = totals === undefined
    ? ""
    : `  if (local == ${u32(threads - 1)}) { ${buffers.store("totals", totals.position("row", "part"), "value")} }`;
  return groupDispatch({
    label: `scan ${kernel.combine}`,
    buffers,
    count: rows * blocks,
    threads,
    declarations: `${combineSource(kernel.combine, type)}var<workgroup> shared_totals: array<${type}, ${threads}>;`,
    body: `  let row = group / ${u32(blocks)};
  let part = group % ${u32(blocks)};
  let first = min(part * ${u32(block)} + local * ${u32(items)}, ${u32(length)});
  let last = min(first + ${u32(items)}, ${u32(length)});
  var value = ${neutral};
  for (var i = first; i < last; i++) {
    let item = ${buffers.load(from.buffer.name, from.position("row", "i"))};
    value = ${combine("value", "item")};
  }
  shared_totals[local] = value;
  for (var step = 1u; step < ${u32(threads)}; step *= 2u) {
    workgroupBarrier();
    if (local >= step) {
      let before = shared_totals[local - step];
      value = ${combine("before", "value")};
    }
    workgroupBarrier();
    shared_totals[local] = value;
  }
  workgroupBarrier();
${total}${write}`,
  }, limits);
}
