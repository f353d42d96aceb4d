import { assert, assertEquals } from "@std/assert";
import * as autograd from "../autograd/mod.ts";
import * as data from "../data/mod.ts";
import * as losses from "../losses/mod.ts";
import * as tandem from "../mod.ts";
import * as nn from "../nn/mod.ts";
import * as optim from "../optim/mod.ts";
import * as tensor from "../tensor/mod.ts";
import * as train from "../train/mod.ts";
import { ignoreWithout } from "./permissions.ts";

const rooms: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { tensor, autograd, nn, optim, losses, data, train };

/** What has another name in mod.ts, since two rooms use the same one. */
const renamed: Readonly<Record<string, string>> = { "nn.init": "nnInit" };

Deno.test("mod.ts names every value of every room, as the same value", () => {
  const all = tandem as Readonly<Record<string, unknown>>;
  const wrong = Object.entries(rooms).flatMap(([room, exports]) =>
    Object.keys(exports).filter((name) => all[renamed[`${room}.${name}`] ?? name] !== exports[name]).map((name) => `${room}.${name}`)
  );
  assertEquals(wrong, []);
});

Deno.test({
  name: "mod.ts exports by name, so that a room's new word does not become public by accident",
  ignore: ignoreWithout("read"),
  async fn() {
    assert(!/export \* from/.test(await Deno.readTextFile(new URL("../mod.ts", import.meta.url))));
  },
});
