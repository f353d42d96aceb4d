/**
 * Samples of matrix products, convolution, pooling and pairs.
 *
 * @module
 */
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  linear,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  pairLogSumExp,
  type Tensor,
} from "../../../tensor/mod.ts";
import type * as functions from "../../../tensor/functions.ts";
import type * as pooling from "../../../tensor/pooling.ts";
import type * as products from "../../../tensor/ops/matmul.ts";
import type * as pairs from "../../../tensor/ops/pairs.ts";
import { type OpsOf, real, type Sample, type Samples, type TensorFunctionsOf, whole } from "../sample.ts";
import { rowSamples } from "./reductions.ts";

function matmul(a: readonly number[], b: readonly number[]): Sample {
  return { inputs: [real(a), real(b, { seed: 1 })], run: (x, y) => x.matmul(y!) };
}

function conv2dSample(x: readonly number[], weight: readonly number[], options: ConvOptions = {}): Sample {
  const inputs = [real(x), real(weight, { seed: 1 }), real([weight[0]!], { seed: 2 })];
  return { inputs, run: (input, kernel, bias) => conv2d(input, kernel!, { ...options, bias: bias! }) };
}

const convolutions: Sample[] = [
  conv2dSample([1, 2, 4, 4], [2, 2, 3, 3], { padding: 1 }),
  conv2dSample([2, 2, 5, 4], [2, 1, 3, 2], { stride: [2, 1], padding: [1, 0], groups: 2 }),
  conv2dSample([1, 1, 5, 5], [2, 1, 2, 2], { dilation: 2 }),
  conv2dSample([1, 3, 3, 3], [2, 3, 1, 1]),
  { inputs: [real([1, 2, 4, 4]), real([2, 2, 2, 2], { seed: 1 })], run: (x, weight) => conv2d(x, weight!, { stride: 3 }) },
  conv2dSample([0, 1, 3, 3], [2, 1, 2, 2]),
];

const linears: Sample[] = [
  {
    inputs: [real([3, 4]), real([2, 4], { seed: 1 }), real([2], { seed: 2 })],
    run: (x, weight, bias) => linear(x, weight!, { bias: bias! }),
  },
  {
    inputs: [real([2, 2, 3]), real([2, 3], { seed: 1 }), real([2], { seed: 2 })],
    run: (x, weight, bias) => linear(x, weight!, { bias: bias! }),
  },
  { inputs: [real([3, 4]), real([2, 4], { seed: 1 })], run: (x, weight) => linear(x, weight!) },
  { inputs: [real([4]), real([2, 4], { seed: 1 }), real([2])], run: (x, weight, bias) => linear(x, weight!, { bias: bias! }) },
];

const maxPools: Sample[] = [
  { inputs: [real([1, 2, 4, 4])], run: (x) => maxPool2d(x, 2) },
  { inputs: [real([2, 1, 5, 6])], run: (x) => maxPool2d(x, 3, { stride: 2, padding: 1 }) },
  { inputs: [real([1, 1, 5, 5])], run: (x) => maxPool2d(x, 2, { ceilMode: true }) },
  { inputs: [real([1, 1, 5, 5])], run: (x) => maxPool2d(x, [2, 3], { stride: [1, 2], dilation: [2, 1] }) },
  { inputs: [real([0, 1, 4, 4])], run: (x) => maxPool2d(x, 2) },
];

const avgPools: Sample[] = [
  { inputs: [real([1, 2, 4, 4])], run: (x) => avgPool2d(x, 2) },
  { inputs: [real([2, 1, 5, 6])], run: (x) => avgPool2d(x, 3, { stride: 2, padding: 1 }) },
  { inputs: [real([1, 1, 5, 5])], run: (x) => avgPool2d(x, 3, { stride: 2, padding: 1, countIncludePad: false }) },
  { inputs: [real([1, 1, 5, 5])], run: (x) => avgPool2d(x, 2, { ceilMode: true }) },
];

const transposed: Sample[] = [
  { inputs: [real([1, 2, 3, 3]), real([2, 3, 2, 2], { seed: 1 })], run: (x, weight) => convTranspose2d(x, weight!, { stride: 2 }) },
  {
    inputs: [real([2, 2, 3, 2]), real([2, 1, 3, 3], { seed: 1 }), real([1], { seed: 2 })],
    run: (x, weight, bias) => convTranspose2d(x, weight!, { bias: bias!, padding: 1, dilation: 2 }),
  },
];

