/**
 * The two ends of a captured step: its arguments are read where they lie and its results are written where they stay, so that a call copies
 * neither. Copies remain where the step itself needs another memory.
 *
 * @module
 */
import { byteSize } from "../dtype.ts";
import { CountedStorage } from "../memory.ts";
import { contiguousStrides, sizeOf } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import type { Place, Program } from "./program.ts";
import type { Recording } from "./record.ts";

/** What stands for an argument while the step is taken down; a leaf that asks for gradients is the argument itself. */
interface Parameter {
  readonly tensor: Tensor;
  /** Its buffer, which lies where the argument does; undefined where something outside keeps it, so that it has to stay in its place. */
  readonly buffer: number | undefined;
}

/** Memory that is new at each call, and the result that shows the whole of it. */
interface Made {
  readonly bytes: number;
  readonly whole: Tensor;
}

/** A call under way. */
export interface Call {
  /** Where the movable buffers lie. */
  readonly places: readonly Place[];
  /** The new tensor of a result, once the program has run. */
  resultOf(captured: Tensor): Tensor;
}

/** The arguments and results of one captured step. */
export class Ends {
  readonly #parameters: readonly Parameter[];
  readonly #made = new Map<number, Made>();
  /** The buffer of each result that lies in memory made at each call. */
  readonly #bufferOf = new Map<Tensor, number>();

  /** Finds out what may lie elsewhere at each call: what nothing but the captured tensors themselves will look at. */
  constructor(recording: Recording, parameters: readonly Tensor[], results: readonly Tensor[]) {
    this.#parameters = parameters.map((tensor) => {
      const counted = tensor.storageOf("compile");
      return { tensor, buffer: counted.users === 1 ? recording.bufferOf(counted) : undefined };
    });
    for (const [counted, tensors] of Map.groupBy(results, (tensor) => tensor.storageOf("compile"))) {
      const buffer = recording.bufferOf(counted);
      if (buffer === undefined || counted.users > tensors.length || recording.isWritten(buffer)) continue;
      const { bytes } = recording.buffers[buffer]!.storage;
      const whole = tensors.find((tensor) => coversAll(tensor, bytes));
      if (whole === undefined) continue;
      this.#made.set(buffer, { bytes, whole });
      for (const tensor of tensors) this.#bufferOf.set(tensor, buffer);
    }
  }

  /** The buffers that lie elsewhere at each call. */
  get movable(): number[] {
    return [...this.#parameters.flatMap(({ buffer }) => buffer ?? []), ...this.#made.keys()];
  }

  /** Finds a place for everything. To be called under noGrad; what it makes belongs to the current scope. */
  begin(args: readonly Tensor[], program: Program): Call {
    const sources = this.#apart(args, program);
    const places: Place[] = [];
    this.#parameters.forEach(({ tensor, buffer }, position) => {
      if (tensor === args[position]) return;
      if (buffer === undefined) tensor.copy_(sources[position]!);
      else places.push(sources[position]!.view("compile"));
    });
    const made = new Map<number, Tensor>();
    for (const [buffer, { bytes, whole }] of this.#made) {
      const fresh = onStorage(new CountedStorage(whole.storageOf("compile").device, bytes), whole);
      made.set(buffer, fresh);
      places.push(fresh.view("compile"));
    }
    const resultOf = (captured: Tensor): Tensor => {
      const buffer = this.#bufferOf.get(captured);
      if (buffer === undefined) return captured.clone();
      const fresh = made.get(buffer)!;
      if (captured === this.#made.get(buffer)!.whole) return fresh;
      return onStorage(fresh.storageOf("compile"), captured).clone();
    };
    return { places, resultOf };
  }

  /** The arguments, as copies where the program could not read them as they lie, or not without meeting what else it touches. */
  #apart(args: readonly Tensor[], program: Program): Tensor[] {
    const met = new Set<CountedStorage>();
    return args.map((arg, position) => {
      const { tensor, buffer } = this.#parameters[position]!;
      if (tensor === arg) return arg;
      const counted = arg.storageOf("compile");
      const shared = met.has(counted) || program.uses(counted.storage);
      met.add(counted);
      const readable = buffer === undefined || (arg.isContiguous && program.mayMove(buffer, arg.view("compile")));
      return readable && !shared ? arg : arg.clone();
    });
  }
}

/** A tensor like another one, in another storage. */
function onStorage(storage: CountedStorage, { dtype, shape, strides, offset }: Tensor): Tensor {
  return new Tensor({ storage, dtype, shape, strides, offset });
}

/** Whether a tensor shows every element of a storage once, in some order of its dims. */
function coversAll({ dtype, shape, strides, offset }: Tensor, bytes: number): boolean {
  if (offset !== 0 || sizeOf(shape) * byteSize[dtype] !== bytes) return false;
  const dims = [...shape.keys()].filter((dim) => shape[dim]! > 1).sort((a, b) => strides[b]! - strides[a]!);
  const dense = contiguousStrides(dims.map((dim) => shape[dim]!));
  return dims.every((dim, position) => strides[dim] === dense[position]);
}
