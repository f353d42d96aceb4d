/** A small model for digits, and its step. */
import { crossEntropy } from "../../losses/mod.ts";
import { Dropout, Linear, MLP, Sequential } from "../../nn/mod.ts";
import { accuracy, type TrainingStep } from "../../train/mod.ts";

export function classifier(): { model: Sequential; step: TrainingStep } {
  const model = new Sequential([new MLP(64, { hiddenSizes: [16] }), new Dropout({ p: 0.2 }), new Linear(16, 10)]);
  const step: TrainingStep = ({ x, y }) => {
    const logits = model.forward(x);
    return { loss: crossEntropy(logits, y), metrics: { accuracy: accuracy(logits, y) } };
  };
  return { model, step };
}