export const productSamples: Samples<OpsOf<typeof products>> = {
  matmul: [
    matmul([2, 3], [3, 4]),
    matmul([3], [3]),
    matmul([2, 3], [3]),
    matmul([3], [3, 2]),
    matmul([2, 2, 3], [3, 2]),
    matmul([2, 2, 3], [2, 3, 2]),
    matmul([2, 1, 2, 3], [3, 3, 2]),
    matmul([2, 3], [2, 3, 2]),
    matmul([0, 3], [3, 2]),
    matmul([2, 0], [0, 3]),
    { inputs: [real([3, 2]), real([4, 3], { seed: 1 })], run: (a, b) => a.mT.matmul(b!.mT) },
  ],
  linear: linears,
  conv: convolutions,
  // The transposed convolution is this operation under a public name.
  convInput: transposed,
  maxPool: maxPools,
  avgPool: avgPools,
};

/** Streamed pairs exist in float32 only; their gradients are held against the composed definition in `pairs_test.ts`. */
export const pairSamples: Samples<OpsOf<typeof pairs>> = {
  pairLogSumExp: [
    {
      inputs: [real([4, 3]), real([5, 3], { seed: 1 })],
      run: (a, b) => pairLogSumExp(a, b!, { scale: 2 }),
      only: "float32",
    },
    {
      inputs: [real([4, 3]), real([4, 3], { seed: 1 })],
      run: (a, b) => pairLogSumExp(a, b!, { scale: 2, excludeDiagonal: true }),
      only: "float32",
    },
    {
      inputs: [real([3, 2]), real([4, 2], { seed: 1 }), whole([3], [0, 1, 1]), whole([4], [1, 0, 1, 0])],
      run: (a, b, rows, columns) => pairLogSumExp(a, b!, { scale: 1, labels: [rows!, columns!] }),
      only: "float32",
    },
  ],
};

