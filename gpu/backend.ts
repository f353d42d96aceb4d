/**
 * The WebGPU backend: kernels become dispatches, recorded and submitted in batches.
 *
 * @module
 */
import { byteSize, type DType } from "../tensor/dtype.ts";
import { ArgumentError, DeviceError, DisposedError, DTypeError, OutOfMemoryError } from "../tensor/errors.ts";
import type { Backend, BackendMemory, Kernel, KernelChoices, KernelRun, ReadRange, Storage, View } from "../tensor/kernel.ts";
import { BindGroupCache } from "./bindings.ts";
import { FaultNotes } from "./faults.ts";
import { type BoundRange, checkAttached, Guard, type GuardedBuffer, type GuardedPipeline } from "./guard.ts";
import { PipelineCache } from "./pipelines.ts";
import { PlanCache, planKernel, viewExtent } from "./plans.ts";
import { BufferPool, type PooledBuffer } from "./pool.ts";
import { TimestampLog } from "./profile.ts";
import { batchDispatches, CommandQueue } from "./queue.ts";
import { Readback } from "./readback.ts";
import { TileChoices } from "./tuner.ts";
import type { Binding, Dispatch, Limits, Plan } from "./wgsl/program.ts";

/** How a {@link GpuBackend} is made from an opened device. */
export interface GpuBackendSettings {
  /** One line for people: which adapter this is. */
  readonly description: string;
  /** Whether the adapter is software on the CPU, for which kernels are written otherwise; false unless told. */
  readonly software?: boolean;
  /** Bytes that storages may take in all; no limit unless told. */
  readonly memoryBudget?: number;
  /** What tells adapters apart in saved choices; the description unless told. */
  readonly adapter?: string;
  /** Opens another device of the same adapter, on which tuning tries kernels; without it there is no tuning. */
  readonly openTwin?: () => Promise<GpuBackend>;
}

/** Counts since the backend was made, for tests and the curious: in the steady state only `submits` and `dispatches` grow. */
export interface GpuStats {
  /** Kernels on views of new shapes, for which code was generated. */
  readonly plans: number;
  /** Compiled programs. */
  readonly pipelines: number;
  /** Buffers for storages and temporaries. */
  readonly buffers: number;
  /** Sets of buffers bound together. */
  readonly bindGroups: number;
  /** Batches handed to the device. */
  readonly submits: number;
  /** Programs run; a kernel takes one or several. */
  readonly dispatches: number;
}

/** Memory on the device, without a buffer until its first use. */
class GpuStorage implements Storage {
  readonly bytes: number;
  readonly owner: GpuBackend;
  pooled: PooledBuffer | undefined;
  freed = false;
  /** When it was last written, on the guard's clock. */
  touched = 0;

  constructor(owner: GpuBackend, bytes: number) {
    this.owner = owner;
    this.bytes = bytes;
  }
}

interface PreparedDispatch {
  readonly dispatch: Dispatch;
  readonly pipeline: GuardedPipeline;
  /** Whether buffers are bound in the size that was asked for, as users' own code expects of `arrayLength`, and not with their class's rest. */
  readonly exact: boolean;
}

/** The buffers of a dispatch, by binding, when it was last recorded, and their bind group. */
interface BoundDispatch {
  readonly buffers: (PooledBuffer | undefined)[];
  group: GPUBindGroup | undefined;
}

/** A plan whose pipelines are compiled, and the bytes that each view touches. */
interface PreparedPlan {
  readonly temporaries: readonly number[];
  readonly dispatches: readonly PreparedDispatch[];
  readonly extents: readonly number[];
}

/**
 * Runs kernels on a WebGPU device.
 *
 * What goes wrong on the device is reported by the next call: a kernel that does not compile or a lost device by a DeviceError from
 * then on, missing memory by an OutOfMemoryError wherever its content is used, an index out of range by an IndexError at the next read.
 */
