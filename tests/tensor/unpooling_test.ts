import { assertEquals, assertThrows } from "@std/assert";
import {
  ArgumentError,
  DTypeError,
  IndexError,
  maxPool1d,
  maxPool1dWithIndices,
  maxPool2d,
  maxPool2dWithIndices,
  maxPool3d,
  maxPool3dWithIndices,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  ones,
  randperm,
  scope,
  ShapeError,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";

/** Distinct values, so that a value says where it stands. */
function distinct(shape: readonly number[], device: string): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return randperm(size, { device }).to("float32").reshape([...shape]);
}

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `maxPool1dWithIndices() and its kin say where each maximum stands, and maxUnpool1d() and its kin put it back, on ${device}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const cases = [
        { shape: [2, 2, 9], pool: maxPool1d, both: maxPool1dWithIndices, unpool: maxUnpool1d, geometry: { stride: 3, padding: 1 } },
        { shape: [2, 2, 7, 9], pool: maxPool2d, both: maxPool2dWithIndices, unpool: maxUnpool2d, geometry: { stride: 3, padding: [1, 0] } },
        {
          shape: [2, 2, 6, 7, 8],
          pool: maxPool3d,
          both: maxPool3dWithIndices,
          unpool: maxUnpool3d,
          geometry: { stride: 3, padding: [1, 0, 1] },
        },
      ];
      for (const { shape, pool, both, unpool, geometry } of cases) {
        const x = distinct(shape, device);
        const { values, indices } = both(x, 3, geometry);
        assertEquals(await values.toArray(), await pool(x, 3, geometry).toArray());
        assertEquals(await x.flatten(2).gather(2, indices.flatten(2)).toArray(), await values.flatten(2).toArray());
        const back = unpool(values, 3, { indices, ...geometry, outputSize: shape.slice(2) });
        // Windows that do not overlap: exactly the maxima are there, each in its place.
        assertEquals(back.shape, shape);
        assertEquals(await back.ne(0).where(back.sub(x), 0).abs().max().item(), 0);
        assertEquals(await back.sum().item(), await values.sum().item());
      }
    },
  });
}

Deno.test("maxUnpool2d() takes the least size that such a pooling has, unless told", async () => {
  using _ = scope();
  const x = tensor([[[[1, 2, 3]]]]);
  const indices = tensor([[[[0, 3, 5]]]], { dtype: "int32" });
  assertEquals(await maxUnpool2d(x, [1, 2], { indices }).toArray(), [[[[1, 0, 0, 2, 0, 3]]]]);
  assertEquals(maxUnpool2d(x, [1, 2], { indices, outputSize: [1, 7] }).shape, [1, 1, 1, 7]);
  assertThrows(() => maxUnpool2d(x, [1, 2], { indices, outputSize: [1, 8] }), ArgumentError, "within the stride of [1, 6]");
  assertThrows(() => maxUnpool2d(x, [1, 2], { indices: ones([1, 1, 1, 2], { dtype: "int32" }) }), ShapeError, "indices of its shape");
  assertThrows(() => maxUnpool1d(x, 2, { indices }), ShapeError, "a 3-d tensor and indices of its shape are needed");
  assertThrows(() => maxUnpool2d(x, [1, 2], { indices: ones([1, 1, 1, 3]) }), DTypeError, "int32 indices are needed");
  assertThrows(() => maxUnpool2d(x, [1, 2], { indices: indices.add(1) }), IndexError);
});
