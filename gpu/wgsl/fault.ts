/**
 * How a kernel reports an index out of range: WebGPU has no exceptions, so it leaves a note for the next read.
 *
 * @module
 */

/** The `u32` words of a fault note: flag, the index (as `i32` bits), and the size of the dimension. */
export const faultWords = 3;

/**
 * WGSL that declares the fault flag at a binding and `fn reportIndex(index: i32, size: u32)`, which keeps the first report.
 * The dispatch lists `{ role: "fault", index: 0, access: "read_write" }` at that binding.
 */
export function faultSource(binding: number): string {
  return `@group(0) @binding(${binding}) var<storage, read_write> fault: array<atomic<u32>>;
fn reportIndex(index: i32, size: u32) {
  if (atomicExchange(&fault[0], 1u) == 0u) {
    atomicStore(&fault[1], bitcast<u32>(index));
    atomicStore(&fault[2], size);
  }
}
`;
}
