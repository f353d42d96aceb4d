/**
 * What the benchmarks run on.
 *
 * @module
 */

/** The processor's name, and whether it has vectors of 512 bits. */
export function processor(): { readonly name: string; readonly vectors: boolean } {
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    return { name: text.match(/^model name\s*: (.*)$/m)?.[1] ?? Deno.build.arch, vectors: /\bavx512f\b/.test(text) };
  } catch {
    return { name: Deno.build.arch, vectors: false };
  }
}
