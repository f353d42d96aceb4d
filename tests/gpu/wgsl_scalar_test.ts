import { assert, assertEquals } from "@std/assert";
import { type DType, dtypes } from "../../tensor/dtype.ts";
import { apply, cast, constant, type Expr, expression, input, scalar, type Value } from "../../tensor/expr.ts";
import type { MapKernel } from "../../tensor/kernel.ts";
import { type ScalarOp, scalarOps } from "../../tensor/scalar.ts";
import { ulp } from "../accuracy/measure.ts";
import { reference, run, type Sample } from "../cpu/compare.ts";
import { filled, gpu, gpuTest } from "./families.ts";

const specials = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1,
  2,
  -2,
  0.5,
  -0.5,
  3e38,
  -3e38,
  88.7,
  -87,
  100,
  -100,
  2.5,
  -2.5,
  16777217,
  0.41,
  -0.29,
];
const whole = [0, 1, -1, 2, -2, 7, -7, 31, 32, 2147483647, -2147483648, 65536, 12345];

function map(...outputs: Value[]): MapKernel {
  const expr = expression(outputs);
  return { kind: "map", key: expr.key, expr };
}

function domainOf(op: ScalarOp, dtype: DType): boolean {
  const { type } = scalarOps[op];
  if (dtype === "float16" || dtype === "float64" || type === "cast") return false;
  if (type === "float" || type === "test") return dtype === "float32";
  if (type === "bits") return dtype === "uint32";
  return type !== "integer" || dtype !== "float32";
}

/** Every combination of special values as the arguments of an operation. */
function grid(op: ScalarOp, dtype: DType): Sample[] {
  const values = dtype === "float32" ? specials : dtype === "bool" ? [0, 1] : dtype === "uint32" ? whole.map((x) => x >>> 0) : whole;
  const arity = scalarOps[op].arity;
  const size = values.length ** arity;
  return Array.from({ length: arity }, (_, i) => {
    const type = op === "where" && i === 0 ? "bool" as const : dtype;
    const step = values.length ** i;
    return filled(type, [size], (at) => {
      const value = values[Math.floor(at / step) % values.length]!;
      return type === "bool" ? (value !== 0 ? 1 : 0) : value;
    });
  });
}

/** Equal in kind: NaN, infinities, and numbers within a few units in the last place; subnormals may be flushed. */
function agrees(actual: number, expected: number, units: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  if (Math.abs(expected) < 1.2e-38) return Math.abs(actual) < 1.2e-38;
  return Math.abs(actual - expected) <= units * ulp(expected);
}

for (const op of Object.keys(scalarOps) as ScalarOp[]) {
  gpuTest(`scalarRows gives ${op} of special values as the reference does, for every type`, async () => {
    for (const dtype of dtypes.filter((type) => domainOf(op, type))) {
      const args = grid(op, dtype);
      const kernel = map(apply(op, ...args.map((arg, i) => input(i, arg.dtype))));
      const output = { shape: args[0]!.shape, dtype: kernel.expr.nodes[kernel.expr.outputs[0]!]!.dtype };
      const [actual] = await run(gpu(), kernel, args, [output]);
      const [expected] = await run(reference, kernel, args, [output]);
      for (let at = 0; at < expected!.length; at++) {
        const text = `${op}(${args.map(({ data }) => data[at])}) in ${dtype} is ${actual![at]} instead of ${expected![at]}`;
        assert(agrees(actual![at]!, expected![at]!, 4), text);
      }
    }
  });
}

gpuTest("scalarRows casts between all types as the reference does", async () => {
  const storable = dtypes.filter((dtype) => gpu().supports(dtype));
  for (const from of storable) {
    const values = from === "float32"
      ? [...specials, 3e9, -3e9, 4294967296, 2147483647.5]
      : from === "bool"
      ? [0, 1]
      : [0, 1, 2, 100, 60000];
    const sample = filled(from, [values.length], (at) => values[at]!);
    for (const to of storable) {
      const kernel = map(cast(input(0, from), to));
      const [actual] = await run(gpu(), kernel, [sample], [{ shape: [values.length], dtype: to }]);
      const [expected] = await run(reference, kernel, [sample], [{ shape: [values.length], dtype: to }]);
      const half = from === "float32" && to === "float16"; // beyond 65504 WGSL leaves the answer to the adapter
      values.forEach((value, at) => {
        if (half && Math.abs(value) > 65504 && Number.isFinite(value)) return;
        assert(agrees(actual![at]!, expected![at]!, 0), `${value} as ${from} cast to ${to} is ${actual![at]} instead of ${expected![at]}`);
      });
    }
  }
});

