/**
 * Windows and Fourier transforms, the latter as products with matrices of sines and cosines.
 *
 * @module
 */
import { arange, einsum, stack, type Tensor, tensor } from "../../../mod.ts";
import { dtypeOf } from "../model.ts";
import { type Call, type Operator, positive } from "./call.ts";

/** Σ_k c_k cos(2πk n / N), N the size or, not periodic, one less. */
function cosineWindow(coefficients: readonly number[]): Operator {
  return async (call) => {
    const size = await call.scalar(0) ?? call.refuse("a size is needed");
    const period = call.number("periodic", 1) === 1 ? size : size - 1;
    const dtype = call.has("output_datatype") ? dtypeOf(call.number("output_datatype")) : "float32";
    const angle = arange(size, { dtype, device: call.init.device }).mul(2 * Math.PI / period);
    return coefficients.map((c, k) => angle.mul(k).cos().mul(c)).reduce((a, b) => a.add(b));
  };
}

/** cos and sin of 2π i k / n, for the first `outputs` frequencies: [n, outputs] each, from angles reduced exactly. */
function waves(n: number, outputs: number, like: Tensor): [Tensor, Tensor] {
  const make = (wave: (angle: number) => number) =>
    tensor(
      Float64Array.from({ length: n * outputs }, (_, at) => wave(2 * Math.PI * ((Math.floor(at / outputs) * (at % outputs)) % n) / n)),
      {
        shape: [n, outputs],
        dtype: like.dtype,
        device: like.device,
      },
    );
  return [make(Math.cos), make(Math.sin)];
}

/** The transform of [..., n, 1 or 2] along the last dim but one, real and imaginary parts along the last. */
function fourier(x: Tensor, { outputs, inverse }: { outputs: number; inverse: boolean }): Tensor {
  const n = x.shape.at(-2)!;
  const [cos, sin] = waves(n, outputs, x);
  const along = (part: Tensor, wave: Tensor) => einsum("...i,ik->...k", [part, wave]);
  const re = x.select(-1, 0);
  const im = x.shape.at(-1) === 2 ? x.select(-1, 1) : re.zerosLike();
  // exp(∓ iφ) (re + i im), backwards with the other sign and divided by n.
  const turn = inverse ? sin : sin.neg();
  const parts = [along(re, cos).sub(along(im, turn)), along(im, cos).add(along(re, turn))];
  const y = stack(parts, { dim: -1 });
  return inverse ? y.div(n) : y;
}

const dft: Operator = async (call) => {
  const x = call.x();
  const axis = positive(call.number("axis", 1), x.rank);
  const length = await call.scalar(1) ?? x.shape[axis]!;
  const moved = x.transpose(axis, -2);
  const cut = moved.pad([0, 0, 0, length - moved.shape.at(-2)!]);
  const outputs = call.number("onesided", 0) === 1 ? Math.floor(length / 2) + 1 : length;
  return fourier(cut, { outputs, inverse: call.number("inverse", 0) === 1 }).transpose(axis, -2);
};

/** Frames of a signal [N, L, 1 or 2], each times the window, transformed: [N, frames, frequencies, 2]. */
const stft: Operator = async (call) => {
  const x = call.x();
  const step = await call.scalar(1) ?? call.refuse("a frame step is needed");
  const window = call.maybe(2);
  const length = await call.scalar(3) ?? window?.shape[0] ?? call.refuse("a frame length is needed");
  const frames = frameStarts(x.shape[1]!, length, step).map((start) => x.narrow(1, { start, length }));
  const framed = stack(frames, { dim: 1 });
  const weighed = window === undefined ? framed : framed.mul(window.reshape([length, 1]));
  const outputs = call.number("onesided", 1) === 1 ? Math.floor(length / 2) + 1 : length;
  return fourier(weighed, { outputs, inverse: false });
};

function frameStarts(total: number, length: number, step: number): number[] {
  return Array.from({ length: Math.floor((total - length) / step) + 1 }, (_, frame) => frame * step);
}

/** Triangles that are evenly spaced in mels over the bins of a transform, computed in whole bins as ONNX's own definition does. */
const melWeights: Operator = async (call: Call) => {
  const [bands, length, rate, low, high] = await Promise.all([0, 1, 2, 3, 4].map(async (index) => await call.scalar(index) ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const bins = Math.floor(length / 2) + 1;
  const [lowest, highest] = [mel(low), mel(high)];
  const edges = Array.from({ length: bands + 2 }, (_, band) => {
    const hertz = 700 * (10 ** ((band * (highest - lowest) / (bands + 2) + lowest) / 2595) - 1);
    return Math.floor((length + 1) * hertz / rate);
  });
  const weights = new Float64Array(bins * bands);
  for (let band = 0; band < bands; band++) {
    const [from, peak, to] = edges.slice(band, band + 3) as [number, number, number];
    if (from === peak) weights[peak * bands + band] = 1;
    for (let bin = from; bin <= peak && from !== peak; bin++) weights[bin * bands + band] = (bin - from) / (peak - from);
    for (let bin = peak; bin < to; bin++) weights[bin * bands + band] = (to - bin) / (to - peak);
  }
  return call.make(weights, [bins, bands], "float32");
};

function mel(hertz: number): number {
  return 2595 * Math.log10(1 + hertz / 700);
}

/** Operators on signals. */
export const signal: Readonly<Record<string, Operator>> = {
  BlackmanWindow: cosineWindow([0.42, -0.5, 0.08]),
  DFT: dft,
  HammingWindow: cosineWindow([25 / 46, -21 / 46]),
  HannWindow: cosineWindow([0.5, -0.5]),
  MelWeightMatrix: melWeights,
  STFT: stft,
};
