/**
 * Recurrent layers: by the library's where PyTorch has the cell, else step by step.
 *
 * @module
 */
import { cat, linear, LSTM, RNN, stack, type StateDict, type Tensor } from "../../../mod.ts";
import type { Call, Operator } from "./call.ts";

/** What the three operators share: sequences [L, N, I], and parameters with the directions along dim 0. */
interface Recurrence {
  readonly x: Tensor;
  readonly hiddenSize: number;
  readonly directions: number;
  readonly hidden: Tensor | undefined;
  readonly lengths: readonly number[] | undefined;
  /** Per direction, gates in PyTorch's order. */
  readonly parameters: readonly Parameters[];
}

interface Parameters {
  readonly weight: Tensor;
  readonly recurrent: Tensor;
  readonly biases: readonly [Tensor, Tensor];
}

/** `order` says which of ONNX's gates stands at each of PyTorch's places. */
async function recurrence(call: Call, order: readonly number[]): Promise<Recurrence> {
  if (call.has("activations") || call.has("clip") || call.number("input_forget", 0) !== 0) call.refuse("default activations are needed");
  const batchFirst = call.number("layout", 0) === 1;
  const hidden = call.maybe(5);
  const directions = call.x(1).shape[0]!;
  if (call.text("direction", "forward") === "reverse") call.refuse("a direction forward or bidirectional is needed");
  const reordered = (part: Tensor) => {
    const gates = part.chunk(order.length);
    return cat(order.map((gate) => gates[gate]!));
  };
  const parameters = Array.from({ length: directions }, (_, way) => {
    const recurrent = call.x(2).select(0, way);
    const biases = call.maybe(3)?.select(0, way).chunk(2) ?? [0, 1].map(() => recurrent.newZeros([recurrent.shape[0]!]));
    return {
      weight: reordered(call.x(1).select(0, way)),
      recurrent: reordered(recurrent),
      biases: biases.map(reordered) as [Tensor, Tensor],
    };
  });
  return {
    x: batchFirst ? call.x(0).transpose(0, 1) : call.x(0),
    hiddenSize: call.number("hidden_size", call.x(2).shape[2]!),
    directions,
    hidden: hidden !== undefined && batchFirst ? hidden.transpose(0, 1) : hidden,
    lengths: await call.numbers(4),
    parameters,
  };
}

/** PyTorch's names for the parameters. */
function stateOf({ parameters }: Recurrence): StateDict {
  return Object.fromEntries(parameters.flatMap(({ weight, recurrent, biases }, way) => {
    const suffix = way === 0 ? "l0" : "l0_reverse";
    return [[`weight_ih_${suffix}`, weight], [`weight_hh_${suffix}`, recurrent], [`bias_ih_${suffix}`, biases[0]], [
      `bias_hh_${suffix}`,
      biases[1],
    ]];
  }));
}

/** PyTorch's output [L, N, directions · H] and final states [directions, N, H] in ONNX's layout. */
function outputsOf(call: Call, output: Tensor, states: readonly Tensor[]): { outputs: Tensor[] } {
  const [steps, samples] = output.shape as [number, number];
  const directions = states[0]!.shape[0]!;
  const split = output.reshape([steps, samples, directions, -1]);
  return call.number("layout", 0) === 1
    ? { outputs: [split.transpose(0, 1), ...states.map((state) => state.transpose(0, 1))] }
    : { outputs: [split.transpose(1, 2), ...states] };
}

const rnn: Operator = async (call) => {
  const parts = await recurrence(call, [0]);
  const { x, hiddenSize, directions, hidden, lengths } = parts;
  const layer = new RNN(x.shape[2]!, hiddenSize, { bidirectional: directions === 2, device: call.init.device });
  layer.loadStateDict(stateOf(parts));
  const { output, hidden: last } = layer.forward(x, { lengths, ...(hidden === undefined ? {} : { hidden }) });
  return outputsOf(call, output, [last]);
};

