/**
 * Training steps as a whole: forward, backward, update, and the loss read.
 *
 * @module
 */
import { supCon } from "../losses/mod.ts";
import { scope, tensor } from "../tensor/mod.ts";
import { cyclicLabels, embeddings, embeddingShape, temperature } from "./harness.ts";
import { cnnSteps, mlpSteps, type Step } from "./models.ts";

function bench(name: string, step: Step): void {
  // The engine optimises hot code in the background: let it finish first.
  Deno.bench({ group: "training step", name, warmup: 20, fn: async () => void await step() });
}

function contrastiveSteps(): Step {
  const features = tensor(embeddings(), { shape: embeddingShape, requiresGrad: true });
  const labels = tensor(cyclicLabels(embeddingShape[0]));
  return async () => {
    using _ = scope();
    features.grad = null;
    const loss = supCon(features, labels, { temperature, normalize: false });
    loss.backward();
    return await loss.item();
  };
}

for (const compiled of [false, true]) {
  const how = compiled ? ", compiled" : "";
  bench(`mlp 784-512-256-10, batch 128, SGD${how}`, mlpSteps("sgd", { compiled }));
  bench(`mlp 784-512-256-10, batch 128, Adam${how}`, mlpSteps("adam", { compiled }));
  bench(`cnn of two convolutions, batch 64, SGD${how}`, cnnSteps("sgd", { compiled }));
}
bench("supervised contrastive loss of 512 × 128, forward and backward", contrastiveSteps());
