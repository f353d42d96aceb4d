/**
 * Samples of views, copies, joins, indexing, sorting and random numbers.
 *
 * @module
 */
import { bernoulli, cat, Generator, rand, randint, stack, type Tensor } from "../../../tensor/mod.ts";
import type * as dropping from "../../../tensor/ops/dropout.ts";
import { dropout } from "../../../tensor/ops/dropout.ts";
import type * as indexing from "../../../tensor/ops/index.ts";
import type * as random from "../../../tensor/ops/random.ts";
import type * as shaping from "../../../tensor/ops/shape.ts";
import { apply } from "../../../tensor/tensor.ts";
import { given, type OpsOf, real, type Sample, type Samples, truth, whole } from "../sample.ts";

function of(shape: readonly number[], run: (x: Tensor) => Tensor | readonly Tensor[]): Sample {
  return { inputs: [real(shape)], run };
}

const pads: Sample[] = [
  of([2, 3], (x) => x.pad([1, 2])),
  of([2, 3], (x) => x.pad([0, 1, 2, 0], { value: 1.5 })),
  of([3, 4], (x) => x.pad([-1, 1, 0, -2])),
  of([0, 2], (x) => x.pad([0, 0, 1, 1], { value: -1 })),
];

export const shapeSamples: Samples<OpsOf<typeof shaping>> = {
  castTo: [
    // In float64 a difference quotient sees the rounding.
    { inputs: [real([2, 3])], run: (x) => x.to("float16").to(x.dtype), only: "float32" },
    { inputs: [given([5], [0, 2.7, -2.7, 1, -0.5])], run: (x) => [x.to("int32"), x.to("bool")], order: 0 },
    { inputs: [truth([4])], run: (x) => [x.to("float32"), x.to("int32")], order: 0 },
  ],
  copy: [of([2, 3], (x) => x.clone()), of([], (x) => x.clone()), of([2, 0], (x) => x.clone())],
  alias: [of([2, 3], (x) => x.alias())],
  permute: [of([2, 3, 2], (x) => x.permute([2, 0, 1])), of([], (x) => x.permute([])), of([2, 0, 3], (x) => x.permute([1, 2, 0]))],
  expand: [
    of([1, 3], (x) => x.expand([2, 3])),
    of([3], (x) => x.expand([2, 2, -1])),
    of([], (x) => x.expand([2, 2])),
    of([1, 2], (x) => x.expand([0, 2])),
  ],
  reshapeView: [
    of([2, 3], (x) => x.reshape([3, -1])),
    of([2, 3], (x) => x.mT.reshape([6])),
    of([], (x) => x.reshape([1, 1])),
    of([0, 3], (x) => x.reshape([3, 0])),
  ],
  slice: [
    of([5], (x) => x.slice(0, { start: 1, end: 4 })),
    of([5, 2], (x) => x.slice(0, { step: 2 })),
    of([2, 5], (x) => x.slice(-1, { start: -1, step: -2 })),
    of([4], (x) => x.slice(0, { start: 3, end: 1 })),
  ],
  place: pads,
  cat: [
    { inputs: [real([2, 3]), real([1, 3], { seed: 1 })], run: (a, b) => cat([a, b!]) },
    { inputs: [real([2, 2]), real([2, 1], { seed: 1 }), real([2, 0])], run: (a, b, c) => cat([a, b!, c!], { dim: -1 }) },
  ],
};

const indices = whole([2, 3], [0, 1, 1, 1, 0, 0]);

const gathers: Sample[] = [
  { inputs: [real([2, 4]), indices], run: (x, index) => x.gather(1, index!) },
  { inputs: [real([3, 3]), indices], run: (x, index) => x.gather(0, index!) },
  { inputs: [real([3]), whole([0], [])], run: (x, index) => x.gather(0, index!) },
];

