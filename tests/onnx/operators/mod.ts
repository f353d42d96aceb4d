/**
 * The table from ONNX operator to the library's functions.
 *
 * @module
 */
import type { Operator } from "./call.ts";
import { control } from "./control.ts";
import { convolution } from "./images/convolution.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { normalization } from "./normalization.ts";
import { pooling } from "./images/pooling.ts";
import { products } from "./products.ts";
import { quantization } from "./quantization.ts";
import { recurrent } from "./recurrent.ts";
import { reduction } from "./reduction.ts";
import { resizing } from "./images/resizing.ts";
import { sampling } from "./images/sampling.ts";
import { shaping } from "./shaping.ts";
import { signal } from "./signal.ts";
import { training } from "./training.ts";

/** Every operator that is here, by its ONNX name. */
export const operators: Readonly<Record<string, Operator>> = {
  ...control,
  ...convolution,
  ...elementwise,
  ...indexing,
  ...normalization,
  ...pooling,
  ...products,
  ...quantization,
  ...recurrent,
  ...reduction,
  ...resizing,
  ...sampling,
  ...shaping,
  ...signal,
  ...training,
};
