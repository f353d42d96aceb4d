/**
 * How a row of the tables is written.
 *
 * @module
 */
import type { Tensor } from "../../../tensor/mod.ts";
import type { Arguments } from "../arguments.ts";
import type { Result, Row } from "../replay.ts";

/** Rows by the name of op_db, with the variant after a slash. */
export type Rows = Readonly<Record<string, Row>>;

/** An operator that Tandem has: PyTorch's positional parameters, and the call. */
export function row(names: string, call: (a: Arguments) => Result | Promise<Result>): Row {
  return { names: names.split(" "), composed: false, call };
}

/** An operator that Tandem says in several calls. */
export function composed(names: string, call: (a: Arguments) => Result | Promise<Result>): Row {
  return { ...row(names, call), composed: true };
}

/** An operator whose results are drawn: only what it must refuse is replayed. */
export function random(names: string, call: (a: Arguments) => Result | Promise<Result>): Row {
  return { ...row(names, call), random: true };
}

/** An operator of one tensor. */
export function unary(call: (x: Tensor) => Tensor): Row {
  return row("input", (a) => call(a.tensor("input")));
}

/** An operator of a tensor and a tensor or number. */
export function binary(call: (x: Tensor, other: Tensor | number) => Tensor): Row {
  return row("input other", (a) => call(a.tensor("input"), a.operand("other")));
}

/** The rows, all marked as composed. */
export function allComposed(rows: Rows): Rows {
  return Object.fromEntries(Object.entries(rows).map(([name, entry]) => [name, { ...entry, composed: true }]));
}

/** The input, in the type that `dtype` asks for. */
export function typed(a: Arguments): Tensor {
  const x = a.tensor("input");
  const dtype = a.dtype();
  return dtype === undefined ? x : x.to(dtype);
}

/** A number as a 0-d tensor beside another one. */
export function asTensor(value: Tensor | number, like: Tensor): Tensor {
  return typeof value === "number" ? like.newFull([], value) : value;
}