/** ONNX's gates are i, o, f, c; PyTorch's i, f, g, o. */
const lstm: Operator = async (call) => {
  const parts = await recurrence(call, [0, 2, 3, 1]);
  const { x, hiddenSize, directions, hidden, lengths } = parts;
  const cell = call.number("layout", 0) === 1 ? call.maybe(6)?.transpose(0, 1) : call.maybe(6);
  if (call.maybe(7) !== undefined) return peephole(call, parts, cell);
  const layer = new LSTM(x.shape[2]!, hiddenSize, { bidirectional: directions === 2, device: call.init.device });
  layer.loadStateDict(stateOf(parts));
  const result = layer.forward(x, { lengths, ...(hidden === undefined ? {} : { hidden }), ...(cell === undefined ? {} : { cell }) });
  return outputsOf(call, result.output, [result.hidden, result.cell]);
};

/** Gates that also see the cell, each element its own: weights i, o, f. */
function peephole(call: Call, parts: Recurrence, initialCell: Tensor | undefined): { outputs: Tensor[] } {
  const [toInput, toOutput, toForget] = call.x(7).select(0, 0).chunk(3) as [Tensor, Tensor, Tensor];
  return stepped(call, parts, [parts.hidden, initialCell], (fromInput, [hidden, cell], { recurrent, biases }) => {
    const gates = fromInput.add(linear(hidden!, recurrent, { bias: biases[1] })).chunk(4, { dim: 1 }) as [Tensor, Tensor, Tensor, Tensor];
    const kept = gates[1].add(toForget.mul(cell!)).sigmoid().mul(cell!);
    const next = kept.add(gates[0].add(toInput.mul(cell!)).sigmoid().mul(gates[2].tanh()));
    return [gates[3].add(toOutput.mul(next)).sigmoid().mul(next.tanh()), next];
  });
}

/** ONNX's gates are z, r, h; PyTorch's r, z, n. By default the state is reset before its product, which PyTorch resets after. */
const gru: Operator = async (call) => {
  const parts = await recurrence(call, [1, 0, 2]);
  const after = call.number("linear_before_reset", 0) === 1;
  return stepped(call, parts, [parts.hidden], (fromInput, [hidden], { recurrent, biases }) => {
    const [toReset, toUpdate, toNew] = recurrent.chunk(3) as [Tensor, Tensor, Tensor];
    const [resetBias, updateBias, newBias] = biases[1].chunk(3) as [Tensor, Tensor, Tensor];
    const input = fromInput.chunk(3, { dim: 1 }) as [Tensor, Tensor, Tensor];
    const reset = input[0].add(linear(hidden!, toReset, { bias: resetBias })).sigmoid();
    const update = input[1].add(linear(hidden!, toUpdate, { bias: updateBias })).sigmoid();
    const own = after ? reset.mul(linear(hidden!, toNew, { bias: newBias })) : linear(hidden!.mul(reset), toNew, { bias: newBias });
    const fresh = input[2].add(own).tanh();
    return [fresh.add(update.mul(hidden!.sub(fresh)))];
  });
};

type Step = (fromInput: Tensor, states: readonly Tensor[], parameters: Parameters) => readonly Tensor[];

/** Runs a cell over the steps, forward only. */
function stepped(call: Call, parts: Recurrence, initial: readonly (Tensor | undefined)[], step: Step): { outputs: Tensor[] } {
  const { x, hiddenSize, directions, lengths } = parts;
  const [steps, samples] = x.shape as [number, number];
  if (directions !== 1) call.refuse("one direction is needed");
  if (lengths?.some((length) => length !== steps)) call.refuse("sequences of one length are needed");
  const parameters = parts.parameters[0]!;
  let states: readonly Tensor[] = initial.map((state) => state?.select(0, 0) ?? x.newZeros([samples, hiddenSize]));
  const outputs: Tensor[] = [];
  const gates = linear(x, parameters.weight, { bias: parameters.biases[0] });
  for (let n = 0; n < steps; n++) {
    states = step(gates.select(0, n), states, parameters);
    outputs.push(states[0]!);
  }
  return outputsOf(call, stack(outputs), states.map((state) => state.unsqueeze(0)));
}

/** Operators that walk along a sequence. */
export const recurrent: Readonly<Record<string, Operator>> = {
  GRU: gru,
  LSTM: lstm,
  RNN: rnn,
};
