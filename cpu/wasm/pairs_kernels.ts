/**
 * The WebAssembly that works on one tile of similarities: streamed log-sum-exp, and the softmax weights of the backward pass.
 *
 * @module
 */
import type { PairsKernel } from "../../tensor/kernel.ts";
import { detectRelaxedSimd, type FunctionBuilder, type Local, type ModuleBuilder, type ValueType } from "./encoder.ts";
import { emitCountdown } from "./loops.ts";
import { Terms } from "./terms.ts";
import { exp } from "./transcendental.ts";

/** Which pairs are left out. */
export type Candidates = Pick<PairsKernel, "excludeDiagonal" | "sameLabel">;

/** What both functions take first: (tile, rows, columns, row stride, factor, diagonal, labels of rows, labels of columns). */
const tileParameters: readonly ValueType[] = ["i32", "i32", "i32", "i32", "f32", "i32", "i32", "i32"];

/**
 * Adds `statistics` (…, maxima, sums), which brings each row's running maximum and sum of exp(s - maximum) up to date with a tile, and
 * `weights` (…, lse, g), which turns a tile into factor · g · exp(s - lse), 0 where a pair is left out. s is the factor times the tile, the
 * diagonal the column, counted in the tile, that belongs to the first row itself.
 */
export function emitPairs(module: ModuleBuilder, candidates: Candidates): void {
  emitStatistics(module, candidates);
  emitWeights(module, candidates);
}

function emitStatistics(module: ModuleBuilder, candidates: Candidates): void {
  const fn = module.function("statistics", { params: [...tileParameters, "i32", "i32"] });
  const walk = new TileWalk(module, fn, candidates);
  const [maxima, sums] = fn.parameters.slice(8) as [Local, Local];
  const { e } = walk;
  const best = fn.local("v128");
  const total = fn.local("v128");
  const shift = fn.local("v128");
  const greatest = fn.local("f32");
  const lowest = e.single.number(-Infinity);
  walk.rows(() => {
    fn.f32x4(-Infinity).set(best);
    walk.vectors((value, mask) => {
      e.select(e.of(mask), e.of(value), lowest).write(fn);
      fn.get(best).op("f32x4.max").set(best);
    });
    fn.get(maxima).load("f32.load");
    for (let lane = 0; lane < 4; lane++) fn.get(best).lane("f32x4.extract_lane", lane).op("f32.max");
    fn.set(greatest);
    // An infinite maximum is the answer itself; subtracting it would give NaN.
    fn.f32(0).get(greatest).get(greatest).op("f32.abs").f32(Infinity).op("f32.eq").op("select").op("f32x4.splat").set(shift);
    fn.f32x4(0).set(total);
    walk.vectors((value, mask) => {
      const power = exp(e, e.single.sub(e.of(value), e.of(shift)));
      fn.get(mask);
      power.write(fn);
      fn.op("v128.and").get(total).op("f32x4.add").set(total);
    });
    const rescale = exp(e, e.single.sub({ write: (f) => f.get(maxima).load("v128.load32_splat") }, e.of(shift)));
    fn.get(sums).get(sums).load("f32.load");
    rescale.write(fn);
    fn.lane("f32x4.extract_lane", 0).op("f32.mul");
    for (let lane = 0; lane < 4; lane++) fn.get(total).lane("f32x4.extract_lane", lane).op("f32.add");
    fn.store("f32.store").get(maxima).get(greatest).store("f32.store");
    fn.increment(maxima, 4).increment(sums, 4);
  });
}

