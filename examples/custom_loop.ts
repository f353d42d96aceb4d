/**
 * A training loop written by hand: two moons, an MLP, cross entropy.
 *
 * @module
 */
import { accuracy, Adam, crossEntropy, DataLoader, Linear, manualSeed, MLP, moons, noGrad, scope, Sequential, split } from "../mod.ts";

manualSeed(0);
const [train, test] = split(moons({ samples: 600, noise: 0.1 }), { fraction: 0.25 });
const model = new Sequential([new MLP(2, { hiddenSizes: [32, 32] }), new Linear(32, 2)]);
const optimizer = new Adam(model.parameters(), { lr: 0.01 });
const loader = new DataLoader(train, { batchSize: 50, shuffle: true });

for (let epoch = 1; epoch <= 12; epoch++) {
  for await (using batch of loader) {
    using _ = scope(); // frees what the step makes; parameters and their gradients stay
    optimizer.zeroGrad();
    crossEntropy(model.forward(batch.x), batch.y).backward();
    optimizer.step();
  }
  for await (using all of new DataLoader(test, { batchSize: test.size })) {
    using _ = scope();
    const hits = noGrad(() => accuracy(model.forward(all.x), all.y));
    if (epoch % 3 === 0) console.log(`epoch ${epoch}: ${((await hits.item()) * 100).toFixed(1)} % of ${test.size} test points`);
  }
}
