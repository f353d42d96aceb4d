import type { ScanKernel } from "../../tensor/kernel.ts";
import { flipped, permuted, random } from "../cpu/compare.ts";
import { compareOnGpu, filled, gpu, gpuTest, whole } from "./families.ts";

function scan(combine: ScanKernel["combine"]): ScanKernel {
  return { kind: "scan", key: `scan ${combine}`, combine };
}

gpuTest("planScan runs along short, middle and long rows", async () => {
  for (const combine of ["sum", "max", "min"] as const) {
    for (const shape of [[7, 50], [3, 1000], [2, 5000]]) await compareOnGpu(scan(combine), [random(...shape)], [{ shape }]);
  }
  const nearOne = filled("float32", [2, 5000], (at) => 1 + (at % 7 - 3) / 5000);
  await compareOnGpu(scan("prod"), [nearOne], [{ shape: [2, 5000] }], { tolerance: 1e-4 });
});

gpuTest("planScan reads strided and reversed rows", async () => {
  await compareOnGpu(scan("sum"), [permuted(random(300, 4), 1, 0)], [{ shape: [4, 300] }]);
  await compareOnGpu(scan("sum"), [flipped(random(3, 90), 1)], [{ shape: [3, 90] }]);
});

gpuTest("planScan is exact over 65,535, 65,536, 70,000 and 5,000,000 whole numbers", async () => {
  for (const size of [65535, 65536, 70000, 5000000]) {
    const x = filled("int32", [size], () => whole(100) - 50);
    await compareOnGpu(scan("sum"), [x], [{ shape: [size], dtype: "int32" }], { tolerance: 0 });
  }
});

gpuTest("planScan carries NaN and infinities on", async () => {
  const x = filled("float32", [3, 3000], (at) => at === 2500 ? NaN : at === 4000 ? Infinity : at % 5);
  for (const combine of ["sum", "max", "min"] as const) await compareOnGpu(scan(combine), [x], [{ shape: [3, 3000] }]);
});

gpuTest("planScan takes float16, one element and none", async () => {
  if (gpu().supports("float16")) {
    const ones = filled("float16", [3000], (at) => at % 3 === 0 ? 1 : 0);
    await compareOnGpu(scan("sum"), [ones], [{ shape: [3000], dtype: "float16" }], { tolerance: 1e-3 });
  }
  await compareOnGpu(scan("sum"), [random(1)], [{ shape: [1] }]);
  await compareOnGpu(scan("sum"), [random(3, 0)], [{ shape: [3, 0] }]);
});
