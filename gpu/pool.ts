/**
 * Buffers kept for reuse, by size class.
 *
 * A freed buffer may become a kernel's output at once, since kernels run in the order in which they are recorded; it may be written from
 * the host only when no recorded command uses it any more, since writes overtake what is not yet submitted. A storage therefore gets
 * its buffer at its first use, when it is known which of the two it is.
 *
 * @module
 */
import { OutOfMemoryError } from "../tensor/errors.ts";
import type { Guard, GuardedBuffer } from "./guard.ts";

/** Waiting buffers of sizes that no longer occur go once the pool holds this much beyond one and a half times what was ever in use. */
const slackBytes = 256 * 2 ** 20;

/** A buffer of the pool; `batch` is the last batch of commands that used it. */
export interface PooledBuffer {
  readonly buffer: GuardedBuffer;
  batch: number;
}

/** Bytes of the size class of a request: quarters between powers of two, so that at most a fifth is lost, from 256 on. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const quarter = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / quarter) * quarter;
}

/** Hands out storage buffers and takes them back. */
export class BufferPool {
  readonly #guard: Guard;
  readonly #budget: number;
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #flush: () => void;
  readonly #onDestroy: (buffer: GuardedBuffer) => void;
  #reserved = 0;
  #peak = 0;
  #held = 0;
  #pooled = 0;
  #created = 0;

  /** Makes an empty pool that may hold `budget` bytes; `flush` submits all commands, `onDestroy` hears of each buffer that goes. */
  constructor(guard: Guard, budget: number, flush: () => void, onDestroy: (buffer: GuardedBuffer) => void) {
    this.#guard = guard;
    this.#budget = budget;
    this.#flush = flush;
    this.#onDestroy = onDestroy;
  }

  /** Bytes of live storages, in their size classes. */
  get reservedBytes(): number {
    return this.#reserved;
  }

  /** Bytes of buffers that wait for reuse. */
  get pooledBytes(): number {
    return this.#pooled;
  }

  /** How many buffers were ever created. */
  get created(): number {
    return this.#created;
  }

  /** The size of the buffer that a storage of so many bytes will get. */
  classOf(bytes: number): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#guard.limits;
    const limit = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 4) * 4;
    if (bytes > limit) {
      throw new OutOfMemoryError(`Cannot allocate ${bytes} bytes on webgpu: at most ${limit} a storage are needed, got ${bytes}`);
    }
    return Math.min(sizeClass(bytes), limit);
  }

  /**
   * Counts a storage's bytes against the budget before it has a buffer.
   *
   * @throws OutOfMemoryError when one storage cannot be that large or the budget is spent.
   */
  reserve(bytes: number): void {
    const size = this.classOf(bytes);
    if (this.#reserved + size > this.#budget) {
      throw new OutOfMemoryError(
        `Cannot allocate ${bytes} bytes on webgpu: a budget of ${this.#budget} bytes allows ${
          this.#budget - this.#reserved
        } more, got ${size}`,
      );
    }
    this.#reserved += size;
    this.#peak = Math.max(this.#peak, this.#reserved);
  }

  /** Takes a reservation back. */
  release(bytes: number): void {
    this.#reserved -= this.classOf(bytes);
  }

  /**
   * A buffer for a kernel of batch `batch`, or with `clean` one that no command of that batch uses.
   * The content is undefined.
   */
  take(bytes: number, batch: number, clean: boolean): PooledBuffer {
    const size = this.classOf(bytes);
    const free = this.#free.get(size);
    const at = free === undefined ? -1 : clean ? free.findIndex((pooled) => pooled.batch !== batch) : free.length - 1;
    if (at >= 0) {
      const found = free!.splice(at, 1)[0]!;
      this.#pooled -= size;
      if (!found.buffer.destroyed) return found;
      this.#held -= size; // its memory turned out never to have been there
    }
    const most = Math.min(this.#budget, this.#peak * 1.5 + slackBytes);
    if (this.#held + size > most && this.#pooled > 0) this.#shrink(this.#held + size - most);
    const buffer = this.#guard.createBuffer(size, "storage");
    this.#created++;
    this.#held += size;
    return { buffer, batch: -1 };
  }

  /**
   * Takes a buffer back for reuse. Buffers wait in the order of their making and not of their return, so that a step which takes what the step
   * before took gets the same ones, and the bind groups made for them.
   */
  give(pooled: PooledBuffer): void {
    const { size, id } = pooled.buffer;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [pooled]);
    else free.splice(free.findLastIndex((other) => other.buffer.id > id) + 1, 0, pooled);
    this.#pooled += size;
  }

  /** Destroys every waiting buffer. */
  trim(): void {
    this.#shrink(Infinity);
  }

  /** Submits what still uses them, then destroys waiting buffers until `bytes` are won. */
  #shrink(bytes: number): void {
    this.#flush();
    let won = 0;
    for (const [size, free] of this.#free) {
      while (free.length > 0 && won < bytes) {
        const { buffer } = free.shift()!;
        won += size;
        this.#onDestroy(buffer);
        this.#guard.destroyBuffer(buffer);
      }
      if (free.length === 0) this.#free.delete(size);
    }
    this.#pooled -= won;
    this.#held -= won;
  }
}
