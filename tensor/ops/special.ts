/**
 * Special functions as expressions of the scalar vocabulary, with polynomials for float32 and longer ones for float64. (Polynomials were
 * fitted on Chebyshev nodes.)
 *
 * @module
 */
import { apply, type Value } from "../expr.ts";
import type { KernelOp } from "../op.ts";
import { unary } from "./unary.ts";

type Special = KernelOp<readonly number[]>;

const rootPi = Math.sqrt(Math.PI);

/** 1 - erf x, exact in the tail where it is small. */
export const erfc: Special = unary("erfc", {
  expr: (x) => complement(x),
  vjp: ({ dy, x }) => [dy.mul(x(0).square().neg().exp()).mul(-2 / rootPi)],
  saves: "input",
});

/** The x with erf x = y: a closed approximation, and Halley's steps on erf near 0 and on erfc near ±1. */
export const erfinv: Special = unary("erfinv", {
  expr: (y) => {
    const size = apply("abs", y);
    const near = centralInverse(size);
    const far = tailInverse(size);
    const root = apply("where", apply("lt", size, 0.5), near, far);
    const signed = apply("where", apply("lt", y, 0), apply("neg", root), root);
    const ends = apply("where", apply("eq", size, 1), apply("div", y, apply("sub", size, size)), signed);
    return apply("where", apply("eq", y, 0), y, apply("where", apply("gt", size, 1), number(y, NaN), ends));
  },
  vjp: ({ dy, y }) => [dy.mul(y(0).square().exp()).mul(rootPi / 2)],
  saves: "output",
});

/** log |Γ(x)|; Infinity at 0 and the negative whole numbers. */
export const lgamma: Special = unary("lgamma", {
  expr: (x) => {
    const reflected = apply("le", x, 0);
    const positive = logGamma(apply("where", reflected, apply("sub", 1, x), x));
    const mirrored = apply("sub", apply("sub", Math.log(Math.PI), apply("log", apply("abs", sinePi(x)))), positive);
    const value = apply("where", reflected, mirrored, positive);
    // Γ(x) is 1 / x near 0, where the reflection's sine would meet numbers below the normal ones.
    const size = apply("abs", x);
    const near = apply("where", apply("lt", size, isDouble(x) ? 2 ** -60 : 2 ** -30), apply("neg", apply("log", size)), value);
    const pole = apply("and", apply("lt", x, 0), apply("eq", offWhole(x), 0));
    return apply("where", apply("or", pole, apply("isInf", x)), number(x, Infinity), near);
  },
  vjp: ({ dy, x, apply: run }) => [dy.mul(run(digamma, [x(0)], [])[0]!)],
  saves: "input",
});

/** The derivative of log Γ(x); -Infinity or Infinity at ±0, NaN at the negative whole numbers. */
export const digamma: Special = unary("digamma", {
  expr: (x) => {
    const reflected = apply("lt", x, 0.5);
    const positive = digammaPositive(apply("where", reflected, apply("sub", 1, x), x));
    const angle = apply("mul", offWhole(x), Math.PI);
    const mirrored = apply("sub", positive, apply("div", Math.PI, apply("tan", angle)));
    const value = apply("where", reflected, mirrored, positive);
    const pole = apply("where", apply("eq", x, 0), apply("div", -1, x), number(x, NaN));
    return apply("where", apply("and", apply("le", x, 0), apply("eq", offWhole(x), 0)), pole, value);
  },
  vjp: ({ dy, x, apply: run }) => [dy.mul(run(trigamma, [x(0)], [])[0]!)],
  saves: "input",
});

/** The second derivative of log Γ(x), for x above 0 and, by reflection, below. */
export const trigamma: Special = unary("trigamma", {
  expr: (x) => {
    const reflected = apply("lt", x, 0.5);
    const positive = zeta(apply("where", reflected, apply("sub", 1, x), x), 2);
    const ratio = apply("div", Math.PI, sinePi(x));
    return apply("where", reflected, apply("sub", apply("mul", ratio, ratio), positive), positive);
  },
  vjp: ({ dy, x, apply: run }) => [dy.mul(run(tetragamma, [x(0)], [])[0]!)],
  saves: "input",
});

/** The third derivative of log Γ(x). It stands for the second derivative of `digamma`; its own is stated to be missing. */
export const tetragamma: Special = unary("tetragamma", {
  expr: (x) => {
    const reflected = apply("lt", x, 0.5);
    const positive = apply("mul", zeta(apply("where", reflected, apply("sub", 1, x), x), 3), -2);
    const sine = sinePi(x);
    const cosine = apply("cos", apply("mul", offWhole(x), Math.PI));
    const cube = apply("mul", apply("mul", sine, sine), sine);
    const odd = apply("where", apply("eq", wholeParity(x), 0), cosine, apply("neg", cosine));
    const mirrored = apply("sub", positive, apply("div", apply("mul", odd, 2 * Math.PI ** 3), cube));
    return apply("where", reflected, mirrored, positive);
  },
  vjp: null,
});

