/**
 * The typed errors of the library. Every message reads
 * `Cannot <op> <shapes>: <what is needed>, got <what is>`.
 *
 * @module
 */

/** What a {@link ShapeError} or {@link DTypeError} was about. */
export interface ErrorContext {
  /** The operation that refused its arguments. */
  readonly op: string;
  /** The shapes it was given. */
  readonly shapes?: readonly (readonly number[])[];
}

/** Thrown when shapes, dims or sizes do not fit an operation. */
export class ShapeError extends TypeError {
  /** The class name, kept under minification. */
  override readonly name: string = "ShapeError";
  /** The operation that refused its arguments. */
  readonly op: string;
  /** The shapes it was given. */
  readonly shapes: readonly (readonly number[])[];

  /** Makes the error from its sentence and the operation it concerns. */
  constructor(message: string, context: ErrorContext) {
    super(message);
    this.op = context.op;
    this.shapes = context.shapes ?? [];
  }
}

/** Thrown when an element type does not fit an operation or a device. */
export class DTypeError extends TypeError {
  /** The class name, kept under minification. */
  override readonly name: string = "DTypeError";
  /** The operation that refused its arguments. */
  readonly op: string;
  /** The shapes it was given. */
  readonly shapes: readonly (readonly number[])[];

  /** Makes the error from its sentence and the operation it concerns. */
  constructor(message: string, context: ErrorContext) {
    super(message);
    this.op = context.op;
    this.shapes = context.shapes ?? [];
  }
}

/** Thrown when an index lies outside the dimension it indexes. */
export class IndexError extends RangeError {
  /** The class name, kept under minification. */
  override readonly name: string = "IndexError";
}

/** Thrown when an option or argument value is outside its allowed set. */
export class ArgumentError extends RangeError {
  /** The class name, kept under minification. */
  override readonly name: string = "ArgumentError";
}

/** Thrown when a gradient is asked for that does not exist or cannot be computed. */
export class GradientError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "GradientError";
}

/** Thrown when a compiled step does what cannot be replayed, such as reading a value. */
export class CaptureError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "CaptureError";
}

/** Thrown when a tensor is used after it was freed. */
export class DisposedError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "DisposedError";
}

/** Thrown when a device is missing, lost, wrong, or two devices are mixed. */
export class DeviceError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "DeviceError";
}

/** Thrown when an allocation passes a device's memory or its budget. */
export class OutOfMemoryError extends DeviceError {
  /** The class name, kept under minification. */
  override readonly name: string = "OutOfMemoryError";
}

/** Thrown when a file is missing, truncated or malformed; names file, offset and remedy. */
export class DataError extends Error {
  /** The class name, kept under minification. */
  override readonly name: string = "DataError";
}

/** Writes shapes for an error message: `[2, 3] and [4]`. */
export function formatShapes(shapes: readonly (readonly number[])[]): string {
  return shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
}