export class GpuBackend implements Backend {
  /** The device's name. */
  readonly device: string = "webgpu";
  /** One line for people: which adapter this is. */
  readonly description: string;
  readonly #guard: Guard;
  readonly #limits: Limits;
  readonly #pipelines: PipelineCache;
  readonly #groups: BindGroupCache;
  readonly #pool: BufferPool;
  readonly #queue: CommandQueue;
  readonly #faults: FaultNotes;
  readonly #readback: Readback;
  readonly #choices: TileChoices;
  readonly #openTwin: (() => Promise<GpuBackend>) | undefined;
  #plans = new PlanCache<PreparedPlan>();
  #planned = 0;
  #bytes = 0;
  #empty: GuardedBuffer | undefined;

  /** Takes over a device; `createGpuBackend` of device.ts opens one and tests it first. */
  constructor(device: GPUDevice, settings: GpuBackendSettings) {
    const guard = new Guard(device);
    this.description = settings.description;
    this.#guard = guard;
    this.#choices = new TileChoices(settings.adapter ?? settings.description);
    this.#openTwin = settings.openTwin;
    this.#limits = {
      workgroupInvocations: guard.limits.maxComputeInvocationsPerWorkgroup,
      workgroupMemory: guard.limits.maxComputeWorkgroupStorageSize,
      workgroupsPerDimension: guard.limits.maxComputeWorkgroupsPerDimension,
      storageBuffers: guard.limits.maxStorageBuffersPerShaderStage,
      f16: guard.hasFeature("shader-f16"),
      software: settings.software ?? false,
      tileOf: (productClass) => this.#choices.tileOf(productClass),
    };
    this.#pipelines = new PipelineCache(guard);
    this.#groups = new BindGroupCache(guard);
    guard.onMissing = (buffer) => this.#groups.forget(buffer);
    this.#queue = new CommandQueue(guard);
    this.#pool = new BufferPool(
      guard,
      settings.memoryBudget ?? Infinity,
      () => this.#queue.flush(),
      (buffer) => this.#groups.forget(buffer),
    );
    this.#faults = new FaultNotes(guard);
    this.#readback = new Readback(guard, this.#queue, this.#faults);
  }

  /** The limits that kernels are written for. */
  get limits(): Limits {
    return this.#limits;
  }

  /** Whether reads skip Deno's 10 ms wait. */
  get fastRead(): boolean {
    return this.#readback.fast;
  }

  /** Whether the device's own clock can be asked for times. */
  get hasClock(): boolean {
    return this.#guard.hasFeature("timestamp-query");
  }

  /** Every type but float64; float16 where the adapter computes with it. */
  supports(dtype: DType): boolean {
    return dtype === "float16" ? this.#limits.f16 : dtype !== "float64";
  }

  /**
   * Takes memory with undefined content.
   *
   * @throws OutOfMemoryError when it passes the adapter's limit for one storage or the memory budget.
   */
  alloc(bytes: number): Storage {
    this.#guard.check();
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new DeviceError(`Cannot allocate on webgpu: whole bytes from 0 are needed, got ${bytes}`);
    }
    if (bytes > 0) this.#pool.reserve(bytes);
    this.#bytes += bytes;
    return new GpuStorage(this, bytes);
  }

  /**
   * Gives memory back; kernels already recorded still see it.
   *
   * @throws DisposedError the second time.
   */
  free(storage: Storage): void {
    const mine = this.#live(storage, "free");
    mine.freed = true;
    if (mine.bytes > 0) this.#pool.release(mine.bytes);
    this.#bytes -= mine.bytes;
    if (mine.pooled !== undefined) this.#pool.give(mine.pooled);
    mine.pooled = undefined;
  }

  /**
   * Copies host bytes in, at any byte offset.
   *
   * @throws ArgumentError when the range leaves the storage; DeviceError when the data's buffer is detached.
   */
  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    this.#guard.check();
    const target = this.#live(storage, "write to");
    checkAttached(data);
    checkRange("write", target, byteOffset, data.byteLength);
    if (data.byteLength === 0) return;
    target.pooled ??= this.#pool.take(target.bytes, this.#queue.batch, true);
    const pooled = this.#bufferOf(target);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const end = byteOffset + bytes.byteLength;
    if (byteOffset % 4 === 0 && end % 4 === 0) this.#queue.write(pooled, byteOffset, bytes);
    else if (byteOffset % 4 === 0 && end === target.bytes) this.#queue.write(pooled, byteOffset, padded(bytes));
    else this.#writeUnaligned(target, byteOffset, bytes);
    target.touched = this.#guard.tick();
  }

  /**
   * Copies ranges out, with one wait for all of them.
   *
   * @throws DeviceError when the device fails; IndexError when a kernel since the last read met an index out of range.
   */
  async read(ranges: readonly ReadRange[]): Promise<ArrayBuffer[]> {
    this.#guard.check();
    const touched: number[] = [];
    const sources = ranges.map(({ storage, byteOffset, byteLength }) => {
      const source = this.#live(storage, "read");
      checkRange("read", source, byteOffset, byteLength);
      touched.push(source.touched);
      return { buffer: this.#bufferOf(source).buffer, byteOffset, byteLength };
    });
    touched.forEach((time) => this.#guard.checkMemory(time));
    touched.push(this.#guard.tick());
    const buffers = await this.#readback.read(sources);
    touched.forEach((time) => this.#guard.checkMemory(time));
    return buffers;
  }

  /**
   * Records a kernel.
   *
   * @throws DTypeError for element types the adapter lacks; DeviceError for storages of another device or views beyond theirs.
   */
  run(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: readonly number[]): void {
    this.#checkLive(kernel, inputs, outputs);
    if (isIdle(kernel, outputs)) return;
    this.#execute(kernel, this.#planOf(kernel, inputs, outputs), inputs, outputs, scalars);
  }

  /**
   * Looks everything up that {@link run} would, once; the function it returns runs the kernel. For kernels that run again and again on
   * storages of the same sizes, which the views may exchange between runs.
   *
   * @throws DTypeError and DeviceError as {@link run} does.
   */
  prepare(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): (scalars: readonly number[]) => void {
    this.#checkLive(kernel, inputs, outputs);
    if (isIdle(kernel, outputs)) return () => this.#checkLive(kernel, inputs, outputs);
    const prepared = () => {
      const plan = this.#planOf(kernel, inputs, outputs);
      checkExtents(kernel, plan, inputs, outputs);
      return { plans: this.#plans, plan, bound: plan.dispatches.map((): BoundDispatch => ({ buffers: [], group: undefined })) };
    };
    let now = prepared();
    return (scalars) => {
      this.#checkLive(kernel, inputs, outputs);
      if (now.plans !== this.#plans) now = prepared(); // tuning chose anew
      const { plan, bound } = now;
      this.#execute(kernel, plan, inputs, outputs, scalars, bound);
    };
  }

  /** Runs a plan written by hand, such as the one that tests a new device. */
  runPlan(plan: Plan, inputs: readonly View[], outputs: readonly View[], scalars: readonly number[]): void {
    this.#guard.check();
    this.#execute({ kind: "plan" }, this.#compile(plan, [...inputs, ...outputs].map(extentOf)), inputs, outputs, scalars);
  }

  /** Submits everything recorded so far, without waiting for it. */
  flush(): void {
    this.#queue.flush();
  }

  /** Bytes of live storages, and of buffers kept for reuse. */
  memory(): BackendMemory {
    return { bytes: this.#bytes, pooledBytes: this.#pool.pooledBytes };
  }

  /** Destroys buffers that are kept for reuse. */
  trim(): void {
    this.#pool.trim();
    this.#readback.trim();
  }

  /** What the backend has created and submitted so far. */
  stats(): GpuStats {
    return {
      plans: this.#planned,
      pipelines: this.#pipelines.size,
      buffers: this.#pool.created,
      bindGroups: this.#groups.created,
      submits: this.#queue.submits,
      dispatches: this.#queue.dispatches,
    };
  }

  /**
   * Times every dispatch from now on by the device's clock; the function it returns ends that and reads the times.
   *
   * @throws DeviceError when the adapter has no clock (the feature timestamp-query); ArgumentError when a profile is under way.
   */
  startProfile(): () => Promise<KernelRun[]> {
    this.#guard.check();
    if (this.#queue.log !== undefined) {
      throw new ArgumentError("Cannot profile on webgpu: one profile at a time is needed, got a second one");
    }
    const log = new TimestampLog(this.#guard, batchDispatches);
    this.#queue.log = log;
    return async () => {
      if (this.#queue.log !== log) throw new ArgumentError("Cannot end a profile on webgpu: a running one is needed, got one that ended");
      try {
        this.#queue.log = undefined;
        return log.runs(await this.#readback.read(log.ranges()));
      } finally {
        log.destroy();
      }
    };
  }

  /**
   * Notes the products and convolutions that run from now on. The function it returns ends that, tries their tiles on a device of its own for
   * about so many milliseconds, uses the fastest from then on, and gives all choices so far.
   *
   * @throws ArgumentError when a tuning is under way; DeviceError for a device that was opened by hand, without a twin.
   */
  startTuning(): (milliseconds: number) => Promise<KernelChoices> {
    this.#guard.check();
    const openTwin = this.#openTwin;
    if (openTwin === undefined) throw new DeviceError("Cannot tune webgpu: a device that createGpuBackend opened is needed, got another");
    this.#choices.start();
    return async (milliseconds) => {
      await this.#choices.choose(openTwin, milliseconds);
      this.#plans = new PlanCache();
      return this.#choices.save();
    };
  }

  /**
   * Takes choices that were saved; false, and none taken, when they were made for another adapter.
   *
   * @throws ArgumentError when they are malformed.
   */
  useChoices(choices: KernelChoices): boolean {
    const taken = this.#choices.load(choices);
    if (taken) this.#plans = new PlanCache();
    return taken;
  }

  /** Waits for the outcome of all that was asked so far, and throws the device's failure if there is one. */
  async settled(): Promise<void> {
    this.#queue.flush();
    await this.#guard.settled();
  }

  /** Lets reads skip Deno's 10 ms wait if a probe finds that they are right without it; says whether they are. */
  async enableFastRead(): Promise<boolean> {
    const probe = this.alloc(64);
    const expected = Uint32Array.from({ length: 16 }, (_, i) => (i + 1) * 0x9e3779b1);
    this.write(probe, 0, expected);
    const works = await this.#readback.useFastPath(
      { buffer: this.#bufferOf(this.#own(probe)).buffer, byteOffset: 0, byteLength: 64 },
      expected.buffer,
    );
    this.free(probe);
    return works;
  }

  /** Ends the device; every later call throws. */
  destroy(): void {
    this.#guard.destroy();
  }

  #checkLive(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): void {
    this.#guard.check();
    const verb = `run ${kernel.kind} on`;
    for (const view of inputs) this.#live(view.storage, verb);
    for (const view of outputs) this.#live(view.storage, verb);
  }

  #planOf(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): PreparedPlan {
    return this.#plans.get(kernel, inputs, outputs, () => this.#plan(kernel, inputs, outputs));
  }

  #plan(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): PreparedPlan {
    for (const { dtype } of [...inputs, ...outputs]) {
      if (!this.supports(dtype)) {
        throw new DTypeError(`Cannot run ${kernel.kind} on ${this.description}: a type it computes with is needed, got ${dtype}`, {
          op: kernel.kind,
        });
      }
    }
    const plan = planKernel(kernel, inputs, outputs, this.#limits);
    this.#planned++;
    return this.#compile(plan, [...inputs, ...outputs].map(extentOf), kernel.kind === "custom");
  }

  #compile(plan: Plan, extents: readonly number[], exact = false): PreparedPlan {
    const dispatches = plan.dispatches.map((dispatch) => ({ dispatch, pipeline: this.#pipelines.get(dispatch), exact }));
    return { temporaries: plan.temporaries, dispatches, extents };
  }

  #execute(
    kernel: Kernel | { readonly kind: "plan" | "write" },
    plan: PreparedPlan,
    inputs: readonly View[],
    outputs: readonly View[],
    scalars: readonly number[],
    bound?: readonly BoundDispatch[],
  ): void {
    if (bound === undefined) checkExtents(kernel, plan, inputs, outputs);
    for (const view of inputs) this.#guard.checkMemory(this.#own(view.storage).touched);
    this.#queue.log?.describe(kernel, outputs);
    if (this.#choices.noting && "key" in kernel) this.#choices.note(kernel, inputs, outputs, this.#limits);
    const temporaries = plan.temporaries.map((bytes) => this.#pool.take(Math.max(bytes, 4), this.#queue.batch, false));
    try {
      plan.dispatches.forEach((prepared, at) => this.#dispatch(prepared, inputs, outputs, temporaries, scalars, bound?.[at]));
    } finally {
      for (const temporary of temporaries) this.#pool.give(temporary);
    }
    const now = this.#guard.tick();
    for (const view of outputs) this.#own(view.storage).touched = now;
  }

  #dispatch(
    { dispatch, pipeline, exact }: PreparedDispatch,
    inputs: readonly View[],
    outputs: readonly View[],
    temporaries: readonly PooledBuffer[],
    scalars: readonly number[],
    bound: BoundDispatch = { buffers: [], group: undefined },
  ): void {
    if (dispatch.workgroups.includes(0)) return;
    const { buffers } = bound;
    let { group } = bound;
    dispatch.bindings.forEach((binding, at) => {
      if (binding.role === "fault") this.#faults.arm();
      const pooled = binding.role === "fault" ? undefined : this.#pooledOf(binding, inputs, outputs, temporaries);
      if (pooled !== buffers[at]) group = undefined;
      buffers[at] = pooled;
    });
    if (group === undefined) {
      const ranges = dispatch.bindings.map((binding, at): BoundRange => {
        if (binding.role === "fault") return this.#faults.rangeFor(dispatch.label);
        const pooled = buffers[at];
        if (pooled === undefined) return { buffer: this.#empty ??= this.#guard.createBuffer(256, "storage") };
        const whole = !exact || binding.role === "temporary";
        return whole ? pooled : { buffer: pooled.buffer, offset: 0, size: bytesOf(binding, inputs, outputs) };
      });
      group = bound.group = this.#groups.get(dispatch.label, pipeline.access, ranges);
    }
    this.#queue.dispatch(pipeline, group, dispatch, scalars);
    for (const pooled of buffers) if (pooled !== undefined) pooled.batch = this.#queue.batch;
  }

  #pooledOf(
    binding: Binding,
    inputs: readonly View[],
    outputs: readonly View[],
    temporaries: readonly PooledBuffer[],
  ): PooledBuffer | undefined {
    if (binding.role === "temporary") return temporaries[binding.index]!;
    const storage = this.#own((binding.role === "input" ? inputs : outputs)[binding.index]!.storage);
    return storage.bytes === 0 ? undefined : this.#bufferOf(storage);
  }

  /** Writes bytes that do not begin and end on words: whole words by a copy, the rest by a kernel that keeps their neighbours. */
  #writeUnaligned(target: GpuStorage, byteOffset: number, bytes: Uint8Array): void {
    const end = byteOffset + bytes.byteLength;
    const firstWhole = Math.ceil(byteOffset / 4) * 4;
    const lastWhole = Math.floor(end / 4) * 4;
    if (lastWhole > firstWhole) {
      this.#queue.write(this.#bufferOf(target), firstWhole, bytes.subarray(firstWhole - byteOffset, lastWhole - byteOffset));
    }
    const view: View = { storage: target, dtype: "uint32", shape: [], strides: [], offset: 0 };
    for (const word of new Set([Math.floor(byteOffset / 4), Math.floor((end - 1) / 4)])) {
      if (word * 4 >= firstWhole && word * 4 + 4 <= lastWhole) continue;
      const mask = new Uint8Array(4);
      const bits = new Uint8Array(4);
      for (let byte = 0; byte < 4; byte++) {
        const at = word * 4 + byte - byteOffset;
        if (at < 0 || at >= bytes.byteLength) continue;
        mask[byte] = 255;
        bits[byte] = bytes[at]!;
      }
      const [maskWord, bitsWord] = [mask, bits].map((four) => new Uint32Array(four.buffer)[0]!);
      this.#execute({ kind: "write" }, this.#compile(patchPlan, []), [], [view], [word, maskWord!, bitsWord!]);
    }
  }

  #bufferOf(storage: GpuStorage): PooledBuffer {
    if (storage.bytes === 0) return { buffer: this.#empty ??= this.#guard.createBuffer(256, "storage"), batch: -1 };
    if (storage.pooled?.buffer.destroyed) {
      throw new OutOfMemoryError(
        `Cannot use a storage of ${storage.bytes} bytes on webgpu: memory is needed, got none when it was allocated`,
      );
    }
    return storage.pooled ??= this.#pool.take(storage.bytes, this.#queue.batch, false);
  }

  #live(storage: Storage, verb: string): GpuStorage {
    const mine = this.#own(storage);
    if (mine.freed) {
      throw new DisposedError(`Cannot ${verb} a storage of ${mine.bytes} bytes on webgpu: live memory is needed, got freed memory`);
    }
    return mine;
  }

  #own(storage: Storage): GpuStorage {
    if (storage instanceof GpuStorage && storage.owner === this) return storage;
    throw new DeviceError("Cannot use a storage on webgpu: memory of the same device is needed, got another device's");
  }
}

/** Replaces the bits under a mask in one word of a storage. */
const patchPlan: Plan = {
  temporaries: [],
  dispatches: [{
    label: "write",
    source: `@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(1) @binding(0) var<uniform> scalars: array<vec4<u32>, 1>;
@compute @workgroup_size(1)
fn main() {
  let place = scalars[0];
  words[place.x] = (words[place.x] & ~place.y) | place.z;
}
`,
    bindings: [{ role: "output", index: 0, access: "read_write" }],
    workgroups: [1, 1, 1],
    scalars: [{ slot: 0, dtype: "uint32" }, { slot: 1, dtype: "uint32" }, { slot: 2, dtype: "uint32" }],
  }],
};

/** Whether there is nothing to do. A scatter into nothing still has its indices checked. */
function isIdle(kernel: Kernel, outputs: readonly View[]): boolean {
  return kernel.kind !== "scatter" && outputs.every((view) => view.shape.includes(0));
}

function checkExtents(
  kernel: { readonly kind: string },
  { extents }: PreparedPlan,
  inputs: readonly View[],
  outputs: readonly View[],
): void {
  for (let i = 0; i < extents.length; i++) {
    const { storage } = i < inputs.length ? inputs[i]! : outputs[i - inputs.length]!;
    if (extents[i]! <= storage.bytes) continue;
    throw new DeviceError(
      `Cannot run ${kernel.kind} on webgpu: a view inside ${storage.bytes} bytes is needed, got one that ends at ${extents[i]}`,
    );
  }
}

function extentOf(view: View): number {
  const { first, end } = viewExtent(view);
  if (first < 0 || !Number.isInteger(first)) {
    throw new DeviceError(`Cannot run on webgpu: a view that begins inside its storage is needed, got one that begins at byte ${first}`);
  }
  return end;
}

/** Bytes of a binding's storage, in whole words. */
function bytesOf(binding: Binding, inputs: readonly View[], outputs: readonly View[]): number {
  return Math.ceil((binding.role === "input" ? inputs : outputs)[binding.index]!.storage.bytes / 4) * 4;
}

function checkRange(verb: string, storage: Storage, byteOffset: number, byteLength: number): void {
  const whole = Number.isInteger(byteOffset) && Number.isInteger(byteLength) && byteOffset >= 0 && byteLength >= 0;
  if (whole && byteOffset + byteLength <= storage.bytes) return;
  throw new ArgumentError(`Cannot ${verb} ${byteLength} bytes at ${byteOffset} on webgpu: a range inside ${storage.bytes} bytes is needed`);
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.byteLength / byteSize.uint32) * byteSize.uint32);
  whole.set(bytes);
  return whole;
}
