/**
 * Reading and writing elements in vectors of four: contiguous, repeated (stride 0) or strided, whole vectors or the last one to three.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";
import type { Local } from "./encoder.ts";
import type { Term, Terms } from "./terms.ts";

/** How an operand moves along the inner dim. */
export type Step = "contiguous" | "repeated" | "strided";

/** One input or output inside a loop. */
export interface Operand {
  /** The byte address of the current element (i32). */
  readonly pointer: Local;
  /** How the pointer moves. */
  readonly step: Step;
  /** Bytes from one element to the next (i32), where strided. */
  readonly stride?: Local;
  /** The elements' type in memory. */
  readonly dtype: DType;
}

/** Bytes of an element in WebAssembly kernels. */
export function elementBytes(dtype: DType): number {
  return dtype === "float16" ? 2 : 4;
}

/** Loads the four elements at vector number `at` from the pointer on; strided operands only know vector 0. */
export function loadVector(e: Terms, operand: Operand, at: number): Term {
  const { f } = e;
  if (operand.step === "strided") return gather(e, operand, undefined);
  const half = operand.dtype === "float16";
  const local = f.local("v128");
  f.get(operand.pointer);
  if (operand.step === "repeated") f.load(half ? "v128.load16_splat" : "v128.load32_splat");
  else f.load(half ? "v128.load16x4_u" : "v128.load", at * (half ? 8 : 16));
  f.set(local);
  const loaded = half && operand.step === "repeated" ? e.op("v128.and", e.of(local), e.whole(0xffff)) : e.of(local);
  const value = e.keepNew(inRegister(e, loaded, operand.dtype));
  f.release(local);
  return value;
}

/** Loads the first `count` (1 to 3) elements; the other lanes are 0. */
export function loadPartial(e: Terms, operand: Operand, count: Local): Term {
  return operand.step === "repeated" ? loadVector(e, operand, 0) : gather(e, operand, count);
}

/** Loads lane by lane, stopping at `count` if there is one. */
function gather(e: Terms, operand: Operand, count: Local | undefined): Term {
  const { f } = e;
  const half = operand.dtype === "float16";
  const address = f.local("i32");
  const vector = f.local("v128");
  f.get(operand.pointer).tee(address);
  if (half) f.load("i32.load16_u").set(address).v128(new Int32Array(4)).get(address).lane("i32x4.replace_lane", 0).set(vector);
  else f.load("v128.load32_zero").set(vector);
  if (half) f.get(operand.pointer).set(address);
  const next = (lane: number) => {
    if (operand.step === "strided") f.get(address).get(operand.stride!).op("i32.add").set(address);
    const offset = operand.step === "strided" ? 0 : lane * elementBytes(operand.dtype);
    if (half) f.get(vector).get(address).load("i32.load16_u", offset).lane("i32x4.replace_lane", lane).set(vector);
    else f.get(address).get(vector).laneMemory("v128.load32_lane", lane, offset).set(vector);
  };
  for (let lane = 1; lane < (count === undefined ? 4 : 3); lane++) {
    if (count === undefined) next(lane);
    else f.get(count).i32(lane).op("i32.gt_s").if(() => next(lane));
  }
  const value = e.keepNew(inRegister(e, e.of(vector), operand.dtype));
  f.release(vector);
  f.release(address);
  return value;
}

/** Stores four elements at vector number `at` from the pointer on. */
export function storeVector(e: Terms, operand: Operand, at: number, value: Term): void {
  const { f } = e;
  if (operand.step !== "contiguous") return scatter(e, operand, undefined, value);
  f.get(operand.pointer);
  inMemory(e, value, operand.dtype).write(f);
  if (operand.dtype === "float16") f.laneMemory("v128.store64_lane", 0, at * 8);
  else f.store("v128.store", at * 16);
}

/** Stores the first `count` (1 to 3) elements. */
export function storePartial(e: Terms, operand: Operand, count: Local, value: Term): void {
  scatter(e, operand, count, value);
}

/** Stores the first element. */
export function storeFirst(e: Terms, operand: Operand, value: Term): void {
  const { f } = e;
  f.get(operand.pointer);
  inMemory(e, value, operand.dtype).write(f);
  f.laneMemory(operand.dtype === "float16" ? "v128.store16_lane" : "v128.store32_lane", 0);
}

function scatter(e: Terms, operand: Operand, count: Local | undefined, value: Term): void {
  const { f } = e;
  const vector = e.keepNew(inMemory(e, value, operand.dtype));
  const address = f.local("i32");
  f.get(operand.pointer).set(address);
  const put = (lane: number) => {
    if (operand.step === "strided" && lane > 0) f.get(address).get(operand.stride!).op("i32.add").set(address);
    const offset = operand.step === "strided" ? 0 : lane * elementBytes(operand.dtype);
    f.get(address);
    vector.write(f);
    f.laneMemory(operand.dtype === "float16" ? "v128.store16_lane" : "v128.store32_lane", lane, offset);
  };
  put(0);
  for (let lane = 1; lane < (count === undefined ? 4 : 3); lane++) {
    if (count === undefined) put(lane);
    else f.get(count).i32(lane).op("i32.gt_s").if(() => put(lane));
  }
  f.release(address);
}

/** Moves the pointer on by a number of elements. */
export function advance(e: Terms, operand: Operand, elements: number): void {
  const { f } = e;
  if (operand.step === "contiguous") f.increment(operand.pointer, elements * elementBytes(operand.dtype));
  if (operand.step === "strided") {
    f.get(operand.pointer).get(operand.stride!).i32(elements).op("i32.mul").op("i32.add").set(operand.pointer);
  }
}

/** From memory's 0 or 1 to a mask, from float16's bits to float32. */
function inRegister(e: Terms, x: Term, dtype: DType): Term {
  if (dtype === "bool") return e.op("i32x4.ne", x, e.whole(0));
  if (dtype !== "float16") return x;
  const s = e.single;
  const bits = e.keep(x);
  const magnitude = e.keep(e.shift("i32x4.shl", e.op("v128.and", bits, e.whole(0x7fff)), 13));
  const special = e.op("v128.or", magnitude, e.whole(0x7f800000));
  const value = e.select(e.op("i32x4.ge_s", magnitude, e.whole(0x7c00 << 13)), special, s.mul(magnitude, s.number(2 ** 112)));
  return e.op("v128.or", value, e.shift("i32x4.shl", e.op("v128.and", bits, e.whole(0x8000)), 16));
}

/** The reverse; float16 numbers, which are exact in float32, are packed into the low half. */
function inMemory(e: Terms, value: Term, dtype: DType): Term {
  if (dtype === "bool") return e.op("v128.and", value, e.whole(1));
  if (dtype !== "float16") return value;
  const s = e.single;
  const x = e.keep(value);
  const magnitude = e.keep(s.abs(x));
  const quiet = e.op("v128.or", e.whole(0x7c00), e.op("v128.and", s.ne(x, x), e.whole(0x200)));
  const finite = e.shift("i32x4.shr_u", s.mul(magnitude, s.number(2 ** -112)), 13);
  const bits = e.select(s.lt(magnitude, s.number(Infinity)), finite, quiet);
  const signed = e.keep(e.op("v128.or", bits, e.op("v128.and", e.shift("i32x4.shr_u", x, 16), e.whole(0x8000))));
  return e.op("i16x8.narrow_i32x4_u", signed, signed);
}
