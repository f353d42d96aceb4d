/**
 * Recurrent layers: RNN, LSTM and GRU, of several layers, in one direction or both, over sequences of different lengths.
 *
 * @module
 */
import { checkList, checkOptions } from "../tensor/arguments.ts";
import { arange, cat, stack, tensor } from "../tensor/create.ts";
import { ArgumentError, formatShapes, ShapeError } from "../tensor/errors.ts";
import { linear } from "../tensor/functions.ts";
import { defaultGenerator, type Generator } from "../tensor/random.ts";
import { tidy } from "../tensor/scope.ts";
import { checkTensors, type Tensor } from "../tensor/tensor.ts";
import { dropout } from "./dropout.ts";
import { uniform } from "./init.ts";
import { checkInputs, Module, parameter } from "./module.ts";
import { blank, checkCounts, type LayerOptions, layerOptions } from "./options.ts";

/** Options of {@link RNN}, {@link LSTM} and {@link GRU}. */
export interface RecurrentOptions extends LayerOptions {
  /** The number of layers. Default 1. */
  readonly layers?: number;
  /** Whether there are biases. Default true. */
  readonly bias?: boolean;
  /** Whether inputs are [N, L, I] rather than [L, N, I]. Default false, as in PyTorch. */
  readonly batchFirst?: boolean;
  /** Between layers, in training. Default 0. */
  readonly dropout?: number;
  /** Whether a second pass goes from the end to the beginning. Default false. */
  readonly bidirectional?: boolean;
}

/** The names of {@link RecurrentOptions}. */
const recurrentOptions = ["layers", "bias", "batchFirst", "dropout", "bidirectional", ...layerOptions] as const;

/** Where a sequence starts from and how long its samples are. */
export interface SequenceOptions {
  /** [layers · directions, N, H]: default zeros. */
  readonly hidden?: Tensor;
  /** The number of steps of each sample; beyond it outputs are 0 and the state stays. */
  readonly lengths?: readonly number[] | undefined;
}

/** What a recurrent layer gives. */
export interface RecurrentResult {
  /** [L, N, directions · H] (or [N, L, …]): the last layer's state at each step. */
  readonly output: Tensor;
  /** [layers · directions, N, H]: each layer's state at the end. */
  readonly hidden: Tensor;
}

/** What a state is multiplied by at each step. */
export interface RecurrentWeights {
  /** [G · H, H]. */
  readonly weight: Tensor;
  /** [G · H]. */
  readonly bias: Tensor | undefined;
}

/**
 * What recurrent layers share: parameters weight_ih_l0 [G · H, I], weight_hh_l0 [G · H, H], bias_ih_l0, bias_hh_l0, with _reverse for the way
 * back, uniform in ±1/√H at the start.
 */
export abstract class Recurrent extends Module {
  /** H. */
  readonly hiddenSize: number;
  /** The number of layers. */
  readonly layers: number;
  /** 1, or 2 with a pass from the end. */
  readonly directions: number;
  /** Whether inputs are [N, L, I]. */
  readonly batchFirst: boolean;
  /** Between layers, in training. */
  readonly dropout: number;
  /** Where dropout's masks come from. */
  readonly generator: Generator;
  readonly #weights: Record<string, Tensor> = {};
  readonly #states: number;

  /** Makes the parameters for inputs of width I = `inputSize` and a cell of `gates` gates and `states` states. */
  constructor([inputSize, hiddenSize]: readonly [number, number], options: RecurrentOptions & { gates: number; states: number }) {
    super();
    const { layers = 1, bias = true, batchFirst = false, dropout = 0, bidirectional = false, gates, generator = defaultGenerator } =
      options;
    checkCounts("a recurrent layer", { inputSize, hiddenSize, layers });
    this.hiddenSize = hiddenSize;
    this.layers = layers;
    this.directions = bidirectional ? 2 : 1;
    this.batchFirst = batchFirst;
    this.dropout = dropout;
    this.generator = generator;
    this.#states = options.states;
    const bound = 1 / Math.sqrt(hiddenSize);
    const make = (shape: readonly number[]) => parameter(uniform(blank(shape, options), { low: -bound, high: bound, generator }));
    for (let layer = 0; layer < layers; layer++) {
      for (const way of ["", "_reverse"].slice(0, this.directions)) {
        const width = layer === 0 ? inputSize : hiddenSize * this.directions;
        this.#weights[`weight_ih_l${layer}${way}`] = make([gates * hiddenSize, width]);
        this.#weights[`weight_hh_l${layer}${way}`] = make([gates * hiddenSize, hiddenSize]);
        if (!bias) continue;
        this.#weights[`bias_ih_l${layer}${way}`] = make([gates * hiddenSize]);
        this.#weights[`bias_hh_l${layer}${way}`] = make([gates * hiddenSize]);
      }
    }
  }

  /** The parameters under PyTorch's names. */
  override fields(): object {
    return this.#weights;
  }

