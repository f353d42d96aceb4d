/**
 * Stored tensors as tensors.
 *
 * @module
 */
import { type Tensor, tensor } from "../../mod.ts";
import type { StoredTensor } from "./model.ts";
import type { Value } from "./operators/call.ts";

/** Puts a stored value on a device. */
export function upload(value: StoredTensor | readonly StoredTensor[] | null, device: string): Value {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((one) => uploadOne(one as StoredTensor, device));
  return uploadOne(value as StoredTensor, device);
}

function uploadOne({ values, shape, dtype }: StoredTensor, device: string): Tensor {
  const uploaded = tensor(values, { shape, dtype, device });
  known.set(uploaded, values);
  return uploaded;
}

/** What was just read from a file need not be read back from a device to be known. */
const known = new WeakMap<Tensor, Float64Array>();

/** The values of a tensor on the host. */
export async function numbersOf(x: Tensor): Promise<number[]> {
  return Array.from(known.get(x) ?? await x.data(), Number);
}