export const functionSamples: Samples<TensorFunctionsOf<typeof functions> | TensorFunctionsOf<typeof pooling>> = {
  linear: linears,
  conv1d: [
    { inputs: [real([1, 2, 5]), real([2, 2, 4], { seed: 1 })], run: (x, weight) => conv1d(x, weight!, { padding: "same", dilation: 3 }) },
    { inputs: [real([1, 2, 5]), real([2, 2, 4], { seed: 1 })], run: (x, weight) => conv1d(x, weight!, { padding: "valid" }) },
    { inputs: [real([2, 2, 5]), real([3, 2, 3], { seed: 1 })], run: (x, weight) => conv1d(x, weight!, { padding: 1 }) },
    {
      inputs: [real([1, 4, 6]), real([2, 2, 2], { seed: 1 }), real([2], { seed: 2 })],
      run: (x, weight, bias) => conv1d(x, weight!, { bias: bias!, stride: 2, dilation: 2, groups: 2 }),
    },
  ],
  conv2d: convolutions,
  convTranspose1d: [
    { inputs: [real([2, 2, 4]), real([2, 3, 3], { seed: 1 })], run: (x, weight) => convTranspose1d(x, weight!, { padding: 1 }) },
    {
      inputs: [real([1, 4, 3]), real([4, 1, 2], { seed: 1 }), real([2], { seed: 2 })],
      run: (x, weight, bias) => convTranspose1d(x, weight!, { bias: bias!, stride: 2, outputPadding: 1, groups: 2 }),
    },
  ],
  convTranspose2d: transposed,
  conv3d: [
    {
      inputs: [real([1, 2, 3, 3, 2]), real([2, 2, 2, 2, 2], { seed: 1 }), real([2], { seed: 2 })],
      run: (x, weight, bias) => conv3d(x, weight!, { bias: bias!, padding: 1, stride: [2, 1, 2] }),
    },
    {
      inputs: [real([2, 2, 4, 2, 3]), real([2, 1, 2, 1, 2], { seed: 1 })],
      run: (x, weight) => conv3d(x, weight!, { dilation: [3, 1, 2], groups: 2 }),
    },
    { inputs: [real([0, 1, 2, 2, 2]), real([1, 1, 1, 2, 2], { seed: 1 })], run: (x, weight) => conv3d(x, weight!) },
  ],
  convTranspose3d: [
    {
      inputs: [real([1, 2, 2, 2, 2]), real([2, 1, 3, 2, 1], { seed: 1 }), real([1], { seed: 2 })],
      run: (x, weight, bias) =>
        convTranspose3d(x, weight!, { bias: bias!, stride: [2, 1, 2], padding: [1, 0, 0], outputPadding: [1, 0, 1] }),
    },
    {
      inputs: [real([2, 2, 2, 1, 2]), real([2, 1, 2, 2, 2], { seed: 1 })],
      run: (x, weight) => convTranspose3d(x, weight!, { dilation: [2, 1, 1], groups: 2 }),
    },
  ],
  maxPool1d: [{ inputs: [real([2, 2, 7])], run: (x) => maxPool1d(x, 3, { stride: 2, padding: 1 }) }],
  maxPool2d: maxPools,
  maxPool3d: [
    { inputs: [real([1, 2, 4, 4, 2])], run: (x) => maxPool3d(x, 2) },
    {
      inputs: [real([2, 1, 4, 3, 5])],
      run: (x) => maxPool3d(x, [2, 2, 3], { stride: [1, 2, 2], padding: [1, 0, 1], dilation: [2, 1, 1], ceilMode: true }),
    },
    { inputs: [real([0, 1, 2, 2, 2])], run: (x) => maxPool3d(x, 2) },
  ],
  maxUnpool1d: [
    { inputs: [real([1, 2, 2]), whole([1, 2, 2], [3, 1, 0, 2])], run: (x, at) => maxUnpool1d(x, 2, { indices: at! }) },
  ],
  maxUnpool2d: [
    {
      inputs: [real([2, 1, 2, 2]), whole([2, 1, 2, 2], [1, 3, 8, 14, 5, 2, 12, 11])],
      run: (x, at) => maxUnpool2d(x, 2, { indices: at!, outputSize: [4, 5] }),
    },
    {
      inputs: [real([1, 1, 2, 3]), whole([1, 1, 2, 3], [0, 5, 2, 7, 11, 9])],
      run: (x, at) => maxUnpool2d(x, [3, 2], { indices: at!, stride: [2, 1], padding: [1, 0], outputSize: [3, 4] }),
    },
  ],
  maxUnpool3d: [
    { inputs: [real([1, 1, 1, 2, 1]), whole([1, 1, 1, 2, 1], [13, 6])], run: (x, at) => maxUnpool3d(x, 2, { indices: at! }) },
  ],
  avgPool1d: [{ inputs: [real([2, 2, 7])], run: (x) => avgPool1d(x, 3, { stride: 2, padding: 1 }) }],
  avgPool2d: avgPools,
  avgPool3d: [
    { inputs: [real([1, 1, 3, 2, 3])], run: (x) => avgPool3d(x, 2, { divisorOverride: 3, ceilMode: true }) },
    { inputs: [real([1, 2, 4, 4, 2])], run: (x) => avgPool3d(x, 2) },
    {
      inputs: [real([2, 1, 4, 3, 5])],
      run: (x) => avgPool3d(x, [2, 2, 3], { stride: [1, 2, 2], padding: [1, 0, 1], countIncludePad: false, ceilMode: true }),
    },
  ],
  adaptiveAvgPool2d: [
    { inputs: [real([1, 2, 4, 4])], run: (x) => adaptiveAvgPool2d(x, 1) },
    { inputs: [real([1, 2, 4, 6])], run: (x) => adaptiveAvgPool2d(x, [2, 3]) },
    { inputs: [real([1, 1, 5, 4])], run: (x: Tensor) => adaptiveAvgPool2d(x, [3, 3]) },
    { inputs: [real([1, 1, 5, 3])], run: (x: Tensor) => adaptiveAvgPool2d(x, [3, null]) },
  ],
  adaptiveAvgPool1d: [{ inputs: [real([2, 1, 7])], run: (x) => adaptiveAvgPool1d(x, 3) }],
  adaptiveAvgPool3d: [
    { inputs: [real([1, 2, 4, 2, 3])], run: (x) => adaptiveAvgPool3d(x, [2, 1, 3]) },
    { inputs: [real([1, 2, 4, 3, 5])], run: (x) => adaptiveAvgPool3d(x, [3, 2, 4]) },
  ],
  adaptiveMaxPool1d: [{ inputs: [real([2, 1, 7])], run: (x) => adaptiveMaxPool1d(x, 3) }],
  adaptiveMaxPool2d: [
    { inputs: [real([1, 2, 4, 6])], run: (x) => adaptiveMaxPool2d(x, [2, 3]) },
    { inputs: [real([1, 1, 5, 4])], run: (x) => adaptiveMaxPool2d(x, [3, null]) },
  ],
  adaptiveMaxPool3d: [
    { inputs: [real([1, 2, 4, 2, 3])], run: (x) => adaptiveMaxPool3d(x, [2, 1, 3]) },
    { inputs: [real([1, 1, 4, 3, 5])], run: (x) => adaptiveMaxPool3d(x, [3, 2, 4]) },
  ],
  normalize: rowSamples.normalize,
  pairLogSumExp: pairSamples.pairLogSumExp,
};
