/**
 * The only module that calls WebGPU. Every range and argument is checked first, because a wrong one ends the process (an empty
 * `writeBuffer`, a `getMappedRange` on a buffer never mapped) or is dropped in silence (a validation error without a listener), and
 * every failure becomes a typed error.
 *
 * Errors that WebGPU reports late are kept: a validation error is a bug in a kernel and poisons the device for good; a device that is
 * lost stays lost; memory that could not be had is told to the pool's owner. {@link Guard.check} throws what is known so far, and
 * {@link Guard.settled} waits for what is still on its way.
 *
 * @module
 */
import { DeviceError, OutOfMemoryError } from "../tensor/errors.ts";

/** A buffer and what its checks need to know. */
export interface GuardedBuffer {
  /** Tells buffers apart, also in cache keys. */
  readonly id: number;
  readonly size: number;
  readonly usage: number;
  readonly gpu: GPUBuffer;
  destroyed: boolean;
  /** Only a buffer that was mapped once in the ordinary way may be asked for its range before the promise of a second map resolves. */
  mappedBefore: boolean;
}

/** A compiled pipeline with the layout of its storage buffers. */
export interface GuardedPipeline {
  readonly gpu: GPUComputePipeline;
  /** One letter a binding: `r` for read, `w` for read_write. */
  readonly access: string;
  readonly hasScalars: boolean;
}

/** A storage buffer range at one binding. */
export interface BoundRange {
  readonly buffer: GuardedBuffer;
  /** Bytes from the buffer's start; 0 with no size means the whole buffer. */
  readonly offset?: number;
  readonly size?: number;
}

/** How a buffer may be used; a log takes what the device notes. */
export type BufferRole = "storage" | "uniform" | "staging" | "log";

/** Where the device notes when a dispatch begins and, one place later, when it ends. */
export interface DispatchTimes {
  readonly queries: GPUQuerySet;
  readonly first: number;
}

/** A time, from one submit to another, in which commands may have been dropped for lack of memory. */
interface Outage {
  readonly from: number;
  to: number;
  readonly error: OutOfMemoryError;
}

/** Bytes between the scalars of two dispatches: the largest alignment that WebGPU may ask of a dynamic uniform offset. */
export const scalarSlotBytes = 256;

/** The adapter of the machine, or undefined where there is none. Never throws. */
export async function findAdapter(options: GPURequestAdapterOptions): Promise<GPUAdapter | undefined> {
  if (typeof navigator === "undefined" || navigator.gpu === undefined) return undefined;
  try {
    return await navigator.gpu.requestAdapter(options) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Opens the device of an adapter with all that the kernels can use of it, or without float16. */
export async function openDevice(adapter: GPUAdapter, float16 = true): Promise<GPUDevice> {
  const wanted = float16 ? ["shader-f16", "timestamp-query"] as const : ["timestamp-query"] as const;
  const { limits } = adapter;
  return await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxBufferSize: limits.maxBufferSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
      maxComputeWorkgroupSizeZ: limits.maxComputeWorkgroupSizeZ,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    },
  });
}

/** Checked access to one device. */
export class Guard {
  readonly #device: GPUDevice;
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pending = new Set<Promise<void>>();
  readonly #scalarLayout: GPUBindGroupLayout;
  /** Asking the device for a limit is a call into the runtime. */
  readonly #workgroupLimit: number;
  #failure: DeviceError | undefined;
  #nextId = 1;
  readonly #outages: Outage[] = [];
  #clock = 0;
  #submittedAt = 0;
  #recording = false;
  /** Hears of a buffer whose memory turned out not to be there. */
  onMissing: (buffer: GuardedBuffer) => void = () => {};

  /** Takes a device over; its errors and its loss are watched from here on. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#workgroupLimit = device.limits.maxComputeWorkgroupsPerDimension;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#judge((event as GPUUncapturedErrorEvent).error.message);
    });
    device.lost.then((info) => {
      this.#fail(`Cannot use webgpu any more: the device was lost (${info.reason}${info.message === "" ? "" : `: ${info.message}`})`);
    });
    this.#scalarLayout = device.createBindGroupLayout({
      entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform", hasDynamicOffset: true } }],
    });
  }

  /** The device's limits. */
  get limits(): GPUSupportedLimits {
    return this.#device.limits;
  }

