/** Random expressions over random layouts: what the tests by hand did not think of. */
import { apply, cast, constant, expression, index, input, result, scalar, type Value } from "../../tensor/expr.ts";
import type { Kernel } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";
import { compare, dense, expanded, flipped, noise, type Operand, permuted } from "./wasm_harness.ts";

class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to `n` - 1. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 4294967296) * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Grows a pool of values by operations that stay within about 1 and do not magnify rounding. */
function grow(random: Random, leaves: readonly Value[], steps: number): Value {
  const pool = [...leaves];
  for (let step = 0; step < steps; step++) {
    const [a, b, c] = [random.pick(pool), random.pick(pool), random.pick(pool)] as [Value, Value, Value];
    const whole = cast(apply("round", apply("mul", a, 100)), "int32");
    pool.push(
      random.pick<() => Value>([
        () => apply("mul", apply("add", a, b), 0.5),
        () => apply("mul", apply("sub", a, b), 0.5),
        () => apply("mul", a, b),
        () => apply("max", a, b),
        () => apply("min", a, b),
        () => apply("tanh", a),
        () => apply("sigmoid", b),
        () => apply("exp", apply("neg", apply("abs", a))),
        () => apply("sin", a),
        () => apply("neg", apply("abs", c)),
        () => apply("where", apply("lt", cast(index(), "float32"), 7), b, c),
        () => apply("div", cast(apply("mod", cast(index(), "int32"), 5), "float32"), 5),
        () => apply("where", apply("and", apply("ge", constant(3, "float32"), a), apply("not", apply("isNaN", b))), a, c),
        () =>
          apply(
            "mul",
            cast(apply("and", apply("gt", constant(1, "int32"), apply("mul", whole, 0)), apply("eq", whole, whole)), "float32"),
            c,
          ),
      ])(),
    );
  }
  return pool.at(-1)!;
}

function operand(random: Random, shape: readonly number[], seed: number): Operand {
  const order = shape.map((_, dim) => dim).sort(() => random.below(2) - 0.5);
  const inverse = shape.map((_, dim) => order.indexOf(dim));
  switch (random.below(5)) {
    case 0:
      return expanded(dense("float32", shape.map((n) => random.below(2) === 0 ? n : 1), noise(seed)), shape);
    case 1:
      return permuted(dense("float32", order.map((dim) => shape[dim]!), noise(seed)), inverse);
    case 2:
      return shape.length > 0 && sizeOf(shape) > 0
        ? flipped(dense("float32", shape, noise(seed)), random.below(shape.length))
        : dense("float32", shape, noise(seed));
    default:
      return dense("float32", shape, noise(seed));
  }
}

function target(random: Random, shape: readonly number[]): Operand {
  const plain = dense("float32", shape, () => 0);
  if (random.below(3) > 0 || shape.length === 0) return plain;
  // Every second element of a storage twice as long.
  const strides = contiguousStrides(shape).map((stride) => stride * 2);
  return { ...plain, data: new Array<number>(sizeOf(shape) * 2 + 1).fill(9), strides, offset: 1 };
}

function shapeOf(random: Random): number[] {
  return Array.from({ length: random.below(5) }, () => random.pick([1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 48]))
    .map((n, dim) => dim < 2 ? n : Math.min(n, 5));
}

Deno.test("map in WebAssembly equals the reference for random expressions and layouts", () => {
  for (let seed = 1; seed <= 250; seed++) {
    const random = new Random(seed);
    const shape = shapeOf(random);
    const inputs = [1, 2, 3].map((slot) => operand(random, shape, seed * 3 + slot));
    const leaves = [...[0, 1, 2].map((slot) => input(slot, "float32")), scalar(0, "float32"), constant(0.25, "float32")];
    const values = Array.from({ length: 1 + random.below(3) }, () => grow(random, leaves, 1 + random.below(14)));
    const kernel: Kernel = { kind: "map", key: `random ${seed}`, expr: expression(values) };
    compare(kernel, inputs, values.map(() => target(random, shape)), { scalars: [0.7], tolerance: 1e-5, label: `seed ${seed} [${shape}]` });
  }
});

Deno.test("row in WebAssembly equals the reference for random programs and layouts", () => {
  for (let seed = 1; seed <= 250; seed++) {
    const random = new Random(seed + 1000);
    const shape = shapeOf(random);
    const reduced = random.below(shape.length + 1);
    const inputs = [1, 2].map((slot) => operand(random, shape, seed * 3 + slot));
    const leaves: Value[] = [...[0, 1].map((slot) => input(slot, "float32")), scalar(0, "float32"), constant(0.25, "float32")];
    const count = sizeOf(shape.slice(shape.length - reduced));
    const stages = Array.from({ length: 1 + random.below(3) }, (_, stage) => {
      const combine = random.pick(["sum", "max", "min"] as const);
      const value = apply("mul", grow(random, leaves, 1 + random.below(6)), 1 / (combine === "sum" ? count : 1));
      leaves.push(result(stage, "float32"));
      return { combine, expr: expression([value]) };
    });
    const outputs = Array.from({ length: 1 + random.below(3) }, () => {
      const per = random.pick(["element", "row"] as const);
      const usable = per === "element" ? leaves : leaves.slice(2);
      return { per, expr: expression([grow(random, usable, 1 + random.below(6))]) };
    });
    const targets = outputs.map(({ per }) => target(random, per === "element" ? shape : shape.slice(0, shape.length - reduced)));
    const kernel: Kernel = { kind: "row", key: `random ${seed}`, reduced, stages, outputs };
    compare(kernel, inputs, targets, { scalars: [0.7], tolerance: 1e-5, label: `seed ${seed} [${shape}] reduced ${reduced}` });
  }
});
