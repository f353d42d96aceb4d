/**
 * Reductions over dims, and what selects along one.
 *
 * @module
 */
import type { Tensor } from "../../../mod.ts";
import type { Call, Operator } from "./call.ts";

type Reduce = (x: Tensor, dims: number[] | undefined, keepDim: boolean) => Tensor;

/** The dims are an attribute, for ReduceSum from version 13 on an input; none means all, unless noop_with_empty_axes says otherwise. */
function reduce(step: Reduce): Operator {
  return async (call) => {
    const dims = await call.numbersOf(1, "axes");
    if ((dims === undefined || dims.length === 0) && call.number("noop_with_empty_axes", 0) === 1) return call.x();
    return step(call.x(), dims?.length === 0 ? undefined : dims, call.number("keepdims", 1) === 1);
  };
}

function select(name: "argmax" | "argmin"): Operator {
  return (call) => {
    const [x, dim, keepDim] = [call.x(), call.number("axis", 0), call.number("keepdims", 1) === 1];
    if (call.number("select_last_index", 0) === 0) return x[name](dim, { keepDim });
    const last = x.flip(dim)[name](dim, { keepDim });
    return last.neg().add(x.shape.at(dim)! - 1);
  };
}

const cumSum: Operator = async (call) => {
  const [axis] = await call.numbers(1) ?? [0];
  const x = call.number("reverse", 0) === 1 ? call.x().flip(axis) : call.x();
  const sums = call.number("exclusive", 0) === 1 ? x.cumsum(axis!).sub(x) : x.cumsum(axis!);
  return call.number("reverse", 0) === 1 ? sums.flip(axis) : sums;
};

/** Below version 13 everything from `axis` (default 1) on counts as one dim; from then on `axis` (default -1) is one dim. */
function alongAxis(step: (x: Tensor, dim: number) => Tensor): Operator {
  return (call) => {
    const x = call.x();
    if (call.opset >= 13) return step(x, call.number("axis", -1));
    const axis = call.number("axis", 1);
    return step(x.flatten(axis, -1), axis).reshape(x.shape);
  };
}

const hardmax: Operator = (call) => {
  const [x, dim] = [call.x(), call.number("axis", call.opset >= 13 ? -1 : 1)];
  const index = x.argmax(dim, { keepDim: true });
  return x.zerosLike().scatter(dim, { index, src: index.newFull(index.shape, 1, x.dtype) });
};

const topK: Operator = async (call) => {
  const [k] = await call.numbers(1) ?? [0];
  const { values, indices } = call.x().topk(k!, { dim: call.number("axis", -1), largest: call.number("largest", 1) === 1 });
  return { outputs: [values, indices] };
};

const unique: Operator = async (call: Call) => {
  const x = call.x();
  const axis = call.has("axis") ? call.number("axis") : undefined;
  const { values, inverse, counts } = await x.unique(axis === undefined ? {} : { dim: axis });
  const flat = Array.from(await inverse.data(), Number);
  const first = Array.from({ length: counts.size }, (_, group) => flat.indexOf(group));
  const whole = (list: readonly number[]) => call.make(list, [list.length], "int32");
  if (call.number("sorted", 1) === 1) return { outputs: [values, whole(first), whole(flat), counts] };
  // In the order of their first place.
  const order = first.map((_, group) => group).sort((a, b) => first[a]! - first[b]!);
  const rank = order.map((_, group) => order.indexOf(group));
  const pick = whole(order);
  return {
    outputs: [
      values.indexSelect(axis ?? 0, pick),
      whole(order.map((group) => first[group]!)),
      whole(flat.map((group) => rank[group]!)),
      counts.indexSelect(0, pick),
    ],
  };
};

/** Operators that reduce or select. */
export const reduction: Readonly<Record<string, Operator>> = {
  ArgMax: select("argmax"),
  ArgMin: select("argmin"),
  CumSum: cumSum,
  Hardmax: hardmax,
  LogSoftmax: alongAxis((x, dim) => x.logSoftmax(dim)),
  ReduceL1: reduce((x, dims, keepDim) => x.norm(dims, { p: 1, keepDim })),
  ReduceL2: reduce((x, dims, keepDim) => x.norm(dims, { keepDim })),
  ReduceLogSum: reduce((x, dims, keepDim) => x.sum(dims, { keepDim }).log()),
  ReduceLogSumExp: reduce((x, dims, keepDim) => x.logsumexp(dims, { keepDim })),
  ReduceMax: reduce((x, dims, keepDim) => x.max(dims, { keepDim })),
  ReduceMean: reduce((x, dims, keepDim) => x.mean(dims, { keepDim })),
  ReduceMin: reduce((x, dims, keepDim) => x.min(dims, { keepDim })),
  ReduceProd: reduce((x, dims, keepDim) => x.prod(dims, { keepDim })),
  ReduceSum: reduce((x, dims, keepDim) => x.sum(dims, { keepDim })),
  ReduceSumSquare: reduce((x, dims, keepDim) => x.square().sum(dims, { keepDim })),
  Softmax: alongAxis((x, dim) => x.softmax(dim)),
  TopK: topK,
  Unique: unique,
};
