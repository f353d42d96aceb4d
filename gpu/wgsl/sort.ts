/**
 * Stable sorting along the last dim in WGSL.
 *
 * Numbers become u32 keys of the same order, so that NaN, signed zeros and the direction are settled once. Blocks are sorted in
 * workgroup memory by a bitonic network over (key, position), which no two elements share; longer rows are then merged by
 * passes of doubling width, in which each element finds its place by a binary search in the neighbouring run. Where only the first of a row are
 * wanted, no run keeps more than these.
 *
 * @module
 */
import type { SortKernel, View } from "../../tensor/kernel.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Dispatch, Limits, Plan } from "./program.ts";
import {
  bindBuffers,
  type Buffers,
  computeElement,
  elementDispatch,
  elementPosition,
  emptyPlan,
  groupDispatch,
  readInput,
  temporary,
  u32,
  writeOutput,
} from "./shader.ts";

/** Elements of a block: 8 KiB of keys and positions. */
const block = 1024;

/** The dispatches of a {@link SortKernel}. */
export function planSort(kernel: SortKernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  const x = inputs[0]!;
  const wanted = outputs[0]!.shape.at(-1) ?? 1;
  if (sizeOf(outputs[0]!.shape) === 0) return emptyPlan;
  const length = x.shape.at(-1) ?? 1;
  const sort: Sort = { kernel, x, outputs, length, wanted, rows: sizeOf(x.shape) / length, limits };
  if (length <= block) return { temporaries: [], dispatches: [blockDispatch(sort)] };
  const dispatches = [blockDispatch(sort)];
  let runs = shortened({ length, width: block }, wanted);
  const words = sort.rows * runs.length * 4;
  for (let from: 0 | 2 = 0; runs.width < runs.length; from = from === 0 ? 2 : 0) {
    const merged = shortened({ length: runs.length, width: runs.width * 2 }, wanted);
    dispatches.push(mergeDispatch(sort, runs, merged, from));
    runs = merged;
  }
  return { temporaries: dispatches.length === 2 ? [words, words] : [words, words, words, words], dispatches };
}

interface Sort {
  readonly kernel: SortKernel;
  readonly x: View;
  readonly outputs: readonly View[];
  readonly length: number;
  /** How many of the first of each row are given. */
  readonly wanted: number;
  readonly rows: number;
  readonly limits: Limits;
}

/** A row as sorted runs of one width behind each other; the last may be shorter. */
interface Runs {
  readonly length: number;
  readonly width: number;
}

/** What is left of runs that keep no more than `wanted` elements each. */
function shortened({ length, width }: Runs, wanted: number): Runs {
  const kept = Math.min(width, wanted);
  const whole = Math.ceil(length / width) - 1;
  return { length: whole * kept + Math.min(kept, length - whole * width), width: kept };
}

/** The position in x of element `i` of row `row`. */
function sourcePosition({ x }: Sort, i: string): string {
  const row = elementPosition("row", { shape: x.shape.slice(0, -1), strides: x.strides.slice(0, -1), offset: x.offset });
  return `${row} + ${i} * ${u32(x.strides.at(-1) ?? 0)}`;
}

/** Statements that write the element from position `from` of the row to place `to` of the outputs. */
function writeResult(sort: Sort, buffers: Buffers, to: string, from: string): string {
  const [values, positions] = sort.outputs as [View, View];
  const at = (view: View) => `row * ${u32(sort.wanted)} + ${to} + ${u32(view.offset)}`;
  return `${buffers.store("values", at(values), buffers.load("x", sourcePosition(sort, from)))}
    ${buffers.store("positions", at(positions), `i32(${from})`)}`;
}

/** WGSL: the u32 whose order is the elements' order: NaN greatest, -0 as 0, all bits flipped for a descending sort. */
function keySource({ kernel, x }: Sort): string {
  const flip = kernel.descending ? "~" : "";
  switch (computeElement(x.dtype)) {
    case "u32":
      return `fn key_of(x: u32) -> u32 { return ${flip}x; }\n`;
    case "i32":
      return `fn key_of(x: i32) -> u32 { return ${flip}(bitcast<u32>(x) ^ 0x80000000u); }\n`;
    case "f32":
      return `fn key_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let ordered = select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
  return ${flip}select(select(ordered, 0x80000000u, size == 0u), 0xffffffffu, size > 0x7f800000u);
}\n`;
  }
}

