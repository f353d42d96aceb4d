/**
 * Activations as layers; each is also a method of a tensor.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkInputs, Module } from "./module.ts";

/** max(x, 0). */
export class ReLU extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.relu();
  }
}

/** x above 0, slope · x below. */
export class LeakyReLU extends Module {
  /** The slope below 0. */
  readonly slope: number;

  /** Makes the layer with a slope below 0, default 0.01. */
  constructor(options: { readonly slope?: number } = {}) {
    super();
    const { slope = 0.01 } = checkOptions(options, "make LeakyReLU", ["slope"]);
    this.slope = slope;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.leakyRelu(this.slope);
  }
}

/** x above 0, alpha (e^x - 1) below. */
export class ELU extends Module {
  /** The limit towards minus infinity, negated. */
  readonly alpha: number;

  /** Makes the layer, alpha default 1. */
  constructor(options: { readonly alpha?: number } = {}) {
    super();
    const { alpha = 1 } = checkOptions(options, "make ELU", ["alpha"]);
    this.alpha = alpha;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.elu(this.alpha);
  }
}

/** x Φ(x), exact or in the form with tanh. Source: Hendrycks and Gimpel 2016. */
export class GELU extends Module {
  /** "none" for the error function, "tanh" for the cheaper form. */
  readonly approximate: "none" | "tanh";

  /** Makes the layer, exact unless told. */
  constructor(options: { readonly approximate?: "none" | "tanh" } = {}) {
    super();
    const { approximate = "none" } = checkOptions(options, "make GELU", ["approximate"]);
    this.approximate = approximate;
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.gelu({ approximate: this.approximate });
  }
}

/** x · sigmoid(x). */
export class SiLU extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.silu();
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.tanh();
  }
}

/** 1 / (1 + e^-x). */
export class Sigmoid extends Module {
  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.sigmoid();
  }
}

/** log(1 + e^(beta x)) / beta, and x itself where beta x > threshold. */
export class Softplus extends Module {
  /** How sharp the bend is, and from where it is linear. */
  readonly options: { readonly beta?: number; readonly threshold?: number };

  /** Makes the layer, beta default 1, threshold default 20. */
  constructor(options: { readonly beta?: number; readonly threshold?: number } = {}) {
    super();
    this.options = checkOptions(options, "make Softplus", ["beta", "threshold"]);
  }

  /** Elementwise. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.softplus(this.options);
  }
}

/** exp(x) / Σ exp(x) along one dim. */
export class Softmax extends Module {
  /** The dim that sums to 1. */
  readonly dim: number;

  /** Makes the layer for a dim, default the last. */
  constructor(options: { readonly dim?: number } = {}) {
    super();
    const { dim = -1 } = checkOptions(options, "make Softmax", ["dim"]);
    this.dim = dim;
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.softmax(this.dim);
  }
}

/** x - log Σ exp(x) along one dim. */
export class LogSoftmax extends Module {
  /** The dim whose exponentials sum to 1. */
  readonly dim: number;

  /** Makes the layer for a dim, default the last. */
  constructor(options: { readonly dim?: number } = {}) {
    super();
    const { dim = -1 } = checkOptions(options, "make LogSoftmax", ["dim"]);
    this.dim = dim;
  }

  /** Same shape. */
  override forward(x: Tensor): Tensor {
    checkInputs(this, { x });
    return x.logSoftmax(this.dim);
  }
}
