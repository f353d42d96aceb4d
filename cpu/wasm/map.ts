/**
 * Elementwise kernels in WebAssembly: one fused loop nest per expression and pattern of inner strides.
 *
 * @module
 */
import { type Expr, isCheap, isCostly, outputTypes } from "../../tensor/expr.ts";
import type { MapKernel, View } from "../../tensor/kernel.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Accelerator } from "../accelerator.ts";
import {
  address,
  ArgumentBlock,
  countOn,
  fitsBlock,
  joinDims,
  KernelCache,
  loadScalar,
  type Nest,
  type ScalarSlot,
  scalarSlots,
  stepOf,
  writeOdometer,
} from "./block.ts";
import { detectRelaxedSimd, type FunctionBuilder, type Local, ModuleBuilder, type WasmFunction } from "./encoder.ts";
import { advance, elementBytes, loadPartial, loadVector, type Operand, type Step, storePartial, storeVector } from "./operands.ts";
import { ExpressionWriter, isSupported, type Leaves } from "./scalar.ts";
import type { ScratchHeap } from "./scratch.ts";
import { type BlockLayout, runInPieces } from "./split.ts";
import { worthSharing } from "./tasks.ts";
import { type Term, Terms } from "./terms.ts";

/** What is known of a kernel, whatever the shapes. */
interface MapPlan {
  readonly expr: Expr;
  readonly inputs: number;
  readonly slots: readonly ScalarSlot[];
  readonly usesIndex: boolean;
  /** Of inputs, then outputs. */
  readonly dtypes: readonly DType[];
  readonly bytes: readonly number[];
  /** What an element takes, roughly. */
  readonly nanoseconds: number;
  /** By pattern of inner steps. */
  readonly variants: Map<number, WasmFunction>;
}

/** Words before the pointers: the inner size, the number of outer dims, the position of the first element. */
const headWords = 3;

/** The accelerator of map kernels on a heap: everything but float64. */
export function createMapAccelerator(heap: ScratchHeap): Accelerator<"map"> {
  const plans = new KernelCache<MapPlan | null>();
  let block: ArgumentBlock | undefined;
  return (kernel, inputs, outputs, scalars) => {
    block ??= new ArgumentBlock(heap);
    let plan = plans.get(kernel.key);
    if (plan === undefined || (plan !== null && plan.inputs !== inputs.length)) {
      plans.set(kernel.key, plan = planMap(kernel, inputs.length, outputs.length));
    }
    if (plan === null) return false;
    const views = [...inputs, ...outputs];
    const { shape } = outputs[0]!;
    let size = 1;
    for (const n of shape) size *= n;
    if (size === 0) return true;
    const variant = writeDense(block, views, size) ?? writeNest(block, plan, views, shape);
    if (variant < 0) return false;
    const { words } = block;
    for (let k = 0; k < views.length; k++) words[headWords + k] = address(views[k]!);
    words[2] = 0;
    block.writeScalars(headWords + 2 * views.length, plan.slots, scalars);
    let run = plan.variants.get(variant);
    if (run === undefined) plan.variants.set(variant, run = compileMap(heap.memory, plan, inputs.length, stepsOf(variant, views.length)));
    const nanoseconds = size * plan.nanoseconds;
    if (nanoseconds < worthSharing || !runMapInPieces(heap, block, plan, run, variant, size)) run(block.pointer);
    return true;
  };
}

/** As one call of `run`, on several threads; false where that is not possible. */
function runMapInPieces(heap: ScratchHeap, block: ArgumentBlock, plan: MapPlan, run: WasmFunction, variant: number, size: number): boolean {
  const operands = plan.dtypes.length;
  const { words } = block;
  const dims = words[1]!;
  const strides = headWords + operands;
  if (dims === 0) {
    stepsOf(variant, operands).forEach((step, k) =>
      step !== "strided" && (words[strides + k] = step === "contiguous" ? plan.bytes[k]! : 0)
    );
  }
  const odometer = headWords + 2 * operands + plan.slots.length;
  const layout: BlockLayout = {
    operands,
    pointers: headWords,
    strides,
    odometer,
    dims,
    words: odometer + dims * (2 + operands),
    cutsVectors: dims === 0 || !plan.usesIndex,
  };
  const each = dims === 0 ? 1 : size / words[odometer + (dims - 1) * (2 + operands)]!;
  return runInPieces(heap, block, run, size * plan.nanoseconds, layout, (piece, _, from) => piece[2] = from * each);
}

