import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { renderReport, type Report } from "../../train/mod.ts";

const report: Report = {
  title: `A "run" & <more>`,
  figures: [["Test accuracy", "98.9 %"]],
  curves: [{
    name: "Loss",
    axis: "epoch",
    series: [{ name: "train", points: [[0.5, 2], [1, 1], [2, 0.5]] }, { name: "test", points: [[1, 1.2], [2, 0.7]] }],
  }],
  confusion: { classes: ["cat", "<dog>"], counts: [[8, 2], [0, 10]] },
  embedding: {
    classes: ["cat", "<dog>"],
    points: [{ x: 0, y: 0, label: 0 }, { x: 1, y: 1, label: 1 }],
    prototypes: [{ x: 0, y: 0.5, label: 0 }, { x: 1, y: 0.5, label: 1 }],
    caption: "both classes",
  },
  settings: [["seed", "0"]],
};

Deno.test("renderReport needs nothing from elsewhere and runs no script", () => {
  const html = renderReport(report);
  assert(!/<script|<link|<img|src=|href=|url\(|@import|https?:/i.test(html));
});

Deno.test("renderReport escapes every text it is given", () => {
  const html = renderReport(report);
  assertStringIncludes(html, "A &quot;run&quot; &amp; &lt;more&gt;");
  assertStringIncludes(html, "&lt;dog&gt;");
  assert(!html.includes("<dog>") && !html.includes("<more>"));
});

Deno.test("renderReport closes every element that it opens", () => {
  const open: string[] = [];
  for (const [, slash, name, , empty] of renderReport(report).matchAll(/<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*?)(\/?)>/g)) {
    if (["meta"].includes(name!) || empty === "/") continue;
    if (slash === "") open.push(name!);
    else assertEquals(open.pop(), name);
  }
  assertEquals(open, []);
});

Deno.test("renderReport draws every value: curves, counts, mistakes in words, samples and prototypes", () => {
  const html = renderReport(report);
  assertEquals(html.match(/<path d="M/g)?.length, 2);
  assertStringIncludes(html, "2 of 10 cat taken for &lt;dog&gt;");
  assertStringIncludes(html, "2 mistakes; most often cat taken for &lt;dog&gt; (2).");
  assertEquals(html.match(/class="dot"/g)?.length, 2);
  assertEquals(html.match(/class="prototype"/g)?.length, 2);
  assert(!html.includes("NaN") && !html.includes("undefined"));
});

Deno.test("renderReport draws curves of one point and of equal values", () => {
  for (const points of [[[1, 1]], [[1, 3], [2, 3]]] as [number, number][][]) {
    const html = renderReport({ ...report, curves: [{ name: "Loss", axis: "epoch", series: [{ name: "train", points }] }] });
    assert(!html.includes("NaN") && !html.includes("Infinity"));
  }
});

Deno.test("renderReport leaves out what there is not", () => {
  const html = renderReport({ title: "bare", figures: [], settings: [] });
  assert(!html.includes("Confusion") && !html.includes("Embedding"));
});
