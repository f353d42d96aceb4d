/**
 * From a kernel and its views to dispatches: which generator writes which family.
 *
 * @module
 */
import { byteSize } from "../tensor/dtype.ts";
import type { Kernel, View } from "../tensor/kernel.ts";
import { planConv } from "./wgsl/conv.ts";
import { planCustom } from "./wgsl/custom.ts";
import { planGather } from "./wgsl/gather.ts";
import { planMap } from "./wgsl/map.ts";
import { planMatmul } from "./wgsl/matmul.ts";
import { planPairs } from "./wgsl/pairs.ts";
import { planPool } from "./wgsl/pool.ts";
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
      return planMatmul(kernel, inputs, outputs, limits);
    case "conv":
      return planConv(kernel, inputs, outputs, limits);
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

/** The bytes of its storage that a view touches: from 0 to the end of its last element; 0 for a view without elements. */
export function viewExtent({ dtype, shape, strides, offset }: View): { readonly first: number; readonly end: number } {
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
