/**
 * Memory for what a step makes and drops again.
 *
 * @module
 */
import type { Backend, Storage } from "../kernel.ts";

/** The storages of all programs of one compiled step: no two run at once, and each fills what it reads. */
export class Arena {
  readonly #storages: Map<Backend, Storage[]> = new Map();

  /** What earlier programs have taken on a device. */
  storagesOf(backend: Backend): readonly Storage[] {
    return this.#storages.get(backend) ?? [];
  }

  /** Takes one more. */
  alloc(backend: Backend, bytes: number): Storage {
    const storage = backend.alloc(bytes);
    const taken = this.#storages.get(backend);
    if (taken === undefined) this.#storages.set(backend, [storage]);
    else taken.push(storage);
    return storage;
  }

  /** Frees all of them; programs that use them must not run any more. */
  dispose(): void {
    for (const [backend, storages] of this.#storages) for (const storage of storages) backend.free(storage);
    this.#storages.clear();
  }
}