function number(like: Value, value: number): Value {
  return { dtype: like.dtype, node: { kind: "constant", value, dtype: like.dtype }, args: [] };
}

function isDouble(x: Value): boolean {
  return x.dtype === "float64";
}

/** Horner's rule, lowest coefficient first. */
function polynomial(x: Value, coefficients: readonly number[]): Value {
  let value: Value | number = coefficients.at(-1)!;
  for (const coefficient of coefficients.slice(0, -1).reverse()) value = apply("add", apply("mul", x, value), coefficient);
  return value as Value;
}

function offWhole(x: Value): Value {
  return apply("sub", x, apply("round", x));
}

/** The remainder of the nearest whole number by 2. */
function wholeParity(x: Value): Value {
  const whole = apply("round", x);
  return apply("sub", whole, apply("mul", apply("floor", apply("mul", whole, 0.5)), 2));
}

/** sin πx, exact at whole numbers. */
function sinePi(x: Value): Value {
  const sine = apply("sin", apply("mul", offWhole(x), Math.PI));
  return apply("where", apply("eq", wholeParity(x), 0), sine, apply("neg", sine));
}

function complement(x: Value): Value {
  const size = apply("abs", x);
  const tail = scaledTail(size);
  const large = apply("where", apply("lt", x, 0), apply("sub", 2, tail), tail);
  return apply("where", apply("lt", size, 0.5), apply("sub", 1, apply("erf", x)), large);
}

/** erfc x for x from 0.5 to where it is 0, as e^(-x²) q(t) / (x + k) with t = (x - k) / (x + k). */
function scaledTail(x: Value): Value {
  const { k, end, centre, half, coefficients } = isDouble(x) ? tailDouble : tailSingle;
  const inside = apply("max", apply("min", x, end), 0.5);
  const t = apply("div", apply("sub", inside, k), apply("add", inside, k));
  const scaled = apply("div", polynomial(apply("mul", apply("sub", t, centre), 1 / half), coefficients), apply("add", inside, k));
  // The square of x rounded to sixteenths is exact, so that e^(-x²) does not lose what the square of x would.
  const head = apply("mul", apply("round", apply("mul", inside, 16)), 1 / 16);
  const rest = apply("mul", apply("sub", head, inside), apply("add", head, inside));
  const power = apply("mul", apply("exp", apply("neg", apply("mul", head, head))), apply("exp", rest));
  return apply("where", apply("gt", x, end), 0, apply("mul", scaled, power));
}

/** For 0 ≤ y < 0.5: a series, then Halley's steps on erf. */
function centralInverse(y: Value): Value {
  const scaled = apply("mul", y, rootPi / 2);
  const series = polynomial(apply("mul", scaled, scaled), [1, 1 / 3, 7 / 30, 127 / 630]);
  let x = apply("mul", scaled, series);
  for (let step = 0; step < (isDouble(y) ? 3 : 1); step++) x = halley(x, apply("sub", apply("erf", x), y));
  return x;
}

/** For 0.5 ≤ y < 1: Winitzki's approximation, then Halley's steps on erfc. */
function tailInverse(y: Value): Value {
  const rest = apply("sub", 1, y);
  const log = apply("log", apply("mul", rest, apply("add", y, 1)));
  const t = apply("add", apply("mul", log, 0.5), 2 / (Math.PI * 0.147));
  const inner = apply("sub", apply("sqrt", apply("sub", apply("mul", t, t), apply("mul", log, 1 / 0.147))), t);
  let x = apply("sqrt", inner);
  for (let step = 0; step < (isDouble(y) ? 3 : 2); step++) x = halley(x, apply("sub", rest, complement(x)));
  return x;
}

/** One step towards the root of a function whose slope is that of erf. */
function halley(x: Value, miss: Value): Value {
  const step = apply("mul", apply("mul", miss, apply("exp", apply("mul", x, x))), rootPi / 2);
  return apply("sub", x, apply("div", step, apply("add", apply("mul", x, step), 1)));
}

