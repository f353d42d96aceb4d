/**
 * Elementary functions for WebAssembly, which has none: polynomials in four float32 lanes for those a network calls all the time (exp,
 * log, tanh, sigmoid, erf), in float64 for the rest, which makes them correctly rounded but for rare cases.
 *
 * ACCURACY.md says how far each is from the exact value; tests/accuracy/functions.ts has the bounds, with and without fused multiply-add.
 *
 * The coefficients are our own minimax fits (Remez), or Taylor's where the degree is high enough anyway.
 *
 * @module
 */
import type { FunctionBuilder, ModuleBuilder } from "./encoder.ts";
import type { Lanes, Term, Terms } from "./terms.ts";

/** e^r = 1 + r + r² q(r) for |r| ≤ ln 2 / 2, to 3e-9. */
const expSingle = [0.49999993451883451, 0.16666520693663542, 0.041668387349944691, 0.0083687094472946724, 0.001381461264139095];
/** log(1 + f) = f - f²/2 + f³ q(f) for 1 + f in [√½, √2], to 6e-9. */
const logSingle = [
  0.33333331708318678,
  -0.25000821035008393,
  0.20001226922991241,
  -0.16623357455848156,
  0.14201757138843749,
  -0.13160179890641384,
  0.12761578861999993,
  -0.076345038522691902,
];
/** tanh x = x + x³ q(x²) for |x| ≤ 0.625, to 5e-9. */
const tanhSmall = [-0.33333281943175683, 0.13331442223200632, -0.053739716983080451, 0.020639093192189811, -0.0057049935185323761];
/** erf x = x + x q(x²) for |x| ≤ 0.92, to 2e-8. */
const erfSmall = [
  0.12837914996099192,
  -0.37612496460143796,
  0.11281845962068067,
  -0.026767720468503689,
  0.0049948312214073055,
  -0.00059994107036367894,
];
/** log(1 - erf x) = q(x) for 0.92 ≤ x ≤ 3.95, to 2e-9 in erf. */
const erfLarge = [
  -0.00019568702816249531,
  -1.1276755778390423,
  -0.63718233135519615,
  -0.10393152099704961,
  0.022226882710861931,
  -0.003043207680195484,
  0.00019593621742939855,
];
/** atan t = t + t³ q(t²) for |t| ≤ √2 - 1, to 2e-11. */
const atanSmall = [
  -0.33333332499102639,
  0.19999903906661186,
  -0.14282007730846264,
  0.11044691405702179,
  -0.084762687313752388,
  0.047440488400936514,
];
/** Taylor coefficients 1/n!, in steps from `first` to `last`. */
function factorials(first: number, last: number, step: number, alternate = false): number[] {
  const out: number[] = [];
  for (let n = first, sign = 1; n <= last; n += step, sign = alternate ? -sign : sign) {
    let value = sign;
    for (let k = 2; k <= n; k++) value /= k;
    out.push(value);
  }
  return out;
}

/** 1.5·2^23: adding it leaves a small whole number in the low bits. */
const roundSingle = 12582912;
/** 1.5·2^52, the same for float64. */
const roundDouble = 6755399441055744;

/** e^x in float32. With `bounded`, |x| ≤ 87 is promised and the guards are left out. */
export function exp(e: Terms, argument: Term, bounded = false): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(argument);
    if (bounded) return expBounded(e, x, scaleOnce);
    return eitherWay(
      e,
      e.op("v128.any_true", s.gt(s.mul(x, x), s.number(87 * 87))),
      () => expBounded(e, e.keep(s.atLeast(s.atMost(x, s.number(89)), s.number(-104.5))), scaleTwice),
      () => expBounded(e, x, scaleOnce),
    );
  });
}

function expBounded(e: Terms, x: Term, scale: (e: Terms, value: Term, shifted: Term) => Term): Term {
  const s = e.single;
  const shifted = e.keep(s.madd(x, s.number(Math.LOG2E), s.number(roundSingle)));
  const n = e.keep(s.sub(shifted, s.number(roundSingle)));
  const r = e.keep(s.nmadd(n, s.number(1.42860682030941723212e-6), s.nmadd(n, s.number(0.693145751953125), x)));
  const square = e.keep(s.mul(r, r));
  const value = s.madd(s.polynomialBySquares(r, square, expSingle), square, s.add(r, s.number(1)));
  return scale(e, value, shifted);
}

