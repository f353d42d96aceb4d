import { assertEquals } from "@std/assert";
import * as library from "../../mod.ts";
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

/** What the notes' code is about: tensors x, y, a, b, c, u and v, and the rest by its name. */
function surroundings(): Record<string, unknown> {
  const matrix = (rows: number[][]): Tensor => library.tensor(rows);
  const labels = library.tensor([0, 1], { dtype: "int32" });
  const image = library.ones([1, 4, 2, 2]);
  return {
    ...exported,
    ...{ x: matrix([[0.5, 0.25], [0.75, 0.125]]), y: matrix([[1, 2], [3, 4]]), a: matrix([[2, 1], [1, 3]]), b: matrix([[1, 2], [3, 5]]) },
    ...{
      c: matrix([[1, 0], [0, 1]]),
      u: library.tensor([1, 2]),
      v: library.tensor([3, 4]),
      volume: library.ones([2, 2, 2]),
      image,
      classes: labels,
    },
    ...{
      index: labels,
      pairs: library.tensor([[0, -1], [1, 0]], { dtype: "int32" }),
      places: library.tensor([[0, 1]], { dtype: "int32" }),
      values: matrix([[7, 8], [9, 1]]),
      src: matrix([[1, 2]]),
    },
    ...{ signs: library.tensor([1, -1]), p: library.ones([2]), part: library.ones([2]), parts: [library.ones([2]), library.ones([1])] },
    ...{
      dim: 0,
      i: 1,
      n: 2,
      m: 2,
      count: 2,
      size: 2,
      shape: [2, 2],
      sizes: [1, 1],
      order: [1, 0],
      padding: [1, 1],
      mode: "reflect",
      end: 4,
    },
    ...{ min: 0, max: 1, value: 3, std: 2, mean: 1, high: 5, seed: 1, factor: 2, combine: "sum", numbers: [1, 2], nonlinearity: "relu" },
    ...{ ln2: Math.LN2, π: Math.PI, maxNorm: 1, maxValue: 1, parameters: [], inputs: 2, hidden: 3, width: 2, heads: 1, layers: 1 },
    ...{ model: new library.Linear(2, 2), definition: { name: "same", forward: (z: Tensor) => z, vjp: () => [null] }, loss: undefined },
    ...{ data: new Float32Array(8), labels: [0, 1, 0, 1], weights: [1, 2] },
    dataset: new library.InMemoryDataset({ data: new Float32Array(8), labels: [0, 1, 0, 1], shape: [2] }),
  };
}

Deno.test("the code of every note runs, but for that on files, threads and other devices", async () => {
  const names = surroundings();
  names.loss = library.ones([], { requiresGrad: true }).mul(2);
  const faults: string[] = [];
  for (const [name, code] of Object.entries(elsewhere)) {
    if (/path|threads|webgpu|print/.test(code)) continue;
    const scoped = { ...names, ...(code.startsWith("new Dropout") ? { p: 0.5 } : {}) };
    try {
      await Reflect.apply(
        new Function(...Object.keys(scoped), `return [${code.replace("await ", "")}];`),
        undefined,
        Object.values(scoped),
      )[0];
    } catch (error) {
      faults.push(`${name}: ${code}: ${(error as Error).message}`);
    }
  }
  assertEquals(faults, []);
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
