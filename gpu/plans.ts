/**
 * From a kernel and its views to dispatches: which generator writes which family, and finding what was written before.
 *
 * @module
 */
import { byteSize } from "../tensor/dtype.ts";
import type { ConvKernel, Kernel, MatmulKernel, View } from "../tensor/kernel.ts";
import { planCustom } from "./wgsl/custom.ts";
import { planGather } from "./wgsl/gather.ts";
import { planMap } from "./wgsl/map.ts";
import { planPairs } from "./wgsl/pairs/pairs.ts";
import { planPool } from "./wgsl/pool.ts";
import type { TiledProduct } from "./wgsl/product/access.ts";
import { convProduct } from "./wgsl/product/conv.ts";
import { matmulProduct } from "./wgsl/product/matmul.ts";
import { planTiledProduct } from "./wgsl/product/product.ts";
import type { Limits, Plan } from "./wgsl/program.ts";
import { planReduce } from "./wgsl/reduce.ts";
import { planRow } from "./wgsl/row.ts";
import { planScan } from "./wgsl/scan.ts";
import { planScatter } from "./wgsl/scatter.ts";
import { planSort } from "./wgsl/sort.ts";

/** Writes the dispatches of a kernel on views of these shapes, strides, offsets and types. */
export function planKernel(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): Plan {
  switch (kernel.kind) {
    case "map":
      return planMap(kernel, inputs, outputs, limits);
    case "reduce":
      return planReduce(kernel, inputs, outputs, limits);
    case "row":
      return planRow(kernel, inputs, outputs, limits);
    case "matmul":
    case "conv":
      return planTiledProduct(productOf(kernel, inputs, outputs), limits);
    case "pool":
      return planPool(kernel, inputs, outputs, limits);
    case "pairs":
      return planPairs(kernel, inputs, outputs, limits);
    case "gather":
      return planGather(kernel, inputs, outputs, limits);
    case "scatter":
      return planScatter(kernel, inputs, outputs, limits);
    case "scan":
      return planScan(kernel, inputs, outputs, limits);
    case "sort":
      return planSort(kernel, inputs, outputs, limits);
    case "custom":
      return planCustom(kernel, inputs, outputs, limits);
  }
}

/** A matrix product or convolution as a product of rows and columns. */
export function productOf(kernel: MatmulKernel | ConvKernel, inputs: readonly View[], outputs: readonly View[]): TiledProduct {
  return kernel.kind === "matmul" ? matmulProduct(kernel, inputs, outputs) : convProduct(kernel, inputs, outputs);
}

/** Equal signatures mean equal plans: types, shapes, strides, offsets, and which views share a storage. */
export function signatureOf(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): string {
  const views = [...inputs, ...outputs];
  let signature = `${kernel.kind}\n${kernel.key}`;
  for (const [i, { dtype, shape, strides, offset, storage }] of views.entries()) {
    const same = views.findIndex((view) => view.storage === storage);
    signature += `${i === inputs.length ? ">" : "|"}${dtype}[${shape}][${strides}]${offset}${same < i ? `=${same}` : ""}`;
  }
  return signature;
}

/** How many plans are kept; the oldest goes first. */
const capacity = 8192;
/** Layouts compared one by one for each kernel before a signature is written, which takes microseconds. */
const recentLayouts = 16;

/** A plan for views of these types, shapes, strides and offsets, sharing storages in this way. */
interface Recent<Prepared> {
  readonly inputs: number;
  readonly views: readonly Omit<View, "storage">[];
  /** For each view the first one on the same storage. */
  readonly sharing: readonly number[];
  readonly plan: Prepared;
}

/** Plans by kernel and layout. Kernels are made once and used again, so those met before are found by their identity. */
export class PlanCache<Prepared> {
  readonly #plans = new Map<string, Prepared>();
  readonly #recent = new WeakMap<Kernel, Recent<Prepared>[]>();

  /** The plan of an equal call before, or the one that `make` gives. */
  get(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], make: () => Prepared): Prepared {
    const recent = this.#recent.get(kernel);
    if (recent !== undefined) { for (const entry of recent) if (matches(entry, inputs, outputs)) return entry.plan; }
    const signature = signatureOf(kernel, inputs, outputs);
    let plan = this.#plans.get(signature);
    if (plan === undefined) {
      plan = make();
      if (this.#plans.size >= capacity) this.#plans.delete(this.#plans.keys().next().value!);
      this.#plans.set(signature, plan);
    }
    const views = [...inputs, ...outputs];
    const entry = {
      inputs: inputs.length,
      views: views.map(({ dtype, shape, strides, offset }) => ({ dtype, shape, strides, offset })),
      sharing: views.map(({ storage }) => views.findIndex((view) => view.storage === storage)),
      plan,
    };
    if (recent === undefined) this.#recent.set(kernel, [entry]);
    else if (recent.unshift(entry) > recentLayouts) recent.pop();
    return plan;
  }
}

function matches<Prepared>(entry: Recent<Prepared>, inputs: readonly View[], outputs: readonly View[]): boolean {
  const { views, sharing } = entry;
  const count = inputs.length;
  if (entry.inputs !== count || views.length !== count + outputs.length) return false;
  for (let i = 0; i < views.length; i++) {
    const known = views[i]!;
    const view = i < count ? inputs[i]! : outputs[i - count]!;
    if (view.dtype !== known.dtype || view.offset !== known.offset) return false;
    if (!equalNumbers(view.shape, known.shape) || !equalNumbers(view.strides, known.strides)) return false;
    let first = 0;
    while ((first < count ? inputs[first]! : outputs[first - count]!).storage !== view.storage) first++;
    if (first !== sharing[i]) return false;
  }
  return true;
}

function equalNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The bytes of its storage that a view touches: from 0 to the end of its last element; 0 for a view without elements. */
export function viewExtent({ dtype, shape, strides, offset }: Omit<View, "storage">): { readonly first: number; readonly end: number } {
  let first = offset;
  let last = offset;
  for (const [dim, size] of shape.entries()) {
    if (size === 0) return { first: 0, end: 0 };
    const reach = (size - 1) * strides[dim]!;
    if (reach < 0) first += reach;
    else last += reach;
  }
  return { first: first * byteSize[dtype], end: (last + 1) * byteSize[dtype] };
}
