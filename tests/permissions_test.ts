import { assertEquals } from "@std/assert";
import { ignoreWithout, missingPermissions } from "./permissions.ts";

const missing = missingPermissions();
if (missing.length > 0) {
  console.warn(`Tests that need the permissions ${missing.join(", ")} are ignored; \`deno task test\` runs them all`);
}

Deno.test("ignoreWithout() keeps a test that needs nothing", () => assertEquals(ignoreWithout(), false));

Deno.test("ignoreWithout() ignores a test as soon as one of its permissions is missing", { permissions: "none" }, () => {
  assertEquals(ignoreWithout("read"), true);
  assertEquals(ignoreWithout("write", "run"), true);
  assertEquals(missingPermissions(["net", "read"]), ["net", "read"]);
});
