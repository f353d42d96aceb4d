/**
 * The reverse pass: order the nodes, pop each one's gradient from a map that empties as it is walked, hand its inputs' gradients on.
 *
 * @module
 */
import { DTypeError, formatShapes, GradientError, ShapeError } from "../tensor/errors.ts";
import { Scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { currentAnomalyRecorder, type Edge, isGradEnabled, type TapeNode, withGrad } from "./tape.ts";

/** Options of a reverse pass. */
export interface BackwardOptions {
  /** The gradient of the output, in its shape; may be left out for a single number (then 1). */
  readonly gradient?: Tensor;
  /** Keep what was saved, so that the graph can be walked again. Default: createGraph. */
  readonly retainGraph?: boolean;
  /** Record the pass itself, so that gradients have gradients. Default false. */
  readonly createGraph?: boolean;
}

/**
 * Walks from outputs back to the leaves and adds up each leaf's gradient in `.grad`.
 *
 * @throws GradientError when an output does not require a gradient, or is no single number and no gradient was given.
 */
export function backward(outputs: readonly Tensor[], options: readonly BackwardOptions[]): void {
  walk(outputs, options, undefined);
}

/**
 * Walks from outputs back and returns the gradient of each input, undefined where none flows, without touching `.grad`.
 */
export function gradients(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: readonly BackwardOptions[],
): (Tensor | undefined)[] {
  return walk(outputs, options, inputs);
}

function walk(
  outputs: readonly Tensor[],
  options: readonly BackwardOptions[],
  inputs: readonly Tensor[] | undefined,
): (Tensor | undefined)[] {
  const createGraph = options.some((option) => option.createGraph === true);
  const retainGraph = options.some((option) => option.retainGraph ?? option.createGraph ?? false);
  const targets = inputs?.map((tensor) => tensor.gradientEdge());
  const wanted = new Map<TapeNode, number[]>();
  targets?.forEach((edge, position) => {
    if (edge !== undefined) wanted.set(edge.node, [...(wanted.get(edge.node) ?? []), position]);
  });
  const found = new Array<Tensor | undefined>(inputs?.length ?? 0).fill(undefined);
  const pending = new Map<TapeNode, (Tensor | undefined)[]>();
  // Interior gradients die with this scope; what leaves it (leaves' gradients, found ones) is moved out by hand.
  const interior = new Scope(true);
  try {
    withGrad(createGraph, () => {
      outputs.forEach((output, position) => {
        accumulate(pending, edgeOf(output), initialGradient(output, options[position]?.gradient));
      });
      for (const node of reverseOrder([...pending.keys()])) {
        const received = pending.get(node);
        pending.delete(node);
        if (received === undefined) continue;
        const incoming = received.map((gradient, index) => gradient === undefined ? undefined : runHooks(node, index, gradient));
        for (const position of wanted.get(node) ?? []) found[position] = incoming[targets![position]!.index];
        if (node.leaf !== undefined) {
          if (inputs === undefined && incoming[0] !== undefined) addToLeaf(node.leaf, incoming[0], interior);
          continue;
        }
        step(node, incoming, createGraph, pending);
        if (!retainGraph) node.dispose();
      }
    });
    for (const gradient of found) if (gradient !== undefined) interior.keep(gradient);
    return found;
  } finally {
    // With createGraph the interior gradients are part of the new graph: hand them to the user's scope instead of freeing them.
    if (createGraph) interior.release();
    interior[Symbol.dispose]();
  }
}

/** Runs one node's backward and hands the results on, each brought to its input's shape and type. */
function step(
  node: TapeNode,
  incoming: readonly (Tensor | undefined)[],
  createGraph: boolean,
  pending: Map<TapeNode, (Tensor | undefined)[]>,
): void {
  const outgoing = node.vjp(incoming, createGraph);
  node.inputs.forEach((edge, position) => {
    const gradient = outgoing[position];
    if (edge === undefined || gradient === null || gradient === undefined) return;
    const { shape, dtype } = node.inputTensors[position]!;
    checkGradient(node.op, gradient.shape, shape);
    const fitted = gradient.sumTo(shape).to(dtype);
    currentAnomalyRecorder()?.(node, position, fitted);
    accumulate(pending, edge, fitted);
  });
}

/** A gradient has its input's shape, or one that this broadcasts to. */
function checkGradient(op: string, shape: readonly number[], wanted: readonly number[]): void {
  const lead = shape.length - wanted.length;
  if (lead >= 0 && wanted.every((size, dim) => size === 1 || size === shape[lead + dim])) return;
  throw new ShapeError(
    `Cannot compute the gradient of ${op}: a gradient of the input's shape ${formatShapes([wanted])} is needed, got ${
      formatShapes([shape])
    }`,
    { op, shapes: [wanted, shape] },
  );
}

function accumulate(pending: Map<TapeNode, (Tensor | undefined)[]>, { node, index }: Edge, gradient: Tensor): void {
  let slots = pending.get(node);
  if (slots === undefined) pending.set(node, slots = []);
  while (slots.length <= index) slots.push(undefined);
  const before = slots[index];
  slots[index] = before === undefined ? gradient : before.add(gradient);
}

function runHooks(node: TapeNode, index: number, gradient: Tensor): Tensor {
  for (const hook of node.hooks.get(index) ?? []) gradient = hook(gradient) ?? gradient;
  return gradient;
}

function addToLeaf(leaf: Tensor, gradient: Tensor, interior: Scope): void {
  const before = leaf.grad;
  // In place, so that a leaf's gradient keeps its memory from step to step; with createGraph the sum is itself recorded.
  if (before !== null && !isGradEnabled() && !before.requiresGrad) {
    before.add_(gradient);
    return;
  }
  // A gradient that only this pass holds becomes the leaf's own; one used elsewhere (or an expanded view) must not be shared with `.grad`,
  // which may be changed in place.
  const exclusive = gradient.owner === interior && gradient.isContiguous && gradient.storageOf("backward").users === 1;
  const total = before !== null ? before.add(gradient) : exclusive ? gradient : gradient.clone();
  interior.remove(total);
  leaf.adoptGrad(total);
}

function edgeOf(output: Tensor): Edge {
  const edge = output.gradientEdge();
  if (edge === undefined) {
    throw new GradientError(
      `Cannot compute the gradient of a ${output.dtype} tensor of shape ${formatShapes([output.shape])}: ` +
        `one that depends on a tensor with requiresGrad is needed, got one that does not`,
    );
  }
  return edge;
}

function initialGradient(output: Tensor, given: Tensor | undefined): Tensor {
  if (given === undefined) {
    if (output.size !== 1) {
      throw new GradientError(
        `Cannot backward from ${formatShapes([output.shape])}: a single number or { gradient } of the same shape is needed`,
      );
    }
    return output.onesLike();
  }
  if (!sameShape(given.shape, output.shape)) {
    throw new ShapeError(
      `Cannot backward from ${formatShapes([output.shape])}: a gradient of the same shape is needed, got ${formatShapes([given.shape])}`,
      { op: "backward", shapes: [output.shape, given.shape] },
    );
  }
  if (given.dtype !== output.dtype) {
    throw new DTypeError(`Cannot backward from ${output.dtype}: a gradient of the same type is needed, got ${given.dtype}`, {
      op: "backward",
    });
  }
  return given;
}

/** Every node reachable from the roots, the latest recorded first: each comes after all that use its result. */
function reverseOrder(roots: readonly TapeNode[]): TapeNode[] {
  const seen = new Set<TapeNode>(roots);
  const stack = [...roots];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    for (const edge of node.inputs) {
      if (edge === undefined || seen.has(edge.node)) continue;
      seen.add(edge.node);
      stack.push(edge.node);
    }
  }
  return [...seen].sort((a, b) => b.order - a.order);
}
