/**
 * Convolutions of float32 views: forward, input gradient and weight gradient, in one or two dims, as products with a padded image.
 *
 * @module
 */
import type { Accelerator } from "../../accelerator.ts";
import { canRunInPlace, runEpilogue } from "../epilogue.ts";
import type { ScratchHeap } from "../scratch.ts";
import { forward } from "./forward.ts";
import { geometryOf } from "./geometry.ts";
import { inputGradient } from "./input_gradient.ts";
import { weightGradient } from "./weight_gradient.ts";

/** The accelerator of conv kernels on a heap; `map` runs their epilogues. */
export function createConvAccelerator(heap: ScratchHeap, map: Accelerator<"map">): Accelerator<"conv"> {
  return (kernel, inputs, outputs, scalars) => {
    if (!canRunInPlace(kernel.epilogue)) return false;
    const [a, b, c] = [inputs[0]!, inputs[1]!, outputs[0]!];
    if (a.dtype !== "float32" || b.dtype !== "float32" || c.dtype !== "float32") return false;
    if (c.shape.includes(0)) return true;
    switch (kernel.direction) {
      case "forward":
        forward(heap, geometryOf(kernel, a, b, c), a, b, c);
        break;
      case "input":
        inputGradient(heap, geometryOf(kernel, c, b, a), a, b, c);
        break;
      case "weight":
        weightGradient(heap, geometryOf(kernel, a, c, b), a, b, c);
        break;
    }
    return kernel.epilogue === undefined || runEpilogue(map, kernel.epilogue, inputs, c, scalars);
  };
}
