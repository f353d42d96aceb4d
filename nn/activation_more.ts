/**
 * Further activations as layers.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import {
  celu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  mish,
  prelu,
  relu6,
  selu,
  softmin,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
} from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constant } from "./init.ts";
import { checkInputs, Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** scale · (max(0, x) + min(0, α (e^x - 1))) with the constants that keep mean and variance. Source: Klambauer et al. 2017. */
export class SELU extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return selu(x);
  }
}

/** x held within 0 … 6. */
export class ReLU6 extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return relu6(x);
  }
}

/** x / 6 + 1/2 held within 0 … 1. */
export class Hardsigmoid extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

/** x times hardsigmoid of x. Source: Howard et al. 2019. */
export class Hardswish extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/** x / (1 + |x|). */
export class Softsign extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return softsign(x);
  }
}

/** x tanh(softplus(x)). Source: Misra 2019. */
export class Mish extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return mish(x);
  }
}

/** x - tanh(x). */
export class Tanhshrink extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return tanhshrink(x);
  }
}

/** log(1 / (1 + e^-x)). */
export class LogSigmoid extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.logSigmoid();
  }
}

/** max(0, x) + min(0, alpha (e^(x / alpha) - 1)). */
export class CELU extends Module {
  /** See the formula. */
  readonly alpha: number;

  /** Makes the layer, alpha default 1. */
  constructor(options: { readonly alpha?: number } = {}) {
    super();
    const { alpha = 1 } = checkOptions(options, "make CELU", ["alpha"]);
    this.alpha = alpha;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return celu(x, { alpha: this.alpha });
  }
}

/** x outside ±lambda, else 0. */
export class Hardshrink extends Module {
  /** See the formula. */
  readonly lambda: number;

  /** Makes the layer, lambda default 0.5. */
  constructor(options: { readonly lambda?: number } = {}) {
    super();
    const { lambda = 0.5 } = checkOptions(options, "make Hardshrink", ["lambda"]);
    this.lambda = lambda;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return hardshrink(x, { lambda: this.lambda });
  }
}

/** x moved by lambda towards 0, and 0 within ±lambda. */
export class Softshrink extends Module {
  /** See the formula. */
  readonly lambda: number;

  /** Makes the layer, lambda default 0.5. */
  constructor(options: { readonly lambda?: number } = {}) {
    super();
    const { lambda = 0.5 } = checkOptions(options, "make Softshrink", ["lambda"]);
    this.lambda = lambda;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return softshrink(x, { lambda: this.lambda });
  }
}

/** x held within min … max. */
export class Hardtanh extends Module {
  /** Default -1. */
  readonly min: number;
  /** Default 1. */
  readonly max: number;

  /** Makes the layer. */
  constructor(options: { readonly min?: number; readonly max?: number } = {}) {
    super();
    const { min = -1, max = 1 } = checkOptions(options, "make Hardtanh", ["min", "max"]);
    this.min = min;
    this.max = max;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return hardtanh(x, { min: this.min, max: this.max });
  }
}

/** x above a threshold, else a value. */
export class Threshold extends Module {
  /** From where x passes, and what stands below. */
  readonly options: { readonly threshold: number; readonly value: number };

  /** Makes the layer. */
  constructor(options: { readonly threshold: number; readonly value: number }) {
    super();
    this.options = checkOptions(options, "make Threshold", ["threshold", "value"]);
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    return threshold(x, this.options);
  }
}

/** softmax(-x) along one dim. */
export class Softmin extends Module {
  /** The dim that sums to 1. */
  readonly dim: number;

  /** Makes the layer for a dim, default the last. */
  constructor(options: { readonly dim?: number } = {}) {
    super();
    const { dim = -1 } = checkOptions(options, "make Softmin", ["dim"]);
    this.dim = dim;
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    return softmin(x, this.dim);
  }
}

/** a · sigmoid(b) with a and b the halves of one dim. Source: Dauphin et al. 2017. */
export class GLU extends Module {
  /** The dim that is halved. */
  readonly dim: number;

  /** Makes the layer for a dim, default the last. */
  constructor(options: { readonly dim?: number } = {}) {
    super();
    const { dim = -1 } = checkOptions(options, "make GLU", ["dim"]);
    this.dim = dim;
  }

  /** Half the size along the dim. */
  override forward(x: Tensor): Tensor {
    return glu(x, { dim: this.dim });
  }
}

/** Options of {@link PReLU}. */
export interface PReLUOptions extends LayerOptions {
  /** One slope for all channels (1, the default) or one each (dim 1). */
  readonly numParameters?: number;
  /** The slope at the start. Default 0.25. */
  readonly initial?: number;
}

/** x above 0, a learned slope · x below. Source: He et al. 2015. */
export class PReLU extends Module {
  /** [numParameters]. */
  readonly weight: Tensor;

  /** Makes the layer. */
  constructor(options: PReLUOptions = {}) {
    super();
    const { numParameters = 1, initial = 0.25 } = checkOptions(options, "make PReLU", ["numParameters", "initial", ...layerOptions]);
    checkCounts("PReLU", { numParameters });
    this.weight = parameter(constant(blank([numParameters], options), initial));
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
}
