/**
 * Functions in WGSL that the built-ins cannot be trusted with: NaN and Inf are kept by their bits, since shader compilers assume there
 * are none, and transcendentals are our own polynomials, since the built-ins of some drivers err by thousands of ULP.
 *
 * Two habits hold throughout. Sums whose rounding error is used later are split by masking bits (`head`), never by adding and
 * subtracting a constant, which the compiler would cancel. Special values are chosen at the end by `select` on the argument's bits.
 * Polynomial coefficients were fitted by reweighted least squares on Chebyshev nodes to a relative error below 2e-8.
 *
 * @module
 */
import { threefryRotations } from "../../tensor/scalar.ts";
import { floatLiteral } from "./types.ts";

interface FunctionRow {
  /** Functions that this one calls, each of which stands earlier in the table. */
  readonly calls: readonly string[];
  readonly source: string;
}

const infinity = floatLiteral(Infinity);
const notANumber = floatLiteral(NaN);

/** A polynomial by Horner's rule, lowest coefficient first. */
function polynomial(variable: string, coefficients: readonly number[]): string {
  let text = floatLiteral(coefficients.at(-1)!);
  for (const c of coefficients.slice(0, -1).reverse()) text = `fma(${text}, ${variable}, ${floatLiteral(c)})`;
  return text;
}

