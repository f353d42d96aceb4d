/**
 * Weights computed from other parameters: weight norm and spectral norm.
 *
 * @module
 */
import { checkOptions, kindOf } from "../tensor/arguments.ts";
import { noGrad } from "../autograd/tape.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { type Generator, randn } from "../tensor/random.ts";
import { tidy } from "../tensor/scope.ts";
import { normalizeDim } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { ConvTranspose } from "./conv_transpose.ts";
import { buffer, type Layer, Module, parameter } from "./module.ts";

/** Options of {@link weightNorm}. */
export interface WeightNormOptions {
  /** The field of the weight. Default "weight". */
  readonly name?: string;
  /** The dim that keeps a length of its own; null for one length in all. Default 0. */
  readonly dim?: number | null;
}

/**
 * Gives a layer's weight as length times direction, w = g v / |v|: the parameters are then weight_g and weight_v. Make optimizers after it.
 *
 * @returns The same layer.
 * @throws ArgumentError when the layer has no such weight. Source: Salimans and Kingma 2016.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Linear, weightNorm } from "./mod.ts";
 *
 * const layer = weightNorm(new Linear(3, 2, { bias: false }));
 * assertEquals([...layer.namedParameters()].map(([name, { shape }]) => [name, shape]), [["weight_g", [2, 1]], ["weight_v", [2, 3]]]);
 * ```
 */
export function weightNorm<Part extends Layer>(layer: Part, options: WeightNormOptions = {}): Part {
  const { name = "weight", dim = 0 } = checkOptions(options, "weightNorm", ["name", "dim"]);
  const weight = takeOut(layer, name, "weightNorm");
  const own = dim === null ? null : normalizeDim(dim, weight.rank, "weightNorm");
  const others = weight.shape.flatMap((_, at) => at === own ? [] : [at]);
  const lengthOf = (part: Tensor) => part.norm(others, { keepDim: own !== null });
  Reflect.set(layer, `${name}G`, parameter(noGrad(() => tidy(() => lengthOf(weight)))));
  Reflect.set(layer, `${name}V`, weight);
  return computeBefore(layer, name, () => {
    const [length, direction] = [fieldOf(layer, `${name}G`), fieldOf(layer, `${name}V`)];
    return direction.mul(length.div(lengthOf(direction)));
  });
}

/** Options of {@link spectralNorm}. */
export interface SpectralNormOptions {
  /** The field of the weight. Default "weight". */
  readonly name?: string;
  /** The dim of the matrix's rows; the others are its columns. Default: that of what comes out, 1 for a transposed convolution, else 0. */
  readonly dim?: number;
  /** How many power iterations each training step takes. Default 1. */
  readonly iterations?: number;
  /** The least length that vectors are divided by. Default 1e-12. */
  readonly eps?: number;
  /** Where the first vectors come from. Default: the default generator. */
  readonly generator?: Generator;
}

/**
 * Divides a layer's weight by its greatest singular value, as power iteration finds it: the parameter is then weight_orig, with buffers
 * weight_u and weight_v. Make optimizers after it.
 *
 * @returns The same layer.
 * @throws ArgumentError when the layer has no such weight, or for iterations that are no positive whole number. Source: Miyato et al. 2018.
 */
export function spectralNorm<Part extends Layer>(layer: Part, options: SpectralNormOptions = {}): Part {
  checkOptions(options, "spectralNorm", ["name", "dim", "iterations", "eps", "generator"]);
  const { name = "weight", iterations = 1, eps = 1e-12, generator } = options;
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new ArgumentError(`Cannot spectralNorm: positive whole iterations are needed, got ${iterations}`);
  }
  const weight = takeOut(layer, name, "spectralNorm");
  const dim = normalizeDim(options.dim ?? (layer instanceof ConvTranspose ? 1 : 0), weight.rank, "spectralNorm");
  const order = [dim, ...weight.shape.flatMap((_, at) => at === dim ? [] : [at])];
  const asMatrix = (w: Tensor) => w.permute(order).reshape([w.shape[dim]!, -1]);
  const unit = (v: Tensor) => v.div(v.norm().clamp({ min: eps }));
  const draw = (size: number) =>
    buffer(
      noGrad(() =>
        tidy(() => unit(randn([size], { dtype: weight.dtype, device: weight.device, ...(generator === undefined ? {} : { generator }) })))
      ),
    );
  const rows = weight.shape[dim]!;
  Reflect.set(layer, `${name}Orig`, weight);
  Reflect.set(layer, `${name}U`, draw(rows));
  Reflect.set(layer, `${name}V`, draw(weight.size / rows));
  return computeBefore(layer, name, () => {
    const original = fieldOf(layer, `${name}Orig`);
    const matrix = asMatrix(original);
    const [left, right] = [fieldOf(layer, `${name}U`), fieldOf(layer, `${name}V`)];
    if (layer.training) {
      noGrad(() => {
        for (let n = 0; n < iterations; n++) {
          right.copy_(unit(matrix.mT.matmul(left)));
          left.copy_(unit(matrix.matmul(right)));
        }
      });
    }
    // Copies: backward needs these vectors, and the next step changes the buffers in place.
    const [u, v] = noGrad(() => [left.clone(), right.clone()]) as [Tensor, Tensor];
    return original.div(u.mul(matrix.matmul(v)).sum());
  });
}

function takeOut(layer: Layer, name: string, op: string): Tensor {
  if (!(layer instanceof Module)) throw new ArgumentError(`Cannot ${op}: a layer is needed, got ${kindOf(layer)}`);
  const weight = fieldOf(layer, name);
  if (!(weight instanceof Tensor) || weight.rank < 2) {
    throw new ArgumentError(`Cannot ${op} ${layer.constructor.name}: a field ${name} with a tensor of at least two dims is needed`);
  }
  Reflect.deleteProperty(layer, name);
  return weight;
}

function fieldOf(layer: Layer, name: string): Tensor {
  return Reflect.get(layer, name) as Tensor;
}

/** The field holds a weight only while the layer runs, so that it is no part of the layer's state. */
function computeBefore<Part extends Layer>(layer: Part, name: string, compute: () => Tensor): Part {
  const forward = layer.forward.bind(layer);
  layer.forward = (x: Tensor) =>
    tidy(() => {
      Reflect.set(layer, name, compute());
      try {
        return forward(x);
      } finally {
        Reflect.deleteProperty(layer, name);
      }
    });
  return layer;
}
