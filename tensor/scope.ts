/**
 * Lifetimes: `using _ = scope();` frees at the block's end every tensor made inside it.
 *
 * @module
 */
import { checkFunction, kindOf } from "./arguments.ts";
import { ArgumentError } from "./errors.ts";

/** What a scope can free: a tensor, or what the tape saved for one backward step. */
export interface Scoped {
  /** Frees it, and tells later users what did; a second call does nothing. */
  dispose(by?: string): void;
  /** The scope that will free it, if any. */
  owner: Scope | undefined;
  /** Told when no scope is left that will free it. */
  escaped?(): void;
}

let current: Scope | undefined;

/**
 * A block of tensor lifetimes, made by {@link scope}.
 */
export class Scope implements Disposable {
  readonly #parent: Scope | undefined = current;
  readonly #members: Set<Scoped> = new Set();
  readonly #internal: boolean;
  #open = true;

  /** Opens a scope inside the current one. Use {@link scope}. */
  constructor(internal = false) {
    this.#internal = internal;
    current = this;
  }

  /** How many members it would free now. */
  get size(): number {
    return this.#members.size;
  }

  /** Takes a member over. */
  add(member: Scoped): void {
    member.owner = this;
    this.#members.add(member);
  }

  /** Lets a member go without freeing it. */
  remove(member: Scoped): void {
    member.owner = undefined;
    this.#members.delete(member);
  }

  /** Hands tensors to the enclosing scope (or to nobody), so that they outlive this one; returns its argument. */
  keep<T extends Scoped>(member: T): T {
    checkMember(member);
    if (member.owner === this) {
      this.remove(member);
      if (this.#parent === undefined) member.escaped?.();
      else this.#parent.add(member);
    }
    return member;
  }

  /** Hands every member to the enclosing scope (or to nobody). */
  release(): void {
    for (const member of [...this.#members]) this.keep(member);
  }

  /** The nearest scope that a user opened. */
  get user(): Scope | undefined {
    return this.#internal ? this.#parent?.user : this;
  }

  /** Frees all members. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    // Across awaits scopes may close out of order: only the innermost one moves the pointer.
    if (current === this) {
      current = this.#parent;
      while (current !== undefined && !current.#open) current = current.#parent;
    }
    for (const member of this.#members) {
      member.owner = undefined;
      member.dispose("the end of a scope");
    }
    this.#members.clear();
  }
}

/**
 * Opens a scope: at the block's end every tensor made inside is freed, except a leaf's `.grad` (which lives as long as its leaf),
 * optimizer state, module parameters and buffers, and what {@link keep} or {@link Scope.keep} saved. Works across `await`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { memory, ones, scope } from "./mod.ts";
 *
 * const before = memory().tensors;
 * {
 *   using _ = scope();
 *   ones([3]).add(1).mul(2);
 * }
 * assertEquals(memory().tensors, before);
 * ```
 */
export function scope(): Scope {
  return new Scope();
}

/** Takes a tensor out of every scope, so that only `dispose()` (or the garbage collector) frees it; returns it. */
export function keep<T extends Scoped>(member: T): T {
  checkMember(member);
  member.owner?.remove(member);
  member.escaped?.();
  return member;
}

function checkMember(member: Scoped): void {
  if (typeof member?.dispose !== "function") throw new ArgumentError(`Cannot keep: a tensor is needed, got ${kindOf(member)}`);
}

/** The innermost open scope. */
export function currentScope(): Scope | undefined {
  return current;
}

/**
 * Runs `body` in a scope of its own and frees what it made, except what it returns: for operations composed of others, whose
 * intermediates nobody can name. What the tape saves inside belongs to the user's scope, not to this one.
 */
export function tidy<T extends Scoped | readonly Scoped[]>(body: () => T): T {
  checkFunction(body, "tidy");
  const inner = new Scope(true);
  try {
    const out = body();
    for (const member of Array.isArray(out) ? out as readonly Scoped[] : [out as Scoped]) inner.keep(member);
    return out;
  } finally {
    inner[Symbol.dispose]();
  }
}