  /** Whether the device was opened with a feature. */
  hasFeature(feature: "shader-f16" | "timestamp-query"): boolean {
    return this.#device.features.has(feature);
  }

  /** Counts what happens to the device's memory; {@link Guard.checkMemory} is asked with it. */
  get clock(): number {
    return this.#clock;
  }

  /** Moves the clock on and returns it. */
  tick(): number {
    return ++this.#clock;
  }

  /**
   * Throws when memory last written (or a read recorded) at time `touched` is in doubt: WebGPU says late that memory could not be had,
   * and drops the whole batch of commands in which it was used.
   */
  checkMemory(touched: number): void {
    const outage = this.#outages.find(({ from, to }) => from < touched && touched <= to);
    if (outage !== undefined) throw outage.error;
  }

  /** Throws the device's failure, if it has one. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until the outcome of every compile and every allocation so far is known, then checks. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.check();
  }

  /** Ends the device. Everything that is asked of it later throws. */
  destroy(): void {
    this.#fail("Cannot use webgpu any more: the device was destroyed");
    this.#device.destroy();
  }

  /**
   * Creates a buffer.
   *
   * @throws OutOfMemoryError at once when one buffer cannot be that large; a lack of memory is reported later.
   */
  createBuffer(size: number, role: BufferRole): GuardedBuffer {
    this.check();
    const limit = role === "storage"
      ? Math.min(this.limits.maxStorageBufferBindingSize, this.limits.maxBufferSize)
      : this.limits.maxBufferSize;
    if (!Number.isInteger(size) || size <= 0 || size % 4 !== 0 || size > limit) {
      throw new OutOfMemoryError(`Cannot create a ${role} buffer: 4 … ${limit} bytes in words of 4 are needed, got ${size}`);
    }
    const usage = bufferUsage(role);
    this.#device.pushErrorScope("validation");
    this.#device.pushErrorScope("out-of-memory");
    const gpu = this.#device.createBuffer({ size, usage });
    const buffer: GuardedBuffer = { id: this.#nextId++, size, usage, gpu, destroyed: false, mappedBefore: false };
    const from = this.#submittedAt;
    this.#watch(this.#device.popErrorScope(), (message) => {
      const error = new OutOfMemoryError(`Cannot allocate ${size} bytes on webgpu: free memory is needed, got ${firstLines(message)}`);
      this.#outages.push({ from, to: this.#recording ? Infinity : this.#clock, error });
      this.destroyBuffer(buffer);
      this.onMissing(buffer);
    });
    this.#watch(
      this.#device.popErrorScope(),
      (message) => this.#fail(`Cannot create a buffer of ${size} bytes on webgpu: ${firstLines(message)}`),
    );
    return buffer;
  }

  /** Destroys a buffer; twice does no harm. */
  destroyBuffer(buffer: GuardedBuffer): void {
    if (buffer.destroyed) return;
    buffer.destroyed = true;
    buffer.gpu.destroy();
  }

  /**
   * Copies host bytes into a buffer, ahead of all commands not yet submitted. Nothing happens for zero bytes.
   *
   * @throws DeviceError when the range leaves the buffer, is not in words of 4 bytes, or the data's buffer is detached.
   */
  writeBuffer(buffer: GuardedBuffer, byteOffset: number, data: Uint8Array<ArrayBufferLike>): void {
    this.check();
    checkAttached(data);
    if (data.byteLength === 0) return;
    this.#checkRange("write", buffer, byteOffset, data.byteLength);
    const plain = data.buffer instanceof ArrayBuffer ? data as Uint8Array<ArrayBuffer> : new Uint8Array(data);
    this.#device.queue.writeBuffer(buffer.gpu, byteOffset, plain.buffer, plain.byteOffset, plain.byteLength);
  }

  /**
   * Compiles WGSL with entry point `main`; what the compiler says against it poisons the device.
   *
   * @throws DeviceError when the workgroup's memory passes the limit, which WebGPU does not check everywhere.
   */
  createPipeline(label: string, source: string, access: string, hasScalars: boolean): GuardedPipeline {
    this.check();
    const workgroupBytes = workgroupMemory(source);
    if (workgroupBytes > this.limits.maxComputeWorkgroupStorageSize) {
      throw new DeviceError(
        `Cannot run ${label} on webgpu: at most ${this.limits.maxComputeWorkgroupStorageSize} bytes of workgroup memory are needed, got ${workgroupBytes}`,
      );
    }
    if (access.length > this.limits.maxStorageBuffersPerShaderStage) {
      throw new DeviceError(
        `Cannot run ${label} on webgpu: at most ${this.limits.maxStorageBuffersPerShaderStage} storage buffers are needed, got ${access.length}`,
      );
    }
    this.#device.pushErrorScope("validation");
    const bindGroupLayouts = [this.#layout(access), ...(hasScalars ? [this.#scalarLayout] : [])];
    const gpu = this.#device.createComputePipeline({
      label,
      layout: this.#device.createPipelineLayout({ bindGroupLayouts }),
      compute: { module: this.#device.createShaderModule({ code: source }), entryPoint: "main" },
    });
    this.#watch(this.#device.popErrorScope(), (message) => this.#fail(`Cannot compile ${label} for webgpu: ${firstLines(message, 12)}`));
    return { gpu, access, hasScalars };
  }

  /**
   * Groups storage buffers for pipelines with this access.
   *
   * @throws DeviceError when a buffer is destroyed or one buffer is both read and written through two bindings.
   */
  createBindGroup(label: string, access: string, ranges: readonly BoundRange[]): GPUBindGroup {
    this.check();
    if (ranges.length !== access.length) {
      throw new DeviceError(`Cannot run ${label}: ${access.length} buffers are needed, got ${ranges.length}`);
    }
    checkAliases(label, access, ranges);
    for (const { buffer, offset = 0, size = buffer.size } of ranges) {
      this.#checkRange(`run ${label} on`, buffer, offset, size);
    }
    return this.#device.createBindGroup({
      layout: this.#layout(access),
      entries: ranges.map(({ buffer, offset = 0, size = buffer.size }, binding) => ({
        binding,
        resource: { buffer: buffer.gpu, offset, size },
      })),
    });
  }

  /** The bind group of the scalars' uniform buffer; each dispatch picks its slot by an offset. */
  createScalarGroup(buffer: GuardedBuffer): GPUBindGroup {
    this.check();
    return this.#device.createBindGroup({
      layout: this.#scalarLayout,
      entries: [{ binding: 0, resource: { buffer: buffer.gpu, offset: 0, size: scalarSlotBytes } }],
    });
  }

  /** Places for the device to note times in; only for a device with the feature timestamp-query. */
  createQueries(count: number): GPUQuerySet {
    this.check();
    return this.#device.createQuerySet({ type: "timestamp", count });
  }

  /** Gives places for times back. */
  destroyQueries(queries: GPUQuerySet): void {
    queries.destroy();
  }

  /** Begins to record commands. */
  record(): Recorder {
    this.check();
    this.#recording = true;
    return new Recorder(this.#device.createCommandEncoder(), this.#workgroupLimit);
  }

  /** Hands recorded commands to the device; none at all still pushes out pending writes. */
  submit(recorder: Recorder | undefined): void {
    this.check();
    this.#device.queue.submit(recorder === undefined ? [] : [recorder.finish()]);
    this.#submittedAt = this.#clock;
    this.#recording = false;
    for (const outage of this.#outages) outage.to = Math.min(outage.to, this.#clock);
  }

  /**
   * Reads a staging buffer from its start: maps it, waits, copies, unmaps. `fast` asks for the range without waiting for the
   * promise, which works in Deno on a buffer mapped before; on any other buffer it is ignored.
   *
   * @throws DeviceError when the device was lost or poisoned meanwhile.
   */
  async readStaging(buffer: GuardedBuffer, byteLength: number, fast: boolean): Promise<ArrayBuffer> {
    this.check();
    this.#checkRange("read", buffer, 0, byteLength);
    const mapped = buffer.gpu.mapAsync(GPUMapMode.READ, 0, byteLength);
    if (!fast || !buffer.mappedBefore) {
      try {
        await mapped;
      } catch (error) {
        await this.settled();
        throw new DeviceError(`Cannot read from webgpu: a mapped buffer is needed, got ${error instanceof Error ? error.message : error}`);
      }
      this.check();
      buffer.mappedBefore = true;
    }
    mapped.catch(() => {}); // unmapping before the promise settles rejects it
    const copy = buffer.gpu.getMappedRange(0, byteLength).slice(0);
    buffer.gpu.unmap();
    return copy;
  }

  #layout(access: string): GPUBindGroupLayout {
    let layout = this.#layouts.get(access);
    if (layout === undefined) {
      layout = this.#device.createBindGroupLayout({
        entries: Array.from(access, (letter, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: letter === "r" ? "read-only-storage" as const : "storage" as const },
        })),
      });
      this.#layouts.set(access, layout);
    }
    return layout;
  }

  #checkRange(verb: string, buffer: GuardedBuffer, byteOffset: number, byteLength: number): void {
    if (buffer.destroyed) {
      throw new DeviceError(`Cannot ${verb} a buffer of ${buffer.size} bytes: a live buffer is needed, got a destroyed one`);
    }
    const aligned = Number.isInteger(byteOffset) && byteOffset % 4 === 0 && Number.isInteger(byteLength) && byteLength % 4 === 0;
    if (!aligned || byteOffset < 0 || byteLength <= 0 || byteOffset + byteLength > buffer.size) {
      throw new DeviceError(
        `Cannot ${verb} a buffer of ${buffer.size} bytes: a range inside it in words of 4 is needed, got ${byteLength} bytes at ${byteOffset}`,
      );
    }
  }

  #watch(scope: Promise<GPUError | null>, onError: (message: string) => void): void {
    const watched: Promise<void> = scope.then(
      (error) => {
        if (error !== null) onError(error.message);
      },
      () => {}, // a lost device answers no scope; its loss is reported by itself
    ).finally(() => this.#pending.delete(watched));
    this.#pending.add(watched);
  }

  /** Takes an error that reached no scope for the consequence of missing memory if there was a lack of it, and for a failure otherwise. */
  #judge(message: string): void {
    const time = this.#clock;
    const judged: Promise<void> = Promise.all(this.#pending).then(() => {
      const expected = this.#outages.some(({ from, to }) => from <= time && time <= to);
      if (!expected) this.#fail(`Cannot use webgpu any more: valid commands are needed, got an error: ${firstLines(message)}`);
    }).finally(() => this.#pending.delete(judged));
    this.#pending.add(judged);
  }

  /** Keeps the first failure: what follows it is its consequence. */
  #fail(message: string): void {
    this.#failure ??= new DeviceError(message);
  }
}

