/**
 * Notes of indices out of range, left by kernels on the device and turned into errors by the next read.
 *
 * @module
 */
import { IndexError } from "../tensor/errors.ts";
import type { BoundRange, Guard, GuardedBuffer, Recorder } from "./guard.ts";
import { faultWords } from "./wgsl/fault.ts";

/** Notes are bound by offset, which WebGPU wants in steps of 256 bytes. */
const slotBytes = 256;
const slots = 64;

/** One note per operation's name. */
export class FaultNotes {
  readonly #guard: Guard;
  readonly #slotOf = new Map<string, number>();
  readonly #labels: string[][] = [];
  #buffer: GuardedBuffer | undefined;
  #armed = false;

  /** Makes notes on a device; their memory is taken at the first use. */
  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** Says that a dispatch that may leave a note is about to be recorded. */
  arm(): void {
    this.#armed = true;
  }

  /** The range in which a dispatch leaves its note. */
  rangeFor(label: string): BoundRange {
    this.#buffer ??= this.#guard.createBuffer(slots * slotBytes, "storage");
    return { buffer: this.#buffer, offset: this.#slot(label) * slotBytes, size: slotBytes };
  }

  /** Bytes that {@link collect} copies: 0 when no dispatch could have left a note since the last time. */
  get collectBytes(): number {
    return this.#armed ? Math.min(this.#labels.length, slots) * slotBytes : 0;
  }

  /** Copies the notes to a staging buffer and wipes them. */
  collect(recorder: Recorder, staging: GuardedBuffer, byteOffset: number): void {
    const bytes = this.collectBytes;
    if (bytes === 0 || this.#buffer === undefined) return;
    recorder.copy(this.#buffer, 0, staging, byteOffset, bytes);
    recorder.clear(this.#buffer);
    this.#armed = false;
  }

  /**
   * Looks through collected notes.
   *
   * @throws IndexError for the first one that is set.
   */
  check(notes: ArrayBuffer): void {
    for (let slot = 0; slot * slotBytes < notes.byteLength; slot++) {
      const words = new DataView(notes, slot * slotBytes, faultWords * 4);
      if (words.getUint32(0, true) === 0) continue;
      const label = this.#labels[slot]!.join(" or ");
      throw new IndexError(
        `Cannot ${label}: an index in 0 … ${words.getUint32(8, true) - 1} is needed, got ${words.getInt32(4, true)}`,
      );
    }
  }

  #slot(label: string): number {
    let slot = this.#slotOf.get(label);
    if (slot === undefined) {
      slot = this.#slotOf.size % slots;
      this.#slotOf.set(label, slot);
      (this.#labels[slot] ??= []).push(label);
    }
    return slot;
  }
}
