/**
 * Einstein summation: products of tensors named by the letters of their dims.
 *
 * @module
 */
import { checkText } from "./arguments.ts";
import { isFloat } from "./dtype.ts";
import { ArgumentError, formatShapes, ShapeError } from "./errors.ts";
import { tidy } from "./scope.ts";
import { sizeOf } from "./shape.ts";
import { checkTensorList, type Tensor } from "./tensor.ts";

/** A tensor whose dims carry labels: letters, or "…n" for the n-th dim from the right that an ellipsis stands for. */
interface Labelled {
  readonly tensor: Tensor;
  readonly labels: readonly string[];
}

interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/**
 * Multiplies tensors whose dims are named by letters and sums over every letter that the output does not name.
 *
 * `"ij,jk->ik"` is a matrix product, `"ii->"` the trace, `"...ij->...ji"` a transpose. Without `->` the output names, in alphabetical order,
 * what occurs once. Sizes of one letter are equal, or 1 and stretched. Operands are joined from left to right by matrix products.
 *
 * @param equation The letters of each operand, separated by commas, and of the result.
 * @param operands One tensor per comma-separated part.
 * @throws ArgumentError for an equation that cannot be read; ShapeError when letters and shapes do not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { einsum, tensor } from "./mod.ts";
 *
 * const y = einsum("ij,jk->ik", [tensor([[1, 2]]), tensor([[3], [4]])]);
 * assertEquals(await y.toArray(), [[11]]);
 * ```
 */
export function einsum(equation: string, operands: readonly Tensor[]): Tensor {
  checkText(equation, "einsum", "an equation");
  checkTensorList("einsum", operands, 'einsum("ij,jk->ik", [a, b])');
  const { inputs, output } = parse(equation, operands);
  return tidy(() => {
    const parts = inputs.map((labels, position) => withoutRepeats({ tensor: operands[position]!, labels }));
    let joined = parts[0]!;
    for (let next = 1; next < parts.length; next++) {
      const wanted = new Set([...output, ...parts.slice(next + 1).flatMap(({ labels }) => labels)]);
      joined = join(joined, parts[next]!, wanted, equation);
    }
    const summed = sumAway(joined, new Set(output));
    return summed.tensor.permute(output.map((label) => summed.labels.indexOf(label)));
  });
}

