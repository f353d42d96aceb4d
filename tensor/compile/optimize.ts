/**
 * What is done to a captured list of records before it is replayed: dead records dropped, elementwise kernels fused into their neighbours.
 *
 * @module
 */
import { resolveScalars, type Scalars } from "../capture.ts";
import { byteSize } from "../dtype.ts";
import { type Expr, expression, isCheap, outputTypes, result, scalar, type Value } from "../expr.ts";
import type { Kernel, MapKernel, RowKernel } from "../kernel.ts";
import { sameShape } from "../shape.ts";
import type { Entry, KernelRecord, Operand } from "./record.ts";

/** WebGPU binds eight storage buffers by default, and one is the output. */
const mostOperands = 8;
/** Beyond this an expression would spill more than fusing saves. */
const mostNodes = 96;
/** What is computed anew may read so many times the bytes that it writes: one operand of its size, and small ones beside it. */
const spreadReads = 1.25;

/** Drops kernels whose results nobody reads; `lasting` says which buffers are seen from outside. */
export function dropDead(entries: readonly Entry[], lasting: (buffer: number) => boolean): Entry[] {
  const read = new Set<number>();
  const kept: Entry[] = [];
  for (const entry of [...entries].reverse()) {
    if (entry.kind === "kernel") {
      if (!entry.outputs.some(({ buffer }) => lasting(buffer) || read.has(buffer))) continue;
      for (const { buffer } of entry.inputs) read.add(buffer);
      // A scatter reads what it adds to.
      if (entry.kernel.kind === "scatter") read.add(entry.outputs[0]!.buffer);
    } else if (entry.kind === "write" && !lasting(entry.buffer) && !read.has(entry.buffer)) {
      continue;
    }
    kept.push(entry);
  }
  return kept.reverse();
}

/**
 * Fuses until nothing changes: an elementwise kernel into the one kernel that reads its result (as another elementwise kernel, a reduction's
 * prologue, a row's expressions or a product's epilogue input), and one that alone reads the result of a product, a reduction or a row into
 * that one's last expression. One that computes little and reads no more than it writes goes into all kernels that read its result: computing
 * it anew moves less memory than keeping it.
 */
export function fuse(entries: readonly Entry[], lasting: (buffer: number) => boolean): Entry[] {
  const list = [...entries];
  const uses = new Uses(list, lasting);
  for (let changed = true; changed;) {
    for (let at = 0; at < list.length; at++) {
      for (let fused = true; fused;) fused = fuseInto(list, at, uses);
    }
    changed = list.some((entry) => spread(list, entry, uses));
  }
  return list.filter((entry) => entry !== removed);
}

/** What stands where a fused record was. */
const removed: Entry = { kind: "host", action: () => {} };

/** Who writes and reads each buffer that only the step itself sees. */
class Uses {
  readonly #writers = new Map<number, Set<Entry>>();
  readonly #readers = new Map<number, Set<Entry>>();
  readonly #lasting: (buffer: number) => boolean;

  constructor(entries: readonly Entry[], lasting: (buffer: number) => boolean) {
    this.#lasting = lasting;
    for (const entry of entries) this.add(entry);
  }

  add(entry: Entry): void {
    this.#each(entry, (set) => set.add(entry));
  }

  remove(entry: Entry): void {
    this.#each(entry, (set) => set.delete(entry));
  }

  /** The one record that writes a buffer, when no other does and nobody outside sees it. */
  onlyWriter(buffer: number): Entry | undefined {
    const writers = this.#writers.get(buffer);
    return !this.#lasting(buffer) && writers?.size === 1 ? [...writers][0] : undefined;
  }