/** Commands on their way to the device: dispatches share one pass, copies end it. */
export class Recorder {
  readonly #encoder: GPUCommandEncoder;
  readonly #workgroupLimit: number;
  #pass: GPUComputePassEncoder | undefined;
  #pipeline: GuardedPipeline | undefined;

  /** Begins on an encoder of a device that takes so many workgroups a dimension. */
  constructor(encoder: GPUCommandEncoder, workgroupLimit: number) {
    this.#encoder = encoder;
    this.#workgroupLimit = workgroupLimit;
  }

  /**
   * Records one dispatch; with `times` in a pass of its own.
   *
   * @throws DeviceError when a dimension passes the limit, or scalars are missing or not wanted.
   */
  dispatch(
    pipeline: GuardedPipeline,
    buffers: GPUBindGroup,
    scalars: { readonly group: GPUBindGroup; readonly offset: number } | undefined,
    workgroups: readonly [number, number, number],
    times?: DispatchTimes,
  ): void {
    const limit = this.#workgroupLimit;
    if (workgroups.some((count) => !Number.isInteger(count) || count < 1 || count > limit)) {
      throw new DeviceError(`Cannot dispatch [${workgroups.join(", ")}] workgroups: 1 … ${limit} a dimension are needed`);
    }
    if ((scalars !== undefined) !== pipeline.hasScalars) {
      throw new DeviceError(`Cannot dispatch: scalars are ${pipeline.hasScalars ? "" : "not "}needed, got the opposite`);
    }
    if (times !== undefined) this.#beginTimedPass(times);
    this.#pass ??= this.#encoder.beginComputePass();
    if (this.#pipeline !== pipeline) this.#pass.setPipeline(pipeline.gpu);
    this.#pipeline = pipeline;
    this.#pass.setBindGroup(0, buffers);
    if (scalars !== undefined) this.#pass.setBindGroup(1, scalars.group, [scalars.offset]);
    this.#pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    if (times !== undefined) this.#endPass();
  }

  /** Records that the first `count` noted times are copied to a log, each in 8 bytes. */
  resolve(queries: GPUQuerySet, count: number, target: GuardedBuffer, byteOffset: number): void {
    if (count < 1 || count > queries.count || byteOffset % 256 !== 0 || byteOffset + 8 * count > target.size || target.destroyed) {
      throw new DeviceError(
        `Cannot copy ${count} of ${queries.count} times to ${byteOffset} of ${target.size}: a range of a live buffer from a multiple of 256 is needed`,
      );
    }
    this.#endPass();
    this.#encoder.resolveQuerySet(queries, 0, count, target.gpu, byteOffset);
  }

  /** Records a copy between buffers, in words of 4 bytes. */
  copy(source: GuardedBuffer, sourceOffset: number, target: GuardedBuffer, targetOffset: number, byteLength: number): void {
    const words = [sourceOffset, targetOffset, byteLength].every((n) => Number.isInteger(n) && n >= 0 && n % 4 === 0);
    const inside = sourceOffset + byteLength <= source.size && targetOffset + byteLength <= target.size;
    if (!words || !inside || byteLength === 0 || source.destroyed || target.destroyed || source === target) {
      throw new DeviceError(
        `Cannot copy ${byteLength} bytes from ${sourceOffset} of ${source.size} to ${targetOffset} of ${target.size}: ranges of two live buffers in words of 4 are needed`,
      );
    }
    this.#endPass();
    this.#encoder.copyBufferToBuffer(source.gpu, sourceOffset, target.gpu, targetOffset, byteLength);
  }

  /** Records that a buffer is filled with zeros. */
  clear(buffer: GuardedBuffer): void {
    if (buffer.destroyed) throw new DeviceError("Cannot clear a buffer: a live buffer is needed, got a destroyed one");
    this.#endPass();
    this.#encoder.clearBuffer(buffer.gpu);
  }

  /** Ends the recording. */
  finish(): GPUCommandBuffer {
    this.#endPass();
    return this.#encoder.finish();
  }

  #beginTimedPass({ queries, first }: DispatchTimes): void {
    this.#endPass();
    this.#pass = this.#encoder.beginComputePass({
      timestampWrites: { querySet: queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 },
    });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#pipeline = undefined;
  }
}

