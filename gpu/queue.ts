/**
 * The order of things: dispatches are recorded into one pass and handed to the device together, because a submit costs more than a kernel.
 *
 * Host writes overtake what is recorded and not yet submitted. A write to a buffer that the current batch uses therefore submits the
 * batch first; a write to any other buffer may go ahead.
 *
 * @module
 */
import { DeviceError } from "../tensor/errors.ts";
import { type Guard, type GuardedBuffer, type GuardedPipeline, type Recorder, scalarSlotBytes } from "./guard.ts";
import type { PooledBuffer } from "./pool.ts";
import type { TimestampLog } from "./profile.ts";
import type { Dispatch } from "./wgsl/program.ts";

/** Dispatches in a batch: more cost memory and first results, and save little. */
export const batchDispatches = 256;
/** Writes without a submit pile up memory in the driver. */
const batchWrites = 100;
const batchWriteBytes = 64 * 2 ** 20;
const scalarSlotWords = scalarSlotBytes / 4;

/** Records commands and submits them in batches. */
export class CommandQueue {
  readonly #guard: Guard;
  readonly #scalarBuffer: GuardedBuffer;
  readonly #scalarGroup: GPUBindGroup;
  readonly #scalarWords = new Uint32Array(batchDispatches * scalarSlotWords);
  readonly #scalarFloats = new Float32Array(this.#scalarWords.buffer);
  readonly #scalarOffsets = new Map<string, number>();
  #recorder: Recorder | undefined;
  #log: TimestampLog | undefined;
  #dispatches = 0;
  #writes = 0;
  #writtenBytes = 0;
  #batch = 0;
  #submits = 0;
  #allDispatches = 0;

  /** Makes an empty queue on a device. */
  constructor(guard: Guard) {
    this.#guard = guard;
    this.#scalarBuffer = guard.createBuffer(batchDispatches * scalarSlotBytes, "uniform");
    this.#scalarGroup = guard.createScalarGroup(this.#scalarBuffer);
  }

  /** The number of the batch that is being recorded. */
  get batch(): number {
    return this.#batch;
  }

  /** How many batches were submitted. */
  get submits(): number {
    return this.#submits;
  }

  /** How many dispatches were recorded. */
  get dispatches(): number {
    return this.#allDispatches;
  }

  /** Times the dispatches from the next one on; undefined ends that. */
  set log(log: TimestampLog | undefined) {
    this.flush();
    this.#log = log;
  }

  /** What times the dispatches, if anything does. */
  get log(): TimestampLog | undefined {
    return this.#log;
  }

  /** Records a dispatch, in a new batch when this one is full. The caller then marks the buffers it used with {@link batch}. */
  dispatch(
    pipeline: GuardedPipeline,
    group: GPUBindGroup,
    dispatch: Pick<Dispatch, "label" | "workgroups" | "scalars">,
    values: readonly number[],
  ): void {
    if (this.#dispatches >= batchDispatches) this.flush();
    const scalars = dispatch.scalars.length === 0
      ? undefined
      : { group: this.#scalarGroup, offset: this.#placeScalars(dispatch.scalars, values) };
    this.#recorder ??= this.#guard.record();
    this.#recorder.dispatch(pipeline, group, scalars, dispatch.workgroups, this.#log?.next(dispatch.label));
    this.#dispatches++;
    this.#allDispatches++;
  }

  /** Copies host bytes into a buffer, after every recorded command that uses it. */
  write(target: PooledBuffer, byteOffset: number, data: Uint8Array<ArrayBufferLike>): void {
    if (target.batch === this.#batch) this.flush();
    this.#guard.writeBuffer(target.buffer, byteOffset, data);
    this.#writes++;
    this.#writtenBytes += data.byteLength;
    if (this.#writes >= batchWrites || this.#writtenBytes >= batchWriteBytes) this.flush();
  }

  /** Records copies and the like; what they need must hold until the next flush. */
  record(commands: (recorder: Recorder) => void): void {
    this.#recorder ??= this.#guard.record();
    commands(this.#recorder);
  }

  /** Submits what is recorded and written so far. */
  flush(): void {
    const recorder = this.#recorder;
    if (recorder === undefined && this.#writes === 0) return;
    if (recorder !== undefined) this.#log?.endBatch(recorder);
    const scalarBytes = this.#scalarOffsets.size * scalarSlotBytes;
    this.#guard.writeBuffer(this.#scalarBuffer, 0, new Uint8Array(this.#scalarWords.buffer, 0, scalarBytes));
    this.#recorder = undefined;
    this.#scalarOffsets.clear();
    this.#dispatches = 0;
    this.#writes = 0;
    this.#writtenBytes = 0;
    this.#batch++;
    this.#submits++;
    this.#guard.submit(recorder);
  }

  /** Puts scalars into the batch's uniform buffer, equal ones once, and returns their offset. */
  #placeScalars(scalars: Dispatch["scalars"], values: readonly number[]): number {
    if (scalars.length > scalarSlotWords) {
      throw new DeviceError(`Cannot run on webgpu: at most ${scalarSlotWords} scalars are needed, got ${scalars.length}`);
    }
    const start = this.#scalarOffsets.size * scalarSlotWords;
    let key = "";
    for (const [i, { slot, dtype }] of scalars.entries()) {
      const value = values[slot];
      if (value === undefined) {
        throw new DeviceError(`Cannot run on webgpu: a value for scalar ${slot} is needed, got ${values.length} scalars`);
      }
      if (dtype === "float32") this.#scalarFloats[start + i] = value;
      else this.#scalarWords[start + i] = value;
      key += `${this.#scalarWords[start + i]},`;
    }
    const known = this.#scalarOffsets.get(key);
    if (known !== undefined) return known;
    this.#scalarOffsets.set(key, start * 4);
    return start * 4;
  }
}
