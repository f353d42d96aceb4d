/**
 * Bind groups, cached by access and buffers, and forgotten when one of their buffers is destroyed.
 *
 * @module
 */
import type { BoundRange, Guard, GuardedBuffer } from "./guard.ts";

/** How many bind groups are kept; past it all are dropped and made anew as needed. */
const capacity = 8192;

/** Creates each bind group once. */
export class BindGroupCache {
  readonly #guard: Guard;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #keysOfBuffer = new Map<number, Set<string>>();
  #created = 0;

  /** Makes an empty cache. */
  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** How many bind groups were ever created. */
  get created(): number {
    return this.#created;
  }

  /** The bind group of these ranges for pipelines with this access. */
  get(label: string, access: string, ranges: readonly BoundRange[]): GPUBindGroup {
    let key = access;
    for (const { buffer, offset, size } of ranges) key += size === undefined ? `,${buffer.id}` : `,${buffer.id}@${offset ?? 0}+${size}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = this.#guard.createBindGroup(label, access, ranges);
      this.#created++;
      this.#keep(key, group, ranges);
    }
    return group;
  }

  /** Drops every bind group that holds a buffer. */
  forget(buffer: GuardedBuffer): void {
    for (const key of this.#keysOfBuffer.get(buffer.id) ?? []) this.#groups.delete(key);
    this.#keysOfBuffer.delete(buffer.id);
  }

  #keep(key: string, group: GPUBindGroup, ranges: readonly BoundRange[]): void {
    if (this.#groups.size >= capacity) {
      this.#groups.clear();
      this.#keysOfBuffer.clear();
    }
    this.#groups.set(key, group);
    for (const { buffer } of ranges) {
      const keys = this.#keysOfBuffer.get(buffer.id);
      if (keys === undefined) this.#keysOfBuffer.set(buffer.id, new Set([key]));
      else keys.add(key);
    }
  }
}
