import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { affineGrid, gridSample, type GridSampleOptions } from "../../nn/mod.ts";
import { ArgumentError, type DType, DTypeError, ones, scope, ShapeError, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, places } from "../devices.ts";
import stored from "./fixtures/grid_sample.json" with { type: "json" };

interface Stored {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

function make({ shape, values }: Stored, place: { readonly device: string; readonly dtype: DType }): Tensor {
  return tensor(Float64Array.from(values), { shape, ...place });
}

async function assertClose(got: Tensor, { shape, values }: Stored, tolerance: number): Promise<void> {
  assertEquals(got.shape, shape);
  (await got.data()).forEach((value, i) => assertAlmostEquals(value, values[i]!, tolerance * Math.max(1, Math.abs(values[i]!))));
}

for (const place of places) {
  Deno.test({
    name: `gridSample() is PyTorch's, with its gradients, on ${place.device} in ${place.dtype}`,
    ignore: place.device === "webgpu" && ignoreWebgpu,
    async fn() {
      const tolerance = place.dtype === "float64" ? 1e-10 : 2e-5;
      for (const { x, grid, weight, cases } of stored.samples) {
        for (const { mode, paddingMode, alignCorners, y, gradients } of cases) {
          using _ = scope();
          const leaves = [x, grid].map((leaf) => make(leaf, place).requiresGrad_()) as [Tensor, Tensor];
          const sampled = gridSample(...leaves, { mode, paddingMode, alignCorners } as GridSampleOptions);
          await assertClose(sampled, y, tolerance);
          sampled.mul(make(weight, place)).sum().backward();
          for (const [at, leaf] of leaves.entries()) await assertClose(leaf.grad!, gradients[at]!, tolerance);
        }
      }
    },
  });
}

Deno.test("affineGrid() is PyTorch's, and refuses what does not fit with a typed error", async () => {
  using _ = scope();
  for (const { theta, size, alignCorners, grid } of stored.maps) {
    const map = make(theta, { device: "cpu", dtype: "float64" });
    await assertClose(affineGrid(map, size, { alignCorners }), grid, 1e-10);
  }
  assertEquals(affineGrid(ones([0, 2, 3]), [0, 1, 2, 2]).shape, [0, 2, 2, 2]);
  for (const size of [[2, 1, 2, 2], [1, 1, 2], [1, 1, 2, 2, 2]]) {
    assertThrows(() => affineGrid(ones([1, 2, 3]), size), ShapeError, "Cannot affineGrid");
  }
  assertThrows(() => affineGrid(ones([1, 2, 3], { dtype: "int32" }), [1, 1, 2, 2]), DTypeError, "a floating type is needed");
});

Deno.test("gridSample() takes NaN for -1, reads nothing at infinity and keeps its type", async () => {
  using _ = scope();
  const image = tensor([[[[1, 2], [3, 4]]]]);
  const grid = tensor([[[[NaN, NaN], [Infinity, 0], [-Infinity, Infinity]]]]);
  assertEquals(await gridSample(image, grid, { alignCorners: true }).data(), Float32Array.of(1, 0, 0));
  assertEquals(gridSample(image.to("float16"), grid.to("float16")).dtype, "float16");
  assertEquals(gridSample(ones([0, 2, 2, 2]), ones([0, 3, 4, 2])).shape, [0, 2, 3, 4]);
});

Deno.test("gridSample() refuses what does not fit with a typed error", () => {
  using _ = scope();
  const [image, grid] = [ones([1, 1, 2, 2]), ones([1, 3, 3, 2])];
  for (
    const [x, positions] of [[ones([1, 2, 2]), grid], [image, ones([2, 3, 3, 2])], [image, ones([1, 3, 3, 3])], [ones([1, 1, 0, 2]), grid]]
  ) {
    assertThrows(() => gridSample(x!, positions!), ShapeError, "Cannot gridSample");
  }
  assertThrows(() => gridSample(image, grid.to("float64")), DTypeError, "one floating type is needed");
  assertThrows(() => gridSample(image.to("int32"), grid.to("int32")), DTypeError, "one floating type is needed");
  const volume = [ones([1, 1, 2, 2, 2]), ones([1, 1, 1, 1, 3])] as const;
  assertThrows(() => gridSample(...volume, { mode: "bicubic" }), ArgumentError, 'a mode bilinear, nearest is needed, got "bicubic"');
  const other = { paddingMode: "mirror" } as unknown as GridSampleOptions;
  assertThrows(() => gridSample(image, grid, other), ArgumentError, 'got "mirror"');
  assert(gridSample(...volume).rank === 5);
});