gpuTest("scalarRows keeps NaN and Infinity where a compiler would fold constants: x * 0, x - x, x / x, 0 / x", async () => {
  const x = filled("float32", [specials.length], (at) => specials[at]!);
  const value = input(0, "float32");
  const kernel = map(
    apply("mul", value, 0),
    apply("mul", -0, value),
    apply("sub", value, value),
    apply("div", value, value),
    apply("div", 0, value),
    apply("where", apply("ge", value, 0), 1, 0),
    apply("where", apply("not", apply("lt", value, 0)), 1, 0),
  );
  const outputs = kernel.expr.outputs.map(() => ({ shape: [specials.length] }));
  const actual = await run(gpu(), kernel, [x], outputs);
  const expected = await run(reference, kernel, [x], outputs);
  actual.forEach((values, i) => assertEquals([...values].map((v) => v + 0), [...expected[i]!].map((v) => v + 0), `output ${i}`));
});

gpuTest("emitExpr writes constants of any value: NaN, infinities, -0, the extremes of whole numbers", async () => {
  const values = [NaN, Infinity, -Infinity, -0, 3.4028234663852886e38, 1e-45, 0.1];
  const kernel = map(
    ...values.map((value) => constant(value, "float32")),
    ...[-2147483648, 2147483647].map((value) => constant(value, "int32")),
    constant(4294967295, "uint32"),
  );
  const types = kernel.expr.outputs.map((at) => kernel.expr.nodes[at]!.dtype);
  const actual = await run(gpu(), kernel, [], types.map((dtype) => ({ shape: [1], dtype })));
  [...values.map(Math.fround), -2147483648, 2147483647, 4294967295].forEach((value, i) => assertEquals(actual[i]![0], value));
});

gpuTest("emitExpr hands over scalars of each type at each run, without new code", async () => {
  const kernel = map(
    apply("mul", input(0, "float32"), scalar(1, "float32")),
    apply("add", cast(input(0, "float32"), "int32"), scalar(0, "int32")),
    apply("xor", constant(0, "uint32"), scalar(2, "uint32")),
  );
  const x = filled("float32", [3], (at) => at + 1);
  const outputs = [{ shape: [3] }, { shape: [3], dtype: "int32" as const }, { shape: [3], dtype: "uint32" as const }];
  for (const scalars of [[-5, 0.5, 4294967295], [7, -2, 1]]) {
    const [f, i, u] = await run(gpu(), kernel, [x], outputs, scalars);
    assertEquals([...f!], [1, 2, 3].map((v) => v * scalars[1]!));
    assertEquals([...i!], [1, 2, 3].map((v) => v + scalars[0]!));
    assertEquals([...u!], [scalars[2], scalars[2], scalars[2]]);
  }
});

gpuTest("emitExpr writes a chain of 5,000 operations that compiles", async () => {
  const nodes: Expr["nodes"][number][] = [{ kind: "input", slot: 0, dtype: "float32" }, { kind: "constant", value: 0.5, dtype: "float32" }];
  for (let i = 0; i < 5000; i++) {
    nodes.push({ kind: "op", op: i % 2 === 0 ? "add" : "max", args: [i === 0 ? 0 : i + 1, 1], dtype: "float32" });
  }
  const kernel: MapKernel = { kind: "map", key: "chain", expr: { nodes, outputs: [nodes.length - 1], key: "chain" } };
  const x = filled("float32", [2], (at) => at);
  const [actual] = await run(gpu(), kernel, [x], [{ shape: [2] }]);
  const [expected] = await run(reference, kernel, [x], [{ shape: [2] }]);
  assertEquals([...actual!], [...expected!]);
});
