/**
 * Kernels on hand-made views, for tests of backends on the CPU.
 *
 * @module
 */
import { CpuBackend, type CpuStorage } from "../../cpu/mod.ts";
import { byteSize, type DType, typedArray } from "../../tensor/dtype.ts";
import type { Kernel, View } from "../../tensor/kernel.ts";
import { contiguousStrides, sizeOf } from "../../tensor/shape.ts";

/** A backend and the views on it. */
export class Host {
  /** The backend that runs the kernels. */
  readonly backend: CpuBackend;

  /** By default the reference alone. */
  constructor(backend: CpuBackend = new CpuBackend({ device: "reference", accelerate: false })) {
    this.backend = backend;
  }

  /** A contiguous view of given values; without values of a bit pattern that no result should have. */
  view(dtype: DType, shape: readonly number[], values?: ArrayLike<number>): View {
    const size = sizeOf(shape);
    const data = typedArray(dtype, new ArrayBuffer(size * byteSize[dtype]));
    if (values === undefined) data.fill(-77);
    else if (values.length === size) data.set(values);
    else throw new RangeError(`Cannot fill ${size} elements with ${values.length} values`);
    const storage = this.backend.alloc(data.byteLength);
    this.backend.write(storage, 0, data);
    return { storage, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
  }

  /** The elements in row-major order. */
  values(view: View): number[] {
    const { storage, dtype, shape, strides, offset } = view;
    const all = typedArray(dtype, this.backend.heap.memory.buffer, (storage as CpuStorage).pointer, storage.bytes / byteSize[dtype]);
    return Array.from({ length: sizeOf(shape) }, (_, index) => {
      let rest = index;
      let at = offset;
      for (let dim = shape.length - 1; dim >= 0; dim--) {
        at += (rest % shape[dim]!) * strides[dim]!;
        rest = Math.floor(rest / shape[dim]!);
      }
      return all[at]!;
    });
  }

  /** Runs a kernel into new contiguous outputs and gives their values. */
  run(
    kernel: Kernel,
    inputs: readonly View[],
    outputs: readonly (readonly [DType, readonly number[]])[],
    scalars: readonly number[] = [],
  ): number[][] {
    const views = outputs.map(([dtype, shape]) => this.view(dtype, shape));
    this.backend.run(kernel, inputs, views, scalars);
    return views.map((view) => this.values(view));
  }
}

/** The same elements with dims in another order. */
export function permuted(view: View, dims: readonly number[]): View {
  return { ...view, shape: dims.map((dim) => view.shape[dim]!), strides: dims.map((dim) => view.strides[dim]!) };
}

/** The same elements backwards along a dim. */
export function flipped(view: View, dim: number): View {
  const stride = view.strides[dim]!;
  const strides = view.strides.map((value, at) => at === dim ? -stride : value);
  return { ...view, strides, offset: view.offset + stride * Math.max(view.shape[dim]! - 1, 0) };
}

/** The view repeated to a larger shape, aligned at the right. */
export function expanded(view: View, shape: readonly number[]): View {
  const lead = shape.length - view.shape.length;
  const strides = shape.map((size, dim) => dim >= lead && view.shape[dim - lead] === size ? view.strides[dim - lead]! : 0);
  return { ...view, shape, strides };
}

/** Numbers between -1 and 1 that are the same in every run. */
export function numbers(count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  });
}