/** log Γ(x) for x > 0. */
function logGamma(x: Value): Value {
  const small = apply("lt", x, 1);
  const from = apply("min", x, 8);
  // 1 ≤ y < 3, and the factors that lead there.
  const whole = apply("sub", apply("floor", from), 2);
  const shifted = apply("gt", whole, 0);
  const y = apply("where", shifted, apply("sub", from, whole), from);
  let product = number(x, 1);
  for (let factor = 1; factor <= 5; factor++) {
    product = apply("where", apply("ge", whole, factor), apply("mul", product, apply("sub", from, factor)), product);
  }
  // Below 1 the roots' distances are taken from x itself, which x + 1 would round.
  const u = apply("sub", apply("where", small, x, apply("sub", y, 1)), 1);
  const quotient = polynomial(u, isDouble(x) ? quotientDouble : quotientSingle);
  const near = apply("mul", apply("mul", u, apply("add", u, 1)), quotient);
  const middle = apply("add", near, apply("where", small, apply("neg", apply("log", x)), apply("log", product)));
  const large = apply("max", x, 8);
  const inverse = apply("div", 1, large);
  const square = apply("mul", inverse, inverse);
  const series = apply("mul", inverse, polynomial(square, isDouble(x) ? stirling : stirling.slice(0, 4)));
  const main = apply("mul", apply("sub", large, 0.5), apply("sub", apply("log", large), 1));
  const far = apply("add", apply("add", main, 0.5 * Math.log(2 * Math.PI) - 0.5), series);
  return apply("where", apply("isNaN", x), x, apply("where", apply("lt", x, 8), middle, far));
}

/** The Bernoulli numbers B_2, B_4, …. */
const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330];
/** B_2k / (2k (2k - 1)): the corrections to Stirling's formula. Source: Abramowitz and Stegun, 6.1.41. */
const stirling = bernoulli.map((b, k) => b / ((2 * k + 2) * (2 * k + 1)));

/** ψ(x) for x ≥ 0.5: the distance to the root times a polynomial up to 3 (so that the root is met exactly), a series beyond. */
function digammaPositive(x: Value): Value {
  const small = apply("lt", x, 1);
  // ψ(x) = ψ(x + 1) - 1 / x; of larger numbers the near form is not used.
  const at = apply("min", apply("where", small, apply("add", x, 1), x), 3);
  const [root, rest] = isDouble(x) ? rootDouble : rootSingle;
  const slope = polynomial(apply("sub", at, 2), isDouble(x) ? slopeDouble : slopeSingle);
  // What the rounded root misses is added to the value, not to the root: WGSL may add up two numbers of which one is far smaller.
  const near = apply("add", apply("mul", apply("sub", at, root!), slope), rest!);
  const lowered = apply("where", small, apply("sub", near, apply("div", 1, x)), near);
  return apply("where", apply("lt", x, 3), lowered, digammaFar(x));
}

/** ψ(x) for larger x: steps up to 10, then the asymptotic series. Source: Abramowitz and Stegun, 6.3.5 and 6.3.18. */
function digammaFar(x: Value): Value {
  const [sum, z] = stepUp(x, (at) => apply("div", 1, at));
  const inverse = apply("div", 1, z);
  const square = apply("mul", inverse, inverse);
  const series = apply("mul", square, polynomial(square, bernoulli.map((b, k) => b / (2 * k + 2))));
  const far = apply("sub", apply("sub", apply("log", z), apply("mul", inverse, 0.5)), series);
  return apply("sub", far, sum);
}

/** Σ_k 1 / (x + k)^s for x > 0, by Euler and Maclaurin's formula beyond 10. */
function zeta(x: Value, s: number): Value {
  const power = (at: Value, exponent: number): Value => {
    let product = at;
    for (let factor = 1; factor < exponent; factor++) product = apply("mul", product, at);
    return product;
  };
  const [sum, z] = stepUp(x, (at) => apply("div", 1, power(at, s)));
  const inverse = apply("div", 1, z);
  const square = apply("mul", inverse, inverse);
  let rising = 1;
  const terms = bernoulli.map((b, k) => {
    // s (s + 1) … (s + 2k) / (2k + 2)!, built up from the term before.
    rising = k === 0 ? s / 2 : rising * (s + 2 * k - 1) * (s + 2 * k) / ((2 * k + 1) * (2 * k + 2));
    return b * rising;
  });
  // Powers of 1 / z, which do not overflow where those of z do.
  const tail = apply("add", apply("add", apply("mul", inverse, 0.5), 1 / (s - 1)), apply("mul", square, polynomial(square, terms)));
  return apply("add", sum, apply("mul", power(inverse, s - 1), tail));
}

/** What lies below 10, summed, and the first x + k from there on. */
function stepUp(x: Value, term: (at: Value) => Value): [Value, Value] {
  let sum = number(x, 0);
  let z = x;
  for (let step = 0; step < 10; step++) {
    const below = apply("lt", z, 10);
    sum = apply("where", below, apply("add", sum, term(z)), sum);
    z = apply("where", below, apply("add", z, 1), z);
  }
  return [sum, z];
}

