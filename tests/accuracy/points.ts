/**
 * Arguments at which functions are measured: deterministic, over every exponent and more densely where a function bends.
 *
 * @module
 */

/** A number between 0 and 1 that follows from two whole numbers alone. */
export function hash(i: number, stream: number): number {
  let x = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) / 4294967296;
}

/** Makes one argument from random numbers between 0 and 1. */
export type Region = (t: number, u: number) => number;

/** Uniform between two numbers. */
export function uniform(low: number, high: number): Region {
  return (t) => low + (high - low) * t;
}

/** On both sides of a number, at distances 2^low … 2^high with uniform exponents. */
export function around(centre: number, [low, high]: readonly [number, number]): Region {
  return (t, u) => centre + (u < 0.5 ? -1 : 1) * 2 ** (low + (high - low) * t);
}

/** The float32 numbers nearest to whole multiples of a number, up to `count` of them on both sides. */
export function multiples(of: number, count: number): Region {
  return (t) => Math.round((2 * t - 1) * count) * of;
}

/** 2/π to 288 bits. */
const twoOverPi = 0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3an;
const scale = 288n;

/**
 * The float32 numbers that come nearest to a multiple of π/2 for their exponent: m 2^e where m is the denominator of a convergent of
 * 2^e · 2/π, found by Euclid's algorithm.
 */
function hardAngles(): number[] {
  const found: number[] = [];
  for (let e = -24; e <= 104; e++) {
    let [a, b] = e < 0 ? [twoOverPi, 1n << (scale + BigInt(-e))] : [twoOverPi << BigInt(e), 1n << scale];
    let [before, m] = [1n, 0n];
    while (b > 0n && m < 1n << 24n) {
      if (m > 0n) found.push(Number(m) * 2 ** e);
      const quotient = a / b;
      [a, b] = [b, a % b];
      [before, m] = [m, before + quotient * m];
    }
  }
  return found;
}

const hard = hardAngles();

/** The angles whose reduction loses most, of either sign. */
export function hardAngle(t: number, u: number): number {
  return (u < 0.5 ? -1 : 1) * hard[Math.floor(t * hard.length)]!;
}

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** Every finite float32 alike: all signs, exponents (those below the normal numbers too) and fractions. */
export function everything(t: number, u: number): number {
  bits[0] = (Math.floor(t * 0x1fe) << 23) | Math.floor(u * 0x800000);
  return number[0]!;
}

/** Every float32 above 0. */
export function positive(t: number, u: number): number {
  return Math.abs(everything(t, u)) || 1;
}

/** Every float32 of a magnitude up to 1. */
export function unit(t: number, u: number): number {
  const x = everything(t, u);
  return Math.abs(x) > 1 ? 1 / x : x;
}

/** `size` arguments, of each region in turn. */
export function pointsOf(regions: readonly Region[], size: number, stream: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: size }, (_, i) => regions[i % regions.length]!(hash(i, 2 * stream), hash(i, 2 * stream + 1)));
}
