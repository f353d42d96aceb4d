/**
 * The workloads that `bench/gpu.ts` times, those that tell most first.
 *
 * @module
 */
import type { GpuWorkload } from "./gpu_workloads.ts";

/** A workload, and the work of one run in the unit of its rate. */
export interface GpuCase {
  readonly workload: GpuWorkload;
  readonly work?: { readonly amount: number; readonly unit: "GFLOP/s" | "GB/s" };
  /** Both start from the same numbers, so that their results have to agree. */
  readonly comparable: boolean;
  /** Not run in torch, which computes it with other hardware. */
  readonly alone?: boolean;
}

/** All cases; `quick` makes them small enough for a software adapter. */
export function gpuCases(quick: boolean): GpuCase[] {
  const megabytes = quick ? 4 : 256;
  const [rows, columns] = quick ? [256, 1024] : [8192, 4096];
  const conv = quick ? { batch: 2, channels: 16, size: 16 } : { batch: 128, channels: 64, size: 32 };
  const resnet = quick ? { batch: 2, width: 4 } : { batch: 128, width: 64 };
  const similar = quick ? 256 : 8192;
  const convolved = 3 * 2 * 9 * conv.batch * conv.channels ** 2 * conv.size ** 2;
  return [
    product(quick ? 256 : 4096),
    { workload: { name: `map ${megabytes} MB`, kind: "map", megabytes }, work: bytes(2 * megabytes * 2 ** 20), comparable: true },
    {
      workload: { name: `softmax [${rows}, ${columns}]`, kind: "softmax", rows, columns },
      work: bytes(2 * rows * columns * 4),
      comparable: true,
    },
    {
      workload: { name: `conv [${conv.batch}, ${conv.channels}, ${conv.size}, ${conv.size}] forward + backward`, kind: "conv", ...conv },
      work: { amount: convolved, unit: "GFLOP/s" },
      comparable: true,
    },
    { workload: { name: `ResNet-18 step, batch ${resnet.batch}, width ${resnet.width}`, kind: "resnet", ...resnet }, comparable: false },
    {
      workload: { name: `SupCon N = ${similar}, D = 128 forward + backward`, kind: "supcon", rows: similar, columns: 128 },
      comparable: true,
    },
    product(quick ? 64 : 1024),
    ...(quick ? [] : [product(8192)]),
    { ...product(quick ? 128 : 4096, "float16"), alone: true },
  ];
}

function product(size: number, dtype: "float32" | "float16" = "float32"): GpuCase {
  const name = `matmul ${size}${dtype === "float16" ? ", float16 stored" : ""}`;
  return { workload: { name, kind: "matmul", size, dtype }, work: { amount: 2 * size ** 3, unit: "GFLOP/s" }, comparable: true };
}

function bytes(amount: number): { readonly amount: number; readonly unit: "GB/s" } {
  return { amount, unit: "GB/s" };
}
