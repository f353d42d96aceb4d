import { assert, assertEquals, AssertionError, assertThrows } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("assertEquals() compares deeply", () => {
  assertEquals({ a: [1, NaN], b: new Float32Array([1]) }, { a: [1, NaN], b: new Float32Array([1]) });
  assertThrows(() => assertEquals([1], [2]), AssertionError, "Values are not equal");
});

Deno.test("parseArgs() types and parses", () => {
  const args = parseArgs(["--loss", "ce", "--json", "-v"], {
    string: ["loss", "lr"],
    boolean: ["json"],
    default: { lr: "0.1" },
    alias: { json: "j" },
  });
  const loss: string | undefined = args.loss;
  const lr: string = args.lr;
  const json: boolean = args.json && args.j;
  assertEquals([loss, lr, json, args.v], ["ce", "0.1", true, true]);
  assert(Array.isArray(args._));
});
