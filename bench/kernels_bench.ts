/**
 * Elementwise kernels, reductions and row programs of the CPU backend on one thread.
 *
 * @module
 */
import { CpuBackend } from "../cpu/backend.ts";
import { apply, expression, input, result, type Value } from "../tensor/expr.ts";
import type { Combine, Kernel, RowKernel, View } from "../tensor/kernel.ts";
import type { ScalarOp } from "../tensor/scalar.ts";
import { contiguousStrides, sizeOf } from "../tensor/shape.ts";

const backend = new CpuBackend();

function view(shape: readonly number[]): View {
  const storage = backend.alloc(sizeOf(shape) * 4);
  backend.write(storage, 0, new Float32Array(sizeOf(shape)).map((_, at) => Math.sin(at)));
  return { storage, dtype: "float32", shape, strides: contiguousStrides(shape), offset: 0 };
}

function transposed({ shape, strides, ...rest }: View): View {
  return { ...rest, shape: shape.toReversed(), strides: strides.toReversed() };
}

function bench(group: string, name: string, kernel: Kernel, inputs: View[], outputs: View[]): void {
  // The engine optimises hot code in the background: let it finish first.
  Deno.bench({ group, name, warmup: 20, fn: () => backend.run(kernel, inputs, outputs, []) });
}

function map(key: string, value: Value): Kernel {
  return { kind: "map", key, expr: expression([value]) };
}

function reduce(combine: Combine): Kernel {
  return { kind: "reduce", key: combine, reduced: 1, combine, prologue: expression([x]) };
}

const x = input(0, "float32");
const y = input(1, "float32");
const large = view([4194304]);
const largeOut = view([4194304]);
const affine = apply("add", apply("mul", x, 2), 1);
bench("elementwise 4M", "relu(2x + 1)", map("relu", apply("where", apply("lt", affine, 0), 0, affine)), [large], [largeOut]);
for (const op of ["exp", "tanh", "sigmoid", "erf", "sin"] as const satisfies readonly ScalarOp[]) {
  bench("elementwise 4M", op, map(op, apply(op, x)), [large], [largeOut]);
}

const small = [view([64, 128]), view([64, 128]), view([64, 128])] as const;
bench("small", "add [64, 128]", map("add", apply("add", x, y)), [small[0], small[1]], [small[2]]);
bench("small", "add [1]", map("add", apply("add", x, y)), [view([1]), view([1])], [view([1])]);

const matrix = view([4096, 1024]);
const matrixOut = view([4096, 1024]);
const square = view([1024, 1024]);
bench("layouts", "copy of a transposed [1024, 1024]", map("copy", x), [transposed(square)], [view([1024, 1024])]);
for (const combine of ["sum", "max", "argmax"] as const) {
  bench("reductions", `${combine} of 4M`, reduce(combine), [large], [view([])]);
  bench("reductions", `${combine} of [4096, 1024] over dim 0`, reduce(combine), [transposed(matrix)], [view([1024])]);
}

const exponential = apply("exp", apply("sub", x, result(0, "float32")));
const softmax: RowKernel = {
  kind: "row",
  key: "softmax",
  reduced: 1,
  stages: [{ combine: "max", expr: expression([x]) }, { combine: "sum", expr: expression([exponential]) }],
  outputs: [{ per: "element", expr: expression([apply("div", exponential, result(1, "float32"))]) }],
};
bench("rows", "softmax of [4096, 1024]", softmax, [matrix], [matrixOut]);
bench("rows", "softmax of [4096, 1024] over dim 0", softmax, [transposed(matrix)], [transposed(matrixOut)]);
bench("rows", "softmax of [64, 10]", softmax, [view([64, 10])], [view([64, 10])]);
