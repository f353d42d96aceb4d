/**
 * A first tensor: values, views, a gradient.
 *
 * @module
 */
import { memory, scope, tensor } from "../mod.ts";

// Everything made from here to the end of the file is freed there.
using _ = scope();

const x = tensor([[1, 2, 3], [4, 5, 6]], { requiresGrad: true });
console.log(x); // type, shape and device: values would have to be waited for
await x.print();

// A transpose is a view: the same six numbers with other strides.
console.log("transposed", x.mT.shape, "row sums", await x.sum(1).toArray());

// The gradient of the mean of squares is 2x / 6.
const loss = x.square().mean();
loss.backward();
console.log("loss", await loss.item());
await x.grad!.print();

console.log("live tensors", memory().tensors);
