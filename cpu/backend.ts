/**
 * The CPU backend: a heap, generated WebAssembly where it fits, and the reference for everything else.
 *
 * @module
 */
import { byteSize, type DType } from "../tensor/dtype.ts";
import { ArgumentError, DisposedError } from "../tensor/errors.ts";
import type { Backend, BackendMemory, Kernel, KernelKind, ReadRange, Storage, View } from "../tensor/kernel.ts";
import type { Accelerator, Accelerators, CpuStorage } from "./accelerator.ts";
import { Heap } from "./heap.ts";
import { runReference } from "./reference.ts";
import type { Strided } from "./reference/strided.ts";
import { Threads } from "./threads.ts";
import { createAccelerators } from "./wasm/mod.ts";
import { shareWork } from "./wasm/tasks.ts";

/** What a {@link CpuBackend} can be told. */
export interface CpuBackendOptions {
  /** The device's name; by default "cpu". */
  readonly device?: string;
  /** Whether generated WebAssembly is used; by default true. Without it every kernel runs in plain TypeScript, the oracle of the tests. */
  readonly accelerate?: boolean;
  /** Bytes that tensors may hold at once; by default 4 GiB, all that WebAssembly addresses. */
  readonly budget?: number;
  /**
   * How many threads large kernels use; results do not depend on it, and none starts before enough work has come to repay it. By default
   * what the environment variable TANDEM_THREADS says, if the program may read it already, else the number of processors, 8 at most.
   */
  readonly threads?: number;
}

interface OwnStorage extends CpuStorage {
  pointer: number;
}

/**
 * The backend that is always there: kernels run when they are handed over, reads resolve at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CpuBackend } from "./mod.ts";
 *
 * const backend = new CpuBackend();
 * const storage = backend.alloc(8);
 * backend.write(storage, 0, new Float32Array([1, 2]));
 * const [bytes] = await backend.read([{ storage, byteOffset: 4, byteLength: 4 }]);
 * assertEquals(new Float32Array(bytes!)[0], 2);
 * backend.free(storage);
 * ```
 */
export class CpuBackend implements Backend {
  /** The device's name. */
  readonly device: string;
  /** One line for people: how kernels run here. */
  readonly description: string;
  /** The memory of all storages. */
  readonly heap: Heap;
  readonly #accelerators: Accelerators;
  readonly #threads: Threads | undefined;

