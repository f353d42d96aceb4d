// In a file, and so a realm, of its own: tensors that other tests left to the garbage collector would go while this one counts.
import { assertEquals } from "@std/assert";
import { DataLoader, digits } from "../../data/mod.ts";
import { Adam } from "../../optim/mod.ts";
import { memory } from "../../tensor/mod.ts";
import { evaluate, fit } from "../../train/mod.ts";
import { classifier } from "./classifier.ts";

Deno.test("fit keeps memory constant over 1,000 steps, logs and evaluations included", async () => {
  const { model, step } = classifier();
  const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
  const loader = new DataLoader(digits({ split: "test" }), { batchSize: 36, shuffle: true });
  const test = new DataLoader(digits({ split: "test" }), { batchSize: 180 });
  const held: { tensors: number; bytes: number }[] = [];
  const { position } = await fit(step, {
    loader,
    optimizer,
    epochs: 100,
    modules: [model],
    onEpoch: async () => {
      await evaluate(step, { loader: test, modules: [model] });
      const { tensors, bytes } = memory();
      held.push({ tensors, bytes });
    },
  });
  assertEquals(position.step, 1000);
  assertEquals(held.at(-1), held[0]);
});
