import { assertEquals } from "@std/assert";
// The standard's own types: a name that is misspelt here, or that the standard drops, does not compile.
import type {} from "@webgpu/types";
import { ignoreWithout } from "../permissions.ts";

const features: readonly GPUFeatureName[] = ["shader-f16", "timestamp-query"];

Deno.test({
  name: "the WebGPU backend asks for features by the standard's names",
  ignore: ignoreWithout("read"),
  async fn() {
    const source = await Deno.readTextFile(new URL("../../gpu/guard.ts", import.meta.url));
    const asked = [...source.matchAll(/"((?:shader|timestamp)-[a-z0-9-]+)"/g)].map(([, name]) => name!);
    assertEquals([...new Set(asked)].sort(), [...features].sort());
  },
});
