/**
 * Updates in place by one fused kernel: what optimizer steps and running statistics are made of.
 *
 * @module
 */
import { isGradEnabled } from "../autograd/tape.ts";
import { runKernel, type Scalars } from "./capture.ts";
import { DeviceError, formatShapes, GradientError, ShapeError } from "./errors.ts";
import { expression, type Value } from "./expr.ts";
import type { MapKernel } from "./kernel.ts";
import { expandView } from "./op.ts";
import { sameShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** What one update reads, writes and is told. */
export interface Update {
  /** The kernel's inputs in slot order; one of size 1 in some dims is expanded to the targets' shape. */
  readonly inputs: readonly Tensor[];
  /** What the kernel's outputs overwrite, all of one shape; they may be among the inputs. */
  readonly targets: readonly Tensor[];
  /** What fills the kernel's scalar slots: values that change from step to step without new code. */
  readonly scalars?: Scalars;
}

/** Internal: makes the map kernel that stores one value per target. */
export function updateKernel(values: readonly Value[]): MapKernel {
  const expr = expression(values);
  return { kind: "map", key: `map ${expr.key}`, expr };
}

/**
 * Internal: overwrites the targets with the kernel's outputs.
 *
 * @throws GradientError outside noGrad; DisposedError for a freed tensor; DeviceError for two devices; ShapeError where sizes do not fit or
 * a target shares its elements.
 */
export function updateInPlace(kernel: MapKernel, { inputs, targets, scalars = [] }: Update): void {
  if (isGradEnabled()) throw new GradientError("Cannot update in place: operations in place are allowed only under noGrad(() => …)");
  const { shape } = targets[0]!;
  const storages = targets.map((target) => target.storageOf("update"));
  const { device } = storages[0]!;
  for (const tensor of [...inputs, ...targets]) {
    if (tensor.storageOf("update").device !== device) {
      throw new DeviceError(`Cannot update: tensors on one device are needed, got ${device.name} and ${tensor.device}`);
    }
  }
  for (const target of targets) checkTarget(target, shape);
  const views = inputs.map((tensor) => {
    if (!fits(tensor.shape, shape)) refuse([shape, tensor.shape], "inputs that expand to the target's shape are needed");
    return expandView(tensor.view("update"), shape);
  });
  runKernel(device, kernel, views, targets.map((target) => target.view("update")), scalars);
  for (const storage of storages) storage.version++;
}

function checkTarget(target: Tensor, shape: readonly number[]): void {
  if (!sameShape(target.shape, shape)) refuse([shape, target.shape], "targets of one shape are needed");
  if (target.strides.some((stride, dim) => stride === 0 && target.shape[dim]! > 1)) {
    refuse([target.shape], "a target that does not share its elements is needed, clone() it first");
  }
}

/** Whether a shape expands to another one. */
function fits(from: readonly number[], to: readonly number[]): boolean {
  const lead = to.length - from.length;
  return lead >= 0 && from.every((size, dim) => size === 1 || size === to[dim + lead]);
}

function refuse(shapes: readonly (readonly number[])[], needed: string): never {
  throw new ShapeError(`Cannot update ${formatShapes(shapes)}: ${needed}`, { op: "update", shapes });
}
