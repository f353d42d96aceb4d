/**
 * Threads that share the heap's memory: pieces of work are written as lists of calls, and every thread, this one too, takes piece after piece.
 *
 * Nothing here waits for the event loop, so kernels stay synchronous. Threads are started when enough work has come by to repay it, and sleep
 * between kernels.
 *
 * Measured on two processors: handing out a job takes 5 to 30 µs, waking a thread that slept 6 to 90 µs. Products and convolutions of 1 ms
 * and more gain 1.8 to 1.95 times, one of 0.65 ms 1.5 times, maps and reductions over more than the caches hold 1.2 to 1.7 times, since they
 * wait for memory. `bench/tandem.ts` with TANDEM_THREADS=1 and 2 shows it.
 *
 * @module
 */
import { DeviceError, OutOfMemoryError } from "../tensor/errors.ts";
import type { Heap } from "./heap.ts";
import { CallRecorder } from "./recorder.ts";
import type { Piece, TaskRunner } from "./wasm/tasks.ts";
import { control, controlBytes, mostFunctions, mostPieces, mostThreads, sourceWords, startThread, type Thread } from "./worker.ts";

/** Starting a thread takes as long as this much shareable work, in nanoseconds. */
const startCost = 20_000_000;

/** How often this thread looks whether the others are done before it sleeps. */
const spins = 5000;

/**
 * A thread that another program keeps from its processor leaves this one waiting. Waits longer than this, in milliseconds, beyond what a piece
 * may take are answered by working alone for as long as the wait; for twice as long each time that a wait comes before much was done since, up
 * to so many times, which bounds what waiting costs to a sixteenth. With the second of two processors taken, a training step took 2.2 times as
 * long as on one thread without this; one interruption in a while costs little more than itself.
 */
const longWait = 0.2;
const mostRest = 16;

/** Waits are forgotten after so many times their length. */
const calm = 50;

/**
 * How often an idle thread looks for work before it sleeps: about 0.2 ms, in which the small kernels between two large ones pass. Waking one
 * that sleeps takes this thread 10 µs and that one as much again; with a tenth as many looks a training step of 4 ms took 4 % longer. After a
 * long wait, for so many milliseconds, threads look less: one that looks on uses up the time that the other program leaves it.
 */
const manyLooks = 30_000;
const fewLooks = 2000;
const cautious = 1000;

/** Ends the threads of heaps that nobody uses any more. */
const abandoned = new FinalizationRegistry<Thread[]>((threads) => {
  for (const thread of threads) thread.terminate();
});

