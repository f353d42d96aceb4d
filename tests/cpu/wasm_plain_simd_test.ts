import { assertEquals } from "@std/assert";
import { detectRelaxedSimd } from "../../cpu/wasm/encoder.ts";
import type { ConvKernel } from "../../tensor/kernel.ts";
import { compare, random } from "./compare.ts";

// An engine without relaxed SIMD refuses the probing module; nothing here has probed yet, since every test file has its own modules.
WebAssembly.validate = () => false;

Deno.test("matmul in WebAssembly works on engines without relaxed SIMD", async () => {
  assertEquals(detectRelaxedSimd(), false);
  for (const [rows, depth, columns] of [[13, 30, 21], [1, 50, 40], [40, 50, 1]] as const) {
    await compare({ kind: "matmul", key: "matmul" }, [random(rows, depth), random(depth, columns)], [{ shape: [rows, columns] }]);
  }
});

Deno.test("conv in WebAssembly works on engines without relaxed SIMD", async () => {
  const geometry = { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
  const kernel = (direction: ConvKernel["direction"]): ConvKernel => ({ kind: "conv", key: `conv ${direction}`, direction, ...geometry });
  const [x, w, y] = [[2, 3, 7, 9], [6, 3, 3, 3], [2, 6, 7, 9]] as const;
  await compare(kernel("forward"), [random(...x), random(...w)], [{ shape: y }]);
  await compare(kernel("input"), [random(...y), random(...w)], [{ shape: x }]);
  await compare(kernel("weight"), [random(...x), random(...y)], [{ shape: w }]);
});
