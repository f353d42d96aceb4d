/**
 * Reading and writing at positions that are themselves data.
 *
 * @module
 */
import { arange, cat, type Tensor, where } from "../../../mod.ts";
import { type Call, type Operator, positive, product } from "./call.ts";

/** Positions with those counted from the end made positive. */
function fromFront(index: Tensor, size: number): Tensor {
  return where(index.lt(0), index.add(size), index);
}

const gather: Operator = (call) => {
  const [x, index] = [call.x(0), call.x(1)];
  const axis = positive(call.number("axis", 0), x.rank);
  const picked = x.indexSelect(axis, fromFront(index, x.shape[axis]!).flatten());
  return picked.reshape([...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)]);
};

const gatherElements: Operator = (call) => {
  const [x, axis] = [call.x(0), call.number("axis", 0)];
  return x.gather(axis, fromFront(call.x(1), x.shape.at(axis)!));
};

/** The parts of an index's last dim, one tensor per dim. */
function columns(index: Tensor): Tensor[] {
  return Array.from({ length: index.shape.at(-1)! }, (_, column) => index.select(-1, column));
}

const gatherNd: Operator = (call) => {
  const [x, index, batches] = [call.x(0), call.x(1), call.number("batch_dims", 0)];
  const lead = Array.from({ length: batches }, (_, dim) => {
    const shape = index.shape.slice(0, -1).map((size, at) => at === dim ? size : 1);
    return arange(index.shape[dim]!, { device: call.init.device }).reshape(shape);
  });
  return x.index([...lead, ...columns(index)]);
};

const combinations = { none: "replace", add: "sum", mul: "prod", max: "max", min: "min" } as const;

function combineOf(call: Call): "replace" | "sum" | "prod" | "max" | "min" {
  const reduction = call.text("reduction", "none");
  return reduction in combinations ? combinations[reduction as keyof typeof combinations] : call.refuse(`no reduction ${reduction}`);
}

const scatterElements: Operator = (call) => {
  const [x, axis] = [call.x(0), call.number("axis", 0)];
  return x.scatter(axis, { index: fromFront(call.x(1), x.shape.at(axis)!), src: call.x(2), combine: combineOf(call) });
};

/** As a scatter over the indexed dims as one. */
const scatterNd: Operator = (call) => {
  const [x, index, updates] = [call.x(0), call.x(1), call.x(2)];
  const indexed = x.shape.slice(0, index.shape.at(-1)!);
  const rest = product(x.shape.slice(indexed.length));
  const places = columns(index).reduce<Tensor | undefined>((flat, column, dim) => {
    const own = fromFront(column, indexed[dim]!);
    return flat === undefined ? own : flat.mul(indexed[dim]!).add(own);
  }, undefined) ?? call.refuse("at least one indexed dim is needed");
  const rows = places.size;
  return x.reshape([product(indexed), rest]).scatter(0, {
    index: places.reshape([rows, 1]).expand([rows, rest]),
    src: updates.reshape([rows, rest]),
    combine: combineOf(call),
  }).reshape(x.shape);
};

const oneHot: Operator = async (call) => {
  const [depth] = await call.numbers(1) ?? [0];
  const values = call.x(2);
  const index = call.x(0).to("int32");
  const axis = positive(call.number("axis", -1), index.rank + 1);
  const classes = arange(depth!, { device: call.init.device }).reshape([depth!, ...index.shape.slice(axis).map(() => 1)]);
  return where(fromFront(index, depth!).unsqueeze(axis).eq(classes), values.select(0, 1), values.select(0, 0));
};

const compress: Operator = async (call) => {
  const chosen = await call.numbers(1) ?? [];
  const places = chosen.flatMap((keep, place) => keep === 0 ? [] : [place]);
  const index = call.make(places, [places.length], "int32");
  return call.has("axis") ? call.x().indexSelect(call.number("axis"), index) : call.x().flatten().indexSelect(0, index);
};

const nonZero: Operator = async (call) => (await call.x().nonzero()).mT.contiguous();

const reverseSequence: Operator = async (call) => {
  const lengths = await call.numbers(1) ?? [];
  const [time, batch] = [call.number("time_axis", 0), call.number("batch_axis", 1)];
  const parts = lengths.map((length, row) => {
    const one = call.x().narrow(batch, { start: row, length: 1 });
    return cat([one.slice(time, { end: length }).flip(time), one.slice(time, { start: length })], { dim: time });
  });
  return cat(parts, { dim: batch });
};

/** Operators that index. */
export const indexing: Readonly<Record<string, Operator>> = {
  Compress: compress,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  NonZero: nonZero,
  OneHot: oneHot,
  ReverseSequence: reverseSequence,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
};
