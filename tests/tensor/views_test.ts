import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { noGrad } from "../../autograd/mod.ts";
import { arange, ArgumentError, IndexError, ones, scope, ShapeError, type SliceOptions, type Tensor, zeros } from "../../tensor/mod.ts";
import { contiguousStrides, isContiguous, reshapeStrides, sizeOf } from "../../tensor/shape.ts";

/** Every way to write `size` as sizes, with up to `rank` dims, some of size 1. */
function factorizations(size: number, rank: number): number[][] {
  if (rank === 0) return size === 1 ? [[]] : [];
  const out = factorizations(size, rank - 1);
  for (let first = 1; first <= size; first++) {
    if (size % first === 0) {
      out.push(...factorizations(size / first, rank - 1).filter((rest) => rest.length === rank - 1).map((rest) => [first, ...rest]));
    }
  }
  return out;
}

function permutations(rank: number): number[][] {
  if (rank === 0) return [[]];
  return permutations(rank - 1).flatMap((rest) =>
    Array.from({ length: rank }, (_, at) => [...rest.slice(0, at), rank - 1, ...rest.slice(at)])
  );
}

/** The place of every element, row-major. */
function places(shape: readonly number[], strides: readonly number[]): number[] {
  return shape.reduce<number[]>(
    (found, size, dim) => found.flatMap((place) => Array.from({ length: size }, (_, i) => place + i * strides[dim]!)),
    [0],
  );
}

/** Strides by brute force: one step in each dim, if then all places agree. */
function bruteStrides(elements: readonly number[], to: readonly number[]): number[] | undefined {
  const steps = contiguousStrides(to).map((step, dim) => to[dim] === 1 ? 0 : elements[step]! - elements[0]!);
  return places(to, steps).every((place, i) => place + elements[0]! === elements[i]) ? steps : undefined;
}

Deno.test("reshapeStrides() finds a view exactly where one exists", () => {
  let views = 0;
  let copies = 0;
  for (const shape of [[6], [2, 6], [4, 3], [2, 3, 2], [1, 4, 3], [2, 1, 6], [2, 2, 3], [3, 1, 4, 1]]) {
    // Permuted, with gaps, backwards and expanded.
    const layouts = [
      contiguousStrides(shape),
      contiguousStrides(shape.map((size) => size + 1)),
      contiguousStrides(shape).map((stride) => -stride),
      contiguousStrides(shape).map((stride, dim) => dim === 0 ? 0 : stride),
      contiguousStrides(shape).map((stride, dim) => dim === shape.length - 1 ? 0 : stride),
      contiguousStrides(shape).map((stride) => stride * 2),
    ];
    for (const order of permutations(shape.length)) {
      for (const layout of layouts) {
        const from = order.map((dim) => shape[dim]!);
        const strides = order.map((dim) => layout[dim]!);
        const elements = places(from, strides);
        for (const to of factorizations(sizeOf(shape), 4)) {
          const found = reshapeStrides(from, strides, to);
          const expected = bruteStrides(elements, to);
          assertEquals(found === undefined, expected === undefined, `[${from}] with strides [${strides}] to [${to}]`);
          if (found !== undefined) assertEquals(places(to, found), elements, `[${from}] with strides [${strides}] to [${to}]`);
          if (found === undefined) copies++;
          else views++;
        }
      }
    }
  }
  assert(views > 1000 && copies > 1000, `${views} views, ${copies} copies`);
});

Deno.test("reshapeStrides() and isContiguous() take shapes without elements and dims of size 1", () => {
  assertEquals(reshapeStrides([0, 3], [3, 1], [3, 0]), contiguousStrides([3, 0]));
  assertEquals(reshapeStrides([], [], [1, 1])?.length, 2);
  assertEquals(reshapeStrides([1, 1], [7, 9], []), []);
  assert(isContiguous([1, 3], [99, 1]));
  assert(isContiguous([0, 3], [5, 7]));
  assertFalse(isContiguous([2, 3], [1, 2]));
});

Deno.test("reshape() shares memory where it can and copies where it must", async () => {
  using _ = scope();
  const x = arange(12).reshape([3, 4]);
  const view = x.reshape([2, 6]);
  const copy = x.mT.reshape([12]);
  noGrad(() => x.fill_(7));
  assertEquals(await view.max().item(), 7);
  assertEquals(await copy.toArray(), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  assertEquals(x.reshape([-1, 2]).shape, [6, 2]);
  assertThrows(() => x.reshape([5, -1]), ShapeError, "Cannot reshape [3, 4]: a shape of 12 elements is needed, got [5, -1]");
  assertThrows(() => x.reshape([-1, -1]), ShapeError, "at most one -1");
  assertThrows(() => zeros([0]).reshape([0, -1]), ShapeError, "Cannot reshape [0]");
});

/** Python's slice: walk all positions in the step's direction, keep those between the ends, then every step-th. */
function pythonSlice(size: number, { start, end, step = 1 }: SliceOptions): number[] {
  const place = (position: number) => position < 0 ? position + size : position;
  const from = start === undefined ? -Infinity * step : place(start);
  const to = end === undefined ? Infinity * step : place(end);
  const all = Array.from({ length: size }, (_, i) => i);
  const walked = step > 0 ? all : all.toReversed();
  return walked.filter((i) => step > 0 ? i >= from && i < to : i <= from && i > to).filter((_, i) => i % Math.abs(step) === 0);
}

Deno.test("slice() takes what Python's slice takes, for all starts, ends and steps", async () => {
  using _ = scope();
  const ends = [undefined, -7, -6, -5, -2, -1, 0, 1, 3, 4, 5, 6, 9];
  for (const size of [5, 1, 0]) {
    const x = arange(size);
    for (const start of ends) {
      for (const end of ends) {
        for (const step of [1, 2, 3, 7, -1, -2, -7]) {
          const options = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }), step };
          using part = x.slice(0, options);
          assertEquals([...await part.data()], pythonSlice(size, options), JSON.stringify({ size, ...options }));
        }
      }
    }
  }
  assertThrows(() => arange(3).slice(0, { step: 0 }), ArgumentError, "a whole step other than 0");
  assertThrows(() => arange(3).slice(0, { start: 0.5 }), ArgumentError, "whole positions");
  assertThrows(() => arange(3).sum().slice(0, {}), ShapeError, "at least one dim");
});