function emitWeights(module: ModuleBuilder, candidates: Candidates): void {
  const fn = module.function("weights", { params: [...tileParameters, "i32", "i32"] });
  const walk = new TileWalk(module, fn, candidates);
  const [logSumExp, g] = fn.parameters.slice(8) as [Local, Local];
  const { e } = walk;
  const shift = fn.local("v128");
  const scale = fn.local("v128");
  walk.rows(() => {
    fn.get(logSumExp).load("v128.load32_splat").set(shift);
    fn.get(g).load("v128.load32_splat").get(walk.factor).op("f32x4.mul").set(scale);
    walk.vectors((value, mask) => {
      const weight = e.single.mul(e.of(scale), exp(e, e.single.sub(e.of(value), e.of(shift))));
      fn.get(walk.address);
      weight.write(fn);
      fn.get(mask).op("v128.and").store("v128.store");
    });
    fn.increment(logSumExp, 4).increment(g, 4);
  });
}

/** The loops over a tile, with the similarity and the mask of candidates of each vector. */
class TileWalk {
  readonly e: Terms;
  /** The factor in all lanes. */
  readonly factor: Local;
  /** The address of the current vector. */
  readonly address: Local;
  readonly #fn: FunctionBuilder;
  readonly #candidates: Candidates;
  readonly #value: Local;
  readonly #mask: Local;
  readonly #index: Local;
  readonly #limit: Local;
  readonly #counter: Local;
  readonly #label: Local;
  readonly #labelAddress: Local;
  readonly #diagonal: Local;

  constructor(module: ModuleBuilder, fn: FunctionBuilder, candidates: Candidates) {
    this.e = new Terms(module, fn, detectRelaxedSimd());
    this.#fn = fn;
    this.#candidates = candidates;
    [this.factor, this.#value, this.#mask, this.#index, this.#limit, this.#label, this.#diagonal] = Array.from(
      { length: 7 },
      () => fn.local("v128"),
    ) as [Local, Local, Local, Local, Local, Local, Local];
    [this.address, this.#counter, this.#labelAddress] = Array.from({ length: 3 }, () => fn.local("i32")) as [Local, Local, Local];
  }

  /** Emits the loop over rows. */
  rows(body: () => void): void {
    const fn = this.#fn;
    const [tile, rows, columns, stride, factor, diagonal, rowLabels] = fn.parameters as Local[] as TileLocals;
    fn.get(factor).op("f32x4.splat").set(this.factor).get(columns).op("i32x4.splat").set(this.#limit).get(rows);
    emitCountdown(fn, rows, 1, () => {
      if (this.#candidates.sameLabel) fn.get(rowLabels).load("v128.load32_splat").set(this.#label).increment(rowLabels, 4);
      if (this.#candidates.excludeDiagonal) fn.get(diagonal).op("i32x4.splat").set(this.#diagonal).increment(diagonal, 1);
      body();
      fn.get(tile).get(stride).op("i32.add").set(tile);
    });
  }

  /** Emits the loop over a row's vectors. */
  vectors(body: (value: Local, mask: Local) => void): void {
    const fn = this.#fn;
    const [tile, , columns, , , , , columnLabels] = fn.parameters as Local[] as TileLocals;
    fn.get(tile).set(this.address).get(columnLabels).set(this.#labelAddress);
    fn.v128(new Int32Array([0, 1, 2, 3])).set(this.#index);
    fn.get(columns).i32(3).op("i32.add").i32(-4).op("i32.and");
    emitCountdown(fn, this.#counter, 4, () => {
      fn.get(this.address).load("v128.load").get(this.factor).op("f32x4.mul").set(this.#value);
      fn.get(this.#index).get(this.#limit).op("i32x4.lt_s");
      if (this.#candidates.excludeDiagonal) fn.get(this.#index).get(this.#diagonal).op("i32x4.ne").op("v128.and");
      if (this.#candidates.sameLabel) {
        fn.get(this.#labelAddress).load("v128.load").get(this.#label).op("i32x4.eq").op("v128.and").increment(this.#labelAddress, 16);
      }
      fn.set(this.#mask);
      this.e.block(() => body(this.#value, this.#mask));
      fn.increment(this.address, 16).get(this.#index).get(fn.constant(new Int32Array(4).fill(4))).op("i32x4.add").set(this.#index);
    });
  }
}

type TileLocals = [Local, Local, Local, Local, Local, Local, Local, Local];
