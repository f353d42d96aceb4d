import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import {
  adaptiveAvgPool2d,
  ArgumentError,
  avgPool2d,
  conv2d,
  DTypeError,
  IndexError,
  linear,
  maxPool2d,
  normalize,
  ones,
  pairLogSumExp,
  scope,
  ShapeError,
  tensor,
} from "../../tensor/mod.ts";

const whole = (values: number[]) => tensor(values, { dtype: "int32" });

/** A call that must be refused, with what its error is and says. */
type Refusal = readonly [() => unknown, typeof ShapeError | typeof DTypeError | typeof ArgumentError | typeof IndexError, string];

const refusals: Readonly<Record<string, Refusal>> = {
  "broadcasting of other sizes": [
    () => ones([2, 3]).add(ones([4])),
    ShapeError,
    "Cannot add [2, 3] and [4]: sizes that are equal or 1 are needed in each dim, got 3 and 4 in dim -1",
  ],
  "broadcasting in an outer dim": [() => ones([2, 1, 3]).mul(ones([3, 1, 3])), ShapeError, "got 2 and 3 in dim -3"],
  "a product of sizes that differ": [() => ones([2, 3]).matmul(ones([2, 3])), ShapeError, "got K of 3 and 2"],
  "a product of a single number": [() => ones([]).matmul(ones([2])), ShapeError, "at least 1-d tensors are needed"],
  "batches that differ": [() => ones([2, 2, 3]).matmul(ones([3, 3, 2])), ShapeError, "Cannot matmul [2] and [3]"],
  "a dim outside the rank": [() => ones([2, 3]).sum(2), IndexError, "Cannot sum: a dim in -2 … 1 is needed, got 2"],
  "one dim twice": [() => ones([2, 3]).sum([0, -2]), ArgumentError, "distinct dims are needed"],
  "a dim that is no whole number": [() => ones([2, 3]).softmax(0.5), IndexError, "a dim in -2 … 1 is needed, got 0.5"],
  "the greatest of nothing": [() => ones([2, 0]).max(1), ShapeError, "Cannot max [2, 0]: at least one element to reduce is needed"],
  "a position among nothing": [() => ones([0]).argmax(), ShapeError, "Cannot argmax [0]"],
  "an index beyond the dim": [() => ones([3]).gather(0, whole([3])), IndexError, "3"],
  "an index below the dim": [() => ones([3]).scatterAdd(0, whole([-1]), ones([1])), IndexError, "-1"],
  "an index of another rank": [() => ones([3, 3]).gather(0, whole([1])), ShapeError, "an index of the same rank"],
  "a source smaller than its index": [
    () => ones([3]).scatterAdd(0, whole([1, 1]), ones([1])),
    ShapeError,
    "a source at least as large as the index",
  ],
  "a source of another type": [() => ones([3]).scatterAdd(0, whole([1]), whole([1])), DTypeError, "Cannot scatter int32 into float32"],
  "a class beyond the vector": [() => whole([4]).oneHot(4), IndexError, "4"],
  "more than there is": [() => ones([3]).topk(4), ArgumentError, "k from 0 to 3 is needed, got 4"],
  "padding of half a pair": [() => ones([3]).pad([1]), ArgumentError, "whole pairs"],
  "padding that cuts too much": [() => ones([3]).pad([-2, -2]), ShapeError, "no size below 0"],
  "a norm of order 0": [() => ones([3]).norm(0, { p: 0 }), ArgumentError, "a positive p"],
  "a convolution with other channels": [() => conv2d(ones([1, 2, 4, 4]), ones([1, 3, 2, 2])), ShapeError, "Cannot conv2d [1, 2, 4, 4]"],
  "a convolution of a smaller image": [() => conv2d(ones([1, 1, 2, 2]), ones([1, 1, 3, 3])), ShapeError, "at least as large as the kernel"],
  "a convolution with stride 0": [() => conv2d(ones([1, 1, 3, 3]), ones([1, 1, 1, 1]), { stride: 0 }), ArgumentError, "stride"],
  "a convolution of three dims": [() => conv2d(ones([1, 3, 3]), ones([1, 1, 1, 1])), ShapeError, "two 4-d tensors"],
  "padding above half the window": [() => maxPool2d(ones([1, 1, 4, 4]), 2, { padding: 2 }), ArgumentError, "at most half the window"],
  "a window larger than the image": [() => avgPool2d(ones([1, 1, 2, 2]), 3), ShapeError, "room for a window"],
  "adaptive pooling of a matrix": [() => adaptiveAvgPool2d(ones([2, 2]), 1), ShapeError, "[N, C, H, W] is needed"],
  "a weight of another width": [() => linear(ones([2, 3]), ones([2, 4])), ShapeError, "[..., K] and [N, K] are needed"],
  "a weight without a bias": [() => normalize(ones([2, 3]), { dims: 1, weight: ones([3]) }), ArgumentError, "together or neither"],
  "rows of other widths": [() => pairLogSumExp(ones([2, 3]), ones([2, 4]), { scale: 1 }), ShapeError, "[M, D] and [N, D] are needed"],
};

for (const [name, [call, type, message]] of Object.entries(refusals)) {
  Deno.test(`${type.name} is thrown for ${name}`, () => {
    using _ = scope();
    const error = assertThrows(call, type, message);
    assertMatch(error.message, /^Cannot \S+.*[^.]$/);
    assertEquals(error.name, type.name);
    if (error instanceof ShapeError) {
      assert(error.op.length > 0, "op");
      assert(error.shapes.length > 0 && error.shapes.every((shape) => Array.isArray(shape)), "shapes");
      assertInstanceOf(error, TypeError);
    }
  });
}

Deno.test("ShapeError carries the operation and the shapes", () => {
  using _ = scope();
  const error = assertThrows(() => ones([2, 3]).sub(ones([4])), ShapeError);
  assertEquals([error.op, error.shapes], ["sub", [[2, 3], [4]]]);
});

Deno.test("an error leaves the tensors as they were", async () => {
  using _ = scope();
  const x = tensor([1, 2, 3]);
  assertThrows(() => x.scatterAdd(0, whole([0, 9]), ones([2])), IndexError);
  assertEquals(await x.toArray(), [1, 2, 3]);
});