/** value·2^n for n from -126 to 127; n stands in the low bits of `shifted`. */
function scaleOnce(e: Terms, value: Term, shifted: Term): Term {
  return e.single.mul(value, e.op("i32x4.add", e.shift("i32x4.shl", shifted, 23), e.whole(0x3f800000)));
}

/** value·2^n in two factors, for n from -151 to 128. */
function scaleTwice(e: Terms, value: Term, shifted: Term): Term {
  const one = e.whole(0x3f800000);
  const whole = e.keep(e.op("i32x4.sub", shifted, e.whole(0x4b400000)));
  const half = e.keep(e.shift("i32x4.shr_s", whole, 1));
  const first = e.op("i32x4.add", e.shift("i32x4.shl", half, 23), one);
  const second = e.op("i32x4.add", e.shift("i32x4.shl", e.op("i32x4.sub", whole, half), 23), one);
  return e.single.mul(e.single.mul(value, first), second);
}

/** One of two ways to a value, by a condition (i32) on whole vectors: the rare way costs nothing where it is not needed. */
function eitherWay(e: Terms, condition: Term, rare: () => Term, usual: () => Term): Term {
  const result = e.f.local("v128");
  const into = (body: () => Term) => () =>
    e.block(() => {
      body().write(e.f);
      e.f.set(result);
    });
  condition.write(e.f);
  e.f.if(into(rare), into(usual));
  const value = e.keep({ write: (f) => f.get(result) });
  e.f.release(result);
  return value;
}

/** Natural logarithm in float32. */
export function log(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(argument);
    // As unsigned whole numbers, the positive normal numbers are one interval.
    const regular = e.op("i32x4.lt_u", e.op("i32x4.sub", x, e.whole(0x00800000)), e.whole(0x7f000000));
    return eitherWay(e, e.op("v128.any_true", e.op("v128.not", regular)), () => {
      const subnormal = e.keep(s.lt(x, s.number(2 ** -126)));
      const scaled = e.keep(e.select(subnormal, s.mul(x, s.number(2 ** 23)), x));
      return logSpecial(e, s, x, logNormal(e, scaled, e.op("v128.and", subnormal, s.number(23))));
    }, () => logNormal(e, x, undefined));
  });
}

/** The logarithm of positive normal numbers, whose exponents are `excess` too high. */
function logNormal(e: Terms, x: Term, excess: Term | undefined): Term {
  const s = e.single;
  const exponent = e.keep(e.shift("i32x4.shr_s", e.op("i32x4.sub", x, e.whole(0x3f3504f3)), 23));
  const mantissa = e.op("i32x4.sub", x, e.shift("i32x4.shl", exponent, 23));
  const f = e.keep(s.sub(mantissa, s.number(1)));
  const whole = e.op("f32x4.convert_i32x4_s", exponent);
  const n = e.keep(excess === undefined ? whole : s.sub(whole, excess));
  const square = e.keep(s.mul(f, f));
  const cubic = s.mul(s.mul(square, f), s.polynomial(f, logSingle));
  const tail = s.nmadd(square, s.number(0.5), s.madd(n, s.number(1.42860682030941723212e-6), cubic));
  return e.keep(s.madd(n, s.number(0.693145751953125), s.add(f, tail)));
}

/** -Infinity at 0, NaN below, Infinity and NaN as they are; else `value`. */
function logSpecial(e: Terms, s: Lanes, x: Term, value: Term): Term {
  const regular = e.op("v128.and", s.gt(x, s.number(0)), s.lt(x, s.number(Infinity)));
  const outside = e.select(s.lt(x, s.number(0)), s.number(NaN), x);
  return e.select(regular, value, e.select(s.eq(x, s.number(0)), s.number(-Infinity), outside));
}

/** tanh in float32: a polynomial near 0, 1 - 2 / (e^2|x| + 1) beyond. */
export function tanh(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(argument);
    const a = e.keep(s.abs(x));
    const power = exp(e, s.mul(s.atMost(a, s.number(10)), s.number(2)), true);
    const large = s.sub(s.number(1), s.div(s.number(2), s.add(power, s.number(1))));
    const square = e.keep(s.mul(x, x));
    const small = s.madd(s.mul(square, x), s.polynomial(square, tanhSmall), x);
    return s.copySign(e.select(s.lt(a, s.number(0.625)), small, large), x);
  });
}

