/**
 * A training step run three ways: eagerly, and compiled without and with fusion.
 *
 * @module
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { compile, Generator, manualSeed, rand, read, scope, setDefaultDevice, type Tensor, tensor } from "../../../tensor/mod.ts";

/** A step that was made ready, and what it changes. */
export interface Course {
  /** Parameters and buffers. */
  readonly state: readonly Tensor[];
  step(x: Tensor, y: Tensor): { loss: Tensor };
}

/** What a course needs to start, and its batches. */
export interface Training {
  /** Makes everything that training changes, from the default generator. */
  make(): Course;
  /** The arguments of a step; they differ from step to step. */
  batch(step: number): readonly [Tensor, Tensor];
}

/** The losses of all steps and the state at the end, by how the step was run. */
export interface ThreeWays {
  readonly eager: readonly number[];
  readonly plain: readonly number[];
  readonly fused: readonly number[];
}

/** Where a course runs, and for how long. */
export interface Place {
  /** Default "cpu". */
  readonly device?: string;
  /** How many steps are compared. Default 20. */
  readonly steps?: number;
}

/** Trains three times from one seed. */
export async function threeWays(training: Training, { device = "cpu", steps = 20 }: Place = {}): Promise<ThreeWays> {
  const course = (prepare: (step: Course["step"]) => Course["step"]) => train(training, { device, steps, prepare });
  return {
    eager: await course((step) => step),
    plain: await course((step) => compile(step, { fuse: false })),
    fused: await course((step) => compile(step)),
  };
}

async function train(
  { make, batch }: Training,
  { device, steps, prepare }: Required<Place> & { prepare(step: Course["step"]): Course["step"] },
): Promise<number[]> {
  setDefaultDevice(device);
  try {
    using _ = scope();
    manualSeed(7);
    const { state, step } = make();
    const run = prepare(step);
    const losses: Tensor[] = [];
    for (let i = 0; i < steps; i++) losses.push(run(...batch(i)).loss);
    const values = await read(...losses, ...state);
    return values.flatMap((part) => [...part]);
  } finally {
    setDefaultDevice("cpu");
  }
}

/** Batches that differ from step to step: numbers of a shape, and classes in turn. */
export function batches(shape: readonly number[], classes: number): Training["batch"] {
  const count = shape[0]!;
  return (step) => [
    rand(shape, { low: -1, generator: new Generator(100 + step) }),
    tensor(Int32Array.from({ length: count }, (_, i) => (i + step) % classes)),
  ];
}

/** Plain replays give the same numbers; fused ones may round differently, by 1e-6, relative above 1. */
export function assertSame({ eager, plain, fused }: ThreeWays): void {
  assert(eager.every(Number.isFinite));
  assertEquals(plain, eager);
  assertEquals(fused.length, eager.length);
  fused.forEach((value, i) => assertLessOrEqual(Math.abs(value - eager[i]!), 1e-6 * Math.max(1, Math.abs(eager[i]!))));
}
