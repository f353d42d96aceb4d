/**
 * Counted storage: views share one storage, which goes back to its backend when the last of them is freed.
 *
 * @module
 */
import { currentRecorder } from "./capture.ts";
import type { Device } from "./device.ts";
import type { Storage } from "./kernel.ts";
import { currentScope } from "./scope.ts";

let liveTensors = 0;
let unscopedBytes = 0;
let collectAt = 2 ** 28;
let warned = false;

interface Held {
  readonly device: Device;
  storage: Storage;
  /** Whether the backend has given the storage: what a compiled step makes while it is taken down has a place only. */
  isReal: boolean;
  users: number;
}

/** Bytes of memory that were taken. */
function bytesOf({ storage, isReal }: Held): number {
  return isReal ? storage.bytes : 0;
}

function free({ device, storage, isReal }: Held): void {
  if (isReal) device.backend.free(storage);
}

// The backstop for tensors that nobody freed. It watches storages made outside every scope only: a scope frees its own.
const backstop = new FinalizationRegistry<Held>((held) => {
  liveTensors -= held.users;
  unscopedBytes -= bytesOf(held);
  free(held);
});

/** A backend storage with the number of tensors that use it. */
export class CountedStorage {
  readonly #held: Held;
  /** Raised by every write in place, so that backward can tell that a saved tensor has changed. */
  version = 0;
  #watched = false;

  /** Allocates `bytes` on a device. */
  constructor(device: Device, bytes: number) {
    const recorder = currentRecorder();
    const isReal = recorder === undefined;
    this.#held = { device, storage: isReal ? device.backend.alloc(bytes) : { bytes }, isReal, users: 0 };
    if (currentScope() === undefined) this.watch();
    recorder?.allocated(device, this.#held.storage, this);
  }

  /** Whether a tensor uses it. */
  get isLive(): boolean {
    return this.#held.users > 0;
  }

  /** The device it lives on. */
  get device(): Device {
    return this.#held.device;
  }

  /** The backend's handle. */
  get storage(): Storage {
    const held = this.#held;
    if (!held.isReal && currentRecorder() === undefined) {
      held.storage = held.device.backend.alloc(held.storage.bytes);
      held.isReal = true;
      if (this.#watched) unscopedBytes += bytesOf(held);
    }
    return held.storage;
  }

  /** How many tensors use it. */
  get users(): number {
    return this.#held.users;
  }

  /** Adds a user. */
  retain(): void {
    this.#held.users++;
    liveTensors++;
  }

  /** Removes a user; the last one frees the storage. */
  release(): void {
    liveTensors--;
    if (--this.#held.users > 0) return;
    if (this.#watched) {
      backstop.unregister(this);
      unscopedBytes -= bytesOf(this.#held);
    }
    free(this.#held);
  }

  /** Puts the storage under the garbage collector's care, for tensors that no scope will free. */
  watch(): void {
    if (this.#watched) return;
    this.#watched = true;
    unscopedBytes += bytesOf(this.#held);
    backstop.register(this, this.#held, this);
    if (unscopedBytes > collectAt) collect();
  }
}

/**
 * Asks for a collection when much undisposed memory has piled up: the collector does not see device memory and would come too late.
 * Finalizers run at the next turn of the event loop, which every read gives when {@link needsTurn} says so.
 */
function collect(): void {
  collectAt = unscopedBytes + 2 ** 28;
  if (!warned) {
    warned = true;
    console.warn(
      "Tandem: over 256 MiB of tensors were never freed; open `using _ = scope();` around each step, or call dispose()",
    );
  }
  collector ??= findCollector();
  collector();
}

let collector: (() => void) | undefined;

/**
 * The engine's own collection: exposed by a flag, or taken from the modules that Deno and Node have built in, which needs no import, no flag
 * and no permission. Where there is neither, collections come when the engine wants them.
 */
function findCollector(): () => void {
  const { gc, process } = globalThis as {
    gc?: () => void;
    process?: { getBuiltinModule?(name: string): unknown };
  };
  if (gc !== undefined) return gc;
  try {
    const engine = process?.getBuiltinModule?.("node:v8") as { setFlagsFromString(flag: string): void } | undefined;
    const realms = process?.getBuiltinModule?.("node:vm") as { runInNewContext(code: string): unknown } | undefined;
    engine?.setFlagsFromString("--expose-gc");
    // The flag gives the function to realms made after it.
    const exposed = realms?.runInNewContext("gc");
    if (typeof exposed === "function") return exposed as () => void;
  } catch {
    // A runtime that has the modules and refuses them is one without a collector.
  }
  return () => {};
}

/** Whether undisposed memory is large enough that a read should let finalizers run first. */
export function needsTurn(): boolean {
  if (unscopedBytes < 2 ** 27) return false;
  collectAt = Math.max(2 ** 28, unscopedBytes);
  return true;
}

/** The number of live tensors, views and saved tensors included. */
export function liveTensorCount(): number {
  return liveTensors;
}