function planMap(kernel: MapKernel, inputs: number, outputs: number): MapPlan | null {
  const { expr } = kernel;
  if (!isSupported(expr)) return null;
  const dtypes: DType[] = [...inputTypes([expr], inputs), ...outputTypes(expr)];
  const slots = scalarSlots([expr]);
  if (!fitsBlock(headWords + 2 * (inputs + outputs) + slots.length + 16 * (2 + inputs + outputs))) return null;
  const usesIndex = expr.nodes.some((node) => node.kind === "index");
  const nanoseconds = nanosecondsOf([expr], dtypes.length);
  return { expr, inputs, slots, usesIndex, dtypes, bytes: dtypes.map(elementBytes), nanoseconds, variants: new Map() };
}

/** The types of `count` inputs, as the expressions read them; one that nothing reads counts as float32. */
export function inputTypes(exprs: readonly Expr[], count: number): DType[] {
  const types = new Array<DType>(count).fill("float32");
  for (const expr of exprs) for (const node of expr.nodes) if (node.kind === "input") types[node.slot] = node.dtype;
  return types;
}

/** Writes the block when every view is one contiguous run or one repeated element, and gives the pattern. */
function writeDense(block: ArgumentBlock, views: readonly View[], size: number): number | undefined {
  let variant = 0;
  for (let k = views.length - 1; k >= 0; k--) {
    const { shape, strides } = views[k]!;
    let contiguous = true;
    let repeated = true;
    let expected = 1;
    for (let dim = shape.length - 1; dim >= 0; dim--) {
      const n = shape[dim]!;
      if (n === 1) continue;
      const stride = strides[dim]!;
      if (stride !== expected) contiguous = false;
      if (stride !== 0) repeated = false;
      expected *= n;
    }
    if (!contiguous && !repeated) return undefined;
    variant = variant * 3 + (contiguous ? 0 : 1);
  }
  block.words[0] = size;
  block.words[1] = 0;
  return variant;
}

/** Writes inner size, strides and odometer for any strides, and gives the pattern; -1 when the rank is beyond the block. */
function writeNest(block: ArgumentBlock, plan: MapPlan, views: readonly View[], shape: readonly number[]): number {
  const nest: Nest = joinDims(shape, views.map((view) => view.strides), 0, shape.length, plan.usesIndex ? undefined : views.length - 1);
  if (!plan.usesIndex) splitInner(nest);
  const inner = nest.sizes.length - 1;
  if (inner > 16) return -1;
  const { words } = block;
  words[0] = nest.sizes[inner]!;
  words[1] = inner;
  let variant = 0;
  for (let k = views.length - 1; k >= 0; k--) {
    const stride = nest.strides[k]![inner]!;
    words[headWords + views.length + k] = stride * plan.bytes[k]!;
    variant = variant * 3 + steps.indexOf(stepOf(stride));
  }
  writeOdometer(block, headWords + 2 * views.length + plan.slots.length, nest, inner, plan.bytes);
  return variant;
}

/** Elements of an inner run when an operand is read across its lines: as many as one line holds. */
const runAcrossLines = 16;

/**
 * Splits the innermost dim where an operand moves through it in large strides but lies dense in the dim around it (a transposed copy), so that
 * the lines it touches are used whole before they leave the cache.
 */
function splitInner({ sizes, strides }: Nest): void {
  const inner = sizes.length - 1;
  if (inner < 1 || sizes[inner]! <= runAcrossLines || sizes[inner]! % runAcrossLines !== 0) return;
  if (!strides.some((list) => Math.abs(list[inner]!) > 1 && Math.abs(list[inner - 1]!) === 1)) return;
  const count = sizes[inner]! / runAcrossLines;
  sizes[inner] = runAcrossLines;
  sizes.splice(inner - 1, 0, count);
  for (const list of strides) list.splice(inner - 1, 0, list[inner]! * runAcrossLines);
}

const steps: readonly Step[] = ["contiguous", "repeated", "strided"];

function stepsOf(variant: number, count: number): Step[] {
  return Array.from({ length: count }, (_, k) => steps[Math.floor(variant / 3 ** k) % 3]!);
}

