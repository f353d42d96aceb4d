import { assertEquals, assertGreater } from "@std/assert";
import {
  foreignImports,
  type Import,
  importsOf,
  isLibrary,
  loadedWith,
  reach,
  readSources,
  tapeNeedsTensor,
  webGpuCalls,
  wrongDirections,
} from "./architecture.ts";
import { ignoreWithout } from "./permissions.ts";

const ignore = ignoreWithout("read");
const root = new URL("../", import.meta.url);

let cached: Promise<Map<string, string>> | undefined;

function sources(): Promise<Map<string, string>> {
  return cached ??= readSources(root, [".", ...Object.keys(reach)]);
}

async function imports(): Promise<Import[]> {
  return [...await sources()].flatMap(([file, source]) => importsOf(file, source));
}

Deno.test("the library is read: every room has source files and imports", { ignore }, async () => {
  const files = [...(await sources()).keys()];
  for (const room of Object.keys(reach)) assertGreater(files.filter((file) => file.startsWith(`${room}/`)).length, 0, `no file in ${room}`);
  assertGreater((await imports()).length, files.length);
});

Deno.test("every relative import of the library names a file of the project", { ignore }, async () => {
  const known = await sources();
  const dangling = (await imports())
    .filter(({ file, target }) => isLibrary(file) && target?.endsWith(".ts") && !known.has(target))
    .map(({ file, target }) => `${file} imports ${target}: no such file`);
  assertEquals(dangling, []);
});

Deno.test("the library imports only relative paths with their extension", { ignore }, async () => {
  assertEquals(foreignImports(await imports()), []);
});

Deno.test("rooms import each other in one direction", { ignore }, async () => {
  assertEquals(wrongDirections(await imports()), []);
});

Deno.test("the tape imports only types of the tensor", { ignore }, async () => {
  assertEquals(tapeNeedsTensor(await imports()), []);
});

Deno.test("only the guard calls WebGPU", { ignore }, async () => {
  assertEquals([...await sources()].flatMap(([file, source]) => webGpuCalls(file, source)), []);
});

Deno.test("modules.ts names the rooms and what is loaded with them that no room's mod.ts names", { ignore }, async () => {
  const all = (await imports()).filter(({ typeOnly, dynamic }) => !typeOnly && !dynamic);
  const targets = (from: string) => all.filter(({ file }) => file === from).map(({ target }) => target!);
  const rooms = targets("mod.ts").filter((target) => target !== "modules.ts");
  const [named, known] = [targets("modules.ts"), new Set(rooms.flatMap(targets))];
  const deep = loadedWith("mod.ts", all.filter(({ file }) => file !== "modules.ts"))
    .filter((file) => file !== "modules.ts" && !rooms.includes(file) && !known.has(file));
  assertEquals(named.slice(0, rooms.length), rooms, "what is evaluated first has to be the same with the list as without it");
  assertEquals(named.slice(rooms.length).toSorted(), deep.toSorted());
});

Deno.test("importsOf() finds static, type, bare, re-exporting and dynamic imports, and none in comments", () => {
  const source = `
/**
 * \`\`\`ts
 * import { no } from "./comment.ts";
 * \`\`\`
 */
import { a, type B } from "./a.ts";
import type { C } from "../c.ts";
import { type D, type E } from "./d.ts";
import * as f from "npm:f";
import "./g.ts";
export * from "./h.ts";
export {
  i,
} from "./i.ts";
// import { no } from "./comment.ts";
const j = await import("../j/mod.ts");
`;
  const found = importsOf("nn/x.ts", source).map(({ specifier, target, typeOnly, dynamic }) => [specifier, target, typeOnly, dynamic]);
  assertEquals(found, [
    ["./a.ts", "nn/a.ts", false, false],
    ["../c.ts", "c.ts", true, false],
    ["./d.ts", "nn/d.ts", true, false],
    ["npm:f", undefined, false, false],
    ["./h.ts", "nn/h.ts", false, false],
    ["./i.ts", "nn/i.ts", false, false],
    ["./g.ts", "nn/g.ts", false, false],
    ["../j/mod.ts", "j/mod.ts", false, true],
  ]);
});

Deno.test("loadedWith() follows imports at run time, and neither types nor what is imported when it is needed", () => {
  const sources: Readonly<Record<string, string>> = {
    "mod.ts": 'export { a } from "./a/mod.ts";\n',
    "a/mod.ts": 'import { b } from "./b.ts";\nimport type { c } from "./c.ts";\nconst d = await import("./d.ts");\n',
    "a/b.ts": 'import { a } from "./mod.ts";\nimport "./e.ts";\n',
  };
  const imports = Object.entries(sources).flatMap(([file, source]) => importsOf(file, source));
  assertEquals(loadedWith("mod.ts", imports), ["a/mod.ts", "a/b.ts", "a/e.ts"]);
});

Deno.test("wrongDirections() reports each import that breaks a rule and no other", () => {
  const broken = (file: string, specifier: string) => wrongDirections(importsOf(file, `import { x } from "${specifier}";\n`)).length;
  assertEquals(broken("losses/a.ts", "../nn/mod.ts"), 1);
  assertEquals(broken("nn/a.ts", "../losses/mod.ts"), 1);
  assertEquals(broken("tensor/ops/a.ts", "../../nn/mod.ts"), 1);
  assertEquals(broken("tensor/create.ts", "../cpu/mod.ts"), 1);
  assertEquals(broken("cpu/a.ts", "../tensor/tensor.ts"), 1);
  assertEquals(broken("gpu/wgsl/a.ts", "../../tensor/op.ts"), 1);
  assertEquals(broken("gpu/a.ts", "../cpu/mod.ts"), 1);
  assertEquals(broken("data/a.ts", "../mod.ts"), 1);
  assertEquals(broken("tensor/device.ts", "../cpu/mod.ts"), 0);
  assertEquals(broken("cpu/wasm/a.ts", "../../tensor/expr.ts"), 0);
  assertEquals(broken("train/a.ts", "../losses/mod.ts"), 0);
  assertEquals(broken("nn/a.ts", "./b.ts"), 0);
});

Deno.test("foreignImports() reports bare, npm, jsr, node and extensionless specifiers", () => {
  for (const specifier of ["@std/cli", "npm:a", "jsr:@a/b", "node:fs", "https://a.b/c.ts", "./c"]) {
    assertEquals(foreignImports(importsOf("nn/a.ts", `import { x } from "${specifier}";\n`)).length, 1, specifier);
  }
  assertEquals(foreignImports(importsOf("examples/a.ts", 'import { x } from "@std/cli";\n')), []);
});

Deno.test("webGpuCalls() reports a call outside the guard, with its line, but not a comment about one", () => {
  const source = "// device.createBuffer({})\nconst b = device.createBuffer({});\nthis.#guard.createBuffer(4);\n";
  assertEquals(webGpuCalls("gpu/pool.ts", source), ["gpu/pool.ts:2 calls createBuffer: only gpu/guard.ts may call WebGPU"]);
  assertEquals(webGpuCalls("gpu/guard.ts", source), []);
});
