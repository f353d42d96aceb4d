/**
 * Counter-based random numbers: element i depends on the key and i alone, the same bits on every backend.
 *
 * @module
 */
import { cast, constant, expression, index, scalar, type Value } from "../expr.ts";
import { apply as op } from "../expr.ts";
import type { MapKernel } from "../kernel.ts";
import type { KernelOp, Meta } from "../op.ts";

/** The key of one random tensor. */
export interface KeyAttributes {
  /** Asked for at each run, so that a compiled step draws anew each time. */
  readonly key: () => readonly [number, number];
}

/** 32 random bits of the element. */
function bits(): Value {
  return op("threefry", scalar(0, "uint32"), scalar(1, "uint32"), index());
}

/** 24 random bits of the element as a float in [0, 1): exact in float32, so equal everywhere. Its scalars are the key. */
export function unit(): Value {
  return op("mul", cast(op("shr", bits(), constant(8, "uint32")), "float32"), 2 ** -24);
}

function randomKernel(value: Value): MapKernel {
  const expr = expression([value]);
  return { kind: "map", key: `map ${expr.key}`, expr };
}

interface RandomDeclaration<A> {
  /** Made at the first use: programs that draw nothing need not wait for it. */
  readonly value: () => Value;
  readonly dtype: Meta["dtype"];
  readonly scalars: (attributes: A) => readonly number[];
}

function random<A extends KeyAttributes & { readonly shape: readonly number[] }>(
  name: string,
  { value, dtype, scalars }: RandomDeclaration<A>,
): KernelOp<A> {
  let made: MapKernel | undefined;
  return {
    kind: "kernel",
    name,
    vjp: null,
    infer: (_, { shape }) => [{ dtype, shape }],
    launch: (_, outputs, attributes) => {
      const kernel = made ??= randomKernel(value());
      return { kernel, inputs: [], outputs, scalars: () => [...attributes.key(), ...scalars(attributes)] };
    },
  };
}

/** The shape of a random tensor and its key. */
export interface RandomAttributes extends KeyAttributes {
  readonly shape: readonly number[];
}

/** Uniform in [0, 1). */
export const uniform: KernelOp<RandomAttributes> = random("rand", { value: unit, dtype: "float32", scalars: () => [] });

/** True with a probability. */
export const bernoulli: KernelOp<RandomAttributes & { readonly probability: number }> = random("bernoulli", {
  value: () => op("lt", unit(), scalar(2, "float32")),
  dtype: "bool",
  scalars: ({ probability }) => [probability],
});

/** Whole numbers in [low, low + span). */
export const integers: KernelOp<RandomAttributes & { readonly low: number; readonly span: number }> = random("randint", {
  value: () => op("add", cast(op("mod", bits(), scalar(2, "uint32")), "int32"), scalar(3, "int32")),
  dtype: "int32",
  scalars: ({ low, span }) => [span, low],
});
