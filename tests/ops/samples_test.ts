import { assert, assertGreater } from "@std/assert";
import { ignoreWithout } from "../permissions.ts";
import { sampleNames, samples } from "./samples.ts";

/** Operations whose samples stand elsewhere: linear algebra runs on the CPU only, and on matrices that have to be invertible or positive. */
const elsewhere: readonly string[] = ["linalg.ts"];

Deno.test("samples are there for every name", () => {
  for (const name of sampleNames) assertGreater(samples[name].length, 0, name);
});

Deno.test({
  name: "samples are typed by every file of operations",
  ignore: ignoreWithout("read"),
  async fn() {
    const table = await Deno.readTextFile(new URL("./samples.ts", import.meta.url));
    for await (const { name } of Deno.readDir(new URL("../../tensor/ops/", import.meta.url))) {
      if (elsewhere.includes(name)) continue;
      assert(table.includes(`"../../tensor/ops/${name}"`), `${name} is missing in samples.ts`);
    }
  },
});