Deno.test("slice() of a slice of a flip of a transpose reads the right elements", async () => {
  using _ = scope();
  const x = arange(24).reshape([4, 6]).mT.flip(0).slice(0, { start: 1, step: 2 }).slice(1, { step: -3 });
  const expected = [4, 2, 0].map((row) => [3, 0].map((column) => column * 6 + row));
  assertEquals(await x.toArray(), expected);
  assertEquals(await x.contiguous().toArray(), expected);
  assertEquals(await x.add(0).toArray(), expected);
});

Deno.test("views share their elements: a write through one shows in the others", async () => {
  using _ = scope();
  const x = zeros([2, 3]);
  noGrad(() => {
    x.mT.select(0, 1).fill_(1);
    x.slice(1, { start: 2 }).add_(5);
    x.flip().select(0, 0).slice(0, { start: -1 }).copy_(ones([1]).mul(9));
  });
  assertEquals(await x.toArray(), [[0, 1, 5], [9, 1, 5]]);
});

Deno.test("add_() and its like refuse expanded tensors, other shapes and other types", () => {
  using _ = scope();
  noGrad(() => {
    const expanded = ones([1, 3]).expand([2, 3]);
    assertThrows(() => expanded.add_(1), ShapeError, "an expanded tensor shares its elements");
    assertThrows(() => ones([3]).add_(ones([2, 3])), ShapeError, "a result of the same shape is needed");
    assertThrows(() => ones([3], { dtype: "int32" }).mul_(1.5), TypeError, "a result of type int32 is needed, got float32");
    assertThrows(() => ones([3]).copy_(ones([2, 3])), ShapeError, "Cannot copy_");
  });
});

Deno.test("copy_() of an overlapping view gives what a copy of it would", async () => {
  using _ = scope();
  const x = arange(6).to("float32");
  noGrad(() => x.slice(0, { start: 1 }).copy_(x.slice(0, { end: 5 })));
  assertEquals(await x.toArray(), [0, 0, 1, 2, 3, 4]);
  const y = arange(6).to("float32");
  noGrad(() => y.add_(y.flip()));
  assertEquals(await y.toArray(), [5, 5, 5, 5, 5, 5]);
});

Deno.test("permute(), transpose(), squeeze(), unsqueeze(), expand() have PyTorch's shapes", () => {
  using _ = scope();
  const x = ones([1, 2, 3, 1]);
  assertEquals(x.permute([2, 0, -1, 1]).shape, [3, 1, 1, 2]);
  assertEquals(x.squeeze().shape, [2, 3]);
  assertEquals(x.squeeze([0, -1]).shape, [2, 3]);
  assertEquals(x.squeeze(1).shape, [1, 2, 3, 1]);
  assertEquals(x.unsqueeze(-1).shape, [1, 2, 3, 1, 1]);
  assertEquals(x.expand([4, -1, 3, 5]).shape, [4, 2, 3, 5]);
  assertEquals(x.mT.shape, [1, 2, 1, 3]);
  assertThrows(() => x.permute([0, 1, 2]), ArgumentError, "each dim once");
  assertThrows(() => x.transpose(0, 4), IndexError, "a dim in -4 … 3 is needed, got 4");
  assertThrows(() => x.expand([2, 2]), ShapeError, "Cannot expand [1, 2, 3, 1]");
  assertThrows(() => ones([2]).expand([3]), ShapeError, "a shape that keeps all sizes but 1");
  assertThrows(() => ones([3]).mT, IndexError, "Cannot transpose");
});

Deno.test("narrow(), select(), split() and chunk() cut and refuse", async () => {
  using _ = scope();
  const x = arange(5);
  assertEquals(await Promise.all(x.split(2).map((part: Tensor) => part.toArray())), [[0, 1], [2, 3], [4]]);
  assertEquals(x.chunk(3).map(({ shape }) => shape), [[2], [2], [1]]);
  assertEquals(x.split([0, 5]).map(({ shape }) => shape), [[0], [5]]);
  assertEquals(await x.select(0, -2).item(), 3);
  assertThrows(() => x.select(0, 5), IndexError, "a position in -5 … 4 is needed, got 5");
  assertThrows(() => x.narrow(0, { start: 3, length: 3 }), IndexError, "a range within 0 … 5 is needed, got 3 + 3");
  assertThrows(() => x.split([2, 2]), ShapeError, "sizes that add up to 5");
  assertThrows(() => x.split(0), ArgumentError, "a positive whole size");
  assertStrictEquals(x.chunk(9).length, 5);
});
