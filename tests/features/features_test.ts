import { assertEquals } from "@std/assert";
import { Tensor } from "../../mod.ts";
import { ignoreWithout } from "../permissions.ts";
import { exported, graded, isKnownMember, isMember, namesIn } from "./grade.ts";
import { absent } from "./notes/absent.ts";
import { elsewhere } from "./notes/elsewhere.ts";
import { internal, own } from "./notes/own.ts";
import { partly } from "./notes/partly.ts";
import { declaredBy, missingOptions, presentOptions } from "./options.ts";
import { formatted, pageUrl, render } from "./page.ts";

const rewrite = "deno run -A tests/features/page.ts rewrites it";

Deno.test("every name of PyTorch has a grade", () => {
  assertEquals(graded.filter(({ grade }) => grade === "unknown").map(({ module, name }) => `${module}.${name}`), []);
});

Deno.test("everything that a grade names exists", () => {
  const missing = [...graded.map(({ code }) => code ?? ""), ...Object.values(elsewhere)].flatMap((code) => {
    const { called, members } = namesIn(code);
    return [...called.filter((name) => !(name in exported)), ...members.filter((name) => !isKnownMember(name))].map((name) =>
      `${name} in ${code}`
    );
  });
  assertEquals([...new Set(missing)], []);
});

Deno.test("every note is about a name of PyTorch", () => {
  const known = new Set(graded.flatMap(({ module, name }) => [name, `${module}.${name}`]));
  assertEquals([...Object.keys(elsewhere), ...Object.keys(partly)].filter((name) => !known.has(name)), []);
  const names = Object.values(absent).flat().filter((pattern) => !pattern.includes("*"));
  assertEquals(names.filter((name) => !known.has(name)), []);
});

Deno.test("everything public is a name of PyTorch's in camelCase or elsewhere, or is listed as Tandem's own", () => {
  const used = new Set(graded.flatMap(({ code }) => code === undefined ? [] : Object.values(namesIn(code)).flat()));
  const methods = Object.getOwnPropertyNames(Tensor.prototype).map((name) => `Tensor.${name}`);
  const listed = new Set([...Object.values(own).flat(), ...internal]);
  const all = [...Object.keys(exported), ...methods];
  assertEquals(all.filter((name) => !used.has(name.replace("Tensor.", "")) && !listed.has(name)), []);
  const gone = [...listed].filter((name) =>
    name.startsWith("Tensor.") ? !isMember(name.slice(7)) && name !== "Tensor.constructor" : !(name in exported)
  );
  assertEquals(gone, []);
});

Deno.test({
  name: "what a grade calls there takes every parameter that PyTorch's takes, and what one says is missing is missing",
  ignore: ignoreWithout("read", "run"),
  async fn() {
    const declared = await declaredBy(new URL("../../mod.ts", import.meta.url));
    const list = graded.map((one) => ({ one, name: `${one.module}.${one.name}` }));
    const missing = list.filter(({ one }) => one.grade === "there").map(({ one, name }) => [name, ...missingOptions(one, declared)]);
    assertEquals(missing.filter(({ length }) => length > 1), []);
    assertEquals(list.map(({ one, name }) => [name, ...presentOptions(one, declared)]).filter(({ length }) => length > 1), []);
  },
});

Deno.test({
  name: `FEATURES.md is what the grades give (${rewrite})`,
  ignore: ignoreWithout("read", "run"),
  async fn() {
    const [page, expected] = [await Deno.readTextFile(pageUrl), await formatted(render(graded))];
    const at = page.split("\n").findIndex((line, i) => line !== expected.split("\n")[i]);
    if (page !== expected) throw new Error(`FEATURES.md differs from line ${at + 1} on: ${rewrite}`);
  },
});