  /** One step: the gates' input [N, G · H] and the states, to the new states. */
  protected abstract cell(gates: Tensor, states: readonly Tensor[], recurrent: RecurrentWeights): readonly Tensor[];

  /** Runs all layers from states [layers · directions, N, H] each, to the output and the final states. */
  protected run(x: Tensor, initial: readonly (Tensor | undefined)[], lengths: readonly number[] | undefined): Tensor[] {
    checkInputs(this, { x });
    const [hidden, cell] = initial;
    checkTensors(`run ${this.constructor.name}`, {}, { hidden, cell });
    if (lengths !== undefined) checkList(lengths, `run ${this.constructor.name}`, "{ lengths: [3, 2] }");
    const width = this.#weights["weight_ih_l0"]!.shape[1]!;
    if (x.rank !== 3 || x.shape[2] !== width) refuse(x, `${this.batchFirst ? "[N, L, I]" : "[L, N, I]"} with I = ${width} is needed`);
    return tidy(() => {
      let sequence = this.batchFirst ? x.transpose(0, 1) : x;
      const [steps, samples] = sequence.shape as [number, number];
      if (steps === 0) refuse(x, "at least one step is needed");
      const mask = maskOf(x, lengths, steps, samples);
      const count = this.layers * this.directions;
      for (const state of initial) {
        if (
          state !== undefined &&
          (state.rank !== 3 || state.shape[0] !== count || state.shape[1] !== samples || state.shape[2] !== this.hiddenSize)
        ) {
          refuse(state, `initial states [${count}, ${samples}, ${this.hiddenSize}] are needed`);
        }
      }
      const finals: Tensor[][] = Array.from({ length: this.#states }, () => []);
      for (let layer = 0; layer < this.layers; layer++) {
        if (layer > 0 && this.training && this.dropout > 0) sequence = dropout(sequence, { p: this.dropout, generator: this.generator });
        const passes = Array.from({ length: this.directions }, (_, way) => {
          const at = layer * this.directions + way;
          const start = Array.from({ length: this.#states }, (_, n) => {
            return initial[n]?.select(0, at) ?? sequence.newZeros([samples, this.hiddenSize]);
          });
          const { outputs, states } = this.#pass(sequence, start, mask, { layer, backwards: way === 1 });
          states.forEach((state, n) => finals[n]!.push(state));
          return outputs;
        });
        sequence = passes.length === 1 ? passes[0]! : cat(passes, { dim: 2 });
      }
      return [this.batchFirst ? sequence.transpose(0, 1) : sequence, ...finals.map((states) => stack(states))];
    });
  }

  /** One layer in one direction. */
  #pass(
    sequence: Tensor,
    start: readonly Tensor[],
    mask: Tensor | undefined,
    { layer, backwards }: { readonly layer: number; readonly backwards: boolean },
  ): { readonly outputs: Tensor; readonly states: readonly Tensor[] } {
    const suffix = `l${layer}${backwards ? "_reverse" : ""}`;
    const bias = this.#weights[`bias_ih_${suffix}`];
    const gates = linear(sequence, this.#weights[`weight_ih_${suffix}`]!, bias === undefined ? {} : { bias });
    const recurrent = { weight: this.#weights[`weight_hh_${suffix}`]!, bias: this.#weights[`bias_hh_${suffix}`] };
    const steps = sequence.shape[0]!;
    const outputs = new Array<Tensor>(steps);
    let states = start;
    for (let n = 0; n < steps; n++) {
      const at = backwards ? steps - 1 - n : n;
      const next = this.cell(gates.select(0, at), states, recurrent);
      const running = mask?.select(0, at);
      states = running === undefined ? next : next.map((state, n) => running.where(state, states[n]!));
      outputs[at] = running === undefined ? next[0]! : next[0]!.mul(running.to(sequence.dtype));
    }
    return { outputs: stack(outputs), states };
  }
}

/** bool [L, N, 1]: whether a sample still runs at a step. */
function maskOf(x: Tensor, lengths: readonly number[] | undefined, steps: number, samples: number): Tensor | undefined {
  if (lengths === undefined) return undefined;
  if (lengths.length !== samples || lengths.some((length) => !Number.isInteger(length) || length < 1 || length > steps)) {
    throw new ArgumentError(`Cannot run a sequence: ${samples} lengths from 1 to ${steps} are needed, got [${lengths.join(", ")}]`);
  }
  const ends = tensor(Int32Array.from(lengths), { device: x.device });
  return arange(steps, { device: x.device }).unsqueeze(1).lt(ends).unsqueeze(2);
}

function refuse({ shape }: Tensor, needed: string): never {
  throw new ShapeError(`Cannot run a sequence ${formatShapes([shape])}: ${needed}`, { op: "recurrent", shapes: [shape] });
}

function fromState(state: Tensor, { weight, bias }: RecurrentWeights): Tensor {
  return linear(state, weight, bias === undefined ? {} : { bias });
}

/** The Elman network: h = tanh(W x + b + U h + c). */
export class RNN extends Recurrent {
  /** "tanh" or "relu". */
  readonly nonlinearity: "tanh" | "relu";

  /** Makes the layer for inputs of width `inputSize` and states of `hiddenSize`. */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions & { readonly nonlinearity?: "tanh" | "relu" } = {}) {
    super([inputSize, hiddenSize], { ...options, gates: 1, states: 1 });
    checkOptions(options, "make RNN", [...recurrentOptions, "nonlinearity"]);
    this.nonlinearity = options.nonlinearity ?? "tanh";
  }

  /** One step. */
  protected override cell(gates: Tensor, [hidden]: readonly Tensor[], recurrent: RecurrentWeights): readonly Tensor[] {
    const sum = gates.add(fromState(hidden!, recurrent));
    return [this.nonlinearity === "relu" ? sum.relu() : sum.tanh()];
  }

  /** [L, N, I] (or [N, L, I]) → the states at each step and at the end. */
  override forward(x: Tensor, options: SequenceOptions = {}): RecurrentResult {
    const { hidden, lengths } = checkOptions(options, `run ${this.constructor.name}`, ["hidden", "lengths"]);
    const [output, final] = this.run(x, [hidden], lengths);
    return { output: output!, hidden: final! };
  }
}

/** Where an {@link LSTM} starts from. */
export interface LSTMSequenceOptions extends SequenceOptions {
  /** [layers · directions, N, H]: default zeros. */
  readonly cell?: Tensor;
}

/** What an {@link LSTM} gives. */
export interface LSTMResult extends RecurrentResult {
  /** [layers · directions, N, H]: each layer's cell at the end. */
  readonly cell: Tensor;
}

/**
 * Long short-term memory: c = σ(f) c + σ(i) tanh(g); h = σ(o) tanh(c), with gates in the order i, f, g, o. Source: Hochreiter and
 * Schmidhuber 1997.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LSTM } from "./mod.ts";
 * import { ones } from "../tensor/mod.ts";
 *
 * const layer = new LSTM(3, 4, { bidirectional: true, batchFirst: true });
 * const { output, hidden } = layer.forward(ones([2, 5, 3]), { lengths: [5, 2] });
 * assertEquals([output.shape, hidden.shape], [[2, 5, 8], [2, 2, 4]]);
 * ```
 */
export class LSTM extends Recurrent {
  /** Makes the layer for inputs of width `inputSize` and states of `hiddenSize`. */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super([inputSize, hiddenSize], { ...options, gates: 4, states: 2 });
    checkOptions(options, "make LSTM", recurrentOptions);
  }

  /** One step. */
  protected override cell(gates: Tensor, [hidden, cell]: readonly Tensor[], recurrent: RecurrentWeights): readonly Tensor[] {
    const [input, forget, fresh, out] = gates.add(fromState(hidden!, recurrent)).chunk(4, { dim: 1 }) as [Tensor, Tensor, Tensor, Tensor];
    const next = forget.sigmoid().mul(cell!).add(input.sigmoid().mul(fresh.tanh()));
    return [out.sigmoid().mul(next.tanh()), next];
  }

  /** [L, N, I] (or [N, L, I]) → the states at each step and at the end. */
  override forward(x: Tensor, options: LSTMSequenceOptions = {}): LSTMResult {
    const { hidden, cell, lengths } = checkOptions(options, "run LSTM", ["hidden", "cell", "lengths"]);
    const [output, final, finalCell] = this.run(x, [hidden, cell], lengths);
    return { output: output!, hidden: final!, cell: finalCell! };
  }
}

/**
 * The gated recurrent unit: n = tanh(W x + b + σ(r) (U h + c)); h = (1 - σ(z)) n + σ(z) h, with gates in the order r, z, n. Source: Cho et
 * al. 2014.
 */
export class GRU extends Recurrent {
  /** Makes the layer for inputs of width `inputSize` and states of `hiddenSize`. */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super([inputSize, hiddenSize], { ...options, gates: 3, states: 1 });
    checkOptions(options, "make GRU", recurrentOptions);
  }

  /** One step. */
  protected override cell(gates: Tensor, [hidden]: readonly Tensor[], recurrent: RecurrentWeights): readonly Tensor[] {
    const fromInput = gates.chunk(3, { dim: 1 });
    const kept = fromState(hidden!, recurrent).chunk(3, { dim: 1 });
    const [reset, update] = [0, 1].map((n) => fromInput[n]!.add(kept[n]!).sigmoid()) as [Tensor, Tensor];
    const fresh = fromInput[2]!.add(reset.mul(kept[2]!)).tanh();
    return [fresh.add(update.mul(hidden!.sub(fresh)))];
  }

  /** [L, N, I] (or [N, L, I]) → the states at each step and at the end. */
  override forward(x: Tensor, options: SequenceOptions = {}): RecurrentResult {
    const { hidden, lengths } = checkOptions(options, `run ${this.constructor.name}`, ["hidden", "lengths"]);
    const [output, final] = this.run(x, [hidden], lengths);
    return { output: output!, hidden: final! };
  }
}