  /** Makes a backend with a heap of its own. */
  constructor({ device = "cpu", accelerate = true, budget, threads = defaultThreads() }: CpuBackendOptions = {}) {
    if (!Number.isInteger(threads) || threads < 1) {
      throw new ArgumentError(`Cannot make a CPU backend: a whole number of threads from 1 on is needed, got ${threads}`);
    }
    this.device = device;
    this.heap = new Heap(budget === undefined ? {} : { budget });
    this.#threads = accelerate && threads > 1 && this.heap.shared ? new Threads(this.heap, threads) : undefined;
    if (this.#threads !== undefined) shareWork(this.heap, this.#threads);
    const where = this.#threads === undefined ? "this processor" : `up to ${threads} threads`;
    this.description = accelerate ? `WebAssembly SIMD on ${where}` : "plain TypeScript on this processor";
    this.#accelerators = accelerate ? createAccelerators(this.heap) : {};
  }

  /** Every element type is supported. */
  supports(dtype: DType): boolean {
    return dtype in byteSize;
  }

  /** Takes memory; its content is undefined. Throws OutOfMemoryError beyond the budget. */
  alloc(bytes: number): CpuStorage {
    const storage: OwnStorage = { bytes, pointer: this.heap.alloc(bytes) };
    return storage;
  }

  /** Gives memory back. Throws DisposedError when that was done before. */
  free(storage: Storage): void {
    const own = storage as OwnStorage;
    const pointer = pointerOf(own, "free a storage");
    own.pointer = 0;
    this.heap.free(pointer);
  }

  /** Copies host bytes in. Throws ArgumentError when they pass the storage's end. */
  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    const pointer = checkRange(storage, byteOffset, data.byteLength, "write");
    this.heap.u8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), pointer + byteOffset);
  }

  /** Copies ranges out into buffers of their own. Rejects with ArgumentError when one passes its storage's end. */
  // deno-lint-ignore require-await -- a wrong range has to reject, not throw
  async read(ranges: readonly ReadRange[]): Promise<ArrayBuffer[]> {
    return ranges.map(({ storage, byteOffset, byteLength }) => {
      const start = checkRange(storage, byteOffset, byteLength, "read") + byteOffset;
      const copy = new Uint8Array(byteLength);
      copy.set(this.heap.u8.subarray(start, start + byteLength));
      return copy.buffer;
    });
  }

  /** Runs a kernel at once. Throws IndexError for indices outside their dimension, DisposedError for freed storages. */
  run(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: readonly number[]): void {
    for (let at = 0; at < inputs.length; at++) pointerOf(inputs[at]!.storage, "run a kernel");
    for (let at = 0; at < outputs.length; at++) pointerOf(outputs[at]!.storage, "run a kernel");
    // Each table entry takes the kernels of its own kind, which the lookup by kind guarantees.
    const accelerator = this.#accelerators[kernel.kind] as Accelerator<KernelKind> | undefined;
    if (accelerator !== undefined && accelerator(kernel, inputs, outputs, scalars)) return;
    const stride = (view: View) => this.#strided(view);
    runReference(kernel, inputs.map(stride), outputs.map(stride), scalars);
  }

  /** Threads that work now, the calling one included: others start when there was enough to do. */
  get threads(): number {
    return this.#threads?.running ?? 1;
  }

  /** Starts threads now, instead of when there was enough to do; false when there are none to start. */
  startThreads(): boolean {
    return this.#threads?.start() ?? false;
  }

  /** Memory held now, without what threads need for themselves. */
  memory(): BackendMemory {
    return { bytes: this.heap.bytes - (this.#threads?.bytes ?? 0), pooledBytes: this.heap.pooledBytes };
  }

  /** Merges free memory, so that it serves any request; the process keeps it, since WebAssembly memory never shrinks. */
  trim(): void {
    this.heap.trim();
  }

  #strided({ storage, dtype, shape, strides, offset }: View): Strided {
    return { data: this.#elements(dtype), dtype, shape, strides, offset: (storage as CpuStorage).pointer / byteSize[dtype] + offset };
  }

  #elements(dtype: DType): Strided["data"] {
    switch (dtype) {
      case "float32":
        return this.heap.f32;
      case "float64":
        return this.heap.f64;
      case "float16":
        return this.heap.f16;
      case "int32":
        return this.heap.i32;
      case "uint32":
      case "bool":
        return this.heap.u32;
    }
  }
}

/** Beyond so many threads most kernels wait for memory. */
const mostByDefault = 8;

/** The number of threads when none is given; asks for no permission. */
function defaultThreads(): number {
  const named = Number(threadsVariable() ?? NaN);
  if (Number.isInteger(named) && named >= 1) return named;
  const processors = typeof navigator === "undefined" ? undefined : navigator.hardwareConcurrency;
  return Math.max(1, Math.min(mostByDefault, processors ?? 1));
}

function threadsVariable(): string | undefined {
  const variable = "TANDEM_THREADS";
  if (typeof Deno === "undefined") return undefined;
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

function pointerOf(storage: Storage, action: string): number {
  const { pointer } = storage as CpuStorage;
  if (!(pointer > 0)) throw new DisposedError(`Cannot ${action}: memory in use is needed, got a storage that was freed`);
  return pointer;
}

function checkRange(storage: Storage, byteOffset: number, byteLength: number, action: string): number {
  const pointer = pointerOf(storage, `${action} a storage`);
  if (byteOffset >= 0 && byteLength >= 0 && byteOffset + byteLength <= storage.bytes) return pointer;
  throw new ArgumentError(
    `Cannot ${action} ${byteLength} bytes at ${byteOffset}: a range inside the storage is needed, got a storage of ${storage.bytes} bytes`,
  );
}
