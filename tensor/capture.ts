/**
 * Capturing: what `compile` is told of a step in place of running it.
 *
 * @module
 */
import type { Device } from "./device.ts";
import { CaptureError } from "./errors.ts";
import type { Kernel, Storage, View } from "./kernel.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The numbers handed to a kernel: fixed, or a function that gives them anew at each replay (a learning rate, Adam's bias correction, a random
 * key).
 */
export type Scalars = readonly number[] | (() => readonly number[]);

/** What takes a step down. Tensors are made as ever, but their memory, kernels and host actions wait for whoever replays them. */
export interface Recorder {
  /** A storage is to be taken. */
  allocated(device: Device, storage: Storage, handle: StorageHandle): void;
  /** A tensor is about to be used by a kernel. */
  seen(storage: Storage, handle: StorageHandle): void;
  /** Host values are to be copied into a storage. */
  wrote(storage: Storage, byteOffset: number, data: ArrayBufferView): void;
  /** A kernel is to be run. */
  ran(device: Device, kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: Scalars): void;
  /** The step looks at a property that may have another value at its next call; what it does may hang on that. */
  observed(subject: object, property: string, value: unknown): void;
  /** A leaf's gradient is about to be replaced. */
  adopted(leaf: Tensor): void;
  /** Something is to be done on the host. */
  host(action: () => void): void;
}

/** A storage as the recorder sees it. */
export interface StorageHandle {
  /** Whether a tensor still uses it. */
  readonly isLive: boolean;
  /** The backend's handle; while a step is taken down only a stand-in for one that it makes. */
  readonly storage: Storage;
}

let recorder: Recorder | undefined;

/** What takes the step down, if anything. */
export function currentRecorder(): Recorder | undefined {
  return recorder;
}

/** Runs `body` while `listener` takes down what it does. */
export function withRecorder<T>(listener: Recorder, body: () => T): T {
  if (recorder !== undefined) throw new CaptureError("Cannot compile inside a compiled step: call the inner function as it is");
  recorder = listener;
  try {
    return body();
  } finally {
    recorder = undefined;
  }
}

/**
 * Does something on the host that belongs to a step, such as counting it: now, or in its turn whenever a compiled step is replayed.
 */
export function eachStep(action: () => void): void {
  if (recorder === undefined) action();
  else recorder.host(action);
}

/**
 * Refuses what a compiled step cannot do.
 *
 * @throws CaptureError while a step is being captured.
 */
export function refuseInCapture(what: string, remedy: string): void {
  if (recorder !== undefined) throw new CaptureError(`Cannot ${what} inside a compiled step: ${remedy}`);
}

/** The numbers as they are now. */
export function resolveScalars(scalars: Scalars): readonly number[] {
  return typeof scalars === "function" ? scalars() : scalars;
}

/** Runs a kernel, or has it taken down. */
export function runKernel(
  device: Device,
  kernel: Kernel,
  inputs: readonly View[],
  outputs: readonly View[],
  scalars: Scalars = [],
): void {
  if (recorder === undefined) device.backend.run(kernel, inputs, outputs, resolveScalars(scalars));
  else recorder.ran(device, kernel, inputs, outputs, scalars);
}
