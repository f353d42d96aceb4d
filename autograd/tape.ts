/**
 * The tape: what each differentiable operation leaves behind, and whether it is being recorded.
 *
 * @module
 */
import { checkFunction } from "../tensor/arguments.ts";
import { GradientError } from "../tensor/errors.ts";
import type { Scope, Scoped } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Where a gradient goes: output `index` of a node. */
export interface Edge {
  /** The operation that made the tensor. */
  readonly node: TapeNode;
  /** Which of its outputs the tensor is. */
  readonly index: number;
}

/** A function that sees a gradient on its way and may replace it. */
export type GradientHook = (gradient: Tensor) => Tensor | void;

/** Computes the gradients of a node's inputs from those of its outputs (undefined where none flowed). */
export type NodeVjp = (outputGradients: readonly (Tensor | undefined)[], createGraph: boolean) => readonly (Tensor | null | undefined)[];

let sequence = 0;

/** One recorded operation, or a leaf. */
export class TapeNode implements Scoped {
  /** The operation's name; "leaf" for a tensor that requires a gradient by itself. */
  readonly op: string;
  /** Where the gradient of each input goes; undefined for inputs that need none. */
  readonly inputs: readonly (Edge | undefined)[];
  /** The shape and type that the gradient of each input must have. */
  readonly inputTensors: readonly { readonly shape: readonly number[]; readonly dtype: Tensor["dtype"] }[];
  /** Creation order: an operation comes after all its inputs. */
  readonly order: number = sequence++;
  /** The tensor of a leaf. */
  readonly leaf: Tensor | undefined;
  /** Hooks per output. */
  readonly hooks: Map<number, Set<GradientHook>> = new Map();
  /** Where the operation was called, in anomaly mode. */
  readonly stack: string | undefined;
  /** The scope that frees what was saved. */
  owner: Scope | undefined = undefined;
  #vjp: NodeVjp | undefined;
  #release: (() => void) | undefined;

  /** Records an operation. `release` frees what it saved. */
  constructor(
    op: string,
    inputs: readonly (Edge | undefined)[],
    inputTensors: TapeNode["inputTensors"],
    vjp?: NodeVjp,
    release?: () => void,
    leaf?: Tensor,
  ) {
    this.op = op;
    this.inputs = inputs;
    this.inputTensors = inputTensors;
    this.#vjp = vjp;
    this.#release = release;
    this.leaf = leaf;
    this.stack = anomalyRecorder === undefined ? undefined : new Error().stack;
  }

  /**
   * The gradients of the inputs.
   *
   * @throws GradientError when what was saved is gone.
   */
  vjp(outputGradients: readonly (Tensor | undefined)[], createGraph: boolean): readonly (Tensor | null | undefined)[] {
    if (this.#vjp === undefined) {
      throw new GradientError(
        `Cannot compute the gradient of ${this.op}: what its forward saved is needed, but an earlier backward() or the end of a scope ` +
          `freed it; pass { retainGraph: true } to go through the graph twice`,
      );
    }
    return this.#vjp(outputGradients, createGraph);
  }

  /** Frees what was saved for the gradient. */
  dispose(): void {
    this.owner?.remove(this);
    this.#release?.();
    this.#release = undefined;
    this.#vjp = undefined;
  }
}

let enabled = true;

/** Whether operations are being recorded. */
export function isGradEnabled(): boolean {
  return enabled;
}

/**
 * Runs `body` without recording, as for evaluation and updates in place.
 *
 * @throws GradientError when `body` is asynchronous: the setting would leak into whatever runs in between.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { noGrad } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const w = ones([2], { requiresGrad: true });
 * assertEquals(noGrad(() => w.mul(2)).requiresGrad, false);
 * ```
 */
export function noGrad<T>(body: () => T): T {
  return withGrad(false, body);
}

/** Runs `body` with recording on, inside {@link noGrad}. */
export function enableGrad<T>(body: () => T): T {
  return withGrad(true, body);
}

/** Runs `body` with recording set. */
export function withGrad<T>(value: boolean, body: () => T): T {
  checkFunction(body, value ? "enableGrad" : "noGrad");
  const before = enabled;
  enabled = value;
  try {
    const out = body();
    if (out instanceof Promise) {
      throw new GradientError(
        "Cannot switch recording: a synchronous function is needed, got one that returns a promise; await outside it",
      );
    }
    return out;
  } finally {
    enabled = before;
  }
}

/** Called in anomaly mode with each gradient that a node's backward made. */
export type AnomalyRecorder = (node: TapeNode, input: number, gradient: Tensor) => void;

let anomalyRecorder: AnomalyRecorder | undefined;

/** The recorder of anomaly mode, if it is on. */
export function currentAnomalyRecorder(): AnomalyRecorder | undefined {
  return anomalyRecorder;
}

/** Turns anomaly mode on or, with undefined, off; returns what was set before. */
export function setAnomalyRecorder(recorder: AnomalyRecorder | undefined): AnomalyRecorder | undefined {
  const before = anomalyRecorder;
  anomalyRecorder = recorder;
  return before;
}