/** One workgroup per block. Places past the row's end hold the greatest key and sort last by their position. */
function blockDispatch(sort: Sort): Dispatch {
  const { x, outputs, length, wanted, rows, limits } = sort;
  const size = Math.min(block, 2 ** Math.ceil(Math.log2(Math.max(length, 2))));
  const threads = Math.min(256, size / 2);
  const blocks = Math.ceil(length / size);
  const whole = blocks === 1;
  const buffers = bindBuffers([
    readInput("x", 0, x),
    ...(whole
      ? [writeOutput("values", 0, outputs[0]!), writeOutput("positions", 1, outputs[1]!)]
      : [temporary("keys", 0, "uint32", "read_write"), temporary("places", 1, "uint32", "read_write")]),
  ]);
  const runs = shortened({ length, width: size }, wanted);
  const write = whole
    ? writeResult(sort, buffers, "i", "shared_places[at]")
    : `let target_at = row * ${u32(runs.length)} + group % ${u32(blocks)} * ${u32(runs.width)} + at;
    ${buffers.store("keys", "target_at", "shared_keys[at]")}
    ${buffers.store("places", "target_at", "shared_places[at]")}`;
  return groupDispatch({
    label: "sort",
    buffers,
    count: rows * blocks,
    threads,
    declarations: `${keySource(sort)}var<workgroup> shared_keys: array<u32, ${size}>;
var<workgroup> shared_places: array<u32, ${size}>;`,
    body: `  let row = group / ${u32(blocks)};
  let first = group % ${u32(blocks)} * ${u32(size)};
  for (var at = local; at < ${u32(size)}; at += ${u32(threads)}) {
    let i = first + at;
    var key = 0xffffffffu;
    if (i < ${u32(length)}) { key = key_of(${buffers.load("x", sourcePosition(sort, "i"))}); }
    shared_keys[at] = key;
    shared_places[at] = i;
  }
  for (var span = 2u; span <= ${u32(size)}; span *= 2u) {
    for (var gap = span / 2u; gap > 0u; gap /= 2u) {
      workgroupBarrier();
      for (var pair = local; pair < ${u32(size / 2)}; pair += ${u32(threads)}) {
        let low = pair / gap * gap * 2u + pair % gap;
        let high = low + gap;
        let key_low = shared_keys[low];
        let key_high = shared_keys[high];
        let place_low = shared_places[low];
        let place_high = shared_places[high];
        let greater = key_low > key_high || (key_low == key_high && place_low > place_high);
        if (greater == ((low & span) == 0u)) {
          shared_keys[low] = key_high;
          shared_keys[high] = key_low;
          shared_places[low] = place_high;
          shared_places[high] = place_low;
        }
      }
    }
  }
  workgroupBarrier();
  for (var at = local; at < ${u32(size)}; at += ${u32(threads)}) {
    let i = first + at;
    if (i >= ${u32(length)} || at >= ${u32(runs.width)}) { break; }
    ${write}
  }`,
  }, limits);
}

/** Merges runs in pairs, from the temporaries `from` and `from + 1` into the other two, or into the outputs at the end. */
function mergeDispatch(sort: Sort, { length, width }: Runs, merged: Runs, from: 0 | 2): Dispatch {
  const { x, outputs, rows, limits } = sort;
  const final = merged.width >= merged.length;
  const to = from === 0 ? 2 : 0;
  const buffers = bindBuffers([
    temporary("keys", from, "uint32", "read"),
    temporary("places", from + 1, "uint32", "read"),
    ...(final
      ? [readInput("x", 0, x), writeOutput("values", 0, outputs[0]!), writeOutput("positions", 1, outputs[1]!)]
      : [temporary("next_keys", to, "uint32", "read_write"), temporary("next_places", to + 1, "uint32", "read_write")]),
  ]);
  const key = (i: string) => buffers.load("keys", `row * ${u32(length)} + ${i}`);
  const write = final
    ? writeResult(sort, buffers, "place", "origin")
    : `let target_at = row * ${u32(merged.length)} + run / 2u * ${u32(merged.width)} + place;
    ${buffers.store("next_keys", "target_at", "own")}
    ${buffers.store("next_places", "target_at", "origin")}`;
  return elementDispatch({
    label: "sort merge",
    buffers,
    size: rows * length,
    body: `  let row = element / ${u32(length)};
  let i = element % ${u32(length)};
  let own = ${key("i")};
  let origin = ${buffers.load("places", "element")};
  let run = i / ${u32(width)};
  let second = (run & 1u) == 1u;
  let other = min((run ^ 1u) * ${u32(width)}, ${u32(length)});
  var low = other;
  var high = min(other + ${u32(width)}, ${u32(length)});
  while (low < high) {
    let middle = (low + high) / 2u;
    let probe = ${key("middle")};
    if (probe < own || (second && probe == own)) { low = middle + 1u; } else { high = middle; }
  }
  let place = i % ${u32(width)} + low - other;
  if (place < ${u32(merged.width)}) {
    ${write}
  }`,
  }, limits);
}