/** The loop nest: rows counted by the odometer, inside a loop over vectors, unrolled where the work per element is small. */
function compileMap(memory: WebAssembly.Memory, plan: MapPlan, inputs: number, pattern: readonly Step[]): WasmFunction {
  const module = new ModuleBuilder();
  const f = module.function("run", { params: ["i32"] });
  const block = f.parameters[0]!;
  const e = new Terms(module, f, detectRelaxedSimd());
  const count = pattern.length;
  const scalarsAt = headWords + 2 * count;
  const bases = pattern.map((_, k) => loadWord(f, block, headWords + k));
  const operands: Operand[] = pattern.map((step, k) => ({
    pointer: step === "repeated" ? bases[k]! : f.local("i32"),
    step,
    dtype: plan.dtypes[k]!,
    ...(step === "strided" && { stride: loadWord(f, block, headWords + count + k) }),
  }));
  const size = loadWord(f, block, 0);
  const outerDims = loadWord(f, block, 1);
  const odometer = f.local("i32");
  f.get(block).i32((scalarsAt + plan.slots.length) * 4).op("i32.add").set(odometer);
  const index = plan.usesIndex ? loadWord(f, block, 2) : undefined;

  const writer = new ExpressionWriter(e, plan.expr);
  const leaves: Leaves = {
    leaf: (kind, slot, dtype) =>
      kind === "input" ? loadVector(e, operands[slot]!, 0) : loadScalar(e, block, scalarsAt, plan.slots, slot, dtype),
    index: () => e.whole(0),
  };
  writer.hoist((kind) => kind !== "scalar", leaves);
  f.loop((row) => {
    operands.forEach((operand, k) => operand.step !== "repeated" && f.get(bases[k]!).set(operand.pointer));
    e.block(() => {
      writer.hoist((kind, slot) => kind === "index" || (kind === "input" && operands[slot]!.step !== "repeated"), leaves);
      writeRow(e, { plan, writer, leaves, operands, inputs, size, index });
    });
    countOn(e, outerDims, odometer, bases, () => f.branch(row));
  });
  return module.instantiate(memory)["run"]!;
}

interface RowOfMap {
  readonly plan: MapPlan;
  readonly writer: ExpressionWriter;
  readonly leaves: Leaves;
  readonly operands: readonly Operand[];
  readonly inputs: number;
  readonly size: Local;
  readonly index: Local | undefined;
}

function writeRow(e: Terms, row: RowOfMap): void {
  const { f } = e;
  const { operands, inputs, writer } = row;
  const rest = f.local("i32");
  f.get(row.size).set(rest);
  const outputs = operands.slice(inputs);
  const body = (vector: number, partial: boolean) =>
    e.block(() => {
      const loaded = new Map<number, Term>();
      const leaves: Leaves = {
        leaf: (kind, slot, dtype) => kind === "input" ? loaded.get(slot)! : row.leaves.leaf(kind, slot, dtype),
        index: () => positions(e, row.index!, vector * 4),
      };
      for (const slot of variableInputs(row.plan.expr, operands)) {
        loaded.set(slot, partial ? loadPartial(e, operands[slot]!, rest) : loadVector(e, operands[slot]!, vector));
      }
      const values = writer.outputs(leaves);
      outputs.forEach((operand, k) => {
        if (partial) storePartial(e, operand, rest, values[k]!);
        else storeVector(e, operand, vector, values[k]!);
      });
    });
  const unroll = operands.some(({ step }) => step === "strided") || !isCheap(row.plan.expr) ? [1] : [4, 1];
  for (const vectors of unroll) {
    f.block((done) => {
      f.get(rest).i32(4 * vectors).op("i32.lt_s").branchIf(done);
      f.loop((next) => {
        for (let vector = 0; vector < vectors; vector++) body(vector, false);
        for (const operand of operands) advance(e, operand, 4 * vectors);
        if (row.index !== undefined) f.increment(row.index, 4 * vectors);
        f.get(rest).i32(4 * vectors).op("i32.sub").tee(rest).i32(4 * vectors).op("i32.ge_s").branchIf(next);
      });
    });
  }
  f.get(rest).if(() => {
    body(0, true);
    if (row.index !== undefined) f.get(row.index).get(rest).op("i32.add").set(row.index);
  });
  f.release(rest);
}

/** The input slots that are read anew for each vector. */
export function variableInputs(expr: Expr, operands: readonly Operand[]): number[] {
  const slots = expr.nodes.flatMap((node) => node.kind === "input" && operands[node.slot]!.step !== "repeated" ? [node.slot] : []);
  return [...new Set(slots)];
}

/** The positions of four neighbours: the local's value plus `offset` … `offset` + 3. */
export function positions(e: Terms, first: Local, offset: number): Term {
  const lanes = e.of(e.f.constant(new Int32Array([offset, offset + 1, offset + 2, offset + 3])));
  return e.keep(e.op("i32x4.add", e.op("i32x4.splat", e.of(first)), lanes));
}

/** Pushes word number `at` of the block into a fresh local. */
export function loadWord(f: FunctionBuilder, block: Local, at: number): Local {
  const local = f.local("i32");
  f.get(block).load("i32.load", at * 4).set(local);
  return local;
}

/** What computing expressions for one element takes on one thread, roughly: moving it, and its operations. */
export function nanosecondsOf(exprs: readonly Expr[], operands: number): number {
  let nanoseconds = 0.15 * operands;
  for (const { nodes } of exprs) for (const node of nodes) nanoseconds += node.kind === "op" && isCostly(node.op) ? 1.5 : 0.05;
  return nanoseconds;
}