/** Reads an equation against the ranks of its operands. */
function parse(equation: string, operands: readonly Tensor[]): Equation {
  const refuse = (what: string): never => {
    throw new ArgumentError(`Cannot einsum "${equation}": ${what}`);
  };
  const compact = equation.replaceAll(" ", "");
  if (!/^[A-Za-z.,]*(->[A-Za-z.]*)?$/.test(compact)) refuse("letters, commas, ellipses and at most one -> are needed");
  const [left, right] = compact.split("->") as [string, string | undefined];
  const terms = left.split(",");
  if (operands.length === 0 || terms.length !== operands.length) {
    refuse(`one operand per comma-separated part is needed, got ${operands.length} for ${terms.length}`);
  }
  const inputs = terms.map((term, position) => {
    const { shape } = operands[position]!;
    const letters = term.replace("...", "").length;
    const hidden = shape.length - letters;
    if (hidden < 0 || (hidden > 0 && !term.includes("..."))) {
      throw new ShapeError(`Cannot einsum "${equation}" ${formatShapes([shape])}: one letter per dim is needed, got "${term}"`, {
        op: "einsum",
        shapes: operands.map((operand) => operand.shape),
      });
    }
    return expandEllipsis(term, hidden, refuse);
  });
  const counts = new Map<string, number>();
  for (const label of inputs.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const hidden = Math.max(0, ...inputs.map((labels) => labels.filter(isHidden).length));
  if (right === undefined) {
    const once = [...counts].filter(([label, count]) => count === 1 && !isHidden(label)).map(([label]) => label).sort();
    return { inputs, output: [...hiddenLabels(hidden), ...once] };
  }
  const output = expandEllipsis(right, hidden, refuse);
  if (new Set(output).size !== output.length) refuse("each letter at most once is needed in the output");
  const stranger = output.find((label) => !counts.has(label));
  if (stranger !== undefined) refuse(`output letters that an operand has are needed, got "${stranger}"`);
  return { inputs, output };
}

/** The labels of a term; an ellipsis stands for `hidden` dims, numbered from the right so that operands of other ranks align. */
function expandEllipsis(term: string, hidden: number, refuse: (what: string) => never): string[] {
  const [before, after, ...rest] = term.split("...") as [string, ...string[]];
  if (rest.length > 0 || `${before}${after ?? ""}`.includes(".")) refuse(`at most one ellipsis of three dots is needed in "${term}"`);
  return [...before, ...(after === undefined ? [] : hiddenLabels(hidden)), ...(after ?? "")];
}

function hiddenLabels(count: number): string[] {
  return Array.from({ length: count }, (_, position) => `…${count - position}`);
}

function isHidden(label: string): boolean {
  return label.startsWith("…");
}

/** A label that one operand has twice means the diagonal. */
function withoutRepeats({ tensor, labels }: Labelled): Labelled {
  const second = labels.findIndex((label, dim) => labels.indexOf(label) < dim);
  if (second < 0) return { tensor, labels };
  const label = labels[second]!;
  const first = labels.indexOf(label);
  if (tensor.shape[first] !== tensor.shape[second]) {
    throw new ShapeError(`Cannot einsum ${formatShapes([tensor.shape])}: equal sizes are needed for "${label}"`, {
      op: "einsum",
      shapes: [tensor.shape],
    });
  }
  const diagonal = tensor.diagonal({ dim1: first, dim2: second });
  return withoutRepeats({ tensor: diagonal, labels: [...labels.filter((_, dim) => dim !== first && dim !== second), label] });
}

/** Sums over the labels that nothing needs any more. */
function sumAway({ tensor, labels }: Labelled, wanted: ReadonlySet<string>): Labelled {
  const dims = labels.flatMap((label, dim) => wanted.has(label) ? [] : [dim]);
  if (dims.length === 0) return { tensor, labels };
  return { tensor: tensor.sum(dims), labels: labels.filter((label) => wanted.has(label)) };
}

/** The product of two operands, summed over the labels that both have and nothing else wants: one batched matrix product. */
function join(left: Labelled, right: Labelled, wanted: ReadonlySet<string>, equation: string): Labelled {
  const sizes = commonSizes([left, right], equation);
  const a = sumAway(left, new Set([...wanted, ...right.labels]));
  const b = sumAway(right, new Set([...wanted, ...left.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => wanted.has(label));
  const inner = shared.filter((label) => !wanted.has(label));
  const rows = a.labels.filter((label) => !b.labels.includes(label));
  const columns = b.labels.filter((label) => !a.labels.includes(label));
  const labels = [...batch, ...rows, ...columns];
  if (inner.length === 0 || !isFloat(a.tensor.dtype) || a.tensor.dtype !== b.tensor.dtype) {
    const order = [...labels, ...inner];
    const product = place(a, order).mul(place(b, order));
    return { tensor: inner.length === 0 ? product : product.sum(inner.map((_, position) => labels.length + position)), labels };
  }
  const count = (names: readonly string[]): number => sizeOf(names.map((label) => sizes.get(label)!));
  const stretched = (part: Labelled, order: readonly string[], shape: readonly number[]): Tensor =>
    place(part, order).expand(order.map((label) => sizes.get(label)!)).reshape(shape);
  const product = stretched(a, [...batch, ...rows, ...inner], [count(batch), count(rows), count(inner)])
    .matmul(stretched(b, [...batch, ...inner, ...columns], [count(batch), count(inner), count(columns)]));
  return { tensor: product.reshape(labels.map((label) => sizes.get(label)!)), labels };
}

/** The dims in a given order, with size 1 for labels that the tensor does not have. */
function place({ tensor, labels }: Labelled, order: readonly string[]): Tensor {
  const present = order.filter((label) => labels.includes(label));
  const permuted = tensor.permute(present.map((label) => labels.indexOf(label)));
  return permuted.reshape(order.map((label) => labels.includes(label) ? tensor.shape[labels.indexOf(label)]! : 1));
}

/** The size of each label: equal in both, or 1 in one of them. */
function commonSizes(parts: readonly Labelled[], equation: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { tensor, labels } of parts) {
    labels.forEach((label, dim) => {
      const size = tensor.shape[dim]!;
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        const shapes = parts.map((part) => part.tensor.shape);
        throw new ShapeError(
          `Cannot einsum "${equation}" ${formatShapes(shapes)}: one size is needed for "${label}", got ${known} and ${size}`,
          { op: "einsum", shapes },
        );
      }
      sizes.set(label, known === 1 ? size : known);
    });
  }
  return sizes;
}
