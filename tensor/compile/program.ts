/**
 * A captured step made ready: storages planned, records bound to them, replayed as a list.
 *
 * @module
 */
import { resolveScalars, type StorageHandle } from "../capture.ts";
import type { Device } from "../device.ts";
import { DisposedError } from "../errors.ts";
import type { Storage, View } from "../kernel.ts";
import { dropDead, expressionsOf, fuse } from "./optimize.ts";
import type { Entry, KernelRecord, Operand, Recording } from "./record.ts";

/** What a recording becomes. */
export class Program {
  readonly #device: Device;
  readonly #steps: readonly (() => void)[];
  /** Storages that live as long as the program. */
  readonly #owned: readonly Storage[];
  /** Buffers of tensors outside: they must still be there. */
  readonly #outside: readonly StorageHandle[];
  /** The records as they were captured, for `explain`. */
  readonly before: readonly Entry[];
  /** The records as they are replayed. */
  readonly after: readonly Entry[];

  /** Optimises and binds what was taken down. Buffers that are still in use are kept as they are; the others get planned storages. */
  constructor(recording: Recording, device: Device, { fused }: { readonly fused: boolean }) {
    const lasting = (buffer: number): boolean => {
      const { inside, handle } = recording.buffers[buffer]!;
      return !inside || (handle?.isLive ?? false);
    };
    const live = dropDead(recording.entries, lasting);
    const entries = fused ? fuse(live, lasting) : live;
    this.#device = device;
    this.before = recording.entries;
    this.after = entries;
    this.#outside = recording.buffers.flatMap(({ inside, handle }) => inside || handle === undefined ? [] : [handle]);
    const owned: Storage[] = [];
    this.#owned = owned;
    try {
      const plan = planStorages(entries, recording, lasting, (bytes) => {
        const storage = device.backend.alloc(bytes);
        owned.push(storage);
        return storage;
      });
      this.#steps = entries.flatMap((entry) => bind(entry, device, plan));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Runs the step once more.
   *
   * @throws DisposedError when a tensor that the step captured was freed.
   */
  replay(): void {
    if (this.#outside.some(({ isLive }) => !isLive)) {
      throw new DisposedError("Cannot replay a compiled step: the tensors it captured are needed, but one was freed; compile it again");
    }
    for (const step of this.#steps) step();
  }

  /** Frees the storages planned for it. */
  dispose(): void {
    for (const storage of this.#owned) this.#device.backend.free(storage);
  }
}

interface StoragePlan {
  readonly storageOf: (buffer: number) => Storage;
  /** Buffers of host values that no kernel changes: written when planned. */
  readonly constants: ReadonlySet<number>;
}

/** Gives each buffer that nobody outside sees a storage, shared by buffers whose uses do not overlap. */
function planStorages(
  entries: readonly Entry[],
  recording: Recording,
  lasting: (buffer: number) => boolean,
  alloc: (bytes: number) => Storage,
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
  const idle: Storage[] = [];
  const take = (bytes: number, reuse: boolean): Storage => {
    const fits = reuse ? idle.filter((storage) => storage.bytes >= bytes && storage.bytes <= 2 * bytes + 64) : [];
    const best = fits.sort((a, b) => a.bytes - b.bytes)[0];
    if (best !== undefined) return idle.splice(idle.indexOf(best), 1)[0]!;
    return alloc(bytes);
  };
  entries.forEach((entry, at) => {
    const buffers = new Set(buffersOf(entry));
    for (const buffer of buffers) {
      if (lasting(buffer) || storages.has(buffer)) continue;
      storages.set(buffer, take(recording.buffers[buffer]!.storage.bytes, !written.has(buffer)));
    }
    for (const buffer of buffers) {
      if (lastUse.get(buffer) === at && !lasting(buffer) && !written.has(buffer)) idle.push(storages.get(buffer)!);
    }
  });
  return { storageOf: (buffer) => storages.get(buffer) ?? recording.buffers[buffer]!.storage, constants };
}

function buffersOf(entry: Entry): number[] {
  if (entry.kind === "host") return [];
  if (entry.kind === "write") return [entry.buffer];
  return [...entry.inputs, ...entry.outputs].map(({ buffer }) => buffer);
}

/** A record as a function; host values that never change are written now. */
function bind(entry: Entry, device: Device, { storageOf, constants }: StoragePlan): (() => void)[] {
  const { backend } = device;
  if (entry.kind === "host") return [entry.action];
  if (entry.kind === "write") {
    const write = () => backend.write(storageOf(entry.buffer), entry.byteOffset, entry.data);
    if (!constants.has(entry.buffer)) return [write];
    write();
    return [];
  }
  const view = ({ buffer, view }: Operand): View => ({ storage: storageOf(buffer), ...view });
  const { kernel, scalars } = entry;
  const inputs = entry.inputs.map(view);
  const outputs = entry.outputs.map(view);
  const run = backend.prepare?.(kernel, inputs, outputs) ?? ((values) => backend.run(kernel, inputs, outputs, values));
  return [() => run(resolveScalars(scalars))];
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
