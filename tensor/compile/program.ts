/**
 * A captured step made ready: storages planned, records bound to them, replayed as a list.
 *
 * @module
 */
import { resolveScalars, type StorageHandle } from "../capture.ts";
import type { Device } from "../device.ts";
import { DisposedError } from "../errors.ts";
import type { Storage, View } from "../kernel.ts";
import type { Arena } from "./arena.ts";
import { dropDead, expressionsOf, fuse } from "./optimize.ts";
import type { Entry, KernelRecord, Operand, Recording } from "./record.ts";

/** How a program is made. */
export interface ProgramOptions {
  /** Whether kernels are fused. */
  readonly fused: boolean;
  /** Where what it makes and drops again may lie, together with that of other programs. */
  readonly arena: Arena;
  /** Buffers that lie elsewhere at each replay. */
  readonly movable: readonly number[];
}

/** Where a movable buffer lies: in which storage, and from which element on. */
export type Place = Pick<View, "storage" | "offset">;

/** A view whose place changes. */
type MovableView = { -readonly [Key in keyof View]: View[Key] };

/** What a recording becomes. */
export class Program {
  readonly #device: Device;
  readonly #recording: Recording;
  readonly #storages: StoragePlan;
  #steps: readonly (() => void)[] | undefined;
  /** Storages of its own: of host values, which are not written again. */
  readonly #owned: Storage[] = [];
  /** Buffers of tensors outside: they must still be there. */
  readonly #outside: readonly StorageHandle[];
  /** The views of each movable buffer, with what they start after its first element. */
  readonly #movable: ReadonlyMap<number, { readonly view: MovableView; readonly start: number }[]>;
  /** The storages that lie where they always do and that tensors outside show. */
  readonly #fixed: ReadonlySet<Storage>;
  readonly #written: ReadonlySet<number>;
  /** The records as they were captured, for `explain`. */
  readonly before: readonly Entry[];
  /** The records as they are replayed. */
  readonly after: readonly Entry[];

  /** Optimises what was taken down. Buffers that are still in use are kept as they are; the others get planned storages. */
  constructor(recording: Recording, device: Device, { fused, arena, movable }: ProgramOptions) {
    const lasting = (buffer: number): boolean => {
      const { inside, handle } = recording.buffers[buffer]!;
      return !inside || (handle?.isLive ?? false);
    };
    const live = dropDead(recording.entries, lasting);
    const entries = fused ? fuse(live, lasting) : live;
    this.#device = device;
    this.#recording = recording;
    this.#movable = new Map(movable.map((buffer) => [buffer, []]));
    this.before = recording.entries;
    this.after = entries;
    this.#outside = recording.buffers.flatMap(({ inside, handle }) => inside || handle === undefined ? [] : [handle]);
    const { backend } = device;
    try {
      this.#storages = planStorages(entries, recording, lasting, {
        spare: arena.storagesOf(backend),
        shared: (bytes) => arena.alloc(backend, bytes),
        own: (bytes) => this.#owned[this.#owned.push(backend.alloc(bytes)) - 1]!,
      });
      const fixed = (buffer: number) => lasting(buffer) && !this.#movable.has(buffer);
      this.#fixed = new Set(entries.flatMap(buffersOf).filter(fixed).map((buffer) => lastingStorage(recording, buffer)));
      this.#written = new Set(entries.flatMap((entry) => entry.kind === "kernel" ? entry.outputs.map(({ buffer }) => buffer) : []));
      prepareState(live, recording, device, fixed);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Whether something of the step lies in a storage, apart from its movable buffers. */
  uses(storage: Storage): boolean {
    return this.#fixed.has(storage);
  }

