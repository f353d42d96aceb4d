/**
 * The functions whose error is worth a figure: where each is measured, against what, and the error it may have on any machine.
 *
 * @module
 */
import { scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { type ScalarOp, scalarOps } from "../../tensor/scalar.ts";
import { around, everything, hardAngle, multiples, positive, type Region, uniform, unit } from "./points.ts";

/** The numbers themselves, in float64, at float32 arguments. */
export type Exact = (columns: readonly Float64Array[]) => Float64Array | Promise<Float64Array>;

/** A function under measurement. */
export interface Measured {
  readonly name: string;
  readonly run: (x: Tensor, y: Tensor) => Tensor;
  readonly exact: Exact;
  /** Where each argument is taken from; pairs take the regions of both in step. */
  readonly regions: readonly (readonly Region[])[];
  /** The arguments, in words. */
  readonly domain: string;
  /** The bound on any machine, in units in the last place: on the CPU and on WebGPU. */
  readonly atMost: readonly [cpu: number, webgpu: number];
}

function scalar(op: ScalarOp): Exact {
  const { reference } = scalarOps[op];
  return ([x, y]) => y === undefined ? x!.map((value) => reference(value)) : x!.map((value, i) => reference(value, y[i]!));
}

function each(reference: (x: number) => number): Exact {
  return ([x]) => x!.map(reference);
}

/** This library's own float64, which accuracy_test.ts compares with 50 digits. */
function double(run: (x: Tensor) => Tensor): Exact {
  return async ([x]) => {
    using _ = scope();
    return await run(tensor(x!, { dtype: "float64", device: "cpu" })).data() as Float64Array;
  };
}

const angles = [everything, uniform(-10, 10), uniform(-1000, 1000), multiples(Math.PI / 2, 1e5), hardAngle, around(0, [-30, 0])];
const logarithm = [positive, uniform(0.5, 2), around(1, [-24, -1])];
const small = around(0, [-30, 1]);
const anything = "every float32";

/** One row per function, in the order of the page. */
export const functions: readonly Measured[] = [
  {
    name: "exp",
    run: (x) => x.exp(),
    exact: scalar("exp"),
    regions: [[everything, uniform(-104, 89)]],
    domain: anything,
    atMost: [1.5, 2],
  },
  {
    name: "exp2",
    run: (x) => x.exp2(),
    exact: each((x) => 2 ** x),
    regions: [[everything, uniform(-150, 129), uniform(-1, 1)]],
    domain: anything,
    atMost: [0.51, 4],
  },
  {
    name: "expm1",
    run: (x) => x.expm1(),
    exact: scalar("expm1"),
    regions: [[everything, uniform(-20, 89), small]],
    domain: anything,
    atMost: [0.51, 2],
  },
  { name: "log", run: (x) => x.log(), exact: scalar("log"), regions: [logarithm], domain: "x > 0", atMost: [1, 1.5] },
  { name: "log2", run: (x) => x.log2(), exact: each(Math.log2), regions: [logarithm], domain: "x > 0", atMost: [2, 2.5] },
  { name: "log10", run: (x) => x.log10(), exact: each(Math.log10), regions: [logarithm], domain: "x > 0", atMost: [2, 2.5] },
  {
    name: "log1p",
    run: (x) => x.log1p(),
    exact: scalar("log1p"),
    regions: [[positive, unit, uniform(-0.999, 3), around(0, [-30, -1])]],
    domain: "x > -1",
    atMost: [0.51, 3],
  },
  { name: "sqrt", run: (x) => x.sqrt(), exact: scalar("sqrt"), regions: [[positive]], domain: "x ≥ 0", atMost: [0.5, 3] },
  { name: "rsqrt", run: (x) => x.rsqrt(), exact: scalar("rsqrt"), regions: [[positive]], domain: "x > 0", atMost: [1.5, 4] },
  { name: "sin", run: (x) => x.sin(), exact: scalar("sin"), regions: [angles], domain: anything, atMost: [0.51, 4] },
  { name: "cos", run: (x) => x.cos(), exact: scalar("cos"), regions: [angles], domain: anything, atMost: [0.51, 4] },
  { name: "tan", run: (x) => x.tan(), exact: scalar("tan"), regions: [angles], domain: anything, atMost: [0.51, 5] },
  {
    name: "asin",
    run: (x) => x.asin(),
    exact: scalar("asin"),
    regions: [[unit, uniform(-1, 1)]],
    domain: "-1 ≤ x ≤ 1",
    atMost: [0.51, 3],
  },
  {
    name: "acos",
    run: (x) => x.acos(),
    exact: scalar("acos"),
    regions: [[unit, uniform(-1, 1)]],
    domain: "-1 ≤ x ≤ 1",
    atMost: [0.51, 3],
  },
  {
    name: "atan",
    run: (x) => x.atan(),
    exact: scalar("atan"),
    regions: [[everything, uniform(-10, 10)]],
    domain: anything,
    atMost: [0.51, 3],
  },
  {
    name: "sinh",
    run: (x) => x.sinh(),
    exact: scalar("sinh"),
    regions: [[everything, uniform(-90, 90), small]],
    domain: anything,
    atMost: [0.51, 4],
  },
  {
    name: "cosh",
    run: (x) => x.cosh(),
    exact: scalar("cosh"),
    regions: [[everything, uniform(-90, 90)]],
    domain: anything,
    atMost: [0.51, 4],
  },
  {
    name: "tanh",
    run: (x) => x.tanh(),
    exact: scalar("tanh"),
    regions: [[everything, uniform(-10, 10), small]],
    domain: anything,
    atMost: [2, 2],
  },
  {
    name: "asinh",
    run: (x) => x.asinh(),
    exact: each(Math.asinh),
    regions: [[everything, uniform(-10, 10), small]],
    domain: anything,
    atMost: [4, 6],
  },
  {
    name: "acosh",
    run: (x) => x.acosh(),
    exact: each(Math.acosh),
    regions: [[(t, u) => Math.max(1, positive(t, u)), uniform(1, 3), (t) => 1 + 2 ** (-24 * t)]],
    domain: "x ≥ 1",
    atMost: [4, 6],
  },
  {
    name: "atanh",
    run: (x) => x.atanh(),
    exact: each(Math.atanh),
    regions: [[unit, uniform(-1, 1)]],
    domain: "-1 < x < 1",
    atMost: [4, 6],
  },
  {
    name: "sigmoid",
    run: (x) => x.sigmoid(),
    exact: scalar("sigmoid"),
    regions: [[everything, uniform(-104, 89), uniform(-8, 8)]],
    domain: anything,
    atMost: [3, 4],
  },
  {
    name: "softplus",
    run: (x) => x.softplus(),
    exact: each((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    regions: [[everything, uniform(-104, 89), uniform(-8, 8)]],
    domain: anything,
    atMost: [2.5, 4],
  },
  {
    name: "logSigmoid",
    run: (x) => x.logSigmoid(),
    exact: each((x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))),
    regions: [[everything, uniform(-104, 89), uniform(-8, 8)]],
    domain: anything,
    atMost: [2.5, 4],
  },
  {
    name: "erf",
    run: (x) => x.erf(),
    exact: scalar("erf"),
    regions: [[everything, uniform(-5, 5), small]],
    domain: anything,
    atMost: [1.5, 3],
  },
  {
    name: "erfc",
    run: (x) => x.erfc(),
    exact: double((x) => x.erfc()),
    regions: [[everything, uniform(-4, 10.6), small]],
    domain: anything,
    atMost: [8, 12],
  },
  {
    name: "erfinv",
    run: (x) => x.erfinv(),
    exact: double((x) => x.erfinv()),
    regions: [[unit, uniform(-1, 1), (t, u) => (u < 0.5 ? -1 : 1) * (1 - 2 ** (-24 * t))]],
    domain: "-1 < x < 1",
    atMost: [8, 12],
  },
  {
    name: "lgamma",
    run: (x) => x.lgamma(),
    exact: double((x) => x.lgamma()),
    regions: [[positive, uniform(0, 30), uniform(0.5, 3), around(1, [-24, -1]), around(2, [-24, -1])]],
    domain: "x > 0",
    atMost: [8, 12],
  },
  {
    name: "digamma",
    run: (x) => x.digamma(),
    exact: double((x) => x.digamma()),
    regions: [[positive, uniform(0, 30), uniform(0.5, 3), around(1.4616321449683623, [-24, -1])]],
    domain: "x > 0",
    atMost: [8, 12],
  },
  {
    name: "div",
    run: (x, y) => x.div(y),
    exact: scalar("div"),
    regions: [[everything, uniform(-9, 9)], [everything, uniform(-9, 9)]],
    domain: anything,
    atMost: [0.5, 3],
  },
  {
    name: "remainder",
    run: (x, y) => x.remainder(y),
    exact: scalar("mod"),
    regions: [[everything, uniform(-1e6, 1e6)], [everything, uniform(-9, 9)]],
    domain: anything,
    atMost: [0.51, 0.51],
  },
  {
    name: "pow",
    run: (x, y) => x.pow(y),
    exact: scalar("pow"),
    regions: [
      [positive, uniform(0, 10), around(1, [-20, -2]), multiples(1, 20)],
      [uniform(-6, 6), uniform(-40, 40), uniform(-300, 300), multiples(1, 25)],
    ],
    domain: "x ≥ 0, and whole y for x < 0",
    atMost: [0.51, 4],
  },
  {
    name: "atan2",
    run: (x, y) => x.atan2(y),
    exact: scalar("atan2"),
    regions: [[everything, uniform(-9, 9)], [everything, uniform(-9, 9)]],
    domain: anything,
    atMost: [0.51, 4],
  },
  {
    name: "hypot",
    run: (x, y) => x.hypot(y),
    exact: ([x, y]) => x!.map((value, i) => Math.hypot(value, y![i]!)),
    regions: [[everything, uniform(-9, 9)], [everything, uniform(-9, 9)]],
    domain: anything,
    atMost: [3, 6],
  },
];
