/**
 * Instructions that every product's loops share.
 *
 * @module
 */
import { detectRelaxedSimd, type FunctionBuilder, type Local } from "./encoder.ts";

/** Emits c += a·b, fused where the engine can; the choice is the engine's alone, so that equal inputs give equal results. */
export function emitMultiplyAdd(fn: FunctionBuilder, a: Local, b: Local, c: Local): void {
  if (detectRelaxedSimd()) fn.get(a).get(b).get(c).op("f32x4.relaxed_madd").set(c);
  else fn.get(a).get(b).op("f32x4.mul").get(c).op("f32x4.add").set(c);
}

/** Emits `for (counter = count; counter > 0; counter -= step) body`, where count is on the stack and a multiple of step. */
export function emitCountdown(fn: FunctionBuilder, counter: Local, step: number, body: () => void): void {
  fn.set(counter);
  fn.block((done) => {
    fn.get(counter).op("i32.eqz").branchIf(done);
    fn.loop((next) => {
      body();
      fn.get(counter).i32(step).op("i32.sub").tee(counter).branchIf(next);
    });
  });
}
