/**
 * Made-up points in classes, for tests, examples and pictures.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { InMemoryDataset } from "./dataset.ts";
import { HostRandom } from "./random.ts";
import { checkCount } from "./samplers.ts";

/** Separates the random streams of the generators from each other. */
const streams = { blobs: 21, moons: 22, spirals: 23 } as const;

/** The blobs to make. */
export interface BlobsOptions {
  /** How many points in all; sample i belongs to class i modulo `classes`. */
  readonly samples: number;
  /** How many classes. Default 3. */
  readonly classes?: number;
  /** How many coordinates a point has. Default 2. */
  readonly features?: number;
  /** The standard deviation of a blob; their centres lie in [-10, 10]. Default 1. */
  readonly spread?: number;
  /** Names the random numbers. Default 0. */
  readonly seed?: number;
}

/**
 * Gaussian blobs: each class is a normal distribution around a random centre.
 *
 * @throws ArgumentError for counts that are not whole or positive, or a negative spread.
 */
export function blobs(options: BlobsOptions): InMemoryDataset {
  checkOptions(options, "blobs", ["samples", "classes", "features", "spread", "seed"]);
  const { samples, classes = 3, features = 2, spread = 1, seed = 0 } = options;
  checkCount("make blobs", "features", features, 1);
  const random = new HostRandom(seed, streams.blobs);
  checkPoints("make blobs", samples, classes, spread);
  const centres = Float64Array.from({ length: classes * features }, () => random.uniform(-10, 10));
  return points(samples, classes, features, (label, into, at) => {
    for (let i = 0; i < features; i++) into[at + i] = random.normal(centres[label * features + i]!, spread);
  });
}

/** The moons to make. */
export interface MoonsOptions {
  /** How many points in all, half of them in each moon. */
  readonly samples: number;
  /** The standard deviation of the noise added to each coordinate. Default 0.1. */
  readonly noise?: number;
  /** Names the random numbers. Default 0. */
  readonly seed?: number;
}

/**
 * Two interleaved half circles of radius 1 in the plane: (cos a, sin a) and (1 - cos a, 1/2 - sin a), a evenly random in [0, π].
 *
 * @throws ArgumentError for a count that is not whole or negative noise.
 */
export function moons(options: MoonsOptions): InMemoryDataset {
  const { samples, noise = 0.1, seed = 0 } = checkOptions(options, "moons", ["samples", "noise", "seed"]);
  checkPoints("make moons", samples, 2, noise);
  const random = new HostRandom(seed, streams.moons);
  return points(samples, 2, 2, (label, into, at) => {
    const angle = random.uniform(0, Math.PI);
    into[at] = (label === 0 ? Math.cos(angle) : 1 - Math.cos(angle)) + random.normal(0, noise);
    into[at + 1] = (label === 0 ? Math.sin(angle) : 0.5 - Math.sin(angle)) + random.normal(0, noise);
  });
}

/** The spirals to make. */
export interface SpiralsOptions {
  /** How many points in all; sample i belongs to class i modulo `classes`. */
  readonly samples: number;
  /** How many arms. Default 3. */
  readonly classes?: number;
  /** How many times an arm winds around the origin. Default 0.75. */
  readonly turns?: number;
  /** The standard deviation of the noise added to each coordinate. Default 0.02. */
  readonly noise?: number;
  /** Names the random numbers. Default 0. */
  readonly seed?: number;
}

/**
 * Interleaved spirals in the plane: r·(cos a, sin a) with r evenly random in [0, 1] and a = 2π(turns·r + class / classes).
 *
 * @throws ArgumentError for counts that are not whole or positive, or negative noise.
 */
export function spirals(options: SpiralsOptions): InMemoryDataset {
  checkOptions(options, "spirals", ["samples", "classes", "turns", "noise", "seed"]);
  const { samples, classes = 3, turns = 0.75, noise = 0.02, seed = 0 } = options;
  checkPoints("make spirals", samples, classes, noise);
  const random = new HostRandom(seed, streams.spirals);
  return points(samples, classes, 2, (label, into, at) => {
    const radius = random.uniform();
    const angle = 2 * Math.PI * (turns * radius + label / classes);
    into[at] = radius * Math.cos(angle) + random.normal(0, noise);
    into[at + 1] = radius * Math.sin(angle) + random.normal(0, noise);
  });
}

function checkPoints(action: string, samples: number, classes: number, noise: number): void {
  checkCount(action, "number of samples", samples, 0);
  checkCount(action, "number of classes", classes, 1);
  if (!(noise >= 0 && noise < Infinity)) {
    throw new ArgumentError(`Cannot ${action}: a standard deviation that is not negative is needed, got ${noise}`);
  }
}

function points(
  samples: number,
  classes: number,
  features: number,
  draw: (label: number, into: Float32Array, at: number) => void,
): InMemoryDataset {
  const data = new Float32Array(samples * features);
  const labels = Int32Array.from({ length: samples }, (_, index) => index % classes);
  labels.forEach((label, index) => draw(label, data, index * features));
  return new InMemoryDataset({ data, labels, shape: [features], classes: Array.from({ length: classes }, (_, label) => String(label)) });
}