const functions = {
  isNaN32: {
    calls: [],
    source: `fn isNaN32(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`,
  },
  isInf32: {
    calls: [],
    source: `fn isInf32(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }`,
  },
  /** A result as it would be stored: no compiler joins or cancels arithmetic across the choice, which it cannot decide. */
  rounded32: {
    calls: ["isNaN32"],
    source: `fn rounded32(x: f32) -> f32 { return select(x, ${notANumber}, isNaN32(x)); }`,
  },
  /** Inf and NaN times 0 are NaN, which a compiler that sees the constant 0 forgets. */
  timesZero32: {
    calls: [],
    source: `fn timesZero32(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return select(bitcast<f32>(bits & 0x80000000u), ${notANumber}, (bits & 0x7f800000u) == 0x7f800000u);
}`,
  },
  max32: {
    calls: ["isNaN32"],
    source: `fn max32(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, isNaN32(b)), a, isNaN32(a)); }`,
  },
  min32: {
    calls: ["isNaN32"],
    source: `fn min32(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, isNaN32(b)), a, isNaN32(a)); }`,
  },
  sign32: {
    calls: [],
    source: `fn sign32(x: f32) -> f32 { return select(select(x, -1f, x < 0f), 1f, x > 0f); }`,
  },
  toInt32: {
    calls: ["isNaN32"],
    source: `fn toInt32(x: f32) -> i32 {
  let inside = i32(clamp(select(x, 0f, isNaN32(x)), -2147483648f, 2147483520f));
  return select(inside, 2147483647i, !isNaN32(x) && x >= 2147483648f);
}`,
  },
  toUint32: {
    calls: ["isNaN32"],
    source: `fn toUint32(x: f32) -> u32 {
  let inside = u32(clamp(select(x, 0f, isNaN32(x)), 0f, 4294967040f));
  return select(inside, 4294967295u, !isNaN32(x) && x >= 4294967296f);
}`,
  },
  floorDivI32: {
    calls: [],
    source: `fn floorDivI32(a: i32, b: i32) -> i32 {
  if (b == 0i) { return 0i; }
  if (b == -1i) { return -a; }
  let quotient = a / b;
  return select(quotient, quotient - 1i, quotient * b != a && ((a < 0i) != (b < 0i)));
}`,
  },
  modI32: {
    calls: [],
    source: `fn modI32(a: i32, b: i32) -> i32 {
  if (b == 0i || b == -1i) { return 0i; }
  let remainder = a - (a / b) * b;
  return select(remainder, remainder + b, remainder != 0i && ((remainder < 0i) != (b < 0i)));
}`,
  },
  floorDivU32: {
    calls: [],
    source: `fn floorDivU32(a: u32, b: u32) -> u32 { return select(a / max(b, 1u), 0u, b == 0u); }`,
  },
  modU32: {
    calls: [],
    source: `fn modU32(a: u32, b: u32) -> u32 { return select(a % max(b, 1u), 0u, b == 0u); }`,
  },
  /** The remainder of |a| / |b| by long division in whole numbers, exact for every quotient. */
  remainder32: {
    calls: [],
    source:
      `fn mantissa32(bits: u32) -> u32 { return select((bits & 0x7fffffu) | 0x800000u, (bits & 0x7fffffu) << 1u, (bits >> 23u) == 0u); }
fn remainder32(a: f32, b: f32) -> f32 {
  let aBits = bitcast<u32>(a) & 0x7fffffffu;
  let bBits = bitcast<u32>(b) & 0x7fffffffu;
  if (aBits < bBits) { return bitcast<f32>(aBits); }
  var rest = mantissa32(aBits);
  let divisor = mantissa32(bBits);
  var exponent = i32(aBits >> 23u);
  let last = i32(bBits >> 23u);
  rest = rest % divisor;
  while (exponent > last && rest != 0u) {
    let step = min(exponent - last, 8i);
    rest = (rest << u32(step)) % divisor;
    exponent -= step;
  }
  if (rest == 0u) { return 0f; }
  while (rest < 0x800000u && exponent > 1i) {
    rest = rest << 1u;
    exponent -= 1i;
  }
  if (rest < 0x800000u) { return bitcast<f32>(rest >> select(0u, 1u, exponent <= 0i)); }
  return bitcast<f32>((u32(exponent) << 23u) | (rest & 0x7fffffu));
}`,
  },
  mod32: {
    calls: ["isNaN32", "isInf32", "remainder32"],
    source: `fn mod32(a: f32, b: f32) -> f32 {
  if (isNaN32(a) || isNaN32(b) || isInf32(a) || b == 0f) { return ${notANumber}; }
  let size = remainder32(a, b);
  let remainder = bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(a) & 0x80000000u));
  return select(remainder, select(remainder + b, b, isInf32(b)), size != 0f && ((a < 0f) != (b < 0f)));
}`,
  },
  sqrt32: {
    calls: [],
    source: `fn sqrt32(x: f32) -> f32 { return select(sqrt(x), ${notANumber}, x < 0f); }`,
  },
  rsqrt32: {
    calls: ["isNaN32"],
    source: `fn rsqrt32(x: f32) -> f32 {
  let size = 1f / sqrt(x);
  let bits = bitcast<u32>(x);
  let zero = (bits & 0x7fffffffu) == 0u;
  return select(select(select(size, 0f, bits == 0x7f800000u), bitcast<f32>(0x7f800000u | (bits & 0x80000000u)), zero), ${notANumber}, (bits > 0x80000000u) || isNaN32(x));
}`,
  },
  /** The same number, behind a bound that it never reaches: sums on either side of it are not reassociated. */
  keep: {
    calls: [],
    source: `fn keep(x: f32) -> f32 { return clamp(x, -1e30f, 1e30f); }`,
  },
  /** The leading 12 bits, so that products of two heads are exact. */
  head: {
    calls: [],
    source: `fn head(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }`,
  },
  /** x 2^k for k in -252 … 254, in two steps so that neither factor overflows. */
  scaleByPower: {
    calls: [],
    source: `fn scaleByPower(x: f32, k: f32) -> f32 {
  let whole = i32(k);
  let half = whole / 2i;
  let first = bitcast<f32>(u32(half + 127i) << 23u);
  let second = bitcast<f32>(u32(whole - half + 127i) << 23u);
  return (x * first) * second;
}`,
  },
  /** (e^r - 1 - r) / r² for |r| ≤ ln 2 / 2. */
  expTail: {
    calls: [],
    source: `fn expTail(r: f32) -> f32 {
  return ${polynomial("r", [0.5000000066, 0.1666653807, 0.04166626675, 0.00836723929, 0.001394758225])};
}`,
  },
  exp32: {
    calls: ["isNaN32", "keep", "scaleByPower", "expTail"],
    source: `fn exp32(x: f32) -> f32 {
  let inside = clamp(select(x, 0f, isNaN32(x)), -104f, 89f);
  let k = round(inside * 1.4426950408889634f);
  let r = fma(k, 0.000212194440054690583f, keep(fma(k, -0.693359375f, inside)));
  let value = scaleByPower(fma(r * r, expTail(r), r) + 1f, k);
  return select(select(select(value, ${infinity}, x > 88.72284f), 0f, x < -103.98f), x, isNaN32(x));
}`,
  },
  expm132: {
    calls: ["isNaN32", "keep", "scaleByPower", "expTail"],
    source: `fn expm132(x: f32) -> f32 {
  let inside = clamp(select(x, 0f, isNaN32(x)), -18f, 89f);
  let k = round(inside * 1.4426950408889634f);
  let r = fma(k, 0.000212194440054690583f, keep(fma(k, -0.693359375f, inside)));
  let small = fma(r * r, expTail(r), r);
  let power = bitcast<f32>(u32(i32(min(k, 127f)) + 127i) << 23u);
  let value = select(fma(small, power, power - 1f), scaleByPower(small + 1f, k), k > 30f);
  return select(select(select(value, small, k == 0f), ${infinity}, x > 88.72284f), x, isNaN32(x) || x == 0f);
}`,
  },
  /** log(1 + f) for 1 + f between √½ and √2. */
  logCore: {
    calls: [],
    source: `fn logCore(f: f32) -> f32 {
  let p = ${
      polynomial("f", [
        0.3333331057,
        -0.2499998674,
        0.2000221966,
        -0.1666923983,
        0.1421876936,
        -0.1238458253,
        0.1187247291,
        -0.1178834634,
        0.06914680131,
      ])
    };
  return f * f * fma(f, p, -0.5f);
}`,
  },
  /** The exponent and the mantissa less 1, the mantissa between √½ and √2, of a positive finite number. */
  splitPower: {
    calls: [],
    source: `fn splitPower(x: f32) -> vec2<f32> {
  let tiny = bitcast<u32>(x) < 0x00800000u;
  let bits = select(bitcast<u32>(x), bitcast<u32>(f32(bitcast<u32>(x))), tiny);
  let shifted = bits - 0x3f3504f3u;
  let exponent = (bitcast<i32>(shifted) >> 23u) - select(0i, 149i, tiny);
  let mantissa = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
  return vec2<f32>(f32(exponent), mantissa - 1f);
}`,
  },
  log32: {
    calls: ["isNaN32", "splitPower", "logCore"],
    source: `fn log32(x: f32) -> f32 {
  let parts = splitPower(x);
  let k = parts.x;
  let f = parts.y;
  let value = fma(k, 0.693359375f, f + fma(k, -0.000212194440054690583f, logCore(f)));
  let bits = bitcast<u32>(x);
  let zero = (bits & 0x7fffffffu) == 0u;
  return select(select(select(value, ${notANumber}, bits > 0x80000000u), -${infinity}, zero), x, bits == 0x7f800000u || isNaN32(x));
}`,
  },
  log1p32: {
    calls: ["log32", "logCore"],
    source: `fn log1p32(x: f32) -> f32 {
  let small = x > -0.29f && x < 0.41f;
  let f = select(0f, x, small);
  return select(log32(1f + x), select(f + logCore(f), x, (bitcast<u32>(x) & 0x7fffffffu) == 0u), small);
}`,
  },
  /** The low 32 bits and the high 32 bits of a product. */
  multiplyWide: {
    calls: [],
    source: `fn multiplyWide(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let cross2 = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
  return vec2<u32>(a * b, (a >> 16u) * (b >> 16u) + (cross >> 16u) + (cross2 >> 16u));
}`,
  },
  /** Word number i of 2/π in binary, from word 1 on. */
  twoOverPi: {
    calls: [],
    source: `fn twoOverPi(i: u32) -> u32 {
  switch (i) {
    case 1u: { return 0xa2f9836eu; }
    case 2u: { return 0x4e441529u; }
    case 3u: { return 0xfc2757d1u; }
    case 4u: { return 0xf534ddc0u; }
    case 5u: { return 0xdb629599u; }
    case 6u: { return 0x3c439041u; }
    case 7u: { return 0xfe5163abu; }
    default: { return 0u; }
  }
}
fn twoOverPiFrom(bit: u32) -> u32 {
  let word = bit >> 5u;
  let shift = bit & 31u;
  return select((twoOverPi(word) << shift) | (twoOverPi(word + 1u) >> ((32u - shift) & 31u)), twoOverPi(word), shift == 0u);
}`,
  },
  /**
   * x = quadrant π/2 + r with |r| ≤ π/4, as (r, quadrant): in four steps for small arguments, of which the first three have so few bits
   * that their products are exact with and without fused multiply-add, and from 96 bits of 2/π in whole numbers for large ones. Source:
   * Payne and Hanek 1983, "Radian reduction for trigonometric functions".
   */
  reduceAngle: {
    calls: ["keep", "multiplyWide", "twoOverPi"],
    source: `fn reduceLargeAngle(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let mantissa = (bits & 0x7fffffu) | 0x800000u;
  let start = (bits >> 23u) - 120u;
  let low = multiplyWide(mantissa, twoOverPiFrom(start + 64u));
  let middle = multiplyWide(mantissa, twoOverPiFrom(start + 32u));
  let word1 = low.y + middle.x;
  let word2 = mantissa * twoOverPiFrom(start) + middle.y + select(0u, 1u, word1 < low.y);
  let quadrant = (word2 + 0x20000000u) >> 30u;
  // The magnitude in whole numbers first: as floats the two words would cancel near multiples of π/2.
  let rest = word2 - (quadrant << 30u);
  let below = bitcast<i32>(rest) < 0i;
  let high = select(rest, ~rest + select(0u, 1u, word1 == 0u), below);
  let fraction = f32(high) + f32(select(word1, 0u - word1, below)) * 2.3283064365386963e-10f;
  let r = fraction * 1.4629180792671596e-9f;
  let negative = x < 0f;
  return vec2<f32>(select(r, -r, negative != below), f32(select(quadrant & 3u, (4u - quadrant) & 3u, negative)));
}
fn reduceAngle(x: f32) -> vec2<f32> {
  if (abs(x) > 100f) { return reduceLargeAngle(x); }
  let k = round(x * 0.63661977236758134f);
  let near = keep(fma(k, -7.549715519417077e-08f, keep(fma(k, -0.0004837512969970703125f, keep(fma(k, -1.5703125f, x))))));
  let r = fma(k, -7.443547731314504e-13f, near);
  return vec2<f32>(r, f32(u32(i32(k)) & 3u));
}`,
  },
  sinCore: {
    calls: [],
    source: `fn sinCore(r: f32) -> f32 {
  let z = r * r;
  return fma(r * z, ${polynomial("z", [-0.1666665423, 0.008332131491, -0.0001951083843])}, r);
}
fn cosCore(r: f32) -> f32 {
  let z = r * r;
  return fma(z * z, ${polynomial("z", [0.04166664565, -0.001388730603, 0.00002443120385])}, fma(z, -0.5f, 1f));
}`,
  },
  sin32: {
    calls: ["reduceAngle", "sinCore"],
    source: `fn sin32(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return ${notANumber}; }
  let parts = reduceAngle(x);
  let quadrant = u32(parts.y);
  let size = select(sinCore(parts.x), cosCore(parts.x), (quadrant & 1u) == 1u);
  return select(select(size, -size, (quadrant & 2u) == 2u), x, x == 0f);
}`,
  },
  cos32: {
    calls: ["reduceAngle", "sinCore"],
    source: `fn cos32(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return ${notANumber}; }
  let parts = reduceAngle(x);
  let quadrant = u32(parts.y) + 1u;
  let size = select(sinCore(parts.x), cosCore(parts.x), (quadrant & 1u) == 1u);
  return select(size, -size, (quadrant & 2u) == 2u);
}`,
  },
  tan32: {
    calls: ["reduceAngle", "sinCore"],
    source: `fn tan32(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return ${notANumber}; }
  let parts = reduceAngle(x);
  let sine = sinCore(parts.x);
  let cosine = cosCore(parts.x);
  return select(select(sine / cosine, -(cosine / sine), (u32(parts.y) & 1u) == 1u), x, x == 0f);
}`,
  },
  asinCore: {
    calls: [],
    source: `fn asinCore(x: f32) -> f32 {
  let z = x * x;
  return fma(x * z, ${polynomial("z", [0.166667541, 0.07495233698, 0.04547823283, 0.02414147123, 0.04222980438])}, x);
}`,
  },
  asin32: {
    calls: ["isNaN32", "asinCore"],
    source: `fn asin32(x: f32) -> f32 {
  let a = abs(x);
  let steep = a > 0.5f;
  let core = asinCore(select(a, sqrt(max(fma(a, -0.5f, 0.5f), 0f)), steep));
  let size = select(core, fma(core, -2f, 1.5707963267948966f), steep);
  let value = bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(x) & 0x80000000u));
  return select(value, ${notANumber}, a > 1f || isNaN32(x));
}`,
  },
  acos32: {
    calls: ["isNaN32", "asinCore"],
    source: `fn acos32(x: f32) -> f32 {
  let a = abs(x);
  let steep = a > 0.5f;
  let core = asinCore(select(x, sqrt(max(fma(a, -0.5f, 0.5f), 0f)), steep));
  let outer = select(2f * core, fma(core, -2f, 3.1415926535897932f), x < 0f);
  let value = select(1.5707963267948966f - core, outer, steep);
  return select(value, ${notANumber}, a > 1f || isNaN32(x));
}`,
  },
  /** atan of a number from 0 on. */
  atanPositive: {
    calls: [],
    source: `fn atanPositive(a: f32) -> f32 {
  let steep = a > 2.414213562f;
  let middle = !steep && a > 0.4142135624f;
  let t = select(select(a, (a - 1f) / (a + 1f), middle), -1f / a, steep);
  let z = t * t;
  let core = fma(t * z, ${polynomial("z", [-0.3333331548, 0.1999848759, -0.1424380938, 0.1059568349, -0.06082587729])}, t);
  return core + select(select(0f, 0.78539816339744831f, middle), 1.5707963267948966f, steep);
}`,
  },
  atan32: {
    calls: ["isNaN32", "isInf32", "atanPositive"],
    source: `fn atan32(x: f32) -> f32 {
  let size = select(atanPositive(min(abs(x), 3e38f)), 1.5707963267948966f, isInf32(x));
  return select(bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(x) & 0x80000000u)), x, isNaN32(x));
}`,
  },
  atan232: {
    calls: ["isNaN32", "isInf32", "atanPositive"],
    source: `fn atan232(y: f32, x: f32) -> f32 {
  if (isNaN32(x) || isNaN32(y)) { return ${notANumber}; }
  let ax = abs(x);
  let ay = abs(y);
  let low = min(ax, ay);
  let high = max(ax, ay);
  let down = select(1f, 0.0625f, high > 1e37f);
  var ratio = select((low * down) / (high * down), 0f, low == 0f || (isInf32(high) && !isInf32(low)));
  if (isInf32(low)) { ratio = 1f; }
  let core = atanPositive(ratio);
  let upper = select(core, 1.5707963267948966f - core, ay > ax);
  let size = select(upper, 3.1415926535897932f - upper, bitcast<u32>(x) >= 0x80000000u);
  return bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(y) & 0x80000000u));
}`,
  },
  sinh32: {
    calls: ["exp32", "isNaN32"],
    source: `fn sinh32(x: f32) -> f32 {
  let z = x * x;
  let small = fma(x * z, ${polynomial("z", [0.1666666649, 0.00833335065, 0.0001983605584, 0.000002817501614])}, x);
  let a = abs(x);
  let e = exp32(a);
  let root = exp32(0.5f * a);
  let size = select(0.5f * (e - 1f / e), (0.5f * root) * root, a > 80f);
  return select(bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(x) & 0x80000000u)), small, a < 1f || isNaN32(x));
}`,
  },
  cosh32: {
    calls: ["exp32"],
    source: `fn cosh32(x: f32) -> f32 {
  let a = abs(x);
  let e = exp32(a);
  let root = exp32(0.5f * a);
  return select(0.5f * (e + 1f / e), (0.5f * root) * root, a > 80f);
}`,
  },
  tanh32: {
    calls: ["exp32", "isNaN32"],
    source: `fn tanh32(x: f32) -> f32 {
  let z = x * x;
  let small = fma(x * z, ${polynomial("z", [-0.3333328321, 0.1333147037, -0.05374163642, 0.02064417397, -0.005709534381])}, x);
  let a = abs(x);
  let size = 1f - 2f / (exp32(2f * min(a, 20f)) + 1f);
  return select(bitcast<f32>(bitcast<u32>(select(size, small, a < 0.625f)) | (bitcast<u32>(x) & 0x80000000u)), x, isNaN32(x));
}`,
  },
  sigmoid32: {
    calls: ["exp32"],
    source: `fn sigmoid32(x: f32) -> f32 {
  let e = exp32(-abs(x));
  return select(1f, e, x < 0f) / (1f + e);
}`,
  },
  erf32: {
    calls: ["exp32", "isNaN32"],
    source: `fn erf32(x: f32) -> f32 {
  let a = min(abs(x), 4f);
  let z = min(x * x, 1.1f);
  let small = x * ${
      polynomial("z", [1.1283791659, -0.3761262707, 0.1128359929, -0.02685440198, 0.005189443737, -0.0008019943366, 0.00007885847869])
    };
  let tail = ${
      polynomial("a", [
        -0.0001880405309,
        1.129578426,
        0.6332198907,
        0.1084185797,
        -0.02520825809,
        0.00420456234,
        -0.0004413364647,
        0.00002168685688,
      ])
    };
  let size = 1f - exp32(-tail);
  return select(select(bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(x) & 0x80000000u)), small, abs(x) < 1f), x, isNaN32(x));
}`,
  },
  /** |x|^y for finite |x| > 0: the logarithm and its product with y each as the sum of two floats. */
  powSize: {
    calls: ["keep", "head", "splitPower", "scaleByPower", "expTail"],
    source: `fn powSize(x: f32, y: f32) -> f32 {
  let parts = splitPower(x);
  let k = parts.x;
  let f = parts.y;
  let whole = 2f + f;
  let wholeHead = head(whole);
  let wholeTail = f - (wholeHead - 2f);
  let s = f / whole;
  let sHead = head(s);
  let rest = keep(f - sHead * wholeHead);
  let sTail = (rest - sHead * wholeTail) / whole;
  let z = s * s;
  let series = s * z * ${polynomial("z", [0.66666666667, 0.4, 0.2857142857, 0.2222222222, 0.1818181818])};
  let a = k * 0.693359375f;
  let b = 2f * sHead;
  let c = fma(k, -0.000212194440054690583f, fma(2f, sTail, series));
  let log = a + (b + c);
  let logHead = head(log);
  let logTail = keep(keep(a - logHead) + b) + c;
  let yHead = head(y);
  let yTail = y - yHead;
  let estimate = y * log;
  let productHead = yHead * logHead;
  let productTail = fma(yHead, logTail, yTail * log);
  let n = round(clamp(estimate, -104f, 89f) * 1.4426950408889634f);
  let r = keep(fma(n, 0.000212194440054690583f, keep(fma(n, -0.693359375f, productHead)))) + productTail;
  let value = scaleByPower(fma(r * r, expTail(r), r) + 1f, n);
  return select(select(value, ${infinity}, estimate > 88.8f), 0f, estimate < -103.99f);
}`,
  },
  pow32: {
    calls: ["isNaN32", "isInf32", "powSize"],
    source: `fn pow32(x: f32, y: f32) -> f32 {
  if (x == 1f || y == 0f) { return 1f; }
  if (isNaN32(x) || isNaN32(y)) { return ${notANumber}; }
  let a = abs(x);
  if (isInf32(y)) {
    if (a == 1f) { return 1f; }
    return select(0f, ${infinity}, (a > 1f) == (y > 0f));
  }
  let wholeY = floor(y) == y;
  let odd = wholeY && abs(y) < 16777216f && (i32(clamp(y, -16777216f, 16777216f)) & 1i) == 1i;
  let flipped = odd && bitcast<u32>(x) >= 0x80000000u;
  if (a == 0f || isInf32(a)) {
    let size = select(0f, ${infinity}, (a == 0f) == (y < 0f));
    return bitcast<f32>(bitcast<u32>(size) | select(0u, 0x80000000u, flipped));
  }
  if (x < 0f && !wholeY) { return ${notANumber}; }
  let size = powSize(a, y);
  return select(size, -size, flipped);
}`,
  },
  threefry: { calls: [], source: threefrySource() },
} satisfies Record<string, FunctionRow>;

