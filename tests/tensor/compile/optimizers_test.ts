import { crossEntropy } from "../../../losses/mod.ts";
import { Linear, MLP, Sequential } from "../../../nn/mod.ts";
import * as optim from "../../../optim/mod.ts";
import type { Tensor } from "../../../tensor/mod.ts";
import { assertSame, batches, threeWays } from "./three_ways.ts";

type Make = (parameters: readonly Tensor[]) => optim.Optimizer;

const optimizers: Readonly<Record<string, Make>> = {
  Adadelta: (parameters) => new optim.Adadelta(parameters, { lr: 1 }),
  Adagrad: (parameters) => new optim.Adagrad(parameters, { lr: 0.01 }),
  Adam: (parameters) => new optim.Adam(parameters, { lr: 0.01, amsgrad: true }),
  AdamW: (parameters) => new optim.AdamW(parameters, { lr: 0.01 }),
  Adamax: (parameters) => new optim.Adamax(parameters, { lr: 0.01 }),
  LAMB: (parameters) => new optim.LAMB(parameters, { lr: 0.01 }),
  LARS: (parameters) => new optim.LARS(parameters, { lr: 0.1, momentum: 0.9 }),
  Lion: (parameters) => new optim.Lion(parameters, { lr: 1e-3 }),
  Muon: (parameters) => new optim.Muon(parameters.filter(({ rank }) => rank === 2), { lr: 0.01 }),
  NAdam: (parameters) => new optim.NAdam(parameters, { lr: 0.01 }),
  RAdam: (parameters) => new optim.RAdam(parameters, { lr: 0.01 }),
  RMSprop: (parameters) => new optim.RMSprop(parameters, { lr: 0.01, momentum: 0.9, centered: true }),
  SGD: (parameters) => new optim.SGD(parameters, { lr: 0.05, momentum: 0.9, dampening: 0.1 }),
};

for (const [name, make] of Object.entries(optimizers)) {
  Deno.test(`compile trains with ${name}, clipped gradients, a schedule and averaged weights as the eager steps do`, async () => {
    const training = {
      batch: batches([12, 6], 3),
      make() {
        const model = new Sequential([new MLP(6, { hiddenSizes: [16] }), new Linear(16, 3)]);
        const optimizer = make(model.parameters());
        const schedule = new optim.WarmupCosineLR(optimizer, { warmup: 5, total: 30 });
        const average = new optim.EMA(model.parameters());
        const step = (x: Tensor, y: Tensor) => {
          optimizer.zeroGrad();
          const loss = crossEntropy(model.forward(x), y);
          loss.backward();
          optim.clipGradNorm(model.parameters(), { maxNorm: 0.5 });
          optimizer.step();
          schedule.step();
          average.update();
          return { loss };
        };
        return { state: [...model.parameters(), ...average.averages], step };
      },
    };
    assertSame(await threeWays(training));
  });
}