  /** Whether a movable buffer that lasts may lie where a contiguous view of its shape does: the step only reads it there. */
  mayMove(buffer: number, { storage, offset }: Place): boolean {
    if (this.#written.has(buffer)) return false;
    // Prepared kernels start where they did.
    return this.#device.backend.prepare === undefined || (offset === 0 && storage.bytes === this.#recording.buffers[buffer]!.storage.bytes);
  }

  /**
   * Runs the step once more.
   *
   * @param places Where the movable buffers lie this time, in their order; each in a storage that the step does not use otherwise.
   * @throws DisposedError when a tensor that the step captured was freed.
   */
  replay(places: readonly Place[]): void {
    if (this.#outside.some(({ isLive }) => !isLive)) {
      throw new DisposedError("Cannot replay a compiled step: the tensors it captured are needed, but one was freed; compile it again");
    }
    // What is prepared once is prepared for storages that are as different from one another as they will ever be.
    this.#steps ??= this.after.flatMap((entry) => this.#bind(entry, places));
    let position = 0;
    for (const views of this.#movable.values()) {
      const { storage, offset } = places[position++]!;
      for (const { view, start } of views) {
        view.storage = storage;
        view.offset = start + offset;
      }
    }
    for (const step of this.#steps) step();
  }

  /** Frees the storages of its own. */
  dispose(): void {
    for (const storage of this.#owned) this.#device.backend.free(storage);
  }

  /** A record as a function; host values that never change are written now. */
  #bind(entry: Entry, places: readonly Place[]): (() => void)[] {
    const { backend } = this.#device;
    const { storageOf, constants } = this.#storages;
    if (entry.kind === "host") return [entry.action];
    if (entry.kind === "write") {
      const write = () => backend.write(storageOf(entry.buffer), entry.byteOffset, entry.data);
      if (!constants.has(entry.buffer)) return [write];
      write();
      return [];
    }
    const order = [...this.#movable.keys()];
    const place = ({ buffer, view }: Operand): View => {
      const views = this.#movable.get(buffer);
      if (views === undefined) return { storage: storageOf(buffer), ...view };
      const { storage, offset } = places[order.indexOf(buffer)]!;
      const placed = { ...view, storage, offset: view.offset + offset };
      views.push({ view: placed, start: view.offset });
      return placed;
    };
    const { kernel, scalars } = entry;
    const inputs = entry.inputs.map(place);
    const outputs = entry.outputs.map(place);
    const run = backend.prepare?.(kernel, inputs, outputs) ?? ((values) => backend.run(kernel, inputs, outputs, values));
    return [() => run(resolveScalars(scalars))];
  }
}

interface StoragePlan {
  readonly storageOf: (buffer: number) => Storage;
  /** Buffers of host values that no kernel changes: written when planned. */
  readonly constants: ReadonlySet<number>;
}

/** Where storages come from. */
interface Supply {
  /** Taken by other programs, free for this one. */
  readonly spare: readonly Storage[];
  /** Takes one that other programs may use too. */
  shared(bytes: number): Storage;
  /** Takes one for this program alone. */
  own(bytes: number): Storage;
}

/** Gives each buffer that nobody outside sees a storage, shared by buffers whose uses do not overlap. */
function planStorages(
  entries: readonly Entry[],
  recording: Recording,
  lasting: (buffer: number) => boolean,
  { spare, shared, own }: Supply,
): StoragePlan {
  const lastUse = new Map<number, number>();
  const changed = new Set<number>();
  const written = new Set<number>();
  entries.forEach((entry, at) => {
    for (const buffer of buffersOf(entry)) lastUse.set(buffer, at);
    if (entry.kind === "kernel") { for (const { buffer } of entry.outputs) changed.add(buffer); }
    if (entry.kind === "write") written.add(entry.buffer);
  });
  const constants = new Set([...written].filter((buffer) => !changed.has(buffer)));
  const storages = new Map<number, Storage>();
  const lent = new Set(spare);
  const idle = [...spare];
  const take = (bytes: number): Storage => {
    // A small buffer must not keep a large one's place, unless that is there anyway.
    const fits = idle.filter((storage) => storage.bytes >= bytes && (lent.has(storage) || storage.bytes <= 2 * bytes + 64));
    const best = fits.sort((a, b) => a.bytes - b.bytes)[0];
    return best === undefined ? shared(bytes) : idle.splice(idle.indexOf(best), 1)[0]!;
  };
  entries.forEach((entry, at) => {
    const buffers = new Set(buffersOf(entry));
    for (const buffer of buffers) {
      if (lasting(buffer) || storages.has(buffer)) continue;
      const { bytes } = recording.buffers[buffer]!.storage;
      storages.set(buffer, written.has(buffer) ? own(bytes) : take(bytes));
    }
    for (const buffer of buffers) {
      if (lastUse.get(buffer) === at && !lasting(buffer) && !written.has(buffer)) idle.push(storages.get(buffer)!);
    }
  });
  return { storageOf: (buffer) => storages.get(buffer) ?? lastingStorage(recording, buffer), constants };
}

/** The storage of a tensor that outlives the step. */
function lastingStorage(recording: Recording, buffer: number): Storage {
  const { handle, storage } = recording.buffers[buffer]!;
  return handle?.storage ?? storage;
}

/** Fills what the step keeps of what depends on nothing: an optimizer's state has to be there also if the step fails before its turn comes. */
function prepareState(entries: readonly Entry[], recording: Recording, device: Device, kept: (buffer: number) => boolean): void {
  for (const entry of entries) {
    if (entry.kind !== "kernel" || entry.inputs.length > 0 || typeof entry.scalars === "function") continue;
    if (!entry.outputs.every(({ buffer }) => recording.buffers[buffer]!.inside && kept(buffer))) continue;
    const outputs = entry.outputs.map(({ buffer, view }): View => ({ storage: lastingStorage(recording, buffer), ...view }));
    device.backend.run(entry.kernel, [], outputs, entry.scalars);
  }
}

function buffersOf(entry: Entry): number[] {
  if (entry.kind === "host") return [];
  if (entry.kind === "write") return [entry.buffer];
  return [...entry.inputs, ...entry.outputs].map(({ buffer }) => buffer);
}

/** One line per kernel: family, sizes, number of scalar operations. */
export function describeEntries(entries: readonly Entry[]): string[] {
  return entries.flatMap((entry) => entry.kind === "kernel" ? [describeKernel(entry)] : entry.kind === "write" ? ["write"] : []);
}

function describeKernel({ kernel, inputs, outputs }: KernelRecord): string {
  const shape = ({ view }: Operand) => `${view.dtype} [${view.shape.join(", ")}]`;
  const ops = expressionsOf(kernel).flatMap(({ nodes }) => nodes.flatMap((node) => node.kind === "op" ? [node.op] : []));
  const what = kernel.kind === "conv" || kernel.kind === "pool" || kernel.kind === "pairs"
    ? `${kernel.kind} ${kernel.direction}`
    : kernel.kind;
  return `${what} (${inputs.map(shape).join(", ")}) → ${outputs.map(shape).join(", ")}${ops.length > 0 ? `: ${ops.join(" ")}` : ""}`;
}