  /** The records that read a buffer. */
  readersOf(buffer: number): Entry[] {
    return [...this.#readers.get(buffer) ?? []];
  }

  /** Whether exactly one record reads a buffer. */
  readOnce(buffer: number): boolean {
    return this.#readers.get(buffer)?.size === 1;
  }

  #each(entry: Entry, change: (set: Set<Entry>) => void): void {
    if (entry.kind === "host") return;
    const written = entry.kind === "write" ? [entry.buffer] : entry.outputs.map(({ buffer }) => buffer);
    for (const buffer of written) change(setOf(this.#writers, buffer));
    if (entry.kind === "kernel") { for (const { buffer } of entry.inputs) change(setOf(this.#readers, buffer)); }
  }
}

function setOf(map: Map<number, Set<Entry>>, buffer: number): Set<Entry> {
  let set = map.get(buffer);
  if (set === undefined) map.set(buffer, set = new Set());
  return set;
}

/** Tries to fuse a producer of one input of record `at` with it; true when it did. */
function fuseInto(list: Entry[], at: number, uses: Uses): boolean {
  const consumer = list[at]!;
  if (consumer.kind !== "kernel") return false;
  for (const { buffer } of consumer.inputs) {
    const producer = uses.onlyWriter(buffer);
    if (producer?.kind !== "kernel" || producer === consumer || !uses.readOnce(buffer)) continue;
    const from = list.indexOf(producer);
    if (from > at) continue;
    const later = unchangedBetween(list, from, at, producer)
      ? inlineProducer(producer, consumer, buffer) ?? absorbConsumer(producer, consumer, buffer)
      : undefined;
    // What else a row gives may be read in between, so that its consumer has to come to it.
    const earlier = later === undefined && mayMoveUp(list, from, at, consumer, buffer)
      ? absorbIntoRow(producer, consumer, buffer)
      : undefined;
    const fused = later ?? earlier;
    if (fused === undefined) continue;
    uses.remove(producer);
    uses.remove(consumer);
    list[from] = list[at] = removed;
    list[later === undefined ? from : at] = fused;
    uses.add(fused);
    return true;
  }
  return false;
}

/** Tries to compute what one record gives in each of the several that read it; true when it did. */
function spread(list: Entry[], producer: Entry, uses: Uses): boolean {
  if (producer.kind !== "kernel" || producer.kernel.kind !== "map" || !isCheap(producer.kernel.expr)) return false;
  const { buffer, view } = producer.outputs[0]!;
  // Numbers that change may be drawn anew whenever they are asked for.
  if (typeof producer.scalars === "function" || uses.onlyWriter(buffer) !== producer || uses.readOnce(buffer)) return false;
  const read = producer.inputs.reduce((bytes, { view }) => bytes + touchedBytes(view), 0);
  if (read > spreadReads * touchedBytes(view)) return false;
  const from = list.indexOf(producer);
  const replaced = uses.readersOf(buffer).map((consumer) => {
    const at = list.indexOf(consumer);
    const inPlace = consumer.kind === "kernel" && at > from && unchangedBetween(list, from, at, producer);
    return { consumer, at, fused: inPlace ? inlineProducer(producer, consumer, buffer) : undefined };
  });
  if (replaced.length === 0 || replaced.some(({ fused }) => fused === undefined)) return false;
  for (const { consumer, at, fused } of replaced) {
    uses.remove(consumer);
    list[at] = fused!;
    uses.add(fused!);
  }
  uses.remove(producer);
  list[from] = removed;
  return true;
}

/** Bytes of the distinct elements that a view shows. */
function touchedBytes({ dtype, shape, strides }: Operand["view"]): number {
  return shape.reduce((bytes, size, dim) => strides[dim] === 0 ? bytes : bytes * size, byteSize[dtype]);
}

/** Whether what the producer reads stays as it is up to the consumer, so that it may be read there instead. */
function unchangedBetween(list: readonly Entry[], from: number, at: number, producer: KernelRecord): boolean {
  const read = new Set(producer.inputs.map(({ buffer }) => buffer));
  for (let between = from + 1; between < at; between++) {
    const entry = list[between]!;
    if (entry.kind === "write" && read.has(entry.buffer)) return false;
    if (entry.kind === "kernel" && entry.outputs.some(({ buffer }) => read.has(buffer))) return false;
  }
  // A host action in between may change a dynamic scalar that the producer reads.
  if (typeof producer.scalars !== "function") return true;
  return !list.slice(from, at).some((entry) => entry.kind === "host" && entry !== removed);
}

/** Whether a consumer may run where its producer does: what it reads besides is there already, and what it writes is not touched in between. */
function mayMoveUp(list: readonly Entry[], from: number, at: number, consumer: KernelRecord, buffer: number): boolean {
  const read = new Set(consumer.inputs.map((operand) => operand.buffer).filter((other) => other !== buffer));
  const written = new Set(consumer.outputs.map((operand) => operand.buffer));
  for (let between = from; between < at; between++) {
    const entry = list[between]!;
    if (entry === removed) continue;
    if (entry.kind === "host") {
      if (typeof consumer.scalars === "function") return false;
    } else if (entry.kind === "write") {
      if (read.has(entry.buffer) || written.has(entry.buffer)) return false;
    } else {
      if (entry.outputs.some((operand) => read.has(operand.buffer) || written.has(operand.buffer))) return false;
      if (entry.inputs.some((operand) => written.has(operand.buffer))) return false;
    }
  }
  return true;
}

/**
 * The row kernel with an elementwise consumer of one of its outputs in that output's place, such as an activation behind a normalisation.
 * The consumer may see the dims in another order. All it touches lies like that output, so that the rows are walked as before.
 */
function absorbIntoRow(producer: KernelRecord, consumer: KernelRecord, buffer: number): KernelRecord | undefined {
  const { kernel } = producer;
  if (kernel.kind !== "row" || consumer.kernel.kind !== "map" || consumer.outputs.length !== 1 || usesIndex(consumer.kernel.expr)) {
    return undefined;
  }
  const place = producer.outputs.findIndex((operand) => operand.buffer === buffer);
  const { view: written } = producer.outputs[place]!;
  if (kernel.outputs[place]!.per !== "element" || written.dtype === "float16") return undefined;
  const slots = consumer.inputs.flatMap((operand, slot) => operand.buffer === buffer ? [slot] : []);
  const order = dimOrder(consumer.inputs[slots[0]!]!.view, written);
  if (order === undefined) return undefined;
  const turned = [...consumer.inputs, ...consumer.outputs].map(({ buffer, view }): Operand => ({
    buffer,
    view: { ...view, shape: order.map((dim) => view.shape[dim]!), strides: order.map((dim) => view.strides[dim]!) },
  }));
  const output = turned.pop()!;
  const alike = turned.every(({ view }) => sameShape(view.strides, written.strides)) && sameShape(output.view.strides, written.strides);
  if (!alike || slots.some((slot) => turned[slot]!.view.offset !== written.offset)) return undefined;
  const { inputs, place: placed } = mergeInputs(producer.inputs, turned, false, slots);
  const shift = resolveScalars(producer.scalars).length;
  const kept = (slot: number) => placed("kept", slot);
  const own = substitute(kernel.outputs[place]!.expr, { input: kept, scalar: (slot) => slot })[0]!;
  const absorbed = expression(substitute(consumer.kernel.expr, {
    input: (slot) => slots.includes(slot) ? own : placed("added", slot),
    scalar: (slot) => slot + shift,
  }));
  const fused = rowKernel({
    ...kernel,
    outputs: kernel.outputs.map((each, at) => at === place ? { per: each.per, expr: absorbed } : each),
  });
  const outputs = producer.outputs.map((operand, at) => at === place ? output : operand);
  if (tooLarge(fused, inputs.length + outputs.length)) return undefined;
  return { kind: "kernel", kernel: fused, inputs, outputs, scalars: joinScalars(producer.scalars, consumer.scalars) };
}

/** Which dim of `view` each dim of `target` is, when both show the same elements in another order of dims; undefined when they do not. */
function dimOrder(view: Operand["view"], target: Operand["view"]): number[] | undefined {
  if (view.shape.length !== target.shape.length || view.dtype !== target.dtype) return undefined;
  const left = new Set(view.shape.keys());
  const order: number[] = [];
  for (const [at, size] of target.shape.entries()) {
    const dim = [...left].find((dim) => view.shape[dim] === size && view.strides[dim] === target.strides[at]);
    if (dim === undefined) return undefined;
    left.delete(dim);
    order.push(dim);
  }
  return order;
}

/** The consumer with the producer's expression in the place of its input, where the consumer reads elements as they were written. */
function inlineProducer(producer: KernelRecord, consumer: KernelRecord, buffer: number): KernelRecord | undefined {
  if (producer.kernel.kind !== "map" || producer.outputs.length !== 1) return undefined;
  const { expr } = producer.kernel;
  const kind = consumer.kernel.kind;
  if (kind !== "map" && usesIndex(expr)) return undefined;
  if (outputTypes(expr)[0] === "float16" || !["map", "reduce", "row", "matmul", "conv"].includes(kind)) return undefined;
  const slots = consumer.inputs.flatMap((operand, slot) => operand.buffer === buffer ? [slot] : []);
  const written = producer.outputs[0]!.view;
  const aligned = slots.every((slot) => sameLayout(consumer.inputs[slot]!.view, written));
  // The operands of a product itself are packed, not computed.
  if (!aligned || ((kind === "matmul" || kind === "conv") && slots.some((slot) => slot < 2))) return undefined;
  const rest = consumer.inputs.map((operand, slot) => slots.includes(slot) ? undefined : operand);
  const { inputs, place } = mergeInputs(rest, producer.inputs, kind === "matmul" || kind === "conv");
  const shift = resolveScalars(consumer.scalars).length;
  const inlined = substitute(expr, { input: (slot) => place("added", slot), scalar: (slot) => slot + shift })[0]!;
  const rewrite = (target: Expr): Expr =>
    expression(substitute(target, {
      input: (slot) => slots.includes(slot) ? inlined : place("kept", slot),
      scalar: (slot) => slot,
    }));
  if (producer.inputs.some((operand) => !safeBeside(operand, consumer))) return undefined;
  const kernel = rewriteKernel(consumer.kernel, rewrite);
  if (kernel === undefined || tooLarge(kernel, inputs.length + consumer.outputs.length)) return undefined;
  return { ...consumer, kernel, inputs, scalars: joinScalars(consumer.scalars, producer.scalars) };
}

/** Whether a kernel may read an operand: one that it overwrites only element by element. */
function safeBeside(operand: Operand, { kernel, outputs }: KernelRecord): boolean {
  const overwritten = outputs.filter(({ buffer }) => buffer === operand.buffer);
  return overwritten.every(({ view }) => kernel.kind === "map" && sameLayout(view, operand.view));
}

/** The producing product (or reduction) with the consumer as its epilogue. */
function absorbConsumer(producer: KernelRecord, consumer: KernelRecord, buffer: number): KernelRecord | undefined {
  const { kernel } = producer;
  if (consumer.kernel.kind !== "map" || consumer.outputs.length !== 1 || usesIndex(consumer.kernel.expr)) return undefined;
  if (kernel.kind !== "matmul" && kernel.kind !== "reduce" && kernel.kind !== "conv") return undefined;
  const written = producer.outputs[0]!.view;
  const slots = consumer.inputs.flatMap((operand, slot) => operand.buffer === buffer ? [slot] : []);
  const others = consumer.inputs.filter((operand) => operand.buffer !== buffer);
  const aligned = slots.every((slot) => sameLayout(consumer.inputs[slot]!.view, written)) && sameLayout(consumer.outputs[0]!.view, written);
  if (!aligned || written.dtype === "float16" || (kernel.kind === "reduce" && others.length > 0)) return undefined;
  if (others.some((operand) => operand.buffer === consumer.outputs[0]!.buffer)) return undefined;
  const added = consumer.inputs.map((operand, slot) => slots.includes(slot) ? undefined : operand);
  const { inputs, place } = mergeInputs(producer.inputs, added.map((operand) => operand ?? consumer.inputs[slots[0]!]!), true, slots);
  const shift = resolveScalars(producer.scalars).length;
  const own = kernel.epilogue === undefined
    ? result(0, written.dtype)
    : substitute(kernel.epilogue, { input: (slot) => place("kept", slot), scalar: (slot) => slot })[0]!;
  const epilogue = expression(substitute(consumer.kernel.expr, {
    input: (slot) => slots.includes(slot) ? own : place("added", slot),
    scalar: (slot) => slot + shift,
  }));
  const fused = { ...kernel, epilogue, key: `${withoutEpilogue(kernel)} + ${epilogue.key}` };
  if (tooLarge(fused, inputs.length + 1)) return undefined;
  return { kind: "kernel", kernel: fused, inputs, outputs: consumer.outputs, scalars: joinScalars(producer.scalars, consumer.scalars) };
}

/** The key of a kernel as it was before its epilogue. */
function withoutEpilogue(kernel: Kernel): string {
  return kernel.key.split(" + ")[0]!;
}

interface Merged {
  readonly inputs: Operand[];
  /** The value of an input of the first list ("kept") or of the second ("added"), in its new slot. */
  readonly place: (list: "kept" | "added", slot: number) => Value;
}

/** One list of operands out of two, equal views shared; `fixed` keeps the first two slots for a product's operands. */
function mergeInputs(
  kept: readonly (Operand | undefined)[],
  added: readonly Operand[],
  fixed: boolean,
  skipAdded: readonly number[] = [],
): Merged {
  const inputs: Operand[] = [];
  const put = (operand: Operand, shareable: boolean): number => {
    const known = shareable ? inputs.findIndex((other, slot) => (!fixed || slot > 1) && sameOperand(other, operand)) : -1;
    return known >= 0 ? known : inputs.push(operand) - 1;
  };
  const keptSlots = kept.map((operand, slot) => operand === undefined ? -1 : put(operand, !fixed || slot > 1));
  const addedSlots = added.map((operand, slot) => skipAdded.includes(slot) ? -1 : put(operand, true));
  return {
    inputs,
    place: (list, slot) => {
      const at = (list === "kept" ? keptSlots : addedSlots)[slot]!;
      const { dtype } = inputs[at]!.view;
      return { dtype, node: { kind: "input", slot: at, dtype }, args: [] };
    },
  };
}

function sameOperand(a: Operand, b: Operand): boolean {
  return a.buffer === b.buffer && sameLayout(a.view, b.view);
}

function sameLayout(a: Operand["view"], b: Operand["view"]): boolean {
  return a.dtype === b.dtype && a.offset === b.offset && sameShape(a.shape, b.shape) && sameShape(a.strides, b.strides);
}

function usesIndex({ nodes }: Expr): boolean {
  return nodes.some(({ kind }) => kind === "index");
}

/** Every expression of a kernel rewritten; undefined for kernels without any. */
function rewriteKernel(kernel: Kernel, rewrite: (expr: Expr) => Expr): Kernel | undefined {
  switch (kernel.kind) {
    case "map":
      return mapKernel(rewrite(kernel.expr));
    case "reduce": {
      const prologue = rewrite(kernel.prologue);
      return { ...kernel, prologue, key: `${kernel.combine} ${kernel.reduced} ${prologue.key} | ${kernel.epilogue?.key ?? ""}` };
    }
    case "row": {
      const stages = kernel.stages.map(({ combine, expr }) => ({ combine, expr: rewrite(expr) }));
      return rowKernel({ ...kernel, stages, outputs: kernel.outputs.map(({ per, expr }) => ({ per, expr: rewrite(expr) })) });
    }
    case "matmul":
    case "conv": {
      if (kernel.epilogue === undefined) return undefined;
      const epilogue = rewrite(kernel.epilogue);
      return { ...kernel, epilogue, key: `${withoutEpilogue(kernel)} + ${epilogue.key}` };
    }
    default:
      return undefined;
  }
}

/** The kernel with the key that its expressions give it. */
function rowKernel(kernel: RowKernel): RowKernel {
  const parts = [
    ...kernel.stages.map(({ combine, expr }) => `${combine} ${expr.key}`),
    ...kernel.outputs.map(({ per, expr }) => `${per} ${expr.key}`),
  ];
  return { ...kernel, key: `row ${kernel.reduced}|${parts.join("|")}` };
}

function mapKernel(expr: Expr): MapKernel {
  return { kind: "map", key: `map ${expr.key}`, expr };
}

function tooLarge(kernel: Kernel, operands: number): boolean {
  if (operands > mostOperands) return true;
  const sizes = expressionsOf(kernel).map(({ nodes }) => nodes.length);
  return sizes.some((size) => size > mostNodes);
}

/** The expressions a kernel evaluates. */
export function expressionsOf(kernel: Kernel): Expr[] {
  switch (kernel.kind) {
    case "map":
      return [kernel.expr];
    case "reduce":
      return [kernel.prologue, ...(kernel.epilogue === undefined ? [] : [kernel.epilogue])];
    case "row":
      return [...kernel.stages.map(({ expr }) => expr), ...kernel.outputs.map(({ expr }) => expr)];
    case "matmul":
    case "conv":
      return kernel.epilogue === undefined ? [] : [kernel.epilogue];
    default:
      return [];
  }
}

function joinScalars(first: Scalars, second: Scalars): Scalars {
  if (typeof first !== "function" && typeof second !== "function") return [...first, ...second];
  return () => [...resolveScalars(first), ...resolveScalars(second)];
}

interface Substitution {
  readonly input: (slot: number) => Value;
  readonly scalar: (slot: number) => number;
}

/** An expression's outputs as handles again, with inputs and scalar slots replaced. */
function substitute(expr: Expr, { input, scalar: scalarSlot }: Substitution): Value[] {
  const values: Value[] = [];
  for (const node of expr.nodes) {
    if (node.kind === "input") values.push(input(node.slot));
    else if (node.kind === "scalar") values.push(scalar(scalarSlot(node.slot), node.dtype));
    else if (node.kind === "op") {
      values.push({ dtype: node.dtype, node: { kind: "op", op: node.op }, args: node.args.map((position) => values[position]!) });
    } else values.push({ dtype: node.dtype, node, args: [] });
  }
  return expr.outputs.map((position) => values[position]!);
}
