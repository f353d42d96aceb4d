/**
 * Reading back: ranges are copied into one staging buffer and mapped with one wait, since each wait costs 10 ms and more in Deno.
 *
 * @module
 */
import type { FaultNotes } from "./faults.ts";
import type { Guard, GuardedBuffer } from "./guard.ts";
import { sizeClass } from "./pool.ts";
import type { CommandQueue } from "./queue.ts";

/** A range of bytes of a buffer, of any alignment. */
export interface BufferRange {
  readonly buffer: GuardedBuffer;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Staging memory kept between reads. */
const keptBytes = 256 * 2 ** 20;

/** Reads ranges through staging buffers that are used again and again. */
export class Readback {
  readonly #guard: Guard;
  readonly #queue: CommandQueue;
  readonly #faults: FaultNotes;
  readonly #free: GuardedBuffer[] = [];
  #fast = false;

  /** Makes a reader; it maps in the awaited way until {@link useFastPath} finds that the fast one works. */
  constructor(guard: Guard, queue: CommandQueue, faults: FaultNotes) {
    this.#guard = guard;
    this.#queue = queue;
    this.#faults = faults;
  }

  /** Whether reads skip the wait. */
  get fast(): boolean {
    return this.#fast;
  }

  /**
   * Tries the fast path on a range with known content and keeps it when the answers are right: Deno has the data as soon as
   * `mapAsync` was called, though its promise takes 10 ms more.
   */
  async useFastPath(range: BufferRange, expected: ArrayBuffer): Promise<boolean> {
    for (let round = 0; round < 3; round++) {
      const [bytes] = await this.read([range]).catch(() => []);
      this.#fast = bytes !== undefined && equalBytes(bytes, expected);
      if (!this.#fast) break;
    }
    return this.#fast;
  }

  /**
   * Copies ranges out, after every command recorded so far.
   *
   * @throws DeviceError when the device fails; IndexError when a kernel met an index out of range.
   */
  async read(ranges: readonly BufferRange[]): Promise<ArrayBuffer[]> {
    const starts: number[] = [];
    let total = 0;
    for (const range of ranges) {
      starts.push(total);
      total += alignedEnd(range) - alignedStart(range);
    }
    const noteBytes = this.#faults.collectBytes;
    if (total + noteBytes === 0) {
      this.#queue.flush();
      await this.#guard.settled();
      return ranges.map(() => new ArrayBuffer(0));
    }
    const staging = this.#take(total + noteBytes);
    try {
      this.#queue.record((recorder) => {
        for (const [i, range] of ranges.entries()) {
          const start = alignedStart(range);
          if (range.byteLength > 0) recorder.copy(range.buffer, start, staging, starts[i]!, alignedEnd(range) - start);
        }
        this.#faults.collect(recorder, staging, total);
      });
      this.#queue.flush();
      const bytes = await this.#guard.readStaging(staging, total + noteBytes, this.#fast);
      await this.#guard.settled();
      this.#faults.check(bytes.slice(total));
      this.#give(staging);
      return ranges.map((range, i) => {
        const start = starts[i]! + range.byteOffset - alignedStart(range);
        return ranges.length === 1 && start === 0 && range.byteLength === bytes.byteLength
          ? bytes
          : bytes.slice(start, start + range.byteLength);
      });
    } catch (error) {
      this.#guard.destroyBuffer(staging);
      throw error;
    }
  }

  /** Destroys the staging buffers that wait. */
  trim(): void {
    for (const buffer of this.#free.splice(0)) this.#guard.destroyBuffer(buffer);
  }

  #take(bytes: number): GuardedBuffer {
    const size = Math.min(sizeClass(bytes), Math.floor(this.#guard.limits.maxBufferSize / 4) * 4);
    const at = this.#free.findIndex((buffer) => buffer.size === Math.max(size, bytes));
    return at >= 0 ? this.#free.splice(at, 1)[0]! : this.#guard.createBuffer(Math.max(size, bytes), "staging");
  }

  #give(buffer: GuardedBuffer): void {
    this.#free.push(buffer);
    let kept = this.#free.reduce((sum, { size }) => sum + size, 0);
    while (kept > keptBytes) {
      const oldest = this.#free.shift()!;
      kept -= oldest.size;
      this.#guard.destroyBuffer(oldest);
    }
  }
}

function alignedStart({ byteOffset }: BufferRange): number {
  return byteOffset - byteOffset % 4;
}

function alignedEnd({ byteOffset, byteLength }: BufferRange): number {
  return byteLength === 0 ? byteOffset - byteOffset % 4 : Math.ceil((byteOffset + byteLength) / 4) * 4;
}

function equalBytes(a: ArrayBuffer, b: ArrayBuffer): boolean {
  const left = new Uint8Array(a);
  const right = new Uint8Array(b);
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}
