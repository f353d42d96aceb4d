/**
 * Runs an ONNX graph on a device.
 *
 * @module
 */
import { Tensor } from "../../mod.ts";
import { dtypeOf, type Graph, type Model, type Node, UnsupportedError } from "./model.ts";
import { Call, type Value } from "./operators/call.ts";
import { operators } from "./operators/mod.ts";
import { upload } from "./values.ts";

/** Gives the outputs of a model for its inputs, in the order of the model's own lists. */
export function runModel({ graph, opset }: Model, inputs: readonly Value[], device: string): Promise<Value[]> {
  return runGraph(graph, { inputs, opset, device, around: new Map() });
}

/** ONNX's own operators, under its short and long name, and its preview of training. */
const domains: readonly string[] = ["", "ai.onnx", "ai.onnx.preview.training"];

interface Run {
  readonly inputs: readonly Value[];
  readonly opset: number;
  readonly device: string;
  /** The values that a subgraph sees from outside. */
  readonly around: ReadonlyMap<string, Value>;
}

async function runGraph(graph: Graph, run: Run): Promise<Value[]> {
  const values = valuesBefore(graph, run);
  const types = new Map([...graph.inputs, ...graph.initializers].map(({ name, elementType }) => [name, elementType]));
  for (const node of graph.nodes) {
    const operator = domains.includes(node.domain) ? operators[node.operator] : undefined;
    if (operator === undefined) throw new UnsupportedError(`Cannot run ${node.operator}: the table has no such operator`);
    const result = await operator(callOf(node, { run, values, types }));
    const outputs = result instanceof Tensor ? [result] : result.outputs;
    node.outputs.forEach((name, index) => {
      if (name === "") return;
      const output = outputs[index];
      if (output === undefined) throw new UnsupportedError(`Cannot run ${node.operator}: output ${index} is not computed`);
      values.set(name, output);
    });
  }
  return graph.outputs.map(({ name }) => valueOf(values, name));
}

function valuesBefore(graph: Graph, { inputs, device, around }: Run): Map<string, Value> {
  const values = new Map<string, Value>(around);
  for (const stored of graph.initializers) values.set(stored.name, upload(stored, device));
  const differentiated = new Set(graph.nodes.flatMap(({ attributes }) => attributes.get("xs") as readonly string[] ?? []));
  // Older models list their initializers among the inputs: what the caller leaves out keeps the initializer.
  graph.inputs.forEach(({ name, elementType }, index) => {
    const given = inputs[index];
    if (given === undefined) return;
    // Files of older versions store a bfloat16 as the uint16 of its bits: only the graph says what it is.
    if (elementType !== 0) dtypeOf(elementType);
    values.set(name, differentiated.has(name) && given instanceof Tensor ? given.detach().requiresGrad_() : given);
  });
  return values;
}

interface Place {
  readonly run: Run;
  readonly values: ReadonlyMap<string, Value>;
  readonly types: ReadonlyMap<string, number>;
}

function callOf({ operator, inputs, outputs, attributes }: Node, { run, values, types }: Place): Call {
  const { opset, device } = run;
  return new Call({
    operator,
    opset,
    device,
    inputs: inputs.map((name) => name === "" ? undefined : valueOf(values, name)),
    elementTypes: inputs.map((name) => types.get(name)),
    attributes,
    outputCount: outputs.length,
    named: (name) => valueOf(values, name),
    runGraph: (inner, given) => runGraph(inner, { inputs: given, opset, device, around: values }),
  });
}

function valueOf(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new Error(`Cannot run a graph: the value ${name} is needed before it is computed`);
  return value;
}
