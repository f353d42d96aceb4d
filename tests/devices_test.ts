import { assertEquals } from "@std/assert";
import { tensor } from "../tensor/mod.ts";
import { ignoreWebgpu, noAdapter, places, reference } from "./devices.ts";

if (noAdapter !== undefined) console.warn(`Tests on WebGPU are ignored: ${noAdapter}`);

for (const { device, dtype } of [...places, { device: reference, dtype: "float64" as const }]) {
  Deno.test({
    name: `tensor() keeps its values on ${device} in ${dtype}`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using x = tensor([1, -2.5], { device, dtype });
      assertEquals(await x.toArray(), [1, -2.5]);
    },
  });
}
