/**
 * Time per dispatch, by the device's own clock.
 *
 * While a profile runs every dispatch has a pass of its own, whose beginning and end the device notes; the notes of a batch are copied
 * to a log at its end, and the log is read when the profile stops. Kernels then no longer overlap, so the sum of their times is what they
 * would take one after another.
 *
 * @module
 */
import { DeviceError } from "../tensor/errors.ts";
import type { Expr } from "../tensor/expr.ts";
import type { Kernel, KernelRun, View } from "../tensor/kernel.ts";
import type { DispatchTimes, Guard, GuardedBuffer, Recorder } from "./guard.ts";
import type { BufferRange } from "./readback.ts";

/** Bytes of one log buffer: notes of up to 65,536 dispatches. */
const logBytes = 2 ** 20;
/** Two times of 8 bytes. */
const noteBytes = 16;
/** Notes are copied to multiples of 256 bytes. */
const alignment = 256;

/** A dispatch as the log remembers it. */
interface Note {
  readonly kind: string;
  readonly label: string;
  /** The log buffer and the byte in it at which its two times stand. */
  readonly log: number;
  readonly byteOffset: number;
}

/** Collects the times of dispatches. */
export class TimestampLog {
  readonly #guard: Guard;
  readonly #queries: GPUQuerySet;
  readonly #notes: Note[] = [];
  readonly #logs: GuardedBuffer[] = [];
  /** Bytes of the last log that are taken. */
  #used = logBytes;
  /** Dispatches of the batch that is being recorded. */
  #inBatch = 0;
  #kind = "plan";
  #details = "";

  /**
   * Makes an empty log for batches of up to `batchDispatches`.
   *
   * @throws DeviceError when the device has no clock that can be asked.
   */
  constructor(guard: Guard, batchDispatches: number) {
    if (!guard.hasFeature("timestamp-query")) {
      throw new DeviceError("Cannot profile on webgpu: the feature timestamp-query is needed, got an adapter without it");
    }
    this.#guard = guard;
    this.#queries = guard.createQueries(2 * batchDispatches);
  }

  /** Says which kernel the next dispatches belong to. */
  describe(kernel: Kernel | { readonly kind: "plan" | "write" }, outputs: readonly View[]): void {
    const names = kernel.kind === "map" ? operationsOf(kernel.expr) : [];
    this.#kind = kernel.kind;
    this.#details = `${names.map((name) => ` ${name}`).join("")}${outputs[0] === undefined ? "" : ` → [${outputs[0].shape.join(", ")}]`}`;
  }

  /** Where the device notes the times of the next dispatch. */
  next(label: string): DispatchTimes {
    if (this.#inBatch === 0) this.#startBatch();
    const first = 2 * this.#inBatch++;
    this.#notes.push({
      kind: this.#kind,
      label: `${label}${this.#details}`,
      log: this.#logs.length - 1,
      byteOffset: this.#used + first / 2 * noteBytes,
    });
    return { queries: this.#queries, first };
  }

  /** Copies the batch's times to the log; the last command of a batch. */
  endBatch(recorder: Recorder): void {
    if (this.#inBatch === 0) return;
    recorder.resolve(this.#queries, 2 * this.#inBatch, this.#logs.at(-1)!, this.#used);
    this.#used += Math.ceil(this.#inBatch * noteBytes / alignment) * alignment;
    this.#inBatch = 0;
  }

  /** What has to be read to know the times, once every batch was submitted. */
  ranges(): BufferRange[] {
    return this.#logs.map((buffer) => ({ buffer, byteOffset: 0, byteLength: logBytes }));
  }

  /** The runs that these logs tell of, in the order in which they were recorded. */
  runs(logs: readonly ArrayBuffer[]): KernelRun[] {
    const times = logs.map((log) => new BigUint64Array(log));
    const spans = this.#notes.map(({ log, byteOffset }) => {
      const at = byteOffset / 8;
      return { begin: times[log]![at]!, end: times[log]![at + 1]! };
    });
    const origin = spans.reduce((least, { begin }) => begin < least ? begin : least, spans[0]?.begin ?? 0n);
    return this.#notes.map(({ kind, label }, at) => {
      const { begin, end } = spans[at]!;
      // A device may set its clock back between the two.
      return { kind, label, start: milliseconds(begin - origin), duration: Math.max(0, milliseconds(end - begin)) };
    });
  }

  /** Gives back what the log holds. */
  destroy(): void {
    for (const log of this.#logs) this.#guard.destroyBuffer(log);
    this.#guard.destroyQueries(this.#queries);
  }

  /** Finds room for the largest batch. */
  #startBatch(): void {
    if (this.#used + this.#queries.count * noteBytes / 2 <= logBytes && this.#logs.length > 0) return;
    this.#logs.push(this.#guard.createBuffer(logBytes, "log"));
    this.#used = 0;
  }
}

/** WebGPU counts in nanoseconds. */
function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e6;
}

/** The names of the first operations of an expression. */
function operationsOf({ nodes }: Expr, most = 6): string[] {
  const names = nodes.flatMap((node) => node.kind === "op" ? [node.op as string] : []);
  return names.length > most ? [...names.slice(0, most), "…"] : names;
}
