/**
 * What a WGSL generator hands to the device: dispatches as plain data.
 *
 * @module
 */

/**
 * A buffer of a dispatch: an input or output view's storage by position, one of the plan's temporaries, or the fault flag: a small
 * buffer of the backend's that a kernel bound to it (`read_write`, index 0, declared and written by `faultSource` of fault.ts) sets
 * when it meets an index out of range. The next read throws an IndexError that names the dispatch's label.
 */
export interface Binding {
  readonly role: "input" | "output" | "temporary" | "fault";
  readonly index: number;
  /** `read_write` for whatever the dispatch writes. One storage is never bound twice with different access. */
  readonly access: "read" | "read_write";
}

/**
 * One dispatch: WGSL with entry point `main`, whose storage buffer number i is `@group(0) @binding(i)`. Sizes, strides and offsets
 * are part of the source. Where `scalars` is not empty the run's scalars arrive as the uniform
 * `@group(1) @binding(0) var<uniform> scalars: array<vec4<u32>, …>`, scalar i in component i % 4 of element i / 4, as the bits of its type
 * (`scalars` lists slot and type, so that the queue writes float32, int32 or uint32 bits).
 */
export interface Dispatch {
  readonly label: string;
  readonly source: string;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
  readonly scalars: readonly { readonly slot: number; readonly dtype: "float32" | "int32" | "uint32" }[];
}

/** The dispatches of one kernel on given views, in order, and the sizes in bytes of the temporary buffers they share. */
export interface Plan {
  readonly temporaries: readonly number[];
  readonly dispatches: readonly Dispatch[];
}

/** The limits of the adapter that a generator must respect. */
export interface Limits {
  readonly workgroupInvocations: number;
  readonly workgroupMemory: number;
  readonly workgroupsPerDimension: number;
  readonly storageBuffers: number;
  readonly f16: boolean;
}
