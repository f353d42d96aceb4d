/**
 * Training: gradients and the steps of optimizers.
 *
 * @module
 */
import type { Tensor } from "../../../mod.ts";
import type { Call, Operator } from "./call.ts";

/** The gradients of `y`, whose own is one everywhere, in each of `xs`. */
const gradient: Operator = (call) => {
  const y = call.init.named(call.init.attributes.get("y") as string) as Tensor;
  const xs = call.texts("xs").map((name) => call.init.named(name) as Tensor);
  y.backward({ gradient: y.onesLike(), retainGraph: true });
  return { outputs: xs.map((x) => x.grad ?? x.zerosLike()) };
};

/** One optimizer's step for one tensor: its value, gradient and state to the new value and state. */
type Step = (
  call: Call,
  parts: { readonly rate: number; readonly count: number; readonly x: Tensor; readonly g: Tensor; readonly state: Tensor[] },
) => Tensor[];

/** Inputs: the learning rate, the number of steps before, then all values, all gradients, all of each state. */
function optimizer(states: number, step: Step): Operator {
  return async (call) => {
    const [rate, count] = [await call.scalar(0) ?? 0, await call.scalar(1) ?? 0];
    const tensors = (call.inputCount - 2) / (2 + states);
    const results = Array.from({ length: tensors }, (_, n) => {
      const part = (group: number) => call.x(2 + group * tensors + n);
      const x = part(0);
      const g = part(1).add(x.mul(call.number("norm_coefficient", 0)));
      return step(call, { rate, count, x, g, state: Array.from({ length: states }, (_, s) => part(2 + s)) });
    });
    return { outputs: results[0]!.flatMap((_, group) => results.map((result) => result[group]!)) };
  };
}

const adagrad = optimizer(1, (call, { rate, count, x, g, state: [squares] }) => {
  const sum = squares!.add(g.square());
  const step = g.mul(rate / (1 + count * call.number("decay_factor", 0))).div(sum.sqrt().add(call.number("epsilon", 1e-6)));
  return [x.sub(step), sum];
});

const adam = optimizer(2, (call, { rate, count, x, g, state: [mean, square] }) => {
  const [alpha, beta] = [call.number("alpha", 0.9), call.number("beta", 0.999)];
  const v = mean!.mul(alpha).add(g.mul(1 - alpha));
  const h = square!.mul(beta).add(g.square().mul(1 - beta));
  const corrected = count > 0 ? rate * Math.sqrt(1 - beta ** count) / (1 - alpha ** count) : rate;
  const next = x.sub(v.mul(corrected).div(h.sqrt().add(call.number("epsilon", 1e-6))));
  return [next.mul(1 - call.number("norm_coefficient_post", 0)), v, h];
});

const momentum = optimizer(1, (call, { rate, count, x, g, state: [velocity] }) => {
  const alpha = call.number("alpha");
  const v = velocity!.mul(alpha).add(g.mul(count > 0 ? call.number("beta") : 1));
  const step = call.text("mode", "standard") === "nesterov" ? g.add(v.mul(alpha)) : v;
  return [x.sub(step.mul(rate)), v];
});

/** Operators of the preview of training. */
export const training: Readonly<Record<string, Operator>> = {
  Adagrad: adagrad,
  Adam: adam,
  Gradient: gradient,
  Momentum: momentum,
};
