/**
 * The threads' program, and starting it. A worker needs no permission and no file: its source travels in a blob.
 *
 * @module
 */

/** Words of the control block, in 32-bit words from its start. What several threads write has a cache line of its own. */
export const control = {
  /** Pieces nobody has taken yet. Taking one is lowering this by one; threads sleep while it is 0. */
  ticket: 0,
  /** Pieces that are done. */
  done: 16,
  /** Threads that sleep, or are about to. */
  sleeping: 32,
  /** Threads that run. */
  ready: 48,
  /** Pieces that a thread could not make ready, and handed back. */
  returned: 49,
  /** 1 after a call failed. */
  failed: 50,
  /** A number that changes when functions are numbered anew. */
  epoch: 51,
  /** Addresses: of the calls, of where each piece starts in them, and of the functions' sources. */
  calls: 52,
  starts: 53,
  sources: 54,
  /** Pieces there are. */
  count: 55,
  /** WebAssembly pages of the memory. */
  pages: 56,
  /** How often an idle thread looks for work before it sleeps. */
  looks: 57,
  /** The list of pieces handed back. */
  returnedList: 64,
  /** Addresses of the threads' scratch memory. */
  arenas: 320,
} as const;

/** Bytes of the control block. */
export const controlBytes = 2048;

/** The most pieces at once. */
export const mostPieces = 256;

/** The most threads. */
export const mostThreads = 128;

/** Functions that threads know at once; beyond, all are numbered anew. */
export const mostFunctions = 4096;

/** Added to offsets in scratch memory, so that they differ from addresses; half of it tells them apart. */
export const scratchMark = 2 ** 40;

/** Words of a function's source: address and length of its module, place among the module's exports. */
export const sourceWords = 3;

/**
 * Another thread's growth of the memory shows in a thread's own view of it some time later, or at once after it grows it by nothing; until then
 * what lies behind the old end reads as undefined, so every piece begins with a look at how large the memory has to be.
 *
 * A call is a function's number, the number of arguments, and the arguments; a piece is several calls. A thread first makes all functions of a
 * piece ready: if that fails, it hands the piece back and ends.
 */
const source = `
onmessage = ({ data: { memory, pointer, thread } }) => {
  const base = pointer / 4, arena = base + ${control.arenas} + thread;
  let words, numbers, bytes, epoch = -1, functions = [], modules = new Map();
  const view = () => {
    if (words !== undefined) {
      for (let look = 0; memory.buffer.byteLength / 65536 < words[base + ${control.pages}]; look++) {
        if (look === 1e6) throw new Error("the memory's growth is not seen");
        memory.grow(0);
      }
      if (words.byteLength === memory.buffer.byteLength) return;
    }
    const { buffer } = memory;
    words = new Int32Array(buffer); numbers = new Float64Array(buffer); bytes = new Uint8Array(buffer);
  };
  const address = (at) => words[at] >>> 0;
  const ready = (number) => {
    const entry = address(base + ${control.sources}) / 4 + number * ${sourceWords};
    const start = address(entry);
    let made = modules.get(start);
    if (made === undefined) {
      const module = new WebAssembly.Module(bytes.slice(start, start + words[entry + 1]));
      const { exports } = new WebAssembly.Instance(module, { env: { memory } });
      modules.set(start, made = WebAssembly.Module.exports(module).map(({ name }) => exports[name]));
    }
    functions[number] = made[words[entry + 2]];
  };
  const prepare = (from, to) => {
    if (epoch !== words[base + ${control.epoch}]) {
      epoch = words[base + ${control.epoch}]; functions = []; modules = new Map();
    }
    for (let at = from; at < to; at += 2 + numbers[at + 1]) if (functions[numbers[at]] === undefined) ready(numbers[at]);
  };
  const call = (from, to) => {
    const scratch = address(arena) - ${scratchMark};
    for (let at = from; at < to;) {
      const fn = functions[numbers[at]], end = at + 2 + numbers[at + 1], args = [];
      for (at += 2; at < end; at++) args.push(numbers[at] < ${scratchMark / 2} ? numbers[at] : numbers[at] + scratch);
      fn(...args);
    }
  };
  const done = () => {
    if (Atomics.add(words, base + ${control.done}, 1) + 1 === words[base + ${control.count}]) Atomics.notify(words, base + ${control.done});
  };
  const run = (piece) => {
    let from, to;
    try {
      view();
      const start = address(base + ${control.starts}) / 4 + piece, calls = address(base + ${control.calls}) / 8;
      from = calls + words[start], to = calls + words[start + 1];
      prepare(from, to);
    } catch {
      words[base + ${control.returnedList} + Atomics.add(words, base + ${control.returned}, 1)] = piece;
      Atomics.sub(words, base + ${control.ready}, 1);
      done();
      return false;
    }
    try {
      call(from, to);
    } catch {
      Atomics.store(words, base + ${control.failed}, 1);
    }
    done();
    return true;
  };
  view();
  Atomics.add(words, base + ${control.ready}, 1);
  for (let idle = 0;;) {
    const ticket = Atomics.load(words, base);
    if (ticket > 0) {
      if (Atomics.compareExchange(words, base, ticket, ticket - 1) === ticket && !run(ticket - 1)) return close();
      idle = 0;
    } else if (++idle > words[base + ${control.looks}]) {
      Atomics.add(words, base + ${control.sleeping}, 1);
      Atomics.wait(words, base, 0);
      Atomics.sub(words, base + ${control.sleeping}, 1);
      idle = 0;
    }
  }
};`;

/** What this file needs of a worker. */
export interface Thread {
  /** Ends it at once. */
  terminate(): void;
}

/** Starts a thread; undefined where there are no workers, or none that let the process end while they sleep. */
export function startThread(memory: WebAssembly.Memory, pointer: number, thread: number): Thread | undefined {
  if (typeof Worker === "undefined") return undefined;
  let worker: Worker | undefined;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    worker = new Worker(url, { type: "module" });
    if (!letExit(worker)) {
      worker.terminate();
      return undefined;
    }
    worker.postMessage({ memory, pointer, thread });
    return worker;
  } catch {
    worker?.terminate();
    return undefined;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Browsers end pages whatever their workers do. Deno waits for workers, but has a method, named by a symbol without a description and used by
 * its `node:worker_threads`, that takes one out of the count.
 */
function letExit(worker: Worker): boolean {
  if (!("Deno" in globalThis)) return true;
  const prototype: Record<symbol, unknown> = Object.getPrototypeOf(worker);
  const symbol = Object.getOwnPropertySymbols(prototype).find((each) => !each.description && typeof prototype[each] === "function");
  if (symbol === undefined) return false;
  (worker as unknown as Record<symbol, (counts: boolean) => void>)[symbol]!(false);
  return true;
}
