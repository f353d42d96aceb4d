/**
 * The records of a captured step: kernels, writes and host actions on numbered buffers.
 *
 * @module
 */
import { type Recorder, type Scalars, type StorageHandle, withRecorder } from "../capture.ts";
import type { Device } from "../device.ts";
import type { Kernel, Storage, View } from "../kernel.ts";
import { keep } from "../scope.ts";
import { allocate, Tensor } from "../tensor.ts";

/** A view of a numbered buffer. */
export interface Operand {
  readonly buffer: number;
  readonly view: Omit<View, "storage">;
}

/** A kernel call. */
export interface KernelRecord {
  readonly kind: "kernel";
  readonly kernel: Kernel;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  readonly scalars: Scalars;
}

/** Host values that go into a buffer. */
export interface WriteRecord {
  readonly kind: "write";
  readonly buffer: number;
  readonly byteOffset: number;
  readonly data: Uint8Array;
}

/** Something done on the host. */
export interface HostRecord {
  readonly kind: "host";
  readonly action: () => void;
}

/** One record of a step. */
export type Entry = KernelRecord | WriteRecord | HostRecord;

/** A buffer of a step, by its number. */
export interface BufferNote {
  /** The storage, or while the step is taken down the stand-in for one that it makes. */
  readonly storage: Storage;
  /** Whether the step itself made it. */
  readonly inside: boolean;
  /** Who counts its users; known for every buffer that a tensor stands for. */
  handle: StorageHandle | undefined;
}

/** A property that a step has looked at, and what it found. */
export interface Observation {
  readonly subject: object;
  readonly property: string;
  readonly value: unknown;
}

/** Takes down one step on one device. */
export class Recording implements Recorder {
  /** What is to be done, in order. */
  readonly entries: Entry[] = [];
  /** The buffers by number. */
  readonly buffers: BufferNote[] = [];
  /** The leaves whose gradients were replaced. */
  readonly leaves: Set<Tensor> = new Set();
  /** The device of what the step made first. */
  device: Device | undefined;
  readonly #numbers: Map<Storage, number> = new Map();
  readonly #observed: Map<object, Map<string, unknown>> = new Map();

  /**
   * What the step is given in place of arguments while it is taken down: tensors of their shapes and types that share no memory, and that
   * take none unless somebody keeps them. A leaf that asks for gradients is given as it is, since they will be its own.
   */
  parametersFor(args: readonly Tensor[]): Tensor[] {
    const leaves = args.map((arg) => asksForGradients(arg) ? arg : undefined);
    const parameters = withRecorder(
      this,
      () =>
        args.map((arg, position) => leaves[position] ?? keep(allocate(arg.storageOf("compile").device, arg.dtype, arg.shape, "compile"))),
    );
    this.device = undefined; // which the step itself decides
    return parameters;
  }

  /** The number of a buffer that an argument or the step has made; undefined for one from outside. */
  bufferOf(handle: StorageHandle): number | undefined {
    const buffer = this.buffers.findIndex((note) => note.handle === handle);
    return buffer >= 0 && this.buffers[buffer]!.inside ? buffer : undefined;
  }

  /** Whether host values go into a buffer. */
  isWritten(buffer: number): boolean {
    return this.entries.some((entry) => entry.kind === "write" && entry.buffer === buffer);
  }

  /** A storage is to be taken. */
  allocated(device: Device, storage: Storage, handle: StorageHandle): void {
    this.device ??= device;
    this.#numbers.set(storage, this.buffers.push({ storage, inside: true, handle }) - 1);
  }

  /** A tensor is about to be used. */
  seen(storage: Storage, handle: StorageHandle): void {
    this.buffers[this.#numberOf(storage)]!.handle ??= handle;
  }

  /** Host values are to be copied in. */
  wrote(storage: Storage, byteOffset: number, data: ArrayBufferView): void {
    const copy = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    this.entries.push({ kind: "write", buffer: this.#numberOf(storage), byteOffset, data: copy });
  }

  /** A kernel is to be run. */
  ran(device: Device, kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: Scalars): void {
    this.device ??= device;
    const operand = ({ storage, ...view }: View): Operand => ({ buffer: this.#numberOf(storage), view });
    this.entries.push({ kind: "kernel", kernel, inputs: inputs.map(operand), outputs: outputs.map(operand), scalars });
  }

  /** The step looks at a property that may change. */
  observed(subject: object, property: string, value: unknown): void {
    if (property === "grad" && this.leaves.has(subject as Tensor)) return; // the step has set it itself
    let properties = this.#observed.get(subject);
    if (properties === undefined) this.#observed.set(subject, properties = new Map());
    if (!properties.has(property)) properties.set(property, identityOf(value));
  }

  /** What the step has found, of all that outlives it. */
  observations(): Observation[] {
    return [...this.#observed].flatMap(([subject, properties]) => {
      if (subject instanceof Tensor && subject.isDisposed) return [];
      return [...properties].map(([property, value]) => ({ subject, property, value }));
    });
  }

  /** A leaf's gradient is about to be replaced. */
  adopted(leaf: Tensor): void {
    this.leaves.add(leaf);
  }

  /** Something is to be done on the host. */
  host(action: () => void): void {
    this.entries.push({ kind: "host", action });
  }

  #numberOf(storage: Storage): number {
    let number = this.#numbers.get(storage);
    if (number === undefined) this.#numbers.set(storage, number = this.buffers.push({ storage, inside: false, handle: undefined }) - 1);
    return number;
  }
}

/** Whether a tensor is a leaf in which gradients are added up. */
export function asksForGradients(tensor: Tensor): boolean {
  return tensor.requiresGrad && tensor.isLeaf;
}

/** A property's value; a gradient counts as the storage in which it lies. */
function identityOf(value: unknown): unknown {
  return value instanceof Tensor ? value.storageOf("compile").storage : value;
}

/** Whether a property has the value that a step has found. */
export function stillHolds({ subject, property, value }: Observation): boolean {
  return identityOf(Reflect.get(subject, property)) === value;
}
