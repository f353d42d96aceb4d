/**
 * An operation with a gradient of one's own, proved by differences.
 *
 * @module
 */
import { customFunction, gradcheck, GradientError, scope, type Tensor, tensor } from "../mod.ts";

using _ = scope();

/** x³, whose gradient is 3x². Written in tensor operations, the rule can be differentiated again. */
const cube = customFunction({
  name: "cube",
  forward: (x) => x.mul(x).mul(x),
  vjp: ({ dys, inputs }) => [dys[0]!.mul(inputs[0]!.square()).mul(3)],
});

const x = tensor([-1.5, 0.5, 2], { dtype: "float64", requiresGrad: true });
cube(x)[0]!.sum().backward();
console.log("gradient of x³", await x.grad!.toArray());

await gradcheck((x: Tensor) => cube(x), [x]);
console.log("gradcheck: the rule is right");

/** The same with a mistake, which the check finds. */
const wrong = customFunction({ name: "wrong", forward: (x) => x.mul(x).mul(x), vjp: ({ dys, inputs }) => [dys[0]!.mul(inputs[0]!)] });
try {
  await gradcheck((x: Tensor) => wrong(x), [x]);
} catch (error) {
  if (!(error instanceof GradientError)) throw error;
  console.log("gradcheck:", error.message);
}