/** Threefry-2x32 with its 20 rounds written out: the same words as `threefry` of tensor/scalar.ts. */
function threefrySource(): string {
  const lines = ["var x0 = counter + key0;", "var x1 = key1;", "let key2 = key0 ^ key1 ^ 0x1bd11bdau;"];
  for (let round = 0; round < 20; round++) {
    const rotation = threefryRotations[round % 8]!;
    lines.push("x0 = x0 + x1;", `x1 = ((x1 << ${rotation}u) | (x1 >> ${32 - rotation}u)) ^ x0;`);
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    lines.push(`x0 = x0 + key${injection % 3};`, `x1 = x1 + key${(injection + 1) % 3} + ${injection}u;`);
  }
  return `fn threefry(key0: u32, key1: u32, counter: u32) -> u32 {\n  ${lines.join("\n  ")}\n  return x0;\n}`;
}

/** The name of a function in the table. */
export type FunctionName = keyof typeof functions;

/** The text of some functions and of all they call, each once and before its callers. */
export function functionSource(names: Iterable<FunctionName>): string {
  const table: Readonly<Record<string, FunctionRow>> = functions;
  const wanted = new Set<string>();
  const visit = (name: string) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    table[name]!.calls.forEach(visit);
  };
  for (const name of names) visit(name);
  return Object.keys(table).filter((name) => wanted.has(name)).map((name) => `${table[name]!.source}\n`).join("");
}