/** The polynomial of {@link scaledTail} in (t - centre) / half, to 3e-10. */
const tailSingle = {
  k: 2,
  end: 10.6,
  centre: 0.04126984126984129,
  half: 0.6412698412698412,
  coefficients: [
    0.9936970666,
    -0.4259861307,
    0.1129825856,
    -0.01051629273,
    -0.0033984895,
    0.0007821550303,
    0.00019569468,
    -4.713167789e-05,
    -1.781677147e-05,
    2.015444149e-06,
    1.435288816e-06,
  ],
};
/** The same to 3e-15. */
const tailDouble = {
  k: 2.5,
  end: 27.5,
  centre: 0.08333333333333337,
  half: 0.75,
  coefficients: [
    0.99003197706257418,
    -0.54937475280027503,
    0.23193456536703522,
    -0.068036118673452481,
    0.0099193969051127422,
    0.0014102093209490841,
    -0.00087862509913159384,
    4.7737189747029773e-06,
    7.1064169563144432e-05,
    -3.0379055941819595e-06,
    -6.8239622958443059e-06,
    7.5078137560527997e-08,
    7.486048425964786e-07,
    6.0564968575145142e-08,
    -8.4198259516920038e-08,
    -1.6434222578459725e-08,
    9.2340287728701628e-09,
    1.0094252536422599e-09,
    -1.1730324048442143e-09,
    8.3141244132817986e-10,
    1.4817251429611131e-10,
    -2.3049057779395089e-10,
  ],
};
/** The positive root of ψ as a float32, and ψ there. */
const rootSingle = [1.4616321325302124, -1.2036052549106669e-8];
/** The same as a float64. */
const rootDouble = [1.4616321449683622, -9.2412655217294275e-17];
/** ψ(x) divided by the distance to its root, in x - 2, from 1 to 3, to 8e-10. */
const slopeSingle = [
  0.7853075381,
  -0.2607389544,
  0.1089999787,
  -0.04955106378,
  0.02344602615,
  -0.0113377909,
  0.005562324394,
  -0.002744607451,
  0.001319837347,
  -0.0006561630524,
  0.0004139452557,
  -0.0002065672427,
  2.295460724e-7,
  -7.614091428e-8,
  6.33610438e-5,
  -3.167292632e-5,
];
/** The same to 8e-18. */
const slopeDouble = [
  0.78530753860410527,
  -0.26073895468300139,
  0.10899991701762626,
  -0.04955103291767291,
  0.023447309597724548,
  -0.011338432553333682,
  0.0055522541713508144,
  -0.0027395728831692796,
  0.0013581421903714413,
  -0.00067531336979956498,
  0.00033643237613001387,
  -0.00016781518722379936,
  8.3779665405306442e-5,
  -4.1846229319378812e-5,
  2.0891708911121206e-5,
  -1.0441066319835142e-5,
  5.2687194289721798e-6,
  -2.6338311326151924e-6,
  1.2119815782595426e-6,
  -6.0593227950452558e-7,
  4.6173797029851077e-7,
  -2.3086248081342954e-7,
  -5.6422994902202781e-8,
  2.821220170829738e-8,
  1.1540536834062044e-7,
  -5.7702592677173903e-8,
  -3.5705337308985144e-8,
  1.7852672191376553e-8,
  1.0201545142033868e-8,
  -5.100770214989469e-9,
];
/** log Γ(x) / ((x - 1) (x - 2)) in x - 2, from 1 to 3, to 2e-9. */
const quotientSingle = [
  0.4227843357,
  -0.1003173038,
  0.03296494688,
  -0.01238411535,
  0.004999480513,
  -0.002108939722,
  0.0009105063086,
  -0.0004019891653,
  0.0001957994744,
  -9.172311603e-05,
  2.024937656e-05,
  -7.291270444e-06,
  1.930875058e-05,
  -9.674750525e-06,
];
/** The same to 1e-15. */
const quotientDouble = [
  0.42278433509846758,
  -0.1003173016743508,
  0.032965000621152665,
  -0.012384192193869494,
  0.0049986411652002023,
  -0.0021081308144918131,
  0.00091537690034056715,
  -0.00040570774014663658,
  0.00018255301646995632,
  -8.3091763089932614e-05,
  3.8165404496962277e-05,
  -1.7682156302327327e-05,
  8.2419958428728818e-06,
  -3.7651050929675039e-06,
  1.7336729529815739e-06,
  -1.0782376340301544e-06,
  5.9583988071100571e-07,
  2.3647597724744281e-07,
  -2.5520863431076399e-07,
  -6.0772506561640249e-07,
  4.569804977019062e-07,
  4.9605739693222756e-07,
  -3.7133678443875409e-07,
  -2.9712293429227688e-07,
  2.1297329388161043e-07,
  1.0023047411496945e-07,
  -7.0069135649361004e-08,
  -1.5541650388392104e-08,
  1.0536712127723459e-08,
];