/**
 * Refuses data whose buffer was transferred away: its length reads 0, so that without this check nothing would be written.
 *
 * @throws DeviceError when the buffer is detached.
 */
export function checkAttached(data: ArrayBufferView): void {
  if (data.buffer instanceof ArrayBuffer && data.buffer.detached) {
    throw new DeviceError("Cannot write to webgpu: data in an attached buffer is needed, got a detached one");
  }
}

/** Bytes of the workgroup arrays and variables that a WGSL source declares. */
export function workgroupMemory(source: string): number {
  let bytes = 0;
  for (const [, type = ""] of source.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)) {
    const counts = [...type.matchAll(/,\s*(\d+)u?\s*>/g)].map(([, count]) => Number(count));
    const lanes = Number(/vec([234])/.exec(type)?.[1] ?? 1);
    const element = /f16/.test(type) ? 2 : 4;
    bytes += counts.reduce((product, count) => product * count, element * (lanes === 3 ? 4 : lanes));
  }
  return bytes;
}

function bufferUsage(role: BufferRole): number {
  switch (role) {
    case "storage":
      return GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    case "uniform":
      return GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    case "staging":
      return GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    case "log":
      return GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  }
}

function checkAliases(label: string, access: string, ranges: readonly BoundRange[]): void {
  for (const [i, { buffer }] of ranges.entries()) {
    if (access[i] !== "w") continue;
    const other = ranges.findIndex((range, j) => j !== i && range.buffer === buffer);
    if (other >= 0) {
      throw new DeviceError(`Cannot run ${label} on webgpu: a written buffer must be bound once, got it at bindings ${i} and ${other}`);
    }
  }
}

/** The first lines of a compiler's message, which may run over pages. */
function firstLines(message: string, count = 6): string {
  return message.split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(0, count).join(" | ");
}