/** Whether this thread may sleep, which the main thread of a browser's page may not: there it looks until the others are done. */
function maySleep(words: Int32Array<ArrayBufferLike>, at: number): boolean {
  try {
    // Not the word's value: returns at once.
    Atomics.wait(words, at, ~Atomics.load(words, at), 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs the pieces of one heap's kernels. */
export class Threads implements TaskRunner {
  readonly #heap: Heap;
  readonly #wanted: number;
  readonly #workers: Thread[] = [];
  readonly #recorder: CallRecorder;
  #seen = 0;
  #restUntil = 0;
  #cautiousUntil = 0;
  #restFactor = 1;
  #maySleep = true;
  #state: "waiting" | "running" | "off" = "waiting";
  #base = 0;
  #words: Int32Array<ArrayBufferLike> = new Int32Array(0);
  #starts = 0;
  #calls = { pointer: 0, bytes: 0 };
  #arenas = { pointer: 0, bytes: 0 };
  #blocks = { pointer: 0, bytes: 0 };
  #sources = 0;
  #bytes = 0;

  /** Makes threads for a heap whose memory is shared; `count` includes the calling one. They start later. */
  constructor(heap: Heap, count: number) {
    this.#heap = heap;
    this.#wanted = Math.min(count, mostThreads);
    this.#recorder = new CallRecorder(heap.memory, { alloc: (bytes) => this.#alloc(bytes), free: (pointer) => this.#free(pointer) });
  }

  /** Bytes of the heap that the threads need for themselves. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Threads that work, the calling one included. */
  get running(): number {
    return this.#state === "running" ? 1 + Atomics.load(this.#words, this.#base + control.ready) : 1;
  }

  /** Starts the threads now, instead of when there was enough to do. False when that is not possible. */
  start(): boolean {
    if (this.#state !== "waiting") return this.#state === "running";
    this.#state = "off";
    try {
      const pointer = this.#alloc(controlBytes);
      this.#base = pointer / 4;
      this.#words = this.#heap.i32;
      this.#words.fill(0, this.#base, this.#base + controlBytes / 4);
      this.#maySleep = maySleep(this.#words, this.#base + control.done);
      this.#starts = this.#alloc((mostPieces + 1) * 4);
      this.#sources = this.#alloc(mostFunctions * sourceWords * 4);
      for (let thread = 1; thread < this.#wanted; thread++) {
        const worker = startThread(this.#heap.memory, pointer, thread);
        if (worker === undefined) break;
        this.#workers.push(worker);
      }
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
    if (this.#workers.length === 0) return false;
    abandoned.register(this.#heap, this.#workers);
    this.#state = "running";
    return true;
  }

  /** Runs all pieces and returns when all are done; false, before anything is done, when they should run on this thread. */
  run(nanoseconds: number, count: number, piece: Piece): boolean {
    if (this.#state === "off" || count > mostPieces) return false;
    if (this.#state === "waiting") {
      this.#seen += nanoseconds;
      if (this.#seen < startCost * (this.#wanted - 1) || !this.start()) return false;
    }
    if (performance.now() < this.#restUntil) return false;
    const recorder = this.#recorder;
    recorder.begin();
    const starts = new Int32Array(count + 1);
    for (let index = 0; index < count; index++) {
      piece(recorder.heap, index);
      starts[index + 1] = recorder.length;
    }
    try {
      this.#publish(starts);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      this.#state = "off";
      return false;
    }
    this.#execute(count, starts);
    return true;
  }

  /** Addresses of `count` blocks of `bytes` bytes that stay as they are until the next pieces run. */
  blocks(count: number, bytes: number): number {
    this.#blocks = this.#grown(this.#blocks, count * bytes);
    return this.#blocks.pointer;
  }

  /** Lays out in memory all that threads need to know. */
  #publish(starts: Int32Array): void {
    const { calls } = this.#recorder;
    const heap = this.#heap;
    this.#calls = this.#grown(this.#calls, calls.length * 8);
    const stride = Math.ceil((this.#recorder.arenaBytes + 64) / 4096) * 4096;
    if (this.#arenas.bytes < stride * this.#wanted) this.#arenas = this.#grown(this.#arenas, stride * this.#wanted);
    const each = Math.floor(this.#arenas.bytes / this.#wanted / 4096) * 4096;
    const added = this.#recorder.takeSources();
    // Views are read anew: each allocation may have grown the memory.
    heap.f64.set(calls, this.#calls.pointer / 8);
    heap.i32.set(starts, this.#starts / 4);
    const words = this.#words = heap.i32;
    const base = this.#base;
    for (const { number, module, place } of added) {
      if (!module.isWritten) heap.u8.set(module.bytes, module.pointer);
      module.isWritten = true;
      words.set([module.pointer, module.bytes.length, place], this.#sources / 4 + number * sourceWords);
    }
    for (let thread = 0; thread < this.#wanted; thread++) words[base + control.arenas + thread] = this.#arenas.pointer + thread * each;
    words[base + control.epoch] = this.#recorder.epoch;
    words[base + control.calls] = this.#calls.pointer;
    words[base + control.starts] = this.#starts;
    words[base + control.sources] = this.#sources;
    words[base + control.count] = starts.length - 1;
    words[base + control.pages] = words.buffer.byteLength / 65536;
    words[base + control.looks] = performance.now() < this.#cautiousUntil ? fewLooks : manyLooks;
    words[base + control.returned] = 0;
    words[base + control.failed] = 0;
  }

  #execute(count: number, starts: Int32Array): void {
    const words = this.#words;
    const [ticket, done] = [this.#base + control.ticket, this.#base + control.done];
    Atomics.store(words, done, 0);
    Atomics.store(words, ticket, count);
    if (Atomics.load(words, this.#base + control.sleeping) > 0) Atomics.notify(words, ticket, count - 1);
    let failure: { readonly error: unknown } | undefined;
    let taken = 0;
    const from = performance.now();
    for (;;) {
      const left = Atomics.load(words, ticket);
      if (left === 0) break;
      if (Atomics.compareExchange(words, ticket, left, left - 1) !== left) continue;
      try {
        this.#call(starts, left - 1);
      } catch (error) {
        failure = { error };
      }
      Atomics.add(words, done, 1);
      taken++;
    }
    const idle = performance.now();
    this.#wait(count);
    this.#noteWait(performance.now() - idle, (idle - from) / Math.max(1, taken));
    if (failure !== undefined) throw failure.error;
    for (let at = 0; at < words[this.#base + control.returned]!; at++) this.#call(starts, words[this.#base + control.returnedList + at]!);
    if (words[this.#base + control.failed] !== 0) throw new DeviceError("Cannot run a kernel: a thread failed");
  }

  /** Works alone for a while after waiting long for others whose pieces take as long as those of this thread. */
  #noteWait(waited: number, piece: number): void {
    const excess = waited - 2 * piece;
    if (excess <= longWait) return;
    const now = performance.now();
    this.#restFactor = now - this.#restUntil > calm * excess ? 1 : Math.min(mostRest, 2 * this.#restFactor);
    this.#restUntil = now + this.#restFactor * excess;
    this.#cautiousUntil = now + cautious;
  }

  /** Waits until the others have done what they took. */
  #wait(count: number): void {
    const words = this.#words;
    const done = this.#base + control.done;
    for (let look = 0;; look++) {
      const now = Atomics.load(words, done);
      if (now === count) return;
      if (look > spins && this.#maySleep) Atomics.wait(words, done, now);
    }
  }

  #call(starts: Int32Array, piece: number): void {
    this.#recorder.play(starts[piece]!, starts[piece + 1]!, this.#arenas.pointer);
  }

  #grown(area: { pointer: number; bytes: number }, bytes: number): { pointer: number; bytes: number } {
    if (area.bytes >= bytes) return area;
    if (area.pointer !== 0) this.#free(area.pointer);
    const room = Math.ceil(bytes * 1.25);
    return { pointer: this.#alloc(room), bytes: room };
  }

  #alloc(bytes: number): number {
    const before = this.#heap.bytes;
    const pointer = this.#heap.alloc(bytes);
    this.#bytes += this.#heap.bytes - before;
    return pointer;
  }

  #free(pointer: number): void {
    const before = this.#heap.bytes;
    this.#heap.free(pointer);
    this.#bytes += this.#heap.bytes - before;
  }
}
