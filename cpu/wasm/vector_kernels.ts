/**
 * The WebAssembly of matrix-vector products: the matrix is read once, in its own order, without packing.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "./encoder.ts";
import { emitCountdown, emitMultiplyAdd } from "./loops.ts";

/** Adds `dots` and `combine` to a module. */
export function emitVectorProducts(module: ModuleBuilder): void {
  emitDots(module);
  emitCombination(module);
}

type Locals = [Local, Local, Local, Local, Local, Local, Local, Local];

/**
 * `dots` (rows, row stride, vector, y, stride of y, rows count, k, accumulate): y_r = Σ_k row_r[k] · vector[k], where both are contiguous
 * along k.
 */
function emitDots(module: ModuleBuilder): void {
  const single = emitDotTile(module, 1);
  const four = emitDotTile(module, 4);
  const fn = module.function("dots", { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [a, stride, vector, y, step, count, k, accumulate] = fn.parameters as Locals;
  const pass = (tile: FunctionBuilder, rows: number): void => {
    fn.get(a).get(stride).get(vector).get(y).get(step).get(k).get(accumulate).call(tile);
    fn.get(stride).i32(rows).op("i32.mul").get(a).op("i32.add").set(a);
    fn.get(step).i32(rows).op("i32.mul").get(y).op("i32.add").set(y);
  };
  const counter = fn.local("i32");
  fn.get(count).i32(-4).op("i32.and");
  emitCountdown(fn, counter, 4, () => pass(four, 4));
  fn.get(count).i32(3).op("i32.and");
  emitCountdown(fn, counter, 1, () => pass(single, 1));
}

function emitDotTile(module: ModuleBuilder, rows: number): FunctionBuilder {
  const fn = module.function(`dot${rows}`, { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [a, stride, vector, y, step, k, accumulate] = fn.parameters as [Local, Local, Local, Local, Local, Local, Local];
  const lines = Array.from({ length: rows }, (_, row) => row === 0 ? a : fn.local("i32"));
  const sums = lines.map(() => fn.local("v128"));
  const totals = lines.map(() => fn.local("f32"));
  const other = fn.local("v128");
  const element = fn.local("v128");
  const counter = fn.local("i32");
  for (let row = 1; row < rows; row++) fn.get(lines[row - 1]!).get(stride).op("i32.add").set(lines[row]!);
  fn.get(k).i32(-4).op("i32.and");
  emitCountdown(fn, counter, 4, () => {
    fn.get(vector).load("v128.load").set(other).increment(vector, 16);
    lines.forEach((line, row) => {
      fn.get(line).load("v128.load").set(element).increment(line, 16);
      emitMultiplyAdd(fn, element, other, sums[row]!);
    });
  });
  sums.forEach((sum, row) => {
    for (let lane = 0; lane < 4; lane++) fn.get(sum).lane("f32x4.extract_lane", lane);
    fn.op("f32.add").op("f32.add").op("f32.add").set(totals[row]!);
  });
  fn.get(k).i32(3).op("i32.and");
  emitCountdown(fn, counter, 1, () => {
    lines.forEach((line, row) => {
      fn.get(line).load("f32.load").get(vector).load("f32.load").op("f32.mul").get(totals[row]!).op("f32.add").set(totals[row]!);
      fn.increment(line, 4);
    });
    fn.increment(vector, 4);
  });
  totals.forEach((total, row) => {
    fn.get(accumulate).if(() => fn.get(y).load("f32.load").get(total).op("f32.add").set(total));
    fn.get(y).get(total).store("f32.store");
    if (row < rows - 1) fn.get(y).get(step).op("i32.add").set(y);
  });
  return fn;
}

/**
 * `combine` (rows, row stride, weights, stride of weights, y, count, k, accumulate): y[i] = Σ_k weights[k] · row_k[i] for contiguous rows and y:
 * 32 elements of y at a time stay in registers.
 */
function emitCombination(module: ModuleBuilder): void {
  const tiles = [32, 4].map((width) => [width, emitCombinationTile(module, width)] as const);
  const fn = module.function("combine", { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [rows, stride, weights, step, y, count, k, accumulate] = fn.parameters as Locals;
  const counter = fn.local("i32");
  const from = fn.local("i32");
  const weight = fn.local("i32");
  const inner = fn.local("i32");
  const total = fn.local("f32");
  for (const [width, tile] of tiles) {
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(count).i32(width).op("i32.lt_s").branchIf(done);
        fn.get(rows).get(stride).get(weights).get(step).get(y).get(k).get(accumulate).call(tile);
        fn.increment(rows, width * 4).increment(y, width * 4).increment(count, -width).branch(next);
      });
    });
  }
  fn.get(count);
  emitCountdown(fn, counter, 1, () => {
    fn.get(rows).set(from).get(weights).set(weight).f32(0).set(total).get(k);
    emitCountdown(fn, inner, 1, () => {
      fn.get(from).load("f32.load").get(weight).load("f32.load").op("f32.mul").get(total).op("f32.add").set(total);
      fn.get(from).get(stride).op("i32.add").set(from).get(weight).get(step).op("i32.add").set(weight);
    });
    fn.get(accumulate).if(() => fn.get(y).load("f32.load").get(total).op("f32.add").set(total));
    fn.get(y).get(total).store("f32.store").increment(rows, 4).increment(y, 4);
  });
}

function emitCombinationTile(module: ModuleBuilder, width: number): FunctionBuilder {
  const fn = module.function(`combine${width}`, { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [rows, stride, weights, step, y, k, accumulate] = fn.parameters as [Local, Local, Local, Local, Local, Local, Local];
  const sums = Array.from({ length: width / 4 }, () => fn.local("v128"));
  const weight = fn.local("v128");
  const element = fn.local("v128");
  const counter = fn.local("i32");
  fn.get(k);
  emitCountdown(fn, counter, 1, () => {
    fn.get(weights).load("v128.load32_splat").set(weight);
    sums.forEach((sum, part) => {
      fn.get(rows).load("v128.load", part * 16).set(element);
      emitMultiplyAdd(fn, element, weight, sum);
    });
    fn.get(rows).get(stride).op("i32.add").set(rows).get(weights).get(step).op("i32.add").set(weights);
  });
  sums.forEach((sum, part) => {
    fn.get(accumulate).if(() => fn.get(y).load("v128.load", part * 16).get(sum).op("f32x4.add").set(sum));
    fn.get(y).get(sum).store("v128.store", part * 16);
  });
  return fn;
}