/** 1 / (1 + e^-x) in float32, exact down to the subnormals. */
export function sigmoid(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(argument);
    const power = exp(e, s.neg(s.abs(x)));
    const numerator = e.select(s.lt(x, s.number(0)), power, s.number(1));
    return s.div(numerator, s.add(power, s.number(1)));
  });
}

/** The error function in float32. */
export function erf(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const s = e.single;
    const x = e.keep(argument);
    const a = e.keep(s.abs(x));
    const square = e.keep(s.mul(x, x));
    const small = e.keep(s.madd(x, s.polynomial(square, erfSmall), x));
    const clamped = e.keep(s.atMost(a, s.number(3.95)));
    const large = s.sub(s.number(1), exp(e, s.polynomial(clamped, erfLarge), true));
    return e.select(s.lt(a, s.number(0.92)), small, s.copySign(large, x));
  });
}

/** Runs `body` on both halves of float32 vectors, widened to float64, and rounds its result. */
export function inDouble(e: Terms, args: readonly Term[], body: (...args: Term[]) => Term): Term {
  return e.scoped(() => {
    const kept = args.map((arg) => e.keep(arg));
    const halves = [[0, 1, 0, 1], [2, 3, 2, 3]].map((lanes) =>
      e.scoped(() => {
        const wide = kept.map((arg) => e.keep(e.op("f64x2.promote_low_f32x4", lanes[0] === 0 ? arg : e.shuffle(arg, arg, lanes))));
        return e.op("f32x4.demote_f64x2_zero", body(...wide));
      })
    );
    return e.shuffle(halves[0]!, halves[1]!, [0, 1, 4, 5]);
  });
}

/** Below this the whole part of a quotient of two float32 and its product with the divisor are exact in float64. */
const exactQuotient = 2 ** 28;

/** The exact remainder with the divisor's sign; a remainder of 0 keeps the dividend's. */
export function remainder(e: Terms, dividend: Term, divisor: Term): Term {
  return inDouble(e, [dividend, divisor], (a, b) => {
    const d = e.double;
    const { f } = e;
    const [x, y] = [e.keep(d.abs(a)), e.keep(d.abs(b))];
    const quotient = e.keep(d.div(x, y));
    const size = e.keep(e.select(d.lt(x, y), x, d.sub(x, d.mul(d.floor(quotient), y))));
    e.op("v128.any_true", d.gt(quotient, d.number(exactQuotient))).write(f);
    f.if(() => {
      const long = e.helper("longRemainder", longRemainder);
      for (const lane of [0, 1]) {
        f.get(x.local!).lane("f64x2.extract_lane", lane).get(y.local!).lane("f64x2.extract_lane", lane).op("f64.div");
        f.f64(exactQuotient).op("f64.gt");
        f.if(() => {
          f.get(size.local!).get(x.local!).lane("f64x2.extract_lane", lane).get(y.local!).lane("f64x2.extract_lane", lane).call(long);
          f.lane("f64x2.replace_lane", lane).set(size.local!);
        });
      }
    });
    const signed = e.keep(d.copySign(size, a));
    const across = e.op("v128.and", d.ne(size, d.number(0)), e.op("v128.xor", d.lt(a, d.number(0)), d.lt(b, d.number(0))));
    return e.select(across, d.add(signed, b), signed);
  });
}

/** The remainder of x ≥ 0 by y ≥ 0, both float32 numbers and x / y large, by long division with 26 bits of the quotient at a time. */
function longRemainder(module: ModuleBuilder): FunctionBuilder {
  const f = module.function("longRemainder", { params: ["f64", "f64"], results: ["f64"] });
  const [x, y] = [f.parameters[0]!, f.parameters[1]!];
  const step = f.local("f64");
  const exponent = (value: typeof x) => f.get(value).op("i64.reinterpret_f64").i64(52n).op("i64.shr_u");
  const takeOff = (divisor: typeof x) =>
    f.get(x).get(x).get(divisor).op("f64.div").op("f64.floor").get(divisor).op("f64.mul").op("f64.sub").set(x);
  f.get(x).f64(Infinity).op("f64.lt").get(y).f64(0).op("f64.gt").op("i32.and").op("i32.eqz");
  f.if(() => {
    f.f64(NaN).op("return");
  });
  f.loop((next) => {
    f.get(x).get(y).f64(exactQuotient).op("f64.mul").op("f64.gt");
    f.if(() => {
      exponent(x);
      exponent(y);
      f.op("i64.sub").i64(26n).op("i64.sub").i64(52n).op("i64.shl").get(y).op("i64.reinterpret_f64").op("i64.add");
      f.op("f64.reinterpret_i64").set(step);
      takeOff(step);
      f.branch(next);
    });
  });
  takeOff(y);
  return f.get(x);
}

