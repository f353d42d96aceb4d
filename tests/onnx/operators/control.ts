/**
 * Control flow, and values that are sequences or may be missing.
 *
 * @module
 */
import { cat, stack, Tensor } from "../../../mod.ts";
import type { Graph } from "../model.ts";
import { type Call, type Operator, positive, type Value } from "./call.ts";

async function isTrue(value: Value | undefined, call: Call): Promise<boolean> {
  return value instanceof Tensor ? await value.item() !== 0 : call.refuse("a condition is needed");
}

const branch: Operator = async (call) => {
  const chosen = await isTrue(call.value(0), call) ? "then_branch" : "else_branch";
  return { outputs: await call.init.runGraph(call.graph(chosen), []) };
};

/** The body takes the round, the condition and what is carried; it gives the condition, what is carried and what is collected. */
const loop: Operator = async (call) => {
  const body = call.graph("body");
  const rounds = await call.scalar(0) ?? Infinity;
  let condition: Value = call.maybe(1) ?? call.make([1], [], "bool");
  let carried: Value[] = call.init.inputs.slice(2).map((value) => value ?? null);
  const collected: Tensor[][] = Array.from({ length: body.outputs.length - 1 - carried.length }, () => []);
  for (let round = 0; round < rounds && await isTrue(condition, call); round++) {
    const outputs = await call.init.runGraph(body, [call.make([round], [], "int32"), condition, ...carried]);
    condition = outputs[0]!;
    outputs.slice(1 + carried.length).forEach((value, index) => collected[index]!.push(value as Tensor));
    carried = outputs.slice(1, 1 + carried.length);
  }
  if (collected.some((rows) => rows.length === 0)) call.refuse("at least one round is needed where rows are collected");
  return { outputs: [...carried, ...collected.map((rows) => stack(rows))] };
};

/** Along the first dim; below version 9 the first input is a sequence length and samples lie along the first dim. */
const scan: Operator = async (call) => {
  const body = call.graph("body");
  const scanned = call.number("num_scan_inputs");
  if (call.opset >= 9) {
    return { outputs: await scanOne(call, body, { values: call.init.inputs as Value[], scanned }) };
  }
  const samples = call.x(1).shape[0]!;
  const rows: Tensor[][] = [];
  for (let sample = 0; sample < samples; sample++) {
    const values = call.init.inputs.slice(1).map((value) => (value as Tensor).select(0, sample));
    rows.push(await scanOne(call, body, { values, scanned }) as Tensor[]);
  }
  return { outputs: rows[0]!.map((_, index) => stack(rows.map((row) => row[index]!))) };
};

interface Scanned {
  readonly values: readonly Value[];
  readonly scanned: number;
}

async function scanOne(call: Call, body: Graph, { values, scanned }: Scanned): Promise<Value[]> {
  const states = values.length - scanned;
  let carried: Value[] = values.slice(0, states);
  const rows = values.slice(states) as Tensor[];
  const collected: Tensor[][] = Array.from({ length: body.outputs.length - states }, () => []);
  for (let step = 0; step < rows[0]!.shape[0]!; step++) {
    const outputs = await call.init.runGraph(body, [...carried, ...rows.map((row) => row.select(0, step))]);
    carried = outputs.slice(0, states);
    outputs.slice(states).forEach((value, index) => collected[index]!.push(value as Tensor));
  }
  return [...carried, ...collected.map((list) => stack(list))];
}

/** Where an optional position points, counted from the front. */
async function place(call: Call, index: number, size: number): Promise<number> {
  return positive(await call.scalar(index) ?? size, size);
}

const at: Operator = async (call) => {
  const sequence = call.sequence();
  return { outputs: [sequence[await place(call, 1, sequence.length)]] };
};

const insert: Operator = async (call) => {
  const sequence = call.sequence();
  return { outputs: [sequence.toSpliced(await place(call, 2, sequence.length), 0, call.x(1))] };
};

const erase: Operator = async (call) => {
  const sequence = call.sequence();
  const last = sequence.length - 1;
  return { outputs: [sequence.toSpliced(call.maybe(1) === undefined ? last : await place(call, 1, sequence.length), 1)] };
};

/** Runs the body for each element; what is no sequence is the same each time. */
const map: Operator = async (call) => {
  const body = call.graph("body");
  const rounds: Value[][] = [];
  for (let element = 0; element < call.sequence().length; element++) {
    const inputs = call.init.inputs.map((value) => Array.isArray(value) ? value[element] as Tensor : value as Tensor);
    rounds.push(await call.init.runGraph(body, inputs));
  }
  return { outputs: body.outputs.map((_, index) => rounds.map((outputs) => outputs[index] as Tensor)) };
};

const concatFromSequence: Operator = (call) => {
  const dim = call.number("axis");
  return call.number("new_axis", 0) === 1 ? stack(call.sequence(), { dim }) : cat(call.sequence(), { dim });
};

const splitToSequence: Operator = async (call) => {
  const [x, dim] = [call.x(), call.number("axis", 0)];
  const sizes = await call.numbers(1);
  if (sizes !== undefined) return { outputs: [x.split(call.x(1).rank === 0 ? sizes[0]! : sizes, { dim })] };
  const parts = x.split(1, { dim });
  return { outputs: [call.number("keepdims", 1) === 1 ? parts : parts.map((part) => part.squeeze(dim))] };
};

const optional: Operator = (call) => ({ outputs: [call.value(0) ?? null] });

const getElement: Operator = (call) => ({ outputs: [call.value(0) ?? call.refuse("a value is needed")] });

const identity: Operator = (call) => ({ outputs: [call.value(0) ?? null] });

/** Operators that choose, repeat or collect. */
export const control: Readonly<Record<string, Operator>> = {
  ConcatFromSequence: concatFromSequence,
  Identity: identity,
  If: branch,
  Loop: loop,
  Optional: optional,
  OptionalGetElement: getElement,
  OptionalHasElement: (call) => call.make([call.value(0) == null ? 0 : 1], [], "bool"),
  Scan: scan,
  SequenceAt: at,
  SequenceConstruct: (call) => ({ outputs: [call.all()] }),
  SequenceEmpty: () => ({ outputs: [[]] }),
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: (call) => call.make([call.sequence().length], [], "int32"),
  SequenceMap: map,
  SplitToSequence: splitToSequence,
};