const scatterAdds: Sample[] = [
  { inputs: [real([2, 4]), indices, real([2, 3], { seed: 1 })], run: (x, index, src) => x.scatterAdd(1, index!, src!) },
  { inputs: [real([3, 3]), indices, real([3, 4], { seed: 1 })], run: (x, index, src) => x.scatterAdd(0, index!, src!) },
  { inputs: [real([3]), whole([0], []), real([0])], run: (x, index, src) => x.scatterAdd(0, index!, src!) },
];

const sorts: Sample[] = [
  of([2, 5], (x) => Object.values(x.sort())),
  of([4, 2], (x) => Object.values(x.sort(0, { descending: true }))),
  { inputs: [given([6], [1, 0, 1, 0, 2, 1])], run: (x) => Object.values(x.sort()), order: 0 },
  { inputs: [given([4], [2, NaN, -1, NaN])], run: (x) => Object.values(x.sort(0, { descending: true })), order: 0 },
  of([], (x) => x.sort().values),
  of([3, 0], (x) => Object.values(x.sort())),
];

export const indexSamples: Samples<OpsOf<typeof indexing>> = {
  gather: gathers,
  scatter: [
    {
      inputs: [real([2, 4]), whole([2, 2], [0, 3, 2, 1]), real([2, 2], { seed: 1 })],
      run: (x, index, src) => x.scatter(1, { index: index!, src: src! }),
    },
    ...scatterAdds,
    ...(["sum", "prod", "max", "min", "mean"] as const).map((combine): Sample => ({
      inputs: [real([3, 3]), indices, real([3, 4], { seed: 1 })],
      run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine, includeSelf: false }),
    })),
    {
      inputs: [real([3, 3]), indices, real([3, 4], { seed: 1 })],
      run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine: "mean" }),
    },
    {
      inputs: [whole([3], [5, -7, 9]), whole([3], [1, 1, 2]), whole([3], [-4, 2, 8])],
      run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine: "mean" }),
      order: 0,
    },
  ],
  scatterReduce: [
    ...(["prod", "max", "min"] as const).flatMap((combine): Sample[] => [
      {
        inputs: [given([4], [1, 2, 3, 4]), whole([5], [0, 2, 2, 0, 3]), given([5], [5, -1, 2, 3, 4.5])],
        run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine }),
      },
      {
        inputs: [real([3, 3]), indices, real([3, 4], { seed: 1 })],
        run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine }),
      },
    ]),
    {
      inputs: [given([4], [0, 2, 0, 4]), whole([5], [0, 2, 2, 1, 3]), given([5], [0, -1, 2, 0, 3])],
      run: (x, index, src) => x.scatter(0, { index: index!, src: src!, combine: "prod" }),
      order: 1,
    },
  ],
  cumsum: [
    of([2, 4], (x) => x.cumsum(-1)),
    of([3, 2], (x) => x.cumsum(0)),
    of([], (x) => x.cumsum(0)),
    of([2, 0], (x) => x.cumsum(1)),
    { inputs: [truth([5])], run: (x) => x.cumsum(0), order: 0 },
  ],
  sort: sorts,
};

export const randomSamples: Samples<OpsOf<typeof random>> = {
  uniform: [{ inputs: [real([3, 5])], run: (x) => rand(x.shape, { device: x.device, generator: new Generator(3) }), order: 0 }],
  bernoulli: [{
    inputs: [real([40])],
    run: (x) => bernoulli(x.shape, { probability: 0.3, device: x.device, generator: new Generator(4) }),
    order: 0,
  }],
  integers: [{
    inputs: [real([40])],
    run: (x) => randint(-5, 17, { shape: x.shape, device: x.device, generator: new Generator(5) }),
    order: 0,
  }],
};

/** The mask is drawn from a key that stays, so that it is a function like others. */
function drop(x: Tensor, probability: number): Tensor {
  return apply(dropout, [x], { key: () => [3, 5], probability })[0]!;
}

export const dropoutSamples: Samples<OpsOf<typeof dropping>> = {
  dropout: [of([4, 5], (x) => drop(x, 0.4)), of([3], (x) => drop(x, 1)), of([], (x) => drop(x, 0)), of([0, 2], (x) => drop(x, 0.5))],
};