/** e^x in float64 to 1e-11, for results that are rounded to float32. */
function expDouble(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const d = e.double;
    const x = e.keep(d.atLeast(d.atMost(argument, d.number(200)), d.number(-200)));
    const shifted = e.keep(d.madd(x, d.number(Math.LOG2E), d.number(roundDouble)));
    const n = e.keep(d.sub(shifted, d.number(roundDouble)));
    const r = e.keep(d.nmadd(n, d.number(Math.LN2), x));
    const value = d.polynomial(r, factorials(0, 10, 1));
    const scale = e.op("i64x2.add", e.shift("i64x2.shl", shifted, 52), e.wide(1023n << 52n));
    return d.mul(value, scale);
  });
}

/** Natural logarithm in float64 to 1e-12, of normal numbers. */
function logDouble(e: Terms, argument: Term): Term {
  return e.scoped(() => {
    const d = e.double;
    const x = e.keep(argument);
    const shiftedBits = e.keep(e.op("i64x2.sub", x, e.wide(0x3fe6a09e667f3bcdn)));
    const exponent = e.keep(e.shift("i64x2.shr_s", shiftedBits, 52));
    const mantissa = e.keep(e.op("i64x2.sub", x, e.shift("i64x2.shl", exponent, 52)));
    // A small whole number to float64: add it to the bits of 1.5·2^52, then subtract that.
    const n = d.sub(e.op("i64x2.add", exponent, e.wide(0x4338000000000000n)), d.number(roundDouble));
    const t = e.keep(d.div(d.sub(mantissa, d.number(1)), d.add(mantissa, d.number(1))));
    const square = e.keep(d.mul(t, t));
    const series = d.polynomial(square, [2, 2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11, 2 / 13, 2 / 15]);
    const value = d.madd(n, d.number(Math.LN2), d.mul(t, series));
    return logSpecial(e, d, x, e.keep(value));
  });
}

/** e^x - 1. */
export function expm1(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const small = d.mul(x, d.polynomial(x, factorials(1, 11, 1)));
    return e.select(d.lt(d.abs(x), d.number(0.5)), small, d.sub(expDouble(e, x), d.number(1)));
  });
}

/** log(1 + x). */
export function log1p(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const small = d.mul(x, d.polynomial(x, [1, -1 / 2, 1 / 3, -1 / 4]));
    return e.select(d.lt(d.abs(x), d.number(2 ** -12)), small, logDouble(e, d.add(x, d.number(1))));
  });
}

/** sinh. */
export function sinh(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const square = e.keep(d.mul(x, x));
    const small = d.mul(x, d.polynomial(square, factorials(1, 11, 2)));
    const power = expDouble(e, x);
    const large = d.mul(d.sub(power, d.div(d.number(1), power)), d.number(0.5));
    return e.select(d.lt(d.abs(x), d.number(0.75)), small, large);
  });
}

/** cosh. */
export function cosh(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const power = expDouble(e, x);
    return d.mul(d.add(power, d.div(d.number(1), power)), d.number(0.5));
  });
}

/** atan(a / b) for a, b ≥ 0, in [0, π/2]; float64, to 2e-11. */
function atanRatio(e: Terms, a: Term, b: Term): Term {
  const d = e.double;
  const steep = e.keep(d.gt(a, d.mul(b, d.number(1 + Math.SQRT2))));
  const middle = e.keep(d.gt(a, d.mul(b, d.number(Math.SQRT2 - 1))));
  const numerator = e.select(steep, d.neg(b), e.select(middle, d.sub(a, b), a));
  const denominator = e.select(steep, a, e.select(middle, d.add(a, b), b));
  const base = e.select(steep, d.number(Math.PI / 2), e.op("v128.and", middle, d.number(Math.PI / 4)));
  const t = e.keep(d.div(numerator, denominator));
  const square = e.keep(d.mul(t, t));
  return d.add(base, d.madd(d.mul(t, square), d.polynomial(square, atanSmall), t));
}

/** atan. */
export function atan(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    return d.copySign(atanRatio(e, e.keep(d.abs(x)), d.number(1)), x);
  });
}

