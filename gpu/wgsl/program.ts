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
  /** Whose buffer it is. */
  readonly role: "input" | "output" | "temporary" | "fault";
  /** Its position among the views or temporaries of that role. */
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
  /** What error messages call it. */
  readonly label: string;
  /** The WGSL. */
  readonly source: string;
  /** The storage buffers in the order of their bindings. */
  readonly bindings: readonly Binding[];
  /** How many workgroups run along x, y and z. */
  readonly workgroups: readonly [number, number, number];
  /** The scalars that the source reads, in their order in the uniform. */
  readonly scalars: readonly { readonly slot: number; readonly dtype: "float32" | "int32" | "uint32" }[];
}

/** The dispatches of one kernel on given views, in order, and the sizes in bytes of the temporary buffers they share. */
export interface Plan {
  /** Bytes of each temporary. */
  readonly temporaries: readonly number[];
  /** What runs, in order. */
  readonly dispatches: readonly Dispatch[];
}

/** The limits of the adapter that a generator must respect, and what is known of its speed. */
export interface Limits {
  /** Invocations of one workgroup. */
  readonly workgroupInvocations: number;
  /** Bytes that the invocations of one workgroup share. */
  readonly workgroupMemory: number;
  /** Workgroups along one dimension of a dispatch. */
  readonly workgroupsPerDimension: number;
  /** Storage buffers bound at once. */
  readonly storageBuffers: number;
  /** Whether the adapter computes with 16-bit floats. */
  readonly f16: boolean;
  /** Whether it is software on the CPU: few threads, caches instead of shared memory, slow to compile long code. */
  readonly software: boolean;
  /** The tile that tuning found best for a class of products, if it was tuned. */
  readonly tileOf?: ((productClass: string) => Tile | undefined) | undefined;
}

/** How a workgroup divides a tile of a matrix product; the first of each pair runs down the rows, the second across the columns. */
export interface Tile {
  /** Invocations of the workgroup. */
  readonly threads: readonly [number, number];
  /** Results that each invocation keeps in registers: multiples of 4. */
  readonly results: readonly [number, number];
  /** Steps of depth between two barriers. */
  readonly strip: number;
  /** Steps of depth written out in the innermost loop: a divisor of the strip. */
  readonly unroll: number;
  /** Whether the operands go through workgroup memory. */
  readonly shared: boolean;
}