/** Methods and functions composed of views, joins and indexing. */
export type ShapeMethod =
  | "reshape"
  | "flatten"
  | "transpose"
  | "squeeze"
  | "unsqueeze"
  | "narrow"
  | "select"
  | "flip"
  | "split"
  | "chunk"
  | "pad"
  | "contiguous"
  | "clone"
  | "to"
  | "topk"
  | "scatterAdd"
  | "indexSelect"
  | "oneHot"
  | "sumTo"
  | "newZeros"
  | "newFull"
  | "zerosLike"
  | "onesLike"
  | "stack";

export const shapeMethodSamples: Samples<ShapeMethod> = {
  reshape: shapeSamples.reshapeView,
  flatten: [of([2, 3, 2], (x) => x.flatten()), of([2, 3, 2], (x) => x.flatten(1)), of([], (x) => x.flatten())],
  transpose: [of([2, 3, 2], (x) => x.transpose(0, -1)), of([2, 3], (x) => x.mT)],
  squeeze: [of([1, 3, 1], (x) => x.squeeze()), of([1, 3, 1], (x) => x.squeeze(0)), of([2, 3], (x) => x.squeeze(0))],
  unsqueeze: [of([3], (x) => x.unsqueeze(0)), of([3], (x) => x.unsqueeze(-1)), of([], (x) => x.unsqueeze(0))],
  narrow: [of([4, 2], (x) => x.narrow(0, { start: 1, length: 2 })), of([4], (x) => x.narrow(0, { start: -2, length: 0 }))],
  select: [of([3, 2], (x) => x.select(0, -1)), of([3], (x) => x.select(0, 1))],
  flip: [of([2, 3], (x) => x.flip()), of([2, 3], (x) => x.flip(1)), of([0, 3], (x) => x.flip())],
  split: [of([5, 2], (x) => x.split(2)), of([2, 4], (x) => x.split([1, 3], { dim: 1 }))],
  chunk: [of([5], (x) => x.chunk(2)), of([2, 3], (x) => x.chunk(5, { dim: -1 }))],
  pad: pads,
  contiguous: [of([2, 3], (x) => x.mT.contiguous())],
  clone: shapeSamples.copy,
  to: shapeSamples.castTo,
  topk: [
    of([2, 5], (x) => Object.values(x.topk(2))),
    of([4, 2], (x) => Object.values(x.topk(3, { dim: 0, largest: false }))),
    of([3], (x) => x.topk(0).values),
  ],
  scatterAdd: scatterAdds,
  indexSelect: [
    { inputs: [real([3, 2]), whole([4], [2, 0, 2, 1])], run: (x, index) => x.indexSelect(0, index!) },
    { inputs: [real([2, 3]), whole([2], [1, 1])], run: (x, index) => x.indexSelect(1, index!) },
  ],
  oneHot: [{ inputs: [whole([2, 2], [0, 3, 1, 1])], run: (x) => x.oneHot(4), order: 0 }],
  sumTo: [of([2, 3], (x) => x.sumTo([3])), of([2, 3], (x) => x.sumTo([2, 1])), of([2, 3], (x) => x.sumTo([]))],
  newZeros: [{ inputs: [real([2])], run: (x) => x.newZeros([3, 1]), order: 0 }],
  newFull: [{ inputs: [real([2])], run: (x) => x.newFull([2], 7, "int32"), order: 0 }],
  zerosLike: [{ inputs: [real([2, 2])], run: (x) => x.zerosLike(), order: 0 }],
  onesLike: [{ inputs: [real([0, 2])], run: (x) => x.onesLike(), order: 0 }],
  stack: [
    { inputs: [real([2, 3]), real([2, 3], { seed: 1 })], run: (a, b) => stack([a, b!]) },
    { inputs: [real([3]), real([3], { seed: 1 })], run: (a, b) => stack([a, b!], { dim: -1 }) },
  ],
};