/** asin x = atan(x / √(1 - x²)). */
export function asin(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const root = e.keep(d.sqrt(d.mul(d.sub(d.number(1), x), d.add(d.number(1), x))));
    return d.copySign(atanRatio(e, e.keep(d.abs(x)), root), x);
  });
}

/** acos x = 2 atan(√((1 - x) / (1 + x))). */
export function acos(e: Terms, argument: Term): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const near = e.keep(d.sqrt(d.sub(d.number(1), x)));
    const far = e.keep(d.sqrt(d.add(d.number(1), x)));
    return d.mul(atanRatio(e, near, far), d.number(2));
  });
}

/** The angle of the point (x, y). */
export function atan2(e: Terms, ordinate: Term, abscissa: Term): Term {
  return inDouble(e, [ordinate, abscissa], (y, x) => {
    const d = e.double;
    const a = e.keep(d.abs(y));
    const b = e.keep(d.abs(x));
    const infinite = e.keep(e.op("v128.and", d.eq(a, d.number(Infinity)), d.eq(b, d.number(Infinity))));
    const zero = e.op("v128.and", d.eq(a, d.number(0)), d.eq(b, d.number(0)));
    const one = d.number(1);
    const away = e.keep(e.select(e.op("v128.or", zero, infinite), one, b));
    const angle = e.keep(atanRatio(e, e.keep(e.select(infinite, one, a)), away));
    const left = e.shift("i64x2.shr_s", x, 63);
    return d.copySign(e.select(left, d.sub(d.number(Math.PI), angle), angle), y);
  });
}

/** a^b through float64 logarithm and exponential, with C's special cases. */
export function pow(e: Terms, base: Term, exponent: Term): Term {
  // The powers that losses and norms are made of need no logarithm.
  if (exponent.constant === 1) return base;
  if (exponent.constant === 2) return e.single.mul(base, base);
  if (exponent.constant === -1) return e.single.div(e.single.number(1), base);
  if (exponent.constant === 3) return inDouble(e, [base], (a) => e.double.mul(e.double.mul(a, a), a));
  return inDouble(e, [base, exponent], (a, b) => {
    const d = e.double;
    const one = d.number(1);
    const whole = e.keep(d.eq(d.floor(b), b));
    const half = e.keep(d.mul(b, d.number(0.5)));
    const odd = e.keep(e.op("v128.andnot", whole, d.eq(d.floor(half), half)));
    const magnitude = expDouble(e, d.mul(b, logDouble(e, d.abs(a))));
    const signed = e.op("v128.or", magnitude, e.op("v128.and", e.op("v128.and", a, odd), d.number(-0)));
    const root = e.op("v128.andnot", e.op("v128.and", d.lt(a, d.number(0)), d.gt(a, d.number(-Infinity))), whole);
    const value = e.select(root, d.number(NaN), signed);
    const minusOne = e.op("v128.and", d.eq(a, d.number(-1)), d.eq(d.abs(b), d.number(Infinity)));
    return e.select(e.op("v128.or", e.op("v128.or", d.eq(a, one), d.eq(b, d.number(0))), minusOne), one, value);
  });
}

/** Sine, cosine or tangent. */
export function trigonometric(e: Terms, argument: Term, which: "sin" | "cos" | "tan"): Term {
  return inDouble(e, [argument], (x) => {
    const d = e.double;
    const { f } = e;
    const shifted = e.keep(d.madd(x, d.number(2 / Math.PI), d.number(roundDouble)));
    const n = e.keep(d.sub(shifted, d.number(roundDouble)));
    // π/2 in two parts; the first has 33 bits, so that its product with n below 2^20 is exact.
    const r = e.keep(d.nmadd(n, d.number(6.077100506506192e-11), d.nmadd(n, d.number(1.5707963267341256), x)));
    const quadrant = shifted;
    e.op("v128.any_true", d.gt(d.abs(x), d.number(1e6))).write(f);
    f.if(() => {
      const huge = e.helper("reduceHuge", reduceHuge);
      const [rest, turns] = [f.local("f64"), f.local("i64")];
      for (const lane of [0, 1]) {
        f.get(x.local!).lane("f64x2.extract_lane", lane).call(huge).set(turns).set(rest);
        f.get(rest).get(rest).op("f64.eq").get(x.local!).lane("f64x2.extract_lane", lane).op("f64.abs").f64(Infinity).op("f64.eq").op(
          "i32.or",
        );
        f.if(() => {
          f.get(r.local!).get(rest).lane("f64x2.replace_lane", lane).set(r.local!);
          f.get(quadrant.local!).get(turns).lane("i64x2.replace_lane", lane).set(quadrant.local!);
        });
      }
      f.release(rest);
      f.release(turns);
    });
    const square = e.keep(d.mul(r, r));
    const sine = e.keep(d.mul(r, d.polynomial(square, factorials(1, 13, 2, true))));
    const cosine = e.keep(d.polynomial(square, factorials(0, 14, 2, true)));
    const swap = e.keep(e.op("i64x2.ne", e.op("v128.and", quadrant, e.wide(1n)), e.wide(0n)));
    if (which === "tan") {
      const numerator = e.select(swap, d.neg(cosine), sine);
      return d.div(numerator, e.select(swap, sine, cosine));
    }
    const turn = which === "sin" ? quadrant : e.op("i64x2.add", quadrant, e.wide(1n));
    const sign = e.shift("i64x2.shl", e.shift("i64x2.shr_u", turn, 1), 63);
    const value = which === "sin" ? e.select(swap, cosine, sine) : e.select(swap, sine, cosine);
    return e.op("v128.xor", value, sign);
  });
}

/** The first 256 bits of 2/π, after 32 zeros. */
const twoOverPi = [0n, 0xa2f9836en, 0x4e441529n, 0xfc2757d1n, 0xf534ddc0n, 0xdb629599n, 0x3c439041n, 0xfe5163abn, 0xdebbc561n];

/**
 * The remainder of a float32 number above 10^6 by π/2 and its quotient's low bits, by multiplying with the 96 bits of 2/π that matter
 * at its exponent (Payne and Hanek's method). For other numbers the remainder is NaN.
 */
function reduceHuge(module: ModuleBuilder): FunctionBuilder {
  const f = module.function("reduceHuge", { params: ["f64"], results: ["f64", "i64"] });
  const x = f.parameters[0]!;
  const bits = f.local("i64");
  const high = f.local("i64");
  const low = f.local("i64");
  const product = f.local("i64");
  const turns = f.local("i64");
  const place = f.local("i64");
  f.get(x).op("f64.abs").f64(1e6).op("f64.gt").get(x).op("f64.abs").f64(Infinity).op("f64.lt").op("i32.and").op("i32.eqz");
  f.if(() => {
    f.f64(NaN).i64(0n).op("return");
  });
  f.get(x).op("f64.abs").op("i64.reinterpret_f64").set(bits);
  // x = m·2^e with a 24-bit m; the bit of 2/π at e - 2 counts 2 quarter turns. Positions are moved by the 32 leading zeros.
  f.get(bits).i64(52n).op("i64.shr_u").i64(BigInt(1023 + 23 + 2 - 32)).op("i64.sub").set(place);
  f.get(bits).i64((1n << 52n) - 1n).op("i64.and").i64(1n << 52n).op("i64.or").i64(29n).op("i64.shr_u").set(bits);
  for (let word = 0; word < 5; word++) {
    const condition = () => f.get(place).i64(5n).op("i64.shr_u").i64(BigInt(word)).op("i64.eq");
    f.i64((twoOverPi[word]! << 32n) | twoOverPi[word + 1]!).get(high);
    condition().op("select").set(high);
    f.i64((twoOverPi[word + 2]! << 32n) | twoOverPi[word + 3]!).get(low);
    condition().op("select").set(low);
  }
  f.get(place).i64(31n).op("i64.and").set(place);
  f.get(high).get(place).op("i64.shl").get(low).i64(1n).op("i64.shr_u").i64(63n).get(place).op("i64.sub").op("i64.shr_u").op("i64.or").set(
    high,
  );
  f.get(low).get(place).op("i64.shl").i64(32n).op("i64.shr_u").set(low);
  f.get(bits).get(high).op("i64.mul").get(bits).get(low).op("i64.mul").i64(32n).op("i64.shr_u").op("i64.add").set(product);
  f.get(product).i64(1n << 61n).op("i64.add").i64(62n).op("i64.shr_u").set(turns);
  f.get(product).get(turns).i64(62n).op("i64.shl").op("i64.sub").op("f64.convert_i64_s").f64(2 ** -62 * Math.PI / 2).op("f64.mul");
  f.get(x).f64(1).op("f64.min").f64(-1).op("f64.max").op("f64.mul");
  f.get(turns).i64(0n).get(turns).op("i64.sub").get(x).f64(0).op("f64.gt").op("select");
  return f;
}
